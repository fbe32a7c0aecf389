//! How well a stream arrives, from 0 (not at all) to 10 (everything).

/// Best score, and the one that a stream starts with.
pub(crate) const SCORE_MAX: u8 = 10;

/// Intervals that a score looks back on. Newer ones weigh more.
const INTERVALS: usize = 8;

/// Packets of one interval between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interval {
    /// Packets that should have come.
    pub(crate) expected: u64,
    /// Packets that did not come by themselves.
    pub(crate) lost: u64,
    /// Packets among the lost ones that a retransmission brought.
    pub(crate) repaired: u64,
}

/// The score of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Score {
    recent: [u8; INTERVALS],
    len: usize,
    value: u8,
}

impl Score {
    /// Starts with the best score: a stream is good until loss is seen.
    pub(crate) fn new() -> Self {
        Self { recent: [0; INTERVALS], len: 0, value: SCORE_MAX }
    }

    /// The score.
    pub(crate) fn value(&self) -> u8 {
        self.value
    }

    /// Adds an interval. Returns the new score if it changed.
    pub(crate) fn add(&mut self, interval: Interval) -> Option<u8> {
        if interval.expected == 0 {
            return None;
        }
        self.recent.copy_within(..INTERVALS - 1, 1);
        self.recent[0] = interval_score(interval);
        self.len = (self.len + 1).min(INTERVALS);
        self.change_to(self.weighted_mean())
    }

    /// Takes the score from a fraction of lost packets in 1/256, as a report block tells it.
    pub(crate) fn add_fraction_lost(&mut self, fraction: u8) -> Option<u8> {
        self.add(Interval { expected: 256, lost: u64::from(fraction), repaired: 0 })
    }

    /// Nothing comes any more: the score is 0. Returns it if it changed.
    pub(crate) fn set_inactive(&mut self) -> Option<u8> {
        self.len = 0;
        self.change_to(0)
    }

    /// The stream begins or begins again, with the best score. Returns it if it changed.
    pub(crate) fn set_active(&mut self) -> Option<u8> {
        self.change_to(SCORE_MAX)
    }

    fn change_to(&mut self, value: u8) -> Option<u8> {
        (std::mem::replace(&mut self.value, value) != value).then_some(value)
    }

    fn weighted_mean(&self) -> u8 {
        let weighted = self.recent[..self.len].iter().zip((1..=self.len).rev());
        let (sum, weights) = weighted
            .fold((0, 0), |(sum, weights), (&score, weight)| (sum + usize::from(score) * weight, weights + weight));
        (sum + weights / 2).checked_div(weights).map_or(SCORE_MAX, |mean| mean as u8)
    }
}

/// The fourth power of the delivered share, so that 5 % loss costs two points (mediasoup 3.27.1, `RtpStreamRecv`).
///
/// A repaired packet counts as a quarter of a lost one: it came, but late.
fn interval_score(interval: Interval) -> u8 {
    let lost = interval.lost.min(interval.expected);
    let repaired = interval.repaired.min(lost);
    let lost = (lost - repaired) as f64 + repaired as f64 / 4.0;
    let delivered = (1.0 - lost / interval.expected as f64).clamp(0.0, 1.0);
    (delivered.powi(4) * f64::from(SCORE_MAX)).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score_of(lost: u64, repaired: u64) -> u8 {
        let mut score = Score::new();
        (0..INTERVALS).for_each(|_| _ = score.add(Interval { expected: 100, lost, repaired }));
        score.value()
    }

    #[test]
    fn loss_lowers_the_score_and_repair_softens_it() {
        assert_eq!((score_of(0, 0), score_of(5, 0), score_of(20, 0), score_of(100, 0)), (10, 8, 4, 0));
        assert_eq!((score_of(5, 5), score_of(20, 20)), (10, 8));
        assert_eq!(score_of(200, 300), 3, "more repaired than lost is not more than all");
    }

    #[test]
    fn only_changes_are_told() {
        let mut score = Score::new();
        assert_eq!(score.add(Interval { expected: 50, lost: 0, repaired: 0 }), None);
        assert_eq!(score.set_inactive(), Some(0));
        assert_eq!(score.set_inactive(), None);
        assert_eq!(score.set_active(), Some(10));
        assert_eq!(score.add(Interval::default()), None);
    }

    #[test]
    fn a_bad_second_is_forgotten_after_some_good_ones() {
        let mut score = Score::new();
        assert!(score.add_fraction_lost(128).unwrap() < 2);
        (0..INTERVALS).for_each(|_| _ = score.add_fraction_lost(0));
        assert_eq!(score.value(), 10);
    }
}
