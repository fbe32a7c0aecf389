//! Parsing of STUN messages, borrowed from the datagram.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use arrayvec::ArrayVec;

use super::{
    ATTRIBUTE_HEADER_BYTES, ATTRIBUTES_MAX, Class, HEADER_BYTES, INTEGRITY_BYTES, IntegrityKey, MAGIC_COOKIE,
    METHOD_BINDING, TransactionId, USERNAME_BYTES_MAX, attribute, fingerprint,
};

/// Comprehension-required attributes that a message held and this agent does not know.
pub type UnknownAttributes = ArrayVec<u16, UNKNOWN_ATTRIBUTES_MAX>;

/// Unknown attributes named in a 420 response. Further ones are left out of it: the first already explain the refusal.
const UNKNOWN_ATTRIBUTES_MAX: usize = 8;

/// A parsed message of method Binding. Only the first of several equal attributes counts (RFC 8489 §14), and nothing
/// after MESSAGE-INTEGRITY but FINGERPRINT (§14.5). Nothing here is authenticated until [`verify`](Self::verify).
#[derive(Clone, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    integrity_at: Option<usize>,
    /// Class of the message.
    pub class: Class,
    /// Transaction that the message belongs to.
    pub transaction_id: TransactionId,
    /// USERNAME, as bytes: in ICE `receiver's ufrag:sender's ufrag` (RFC 8445 §7.2.2).
    pub username: Option<&'a [u8]>,
    /// PRIORITY: what a peer-reflexive candidate found by this check would get (RFC 8445 §7.1.1).
    pub priority: Option<u32>,
    /// Tells whether USE-CANDIDATE is there (RFC 8445 §7.1.2).
    pub use_candidate: bool,
    /// NOMINATION under either of its numbers: a later nomination is higher (draft-thatcher-ice-renomination).
    pub nomination: Option<u32>,
    /// Tie-breaker of an agent that claims the controlled role.
    pub ice_controlled: Option<u64>,
    /// Tie-breaker of an agent that claims the controlling role.
    pub ice_controlling: Option<u64>,
    /// XOR-MAPPED-ADDRESS: where the responder saw the request come from (RFC 8489 §14.2).
    pub xor_mapped_address: Option<SocketAddr>,
    /// ERROR-CODE, 300 to 699 (RFC 8489 §14.8).
    pub error_code: Option<u16>,
    /// Tells whether a (correct) FINGERPRINT ends the message.
    pub has_fingerprint: bool,
    /// What a request must be refused for with 420 (RFC 8489 §6.3.1).
    pub unknown_attributes: UnknownAttributes,
}

