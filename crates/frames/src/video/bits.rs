//! Lengths in LEB128 (AV1 specification §4.10.5): seven bits a byte, the lowest first, the top bit set on all but the last.

/// Bytes of a length that are read: five hold 32 bits. A longer one is malformed.
const LENGTH_BYTES_MAX: usize = 5;

/// Splits off a length.
pub(super) fn split_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut len = 0u64;
    for (index, &byte) in bytes.iter().take(LENGTH_BYTES_MAX).enumerate() {
        len |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(len).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

/// Bytes that `len` takes.
pub(super) fn length_len(len: usize) -> usize {
    let bits = (usize::BITS - len.leading_zeros()).max(1);
    bits.div_ceil(7) as usize
}

/// Appends `len`.
pub(super) fn push_length(mut len: usize, out: &mut Vec<u8>) {
    while len >= 0x80 {
        out.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
}
