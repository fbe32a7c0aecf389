//! One audio stream made continuous: packets in as they come, as much sound out as is asked for, when it is asked for.
//!
//! What to play follows from time alone: a packet is due when all but a hundredth of the stream's packets would have
//! come ([`Arrivals`](crate::arrival)). Missing ones are concealed, silence is told from loss, and the sender's clock is
//! followed by stretching a little. Positions count in samples of 48 kHz on the stream's own line of time.

use std::time::{Duration, Instant};

use crate::arrival::{Arrival, Arrivals, RATE, samples_since};
use crate::audio::AudioFormat;
use crate::codec::AudioDecoder;
use crate::jitter::{Inserted, JitterBuffer, PAYLOAD_BYTES_MAX};
use crate::resample::{Resampler, STRETCH_REACH, gcd};

mod line;

use line::Line;

/// Longest that missing sound is made up in a row: 120 ms. Then the stream counts as silent until a packet comes.
pub const CONCEALED_SAMPLES_MAX: i64 = 5_760;

/// Packets that one call decodes or conceals, at most: 60 ms of 2.5 ms each. What is still missing then is silence.
const STEPS_MAX: usize = 24;

/// Further behind than this, what waits is dropped up to where it should stand: 300 ms.
const BEHIND_SAMPLES_MAX: i64 = 14_400;

/// Kept in front of what is played, so that it can be stretched at any time: two thirds of a millisecond.
const RESERVE: i64 = 32;

/// Nearer than this to where it should stand, a stream is left alone; less than [`RESERVE`] needs.
const DEADBAND: i64 = 12;

/// How much further the wait may shrink before sound is hurried: keeps a stream from going back and forth.
const HYSTERESIS: i64 = 120;

/// Sound below this mean square (-60 dB of full scale) is left out when the stream is behind by a packet or more.
const PAUSE_POWER: f32 = 1e-6;

/// An RTP packet of audio, without what only concerns its way.
#[derive(Clone, Copy, Debug)]
pub struct AudioPacket<'a> {
    /// Sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// What the codec made.
    pub payload: &'a [u8],
}

/// What a [`Playout`] did so far. Times in samples of 48 kHz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayoutStats {
    /// Packets that were taken.
    pub packets: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets whose payload or number made no sense, and those that did not decode.
    pub malformed: u64,
    /// Packets dropped because too many waited.
    pub overflowed: u64,
    /// Sound that was played, silence between packets not counted.
    pub played: u64,
    /// Sound made up for packets that did not come.
    pub concealed: u64,
    /// Part of `concealed` that a later packet carried once more (in-band error correction).
    pub corrected: u64,
    /// Samples more (positive) or fewer that were taken from the stream to follow its clock.
    pub stretched: i64,
    /// Sound left out in pauses, or because the stream stood too far behind.
    pub skipped: u64,
}

/// What a call wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Nothing: there is only silence, and the buffer was left as it was.
    Silence,
    /// The whole buffer.
    Heard,
}

/// A stream of packets, decoded when due.
pub struct Playout {
    format: AudioFormat,
    decoder: Box<dyn AudioDecoder>,
    to_48k: Option<Resampler>,
    start: Instant,
    packets: JitterBuffer,
    arrivals: Arrivals,
    timestamps: crate::TimestampUnwrapper,
    /// Start and length of the packet with the newest timestamp.
    newest: Option<(i64, i64)>,
    state: State,
    line: Line,
    decoded: Vec<f32>,
    stats: PlayoutStats,
}

enum State {
    /// Nothing is due: before the first packet, in pauses, after a loss that was too long.
    Silent,
    Playing(Playing),
}

#[derive(Clone, Copy)]
struct Playing {
    /// Position of the sample behind the line's end.
    next: i64,
    /// Length of the last packet.
    packet: i64,
    /// Made up without going on in the stream, because the missing packet may yet come.
    borrowed: i64,
    /// Made up in a row.
    run: i64,
    /// The last packet said that its sender stops for now.
    stopped: bool,
}

/// Where the stream should stand.
#[derive(Clone, Copy, Debug)]
struct Goal {
    /// Further on, packets would be missing.
    latest: i64,
    /// Further back, sound waits for nothing.
    soonest: i64,
}

