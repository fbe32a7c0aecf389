//! How much arrives: the bitrate that feedback acknowledges.

use crate::clock::{MS, Micros};

/// First window: libwebrtc's `BitrateEstimator`, `kInitialRateWindowMs`.
const FIRST_WINDOW: Micros = 500 * MS;
/// Later windows: libwebrtc's `BitrateEstimator`, `kRateWindowMs`.
const WINDOW: Micros = 150 * MS;
/// How much a sample is doubted, in its distance from the estimate: libwebrtc's `uncertainty_scale`.
const UNCERTAINTY_SCALE: f64 = 10.0;
/// Variance of the first sample and what each window adds, (kbit/s)²: libwebrtc's `BitrateEstimator::Update`.
const VARIANCE_FIRST: f64 = 50.0;
const VARIANCE_STEP: f64 = 5.0;

/// A Bayesian filter over windows of the receiver's time.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    window_start: Option<Micros>,
    latest: Micros,
    bytes: u64,
    /// kbit/s with its variance.
    estimate: Option<(f64, f64)>,
}

impl Acknowledged {
    /// Takes note that `bytes` arrived at `at` by the receiver's clock.
    pub(crate) fn arrived(&mut self, at: Micros, bytes: u16) {
        let start = *self.window_start.get_or_insert(at);
        let window = if self.estimate.is_some() { WINDOW } else { FIRST_WINDOW };
        // A clock that jumps, or a silence: what lies before says nothing of the rate.
        if at < start - FIRST_WINDOW || at > start.max(self.latest) + 2 * FIRST_WINDOW {
            (self.window_start, self.latest, self.bytes) = (Some(at), at, u64::from(bytes));
            return;
        }
        if at >= start + window {
            let elapsed_ms = (at - start) as f64 / MS as f64;
            self.sample(self.bytes as f64 * 8.0 / elapsed_ms);
            (self.window_start, self.bytes) = (Some(at), 0);
        }
        self.latest = self.latest.max(at);
        self.bytes += u64::from(bytes);
    }

    fn sample(&mut self, sample: f64) {
        let Some((estimate, variance)) = self.estimate else {
            self.estimate = Some((sample, VARIANCE_FIRST));
            return;
        };
        let doubt = UNCERTAINTY_SCALE * (estimate - sample).abs() / (estimate + sample).max(1.0);
        let (doubt, predicted) = (doubt * doubt, variance + VARIANCE_STEP);
        let total = doubt + predicted;
        self.estimate = Some(((doubt * estimate + predicted * sample) / total, doubt * predicted / total));
    }

    /// The acknowledged bitrate in bit/s; `None` for the first half second.
    pub(crate) fn bitrate(&self) -> Option<f64> {
        self.estimate.map(|(kilobits, _)| kilobits * 1000.0)
    }
}
