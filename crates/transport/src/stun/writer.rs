//! Building of STUN messages.

use std::net::{IpAddr, SocketAddr};

use super::message::{FAMILY_IPV4, FAMILY_IPV6, address_pad, unmask};
use super::{
    ATTRIBUTE_HEADER_BYTES, Class, ErrorCode, HEADER_BYTES, IntegrityKey, MAGIC_COOKIE, METHOD_BINDING, TransactionId,
    USERNAME_BYTES_MAX, attribute, fingerprint,
};

/// Builds one Binding message attribute by attribute; [`finish`](Self::finish) signs and seals it.
///
/// One allocation a message: STUN is off the media path.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    transaction_id: TransactionId,
}

impl Writer {
    /// Begins a message.
    pub fn new(class: Class, transaction_id: TransactionId) -> Self {
        /// Room for an ICE check or its answer, so that building rarely grows the buffer.
        const TYPICAL_BYTES: usize = 128;
        let class_bits: u16 = match class {
            Class::Request => 0x0000,
            Class::Indication => 0x0010,
            Class::Success => 0x0100,
            Class::Error => 0x0110,
        };
        let mut bytes = Vec::with_capacity(TYPICAL_BYTES);
        bytes.extend_from_slice(&(METHOD_BINDING | class_bits).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&MAGIC_COOKIE);
        bytes.extend_from_slice(&transaction_id);
        Self { bytes, transaction_id }
    }

    /// Adds USERNAME, cut to [`USERNAME_BYTES_MAX`].
    pub fn username(self, username: &str) -> Self {
        let bytes = username.as_bytes();
        let value = bytes.get(..USERNAME_BYTES_MAX).unwrap_or(bytes);
        self.attribute(attribute::USERNAME, value)
    }

    /// Adds PRIORITY (RFC 8445 §7.1.1).
    pub fn priority(self, priority: u32) -> Self {
        self.attribute(attribute::PRIORITY, &priority.to_be_bytes())
    }

    /// Adds USE-CANDIDATE (RFC 8445 §7.1.2).
    pub fn use_candidate(self) -> Self {
        self.attribute(attribute::USE_CANDIDATE, &[])
    }

    /// Adds NOMINATION under libwebrtc's number, which every agent that knows the attribute understands and every
    /// other may ignore.
    pub fn nomination(self, value: u32) -> Self {
        self.attribute(attribute::NOMINATION_LIBWEBRTC, &value.to_be_bytes())
    }

    /// Adds ICE-CONTROLLING with a tie-breaker (RFC 8445 §7.1.3).
    pub fn ice_controlling(self, tie_breaker: u64) -> Self {
        self.attribute(attribute::ICE_CONTROLLING, &tie_breaker.to_be_bytes())
    }

    /// Adds ICE-CONTROLLED with a tie-breaker (RFC 8445 §7.1.3).
    pub fn ice_controlled(self, tie_breaker: u64) -> Self {
        self.attribute(attribute::ICE_CONTROLLED, &tie_breaker.to_be_bytes())
    }

    /// Adds XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
    pub fn xor_mapped_address(self, address: SocketAddr) -> Self {
        let pad = address_pad(&self.transaction_id);
        let [port_high, port_low] = unmask(address.port().to_be_bytes(), &pad);
        match address.ip() {
            IpAddr::V4(ip) => {
                let ip = unmask(ip.octets(), &pad);
                self.attribute_of(attribute::XOR_MAPPED_ADDRESS, &[&[0, FAMILY_IPV4, port_high, port_low], &ip])
            }
            IpAddr::V6(ip) => {
                let ip = unmask(ip.octets(), &pad);
                self.attribute_of(attribute::XOR_MAPPED_ADDRESS, &[&[0, FAMILY_IPV6, port_high, port_low], &ip])
            }
        }
    }

    /// Adds ERROR-CODE without a reason phrase, which would only make the answer longer (RFC 8489 §14.8).
    pub fn error_code(self, code: ErrorCode) -> Self {
        let number = code.number();
        self.attribute(attribute::ERROR_CODE, &[0, 0, (number / 100) as u8, (number % 100) as u8])
    }

    /// Adds UNKNOWN-ATTRIBUTES (RFC 8489 §14.10).
    pub fn unknown_attributes(self, kinds: &[u16]) -> Self {
        let value: Vec<u8> = kinds.iter().flat_map(|kind| kind.to_be_bytes()).collect();
        self.attribute(attribute::UNKNOWN_ATTRIBUTES, &value)
    }

    /// Adds an attribute of any type without a value, to try what an agent does not know.
    #[cfg(test)]
    pub(crate) fn empty_attribute(self, kind: u16) -> Self {
        self.attribute(kind, &[])
    }

    /// Adds MESSAGE-INTEGRITY by `key` and FINGERPRINT, and returns the message.
    pub fn finish(self, key: &IntegrityKey) -> Vec<u8> {
        let tag = key.sign(&self.bytes);
        let signed = match tag {
            Some(tag) => self.attribute(attribute::MESSAGE_INTEGRITY, &tag),
            None => self,
        };
        signed.finish_unsigned()
    }

    /// Adds FINGERPRINT alone, and returns the message.
    pub fn finish_unsigned(self) -> Vec<u8> {
        let mut sealed = self.attribute(attribute::FINGERPRINT, &[0; 4]).bytes;
        let covered = sealed.len().saturating_sub(ATTRIBUTE_HEADER_BYTES + 4);
        let (message, attribute) = sealed.split_at_mut(covered);
        attribute[ATTRIBUTE_HEADER_BYTES..].copy_from_slice(&fingerprint(message).to_be_bytes());
        sealed
    }

    fn attribute(self, kind: u16, value: &[u8]) -> Self {
        self.attribute_of(kind, &[value])
    }

    /// Adds an attribute whose value is the parts in a row, pads it and keeps the header's length right.
    fn attribute_of(mut self, kind: u16, parts: &[&[u8]]) -> Self {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&(len as u16).to_be_bytes());
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let message_len = (self.bytes.len() - HEADER_BYTES) as u16;
        self.bytes[2..4].copy_from_slice(&message_len.to_be_bytes());
        self
    }
}
