//! Bad networks inside the generator: loss, delay and a rate, all from one seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::Deserialize;

/// Time that a datagram waits at most for its turn on a link with a rate; then it is lost, as in a full router.
const QUEUE_NS_MAX: u64 = 200_000_000;

/// What happens to datagrams on their way to a peer.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Quality {
    /// Share that gets lost, 0 to 1.
    pub(crate) loss: f64,
    /// One-way delay in ms.
    pub(crate) delay_ms: u64,
    /// Bit/s of each peer's link; 0 is no limit.
    pub(crate) bitrate: u64,
}

/// The weather on all links.
pub(crate) struct Weather {
    quality: Quality,
    random: fastrand::Rng,
    /// When the link of each peer is free again.
    busy_until_ns: Vec<u64>,
    under_way: BinaryHeap<Reverse<Held>>,
    count: u64,
}

/// A datagram on its way; ordered by when it is due, then by when it came.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    due_ns: u64,
    count: u64,
    peer: usize,
    datagram: Vec<u8>,
}

impl Weather {
    pub(crate) fn new(quality: Quality, seed: u64) -> Self {
        Self {
            quality,
            random: fastrand::Rng::with_seed(seed),
            busy_until_ns: Vec::new(),
            under_way: BinaryHeap::new(),
            count: 0,
        }
    }

    /// Tells whether datagrams pass untouched.
    pub(crate) fn is_fair(&self) -> bool {
        self.quality.loss == 0.0 && !self.holds()
    }

    /// Tells whether datagrams arrive later than they came.
    pub(crate) fn holds(&self) -> bool {
        self.quality.delay_ms > 0 || self.quality.bitrate > 0
    }

    /// Draws whether a datagram survives.
    pub(crate) fn survives(&mut self) -> bool {
        self.quality.loss == 0.0 || self.random.f64() >= self.quality.loss
    }

    /// Takes a datagram that came for `peer`, to be delivered later.
    pub(crate) fn hold(&mut self, peer: usize, datagram: &[u8], now_ns: u64) {
        let Some(passed_ns) = self.pass_link(peer, datagram.len(), now_ns) else { return };
        self.count += 1;
        let due_ns = passed_ns + self.quality.delay_ms * 1_000_000;
        self.under_way.push(Reverse(Held { due_ns, count: self.count, peer, datagram: datagram.to_vec() }));
    }

    /// When the link has carried the datagram; `None` when it would wait too long.
    fn pass_link(&mut self, peer: usize, bytes: usize, now_ns: u64) -> Option<u64> {
        if self.quality.bitrate == 0 {
            return Some(now_ns);
        }
        if self.busy_until_ns.len() <= peer {
            self.busy_until_ns.resize(peer + 1, 0);
        }
        let start_ns = self.busy_until_ns[peer].max(now_ns);
        if start_ns - now_ns > QUEUE_NS_MAX {
            return None;
        }
        self.busy_until_ns[peer] = start_ns + bytes as u64 * 8_000_000_000 / self.quality.bitrate;
        Some(self.busy_until_ns[peer])
    }

    /// The next datagram that is due, with the peer that it is for.
    pub(crate) fn take(&mut self, now_ns: u64) -> Option<(usize, Vec<u8>)> {
        self.under_way.peek().filter(|Reverse(held)| held.due_ns <= now_ns)?;
        self.under_way.pop().map(|Reverse(held)| (held.peer, held.datagram))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_loses_the_same_datagrams() {
        let lost = |seed| {
            let mut weather = Weather::new(Quality { loss: 0.1, ..Quality::default() }, seed);
            (0..1_000).filter(|_| !weather.survives()).count()
        };
        assert_eq!(lost(5), lost(5));
        assert!((60..140).contains(&lost(5)));
    }

    #[test]
    fn a_slow_link_spreads_datagrams_and_drops_what_would_wait_too_long() {
        let quality = Quality { bitrate: 8_000_000, delay_ms: 1, ..Quality::default() };
        let mut weather = Weather::new(quality, 1);
        (0..300).for_each(|_| weather.hold(0, &[0; 1_000], 0));
        let arrivals: Vec<u64> = (0..400).filter(|ms| weather.take(ms * 1_000_000).is_some()).collect();
        assert_eq!(arrivals.first(), Some(&2));
        assert_eq!(arrivals.len(), 201, "200 ms of a link of 1,000 datagrams a second");
    }
}
