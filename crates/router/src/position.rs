//! Where a packet stands in its stream: 16-bit numbers unwrapped, restarts noticed, duplicates told apart.

use millrace_packet::sequence::{DROPOUT_MAX, is_newer_timestamp};

/// Numbers below the highest whose arrival is remembered.
///
/// A packet further back than this is dropped: no viewer waits for it any more.
pub(crate) const WINDOW_PACKETS: u64 = 1024;

/// Packets of the past in one row, without a newer one between them, that prove that the sender stepped back.
///
/// Networks and resends bring old packets one by one; a row this long is a new sequence. Its start is lost.
const OLD_RUN_MAX: u8 = 8;

/// What [`Position::place`] says of a packet. `index` counts the packets of a stream without a gap over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Newer than everything before it; `skipped` numbers before it have not arrived.
    Newest { index: u64, skipped: u16 },
    /// Older than the newest, and not seen before.
    Late { index: u64 },
    /// The sender began a new sequence; what follows has nothing to do with what came before.
    Restarted { index: u64 },
    /// Seen before.
    Duplicate,
    /// So far back that nobody knows whether it was seen.
    TooOld,
    /// Far away from the stream; a second packet in line with it will prove a restart (RFC 3550 §A.1).
    Unconfirmed,
}

/// The unwrapped numbers of one stream.
#[derive(Debug)]
pub(crate) struct Position {
    highest: u64,
    /// Lowest index since the last restart: the first packet that the sender is known to have sent.
    base: u64,
    /// Index that has the extended sequence number 0 since the last restart.
    origin: u64,
    newest_timestamp: u32,
    /// The number that would confirm a restart.
    restart_at: Option<u16>,
    /// The number that would go on with the row of packets of the past.
    old_next: u16,
    old_run: u8,
    /// Bit `index % WINDOW_PACKETS`: whether that packet of the window has arrived.
    arrived: [u64; (WINDOW_PACKETS / 64) as usize],
}

impl Position {
    /// Starts with the stream's first packet. Its index leaves room below for packets that it overtook.
    pub(crate) fn new(sequence: u16, timestamp: u32) -> Self {
        let origin = 1 << 16;
        let highest = origin + u64::from(sequence);
        let arrived = [0; (WINDOW_PACKETS / 64) as usize];
        let mut position = Self {
            highest,
            base: highest,
            origin,
            newest_timestamp: timestamp,
            restart_at: None,
            old_next: 0,
            old_run: 0,
            arrived,
        };
        position.mark(highest);
        position
    }