impl<'a> Message<'a> {
    /// Parses one datagram, which must be exactly one message.
    ///
    /// # Errors
    /// See [`ParseError`]; such a datagram is dropped without an answer.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (class, transaction_id) = parse_header(bytes)?;
        let mut message = Self {
            bytes,
            integrity_at: None,
            class,
            transaction_id,
            username: None,
            priority: None,
            use_candidate: false,
            nomination: None,
            ice_controlled: None,
            ice_controlling: None,
            xor_mapped_address: None,
            error_code: None,
            has_fingerprint: false,
            unknown_attributes: UnknownAttributes::new(),
        };
        for attribute in attributes(bytes) {
            message.take_attribute(attribute?)?;
        }
        Ok(message)
    }

    /// Tells whether the message carries MESSAGE-INTEGRITY made with `key`; without the attribute it does not.
    pub fn verify(&self, key: &IntegrityKey) -> bool {
        let Some((signed, rest)) = self.integrity_at.and_then(|at| self.bytes.split_at_checked(at)) else {
            return false;
        };
        let tag = rest.get(ATTRIBUTE_HEADER_BYTES..ATTRIBUTE_HEADER_BYTES + INTEGRITY_BYTES);
        tag.is_some_and(|tag| key.verify(signed, tag))
    }

    /// The part of USERNAME before the colon: the ufrag of the agent that receives the request (RFC 8445 §7.2.2).
    pub fn receiver_ufrag(&self) -> Option<&'a [u8]> {
        ufrag_before_colon(self.username?)
    }

    fn take_attribute(&mut self, attribute: Attribute<'a>) -> Result<(), ParseError> {
        if self.has_fingerprint {
            return Err(ParseError::AfterFingerprint);
        }
        if attribute.kind == attribute::FINGERPRINT {
            return self.take_fingerprint(&attribute);
        }
        // RFC 8489 §14.5: what follows MESSAGE-INTEGRITY is not covered by it and must be ignored.
        if self.integrity_at.is_some() {
            return Ok(());
        }
        let value = attribute.value;
        match attribute.kind {
            attribute::USERNAME => keep_first(&mut self.username, username(value)?),
            attribute::MESSAGE_INTEGRITY => {
                array::<INTEGRITY_BYTES>(value)?;
                self.integrity_at = Some(attribute.at);
            }
            attribute::PRIORITY => keep_first(&mut self.priority, u32::from_be_bytes(array(value)?)),
            attribute::USE_CANDIDATE => self.use_candidate = true,
            attribute::NOMINATION | attribute::NOMINATION_LIBWEBRTC => {
                keep_first(&mut self.nomination, u32::from_be_bytes(array(value)?));
            }
            attribute::ICE_CONTROLLED => keep_first(&mut self.ice_controlled, u64::from_be_bytes(array(value)?)),
            attribute::ICE_CONTROLLING => keep_first(&mut self.ice_controlling, u64::from_be_bytes(array(value)?)),
            attribute::XOR_MAPPED_ADDRESS => {
                keep_first(&mut self.xor_mapped_address, xor_address(value, &self.transaction_id)?);
            }
            attribute::ERROR_CODE => keep_first(&mut self.error_code, error_code(value)?),
            other => self.take_unknown(other),
        }
        Ok(())
    }

    fn take_fingerprint(&mut self, attribute: &Attribute<'a>) -> Result<(), ParseError> {
        let claimed = u32::from_be_bytes(array(attribute.value)?);
        let covered = self.bytes.get(..attribute.at).ok_or(ParseError::Length)?;
        if claimed != fingerprint(covered) {
            return Err(ParseError::Fingerprint);
        }
        self.has_fingerprint = true;
        Ok(())
    }

    fn take_unknown(&mut self, kind: u16) {
        let ignorable = kind >= attribute::COMPREHENSION_OPTIONAL
            || matches!(
                kind,
                attribute::MAPPED_ADDRESS | attribute::UNKNOWN_ATTRIBUTES | attribute::REALM | attribute::NONCE
            );
        if !ignorable && !self.unknown_attributes.is_full() {
            self.unknown_attributes.push(kind);
        }
    }
}

/// Why a datagram is not a message that ICE could use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not a STUN header, or one of another method than Binding.
    #[error("not a STUN Binding message")]
    Header,
    /// A length that does not fit what is there.
    #[error("a STUN length does not fit")]
    Length,
    /// An attribute value of the wrong size or content.
    #[error("a STUN attribute value is malformed")]
    Value,
    /// More than [`ATTRIBUTES_MAX`] attributes.
    #[error("too many STUN attributes")]
    TooManyAttributes,
    /// A FINGERPRINT that does not match.
    #[error("the STUN FINGERPRINT does not match")]
    Fingerprint,
    /// An attribute after FINGERPRINT, which must be the last (RFC 8489 §14.7).
    #[error("a STUN attribute follows FINGERPRINT")]
    AfterFingerprint,
}

/// The receiver's ufrag in what looks like a Binding request, found without checking anything else: enough to
/// find the transport that must check it, cheap enough for a flood.
pub fn request_ufrag(bytes: &[u8]) -> Option<&[u8]> {
    let (Class::Request, _) = parse_header(bytes).ok()? else { return None };
    let username = attributes(bytes).map_while(Result::ok).find(|found| found.kind == attribute::USERNAME)?;
    ufrag_before_colon(username.value)
}

fn parse_header(bytes: &[u8]) -> Result<(Class, TransactionId), ParseError> {
    let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(ParseError::Header)?;
    let kind = u16::from_be_bytes([header[0], header[1]]);
    let class = match (kind & 0x0110, kind & !0x0110) {
        (0x0000, METHOD_BINDING) => Class::Request,
        (0x0010, METHOD_BINDING) => Class::Indication,
        (0x0100, METHOD_BINDING) => Class::Success,
        (0x0110, METHOD_BINDING) => Class::Error,
        _ => return Err(ParseError::Header),
    };
    if header[4..8] != MAGIC_COOKIE {
        return Err(ParseError::Header);
    }
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if len % 4 != 0 || HEADER_BYTES + len != bytes.len() {
        return Err(ParseError::Length);
    }
    let transaction_id = header[8..].try_into().map_err(|_| ParseError::Header)?;
    Ok((class, transaction_id))
}

