//! What goes into a picture: a stream of packets, or pictures that are written.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use millrace_frames::video::{AssemblerStats, Frame, FrameAssembler, VideoPacket};
use millrace_frames::{Inserted, PictureSize, PictureView, RtpToNtp, VideoCodec, VideoDecoder};
use millrace_model::NtpTime;

use super::InputId;
use super::budget::Budget;
use super::compose::Look;
use super::picture::{Colour, Picture};

/// Frames of an input that wait to be shown: 2 s at 30 a second. When full, all are dropped and counted, and the input
/// goes on at a key frame.
pub const WAITING_FRAMES_MAX: usize = 64;

/// Bytes of the frames of an input that wait. When full, all are dropped and counted, and the input goes on at a key frame.
pub const WAITING_BYTES_MAX: usize = 4_000_000;

/// How much later than it came a frame is shown to be with its sound. One that would wait longer is shown then.
pub const SYNC_DELAY_MAX: Duration = Duration::from_secs(1);

/// An input that decoded nothing for so long shows its avatar instead of its last picture.
pub const FROZEN_MAX: Duration = Duration::from_secs(5);

/// Ticks a second of RTP timestamps of video, in Hz.
pub(super) const CLOCK_RATE: u32 = 90_000;

/// How pictures come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputFormat {
    /// As RTP packets of a codec.
    Rtp(VideoCodec),
    /// As pictures that are written.
    Raw,
}

/// What an input brings.
#[derive(Clone, Debug)]
pub struct InputOptions {
    /// How its pictures come in.
    pub format: InputFormat,
    /// Name that is written into its tile; empty for none.
    pub label: String,
    /// What is shown while it has no picture; `None`: a card with its name.
    pub avatar: Option<Picture>,
    /// Its avatar is shown, and it is not decoded.
    pub muted: bool,
    /// Largest picture that is decoded; larger ones are refused before the decoder sees them.
    pub size_max: PictureSize,
}

impl InputOptions {
    /// An input of this format without a name.
    pub fn new(format: InputFormat) -> Self {
        let size_max = PictureSize::DEFAULT_MAX;
        Self { format, label: String::new(), avatar: None, muted: false, size_max }
    }
}

/// A picture from outside.
#[derive(Clone, Copy, Debug)]
pub enum RawPicture<'a> {
    /// I420.
    I420(PictureView<'a>),
    /// Rows of red, green, blue and alpha bytes without padding; alpha is not looked at.
    Rgba {
        /// Width and height.
        size: PictureSize,
        /// Four bytes for each of its samples.
        bytes: &'a [u8],
    },
}

/// A moment of a publisher's clock and when its sound is heard in the mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncPoint {
    /// When it was captured, by the publisher's wall clock (its sender reports').
    pub captured: NtpTime,
    /// When the mix has it.
    pub presented: Instant,
}

/// State of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputStats {
    /// What happened to its packets.
    pub packets: AssemblerStats,
    /// Frames that were decoded, or pictures that were written.
    pub decoded: u64,
    /// Frames that the decoder refused.
    pub failed: u64,
    /// Frames that were not decoded because nobody sees the input.
    pub unseen: u64,
    /// Frames, or pictures, that were dropped because too many waited.
    pub dropped: u64,
    /// Times that it stood still because decoding it had taken more than its share of the time.
    pub overspent: u64,
    /// Times that its last picture stood still because of a frame that did not decode.
    pub freezes: u64,
    /// It stands still.
    pub frozen: bool,
    /// It shows its avatar.
    pub avatar: bool,
    /// Size of its last picture.
    pub size: Option<PictureSize>,
    /// How much later than its sound its last frame came; its sound would have to wait as long.
    pub late: Duration,
}

/// A frame that waits until it is shown.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) data: Vec<u8>,
    pub(super) timestamp: u32,
    pub(super) key: bool,
    due: Option<Instant>,
}

