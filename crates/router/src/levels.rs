//! How loud a producer is, as its packets claim (RFC 6464). Kept only while somebody observes the producer.

use millrace_packet::meta::AudioLevel;

/// Grid on which loudness is kept, so that many packets weigh no more than few: a packet of most senders is as long.
const SLOT_MS: u64 = 20;

/// Slots that are remembered: a second.
pub(crate) const SLOTS: usize = 50;

/// Slots after a packet that count as loud as it: packets may be 60 ms long, and come unevenly. Later ones are silent.
const HOLD_SLOTS_MAX: u64 = 4;

/// Slots after which the quietest moment becomes the floor: 15 s, as in Jitsi's implementation of the same idea. A
/// level that never falls, as over silence from a sender that lies (case R11), counts as silence from then on.
const FLOOR_SLOTS: u64 = 750;

/// A packet this loud counts as voiced although its sender does not say so: 50 dB below full scale.
const VOICED_MIN: u8 = 77;

/// How much louder than the floor a sound is at least, in dB.
const ABOVE_FLOOR_MIN: u8 = 10;

/// Loudness of full scale; 0 is silence. A level of RFC 6464 is as far below it.
const LOUDNESS_MAX: u8 = 127;

/// Sums over all packets since the producer is observed. Who looks twice has what came between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    packets: u64,
    attenuation_dbov: u64,
}

impl Heard {
    /// The average level since `before` in dBov, −127 to 0; `None` when nothing came.
    pub(crate) fn average_since(self, before: Self) -> Option<i8> {
        let packets = self.packets.wrapping_sub(before.packets);
        let sum = self.attenuation_dbov.wrapping_sub(before.attenuation_dbov);
        let average = (sum + packets / 2).checked_div(packets)?;
        Some(-(average.min(u64::from(LOUDNESS_MAX)) as i8))
    }
}

/// The levels of one producer.
#[derive(Debug)]
pub(crate) struct Levels {
    heard: Heard,
    /// Loudness by slot, modulo [`SLOTS`].
    recent: [u8; SLOTS],
    newest_slot: u64,
    newest: u8,
    /// What is only this loud is silence.
    floor: u8,
    quietest: u8,
    floor_due: u64,
    voiced_ms: Option<u64>,
}

impl Levels {
    /// Silence until now.
    pub(crate) fn new(now_ms: u64) -> Self {
        let slot = now_ms / SLOT_MS;
        Self {
            heard: Heard::default(),
            recent: [0; SLOTS],
            newest_slot: slot,
            newest: 0,
            floor: 0,
            quietest: LOUDNESS_MAX,
            floor_due: slot + FLOOR_SLOTS,
            voiced_ms: None,
        }
    }

    /// Notes the level of a packet.
    pub(crate) fn note(&mut self, level: AudioLevel, now_ms: u64) {
        let slot = now_ms / SLOT_MS;
        let loudness = LOUDNESS_MAX - level.attenuation_dbov.min(LOUDNESS_MAX);
        self.heard.packets += 1;
        self.heard.attenuation_dbov += u64::from(level.attenuation_dbov);
        let first = (self.newest_slot + 1).max((slot + 1).saturating_sub(SLOTS as u64));
        for passed in first..slot {
            self.recent[place(passed)] = self.held(passed);
        }
        let is_same = slot <= self.newest_slot;
        let so_far = if is_same { self.newest } else { 0 };
        self.newest_slot = self.newest_slot.max(slot);
        self.newest = loudness.max(so_far);
        self.recent[place(self.newest_slot)] = self.newest;
        if loudness >= VOICED_MIN || (level.voice && loudness > 0) {
            self.voiced_ms = Some(now_ms);
        }
        self.note_floor(loudness);
    }

    /// Tells whether a packet of the last `ms` was voiced.
    pub(crate) fn was_voiced_within(&self, ms: u64, now_ms: u64) -> bool {
        self.voiced_ms.is_some_and(|voiced_ms| now_ms.saturating_sub(voiced_ms) <= ms)
    }

