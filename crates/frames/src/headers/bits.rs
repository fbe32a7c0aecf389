//! Reading a header bit by bit.

use crate::codec::DecodeError;

/// Most bits before the first one of an Exp-Golomb code or an AV1 `uvlc`: a value has 32 bits at most.
const LEADING_ZEROS_MAX: u32 = 31;

/// Bits of `bytes`, the highest of each byte first.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Leaves out the bytes that keep start codes from appearing in H.264 (§7.4.1): a 3 behind two zeros.
    unescape: bool,
    zeros: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, unescape: false, zeros: 0 }
    }

    /// Bits of a NAL unit's payload.
    pub(super) fn of_nal_unit(bytes: &'a [u8]) -> Self {
        Self { unescape: true, ..Self::new(bytes) }
    }

    /// # Errors
    /// Past the end.
    pub(super) fn bit(&mut self) -> Result<bool, DecodeError> {
        if self.unescape && self.at.is_multiple_of(8) {
            let byte = |at: usize| self.bytes.get(at).copied();
            if self.zeros >= 2 && byte(self.at / 8) == Some(3) {
                self.at += 8;
                self.zeros = 0;
            }
            self.zeros = if byte(self.at / 8) == Some(0) { self.zeros + 1 } else { 0 };
        }
        let byte = self.bytes.get(self.at / 8).ok_or(DecodeError::Malformed)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// The next `count` bits, 32 at most, as a number.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, DecodeError> {
        debug_assert!(count <= 32);
        (0..count).try_fold(0, |value, _| Ok(value << 1 | u32::from(self.bit()?)))
    }

    /// Passes over `count` bits.
    pub(super) fn skip(&mut self, count: u32) -> Result<(), DecodeError> {
        (0..count).try_for_each(|_| self.bit().map(|_| ()))
    }

    /// An Exp-Golomb code (H.264 §9.1), which AV1's `uvlc` (§4.10.3) is too.
    pub(super) fn exp_golomb(&mut self) -> Result<u32, DecodeError> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > LEADING_ZEROS_MAX {
                return Err(DecodeError::Malformed);
            }
        }
        // At most 31 bits each, so their sum fits.
        Ok((1_u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// A signed Exp-Golomb code (H.264 §9.1.1).
    pub(super) fn signed_exp_golomb(&mut self) -> Result<i32, DecodeError> {
        let code = i64::from(self.exp_golomb()?);
        let value = if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 };
        i32::try_from(value).map_err(|_| DecodeError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_the_recommendation_lists_them() {
        // 1 010 011 00100 00101 and filling.
        let codes = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut bits = Bits::new(&codes);
        let read: Vec<u32> = (0..5).map(|_| bits.exp_golomb().unwrap()).collect();
        assert_eq!(read, [0, 1, 2, 3, 4]);
        let mut bits = Bits::new(&codes);
        let read: Vec<i32> = (0..5).map(|_| bits.signed_exp_golomb().unwrap()).collect();
        assert_eq!(read, [0, 1, -1, 2, -2]);
        assert_eq!(Bits::new(&[0; 9]).exp_golomb(), Err(DecodeError::Malformed), "32 zeros");
        assert_eq!(Bits::new(&[0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFE]).exp_golomb(), Ok(u32::MAX - 1));
    }

    #[test]
    fn bytes_against_start_codes_are_left_out_of_nal_units() {
        let mut bits = Bits::of_nal_unit(&[1, 0, 0, 3, 1, 0, 0, 3, 3]);
        let read: Vec<u32> = (0..7).map(|_| bits.bits(8).unwrap()).collect();
        assert_eq!(read, [1, 0, 0, 1, 0, 0, 3]);
        assert!(bits.bit().is_err());
    }
}
