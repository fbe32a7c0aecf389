//! AV1 payloads (AV1 RTP specification 1.0 §4.4).

/// Tells whether the payload starts a coded video sequence or holds a sequence header.
pub(super) fn is_key_frame(payload: &[u8]) -> bool {
    let Some((&aggregation, elements)) = payload.split_first() else { return false };
    // The first element goes on from the packet before: whatever starts here, the temporal unit started earlier.
    if aggregation & CONTINUATION != 0 {
        return false;
    }
    let starts_sequence = aggregation & SEQUENCE_START != 0 && !elements.is_empty();
    starts_sequence || holds_sequence_header(elements, aggregation >> 4 & 0x03)
}

/// Z: the first element is the rest of one from the packet before.
const CONTINUATION: u8 = 0x80;
/// N: the packet is the first of a coded video sequence.
const SEQUENCE_START: u8 = 0x08;
/// OBU type of a sequence header.
const SEQUENCE_HEADER: u8 = 1;

/// Walks the elements; `count` is W: 0 when each has its length before it, else the last of `count` has none.
fn holds_sequence_header(mut elements: &[u8], count: u8) -> bool {
    let mut before_last = count.checked_sub(1);
    while !elements.is_empty() {
        let split = match before_last {
            Some(0) => Some((elements, &[][..])),
            _ => split_length(elements).and_then(|(len, rest)| rest.split_at_checked(len)),
        };
        let Some((element, after)) = split else { return false };
        if element.first().is_some_and(|header| header >> 3 & 0x0f == SEQUENCE_HEADER) {
            return true;
        }
        before_last = before_last.and_then(|elements| elements.checked_sub(1));
        elements = after;
    }
    false
}

/// Longest length in LEB128 that is read, in bytes: four hold more than any packet.
const LENGTH_BYTES_MAX: usize = 4;

/// Splits off a length in LEB128: seven bits a byte, the lowest first, the top bit set on all but the last.
fn split_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut len = 0;
    for (index, &byte) in bytes.iter().take(LENGTH_BYTES_MAX).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((len, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_sequence_is_found_by_its_bit_or_its_header() {
        assert!(is_key_frame(&[0x18, 0x30, 0x00]), "N");
        assert!(is_key_frame(&[0x00, 2, 0x10, 0x00, 2, 0x08, 0x00]), "behind a delimiter, each with its length");
        assert!(is_key_frame(&[0x20, 2, 0x10, 0x00, 0x08, 0x00]), "last of two, without a length");
        assert!(is_key_frame(&[0x00, 0x82, 0x00, 0x08, 0x00]), "length in two bytes");
    }

    #[test]
    fn frames_and_continuations_are_none() {
        assert!(!is_key_frame(&[0x10, 0x30, 0x00]), "a frame");
        assert!(!is_key_frame(&[0x98, 0x08, 0x00]), "the rest of an element");
    }

    #[test]
    fn r06_leb128_lengths_past_the_packet_or_without_an_end_are_no_key_frame() {
        for payload in [
            &[][..],
            &[0x18],
            &[0x00, 0x80],
            &[0x00, 3, 0x08, 0x00],
            &[0x00, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x08],
            &[0x00, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x08],
            &[0x00; 1400],
        ] {
            assert!(!is_key_frame(payload), "{payload:?}");
        }
    }
}
