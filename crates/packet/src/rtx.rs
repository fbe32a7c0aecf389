//! Retransmission as a stream of its own (RFC 4588): the original sequence number stands before the payload.

use crate::big_endian::{Cursor, u16_at};
use crate::meta::RtpMeta;
use crate::pool::PacketMut;
use crate::rtp::FIXED_HEADER_BYTES;

/// Length of the original sequence number, in bytes.
pub const ORIGINAL_SEQUENCE_BYTES: usize = 2;

/// The stream that an RTX stream repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginalStream {
    /// Its synchronisation source.
    pub ssrc: u32,
    /// The payload type that the RTX payload type's `apt` names.
    pub payload_type: u8,
}

/// Why an RTX packet holds no original. The packet is left unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtxError {
    /// There is only padding: a probe for bandwidth. Nobody is at fault.
    PaddingOnly,
    /// The payload is shorter than an original sequence number.
    TooShort,
}

/// Restores the original packet in place and returns its parsed header.
///
/// `meta` was parsed from `packet`. Sequence number, SSRC and payload type become those of the original; the header
/// moves two bytes over the original sequence number, and everything else stays as it is.
///
/// # Errors
/// When there is no original sequence number.
pub fn decapsulate(packet: &mut PacketMut, meta: &RtpMeta, original: OriginalStream) -> Result<RtpMeta, RtxError> {
    if meta.payload_len == 0 && meta.padding_len > 0 {
        return Err(RtxError::PaddingOnly);
    }
    let header_len = usize::from(meta.payload_offset);
    if usize::from(meta.payload_len) < ORIGINAL_SEQUENCE_BYTES || header_len < FIXED_HEADER_BYTES {
        return Err(RtxError::TooShort);
    }
    let sequence = u16_at(packet.bytes(), header_len).ok_or(RtxError::TooShort)?;
    packet.bytes_mut().copy_within(..header_len, ORIGINAL_SEQUENCE_BYTES);
    packet.advance(ORIGINAL_SEQUENCE_BYTES);
    let header = packet.bytes_mut();
    header[1] = header[1] & 0x80 | original.payload_type & 0x7f;
    header[2..4].copy_from_slice(&sequence.to_be_bytes());
    header[8..12].copy_from_slice(&original.ssrc.to_be_bytes());
    Ok(RtpMeta {
        ssrc: original.ssrc,
        sequence,
        payload_type: original.payload_type & 0x7f,
        payload_len: meta.payload_len - ORIGINAL_SEQUENCE_BYTES as u16,
        ..*meta
    })
}

