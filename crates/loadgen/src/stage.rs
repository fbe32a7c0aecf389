//! All peers of a run in one thread: a loop that never sleeps, so that no delivered packet costs the server a wake-up.

use std::io;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::peer::{Moment, Peer, Role};
use crate::socket::Batch;
use crate::tally::Tally;
use crate::weather::{Quality, Weather};

/// Sockets that are attended to between two looks at the clock.
const EVENTS_MAX: usize = 64;
/// Time between two rounds of timers and reports over all peers.
const UPKEEP_INTERVAL_NS: u64 = 5_000_000;

/// The peers of a run and what they saw.
pub(crate) struct Stage {
    epoll: Epoll,
    events: Vec<EpollEvent>,
    peers: Vec<Peer>,
    batch: Batch,
    weather: Weather,
    started: Instant,
    next_upkeep_ns: u64,
    /// What was seen since the last [`begin`](Self::begin).
    pub(crate) tally: Tally,
}

impl Stage {
    /// # Errors
    /// When the system gives no epoll.
    pub(crate) fn new(quality: Quality, seed: u64) -> io::Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            events: vec![EpollEvent::empty(); EVENTS_MAX],
            peers: Vec::new(),
            batch: Batch::new(),
            weather: Weather::new(quality, seed),
            started: Instant::now(),
            next_upkeep_ns: 0,
            tally: Tally::new(),
        })
    }

    /// Takes a peer in and tells its index.
    pub(crate) fn add(&mut self, peer: Peer) -> io::Result<usize> {
        let index = self.peers.len();
        self.epoll.add(peer.socket.fd(), EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        self.peers.push(peer);
        Ok(index)
    }

    /// Number of peers.
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn peer(&mut self, index: usize) -> &mut Peer {
        &mut self.peers[index]
    }

    /// The present moment.
    pub(crate) fn moment(&self) -> Moment {
        let now = Instant::now();
        Moment { now, ns: now.saturating_duration_since(self.started).as_nanos() as u64 }
    }

    /// Attends to the sockets that have something, and to all timers when it is time.
    pub(crate) fn turn(&mut self) -> Moment {
        // An interrupted wait is a wait that found nothing.
        let ready = self.epoll.wait(&mut self.events, EpollTimeout::ZERO).unwrap_or_default();
        let moment = self.moment();
        for position in 0..ready {
            self.attend(self.events[position].data() as usize, moment);
        }
        self.deliver_late(moment);
        if moment.ns >= self.next_upkeep_ns {
            self.next_upkeep_ns = moment.ns + UPKEEP_INTERVAL_NS;
            for peer in &mut self.peers {
                peer.upkeep(moment, &mut self.batch);
            }
        }
        moment
    }

    fn attend(&mut self, index: usize, moment: Moment) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        // Signalling of connections is spared, so that every run begins alike.
        if self.weather.is_fair() || !peer.is_connected() {
            peer.receive(moment, &mut self.batch, &mut self.tally, |_| true);
            return;
        }
        let weather = &mut self.weather;
        peer.receive(moment, &mut self.batch, &mut self.tally, |datagram| {
            let survives = weather.survives();
            if survives && weather.holds() {
                weather.hold(index, datagram, moment.ns);
            }
            survives && !weather.holds()
        });
    }

    fn deliver_late(&mut self, moment: Moment) {
        while let Some((index, datagram)) = self.weather.take(moment.ns) {
            if let Some(peer) = self.peers.get_mut(index) {
                peer.deliver(&datagram, moment, &mut self.batch, &mut self.tally);
            }
        }
    }

    /// Lets a publisher send its next burst; tells how many packets it had.
    pub(crate) fn burst(&mut self, publisher: usize) -> usize {
        let moment = self.moment();
        let weather = &mut self.weather;
        self.peers[publisher].burst(moment, &mut self.batch, || weather.survives())
    }

    /// Turns until `condition` holds; false when `limit` passed before.
    pub(crate) fn until(&mut self, limit: Duration, mut condition: impl FnMut(&mut Self) -> bool) -> bool {
        let give_up_at = Instant::now() + limit;
        while !condition(self) {
            if self.turn().now >= give_up_at {
                return false;
            }
        }
        true
    }

    /// Turns for a while.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        self.until(duration, |_| false);
    }

    /// Forgets what was seen so far: the measured part begins.
    pub(crate) fn begin(&mut self) {
        self.tally = Tally::new();
        self.viewers().for_each(crate::viewer::Viewer::forget_missing);
    }

    /// Packets that did not come.
    pub(crate) fn lost(&mut self) -> u64 {
        let missing: u64 = self.viewers().map(|viewer| viewer.missing()).sum();
        missing + self.tally.given_up
    }

    fn viewers(&mut self) -> impl Iterator<Item = &mut crate::viewer::Viewer> {
        self.peers.iter_mut().filter_map(|peer| match &mut peer.role {
            Role::Viewer(viewer) => Some(&mut **viewer),
            _ => None,
        })
    }
}
