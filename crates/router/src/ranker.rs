//! Which few of many are heard: the rules of OWT's audio ranker (`AudioRanker`, OWT 5.0).
//!
//! Speakers are ranked by loudness. Who has not spoken for a while is not ranked, but keeps a place that nobody else
//! needs. Places change together and not too often.

use std::time::Duration;

use crate::ProducerIndex;
use crate::levels::{Levels, SLOTS};
use crate::rewriter::Rewriter;

/// Least time between two changes, as in OWT, whatever levels are claimed (case R11). Until then the louder one waits.
pub(crate) const CHANGE_INTERVAL_MIN: Duration = Duration::from_millis(200);

/// How long after its last voiced packet a speaker is ranked, in ms, as in OWT.
const VOICED_MS_MAX: u64 = 600;

/// By how much another is louder at least, in dB, than the one whose place it takes: two who are as loud as each other
/// do not take turns.
const MARGIN_DB: f64 = 3.0;

/// One of the places: a producer that carries its owner's packets.
#[derive(Debug)]
pub(crate) struct Slot {
    /// `None` when it was closed by itself: then nobody owns the place.
    pub(crate) producer: Option<ProducerIndex>,
    pub(crate) owner: Option<ProducerIndex>,
    pub(crate) rewriter: Rewriter,
    /// A packet of the owner was carried.
    pub(crate) carries: bool,
}

/// The places of a group.
#[derive(Debug)]
pub(crate) struct Ranker {
    pub(crate) slots: Vec<Slot>,
    /// Owners changed since they were told.
    pub(crate) untold: bool,
}

/// A place that goes to another owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) slot: usize,
    pub(crate) from: Option<ProducerIndex>,
    pub(crate) to: Option<ProducerIndex>,
}

impl Ranker {
    /// Places that nobody owns.
    pub(crate) fn new(producers: &[ProducerIndex]) -> Self {
        let slot = |producer: &ProducerIndex| Slot {
            producer: Some(*producer),
            owner: None,
            rewriter: Rewriter::new(0),
            carries: false,
        };
        Self { slots: producers.iter().map(slot).collect(), untold: false }
    }

    /// Ranks `speakers` and gives each of the loudest a place. Returns the places that change.
    pub(crate) fn rank<'a>(
        &mut self,
        speakers: impl Iterator<Item = (ProducerIndex, &'a Levels)>,
        now_ms: u64,
    ) -> Vec<Change> {
        let voiced = speakers.filter(|(_, levels)| levels.was_voiced_within(VOICED_MS_MAX, now_ms));
        let mut ranked: Vec<(ProducerIndex, f64)> = voiced
            .map(|(speaker, levels)| {
                (speaker, loudness(levels, now_ms) + if self.owns(speaker) { MARGIN_DB } else { 0.0 })
            })
            .collect();
        ranked.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        ranked.truncate(self.slots.iter().filter(|slot| slot.producer.is_some()).count());
        let is_winner = |speaker: ProducerIndex| ranked.iter().any(|(winner, _)| *winner == speaker);
        let newcomers: Vec<_> = ranked.iter().map(|(winner, _)| *winner).filter(|winner| !self.owns(*winner)).collect();
        // Free places first, then those of who fell out of the ranks.
        let mut free: Vec<usize> = (0..self.slots.len())
            .filter(|slot| self.slots[*slot].producer.is_some() && !self.slots[*slot].owner.is_some_and(is_winner))
            .collect();
        free.sort_by_key(|slot| self.slots[*slot].owner.is_some());
        let places = free.into_iter().zip(newcomers);
        places.map(|(slot, newcomer)| self.give(slot, Some(newcomer))).collect()
    }

    /// Takes the place of `owner` from it.
    pub(crate) fn release(&mut self, owner: ProducerIndex) -> Option<Change> {
        let slot = self.slots.iter().position(|slot| slot.owner == Some(owner))?;
        Some(self.give(slot, None))
    }

    /// Takes all places from their owners.
    pub(crate) fn release_all(&mut self) -> Vec<Change> {
        let owned: Vec<_> = (0..self.slots.len()).filter(|slot| self.slots[*slot].owner.is_some()).collect();
        owned.into_iter().map(|slot| self.give(slot, None)).collect()
    }

