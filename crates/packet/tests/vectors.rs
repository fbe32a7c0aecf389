//! What the writer of compounds writes, as a file that the TypeScript parser and writer are checked against as well
//! (`__test__/rtp-rtcp.test.ts`): two implementations, one wire.

use millrace_packet::rtcp::{
    CompoundFull, CompoundWriter, DelaySinceReference, FeedbackHeader, FeedbackSsrcs, FullIntraEntry, ReportBlock,
    SenderInfo,
};

const VECTORS: &str = include_str!("../../../__test__/fixtures/rtcp-vectors.txt");

#[test]
fn the_file_of_vectors_holds_what_is_written() {
    let written = vectors().map(|(name, bytes)| format!("{name} {}\n", hex(&bytes))).concat();
    assert_eq!(VECTORS, written, "the file should be:\n{written}");
}

fn vectors() -> [(&'static str, Vec<u8>); 13] {
    let block = ReportBlock {
        ssrc: 0x0102_0304,
        fraction_lost: 200,
        cumulative_lost: -3,
        extended_highest_sequence: 0x0001_fffe,
        jitter: 77,
        last_sender_report: 0xdead_beef,
        delay_since_last_sender_report: 65_536,
    };
    let other = ReportBlock { ssrc: 9, cumulative_lost: 0x7f_ffff, ..block };
    let info = SenderInfo { ntp: NTP, rtp_timestamp: 90_000, packet_count: 12, octet_count: 3_456 };
    let request = FullIntraEntry { ssrc: SSRCS.media, command: 250 };
    let delays = [(5, 6, 7), (8, 9, 10)].map(|(ssrc, last_reference, delay)| DelaySinceReference {
        ssrc,
        last_reference,
        delay,
    });
    [
        ("sr", written(|writer| writer.sender_report(SSRCS.sender, &info, &[block, other]))),
        ("rr", written(|writer| writer.receiver_report(SSRCS.sender, &[block]))),
        ("sdes", written(|writer| writer.cname(SSRCS.sender, "millrace"))),
        ("bye", written(|writer| writer.goodbye(&[SSRCS.sender, 2]))),
        ("nack", written(|writer| writer.nack(SSRCS, [65_533, 65_534, 0, 13, 14, 100]))),
        ("transport-cc-mixed", feedback(&mixed())),
        ("transport-cc-one-bit", feedback(&one_bit())),
        ("transport-cc-runs", feedback(&runs())),
        ("pli", written(|writer| writer.picture_loss(SSRCS.sender, SSRCS.media))),
        ("fir", written(|writer| writer.full_intra_request(SSRCS.sender, request))),
        ("remb", written(|writer| writer.remb(SSRCS.sender, 2_097_144, &[7, 8]))),
        ("rrt", written(|writer| writer.reference_time(SSRCS.sender, NTP))),
        ("dlrr", written(|writer| writer.delays_since_reference(SSRCS.sender, &delays))),
    ]
}

fn mixed() -> Vec<Option<i16>> {
    let start = [Some(1), None, Some(300), Some(255), Some(-1), Some(0), None, None];
    [&start[..], &[Some(5); 9]].concat()
}

fn one_bit() -> Vec<Option<i16>> {
    [&[Some(1); 9][..], &[None, Some(2), None, Some(3), Some(4), None, Some(5)]].concat()
}

fn runs() -> Vec<Option<i16>> {
    [&[Some(2); 40][..], &[None; 9_000], &[Some(999); 8], &[Some(3)]].concat()
}

fn feedback(statuses: &[Option<i16>]) -> Vec<u8> {
    let ssrcs = FeedbackSsrcs { sender: 1, media: 2 };
    let header = FeedbackHeader { ssrcs, base_sequence: 65_530, reference_time: -2, feedback_count: 7 };
    written(|writer| writer.transport_feedback(&header, statuses.iter().copied()))
}

fn written(write: impl FnOnce(&mut CompoundWriter) -> Result<(), CompoundFull>) -> Vec<u8> {
    let mut out = [0; 1500];
    let mut writer = CompoundWriter::new(&mut out);
    write(&mut writer).expect("1500 bytes are enough");
    let len = writer.len();
    out[..len].to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const SSRCS: FeedbackSsrcs = FeedbackSsrcs { sender: 0x1111_1111, media: 0x2222_2222 };
const NTP: u64 = 0x83aa_7e80_4000_0000;
