//! What all viewers of a run saw, added up.

use hdrhistogram::Histogram;

/// Longest delay that is told apart: ten seconds.
const DELAY_NS_MAX: u64 = 10_000_000_000;

/// Counts of a run, or of its measured part.
pub(crate) struct Tally {
    /// Media packets that came, each once.
    pub(crate) delivered: u64,
    /// Packets that came again.
    pub(crate) duplicates: u64,
    /// Packets that came after later ones.
    pub(crate) reordered: u64,
    /// Packets that came as retransmissions only.
    pub(crate) repaired: u64,
    /// Packets that did not come and are waited for no more.
    pub(crate) given_up: u64,
    /// Packets that were decrypted and looked at.
    pub(crate) sampled: u64,
    /// Packets among them that were not authentic or not as they were sent.
    pub(crate) corrupt: u64,
    /// Time from sending to receiving of the sampled ones, in ns.
    pub(crate) delays: Histogram<u64>,
}

impl Tally {
    /// # Panics
    /// Never: the bounds of the histogram are constants.
    pub(crate) fn new() -> Self {
        Self {
            delivered: 0,
            duplicates: 0,
            reordered: 0,
            repaired: 0,
            given_up: 0,
            sampled: 0,
            corrupt: 0,
            delays: Histogram::new_with_max(DELAY_NS_MAX, 3).expect("valid bounds"),
        }
    }

    /// Notes a packet that was looked at, by its delay, or that it was not as sent.
    pub(crate) fn sample(&mut self, delay_ns: Option<u64>) {
        self.sampled += 1;
        match delay_ns {
            Some(delay) => self.delays.saturating_record(delay),
            None => self.corrupt += 1,
        }
    }

    /// The delay that `share` of the sampled packets kept below, in microseconds.
    pub(crate) fn delay_us(&self, share: f64) -> f64 {
        self.delays.value_at_quantile(share) as f64 / 1_000.0
    }
}
