//! How one viewer's numbers follow from its source's: no gap where packets are left out, no step back where the
//! source changes.

use std::time::Instant;

use millrace_packet::sequence::is_newer;

use crate::numbering::Numbering;
use crate::timestamp::ticks;

/// The numbers that the viewer saw last.
#[derive(Clone, Copy, Debug)]
struct Newest {
    sequence: u16,
    timestamp: u32,
    at: Instant,
}

/// The packet that a viewer begins to follow a source with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Its index in the source.
    pub(crate) index: u64,
    /// Its timestamp in the source.
    pub(crate) timestamp: u32,
    /// The same instant in timestamps of the source that the viewer followed so far, where sender reports tell.
    pub(crate) on_line_before: Option<u32>,
    /// Ticks of both sources a second.
    pub(crate) clock_rate: u32,
}

/// Maps indexes and timestamps of one source at a time to the numbers of one outgoing stream.
#[derive(Debug)]
pub(crate) struct Rewriter {
    sequences: Numbering,
    /// Added to a source timestamp to get the outgoing one, modulo 2^32.
    timestamp_offset: u32,
    newest: Option<Newest>,
}

impl Rewriter {
    /// The first packet of the outgoing stream will have the number `first_sequence`.
    pub(crate) fn new(first_sequence: u16) -> Self {
        Self { sequences: Numbering::new(first_sequence), timestamp_offset: 0, newest: None }
    }

    /// Begins to follow a source, or follows it anew, with the packet of `start`: its number is the next one.
    ///
    /// Timestamps go on as sender reports say, or as they were while that keeps them rising, as when the same source
    /// comes back after a pause; else they are moved to where real time says they should be.
    pub(crate) fn start(&mut self, start: &Start, now: Instant) {
        self.sequences.start(start.index);
        let Some(newest) = self.newest else { return };
        let elapsed = ticks(now.saturating_duration_since(newest.at), start.clock_rate);
        let is_plausible = |step: i32| step.wrapping_sub(elapsed as i32).unsigned_abs() <= start.clock_rate;
        let step_to = |timestamp: u32| timestamp.wrapping_add(self.timestamp_offset).wrapping_sub(newest.timestamp);
        let step = match start.on_line_before.map(|timestamp| step_to(timestamp) as i32) {
            // A picture of the same instant, or of one before, still has to come after what was shown.
            Some(reported) if is_plausible(reported) => reported.max(1),
            _ => match step_to(start.timestamp) as i32 {
                step if start.on_line_before.is_none() && step > 0 && is_plausible(step) => step,
                _ => elapsed.max(1) as i32,
            },
        };
        let wanted = newest.timestamp.wrapping_add(step as u32);
        self.timestamp_offset = wanted.wrapping_sub(start.timestamp);
    }

    /// The outgoing number of the source packet at `index`; `None` when it is not for this viewer.
    #[inline]
    pub(crate) fn sequence(&mut self, index: u64) -> Option<u16> {
        self.sequences.map(index)
    }

    /// The outgoing timestamp of a source timestamp.
    pub(crate) fn timestamp(&self, timestamp: u32) -> u32 {
        timestamp.wrapping_add(self.timestamp_offset)
    }

    /// Notes what was sent.
    pub(crate) fn note_sent(&mut self, sequence: u16, timestamp: u32, now: Instant) {
        let newer = self.newest.is_none_or(|newest| is_newer(sequence, newest.sequence));
        if newer {
            self.newest = Some(Newest { sequence, timestamp, at: now });
        }
    }

    /// Leaves the source packet at `index` out, so that the viewer sees no gap. False when its number is spoken for,
    /// because newer packets went out: then only sending it fills the hole.
    pub(crate) fn skip(&mut self, index: u64) -> bool {
        self.sequences.skip(index)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const VIDEO: u32 = 90_000;

    fn at(index: u64, timestamp: u32) -> Start {
        Start { index, timestamp, on_line_before: None, clock_rate: VIDEO }
    }

    /// A rewriter that has sent one packet, with the timestamp 5000.
    fn sending(now: Instant) -> Rewriter {
        let mut rewriter = Rewriter::new(65_534);
        rewriter.start(&at(100, 5000), now);
        let sequence = rewriter.sequence(100).unwrap();
        rewriter.note_sent(sequence, 5000, now);
        rewriter
    }

    #[test]
    fn a_restart_goes_on_with_the_next_number_and_the_time_that_passed() {
        let now = Instant::now();
        let mut rewriter = sending(now);
        rewriter.start(&at(900_000, 77), now + Duration::from_millis(500));
        assert_eq!(rewriter.sequence(900_000), Some(65_535));
        assert_eq!(rewriter.timestamp(77), 5000 + 45_000);
    }

    #[test]
    fn the_same_source_after_a_pause_keeps_its_timestamps() {
        let now = Instant::now();
        let mut rewriter = sending(now);
        rewriter.start(&at(200, 5000 + 90_123), now + Duration::from_secs(1));
        assert_eq!(rewriter.timestamp(5000 + 90_123), 5000 + 90_123);
    }

    #[test]
    fn another_source_goes_on_where_sender_reports_say() {
        let now = Instant::now();
        let mut rewriter = sending(now);
        let start = Start { on_line_before: Some(5000 + 3000), ..at(7, 1_000_000) };
        rewriter.start(&start, now + Duration::from_millis(60));
        assert_eq!(rewriter.timestamp(1_000_000), 5000 + 3000, "33 ms later, although it came after 60");
    }

    #[test]
    fn a_picture_of_the_same_instant_comes_after_the_one_that_was_shown() {
        let now = Instant::now();
        for reported in [5000, 5000 - 3000] {
            let mut rewriter = sending(now);
            let start = Start { on_line_before: Some(reported), ..at(7, 1_000_000) };
            rewriter.start(&start, now + Duration::from_millis(10));
            assert_eq!(rewriter.timestamp(1_000_000), 5001);
        }
    }

    #[test]
    fn c07_sender_reports_that_make_no_sense_are_not_believed() {
        let now = Instant::now();
        for reported in [5000 + 10 * VIDEO, 5000u32.wrapping_sub(10 * VIDEO), 1 << 31] {
            let mut rewriter = sending(now);
            let start = Start { on_line_before: Some(reported), ..at(7, 1_000_000) };
            rewriter.start(&start, now + Duration::from_millis(100));
            assert_eq!(rewriter.timestamp(1_000_000), 5000 + 9000, "{reported}");
        }
    }
}
