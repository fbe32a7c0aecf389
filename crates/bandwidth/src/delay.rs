//! The bitrate that delay allows: more while the queue rests, less when it stands.
//!
//! GoogCC (draft-ietf-rmcat-gcc-02 §5.5) takes 15 % back when delay grows and climbs back at 8 % a second. Here the
//! queue is measured besides: what arrives while packets wait is the capacity, so the decrease is as deep as the queue
//! is long, and once it has drained the bitrate returns to just below the capacity. docs/adr/0018 has the figures.

use crate::busy::Rates;
use crate::clock::{MS, Micros, SECOND};
use crate::trend::Usage;

/// What the delay-based estimator does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DelayState {
    /// It waits until the queue has drained.
    Hold,
    /// The queue rests: it allows more and more.
    #[default]
    Increase,
    /// The queue grew: it took back.
    Decrease,
    /// Others keep the queue full: it allows more until packets are lost, as they do.
    Compete,
}

/// A queue this long that still grows is overuse.
const QUEUE_GROWING: Micros = 8 * MS;
/// A queue this long is overuse whether it grows or not.
const QUEUE_STANDING: Micros = 30 * MS;
/// A queue this long means that the line got worse of late, and that only the latest arrivals tell how much.
const QUEUE_LONG: Micros = 60 * MS;
/// When the latest packets waited for so long, and came at less than this share of the bitrate, or of the rate at which
/// they left, the line got worse, whatever stood before.
const QUEUE_BEGUN: Micros = 30 * MS;
const FALLEN: f64 = 0.7;
/// A short queue that stands for so long is drained: otherwise it would become the path's own delay.
const LINGERS: Micros = 2 * SECOND;
/// A queue no longer than this counts as empty.
pub(crate) const QUEUE_EMPTY: Micros = 8 * MS;
/// Time in which a standing queue shall drain.
const DRAIN: f64 = 0.5 * SECOND as f64;
/// A queue that begins because the line got worse lets nearly nothing leave while it is so long: it drains as fast as it
/// can, and what it held up, sound above all, is heard again.
const DRAIN_SOON: f64 = 0.15 * SECOND as f64;
/// Packets are held back for no longer than this: such a queue is not ours alone.
const DRAINS_LONGEST: Micros = SECOND;
/// Share of the capacity that a decrease leaves at most, and at least.
const DECREASED: f64 = 0.93;
const DECREASED_LEAST: f64 = 0.1;
/// Share of the capacity to which the bitrate returns when the queue has drained.
const RETURN: f64 = 0.96;
/// Below this share of the known capacity growth is fast, above it slow.
const NEAR: f64 = 0.9;
/// Above this multiple of the known capacity it is known no longer.
const BEYOND: f64 = 1.08;
/// Growth per second far from the known capacity: libwebrtc's `MultiplicativeRateIncrease` has 1.08, and probes
/// besides, as we do.
const GROWTH: f64 = 1.08;
/// Growth per second near it, as a share and in bit/s: the constant part makes flows that share a line equal.
const NEAR_GROWTH: f64 = 1.01;
const NEAR_STEP: f64 = 20_000.0;
/// How far above what arrives the bitrate may grow: libwebrtc's `AimdRateControl::ClampBitrate`.
const AHEAD: f64 = 1.5;
const AHEAD_BITS: f64 = 10_000.0;
/// Weight of a sample in the capacity.
const CAPACITY_WEIGHT: f64 = 0.3;
/// A queue that has not been empty for so long since less is sent is kept full by others.
const COMPETE_AFTER: Micros = 2500 * MS;
/// Share of packets lost that makes a competing flow give way, and by how much: CUBIC's beta is 0.7 once a loss.
const COMPETE_LOSS: f64 = 0.02;
const COMPETE_DECREASE: f64 = 0.85;
/// Growth per second while competing.
const COMPETE_GROWTH: f64 = 1.15;

/// A queue that drains because packets are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draining {
    /// How fast packets that may wait should leave, in bit/s.
    pub pace: u64,
    /// What the line carries beside the queue, in bit/s: what to choose layers by, which cannot be lowered for a moment.
    pub carries: u64,
}

/// What the estimator is told with each feedback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observation {
    pub(crate) usage: Usage,
    /// Acknowledged bitrate, if known, with what loss beyond the queue took.
    pub(crate) acknowledged: Option<f64>,
    /// The same over the latest tenth of a second.
    pub(crate) recent: Option<f64>,
    /// How long packets wait in the queue that stands.
    pub(crate) queue: Micros,
    /// How long the latest packets waited at least.
    pub(crate) latest: Micros,
    /// How much delays differ without a queue.
    pub(crate) noise: Micros,
    /// How fast packets left and came that waited.
    pub(crate) busy: Option<Rates>,
    pub(crate) round_trip: Micros,
    /// Result of a probe that just ended.
    pub(crate) probe: Option<f64>,
    /// Share of packets lost of late.
    pub(crate) lost: f64,
    /// Whether the application sends less than it may.
    pub(crate) application_limited: bool,
    pub(crate) now: Micros,
}

