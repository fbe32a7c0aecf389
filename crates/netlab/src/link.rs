//! The bottleneck: one queue with a capacity that varies, then loss, jitter and reordering.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::flow::Packet;
use crate::{MS, Micros, SECOND};

/// What the line carries over time.
#[derive(Clone, Debug, PartialEq)]
pub enum Capacity {
    /// From each time (seconds) on, so much (bit/s). The first time is 0.
    Steps(Vec<(u64, u64)>),
    /// bit/s for each 100 ms; begins again at its end.
    Trace(Vec<u64>),
}

impl Capacity {
    /// bit/s at `now`.
    pub fn at(&self, now: Micros) -> f64 {
        match self {
            Self::Steps(steps) => {
                let step = steps.iter().rfind(|(second, _)| second * SECOND <= now);
                step.map_or(0.0, |(_, bitrate)| *bitrate as f64)
            }
            Self::Trace(trace) => trace[(now / (100 * MS)) as usize % trace.len()] as f64,
        }
    }
}

/// How packets get lost behind the queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Each with this probability.
    Random(f64),
    /// In bursts: a good and a bad state, Gilbert and Elliott's model.
    Bursts {
        /// Probability of a packet in the good state to begin a burst.
        begins: f64,
        /// Probability of a packet in the bad state to end it.
        ends: f64,
        /// Share lost in the bad state.
        lost: f64,
    },
}

/// What a line is like.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// What it carries.
    pub capacity: Capacity,
    /// Longest queue in bytes.
    pub queue_bytes: usize,
    /// Delay without a queue, both ways together.
    pub round_trip: Micros,
    /// From when on packets take longer, and by how much: another path.
    pub detour: Option<(Micros, Micros)>,
    /// Loss that no queue causes.
    pub loss: Loss,
    /// Mean of an exponential delay that each packet gets on top, without overtaking.
    pub jitter: Micros,
    /// Share of packets that are held back by 20 ms and so overtaken.
    pub reordering: f64,
}

/// How long a packet that is overtaken is held back.
const HELD_BACK: Micros = 20 * MS;

/// A packet that left the queue.
#[derive(Debug)]
pub struct Passed {
    /// The packet.
    pub packet: Packet,
    /// How long it waited and was transmitted.
    pub queued: Micros,
}

/// The queue and what is under way.
pub struct Link {
    /// What the line is like.
    pub settings: LinkSettings,
    random: fastrand::Rng,
    queue: VecDeque<(Packet, Micros)>,
    queued_bytes: usize,
    /// Bits of the first packet that are still to be transmitted.
    remaining: f64,
    cursor: Micros,
    in_burst: bool,
    last_arrival: Micros,
    order: u64,
    under_way: BinaryHeap<Reverse<Arrival>>,
}

#[derive(Debug)]
struct Arrival {
    at: Micros,
    order: u64,
    packet: Packet,
}

impl Link {
    /// An empty line.
    pub fn new(settings: LinkSettings, seed: u64) -> Self {
        Self {
            settings,
            random: fastrand::Rng::with_seed(seed),
            queue: VecDeque::new(),
            queued_bytes: 0,
            remaining: 0.0,
            cursor: 0,
            in_burst: false,
            last_arrival: 0,
            order: 0,
            under_way: BinaryHeap::new(),
        }
    }

    /// Puts a packet in at `now`; returns it if the queue is full.
    pub fn push(&mut self, packet: Packet, now: Micros) -> Option<Packet> {
        if self.queued_bytes + packet.bytes > self.settings.queue_bytes && !self.queue.is_empty() {
            return Some(packet);
        }
        if self.queue.is_empty() {
            self.remaining = packet.bytes as f64 * 8.0;
            self.cursor = self.cursor.max(now);
        }
        self.queued_bytes += packet.bytes;
        self.queue.push_back((packet, now));
        None
    }

