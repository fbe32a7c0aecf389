//! Frames cut into packets, and sound in packets.

use millrace_frames::video::VideoPacketizer;
use millrace_packet::VideoCodec;

use super::{Seeds, numbered};

/// Three frames of `codec`, cut into packets: each behind its flags and length.
fn script(codec: VideoCodec, frames: [&[u8]; 3]) -> Seeds {
    let mut packetizer = VideoPacketizer::new(codec, 64, 1);
    let mut script = Vec::new();
    for frame in frames {
        let mut starts = 0x02;
        let cut = packetizer.packetize(frame, &mut |payload, last| {
            script.extend_from_slice(&[0x04 | starts | u8::from(last), payload.len() as u8]);
            script.extend_from_slice(payload);
            starts = 0;
        });
        cut.expect("a good frame");
    }
    numbered([&script[..]])
}

pub(crate) fn frames_vp8() -> Seeds {
    let key = [&[0x10, 2, 0, 0x9d, 0x01, 0x2a][..], &[5; 130]].concat();
    script(VideoCodec::Vp8, [&key, &[0x11, 7, 7], &[0x11, 9]])
}

pub(crate) fn frames_vp9() -> Seeds {
    let key = [&[0x82, 0x49][..], &[5; 130]].concat();
    script(VideoCodec::Vp9, [&key, &[0x86, 7, 7], &[0x86, 9]])
}

pub(crate) fn frames_h264() -> Seeds {
    let key = [&[0, 0, 0, 1, 0x67, 0x42, 0xe0, 0, 0, 1, 0x68, 0xce, 0, 0, 0, 1, 0x65][..], &[5; 130]].concat();
    script(VideoCodec::H264, [&key, &[0, 0, 1, 0x61, 7, 7], &[0, 0, 0, 1, 0x41, 9]])
}

pub(crate) fn frames_h265() -> Seeds {
    let key = [&[0, 0, 0, 1, 64, 1, 7, 0, 0, 1, 66, 1, 7, 0, 0, 0, 1, 38, 1][..], &[5; 130]].concat();
    script(VideoCodec::H265, [&key, &[0, 0, 1, 2, 1, 7], &[0, 0, 0, 1, 2, 1, 9]])
}

pub(crate) fn frames_av1() -> Seeds {
    let key = [&[0x12, 0, 0x0a, 3, 9, 9, 9, 0x32, 0x82, 0x01][..], &[5; 130]].concat();
    script(VideoCodec::Av1, [&key, &[0x12, 0, 0x32, 2, 7, 7], &[0x12, 0, 0x36, 0x20, 1, 9]])
}

/// Two units; one in parts; two elements of LATM.
pub(crate) fn frames_aac() -> Seeds {
    let two = [0, 32, 0, 2 << 3, 0, 3 << 3, 1, 2, 3, 4, 5];
    numbered([&two[..], &[0, 16, 1, 0, 7, 7, 7], &[2, 8, 8, 3, 9, 9, 9]])
}

/// Talk of three, in order; with losses, silence and a jump.
pub(crate) fn mixer() -> Seeds {
    let packet = |flags: u8, step: u8, payload: &[u8]| [&[flags, step, payload.len() as u8], payload].concat();
    let talk: Vec<u8> = (0..30u8)
        .flat_map(|turn| {
            let opus = packet(0x08 | (turn % 2), 0x80 | 24, &[31 << 3, 20 + turn, 3]);
            [opus, packet(0x0a, 0x80 | 4, &[0x55; 160])].concat()
        })
        .collect();
    let odd: Vec<u8> = (0..20u8)
        .flat_map(|turn| {
            [
                packet(0x0c, 0x98, &[31 << 3, 90]),
                packet(0x09, 0x18, &[31 << 3]),
                packet(0xe8, turn, &[3 << 3 | 3, 2, 7, 7]),
            ]
            .concat()
        })
        .collect();
    numbered([&talk[..], &odd])
}

/// Three people whose frames come one after the other; with losses, frames that do not decode, swaps and other sizes.
pub(crate) fn video_mixer() -> Seeds {
    let packet = |flags: u8, step: u8, payload: &[u8]| [&[flags, step, payload.len() as u8], payload].concat();
    let vp8 = |who: u8, key: u8, size: u8| packet(0x08 | who, 33, &[0x10, 0x10 | key, size, size / 2 + 1, 90 + who]);
    let talk: Vec<u8> = (0..40u8).flat_map(|turn| vp8(turn % 3, u8::from(turn > 2), 40)).collect();
    let odd: Vec<u8> = (0..30u8)
        .flat_map(|turn| {
            [vp8(turn % 3, turn & 1, turn * 8), packet(0x0b, turn, &[]), packet(0x10, 7, &[0x10, 0x11])].concat()
        })
        .collect();
    numbered([&talk[..], &odd])
}