impl Playout {
    /// A stream of `format` that `decoder` decodes. Times count from `start`.
    pub fn new(format: AudioFormat, decoder: Box<dyn AudioDecoder>, start: Instant) -> Self {
        let (rate, channels) = (decoder.sample_rate(), decoder.channels().clamp(1, 2));
        Self {
            format,
            to_48k: (rate != RATE).then(|| Resampler::new(rate, RATE, channels)),
            start,
            packets: JitterBuffer::default(),
            arrivals: Arrivals::new(),
            timestamps: crate::TimestampUnwrapper::default(),
            newest: None,
            state: State::Silent,
            line: Line::new(usize::from(channels)),
            // The longest packet of any codec, 120 ms of Opus or 160 ms at 8 kHz.
            decoded: vec![0.0; DECODED_SAMPLES_MAX * usize::from(channels)],
            decoder,
            stats: PlayoutStats::default(),
        }
    }

    /// Channels of the sound, interleaved: 1 or 2.
    pub fn channels(&self) -> usize {
        self.line.channels()
    }

    /// What happened so far.
    pub fn stats(&self) -> PlayoutStats {
        PlayoutStats { overflowed: self.packets.overflowed, ..self.stats }
    }

    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub fn jitter(&self) -> Duration {
        self.arrivals.jitter()
    }

    /// How long packets are waited for beyond the shortest way they take.
    pub fn wait(&self) -> Duration {
        Duration::from_micros(self.arrivals.wait().unsigned_abs() * 1_000_000 / u64::from(RATE))
    }

    /// Packets that wait.
    pub fn waiting(&self) -> usize {
        self.packets.len()
    }

    /// When a packet is ready for its turn, in samples since the start, and how often one is; `None` before the first.
    pub fn ready(&self) -> Option<(i64, i64)> {
        let (newest, length) = self.newest?;
        Some((newest + self.arrivals.base() + self.arrivals.wait(), length))
    }

    /// The RTP timestamp of what the [`pull`](Self::pull) at `at` begins with, whether that is sound or a pause; `None` before
    /// the first packet. It says by which moment of the sender's clock others of its streams are to be shown.
    pub fn timestamp_at(&self, at: Instant) -> Option<u32> {
        self.newest?;
        let position = match self.state {
            State::Playing(playing) => playing.next - self.line.len(),
            State::Silent => samples_since(self.start, at) - self.arrivals.base() - self.arrivals.wait(),
        };
        // Wraps as timestamps do.
        Some((position / i64::from(RATE / self.format.codec.clock_rate())) as u32)
    }

    /// Takes a packet that arrived at `now`.
    pub fn insert(&mut self, packet: AudioPacket<'_>, now: Instant) -> Inserted {
        let inserted = self.place(packet, now);
        match inserted {
            Inserted::Waits => self.stats.packets += 1,
            Inserted::Late => self.stats.late += 1,
            Inserted::Duplicate => self.stats.duplicates += 1,
            Inserted::Malformed => self.stats.malformed += 1,
        }
        inserted
    }

    fn place(&mut self, packet: AudioPacket<'_>, now: Instant) -> Inserted {
        let codec = self.format.codec;
        let ticks = codec.packet_ticks(packet.payload).filter(|_| packet.payload.len() <= PAYLOAD_BYTES_MAX);
        let Some(ticks) = ticks else { return Inserted::Malformed };
        let Some((sequence, anew)) = self.packets.number(packet.sequence) else { return Inserted::Malformed };
        let scale = i64::from(RATE / codec.clock_rate());
        let (position, length) = (self.timestamps.unwrap(packet.timestamp) * scale, i64::from(ticks) * scale);
        let jumped = self.arrivals.note(position, samples_since(self.start, now)) == Arrival::Jumped;
        if anew || jumped {
            self.packets.clear();
            self.state = State::Silent;
            self.newest = None;
        }
        if self.newest.is_none_or(|(newest, _)| position > newest) {
            self.newest = Some((position, length));
        }
        self.packets.insert(sequence, position, length as u32, packet.payload)
    }

