//! AES-GCM for SRTP and SRTCP (RFC 7714), by AWS-LC.

use arrayvec::ArrayVec;
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use millrace_packet::pool::SLOT_BYTES;

use super::cipher::{PacketId, Parts, RtcpWord};
use super::keys::{Label, MasterKey};
use super::{RTCP_CLEAR_LEN, RTCP_WORD_LEN, SrtpError, SrtpProfile};

const TAG_LEN: usize = 16;

pub(super) struct GcmKey {
    key: LessSafeKey,
    /// In the low 96 bits, as in a nonce.
    salt: u128,
}

impl GcmKey {
    pub(super) fn derive(master: &MasterKey<'_>, encryption: Label, salt: Label) -> Self {
        let mut session_salt = [0; NONCE_LEN];
        master.derive(salt, &mut session_salt);
        let mut key = [0; 32];
        let key = match master.profile() {
            SrtpProfile::AeadAes256Gcm => &mut key[..],
            _ => &mut key[..16],
        };
        master.derive(encryption, key);
        Self::new(key, session_salt)
    }

    /// Takes a session key of 16 or 32 bytes as it is.
    pub(super) fn new(key: &[u8], salt: [u8; NONCE_LEN]) -> Self {
        let algorithm = if key.len() == AES_256_GCM.key_len() { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, key).expect("a session key has 16 or 32 bytes");
        let salt = salt.into_iter().fold(0, |salt, byte| salt << 8 | u128::from(byte));
        Self { key: LessSafeKey::new(key), salt }
    }

    #[inline]
    pub(super) fn seal_from(&self, id: PacketId, plaintext: &[u8], parts: Parts<'_>) -> Result<(), SrtpError> {
        let Parts { clear, body, trailer } = parts;
        self.key
            .seal_out_of_place_scatter(self.nonce(id), Aad::from(clear), plaintext, body, &[], trailer)
            .map_err(|_| SrtpError::SlotTooSmall)
    }

    #[inline]
    pub(super) fn seal(&self, id: PacketId, parts: Parts<'_>) -> Result<(), SrtpError> {
        let Parts { clear, body, trailer } = parts;
        self.seal_in_place(id, clear, body, trailer)
    }

    #[inline]
    pub(super) fn open(&self, id: PacketId, parts: Parts<'_>) -> Result<(), SrtpError> {
        let Parts { clear, body, trailer } = parts;
        self.open_in_place(id, clear, body, trailer)
    }

    /// Tag first, word last: RFC 7714 §9.1.
    pub(super) fn seal_rtcp(&self, id: PacketId, word: RtcpWord, parts: Parts<'_>) -> Result<(), SrtpError> {
        let Parts { clear, body, trailer } = parts;
        let (tag, word_place) = trailer.split_at_mut_checked(TAG_LEN).ok_or(SrtpError::SlotTooSmall)?;
        word_place.copy_from_slice(&word.to_bytes());
        self.seal_in_place(id, &encrypted_rtcp_aad(clear, word), body, tag)
    }

    pub(super) fn open_rtcp(&self, id: PacketId, word: RtcpWord, parts: Parts<'_>) -> Result<(), SrtpError> {
        let Parts { clear, body, trailer } = parts;
        let tag = trailer.get(..TAG_LEN).ok_or(SrtpError::Malformed)?;
        if word.is_encrypted() {
            return self.open_in_place(id, &encrypted_rtcp_aad(clear, word), body, tag);
        }
        // RFC 7714 §9.3: without encryption the whole packet and the word are authenticated, and nothing is decrypted.
        let mut aad = ArrayVec::<u8, { SLOT_BYTES + RTCP_WORD_LEN }>::new();
        for part in [clear, body, &word.to_bytes()] {
            aad.try_extend_from_slice(part).map_err(|_| SrtpError::Malformed)?;
        }
        self.open_in_place(id, &aad, &mut [], tag)
    }

    fn seal_in_place(&self, id: PacketId, aad: &[u8], body: &mut [u8], tag: &mut [u8]) -> Result<(), SrtpError> {
        self.key
            .seal_in_place_scatter(self.nonce(id), Aad::from(aad), body, &[], tag)
            .map_err(|_| SrtpError::SlotTooSmall)
    }

    fn open_in_place(&self, id: PacketId, aad: &[u8], body: &mut [u8], tag: &[u8]) -> Result<(), SrtpError> {
        let opened = self.key.open_in_place_separate_tag(self.nonce(id), Aad::from(aad), tag, body);
        opened.map(|_| ()).map_err(|_| SrtpError::Unauthentic)
    }

    /// RFC 7714 §8.1 and §9.1: two zero bytes, SSRC, 48 bits of index; the whole XOR the salt.
    fn nonce(&self, id: PacketId) -> Nonce {
        let [_, _, _, _, nonce @ ..] = (self.salt ^ id.as_number()).to_be_bytes();
        Nonce::assume_unique_for_key(nonce)
    }
}

/// RFC 7714 §9.2: the readable bytes, then the word.
fn encrypted_rtcp_aad(clear: &[u8], word: RtcpWord) -> [u8; RTCP_CLEAR_LEN + RTCP_WORD_LEN] {
    let mut aad = [0; RTCP_CLEAR_LEN + RTCP_WORD_LEN];
    aad[..RTCP_CLEAR_LEN].copy_from_slice(clear);
    aad[RTCP_CLEAR_LEN..].copy_from_slice(&word.to_bytes());
    aad
}
