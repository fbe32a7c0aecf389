//! STUN messages (RFC 8489) as ICE uses them (RFC 8445 §7, §16): Binding requests and responses with short-term
//! credentials. [`Message`] borrows what it parses, [`Writer`] builds into one buffer, [`IntegrityKey`] is a password
//! made ready to sign and to check.

mod integrity;
mod message;
mod writer;

pub use integrity::IntegrityKey;
pub use message::{Message, ParseError, UnknownAttributes, request_ufrag};
pub use writer::Writer;

/// Bytes of the fixed header (RFC 8489 §5).
pub const HEADER_BYTES: usize = 20;

/// Longest USERNAME value accepted, in bytes: two ufrags of 256 characters and a colon (RFC 8839 §5.4).
///
/// A message with a longer one is malformed.
pub const USERNAME_BYTES_MAX: usize = 513;

/// Attributes looked at in one message. ICE needs about ten; a message with more is malformed.
pub const ATTRIBUTES_MAX: usize = 32;

/// The 96 bits that tie a response to its request (RFC 8489 §5).
pub type TransactionId = [u8; 12];

/// Bytes 4 to 7 of every message (RFC 8489 §5).
const MAGIC_COOKIE: [u8; 4] = 0x2112_a442u32.to_be_bytes();

/// What the CRC-32 of FINGERPRINT is XORed with (RFC 8489 §14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// Bytes of a MESSAGE-INTEGRITY value: an HMAC-SHA1 (RFC 8489 §14.5).
const INTEGRITY_BYTES: usize = 20;

/// Bytes of type and length before each attribute value (RFC 8489 §14).
const ATTRIBUTE_HEADER_BYTES: usize = 4;

/// The only method that ICE uses (RFC 8489 §18.2).
const METHOD_BINDING: u16 = 0x001;

/// Attribute types (RFC 8489 §18.3, RFC 8445 §16.1).
mod attribute {
    pub(super) const MAPPED_ADDRESS: u16 = 0x0001;
    pub(super) const USERNAME: u16 = 0x0006;
    pub(super) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(super) const ERROR_CODE: u16 = 0x0009;
    pub(super) const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub(super) const REALM: u16 = 0x0014;
    pub(super) const NONCE: u16 = 0x0015;
    pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(super) const PRIORITY: u16 = 0x0024;
    pub(super) const USE_CANDIDATE: u16 = 0x0025;
    /// NOMINATION as newer agents number it (Pion's default, accepted by mediasoup 3.27 beside the older one).
    pub(super) const NOMINATION: u16 = 0x0030;
    pub(super) const FINGERPRINT: u16 = 0x8028;
    pub(super) const ICE_CONTROLLED: u16 = 0x8029;
    pub(super) const ICE_CONTROLLING: u16 = 0x802a;
    /// NOMINATION as libwebrtc numbers it (`api/transport/stun.h`, draft-thatcher-ice-renomination).
    pub(super) const NOMINATION_LIBWEBRTC: u16 = 0xc001;

    /// From here on an agent may ignore what it does not know (RFC 8489 §14).
    pub(super) const COMPREHENSION_OPTIONAL: u16 = 0x8000;
}

/// The class of a message (RFC 8489 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Asks for a response.
    Request,
    /// Asks for nothing.
    Indication,
    /// Answers a request that was granted.
    Success,
    /// Answers a request that was refused.
    Error,
}

/// Error codes of responses (RFC 8489 §14.8, RFC 8445 §7.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// 400: the request lacks something that ICE demands.
    BadRequest,
    /// 420: the request holds attributes that must be understood and are not.
    UnknownAttribute,
    /// 487: both agents claim the same role.
    RoleConflict,
}

impl ErrorCode {
    /// The code as it is on the wire, 300 to 699.
    pub const fn number(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::UnknownAttribute => 420,
            Self::RoleConflict => 487,
        }
    }
}

/// The CRC-32 that a FINGERPRINT attribute after `message` must hold (RFC 8489 §14.7).
fn fingerprint(message: &[u8]) -> u32 {
    crc32fast::hash(message) ^ FINGERPRINT_XOR
}

#[cfg(test)]
mod tests;
