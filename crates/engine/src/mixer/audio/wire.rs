//! What a mixer of sound and the process that does its work say to each other: texts as JSON, sound as records of
//! [`PacketBatch`](crate::packets::PacketBatch).

use std::time::Duration;

use millrace_frames::{AudioCodec, AudioFormat, AudioPacket, PlayoutStats};
use millrace_mixer::{
    InputFormat, InputId, InputStats, MixerOptions, MixerStats, OutputFormat, OutputFrame, OutputId, OutputStats,
    Payload, TickLength,
};
use millrace_packet::meta::AudioLevel;
use serde::{Deserialize, Serialize};

use crate::packets::PacketBatch;

/// The first text to the child.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    is_quick: bool,
    top_k: Option<usize>,
}

impl From<MixerOptions> for Setup {
    fn from(options: MixerOptions) -> Self {
        Self { is_quick: options.tick == TickLength::Ms10, top_k: options.top_k }
    }
}

impl Setup {
    pub(super) fn options(self) -> MixerOptions {
        let tick = if self.is_quick { TickLength::Ms10 } else { TickLength::Ms20 };
        MixerOptions { tick, top_k: self.top_k }
    }
}

/// What the child's core is to do. Ids are those that the core will give: it counts as the other side does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Order {
    AddInput {
        id: u32,
        #[serde(with = "InputFormatText")]
        format: InputFormat,
        gain: f32,
        muted: bool,
    },
    SetInput {
        id: u32,
        gain: f32,
        muted: bool,
    },
    RemoveInput(u32),
    AddOutput {
        id: u32,
        #[serde(with = "OutputFormatText")]
        format: OutputFormat,
        exclude: Vec<u32>,
    },
    SetExclude {
        id: u32,
        exclude: Vec<u32>,
    },
    RemoveOutput(u32),
}

/// What the child tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum News {
    /// It is so.
    Report(Box<Report>),
    /// Another input was the loudest of the last second.
    ActiveInput(u32),
}

/// How the child's core is.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(super) load: f32,
    #[serde(with = "MixerStatsText")]
    pub(super) mixer: MixerStats,
    pub(super) inputs: Vec<InputReport>,
    pub(super) outputs: Vec<OutputReport>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InputReport {
    pub(super) id: u32,
    #[serde(with = "InputStatsText")]
    pub(super) stats: InputStats,
    /// See [`next_heard`](super::core::Core::next_heard); in how many µs that is.
    pub(super) heard: Option<(u32, i64)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OutputReport {
    pub(super) id: u32,
    #[serde(with = "OutputStatsText")]
    pub(super) stats: OutputStats,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "AudioCodec")]
enum CodecText {
    Opus,
    Pcmu,
    Pcma,
    G722,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "AudioFormat")]
struct FormatText {
    #[serde(with = "CodecText")]
    codec: AudioCodec,
    channels: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "InputFormat")]
enum InputFormatText {
    Rtp(#[serde(with = "FormatText")] AudioFormat),
    Pcm { sample_rate: u32, channels: u8 },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "OutputFormat")]
enum OutputFormatText {
    Encoded {
        #[serde(with = "FormatText")]
        format: AudioFormat,
        bitrate: u32,
        complexity: u8,
        in_band_fec: bool,
    },
    Pcm {
        sample_rate: u32,
        channels: u8,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "MixerStats")]
struct MixerStatsText {
    ticks: u64,
    missed_ticks: u64,
    encoded: u64,
    encoders_missing: u64,
    inputs: usize,
    heard: usize,
    outputs: usize,
    groups: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "InputStats")]
struct InputStatsText {
    #[serde(with = "PlayoutStatsText")]
    playout: PlayoutStats,
    jitter: Duration,
    wait: Duration,
    waiting: usize,
    level_db: f32,
    chosen: bool,
    dropped_samples: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PlayoutStats")]
struct PlayoutStatsText {
    packets: u64,
    late: u64,
    duplicates: u64,
    malformed: u64,
    overflowed: u64,
    played: u64,
    concealed: u64,
    corrected: u64,
    stretched: i64,
    skipped: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "OutputStats")]
struct OutputStatsText {
    frames: u64,
    failed: u64,
    shared_by: usize,
}