struct Attribute<'a> {
    kind: u16,
    value: &'a [u8],
    /// Offset of the attribute from the start of the message.
    at: usize,
}

/// Walks the attributes of a message whose header was parsed; ends after the first error.
fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, ParseError>> {
    let mut at = HEADER_BYTES;
    let mut seen = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        seen += 1;
        let attribute = if seen > ATTRIBUTES_MAX {
            Err(ParseError::TooManyAttributes)
        } else {
            split_attribute(rest, at).ok_or(ParseError::Length)
        };
        at = attribute.as_ref().map_or(bytes.len(), |found| found.at + padded(found.value.len()));
        Some(attribute)
    })
}

fn split_attribute(rest: &[u8], at: usize) -> Option<Attribute<'_>> {
    let (header, values) = rest.split_first_chunk::<ATTRIBUTE_HEADER_BYTES>()?;
    let kind = u16::from_be_bytes([header[0], header[1]]);
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    Some(Attribute { kind, value: values.get(..len)?, at })
}

/// Bytes of an attribute with header and padding, for a value of `len` bytes.
fn padded(len: usize) -> usize {
    ATTRIBUTE_HEADER_BYTES + len.next_multiple_of(4)
}

fn keep_first<T>(place: &mut Option<T>, value: T) {
    place.get_or_insert(value);
}

fn array<const N: usize>(value: &[u8]) -> Result<[u8; N], ParseError> {
    value.try_into().map_err(|_| ParseError::Value)
}

fn username(value: &[u8]) -> Result<&[u8], ParseError> {
    if value.len() > USERNAME_BYTES_MAX { Err(ParseError::Value) } else { Ok(value) }
}

fn ufrag_before_colon(username: &[u8]) -> Option<&[u8]> {
    let colon = username.iter().take(USERNAME_BYTES_MAX).position(|byte| *byte == b':')?;
    username.get(..colon)
}

/// Decodes ERROR-CODE (RFC 8489 §14.8): class in three bits, number below 100.
fn error_code(value: &[u8]) -> Result<u16, ParseError> {
    let head: &[u8; 4] = value.first_chunk().ok_or(ParseError::Value)?;
    let (class, number) = (u16::from(head[2] & 0x07), u16::from(head[3]));
    if (3..=6).contains(&class) && number < 100 { Ok(class * 100 + number) } else { Err(ParseError::Value) }
}

/// Decodes XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
fn xor_address(value: &[u8], transaction_id: &TransactionId) -> Result<SocketAddr, ParseError> {
    let (head, address) = value.split_first_chunk::<4>().ok_or(ParseError::Value)?;
    let port = u16::from_be_bytes([head[2] ^ MAGIC_COOKIE[0], head[3] ^ MAGIC_COOKIE[1]]);
    let pad = address_pad(transaction_id);
    let ip = match head[1] {
        FAMILY_IPV4 => IpAddr::V4(Ipv4Addr::from(unmask::<4>(array(address)?, &pad))),
        FAMILY_IPV6 => IpAddr::V6(Ipv6Addr::from(unmask::<16>(array(address)?, &pad))),
        _ => return Err(ParseError::Value),
    };
    Ok(SocketAddr::new(ip, port))
}

/// Address families of (XOR-)MAPPED-ADDRESS (RFC 8489 §14.1).
pub(super) const FAMILY_IPV4: u8 = 1;
pub(super) const FAMILY_IPV6: u8 = 2;

/// What addresses are XORed with: the cookie, for IPv6 followed by the transaction id.
pub(super) fn address_pad(transaction_id: &TransactionId) -> [u8; 16] {
    let mut pad = [0; 16];
    pad[..4].copy_from_slice(&MAGIC_COOKIE);
    pad[4..].copy_from_slice(transaction_id);
    pad
}

/// XORs `bytes` with the start of `pad`; its own inverse.
pub(super) fn unmask<const N: usize>(mut bytes: [u8; N], pad: &[u8; 16]) -> [u8; N] {
    bytes.iter_mut().zip(pad).for_each(|(byte, mask)| *byte ^= mask);
    bytes
}
