//! Does the queue grow? A line through the delays of the latest groups, against a threshold that adapts.

use crate::clock::{MS, Micros};
use crate::groups::GroupDelta;

/// Groups that the line goes through.
///
/// libwebrtc's `TrendlineEstimatorSettings::kDefaultTrendlineWindowSize`. When full, the oldest is dropped.
const WINDOW_GROUPS_MAX: usize = 20;
/// Weight of the past in the smoothed delay: libwebrtc's `kDefaultTrendlineSmoothingCoeff`.
const SMOOTHING: f64 = 0.9;
/// What a slope is multiplied with to compare it: libwebrtc's `kDefaultTrendlineThresholdGain`.
const GAIN: f64 = 4.0;
/// Groups up to which the gain still grows: libwebrtc's `kMinNumDeltas`.
const DELTAS_MIN: u32 = 60;
/// Threshold at the start and its ends, in ms: libwebrtc's `trendline_estimator.cc`.
const THRESHOLD_FIRST: f64 = 12.5;
const THRESHOLD_LOWEST: f64 = 6.0;
const THRESHOLD_HIGHEST: f64 = 600.0;
/// How fast the threshold follows upwards and downwards, per ms: Carlucci et al., "Analysis and Design of the Google
/// Congestion Control for WebRTC" (2016), table 1, and libwebrtc's `k_up_` and `k_down_`.
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
/// A trend this far above the threshold is a jump of the path, which the threshold does not follow: libwebrtc's
/// `kMaxAdaptOffsetMs`.
const THRESHOLD_JUMP: f64 = 15.0;
/// How long the trend must stay above: libwebrtc's `kOverUsingTimeThreshold`, in ms.
const OVERUSE_MS: f64 = 10.0;

/// What the queue of the path does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Usage {
    /// It stays as it is.
    #[default]
    Normal,
    /// It grows: more is sent than the path carries.
    Over,
    /// It shrinks.
    Under,
}

/// The slope of the delay (draft-ietf-rmcat-gcc-02 §5.3 and §5.4, with a line in place of the Kalman filter).
#[derive(Debug)]
pub(crate) struct Trend {
    /// Arrival in ms and smoothed delay in ms, a ring.
    points: [(f64, f64); WINDOW_GROUPS_MAX],
    deltas: u32,
    first_arrival: Option<Micros>,
    accumulated: f64,
    smoothed: f64,
    slope: f64,
    previous: f64,
    threshold: f64,
    threshold_at: Option<Micros>,
    over_ms: Option<f64>,
    over_count: u32,
    usage: Usage,
}

impl Default for Trend {
    fn default() -> Self {
        Self {
            points: [(0.0, 0.0); WINDOW_GROUPS_MAX],
            deltas: 0,
            first_arrival: None,
            accumulated: 0.0,
            smoothed: 0.0,
            slope: 0.0,
            previous: 0.0,
            threshold: THRESHOLD_FIRST,
            threshold_at: None,
            over_ms: None,
            over_count: 0,
            usage: Usage::Normal,
        }
    }
}

impl Trend {
    /// Adds a group and judges anew. Cost: one pass over the window.
    pub(crate) fn add(&mut self, delta: &GroupDelta) -> Usage {
        let first = *self.first_arrival.get_or_insert(delta.arrived_at);
        let change = (delta.arrival - delta.sent) as f64 / MS as f64;
        let at = (delta.arrived_at - first) as f64 / MS as f64;
        self.accumulated += change;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        self.points[self.deltas as usize % WINDOW_GROUPS_MAX] = (at, self.smoothed);
        self.deltas = self.deltas.saturating_add(1);
        if self.deltas as usize >= WINDOW_GROUPS_MAX {
            self.slope = slope(&self.points).unwrap_or(self.slope);
        }
        self.detect(delta);
        self.usage
    }

    /// What the queue does.
    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    fn detect(&mut self, delta: &GroupDelta) {
        if self.deltas < 2 {
            return;
        }
        let trend = f64::from(self.deltas.min(DELTAS_MIN)) * self.slope * GAIN;
        let sent_ms = delta.sent as f64 / MS as f64;
        if trend > self.threshold {
            let over = self.over_ms.map_or(sent_ms / 2.0, |over| over + sent_ms);
            self.over_ms = Some(over);
            self.over_count += 1;
            if over > OVERUSE_MS && self.over_count > 1 && self.slope >= self.previous {
                (self.over_ms, self.over_count) = (Some(0.0), 0);
                self.usage = Usage::Over;
            }
        } else {
            (self.over_ms, self.over_count) = (None, 0);
            self.usage = if trend < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.previous = self.slope;
        self.adapt(trend.abs(), delta.arrived_at);
    }

    fn adapt(&mut self, trend: f64, now: Micros) {
        let since = now - self.threshold_at.replace(now).unwrap_or(now);
        if trend > self.threshold + THRESHOLD_JUMP {
            return;
        }
        let speed = if trend < self.threshold { THRESHOLD_DOWN } else { THRESHOLD_UP };
        let elapsed = (since as f64 / MS as f64).clamp(0.0, 100.0);
        self.threshold += speed * (trend - self.threshold) * elapsed;
        self.threshold = self.threshold.clamp(THRESHOLD_LOWEST, THRESHOLD_HIGHEST);
    }
}

/// The least-squares slope; `None` when all points lie at one time.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (numerator, denominator) = points.iter().fold((0.0, 0.0), |(n, d), (x, y)| {
        let distance = x - mean_x;
        (n + distance * (y - mean_y), d + distance * distance)
    });
    (denominator > f64::EPSILON).then(|| numerator / denominator)
}