/// What comes in with an input: the first byte of a record, whose number is the input's.
const PLAIN: u8 = 0;
const WITH_LEVEL: u8 = 1;
const SAMPLES: u8 = 2;

/// Bytes of a record before an RTP payload: what it is, sequence number, timestamp, level.
const PACKET_HEAD_BYTES: usize = 8;

/// Set in a level's byte when its sender takes it for a voice.
const VOICE: u8 = 0x80;

/// Adds a packet of an input.
pub(super) fn push_packet(batch: &mut PacketBatch, input: InputId, packet: AudioPacket<'_>, level: Option<AudioLevel>) {
    let len = PACKET_HEAD_BYTES + packet.payload.len();
    let slot = batch.slot(len);
    slot[0] = if level.is_some() { WITH_LEVEL } else { PLAIN };
    slot[1..3].copy_from_slice(&packet.sequence.to_le_bytes());
    slot[3..7].copy_from_slice(&packet.timestamp.to_le_bytes());
    slot[7] = level.map_or(0, |level| level.attenuation_dbov & !VOICE | if level.voice { VOICE } else { 0 });
    slot[PACKET_HEAD_BYTES..len].copy_from_slice(packet.payload);
    batch.commit(input.0, len);
}

/// Adds samples of an input.
pub(super) fn push_samples(batch: &mut PacketBatch, input: InputId, samples: &[f32]) {
    let len = 1 + 4 * samples.len();
    let slot = batch.slot(len);
    slot[0] = SAMPLES;
    write_floats(&mut slot[1..len], samples);
    batch.commit(input.0, len);
}

/// What a record of an input holds.
pub(super) enum Incoming<'a> {
    Packet(AudioPacket<'a>, Option<AudioLevel>),
    Samples(&'a [u8]),
}

/// Reads a record of an input; `None` when it is none.
pub(super) fn incoming(record: &[u8]) -> Option<Incoming<'_>> {
    let (what, rest) = record.split_first()?;
    if *what == SAMPLES {
        return Some(Incoming::Samples(rest));
    }
    let (sequence, rest) = rest.split_first_chunk()?;
    let (timestamp, rest) = rest.split_first_chunk()?;
    let (level, payload) = rest.split_first()?;
    let (sequence, timestamp) = (u16::from_le_bytes(*sequence), u32::from_le_bytes(*timestamp));
    let told = AudioLevel { attenuation_dbov: level & !VOICE, voice: level & VOICE != 0 };
    Some(Incoming::Packet(AudioPacket { sequence, timestamp, payload }, (*what == WITH_LEVEL).then_some(told)))
}

/// Numbers of records that hold a frame.
const ENCODED: u32 = 0;
const PCM: u32 = 1;

/// Bytes of a frame's record before its outputs: timestamp, marker, time to encode in µs, count of outputs.
const FRAME_HEAD_BYTES: usize = 13;

/// Adds a frame of the core.
pub(super) fn push_frame(batch: &mut PacketBatch, frame: OutputFrame<'_>, encode_time: Duration) {
    let payload_len = match frame.payload {
        Payload::Encoded(bytes) => bytes.len(),
        Payload::Pcm(samples) => 4 * samples.len(),
    };
    let payload_at = FRAME_HEAD_BYTES + 4 * frame.outputs.len();
    let len = payload_at + payload_len;
    let slot = batch.slot(len);
    slot[..4].copy_from_slice(&frame.timestamp.to_le_bytes());
    slot[4] = u8::from(frame.marker);
    slot[5..9].copy_from_slice(&(encode_time.as_micros() as u32).to_le_bytes());
    slot[9..FRAME_HEAD_BYTES].copy_from_slice(&(frame.outputs.len() as u32).to_le_bytes());
    for (place, output) in slot[FRAME_HEAD_BYTES..payload_at].chunks_exact_mut(4).zip(frame.outputs) {
        place.copy_from_slice(&output.0.to_le_bytes());
    }
    let number = match frame.payload {
        Payload::Encoded(bytes) => {
            slot[payload_at..len].copy_from_slice(bytes);
            ENCODED
        }
        Payload::Pcm(samples) => {
            write_floats(&mut slot[payload_at..len], samples);
            PCM
        }
    };
    batch.commit(number, len);
}

/// Reads frames, in memory that is used again.
#[derive(Default)]
pub(super) struct FrameReader {
    outputs: Vec<OutputId>,
    samples: Vec<f32>,
}

