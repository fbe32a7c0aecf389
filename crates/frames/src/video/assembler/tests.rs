use super::*;
use crate::video::VideoPacketizer;

const CODECS: [VideoCodec; 5] = [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::H264, VideoCodec::H265, VideoCodec::Av1];

/// A frame of `codec` as an encoder would make it, `size` bytes or a little more.
fn frame(codec: VideoCodec, key: bool, size: usize) -> Vec<u8> {
    // No byte is 0 or 1, so that nothing looks like a start code.
    let body: Vec<u8> = (0..size).map(|index| (index % 251) as u8 + 2).collect();
    let nal = |header: &[u8]| [&[0, 0, 0, 1], header, &body].concat();
    match (codec, key) {
        (VideoCodec::Vp8, true) => [&[0x10, 2, 0, 0x9d, 0x01, 0x2a][..], &body].concat(),
        (VideoCodec::Vp8, false) => [&[0x11][..], &body].concat(),
        (VideoCodec::Vp9, true) => [&[0x82][..], &body].concat(),
        (VideoCodec::Vp9, false) => [&[0x86][..], &body].concat(),
        (VideoCodec::H264, true) => {
            [&[0, 0, 0, 1, 0x67, 0x42, 0xe0][..], &[0, 0, 0, 1, 0x68, 0xce], &nal(&[0x65])].concat()
        }
        (VideoCodec::H264, false) => nal(&[0x61]),
        (VideoCodec::H265, true) => {
            [&[0, 0, 0, 1, 64, 1, 7][..], &[0, 0, 0, 1, 66, 1, 7], &[0, 0, 0, 1, 68, 1, 7], &nal(&[38, 1])].concat()
        }
        (VideoCodec::H265, false) => nal(&[2, 1]),
        (VideoCodec::Av1, key) => {
            let mut unit = vec![0x12, 0x00];
            if key {
                unit.extend_from_slice(&[0x0a, 3, 9, 9, 9]);
            }
            unit.push(0x32);
            crate::video::bits::push_length(body.len(), &mut unit);
            unit.extend_from_slice(&body);
            unit
        }
    }
}

struct Stream {
    packetizer: VideoPacketizer,
    sequence: u16,
    timestamp: u32,
}

impl Stream {
    fn new(codec: VideoCodec) -> Self {
        Self { packetizer: VideoPacketizer::new(codec, 1_200, 0x7fff), sequence: 65_530, timestamp: u32::MAX - 2_000 }
    }

    /// The packets of `frame`: number, timestamp, marker, payload.
    fn send(&mut self, frame: &[u8]) -> Vec<(u16, u32, bool, Vec<u8>)> {
        self.timestamp = self.timestamp.wrapping_add(3_000);
        let (mut packets, sequence, timestamp) = (Vec::new(), &mut self.sequence, self.timestamp);
        let emitted = self.packetizer.packetize(frame, &mut |payload, last| {
            packets.push((*sequence, timestamp, last, payload.to_vec()));
            *sequence = sequence.wrapping_add(1);
        });
        emitted.unwrap();
        packets
    }
}

fn give(assembler: &mut FrameAssembler, packets: &[(u16, u32, bool, Vec<u8>)], now: Instant) {
    for (sequence, timestamp, marker, payload) in packets {
        let packet = VideoPacket { sequence: *sequence, timestamp: *timestamp, marker: *marker, payload };
        assembler.insert(packet, now);
    }
}

fn drain(assembler: &mut FrameAssembler, now: Instant) -> Vec<(Vec<u8>, bool)> {
    let mut frames = Vec::new();
    while let Some(frame) = assembler.poll(now) {
        frames.push((frame.data.to_vec(), frame.key));
    }
    frames
}

#[test]
fn frames_of_every_codec_and_size_come_back_as_they_were() {
    let now = Instant::now();
    for codec in CODECS {
        let (mut stream, mut assembler) = (Stream::new(codec), FrameAssembler::new(codec));
        for (index, size) in [5_000, 1, 7, 1_190, 1_195, 1_200, 1_201, 2_400, 60_000].into_iter().enumerate() {
            let sent = frame(codec, index == 0, size);
            let packets = stream.send(&sent);
            assert!(packets.iter().all(|(.., payload)| payload.len() <= 1_200), "{codec:?} {size}");
            assert_eq!(packets.iter().filter(|(_, _, marker, _)| *marker).count(), 1);
            give(&mut assembler, &packets, now);
            assert_eq!(drain(&mut assembler, now), [(sent, index == 0)], "{codec:?} {size}");
        }
        assert_eq!(assembler.stats().malformed, 0);
    }
}

#[test]
fn packets_out_of_order_and_twice_make_the_same_frames() {
    let now = Instant::now();
    for codec in CODECS {
        let (mut stream, mut assembler) = (Stream::new(codec), FrameAssembler::new(codec));
        let sent: Vec<_> = (0..4).map(|index| frame(codec, index == 0, 4_000)).collect();
        let mut packets: Vec<_> = sent.iter().flat_map(|frame| stream.send(frame)).collect();
        let rest = packets.split_off(1);
        give(&mut assembler, &packets, now);
        let backwards: Vec<_> = rest.iter().rev().chain(&rest).cloned().collect();
        give(&mut assembler, &backwards, now);
        let frames: Vec<_> = drain(&mut assembler, now).into_iter().map(|(data, _)| data).collect();
        assert_eq!(frames, sent, "{codec:?}");
    }
}

