//! Reading and writing bit by bit, the highest first.

/// Reads bits of a slice; past its end there are none.
#[derive(Clone, Copy, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits read so far.
    pub(super) at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// An integer of `bits` bits, 32 at most; `None` when fewer are left.
    pub(super) fn bits(&mut self, bits: u32) -> Option<u32> {
        let mut value = 0u64;
        let end = self.at + bits as usize;
        if end > self.bytes.len() * 8 {
            return None;
        }
        while self.at < end {
            let left_in_byte = 8 - self.at % 8;
            let taken = left_in_byte.min(end - self.at);
            let byte = u64::from(self.bytes[self.at / 8]) >> (left_in_byte - taken);
            value = value << taken | byte & ((1 << taken) - 1);
            self.at += taken;
        }
        Some(value as u32)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        self.bits(1).map(|bit| bit == 1)
    }

    /// An integer below `count`, written in as few bits as that allows (`ns(n)`, AV1 specification §4.10.7).
    pub(super) fn below(&mut self, count: u32) -> Option<u32> {
        let width = u32::BITS - count.leading_zeros();
        let short_values = (1 << width) - count;
        let value = self.bits(width - 1)?;
        if value < short_values {
            return Some(value);
        }
        Some((value << 1) - short_values + self.bits(1)?)
    }
}

/// Writes bits into a slice; what does not fit is an error.
pub(super) struct BitWriter<'a> {
    out: &'a mut [u8],
    /// Bits written so far.
    pub(super) at: usize,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut [u8], at: usize) -> Self {
        Self { out, at }
    }

    /// Writes the low `bits` bits of `value`, 32 at most; `None` when they do not fit.
    pub(super) fn bits(&mut self, value: u32, bits: u32) -> Option<()> {
        for bit in (0..bits).rev() {
            let byte = self.out.get_mut(self.at / 8)?;
            let mask = 0x80 >> (self.at % 8);
            if value >> bit & 1 == 1 {
                *byte |= mask
            } else {
                *byte &= !mask
            }
            self.at += 1;
        }
        Some(())
    }

    /// Copies what `reader` has left.
    pub(super) fn rest(&mut self, mut reader: BitReader<'_>) -> Option<()> {
        while let Some(bit) = reader.bits(1) {
            self.bits(bit, 1)?;
        }
        Some(())
    }

    /// Fills the last byte with zeros. Returns the bytes written.
    pub(super) fn finish(mut self) -> Option<usize> {
        while !self.at.is_multiple_of(8) {
            self.bits(0, 1)?;
        }
        Some(self.at / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_over_bytes_and_never_past_the_end() {
        let mut reader = BitReader::new(&[0b1010_1100, 0b0101_0011], 1);
        assert_eq!(reader.bits(3), Some(0b010));
        assert_eq!(reader.bits(8), Some(0b1100_0101));
        assert_eq!(reader.bits(5), None);
        assert_eq!(reader.bits(4), Some(0b0011));
        assert_eq!((reader.bits(0), reader.bits(1)), (Some(0), None));
    }

    #[test]
    fn integers_below_five_take_two_or_three_bits() {
        // 0, 1, 2 as 00, 01, 10; 3 and 4 as 110 and 111.
        let mut reader = BitReader::new(&[0b0001_1011, 0b0111_0000], 0);
        let values: Vec<_> = (0..5).map(|_| reader.below(5).unwrap()).collect();
        assert_eq!(values, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn bits_are_written_where_they_are_read() {
        let mut out = [0xff; 2];
        let mut writer = BitWriter::new(&mut out, 3);
        writer.bits(0b01_1010, 6).unwrap();
        assert_eq!(writer.finish(), Some(2));
        assert_eq!(out, [0b1110_1101, 0]);
        assert_eq!(BitWriter::new(&mut out, 12).bits(0, 5), None);
    }
}
