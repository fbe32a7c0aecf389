//! How one line of numbers follows from another: no gap where something is left out.

/// Left-out numbers that are remembered, so that late ones from before them keep theirs.
///
/// When full the oldest is forgotten, and whatever comes from before it no longer has a number.
const SKIPPED_MAX: usize = 16;

/// Maps rising indexes of a source, which may come late and may be left out, to numbers without gaps, modulo 2^16.
#[derive(Clone, Debug)]
pub(crate) struct Numbering {
    /// Index of the newest one that was mapped or left out.
    highest: u64,
    /// Lower indexes have no number.
    first: u64,
    /// Subtracted from an index to get its number, modulo 2^16.
    offset: u64,
    next: u16,
    skipped_len: u8,
    /// Low bits of the indexes left out last, rising; they lie close to `highest`.
    skipped: [u32; SKIPPED_MAX],
}

impl Numbering {
    /// The first one will have the number `first`.
    pub(crate) fn new(first: u16) -> Self {
        Self { highest: 0, first: u64::MAX, offset: 0, next: first, skipped_len: 0, skipped: [0; SKIPPED_MAX] }
    }

    /// Begins to follow a source, or follows it anew, with `index`: its number is the next one.
    pub(crate) fn start(&mut self, index: u64) {
        self.first = index;
        self.highest = index.wrapping_sub(1);
        self.offset = index.wrapping_sub(u64::from(self.next));
        self.skipped_len = 0;
    }

    /// The number of `index`; `None` when it has none.
    pub(crate) fn map(&mut self, index: u64) -> Option<u16> {
        if index > self.highest {
            self.highest = index;
            let number = index.wrapping_sub(self.offset) as u16;
            self.next = number.wrapping_add(1);
            return Some(number);
        }
        self.map_late(index)
    }

    /// Leaves `index` out, so that no gap shows. False when its number is spoken for, because newer ones have theirs.
    pub(crate) fn skip(&mut self, index: u64) -> bool {
        if index <= self.highest {
            return false;
        }
        self.highest = index;
        self.offset = self.offset.wrapping_add(1);
        // Numbers between the last one and this one stay reserved for what may still come.
        self.next = (index + 1).wrapping_sub(self.offset) as u16;
        self.remember_skipped(index);
        true
    }

    fn map_late(&self, index: u64) -> Option<u16> {
        if index < self.first {
            return None;
        }
        let skipped = &self.skipped[..usize::from(self.skipped_len)];
        let skipped_later = skipped.iter().rev().take_while(|skipped| self.whole(**skipped) > index).count();
        let offset = self.offset.wrapping_sub(skipped_later as u64);
        Some(index.wrapping_sub(offset) as u16)
    }

    fn remember_skipped(&mut self, index: u64) {
        if usize::from(self.skipped_len) == SKIPPED_MAX {
            self.first = self.whole(self.skipped[0]) + 1;
            self.skipped.copy_within(1.., 0);
            self.skipped_len -= 1;
        }
        self.skipped[usize::from(self.skipped_len)] = index as u32;
        self.skipped_len += 1;
    }

    /// The index with these low bits that is nearest below or at `highest`.
    fn whole(&self, skipped: u32) -> u64 {
        self.highest.wrapping_sub(u64::from((self.highest as u32).wrapping_sub(skipped)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(index: u64) -> Numbering {
        let mut numbering = Numbering::new(65_534);
        numbering.start(index);
        numbering
    }

    #[test]
    fn numbers_start_where_asked_and_wrap() {
        let mut numbering = started(70_000);
        let numbers: Vec<_> = (70_000..70_004).map(|index| numbering.map(index).unwrap()).collect();
        assert_eq!(numbers, [65_534, 65_535, 0, 1]);
    }

    #[test]
    fn what_is_left_out_leaves_no_gap() {
        let mut numbering = started(100);
        assert_eq!(numbering.map(100), Some(65_534));
        assert!(numbering.skip(101) && numbering.skip(102));
        assert_eq!(numbering.map(103), Some(65_535));
    }

    #[test]
    fn a_late_one_keeps_the_number_that_was_reserved_for_it() {
        let mut numbering = started(100);
        assert_eq!(numbering.map(100), Some(65_534));
        assert!(numbering.skip(102));
        assert_eq!(numbering.map(103), Some(0));
        assert_eq!(numbering.map(101), Some(65_535));
    }

    #[test]
    fn one_whose_number_is_reserved_cannot_be_left_out() {
        let mut numbering = started(100);
        numbering.map(100);
        numbering.map(102);
        assert!(!numbering.skip(101));
        assert_eq!(numbering.map(101), Some(65_535));
    }

    #[test]
    fn what_is_from_before_the_start_has_no_number() {
        let mut numbering = started(100);
        numbering.map(100);
        assert_eq!(numbering.map(99), None);
    }

    #[test]
    fn more_left_out_than_remembered_costs_only_older_late_ones() {
        let mut numbering = started(100);
        (101..101 + 2 * SKIPPED_MAX as u64).step_by(2).for_each(|index| assert!(numbering.skip(index)));
        assert_eq!(numbering.map(100), Some(65_534));
        assert!(numbering.skip(200));
        assert_eq!(numbering.map(100), None);
        assert!(numbering.map(102).is_some());
    }
}
