//! Which part of the router is due next. Nothing is scanned: a part that has nothing to do has no entry.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::{ObserverIndex, ProducerIndex, SessionId};

/// An instant with the router's own count of microseconds and ms, computed once per call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    pub(crate) us: u64,
    pub(crate) ms: u64,
}

impl Moment {
    /// `at` as a moment of a router that began at `origin`.
    pub(crate) fn new(origin: Instant, at: Instant) -> Self {
        let since = at.saturating_duration_since(origin);
        let us = since.as_secs() * 1_000_000 + u64::from(since.subsec_micros());
        Self { at, us, ms: us / 1_000 }
    }
}

/// A part of the router that can be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Task {
    /// Sender and receiver reports of a session.
    Reports(SessionId),
    /// Transport-wide feedback of a session.
    TransportCc(SessionId),
    /// Lost packets of a producer's stream.
    Nack(ProducerIndex, u8),
    /// Key-frame requests of a producer's stream.
    KeyFrame(ProducerIndex, u8),
    /// Score, silence and cache of a producer's stream.
    Upkeep(ProducerIndex, u8),
    /// What an observer has to tell.
    Observe(ObserverIndex),
}

/// The due times of all parts, soonest first.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Task)>>,
}

impl Timers {
    /// The soonest due time. It may be one that has become idle; then the visit does nothing.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the soonest task that is due at `now`, with the time it was set for.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, Task)> {
        let Reverse((at, _)) = *self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

/// One part's place in [`Timers`]: it keeps a part from having more than one live entry.
///
/// A part that is wanted sooner than it is set for gets a second entry, and the first one then finds nothing to do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Alarm {
    set_for: Option<Instant>,
}

impl Alarm {
    /// Makes sure that `task` is visited at `wanted` or before.
    pub(crate) fn set(&mut self, wanted: Option<Instant>, task: Task, timers: &mut Timers) {
        let Some(wanted) = wanted else { return };
        if self.set_for.is_some_and(|set_for| set_for <= wanted) {
            return;
        }
        self.set_for = Some(wanted);
        timers.heap.push(Reverse((wanted, task)));
    }

    /// Tells whether the entry that was set for `at` is the live one, and ends it.
    pub(crate) fn ring(&mut self, at: Instant) -> bool {
        let is_live = self.set_for == Some(at);
        if is_live {
            self.set_for = None;
        }
        is_live
    }

    /// Tells whether no entry is set.
    pub(crate) fn is_off(&self) -> bool {
        self.set_for.is_none()
    }
}

/// A duration between `shortest` and `longest`, from an own sequence of numbers (xorshift), so that the reports of
/// many sessions do not fall together (RFC 3550 §6.3.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    state: u32,
}

impl Spread {
    /// A sequence that starts from `seed`.
    pub(crate) fn new(seed: u32) -> Self {
        Self { state: seed | 1 }
    }

    /// The next duration.
    pub(crate) fn between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        shortest + longest.saturating_sub(shortest).mul_f64(f64::from(self.state) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: Task = Task::Nack(ProducerIndex(1), 0);

    #[test]
    fn a_part_set_twice_has_one_entry() {
        let (mut timers, mut alarm, start) = (Timers::default(), Alarm::default(), Instant::now());
        alarm.set(Some(start), TASK, &mut timers);
        alarm.set(Some(start + Duration::from_millis(5)), TASK, &mut timers);
        assert_eq!(timers.pop(start), Some((start, TASK)));
        assert!(alarm.ring(start) && alarm.is_off());
        assert_eq!(timers.deadline(), None);
    }

    #[test]
    fn an_entry_that_was_overtaken_does_not_ring() {
        let (mut timers, mut alarm, start) = (Timers::default(), Alarm::default(), Instant::now());
        let later = start + Duration::from_millis(5);
        alarm.set(Some(later), TASK, &mut timers);
        alarm.set(Some(start), TASK, &mut timers);
        assert!(timers.pop(start).is_some_and(|(at, _)| alarm.ring(at)));
        assert!(timers.pop(start).is_none());
        assert!(timers.pop(later).is_some_and(|(at, _)| !alarm.ring(at)));
    }

    #[test]
    fn spread_stays_within_its_bounds() {
        let mut spread = Spread::new(0);
        for _ in 0..1000 {
            let duration = spread.between(Duration::from_millis(750), Duration::from_millis(1250));
            assert!((750..=1250).contains(&duration.as_millis()));
        }
    }
}
