//! What FFmpeg cut into RTP packets, against what it wrote into files from the same encoders.
//!
//! `tests/ffmpeg` was made by FFmpeg 5.1 with its `tee` muxer, for example `ffmpeg -f lavfi -i testsrc=size=128x96:rate=5
//! -frames:v 4 -c:v libvpx -b:v 60k -f tee '[f=ivf]vp8.ivf|[f=rtp]rtp://127.0.0.1:5004?pkt_size=400'`; each packet that came
//! stands in a `.rtp` file behind its length.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::Instant;

use millrace_frames::aac;
use millrace_frames::video::{FrameAssembler, VideoPacket, VideoPacketizer};
use millrace_packet::extension::ExtensionIds;
use millrace_packet::{RtpMeta, VideoCodec};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("ffmpeg/", $name)).as_slice()
    };
}

/// The packets of a `.rtp` file.
fn packets(mut bytes: &[u8]) -> Vec<(RtpMeta, &[u8])> {
    let mut packets = Vec::new();
    while let Some((&[high, low], rest)) = bytes.split_first_chunk() {
        let (packet, after) = rest.split_at(usize::from(u16::from_be_bytes([high, low])));
        packets.push((RtpMeta::parse(packet, &ExtensionIds::default()).unwrap(), packet));
        bytes = after;
    }
    packets
}

/// The frames that come out of `bytes`, each of them the same when it is cut into packets and joined again.
fn frames(codec: VideoCodec, bytes: &[u8]) -> Vec<Vec<u8>> {
    let now = Instant::now();
    let (mut assembler, mut again) = (FrameAssembler::new(codec), FrameAssembler::new(codec));
    let (mut packetizer, mut frames, mut sequence) = (VideoPacketizer::new(codec, 300, 9), Vec::new(), 0);
    for (meta, packet) in packets(bytes) {
        let RtpMeta { sequence: number, timestamp, marker, .. } = meta;
        assembler.insert(VideoPacket { sequence: number, timestamp, marker, payload: meta.payload(packet) }, now);
        while let Some(frame) = assembler.poll(now) {
            let cut = packetizer.packetize(frame.data, &mut |payload, marker| {
                again.insert(VideoPacket { sequence, timestamp, marker, payload }, now);
                sequence += 1;
            });
            cut.unwrap();
            assert_eq!(again.poll(now).unwrap().data, frame.data);
            frames.push(frame.data.to_vec());
        }
    }
    assert_eq!(assembler.stats().malformed, 0);
    frames
}

/// The frames of an IVF file.
fn ivf(file: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut frames) = (&file[32..], Vec::new());
    while let Some((len, _)) = rest.split_first_chunk() {
        let end = 12 + u32::from_le_bytes(*len) as usize;
        frames.push(rest[12..end].to_vec());
        rest = &rest[end..];
    }
    frames
}

/// The NAL units of a stream with start codes.
fn units(stream: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<_> =
        stream.windows(3).enumerate().filter(|(_, three)| *three == [0, 0, 1]).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let units = starts.iter().zip(ends).map(|(start, end)| &stream[start + 3..end]);
    units.map(|unit| unit[..unit.iter().rposition(|byte| *byte != 0).unwrap() + 1].to_vec()).collect()
}

#[test]
fn vp8_and_vp9_frames_are_those_of_the_file() {
    assert_eq!(frames(VideoCodec::Vp8, fixture!("vp8.rtp")), ivf(fixture!("vp8.ivf")));
    assert_eq!(frames(VideoCodec::Vp9, fixture!("vp9.rtp")), ivf(fixture!("vp9.ivf")));
}

#[test]
fn h264_and_h265_units_are_those_of_the_file() {
    for (codec, rtp, file) in [
        (VideoCodec::H264, fixture!("h264.rtp"), fixture!("h264.h264")),
        (VideoCodec::H265, fixture!("h265.rtp"), fixture!("h265.hevc")),
    ] {
        let came = frames(codec, rtp);
        assert_eq!(came.len(), 4, "{codec:?}");
        assert_eq!(units(&came.concat()), units(file), "{codec:?}");
    }
}

#[test]
fn aac_units_are_those_of_the_file() {
    let (mut rest, mut expected) = (fixture!("aac.adts"), Vec::new());
    while let [_, _, _, high, middle, low, ..] = *rest {
        // The length of an ADTS frame with its 7 bytes of header (ISO/IEC 14496-3 §1.A.2.2).
        let len = usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low >> 5);
        expected.push(rest[7..len].to_vec());
        rest = &rest[len..];
    }
    let mut came: Vec<(Vec<u8>, usize)> = Vec::new();
    for (meta, packet) in packets(fixture!("aac.rtp")) {
        let read = aac::depacketize(meta.payload(packet), &mut |unit, size| match came.last_mut() {
            Some((open, whole)) if open.len() < *whole => open.extend_from_slice(unit),
            _ => came.push((unit.to_vec(), size)),
        });
        read.unwrap();
    }
    let came: Vec<_> = came.into_iter().map(|(unit, _)| unit).collect();
    // FFmpeg's muxer kept the last unit back, for another packet's sake.
    assert_eq!((came.len(), expected.len()), (9, 10));
    assert_eq!(came, expected[..9]);
}
