//! Packets of one video stream to frames that decode: in order, whole, the first one a key frame.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use millrace_packet::sequence::{ExtendedSequence, SequenceStep};
use millrace_packet::{VideoCodec, is_key_frame};

use super::Depacketizer;
use crate::jitter::{Inserted, PAYLOAD_BYTES_MAX};

/// Packets that one stream may have waiting: about a second of 10 Mbit/s. When full, all are dropped and counted, and the
/// stream goes on at a key frame.
pub const PACKETS_MAX: usize = 1_024;

/// Largest frame, in bytes. A larger one is dropped and counted, and the stream goes on at a key frame.
pub const FRAME_BYTES_MAX: usize = 1_200_000;

/// How long a missing packet is waited for: a few round trips of retransmission. Then the stream goes on at a key frame.
pub const GAP_WAIT_MAX: Duration = Duration::from_millis(300);

/// A key frame is asked for no more often than this while none comes.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(500);

/// An RTP packet of video, without what only concerns its way.
#[derive(Clone, Copy, Debug)]
pub struct VideoPacket<'a> {
    /// Sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// The packet is the last one of its frame.
    pub marker: bool,
    /// Descriptor and piece of the frame.
    pub payload: &'a [u8],
}

/// A whole frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// As decoders take it.
    pub data: &'a [u8],
    /// RTP timestamp.
    pub timestamp: u32,
    /// It decodes without earlier ones.
    pub key: bool,
    /// When its last packet came.
    pub received_at: Instant,
}

/// What an assembler did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssemblerStats {
    /// Frames that were put together.
    pub frames: u64,
    /// Key frames among them.
    pub key_frames: u64,
    /// Packets that came after their turn or twice.
    pub late: u64,
    /// Packets and frames that made no sense or were too large.
    pub malformed: u64,
    /// Times that something missing was given up.
    pub gaps: u64,
    /// Packets that were dropped because a key frame was needed first, or too many waited.
    pub dropped: u64,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    timestamp: u32,
    marker: bool,
    arrived: Instant,
    payload: Vec<u8>,
}

/// Puts the frames of one stream together.
#[derive(Debug)]
pub struct FrameAssembler {
    codec: VideoCodec,
    depacketizer: Depacketizer,
    numbers: Option<ExtendedSequence>,
    waiting: VecDeque<Kept>,
    spare: Vec<Kept>,
    /// First number of the next frame; `None`: a key frame is needed.
    next: Option<u64>,
    /// Since when something is missing.
    gap_since: Option<Instant>,
    asked_at: Option<Instant>,
    frame: Vec<u8>,
    stats: AssemblerStats,
}

/// What can be said of the frame that is first in line.
enum Progress {
    /// Its packets are the first so many.
    Whole(usize),
    /// Something behind the first so many is missing, and later packets are there.
    Gap(usize),
    /// It goes on.
    Coming,
}

impl FrameAssembler {
    /// Puts frames of `codec` together, from the first key frame on.
    pub fn new(codec: VideoCodec) -> Self {
        Self {
            codec,
            depacketizer: Depacketizer::new(codec),
            numbers: None,
            waiting: VecDeque::new(),
            spare: Vec::new(),
            next: None,
            gap_since: None,
            asked_at: None,
            frame: Vec::new(),
            stats: AssemblerStats::default(),
        }
    }

    /// What happened so far.
    pub fn stats(&self) -> AssemblerStats {
        self.stats
    }

    /// Takes a packet that arrived at `now`.
    pub fn insert(&mut self, packet: VideoPacket<'_>, now: Instant) -> Inserted {
        if packet.payload.is_empty() || packet.payload.len() > PAYLOAD_BYTES_MAX {
            self.stats.malformed += 1;
            return Inserted::Malformed;
        }
        let Some(number) = self.number(packet.sequence) else {
            self.stats.malformed += 1;
            return Inserted::Malformed;
        };
        if self.next.is_some_and(|next| number < next) {
            self.stats.late += 1;
            return Inserted::Late;
        }
        let place = self.waiting.iter().rposition(|kept| kept.number <= number).map_or(0, |before| before + 1);
        if place.checked_sub(1).is_some_and(|before| self.waiting[before].number == number) {
            self.stats.late += 1;
            return Inserted::Duplicate;
        }
        if self.waiting.len() >= PACKETS_MAX {
            self.drop_first(self.waiting.len());
            self.next = None;
        }
        self.keep(number, packet, now);
        Inserted::Waits
    }

    fn keep(&mut self, number: u64, packet: VideoPacket<'_>, now: Instant) {
        let mut payload = self.spare.pop().map(|kept| kept.payload).unwrap_or_default();
        payload.clear();
        payload.extend_from_slice(packet.payload);
        let kept = Kept { number, timestamp: packet.timestamp, marker: packet.marker, arrived: now, payload };
        let place = self.waiting.iter().rposition(|kept| kept.number <= number).map_or(0, |before| before + 1);
        self.waiting.insert(place, kept);
    }

