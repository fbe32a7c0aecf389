//! What was sent under which transport-wide number, and what became of it.

use crate::clock::Micros;
use crate::probe::ProbeId;

/// Packets remembered, by number.
///
/// 2048 packets of 1200 bytes are what 65 Mbit/s send in 300 ms of round trip and feedback interval. When full, the
/// oldest is forgotten, and feedback about it says nothing.
pub(crate) const HISTORY_PACKETS_MAX: usize = 2048;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing was sent under this number.
    Unused,
    /// No feedback has told about it.
    InFlight,
    /// Feedback told about later packets only.
    Passed,
    /// Feedback said that it was not received.
    Missing,
    /// Feedback said that it was received.
    Arrived,
}

/// A packet that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// When it left.
    pub(crate) at: Micros,
    number: u16,
    /// Its size on the wire.
    pub(crate) bytes: u16,
    /// The probe cluster that it was a part of.
    pub(crate) probe: Option<ProbeId>,
    fate: Fate,
}

const NOTHING: Sent = Sent { at: 0, number: 0, bytes: 0, probe: None, fate: Fate::Unused };

/// A packet that feedback says was received, for the first time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Landed {
    /// The packet.
    pub(crate) sent: Sent,
    /// Whether earlier feedback had said that it was not received.
    pub(crate) was_missing: bool,
}

/// The packets sent of late.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Empty until the first packet: an estimator that nothing is sent through costs no memory.
    ring: Box<[Sent]>,
    /// Number of the newest packet, wraps undone.
    newest: u64,
    /// Every number below was told about or passed over by feedback.
    settled: u64,
    in_flight_bytes: u64,
}

impl History {
    /// Records a packet. Cost: one write; the first call allocates the ring.
    pub(crate) fn push(&mut self, number: u16, sent: Sent) {
        if self.ring.is_empty() {
            self.ring = vec![NOTHING; HISTORY_PACKETS_MAX].into_boxed_slice();
            // Far from zero, so that numbers before the first one do not need a sign.
            self.newest = (1 << 32) + u64::from(number);
            self.settled = self.newest;
        } else {
            self.newest += u64::from(number.wrapping_sub(self.newest as u16));
        }
        let slot = &mut self.ring[usize::from(number) % HISTORY_PACKETS_MAX];
        if slot.fate == Fate::InFlight {
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(u64::from(slot.bytes));
        }
        *slot = Sent { number, ..sent };
        self.in_flight_bytes += u64::from(sent.bytes);
    }

    /// Takes note that `number` was received; `None` if that is known already or nothing is remembered of it.
    pub(crate) fn arrived(&mut self, number: u16) -> Option<Landed> {
        let slot = self.ring.get_mut(usize::from(number) % HISTORY_PACKETS_MAX)?;
        if slot.number != number || matches!(slot.fate, Fate::Unused | Fate::Arrived) {
            return None;
        }
        if slot.fate == Fate::InFlight {
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(u64::from(slot.bytes));
        }
        let was_missing = slot.fate == Fate::Missing;
        slot.fate = Fate::Arrived;
        Some(Landed { sent: *slot, was_missing })
    }

    /// Takes note that feedback says that `number` was not received; tells whether that is new.
    pub(crate) fn missing(&mut self, number: u16) -> bool {
        let Some(slot) = self.ring.get_mut(usize::from(number) % HISTORY_PACKETS_MAX) else { return false };
        let is_new = slot.number == number && slot.fate == Fate::InFlight;
        if is_new {
            slot.fate = Fate::Missing;
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(u64::from(slot.bytes));
        }
        is_new
    }

    /// Tells `missing` each packet that feedback from `base` on about `count` packets leaves out.
    ///
    /// Call it after [`arrived`](Self::arrived) for those that it names. Each number is walked over once, whatever
    /// feedback repeats or claims, so the cost is one step for each packet sent.
    pub(crate) fn settle(&mut self, base: u16, count: u16, mut missing: impl FnMut(&Sent)) {
        let behind = (self.newest as u16).wrapping_sub(base);
        if self.ring.is_empty() || usize::from(behind) >= HISTORY_PACKETS_MAX {
            // Nothing was sent, or the feedback begins with what is forgotten or was not sent yet.
            return;
        }
        let base = self.newest - u64::from(behind);
        let end = (base + u64::from(count)).min(self.newest + 1);
        let first = self.settled.max(self.newest.saturating_sub(HISTORY_PACKETS_MAX as u64 - 1));
        for number in first..end {
            let slot = &mut self.ring[number as usize % HISTORY_PACKETS_MAX];
            if slot.number != number as u16 || slot.fate != Fate::InFlight {
                continue;
            }
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(u64::from(slot.bytes));
            if number < base {
                slot.fate = Fate::Passed;
            } else {
                slot.fate = Fate::Missing;
                missing(slot);
            }
        }
        self.settled = self.settled.max(end);
    }

    /// Bytes that no feedback has told about.
    pub(crate) fn in_flight_bytes(&self) -> u64 {
        self.in_flight_bytes
    }
}

impl Sent {
    /// A packet that just left.
    pub(crate) fn new(at: Micros, bytes: u16, probe: Option<ProbeId>) -> Self {
        Self { at, number: 0, bytes, probe, fate: Fate::InFlight }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_lands_once_and_is_missing_until_then() {
        let mut history = filled(65_530, 10);
        assert!(history.arrived(65_535).is_some_and(|landed| !landed.was_missing));
        assert!(history.arrived(65_535).is_none());
        let mut lost = 0;
        history.settle(65_530, 8, |_| lost += 1);
        assert_eq!((lost, history.in_flight_bytes()), (7, 200));
        history.settle(65_530, 8, |_| lost += 1);
        assert_eq!(lost, 7);
        assert!(history.arrived(0).is_some_and(|landed| landed.was_missing));
    }

    #[test]
    fn c02_numbers_that_were_never_sent_change_nothing() {
        let mut history = filled(100, 10);
        let mut lost = 0;
        history.settle(110, 65_535, |_| lost += 1);
        history.settle(50_000, 65_535, |_| lost += 1);
        assert!(history.arrived(99).is_none() && history.arrived(110).is_none());
        assert_eq!(lost, 0);
        assert!(History::default().arrived(0).is_none());
    }

    #[test]
    fn packets_that_lost_feedback_was_about_are_not_counted_as_lost() {
        let mut history = filled(0, 20);
        let mut lost = 0;
        history.settle(10, 10, |_| lost += 1);
        assert_eq!((lost, history.in_flight_bytes()), (10, 0));
        assert!(history.arrived(5).is_some_and(|landed| !landed.was_missing));
    }

    fn filled(first: u16, count: u16) -> History {
        let mut history = History::default();
        for index in 0..count {
            history.push(first.wrapping_add(index), Sent::new(0, 100, None));
        }
        history
    }
}
