//! SCTP packets and chunks as views over bytes (RFC 9260 §3), and their checksum.

/// Bytes of the common header (RFC 9260 §3.1).
pub(super) const COMMON_HEADER_BYTES: usize = 12;

/// Bytes of a chunk's type, flags and length (RFC 9260 §3.2).
pub(super) const CHUNK_HEADER_BYTES: usize = 4;

/// Bytes of a DATA chunk before its user data (RFC 9260 §3.3.1).
pub(super) const DATA_HEADER_BYTES: usize = 16;

/// Chunk types that the engine knows, by their names in RFC 9260, RFC 3758 and RFC 6525.
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const INIT: u8 = 1;
    pub(in super::super) const INIT_ACK: u8 = 2;
    pub(in super::super) const SACK: u8 = 3;
    pub(in super::super) const HEARTBEAT: u8 = 4;
    pub(in super::super) const ABORT: u8 = 6;
    pub(in super::super) const SHUTDOWN: u8 = 7;
    pub(in super::super) const SHUTDOWN_ACK: u8 = 8;
    pub(in super::super) const COOKIE_ECHO: u8 = 10;
    pub(in super::super) const COOKIE_ACK: u8 = 11;
    pub(in super::super) const SHUTDOWN_COMPLETE: u8 = 14;
    pub(in super::super) const RE_CONFIG: u8 = 130;
    pub(in super::super) const FORWARD_TSN: u8 = 192;
}

/// One chunk of a packet; its length fits the packet and is no shorter than its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// What follows the header, without padding.
    pub(super) value: &'a [u8],
    /// The whole chunk with its padding, as far as the packet has it.
    pub(super) bytes: &'a [u8],
}

/// A chunk's length contradicts the packet: shorter than its own header, or beyond the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The chunks of a packet, in order; ends at the first malformed one.
pub(super) struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    /// Reads what follows the common header.
    pub(super) fn of(packet: &'a [u8]) -> Self {
        Self { rest: packet.get(COMMON_HEADER_BYTES..).unwrap_or_default() }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            return None;
        }
        let Some((&[kind, flags, high, low], _)) = rest.split_first_chunk() else { return Some(Err(Malformed)) };
        let len = usize::from(u16::from_be_bytes([high, low]));
        let Some(value) = rest.get(CHUNK_HEADER_BYTES..len) else { return Some(Err(Malformed)) };
        // The engine steps over the padding by arithmetic: there must be as much as the length says.
        let Some(bytes) = rest.get(..len.next_multiple_of(4)) else { return Some(Err(Malformed)) };
        self.rest = &rest[bytes.len()..];
        Some(Ok(Chunk { kind, flags, value, bytes }))
    }
}

/// Tells whether type-length-value parameters (RFC 9260 §3.2.1) fill `bytes`, each within them.
pub(super) fn parameters_add_up(bytes: &[u8]) -> bool {
    parameters(bytes).all(|parameter| parameter.is_ok())
}

/// The parameters in `bytes`: type and value. The last one may lack its padding.
pub(super) fn parameters(mut rest: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), Malformed>> {
    std::iter::from_fn(move || {
        let bytes = std::mem::take(&mut rest);
        if bytes.is_empty() {
            return None;
        }
        let Some((&[a, b, high, low], _)) = bytes.split_first_chunk() else { return Some(Err(Malformed)) };
        let len = usize::from(u16::from_be_bytes([high, low]));
        let Some(value) = bytes.get(CHUNK_HEADER_BYTES..len) else { return Some(Err(Malformed)) };
        rest = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok((u16::from_be_bytes([a, b]), value)))
    })
}

/// The 32-bit number at `offset`.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

/// The 16-bit number at `offset`.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(offset..offset + 2)?.try_into().ok()?))
}

/// Tells whether the checksum of `packet` fits (RFC 9260 §6.8).
pub(super) fn checksum_fits(packet: &[u8]) -> bool {
    let Some(stored) = packet.get(8..12) else { return false };
    checksum(packet).to_le_bytes() == stored
}

/// Writes the checksum of `packet` into it. A packet without a whole common header is left as it is.
pub(super) fn write_checksum(packet: &mut [u8]) {
    let sum = checksum(packet).to_le_bytes();
    if let Some(stored) = packet.get_mut(8..12) {
        stored.copy_from_slice(&sum);
    }
}

/// A packet of `chunks` from port 5000 to port 5000.
pub(crate) fn packet(verification_tag: u32, chunks: &[u8]) -> Vec<u8> {
    let mut packet = [&[0x13, 0x88, 0x13, 0x88][..], &verification_tag.to_be_bytes(), &[0; 4], chunks].concat();
    write_checksum(&mut packet);
    packet
}

/// CRC32c (RFC 9260 appendix A) of a packet, its own field taken as zero.
fn checksum(packet: &[u8]) -> u32 {
    let (before, after) = (packet.get(..8).unwrap_or(packet), packet.get(12..).unwrap_or_default());
    let sum = [before, &[0; 4], after].iter().fold(!0, |sum, bytes| crc32c(sum, bytes));
    !sum
}

fn crc32c(sum: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(sum, |sum, byte| (sum >> 8) ^ CRC32C[usize::from(sum as u8 ^ byte)])
}

/// The table of the reflected polynomial 0x1EDC6F41.
const CRC32C: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let (mut value, mut bit) = (index as u32, 0);
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0x82f6_3b78 } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_the_rfc() {
        // RFC 3720 appendix B.4: 32 bytes of zeros, and of ascending numbers.
        assert_eq!(!crc32c(!0, &[0; 32]), 0x8a91_36aa);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(!crc32c(!0, &ascending), 0x46dd_794e);
    }

    #[test]
    fn every_cut_of_a_packet_is_malformed_or_ends_between_chunks() {
        let packet = [&[0; 12][..], &[0, 3, 0, 6, 1, 2, 0, 0], &[10, 0, 0, 4]].concat();
        assert_eq!(Chunks::of(&packet).filter(Result::is_ok).count(), 2);
        for len in 13..packet.len() {
            let whole = Chunks::of(&packet[..len]).all(|chunk| chunk.is_ok());
            assert_eq!(whole, len == 20, "{len}");
        }
    }

    #[test]
    fn x02_chunk_lengths_of_0_1_and_3_are_malformed() {
        for len in [0, 1, 3] {
            let packet = [&[0; 12][..], &[0, 0, 0, len], &[0; 8]].concat();
            assert_eq!(Chunks::of(&packet).next(), Some(Err(Malformed)), "{len}");
        }
    }

    #[test]
    fn x02_parameters_beyond_their_chunk_do_not_add_up() {
        assert!(parameters_add_up(&[]));
        assert!(parameters_add_up(&[0x80, 8, 0, 6, 130, 192]));
        for broken in [&[0x80, 8, 0, 7, 130, 192][..], &[0x80, 8, 0, 3], &[0x80, 8, 0], &[0, 1, 0xff, 0xff]] {
            assert!(!parameters_add_up(broken), "{broken:?}");
        }
    }
}
