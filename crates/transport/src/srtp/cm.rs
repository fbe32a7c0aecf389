//! AES in counter mode with HMAC-SHA1 for SRTP and SRTCP (RFC 3711 §4.1.1 and §4.2.1), by RustCrypto.

use aes::Aes128Enc;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipher};
use ctr::{Ctr128BE, CtrCore, flavors};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::cipher::{PacketId, Parts, RtcpWord};
use super::keys::{Label, MasterKey};
use super::{RTCP_WORD_LEN, SrtpError};

/// RFC 3711 §5.2: 160 bits.
const AUTHENTICATION_KEY_LEN: usize = 20;

pub(super) struct CmKey {
    cipher: Aes128Enc,
    salt: [u8; 14],
    /// Keyed once; a packet starts from a copy.
    mac: Hmac<Sha1>,
}

impl CmKey {
    pub(super) fn derive(master: &MasterKey<'_>, encryption: Label, authentication: Label, salt: Label) -> Self {
        let mut key = [0; 16];
        let mut authentication_key = [0; AUTHENTICATION_KEY_LEN];
        let mut session_salt = [0; 14];
        master.derive(encryption, &mut key);
        master.derive(authentication, &mut authentication_key);
        master.derive(salt, &mut session_salt);
        let mac = Hmac::new_from_slice(&authentication_key).expect("HMAC takes keys of any length");
        Self { cipher: Aes128Enc::new(&key.into()), salt: session_salt, mac }
    }

    pub(super) fn seal_from(&self, id: PacketId, plaintext: &[u8], parts: Parts<'_>) -> Result<(), SrtpError> {
        let Parts { clear, body, trailer } = parts;
        self.keystream(id).try_apply_keystream_b2b(plaintext, body).map_err(|_| SrtpError::SlotTooSmall)?;
        write_tag(self.rtp_mac(id, clear, body), trailer);
        Ok(())
    }

    pub(super) fn seal(&self, id: PacketId, parts: Parts<'_>) -> Result<(), SrtpError> {
        let Parts { clear, body, trailer } = parts;
        self.keystream(id).try_apply_keystream(body).map_err(|_| SrtpError::SlotTooSmall)?;
        write_tag(self.rtp_mac(id, clear, body), trailer);
        Ok(())
    }

    pub(super) fn open(&self, id: PacketId, parts: Parts<'_>) -> Result<(), SrtpError> {
        let Parts { clear, body, trailer } = parts;
        // Compares in constant time, the first `trailer.len()` bytes.
        self.rtp_mac(id, clear, body).verify_truncated_left(trailer).map_err(|_| SrtpError::Unauthentic)?;
        self.keystream(id).try_apply_keystream(body).map_err(|_| SrtpError::Malformed)
    }

    /// Word first, tag last: RFC 3711 §3.4.
    pub(super) fn seal_rtcp(&self, id: PacketId, word: RtcpWord, parts: Parts<'_>) -> Result<(), SrtpError> {
        let Parts { clear, body, trailer } = parts;
        let (word_place, tag) = trailer.split_at_mut_checked(RTCP_WORD_LEN).ok_or(SrtpError::SlotTooSmall)?;
        word_place.copy_from_slice(&word.to_bytes());
        self.keystream(id).try_apply_keystream(body).map_err(|_| SrtpError::SlotTooSmall)?;
        write_tag(self.rtcp_mac(word, clear, body), tag);
        Ok(())
    }

    pub(super) fn open_rtcp(&self, id: PacketId, word: RtcpWord, parts: Parts<'_>) -> Result<(), SrtpError> {
        let Parts { clear, body, trailer } = parts;
        let tag = trailer.get(RTCP_WORD_LEN..).ok_or(SrtpError::Malformed)?;
        // Before the E flag is looked at: a packet that claims to be unencrypted must be authentic as well.
        self.rtcp_mac(word, clear, body).verify_truncated_left(tag).map_err(|_| SrtpError::Unauthentic)?;
        if !word.is_encrypted() {
            return Ok(());
        }
        self.keystream(id).try_apply_keystream(body).map_err(|_| SrtpError::Malformed)
    }

    /// RFC 3711 §4.1.1: salt, SSRC and index each at its own place above 16 bits of block counter.
    fn keystream(&self, id: PacketId) -> Ctr128BE<&Aes128Enc> {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        iv[4..8].iter_mut().zip(id.ssrc.to_be_bytes()).for_each(|(iv, ssrc)| *iv ^= ssrc);
        iv[8..14].iter_mut().zip(id.index_bytes()).for_each(|(iv, index)| *iv ^= index);
        Ctr128BE::from_core(CtrCore::<_, flavors::Ctr128BE>::inner_iv_init(&self.cipher, &iv.into()))
    }

    /// RFC 3711 §4.2: the packet, then the rollover counter.
    fn rtp_mac(&self, id: PacketId, clear: &[u8], body: &[u8]) -> Hmac<Sha1> {
        self.mac.clone().chain_update(clear).chain_update(body).chain_update(id.rollover().to_be_bytes())
    }

    fn rtcp_mac(&self, word: RtcpWord, clear: &[u8], body: &[u8]) -> Hmac<Sha1> {
        self.mac.clone().chain_update(clear).chain_update(body).chain_update(word.to_bytes())
    }
}

fn write_tag(mac: Hmac<Sha1>, place: &mut [u8]) {
    place.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(place, byte)| *place = byte);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::testing::hex;

    #[test]
    fn keystream_is_that_of_rfc_3711_appendix_b_2() {
        let key: [u8; 16] = hex("2B7E151628AED2A6ABF7158809CF4F3C").try_into().unwrap();
        let session = CmKey {
            cipher: Aes128Enc::new(&key.into()),
            salt: hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap(),
            mac: Hmac::new_from_slice(&[]).unwrap(),
        };
        let mut stream = vec![0; 0xff02 * 16];
        session.keystream(PacketId { ssrc: 0, index: 0 }).apply_keystream(&mut stream);
        let first =
            "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
        let last = "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44";
        assert_eq!(stream[..48], hex(first));
        assert_eq!(stream[0xfeff * 16..], hex(last));
    }
}
