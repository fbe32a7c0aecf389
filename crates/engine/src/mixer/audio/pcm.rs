//! Sound that an application writes, on its way from the worker's thread to a mixer's.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::mixer::lock;

/// Seconds of written sound that wait for a mixer at most. Beyond it the oldest is dropped and counted.
const WAITING_SECONDS_MAX: usize = 1;

/// Bytes of a sample: 32-bit floating point, little endian.
const SAMPLE_BYTES: usize = 4;

/// Written samples that wait.
pub(crate) struct PcmQueue {
    pub(crate) sample_rate: u32,
    pub(crate) channels: u8,
    waiting: Mutex<Vec<f32>>,
    /// Samples a channel that were dropped.
    dropped: AtomicU64,
}

impl PcmQueue {
    pub(crate) fn new(sample_rate: u32, channels: u8) -> Self {
        Self { sample_rate, channels, waiting: Mutex::default(), dropped: AtomicU64::new(0) }
    }

    /// Adds interleaved samples; what is no whole sample of every channel is passed over. Numbers that are none are
    /// silence.
    pub(crate) fn write(&self, bytes: &[u8]) {
        let channels = usize::from(self.channels);
        let (samples, _) = bytes.as_chunks::<SAMPLE_BYTES>();
        let whole = samples.len() - samples.len() % channels;
        let mut waiting = lock(&self.waiting);
        let read = |sample: &[u8; SAMPLE_BYTES]| f32::from_le_bytes(*sample);
        waiting.extend(samples[..whole].iter().map(read).map(|sample| if sample.is_finite() { sample } else { 0.0 }));
        let most = self.sample_rate as usize * channels * WAITING_SECONDS_MAX;
        let excess = waiting.len().saturating_sub(most);
        if excess > 0 {
            waiting.drain(..excess);
            self.dropped.fetch_add((excess / channels) as u64, Ordering::Relaxed);
        }
    }

    /// Takes what waits into `out`, which is emptied before and kept for its memory.
    pub(crate) fn take(&self, out: &mut Vec<f32>) {
        out.clear();
        std::mem::swap(out, &mut lock(&self.waiting));
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(samples: impl IntoIterator<Item = f32>) -> Vec<u8> {
        samples.into_iter().flat_map(f32::to_le_bytes).collect()
    }

    #[test]
    fn a_second_waits_at_most_and_the_oldest_goes() {
        let queue = PcmQueue::new(8_000, 2);
        for second in 0..3 {
            queue.write(&bytes((0..16_000).map(|_| second as f32)));
        }
        let mut out = Vec::new();
        queue.take(&mut out);
        assert_eq!((out.len(), out[0], queue.dropped()), (16_000, 2.0, 16_000));
        queue.take(&mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn what_is_no_sample_is_passed_over_or_silence() {
        let queue = PcmQueue::new(8_000, 2);
        queue.write(&[1, 2, 3]);
        queue.write(&bytes([f32::NAN, f32::INFINITY, 0.5]));
        let mut out = Vec::new();
        queue.take(&mut out);
        assert_eq!(out, [0.0, 0.0]);
    }
}