impl Observation {
    /// Tells whether a queue begins because the line carries much less than `bitrate`.
    fn has_fallen_below(&self, bitrate: f64) -> bool {
        let begins = self.latest > QUEUE_BEGUN + 4 * self.noise;
        begins && self.busy.is_some_and(|busy| busy.arrived < FALLEN * bitrate.max(busy.sent))
    }
}

/// Increase and decrease by the queue.
#[derive(Debug)]
pub(crate) struct DelayRate {
    bitrate: f64,
    state: DelayState,
    updated: Option<Micros>,
    decreased: Option<Micros>,
    /// What arrived while packets waited.
    capacity: Option<f64>,
    /// When the queue was empty last.
    emptied: Micros,
    is_empty: bool,
    /// When less was sent first since then.
    took_back: Option<Micros>,
    /// The bitrate before that.
    before: f64,
    /// When the line fell last, and the round trip then.
    fallen: Option<(Micros, Micros)>,
}

impl DelayRate {
    pub(crate) fn new(bitrate: f64) -> Self {
        let state = DelayState::Increase;
        Self {
            bitrate,
            state,
            updated: None,
            decreased: None,
            capacity: None,
            emptied: 0,
            is_empty: true,
            took_back: None,
            before: bitrate,
            fallen: None,
        }
    }

    pub(crate) fn bitrate(&self) -> f64 {
        self.bitrate
    }

    pub(crate) fn state(&self) -> DelayState {
        self.state
    }

    /// Tells whether the queue rests.
    pub(crate) fn rests(&self) -> bool {
        self.state == DelayState::Increase && self.is_empty
    }

    /// How a queue drains that a fall of the line left: the more is under way, the less leaves. `in_flight` bytes are.
    pub(crate) fn draining(&self, in_flight: u64, now: Micros) -> Option<Draining> {
        let (_, round_trip) = self.fallen.filter(|(at, _)| now - at < DRAINS_LONGEST)?;
        let capacity = self.capacity.filter(|capacity| *capacity > 0.0)?;
        // What was told about has left the queue; what was not is in it, but for what a round trip takes anyway.
        let queue = in_flight as f64 * 8.0 / capacity * SECOND as f64 - round_trip as f64;
        let pace = (1.0 - queue / DRAIN_SOON).clamp(DECREASED_LEAST, 1.0) * capacity;
        Some(Draining { pace: pace as u64, carries: (DECREASED * capacity) as u64 })
    }

    /// Since when less has been sent because of a queue.
    pub(crate) fn took_back(&self) -> Option<Micros> {
        self.took_back
    }

    /// There is no queue: the path is another one. What was taken back for it is given back.
    pub(crate) fn give_back(&mut self) {
        self.bitrate = self.bitrate.max(self.before);
        self.state = DelayState::Increase;
        (self.took_back, self.capacity) = (None, None);
    }

    /// Starts from `bitrate`, which something else has found out.
    pub(crate) fn set(&mut self, bitrate: f64) {
        self.bitrate = bitrate;
    }

    /// Judges anew; the bitrate stays between `min` and `max`.
    pub(crate) fn update(&mut self, seen: &Observation, min: f64, max: f64) {
        self.is_empty = seen.queue <= QUEUE_EMPTY + seen.noise;
        if self.is_empty {
            self.emptied = seen.now;
            self.took_back = None;
        }
        let has_fallen = seen.has_fallen_below(self.bitrate);
        let grown = seen.usage == Usage::Over && seen.queue > QUEUE_GROWING + seen.noise;
        let lingers = self.state == DelayState::Increase && seen.now - self.emptied > LINGERS;
        let is_over = grown || lingers || has_fallen || seen.queue > QUEUE_STANDING + 2 * seen.noise;
        match seen.probe.filter(|probe| !is_over && *probe > self.bitrate) {
            Some(probe) => self.follow(probe),
            None => self.step(seen, is_over),
        }
        self.updated = Some(seen.now);
        self.bitrate = self.bitrate.clamp(min, max);
    }

    fn follow(&mut self, probe: f64) {
        self.bitrate = probe;
        self.state = DelayState::Increase;
        self.capacity = self.capacity.filter(|capacity| probe < BEYOND * capacity);
    }

