//! How long packets wait on the path: their delay above the smallest of late.

use arrayvec::ArrayVec;

use crate::clock::{MS, Micros, SECOND};

/// Half of the time for which the smallest delay is remembered.
///
/// LEDBAT (RFC 6817 §2.4.2) keeps ten minutes; a path that changes, or two clocks that drift apart by 100 ppm (2 ms in
/// 20 s), ask for less. A queue that stands for longer counts as the path's own delay.
const BASE_HALF: Micros = 10 * SECOND;
/// A change of delay that no queue makes: the receiver's clock leapt.
const CLOCK_STEP: Micros = 10 * SECOND;
/// Time in which the quickest packet tells the queue that stands: radio links let packets wait for tens of
/// milliseconds without one.
const STANDING: Micros = 100 * MS;
/// Batches of feedback in that time. When full, the oldest is dropped.
const BATCHES_MAX: usize = 8;

/// One-way delays by two clocks that need not agree.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Smallest delay of the current half and of the half before.
    halves: Option<[Micros; 2]>,
    half_start: Micros,
    /// Smallest delay in the feedback that is being read.
    batch: Option<Micros>,
    /// Smallest delay of each batch of late, and when it was told.
    batches: ArrayVec<(Micros, Micros), BATCHES_MAX>,
    delay: Micros,
    /// How much the smallest delay goes to and fro from one batch to the next.
    noise: f64,
    /// The latest change of the smallest delay.
    change: Micros,
    /// Since when the delay that stands has been the same, and the least and the most of that time.
    flat: Option<Flat>,
}

#[derive(Clone, Copy, Debug)]
struct Flat {
    since: Micros,
    least: Micros,
    most: Micros,
}

/// How much a delay may vary and still be the same, beside the noise.
const FLAT: Micros = 4 * MS;
/// How long it must have been.
const FLAT_LEAST: Micros = SECOND;
/// What stands longer is a queue that others keep full.
const DETOUR_LONGEST: Micros = 100 * MS;

/// Weight of a change in the noise, and the most that one counts.
const NOISE_WEIGHT: f64 = 1.0 / 32.0;
const NOISE_MOST: f64 = 20.0 * MS as f64;
/// A queue that grows or drains changes delay one way; chance turns round at two of three steps, so these count for all.
const NOISE_TURNS: f64 = 1.5;

impl Queue {
    /// Takes note of a packet that was `delay` under way.
    pub(crate) fn packet(&mut self, delay: Micros) {
        self.batch = Some(self.batch.map_or(delay, |batch| batch.min(delay)));
    }

    /// The smallest delay of late; `None` before the first batch ended.
    pub(crate) fn base(&self) -> Option<Micros> {
        self.halves.map(|[current, before]| current.min(before))
    }

    /// Ends a batch of packets told about together.
    pub(crate) fn settle(&mut self, now: Micros) {
        let Some(batch) = self.batch.take() else { return };
        let [current, before] = *self.halves.get_or_insert([batch; 2]);
        if (batch - current.min(before)).abs() > CLOCK_STEP {
            *self = Self { halves: Some([batch; 2]), half_start: now, ..Self::default() };
            return;
        }
        let halves = if now - self.half_start >= BASE_HALF {
            self.half_start = now;
            [batch, current]
        } else {
            [current.min(batch), before]
        };
        self.halves = Some(halves);
        if let Some((_, previous)) = self.batches.last() {
            let change = batch - previous;
            let turns = change.signum() == -self.change.signum();
            let sample = if turns { NOISE_TURNS * (change.abs() as f64).min(NOISE_MOST) } else { 0.0 };
            self.noise += NOISE_WEIGHT * (sample - self.noise);
            self.change = change;
        }
        while self.batches.is_full() || self.batches.first().is_some_and(|(at, _)| now - at > STANDING) {
            self.batches.remove(0);
        }
        self.batches.push((now, batch));
        let quickest = self.batches.iter().map(|(_, delay)| *delay).min().unwrap_or(batch);
        self.delay = quickest - halves[0].min(halves[1]);
        self.note_flat(quickest, now);
    }

    fn note_flat(&mut self, delay: Micros, now: Micros) {
        let widened = self.flat.map(|flat| Flat { least: flat.least.min(delay), most: flat.most.max(delay), ..flat });
        let same = widened.filter(|flat| flat.most - flat.least <= FLAT + self.noise());
        self.flat = Some(same.unwrap_or(Flat { since: now, least: delay, most: delay }));
    }

    /// Takes what stands for the path's own delay if it has not changed since `since`, whatever was sent: packets take
    /// another way. Tells whether it did.
    pub(crate) fn follow_detour(&mut self, since: Micros, now: Micros) -> bool {
        let Some(flat) = self.flat.filter(|flat| now - flat.since.max(since) >= FLAT_LEAST) else { return false };
        let is_detour = (1..DETOUR_LONGEST).contains(&self.delay);
        if is_detour {
            self.halves = Some([flat.least; 2]);
            (self.half_start, self.delay) = (now, 0);
        }
        is_detour
    }

    /// How much delays differ without a queue: radio links make it tens of milliseconds.
    pub(crate) fn noise(&self) -> Micros {
        self.noise as Micros
    }

    /// How long the quickest packet of the latest feedback waited: what stands in the queue.
    pub(crate) fn delay(&self) -> Micros {
        self.delay
    }
}
