//! Transport-wide feedback to publishers: which packets arrived when (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::time::{Duration, Instant};

use millrace_packet::rtcp::feedback::FeedbackSsrcs;
use millrace_packet::rtcp::transport_feedback::TICKS_PER_REFERENCE;
use millrace_packet::rtcp::{CompoundWriter, FeedbackHeader};

use crate::timers::Moment;

/// Time from the first unreported packet to its feedback. libwebrtc's sender works with 50 to 250 ms; the shorter, the
/// sooner a probe of Chromium's is answered and the faster it ramps up.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(50);

/// Numbers told by one feedback packet: with two bytes a delta it stays below 1200 bytes. More go into the next one.
const FEEDBACK_STATUSES_MAX: usize = 400;

/// Unreported packets that bring the feedback forward.
const PENDING_MAX: usize = 200;

/// Numbers remembered. A packet further behind the newest, or a step further ahead, starts the record anew.
const RING: u64 = 2048;

/// How far behind the last reported number a late packet may be and still be reported.
const LATE_MAX: u64 = 256;

/// Packets in a row from far behind that prove that the sender numbers anew.
const FAR_BEHIND_MAX: u8 = 8;

/// Microseconds of an arrival tick.
const TICK_US: u64 = 250;

/// The arrivals of one session.
#[derive(Debug)]
pub(crate) struct TransportCc {
    /// Arrival tick by number, 0 for "not arrived".
    ring: Box<[u64]>,
    highest: u64,
    /// First number of the next feedback packet.
    base: u64,
    pending: usize,
    far_behind: u8,
    feedback_count: u8,
    media_ssrc: u32,
    due: Option<Instant>,
}

impl TransportCc {
    /// Begins with nothing recorded.
    pub(crate) fn new() -> Self {
        Self {
            ring: vec![0; RING as usize].into_boxed_slice(),
            highest: 0,
            base: 0,
            pending: 0,
            far_behind: 0,
            feedback_count: 0,
            media_ssrc: 0,
            due: None,
        }
    }

    /// Records that the packet with the transport-wide number `sequence` arrived at `now`. True when so many packets
    /// are unreported that the feedback should go at once.
    pub(crate) fn record(&mut self, sequence: u16, ssrc: u32, now: Moment) -> bool {
        self.media_ssrc = ssrc;
        let Some(number) = self.unwrap(sequence) else { return false };
        // One reference unit of room, so that no arrival is 0.
        let tick = now.us / TICK_US + TICKS_PER_REFERENCE as u64;
        let slot = &mut self.ring[(number % RING) as usize];
        if *slot != 0 {
            return false;
        }
        *slot = tick;
        self.base = self.base.min(number);
        self.pending += 1;
        self.due.get_or_insert(now.at + FEEDBACK_INTERVAL);
        self.pending >= PENDING_MAX
    }

    /// When feedback is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Appends one feedback packet to `writer`. False when there is nothing (more) to report.
    pub(crate) fn write(&mut self, sender: u32, writer: &mut CompoundWriter) -> bool {
        let Some(first) = (self.base..=self.highest).find_map(|number| self.arrival(number)) else {
            self.finish();
            return false;
        };
        let reference = first / TICKS_PER_REFERENCE as u64;
        let start = reference * TICKS_PER_REFERENCE as u64;
        let count = self.statuses(self.base, start).take(FEEDBACK_STATUSES_MAX).count();
        let header = FeedbackHeader {
            ssrcs: FeedbackSsrcs { sender, media: self.media_ssrc },
            base_sequence: self.base as u16,
            reference_time: ((reference << 8) as i32) >> 8,
            feedback_count: self.feedback_count,
        };
        if writer.transport_feedback(&header, self.statuses(self.base, start).take(count)).is_err() {
            return false;
        }
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.base += count as u64;
        true
    }

    fn finish(&mut self) {
        self.base = self.highest + 1;
        self.pending = 0;
        self.due = None;
    }

    /// Times between arrivals from `base` on; ends where one does not fit into 16 bits.
    fn statuses(&self, base: u64, start: u64) -> impl Iterator<Item = Option<i16>> + Clone {
        (base..=self.highest).scan(start, |last, number| {
            let Some(tick) = self.arrival(number) else { return Some(None) };
            let delta = i16::try_from(tick as i64 - *last as i64).ok()?;
            *last = tick;
            Some(Some(delta))
        })
    }

    fn arrival(&self, number: u64) -> Option<u64> {
        Some(self.ring[(number % RING) as usize]).filter(|tick| *tick != 0)
    }

    fn unwrap(&mut self, sequence: u16) -> Option<u64> {
        if self.highest == 0 {
            return Some(self.restart(sequence));
        }
        let step = i64::from(sequence.wrapping_sub(self.highest as u16) as i16);
        let number = self.highest.saturating_add_signed(step);
        if step > 0 {
            self.far_behind = 0;
            return Some(if step as u64 >= RING { self.restart(sequence) } else { self.advance(number) });
        }
        if number + LATE_MAX >= self.base && self.highest - number < RING {
            self.far_behind = 0;
            return Some(number);
        }
        self.far_behind += 1;
        (self.far_behind >= FAR_BEHIND_MAX).then(|| self.restart(sequence))
    }

