//! One function per parser that takes any bytes at all and checks what must hold for them.
//!
//! They are plain functions: `crates/fuzz` runs them on a corpus and mutations of it, in the tests and under libFuzzer.

use crate::codec::VideoCodec;
use crate::dependency::{
    DECODE_TARGETS_MAX, DecodeTargets, DependencyReader, DescriptorEdit, SPATIAL_LAYER_MAX, TEMPORAL_LAYER_MAX,
};
use crate::extension::{ExtensionIds, ExtensionKind};
use crate::header::{ExtensionPlan, OutgoingHeader, Stamps, write_header};
use crate::meta::RtpMeta;
use crate::payload::is_key_frame;
use crate::pool::{PacketPool, SLOT_BYTES};
use crate::rewrite::{OutgoingStreamId, Priority, Rewrite};
use crate::rtcp::compound::PACKETS_MAX;
use crate::rtcp::feedback::NACK_SEQUENCES_MAX;
use crate::rtcp::transport_feedback::TICKS_PER_REFERENCE;
use crate::rtcp::{Arrival, Compound, CompoundWriter, FeedbackHeader, FeedbackSsrcs, RtcpPacket};
use crate::rtp::{is_rtp_or_rtcp, peek};
use crate::rtx::{self, OriginalStream};

/// Parses `data` as RTP: lengths add up, values lie before the payload, and `peek` agrees with the full parse.
pub fn fuzz_rtp(data: &[u8]) {
    let _ = is_rtp_or_rtcp(data);
    let Ok(meta) = RtpMeta::parse(data, &every_kind()) else { return };
    let header = usize::from(meta.payload_offset);
    assert_eq!(header + usize::from(meta.payload_len) + usize::from(meta.padding_len), data.len());
    assert_eq!(meta.payload(data).len(), usize::from(meta.payload_len));
    let peeked = peek(data).expect("what parses whole can be peeked at");
    assert_eq!((peeked.ssrc, peeked.sequence, peeked.header_len), (meta.ssrc, meta.sequence, header));
    for kind in ExtensionKind::ALL {
        let Some(span) = meta.extension(kind) else { continue };
        assert!(usize::from(span.offset) + usize::from(span.len) <= header);
        assert!(meta.value(data, kind).is_some());
    }
}

/// Parses `data` as RTP and writes a viewer's header from it: parsing that gives back the values that were written.
pub fn fuzz_header(data: &[u8]) {
    let Ok(meta) = RtpMeta::parse(data, &every_kind()) else { return };
    // Numbers 4 to 15: whether one-byte elements will do depends on what the packet carries.
    let viewer = || (4..).zip(ExtensionKind::ALL);
    let plan = ExtensionPlan::new(viewer());
    let rewrite = Rewrite {
        stream: OutgoingStreamId(0),
        payload_type: meta.payload_type ^ 1,
        marker: !meta.marker,
        sequence: meta.sequence.wrapping_add(1),
        timestamp: meta.timestamp.wrapping_add(1),
        original_sequence: None,
        picture: None,
        priority: Priority::Video,
    };
    let stamps = Stamps { abs_send_time: 0x00ab_cdef, transport_sequence: meta.sequence };
    let header = OutgoingHeader { ssrc: !meta.ssrc, rewrite: &rewrite, plan: &plan, stamps };
    let mut out = [0; 4096];
    let len = write_header(data, &meta, &header, &mut out).expect("twelve extensions of 255 bytes fit into 4096 bytes");
    let out = &out[..len];
    let written = RtpMeta::parse(out, &ExtensionIds::new(viewer())).expect("what is written parses");
    assert_eq!((written.ssrc, written.sequence), (!meta.ssrc, rewrite.sequence));
    assert_eq!((written.timestamp, written.payload_type), (rewrite.timestamp, rewrite.payload_type));
    assert_eq!((written.marker, written.csrc_count), (rewrite.marker, meta.csrc_count));
    assert_eq!((usize::from(written.payload_offset), written.payload_len, written.padding_len), (len, 0, 0));
    assert_eq!(written.mid(out), None);
    assert_eq!((written.abs_send_time(out), written.transport_sequence(out)), (Some(0x00ab_cdef), Some(meta.sequence)));
    let stamped = [ExtensionKind::Mid, ExtensionKind::AbsSendTime, ExtensionKind::TransportWideCc];
    for kind in ExtensionKind::ALL.into_iter().filter(|kind| !stamped.contains(kind)) {
        assert_eq!(written.value(out, kind), meta.value(data, kind));
    }
}

