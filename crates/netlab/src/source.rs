//! The media: frames whose sizes follow what the estimator allows.

use crate::flow::{OVERHEAD_BYTES, PAYLOAD_BYTES};
use crate::{Micros, SECOND};

/// What there is to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SourceKind {
    /// An encoder that follows the estimate up to this, bit/s.
    Unlimited(u64),
    /// The layers of simulcast as an SFU has them, bit/s: the highest that fits, at least the lowest.
    Layers([u64; 3]),
}

/// Frames a second.
const FRAME_RATE: u64 = 30;
/// How far frames differ in size from the mean, to both sides.
const SIZE_VARIATION: f64 = 0.15;
/// Share of the estimate that is left for headers.
const HEADERS: f64 = OVERHEAD_BYTES as f64 / (OVERHEAD_BYTES + PAYLOAD_BYTES) as f64;

/// Makes frames.
pub(crate) struct Source {
    kind: SourceKind,
    random: fastrand::Rng,
    next_frame: Micros,
    layer: usize,
    switches: u32,
}

impl Source {
    pub(crate) fn new(kind: SourceKind, seed: u64, start: Micros) -> Self {
        Self { kind, random: fastrand::Rng::with_seed(seed), next_frame: start, layer: 0, switches: 0 }
    }

    /// Most that the source could use, bit/s.
    pub(crate) fn wanted(&self) -> u64 {
        match self.kind {
            SourceKind::Unlimited(most) => most,
            SourceKind::Layers(layers) => layers[2],
        }
    }

    pub(crate) fn switches(&self) -> u32 {
        self.switches
    }

    /// The payload sizes of the frame that is due at `now`, if one is.
    pub(crate) fn frame(&mut self, estimate: f64, now: Micros) -> Option<Vec<usize>> {
        if now < self.next_frame {
            return None;
        }
        self.next_frame += SECOND / FRAME_RATE;
        let target = self.target(estimate) * (1.0 - HEADERS);
        let variation = 1.0 + SIZE_VARIATION * (2.0 * self.random.f64() - 1.0);
        let bytes = (target * variation / 8.0 / FRAME_RATE as f64).max(50.0) as usize;
        let packets = bytes.div_ceil(PAYLOAD_BYTES);
        // About equal, as libwebrtc splits a frame.
        Some((0..packets).map(|index| bytes / packets + usize::from(index < bytes % packets)).collect())
    }

    fn target(&mut self, estimate: f64) -> f64 {
        match self.kind {
            SourceKind::Unlimited(most) => estimate.min(most as f64),
            SourceKind::Layers(layers) => {
                let layer = layers.iter().rposition(|bitrate| *bitrate as f64 <= estimate).unwrap_or(0);
                self.switches += u32::from(layer != self.layer);
                self.layer = layer;
                layers[layer] as f64
            }
        }
    }
}
