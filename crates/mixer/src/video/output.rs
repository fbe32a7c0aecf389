//! What comes out of a mixed picture: outputs, and the encoders that equal ones share.

use std::ops::Range;
use std::time::{Duration, Instant};

use millrace_frames::video::VideoPacketizer;
use millrace_frames::{
    Encoded, PictureSize, PictureView, VideoCodec, VideoCodecUnavailable, VideoEncoder, VideoEncoding,
};

use super::InputId;
use super::mixer::{SIDE_MIN, VideoMixerError, VideoMixerOptions};
use super::pressure::Pressure;

/// Bytes of a packet's payload, at most: an Ethernet packet with room for SRTP, extensions and tunnels.
pub const PAYLOAD_BYTES_DEFAULT: usize = 1_150;

/// A key frame that is asked for comes no sooner than this after another.
pub const KEY_FRAME_GAP_MIN: Duration = Duration::from_millis(250);

/// A publisher's stream of up to this many percent of an output's bitrate is passed through.
const PASS_PERCENT_MAX: u64 = 125;

/// How far the timestamps of a stream that is passed through may stray from the mixer's own, in ticks: half a second.
const STRAY_TICKS_MAX: u32 = 45_000;

/// One output of a mixer of pictures. Ids are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputId(pub u32);

/// As what a mix leaves. Outputs that are equal in this share an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputFormat {
    /// As frames of a codec.
    Encoded {
        /// Codec, size, bitrate and rate.
        encoding: VideoEncoding,
        /// Longest time from one key frame to the next.
        key_frame_interval: Duration,
    },
    /// As pictures.
    Raw {
        /// Width and height.
        size: PictureSize,
        /// Pictures a second.
        frame_rate: u32,
    },
}

impl OutputFormat {
    pub(super) fn size(&self) -> PictureSize {
        match self {
            Self::Encoded { encoding, .. } => encoding.size,
            Self::Raw { size, .. } => *size,
        }
    }

    pub(super) fn frame_rate(&self) -> u32 {
        match self {
            Self::Encoded { encoding, .. } => encoding.frame_rate,
            Self::Raw { frame_rate, .. } => *frame_rate,
        }
    }
}

/// What an output carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputOptions {
    /// The codec; `None`: pictures as they are.
    pub codec: Option<VideoCodec>,
    /// Width and height, from 16 x 16 to [`PictureSize::DEFAULT_MAX`]; `None`: the mix's.
    pub size: Option<PictureSize>,
    /// Pictures a second, 1 to the mix's; `None`: the mix's.
    pub frame_rate: Option<u32>,
    /// Bits a second, 10,000 to 100,000,000; `None`: by [`bitrate_default`].
    pub bitrate: Option<u32>,
    /// Longest time from one key frame to the next, 1 s or more. 100 s unless said otherwise, as OWT has it.
    pub key_frame_interval: Duration,
}

impl OutputOptions {
    /// An output of this codec like the mix.
    pub fn new(codec: VideoCodec) -> Self {
        let key_frame_interval = Duration::from_secs(100);
        Self { codec: Some(codec), size: None, frame_rate: None, bitrate: None, key_frame_interval }
    }

    /// An output of pictures like the mix's.
    pub fn raw() -> Self {
        Self { codec: None, ..Self::new(VideoCodec::Vp8) }
    }

    /// Tells whether a mixer with these options takes it.
    ///
    /// # Errors
    /// When a value is out of range, or the codec does not take it.
    pub fn check(&self, mix: &VideoMixerOptions) -> Result<(), VideoMixerError> {
        match self.format(mix.size, mix.frame_rate)? {
            OutputFormat::Encoded { encoding: VideoEncoding { codec: VideoCodec::H264, size, .. }, .. }
                if size.width % 2 != 0 || size.height % 2 != 0 =>
            {
                Err(VideoMixerError::Codec(VideoCodecUnavailable(VideoCodec::H264)))
            }
            _ => Ok(()),
        }
    }

    /// What it means for a mix of this size and rate.
    pub(super) fn format(&self, mix: PictureSize, mix_rate: u32) -> Result<OutputFormat, VideoMixerError> {
        let (size, frame_rate) = (self.size.unwrap_or(mix), self.frame_rate.unwrap_or(mix_rate));
        if size.width.min(size.height) < SIDE_MIN || !size.fits(PictureSize::DEFAULT_MAX) {
            return Err(VideoMixerError::BadValue("size"));
        }
        if !(1..=mix_rate).contains(&frame_rate) {
            return Err(VideoMixerError::BadValue("frame_rate"));
        }
        let Some(codec) = self.codec else { return Ok(OutputFormat::Raw { size, frame_rate }) };
        let bitrate = self.bitrate.unwrap_or_else(|| bitrate_default(codec, size, frame_rate));
        if !(10_000..=100_000_000).contains(&bitrate) {
            return Err(VideoMixerError::BadValue("bitrate"));
        }
        if self.key_frame_interval < Duration::from_secs(1) {
            return Err(VideoMixerError::BadValue("key_frame_interval"));
        }
        let encoding = VideoEncoding { codec, size, bitrate, frame_rate };
        Ok(OutputFormat::Encoded { encoding, key_frame_interval: self.key_frame_interval })
    }
}

