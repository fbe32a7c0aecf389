//! Packets between a worker's thread and another thread of the process: many at a time, as one piece of memory.
//!
//! A packet travels with a number, which says whose it is: of a consumer's stream, of a producer, or of the RTCP of a
//! direct transport. The worker gives the numbers out and never uses one again, so that what is under way when an object
//! closes reaches nobody. Who consumes media of a worker takes it by [`Outbox::take_packets`](crate::Outbox::take_packets), who
//! makes media sends it by [`Worker::send_packets`](crate::Worker::send_packets).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of packets that wait for one reader at most: a quarter of a second of 128 Mbit/s. Beyond it the oldest are
/// dropped and counted, a batch at a time; the newest batch is kept, since one large picture may be more.
pub const WAITING_PACKET_BYTES_MAX: usize = 4 << 20;

/// Bytes after which a batch is closed, so that no reader is held for long by one: about 200 packets of video. What
/// follows goes into the next.
pub const BATCH_BYTES_MAX: usize = 256 << 10;

/// Bytes of a record's head: number and length, 32 bits each, little endian.
const HEAD_BYTES: usize = 8;

/// Packets in the order in which they came, each with the number that says whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PacketBatch {
    bytes: Vec<u8>,
    /// Where the record begins that is being written.
    open: usize,
}

impl PacketBatch {
    /// Reads what was written elsewhere. Only whole records count; what follows the last is passed over.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let open = bytes.len();
        Self { bytes, open }
    }

    /// The batch as bytes: each packet behind its number and its length, 32 bits each, little endian.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.open);
        self.bytes
    }

    /// Adds a packet.
    pub fn push(&mut self, number: u32, packet: &[u8]) {
        self.slot(packet.len()).copy_from_slice(packet);
        self.commit(number, packet.len());
    }

    /// Room for a packet of at most `len_max` bytes, which [`commit`](Self::commit) makes one.
    pub fn slot(&mut self, len_max: usize) -> &mut [u8] {
        let start = self.open + HEAD_BYTES;
        let needed = start + len_max;
        if self.bytes.len() < needed {
            // Left so long: only what is new is ever zeroed.
            self.bytes.resize(needed, 0);
        }
        &mut self.bytes[start..needed]
    }

    /// Ends the packet that was written into the last [`slot`](Self::slot) with its first `len` bytes.
    pub fn commit(&mut self, number: u32, len: usize) {
        let start = self.open + HEAD_BYTES;
        self.bytes[self.open..self.open + 4].copy_from_slice(&number.to_le_bytes());
        self.bytes[self.open + 4..start].copy_from_slice(&(len as u32).to_le_bytes());
        self.open = start + len;
    }

    /// Bytes of all records.
    pub fn len(&self) -> usize {
        self.open
    }

    /// Tells whether there is no packet.
    pub fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// Every packet with its number.
    pub fn packets(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (number, packet) = self.record(at)?;
            at += HEAD_BYTES + packet.len();
            Some((number, packet))
        })
    }

    /// The packet whose record begins at `at`, with its number.
    fn record(&self, at: usize) -> Option<(u32, &[u8])> {
        let (number, after) = self.bytes.get(at..self.open)?.split_first_chunk::<4>()?;
        let (len, after) = after.split_first_chunk::<4>()?;
        Some((u32::from_le_bytes(*number), after.get(..u32::from_le_bytes(*len) as usize)?))
    }
}

/// A batch that is read in several turns.
#[derive(Debug)]
pub(crate) struct PacketReader {
    batch: PacketBatch,
    /// Where the next record begins.
    at: usize,
}

impl PacketReader {
    pub(crate) fn new(batch: PacketBatch) -> Self {
        Self { batch, at: 0 }
    }

    /// The next packet with its number.
    pub(crate) fn next(&mut self) -> Option<(u32, &[u8])> {
        let (number, packet) = self.batch.record(self.at)?;
        self.at += HEAD_BYTES + packet.len();
        Some((number, packet))
    }

    /// Tells whether there is another packet.
    pub(crate) fn has_more(&self) -> bool {
        self.batch.record(self.at).is_some()
    }
}

/// Batches that wait for another thread, which may be slow. One lock for each batch, none for a packet.
#[derive(Debug, Default)]
pub struct PacketQueue {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    batches: VecDeque<PacketBatch>,
    bytes: usize,
    dropped: u64,
}

impl PacketQueue {
    /// Adds a batch, and drops the oldest that wait where there are too many. Tells whether nothing waited before.
    pub fn push(&self, batch: PacketBatch) -> bool {
        let mut waiting = self.lock();
        let was_empty = waiting.batches.is_empty();
        waiting.bytes += batch.len();
        waiting.batches.push_back(batch);
        while waiting.bytes > WAITING_PACKET_BYTES_MAX && waiting.batches.len() > 1 {
            let Some(oldest) = waiting.batches.pop_front() else { break };
            waiting.bytes -= oldest.len();
            waiting.dropped += oldest.packets().count() as u64;
        }
        was_empty
    }

