//! What gives way when a tick takes longer than there is time for: first the frame rate, then the encoders' care, then the
//! size of what they encode.

use std::time::Duration;

/// How far a mixer has given way. Each step is taken beside those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pressure {
    /// Everything is as it was asked for.
    #[default]
    None,
    /// Every other tick is left out.
    HalfRate,
    /// Encoders spend the least work that they know.
    Hurried,
    /// Encoded pictures are half as wide and high.
    HalfSize,
}

impl Pressure {
    fn more(self) -> Self {
        match self {
            Self::None => Self::HalfRate,
            Self::HalfRate => Self::Hurried,
            Self::Hurried | Self::HalfSize => Self::HalfSize,
        }
    }

    fn less(self) -> Self {
        match self {
            Self::None | Self::HalfRate => Self::None,
            Self::Hurried => Self::HalfRate,
            Self::HalfSize => Self::Hurried,
        }
    }
}

/// Share of the time above which a mixer gives way.
const LOAD_HIGH: f32 = 0.85;

/// Share of the time below which it takes a step back: the step before must not be too much again.
const LOAD_LOW: f32 = 0.35;

/// How long the load must be too high for the next step.
const GIVES_WAY_AFTER: Duration = Duration::from_secs(1);

/// How long it must be low for a step back.
const RECOVERS_AFTER: Duration = Duration::from_secs(10);

/// Watches how long ticks take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ladder {
    pub(super) step: Pressure,
    /// Average share of the time that ticks take.
    pub(super) load: f32,
    high_for: Duration,
    low_for: Duration,
}

impl Ladder {
    /// Tells whether there is too little time.
    pub(super) fn is_overloaded(&self) -> bool {
        self.load > LOAD_HIGH
    }

    /// Takes that a tick of `length` took `work`. Returns the step if it is another one.
    pub(super) fn note(&mut self, work: Duration, length: Duration) -> Option<Pressure> {
        let share = work.as_secs_f32() / length.as_secs_f32().max(1e-6);
        self.load += (share - self.load) * 0.1;
        self.high_for = if self.is_overloaded() { self.high_for + length } else { Duration::ZERO };
        self.low_for = if self.load < LOAD_LOW { self.low_for + length } else { Duration::ZERO };
        let step = if self.high_for >= GIVES_WAY_AFTER {
            self.step.more()
        } else if self.low_for >= RECOVERS_AFTER {
            self.step.less()
        } else {
            self.step
        };
        if step == self.step {
            return None;
        }
        (self.step, self.high_for, self.low_for) = (step, Duration::ZERO, Duration::ZERO);
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(33);

    fn run(ladder: &mut Ladder, seconds: u32, share: impl Fn(Pressure) -> f32) -> Vec<Pressure> {
        let ticks = 0..seconds * 30;
        ticks.filter_map(|_| ladder.note(TICK.mul_f32(share(ladder.step)), TICK)).collect()
    }

    #[test]
    fn steps_are_taken_one_by_one_and_back_when_there_is_time() {
        let mut ladder = Ladder::default();
        assert_eq!(run(&mut ladder, 30, |_| 0.8), []);
        assert_eq!(run(&mut ladder, 10, |_| 1.5), [Pressure::HalfRate, Pressure::Hurried, Pressure::HalfSize]);
        assert_eq!(run(&mut ladder, 60, |_| 0.2), [Pressure::Hurried, Pressure::HalfRate, Pressure::None]);
    }

    #[test]
    fn a_step_that_is_enough_stays_without_going_to_and_fro() {
        let mut ladder = Ladder::default();
        // Half the ticks take half the time.
        let steps = run(&mut ladder, 600, |step| if step == Pressure::None { 1.1 } else { 0.55 });
        assert_eq!(steps, [Pressure::HalfRate]);
    }

    #[test]
    fn one_slow_tick_changes_nothing() {
        let mut ladder = Ladder::default();
        run(&mut ladder, 5, |_| 0.5);
        assert_eq!(ladder.note(TICK * 4, TICK), None);
        assert_eq!(run(&mut ladder, 5, |_| 0.5), []);
    }
}
