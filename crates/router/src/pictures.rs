//! How a viewer's picture ids and TL0PICIDX follow from its source's (RFC 7741 §4.2, RFC 9628 §4.2): a decoder that sees
//! a jump waits for what never comes.

use millrace_packet::{NumbersEdit, PictureNumbers};

use crate::numbering::Numbering;

/// Maps the numbers of the pictures of one source at a time to those of one outgoing stream.
#[derive(Debug)]
pub(crate) struct Pictures {
    ids: Numbering,
    /// The newest picture id of the source, counted on over its wraps.
    newest: u64,
    /// Added to the source's TL0PICIDX, modulo 2^8.
    tl0_offset: u8,
    newest_tl0: Option<u8>,
}

/// What a source's count of pictures starts from, so that late ones from before the first do not fall below 0.
const ORIGIN: u64 = 1 << 32;

impl Pictures {
    /// Begins with the picture `numbers`, which keep their values.
    pub(crate) fn new(numbers: &PictureNumbers) -> Self {
        let mut pictures = Self { ids: Numbering::new(numbers.id), newest: ORIGIN, tl0_offset: 0, newest_tl0: None };
        pictures.start(numbers);
        pictures
    }

    /// Begins to follow a source with the picture `numbers`: its id is the next one.
    pub(crate) fn start(&mut self, numbers: &PictureNumbers) {
        self.newest = ORIGIN + u64::from(numbers.id);
        self.ids.start(self.newest);
        if let Some(newest) = self.newest_tl0 {
            self.tl0_offset = newest.wrapping_add(1).wrapping_sub(numbers.tl0);
        }
    }

    /// What to write over the numbers of a picture; `None` to leave them as they are.
    pub(crate) fn map(&mut self, numbers: &PictureNumbers) -> Option<NumbersEdit> {
        let index = self.index(numbers);
        self.newest = self.newest.max(index);
        let id = self.ids.map(index).unwrap_or(numbers.id);
        let tl0 = numbers.tl0.wrapping_add(self.tl0_offset);
        self.newest_tl0 = Some(tl0);
        let mask = mask(numbers);
        (id & mask != numbers.id || tl0 != numbers.tl0).then_some(NumbersEdit { id: id & mask, tl0 })
    }

    /// Leaves a picture out. Saying so for each of its packets counts once.
    pub(crate) fn skip(&mut self, numbers: &PictureNumbers) {
        let index = self.index(numbers);
        self.newest = self.newest.max(index);
        self.ids.skip(index);
    }

    /// The id counted on over its wraps: the one nearest to the newest.
    fn index(&self, numbers: &PictureNumbers) -> u64 {
        let mask = u64::from(mask(numbers));
        let ahead = u64::from(numbers.id).wrapping_sub(self.newest) & mask;
        if ahead <= mask / 2 { self.newest + ahead } else { self.newest + ahead - mask - 1 }
    }
}

fn mask(numbers: &PictureNumbers) -> u16 {
    if numbers.id_bits == 7 { 0x7f } else { 0x7fff }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(id: u16, tl0: u8) -> PictureNumbers {
        PictureNumbers { id_at: 2, id_bits: 15, id, tl0_at: 4, tl0 }
    }

    #[test]
    fn the_first_source_keeps_its_numbers_over_their_wrap() {
        let mut pictures = Pictures::new(&long(0x7fff, 255));
        assert_eq!(pictures.map(&long(0x7fff, 255)), None);
        assert_eq!(pictures.map(&long(0, 0)), None);
    }

    #[test]
    fn the_next_source_goes_on_where_the_last_one_was() {
        let mut pictures = Pictures::new(&long(100, 10));
        pictures.map(&long(100, 10));
        pictures.start(&long(7000, 200));
        assert_eq!(pictures.map(&long(7000, 200)), Some(NumbersEdit { id: 101, tl0: 11 }));
        assert_eq!(pictures.map(&long(7001, 200)), Some(NumbersEdit { id: 102, tl0: 11 }));
    }

    #[test]
    fn pictures_left_out_leave_no_gap_and_late_ones_keep_their_number() {
        let mut pictures = Pictures::new(&long(100, 10));
        pictures.map(&long(100, 10));
        pictures.skip(&long(101, 10));
        pictures.skip(&long(101, 10));
        assert_eq!(pictures.map(&long(103, 11)), Some(NumbersEdit { id: 102, tl0: 11 }));
        assert_eq!(pictures.map(&long(102, 11)), Some(NumbersEdit { id: 101, tl0: 11 }));
    }

    #[test]
    fn short_ids_wrap_at_seven_bits() {
        let short = |id| PictureNumbers { id_bits: 7, ..long(id, 0) };
        let mut pictures = Pictures::new(&short(126));
        pictures.map(&short(126));
        pictures.skip(&short(127));
        assert_eq!(pictures.map(&short(0)), Some(NumbersEdit { id: 127, tl0: 0 }));
        assert_eq!(pictures.map(&short(1)), Some(NumbersEdit { id: 0, tl0: 0 }));
    }
}
