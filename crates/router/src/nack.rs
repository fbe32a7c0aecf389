//! Asking publishers for lost packets (RFC 4585 §6.2.1).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Lost packets of one stream that are waited for.
///
/// 512 is about a second of 4 Mbit/s video. When full the list is emptied and a key frame asked for: a burst of this
/// size is repaired faster by a new picture.
pub(crate) const MISSING_PACKETS_MAX: usize = 512;

/// How long a hole may stay before it is asked for, so that reordering alone causes no request
/// (mediasoup 3.27.1, `NackGenerator`).
const REORDER_DELAY: Duration = Duration::from_millis(10);

/// Shortest time between two requests for the same packet (mediasoup 3.27.1, `NackGenerator`).
const RETRY_INTERVAL_MIN: Duration = Duration::from_millis(40);

/// Requests for one packet before it is given up (mediasoup 3.27.1, `NackGenerator`).
const RETRIES_MAX: u8 = 10;

/// Round trip that is assumed before one was measured.
const ROUND_TRIP_DEFAULT: Duration = Duration::from_millis(100);

/// Longest time between two requests for one packet, however long the round trip is said to be.
const RETRY_INTERVAL_MAX: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug)]
struct Missing {
    index: u64,
    /// When the hole was noticed or, later, last asked for.
    since: Instant,
    requests: u8,
}

impl Missing {
    fn due(&self, retry_interval: Duration) -> Instant {
        self.since + if self.requests == 0 { REORDER_DELAY } else { retry_interval }
    }
}

/// What a look at the list gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// Packets that were asked for.
    pub(crate) requested: usize,
    /// Packets that were given up.
    pub(crate) given_up: usize,
}

/// The holes of one stream, oldest first.
#[derive(Debug)]
pub(crate) struct NackGenerator {
    missing: VecDeque<Missing>,
    round_trip: Duration,
}

impl NackGenerator {
    /// Allocates the whole list, so that losing packets allocates nothing.
    pub(crate) fn new() -> Self {
        Self { missing: VecDeque::with_capacity(MISSING_PACKETS_MAX), round_trip: ROUND_TRIP_DEFAULT }
    }

    /// Notes that the `skipped` packets before `newest` have not arrived. Returns how many holes had to be given up
    /// because there were too many.
    pub(crate) fn add_gap(&mut self, newest: u64, skipped: u16, now: Instant) -> usize {
        let holes = self.missing.len() + usize::from(skipped);
        if holes > MISSING_PACKETS_MAX {
            self.missing.clear();
            return holes;
        }
        for index in newest - u64::from(skipped)..newest {
            self.missing.push_back(Missing { index, since: now, requests: 0 });
        }
        0
    }

    /// Takes the packet at `index` off the list. Returns how often it had been asked for, if it was missing.
    ///
    /// The time since the one request that it answers measures the round trip (Karn's rule: not if there were more).
    pub(crate) fn remove(&mut self, index: u64, now: Instant) -> Option<u8> {
        let at = self.missing.binary_search_by_key(&index, |missing| missing.index).ok()?;
        let found = self.missing.remove(at)?;
        if found.requests == 1 {
            self.note_round_trip(now.saturating_duration_since(found.since));
        }
        Some(found.requests)
    }

    /// Forgets every hole: the stream restarted or its producer was paused.
    pub(crate) fn clear(&mut self) {
        self.missing.clear();
    }

    /// Smooths `sample` into the round trip, as TCP does (RFC 6298 §2, alpha 1/8).
    pub(crate) fn note_round_trip(&mut self, sample: Duration) {
        self.round_trip = (self.round_trip * 7 + sample.min(RETRY_INTERVAL_MAX)) / 8;
    }