    fn step(&mut self, seen: &Observation, is_over: bool) {
        let elapsed = (seen.now - self.updated.unwrap_or(seen.now)).clamp(0, SECOND) as f64 / SECOND as f64;
        // As long as packets are held back, what waits is what the fall has left.
        let drained = self.fallen.map_or(0, |(at, _)| at + DRAINS_LONGEST);
        let is_late = self.took_back.is_some_and(|at| seen.now - at.max(drained) > COMPETE_AFTER + 2 * seen.round_trip);
        let is_full = self.state == DelayState::Compete || seen.queue > QUEUE_STANDING + 2 * seen.noise;
        if is_late && is_full {
            self.compete(seen, elapsed);
        } else if is_over {
            self.decrease(seen);
        } else if self.state != DelayState::Increase {
            self.recover();
        } else {
            self.increase(seen, elapsed);
        }
    }

    fn decrease(&mut self, seen: &Observation) {
        let begins = self.state != DelayState::Decrease;
        if self.took_back.is_none() {
            (self.took_back, self.before) = (Some(seen.now), self.bitrate);
        }
        self.state = DelayState::Decrease;
        let busy = seen.busy.map(|busy| busy.arrived);
        let Some(mut acknowledged) = seen.acknowledged.or(busy) else {
            if begins {
                self.bitrate /= 2.0;
            }
            return;
        };
        if seen.queue > QUEUE_LONG + 2 * seen.noise {
            acknowledged = acknowledged.min(seen.recent.unwrap_or(acknowledged));
        }
        if seen.has_fallen_below(self.bitrate) {
            // What came before packets waited is what was sent then.
            acknowledged = busy.unwrap_or(acknowledged);
            if self.fallen.is_none_or(|(at, _)| seen.now - at >= DRAINS_LONGEST) {
                self.fallen = Some((seen.now, seen.round_trip));
            }
        } else if seen.application_limited {
            acknowledged = acknowledged.max(busy.unwrap_or(acknowledged));
        }
        let weight = if begins { 1.0 } else { CAPACITY_WEIGHT };
        let known = self.capacity.unwrap_or(acknowledged);
        // While packets wait, the line is never idle: what arrives is what it carries.
        self.capacity = Some(if begins { acknowledged } else { known + weight * (acknowledged - known) });
        self.drain(seen);
    }

    /// Leaves the capacity what the queue needs to drain in time.
    fn drain(&mut self, seen: &Observation) {
        let Some(capacity) = self.capacity else { return };
        let share = (1.0 - seen.queue as f64 / DRAIN).clamp(DECREASED_LEAST, DECREASED);
        self.bitrate = self.bitrate.min(capacity * share);
    }

    fn recover(&mut self) {
        let was_competing = self.state == DelayState::Compete;
        if !self.is_empty && !was_competing {
            self.state = DelayState::Hold;
            return;
        }
        self.state = DelayState::Increase;
        if let Some(capacity) = self.capacity.filter(|_| !was_competing) {
            self.bitrate = self.bitrate.max(RETURN * capacity);
        }
    }

    fn increase(&mut self, seen: &Observation, elapsed: f64) {
        if !self.is_empty {
            // Packets wait already: what is sent is about what the line carries.
            return;
        }
        self.capacity = self.capacity.filter(|capacity| self.bitrate < BEYOND * capacity);
        let grown = match self.capacity {
            Some(capacity) if self.bitrate > NEAR * capacity => {
                self.bitrate * NEAR_GROWTH.powf(elapsed) + NEAR_STEP * elapsed
            }
            _ => self.bitrate * GROWTH.powf(elapsed),
        };
        self.grow(seen, grown);
    }

    fn compete(&mut self, seen: &Observation, elapsed: f64) {
        self.state = DelayState::Compete;
        let interval = seen.round_trip + 100 * MS;
        if seen.lost > COMPETE_LOSS {
            if self.decreased.is_none_or(|at| seen.now - at > 2 * interval) {
                self.decreased = Some(seen.now);
                self.bitrate *= COMPETE_DECREASE;
            }
            return;
        }
        self.grow(seen, self.bitrate * COMPETE_GROWTH.powf(elapsed));
    }

    /// What is not sent proves nothing: the bitrate grows only as far as the acknowledged one follows.
    fn grow(&mut self, seen: &Observation, grown: f64) {
        let ahead = seen.acknowledged.map_or(f64::MAX, |acknowledged| AHEAD * acknowledged + AHEAD_BITS);
        if !seen.application_limited {
            self.bitrate = grown.min(ahead).max(self.bitrate);
        }
    }
}