/// A stream of packets and its decoder.
pub(super) struct Stream {
    pub(super) codec: VideoCodec,
    assembler: FrameAssembler,
    decoder: Box<dyn VideoDecoder>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    spare: Vec<Waiting>,
    clock: RtpToNtp,
    sync: Option<SyncPoint>,
    budget: Budget,
    /// Bytes of this second and bits of the one before.
    rate: (Option<Instant>, u64, u64),
}

pub(super) enum Source {
    Stream(Box<Stream>),
    Written {
        /// A picture that was written and not shown yet.
        fresh: bool,
    },
}

pub(super) struct Input {
    pub(super) id: InputId,
    pub(super) source: Source,
    pub(super) label: String,
    label_number: u64,
    avatar: Option<Picture>,
    pub(super) muted: bool,
    /// Somebody sees it.
    pub(super) seen: bool,
    /// At which size; what was told outside.
    pub(super) seen_size: Option<PictureSize>,
    picture: Picture,
    number: u64,
    decoded_at: Option<Instant>,
    stats: InputStats,
}

impl Stream {
    pub(super) fn new(codec: VideoCodec, decoder: Box<dyn VideoDecoder>) -> Self {
        Self {
            codec,
            assembler: FrameAssembler::new(codec.into()),
            decoder,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            spare: Vec::new(),
            clock: RtpToNtp::new(CLOCK_RATE),
            sync: None,
            budget: Budget::default(),
            rate: (None, 0, 0),
        }
    }

    /// When a frame is shown, and how much too late that is for its sound.
    fn due(clock: &RtpToNtp, sync: Option<SyncPoint>, frame: &Frame<'_>) -> (Instant, Duration) {
        let soonest = frame.received_at;
        let (Some(sync), Some(captured)) = (sync, clock.ntp_of(frame.timestamp)) else {
            return (soonest, Duration::ZERO);
        };
        // Units of 2^-32 s.
        let after = captured.0.wrapping_sub(sync.captured.0) as i64;
        let distance = Duration::from_secs_f64(after.unsigned_abs() as f64 / 4_294_967_296.0);
        let due = if after < 0 { sync.presented.checked_sub(distance) } else { sync.presented.checked_add(distance) };
        let due = due.unwrap_or(soonest);
        (due.clamp(soonest, soonest + SYNC_DELAY_MAX), soonest.saturating_duration_since(due).min(SYNC_DELAY_MAX))
    }

    fn drop_waiting(&mut self) -> u64 {
        let count = self.waiting.len();
        self.spare.extend(self.waiting.drain(..));
        self.waiting_bytes = 0;
        count as u64
    }

    fn take_due(&mut self, at: Instant) -> Option<Waiting> {
        self.waiting.front().filter(|frame| frame.due.is_none_or(|due| due <= at))?;
        let frame = self.waiting.pop_front()?;
        self.waiting_bytes -= frame.data.len();
        Some(frame)
    }

    fn count(&mut self, bytes: usize, now: Instant) {
        let (since, counted, _) = self.rate;
        let since = since.unwrap_or(now);
        let passed = now.saturating_duration_since(since);
        self.rate = if passed >= Duration::from_secs(1) {
            let bits = (counted as f64 * 8.0 / passed.as_secs_f64()) as u64;
            (Some(now), bytes as u64, bits)
        } else {
            (Some(since), counted + bytes as u64, self.rate.2)
        };
    }
}

impl Input {
    pub(super) fn new(id: InputId, source: Source, options: InputOptions) -> Self {
        let InputOptions { label, avatar, muted, .. } = options;
        Self {
            id,
            source,
            label,
            label_number: 0,
            avatar,
            muted,
            seen: false,
            seen_size: None,
            picture: Picture::filled(PictureSize { width: 0, height: 0 }, Colour::BLACK),
            number: 0,
            decoded_at: None,
            stats: InputStats { avatar: true, ..InputStats::default() },
        }
    }

