//! The packets of one incoming stream that can be sent once more. All its viewers share them.

use std::time::{Duration, Instant};

use millrace_packet::PacketRef;

/// Video packets kept per stream: about a second of 8 Mbit/s. When full, the oldest is forgotten.
///
/// At 1.5 kB a slot this caps a stream at 1.5 MB (case C09), whatever its viewers acknowledge.
pub(crate) const VIDEO_PACKETS_MAX: usize = 1024;

/// Audio packets kept per stream: about a second at 10 ms a packet. When full, the oldest is forgotten.
pub(crate) const AUDIO_PACKETS_MAX: usize = 128;

/// How long a packet is kept. A viewer that still misses it after a second needs a key frame anyway.
pub(crate) const AGE_MAX: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Cached {
    index: u64,
    at: Instant,
    /// Timestamp on the stream's continuous line.
    pub(crate) timestamp: u32,
    /// Index of the codec in the producer's table.
    pub(crate) codec: u8,
    pub(crate) packet: PacketRef,
}

/// A ring of packets by index.
#[derive(Debug)]
pub(crate) struct PacketCache {
    ring: Box<[Option<Cached>]>,
    /// Every cached index is at least this.
    oldest: u64,
    /// Every cached index is below this.
    end: u64,
}

impl PacketCache {
    /// A ring of `packets_max` places, which must be a power of two.
    pub(crate) fn new(packets_max: usize) -> Self {
        debug_assert!(packets_max.is_power_of_two());
        Self { ring: (0..packets_max).map(|_| None).collect(), oldest: 0, end: 0 }
    }

    /// Keeps `packet` under `index`, in place of whatever is a whole ring older.
    pub(crate) fn insert(&mut self, index: u64, timestamp: u32, codec: u8, packet: PacketRef, now: Instant) {
        if self.end > index + self.ring.len() as u64 {
            return;
        }
        let place = self.place(index);
        self.ring[place] = Some(Cached { index, at: now, timestamp, codec, packet });
        if self.end == 0 {
            self.oldest = index;
        }
        self.oldest = self.oldest.min(index);
        self.end = self.end.max(index + 1);
    }

    /// The packet at the index with the low bits `index`, if it is still here.
    pub(crate) fn find(&self, index: u32) -> Option<&Cached> {
        self.ring[self.place(u64::from(index))].as_ref().filter(|cached| cached.index as u32 == index)
    }

    /// Forgets packets that came more than [`AGE_MAX`] before `now`.
    pub(crate) fn evict(&mut self, now: Instant) {
        self.oldest = self.oldest.max(self.end.saturating_sub(self.ring.len() as u64));
        while self.oldest < self.end {
            let place = self.place(self.oldest);
            if self.ring[place].as_ref().is_some_and(|cached| now.saturating_duration_since(cached.at) < AGE_MAX) {
                return;
            }
            self.ring[place] = None;
            self.oldest += 1;
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.ring.fill_with(|| None);
        self.oldest = self.end;
    }

    fn place(&self, index: u64) -> usize {
        index as usize & (self.ring.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_packet::{PacketPool, RtpMeta};

    fn filled(pool: &PacketPool, indexes: std::ops::Range<u64>, now: Instant) -> PacketCache {
        let mut cache = PacketCache::new(64);
        for index in indexes {
            cache.insert(index, index as u32, 0, pool.take().unwrap().freeze(RtpMeta::default()), now);
        }
        cache
    }

    #[test]
    fn packets_are_found_by_their_index() {
        let pool = PacketPool::new(100);
        let cache = filled(&pool, 10..20, Instant::now());
        assert_eq!(cache.find(12).unwrap().timestamp, 12);
        assert!(cache.find(20).is_none() && cache.find(12 + 64).is_none());
    }

    #[test]
    fn c09_the_ring_holds_so_many_packets_and_no_more() {
        let pool = PacketPool::new(100);
        let cache = filled(&pool, 1000..11_000, Instant::now());
        assert_eq!(pool.slots_held(), 64);
        assert!(cache.find(10_999 - 63).is_some() && cache.find(10_999 - 64).is_none());
    }

    #[test]
    fn c09_packets_leave_after_a_second() {
        let pool = PacketPool::new(100);
        let start = Instant::now();
        let mut cache = filled(&pool, 10..20, start);
        cache.insert(20, 0, 0, pool.take().unwrap().freeze(RtpMeta::default()), start + AGE_MAX / 2);
        cache.evict(start + AGE_MAX);
        assert_eq!(pool.slots_held(), 1);
        cache.evict(start + AGE_MAX * 2);
        assert_eq!(pool.slots_held(), 0);
    }

    #[test]
    fn a_packet_a_ring_behind_does_not_push_out_a_newer_one() {
        let pool = PacketPool::new(100);
        let mut cache = filled(&pool, 100..164, Instant::now());
        cache.insert(99, 0, 0, pool.take().unwrap().freeze(RtpMeta::default()), Instant::now());
        assert!(cache.find(163).is_some() && cache.find(99).is_none());
    }
}
