//! A timer wheel: one deadline per dense id, told the time, costing nothing while nothing is due.
//!
//! Six bits of the tick per level, as in the hierarchical wheels of Varghese and Lauck ("Hashed and Hierarchical
//! Timing Wheels", 1987, scheme 7): set, replace and cancel are O(1); a timer moves down at most [`LEVELS`] times in
//! its life; the next deadline is found by bit maps.

use std::time::{Duration, Instant};

/// Granularity of the wheel. Deadlines are rounded up to it, so nothing is due early and at most this much late.
pub const TICK: Duration = Duration::from_millis(1);

/// Levels of the wheel; seven times six bits of milliseconds reach 139 years.
const LEVELS: usize = 7;
const SLOTS: usize = 64;
const SLOT_BITS: u32 = SLOTS.trailing_zeros();
/// Later deadlines are due at this tick.
const TICK_MAX: u64 = (1 << (LEVELS as u32 * SLOT_BITS)) - 1;
/// End of a list, and the list of a timer that is not set.
const NONE: u32 = u32::MAX;
/// The list of timers that are due and wait to be taken.
const DUE: u32 = (LEVELS * SLOTS) as u32;

/// Deadlines of things with dense ids (0, 1, 2, …), one each.
///
/// Memory is 24 bytes per id up to the largest ever set; nothing is allocated for ids used before.
#[derive(Debug)]
pub struct TimerWheel {
    start: Instant,
    /// Ticks since `start` that have been worked off.
    elapsed: u64,
    /// Ticks since `start` as last told; ahead of `elapsed` while due timers are being taken.
    told: u64,
    timers: Vec<Timer>,
    heads: [u32; LEVELS * SLOTS + 1],
    tail_due: u32,
    /// One bit per slot that holds a timer, for each level.
    occupied: [u64; LEVELS],
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    tick: u64,
    previous: u32,
    next: u32,
    list: u32,
}

