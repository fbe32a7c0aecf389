//! The protection profiles that DTLS negotiates for SRTP (RFC 5764 §4.1.2, RFC 7714 §14.2).

use millrace_model::SrtpCryptoSuite;

/// Cipher, key lengths and tag lengths of one SRTP association. A profile without encryption does not exist here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// `SRTP_AEAD_AES_128_GCM`: 16-byte tags. The cheapest on a machine with AES instructions.
    AeadAes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM`: 16-byte tags.
    AeadAes256Gcm,
    /// `SRTP_AES128_CM_HMAC_SHA1_80`: 10-byte tags. Every WebRTC endpoint has it (RFC 8827 §6.5).
    AesCm128HmacSha1_80,
    /// `SRTP_AES128_CM_HMAC_SHA1_32`: 4-byte RTP tags, 10-byte RTCP tags. For applications that ask for it.
    AesCm128HmacSha1_32,
}

impl SrtpProfile {
    /// Every profile, the one we prefer first.
    pub const ALL: [SrtpProfile; 4] =
        [Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::AesCm128HmacSha1_80, Self::AesCm128HmacSha1_32];

    /// The value in the `use_srtp` extension (RFC 5764 §4.1.1).
    pub const fn id(self) -> u16 {
        match self {
            Self::AeadAes128Gcm => 0x0007,
            Self::AeadAes256Gcm => 0x0008,
            Self::AesCm128HmacSha1_80 => 0x0001,
            Self::AesCm128HmacSha1_32 => 0x0002,
        }
    }

    /// The profile that `id` names in `use_srtp`; `None` for those without encryption and for unknown ones.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.id() == id)
    }

    /// Length of the master key and of the session encryption key, in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm => 32,
            _ => 16,
        }
    }

    /// Length of the master salt and of the session salt, in bytes.
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Bytes to export with the label `EXTRACTOR-dtls_srtp` (RFC 5764 §4.2): both ends' keys and salts.
    pub const fn keying_material_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }

    /// Length of the authentication tag of an SRTP packet, in bytes.
    pub const fn rtp_tag_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::AesCm128HmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32 => 4,
        }
    }

    /// Length of the authentication tag of an SRTCP packet, in bytes: never shortened (RFC 5764 §4.1.2).
    pub const fn rtcp_tag_len(self) -> usize {
        if self.is_aead() { 16 } else { 10 }
    }

    /// Bytes that sealing adds to an RTCP compound packet: the tag and the word with the SRTCP index.
    pub const fn rtcp_trailer_len(self) -> usize {
        self.rtcp_tag_len() + 4
    }

    const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }
}

impl From<SrtpCryptoSuite> for SrtpProfile {
    fn from(suite: SrtpCryptoSuite) -> Self {
        match suite {
            SrtpCryptoSuite::AeadAes128Gcm => Self::AeadAes128Gcm,
            SrtpCryptoSuite::AeadAes256Gcm => Self::AeadAes256Gcm,
            SrtpCryptoSuite::AesCm128HmacSha1_80 => Self::AesCm128HmacSha1_80,
            SrtpCryptoSuite::AesCm128HmacSha1_32 => Self::AesCm128HmacSha1_32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keying_material_is_as_long_as_rfc_5764_and_rfc_7714_say() {
        assert_eq!(SrtpProfile::ALL.map(SrtpProfile::keying_material_len), [56, 88, 60, 60]);
    }

    #[test]
    fn d08_profiles_without_encryption_are_unknown() {
        const NULL_HMAC_SHA1_80: u16 = 0x0005;
        const NULL_HMAC_SHA1_32: u16 = 0x0006;
        assert_eq!(SrtpProfile::from_id(NULL_HMAC_SHA1_80), None);
        assert_eq!(SrtpProfile::from_id(NULL_HMAC_SHA1_32), None);
        assert!(SrtpProfile::ALL.into_iter().all(|profile| SrtpProfile::from_id(profile.id()) == Some(profile)));
    }
}