    pub(super) fn stats(&self) -> InputStats {
        let packets = match &self.source {
            Source::Stream(stream) => stream.assembler.stats(),
            Source::Written { .. } => AssemblerStats::default(),
        };
        InputStats { packets, size: self.picture().map(Picture::size), ..self.stats }
    }

    /// Its last picture.
    pub(super) fn picture(&self) -> Option<&Picture> {
        (self.stats.decoded > 0).then_some(&self.picture)
    }

    /// What it shows.
    pub(super) fn look(&self) -> Look<'_> {
        let picture = if self.stats.avatar { self.avatar.as_ref() } else { Some(&self.picture) };
        Look { picture, number: self.number, label: &self.label, label_number: self.label_number }
    }

    pub(super) fn shows_picture(&self) -> bool {
        !self.stats.avatar
    }

    /// What may be passed through: whose it is, its codec, the size of its pictures and the bits of the last second.
    pub(super) fn passing(&self) -> Option<(InputId, VideoCodec, PictureSize, u64)> {
        let Source::Stream(stream) = &self.source else { return None };
        Some((self.id, stream.codec, self.picture()?.size(), stream.rate.2))
    }

    pub(super) fn set_label(&mut self, label: &str) {
        if self.label != label {
            label.clone_into(&mut self.label);
            self.label_number += 1;
        }
    }

    pub(super) fn set_avatar(&mut self, avatar: Option<Picture>) {
        self.avatar = avatar;
        self.number += 1;
    }

    /// Begins or ends to be decoded.
    pub(super) fn set_seen(&mut self, seen: bool) {
        if self.seen == seen {
            return;
        }
        self.seen = seen;
        if let Source::Stream(stream) = &mut self.source {
            stream.drop_waiting();
            // The decoder has not seen what came meanwhile.
            stream.assembler.need_key_frame();
        }
        // Its last picture is shown until the next one comes.
        self.decoded_at = None;
    }

    pub(super) fn receive(&mut self, packet: VideoPacket<'_>, now: Instant) -> Option<Inserted> {
        let Source::Stream(stream) = &mut self.source else { return None };
        stream.count(packet.payload.len(), now);
        let inserted = stream.assembler.insert(packet, now);
        self.collect(now);
        Some(inserted)
    }

    pub(super) fn sender_report(&mut self, ntp: NtpTime, timestamp: u32, now: Instant) {
        if let Source::Stream(stream) = &mut self.source {
            stream.clock.sender_report(ntp, timestamp, now);
        }
    }

    pub(super) fn set_sync(&mut self, sync: Option<SyncPoint>) {
        if let Source::Stream(stream) = &mut self.source {
            stream.sync = sync;
        }
    }

    /// Takes a picture that is written. Returns whether the one before was never shown; `None`: it is none.
    pub(super) fn write(&mut self, picture: RawPicture<'_>) -> Option<bool> {
        let Source::Written { fresh } = &mut self.source else { return None };
        match picture {
            RawPicture::I420(view) => self.picture.copy_from(&view),
            RawPicture::Rgba { size, bytes } => self.picture.copy_from_rgba(size, bytes),
        }
        let dropped = std::mem::replace(fresh, true);
        self.stats.dropped += u64::from(dropped);
        self.stats.decoded += 1;
        self.number += 1;
        Some(dropped)
    }

    /// Puts whole frames in line.
    pub(super) fn collect(&mut self, now: Instant) {
        let wanted = self.seen && !self.muted;
        let Source::Stream(stream) = &mut self.source else { return };
        let Stream { assembler, waiting, waiting_bytes, spare, clock, sync, budget, .. } = &mut **stream;
        let (mut full, is_spent) = (false, budget.is_spent());
        while let Some(frame) = assembler.poll(now) {
            if !wanted {
                self.stats.unseen += 1;
                continue;
            }
            full |= is_spent
                || waiting.len() >= WAITING_FRAMES_MAX
                || *waiting_bytes + frame.data.len() > WAITING_BYTES_MAX;
            if full {
                self.stats.dropped += 1;
                continue;
            }
            let (due, late) = Stream::due(clock, *sync, &frame);
            let mut kept = spare.pop().unwrap_or_default();
            kept.data.clear();
            kept.data.extend_from_slice(frame.data);
            (kept.timestamp, kept.key, kept.due) = (frame.timestamp, frame.key, Some(due));
            *waiting_bytes += kept.data.len();
            waiting.push_back(kept);
            self.stats.late = late;
        }
        if full {
            self.stats.dropped += stream.drop_waiting();
            stream.assembler.need_key_frame();
        }
    }

    /// Tells whether a key frame is to be asked for.
    pub(super) fn wants_key_frame(&mut self, now: Instant) -> bool {
        let wanted = self.seen && !self.muted;
        let Source::Stream(stream) = &mut self.source else { return false };
        wanted && !stream.budget.is_spent() && stream.assembler.wants_key_frame(now)
    }

    /// Decodes what is to be shown at `at`, which is what is due within `ahead` of it, and gives each frame with whether it
    /// decoded. The decoder may compute for this `share` of the time.
    pub(super) fn advance(
        &mut self,
        at: Instant,
        ahead: Duration,
        share: f32,
        each: &mut dyn FnMut(&Waiting, Option<PictureSize>),
    ) {
        match &mut self.source {
            Source::Written { fresh } => {
                *fresh = false;
                if self.stats.decoded > 0 {
                    self.decoded_at = Some(at);
                }
            }
            Source::Stream(stream) => {
                stream.budget.earn(at, share);
                // As many as wait, at most.
                while let Some(frame) = self.take_due(at + ahead) {
                    let decoded = self.decode(&frame.data, at);
                    each(&frame, decoded.then(|| self.picture.size()));
                    if let Source::Stream(stream) = &mut self.source {
                        stream.spare.push(frame);
                    }
                }
            }
        }
        self.judge(at);
    }

    fn take_due(&mut self, at: Instant) -> Option<Waiting> {
        let Source::Stream(stream) = &mut self.source else { return None };
        stream.take_due(at)
    }

    fn decode(&mut self, data: &[u8], at: Instant) -> bool {
        let Source::Stream(stream) = &mut self.source else { return false };
        let (picture, mut pictures) = (&mut self.picture, 0u64);
        let decoded = stream.decoder.decode(data, &mut |view| {
            picture.copy_from(&view);
            pictures += 1;
        });
        if pictures > 0 {
            self.number += pictures;
            self.stats.decoded += pictures;
            self.decoded_at = Some(at);
            self.stats.frozen = false;
        }
        stream.budget.spend(stream.decoder.take_time());
        let is_spent = stream.budget.is_spent();
        if decoded.is_err() || is_spent {
            self.stats.freezes += u64::from(!self.stats.frozen);
            self.stats.frozen = true;
            self.stats.dropped += stream.drop_waiting();
            stream.assembler.need_key_frame();
        }
        self.stats.failed += u64::from(decoded.is_err());
        self.stats.overspent += u64::from(is_spent);
        decoded.is_ok()
    }

    /// Passes a tick without anything to decode.
    pub(super) fn rest(&mut self, at: Instant) {
        if self.muted {
            self.judge(at);
        }
    }

    /// Says whether a picture or the avatar is shown.
    fn judge(&mut self, at: Instant) {
        let waited = *self.decoded_at.get_or_insert(at);
        let stuck = at.saturating_duration_since(waited) >= FROZEN_MAX;
        let avatar = self.muted || self.stats.decoded == 0 || stuck;
        if avatar != self.stats.avatar {
            self.stats.avatar = avatar;
            self.number += 1;
        }
    }
}
