//! Arithmetic of numbers that wrap, and the unwrapping of a stream's sequence numbers (RFC 3550 §A.1).

/// Tells whether `sequence` comes after `than`: by less than half the number space, the wrap included.
pub const fn is_newer(sequence: u16, than: u16) -> bool {
    let distance = sequence.wrapping_sub(than);
    distance != 0 && distance < 1 << 15
}

/// Tells whether the RTP timestamp `timestamp` comes after `than`, by the same rule as [`is_newer`].
pub const fn is_newer_timestamp(timestamp: u32, than: u32) -> bool {
    let distance = timestamp.wrapping_sub(than);
    distance != 0 && distance < 1 << 31
}

/// Unwraps the sequence numbers of one stream to 64 bits that only grow.
///
/// The first number keeps its low 16 bits and starts at 65,536, so that numbers a little before it have room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedSequence {
    highest: u64,
    /// The number that would prove a restart.
    restart: Option<u16>,
}

/// What a sequence number means to its stream; extended numbers count in one line with all earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceStep {
    /// After everything so far; a jump of less than [`DROPOUT_MAX`].
    Newer(u64),
    /// Among the last [`MISORDER_MAX`]: reordered, repaired or a duplicate.
    Late(u64),
    /// The stream began anew somewhere else: the second packet in order after a jump. The number continues above all
    /// earlier ones.
    Restarted(u64),
    /// Too far from the others, and nothing confirms it so far: the packet is dropped.
    Suspicious,
}

/// A jump forward by this much or more is a restart if the next number follows it (MAX_DROPOUT of RFC 3550 §A.1).
pub const DROPOUT_MAX: u16 = 3000;
/// A number behind the highest by this much or more is a restart if the next one follows it (MAX_MISORDER, ibid.).
pub const MISORDER_MAX: u16 = 100;

/// Numbers in one cycle.
const CYCLE: u64 = 1 << 16;

impl ExtendedSequence {
    /// Starts at the first number of a stream.
    pub const fn new(first: u16) -> Self {
        Self { highest: CYCLE + first as u64, restart: None }
    }

    /// Takes the number of an arriving packet.
    pub fn update(&mut self, sequence: u16) -> SequenceStep {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        let behind = ahead.wrapping_neg();
        if behind < MISORDER_MAX {
            return SequenceStep::Late(self.highest - u64::from(behind));
        }
        if ahead < DROPOUT_MAX {
            self.highest += u64::from(ahead);
            self.restart = None;
            return SequenceStep::Newer(self.highest);
        }
        if self.restart != Some(sequence) {
            self.restart = Some(sequence.wrapping_add(1));
            return SequenceStep::Suspicious;
        }
        self.highest = (self.highest / CYCLE + 1) * CYCLE + u64::from(sequence);
        self.restart = None;
        SequenceStep::Restarted(self.highest)
    }

    /// The extended number of `sequence` that is nearest to the highest. Changes nothing.
    ///
    /// For packets known to be of this stream however late they are, as a NACK's answer.
    pub fn extend(&self, sequence: u16) -> u64 {
        let distance = sequence.wrapping_sub(self.highest as u16) as i16;
        self.highest.saturating_add_signed(i64::from(distance))
    }

    /// The highest number so far.
    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// The highest number as report blocks say it: wraps in the high 16 bits, starting from 0 (RFC 3550 §6.4.1).
    pub const fn highest_in_reports(&self) -> u32 {
        (self.highest - CYCLE) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_is_ahead_by_less_than_half_the_space() {
        assert!(is_newer(1, 0) && is_newer(0, 65_535) && is_newer(0x7fff, 0));
        assert!(!is_newer(0, 0) && !is_newer(0, 1) && !is_newer(0x8000, 0) && !is_newer(0, 0x8000));
        assert!(is_newer_timestamp(5, u32::MAX) && is_newer_timestamp(0x7fff_ffff, 0));
        assert!(!is_newer_timestamp(7, 7) && !is_newer_timestamp(u32::MAX, 5) && !is_newer_timestamp(1 << 31, 0));
    }

    #[test]
    fn numbers_grow_over_the_wrap() {
        let mut extended = ExtendedSequence::new(65_534);
        assert_eq!(extended.highest_in_reports(), 65_534);
        assert_eq!(extended.update(65_535), SequenceStep::Newer(131_071));
        assert_eq!(extended.update(1), SequenceStep::Newer(131_073));
        assert_eq!(extended.update(65_535), SequenceStep::Late(131_071));
        assert_eq!(extended.highest_in_reports(), 0x0001_0001);
    }

    #[test]
    fn duplicates_and_numbers_before_the_first_are_late() {
        let mut extended = ExtendedSequence::new(5);
        assert_eq!(extended.update(5), SequenceStep::Late(65_541));
        assert_eq!(extended.update(65_530), SequenceStep::Late(65_530));
        assert_eq!(extended.highest(), 65_541);
    }

    #[test]
    fn a_jump_restarts_only_if_the_next_number_follows() {
        let mut extended = ExtendedSequence::new(0);
        assert_eq!(extended.update(DROPOUT_MAX - 1), SequenceStep::Newer(65_536 + 2_999));
        assert_eq!(extended.update(2 * DROPOUT_MAX - 1), SequenceStep::Suspicious);
        assert_eq!(extended.update(40_000), SequenceStep::Suspicious);
        assert_eq!(extended.update(50_000), SequenceStep::Suspicious);
        assert_eq!(extended.update(40_001), SequenceStep::Suspicious, "50,001 was expected");
        assert_eq!(extended.update(40_002), SequenceStep::Restarted(2 * 65_536 + 40_002));
        assert_eq!(extended.update(40_003), SequenceStep::Newer(2 * 65_536 + 40_003));
    }

    #[test]
    fn a_packet_in_order_forgets_an_earlier_jump() {
        let mut extended = ExtendedSequence::new(0);
        assert_eq!(extended.update(40_000), SequenceStep::Suspicious);
        assert_eq!(extended.update(1), SequenceStep::Newer(65_537));
        assert_eq!(extended.update(40_001), SequenceStep::Suspicious);
    }

    #[test]
    fn a_step_back_beyond_the_misorder_bound_restarts_above_everything_earlier() {
        let mut extended = ExtendedSequence::new(1_000);
        assert_eq!(extended.update(901), SequenceStep::Late(65_536 + 901));
        assert_eq!(extended.update(900), SequenceStep::Suspicious);
        assert_eq!(extended.update(901), SequenceStep::Late(65_536 + 901));
        assert_eq!(extended.update(10), SequenceStep::Suspicious);
        assert_eq!(extended.update(11), SequenceStep::Restarted(2 * 65_536 + 11));
    }

    #[test]
    fn extending_finds_the_nearest_number_and_changes_nothing() {
        let mut extended = ExtendedSequence::new(10);
        assert_eq!(extended.extend(65_000), 65_000);
        assert_eq!(extended.extend(2_000), 65_536 + 2_000);
        assert_eq!(extended.update(11), SequenceStep::Newer(65_547));
    }
}
