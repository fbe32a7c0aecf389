//! Scripts for the targets that read their input as steps; see there for what the bytes mean.

use millrace_router::data::DataMessage;

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

/// Steps of `targets/observers.rs`.
const SPEAK: u8 = 0;
const WAIT: u8 = 2;
const TALK: u8 = 4;
const TOUCH: u8 = 6;

/// Speakers who take turns; everything that applications do while they speak; levels that lie.
pub(crate) fn observers() -> Seeds {
    let turns = (0..12_u8).fold(ScriptWriter::default().bytes(&[0x0e]), |writer, turn| {
        (0..6).fold(writer, |writer, _| writer.bytes(&[TALK, 20, 1 << (turn % 6)])).bytes(&[WAIT, 50])
    });
    let touched = (0..48_u8).fold(ScriptWriter::default().bytes(&[0x05]), |writer, what| {
        let who = (what % 6) << 3;
        writer.bytes(&[TALK, 0x90, 0x3f, TOUCH | who, what, TALK, 0x13, 0xcf, WAIT, what])
    });
    let lies = (0..=255_u8).fold(ScriptWriter::default().bytes(&[0x73]), |writer, level| {
        writer.bytes(&[SPEAK | (level % 6) << 3, level, level << 4, WAIT, level & 7])
    });
    let all = [("turns", turns), ("touched", touched), ("lies", lies)];
    all.map(|(name, script)| (name.to_owned(), script.finish())).into()
}

/// Messages for everyone, for some, and for who has a subchannel.
pub(crate) fn data_address() -> Seeds {
    let message = |subchannels: &[u16], required: Option<u16>, ignored: Option<u16>| {
        let message = DataMessage {
            ppid: 51,
            payload: b"hello"[..].into(),
            subchannels: subchannels.to_vec(),
            required_subchannel: required,
            ignored_subchannel: ignored,
        };
        message.to_addressed().to_vec()
    };
    let all = [message(&[], None, None), message(&[1, 65_535], Some(0), None), message(&[7], Some(8), Some(9))];
    super::numbered(all.iter().map(Vec::as_slice))
}

/// Steps of `targets/sctp.rs`.
const SCTP_CHUNKS: u8 = 0;
const SCTP_TIME: u8 = 3;
const SCTP_SEND: u8 = 4;
const SCTP_CLOSE: u8 = 5;
const SCTP_SACK: u8 = 7;

/// A channel that is opened and sent on both ways; gaps and what gives them up; streams that are closed.
pub(crate) fn sctp() -> Seeds {
    let data = |number: u32, flags: u8, ppid: u8, payload: &[u8]| {
        let tsn = (u32::MAX - 9).wrapping_add(number);
        let len = 16 + payload.len() as u16;
        let header = [&[0, flags][..], &len.to_be_bytes(), &tsn.to_be_bytes(), &[0, 0, 0, number as u8, 0, 0, 0, ppid]];
        let mut chunk = [&header.concat()[..], payload].concat();
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        chunk
    };
    let acknowledged = |writer: ScriptWriter, count: u8| {
        writer.bytes(&[SCTP_SACK, count]).chunk(&[0, 1, 0, 0, 0, 0, 0, 0]).bytes(&[SCTP_TIME, 0, 200])
    };
    let open = [&[3, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0][..], b"chat"].concat();
    let talk = ScriptWriter::default().bytes(&[SCTP_CHUNKS]).chunk(&data(0, 3, 50, &open));
    let talk = (1..20).fold(talk, |writer, number| {
        let writer = writer.bytes(&[SCTP_CHUNKS]).chunk(&data(number, 3, 51, b"hello"));
        acknowledged(writer.bytes(&[SCTP_SEND, 0, number as u8, 9]), number as u8)
    });
    let gaps = (0..30).fold(ScriptWriter::default(), |writer, number| {
        let flags = [2, 0, 1, 3, 7, 4][number as usize % 6];
        writer.bytes(&[SCTP_CHUNKS]).chunk(&data(number * 2, flags, 53, &[7; 40])).bytes(&[SCTP_TIME, 0, 90])
    });
    let gaps = gaps.bytes(&[SCTP_CHUNKS]).chunk(&[192, 0, 0, 12, 0, 0, 0, 9, 0, 0, 0, 4]);
    let reset = [130, 0, 0, 22, 0, 13, 0, 18, 0xff, 0xff, 0xff, 0xf6, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xf6, 0, 0, 0, 0];
    let closed = ScriptWriter::default()
        .bytes(&[SCTP_CHUNKS])
        .chunk(&data(0, 3, 51, b"hello"))
        .bytes(&[SCTP_CHUNKS])
        .chunk(&reset)
        .bytes(&[SCTP_SEND, 3, 0, 9, SCTP_CLOSE, 3, SCTP_TIME, 9, 0, SCTP_CLOSE, 0, SCTP_SEND, 0, 0, 1]);
    let all = [("talk", talk), ("gaps", gaps), ("closed", acknowledged(closed, 2))];
    all.map(|(name, script)| (name.to_owned(), script.finish())).into()
}