    /// Fills `out`, interleaved, with the sound that is due at `at`. Times of calls lie as far apart as what they ask for.
    pub fn pull(&mut self, at: Instant, out: &mut [f32]) -> Sound {
        let frames = (out.len() / self.line.channels()) as i64;
        let Some(goal) = self.goal(at, frames) else { return Sound::Silence };
        if let State::Playing(playing) = self.state
            && playing.next - self.line.len() < goal.soonest - BEHIND_SAMPLES_MAX
        {
            self.stats.skipped += self.line.len() as u64;
            self.state = State::Silent;
        }
        if matches!(self.state, State::Silent) && !self.begin(goal, frames) {
            return Sound::Silence;
        }
        let more = self.stretch(goal, frames);
        self.fill(goal, frames + more + STRETCH_REACH as i64);
        // What would have to be stretched to may not have come.
        let consumed = if self.line.len() >= frames + more + STRETCH_REACH as i64 { frames + more } else { frames };
        self.stats.stretched += consumed - frames;
        self.stats.played += frames as u64;
        self.line.take(consumed as usize, out);
        Sound::Heard
    }

    /// Lets the time of a [`pull`](Self::pull) of `frames` samples pass without decoding anything.
    pub fn skip(&mut self, at: Instant, frames: usize) {
        self.state = State::Silent;
        let Some(goal) = self.goal(at, frames as i64) else { return };
        self.drop_what_is_over(goal.latest);
    }

    /// Looks anew where the stream should stand, because the times of calls have changed.
    pub fn restart(&mut self) {
        self.state = State::Silent;
    }

    fn goal(&self, at: Instant, frames: i64) -> Option<Goal> {
        let (newest, length) = self.newest?;
        let here = samples_since(self.start, at) - self.arrivals.base() - self.arrivals.wait();
        // Packets come in steps, and so do calls: what is ready at a call's time is a whole packet, or a part that is
        // the same for every call.
        let step = gcd(length.unsigned_abs() as usize, frames.unsigned_abs() as usize) as i64;
        let place = |here: i64| here - (here - newest).rem_euclid(step) + step - frames - RESERVE;
        Some(Goal { latest: place(here), soonest: place(here - HYSTERESIS) })
    }

    /// Goes from silence to the first packet that waits, if that is due within the next `frames`.
    fn begin(&mut self, goal: Goal, frames: i64) -> bool {
        self.drop_what_is_over(goal.latest);
        let Some(first) = self.packets.first() else { return false };
        let before = first.timestamp - goal.latest;
        if before >= frames {
            return false;
        }
        let playing = Playing {
            next: first.timestamp,
            packet: i64::from(first.ticks),
            borrowed: 0,
            run: 0,
            stopped: self.format.codec.is_dtx(&first.payload),
        };
        let first = first.sequence;
        self.packets.pass(first);
        if playing.stopped {
            // Only says that the silence goes on.
            self.packets.drop_first();
            return false;
        }
        self.line.clear();
        self.line.append_silence(before.max(RESERVE) as usize);
        self.state = State::Playing(playing);
        true
    }

    /// Drops packets of which no more than the reserve lies behind `position`, but for the last.
    fn drop_what_is_over(&mut self, position: i64) {
        let over = position + RESERVE;
        while self.packets.len() > 1
            && self.packets.first().is_some_and(|first| first.timestamp + i64::from(first.ticks) <= over)
        {
            self.packets.drop_first();
        }
    }

    /// How many samples more or fewer than `frames` to take: at most one in 200.
    fn stretch(&self, goal: Goal, frames: i64) -> i64 {
        let State::Playing(playing) = self.state else { return 0 };
        let position = playing.next - self.line.len();
        let most = frames / 200;
        if position > goal.latest + DEADBAND {
            -((position - goal.latest) / 48).clamp(1, most)
        } else if position < goal.soonest - 96 {
            ((goal.soonest - position) / 48).clamp(1, most)
        } else {
            0
        }
    }

    /// Appends to the line until it holds `wanted` samples or there is only silence.
    fn fill(&mut self, goal: Goal, wanted: i64) {
        for _ in 0..STEPS_MAX {
            let State::Playing(mut playing) = self.state else { return };
            if self.line.len() >= wanted {
                return;
            }
            let goes_on = self.advance(&mut playing, goal);
            self.state = if goes_on { State::Playing(playing) } else { State::Silent };
        }
    }

    /// Appends the next packet, or what stands for it. Returns whether the stream goes on.
    fn advance(&mut self, playing: &mut Playing, goal: Goal) -> bool {
        let Some(first) = self.packets.first() else { return self.run_dry(playing, goal) };
        let (number, position) = (first.sequence, first.timestamp);
        self.repay(playing, position);
        let gap = position - playing.next;
        if gap <= 0 {
            self.decode(playing, goal);
            return true;
        }
        let missing = number.saturating_sub(self.packets.next());
        if missing == 0 {
            // Every packet is there: the sender left out silence. What is behind it starts anew when it is due.
            return false;
        }
        self.bridge(playing, goal, gap.min(playing.packet), missing == 1)
    }

