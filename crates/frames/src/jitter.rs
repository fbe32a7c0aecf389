//! Packets of one audio stream, put in order until they are due.

use std::collections::VecDeque;

use millrace_packet::sequence::{ExtendedSequence, SequenceStep};

/// Packets that one stream may have waiting: 2.5 s of 20 ms. When full, the oldest is dropped and counted.
pub const WAITING_PACKETS_MAX: usize = 128;

/// Bytes of a payload that is kept; a longer one is dropped and counted as malformed. No audio packet is longer
/// (an Ethernet payload).
pub const PAYLOAD_BYTES_MAX: usize = 1_500;

/// A packet in its place.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Unwrapped sequence number.
    pub(crate) sequence: u64,
    /// Unwrapped timestamp, in ticks of the stream's clock.
    pub(crate) timestamp: i64,
    /// Ticks that it lasts.
    pub(crate) ticks: u32,
    pub(crate) payload: Vec<u8>,
}

/// What became of an arriving packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It waits for its turn.
    Waits,
    /// Its turn is over.
    Late,
    /// It is there already.
    Duplicate,
    /// Its payload or number is not one of this stream.
    Malformed,
}

/// The packets that wait, the lowest number first. Payloads are copied into memory that is used again.
#[derive(Debug, Default)]
pub(crate) struct JitterBuffer {
    waiting: VecDeque<Waiting>,
    spare: Vec<Waiting>,
    numbers: Option<ExtendedSequence>,
    /// Numbers below are over.
    next: u64,
    pub(crate) overflowed: u64,
}

impl JitterBuffer {
    /// Unwraps the number of an arriving packet; `None` when it makes no sense so far. `true`: the stream began anew.
    pub(crate) fn number(&mut self, sequence: u16) -> Option<(u64, bool)> {
        let Some(numbers) = &mut self.numbers else {
            let numbers = ExtendedSequence::new(sequence);
            let first = numbers.highest();
            self.numbers = Some(numbers);
            return Some((first, false));
        };
        match numbers.update(sequence) {
            SequenceStep::Newer(number) | SequenceStep::Late(number) => Some((number, false)),
            SequenceStep::Restarted(number) => Some((number, true)),
            SequenceStep::Suspicious => None,
        }
    }

    /// Puts a packet into its place.
    pub(crate) fn insert(&mut self, sequence: u64, timestamp: i64, ticks: u32, payload: &[u8]) -> Inserted {
        if sequence < self.next {
            return Inserted::Late;
        }
        let place =
            self.waiting.iter().rposition(|waiting| waiting.sequence <= sequence).map_or(0, |before| before + 1);
        if place.checked_sub(1).is_some_and(|before| self.waiting[before].sequence == sequence) {
            return Inserted::Duplicate;
        }
        let mut packet = self.spare.pop().unwrap_or_default();
        packet.payload.clear();
        packet.payload.extend_from_slice(payload);
        (packet.sequence, packet.timestamp, packet.ticks) = (sequence, timestamp, ticks);
        self.waiting.insert(place, packet);
        if self.waiting.len() > WAITING_PACKETS_MAX {
            self.overflowed += 1;
            self.drop_first();
        }
        Inserted::Waits
    }

    /// The packet with the lowest number.
    pub(crate) fn first(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    /// Forgets the packet with the lowest number, and that anything before the one behind it may still come.
    pub(crate) fn drop_first(&mut self) {
        if let Some(packet) = self.waiting.pop_front() {
            self.next = self.next.max(packet.sequence + 1);
            self.spare.push(packet);
        }
    }

    /// Says that numbers below `next` are over.
    pub(crate) fn pass(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// The lowest number that is not over.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Forgets every packet; numbers go on.
    pub(crate) fn clear(&mut self) {
        while !self.waiting.is_empty() {
            self.drop_first();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer_with(numbers: &[u64]) -> JitterBuffer {
        let mut buffer = JitterBuffer::default();
        for number in numbers {
            buffer.insert(*number, *number as i64 * 960, 960, &[*number as u8]);
        }
        buffer
    }

    fn drain(buffer: &mut JitterBuffer) -> Vec<u64> {
        std::iter::from_fn(|| {
            let number = buffer.first()?.sequence;
            buffer.drop_first();
            Some(number)
        })
        .collect()
    }

    #[test]
    fn packets_come_out_in_order_and_once() {
        let mut buffer = buffer_with(&[5, 3, 4, 9, 3]);
        assert_eq!(buffer.insert(4, 0, 960, &[]), Inserted::Duplicate);
        assert_eq!(drain(&mut buffer), [3, 4, 5, 9]);
        assert_eq!(buffer.insert(8, 0, 960, &[]), Inserted::Late);
        assert_eq!(buffer.insert(10, 0, 960, &[]), Inserted::Waits);
    }

    #[test]
    fn a_full_buffer_drops_the_oldest_and_counts_it() {
        let numbers: Vec<_> = (0..WAITING_PACKETS_MAX as u64 + 3).collect();
        let buffer = buffer_with(&numbers);
        assert_eq!((buffer.len(), buffer.overflowed), (WAITING_PACKETS_MAX, 3));
        assert_eq!(buffer.first().unwrap().sequence, 3);
    }

    #[test]
    fn a_jump_of_the_numbers_counts_when_the_next_follows() {
        let mut buffer = JitterBuffer::default();
        let (first, _) = buffer.number(10).unwrap();
        assert_eq!(buffer.number(11), Some((first + 1, false)));
        assert_eq!(buffer.number(40_000), None);
        assert!(buffer.number(40_001).is_some_and(|(number, anew)| anew && number > first + 1));
    }
}
