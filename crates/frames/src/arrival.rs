//! When a stream's packets arrive: the shortest way they take, how much later most of them come, and drift.
//!
//! All times are in samples of [`RATE`]; those of the stream come from its timestamps, those of arrival from `now`.

use std::time::{Duration, Instant};

/// Samples a second that times are counted in, and that sound is mixed at.
pub const RATE: u32 = 48_000;

/// Seconds that the shortest way is looked for in: more would follow a drifting clock late, less would take a short
/// burst of delay for the way itself.
const BASE_SECONDS: usize = 10;

/// Width of a class of delays: 2.5 ms.
const CLASS: i64 = 120;

/// Classes of delays; later packets count in the last one, so that the buffer never waits longer than half a second.
const CLASSES: usize = 200;

/// Share of packets that may come later than the delay that is waited for.
const LATE_SHARE: f32 = 0.01;

/// Weight that earlier packets keep with each new one: half of it is gone after 400 packets (8 s).
///
/// As NetEq has it (0.9983, `modules/audio_coding/neteq/delay_manager.cc`).
const FORGET: f32 = 0.9983;

/// A transit that differs by this from the shortest is another clock: 1 s. Everything is learned anew.
const TRANSIT_STEP_MAX: i64 = RATE as i64;

/// `now` in samples since `start`; instants before it count as it.
pub fn samples_since(start: Instant, now: Instant) -> i64 {
    samples(now.saturating_duration_since(start))
}

/// `duration` in samples.
pub fn samples(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros() * u128::from(RATE) / 1_000_000).unwrap_or(i64::MAX)
}

/// What one packet's arrival meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    Known,
    /// The stream's clock stands elsewhere: nothing learned before holds.
    Jumped,
}

/// Learns the transit of a stream: arrival less timestamp, on a scale whose zero means nothing.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// Shortest transit of each of the last seconds.
    shortest: [i64; BASE_SECONDS],
    second: i64,
    base: i64,
    known: bool,
    classes: [f32; CLASSES],
    wait: i64,
    last: Option<(i64, i64)>,
    /// Interarrival jitter (RFC 3550 §6.4.1), in samples.
    jitter: f32,
}

impl Arrivals {
    pub(crate) fn new() -> Self {
        let classes = [0.0; CLASSES];
        let shortest = [i64::MAX; BASE_SECONDS];
        Self { shortest, second: 0, base: 0, known: false, classes, wait: CLASS, last: None, jitter: 0.0 }
    }

    /// Takes a packet with `media` time that arrived at `arrived`.
    pub(crate) fn note(&mut self, media: i64, arrived: i64) -> Arrival {
        let transit = arrived - media;
        let jumped = self.known && (transit - self.base).abs() > TRANSIT_STEP_MAX;
        if jumped {
            *self = Self::new();
        }
        self.note_base(transit, arrived.div_euclid(i64::from(RATE)));
        self.note_delay(transit - self.base);
        if let Some((before, before_arrived)) = self.last {
            let difference = ((arrived - before_arrived) - (media - before)).abs() as f32;
            self.jitter += (difference - self.jitter) / 16.0;
        }
        self.last = Some((media, arrived));
        if jumped { Arrival::Jumped } else { Arrival::Known }
    }

    fn note_base(&mut self, transit: i64, second: i64) {
        if !self.known {
            (self.shortest, self.second, self.known) = ([i64::MAX; BASE_SECONDS], second, true);
        }
        // Seconds without a packet are forgotten like those with one, unless that would leave nothing.
        let passed = (second - self.second).clamp(0, BASE_SECONDS as i64);
        for step in 0..passed {
            let place = (self.second + 1 + step).rem_euclid(BASE_SECONDS as i64);
            self.shortest[place as usize] = i64::MAX;
        }
        self.second = self.second.max(second);
        let place = &mut self.shortest[self.second.rem_euclid(BASE_SECONDS as i64) as usize];
        *place = transit.min(*place);
        self.base = self.shortest.into_iter().min().unwrap_or(transit);
    }

    fn note_delay(&mut self, delay: i64) {
        let class = usize::try_from(delay / CLASS).unwrap_or(0).min(CLASSES - 1);
        for weight in &mut self.classes {
            *weight *= FORGET;
        }
        self.classes[class] += 1.0 - FORGET;
        let total: f32 = self.classes.iter().sum();
        let mut above = 0.0;
        let mut top = CLASSES;
        while top > 1 {
            above += self.classes[top - 1];
            if above > LATE_SHARE * total {
                break;
            }
            top -= 1;
        }
        self.wait = top as i64 * CLASS;
    }

    /// Shortest transit of the last seconds.
    pub(crate) fn base(&self) -> i64 {
        self.base
    }

    /// How much later than the shortest way all but a hundredth of the packets come, rounded up to a class.
    pub(crate) fn wait(&self) -> i64 {
        self.wait
    }

    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub(crate) fn jitter(&self) -> Duration {
        Duration::from_secs_f32(self.jitter / RATE as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 48;

    #[test]
    fn packets_without_jitter_are_waited_for_one_class() {
        let mut arrivals = Arrivals::new();
        for packet in 0..100 {
            assert_eq!(arrivals.note(packet * 20 * MS, 7_000 + packet * 20 * MS), Arrival::Known);
        }
        assert_eq!((arrivals.base(), arrivals.wait()), (7_000, CLASS));
        assert_eq!(arrivals.jitter(), Duration::ZERO);
    }

    #[test]
    fn the_wait_grows_to_what_nearly_all_packets_need_and_shrinks_again() {
        let mut arrivals = Arrivals::new();
        for packet in 0..1_000 {
            arrivals.note(packet * 20 * MS, packet * 20 * MS + (packet * 7 % 50) * MS);
        }
        assert!((47 * MS..=52 * MS).contains(&arrivals.wait()), "{}", arrivals.wait());
        for packet in 1_000..5_000 {
            arrivals.note(packet * 20 * MS, packet * 20 * MS);
        }
        assert_eq!(arrivals.wait(), CLASS);
    }

    #[test]
    fn a_drifting_clock_moves_the_base_and_costs_no_more_than_its_own_drift() {
        for parts_per_million in [-200, 200] {
            let mut arrivals = Arrivals::new();
            for packet in 0..30_000 {
                let media = packet * 20 * MS;
                arrivals.note(media, media + media * parts_per_million / 1_000_000);
            }
            let expected = 30_000 * 20 * MS * parts_per_million / 1_000_000;
            assert!((arrivals.base() - expected).abs() <= 3 * MS, "{} not {expected}", arrivals.base());
            assert!(arrivals.wait() <= 2 * CLASS);
        }
    }

    #[test]
    fn r08_a_clock_that_jumps_is_learned_anew() {
        let mut arrivals = Arrivals::new();
        arrivals.note(0, 0);
        assert_eq!(arrivals.note(1 << 31, 960), Arrival::Jumped);
        assert_eq!(arrivals.base(), 960 - (1 << 31));
        assert_eq!(arrivals.note((1 << 31) + 960, 1_920), Arrival::Known);
    }

    #[test]
    fn a_long_pause_leaves_a_base() {
        let mut arrivals = Arrivals::new();
        arrivals.note(0, 500);
        arrivals.note(3_600 * 48_000, 500 + 3_600 * 48_000 + 10);
        assert_eq!(arrivals.base(), 510);
    }
}
