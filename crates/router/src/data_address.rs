//! A message with whom it is for, as bytes: so it comes from the application and goes from router to router, where
//! nothing else has a place for subchannels.
//!
//! Before the payload, all numbers little endian: which of the next two count (8 bits, 1 and 2), how many subchannels
//! there are (16 bits), the required and the ignored subchannel (16 bits each), the subchannels (16 bits each).

use bytes::{BufMut, Bytes, BytesMut};
use millrace_model::SUBCHANNELS_MAX;

use crate::data::DataMessage;

/// Bytes before the subchannels.
const FIXED_BYTES: usize = 7;

/// Bytes before the payload at most. A message for more subchannels than a consumer can have is refused.
pub const ADDRESS_BYTES_MAX: usize = FIXED_BYTES + 2 * SUBCHANNELS_MAX;

/// Bit that says that there is a required subchannel.
const HAS_REQUIRED: u8 = 1;

/// Bit that says that there is an ignored subchannel.
const HAS_IGNORED: u8 = 2;

impl DataMessage {
    /// The payload behind whom it is for.
    pub fn to_addressed(&self) -> Bytes {
        let subchannels = &self.subchannels[..self.subchannels.len().min(SUBCHANNELS_MAX)];
        let mut bytes = BytesMut::with_capacity(FIXED_BYTES + 2 * subchannels.len() + self.payload.len());
        let required = u8::from(self.required_subchannel.is_some()) * HAS_REQUIRED;
        let ignored = u8::from(self.ignored_subchannel.is_some()) * HAS_IGNORED;
        bytes.put_u8(required | ignored);
        bytes.put_u16_le(subchannels.len() as u16);
        bytes.put_u16_le(self.required_subchannel.unwrap_or_default());
        bytes.put_u16_le(self.ignored_subchannel.unwrap_or_default());
        subchannels.iter().for_each(|subchannel| bytes.put_u16_le(*subchannel));
        bytes.put_slice(&self.payload);
        bytes.freeze()
    }

    /// Reads what [`to_addressed`](Self::to_addressed) wrote. The payload shares its memory. `None` when it is cut short,
    /// for too many subchannels, or has no payload, which no message is without (RFC 8831 §6.6).
    pub fn from_addressed(ppid: u32, bytes: &Bytes) -> Option<Self> {
        let ([flags, count @ .., r0, r1, i0, i1], _) = bytes.split_first_chunk::<FIXED_BYTES>()?;
        let count = usize::from(u16::from_le_bytes(*count));
        let payload_at = FIXED_BYTES + 2 * count;
        if count > SUBCHANNELS_MAX || bytes.len() <= payload_at {
            return None;
        }
        let (pairs, _) = bytes[FIXED_BYTES..payload_at].as_chunks::<2>();
        let required = u16::from_le_bytes([*r0, *r1]);
        let ignored = u16::from_le_bytes([*i0, *i1]);
        Some(Self {
            ppid,
            payload: bytes.slice(payload_at..),
            subchannels: pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect(),
            required_subchannel: (flags & HAS_REQUIRED != 0).then_some(required),
            ignored_subchannel: (flags & HAS_IGNORED != 0).then_some(ignored),
        })
    }
}

/// Reads `data` as a message with its address, for fuzzing: what was read is written alike.
///
/// # Panics
/// When that does not hold.
pub fn fuzz(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let Some(read) = DataMessage::from_addressed(51, &bytes) else { return };
    let again = DataMessage::from_addressed(51, &read.to_addressed()).expect("what was written can be read");
    assert_eq!(again, read);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(subchannels: Vec<u16>, required: Option<u16>, ignored: Option<u16>) -> DataMessage {
        let payload = Bytes::from_static(b"hello");
        DataMessage { ppid: 51, payload, subchannels, required_subchannel: required, ignored_subchannel: ignored }
    }

    #[test]
    fn a_message_reads_as_it_was_written() {
        let all = (0..SUBCHANNELS_MAX as u16).collect();
        for written in [
            message(vec![], None, None),
            message(vec![1, 65_535], Some(0), None),
            message(vec![], None, Some(7)),
            message(all, Some(65_535), Some(256)),
        ] {
            let bytes = written.to_addressed();
            assert!(bytes.len() <= ADDRESS_BYTES_MAX + 5);
            assert_eq!(DataMessage::from_addressed(51, &bytes), Some(written));
        }
    }

    #[test]
    fn what_is_cut_short_or_for_too_many_is_none() {
        let whole = message(vec![1, 2], Some(3), Some(4)).to_addressed();
        for len in 0..whole.len() - 4 {
            assert_eq!(DataMessage::from_addressed(51, &whole.slice(..len)), None, "{len} bytes");
        }
        let mut many = vec![0; ADDRESS_BYTES_MAX + 3];
        many[1..3].copy_from_slice(&(SUBCHANNELS_MAX as u16 + 1).to_le_bytes());
        assert_eq!(DataMessage::from_addressed(51, &many.into()), None);
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        for seed in 0..=255_u8 {
            fuzz(&(0..40).map(|at: u8| seed.wrapping_mul(31).wrapping_add(at.wrapping_mul(seed))).collect::<Vec<_>>());
        }
    }
}
