//! Randomness for the cores, which have none of their own.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use millrace_model::{SrtpCryptoSuite, SrtpKey};
use millrace_transport::ice::IceCredentials;
use uuid::{Builder, Uuid};

/// Random bytes of a canonical name: 96 bits (RFC 7022 §4.2).
const CNAME_BYTES: usize = 12;

/// The system's random source.
pub(crate) struct Random {
    source: SystemRandom,
}

impl Random {
    pub(crate) fn new() -> Self {
        Self { source: SystemRandom::new() }
    }

    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        // A system without randomness cannot make a secure call; the panic ends this worker with `died`.
        self.source.fill(&mut bytes).expect("the system gives random bytes");
        bytes
    }

    /// A random number.
    pub(crate) fn u32(&self) -> u32 {
        u32::from_be_bytes(self.bytes())
    }

    /// A random number.
    pub(crate) fn u16(&self) -> u16 {
        u16::from_be_bytes(self.bytes())
    }

    /// A fresh id (RFC 9562 §5.4).
    pub(crate) fn uuid(&self) -> Uuid {
        Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// Fresh ICE credentials.
    pub(crate) fn ice_credentials(&self) -> IceCredentials {
        IceCredentials::from_random(&self.bytes())
    }

    /// A fresh SRTP master key and salt.
    pub(crate) fn srtp_key(&self, suite: SrtpCryptoSuite) -> SrtpKey {
        /// The longest key and salt.
        const BYTES_MAX: usize = 44;
        let bytes = self.bytes::<BYTES_MAX>();
        let len = suite.key_len() + suite.salt_len();
        SrtpKey::new(suite, bytes[..len].to_vec()).expect("the length is the suite's")
    }

    /// A canonical name.
    pub(crate) fn cname(&self) -> String {
        self.bytes::<CNAME_BYTES>().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
