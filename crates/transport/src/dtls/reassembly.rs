//! Joins handshake message fragments (RFC 6347 §4.2.3) and releases each message once and in order.
//!
//! The library's own reassembly takes cubic time and recurses for each fragment, so that 1 MB of one-byte fragments
//! overflows the stack. Here time is linear and memory is what was received, never what a header declares; the library
//! is given whole messages only.

use std::collections::BTreeMap;

/// Length of a handshake header (RFC 6347 §4.2.2), in bytes.
pub(super) const HANDSHAKE_HEADER_LEN: usize = 12;

/// Longest handshake message, in bytes; longer ones are dropped. A chain of eight large RSA certificates is 16 kB.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// Shortest fragment that does not end its message, in bytes; shorter ones are dropped. No path has so small an MTU.
const FRAGMENT_BYTES_MIN: usize = 64;
/// Fragments kept of one message; when full, further ones are dropped. 64 fragments of 256 bytes make 16 kB.
const FRAGMENTS_PER_MESSAGE_MAX: usize = 64;
/// Bytes of incomplete or early messages kept; when full, further fragments are dropped.
const BUFFERED_BYTES_MAX: usize = 32 * 1024;
/// Highest message number; messages beyond it are dropped. A client needs 0 to 5.
const MESSAGE_SEQUENCE_MAX: u16 = 16;

const CLIENT_HELLO: u8 = 1;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_VERIFY: u8 = 15;
const CLIENT_KEY_EXCHANGE: u8 = 16;

/// A whole handshake message of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    kind: u8,
    sequence: u16,
    body: Vec<u8>,
}

impl Message {
    /// The message number (`message_seq`).
    pub(super) fn sequence(&self) -> u16 {
        self.sequence
    }

    /// The body if this is a ClientHello.
    pub(super) fn client_hello(&self) -> Option<&[u8]> {
        (self.kind == CLIENT_HELLO).then_some(&self.body)
    }

    /// Tells whether a Certificate message holds the bytes that its lengths declare (RFC 5246 §7.4.2); true for others.
    ///
    /// The library allocates what a certificate's length says, up to 16 MB, before it looks whether that is there.
    pub(super) fn lengths_add_up(&self) -> bool {
        if self.kind != CERTIFICATE {
            return true;
        }
        let Some((declared, mut list)) = split_u24(&self.body) else { return false };
        while let Some((len, rest)) = split_u24(list).filter(|(len, rest)| *len <= rest.len()) {
            list = &rest[len..];
        }
        list.is_empty() && declared + 3 == self.body.len()
    }

    /// Appends header and body as one fragment.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let len = (self.body.len() as u32).to_be_bytes();
        out.push(self.kind);
        out.extend_from_slice(&len[1..]);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&[0, 0, 0]);
        out.extend_from_slice(&len[1..]);
        out.extend_from_slice(&self.body);
    }
}

/// Takes a number of 24 bits from the front.
fn split_u24(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let ([high, middle, low], rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes([0, *high, *middle, *low]) as usize, rest))
}

/// Why fragments were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Headers that contradict themselves or an earlier fragment, or a message that no client sends in the clear.
    Malformed,
    /// A bound of this module.
    Limit,
}

/// The messages of a client that are not complete or not yet due.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    next: u16,
    buffered_bytes: usize,
    messages: BTreeMap<u16, Partial>,
}

#[derive(Debug)]
struct Partial {
    kind: u8,
    len: usize,
    /// Sorted by offset.
    fragments: Vec<Fragment>,
}

#[derive(Debug)]
struct Fragment {
    offset: usize,
    data: Vec<u8>,
}

impl Fragment {
    fn end(&self) -> usize {
        self.offset + self.data.len()
    }
}

impl Reassembly {
    /// Takes the body of one plaintext handshake record: one or more fragments.
    ///
    /// # Errors
    ///
    /// The fragment that was dropped and all behind it in the record.
    pub(super) fn insert_record(&mut self, mut body: &[u8]) -> Result<(), Dropped> {
        while !body.is_empty() {
            let (header, data, rest) = split_fragment(body).ok_or(Dropped::Malformed)?;
            self.insert(header, data)?;
            body = rest;
        }
        Ok(())
    }

    /// The next message, once it is complete.
    pub(super) fn next_message(&mut self) -> Option<Message> {
        let body = self.messages.get(&self.next)?.assemble()?;
        let partial = self.messages.remove(&self.next)?;
        self.buffered_bytes -= partial.buffered_bytes();
        let message = Message { kind: partial.kind, sequence: self.next, body };
        self.next += 1;
        Some(message)
    }

    /// Takes back the release of message `sequence`: it was none of this client's, the right one may follow.
    pub(super) fn expect_again(&mut self, sequence: u16) {
        self.next = sequence;
    }