    fn number(&mut self, sequence: u16) -> Option<u64> {
        let Some(numbers) = &mut self.numbers else {
            let numbers = ExtendedSequence::new(sequence);
            self.numbers = Some(numbers);
            return Some(numbers.highest());
        };
        match numbers.update(sequence) {
            SequenceStep::Newer(number) | SequenceStep::Late(number) => Some(number),
            SequenceStep::Restarted(number) => {
                self.drop_first(self.waiting.len());
                self.next = None;
                Some(number)
            }
            SequenceStep::Suspicious => None,
        }
    }

    /// The next frame that is whole at `now`. Call until there is none.
    pub fn poll(&mut self, now: Instant) -> Option<Frame<'_>> {
        // Each round but the last drops a packet, at least.
        for _ in 0..=PACKETS_MAX {
            if self.next.is_none() && !self.find_key_frame() {
                return None;
            }
            match self.progress() {
                Progress::Coming => {
                    self.gap_since = None;
                    return None;
                }
                Progress::Gap(before) => {
                    let since = *self.gap_since.get_or_insert(now);
                    if now.saturating_duration_since(since) < GAP_WAIT_MAX {
                        return None;
                    }
                    self.stats.gaps += 1;
                    self.restart(before);
                }
                Progress::Whole(count) => {
                    self.gap_since = None;
                    if let Some((timestamp, key, received_at)) = self.assemble(count) {
                        return Some(Frame { data: &self.frame, timestamp, key, received_at });
                    }
                }
            }
        }
        None
    }

    /// When [`poll`](Self::poll) has something to do though no packet comes.
    pub fn deadline(&self) -> Option<Instant> {
        Some(self.gap_since? + GAP_WAIT_MAX)
    }

    /// Tells whether a key frame is to be asked for at `now`: at once when one is needed, then at intervals of half a
    /// second until one begins.
    pub fn wants_key_frame(&mut self, now: Instant) -> bool {
        if self.next.is_some() {
            self.asked_at = None;
            return false;
        }
        let asks = self.asked_at.is_none_or(|at| now.saturating_duration_since(at) >= KEY_FRAME_INTERVAL);
        if asks {
            self.asked_at = Some(now);
        }
        asks
    }

    /// Goes on at a key frame, because the decoder lost the thread.
    pub fn need_key_frame(&mut self) {
        self.next = None;
    }

    /// Drops what waits up to a packet that starts a key frame.
    fn find_key_frame(&mut self) -> bool {
        let key = self.waiting.iter().position(|kept| is_key_frame(self.codec, &kept.payload));
        self.drop_first(key.unwrap_or(self.waiting.len()));
        self.next = self.waiting.front().map(|kept| kept.number);
        self.next.is_some()
    }

    fn progress(&self) -> Progress {
        let (Some(next), Some(first)) = (self.next, self.waiting.front()) else { return Progress::Coming };
        for (index, kept) in self.waiting.iter().enumerate() {
            if kept.number != next + index as u64 {
                return Progress::Gap(index);
            }
            if kept.timestamp != first.timestamp {
                return Progress::Whole(index);
            }
            if kept.marker {
                return Progress::Whole(index + 1);
            }
        }
        Progress::Coming
    }

    /// Puts the frame of the first `count` packets together.
    fn assemble(&mut self, count: usize) -> Option<(u32, bool, Instant)> {
        let parts = || self.waiting.iter().take(count);
        let arrived = parts().map(|kept| kept.arrived).max()?;
        let key = parts().any(|kept| is_key_frame(self.codec, &kept.payload));
        let (last, timestamp) = parts().next_back().map(|kept| (kept.number, kept.timestamp))?;
        self.depacketizer.begin(&mut self.frame);
        let pushed = self.waiting.iter().take(count).try_for_each(|kept| {
            let pushed = self.depacketizer.push(&kept.payload, &mut self.frame);
            pushed.ok().filter(|()| self.frame.len() <= FRAME_BYTES_MAX)
        });
        if pushed.is_none() || !self.depacketizer.is_whole() {
            self.stats.malformed += 1;
            self.restart(count);
            return None;
        }
        self.next = Some(last + 1);
        self.recycle(count);
        self.stats.frames += 1;
        self.stats.key_frames += u64::from(key);
        Some((timestamp, key, arrived))
    }

    /// Goes on at a key frame behind the first `count` packets.
    fn restart(&mut self, count: usize) {
        self.drop_first(count);
        (self.next, self.gap_since) = (None, None);
    }

    fn drop_first(&mut self, count: usize) {
        self.stats.dropped += count as u64;
        self.recycle(count);
    }

    fn recycle(&mut self, count: usize) {
        self.spare.extend(self.waiting.drain(..count));
    }
}

#[cfg(test)]
mod tests;
