//! What we must know of a ClientHello (RFC 6347 §4.2.1) before the library sees it.
//!
//! Browsers list `SRTP_AES128_CM_HMAC_SHA1_80` first and the library follows the client's order; reading `use_srtp`
//! beforehand lets us offer the library the one profile that we want. A hello may come in several datagrams in any
//! order; `reassembly` joins them first.

use crate::srtp::SrtpProfile;

/// Extensions read of one hello. Browsers send about 15; a hello with more is refused.
const EXTENSIONS_MAX: usize = 64;

const RANDOM_LEN: usize = 32;
const EXTENSION_USE_SRTP: u16 = 14;

/// The parts of a ClientHello that decide how we answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientHello {
    /// The client's random bytes: the same in its first and second hello.
    random: [u8; RANDOM_LEN],
    /// What the client repeats from our HelloVerifyRequest; empty in its first hello.
    cookie: Vec<u8>,
    /// The offered cipher suites, as on the wire.
    cipher_suites: Vec<u8>,
    /// Offered profiles that we know, best first; `true` at the place of [`SrtpProfile::ALL`].
    srtp_profiles: [bool; SrtpProfile::ALL.len()],
}

impl ClientHello {
    /// Reads the body of a complete ClientHello message; `None` when it is malformed.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        let _legacy_version = reader.u16()?;
        let random = reader.take(RANDOM_LEN)?.try_into().ok()?;
        let _session_id = reader.vector8()?;
        let cookie = reader.vector8()?.to_vec();
        let cipher_suites = reader.vector16()?.to_vec();
        let _compression_methods = reader.vector8()?;
        // RFC 5246 §7.4.1.2: no extensions at all is a valid hello.
        let extensions = if reader.0.is_empty() { &[][..] } else { reader.vector16()? };
        if !reader.0.is_empty() {
            return None;
        }
        let srtp_profiles = srtp_profiles(extensions)?;
        Some(Self { random, cookie, cipher_suites, srtp_profiles })
    }

    /// The profile to use: the first of [`SrtpProfile::ALL`] that the client offers.
    ///
    /// `SRTP_AES128_CM_HMAC_SHA1_32` counts only with `sha1_32`.
    pub(crate) fn choose_srtp_profile(&self, sha1_32: bool) -> Option<SrtpProfile> {
        let offered = SrtpProfile::ALL.into_iter().zip(self.srtp_profiles).filter(|(_, offered)| *offered);
        let mut allowed = offered.map(|(profile, _)| profile);
        allowed.find(|profile| sha1_32 || *profile != SrtpProfile::AesCm128HmacSha1_32)
    }

    /// Tells whether `second` is this hello with our `cookie` added (RFC 6347 §4.2.1).
    ///
    /// The first hello is no part of what the Finished messages protect, and the library answers by the first.
    pub(crate) fn is_repeated_by(&self, second: &ClientHello, cookie: &[u8]) -> bool {
        let expected = Self { cookie: cookie.to_vec(), ..self.clone() };
        *second == expected
    }
}

fn srtp_profiles(extensions: &[u8]) -> Option<[bool; SrtpProfile::ALL.len()]> {
    let mut offered = [false; SrtpProfile::ALL.len()];
    let mut reader = Reader(extensions);
    for _ in 0..EXTENSIONS_MAX {
        if reader.0.is_empty() {
            return Some(offered);
        }
        let kind = reader.u16()?;
        let content = reader.vector16()?;
        if kind == EXTENSION_USE_SRTP {
            let ids = Reader(content).vector16()?;
            for id in ids.chunks_exact(2) {
                let id = u16::from_be_bytes([id[0], id[1]]);
                let known = SrtpProfile::ALL.into_iter().zip(&mut offered).find(|(profile, _)| profile.id() == id);
                known.into_iter().for_each(|(_, offered)| *offered = true);
            }
        }
    }
    reader.0.is_empty().then_some(offered)
}

/// Reads the cookie of the HelloVerifyRequest (RFC 6347 §4.2.1) at the start of a datagram of ours.
pub(super) fn hello_verify_request_cookie(datagram: &[u8]) -> Option<&[u8]> {
    const HELLO_VERIFY_REQUEST: u8 = 3;
    const HEADERS_LEN: usize = super::record_filter::RECORD_HEADER_LEN + super::reassembly::HANDSHAKE_HEADER_LEN;
    let (headers, body) = datagram.split_at_checked(HEADERS_LEN)?;
    if headers.get(super::record_filter::RECORD_HEADER_LEN) != Some(&HELLO_VERIFY_REQUEST) {
        return None;
    }
    let mut reader = Reader(body);
    let _version = reader.u16()?;
    reader.vector8()
}