/// Writes the payload of an RTX packet: the number that the packet was first sent as, then its payload.
///
/// Returns the length, or `None` when it does not fit into `out`.
pub fn write_payload(original_sequence: u16, payload: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut cursor = Cursor::new(out);
    cursor.put(&original_sequence.to_be_bytes())?;
    cursor.put(payload)?;
    Some(cursor.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::{ExtensionIds, ExtensionKind};
    use crate::pool::PacketPool;

    const ORIGINAL: OriginalStream = OriginalStream { ssrc: 0x0102_0304, payload_type: 96 };

    #[test]
    fn the_original_is_what_was_sent() {
        let original = packet_bytes(0x90, b"payload");
        let mut payload = [0; 20];
        let len = write_payload(0x1234, b"payload", &mut payload).unwrap();
        let (mut packet, meta) = received(&packet_bytes(0x90, &payload[..len]));
        let restored = decapsulate(&mut packet, &meta, ORIGINAL).unwrap();
        let mut expected = original.clone();
        expected[1] = 0x80 | 96;
        expected[2..4].copy_from_slice(&[0x12, 0x34]);
        expected[8..12].copy_from_slice(&ORIGINAL.ssrc.to_be_bytes());
        assert_eq!(packet.bytes(), expected);
        assert_eq!(Ok(restored), RtpMeta::parse(packet.bytes(), &ids()));
        assert_eq!(restored.mid(packet.bytes()), Some("m"));
    }

    #[test]
    fn padding_behind_the_original_stays_padding() {
        let (mut packet, meta) = received(&packet_bytes(0xb0, &[0, 9, b'x', 0, 2]));
        let restored = decapsulate(&mut packet, &meta, ORIGINAL).unwrap();
        assert_eq!(Ok(restored), RtpMeta::parse(packet.bytes(), &ids()));
        assert_eq!((restored.payload(packet.bytes()), restored.padding_len), (&b"x"[..], 2));
    }

    #[test]
    fn an_original_may_have_an_empty_payload() {
        let (mut packet, meta) = received(&packet_bytes(0x90, &[0, 9]));
        assert_eq!(decapsulate(&mut packet, &meta, ORIGINAL).unwrap().payload_len, 0);
    }

    #[test]
    fn a_probe_of_padding_is_recognised() {
        let (mut packet, meta) = received(&packet_bytes(0xb0, &[0, 0, 3]));
        assert_eq!(decapsulate(&mut packet, &meta, ORIGINAL), Err(RtxError::PaddingOnly));
    }

    #[test]
    fn r07_a_payload_of_0_or_1_byte_is_refused_and_left_as_it_was() {
        for (first, payload) in [(0x90, &b""[..]), (0x90, b"x"), (0xb0, &[9, 0, 2])] {
            let bytes = packet_bytes(first, payload);
            let (mut packet, meta) = received(&bytes);
            assert_eq!(decapsulate(&mut packet, &meta, ORIGINAL), Err(RtxError::TooShort), "{payload:?}");
            assert_eq!(packet.bytes(), bytes);
        }
    }

    #[test]
    fn r07_rtx_of_rtx_ends_after_one_layer_with_the_payload_type_of_the_original() {
        let (mut packet, meta) = received(&packet_bytes(0x90, &[0, 9, 0, 8, b'x']));
        let restored = decapsulate(&mut packet, &meta, ORIGINAL).unwrap();
        assert_eq!((restored.sequence, restored.payload_type), (9, 96));
        assert_eq!(restored.payload(packet.bytes()), [0, 8, b'x']);
    }

    #[test]
    fn r07_a_header_that_is_not_the_packets_own_is_refused() {
        let (mut packet, meta) = received(&packet_bytes(0x90, &[0, 9, 0, 8, b'x']));
        packet.truncate(15);
        assert_eq!(decapsulate(&mut packet, &meta, ORIGINAL), Err(RtxError::TooShort));
        let headless = RtpMeta { payload_len: 5, ..RtpMeta::default() };
        assert_eq!(decapsulate(&mut packet, &headless, ORIGINAL), Err(RtxError::TooShort));
    }

    #[test]
    fn a_payload_that_does_not_fit_is_refused() {
        assert_eq!(write_payload(1, b"abc", &mut [0; 4]), None);
        assert_eq!(write_payload(1, b"abc", &mut [0; 5]), Some(5));
    }

    fn ids() -> ExtensionIds {
        ExtensionIds::new([(1, ExtensionKind::Mid)])
    }

    fn received(bytes: &[u8]) -> (PacketMut, RtpMeta) {
        let mut packet = PacketPool::new(1).take().unwrap();
        assert!(packet.fill(bytes));
        let meta = RtpMeta::parse(bytes, &ids()).unwrap();
        (packet, meta)
    }

    /// A packet of the RTX stream (payload type 97, marker set) with a MID.
    fn packet_bytes(first: u8, payload: &[u8]) -> Vec<u8> {
        let header = [first, 0x80 | 97, 0xff, 0xff, 0, 0, 0, 1, 9, 9, 9, 9, 0xbe, 0xde, 0, 1, 0x10, b'm', 0, 0];
        [&header[..], payload].concat()
    }
}
