//! The bitrate that loss allows.

use crate::clock::{MS, Micros, SECOND};

/// Loss up to which more is allowed, and above which less: libwebrtc's `SendSideBandwidthEstimation`,
/// `kDefaultLowLossThreshold` and `kDefaultHighLossThreshold`.
const LOW: f64 = 0.02;
const HIGH: f64 = 0.10;
/// Growth per second below [`LOW`]: libwebrtc's `SendSideBandwidthEstimation::UpdateEstimate`.
const GROWTH: f64 = 1.08;
/// Least time between two decreases, beside the round trip: libwebrtc's `kBweDecreaseInterval`.
const DECREASE_INTERVAL: Micros = 300 * MS;
/// Packets that make a fraction: libwebrtc's `kLimitNumPackets`.
const PACKETS_LEAST: u32 = 20;

/// Counts packets and what of them was lost.
#[derive(Debug)]
pub(crate) struct LossLimit {
    bitrate: Option<f64>,
    packets: u32,
    lost: u32,
    fraction: f64,
    updated: Micros,
    decreased: Option<Micros>,
}

impl Default for LossLimit {
    fn default() -> Self {
        Self { bitrate: None, packets: 0, lost: 0, fraction: 0.0, updated: 0, decreased: None }
    }
}

impl LossLimit {
    /// The bitrate that loss allows; `None` while it sets no limit.
    pub(crate) fn bitrate(&self) -> Option<f64> {
        self.bitrate
    }

    /// The latest share of packets lost, 0 to 1.
    pub(crate) fn fraction(&self) -> f64 {
        self.fraction
    }

    /// Takes note of a packet that arrived; `was_missing` when it had been counted as lost.
    pub(crate) fn arrived(&mut self, was_missing: bool) {
        self.packets = self.packets.saturating_add(u32::from(!was_missing));
        self.lost = self.lost.saturating_sub(u32::from(was_missing));
    }

    /// Takes note of a packet that did not arrive.
    pub(crate) fn missing(&mut self) {
        self.packets = self.packets.saturating_add(1);
        self.lost = self.lost.saturating_add(1);
    }

    /// Judges anew when enough packets are counted. `current` is the bitrate in use.
    pub(crate) fn settle(&mut self, current: f64, round_trip: Micros, now: Micros) {
        if self.packets < PACKETS_LEAST {
            return;
        }
        let fraction = f64::from(self.lost) / f64::from(self.packets);
        (self.packets, self.lost) = (0, 0);
        self.report(fraction, current, round_trip, now);
    }

    /// Takes a fraction of lost packets that a receiver report tells.
    pub(crate) fn report(&mut self, fraction: f64, current: f64, round_trip: Micros, now: Micros) {
        self.fraction = fraction;
        let elapsed = (now - self.updated).clamp(0, SECOND) as f64 / SECOND as f64;
        self.updated = now;
        if fraction > HIGH {
            if self.decreased.is_none_or(|at| now - at >= DECREASE_INTERVAL + round_trip) {
                self.decreased = Some(now);
                self.bitrate = Some(self.bitrate.unwrap_or(current).min(current) * (1.0 - 0.5 * fraction));
            }
        } else if fraction <= LOW {
            self.bitrate = self.bitrate.map(|bitrate| bitrate * GROWTH.powf(elapsed));
        }
    }

    /// Forgets a limit that lies above `ceiling`, which another estimator sets.
    pub(crate) fn lift_above(&mut self, ceiling: f64) {
        self.bitrate = self.bitrate.filter(|bitrate| *bitrate < ceiling);
    }
}
