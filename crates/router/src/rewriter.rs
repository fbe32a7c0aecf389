//! How one viewer's numbers follow from its source's: no gap where packets are left out, no step back where the
//! source changes.

use std::time::Instant;

use millrace_packet::sequence::is_newer;

use crate::timestamp::ticks;

/// Left-out packets that are remembered, so that late packets from before them keep their numbers.
///
/// When full the oldest is forgotten, and packets from before it no longer reach this viewer.
const SKIPPED_MAX: usize = 16;

/// The numbers that the viewer saw last.
#[derive(Clone, Copy, Debug)]
struct Newest {
    sequence: u16,
    timestamp: u32,
    at: Instant,
}

/// Maps indexes and timestamps of one source at a time to the numbers of one outgoing stream.
#[derive(Debug)]
pub(crate) struct Rewriter {
    /// Index of the newest source packet that was mapped or left out.
    highest: u64,
    /// Source packets with a lower index are not for this viewer.
    first: u64,
    /// Subtracted from an index to get the outgoing number, modulo 2^16.
    sequence_offset: u64,
    /// Added to a source timestamp to get the outgoing one, modulo 2^32.
    timestamp_offset: u32,
    newest: Option<Newest>,
    next_sequence: u16,
    skipped_len: u8,
    /// Indexes of the packets left out last, rising.
    skipped: [u64; SKIPPED_MAX],
}

impl Rewriter {
    /// The first packet of the outgoing stream will have the number `first_sequence`.
    pub(crate) fn new(first_sequence: u16) -> Self {
        Self {
            highest: 0,
            first: u64::MAX,
            sequence_offset: 0,
            timestamp_offset: 0,
            newest: None,
            next_sequence: first_sequence,
            skipped_len: 0,
            skipped: [0; SKIPPED_MAX],
        }
    }

    /// Begins to follow a source, or follows it anew, with the packet at `index`: its number is the next one.
    ///
    /// Timestamps go on as they were while that keeps them rising, as when the same source comes back after a pause;
    /// else they are moved to where real time says they should be.
    pub(crate) fn start(&mut self, index: u64, timestamp: u32, clock_rate: u32, now: Instant) {
        self.first = index;
        self.highest = index.wrapping_sub(1);
        self.sequence_offset = index.wrapping_sub(u64::from(self.next_sequence));
        self.skipped_len = 0;
        let Some(newest) = self.newest else { return };
        let elapsed = ticks(now.saturating_duration_since(newest.at), clock_rate);
        let step = timestamp.wrapping_add(self.timestamp_offset).wrapping_sub(newest.timestamp) as i32;
        let off_by = step.wrapping_sub(elapsed as i32).unsigned_abs();
        if step <= 0 || off_by > clock_rate {
            let wanted = newest.timestamp.wrapping_add(elapsed.max(1));
            self.timestamp_offset = wanted.wrapping_sub(timestamp);
        }
    }

    /// The outgoing number of the source packet at `index`; `None` when it is not for this viewer.
    pub(crate) fn sequence(&mut self, index: u64) -> Option<u16> {
        if index > self.highest {
            self.highest = index;
            let sequence = index.wrapping_sub(self.sequence_offset) as u16;
            self.next_sequence = sequence.wrapping_add(1);
            return Some(sequence);
        }
        self.late_sequence(index)
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
        if index <= self.highest {
            return false;
        }
        self.highest = index;
        self.sequence_offset = self.sequence_offset.wrapping_add(1);
        // Numbers between the last packet and this one stay reserved for packets that may still come.
        self.next_sequence = (index + 1).wrapping_sub(self.sequence_offset) as u16;
        self.remember_skipped(index);
        true
    }

    fn late_sequence(&self, index: u64) -> Option<u16> {
        if index < self.first {
            return None;
        }
        let skipped = &self.skipped[..usize::from(self.skipped_len)];
        let skipped_later = skipped.iter().rev().take_while(|&&skipped| skipped > index).count();
        let offset = self.sequence_offset.wrapping_sub(skipped_later as u64);
        Some(index.wrapping_sub(offset) as u16)
    }

    fn remember_skipped(&mut self, index: u64) {
        if usize::from(self.skipped_len) == SKIPPED_MAX {
            self.first = self.skipped[0] + 1;
            self.skipped.copy_within(1.., 0);
            self.skipped_len -= 1;
        }
        self.skipped[usize::from(self.skipped_len)] = index;
        self.skipped_len += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn started(index: u64) -> Rewriter {
        let mut rewriter = Rewriter::new(65_534);
        rewriter.start(index, 0, 90_000, Instant::now());
        rewriter
    }

    #[test]
    fn numbers_start_where_asked_and_wrap() {
        let mut rewriter = started(70_000);
        let sequences: Vec<_> = (70_000..70_004).map(|index| rewriter.sequence(index).unwrap()).collect();
        assert_eq!(sequences, [65_534, 65_535, 0, 1]);
    }

    #[test]
    fn left_out_packets_leave_no_gap() {
        let mut rewriter = started(100);
        assert_eq!(rewriter.sequence(100), Some(65_534));
        assert!(rewriter.skip(101) && rewriter.skip(102));
        assert_eq!(rewriter.sequence(103), Some(65_535));
    }

    #[test]
    fn a_late_packet_keeps_the_number_that_was_reserved_for_it() {
        let mut rewriter = started(100);
        assert_eq!(rewriter.sequence(100), Some(65_534));
        assert!(rewriter.skip(102));
        assert_eq!(rewriter.sequence(103), Some(0));
        assert_eq!(rewriter.sequence(101), Some(65_535));
    }

    #[test]
    fn a_packet_whose_number_is_reserved_cannot_be_left_out() {
        let mut rewriter = started(100);
        rewriter.sequence(100);
        rewriter.sequence(102);
        assert!(!rewriter.skip(101));
        assert_eq!(rewriter.sequence(101), Some(65_535));
    }

    #[test]
    fn packets_from_before_the_start_are_not_for_this_viewer() {
        let mut rewriter = started(100);
        rewriter.sequence(100);
        assert_eq!(rewriter.sequence(99), None);
    }

    #[test]
    fn more_left_out_packets_than_remembered_cost_only_older_late_packets() {
        let mut rewriter = started(100);
        (101..101 + 2 * SKIPPED_MAX as u64).step_by(2).for_each(|index| assert!(rewriter.skip(index)));
        assert_eq!(rewriter.sequence(100), Some(65_534));
        assert!(rewriter.skip(200));
        assert_eq!(rewriter.sequence(100), None);
        assert!(rewriter.sequence(102).is_some());
    }

    #[test]
    fn a_restart_goes_on_with_the_next_number_and_the_time_that_passed() {
        let now = Instant::now();
        let mut rewriter = started(100);
        let sequence = rewriter.sequence(100).unwrap();
        rewriter.note_sent(sequence, 5000, now);
        rewriter.start(900_000, 77, 90_000, now + Duration::from_millis(500));
        assert_eq!(rewriter.sequence(900_000), Some(65_535));
        assert_eq!(rewriter.timestamp(77), 5000 + 45_000);
    }

    #[test]
    fn the_same_source_after_a_pause_keeps_its_timestamps() {
        let now = Instant::now();
        let mut rewriter = started(100);
        let sequence = rewriter.sequence(100).unwrap();
        rewriter.note_sent(sequence, 5000, now);
        rewriter.start(200, 5000 + 90_123, 90_000, now + Duration::from_secs(1));
        assert_eq!(rewriter.timestamp(5000 + 90_123), 5000 + 90_123);
    }
}
