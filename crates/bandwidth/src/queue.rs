//! How long packets wait on the path: their delay above the smallest of late.

use crate::clock::{Micros, SECOND};

/// Half of the time for which the smallest delay is remembered.
///
/// LEDBAT (RFC 6817 §2.4.2) keeps ten minutes; a path that changes, or two clocks that drift apart by 100 ppm (2 ms in
/// 20 s), ask for less. A queue that stands for longer counts as the path's own delay.
const BASE_HALF: Micros = 10 * SECOND;
/// A change of delay that no queue makes: the receiver's clock leapt.
const CLOCK_STEP: Micros = 10 * SECOND;

/// One-way delays by two clocks that need not agree.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Smallest delay of the current half and of the half before.
    halves: Option<[Micros; 2]>,
    half_start: Micros,
    /// Smallest delay in the feedback that is being read.
    batch: Option<Micros>,
    delay: Micros,
}

impl Queue {
    /// Takes note of a packet that was `delay` under way.
    pub(crate) fn packet(&mut self, delay: Micros) {
        self.batch = Some(self.batch.map_or(delay, |batch| batch.min(delay)));
    }

    /// Ends a batch of packets told about together.
    pub(crate) fn settle(&mut self, now: Micros) {
        let Some(batch) = self.batch.take() else { return };
        let [current, before] = *self.halves.get_or_insert([batch; 2]);
        if (batch - current.min(before)).abs() > CLOCK_STEP {
            (self.halves, self.half_start, self.delay) = (Some([batch; 2]), now, 0);
            return;
        }
        let halves = if now - self.half_start >= BASE_HALF {
            self.half_start = now;
            [batch, current]
        } else {
            [current.min(batch), before]
        };
        self.halves = Some(halves);
        self.delay = batch - halves[0].min(halves[1]);
    }

    /// How long the quickest packet of the latest feedback waited.
    pub(crate) fn delay(&self) -> Micros {
        self.delay
    }
}