impl FrameReader {
    /// The frame of a record and how long it took to encode; `None` when it is none.
    pub(super) fn read<'a>(&'a mut self, number: u32, record: &'a [u8]) -> Option<(OutputFrame<'a>, Duration)> {
        let (timestamp, rest) = record.split_first_chunk()?;
        let (marker, rest) = rest.split_first()?;
        let (encode_us, rest) = rest.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let outputs_len = (u32::from_le_bytes(*count) as usize).checked_mul(4)?;
        let (outputs, payload) = rest.split_at_checked(outputs_len)?;
        self.outputs.clear();
        self.outputs.extend(outputs.as_chunks::<4>().0.iter().map(|id| OutputId(u32::from_le_bytes(*id))));
        let payload = match number {
            ENCODED => Payload::Encoded(payload),
            PCM => {
                read_floats(payload, &mut self.samples);
                Payload::Pcm(&self.samples)
            }
            _ => return None,
        };
        let (outputs, timestamp) = (&self.outputs[..], u32::from_le_bytes(*timestamp));
        let frame = OutputFrame { outputs, payload, timestamp, marker: *marker != 0 };
        Some((frame, Duration::from_micros(u32::from_le_bytes(*encode_us).into())))
    }
}

/// Reads samples into `out`, which is emptied before.
pub(super) fn read_floats(bytes: &[u8], out: &mut Vec<f32>) {
    out.clear();
    out.extend(bytes.as_chunks::<4>().0.iter().map(|sample| f32::from_le_bytes(*sample)));
}

/// Writes samples, 32 bits each, little endian.
pub(super) fn write_floats(place: &mut [u8], samples: &[f32]) {
    for (bytes, sample) in place.chunks_exact_mut(4).zip(samples) {
        bytes.copy_from_slice(&sample.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_packets_read_as_they_were_written() {
        let mut batch = PacketBatch::default();
        let outputs = [OutputId(3), OutputId(70_000)];
        let encoded = OutputFrame { outputs: &outputs, payload: Payload::Encoded(b"opus"), timestamp: 9, marker: true };
        let samples = OutputFrame { payload: Payload::Pcm(&[0.25, -1.0]), marker: false, ..encoded };
        push_frame(&mut batch, encoded, Duration::from_micros(77));
        push_frame(&mut batch, samples, Duration::ZERO);
        let mut reader = FrameReader::default();
        let mut told = Vec::new();
        for (number, record) in batch.packets() {
            let (frame, time) = reader.read(number, record).unwrap();
            told.push((format!("{frame:?}"), time));
        }
        let expected = [(encoded, Duration::from_micros(77)), (samples, Duration::ZERO)];
        assert_eq!(told, expected.map(|(frame, time)| (format!("{frame:?}"), time)));
        let mut batch = PacketBatch::default();
        let packet = AudioPacket { sequence: 65_535, timestamp: 1 << 31, payload: b"x" };
        let level = AudioLevel { attenuation_dbov: 127, voice: true };
        push_packet(&mut batch, InputId(5), packet, Some(level));
        push_packet(&mut batch, InputId(5), packet, None);
        let read: Vec<_> = batch.packets().map(|(number, record)| (number, incoming(record))).collect();
        for ((number, record), level) in read.into_iter().zip([Some(level), None]) {
            let Some(Incoming::Packet(read, told)) = record else { panic!("it is a packet") };
            assert_eq!((number, read.sequence, read.timestamp, read.payload), (5, 65_535, 1 << 31, &b"x"[..]));
            assert_eq!(told, level);
        }
    }

    #[test]
    fn records_that_are_cut_are_none() {
        let mut batch = PacketBatch::default();
        let outputs = [OutputId(3)];
        let frame = OutputFrame { outputs: &outputs, payload: Payload::Encoded(b""), timestamp: 9, marker: true };
        push_frame(&mut batch, frame, Duration::ZERO);
        let (number, record) = batch.packets().next().unwrap();
        let mut reader = FrameReader::default();
        assert!((0..record.len()).all(|len| reader.read(number, &record[..len]).is_none()));
        assert!(reader.read(2, record).is_none());
        assert!((0..PACKET_HEAD_BYTES).all(|len| incoming(&[0; PACKET_HEAD_BYTES][..len]).is_none()));
    }
}
