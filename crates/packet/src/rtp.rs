//! Parsing of RTP packets (RFC 3550 §5.1) and of their header-extension blocks (RFC 8285).

use crate::big_endian::u32_at;
use crate::extension::{ExtensionIds, ExtensionKind};
use crate::meta::{ExtensionSpan, RtpMeta};

/// Length of the fixed part of an RTP header, in bytes.
pub const FIXED_HEADER_BYTES: usize = 12;

/// Why bytes are not an RTP packet. Whoever sent them is at fault; the packet is dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtpError {
    /// Shorter than the fixed header, or longer than an offset can say (65,535 bytes).
    Length,
    /// The version is not 2.
    Version,
    /// The CSRC list runs past the end.
    CsrcOverrun,
    /// The extension block runs past the end of the packet, or an element past the end of the block.
    ExtensionOverrun,
    /// The padding count is 0 or more than what follows the header.
    Padding,
}

/// The two protocols that share a port with `rtcp-mux` (RFC 5761).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Muxed {
    /// An RTP packet.
    Rtp,
    /// An RTCP packet.
    Rtcp,
}

/// Tells RTP from RTCP by version and payload type (RFC 5761 §4: 192 to 223 in the second byte is RTCP).
///
/// `None` when it is neither: a version other than 2 (RFC 7983), shorter than an RTP header (12 bytes) or than an RTCP
/// header with its sender's SSRC (8 bytes).
pub fn is_rtp_or_rtcp(bytes: &[u8]) -> Option<Muxed> {
    let [first, second, ..] = *bytes else { return None };
    if first >> 6 != 2 {
        return None;
    }
    let (kind, len_min) = match second {
        192..=223 => (Muxed::Rtcp, 8),
        _ => (Muxed::Rtp, FIXED_HEADER_BYTES),
    };
    Some(kind).filter(|_| bytes.len() >= len_min)
}

/// What can be said of an RTP packet before it is authenticated: nothing in the payload is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPeek {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Sequence number.
    pub sequence: u16,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Length of the header with CSRC list and extension block, in bytes: where SRTP's encrypted part starts.
    pub header_len: usize,
}

/// Reads the numbers that demultiplexing and SRTP need, without looking into the extension block.
///
/// # Errors
/// When the header does not fit into `bytes` or is not version 2.
pub fn peek(bytes: &[u8]) -> Result<RtpPeek, RtpError> {
    let header: &[u8; FIXED_HEADER_BYTES] = bytes.first_chunk().ok_or(RtpError::Length)?;
    let block = locate_extension_block(bytes, header)?;
    Ok(RtpPeek {
        ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        sequence: u16::from_be_bytes([header[2], header[3]]),
        payload_type: header[1] & 0x7f,
        header_len: block.end,
    })
}

impl RtpMeta {
    /// Parses a whole RTP packet; `ids` says which extension has which number on this peer's wire.
    ///
    /// Extensions with numbers that are not in `ids` are skipped. Of several with the same number the first counts.
    /// `key_frame` is left false: only the payload can tell. Cost: one pass over the header, no allocation.
    ///
    /// # Errors
    /// Says which length of the packet contradicts the others.
    pub fn parse(bytes: &[u8], ids: &ExtensionIds) -> Result<RtpMeta, RtpError> {
        if bytes.len() > usize::from(u16::MAX) {
            return Err(RtpError::Length);
        }
        let header: &[u8; FIXED_HEADER_BYTES] = bytes.first_chunk().ok_or(RtpError::Length)?;
        let block = locate_extension_block(bytes, header)?;
        let padding_len = padding_len(bytes, header, block.end)?;
        let mut meta = RtpMeta {
            ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            sequence: u16::from_be_bytes([header[2], header[3]]),
            payload_type: header[1] & 0x7f,
            marker: header[1] & 0x80 != 0,
            csrc_count: header[0] & 0x0f,
            payload_offset: block.end as u16,
            payload_len: (bytes.len() - block.end - usize::from(padding_len)) as u16,
            padding_len,
            ..RtpMeta::default()
        };
        match block.form {
            Form::OneByte => read_one_byte_elements(bytes, &block, ids, &mut meta)?,
            Form::TwoByte => read_two_byte_elements(bytes, &block, ids, &mut meta)?,
            Form::Unknown => {}
        }
        Ok(meta)
    }
}