    /// Takes the oldest batch, together with those that follow it as far as they are small; `None` when nothing waits.
    pub fn pop(&self) -> Option<PacketBatch> {
        let mut waiting = self.lock();
        let mut batch = waiting.batches.pop_front()?;
        waiting.bytes -= batch.len();
        while let Some(next) = waiting.batches.pop_front() {
            if batch.len() + next.len() > BATCH_BYTES_MAX {
                waiting.batches.push_front(next);
                break;
            }
            waiting.bytes -= next.len();
            batch.bytes.truncate(batch.open);
            batch.bytes.extend_from_slice(&next.bytes[..next.open]);
            batch.open = batch.bytes.len();
        }
        Some(batch)
    }

    /// Takes the oldest batch as it was added.
    pub fn pop_one(&self) -> Option<PacketBatch> {
        let mut waiting = self.lock();
        let batch = waiting.batches.pop_front()?;
        waiting.bytes -= batch.len();
        Some(batch)
    }

    /// Tells whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lock().batches.is_empty()
    }

    /// Packets that were dropped because too many waited.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Drops the batch that was added last, and counts its packets.
    pub(crate) fn drop_newest(&self) {
        let mut waiting = self.lock();
        if let Some(newest) = waiting.batches.pop_back() {
            waiting.bytes -= newest.len();
            waiting.dropped += newest.packets().count() as u64;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A batch is whole or not there: a panic of another thread leaves nothing half done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(packets: &[(u32, &[u8])]) -> PacketBatch {
        let mut batch = PacketBatch::default();
        packets.iter().for_each(|(number, packet)| batch.push(*number, packet));
        batch
    }

    fn numbers(batch: &PacketBatch) -> Vec<u32> {
        batch.packets().map(|(number, _)| number).collect()
    }

    #[test]
    fn packets_come_out_as_they_went_in() {
        let packets: [(u32, &[u8]); 3] = [(7, b"one"), (u32::MAX, b""), (1, &[9; 20_000])];
        let written = batch(&packets);
        assert_eq!(written.packets().collect::<Vec<_>>(), packets);
        let read = PacketBatch::from_bytes(written.into_bytes());
        assert_eq!(read.packets().collect::<Vec<_>>(), packets);
    }

    #[test]
    fn a_slot_may_be_used_in_part_or_not_at_all() {
        let mut batch = PacketBatch::default();
        batch.slot(1_000)[..3].copy_from_slice(b"abc");
        assert!(batch.is_empty());
        batch.slot(2_000)[..3].copy_from_slice(b"xyz");
        batch.commit(4, 3);
        assert_eq!((batch.packets().collect::<Vec<_>>(), batch.len()), (vec![(4, &b"xyz"[..])], 11));
    }

    #[test]
    fn a_batch_of_nonsense_ends_where_the_nonsense_begins() {
        let mut bytes = batch(&[(1, b"good")]).into_bytes();
        bytes.extend_from_slice(&[2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
        assert_eq!(numbers(&PacketBatch::from_bytes(bytes)), [1]);
        assert_eq!(PacketBatch::from_bytes(vec![1, 2, 3]).packets().count(), 0);
    }

    #[test]
    fn small_batches_are_joined_and_large_ones_are_not() {
        let queue = PacketQueue::default();
        assert!(queue.push(batch(&[(1, b"a")])));
        assert!(!queue.push(batch(&[(2, b"b"), (3, b"c")])));
        let large = [4; BATCH_BYTES_MAX];
        queue.push(batch(&[(4, &large)]));
        assert_eq!(numbers(&queue.pop().unwrap()), [1, 2, 3]);
        assert_eq!(numbers(&queue.pop().unwrap()), [4]);
        assert!(queue.pop().is_none() && queue.is_empty());
    }

    #[test]
    fn a_reader_that_is_too_slow_loses_the_oldest_and_it_is_counted() {
        let queue = PacketQueue::default();
        let packet = [0; 1_000];
        let batches = 2 * WAITING_PACKET_BYTES_MAX / packet.len();
        for number in 0..batches as u32 {
            queue.push(batch(&[(number, &packet)]));
        }
        let left: Vec<_> = std::iter::from_fn(|| queue.pop()).flat_map(|batch| numbers(&batch)).collect();
        assert_eq!(left.last(), Some(&(batches as u32 - 1)));
        assert_eq!(left.len() as u64 + queue.dropped(), batches as u64);
        assert_eq!(u64::from(left[0]), queue.dropped(), "those that are left are the newest");
        assert!(left.len() * packet.len() > WAITING_PACKET_BYTES_MAX / 2);
    }
}
