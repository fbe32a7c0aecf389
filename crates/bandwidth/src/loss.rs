//! The bitrate that loss allows, apart from loss that the path has whatever is sent.
//!
//! libwebrtc's `LossBasedBweV2` looks for the pair of bandwidth and inherent loss under which its observations are most
//! likely, among candidates, over a window, many times a second. The same model (a packet is lost with the inherent
//! probability, or because more is sent than passes) is solved here directly: the inherent loss is the least of the
//! latest windows, and what is lost beyond it is what was sent too much.

use crate::clock::{MS, Micros, SECOND};

/// Shortest window and least packets of it: libwebrtc's `observation_duration_lower_bound` is 250 ms. A fraction of
/// fifty packets is known to 4 % at a loss of 10 %.
const WINDOW: Micros = 400 * MS;
const PACKETS_LEAST: u32 = 50;
/// Longest window; with fewer packets than this it says nothing.
const WINDOW_LONGEST: Micros = 2 * SECOND;
const PACKETS_FEW: u32 = 20;
/// Windows of which the least loss counts as the path's own.
///
/// Loss that begins is taken for congestion until so many windows had it. When full, the oldest is dropped.
const WINDOWS_MAX: usize = 6;
/// Loss beyond the path's own that is no reason to send less: libwebrtc's loss threshold before it lowered by
/// candidates was 2 to 10 %.
const TOLERANCE: f64 = 0.05;
/// How many standard deviations of chance are tolerated besides.
const DEVIATIONS: f64 = 2.0;
/// Path's own loss is believed up to this; libwebrtc's `inherent_loss_upper_bound` ends at 5 to 10 % for high bandwidth.
const INHERENT_MOST: f64 = 0.3;
/// Growth per second of a limit under which little is lost.
const GROWTH: f64 = 1.25;
/// Loss told in receiver reports up to which more is allowed, and above which less: libwebrtc's
/// `SendSideBandwidthEstimation`, `kDefaultLowLossThreshold` and `kDefaultHighLossThreshold`; its growth per second.
const REPORT_LOW: f64 = 0.02;
const REPORT_HIGH: f64 = 0.10;
const REPORT_GROWTH: f64 = 1.08;
/// Least time between two decreases by reports, beside the round trip: libwebrtc's `kBweDecreaseInterval`.
const REPORT_INTERVAL: Micros = 300 * MS;

/// Counts packets and what of them was lost.
#[derive(Debug, Default)]
pub(crate) struct LossLimit {
    bitrate: Option<f64>,
    packets: u32,
    lost: u32,
    window_start: Micros,
    /// Loss of the latest windows, a ring.
    windows: [f64; WINDOWS_MAX],
    count: usize,
    fraction: f64,
    updated: Micros,
    decreased: Option<Micros>,
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

    /// The share that is lost whatever is sent.
    pub(crate) fn inherent(&self) -> f64 {
        let known = &self.windows[..self.count.min(WINDOWS_MAX)];
        let least = known.iter().copied().fold(f64::MAX, f64::min);
        if known.is_empty() { 0.0 } else { least.min(INHERENT_MOST) }
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

    /// Judges anew when a window is over. `acknowledged` is what arrives.
    pub(crate) fn settle(&mut self, acknowledged: Option<f64>, now: Micros) {
        let age = now - self.window_start;
        if age < WINDOW || (self.packets < PACKETS_LEAST && age < WINDOW_LONGEST) {
            return;
        }
        let (packets, lost) = (self.packets, self.lost);
        (self.packets, self.lost, self.window_start) = (0, 0, now);
        if packets < PACKETS_FEW {
            return;
        }
        let fraction = f64::from(lost) / f64::from(packets);
        self.windows[self.count % WINDOWS_MAX] = fraction;
        self.count = self.count.wrapping_add(1);
        self.fraction = fraction;
        self.judge(f64::from(packets), acknowledged, age);
    }

    fn judge(&mut self, packets: f64, acknowledged: Option<f64>, age: Micros) {
        let inherent = self.inherent();
        let expected = inherent.max(1.0 / packets);
        let chance = DEVIATIONS * (expected * (1.0 - expected) / packets).sqrt();
        let is_too_much = self.fraction > inherent + TOLERANCE + chance;
        match acknowledged {
            Some(acknowledged) if is_too_much => {
                let passes = acknowledged / (1.0 - inherent);
                self.bitrate = Some(self.bitrate.map_or(passes, |bitrate| bitrate.min(passes)));
            }
            _ => {
                let elapsed = age as f64 / SECOND as f64;
                self.bitrate = self.bitrate.map(|bitrate| bitrate * GROWTH.powf(elapsed));
            }
        }
    }

    /// Takes a fraction of lost packets that a receiver report tells. `current` is the bitrate in use.
    pub(crate) fn report(&mut self, fraction: f64, current: f64, round_trip: Micros, now: Micros) {
        self.fraction = fraction;
        let elapsed = (now - self.updated).clamp(0, SECOND) as f64 / SECOND as f64;
        self.updated = now;
        if fraction > REPORT_HIGH {
            if self.decreased.is_none_or(|at| now - at >= REPORT_INTERVAL + round_trip) {
                self.decreased = Some(now);
                self.bitrate = Some(self.bitrate.unwrap_or(current).min(current) * (1.0 - 0.5 * fraction));
            }
        } else if fraction <= REPORT_LOW {
            self.bitrate = self.bitrate.map(|bitrate| bitrate * REPORT_GROWTH.powf(elapsed));
        }
    }

    /// Forgets a limit that lies above `ceiling`, which another estimator sets.
    pub(crate) fn lift_above(&mut self, ceiling: f64) {
        self.bitrate = self.bitrate.filter(|bitrate| *bitrate < ceiling);
    }
}