/// How the elements of an extension block are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    OneByte,
    TwoByte,
    /// No block, or one that RFC 8285 does not define.
    Unknown,
}

/// The elements of an extension block, without the block's own four bytes.
struct ExtensionBlock {
    form: Form,
    start: usize,
    end: usize,
}

/// Profile value that announces one-byte elements (RFC 8285 §4.2).
pub(crate) const ONE_BYTE_PROFILE: u16 = 0xbede;
/// Profile value that announces two-byte elements; its low four bits are free for applications (RFC 8285 §4.3).
pub(crate) const TWO_BYTE_PROFILE: u16 = 0x1000;

fn locate_extension_block(bytes: &[u8], header: &[u8; FIXED_HEADER_BYTES]) -> Result<ExtensionBlock, RtpError> {
    if header[0] >> 6 != 2 {
        return Err(RtpError::Version);
    }
    let csrc_end = FIXED_HEADER_BYTES + 4 * usize::from(header[0] & 0x0f);
    if csrc_end > bytes.len() {
        return Err(RtpError::CsrcOverrun);
    }
    if header[0] & 0x10 == 0 {
        return Ok(ExtensionBlock { form: Form::Unknown, start: csrc_end, end: csrc_end });
    }
    let profile_and_words = u32_at(bytes, csrc_end).ok_or(RtpError::ExtensionOverrun)?;
    let start = csrc_end + 4;
    let end = start + 4 * (profile_and_words & 0xffff) as usize;
    if end > bytes.len() {
        return Err(RtpError::ExtensionOverrun);
    }
    let form = match (profile_and_words >> 16) as u16 {
        ONE_BYTE_PROFILE => Form::OneByte,
        profile if profile & 0xfff0 == TWO_BYTE_PROFILE => Form::TwoByte,
        _ => Form::Unknown,
    };
    Ok(ExtensionBlock { form, start, end })
}

fn padding_len(bytes: &[u8], header: &[u8; FIXED_HEADER_BYTES], header_len: usize) -> Result<u8, RtpError> {
    if header[0] & 0x20 == 0 {
        return Ok(0);
    }
    match bytes[header_len..].last() {
        Some(&count) if count != 0 && usize::from(count) <= bytes.len() - header_len => Ok(count),
        _ => Err(RtpError::Padding),
    }
}

fn read_one_byte_elements(
    bytes: &[u8],
    block: &ExtensionBlock,
    ids: &ExtensionIds,
    meta: &mut RtpMeta,
) -> Result<(), RtpError> {
    let mut at = block.start;
    while let Some(&head) = bytes[..block.end].get(at) {
        at += 1;
        // RFC 8285 §4.2: 15, and 0 with a length, end the processing; the rest of the block is skipped unread.
        match (head >> 4, head & 0x0f) {
            (0, 0) => continue,
            (0 | 15, _) => return Ok(()),
            (id, len_less_one) => {
                let len = len_less_one + 1;
                note_element(block, meta, ids.kind(id), Element { at, len })?;
                at += usize::from(len);
            }
        }
    }
    Ok(())
}

fn read_two_byte_elements(
    bytes: &[u8],
    block: &ExtensionBlock,
    ids: &ExtensionIds,
    meta: &mut RtpMeta,
) -> Result<(), RtpError> {
    let mut at = block.start;
    while let Some(&id) = bytes[..block.end].get(at) {
        at += 1;
        if id == 0 {
            continue;
        }
        let len = *bytes[..block.end].get(at).ok_or(RtpError::ExtensionOverrun)?;
        at += 1;
        note_element(block, meta, ids.kind(id), Element { at, len })?;
        at += usize::from(len);
    }
    Ok(())
}

struct Element {
    at: usize,
    len: u8,
}