    fn owns(&self, speaker: ProducerIndex) -> bool {
        self.slots.iter().any(|slot| slot.owner == Some(speaker))
    }

    fn give(&mut self, slot: usize, to: Option<ProducerIndex>) -> Change {
        self.untold = true;
        let place = &mut self.slots[slot];
        place.carries = false;
        Change { slot, from: std::mem::replace(&mut place.owner, to), to }
    }
}

/// Average loudness of the last second, silence included.
fn loudness(levels: &Levels, now_ms: u64) -> f64 {
    levels.last_second(now_ms).iter().map(|loudness| f64::from(*loudness)).sum::<f64>() / SLOTS as f64
}

#[cfg(test)]
mod tests {
    use millrace_packet::meta::AudioLevel;

    use super::*;

    struct Room {
        levels: Vec<Levels>,
        ranker: Ranker,
        now_ms: u64,
        changes: usize,
    }

    impl Room {
        fn of(people: usize, places: u32) -> Self {
            let producers: Vec<_> = (1000..1000 + places).map(ProducerIndex).collect();
            let levels = (0..people).map(|_| Levels::new(0)).collect();
            Self { levels, ranker: Ranker::new(&producers), now_ms: 0, changes: 0 }
        }

        /// Lets time pass while each speaks at a level of 20 ms; ranks every 200 ms. Tells who owns the places then.
        fn run(&mut self, ms: u64, attenuation: impl Fn(usize, u64) -> u8) -> Vec<Option<u32>> {
            for _ in 0..ms / 20 {
                self.now_ms += 20;
                for (person, levels) in self.levels.iter_mut().enumerate() {
                    let attenuation_dbov = attenuation(person, self.now_ms);
                    levels.note(AudioLevel { attenuation_dbov, voice: attenuation_dbov < 60 }, self.now_ms);
                }
                if self.now_ms.is_multiple_of(200) {
                    let speakers = (0..).map(ProducerIndex).zip(self.levels.iter());
                    self.changes += self.ranker.rank(speakers, self.now_ms).len();
                }
            }
            self.ranker.slots.iter().map(|slot| slot.owner.map(|owner| owner.0)).collect()
        }
    }

    fn speaking(people: &'static [usize]) -> impl Fn(usize, u64) -> u8 {
        move |person, _| if people.contains(&person) { 20 + person as u8 } else { 127 }
    }

    #[test]
    fn the_loudest_have_places_and_who_is_silent_has_none() {
        let mut room = Room::of(10, 3);
        assert_eq!(room.run(1000, |_, _| 127), [None; 3]);
        let mut owners = room.run(2000, speaking(&[2, 4, 6, 8]));
        owners.sort();
        assert_eq!(owners, [Some(2), Some(4), Some(6)], "8 is the quietest");
    }

    #[test]
    fn who_fell_silent_keeps_its_place_until_another_needs_it_and_others_stay_where_they_are() {
        let mut room = Room::of(10, 2);
        let before = room.run(2000, speaking(&[1, 2]));
        assert_eq!(room.run(2000, |_, _| 127), before);
        let after = room.run(2000, speaking(&[2, 7]));
        let kept = before.iter().position(|owner| *owner == Some(2)).unwrap();
        assert_eq!((after[kept], after[1 - kept]), (Some(2), Some(7)));
    }

    #[test]
    fn two_who_are_as_loud_as_each_other_do_not_take_turns() {
        let mut room = Room::of(2, 1);
        room.run(2000, |_, _| 30);
        let changes = room.changes;
        room.run(20_000, |person, ms| 30 + ((ms / 200 + person as u64) % 2) as u8 * 2);
        assert_eq!(room.changes, changes);
    }

    #[test]
    fn r11_hostile_levels_change_places_no_more_often_than_once_an_interval() {
        let mut room = Room::of(50, 1);
        room.run(10_000, |person, ms| if (ms / 20 + person as u64 * 7).is_multiple_of(11) { 0 } else { 127 });
        assert!(room.changes <= 10_000 / CHANGE_INTERVAL_MIN.as_millis() as usize, "{} changes", room.changes);
    }
}
