//! RTP, RTCP and payloads.

use millrace_packet::rtcp::feedback::{FeedbackSsrcs, FullIntraEntry};
use millrace_packet::rtcp::{
    CompoundFull, CompoundWriter, DelaySinceReference, FeedbackHeader, ReportBlock, SenderInfo,
};

use super::{Seeds, numbered};

/// Writes one packet of a compound.
type Write = fn(&mut CompoundWriter<'_>) -> Result<(), CompoundFull>;

const SSRCS: FeedbackSsrcs = FeedbackSsrcs { sender: 1, media: 2 };

/// Fixed header with CSRC, one-byte extensions and padding; two-byte extensions; neither.
pub(crate) fn rtp() -> Seeds {
    let one_byte = [
        0xb1, 0xe0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9, 0xbe, 0xde, 0, 2, 0x10, b'a', 0x32, 1, 2, 3, 0x60, 7, 5,
        5, 5, 2,
    ];
    let two_byte = [0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x10, 0, 0, 3, 7, 5, 1, 2, 3, 4, 5, 8, 0, 12, 1, 9, 1, 2];
    let plain = [0x80, 0xe0, 0xff, 0xff, 0, 0, 0, 2, 0, 0, 0, 3, 0x90, 0xf0, 0x81, 2, 3, 4];
    numbered([&one_byte[..], &two_byte, &plain])
}

pub(crate) fn rtx() -> Seeds {
    let extended = [0xb0, 97, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1, 0x10, b'm', 0, 0, 0, 9, 1, 2, 0, 2];
    let plain = [0x80, 97, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xff, 0xff, 1, 2, 3];
    numbered([&extended[..], &plain])
}

/// Each packet alone, so that mutations do not all end at the first, and all of them together.
pub(crate) fn rtcp() -> Seeds {
    fn block() -> ReportBlock {
        ReportBlock { ssrc: 3, ..ReportBlock::default() }
    }
    let all: [(&str, Write); 11] = [
        ("sender-report", |writer| writer.sender_report(1, &SenderInfo::default(), &[block(), block()])),
        ("receiver-report", |writer| writer.receiver_report(1, &[block()])),
        ("cname", |writer| writer.cname(1, "somebody")),
        ("nack", |writer| writer.nack(SSRCS, [1, 2, 3, 70])),
        ("picture-loss", |writer| writer.picture_loss(1, 2)),
        ("full-intra", |writer| writer.full_intra_request(1, FullIntraEntry { ssrc: 2, command: 1 })),
        ("remb", |writer| writer.remb(1, 1_000_000, &[4, 5])),
        ("transport-feedback", |writer| {
            let header = FeedbackHeader { ssrcs: SSRCS, base_sequence: 9, reference_time: 5, feedback_count: 1 };
            let statuses = [Some(1), None, Some(-1), None, None, Some(300), Some(2), None, Some(3)];
            writer.transport_feedback(&header, statuses.into_iter())
        }),
        ("reference-time", |writer| writer.reference_time(1, 77)),
        ("delays", |writer| writer.delays_since_reference(1, &[DelaySinceReference::default(); 2])),
        ("goodbye", |writer| writer.goodbye(&[1, 2])),
    ];
    let alone = all.into_iter().map(|(name, write)| (name.to_owned(), compound(&[write])));
    alone.chain([("all".to_owned(), compound(&all.map(|(_, write)| write)))]).collect()
}

fn compound(writes: &[Write]) -> Vec<u8> {
    let mut bytes = vec![0; 1_000];
    let mut writer = CompoundWriter::new(&mut bytes);
    writes.iter().for_each(|write| write(&mut writer).expect("a thousand bytes are enough"));
    let len = writer.len();
    bytes.truncate(len);
    bytes
}

/// Fates of packets: 16 bits each, see the target.
pub(crate) fn transport_feedback() -> Seeds {
    let mixed = [0, 1, 0, 2, 0, 4, 0, 5, 0xff, 0xfd, 0, 0].repeat(3);
    let (lost, small) = ([0; 300], [0, 4].repeat(100));
    numbered([&mixed[..], &lost, &small])
}

/// Steps of a peer, each behind its length and a time: transport-wide feedback, RFC 8888, REMB.
pub(crate) fn estimator() -> Seeds {
    let wide = [0x8f, 205, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 1, 0, 0x20, 7, 4, 8, 8, 8, 8, 8, 8, 0, 0, 0];
    let by_stream =
        [0x8b, 205, 0, 6, 0, 0, 0, 1, 0, 0, 0, 1, 0, 7, 0, 4, 0x80, 40, 0x80, 30, 0, 0, 0x80, 10, 0, 1, 0, 0];
    let remb = [0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, 8, 0, 99, 0, 0, 0, 7];
    let steps = |steps: &[&[u8]]| steps.iter().flat_map(|step| [&[step.len() as u8, 50][..], *step].concat()).collect();
    let scripts: [Vec<u8>; 3] =
        [steps(&[&wide, &wide]), steps(&[&by_stream, &remb, &by_stream]), steps(&[&remb, &wide, &[], &wide])];
    numbered(scripts.iter().map(Vec::as_slice))
}

pub(crate) fn vp8() -> Seeds {
    let whole = [0x90, 0xf0, 0x81, 0x02, 0x03, 0x04, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a];
    numbered([&whole[..], &[0x10, 0x00, 1, 2, 3], &[0x80, 0x80, 5, 1]])
}

/// With a scalability structure and picture id; a flexible-mode picture with references.
pub(crate) fn vp9() -> Seeds {
    let structure = [0xaa, 0x80, 1, 0, 9, 0x38, 0, 1, 0, 2, 0, 3, 0, 4, 2, 0x04, 1, 0x08, 1, 2, 0x82];
    numbered([&structure[..], &[0xf8, 0x81, 2, 0x20, 0x03, 0x04, 9], &[0x8c, 0x82]])
}

/// An aggregate, a fragment, a single unit.
pub(crate) fn h264() -> Seeds {
    let aggregate = [0x78, 0, 2, 0x09, 0xf0, 0, 3, 0x68, 0x42, 0, 0, 4, 0x65, 1, 2, 3];
    numbered([&aggregate[..], &[0x7c, 0x85, 0x88, 1, 2, 3], &[0x67, 0x42, 0xe0, 0x1f]])
}

/// An aggregate, a packet with PACI, a fragment.
pub(crate) fn h265() -> Seeds {
    let aggregate = [96, 1, 0, 2, 70, 1, 0, 3, 68, 1, 0, 0, 2, 66, 1];
    numbered([&aggregate[..], &[100, 1, 38, 0x30, 1, 2, 3, 0], &[98, 1, 0x93, 1, 2]])
}

/// Two counted units, units with lengths, a new sequence.
pub(crate) fn av1() -> Seeds {
    let lengths = [0x00, 0x82, 0x00, 0x10, 0x00, 2, 0x08, 0x00];
    numbered([&[0x20, 2, 0x10, 0x00, 0x08, 0x00][..], &lengths, &[0x18, 0x0a, 0x0b, 0, 0, 0]])
}

/// Three temporal layers; two spatial layers. Each descriptor behind its length and a step of the timestamp.
pub(crate) fn dependency() -> Seeds {
    let temporal = [
        0x10, 0, 0xfe, 0, 0x64, 0x87, 0xc2, 0x14, 0xea, 0xa8, 0x60, 0x41, 0x4d, 0x14, 0x10, 0x22, 0x22, 0x22, 3, 0x1e,
        0xc1, 0, 0x65, 4, 0x1e, 0xc0, 0, 0x66, 0x43, 8, 0x1e, 0xc2, 0, 0x67, 0x16, 0, 0xd8, 0x95, 0x80,
    ];
    let spatial = [
        0xe, 0, 0xfe, 0, 0x64, 0xc7, 0xc1, 0x23, 0xab, 0x22, 0x45, 4, 0x60, 0x84, 0x44, 0x48, 3, 0, 0xc0, 0, 0x65, 4,
        0x1e, 0xff, 0, 0x66, 0x10, 3, 0, 0xc1, 0, 0x67,
    ];
    numbered([&temporal[..], &spatial])
}
