//! A stream over a network of known delay, heard sample by sample. The codec is bytes: what was sent can be told.

use super::*;
use crate::audio::AudioCodec;
use crate::codec::DecodeError;

const MS: i64 = 48;

/// Decodes µ-law-like bytes to a level that is the byte over 256; conceals with a level of -1.
struct Bytes;

impl AudioDecoder for Bytes {
    fn sample_rate(&self) -> u32 {
        48_000
    }

    fn channels(&self) -> u8 {
        1
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        let [_, value, malformed, ..] = payload else { return Err(DecodeError::Malformed) };
        if *malformed != 0 {
            return Err(DecodeError::Malformed);
        }
        out[..960].fill(f32::from(*value) / 256.0);
        Ok(960)
    }

    fn conceal(&mut self, frames: usize, next: Option<&[u8]>, out: &mut [f32]) -> Result<usize, DecodeError> {
        let value = next.map_or(-1.0, |next| f32::from(next[1].wrapping_sub(1)) / 256.0);
        out[..frames].fill(value);
        Ok(frames)
    }
}

/// Opus' first byte for one frame of 20 ms.
const TOC: u8 = 31 << 3;

struct Wire {
    start: Instant,
    playout: Playout,
    /// Packets under way: when they arrive, their number and payload.
    under_way: Vec<(i64, u32, Vec<u8>)>,
    heard: Vec<f32>,
    ticks: i64,
    /// When the first call is, in samples.
    phase: i64,
}

impl Wire {
    fn new(phase_ms: i64) -> Self {
        let (start, format) = (Instant::now(), AudioFormat { codec: AudioCodec::Opus, channels: 1 });
        let playout = Playout::new(format, Box::new(Bytes), start);
        Self { start, playout, under_way: Vec::new(), heard: Vec::new(), ticks: 0, phase: phase_ms * MS }
    }

    /// Sends packet `number`, which carries its number, to arrive `delay_ms` after its time.
    fn send(&mut self, number: u32, delay_ms: i64) {
        self.send_bytes(number, i64::from(number) * 960 + delay_ms * MS, vec![TOC, number as u8 & 0x7f | 1, 0]);
    }

    fn send_bytes(&mut self, number: u32, arrives: i64, payload: Vec<u8>) {
        self.under_way.push((arrives, number, payload));
    }

    fn at(&self, samples: i64) -> Instant {
        self.start + Duration::from_micros((samples * 1_000_000 / i64::from(RATE)).unsigned_abs())
    }

    /// Calls every 20 ms, with what has arrived until then.
    fn run(&mut self, calls: i64) {
        self.under_way.sort_by_key(|(arrives, ..)| std::cmp::Reverse(*arrives));
        for _ in 0..calls {
            let time = self.ticks * 960 + self.phase;
            while self.under_way.last().is_some_and(|(arrives, ..)| *arrives <= time) {
                let Some((arrives, number, payload)) = self.under_way.pop() else { break };
                let packet =
                    AudioPacket { sequence: number as u16, timestamp: number.wrapping_mul(960), payload: &payload };
                let now = self.at(arrives);
                self.playout.insert(packet, now);
            }
            let mut out = [0.0; 960];
            let sound = self.playout.pull(self.at(time), &mut out);
            assert!(sound == Sound::Heard || out == [0.0; 960]);
            self.heard.extend(out);
            self.ticks += 1;
        }
    }

    /// Samples between when `number`'s first sample was heard and when its packet had arrived.
    fn delay_of(&self, number: u32, arrived: i64) -> i64 {
        let value = f32::from(number as u8 & 0x7f | 1) / 256.0;
        let at = self.heard.iter().position(|sample| *sample == value).expect("heard");
        self.phase + at as i64 - arrived
    }
}

#[test]
fn a_steady_stream_is_heard_whole_and_soon() {
    let mut wire = Wire::new(3);
    (0..50).for_each(|number| wire.send(number, 0));
    wire.run(49);
    assert_eq!(wire.playout.stats().concealed + wire.playout.stats().skipped, 0);
    assert_eq!(wire.playout.stats().stretched, 0);
    // The wait of one class, what the next call is away, and the reserve.
    assert!(wire.delay_of(40, 40 * 960) <= 5 * MS + 32, "{}", wire.delay_of(40, 40 * 960));
    let steps: Vec<_> = wire.heard.chunk_by(|a, b| a == b).map(<[f32]>::len).collect();
    assert!(steps[1..steps.len() - 2].iter().all(|len| len % 960 == 0), "{steps:?}");
}

#[test]
fn a_packet_that_calls_just_miss_waits_for_the_next_and_none_is_made_up() {
    for phase in 0..20 {
        let mut wire = Wire::new(phase);
        (0..60).for_each(|number| wire.send(number, 0));
        wire.run(55);
        assert_eq!(wire.playout.stats().concealed, 0, "{phase} ms");
        let delay = wire.delay_of(40, 40 * 960);
        assert!((0..=23 * MS).contains(&delay), "{phase} ms: {delay}");
    }
}