    /// When [`collect`](Self::collect) has something to do.
    #[inline]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.missing.is_empty() {
            return None;
        }
        // Older holes have been asked for more often but not always later; the list is short and mostly empty.
        self.missing.iter().map(|missing| missing.due(self.retry_interval())).min()
    }

    /// Calls `request` with every index that is due, in rising order, and gives up what was asked for too often.
    pub(crate) fn collect(&mut self, now: Instant, mut request: impl FnMut(u64)) -> Round {
        let interval = self.retry_interval();
        let mut round = Round::default();
        self.missing.retain_mut(|missing| {
            if missing.due(interval) > now {
                return true;
            }
            if missing.requests == RETRIES_MAX {
                round.given_up += 1;
                return false;
            }
            missing.requests += 1;
            missing.since = now;
            round.requested += 1;
            request(missing.index);
            true
        });
        round
    }

    fn retry_interval(&self) -> Duration {
        self.round_trip.clamp(RETRY_INTERVAL_MIN, RETRY_INTERVAL_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn collected(nack: &mut NackGenerator, now: Instant) -> Vec<u64> {
        let mut indexes = Vec::new();
        nack.collect(now, |index| indexes.push(index));
        indexes
    }

    #[test]
    fn a_hole_is_asked_for_only_after_the_reorder_delay() {
        let start = Instant::now();
        let mut nack = NackGenerator::new();
        nack.add_gap(10, 2, start);
        assert_eq!(collected(&mut nack, start + ms(9)), [0u64; 0]);
        assert_eq!(nack.deadline(), Some(start + ms(10)));
        assert_eq!(collected(&mut nack, start + ms(10)), [8, 9]);
    }

    #[test]
    fn reordered_packets_are_never_asked_for() {
        let start = Instant::now();
        let mut nack = NackGenerator::new();
        nack.add_gap(10, 1, start);
        assert_eq!(nack.remove(9, start + ms(3)), Some(0));
        assert_eq!(nack.deadline(), None);
    }

    #[test]
    fn a_packet_is_asked_for_ten_times_at_most_and_then_given_up() {
        let start = Instant::now();
        let mut nack = NackGenerator::new();
        nack.add_gap(10, 1, start);
        let (mut requests, mut given_up) = (0, 0);
        for step in 0..1000 {
            let round = nack.collect(start + ms(step * 10), |_| {});
            requests += round.requested;
            given_up += round.given_up;
        }
        assert_eq!((requests, given_up, nack.deadline()), (10, 1, None));
    }

    #[test]
    fn requests_follow_the_round_trip_but_never_faster_than_40_ms() {
        let start = Instant::now();
        let mut nack = NackGenerator::new();
        (0..100).for_each(|_| nack.note_round_trip(ms(1)));
        nack.add_gap(10, 1, start);
        collected(&mut nack, start + ms(10));
        assert_eq!(collected(&mut nack, start + ms(49)), [0u64; 0]);
        assert_eq!(collected(&mut nack, start + ms(50)), [9]);
        (0..100).for_each(|_| nack.note_round_trip(ms(300)));
        assert!(nack.deadline().unwrap() > start + ms(340));
    }

    #[test]
    fn an_answer_to_the_only_request_measures_the_round_trip() {
        let start = Instant::now();
        let mut nack = NackGenerator::new();
        for turn in 1..200 {
            let now = start + ms(turn * 1000);
            nack.add_gap(turn * 2, 1, now);
            collected(&mut nack, now + ms(10));
            nack.remove(turn * 2 - 1, now + ms(70));
        }
        assert!((ms(55)..=ms(65)).contains(&nack.round_trip), "{:?}", nack.round_trip);
    }

    #[test]
    fn too_many_holes_are_given_up_together() {
        let start = Instant::now();
        let mut nack = NackGenerator::new();
        assert_eq!(nack.add_gap(1000, 500, start), 0);
        assert_eq!(nack.add_gap(2000, 13, start), 513);
        assert_eq!(nack.deadline(), None);
        assert_eq!(nack.missing.capacity(), NackGenerator::new().missing.capacity());
    }
}
