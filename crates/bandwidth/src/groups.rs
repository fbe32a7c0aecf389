//! Packets that left together, and how their distance changed on the way.

use crate::clock::{MS, Micros};

/// Packets that leave within this time are one group: libwebrtc's `InterArrivalDelta`, `kBurstDeltaThreshold`.
const BURST: Micros = 5 * MS;
/// Longest group that arrivals close together may make: libwebrtc's `kMaxBurstDuration`.
const BURST_LONGEST: Micros = 100 * MS;
/// A step of the receiver's clock against ours that starts the groups anew: libwebrtc's `kArrivalTimeOffsetThreshold`.
const CLOCK_STEP: Micros = 3000 * MS;

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: Micros,
    last_sent: Micros,
    first_arrival: Micros,
    last_arrival: Micros,
}

/// How much later a group arrived after the one before, and how much later it had left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupDelta {
    pub(crate) sent: Micros,
    pub(crate) arrival: Micros,
    /// When the later group had arrived whole.
    pub(crate) arrived_at: Micros,
}

/// Gathers packets into groups (draft-ietf-rmcat-gcc-02 §5.2).
#[derive(Debug, Default)]
pub(crate) struct Groups {
    previous: Option<Group>,
    current: Option<Group>,
}

impl Groups {
    /// Adds a packet in the order of numbers; returns the change from one group to the next when one is complete.
    pub(crate) fn add(&mut self, sent: Micros, arrival: Micros) -> Option<GroupDelta> {
        let Some(current) = &mut self.current else {
            self.current = Some(Group::of(sent, arrival));
            return None;
        };
        if sent < current.first_sent {
            return None;
        }
        if current.takes(sent, arrival) {
            current.last_sent = current.last_sent.max(sent);
            current.first_arrival = current.first_arrival.min(arrival);
            current.last_arrival = current.last_arrival.max(arrival);
            return None;
        }
        let complete = *current;
        let previous = self.previous.replace(complete);
        *current = Group::of(sent, arrival);
        let delta = complete.since(&previous?);
        if (delta.arrival - delta.sent).abs() > CLOCK_STEP {
            *self = Self { previous: None, current: Some(Group::of(sent, arrival)) };
            return None;
        }
        // Groups that overtook each other say nothing of the queue.
        (delta.arrival >= 0).then_some(delta)
    }
}

impl Group {
    fn of(sent: Micros, arrival: Micros) -> Self {
        Self { first_sent: sent, last_sent: sent, first_arrival: arrival, last_arrival: arrival }
    }

    fn takes(&self, sent: Micros, arrival: Micros) -> bool {
        if sent - self.first_sent <= BURST {
            return true;
        }
        // Packets that a queue or a radio link let go at once: they were sent apart and arrive together.
        let arrival_delta = arrival - self.last_arrival;
        arrival_delta <= BURST
            && arrival_delta < sent - self.last_sent
            && (arrival - self.first_arrival) < BURST_LONGEST
            && arrival_delta >= -BURST_LONGEST
    }

    fn since(&self, previous: &Self) -> GroupDelta {
        GroupDelta {
            sent: self.last_sent - previous.last_sent,
            arrival: self.last_arrival - previous.last_arrival,
            arrived_at: self.last_arrival,
        }
    }
}
