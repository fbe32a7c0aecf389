//! MESSAGE-INTEGRITY: HMAC-SHA1 keyed by an ICE password (RFC 8489 §9.1, §14.5).

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::{ATTRIBUTE_HEADER_BYTES, HEADER_BYTES, INTEGRITY_BYTES};

/// An ICE password made ready: the key schedule of the HMAC is run once, not once a message.
#[derive(Clone)]
pub struct IntegrityKey {
    key: hmac::Key,
}

impl IntegrityKey {
    /// Prepares `password`. Short-term credentials use it as it is (RFC 8489 §9.1.1).
    pub fn new(password: &str) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()) }
    }

    /// Signs `message`, which ends where MESSAGE-INTEGRITY begins. `None` when that is no message at all.
    pub(super) fn sign(&self, message: &[u8]) -> Option<[u8; INTEGRITY_BYTES]> {
        let (header, attributes) = message.split_at_checked(HEADER_BYTES)?;
        // The length that is signed ends with MESSAGE-INTEGRITY, whatever follows it (RFC 8489 §14.5).
        let len = u16::try_from(attributes.len() + ATTRIBUTE_HEADER_BYTES + INTEGRITY_BYTES).ok()?;
        let mut context = hmac::Context::with_key(&self.key);
        context.update(header.get(..2)?);
        context.update(&len.to_be_bytes());
        context.update(header.get(4..)?);
        context.update(attributes);
        context.sign().as_ref().try_into().ok()
    }

    /// Tells in constant time whether `tag` is the signature of `message`.
    pub(super) fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        self.sign(message).is_some_and(|expected| verify_slices_are_equal(&expected, tag).is_ok())
    }
}

impl fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntegrityKey")
    }
}
