//! Reading and writing one packet's bytes: RTP header, key frames, retransmission format, RTCP.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use millrace_packet::rtcp::feedback::FeedbackSsrcs;
use millrace_packet::rtcp::transport_feedback::FeedbackHeader;
use millrace_packet::rtcp::{Compound, CompoundWriter, ReportBlock};
use millrace_packet::rtx::{self, OriginalStream};
use millrace_packet::{ExtensionIds, ExtensionKind, PacketMut, PacketPool, RtpMeta, VideoCodec, is_key_frame};

const SSRCS: FeedbackSsrcs = FeedbackSsrcs { sender: 1, media: 2 };

criterion_group!(benches, header, key_frames, retransmission, read_rtcp, write_rtcp);
criterion_main!(benches);

/// A video packet of a browser: MID, abs-send-time, transport-wide number.
fn header(criterion: &mut Criterion) {
    let (packet, ids) = (video_packet(), video_extensions());
    let meta = RtpMeta::parse(&packet, &ids).expect("a valid packet");
    assert_eq!((meta.mid(&packet), meta.transport_sequence(&packet)), (Some("0"), Some(9)));
    criterion.bench_function("packet/parse_header_with_three_extensions", |bencher| {
        bencher.iter(|| RtpMeta::parse(black_box(&packet), &ids));
    });
}

/// The start of a key frame in each codec.
fn key_frames(criterion: &mut Criterion) {
    let payloads: [(VideoCodec, &[u8]); 5] = [
        (VideoCodec::Vp8, &[0x90, 0xc0, 0x80, 1, 2, 0x10, 2, 0, 0x9d, 1, 0x2a]),
        (VideoCodec::Vp9, &[0x88, 0x05, 0x82, 0x49, 0x83]),
        (VideoCodec::H264, &[0x78, 0, 4, 0x67, 0x42, 0, 0x1f, 0, 2, 0x68, 0xce]),
        (VideoCodec::H265, &[48 << 1, 1, 0, 2, 32 << 1, 1, 0, 2, 33 << 1, 1]),
        (VideoCodec::Av1, &[0x10, 0x0a, 0x0b, 0, 0]),
    ];
    for (codec, payload) in payloads {
        assert!(is_key_frame(codec, payload), "{codec:?}");
        criterion.bench_function(&format!("packet/key_frame/{codec:?}"), |bencher| {
            bencher.iter(|| is_key_frame(black_box(codec), black_box(payload)));
        });
    }
}

fn retransmission(criterion: &mut Criterion) {
    let (original, ids, pool) = (video_packet(), video_extensions(), PacketPool::new(1));
    let meta = RtpMeta::parse(&original, &ids).expect("a valid packet");
    let payload = meta.payload(&original);
    let mut wrapped = original[..original.len() - payload.len()].to_vec();
    wrapped.extend([0, 7]);
    wrapped.extend(payload);
    let wrapped_meta = RtpMeta::parse(&wrapped, &ids).expect("a valid packet");
    let stream = OriginalStream { ssrc: 3, payload_type: 96 };
    let mut next = || -> PacketMut {
        let mut packet = pool.take().expect("the last packet was dropped");
        packet.fill(&wrapped);
        packet
    };
    let unwrapped = rtx::decapsulate(&mut next(), &wrapped_meta, stream).expect("a retransmission");
    assert_eq!((unwrapped.sequence, unwrapped.payload_len), (7, meta.payload_len));
    criterion.bench_function("packet/rtx_decapsulate", |bencher| {
        bencher.iter_batched_ref(
            &mut next,
            |packet| rtx::decapsulate(packet, &wrapped_meta, stream),
            BatchSize::PerIteration,
        );
    });
    let mut slot = [0; 1500];
    criterion.bench_function("packet/rtx_write_payload", |bencher| {
        bencher.iter(|| rtx::write_payload(7, black_box(payload), black_box(&mut slot)));
    });
}

/// A viewer's compound: receiver report with two blocks, NACK of three, transport-wide feedback about 20 packets.
fn read_rtcp(criterion: &mut Criterion) {
    let mut slot = [0; 500];
    let mut writer = CompoundWriter::new(&mut slot);
    let written = writer
        .receiver_report(1, &[ReportBlock::default(); 2])
        .and_then(|()| writer.nack(SSRCS, [5, 6, 30]))
        .and_then(|()| writer.transport_feedback(&feedback_header(), arrivals()));
    written.expect("the slot is large enough");
    let len = writer.len();
    let compound = &slot[..len];
    assert_eq!(Compound::parse(compound).map(|compound| compound.packets().count()), Ok(3));
    criterion.bench_function("packet/rtcp_parse_compound", |bencher| {
        bencher.iter(|| Compound::parse(black_box(compound)).map(|compound| compound.packets().count()));
    });
}

fn write_rtcp(criterion: &mut Criterion) {
    let mut slot = [0; 500];
    criterion.bench_function("packet/rtcp_write_nack_of_three", |bencher| {
        bencher.iter(|| CompoundWriter::new(black_box(&mut slot)).nack(SSRCS, [5, 6, 30]));
    });
    criterion.bench_function("packet/rtcp_write_transport_feedback_of_20", |bencher| {
        let header = feedback_header();
        bencher.iter(|| CompoundWriter::new(black_box(&mut slot)).transport_feedback(&header, arrivals()));
    });
}

fn feedback_header() -> FeedbackHeader {
    FeedbackHeader { ssrcs: SSRCS, base_sequence: 100, reference_time: 5, feedback_count: 1 }
}

/// 20 packets, 5 ms apart, every seventh of which is missing.
fn arrivals() -> impl Iterator<Item = Option<i16>> + Clone {
    (1..=20).map(|number| (number % 7 != 0).then_some(20))
}

fn video_extensions() -> ExtensionIds {
    let kinds = [(1, ExtensionKind::Mid), (2, ExtensionKind::AbsSendTime), (3, ExtensionKind::TransportWideCc)];
    ExtensionIds::new(kinds)
}

fn video_packet() -> Vec<u8> {
    let mut packet = vec![0x90, 0x80 | 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0xbe, 0xde, 0, 3];
    packet.extend([0x10, b'0', 0x22, 1, 2, 3, 0x31, 0, 9, 0, 0, 0]);
    packet.resize(packet.len() + 1160, 7);
    packet
}
