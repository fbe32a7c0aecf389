//! Repeats our last flight until the peer has answered it (RFC 6347 §4.2.4).
//!
//! The library's own timer stands still as soon as any handshake record arrives, so that one lost flight would end in
//! silence on both sides. A flight is repeated as it was sent: a server's repeats carry no new state, and a client that
//! has the original drops them as replays.

use std::time::{Duration, Instant};

/// Wait before the first repeat. Twice the round trip of a far peer would be more, but a repeat costs one datagram.
const FIRST_INTERVAL: Duration = Duration::from_millis(100);
/// Longest wait between two repeats.
const INTERVAL_MAX: Duration = Duration::from_secs(2);
/// Repeats of one flight; then the handshake has failed. The last wait ends 23 s after the flight was first sent.
const REPEATS_MAX: u32 = 14;
/// Datagrams kept of a flight; more of them are sent but not repeated. Eight certificates in a chain make 16.
const DATAGRAMS_MAX: usize = 32;

/// The flight that was sent last and when to repeat it.
#[derive(Debug, Default)]
pub(super) struct Flight {
    datagrams: Vec<Vec<u8>>,
    repeats: u32,
    due: Option<Instant>,
}

/// The peer never answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unanswered;

impl Flight {
    /// Replaces the flight: it was sent at `now`.
    pub(super) fn sent(&mut self, datagrams: &[Vec<u8>], now: Instant) {
        self.datagrams = datagrams.iter().take(DATAGRAMS_MAX).cloned().collect();
        self.repeats = 0;
        self.due = Some(now + FIRST_INTERVAL);
    }

    /// Ends repeating and frees the flight.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// When the next repeat is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// The datagrams to send at `now`, none if nothing is due.
    ///
    /// # Errors
    ///
    /// The flight was repeated as often as allowed and the last wait is over.
    pub(super) fn repeat(&mut self, now: Instant) -> Result<&[Vec<u8>], Unanswered> {
        if self.due.is_none_or(|due| now < due) {
            return Ok(&[]);
        }
        if self.repeats >= REPEATS_MAX {
            return Err(Unanswered);
        }
        self.repeats += 1;
        let interval = FIRST_INTERVAL.saturating_mul(1 << self.repeats.min(16)).min(INTERVAL_MAX);
        self.due = Some(now + interval);
        Ok(&self.datagrams)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_100_ms_to_2_s_and_end() {
        let start = Instant::now();
        let mut flight = Flight::default();
        flight.sent(&[vec![1], vec![2]], start);
        let mut waits_ms = Vec::new();
        let mut now = start;
        while let Some(due) = flight.deadline() {
            waits_ms.push((due - now).as_millis());
            now = due;
            match flight.repeat(now) {
                Ok(datagrams) => assert_eq!(datagrams, [vec![1], vec![2]]),
                Err(Unanswered) => break,
            }
        }
        assert_eq!(waits_ms[..6], [100, 200, 400, 800, 1600, 2000]);
        assert_eq!((waits_ms.len(), (now - start).as_millis()), (15, 23_100));
    }

    #[test]
    fn nothing_is_repeated_early_or_after_the_answer() {
        let start = Instant::now();
        let mut flight = Flight::default();
        assert_eq!(flight.repeat(start), Ok(&[][..]));
        flight.sent(&[vec![1]], start);
        assert_eq!(flight.repeat(start + FIRST_INTERVAL / 2), Ok(&[][..]));
        flight.answered();
        assert_eq!(flight.repeat(start + INTERVAL_MAX), Ok(&[][..]));
        assert_eq!(flight.deadline(), None);
    }
}
