//! VP8 (RFC 7741) and VP9 (RFC 9628): a descriptor before each piece of a frame.

use super::Malformed;

/// Writes the packets of a VP8 frame with a picture id of 15 bits.
pub(super) fn packetize_vp8(
    frame: &[u8],
    picture: u16,
    limit: usize,
    packet: &mut Vec<u8>,
    emit: &mut dyn FnMut(&[u8], bool),
) -> Result<(), Malformed> {
    // X; S on the first packet; I with a long id.
    pieces(frame, limit - 4, |piece, first, last| {
        packet.clear();
        let [high, low] = (picture | 0x8000).to_be_bytes();
        packet.extend_from_slice(&[0x80 | if first { 0x10 } else { 0 }, 0x80, high, low]);
        packet.extend_from_slice(piece);
        emit(packet, last);
    })
}

/// Writes the packets of a VP9 frame of one layer, in non-flexible mode with a picture id of 15 bits.
pub(super) fn packetize_vp9(
    frame: &[u8],
    picture: u16,
    limit: usize,
    packet: &mut Vec<u8>,
    emit: &mut dyn FnMut(&[u8], bool),
) -> Result<(), Malformed> {
    let inter = if is_vp9_key_frame(frame) { 0 } else { 0x40 };
    // I; P; B and E on the first and last packet.
    pieces(frame, limit - 3, |piece, first, last| {
        packet.clear();
        let [high, low] = (picture | 0x8000).to_be_bytes();
        let flags = 0x80 | inter | if first { 0x08 } else { 0 } | if last { 0x04 } else { 0 };
        packet.extend_from_slice(&[flags, high, low]);
        packet.extend_from_slice(piece);
        emit(packet, last);
    })
}

/// Reads the start of the uncompressed header (VP9 bitstream specification §6.2).
fn is_vp9_key_frame(frame: &[u8]) -> bool {
    let Some(&first) = frame.first() else { return false };
    let is_high_profile = first & 0x30 == 0x30;
    // Marker, profile (with a reserved bit at its highest), show_existing_frame, frame_type.
    let behind = if is_high_profile { first << 5 } else { first << 4 };
    first >> 6 == 2 && behind & 0xc0 == 0
}

/// Cuts `frame` into equal pieces of `room` bytes at most, because a short last packet costs as much as a full one.
fn pieces(frame: &[u8], room: usize, mut write: impl FnMut(&[u8], bool, bool)) -> Result<(), Malformed> {
    if frame.is_empty() {
        return Err(Malformed);
    }
    let size = frame.len().div_ceil(frame.len().div_ceil(room));
    let count = frame.len().div_ceil(size);
    for (index, piece) in frame.chunks(size).enumerate() {
        write(piece, index == 0, index + 1 == count);
    }
    Ok(())
}
