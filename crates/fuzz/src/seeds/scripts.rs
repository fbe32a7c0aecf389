//! Scripts for the targets that read their input as steps; see there for what the bytes mean.

use super::{Seeds, media, protocols};
use crate::script::ScriptWriter;

/// Steps of `targets/router.rs`.
const RTP: u8 = 0;
const RTCP: u8 = 1;
const MEDIA: u8 = 2;
const FEEDBACK: u8 = 4;
const PASS: u8 = 5;
const CHANGE: u8 = 7;
/// The first viewer's steps.
const VIEWER: u8 = 1 << 6;

/// An endpoint that is learned, told and apart, in the clear and sealed, each with a stranger after it.
pub(crate) fn plain() -> Seeds {
    let rtp = &protocols::srtp()[0].1;
    let report = [&[0x80, 200, 0, 6, 0, 0, 0, 7][..], &[9; 20]].concat();
    let life = |setup: u8| {
        (0..4_u8).fold(ScriptWriter::default().bytes(&[setup]), |writer, step| {
            let writer = writer.bytes(&[step & 1]).chunk(rtp).bytes(&[4 | (step & 1)]).chunk(&report);
            writer.bytes(&[8 | (step & 1)]).chunk(&report).bytes(&[12]).chunk(&report)
        })
    };
    let lives: Vec<_> = (0..8).map(|setup| life(setup).finish()).collect();
    super::numbered(lives.iter().map(Vec::as_slice))
}

/// A stream with a gap and what viewers say of it; every kind of feedback; raw packets; a life of changes.
pub(crate) fn router() -> Seeds {
    let stream = |writer: ScriptWriter| {
        (0..12_u8).filter(|number| *number != 5).fold(writer, |writer, number| {
            let shape = if number == 0 { 0x30 } else { 0x38 };
            writer.bytes(&[MEDIA, shape, 0xff, 0xf8 + number % 8, 0, number]).bytes(&[PASS, 0, 33])
        })
    };
    let nacked = stream(ScriptWriter::default().bytes(&[0]))
        .bytes(&[VIEWER | FEEDBACK, 3 << 5 | 8, 0xff, 0xdc])
        .bytes(&[PASS, 0, 200])
        .bytes(&[VIEWER | FEEDBACK, 3 << 5 | 8, 0xff, 0xdc])
        .bytes(&[MEDIA, 0x3a, 0, 1, 0, 9, PASS, 8, 0]);
    let told = (0..8).fold(stream(ScriptWriter::default().bytes(&[0x81])), |writer, kind| {
        writer.bytes(&[FEEDBACK, kind, 0, 7, VIEWER | FEEDBACK, 3 << 5 | kind, 0, 7, PASS, 1, 0])
    });
    let packets = media::rtp().into_iter().chain(media::rtx());
    let raw =
        packets.fold(ScriptWriter::default().bytes(&[0x42]), |writer, (_, packet)| writer.bytes(&[RTP]).chunk(&packet));
    let raw = media::rtcp().into_iter().fold(raw, |writer, (_, compound)| {
        writer.bytes(&[RTCP]).chunk(&compound).bytes(&[VIEWER | RTCP]).chunk(&compound).bytes(&[PASS, 0, 90])
    });
    let changes = (0..12).fold(ScriptWriter::default().bytes(&[2]), |writer, what| {
        stream(writer).bytes(&[CHANGE, what, 0, CHANGE, what, 3, MEDIA, 0x33, 0, what, 0, 1])
    });
    let all = [("nacked", nacked), ("told", told), ("raw", raw), ("changes", changes)];
    all.map(|(name, script)| (name.to_owned(), script.finish())).into()
}

/// A connection that a stranger talks to; a handshake with mutilated datagrams; a life of changes.
pub(crate) fn transport() -> Seeds {
    let strange: Vec<u8> = [protocols::stun(), protocols::dtls_records(), protocols::srtp()]
        .into_iter()
        .flatten()
        .flat_map(|(_, datagram)| {
            let from = |port: u8| ScriptWriter::default().bytes(&[port << 5]).chunk(&datagram).finish();
            [from(0), from(7)].concat()
        })
        .collect();
    let rtp = &media::rtp()[2].1;
    let rtcp = &media::rtcp()[0].1;
    let media = |writer: ScriptWriter| writer.bytes(&[2]).chunk(rtp).bytes(&[3]).chunk(rtcp);
    let connected = media(media(ScriptWriter::default().bytes(&[1])).bytes(&strange));
    let before = media(ScriptWriter::default().bytes(&[0]).bytes(&strange).bytes(&[7, 0, 4]));
    let mutilated = (0..12).fold(ScriptWriter::default().bytes(&[0, 7, 0]), |writer, number| {
        writer.bytes(&[5, 0, number * 3, 0x40, 1, 6, 2, 0])
    });
    let changes = (0..8).fold(ScriptWriter::default().bytes(&[1]), |writer, what| {
        let port = (what % 3) << 5;
        media(writer.bytes(&[port | 7, 14, port | 7, what | 8, 6, 0x40, 0, 4])).bytes(&[port, 0, 1, 22])
    });
    let all = [("connected", connected), ("before", before), ("mutilated", mutilated), ("changes", changes)];
    all.map(|(name, script)| (name.to_owned(), script.finish())).into()
}