#[test]
fn one_missing_packet_is_made_up_once() {
    let mut wire = Wire::new(3);
    (0..50).filter(|number| *number != 20).for_each(|number| wire.send(number, 0));
    wire.run(50);
    assert_eq!(wire.playout.stats().concealed, 960);
    assert_eq!(wire.heard.iter().filter(|sample| **sample == -1.0).count(), 960);
}

#[test]
fn with_the_next_packet_at_hand_the_missing_one_is_taken_from_it() {
    let mut wire = Wire::new(3);
    // Jitter first, so that packets wait.
    (0..150).filter(|number| *number != 122).for_each(|number| wire.send(number, i64::from(number % 5) * 12));
    wire.run(110);
    let before = wire.playout.stats();
    assert!(before.concealed <= 6 * 960, "{before:?}");
    wire.run(38);
    let after = wire.playout.stats();
    assert_eq!((after.corrected - before.corrected, after.concealed - before.concealed), (960, 960), "{after:?}");
    assert_eq!(after.late, before.late);
}

#[test]
fn silence_that_the_sender_leaves_out_is_no_loss() {
    let mut wire = Wire::new(3);
    (0..20).for_each(|number| wire.send(number, 0));
    // Numbers go on by one, the time by 3 s.
    let later = 20 * 960 + 3 * 48_000;
    wire.under_way.push((20 * 960, 20, vec![TOC, 0]));
    wire.run(24);
    for number in 21..60u32 {
        let timestamp = later + (i64::from(number) - 21) * 960;
        let packet = AudioPacket { sequence: number as u16, timestamp: timestamp as u32, payload: &[TOC, 99, 0] };
        while wire.ticks * 960 + wire.phase < timestamp {
            wire.run(1);
        }
        let now = wire.at(timestamp);
        wire.playout.insert(packet, now);
    }
    let stats = wire.playout.stats();
    assert_eq!((stats.concealed, stats.late, stats.malformed), (0, 0, 0), "{stats:?}");
    let first = wire.heard.iter().position(|sample| *sample == 99.0 / 256.0).unwrap();
    assert!(((later - wire.phase)..(later - wire.phase + 25 * MS)).contains(&(first as i64)), "{first}");
}

#[test]
fn a_sender_that_vanishes_is_made_up_for_120_ms_and_heard_again_when_it_returns() {
    let mut wire = Wire::new(3);
    (0..20).for_each(|number| wire.send(number, 0));
    (120..140).for_each(|number| wire.send(number, 0));
    wire.run(145);
    let stats = wire.playout.stats();
    assert!(stats.concealed <= 2 * (CONCEALED_SAMPLES_MAX as u64 + 960), "{stats:?}");
    assert!(wire.heard.contains(&((130 & 0x7f | 1) as f32 / 256.0)));
}

#[test]
fn clocks_that_drift_are_followed_without_anything_made_up() {
    for parts_per_million in [-300i64, 300] {
        let mut wire = Wire::new(7);
        for number in 0..30_000u32 {
            let sent = i64::from(number) * 960;
            wire.send_bytes(number, sent + sent * parts_per_million / 1_000_000, vec![TOC, 9, 0]);
        }
        // Stop before the packets do.
        wire.run(29_900);
        let stats = wire.playout.stats();
        assert!(stats.concealed <= 2 * 960, "{parts_per_million}: {stats:?}");
        assert!(wire.playout.waiting() <= 4);
    }
}

#[test]
fn v06_packets_that_do_not_decode_are_made_up_and_counted() {
    let mut wire = Wire::new(3);
    for number in 0..30 {
        let payload = if number == 10 { vec![TOC, 9, 1] } else { vec![TOC, 9, 0] };
        wire.send_bytes(number, i64::from(number) * 960, payload);
    }
    wire.send_bytes(30, 30 * 960, vec![]);
    wire.send_bytes(31, 31 * 960, vec![16 << 3 | 3, 49]);
    wire.run(33);
    let stats = wire.playout.stats();
    assert_eq!(stats.malformed, 3, "{stats:?}");
}

#[test]
fn r08_a_jump_of_the_timestamps_is_heard_within_a_moment() {
    let mut wire = Wire::new(3);
    (0..50).for_each(|number| wire.send(number, 0));
    wire.run(51);
    for number in 50..100u32 {
        let packet = AudioPacket {
            sequence: number as u16,
            timestamp: (number * 960).wrapping_add(0x8000_0000),
            payload: &[TOC, 200, 0],
        };
        let now = wire.at(i64::from(number) * 960);
        wire.playout.insert(packet, now);
        wire.run(1);
    }
    let heard = wire.heard.iter().filter(|sample| **sample == 200.0 / 256.0).count();
    assert!(heard > 45 * 960, "{heard}");
}
