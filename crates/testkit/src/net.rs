//! A virtual clock and a network with delay, loss, duplication and reordering, decided by a printed seed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Steps of one [`Net::run_for`]; more means that the endpoints answer each other for ever.
const STEPS_MAX: usize = 2_000_000;

/// What a path does to datagrams, each way on its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// One-way delay. Default: 10 ms.
    pub delay: Duration,
    /// Up to this much is added to the delay, at random, without reordering. Default: none.
    pub jitter: Duration,
    /// Share of datagrams that get lost, 0 to 1. Default: 0.
    pub loss: f64,
    /// Share of datagrams that arrive twice, 0 to 1. Default: 0.
    pub duplication: f64,
    /// Share of datagrams that are overtaken by later ones (twice the delay), 0 to 1. Default: 0.
    pub reordering: f64,
}

impl Default for Quality {
    fn default() -> Self {
        Self { delay: Duration::from_millis(10), jitter: Duration::ZERO, loss: 0.0, duplication: 0.0, reordering: 0.0 }
    }
}

impl Quality {
    /// The default with this share of datagrams lost, 0 to 1.
    pub fn lossy(loss: f64) -> Self {
        Self { loss, ..Self::default() }
    }
}

/// Bytes on their way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Datagram {
    /// The sender's address.
    pub from: SocketAddr,
    /// The receiver's address.
    pub to: SocketAddr,
    /// The payload.
    pub bytes: Vec<u8>,
}

/// Something with an address that is driven by datagrams and time.
pub trait Endpoint {
    /// Tells whether datagrams to `address` are for this endpoint.
    fn has_address(&self, address: SocketAddr) -> bool;

    /// Takes a datagram that arrived.
    fn handle_datagram(&mut self, now: Instant, datagram: &Datagram);

    /// The next datagram to send.
    fn poll_transmit(&mut self) -> Option<Datagram>;

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    fn deadline(&self) -> Option<Instant>;

    /// Does what is due at `now`.
    fn handle_timeout(&mut self, now: Instant);
}

/// The clock and all datagrams on their way.
pub struct Net {
    now: Instant,
    random: fastrand::Rng,
    quality: Quality,
    paths: HashMap<(SocketAddr, SocketAddr), Quality>,
    last_arrival: HashMap<(SocketAddr, SocketAddr), Instant>,
    under_way: BinaryHeap<Reverse<(Instant, u64, Datagram)>>,
    sent: u64,
    lost: u64,
}

impl Net {
    /// Makes a network and prints its seed, so that a failed run can be repeated.
    pub fn seeded(seed: u64) -> Self {
        println!("network seed {seed}");
        Self {
            now: Instant::now(),
            random: fastrand::Rng::with_seed(seed),
            quality: Quality::default(),
            paths: HashMap::new(),
            last_arrival: HashMap::new(),
            under_way: BinaryHeap::new(),
            sent: 0,
            lost: 0,
        }
    }

    /// Sets what all paths do that have no quality of their own.
    #[must_use]
    pub fn with_quality(mut self, quality: Quality) -> Self {
        self.quality = quality;
        self
    }

    /// Sets from now on what the path between two addresses does, both ways.
    pub fn set_path(&mut self, one: SocketAddr, other: SocketAddr, quality: Quality) {
        self.paths.insert((one, other), quality);
        self.paths.insert((other, one), quality);
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Datagrams sent so far, lost ones included.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Datagrams lost so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Puts a datagram on its way, or loses it.
    pub fn send(&mut self, datagram: Datagram) {
        let quality = self.paths.get(&(datagram.from, datagram.to)).copied().unwrap_or(self.quality);
        self.sent += 1;
        if self.random.f64() < quality.loss {
            self.lost += 1;
            return;
        }
        if self.random.f64() < quality.duplication {
            self.schedule(datagram.clone(), quality);
        }
        self.schedule(datagram, quality);
    }

    /// Runs the endpoints for `duration` of virtual time.
    ///
    /// # Panics
    ///
    /// When the endpoints keep each other busy without end.
    pub fn run_for(&mut self, duration: Duration, endpoints: &mut [&mut dyn Endpoint]) {
        self.run_until(duration, endpoints, |_| false);
    }

    /// Runs the endpoints until `is_over` says so, at most for `duration` of virtual time. Returns what it said last.
    ///
    /// # Panics
    ///
    /// When the endpoints keep each other busy without end.
    pub fn run_until(
        &mut self,
        duration: Duration,
        endpoints: &mut [&mut dyn Endpoint],
        mut is_over: impl FnMut(&[&mut dyn Endpoint]) -> bool,
    ) -> bool {
        let end = self.now + duration;
        for _ in 0..STEPS_MAX {
            self.collect(endpoints);
            if is_over(endpoints) {
                return true;
            }
            let deadlines = endpoints.iter().filter_map(|endpoint| endpoint.deadline());
            let next = deadlines.chain(self.next_arrival()).min().filter(|next| *next <= end);
            let Some(next) = next else {
                self.now = end;
                return false;
            };
            self.now = self.now.max(next);
            self.step(endpoints);
        }
        panic!("the endpoints never come to rest");
    }

    fn step(&mut self, endpoints: &mut [&mut dyn Endpoint]) {
        while self.next_arrival().is_some_and(|at| at <= self.now) {
            let Some(Reverse((_, _, datagram))) = self.under_way.pop() else { break };
            let receiver = endpoints.iter_mut().find(|endpoint| endpoint.has_address(datagram.to));
            if let Some(receiver) = receiver {
                receiver.handle_datagram(self.now, &datagram);
            }
        }
        for endpoint in endpoints {
            if endpoint.deadline().is_some_and(|due| due <= self.now) {
                endpoint.handle_timeout(self.now);
            }
        }
    }

    fn collect(&mut self, endpoints: &mut [&mut dyn Endpoint]) {
        for endpoint in endpoints {
            while let Some(datagram) = endpoint.poll_transmit() {
                self.send(datagram);
            }
        }
    }

    fn next_arrival(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse((at, ..))| *at)
    }

