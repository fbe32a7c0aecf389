//! Who is loud, by levels that packets bring or that were measured: whom to decode, and who is speaking most.

use millrace_packet::meta::AudioLevel;

/// Ticks of 48 kHz in a millisecond: all times here are samples.
const MS: i64 = 48;

/// A place among the loudest changes hands no more often than this (OWT's ranker: 200 ms).
pub const CHANGE_INTERVAL: i64 = 200 * MS;

/// Who was not heard speaking for this long counts as muted (OWT's ranker: 600 ms).
pub const UNVOICED_AFTER: i64 = 600 * MS;

/// The loudest of this long is the active one (OWT's VAD: 1 s).
pub const ACTIVE_INTERVAL: i64 = 1_000 * MS;

/// By how many dB a newcomer must exceed the quietest who has a place.
const MARGIN_DB: f32 = 3.0;

/// Sound of this level and above counts as speech when nobody says whether it is: -50 dB of full scale.
const SPEECH_DB: f32 = -50.0;

/// The level of no sound at all.
pub const SILENCE_DB: f32 = -127.0;

/// Loudness of one input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loudness {
    /// Average over about 200 ms, in dB of full scale.
    average_db: f32,
    /// Latest value.
    pub(super) level_db: f32,
    voiced_at: Option<i64>,
    /// Sum of the last second's power.
    energy: f32,
    /// Packets say how loud they are, so that they need not be decoded for it.
    pub(super) told: bool,
    /// It has a place among those that are mixed.
    pub(super) chosen: bool,
}

impl Loudness {
    pub(super) fn new() -> Self {
        Self { average_db: SILENCE_DB, level_db: SILENCE_DB, voiced_at: None, energy: 0.0, told: false, chosen: false }
    }

    /// Takes the level of a packet.
    pub(super) fn tell(&mut self, level: AudioLevel, now: i64) {
        self.told = true;
        let db = -f32::from(level.attenuation_dbov);
        self.note(db, level.voice || db >= SPEECH_DB, now);
    }

    /// Takes the mean square of a tick's sound, unless packets tell their level.
    pub(super) fn measure(&mut self, power: f32, now: i64) {
        if !self.told {
            let db = (10.0 * power.max(1e-13).log10()).max(SILENCE_DB);
            self.note(db, db >= SPEECH_DB, now);
        }
    }

    fn note(&mut self, db: f32, voiced: bool, now: i64) {
        self.level_db = db;
        self.average_db += (db - self.average_db) * 0.1;
        if voiced {
            self.voiced_at = Some(now);
            // What begins to speak is as loud as it is, not as it was while silent.
            self.average_db = self.average_db.max(db - 12.0);
            self.energy += 10f32.powf(db / 10.0);
        }
    }

    fn speaks(&self, now: i64) -> bool {
        self.voiced_at.is_some_and(|at| now - at <= UNVOICED_AFTER)
    }
}

/// Gives out the places among those that are mixed, and says who is active.
#[derive(Debug)]
pub(super) struct Talkers {
    /// Places; `None`: everybody has one.
    places: Option<usize>,
    changed_at: i64,
    judged_at: i64,
}

impl Talkers {
    pub(super) fn new(places: Option<usize>) -> Self {
        Self { places, changed_at: i64::MIN / 2, judged_at: 0 }
    }

