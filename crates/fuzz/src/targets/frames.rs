//! Frames of video from packets, units of AAC, and sound from packets through a whole mixer.

use std::time::{Duration, Instant};

use millrace_frames::video::{FrameAssembler, VideoPacket, VideoPacketizer};
use millrace_frames::{
    AudioCodec, AudioCodecs, AudioDecoder, AudioEncoder, AudioEncoding, AudioFormat, AudioPacket, CodecUnavailable,
    DecodeError, EncodeError, aac,
};
use millrace_mixer::audio::PEAK_MAX;
use millrace_mixer::{AudioMixer, InputFormat, InputOptions, MixerOptions, OutputFormat, OutputOptions, Payload};
use millrace_packet::VideoCodec;
use millrace_packet::meta::AudioLevel;

/// Payload bytes of the packets that frames are cut into again.
const LIMIT: usize = 100;

/// Puts `data` together as packets of VP8.
pub fn frames_vp8(data: &[u8]) {
    assemble(VideoCodec::Vp8, data);
}

/// Puts `data` together as packets of VP9.
pub fn frames_vp9(data: &[u8]) {
    assemble(VideoCodec::Vp9, data);
}

/// Puts `data` together as packets of H.264.
pub fn frames_h264(data: &[u8]) {
    assemble(VideoCodec::H264, data);
}

/// Puts `data` together as packets of H.265.
pub fn frames_h265(data: &[u8]) {
    assemble(VideoCodec::H265, data);
}

/// Puts `data` together as packets of AV1.
pub fn frames_av1(data: &[u8]) {
    assemble(VideoCodec::Av1, data);
}

/// Takes `data` as packets, each behind its flags (marker, another timestamp, step of the number) and length. Frames grow
/// by no more than start codes and sizes, and one that is cut into packets comes back as it was.
fn assemble(codec: VideoCodec, data: &[u8]) {
    let (mut assembler, mut now) = (FrameAssembler::new(codec), Instant::now());
    let (mut rest, mut sequence, mut timestamp) = (data, 7u16, 9u32);
    while let Some((&[flags, len], after)) = rest.split_first_chunk() {
        let (payload, after) = after.split_at(usize::from(len).min(after.len()));
        rest = after;
        sequence = sequence.wrapping_add(u16::from(flags >> 2 & 0x03));
        timestamp = timestamp.wrapping_add(u32::from(flags >> 1 & 1) * 3_000);
        now += Duration::from_millis(u64::from(flags >> 4));
        assembler.insert(VideoPacket { sequence, timestamp, marker: flags & 1 != 0, payload }, now);
        while let Some(frame) = assembler.poll(now) {
            assert!(frame.data.len() <= 6 * data.len() + 2, "{} bytes", frame.data.len());
            let frame = frame.data.to_vec();
            cut_and_join(codec, &frame);
        }
        let _ = assembler.wants_key_frame(now);
    }
}

/// Cuts `frame` into packets and joins them. A frame that was joined from packets is cut to the same again.
fn cut_and_join(codec: VideoCodec, frame: &[u8]) {
    let Some(once) = through_packets(codec, frame) else { return };
    // What is not H.264 or H.265 has no start codes in it that could be taken for others.
    if !matches!(codec, VideoCodec::H264 | VideoCodec::H265) {
        assert_eq!(once, frame);
    }
    assert_eq!(through_packets(codec, &once), Some(once));
}

fn through_packets(codec: VideoCodec, frame: &[u8]) -> Option<Vec<u8>> {
    let mut depacketizer = millrace_frames::video::Depacketizer::new(codec);
    let mut joined = Vec::new();
    depacketizer.begin(&mut joined);
    let (mut packets, mut lasts) = (0, 0);
    let cut = VideoPacketizer::new(codec, LIMIT, 1).packetize(frame, &mut |payload, last| {
        assert!(payload.len() <= LIMIT);
        (packets, lasts) = (packets + 1, lasts + usize::from(last));
        depacketizer.push(payload, &mut joined).expect("what is written is well-formed");
    });
    if cut.is_err() || packets == 0 {
        return None;
    }
    assert!(depacketizer.is_whole() && lasts == 1);
    Some(joined)
}

/// Takes `data` as a packet of AAC in both forms: units lie within the packet, and come back when they are written.
pub fn frames_aac(data: &[u8]) {
    let mut total = 0;
    let units = aac::depacketize(data, &mut |unit, size| {
        assert!(!unit.is_empty() && unit.len() <= size);
        total += unit.len();
    });
    assert!(total <= data.len() && (units.is_ok() || total == 0));
    let mut written = Vec::new();
    let mut all = Vec::new();
    let read = aac::depacketize_latm(data, &mut |unit| {
        aac::packetize_latm(unit, &mut written);
        all.extend_from_slice(&written);
    });
    if read.is_ok() {
        assert_eq!(all, data);
    }
}

