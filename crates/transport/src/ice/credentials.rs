//! The short-term credentials of one agent (RFC 8445 §5.3).

use std::fmt;

/// A user name fragment and a password, as they travel in signalling (RFC 8839 §5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// User name fragment, 4 to 256 characters.
    pub ufrag: String,
    /// Password, 22 to 256 characters.
    pub password: String,
}

impl IceCredentials {
    /// Random bytes that [`from_random`](Self::from_random) takes.
    pub const RANDOM_BYTES: usize = UFRAG_CHARS + PASSWORD_CHARS;

    /// Makes credentials of random bytes: a ufrag with 80 random bits and a password with 160 (RFC 8445 §5.3 asks for
    /// 24 and 128).
    pub fn from_random(random: &[u8; Self::RANDOM_BYTES]) -> Self {
        let mut characters = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)]));
        let ufrag = characters.by_ref().take(UFRAG_CHARS).collect();
        Self { ufrag, password: characters.collect() }
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// Five bits a character, all of them ice-chars (RFC 8839 §5.4).
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const UFRAG_CHARS: usize = 16;
const PASSWORD_CHARS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_become_ice_characters() {
        let mut random = [0; IceCredentials::RANDOM_BYTES];
        random.iter_mut().enumerate().for_each(|(index, byte)| *byte = (index * 37) as u8);
        let credentials = IceCredentials::from_random(&random);
        assert_eq!((credentials.ufrag.len(), credentials.password.len()), (16, 32));
        assert!(credentials.password.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }

    #[test]
    fn the_password_is_not_in_debug_output() {
        let credentials = IceCredentials { ufrag: "name".into(), password: "secret".into() };
        assert!(!format!("{credentials:?}").contains("secret"));
    }
}
