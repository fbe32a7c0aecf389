//! From DTLS keying material to session keys: RFC 5764 §4.2 and the key derivation of RFC 3711 §4.3.

use std::fmt;

use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher, consts::U16};
use aes::{Aes128Enc, Aes256Enc};
use ctr::Ctr128BE;

use super::{SrtpError, SrtpProfile};

/// Both ends' master keys of one DTLS association. An end seals with its own and opens with the other's.
#[derive(Debug)]
pub struct SrtpKeys<'a> {
    /// What the DTLS client seals with.
    pub client: MasterKey<'a>,
    /// What the DTLS server seals with.
    pub server: MasterKey<'a>,
}

impl<'a> SrtpKeys<'a> {
    /// Divides what DTLS exported under `EXTRACTOR-dtls_srtp`: client key, server key, client salt, server salt
    /// (RFC 5764 §4.2).
    ///
    /// # Errors
    /// [`SrtpError::KeyingMaterial`] unless `material` has [`SrtpProfile::keying_material_len`] bytes.
    pub fn from_keying_material(profile: SrtpProfile, material: &'a [u8]) -> Result<Self, SrtpError> {
        if material.len() != profile.keying_material_len() {
            return Err(SrtpError::KeyingMaterial);
        }
        let (keys, salts) = material.split_at(2 * profile.key_len());
        let (client_key, server_key) = keys.split_at(profile.key_len());
        let (client_salt, server_salt) = salts.split_at(profile.salt_len());
        Ok(Self {
            client: MasterKey { profile, key: client_key, salt: client_salt },
            server: MasterKey { profile, key: server_key, salt: server_salt },
        })
    }
}

/// One end's master key and salt, as long as their profile says.
#[derive(Clone, Copy)]
pub struct MasterKey<'a> {
    profile: SrtpProfile,
    key: &'a [u8],
    salt: &'a [u8],
}

impl<'a> MasterKey<'a> {
    /// Takes a master key and salt that came by another way than DTLS.
    ///
    /// # Errors
    /// [`SrtpError::KeyingMaterial`] unless both are as long as the profile says.
    pub fn new(profile: SrtpProfile, key: &'a [u8], salt: &'a [u8]) -> Result<Self, SrtpError> {
        if key.len() != profile.key_len() || salt.len() != profile.salt_len() {
            return Err(SrtpError::KeyingMaterial);
        }
        Ok(Self { profile, key, salt })
    }

    /// The profile that the key is for.
    pub const fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// Derives `out.len()` bytes of a session key, with a key derivation rate of zero (RFC 3711 §4.3.1).
    ///
    /// AES-256 derives by AES-256 (RFC 7714 §11, RFC 6188 §3). A salt of 12 bytes counts as if zeros followed it.
    pub(super) fn derive(&self, label: Label, out: &mut [u8]) {
        /// Where the label meets the salt: above the 48 bits of the packet index.
        const LABEL_OFFSET: usize = 7;
        let mut iv = [0; 16];
        iv[..self.salt.len()].copy_from_slice(self.salt);
        iv[LABEL_OFFSET] ^= label as u8;
        out.fill(0);
        if let Ok(cipher) = Aes128Enc::new_from_slice(self.key) {
            add_keystream(&cipher, iv, out);
        } else if let Ok(cipher) = Aes256Enc::new_from_slice(self.key) {
            add_keystream(&cipher, iv, out);
        }
    }
}

impl fmt::Debug for MasterKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// What a derived key is for (RFC 3711 §4.3.1 and §4.3.2).
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

fn add_keystream<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>>(cipher: &C, iv: [u8; 16], out: &mut [u8]) {
    let core = ctr::CtrCore::inner_iv_init(cipher, &iv.into());
    Ctr128BE::from_core(core).apply_keystream(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::testing::hex;

    #[test]
    fn session_keys_are_those_of_rfc_3711_appendix_b_3() {
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
        let master = MasterKey::new(SrtpProfile::AesCm128HmacSha1_80, &key, &salt).unwrap();
        let derived = |label, len| {
            let mut out = vec![0; len];
            master.derive(label, &mut out);
            out
        };
        assert_eq!(derived(Label::RtpEncryption, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derived(Label::RtpSalt, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
        let authentication =
            hex("CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE E049646C43D9327AD175578EF7227098
             6371C10C9A369AC2F94A8C5FBCDDDC25 6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2");
        assert_eq!(derived(Label::RtpAuthentication, 94), authentication);
    }

    #[test]
    fn session_keys_of_256_bits_are_those_of_rfc_6188_7_2() {
        let key = hex("f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6");
        let salt = hex("3b04803de51ee7c96423ab5b78d2");
        let master = MasterKey { profile: SrtpProfile::AeadAes256Gcm, key: &key, salt: &salt };
        let (mut session_key, mut session_salt) = ([0; 32], [0; 14]);
        master.derive(Label::RtpEncryption, &mut session_key);
        master.derive(Label::RtpSalt, &mut session_salt);
        assert_eq!(session_key[..], hex("5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4"));
        assert_eq!(session_salt[..], hex("fa31791685ca444a9e07c6c64e93"));
    }

    #[test]
    fn keying_material_divides_into_keys_then_salts() {
        let material: Vec<u8> = (0..60).collect();
        let keys = SrtpKeys::from_keying_material(SrtpProfile::AesCm128HmacSha1_80, &material).unwrap();
        assert_eq!((keys.client.key, keys.client.salt), (&material[..16], &material[32..46]));
        assert_eq!((keys.server.key, keys.server.salt), (&material[16..32], &material[46..]));
    }

    #[test]
    fn keying_material_of_another_profile_is_refused() {
        let refused = SrtpKeys::from_keying_material(SrtpProfile::AeadAes128Gcm, &[0; 60]);
        assert_eq!(refused.unwrap_err(), SrtpError::KeyingMaterial);
    }

    #[test]
    fn debugging_a_master_key_shows_no_key() {
        let master = MasterKey::new(SrtpProfile::AeadAes128Gcm, &[0xab; 16], &[0xcd; 12]).unwrap();
        assert_eq!(format!("{master:?}"), "MasterKey { profile: AeadAes128Gcm, .. }");
    }
}