/// Parses `data` as an RTCP compound and reads everything in it: each packet of the check is there again, loops are
/// bounded by the bytes or a named bound.
pub fn fuzz_rtcp(data: &[u8]) {
    let Ok(compound) = Compound::parse(data) else { return };
    let packets = compound.packets().count();
    assert!((1..=PACKETS_MAX).contains(&packets));
    compound.packets().for_each(|packet| read_rtcp_packet(&packet, data.len()));
}

fn read_rtcp_packet(packet: &RtcpPacket, bytes: usize) {
    match packet {
        RtcpPacket::SenderReport(report) => assert!(report.blocks().count() <= 31),
        RtcpPacket::ReceiverReport(report) => assert!(report.blocks().count() <= 31),
        RtcpPacket::SourceDescription(sdes) => assert!(sdes.cnames().count() <= 31),
        RtcpPacket::Goodbye(goodbye) => assert!(goodbye.sources().count() <= 31),
        RtcpPacket::Nack(nack) => assert!((1..=NACK_SEQUENCES_MAX).contains(&nack.sequences().count())),
        RtcpPacket::TransportFeedback(feedback) => {
            let arrivals = feedback.arrivals().count();
            assert!(arrivals <= bytes && arrivals <= usize::from(feedback.status_count));
        }
        RtcpPacket::CongestionFeedback(feedback) => {
            assert!(feedback.streams().map(|stream| stream.packets().count()).sum::<usize>() <= bytes / 2);
        }
        RtcpPacket::FullIntraRequest(request) => assert!(request.entries().count() <= bytes / 8),
        RtcpPacket::Remb(remb) => assert!(remb.streams().count() <= 255),
        RtcpPacket::ExtendedReport(report) => {
            let _ = report.reference_time();
            assert!(report.delays().count() <= bytes / 12);
        }
        RtcpPacket::PictureLoss(_) | RtcpPacket::Other { .. } => {}
    }
}

/// Takes `data` as the fates of packets, writes them as transport-wide feedback and reads the same arrivals back.
pub fn fuzz_transport_feedback_writer(data: &[u8]) {
    let statuses = data.as_chunks().0.iter().map(|pair| match i16::from_be_bytes(*pair) {
        delta if delta & 3 == 0 => None,
        delta if delta & 4 == 0 => Some(delta),
        delta => Some(delta & 0x7f),
    });
    let ssrcs = FeedbackSsrcs { sender: 1, media: 2 };
    let header = FeedbackHeader { ssrcs, base_sequence: 0xfff0, reference_time: -5, feedback_count: 9 };
    let mut out = [0; 4096];
    let mut writer = CompoundWriter::new(&mut out);
    if writer.transport_feedback(&header, statuses.clone()).is_err() {
        return;
    }
    let len = writer.len();
    let compound = Compound::parse(&out[..len]).expect("what is written parses");
    let Some(RtcpPacket::TransportFeedback(feedback)) = compound.packets().next() else {
        panic!("feedback was written");
    };
    assert_eq!(usize::from(feedback.status_count), statuses.clone().count());
    let mut ticks = i64::from(header.reference_time) * TICKS_PER_REFERENCE;
    let mut arrivals = feedback.arrivals();
    for (index, delta) in statuses.enumerate().filter_map(|(index, status)| Some((index, status?))) {
        ticks += i64::from(delta);
        let sequence = header.base_sequence.wrapping_add(index as u16);
        assert_eq!(arrivals.next(), Some(Arrival { sequence, ticks }));
    }
    assert_eq!(arrivals.next(), None);
}