    /// Sums of all packets so far.
    pub(crate) fn heard(&self) -> Heard {
        self.heard
    }

    /// Loudness above the floor of the last second before `now_ms`, newest slot first.
    pub(crate) fn last_second(&self, now_ms: u64) -> [u8; SLOTS] {
        let now = now_ms / SLOT_MS;
        std::array::from_fn(|back| {
            let Some(slot) = now.checked_sub(back as u64) else { return 0 };
            let loudness = self.loudness(slot);
            if loudness >= self.floor + ABOVE_FLOOR_MIN { loudness } else { 0 }
        })
    }

    fn loudness(&self, slot: u64) -> u8 {
        if slot > self.newest_slot {
            return self.held(slot);
        }
        if self.newest_slot - slot < SLOTS as u64 { self.recent[place(slot)] } else { 0 }
    }

    /// The loudness of a slot after the newest packet.
    fn held(&self, slot: u64) -> u8 {
        if slot - self.newest_slot <= HOLD_SLOTS_MAX { self.newest } else { 0 }
    }

    fn note_floor(&mut self, loudness: u8) {
        self.quietest = self.quietest.min(loudness);
        self.floor = self.floor.min(loudness);
        if self.newest_slot >= self.floor_due {
            self.floor = self.quietest;
            self.quietest = LOUDNESS_MAX;
            self.floor_due = self.newest_slot + FLOOR_SLOTS;
        }
    }
}

fn place(slot: u64) -> usize {
    (slot % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dbov(level: u8) -> AudioLevel {
        AudioLevel { attenuation_dbov: level, voice: true }
    }

    /// Levels of a packet each 20 ms from 0 on.
    fn of(levels: &[u8]) -> Levels {
        let mut all = Levels::new(0);
        (0u64..).zip(levels).for_each(|(slot, level)| all.note(dbov(*level), slot * SLOT_MS));
        all
    }

    #[test]
    fn the_average_is_that_of_what_came_between() {
        let mut levels = of(&[10, 20]);
        let before = levels.heard();
        levels.note(dbov(40), 40);
        levels.note(dbov(51), 60);
        assert_eq!(before.average_since(Heard::default()), Some(-15));
        assert_eq!(levels.heard().average_since(before), Some(-46));
        assert_eq!(before.average_since(before), None);
    }

    #[test]
    fn the_last_second_is_told_newest_first_and_a_gap_is_silent_after_a_while() {
        let mut levels = of(&[27, 37]);
        levels.note(dbov(7), 12 * SLOT_MS);
        let second = levels.last_second(13 * SLOT_MS);
        assert_eq!(second[..9], [120, 120, 0, 0, 0, 0, 0, 0, 90]);
        assert_eq!(second[12..15], [90, 100, 0]);
        assert_eq!(levels.last_second(1_000_000), [0; SLOTS]);
    }

    #[test]
    fn r11_many_packets_at_once_weigh_as_much_as_one() {
        let mut levels = Levels::new(0);
        (0..10_000).for_each(|_| levels.note(dbov(0), 100));
        let loud = levels.last_second(100).into_iter().filter(|loudness| *loudness > 0).count();
        assert_eq!(loud, 1);
    }

    #[test]
    fn r11_a_level_that_never_falls_becomes_silence() {
        let mut levels = of(&[0; FLOOR_SLOTS as usize + 1]);
        let now = FLOOR_SLOTS * SLOT_MS;
        assert_eq!(levels.last_second(now), [0; SLOTS]);
        levels.note(dbov(90), now + SLOT_MS);
        levels.note(dbov(0), now + 2 * SLOT_MS);
        assert_eq!(levels.last_second(now + 2 * SLOT_MS)[0], LOUDNESS_MAX, "a sender that pauses is heard again");
    }
}