    /// Index of the newest packet.
    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }

    /// Packets that the sender must have sent since the last restart (RFC 3550 §A.3).
    pub(crate) fn expected(&self) -> u64 {
        self.highest - self.base + 1
    }

    /// The extended highest sequence number of report blocks (RFC 3550 §6.4.1).
    pub(crate) fn extended_highest(&self) -> u32 {
        (self.highest - self.origin) as u32
    }

    /// The number on the wire of the packet at `index`.
    pub(crate) fn sequence(&self, index: u64) -> u16 {
        index.wrapping_sub(self.origin) as u16
    }

    /// Tells whether the packet at `index` has arrived; false for whatever lies outside the window.
    pub(crate) fn has_arrived(&self, index: u64) -> bool {
        let in_window = index <= self.highest && self.highest - index < WINDOW_PACKETS;
        in_window && self.arrived[word(index)] & bit(index) != 0
    }

    /// Places a packet by its numbers and remembers it as arrived.
    pub(crate) fn place(&mut self, sequence: u16, timestamp: u32) -> Placement {
        let ahead = sequence.wrapping_sub(self.sequence(self.highest));
        if ahead != 0 && ahead < DROPOUT_MAX {
            return self.advance(ahead, timestamp);
        }
        let behind = u64::from(ahead.wrapping_neg());
        // A number of the past on a picture of the future is a sender that stepped back, not a duplicate.
        let from_the_future = is_newer_timestamp(timestamp, self.newest_timestamp);
        if behind >= WINDOW_PACKETS && behind < u64::from(DROPOUT_MAX) && !from_the_future {
            return self.consider_old(sequence, timestamp, Placement::TooOld);
        }
        if behind < WINDOW_PACKETS && !(from_the_future && self.has_arrived(self.highest - behind)) {
            return match self.place_behind(behind) {
                Placement::Duplicate => self.consider_old(sequence, timestamp, Placement::Duplicate),
                placement => placement,
            };
        }
        self.consider_restart(sequence, timestamp)
    }

    /// Places a retransmission: it fills a hole of the window or is of no use.
    pub(crate) fn place_retransmission(&mut self, sequence: u16) -> Placement {
        let behind = u64::from(self.sequence(self.highest).wrapping_sub(sequence));
        if behind >= WINDOW_PACKETS { Placement::TooOld } else { self.place_behind(behind) }
    }

    fn advance(&mut self, ahead: u16, timestamp: u32) -> Placement {
        let index = self.highest + u64::from(ahead);
        if u64::from(ahead) >= WINDOW_PACKETS {
            self.arrived.fill(0);
        } else {
            (self.highest + 1..index).for_each(|missing| self.arrived[word(missing)] &= !bit(missing));
        }
        self.highest = index;
        self.newest_timestamp = timestamp;
        self.restart_at = None;
        self.old_run = 0;
        self.mark(index);
        Placement::Newest { index, skipped: ahead - 1 }
    }

    fn place_behind(&mut self, behind: u64) -> Placement {
        let index = self.highest - behind;
        if self.has_arrived(index) {
            return Placement::Duplicate;
        }
        self.mark(index);
        self.base = self.base.min(index);
        Placement::Late { index }
    }

    fn consider_restart(&mut self, sequence: u16, timestamp: u32) -> Placement {
        if self.restart_at != Some(sequence) {
            self.restart_at = Some(sequence.wrapping_add(1));
            return Placement::Unconfirmed;
        }
        self.restart(sequence, timestamp)
    }

    /// A packet of the past is what it seems, unless it ends a row of them.
    fn consider_old(&mut self, sequence: u16, timestamp: u32, seeming: Placement) -> Placement {
        self.old_run = if sequence == self.old_next { self.old_run.saturating_add(1) } else { 1 };
        self.old_next = sequence.wrapping_add(1);
        if self.old_run < OLD_RUN_MAX { seeming } else { self.restart(sequence, timestamp) }
    }

    fn restart(&mut self, sequence: u16, timestamp: u32) -> Placement {
        let index = self.highest + WINDOW_PACKETS;
        *self = Self { highest: index, base: index, origin: index - u64::from(sequence), ..Self::new(0, timestamp) };
        self.arrived.fill(0);
        self.mark(index);
        Placement::Restarted { index }
    }

    fn mark(&mut self, index: u64) {
        self.arrived[word(index)] |= bit(index);
    }
}

fn word(index: u64) -> usize {
    ((index % WINDOW_PACKETS) / 64) as usize
}