/// Reads `data` as a ClientHello and checks what a parsed one promises.
pub(crate) fn fuzz(data: &[u8]) {
    let _ = hello_verify_request_cookie(data);
    let Some(hello) = ClientHello::parse(data) else { return };
    assert!(hello.choose_srtp_profile(false) != Some(SrtpProfile::AesCm128HmacSha1_32));
    assert!(hello.cookie.len() + hello.cipher_suites.len() < data.len());
}

/// Takes TLS presentation-language values (RFC 5246 §4) from the front of a slice.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let len = *self.take(1)?.first()?;
        self.take(usize::from(len))
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_order_decides_and_not_the_clients() {
        let chromium = hello(&[], &[0x0001, 0x0008, 0x0007]);
        let hello = ClientHello::parse(&chromium).unwrap();
        assert_eq!(hello.choose_srtp_profile(false), Some(SrtpProfile::AeadAes128Gcm));
    }

    #[test]
    fn sha1_32_is_chosen_only_where_enabled_and_last() {
        let alone = ClientHello::parse(&hello(&[], &[0x0002])).unwrap();
        assert_eq!(alone.choose_srtp_profile(false), None);
        assert_eq!(alone.choose_srtp_profile(true), Some(SrtpProfile::AesCm128HmacSha1_32));
        let beside = ClientHello::parse(&hello(&[], &[0x0002, 0x0001])).unwrap();
        assert_eq!(beside.choose_srtp_profile(true), Some(SrtpProfile::AesCm128HmacSha1_80));
    }

    #[test]
    fn d08_profiles_without_encryption_are_never_chosen() {
        let null = ClientHello::parse(&hello(&[], &[0x0005, 0x0006])).unwrap();
        assert_eq!(null.choose_srtp_profile(true), None);
    }

    #[test]
    fn every_cut_of_a_hello_is_refused() {
        let whole = hello(b"cookie", &[7]);
        // The one cut that leaves a valid hello is the one before the extensions.
        let without_extensions = 48;
        for len in (0..whole.len()).filter(|len| *len != without_extensions) {
            assert_eq!(ClientHello::parse(&whole[..len]), None, "{len}");
        }
        assert!(ClientHello::parse(&whole[..without_extensions]).is_some());
        assert!(ClientHello::parse(&whole).is_some());
    }

    #[test]
    fn a_second_hello_must_be_the_first_with_our_cookie() {
        let first = ClientHello::parse(&hello(b"", &[7, 1])).unwrap();
        let second = |cookie: &[u8], profiles: &[u16]| ClientHello::parse(&hello(cookie, profiles)).unwrap();
        assert!(first.is_repeated_by(&second(b"ours", &[7, 1]), b"ours"));
        assert!(!first.is_repeated_by(&second(b"forged", &[7, 1]), b"ours"));
        assert!(!first.is_repeated_by(&second(b"ours", &[1]), b"ours"), "the first hello was changed on the way");
    }

    /// A hello with one unknown extension (5 bytes) and `use_srtp`.
    pub(crate) fn hello(cookie: &[u8], profiles: &[u16]) -> Vec<u8> {
        let mut body = vec![0xfe, 0xfd];
        body.extend([7; RANDOM_LEN]);
        body.extend([0, cookie.len() as u8]);
        body.extend(cookie);
        body.extend([0, 2, 0xc0, 0x2b, 1, 0]);
        let use_srtp_len = 2 + 2 * profiles.len() + 1;
        body.extend((5 + 4 + use_srtp_len as u16).to_be_bytes());
        body.extend([0x0a, 0x0a, 0, 1, 0]);
        body.extend(EXTENSION_USE_SRTP.to_be_bytes());
        body.extend((use_srtp_len as u16).to_be_bytes());
        body.extend((2 * profiles.len() as u16).to_be_bytes());
        profiles.iter().for_each(|profile| body.extend(profile.to_be_bytes()));
        body.push(0);
        body
    }
}
