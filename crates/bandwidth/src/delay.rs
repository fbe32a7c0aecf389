//! The bitrate that delay allows: more while the queue rests, less when it grows (draft-ietf-rmcat-gcc-02 §5.5).

use crate::clock::{MS, Micros, SECOND};
use crate::trend::Usage;

/// What the delay-based estimator does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DelayState {
    /// It waits until the queue has drained.
    Hold,
    /// The queue rests: it allows more and more.
    #[default]
    Increase,
    /// The queue grew: it took back.
    Decrease,
}

/// Share of the acknowledged bitrate after a decrease: libwebrtc's `kDefaultBackoffFactor`.
const BACKOFF: f64 = 0.85;
/// Growth per second far from the known capacity: libwebrtc's `MultiplicativeRateIncrease`.
const GROWTH: f64 = 1.08;
/// Least additive growth, bit/s per second: libwebrtc's `GetNearMaxIncreaseRateBpsPerSecond`.
const STEP_LEAST: f64 = 4000.0;
/// How long the loop takes beside the round trip: libwebrtc adds 100 ms.
const LOOP: Micros = 100 * MS;
/// Bits of the packets that the additive step counts in: libwebrtc assumes 1200 bytes.
const PACKET_BITS: f64 = 1200.0 * 8.0;
/// How far above what arrives the bitrate may grow: libwebrtc's `AimdRateControl::ClampBitrate` and its caller.
const AHEAD: f64 = 1.5;
const AHEAD_BITS: f64 = 10_000.0;
/// Weight of a sample in the link capacity: libwebrtc's `LinkCapacityEstimator::OnOveruseDetected`.
const CAPACITY_WEIGHT: f64 = 0.05;

/// What the estimator is told with each feedback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observation {
    pub(crate) usage: Usage,
    /// Acknowledged bitrate, if known.
    pub(crate) acknowledged: Option<f64>,
    pub(crate) round_trip: Micros,
    /// Result of a probe that just ended.
    pub(crate) probe: Option<f64>,
    /// Whether the application sends less than it may.
    pub(crate) application_limited: bool,
    pub(crate) now: Micros,
}

/// Additive and multiplicative increase, multiplicative decrease.
#[derive(Debug)]
pub(crate) struct DelayRate {
    bitrate: f64,
    state: DelayState,
    updated: Option<Micros>,
    decreased: Option<Micros>,
    capacity: Capacity,
}

/// Mean and relative deviation of what arrived whenever the queue grew, in kbit/s.
#[derive(Debug, Default)]
struct Capacity {
    estimate: Option<f64>,
    deviation: f64,
}

impl DelayRate {
    pub(crate) fn new(bitrate: f64) -> Self {
        Self { bitrate, state: DelayState::Increase, updated: None, decreased: None, capacity: Capacity::default() }
    }

    pub(crate) fn bitrate(&self) -> f64 {
        self.bitrate
    }

    pub(crate) fn state(&self) -> DelayState {
        self.state
    }

    /// Starts from `bitrate`, which something else has found out.
    pub(crate) fn set(&mut self, bitrate: f64) {
        self.bitrate = bitrate;
    }

    /// Judges anew; the bitrate stays between `min` and `max`.
    pub(crate) fn update(&mut self, seen: &Observation, min: f64, max: f64) {
        if let Some(probe) = seen.probe.filter(|_| seen.usage != Usage::Over) {
            self.bitrate = probe;
            self.state = DelayState::Increase;
        } else {
            self.step(seen);
        }
        self.updated = Some(seen.now);
        self.bitrate = self.bitrate.clamp(min, max);
    }

    fn step(&mut self, seen: &Observation) {
        self.state = match (seen.usage, self.state) {
            (Usage::Over, _) => DelayState::Decrease,
            (Usage::Under, _) => DelayState::Hold,
            (Usage::Normal, DelayState::Hold) => DelayState::Increase,
            (Usage::Normal, DelayState::Increase) => DelayState::Increase,
            (Usage::Normal, DelayState::Decrease) => DelayState::Hold,
        };
        match self.state {
            DelayState::Increase => self.increase(seen),
            DelayState::Decrease if self.may_decrease(seen) => self.decrease(seen),
            DelayState::Decrease | DelayState::Hold => {}
        }
    }

    fn increase(&mut self, seen: &Observation) {
        if seen.acknowledged.is_some_and(|acknowledged| self.capacity.is_exceeded_by(acknowledged)) {
            self.capacity = Capacity::default();
        }
        let elapsed = (seen.now - self.updated.unwrap_or(seen.now)).clamp(0, SECOND) as f64 / SECOND as f64;
        let grown = if self.capacity.estimate.is_some() {
            let response = (seen.round_trip + LOOP) as f64 / SECOND as f64;
            self.bitrate + (PACKET_BITS / response).max(STEP_LEAST) * elapsed
        } else {
            self.bitrate * GROWTH.powf(elapsed)
        };
        // What is not sent proves nothing: the bitrate grows only as far as the acknowledged one follows.
        let ahead = seen.acknowledged.map_or(f64::MAX, |acknowledged| AHEAD * acknowledged + AHEAD_BITS);
        if !seen.application_limited {
            self.bitrate = grown.min(ahead).max(self.bitrate);
        }
    }

    fn may_decrease(&self, seen: &Observation) -> bool {
        let interval = seen.round_trip.clamp(10 * MS, 200 * MS);
        self.decreased.is_none_or(|at| seen.now - at >= interval)
            || seen.acknowledged.is_some_and(|acknowledged| acknowledged < 0.5 * self.bitrate)
    }

    fn decrease(&mut self, seen: &Observation) {
        self.decreased = Some(seen.now);
        let Some(acknowledged) = seen.acknowledged else {
            self.bitrate /= 2.0;
            return;
        };
        if self.capacity.falls_short_of(acknowledged) {
            self.capacity = Capacity::default();
        }
        self.capacity.add(acknowledged);
        self.bitrate = self.bitrate.min(BACKOFF * acknowledged);
    }
}

impl Capacity {
    fn add(&mut self, bitrate: f64) {
        let sample = bitrate / 1000.0;
        let estimate = match self.estimate {
            None => sample,
            Some(estimate) => (1.0 - CAPACITY_WEIGHT) * estimate + CAPACITY_WEIGHT * sample,
        };
        let error = estimate - sample;
        self.estimate = Some(estimate);
        let normalised = error * error / estimate.max(1.0);
        // libwebrtc: 0.4 is about 14 kbit/s at 500 kbit/s, 2.5 about 35 kbit/s at 500 kbit/s.
        self.deviation = ((1.0 - CAPACITY_WEIGHT) * self.deviation + CAPACITY_WEIGHT * normalised).clamp(0.4, 2.5);
    }

    fn margin(&self) -> f64 {
        3.0 * (self.deviation * self.estimate.unwrap_or(0.0)).sqrt()
    }

    fn is_exceeded_by(&self, bitrate: f64) -> bool {
        self.estimate.is_some_and(|estimate| bitrate / 1000.0 > estimate + self.margin())
    }

    fn falls_short_of(&self, bitrate: f64) -> bool {
        self.estimate.is_some_and(|estimate| bitrate / 1000.0 < estimate - self.margin())
    }
}
