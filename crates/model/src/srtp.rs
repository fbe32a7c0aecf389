//! SRTP keys that applications exchange for plain and pipe transports (RFC 3711, RFC 7714; the names are those of
//! RFC 4568 §6.2 and RFC 7714 §14.2).

use std::fmt;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::ModelError;

/// Cipher and tag lengths of SRTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
pub enum SrtpCryptoSuite {
    /// AES-256 in GCM: 32 bytes of key, 12 of salt.
    #[serde(rename = "AEAD_AES_256_GCM")]
    AeadAes256Gcm,
    /// AES-128 in GCM: 16 bytes of key, 12 of salt.
    #[serde(rename = "AEAD_AES_128_GCM")]
    AeadAes128Gcm,
    /// AES-128 in counter mode, tags of 80 bits: 16 bytes of key, 14 of salt.
    #[default]
    #[serde(rename = "AES_CM_128_HMAC_SHA1_80")]
    AesCm128HmacSha1_80,
    /// AES-128 in counter mode, tags of 32 bits on RTP packets: 16 bytes of key, 14 of salt.
    #[serde(rename = "AES_CM_128_HMAC_SHA1_32")]
    AesCm128HmacSha1_32,
}

impl SrtpCryptoSuite {
    /// Bytes of the master key.
    pub const fn key_len(self) -> usize {
        if matches!(self, Self::AeadAes256Gcm) { 32 } else { 16 }
    }

    /// Bytes of the master salt.
    pub const fn salt_len(self) -> usize {
        if matches!(self, Self::AeadAes256Gcm | Self::AeadAes128Gcm) { 12 } else { 14 }
    }
}

/// One end's SRTP parameters, as signalling carries them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SrtpParameters {
    /// Cipher and tag lengths.
    pub crypto_suite: SrtpCryptoSuite,
    /// Master key, then master salt, in Base64: 44 bytes with `AEAD_AES_256_GCM`, 28 with `AEAD_AES_128_GCM`, 30 with
    /// the others.
    pub key_base64: String,
}

impl SrtpParameters {
    /// Checks that the key is one of its suite.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] for `keyBase64`; the message does not repeat the key.
    pub fn into_checked(self) -> Result<SrtpKey, ModelError> {
        let expected = self.crypto_suite.key_len() + self.crypto_suite.salt_len();
        let Some(bytes) = decode(&self.key_base64) else {
            return Err(ModelError::invalid("keyBase64", "is no Base64"));
        };
        let len = bytes.len();
        SrtpKey::new(self.crypto_suite, bytes).ok_or_else(|| {
            let reason = format!("holds {len} bytes, the key and salt of its suite have {expected}");
            ModelError::invalid("keyBase64", reason)
        })
    }
}

/// Keys are secrets: a log that shows parameters shows none.
impl fmt::Debug for SrtpParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpParameters").field("crypto_suite", &self.crypto_suite).finish_non_exhaustive()
    }
}

/// A master key and salt as long as their suite says.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtpKey {
    suite: SrtpCryptoSuite,
    bytes: Vec<u8>,
}

impl SrtpKey {
    /// Takes key and salt, one behind the other; `None` unless they have the length that `suite` asks for.
    pub fn new(suite: SrtpCryptoSuite, bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() == suite.key_len() + suite.salt_len()).then_some(Self { suite, bytes })
    }

    /// What the key is for.
    pub fn suite(&self) -> SrtpCryptoSuite {
        self.suite
    }

    /// The master key and the master salt.
    pub fn parts(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at(self.suite.key_len())
    }

    /// The key as signalling carries it.
    pub fn to_parameters(&self) -> SrtpParameters {
        SrtpParameters { crypto_suite: self.suite, key_base64: encode(&self.bytes) }
    }
}

impl fmt::Debug for SrtpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpKey").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// The digits of Base64 (RFC 4648 §4).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let is_padding = digit > chunk.len();
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(if is_padding { '=' } else { char::from(DIGITS[value as usize]) });
        }
    }
    text
}

/// The bytes of `text`, whose padding may be missing; `None` where it is no Base64.
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let is_padded = text.len().is_multiple_of(4) && text.len() - digits.len() <= 2;
    if digits.len() % 4 == 1 || !(is_padded || digits.len() == text.len()) {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.as_bytes().chunks(4) {
        let mut bits = 0;
        for digit in chunk {
            bits = (bits << 6) | DIGITS.iter().position(|known| known == digit)? as u32;
        }
        bits <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648_10() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
            assert_eq!(decode(text.trim_end_matches('=')).as_deref(), Some(bytes.as_bytes()), "padding is optional");
        }
        for wrong in ["Z", "Zg=", "Zg===", "Z===", "====", "Zm9=v", "Zm-_", "Zm9v\n", "é"] {
            assert_eq!(decode(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn p03_a_key_of_another_length_than_its_suite_is_a_type_error() {
        use SrtpCryptoSuite::{AeadAes128Gcm, AeadAes256Gcm, AesCm128HmacSha1_32, AesCm128HmacSha1_80};
        for (suite, len) in
            [(AeadAes256Gcm, 44), (AeadAes128Gcm, 28), (AesCm128HmacSha1_80, 30), (AesCm128HmacSha1_32, 30)]
        {
            for wrong in (0..64).filter(|wrong| *wrong != len) {
                let parameters = SrtpParameters { crypto_suite: suite, key_base64: encode(&vec![7; wrong]) };
                let error = parameters.into_checked().unwrap_err();
                assert!(error.to_string().starts_with("keyBase64: "), "{error}");
            }
            let key = SrtpKey::new(suite, vec![7; len]).unwrap();
            assert_eq!(key.to_parameters().into_checked(), Ok(key));
        }
    }

    #[test]
    fn debugging_and_errors_show_no_key() {
        let parameters = SrtpParameters { crypto_suite: AEAD, key_base64: "c2VjcmV0".into() };
        let key = SrtpKey::new(AEAD, vec![0x5e; 28]).unwrap();
        let shown = format!("{parameters:?} {key:?} {}", parameters.clone().into_checked().unwrap_err());
        assert!(!shown.contains("c2Vj") && !shown.contains("94") && !shown.contains("5e"), "{shown}");
    }

    const AEAD: SrtpCryptoSuite = SrtpCryptoSuite::AeadAes128Gcm;
}