fn bit(index: u64) -> u64 {
    1 << (index % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_over_the_wrap() {
        let mut position = Position::new(65_534, 0);
        let first = position.highest();
        assert_eq!(position.place(65_535, 1), Placement::Newest { index: first + 1, skipped: 0 });
        assert_eq!(position.place(1, 2), Placement::Newest { index: first + 3, skipped: 1 });
        assert_eq!(position.place(0, 2), Placement::Late { index: first + 2 });
        assert_eq!(position.extended_highest(), (1 << 16) + 1);
        assert_eq!((position.expected(), position.sequence(first + 3)), (4, 1));
    }

    #[test]
    fn a_packet_counts_once() {
        let mut position = Position::new(10, 0);
        assert_eq!(position.place(10, 0), Placement::Duplicate);
        position.place(12, 1);
        assert!(matches!(position.place(11, 0), Placement::Late { .. }));
        assert_eq!(position.place(11, 0), Placement::Duplicate);
        assert_eq!(position.place_retransmission(11), Placement::Duplicate);
    }

    #[test]
    fn packets_before_the_first_are_late_and_not_lost() {
        let mut position = Position::new(100, 0);
        let first = position.highest();
        assert_eq!(position.place(99, 0), Placement::Late { index: first - 1 });
        assert_eq!(position.expected(), 2);
    }

    #[test]
    fn r08_a_far_jump_restarts_the_stream_when_a_second_packet_confirms_it() {
        let mut position = Position::new(100, 0);
        let before = position.highest();
        assert_eq!(position.place(100 + (1 << 15), 5), Placement::Unconfirmed);
        let Placement::Restarted { index } = position.place(101 + (1 << 15), 6) else { panic!("no restart") };
        assert!(index > before);
        assert_eq!(position.extended_highest(), 101 + (1 << 15));
        assert!(!position.has_arrived(before), "nothing from before the restart can be asked for");
        assert_eq!(position.place(102 + (1 << 15), 7), Placement::Newest { index: index + 1, skipped: 0 });
    }

    #[test]
    fn r08_a_single_stray_packet_moves_nothing() {
        let mut position = Position::new(100, 0);
        assert_eq!(position.place(40_000, 5), Placement::Unconfirmed);
        assert!(matches!(position.place(101, 1), Placement::Newest { skipped: 0, .. }));
        assert_eq!(position.place(40_001, 6), Placement::Unconfirmed);
    }

    #[test]
    fn r08_a_small_step_back_with_new_pictures_is_a_restart() {
        let mut position = Position::new(0, 0);
        for sequence in 1..200u16 {
            position.place(sequence, u32::from(sequence));
        }
        assert_eq!(position.place(50, 900), Placement::Unconfirmed);
        assert!(matches!(position.place(51, 901), Placement::Restarted { .. }));
    }

    #[test]
    fn r08_a_step_back_with_old_timestamps_is_a_restart_after_a_row_of_packets() {
        for back in [20, 500, 1500, 2900] {
            let mut position = Position::new(0, 0);
            (1..3000u16).for_each(|sequence| _ = position.place(sequence, u32::from(sequence)));
            let placements: Vec<_> = (0..10).map(|step| position.place(2999 - back + step, 5)).collect();
            let restart = placements.iter().position(|placement| matches!(placement, Placement::Restarted { .. }));
            assert_eq!(restart, Some(usize::from(OLD_RUN_MAX) - 1), "{back}: {placements:?}");
            assert!(matches!(placements[8], Placement::Newest { skipped: 0, .. }));
        }
    }

    #[test]
    fn old_packets_between_new_ones_are_no_restart() {
        let mut position = Position::new(0, 0);
        (1..100u16).for_each(|sequence| _ = position.place(sequence, u32::from(sequence)));
        for step in 0..50u16 {
            assert_eq!(position.place(10 + step, 10), Placement::Duplicate);
            assert!(matches!(position.place(100 + step, 100), Placement::Newest { .. }));
        }
    }

    #[test]
    fn an_old_packet_from_before_the_window_is_told_apart_from_a_restart() {
        let mut position = Position::new(5000, 100);
        position.place(7000, 200);
        assert_eq!(position.place(5500, 150), Placement::TooOld);
        assert_eq!(position.place(5501, 150), Placement::TooOld);
    }

    #[test]
    fn a_jump_over_the_window_forgets_what_it_held() {
        let mut position = Position::new(0, 0);
        position.place(2000, 1);
        assert!(matches!(position.place(1999, 1), Placement::Late { .. }));
        assert!(matches!(position.place(1024, 1), Placement::Late { .. }));
    }
}