    fn insert(&mut self, header: FragmentHeader, data: &[u8]) -> Result<(), Dropped> {
        header.check()?;
        if header.sequence < self.next {
            // A repeat of what the library has; our own flight is repeated by our own timer.
            return Ok(());
        }
        if self.buffered_bytes + data.len() > BUFFERED_BYTES_MAX {
            return Err(Dropped::Limit);
        }
        let new = || Partial { kind: header.kind, len: header.message_len, fragments: Vec::new() };
        let partial = self.messages.entry(header.sequence).or_insert_with(new);
        if (partial.kind, partial.len) != (header.kind, header.message_len) {
            return Err(Dropped::Malformed);
        }
        self.buffered_bytes += partial.insert(header.offset, data)?;
        Ok(())
    }
}

impl Partial {
    /// Returns the number of bytes that are kept from now on.
    fn insert(&mut self, offset: usize, data: &[u8]) -> Result<usize, Dropped> {
        let end = offset + data.len();
        if self.fragments.iter().any(|kept| kept.offset <= offset && end <= kept.end()) {
            return Ok(0);
        }
        if self.fragments.len() >= FRAGMENTS_PER_MESSAGE_MAX {
            return Err(Dropped::Limit);
        }
        let place = self.fragments.partition_point(|kept| kept.offset <= offset);
        self.fragments.insert(place, Fragment { offset, data: data.to_vec() });
        Ok(data.len())
    }

    fn assemble(&self) -> Option<Vec<u8>> {
        let mut end = 0;
        for fragment in &self.fragments {
            if fragment.offset > end {
                return None;
            }
            end = end.max(fragment.end());
        }
        if end < self.len || self.fragments.is_empty() {
            return None;
        }
        let mut body = Vec::with_capacity(self.len);
        for fragment in &self.fragments {
            let overlap = body.len().saturating_sub(fragment.offset);
            body.extend_from_slice(fragment.data.get(overlap..).unwrap_or_default());
        }
        Some(body)
    }

    fn buffered_bytes(&self) -> usize {
        self.fragments.iter().map(|fragment| fragment.data.len()).sum()
    }
}

#[derive(Clone, Copy)]
struct FragmentHeader {
    kind: u8,
    message_len: usize,
    sequence: u16,
    offset: usize,
    len: usize,
}

impl FragmentHeader {
    fn check(self) -> Result<(), Dropped> {
        if !is_expected(self.kind, self.sequence) {
            return Err(Dropped::Malformed);
        }
        self.check_lengths()
    }

    fn check_lengths(self) -> Result<(), Dropped> {
        let end = self.offset + self.len;
        if end > self.message_len || (self.len == 0 && self.message_len != 0) {
            return Err(Dropped::Malformed);
        }
        let too_short = self.len < FRAGMENT_BYTES_MIN && end < self.message_len;
        if too_short || self.message_len > MESSAGE_BYTES_MAX || self.sequence > MESSAGE_SEQUENCE_MAX {
            return Err(Dropped::Limit);
        }
        Ok(())
    }
}

/// Checks the fragments in the body of one plaintext handshake record, whose kinds must be `wanted`.
///
/// # Errors
///
/// What is wrong with the first fragment that cannot pass.
pub(super) fn check_record(mut body: &[u8], wanted: impl Fn(u8) -> bool) -> Result<(), Dropped> {
    while !body.is_empty() {
        let (header, _, rest) = split_fragment(body).ok_or(Dropped::Malformed)?;
        if !wanted(header.kind) {
            return Err(Dropped::Malformed);
        }
        header.check_lengths()?;
        body = rest;
    }
    Ok(())
}

/// Messages 0 and 1 are the ClientHello without and with cookie; then comes the client's flight with its certificate.
fn is_expected(kind: u8, sequence: u16) -> bool {
    match sequence {
        0 | 1 => kind == CLIENT_HELLO,
        _ => matches!(kind, CERTIFICATE | CLIENT_KEY_EXCHANGE | CERTIFICATE_VERIFY),
    }
}