/// The bitrate of an encoded mix if none is asked for, in bits a second.
///
/// OWT's formula (`source/common/mediaUtil.js`): straight lines between points of samples a second, times a factor for the
/// codec and 0.8 for a mix, in which little moves.
pub fn bitrate_default(codec: VideoCodec, size: PictureSize, frame_rate: u32) -> u32 {
    // Samples of a picture at 30 a second, and kilobits a second.
    const POINTS: [(f64, f64); 7] = [
        (0.0, 0.0),
        (76_800.0, 400.0),
        (307_200.0, 800.0),
        (921_600.0, 2_000.0),
        (2_073_600.0, 4_000.0),
        (8_294_400.0, 16_000.0),
        (33_177_600.0, 64_000.0),
    ];
    const MIX: f64 = 0.8;
    const LEAST: f64 = 10_000.0;
    let factor = match codec {
        VideoCodec::Vp8 => 1.2,
        VideoCodec::Vp9 | VideoCodec::Av1 => 0.8,
        VideoCodec::H264 => 1.0,
    };
    let samples = f64::from(size.width) * f64::from(size.height) * f64::from(frame_rate) / 30.0;
    let segment = POINTS.windows(2).find(|points| samples <= points[1].0).unwrap_or(&POINTS[5..]);
    let [(from, low), (to, high)] = [segment[0], segment[1]];
    let kilobits = low + (high - low) * (samples - from) / (to - from);
    (kilobits * 1_000.0 * factor * MIX).max(LEAST) as u32
}

/// What a frame holds.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// What the encoder made, or a publisher's frame.
    Encoded {
        /// The frame.
        data: &'a [u8],
        /// It decodes without earlier ones.
        key: bool,
        /// The payloads of its packets.
        packets: Packets<'a>,
    },
    /// A picture.
    Raw(PictureView<'a>),
}

/// The payloads of a frame's packets, in order. The last one's packet has the marker.
#[derive(Clone, Copy, Debug)]
pub struct Packets<'a> {
    bytes: &'a [u8],
    ranges: &'a [Range<usize>],
}

impl<'a> Packets<'a> {
    /// Payloads of `ranges` of `bytes`, which holds them all.
    pub fn new(bytes: &'a [u8], ranges: &'a [Range<usize>]) -> Self {
        Self { bytes, ranges }
    }

    /// Each payload, and whether its packet has the marker.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], bool)> {
        let (bytes, last) = (self.bytes, self.ranges.len());
        self.ranges.iter().zip(1..).map(move |(range, at)| (&bytes[range.clone()], at == last))
    }
}

/// One frame for the outputs that share it.
#[derive(Clone, Copy, Debug)]
pub struct OutputFrame<'a> {
    /// Who gets it.
    pub outputs: &'a [OutputId],
    /// What it holds.
    pub payload: Payload<'a>,
    /// Its time in ticks of 90 kHz, wrapping, on one line for all outputs of the mixer.
    pub timestamp: u32,
    /// When it was due.
    pub at: Instant,
}

/// State of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputStats {
    /// Frames that its encoder made or that were passed through.
    pub frames: u64,
    /// Key frames among them.
    pub key_frames: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Frames that its encoder refused to make, or that it left out.
    pub failed: u64,
    /// Frames that were passed through.
    pub passed: u64,
    /// Outputs that share its encoder, itself counted.
    pub shared_by: usize,
}

pub(super) struct Output {
    pub(super) id: OutputId,
    pub(super) options: OutputOptions,
    pub(super) format: OutputFormat,
    pub(super) taken: bool,
}

/// A publisher's stream that is passed through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passing {
    pub(super) input: InputId,
    /// What its timestamps are less than the mix's.
    offset: u32,
}

/// Outputs of one format, and their encoder.
pub(super) struct Group {
    pub(super) format: OutputFormat,
    pub(super) members: Vec<OutputId>,
    /// Those of them that are taken.
    pub(super) taken: Vec<OutputId>,
    pub(super) encoder: Option<Box<dyn VideoEncoder>>,
    packetizer: Option<VideoPacketizer>,
    /// Size that is encoded: smaller than asked for under pressure.
    pub(super) size: PictureSize,
    pub(super) key_wanted: bool,
    key_at: Option<Duration>,
    phase: Option<u64>,
    pub(super) passing: Option<Passing>,
    last_timestamp: Option<u32>,
    data: Vec<u8>,
    bytes: Vec<u8>,
    ranges: Vec<Range<usize>>,
    pub(super) stats: OutputStats,
}

