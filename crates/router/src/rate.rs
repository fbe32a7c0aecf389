//! Bitrates over a sliding window.

use millrace_packet::{PictureFlags, PictureInfo};

/// Length of a bucket, in ms.
const BUCKET_MS: u64 = 125;

/// Buckets of a window: 2.5 s, as mediasoup 3.27.1 (`RateCalculator`) measures.
const BUCKETS: usize = 20;

/// Buckets that a rate is the average of at least: one burst is no rate.
const BUCKETS_MIN: u64 = 8;

/// Bytes of the last 2.5 s, in buckets of 125 ms. Adding costs no allocation and, while the bucket lasts, no loop.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByteRate {
    /// When the first bytes came.
    begun: Option<u64>,
    bucket: u64,
    bytes: u64,
    buckets: [u32; BUCKETS],
}

impl ByteRate {
    /// Adds `bytes` at `now_ms` ms of the router's time.
    #[inline]
    pub(crate) fn add(&mut self, bytes: usize, now_ms: u64) {
        self.advance(now_ms / BUCKET_MS);
        self.begun.get_or_insert(self.bucket);
        let place = (self.bucket % BUCKETS as u64) as usize;
        self.buckets[place] = self.buckets[place].saturating_add(bytes as u32);
        self.bytes += bytes as u64;
    }

    /// The rate at `now_ms`, in bit/s.
    pub(crate) fn bits_per_second(&mut self, now_ms: u64) -> u64 {
        self.advance(now_ms / BUCKET_MS);
        // A stream that is younger than the window has had less time.
        let begun = self.begun.unwrap_or(self.bucket);
        let age = (self.bucket - begun + 1).clamp(BUCKETS_MIN, BUCKETS as u64);
        self.bytes * 8 * 1000 / (BUCKET_MS * age)
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

/// Spatial and temporal layers that are told apart; higher ones count as the highest.
const LAYERS: usize = 4;

/// The bitrate of each layer of a stream that has several.
#[derive(Clone, Debug)]
pub(crate) struct LayerCosts {
    /// By spatial, then by temporal layer: frames that higher spatial layers are predicted from.
    shared: [[ByteRate; LAYERS]; LAYERS],
    /// The same for frames that only viewers of their own spatial layer need.
    own: [[ByteRate; LAYERS]; LAYERS],
    /// Highest temporal layer that was seen.
    temporal_top: u8,
}

impl LayerCosts {
    /// Nothing was seen yet.
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self { shared: Default::default(), own: Default::default(), temporal_top: 0 })
    }

    /// Adds a packet.
    pub(crate) fn add(&mut self, picture: &PictureInfo, bytes: usize, now_ms: u64) {
        let [spatial, temporal] =
            [picture.spatial_layer, picture.temporal_layer].map(|layer| usize::from(layer).min(LAYERS - 1));
        self.temporal_top = self.temporal_top.max(temporal as u8);
        let is_own = picture.flags.has(PictureFlags::NOT_FOR_ABOVE);
        let rates = if is_own { &mut self.own } else { &mut self.shared };
        rates[spatial][temporal].add(bytes, now_ms);
    }

    /// Highest temporal layer that was seen.
    pub(crate) const fn temporal_top(&self) -> u8 {
        self.temporal_top
    }

    /// What a viewer of these layers is sent, in bit/s; 0 when nothing comes in the spatial layer itself.
    pub(crate) fn up_to(&mut self, spatial_layer: u8, temporal_layer: u8, now_ms: u64) -> u64 {
        let [spatial, temporal] = [spatial_layer, temporal_layer].map(|layer| usize::from(layer).min(LAYERS - 1));
        let mut sum = |rates: &mut [ByteRate; LAYERS]| -> u64 {
            rates[..=temporal].iter_mut().map(|rate| rate.bits_per_second(now_ms)).sum()
        };
        let here = sum(&mut self.own[spatial]) + sum(&mut self.shared[spatial]);
        let below: u64 = self.shared[..spatial].iter_mut().map(&mut sum).sum();
        if here == 0 { 0 } else { here + below }
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

    #[test]
    fn a_young_stream_shows_its_bitrate_too() {
        let mut rate = ByteRate::default();
        (100..350).for_each(|tick| rate.add(1000, tick * 10));
        let early = rate.bits_per_second(3499);
        assert!((780_000..=820_000).contains(&early), "{early}");
    }

    #[test]
    fn a_layer_takes_what_it_is_predicted_from_and_nothing_else() {
        let mut rates = LayerCosts::new();
        let picture = |spatial_layer, temporal_layer, flags| PictureInfo {
            spatial_layer,
            temporal_layer,
            flags,
            ..PictureInfo::default()
        };
        for ms in 0..2500 {
            rates.add(&picture(0, 0, PictureFlags::default()), 10, ms);
            rates.add(&picture(0, 1, PictureFlags::NOT_FOR_ABOVE), 10, ms);
            rates.add(&picture(1, 0, PictureFlags::default()), 30, ms);
            rates.add(&picture(1, 1, PictureFlags::NOT_FOR_ABOVE), 30, ms);
        }
        let kbits = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1)].map(|(s, t)| rates.up_to(s, t, 2499) / 1000);
        assert_eq!(kbits, [80, 160, 320, 560, 0]);
        assert_eq!(rates.temporal_top(), 1);
    }
}
