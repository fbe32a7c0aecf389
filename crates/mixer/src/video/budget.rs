//! How long the decoder of one input may compute, so that a stream that costs more than it is worth costs its own tile.

use std::time::{Duration, Instant};

/// Share of the time that the decoder of an input may compute, while there is time enough: 1080p at 30 a second takes some
/// 15 %. What comes beyond it is dropped and counted, and the input stands still until it has paid for it.
pub const DECODE_SHARE_MAX: f32 = 0.5;

/// Computing that a decoder may do at once: some frames that come together, or one very large key frame.
pub const DECODE_BURST_MAX: Duration = Duration::from_millis(500);

/// What a decoder has spent beyond what it earned.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    debt: Duration,
    earned_until: Option<Instant>,
    is_spent: bool,
}

impl Budget {
    /// Earns this share of the time up to `now`.
    pub(super) fn earn(&mut self, now: Instant, share: f32) {
        let passed =
            self.earned_until.replace(now).map_or(Duration::ZERO, |until| now.saturating_duration_since(until));
        self.debt = self.debt.saturating_sub(passed.mul_f32(share));
        // Not at once, or it would stand still at every other frame.
        self.is_spent &= self.debt > DECODE_BURST_MAX / 2;
    }

    pub(super) fn spend(&mut self, work: Duration) {
        self.debt = self.debt.saturating_add(work);
        self.is_spent |= self.debt > DECODE_BURST_MAX;
    }

    /// Tells whether nothing may be decoded now.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }
}

/// The share of each of so many inputs: while there is no time left, no more than its part of all of it.
pub(super) fn share(inputs: usize, is_overloaded: bool) -> f32 {
    let part = 1.0 / inputs.max(1) as f32;
    if is_overloaded { DECODE_SHARE_MAX.min(part) } else { DECODE_SHARE_MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of ten seconds for which a decoder computed that takes `work` for each of 30 frames a second.
    fn spent(work: Duration, share: f32) -> f32 {
        let (start, mut budget, mut all) = (Instant::now(), Budget::default(), Duration::ZERO);
        for tick in 0..300 {
            budget.earn(start + Duration::from_secs(1) * tick / 30, share);
            if !budget.is_spent() {
                budget.spend(work);
                all += work;
            }
        }
        all.as_secs_f32() / 10.0
    }

    #[test]
    fn what_is_worth_its_share_is_never_held_up_and_more_is_cut_down_to_it() {
        assert!((spent(Duration::from_millis(15), 0.5) - 0.45).abs() < 1e-3);
        for work in [20, 100, 1_000].map(Duration::from_millis) {
            let spent = spent(work, 0.5);
            assert!((0.4..=0.65).contains(&spent), "{work:?}: {spent}");
        }
        assert!(spent(Duration::from_millis(20), 0.1) < 0.16);
    }

    #[test]
    fn shares_are_of_all_the_time_only_while_there_is_too_little() {
        assert_eq!([share(1, false), share(16, false)], [0.5; 2]);
        assert_eq!([share(0, true), share(1, true), share(2, true), share(16, true)], [0.5, 0.5, 0.5, 0.0625]);
    }
}