    /// Chooses at `now` among `inputs`, which lie in any order that stays.
    pub(super) fn choose<'a>(&mut self, inputs: impl Iterator<Item = &'a mut Loudness>, now: i64) {
        let Some(places) = self.places else {
            inputs.for_each(|input| input.chosen = true);
            return;
        };
        let (mut taken, mut quietest, mut loudest) = (0, None::<&mut Loudness>, None::<&mut Loudness>);
        for input in inputs {
            input.chosen &= input.speaks(now);
            if input.chosen {
                taken += 1;
                if quietest.as_ref().is_none_or(|other| input.average_db < other.average_db) {
                    quietest = Some(input);
                }
            } else if input.speaks(now) && loudest.as_ref().is_none_or(|other| input.average_db > other.average_db) {
                loudest = Some(input);
            }
        }
        let Some(newcomer) = loudest else { return };
        if taken < places {
            // One a tick: the next of several who begin at once has its place 20 ms later.
            newcomer.chosen = true;
            return;
        }
        let Some(holder) = quietest else { return };
        if now - self.changed_at >= CHANGE_INTERVAL && newcomer.average_db > holder.average_db + MARGIN_DB {
            (holder.chosen, newcomer.chosen) = (false, true);
            self.changed_at = now;
        }
    }

    /// Once a second, tells which of `inputs` had the most energy; nothing when all were silent.
    pub(super) fn judge<'a>(
        &mut self,
        inputs: impl Iterator<Item = (usize, &'a mut Loudness)>,
        now: i64,
    ) -> Option<usize> {
        if now - self.judged_at < ACTIVE_INTERVAL {
            return None;
        }
        self.judged_at = now;
        let energies = inputs.map(|(index, input)| (index, std::mem::take(&mut input.energy)));
        let loudest = energies.filter(|(_, energy)| *energy > 0.0).max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(loudest.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Room {
        people: Vec<Loudness>,
        talkers: Talkers,
        now: i64,
        changes: usize,
    }

    impl Room {
        fn of(people: usize, places: usize) -> Self {
            Self { people: vec![Loudness::new(); people], talkers: Talkers::new(Some(places)), now: 0, changes: 0 }
        }

        fn run(&mut self, ms: i64, attenuation: impl Fn(usize, i64) -> u8) -> Vec<usize> {
            for _ in 0..ms / 20 {
                self.now += 20 * MS;
                let before: Vec<_> = self.people.iter().map(|person| person.chosen).collect();
                for (person, loudness) in self.people.iter_mut().enumerate() {
                    let attenuation_dbov = attenuation(person, self.now / MS);
                    loudness.tell(AudioLevel { attenuation_dbov, voice: attenuation_dbov < 60 }, self.now);
                }
                self.talkers.choose(self.people.iter_mut(), self.now);
                self.changes += self.people.iter().zip(before).filter(|(now, before)| now.chosen && !before).count();
            }
            (0..self.people.len()).filter(|person| self.people[*person].chosen).collect()
        }
    }

    #[test]
    fn the_loudest_have_places_and_who_is_silent_has_none() {
        let mut room = Room::of(50, 3);
        assert!(room.run(1_000, |_, _| 127).is_empty());
        let speaking = |person: usize, _| if person % 10 == 4 { 20 + person as u8 } else { 127 };
        assert_eq!(room.run(2_000, speaking), [4, 14, 24]);
        assert_eq!(room.run(500, |_, _| 127), [4, 14, 24], "pauses between words");
        assert!(room.run(200, |_, _| 127).is_empty());
    }

    #[test]
    fn who_begins_to_speak_has_a_free_place_at_once() {
        let mut room = Room::of(3, 2);
        assert_eq!(room.run(20, |person, _| if person == 1 { 30 } else { 127 }), [1]);
    }

    #[test]
    fn r11_hostile_levels_change_places_no_more_often_than_once_an_interval() {
        let mut room = Room::of(50, 1);
        room.run(10_000, |person, ms| if (ms / 20 + person as i64 * 7) % 11 == 0 { 0 } else { 127 });
        assert!(room.changes as i64 <= 10_000 * MS / CHANGE_INTERVAL + 1, "{} changes", room.changes);
    }

    #[test]
    fn the_active_one_is_the_loudest_of_each_second() {
        let mut talkers = Talkers::new(None);
        let mut people = [Loudness::new(); 2];
        let mut active = Vec::new();
        for tick in 1..=150 {
            let now = tick * 20 * MS;
            people[usize::from(tick > 60)].measure(0.01, now);
            active.extend(talkers.judge(people.iter_mut().enumerate(), now));
        }
        assert_eq!(active, [0, 1, 1]);
        assert_eq!(talkers.judge(people.iter_mut().enumerate(), 200 * 20 * MS), None, "nobody spoke");
    }
}
