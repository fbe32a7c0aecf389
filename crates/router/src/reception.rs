//! What the packets of a stream tell about their way here (RFC 3550 §6.4.1, §A.3, §A.8).

use millrace_packet::RtpMeta;

use crate::position::{Placement, Position};
use crate::score::Interval;
use crate::timers::Moment;
use crate::timestamp::TimestampLine;

/// What is known of a stream from its packets.
#[derive(Debug)]
pub(crate) struct Reception {
    pub(crate) position: Position,
    pub(crate) timestamps: TimestampLine,
    /// Codec of the newest packet, an index into the producer's table.
    pub(crate) codec: u8,
    pub(crate) last_packet: Moment,
    /// The score is kept up; off after a silence.
    pub(crate) active: bool,
    /// The first score has been announced.
    pub(crate) heard: bool,
    clock_rate: u32,
    /// Interarrival jitter in 1/16 ticks (RFC 3550 §A.8).
    jitter_16: u32,
    last_transit: Option<(u32, u32)>,
    /// Packets since the last restart that came by themselves.
    received: u64,
    /// Lost before the last restart.
    lost_before: u64,
    reported: Tally,
    scored: Tally,
    fraction_lost: u8,
}

/// Expected and received packets at some moment.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    expected: u64,
    received: u64,
    repaired: u64,
}

/// How a packet came: what its header does not say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Bytes of the whole packet.
    pub(crate) bytes: usize,
    /// Index of its codec in the producer's table.
    pub(crate) codec: u8,
    /// That codec's clock rate in Hz.
    pub(crate) clock_rate: u32,
}

impl Reception {
    /// Starts with the stream's first packet.
    pub(crate) fn new(meta: &RtpMeta, arrival: Arrival, now: Moment) -> Self {
        let mut reception = Self {
            position: Position::new(meta.sequence, meta.timestamp),
            timestamps: TimestampLine::new(arrival.clock_rate),
            codec: arrival.codec,
            last_packet: now,
            active: false,
            heard: false,
            clock_rate: arrival.clock_rate,
            jitter_16: 0,
            last_transit: None,
            received: 0,
            lost_before: 0,
            reported: Tally::default(),
            scored: Tally::default(),
            fraction_lost: 0,
        };
        reception.note_newest(meta, arrival, now);
        reception
    }

    /// Places a packet of the media SSRC by its numbers.
    pub(crate) fn place(&mut self, meta: &RtpMeta, now: Moment) -> Placement {
        self.last_packet = now;
        self.position.place(meta.sequence, meta.timestamp)
    }

    /// Places a retransmission by the number that it had when it was lost.
    pub(crate) fn place_retransmission(&mut self, sequence: u16, now: Moment) -> Placement {
        self.last_packet = now;
        self.position.place_retransmission(sequence)
    }

    /// Counts the newest packet. Returns its timestamp on the continuous line.
    pub(crate) fn note_newest(&mut self, meta: &RtpMeta, arrival: Arrival, now: Moment) -> u32 {
        self.received += 1;
        self.codec = arrival.codec;
        let timestamp = self.timestamps.advance(meta.timestamp, now);
        self.note_transit(timestamp, now);
        timestamp
    }

    /// Counts a packet that was overtaken.
    pub(crate) fn note_late(&mut self) {
        self.received += 1;
    }

    /// The sender began anew, when `lost` packets of the old sequence were lost and `repaired` repaired so far.
    pub(crate) fn note_restart(&mut self, lost: u64, repaired: u64) {
        self.lost_before += lost;
        self.received = 0;
        self.reported = Tally::default();
        self.scored = Tally { repaired, ..Tally::default() };
        self.last_transit = None;
    }

    /// Packets lost since the last restart.
    pub(crate) fn lost(&self) -> u64 {
        self.position.expected().saturating_sub(self.received)
    }

    /// Packets lost before the last restart.
    pub(crate) fn lost_before(&self) -> u64 {
        self.lost_before
    }

    /// RTP clock rate in Hz.
    pub(crate) fn clock_rate(&self) -> u32 {
        self.clock_rate
    }

    /// Interarrival jitter in ticks.
    pub(crate) fn jitter(&self) -> u32 {
        self.jitter_16 >> 4
    }

