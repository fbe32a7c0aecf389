//! The session key of one direction and one protocol, whichever cipher the profile chose.

use super::cm::CmKey;
use super::gcm::GcmKey;
use super::keys::{Label, MasterKey};
use super::{RTCP_WORD_LEN, RTP_INDEX_MAX, SrtpError, SrtpProfile};

/// The E flag in the SRTCP word: the packet is encrypted (RFC 3711 §3.4).
const RTCP_ENCRYPTED: u32 = 1 << 31;

/// What makes a packet's keystream unique under its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PacketId {
    pub(super) ssrc: u32,
    /// 48 bits for SRTP, 31 bits for SRTCP.
    pub(super) index: u64,
}

impl PacketId {
    /// The rollover counter, which SRTP authenticates though it is not on the wire (RFC 3711 §4.2).
    pub(super) const fn rollover(self) -> u32 {
        (self.index >> 16) as u32
    }

    /// SSRC and index as one number of 80 bits.
    pub(super) fn as_number(self) -> u128 {
        debug_assert!(self.index <= RTP_INDEX_MAX);
        u128::from(self.ssrc) << 48 | u128::from(self.index)
    }

    /// The index as the 48 bits that every nonce and IV is built from.
    pub(super) fn index_bytes(self) -> [u8; 6] {
        debug_assert!(self.index <= RTP_INDEX_MAX);
        let [_, _, bytes @ ..] = self.index.to_be_bytes();
        bytes
    }
}

/// The last word of an SRTCP packet's own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RtcpWord(u32);

impl RtcpWord {
    /// The word of an encrypted packet.
    pub(super) const fn encrypted(index: u32) -> Self {
        Self(RTCP_ENCRYPTED | index)
    }

    /// The word of a packet that is only authenticated; we never send one.
    #[cfg(test)]
    pub(super) const fn unencrypted(index: u32) -> Self {
        Self(index)
    }

    pub(super) const fn index(self) -> u32 {
        self.0 & !RTCP_ENCRYPTED
    }

    pub(super) const fn is_encrypted(self) -> bool {
        self.0 & RTCP_ENCRYPTED != 0
    }

    pub(super) const fn to_bytes(self) -> [u8; RTCP_WORD_LEN] {
        self.0.to_be_bytes()
    }

    const fn from_bytes(bytes: [u8; RTCP_WORD_LEN]) -> Self {
        Self(u32::from_be_bytes(bytes))
    }
}

/// An SRTP or SRTCP packet cut into what each cipher treats alike.
pub(super) struct Parts<'a> {
    /// Readable and authenticated: the RTP header, or the first 8 bytes of RTCP.
    pub(super) clear: &'a [u8],
    /// Encrypted.
    pub(super) body: &'a mut [u8],
    /// SRTP: the tag. SRTCP: the tag and the word, in the cipher's order.
    pub(super) trailer: &'a mut [u8],
}

impl<'a> Parts<'a> {
    /// Cuts the front of `slot`; `None` when it is too short.
    pub(super) fn cut(slot: &'a mut [u8], clear: usize, body: usize, trailer: usize) -> Option<Self> {
        let (clear, rest) = slot.split_at_mut_checked(clear)?;
        let (body, rest) = rest.split_at_mut_checked(body)?;
        let (trailer, _) = rest.split_at_mut_checked(trailer)?;
        Some(Self { clear, body, trailer })
    }
}

pub(super) enum SessionKey {
    Gcm(GcmKey),
    Cm(CmKey),
}

impl SessionKey {
    pub(super) fn rtp(master: &MasterKey<'_>) -> Self {
        let labels = [Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt];
        Self::derive(master, labels)
    }

    pub(super) fn rtcp(master: &MasterKey<'_>) -> Self {
        let labels = [Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt];
        Self::derive(master, labels)
    }

    fn derive(master: &MasterKey<'_>, [encryption, authentication, salt]: [Label; 3]) -> Self {
        match master.profile() {
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => {
                Self::Gcm(GcmKey::derive(master, encryption, salt))
            }
            SrtpProfile::AesCm128HmacSha1_80 | SrtpProfile::AesCm128HmacSha1_32 => {
                Self::Cm(CmKey::derive(master, encryption, authentication, salt))
            }
        }
    }

    /// Seals `plaintext`, which stays as it is, into `parts`.
    #[inline]
    pub(super) fn seal_from(&self, id: PacketId, plaintext: &[u8], parts: Parts<'_>) -> Result<(), SrtpError> {
        match self {
            Self::Gcm(key) => key.seal_from(id, plaintext, parts),
            Self::Cm(key) => key.seal_from(id, plaintext, parts),
        }
    }

    /// Seals the body of `parts` where it lies.
    #[inline]
    pub(super) fn seal(&self, id: PacketId, parts: Parts<'_>) -> Result<(), SrtpError> {
        match self {
            Self::Gcm(key) => key.seal(id, parts),
            Self::Cm(key) => key.seal(id, parts),
        }
    }

    /// Checks the tag, then decrypts the body where it lies. After an error the body is spoilt.
    #[inline]
    pub(super) fn open(&self, id: PacketId, parts: Parts<'_>) -> Result<(), SrtpError> {
        match self {
            Self::Gcm(key) => key.open(id, parts),
            Self::Cm(key) => key.open(id, parts),
        }
    }

    /// Reads the SRTCP word from its place in the trailer.
    pub(super) fn rtcp_word(&self, trailer: &[u8]) -> Option<RtcpWord> {
        match self {
            Self::Gcm(_) => trailer.last_chunk(),
            Self::Cm(_) => trailer.first_chunk(),
        }
        .copied()
        .map(RtcpWord::from_bytes)
    }

    pub(super) fn seal_rtcp(&self, ssrc: u32, word: RtcpWord, parts: Parts<'_>) -> Result<(), SrtpError> {
        let id = PacketId { ssrc, index: word.index().into() };
        match self {
            Self::Gcm(key) => key.seal_rtcp(id, word, parts),
            Self::Cm(key) => key.seal_rtcp(id, word, parts),
        }
    }

    /// Checks the tag, then decrypts the body where it lies if the word says that it is encrypted.
    pub(super) fn open_rtcp(&self, ssrc: u32, word: RtcpWord, parts: Parts<'_>) -> Result<(), SrtpError> {
        let id = PacketId { ssrc, index: word.index().into() };
        match self {
            Self::Gcm(key) => key.open_rtcp(id, word, parts),
            Self::Cm(key) => key.open_rtcp(id, word, parts),
        }
    }
}