impl TimerWheel {
    /// Makes an empty wheel whose time starts at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            start: now,
            elapsed: 0,
            told: 0,
            timers: Vec::new(),
            heads: [NONE; LEVELS * SLOTS + 1],
            tail_due: NONE,
            occupied: [0; LEVELS],
        }
    }

    /// Sets the deadline of `id`, replacing the one it had. A deadline that has passed is due one tick after
    /// the time last told, so a caller that sets it again while taking due timers cannot loop.
    pub fn set(&mut self, id: u32, deadline: Instant) {
        debug_assert_ne!(id, NONE, "ids are dense");
        let tick = self.tick_at_or_after(deadline).max(self.told + 1).min(TICK_MAX);
        match self.timers.get(id as usize) {
            Some(timer) if timer.list != NONE && timer.list != DUE && timer.tick == tick => return,
            Some(_) => self.unlink(id),
            None => self.timers.resize(id as usize + 1, Timer { tick: 0, previous: NONE, next: NONE, list: NONE }),
        }
        self.timers[id as usize].tick = tick;
        self.link(id);
    }

    /// Takes the deadline of `id` away, if it has one.
    pub fn cancel(&mut self, id: u32) {
        if (id as usize) < self.timers.len() {
            self.unlink(id);
        }
    }

    /// Takes one id whose deadline is at or before `now`, earliest first; `None` when no more are due.
    pub fn pop_due(&mut self, now: Instant) -> Option<u32> {
        self.told = self.told.max(self.tick_at_or_before(now));
        while self.heads[DUE as usize] == NONE {
            let Some(next) = self.next_slot().filter(|next| next.start <= self.told) else {
                self.elapsed = self.told;
                return None;
            };
            self.work_off(next);
        }
        let id = self.heads[DUE as usize];
        self.unlink(id);
        Some(id)
    }

    /// When [`pop_due`](Self::pop_due) wants to be called: the earliest deadline, or an earlier instant at which
    /// far deadlines are sorted anew; `None` while nothing is set.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.heads[DUE as usize] != NONE {
            return Some(self.instant(self.elapsed));
        }
        self.next_slot().map(|next| self.instant(next.start))
    }

    /// The occupied slot that starts first. Timers of a lower level are always earlier than those of a higher one,
    /// because they share more leading bits with the present.
    fn next_slot(&self) -> Option<Slot> {
        let level = self.occupied.iter().position(|&bits| bits != 0)?;
        let slot = self.occupied[level].trailing_zeros();
        let shift = level as u32 * SLOT_BITS;
        let base = self.elapsed >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
        Some(Slot { list: (level * SLOTS) as u32 + slot, start: base + (u64::from(slot) << shift) })
    }

    /// Moves to a slot's start: its timers are due, or belong to a lower level from here.
    fn work_off(&mut self, slot: Slot) {
        self.elapsed = slot.start;
        while self.heads[slot.list as usize] != NONE {
            let id = self.heads[slot.list as usize];
            self.unlink(id);
            self.link(id);
        }
    }

    fn link(&mut self, id: u32) {
        let tick = self.timers[id as usize].tick;
        if tick <= self.elapsed {
            return self.link_due(id);
        }
        let level = ((tick ^ self.elapsed).ilog2() / SLOT_BITS) as usize;
        let slot = (tick >> (level as u32 * SLOT_BITS)) as usize % SLOTS;
        let list = level * SLOTS + slot;
        let next = std::mem::replace(&mut self.heads[list], id);
        self.timers[id as usize] = Timer { tick, previous: NONE, next, list: list as u32 };
        if let Some(timer) = self.timers.get_mut(next as usize) {
            timer.previous = id;
        }
        self.occupied[level] |= 1 << slot;
    }

    fn link_due(&mut self, id: u32) {
        let previous = std::mem::replace(&mut self.tail_due, id);
        let timer = &mut self.timers[id as usize];
        (timer.previous, timer.next, timer.list) = (previous, NONE, DUE);
        match self.timers.get_mut(previous as usize) {
            Some(last) => last.next = id,
            None => self.heads[DUE as usize] = id,
        }
    }

    fn unlink(&mut self, id: u32) {
        let Timer { previous, next, list, .. } = self.timers[id as usize];
        if list == NONE {
            return;
        }
        self.timers[id as usize].list = NONE;
        match self.timers.get_mut(previous as usize) {
            Some(timer) => timer.next = next,
            None => self.heads[list as usize] = next,
        }
        match self.timers.get_mut(next as usize) {
            Some(timer) => timer.previous = previous,
            None if list == DUE => self.tail_due = previous,
            None => {}
        }
        if list != DUE && self.heads[list as usize] == NONE {
            self.occupied[list as usize / SLOTS] &= !(1 << (list as usize % SLOTS));
        }
    }

    fn tick_at_or_before(&self, instant: Instant) -> u64 {
        let ticks = instant.saturating_duration_since(self.start).as_nanos() / TICK.as_nanos();
        u64::try_from(ticks).map_or(TICK_MAX, |ticks| ticks.min(TICK_MAX))
    }

    fn tick_at_or_after(&self, instant: Instant) -> u64 {
        let ticks = instant.saturating_duration_since(self.start).as_nanos().div_ceil(TICK.as_nanos());
        u64::try_from(ticks).map_or(TICK_MAX, |ticks| ticks.min(TICK_MAX))
    }

    fn instant(&self, tick: u64) -> Instant {
        self.start + Duration::from_nanos(tick.saturating_mul(TICK.as_nanos() as u64))
    }
}