    /// The share of lost packets in the last report block, in 1/256.
    pub(crate) fn fraction_lost(&self) -> u8 {
        self.fraction_lost
    }

    /// The share of lost packets since the last report block, in 1/256 (RFC 3550 §A.3).
    pub(crate) fn take_fraction_lost(&mut self) -> u8 {
        let tally = Tally { expected: self.position.expected(), received: self.received, repaired: 0 };
        let interval = tally.since(std::mem::replace(&mut self.reported, tally));
        let share = (interval.lost * 256).checked_div(interval.expected).unwrap_or_default();
        self.fraction_lost = share.min(255) as u8;
        self.fraction_lost
    }

    /// What came since the last call, when `repaired` packets were repaired so far.
    pub(crate) fn take_interval(&mut self, repaired: u64) -> Interval {
        let tally = Tally { expected: self.position.expected(), received: self.received, repaired };
        tally.since(std::mem::replace(&mut self.scored, tally))
    }

    /// RFC 3550 §A.8. Packets of one picture share a timestamp and say nothing of jitter among themselves.
    fn note_transit(&mut self, timestamp: u32, now: Moment) {
        let transit = ((now.ms * u64::from(self.clock_rate) / 1000) as u32).wrapping_sub(timestamp);
        if let Some((last_timestamp, last_transit)) = self.last_transit {
            if last_timestamp == timestamp {
                return;
            }
            let step = (transit.wrapping_sub(last_transit) as i32).unsigned_abs().min(JITTER_STEP_MAX);
            self.jitter_16 = self.jitter_16 - ((self.jitter_16 + 8) >> 4) + step;
        }
        self.last_transit = Some((timestamp, transit));
    }
}

impl Tally {
    fn since(self, earlier: Tally) -> Interval {
        let expected = self.expected.saturating_sub(earlier.expected);
        Interval {
            expected,
            lost: expected.saturating_sub(self.received.saturating_sub(earlier.received)),
            repaired: self.repaired.saturating_sub(earlier.repaired),
        }
    }
}

/// Largest single step of jitter in ticks; sixteen of them still fit into the sum.
const JITTER_STEP_MAX: u32 = u32::MAX >> 6;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const AUDIO: Arrival = Arrival { bytes: 100, codec: 0, clock_rate: 48_000 };

    fn meta(sequence: u16) -> RtpMeta {
        RtpMeta { sequence, timestamp: u32::from(sequence) * 960, ..RtpMeta::default() }
    }

    /// Packets every 20 ms; `delay_ms` says how late each is, or that it is lost.
    fn received(delay_ms: impl Fn(u16) -> Option<u64>) -> Reception {
        let start = Instant::now();
        let moment = |ms| Moment::new(start, start + Duration::from_millis(ms));
        let mut reception = Reception::new(&meta(0), AUDIO, moment(0));
        for sequence in 1..500 {
            let Some(delay) = delay_ms(sequence) else { continue };
            let now = moment(u64::from(sequence) * 20 + delay);
            reception.place(&meta(sequence), now);
            reception.note_newest(&meta(sequence), AUDIO, now);
        }
        reception
    }

    #[test]
    fn a_steady_stream_has_no_jitter_and_a_shaken_one_has_its_own() {
        assert_eq!(received(|_| Some(0)).jitter(), 0);
        let shaken = received(|sequence| Some(u64::from(sequence % 2) * 10));
        assert!((450..=490).contains(&shaken.jitter()), "10 ms are 480 ticks, not {}", shaken.jitter());
    }

    #[test]
    fn loss_is_a_share_of_what_was_expected_since_the_last_report() {
        let mut reception = received(|sequence| (sequence % 4 != 2).then_some(0));
        assert_eq!(reception.take_fraction_lost(), 64);
        assert_eq!((reception.lost(), reception.take_fraction_lost()), (125, 0));
    }

    #[test]
    fn a_restart_counts_from_zero_and_keeps_what_was_lost() {
        let mut reception = received(|sequence| (sequence % 4 != 2).then_some(0));
        reception.note_restart(reception.lost(), 0);
        assert_eq!(reception.lost_before(), 125);
    }
}