    /// Transmits until `now` and tells `passed` each packet that left the queue.
    pub fn advance(&mut self, now: Micros, mut passed: impl FnMut(&Passed)) {
        while !self.queue.is_empty() && self.cursor < now {
            let rate = self.settings.capacity.at(self.cursor) / SECOND as f64;
            let left = (now - self.cursor) as f64;
            if self.remaining > rate * left {
                self.remaining -= rate * left;
                break;
            }
            self.cursor += (self.remaining / rate) as Micros;
            let Some((packet, since)) = self.queue.pop_front() else { break };
            self.queued_bytes -= packet.bytes;
            self.remaining = self.queue.front().map_or(0.0, |(next, _)| next.bytes as f64 * 8.0);
            let leaving = Passed { packet, queued: self.cursor.saturating_sub(since) };
            passed(&leaving);
            self.carry(leaving.packet);
        }
        self.cursor = now;
    }

    /// The next packet that has arrived by `now`, and when it did.
    pub fn poll(&mut self, now: Micros) -> Option<(Packet, Micros)> {
        if self.under_way.peek().is_none_or(|Reverse(arrival)| arrival.at > now) {
            return None;
        }
        self.under_way.pop().map(|Reverse(arrival)| (arrival.packet, arrival.at))
    }

    /// How long a packet that comes now would wait, by the present capacity.
    pub fn waiting(&self, now: Micros) -> Micros {
        let bits: f64 = self.queue.iter().skip(1).map(|(packet, _)| packet.bytes as f64 * 8.0).sum();
        ((bits + self.remaining) / self.settings.capacity.at(now).max(1.0) * SECOND as f64) as Micros
    }

    fn carry(&mut self, packet: Packet) {
        if self.loses() {
            return;
        }
        let jitter = -(1.0 - self.random.f64()).ln() * self.settings.jitter as f64;
        let detour = self.settings.detour.filter(|(from, _)| self.cursor >= *from).map_or(0, |(_, longer)| longer);
        let mut at = self.cursor + self.settings.round_trip / 2 + detour + jitter as Micros;
        if self.random.f64() < self.settings.reordering {
            at += HELD_BACK;
        } else {
            at = at.max(self.last_arrival);
            self.last_arrival = at;
        }
        self.order += 1;
        self.under_way.push(Reverse(Arrival { at, order: self.order, packet }));
    }

    fn loses(&mut self) -> bool {
        match self.settings.loss {
            Loss::Random(share) => self.random.f64() < share,
            Loss::Bursts { begins, ends, lost } => {
                let change = if self.in_burst { ends } else { begins };
                self.in_burst ^= self.random.f64() < change;
                self.in_burst && self.random.f64() < lost
            }
        }
    }
}

impl Ord for Arrival {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Arrival {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Arrival {}

impl PartialEq for Arrival {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_passes_what_its_capacity_allows_and_drops_what_does_not_fit() {
        let mut link = Link::new(settings(Loss::Random(0.0)), 1);
        let dropped = (0..200).filter(|_| link.push(packet(), 0).is_some()).count();
        assert_eq!(dropped, 100, "100,000 bytes hold 100 packets of 1000");
        let mut longest = 0;
        link.advance(SECOND / 2, |passed| longest = longest.max(passed.queued));
        assert!((495_000..=SECOND / 2).contains(&longest), "{longest}");
        let mut arrivals = Vec::new();
        while let Some((_, at)) = link.poll(SECOND) {
            arrivals.push(at);
        }
        assert_eq!(arrivals.len(), 62, "62 packets of 8000 bits pass in half a second of 1 Mbit/s");
        assert_eq!(arrivals[0], 8 * MS + 25 * MS);
    }

    #[test]
    fn bursts_lose_the_share_that_their_parameters_say() {
        let mut link = Link::new(settings(Loss::Bursts { begins: 0.01, ends: 0.2, lost: 1.0 }), 7);
        let lost = (0..100_000).filter(|_| link.loses()).count();
        assert!((4_300..5_300).contains(&lost), "1/21 of 100,000 is 4762, not {lost}");
    }

    fn settings(loss: Loss) -> LinkSettings {
        let capacity = Capacity::Steps(vec![(0, 1_000_000)]);
        LinkSettings {
            capacity,
            queue_bytes: 100_000,
            round_trip: 50 * MS,
            detour: None,
            loss,
            jitter: 0,
            reordering: 0.0,
        }
    }

    fn packet() -> Packet {
        Packet { flow: 0, bytes: 1000, is_audio: false, contents: Vec::new() }
    }
}
