//! Times as microseconds, which arithmetic cannot take out of range.

use std::time::{Duration, Instant};

use millrace_packet::rtcp::transport_feedback::TICKS_PER_REFERENCE;

/// Microseconds since an estimator's first packet, or of the receiver's own clock.
pub(crate) type Micros = i64;

/// One millisecond.
pub(crate) const MS: Micros = 1000;
/// One second.
pub(crate) const SECOND: Micros = 1_000_000;

/// Turns instants into microseconds that never run backwards.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    origin: Option<Instant>,
    latest: Micros,
}

impl Clock {
    /// The microseconds of `now`, not before those of any earlier call.
    pub(crate) fn at(&mut self, now: Instant) -> Micros {
        let origin = *self.origin.get_or_insert(now);
        let elapsed = now.saturating_duration_since(origin).as_micros();
        self.latest = self.latest.max(Micros::try_from(elapsed).unwrap_or(Micros::MAX / 4));
        self.latest
    }

    /// The latest time told.
    pub(crate) fn latest(&self) -> Micros {
        self.latest
    }

    /// The instant of `at`; `None` before the first call of [`at`](Self::at).
    pub(crate) fn instant(&self, at: Micros) -> Option<Instant> {
        self.origin?.checked_add(Duration::from_micros(at.max(0).unsigned_abs()))
    }
}

/// The receiver's clock as transport-wide feedback tells it: 24 bits of 64 ms, which wrap every twelve days.
#[derive(Debug, Default)]
pub(crate) struct ArrivalClock {
    reference: Option<i32>,
    /// References since the first one, wraps undone.
    unwrapped: i64,
}

/// Microseconds of an arrival tick.
const TICK_US: i64 = 250;
/// Bits that a reference time leaves unused of an `i32`.
const UNUSED_BITS: u32 = 8;

impl ArrivalClock {
    /// How many ticks to add to arrivals counted from `reference`, so that they go on after those of earlier feedback.
    pub(crate) fn offset(&mut self, reference: i32) -> i64 {
        let previous = *self.reference.get_or_insert(reference);
        let step = (reference.wrapping_sub(previous) << UNUSED_BITS) >> UNUSED_BITS;
        self.reference = Some(reference);
        self.unwrapped = self.unwrapped.saturating_add(i64::from(step));
        self.unwrapped.saturating_sub(i64::from(reference)).saturating_mul(TICKS_PER_REFERENCE)
    }
}

/// The receiver's clock as RFC 8888 tells it: 32 bits of 1/65,536 s, which wrap every 18 hours.
#[derive(Debug, Default)]
pub(crate) struct ReportClock {
    latest: Option<u32>,
    unwrapped: i64,
}

impl ReportClock {
    /// The microseconds of `timestamp`, going on after those of earlier ones.
    pub(crate) fn at(&mut self, timestamp: u32) -> Micros {
        let previous = *self.latest.get_or_insert(timestamp);
        self.latest = Some(timestamp);
        self.unwrapped = self.unwrapped.saturating_add(i64::from(timestamp.wrapping_sub(previous) as i32));
        // 10^6 / 65,536 is 15,625 / 1024.
        (self.unwrapped.saturating_mul(15_625) / 1024).clamp(-MICROS_FURTHEST, MICROS_FURTHEST)
    }
}

/// The microseconds of `ticks` of 250 µs, kept where differences cannot overflow.
pub(crate) fn micros_of_ticks(ticks: i64) -> Micros {
    ticks.saturating_mul(TICK_US).clamp(-MICROS_FURTHEST, MICROS_FURTHEST)
}

/// Times lie within this of zero: a peer whose clock leaps for months gets there, and no further.
const MICROS_FURTHEST: Micros = 1 << 60;
