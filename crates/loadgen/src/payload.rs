//! What a publisher writes into each payload and a viewer checks: number, time and a pattern.

/// Marks a payload as ours.
const MAGIC: [u8; 4] = *b"mill";

/// Bytes of a stamp.
pub(crate) const STAMP_BYTES: usize = MAGIC.len() + 4 + 8;

/// Which packet this is and when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Count of the publisher's packets.
    pub(crate) number: u32,
    /// Nanoseconds since the run began.
    pub(crate) sent_ns: u64,
}

impl Stamp {
    /// Fills `place` with the stamp and a pattern that follows from it; a place that is too short stays as it is.
    pub(crate) fn write(self, place: &mut [u8]) {
        let Some((stamp, rest)) = place.split_at_mut_checked(STAMP_BYTES) else { return };
        stamp[..4].copy_from_slice(&MAGIC);
        stamp[4..8].copy_from_slice(&self.number.to_be_bytes());
        stamp[8..].copy_from_slice(&self.sent_ns.to_be_bytes());
        rest.fill(self.pattern());
    }

    /// Reads a stamp; `None` when anything of `place` is not as it was written.
    pub(crate) fn read(place: &[u8]) -> Option<Self> {
        let (magic, rest) = place.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (sent_ns, pattern) = rest.split_first_chunk()?;
        let stamp = Self { number: u32::from_be_bytes(*number), sent_ns: u64::from_be_bytes(*sent_ns) };
        let intact = *magic == MAGIC && pattern.iter().all(|byte| *byte == stamp.pattern());
        intact.then_some(stamp)
    }

    fn pattern(self) -> u8 {
        self.number as u8 ^ 0xa5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_written_and_one_wrong_byte_is_seen() {
        let stamp = Stamp { number: 77, sent_ns: 5_000_000_000 };
        let mut place = [0; 60];
        stamp.write(&mut place);
        assert_eq!(Stamp::read(&place), Some(stamp));
        place[59] ^= 1;
        assert_eq!(Stamp::read(&place), None);
        assert_eq!(Stamp::read(&place[..STAMP_BYTES - 1]), None);
    }
}
