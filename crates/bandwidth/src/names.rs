//! Which transport-wide number a packet of a stream had, for feedback that names packets by stream.

/// Names kept. When two packets meet in a slot, the older is forgotten, and feedback about it says nothing.
///
/// Twice what the history of packets holds.
const NAMES_MAX: usize = 4096;

/// A packet's name and number.
#[derive(Clone, Copy, Debug, Default)]
struct Name {
    ssrc: u32,
    sequence: u16,
    number: u16,
    is_used: bool,
}

/// Numbers by name, in slots that a name decides.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Empty until the first name.
    slots: Box<[Name]>,
}

impl Names {
    /// Records a name. Cost: one write; the first call allocates 48 kB.
    pub(crate) fn insert(&mut self, number: u16, ssrc: u32, sequence: u16) {
        if self.slots.is_empty() {
            self.slots = vec![Name::default(); NAMES_MAX].into_boxed_slice();
        }
        self.slots[slot(ssrc, sequence)] = Name { ssrc, sequence, number, is_used: true };
    }

    /// The number of a name, if it is remembered.
    pub(crate) fn number(&self, ssrc: u32, sequence: u16) -> Option<u16> {
        let name = self.slots.get(slot(ssrc, sequence))?;
        (name.is_used && name.ssrc == ssrc && name.sequence == sequence).then_some(name.number)
    }
}

/// Numbers in a row lie in slots in a row; where a stream's begin, its SSRC decides (Knuth's multiplicative hash).
fn slot(ssrc: u32, sequence: u16) -> usize {
    let start = ssrc.wrapping_mul(0x9e37_79b1) >> 20;
    (start as usize + usize::from(sequence)) % NAMES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_two_streams_are_found_and_strangers_are_not() {
        let mut names = Names::default();
        assert_eq!(names.number(1, 5), None);
        for (index, (ssrc, sequence)) in [(1, 65_535), (2, 7), (1, 0)].into_iter().enumerate() {
            names.insert(index as u16, ssrc, sequence);
        }
        assert_eq!((names.number(1, 65_535), names.number(2, 7), names.number(1, 0)), (Some(0), Some(1), Some(2)));
        assert_eq!((names.number(3, 7), names.number(1, 4095)), (None, None));
    }
}