    /// Counts what was made up without going on as the sound before `position`, which did not come in the meantime.
    fn repay(&mut self, playing: &mut Playing, position: i64) {
        let repaid = (position - playing.next).clamp(0, playing.borrowed);
        playing.next += repaid;
        playing.borrowed -= repaid;
        if repaid == playing.packet {
            self.packets.pass(self.packets.next() + 1);
        }
    }

    fn run_dry(&mut self, playing: &mut Playing, goal: Goal) -> bool {
        !playing.stopped && self.bridge(playing, goal, playing.packet, false)
    }

    /// Makes up `length` samples. A stream that stands too far on waits meanwhile for what is missing; one that does not
    /// gives it up.
    fn bridge(&mut self, playing: &mut Playing, goal: Goal, length: i64, from_next: bool) -> bool {
        let early = playing.next - self.line.len() > goal.latest;
        self.conceal(playing, length, from_next && !early);
        if early {
            playing.borrowed += length;
            playing.next -= length;
        } else {
            self.packets.pass(self.packets.next() + 1);
        }
        playing.run <= CONCEALED_SAMPLES_MAX
    }

    /// Makes up `length` samples; `from_next`: the packet that waits is right behind the missing one.
    fn conceal(&mut self, playing: &mut Playing, length: i64, from_next: bool) {
        let rate = i64::from(self.decoder.sample_rate());
        let frames = (length * rate / i64::from(RATE)) as usize;
        let next = self.packets.first().filter(|_| from_next).map(|next| next.payload.as_slice());
        let made = self.decoder.conceal(frames, next, &mut self.decoded).unwrap_or(0).min(frames);
        let channels = self.line.channels();
        self.decoded[made * channels..frames * channels].fill(0.0);
        self.append(frames);
        self.stats.concealed += length as u64;
        if from_next && self.format.codec == crate::AudioCodec::Opus {
            self.stats.corrected += length as u64;
        }
        playing.run += length;
        playing.next += length;
    }

    /// Decodes the packet that is first in line.
    fn decode(&mut self, playing: &mut Playing, goal: Goal) {
        let Some(first) = self.packets.first() else { return };
        playing.next = first.timestamp;
        playing.packet = i64::from(first.ticks);
        playing.stopped = self.format.codec.is_dtx(&first.payload);
        let length = playing.packet;
        if playing.stopped {
            self.line.append_silence(length as usize);
        } else {
            match self.decoder.decode(&first.payload, &mut self.decoded) {
                Ok(frames) => self.append_or_skip(*playing, goal, frames),
                Err(_) => {
                    self.stats.malformed += 1;
                    self.conceal(playing, length, false);
                    playing.next -= length;
                }
            }
        }
        playing.next += length;
        (playing.borrowed, playing.run) = (0, 0);
        self.packets.drop_first();
    }

    /// Leaves out what is next to silence when the stream stands a packet or more behind.
    fn append_or_skip(&mut self, playing: Playing, goal: Goal, frames: usize) {
        let behind = goal.soonest - (playing.next - self.line.len());
        let sound = &self.decoded[..(frames * self.line.channels()).min(self.decoded.len())];
        if behind >= playing.packet && power(sound) < PAUSE_POWER {
            self.stats.skipped += playing.packet as u64;
            return;
        }
        self.append(frames);
    }

    /// Appends the first `frames` that were decoded.
    fn append(&mut self, frames: usize) {
        let samples = (frames * self.line.channels()).min(self.decoded.len());
        match &mut self.to_48k {
            Some(resampler) => resampler.process(&self.decoded[..samples], self.line.end()),
            None => self.line.end().extend_from_slice(&self.decoded[..samples]),
        }
    }
}

/// Longest that one packet decodes to, in samples a channel: 160 ms at 48 kHz. More does not fit and is malformed.
const DECODED_SAMPLES_MAX: usize = 7_680;

/// Mean square of `sound`.
fn power(sound: &[f32]) -> f32 {
    sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len().max(1) as f32
}

#[cfg(test)]
mod tests;