    fn advance(&mut self, number: u64) -> u64 {
        (self.highest + 1..=number).for_each(|skipped| self.ring[(skipped % RING) as usize] = 0);
        self.highest = number;
        // Numbers that left the ring unreported stay so.
        self.base = self.base.max((number + 1).saturating_sub(RING));
        number
    }

    fn restart(&mut self, sequence: u16) -> u64 {
        self.ring.fill(0);
        self.far_behind = 0;
        self.pending = 0;
        // The next multiple of 2^16 above everything, so that numbers never go back.
        self.highest = (((self.highest >> 16) + 1) << 16) + u64::from(sequence);
        self.base = self.highest;
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_packet::rtcp::{Compound, RtcpPacket};

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    fn later(start: Instant, microseconds: u64) -> Moment {
        Moment::new(start, start + us(microseconds))
    }

    /// What all feedback that is due says: numbers with ticks, and the numbers told.
    fn drained(recorder: &mut TransportCc) -> (Vec<(u16, i64)>, usize) {
        let (mut arrivals, mut told) = (Vec::new(), 0);
        loop {
            let mut bytes = [0; 1200];
            let mut writer = CompoundWriter::new(&mut bytes);
            if !recorder.write(1, &mut writer) {
                return (arrivals, told);
            }
            let len = writer.len();
            for packet in Compound::parse(&bytes[..len]).unwrap().packets() {
                let RtcpPacket::TransportFeedback(feedback) = packet else { panic!("{packet:?}") };
                told += usize::from(feedback.status_count);
                arrivals.extend(feedback.arrivals().map(|arrival| (arrival.sequence, arrival.ticks)));
            }
        }
    }

    fn expected(arrivals: &[(u16, u64)]) -> Vec<(u16, i64)> {
        arrivals.iter().map(|&(sequence, at)| (sequence, (at / 250) as i64 + TICKS_PER_REFERENCE)).collect()
    }

    #[test]
    fn feedback_says_exactly_what_arrived_when() {
        let start = Instant::now();
        let mut recorder = TransportCc::new();
        let arrivals: Vec<_> = (0..150u64)
            .filter(|n| n % 7 != 3)
            .map(|n| (65_500u16.wrapping_add(n as u16), 1000 + n * n * 100))
            .collect();
        for &(sequence, at) in &arrivals {
            recorder.record(sequence, 9, later(start, at));
        }
        assert_eq!(recorder.deadline(), Some(start + us(1000) + FEEDBACK_INTERVAL));
        assert_eq!(drained(&mut recorder), (expected(&arrivals), 150));
        assert_eq!(recorder.deadline(), None);
    }

    #[test]
    fn a_packet_that_comes_after_its_feedback_is_reported_with_the_next_one() {
        let start = Instant::now();
        let mut recorder = TransportCc::new();
        [1, 2, 4].into_iter().for_each(|sequence| _ = recorder.record(sequence, 9, later(start, 0)));
        drained(&mut recorder);
        recorder.record(3, 9, later(start, 500));
        recorder.record(5, 9, later(start, 250));
        assert_eq!(drained(&mut recorder).0, expected(&[(3, 500), (4, 0), (5, 250)]));
    }

    #[test]
    fn a_long_silence_between_packets_splits_the_feedback() {
        let start = Instant::now();
        let mut recorder = TransportCc::new();
        recorder.record(1, 9, later(start, 0));
        recorder.record(2, 9, later(start, 60_000_000));
        assert_eq!(drained(&mut recorder).0, expected(&[(1, 0), (2, 60_000_000)]));
    }

    #[test]
    fn a_full_record_asks_to_be_sent() {
        let start = Instant::now();
        let mut recorder = TransportCc::new();
        assert_eq!((0..PENDING_MAX as u16).position(|n| recorder.record(n, 9, later(start, 0))), Some(PENDING_MAX - 1));
    }

    #[test]
    fn duplicates_are_reported_once_with_their_first_arrival() {
        let start = Instant::now();
        let mut recorder = TransportCc::new();
        recorder.record(1, 9, later(start, 0));
        recorder.record(1, 9, later(start, 5000));
        assert_eq!(drained(&mut recorder).0, expected(&[(1, 0)]));
    }

    #[test]
    fn jumps_start_the_record_anew_and_cost_little() {
        let start = Instant::now();
        let mut recorder = TransportCc::new();
        recorder.record(0, 9, later(start, 0));
        recorder.record(30_000, 9, later(start, 0));
        assert_eq!(drained(&mut recorder), (expected(&[(30_000, 0)]), 1));
        for n in 0..20 {
            recorder.record(100 + n, 9, later(start, 0));
        }
        let (arrivals, told) = drained(&mut recorder);
        assert_eq!((arrivals.first(), told), (Some(&(107, TICKS_PER_REFERENCE)), 13));
    }

    #[test]
    fn any_numbers_at_all_give_bounded_feedback() {
        let (start, mut random) = (Instant::now(), 7u32);
        let mut recorder = TransportCc::new();
        for step in 0..20_000u64 {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            recorder.record(random as u16, 9, later(start, step * 300));
            if step % 100 == 0 {
                assert!(drained(&mut recorder).1 <= RING as usize);
            }
        }
    }
}