fn note_element(
    block: &ExtensionBlock,
    meta: &mut RtpMeta,
    kind: Option<ExtensionKind>,
    element: Element,
) -> Result<(), RtpError> {
    if element.at + usize::from(element.len) > block.end {
        return Err(RtpError::ExtensionOverrun);
    }
    let Some(kind) = kind else { return Ok(()) };
    let span = &mut meta.extensions[kind as usize];
    if !span.is_present() {
        *span = ExtensionSpan { offset: element.at as u16, len: element.len };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> ExtensionIds {
        ExtensionIds::new([
            (1, ExtensionKind::Mid),
            (2, ExtensionKind::AudioLevel),
            (15, ExtensionKind::PacketId),
            (200, ExtensionKind::DependencyDescriptor),
        ])
    }

    #[test]
    fn every_field_of_a_full_packet_is_read() {
        let mut bytes = vec![0xb2, 0x80 | 111, 0x12, 0x34, 0, 0, 0, 7, 0xde, 0xad, 0xbe, 0xef];
        bytes.extend([0; 8]);
        bytes.extend([0xbe, 0xde, 0, 2, 0x10, b'a', 0x20, 0x85, 0, 0, 0, 0]);
        bytes.extend(b"payload\0\0\x03");
        let meta = RtpMeta::parse(&bytes, &ids()).unwrap();
        assert_eq!((meta.ssrc, meta.sequence, meta.timestamp), (0xdead_beef, 0x1234, 7));
        assert_eq!((meta.payload_type, meta.marker, meta.csrc_count), (111, true, 2));
        assert_eq!((meta.payload(&bytes), meta.padding_len), (&b"payload"[..], 3));
        assert_eq!(meta.mid(&bytes), Some("a"));
        assert_eq!(meta.audio_level(&bytes).unwrap().attenuation_dbov, 5);
        let expected = RtpPeek { ssrc: 0xdead_beef, sequence: 0x1234, payload_type: 111, header_len: 32 };
        assert_eq!(peek(&bytes), Ok(expected));
    }

    #[test]
    fn a_packet_cut_anywhere_in_its_header_is_refused() {
        let bytes = packet(0xbede, &[0x10, b'a', 0, 0], b"");
        for len in 0..bytes.len() {
            assert!(RtpMeta::parse(&bytes[..len], &ids()).is_err(), "{len} bytes");
            assert!(peek(&bytes[..len]).is_err(), "{len} bytes");
        }
        assert!(RtpMeta::parse(&bytes, &ids()).is_ok());
    }

    #[test]
    fn two_byte_elements_may_be_empty_or_long_and_their_profile_has_four_free_bits() {
        let mut block = vec![1, 0, 200, 250];
        block.extend([9; 250]);
        block.extend([0, 0]);
        let bytes = packet(0x100a, &block, b"x");
        let meta = RtpMeta::parse(&bytes, &ids()).unwrap();
        assert_eq!(meta.value(&bytes, ExtensionKind::Mid), Some(&b""[..]));
        assert_eq!(meta.value(&bytes, ExtensionKind::DependencyDescriptor), Some(&[9; 250][..]));
    }

    #[test]
    fn a_block_of_unknown_profile_is_skipped() {
        let bytes = packet(0x1234, &[0x10, b'a', 0, 0], b"x");
        let meta = RtpMeta::parse(&bytes, &ids()).unwrap();
        assert_eq!((meta.mid(&bytes), meta.payload(&bytes)), (None, &b"x"[..]));
    }

    #[test]
    fn of_two_elements_with_one_number_the_first_counts() {
        let bytes = packet(0xbede, &[0x10, b'a', 0x10, b'b'], b"x");
        assert_eq!(RtpMeta::parse(&bytes, &ids()).unwrap().mid(&bytes), Some("a"));
    }

    #[test]
    fn rtp_and_rtcp_are_told_apart_by_payload_type() {
        for second in 0..=255 {
            let expected = if (192..=223).contains(&second) { Muxed::Rtcp } else { Muxed::Rtp };
            let mut bytes = [0; 12];
            (bytes[0], bytes[1]) = (0x80, second);
            assert_eq!(is_rtp_or_rtcp(&bytes), Some(expected), "{second}");
        }
        assert_eq!(is_rtp_or_rtcp(&[0x80, 96, 0, 0, 0, 0, 0, 0]), None, "too short for RTP");
        assert_eq!(is_rtp_or_rtcp(&[0x80, 200, 0, 1, 0, 0, 0, 0]), Some(Muxed::Rtcp));
        assert_eq!(is_rtp_or_rtcp(&[0x40; 12]), None, "version 1");
    }

    #[test]
    fn r03_an_extension_block_of_65535_words_is_refused_when_short_and_when_over_an_offset() {
        let mut bytes = packet(0xbede, &[], b"");
        bytes[14..16].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(RtpMeta::parse(&bytes, &ids()), Err(RtpError::ExtensionOverrun));
        bytes.resize(12 + 4 + 4 * 65_535, 0);
        assert_eq!(RtpMeta::parse(&bytes, &ids()), Err(RtpError::Length));
    }

    #[test]
    fn r03_id_15_ends_one_byte_parsing_but_the_payload_is_found() {
        let bytes = packet(0xbede, &[0xff, 0x10, b'a', 0], b"x");
        let meta = RtpMeta::parse(&bytes, &ids()).unwrap();
        assert_eq!((meta.mid(&bytes), meta.payload(&bytes)), (None, &b"x"[..]));
        assert_eq!(meta.extension(ExtensionKind::PacketId), None);
    }

    #[test]
    fn r03_id_0_with_a_length_ends_one_byte_parsing() {
        let bytes = packet(0xbede, &[0x10, b'a', 0x03, 1, 2, 3, 4, 0x20, 0x85, 0, 0, 0], b"x");
        let meta = RtpMeta::parse(&bytes, &ids()).unwrap();
        assert_eq!((meta.mid(&bytes), meta.payload(&bytes)), (Some("a"), &b"x"[..]));
        assert_eq!(meta.audio_level(&bytes), None);
    }

    #[test]
    fn r03_255_elements_are_read_in_one_pass() {
        let elements = [0x30, 0].repeat(254);
        let bytes = packet(0xbede, &[&elements[..], &[0x10, b'z', 0, 0]].concat(), b"x");
        assert_eq!(RtpMeta::parse(&bytes, &ids()).unwrap().mid(&bytes), Some("z"));
    }

    #[test]
    fn r03_an_element_past_its_block_is_refused_even_if_the_packet_goes_on() {
        for (profile, block) in
            [(0xbede, [0x1f, b'a', 0, 0]), (0x1000, [1, 200, 0, 0]), (0xbede, [0, 0, 0, 0x30]), (0x1000, [0, 0, 0, 7])]
        {
            let bytes = packet(profile, &block, &[0; 300]);
            assert_eq!(RtpMeta::parse(&bytes, &ids()), Err(RtpError::ExtensionOverrun), "{block:?}");
        }
    }

    #[test]
    fn r03_fifteen_csrcs_need_their_sixty_bytes() {
        let mut bytes = vec![0; 72];
        bytes[0] = 0x8f;
        assert_eq!(RtpMeta::parse(&bytes, &ids()).unwrap().payload_offset, 72);
        assert_eq!(RtpMeta::parse(&bytes[..71], &ids()), Err(RtpError::CsrcOverrun));
    }

    #[test]
    fn r03_padding_of_0_or_more_than_the_payload_is_refused() {
        for (payload, expected) in [
            (&[1, 0][..], Err(RtpError::Padding)),
            (&[1, 3], Err(RtpError::Padding)),
            (&[], Err(RtpError::Padding)),
            (&[1, 2], Ok((0, 2))),
            (&[9, 1], Ok((1, 1))),
        ] {
            let mut bytes = packet(0xbede, &[0x10, b'a', 0, 0xff], payload);
            bytes[0] |= 0x20;
            let lens = RtpMeta::parse(&bytes, &ids()).map(|meta| (meta.payload_len, meta.padding_len));
            assert_eq!(lens, expected, "{payload:?}");
        }
    }

    #[test]
    fn r03_an_empty_payload_is_a_packet() {
        let bytes = packet(0xbede, &[], b"");
        assert_eq!(RtpMeta::parse(&bytes, &ids()).unwrap().payload_len, 0);
    }

    #[test]
    fn s03_every_first_byte_and_payload_type_at_every_length_to_64_is_survived() {
        for fill in [0x00, 0xff] {
            for first in 0..=255u8 {
                for second in 0..=255u8 {
                    let mut bytes = [fill; 64];
                    (bytes[0], bytes[1]) = (first, second);
                    for len in 0..=64 {
                        crate::fuzz::fuzz_rtp(&bytes[..len]);
                    }
                }
            }
        }
    }

    /// An RTP packet with one extension block.
    fn packet(profile: u16, block: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend(profile.to_be_bytes());
        bytes.extend(((block.len() / 4) as u16).to_be_bytes());
        bytes.extend(block);
        bytes.extend(payload);
        bytes
    }
}