#[test]
fn after_a_loss_the_stream_goes_on_at_the_next_key_frame_that_was_asked_for() {
    let now = Instant::now();
    for codec in CODECS {
        let (mut stream, mut assembler) = (Stream::new(codec), FrameAssembler::new(codec));
        assert!(assembler.wants_key_frame(now), "nothing has come");
        give(&mut assembler, &stream.send(&frame(codec, true, 3_000)), now);
        assert_eq!(drain(&mut assembler, now).len(), 1);
        assert!(!assembler.wants_key_frame(now));
        let mut torn = stream.send(&frame(codec, false, 3_000));
        torn.remove(1);
        give(&mut assembler, &torn, now);
        give(&mut assembler, &stream.send(&frame(codec, false, 3_000)), now);
        assert_eq!(drain(&mut assembler, now).len(), 0, "it may yet come");
        let later = assembler.deadline().unwrap();
        assert_eq!(drain(&mut assembler, later).len(), 0);
        assert!(assembler.wants_key_frame(later) && !assembler.wants_key_frame(later), "once");
        assert!(assembler.wants_key_frame(later + KEY_FRAME_INTERVAL));
        give(&mut assembler, &stream.send(&frame(codec, false, 3_000)), later);
        give(&mut assembler, &stream.send(&frame(codec, true, 3_000)), later);
        let frames = drain(&mut assembler, later);
        assert_eq!(frames.iter().map(|(_, key)| *key).collect::<Vec<_>>(), [true], "{codec:?}");
    }
}

#[test]
fn a_repaired_loss_costs_nothing() {
    let now = Instant::now();
    let (mut stream, mut assembler) = (Stream::new(VideoCodec::Vp8), FrameAssembler::new(VideoCodec::Vp8));
    give(&mut assembler, &stream.send(&frame(VideoCodec::Vp8, true, 3_000)), now);
    let torn = stream.send(&frame(VideoCodec::Vp8, false, 3_000));
    give(&mut assembler, &torn[..1], now);
    give(&mut assembler, &torn[2..], now);
    assert_eq!(drain(&mut assembler, now).len(), 1);
    give(&mut assembler, &torn[1..2], now + Duration::from_millis(100));
    assert_eq!(drain(&mut assembler, now + Duration::from_millis(100)).len(), 1);
    assert_eq!(assembler.stats().gaps, 0);
}

#[test]
fn more_packets_than_may_wait_are_dropped_and_a_key_frame_is_needed() {
    let now = Instant::now();
    let mut assembler = FrameAssembler::new(VideoCodec::Vp8);
    for sequence in 0..PACKETS_MAX as u16 + 5 {
        let payload = [0x10, 0x10, 0, 0, 0x9d, 1, 0x2a];
        assembler.insert(VideoPacket { sequence, timestamp: 7, marker: false, payload: &payload }, now);
    }
    assert_eq!(assembler.stats().dropped, PACKETS_MAX as u64);
}

#[test]
fn r06_payloads_shorter_than_their_descriptors_say_are_no_frames() {
    let short: [(VideoCodec, &[&[u8]]); 5] = [
        (VideoCodec::Vp8, &[&[0x90], &[0x90, 0xf0, 0x80, 0x00], &[0x10]]),
        (VideoCodec::Vp9, &[&[0x8a], &[0x0a, 0x18, 1], &[0x0a, 0x08, 9, 0x0c], &[0x08], &[0xd8, 5, 3, 3, 3, 1]]),
        (
            VideoCodec::H264,
            &[
                &[0x67],
                &[0x78, 0],
                &[0x78, 0, 9, 0x67, 1],
                &[0x78, 0, 0],
                &[0x7c, 0x85],
                &[0x79, 1, 1],
                &[0x7c, 0xd8, 1],
                &[0x78, 0, 2, 0x78, 1],
            ],
        ),
        (
            VideoCodec::H265,
            &[&[66], &[66, 1], &[96, 1, 0, 9, 66, 1], &[98, 1, 0x93], &[100, 1, 38, 0xf0, 1], &[100, 1]],
        ),
        (VideoCodec::Av1, &[&[0x08], &[0x08, 9, 0x0a], &[0x28, 1, 0x0a], &[0x08, 0x80], &[0x88, 1, 1], &[0x18, 0x0e]]),
    ];
    for (codec, payloads) in short {
        for payload in payloads {
            let mut out = Vec::new();
            let mut depacketizer = Depacketizer::new(codec);
            depacketizer.begin(&mut out);
            let pushed = depacketizer.push(payload, &mut out);
            assert!(pushed.is_err() || !depacketizer.is_whole(), "{codec:?} {payload:?}");
        }
    }
}