fn split_fragment(bytes: &[u8]) -> Option<(FragmentHeader, &[u8], &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<HANDSHAKE_HEADER_LEN>()?;
    let [kind, l0, l1, l2, s0, s1, o0, o1, o2, f0, f1, f2] = *header;
    let uint24 = |bytes: [u8; 3]| usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
    let header = FragmentHeader {
        kind,
        message_len: uint24([l0, l1, l2]),
        sequence: u16::from_be_bytes([s0, s1]),
        offset: uint24([o0, o1, o2]),
        len: uint24([f0, f1, f2]),
    };
    let (data, rest) = rest.split_at_checked(header.len)?;
    Some((header, data, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_in_any_order_make_the_message() {
        let body: Vec<u8> = (0..200).collect();
        let mut reassembly = Reassembly::default();
        for range in [100..164, 164..200, 0..100] {
            assert_eq!(reassembly.next_message(), None);
            reassembly.insert_record(&fragment(0, 200, range.start, &body[range])).unwrap();
        }
        assert_eq!(reassembly.next_message().unwrap().client_hello(), Some(&body[..]));
        assert_eq!((reassembly.next_message(), reassembly.buffered_bytes), (None, 0));
    }

    #[test]
    fn several_messages_in_one_record_come_out_in_order() {
        let mut record = fragment(1, 2, 0, b"cd");
        record.extend(fragment(0, 2, 0, b"ab"));
        let mut reassembly = Reassembly::default();
        reassembly.insert_record(&record).unwrap();
        assert_eq!(reassembly.next_message().unwrap().client_hello(), Some(&b"ab"[..]));
        assert_eq!(reassembly.next_message().unwrap().client_hello(), Some(&b"cd"[..]));
    }

    #[test]
    fn a_message_is_released_once_however_often_it_comes() {
        let mut reassembly = Reassembly::default();
        for _ in 0..3 {
            reassembly.insert_record(&fragment(0, 2, 0, b"ab")).unwrap();
        }
        assert!(reassembly.next_message().is_some());
        reassembly.insert_record(&fragment(0, 2, 0, b"ab")).unwrap();
        assert_eq!(reassembly.next_message(), None);
    }

    #[test]
    fn d04_overlapping_fragments_make_one_message_of_the_declared_length() {
        let body: Vec<u8> = (0..250).collect();
        let mut reassembly = Reassembly::default();
        for range in [0..120, 60..180, 30..140, 150..250] {
            reassembly.insert_record(&fragment(0, 250, range.start, &body[range])).unwrap();
        }
        assert_eq!(reassembly.next_message().unwrap().client_hello(), Some(&body[..]));
    }

    #[test]
    fn d04_zero_length_and_one_byte_fragments_are_dropped() {
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.insert_record(&fragment(0, 100, 0, b"")), Err(Dropped::Malformed));
        assert_eq!(reassembly.insert_record(&fragment(0, 100, 0, b"a")), Err(Dropped::Limit));
        assert_eq!(reassembly.buffered_bytes, 0);
    }

    #[test]
    fn d04_a_declared_length_of_16_mb_allocates_nothing() {
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.insert_record(&fragment(0, 0xff_ffff, 0, &[0; 64])), Err(Dropped::Limit));
        assert_eq!(reassembly.insert_record(&fragment(0, 64, 0xff_ffff, &[0; 64])), Err(Dropped::Malformed));
        assert!(reassembly.messages.is_empty());
    }

    #[test]
    fn d04_fragments_and_bytes_kept_are_bounded() {
        let mut reassembly = Reassembly::default();
        let mut dropped = 0;
        for sequence in 0..=MESSAGE_SEQUENCE_MAX + 1 {
            for offset in (0..16_000).step_by(64) {
                dropped +=
                    usize::from(reassembly.insert_record(&fragment(sequence, 16_064, offset, &[0; 64])).is_err());
            }
        }
        let fragments: usize = reassembly.messages.values().map(|partial| partial.fragments.len()).sum();
        assert!(reassembly.buffered_bytes <= BUFFERED_BYTES_MAX && fragments * 64 <= BUFFERED_BYTES_MAX);
        assert!(reassembly.messages.values().all(|partial| partial.fragments.len() <= FRAGMENTS_PER_MESSAGE_MAX));
        assert_eq!(dropped, 250 * 18 - fragments);
    }

    #[test]
    fn a_fragment_that_contradicts_an_earlier_one_is_dropped() {
        let mut reassembly = Reassembly::default();
        reassembly.insert_record(&fragment(0, 128, 0, &[1; 64])).unwrap();
        assert_eq!(reassembly.insert_record(&fragment(0, 129, 64, &[1; 65])), Err(Dropped::Malformed));
        reassembly.insert_record(&fragment(0, 128, 64, &[1; 64])).unwrap();
        assert!(reassembly.next_message().is_some());
    }

    #[test]
    fn every_cut_of_a_fragment_is_refused() {
        let whole = fragment(0, 3, 0, b"abc");
        for len in 1..whole.len() {
            assert_eq!(Reassembly::default().insert_record(&whole[..len]), Err(Dropped::Malformed), "{len}");
        }
    }

    /// A fragment of a ClientHello (messages 0 and 1) or of a certificate.
    fn fragment(sequence: u16, message_len: u32, offset: usize, data: &[u8]) -> Vec<u8> {
        let kind = if sequence < 2 { CLIENT_HELLO } else { CERTIFICATE };
        let mut bytes = vec![kind];
        bytes.extend(&message_len.to_be_bytes()[1..]);
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(&(offset as u32).to_be_bytes()[1..]);
        bytes.extend(&(data.len() as u32).to_be_bytes()[1..]);
        bytes.extend(data);
        bytes
    }
}
