//! Who is the dominant speaker: I. Volfin and I. Cohen, "Dominant speaker identification for multipoint
//! videoconferencing", Computer Speech and Language 27 (2013) 895–910.
//!
//! Speech activity is scored over a moment, a tenth of a second and a second. A score is the log likelihood ratio of
//! speech (a binomial count of active parts) to silence (an exponential one). Whoever is clearly more active than the
//! dominant speaker in the moment and the tenth, and more over the second, takes over. The numbers are those of
//! Jitsi's implementation, which mediasoup follows.

use std::time::{Duration, Instant};

use crate::ProducerIndex;
use crate::levels::{Levels, SLOTS};
use crate::timers::Moment;

/// Least time between two changes of the dominant speaker, whatever levels are claimed (case R11), unless the one who
/// was it left. Until then the next speaker waits.
pub(crate) const SWITCH_INTERVAL_MIN: Duration = Duration::from_millis(1000);

/// Parts of a moment: bands of loudness, 10 dB each.
const BANDS: usize = 13;
const BAND_DB: u8 = 10;

/// Moments (20 ms) of a medium interval, and how many bands an active one has at least.
const MOMENTS: usize = 5;
const ACTIVE_BANDS_MIN: usize = 8;

/// Medium intervals of the long one, and how many active moments an active one has at least.
const MEDIUMS: usize = SLOTS / MOMENTS;
const ACTIVE_MOMENTS_MIN: usize = 5;

/// Rates of the exponential distributions: moment, medium, long.
const LAMBDAS: [f64; 3] = [0.78, 24.0, 47.0];

/// By how much, as the logarithm of the quotient, a speaker's scores exceed those of the dominant one at least.
const MARGINS: [f64; 3] = [3.0, 2.0, 0.0];

/// The score of silence, so that every quotient exists.
const SCORE_MIN: f64 = 1e-10;

/// Speech activity of a moment, of a medium and of a long interval.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Activity([f64; 3]);

impl Activity {
    const SILENT: Self = Self([SCORE_MIN; 3]);

    fn of(levels: &Levels, now_ms: u64) -> Self {
        let bands = levels.last_second(now_ms).map(|loudness| usize::from(loudness / BAND_DB));
        let mut mediums = [0; MEDIUMS];
        for (medium, moments) in mediums.iter_mut().zip(bands.chunks_exact(MOMENTS)) {
            *medium = moments.iter().filter(|bands| **bands >= ACTIVE_BANDS_MIN).count();
        }
        let long = mediums.iter().filter(|moments| **moments >= ACTIVE_MOMENTS_MIN).count();
        let counts = [(bands[0], BANDS), (mediums[0], MOMENTS), (long, MEDIUMS)];
        Self(std::array::from_fn(|interval| {
            let (active, parts) = counts[interval];
            score(active, parts, LAMBDAS[interval])
        }))
    }

    /// By how much this exceeds `other` over the medium interval, if it is clearly more.
    fn exceeds(self, other: Self) -> Option<f64> {
        let by: [f64; 3] = std::array::from_fn(|interval| (self.0[interval] / other.0[interval]).ln());
        by.iter().zip(MARGINS).all(|(by, margin)| *by > margin).then_some(by[1])
    }
}

/// Log likelihood ratio that `active` of `parts` parts are speech and not silence (equation 11 of the paper with p = ½).
fn score(active: usize, parts: usize, lambda: f64) -> f64 {
    let chosen = (0..active).map(|part| ((parts - part) as f64 / (part + 1) as f64).ln()).sum::<f64>();
    let score = chosen - parts as f64 * std::f64::consts::LN_2 - lambda.ln() + lambda * active as f64;
    score.max(SCORE_MIN)
}

/// The dominant speaker of a group.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dominance {
    dominant: Option<(ProducerIndex, Instant)>,
}

impl Dominance {
    /// A speaker left. Its index may come to mean another.
    pub(crate) fn leave(&mut self, speaker: ProducerIndex) {
        self.dominant = self.dominant.filter(|(dominant, _)| *dominant != speaker);
    }

