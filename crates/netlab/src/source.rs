//! The media: frames whose sizes follow what the estimator allows.

use crate::flow::{OVERHEAD_BYTES, PAYLOAD_BYTES};
use crate::{MS, Micros, SECOND};

/// What there is to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SourceKind {
    /// An encoder that follows the estimate up to this, bit/s.
    Unlimited(u64),
    /// The layers of simulcast as an SFU has them, bit/s: the highest that fits, at least the lowest.
    Layers([u64; 3]),
    /// The same beside sound, which is sent whatever the line carries.
    Call([u64; 3]),
}

impl SourceKind {
    /// The layers, bit/s, if it has any.
    pub(crate) fn layers(&self) -> Option<&[u64; 3]> {
        match self {
            Self::Unlimited(_) => None,
            Self::Layers(layers) | Self::Call(layers) => Some(layers),
        }
    }
}

/// Time between two packets of sound, and bytes of each: Opus at 40 kbit/s.
const AUDIO_INTERVAL: Micros = 20 * MS;
const AUDIO_BYTES: usize = 100;
/// How much larger than others the first frame of a layer is: it is a key frame.
const KEY_FRAME: f64 = 4.0;

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
    next_audio: Micros,
    layer: Option<usize>,
    switches: u32,
}

impl Source {
    pub(crate) fn new(kind: SourceKind, seed: u64, start: Micros) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { kind, random, next_frame: start, next_audio: start, layer: Some(0), switches: 0 }
    }

    /// Most that the source could use, bit/s.
    pub(crate) fn wanted(&self) -> u64 {
        match self.kind {
            SourceKind::Unlimited(most) => most,
            SourceKind::Layers(layers) | SourceKind::Call(layers) => layers[2],
        }
    }

    pub(crate) fn switches(&self) -> u32 {
        self.switches
    }

    /// The payload size of the packet of sound that is due at `now`, if one is.
    pub(crate) fn audio(&mut self, now: Micros) -> Option<usize> {
        if !matches!(self.kind, SourceKind::Call(_)) || now < self.next_audio {
            return None;
        }
        self.next_audio += AUDIO_INTERVAL;
        Some(AUDIO_BYTES)
    }

    /// The payload sizes of the frame that is due at `now`, if one is, of the best layer that `estimate` has room for.
    #[cfg(feature = "others")]
    pub(crate) fn frame(&mut self, estimate: f64, now: Micros) -> Option<Vec<usize>> {
        let fits = |layers: &[u64; 3]| layers.iter().rposition(|bitrate| *bitrate as f64 <= estimate).unwrap_or(0);
        let layer = self.kind.layers().map(fits);
        self.frame_of(layer, estimate, now)
    }

    /// The same for a layer that is chosen otherwise; of none there is no frame.
    pub(crate) fn frame_of(&mut self, layer: Option<usize>, estimate: f64, now: Micros) -> Option<Vec<usize>> {
        if now < self.next_frame {
            return None;
        }
        self.next_frame += SECOND / FRAME_RATE;
        let (target, key) = match self.kind {
            SourceKind::Unlimited(most) => (estimate.min(most as f64), 1.0),
            SourceKind::Layers(layers) | SourceKind::Call(layers) => {
                let changes = layer != self.layer;
                self.switches += u32::from(changes);
                self.layer = layer;
                (layers[layer?] as f64, if changes { KEY_FRAME } else { 1.0 })
            }
        };
        let target = target * (1.0 - HEADERS);
        let variation = key * (1.0 + SIZE_VARIATION * (2.0 * self.random.f64() - 1.0));
        let bytes = (target * variation / 8.0 / FRAME_RATE as f64).max(50.0) as usize;
        let packets = bytes.div_ceil(PAYLOAD_BYTES);
        // About equal, as libwebrtc splits a frame.
        Some((0..packets).map(|index| bytes / packets + usize::from(index < bytes % packets)).collect())
    }
}