/// A tick, as outputs see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick {
    pub(super) number: u64,
    pub(super) frame_rate: u32,
    pub(super) at: Instant,
}

impl Tick {
    /// Since the mixer's start.
    pub(super) fn time(&self) -> Duration {
        time_of(self.number, self.frame_rate)
    }

    fn timestamp(&self) -> u32 {
        (u128::from(self.number) * u128::from(super::input::CLOCK_RATE) / u128::from(self.frame_rate)) as u32
    }
}

/// When tick `number` is due after the start.
pub(super) fn time_of(number: u64, frame_rate: u32) -> Duration {
    let nanos = u128::from(number) * 1_000_000_000 / u128::from(frame_rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl Group {
    pub(super) fn new(format: OutputFormat, encoder: Option<Box<dyn VideoEncoder>>, first_picture: u16) -> Self {
        let packetizer = match format {
            OutputFormat::Encoded { encoding, .. } => {
                Some(VideoPacketizer::new(encoding.codec.into(), PAYLOAD_BYTES_DEFAULT, first_picture))
            }
            OutputFormat::Raw { .. } => None,
        };
        Self {
            format,
            members: Vec::new(),
            taken: Vec::new(),
            encoder,
            packetizer,
            size: format.size(),
            key_wanted: true,
            key_at: None,
            phase: None,
            passing: None,
            last_timestamp: None,
            data: Vec::new(),
            bytes: Vec::new(),
            ranges: Vec::new(),
            stats: OutputStats::default(),
        }
    }

    /// Encodes with as much care, and as large, as this pressure leaves. What an encoder refuses stays as it was.
    pub(super) fn give_way(&mut self, step: Pressure, mix_rate: u32) {
        let wanted = self.format.size();
        let Some(encoder) = &mut self.encoder else { return };
        let rate = if step >= Pressure::HalfRate { mix_rate.div_ceil(2) } else { mix_rate };
        let half = |side: u32| ((side / 2) & !1).max(SIDE_MIN.min(side));
        let small = PictureSize { width: half(wanted.width), height: half(wanted.height) };
        let size = if step >= Pressure::HalfSize { small } else { wanted };
        // A rate that was not taken costs some precision of the bitrate, an encoder in no hurry some time.
        let _ = encoder.set_frame_rate(rate.min(self.format.frame_rate()) as f32);
        let _ = encoder.set_hurried(step >= Pressure::Hurried);
        if size != self.size && encoder.resize(size.width, size.height).is_ok() {
            self.size = size;
            self.key_wanted = true;
        }
    }

    /// Tells whether this group has a picture at this tick, by its own rate.
    pub(super) fn is_due(&mut self, tick: Tick) -> bool {
        let rate = self.format.frame_rate();
        let phase = tick.number * u64::from(rate) / u64::from(tick.frame_rate);
        self.phase.replace(phase) != Some(phase)
    }

    /// Tells whether a publisher's stream of this codec, size and bitrate is what this group would encode.
    pub(super) fn would_pass(&self, codec: VideoCodec, size: PictureSize, bitrate: u64) -> bool {
        let OutputFormat::Encoded { encoding, .. } = self.format else { return false };
        let rate = u64::from(encoding.bitrate) * PASS_PERCENT_MAX / 100;
        encoding.codec == codec && encoding.size == size && self.size == size && bitrate <= rate
    }

    /// Begins to pass a stream through with a frame of this timestamp.
    pub(super) fn begin_passing(&mut self, input: InputId, timestamp: u32, tick: Tick) {
        self.passing = Some(Passing { input, offset: self.next_timestamp(tick).wrapping_sub(timestamp) });
    }

    /// Goes back to encoding, at a key frame.
    pub(super) fn end_passing(&mut self) {
        if self.passing.take().is_some() {
            self.key_wanted = true;
        }
    }

    /// Gives a publisher's frame.
    pub(super) fn pass(
        &mut self,
        data: &[u8],
        key: bool,
        timestamp: u32,
        tick: Tick,
        sink: &mut dyn FnMut(OutputFrame<'_>),
    ) {
        let Some(passing) = &mut self.passing else { return };
        let mut own = timestamp.wrapping_add(passing.offset);
        let straying = own.wrapping_sub(tick.timestamp()) as i32;
        let back = self.last_timestamp.is_some_and(|last| own.wrapping_sub(last) as i32 <= 0);
        if back || straying.unsigned_abs() > STRAY_TICKS_MAX {
            let after = self.last_timestamp.map_or(tick.timestamp(), |last| later(tick.timestamp(), last));
            passing.offset = after.wrapping_sub(timestamp);
            own = after;
        }
        self.stats.passed += 1;
        self.key_wanted &= !key;
        self.data.clear();
        self.data.extend_from_slice(data);
        self.give(key, own, tick, sink);
    }

    /// Encodes `picture`, or gives it as it is. Returns whether an encoder worked.
    pub(super) fn finish(
        &mut self,
        picture: PictureView<'_>,
        tick: Tick,
        sink: &mut dyn FnMut(OutputFrame<'_>),
    ) -> bool {
        let OutputFormat::Encoded { key_frame_interval, .. } = self.format else {
            let timestamp = self.next_timestamp(tick);
            self.last_timestamp = Some(timestamp);
            self.stats.frames += 1;
            sink(OutputFrame { outputs: &self.taken, payload: Payload::Raw(picture), timestamp, at: tick.at });
            return false;
        };
        let time = tick.time();
        let since = self.key_at.map(|at| time.saturating_sub(at));
        let key =
            since.is_none_or(|since| since >= key_frame_interval || (self.key_wanted && since >= KEY_FRAME_GAP_MIN));
        let Some(encoder) = &mut self.encoder else { return false };
        self.data.clear();
        match encoder.encode(picture, time, key, &mut self.data) {
            Ok(Encoded::Frame { key }) => {
                if key {
                    (self.key_at, self.key_wanted) = (Some(time), false);
                }
                let timestamp = self.next_timestamp(tick);
                self.give(key, timestamp, tick, sink);
            }
            Ok(Encoded::Dropped) => self.stats.failed += 1,
            Err(_) => {
                self.stats.failed += 1;
                self.key_wanted = true;
            }
        }
        true
    }

    fn give(&mut self, key: bool, timestamp: u32, tick: Tick, sink: &mut dyn FnMut(OutputFrame<'_>)) {
        let Some(packetizer) = &mut self.packetizer else { return };
        let (bytes, ranges) = (&mut self.bytes, &mut self.ranges);
        bytes.clear();
        ranges.clear();
        let cut = packetizer.packetize(&self.data, &mut |payload, _| {
            ranges.push(bytes.len()..bytes.len() + payload.len());
            bytes.extend_from_slice(payload);
        });
        if cut.is_err() {
            self.stats.failed += 1;
            self.key_wanted = true;
            return;
        }
        self.last_timestamp = Some(timestamp);
        self.stats.frames += 1;
        self.stats.key_frames += u64::from(key);
        self.stats.bytes += self.data.len() as u64;
        let packets = Packets { bytes: &self.bytes, ranges: &self.ranges };
        let payload = Payload::Encoded { data: &self.data, key, packets };
        sink(OutputFrame { outputs: &self.taken, payload, timestamp, at: tick.at });
    }

    /// The tick's timestamp, or one after the last frame's.
    fn next_timestamp(&self, tick: Tick) -> u32 {
        self.last_timestamp.map_or(tick.timestamp(), |last| later(tick.timestamp(), last))
    }
}

/// `timestamp`, or what follows `last` if that is not before it.
fn later(timestamp: u32, last: u32) -> u32 {
    if timestamp.wrapping_sub(last) as i32 > 0 { timestamp } else { last.wrapping_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_bitrate_is_that_of_owt() {
        let kilobits = |codec, width, height, rate| bitrate_default(codec, PictureSize { width, height }, rate) / 1_000;
        assert_eq!(kilobits(VideoCodec::H264, 320, 240, 30), 320);
        assert_eq!(kilobits(VideoCodec::H264, 640, 480, 30), 640);
        assert_eq!(kilobits(VideoCodec::Vp8, 1280, 720, 30), 1_920);
        assert_eq!(kilobits(VideoCodec::Vp9, 1280, 720, 30), 1_280);
        assert_eq!(kilobits(VideoCodec::H264, 1920, 1080, 30), 3_200);
        // Between 640x480 and 1280x720: 800 + 1200 * (460800 - 307200) / 614400 kbit/s.
        assert_eq!(kilobits(VideoCodec::H264, 1280, 720, 15), 880);
        assert_eq!(kilobits(VideoCodec::H264, 3840, 2160, 60), 25_600);
        assert_eq!(bitrate_default(VideoCodec::Vp9, PictureSize { width: 16, height: 16 }, 6), 10_000);
    }

    #[test]
    fn timestamps_only_grow() {
        assert_eq!(later(3_000, 0), 3_000);
        assert_eq!(later(3_000, 3_000), 3_001);
        assert_eq!(later(100, u32::MAX - 5), 100, "past the wrap");
        assert_eq!(later(u32::MAX - 5, 100), 101);
    }
}