/// A slot of the wheel and the first tick that falls into it.
#[derive(Clone, Copy, Debug)]
struct Slot {
    list: u32,
    start: u64,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn due(wheel: &mut TimerWheel, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| wheel.pop_due(now)).collect()
    }

    #[test]
    fn timers_are_due_at_their_deadline_and_not_before() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        wheel.set(3, start + ms(10));
        assert_eq!(due(&mut wheel, start + ms(9)), []);
        assert_eq!(wheel.next_deadline(), Some(start + ms(10)));
        assert_eq!(due(&mut wheel, start + ms(10)), [3]);
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn a_deadline_between_two_ticks_is_rounded_up() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        wheel.set(0, start + Duration::from_micros(1500));
        assert_eq!(due(&mut wheel, start + Duration::from_micros(1999)), []);
        assert_eq!(due(&mut wheel, start + ms(2)), [0]);
    }

    #[test]
    fn due_timers_come_earliest_first_after_a_long_sleep() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        for (id, after) in [(0, 90_000), (1, 5), (2, 70), (3, 4_100), (4, 64)] {
            wheel.set(id, start + ms(after));
        }
        assert_eq!(due(&mut wheel, start + ms(3_600_000)), [1, 4, 2, 3, 0]);
    }

    #[test]
    fn setting_again_replaces_and_cancelling_takes_away() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        wheel.set(0, start + ms(5));
        wheel.set(0, start + ms(500));
        wheel.set(1, start + ms(6));
        wheel.cancel(1);
        wheel.cancel(1);
        wheel.cancel(99);
        assert_eq!(due(&mut wheel, start + ms(499)), []);
        assert_eq!(due(&mut wheel, start + ms(500)), [0]);
    }

    #[test]
    fn a_due_timer_can_still_be_cancelled_or_set_again() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        for id in 0..4 {
            wheel.set(id, start + ms(5));
        }
        let now = start + ms(5);
        let first = wheel.pop_due(now).unwrap();
        let rest: Vec<u32> = (0..4).filter(|&id| id != first).collect();
        wheel.cancel(rest[2]);
        wheel.set(rest[0], start + ms(7));
        assert_eq!(due(&mut wheel, now), [rest[1]]);
        assert_eq!(due(&mut wheel, start + ms(7)), [rest[0]]);
    }

    #[test]
    fn a_timer_that_is_always_set_to_the_past_does_not_loop() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        let now = start + ms(20);
        wheel.set(0, start);
        assert_eq!(wheel.pop_due(now), Some(0));
        wheel.set(0, start);
        assert_eq!(wheel.pop_due(now), None);
        assert_eq!(due(&mut wheel, start + ms(21)), [0]);
    }

    #[test]
    fn deadlines_beyond_the_horizon_are_kept() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        wheel.set(0, start + Duration::from_secs(200 * 365 * 86_400));
        assert_eq!(due(&mut wheel, start + Duration::from_secs(100 * 365 * 86_400)), []);
        assert!(wheel.next_deadline().is_some());
    }

    #[test]
    fn no_slot_is_visited_while_nothing_is_due() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        wheel.set(0, start + ms(30_000));
        let mut wakes = 0;
        while let Some(next) = wheel.next_deadline() {
            wheel.pop_due(next);
            wakes += 1;
        }
        assert!(wakes <= LEVELS, "{wakes} wakes for one timer");
    }

    #[test]
    fn the_wheel_agrees_with_a_sorted_map_over_many_random_steps() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        let mut model: BTreeMap<u32, u64> = BTreeMap::new();
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut now = 0;
        for _ in 0..200_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let (id, span) = ((random >> 8) as u32 % 50, random >> 20);
            match random % 8 {
                0 => {
                    wheel.cancel(id);
                    model.remove(&id);
                }
                1..=4 => {
                    let deadline = now + 1 + span % (1 << (span % 22));
                    wheel.set(id, start + ms(deadline));
                    model.insert(id, deadline);
                }
                _ => {
                    now += span % (1 << (span % 14));
                    let mut fired: Vec<u32> = due(&mut wheel, start + ms(now));
                    fired.sort_unstable();
                    let expected: Vec<u32> = model.iter().filter(|&(_, &at)| at <= now).map(|(&id, _)| id).collect();
                    model.retain(|_, at| *at > now);
                    assert_eq!(fired, expected);
                    let earliest = model.values().min().map(|&at| start + ms(at));
                    assert_eq!(wheel.next_deadline().is_some(), earliest.is_some());
                    assert!(wheel.next_deadline() <= earliest);
                }
            }
        }
    }
}
