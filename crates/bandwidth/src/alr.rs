//! Is less sent than the path would take? Then what arrives says nothing of what could.

use crate::clock::{MS, Micros};

/// Share of the estimate below which the application counts as the limit: libwebrtc's
/// `AlrDetectorConfig::bandwidth_usage_ratio`.
const USAGE: f64 = 0.65;
/// Unused budget at which the state begins and ends: libwebrtc's `start_budget_level_ratio` and
/// `stop_budget_level_ratio`.
const BEGINS: f64 = 0.80;
const ENDS: f64 = 0.50;
/// The budget's size in time: libwebrtc's `IntervalBudget`, `kWindowMs`.
const WINDOW: Micros = 500 * MS;

/// Tells whether the application sends less than it may (libwebrtc's `AlrDetector`).
#[derive(Debug, Default)]
pub(crate) struct ApplicationLimit {
    /// Bits that were allowed and not used.
    unused: f64,
    at: Micros,
    since: Option<Micros>,
}

impl ApplicationLimit {
    /// Takes note of `bytes` sent at `now` while `estimate` bit/s were allowed.
    pub(crate) fn sent(&mut self, bytes: u16, estimate: f64, now: Micros) {
        let size = (USAGE * estimate * seconds(WINDOW)).max(1.0);
        let earned = USAGE * estimate * seconds(now - self.at);
        self.at = now;
        self.unused = (self.unused + earned - f64::from(bytes) * 8.0).clamp(-size, size);
        let ratio = self.unused / size;
        if ratio > BEGINS {
            self.since.get_or_insert(now);
        } else if ratio < ENDS {
            self.since = None;
        }
    }

    /// Since when the application has been the limit.
    pub(crate) fn since(&self) -> Option<Micros> {
        self.since
    }
}

fn seconds(time: Micros) -> f64 {
    time as f64 / 1e6
}