    /// Elects among `speakers`. Returns who became the dominant speaker, if that changed.
    ///
    /// Who is dominant stays so while all are silent. Without a dominant speaker anybody who speaks becomes it.
    pub(crate) fn elect<'a>(
        &mut self,
        speakers: impl Iterator<Item = (ProducerIndex, &'a Levels)> + Clone,
        now: Moment,
    ) -> Option<ProducerIndex> {
        let dominant = self.dominant.and_then(|(dominant, since)| {
            let (_, levels) = speakers.clone().find(|(speaker, _)| *speaker == dominant)?;
            Some((dominant, since, levels))
        });
        let (reigning, activity) = match dominant {
            Some((_, since, _)) if now.at.saturating_duration_since(since) < SWITCH_INTERVAL_MIN => return None,
            Some((dominant, _, levels)) => (Some(dominant), Activity::of(levels, now.ms)),
            None => (None, Activity::SILENT),
        };
        let others = speakers.filter(|(speaker, _)| Some(*speaker) != reigning);
        let ahead =
            others.filter_map(|(speaker, levels)| Some((speaker, Activity::of(levels, now.ms).exceeds(activity)?)));
        let (elected, _) = ahead.max_by(|(_, one), (_, other)| one.total_cmp(other))?;
        self.dominant = Some((elected, now.at));
        Some(elected)
    }
}

#[cfg(test)]
mod tests {
    use millrace_packet::meta::AudioLevel;

    use super::*;

    const LOUD: u8 = 20;
    const QUIET: u8 = 127;

    struct Room {
        levels: Vec<Levels>,
        dominance: Dominance,
        start: Instant,
        now_ms: u64,
    }

    impl Room {
        fn of(people: usize) -> Self {
            let levels = (0..people).map(|_| Levels::new(0)).collect();
            Self { levels, dominance: Dominance::default(), start: Instant::now(), now_ms: 0 }
        }

        /// Lets time pass while each speaks at a level of 20 ms. Tells who became dominant, looking every 300 ms.
        fn run(&mut self, ms: u64, attenuation: impl Fn(usize, u64) -> u8) -> Vec<u32> {
            let mut elected = Vec::new();
            for _ in 0..ms / 20 {
                self.now_ms += 20;
                for (person, levels) in self.levels.iter_mut().enumerate() {
                    let attenuation_dbov = attenuation(person, self.now_ms);
                    levels.note(AudioLevel { attenuation_dbov, voice: true }, self.now_ms);
                }
                if self.now_ms.is_multiple_of(300) {
                    let speakers = (0..).map(ProducerIndex).zip(self.levels.iter());
                    let now = Moment::new(self.start, self.start + Duration::from_millis(self.now_ms));
                    elected.extend(self.dominance.elect(speakers, now).map(|speaker| speaker.0));
                }
            }
            elected
        }
    }

    fn only(person: usize) -> impl Fn(usize, u64) -> u8 {
        move |other, _| if other == person { LOUD } else { QUIET }
    }

    #[test]
    fn nobody_is_dominant_until_somebody_speaks_and_then_it_is_told_once() {
        let mut room = Room::of(3);
        assert!(room.run(2000, |_, _| QUIET).is_empty());
        assert_eq!(room.run(2000, only(1)), [1]);
        assert!(room.run(2000, |_, _| QUIET).is_empty(), "who spoke last stays dominant");
    }

    #[test]
    fn whoever_goes_on_after_the_other_stopped_takes_over() {
        let mut room = Room::of(3);
        assert_eq!(room.run(3000, only(0)), [0]);
        assert_eq!(room.run(3000, only(2)), [2]);
    }

    #[test]
    fn a_short_noise_and_a_second_voice_do_not_take_over() {
        let mut room = Room::of(2);
        room.run(3000, only(0));
        assert!(room.run(3000, |person, ms| if person == 0 || ms % 1000 < 40 { LOUD } else { QUIET }).is_empty());
        assert!(room.run(3000, |_, _| LOUD).is_empty());
    }

    #[test]
    fn who_left_is_replaced_at_once_by_whoever_speaks() {
        let mut room = Room::of(2);
        room.run(600, only(0));
        room.dominance.leave(ProducerIndex(0));
        assert_eq!(room.run(300, only(1)), [1]);
    }

    #[test]
    fn r11_full_scale_over_silence_gives_way_to_the_first_who_speaks() {
        let mut room = Room::of(2);
        let liar = |speaks: bool| {
            move |person: usize, ms: u64| match person {
                0 => 0,
                _ if speaks && ms % 600 < 500 => LOUD,
                _ => QUIET,
            }
        };
        assert_eq!(room.run(20_000, liar(false)), [0]);
        assert_eq!(room.run(5000, liar(true)), [1], "and does not take it back");
    }

    #[test]
    fn r11_no_levels_make_the_speaker_change_more_often_than_once_a_second() {
        let mut chance = 12_345u64;
        let mut room = Room::of(20);
        let mut noise: Vec<u8> = Vec::new();
        for _ in 0..20 * 60_000 / 20 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            noise.push(if chance >> 62 == 0 { 0 } else { QUIET });
        }
        let bursts = |person: usize, ms: u64| noise[person * 3000 + (ms as usize / 200) % 3000];
        let changes = room.run(60_000, bursts).len();
        assert!((10..=60).contains(&changes), "{changes} changes in a minute");
    }
}
