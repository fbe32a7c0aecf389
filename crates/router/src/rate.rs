//! Bitrates over a sliding window.

/// Length of a bucket, in ms.
const BUCKET_MS: u64 = 125;

/// Buckets of a window: 2.5 s, as mediasoup 3.27.1 (`RateCalculator`) measures.
const BUCKETS: usize = 20;

/// Bytes of the last 2.5 s, in buckets of 125 ms. Adding costs no allocation and, while the bucket lasts, no loop.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByteRate {
    bucket: u64,
    bytes: u64,
    buckets: [u32; BUCKETS],
}

impl ByteRate {
    /// Adds `bytes` at `now_ms` ms of the router's time.
    #[inline]
    pub(crate) fn add(&mut self, bytes: usize, now_ms: u64) {
        self.advance(now_ms / BUCKET_MS);
        let place = (self.bucket % BUCKETS as u64) as usize;
        self.buckets[place] = self.buckets[place].saturating_add(bytes as u32);
        self.bytes += bytes as u64;
    }

    /// The rate at `now_ms`, in bit/s.
    pub(crate) fn bits_per_second(&mut self, now_ms: u64) -> u64 {
        self.advance(now_ms / BUCKET_MS);
        self.bytes * 8 * 1000 / (BUCKET_MS * BUCKETS as u64)
    }

    fn advance(&mut self, bucket: u64) {
        if bucket > self.bucket {
            self.go_to(bucket);
        }
    }

    #[cold]
    fn go_to(&mut self, bucket: u64) {
        let steps = (bucket - self.bucket).min(BUCKETS as u64);
        for step in 1..=steps {
            let place = ((bucket - steps + step) % BUCKETS as u64) as usize;
            self.bytes -= u64::from(std::mem::take(&mut self.buckets[place]));
        }
        self.bucket = bucket;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_shows_its_bitrate_and_ends_after_the_window() {
        let mut rate = ByteRate::default();
        (0..500).for_each(|tick| rate.add(1000, tick * 10));
        let bits = rate.bits_per_second(4999);
        assert!((760_000..=800_000).contains(&bits), "{bits}");
        assert_eq!(rate.bits_per_second(5000 + 2500), 0);
        rate.add(1000, 1_000_000_000);
        assert_eq!(rate.bits_per_second(1_000_000_000), 3200);
    }
}