    fn schedule(&mut self, datagram: Datagram, quality: Quality) {
        let path = (datagram.from, datagram.to);
        let arrival = self.now + quality.delay + quality.jitter.mul_f64(self.random.f64());
        let at = if self.random.f64() < quality.reordering {
            arrival + quality.delay
        } else {
            let last = self.last_arrival.entry(path).or_insert(arrival);
            *last = arrival.max(*last);
            *last
        };
        // The number keeps datagrams of one instant in the order of sending.
        self.under_way.push(Reverse((at, self.sent, datagram)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_arrive_after_the_delay_in_order() {
        let mut net = Net::seeded(1).with_quality(Quality { jitter: Duration::from_millis(50), ..Quality::default() });
        let start = net.now();
        let mut sink = Sink::default();
        (0..100).for_each(|number| net.send(datagram(number)));
        net.run_for(Duration::from_secs(1), &mut [&mut sink]);
        let numbers: Vec<u8> = sink.received.iter().map(|(_, bytes)| bytes[0]).collect();
        assert_eq!(numbers, (0..100).collect::<Vec<u8>>());
        assert!(sink.received.iter().all(|(at, _)| *at >= start + Duration::from_millis(10)));
        assert_eq!(net.now(), start + Duration::from_secs(1));
    }

    #[test]
    fn loss_duplication_and_reordering_are_as_frequent_as_asked() {
        let quality = Quality { loss: 0.2, duplication: 0.1, reordering: 0.3, ..Quality::default() };
        let mut net = Net::seeded(2).with_quality(quality);
        let mut sink = Sink::default();
        (0..10_000).for_each(|number| net.send(datagram(number as u8)));
        net.run_for(Duration::from_secs(1), &mut [&mut sink]);
        assert!((1_800..2_200).contains(&net.lost()));
        assert!((8_600..9_000).contains(&sink.received.len()));
        let late = sink.received.iter().filter(|(at, _)| *at > sink.received[0].0).count();
        assert!((2_400..2_900).contains(&late), "{late}");
    }

    #[test]
    fn the_same_seed_loses_the_same_datagrams() {
        let run = |seed| {
            let mut net = Net::seeded(seed).with_quality(Quality::lossy(0.5));
            let mut sink = Sink::default();
            (0..50).for_each(|number| net.send(datagram(number)));
            net.run_for(Duration::from_secs(1), &mut [&mut sink]);
            sink.received.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>()
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
    }

    #[test]
    fn timers_fire_at_their_time() {
        let mut net = Net::seeded(4);
        let due = net.now() + Duration::from_millis(30);
        let mut sink = Sink { due: Some(due), ..Sink::default() };
        net.run_for(Duration::from_secs(1), &mut [&mut sink]);
        assert_eq!(sink.fired, Some(due));
    }

    #[derive(Default)]
    struct Sink {
        received: Vec<(Instant, Vec<u8>)>,
        due: Option<Instant>,
        fired: Option<Instant>,
    }

    impl Endpoint for Sink {
        fn has_address(&self, _: SocketAddr) -> bool {
            true
        }

        fn handle_datagram(&mut self, now: Instant, datagram: &Datagram) {
            self.received.push((now, datagram.bytes.clone()));
        }

        fn poll_transmit(&mut self) -> Option<Datagram> {
            None
        }

        fn deadline(&self) -> Option<Instant> {
            self.due
        }

        fn handle_timeout(&mut self, now: Instant) {
            self.fired = self.due.take().map(|_| now);
        }
    }

    fn datagram(number: u8) -> Datagram {
        Datagram { from: "10.0.0.1:1".parse().unwrap(), to: "10.0.0.2:2".parse().unwrap(), bytes: vec![number] }
    }
}