/// Decapsulates `data` as an RTX packet: what comes out parses to the header that is returned.
pub fn fuzz_rtx(data: &[u8]) {
    let Ok(meta) = RtpMeta::parse(data, &every_kind()) else { return };
    let Some(mut packet) = PacketPool::new(1).take().filter(|_| data.len() <= SLOT_BYTES) else { return };
    assert!(packet.fill(data));
    let original = OriginalStream { ssrc: 0x1357_9bdf, payload_type: 96 };
    match rtx::decapsulate(&mut packet, &meta, original) {
        Ok(restored) => {
            assert_eq!(RtpMeta::parse(packet.bytes(), &every_kind()), Ok(restored));
            assert_eq!((restored.ssrc, restored.payload_type), (original.ssrc, original.payload_type));
            let mut payload = [0; SLOT_BYTES];
            let len = rtx::write_payload(restored.sequence, restored.payload(packet.bytes()), &mut payload);
            assert_eq!(len.map(|len| &payload[..len]), Some(meta.payload(data)));
        }
        Err(_) => assert_eq!(packet.bytes(), data),
    }
}

/// Looks for a VP8 key frame in `data`.
pub fn fuzz_vp8(data: &[u8]) {
    let _ = is_key_frame(VideoCodec::Vp8, data);
}

/// Looks for a VP9 key frame in `data`.
pub fn fuzz_vp9(data: &[u8]) {
    let _ = is_key_frame(VideoCodec::Vp9, data);
}

/// Looks for an H.264 key frame in `data`.
pub fn fuzz_h264(data: &[u8]) {
    let _ = is_key_frame(VideoCodec::H264, data);
}

/// Looks for an H.265 key frame in `data`.
pub fn fuzz_h265(data: &[u8]) {
    let _ = is_key_frame(VideoCodec::H265, data);
}

/// Looks for an AV1 key frame in `data`.
pub fn fuzz_av1(data: &[u8]) {
    let _ = is_key_frame(VideoCodec::Av1, data);
}

/// Reads `data` as the dependency descriptors of a stream, each behind its length and the timestamp's step, and writes
/// each with an edit: what is written says the same of the frame but for what was edited.
pub fn fuzz_dependency(data: &[u8]) {
    let (mut reader, mut rest, mut timestamp) = (None, data, 0u32);
    while let Some((&[len, step], after)) = rest.split_first_chunk() {
        let (bytes, after) = after.split_at(usize::from(len).min(after.len()));
        (rest, timestamp) = (after, timestamp.wrapping_add(u32::from(step)));
        let info = match &mut reader {
            Some(reader) => DependencyReader::read(reader, bytes, timestamp),
            None => DependencyReader::begin(bytes, timestamp).map(|(begun, info)| {
                reader = Some(begun);
                info
            }),
        };
        let Some((info, reader)) = info.zip(reader.as_ref()) else { continue };
        assert!(info.picture.spatial_layer <= SPATIAL_LAYER_MAX && info.picture.temporal_layer <= TEMPORAL_LAYER_MAX);
        let targets = reader.targets_within(info.picture.spatial_layer, info.picture.temporal_layer);
        assert!((1..=DECODE_TARGETS_MAX).contains(&usize::from(targets.count)));
        check_descriptor_edit(bytes, timestamp, targets);
    }
}

fn check_descriptor_edit(bytes: &[u8], timestamp: u32, targets: DecodeTargets) {
    let mut out = [0; u8::MAX as usize];
    let number = bytes.get(1..3).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u16::from_be_bytes(*bytes));
    let Some(len) = DescriptorEdit::number(number).with_targets(targets).write(bytes, &mut out) else { return };
    assert!(len <= bytes.len() + 5);
    let (before, after) = (DependencyReader::begin(bytes, timestamp), DependencyReader::begin(&out[..len], timestamp));
    if let Some(((_, before), (_, after))) = before.zip(after) {
        assert_eq!(before, after);
    }
}

/// Extension numbers 1 to 12, which one-byte and two-byte elements can both have.
fn every_kind() -> ExtensionIds {
    ExtensionIds::new((1..).zip(ExtensionKind::ALL))
}