/// Takes `data` as what happens to a mixer of three inputs: packets with flags (whose, step of number and time) and
/// length, and the ticks between them. Nothing but numbers within the peak comes out.
pub fn mixer(data: &[u8]) {
    let start = Instant::now();
    let Ok(mut mixer) = AudioMixer::new(Box::new(Bytes), MixerOptions { top_k: Some(2), ..Default::default() }, start)
    else {
        return;
    };
    let formats = [(AudioCodec::Opus, 2), (AudioCodec::Opus, 1), (AudioCodec::Pcmu, 1)];
    let inputs = formats.map(|(codec, channels)| {
        let format = InputFormat::Rtp(AudioFormat { codec, channels });
        mixer.add_input(&InputOptions { format, gain: 1.0, muted: false }).expect("a good input")
    });
    let pcm = OutputFormat::Pcm { sample_rate: 48_000, channels: 2 };
    let encoded = AudioFormat { codec: AudioCodec::Pcma, channels: 1 };
    let encoded = OutputFormat::Encoded { format: encoded, bitrate: 64_000, complexity: 0, in_band_fec: false };
    for format in [pcm, encoded] {
        mixer.add_output(&OutputOptions { format, exclude: &inputs[..1] }).expect("a good output");
    }
    let (mut rest, mut now, mut numbers, mut times) = (data, start, [0u16; 3], [0u32; 3]);
    while let Some((&[flags, step, len], after)) = rest.split_first_chunk() {
        let (payload, after) = after.split_at(usize::from(len).min(after.len()));
        rest = after;
        let who = usize::from(flags & 3) % 3;
        numbers[who] = numbers[who].wrapping_add(u16::from(flags >> 2 & 7)).wrapping_sub(1);
        times[who] = times[who].wrapping_add((u32::from(step) << (flags >> 5)).wrapping_mul(40));
        let level = AudioLevel { attenuation_dbov: step & 0x7f, voice: step & 0x80 != 0 };
        let packet = AudioPacket { sequence: numbers[who], timestamp: times[who], payload };
        let told = mixer.receive(inputs[who], packet, Some(level).filter(|_| who != 1), now);
        told.expect("the input is there");
        now += Duration::from_millis(u64::from(step & 0x1f));
        mixer.tick(now, &mut |frame| match frame.payload {
            Payload::Pcm(samples) => assert!(samples.iter().all(|sample| sample.abs() <= PEAK_MAX * 1.001)),
            Payload::Encoded(bytes) => assert_eq!(bytes.len(), 160),
        });
    }
}

/// A codec whose payloads are levels of 20 ms, or as long as they are.
struct Bytes;

impl AudioCodecs for Bytes {
    fn decoder(&mut self, format: AudioFormat) -> Result<Box<dyn AudioDecoder>, CodecUnavailable> {
        Ok(Box::new(Level(format)))
    }

    fn encoder(&mut self, encoding: &AudioEncoding) -> Result<Box<dyn AudioEncoder>, CodecUnavailable> {
        Ok(Box::new(Level(encoding.format)))
    }
}

struct Level(AudioFormat);

impl AudioDecoder for Level {
    fn sample_rate(&self) -> u32 {
        self.0.codec.clock_rate()
    }

    fn channels(&self) -> u8 {
        self.0.channels
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        let frames = self.0.codec.packet_ticks(payload).ok_or(DecodeError::Malformed)? as usize;
        let level = payload.get(1).filter(|level| **level != 0).ok_or(DecodeError::Malformed)?;
        let out = out.get_mut(..frames * usize::from(self.0.channels)).ok_or(DecodeError::OutputTooSmall)?;
        out.fill(f32::from(*level) / 64.0);
        Ok(frames)
    }

    fn conceal(&mut self, frames: usize, next: Option<&[u8]>, out: &mut [f32]) -> Result<usize, DecodeError> {
        let level = next.and_then(|next| next.last()).map_or(0.0, |level| f32::from(*level) / 255.0);
        out[..frames * usize::from(self.0.channels)].fill(level);
        Ok(frames)
    }
}

impl AudioEncoder for Level {
    fn sample_rate(&self) -> u32 {
        self.0.codec.clock_rate()
    }

    fn channels(&self) -> u8 {
        self.0.channels
    }

    fn encode(&mut self, pcm: &[f32], out: &mut [u8]) -> Result<usize, EncodeError> {
        out[..pcm.len()].fill(7);
        Ok(pcm.len())
    }

    fn set_bitrate(&mut self, _: u32) {}

    fn set_complexity(&mut self, _: u8) {}

    fn set_expected_loss(&mut self, _: u8) {}
}
