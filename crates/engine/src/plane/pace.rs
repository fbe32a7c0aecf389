//! How often an application hears of what a peer can change as fast as it can send.
//!
//! A peer with keys can turn its picture with every packet and its path with every check. Each change is a state, of
//! which only the latest matters, so the first few of a second are told at once and the last one at its end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use uuid::Uuid;

/// Events of one object and kind that are told in one [`WINDOW`]. A call that comes up changes its ICE state three
/// times. Later ones replace each other, are counted, and the last is told when the window ends.
pub(super) const PEER_EVENTS_PER_WINDOW_MAX: u32 = 10;

/// The time in which events are counted; it begins with the first of them.
pub(super) const WINDOW: Duration = Duration::from_secs(1);

/// An object and the name of what happens to it.
pub(super) type Kind = (Uuid, &'static str);

/// Holds back what comes too fast. Objects that nothing happened to for a [`WINDOW`] cost nothing, so that what is kept
/// is bounded by the number of objects.
#[derive(Debug)]
pub(super) struct Pace<T> {
    windows: FxHashMap<Kind, Window<T>>,
    /// When each window ends, earliest first: all are equally long.
    ends: VecDeque<(Instant, Kind)>,
    replaced: u64,
}

#[derive(Debug)]
struct Window<T> {
    told: u32,
    held: Option<T>,
}

impl<T> Pace<T> {
    pub(super) fn new() -> Self {
        Self { windows: FxHashMap::default(), ends: VecDeque::new(), replaced: 0 }
    }

    /// Gives `event` back if it may be told at once.
    pub(super) fn admit(&mut self, kind: Kind, event: T, now: Instant) -> Option<T> {
        let Some(window) = self.windows.get_mut(&kind) else {
            self.open(kind, now);
            return Some(event);
        };
        if window.told < PEER_EVENTS_PER_WINDOW_MAX {
            window.told += 1;
            return Some(event);
        }
        if window.held.replace(event).is_some() {
            self.replaced += 1;
        }
        None
    }

    /// When [`poll`](Self::poll) is wanted.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ends.front().map(|(end, _)| *end)
    }

    /// Takes an event that waited until the end of its window; a new window begins with it.
    pub(super) fn poll(&mut self, now: Instant) -> Option<(Kind, T)> {
        while self.deadline().is_some_and(|end| end <= now) {
            let (_, kind) = self.ends.pop_front()?;
            if let Some(held) = self.windows.remove(&kind).and_then(|window| window.held) {
                self.open(kind, now);
                return Some((kind, held));
            }
        }
        None
    }

    /// Events that were never told because a later one replaced them.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced
    }

    fn open(&mut self, kind: Kind, now: Instant) {
        self.windows.insert(kind, Window { told: 1, held: None });
        self.ends.push_back((now + WINDOW, kind));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Kind = (Uuid::nil(), "videoorientationchange");

    #[test]
    fn k07_a_peer_that_turns_its_picture_with_every_packet_is_told_of_ten_times_a_second_and_the_last_turn_is() {
        let start = Instant::now();
        let mut pace = Pace::new();
        let mut told = Vec::new();
        for ms in 0..5_000 {
            let now = start + Duration::from_millis(ms);
            told.extend(std::iter::from_fn(|| pace.poll(now)).map(|(_, turn)| turn));
            told.extend(pace.admit(TURN, ms, now));
        }
        let end = start + Duration::from_secs(6);
        told.extend(std::iter::from_fn(|| pace.poll(end)).map(|(_, turn)| turn));
        assert_eq!(told.len(), 5 * PEER_EVENTS_PER_WINDOW_MAX as usize + 1);
        assert!(told.is_sorted(), "the latest is told last");
        assert_eq!(told.last(), Some(&4_999));
        assert_eq!(pace.replaced(), 5_000 - told.len() as u64);
    }

    #[test]
    fn a_few_changes_are_told_at_once_and_leave_nothing_behind() {
        let now = Instant::now();
        let mut pace = Pace::new();
        assert!((0..PEER_EVENTS_PER_WINDOW_MAX).all(|turn| pace.admit(TURN, turn, now).is_some()));
        assert_eq!(pace.deadline(), Some(now + WINDOW));
        assert_eq!(pace.poll(now + WINDOW), None);
        assert_eq!((pace.deadline(), pace.windows.len(), pace.replaced()), (None, 0, 0));
    }

    #[test]
    fn k07_objects_and_kinds_do_not_share_their_allowance() {
        let now = Instant::now();
        let mut pace = Pace::new();
        let spent = (0..100).filter(|turn| pace.admit(TURN, *turn, now).is_some()).count();
        assert_eq!(spent, PEER_EVENTS_PER_WINDOW_MAX as usize);
        assert!(pace.admit((Uuid::from_u128(1), TURN.1), 0, now).is_some());
        assert!(pace.admit((TURN.0, "score"), 0, now).is_some());
    }
}
