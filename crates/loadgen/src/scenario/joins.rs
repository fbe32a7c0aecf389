//! Peers that join: a transport, ICE and DTLS, one producer, two consumers each.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Cores;
use crate::call::{CONNECT_TIME_MAX, join};
use crate::peer::{Offer, Peer};
use crate::room::Room;
use crate::stage::Stage;
use crate::weather::Quality;

/// A run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Joins {
    /// Peers that join.
    joins: usize,
    /// Peers on their way at once.
    concurrency: usize,
}

/// A peer on its way, with the requests that are not answered yet.
struct Joiner {
    transport: String,
    number: usize,
    step: Step,
    started: Instant,
}

enum Step {
    /// The transport is being made.
    Making(u32),
    /// ICE and DTLS are under way.
    Connecting { peer: usize, request: Option<u32> },
    /// One producer and two consumers are being made.
    Asking(Vec<u32>),
}

impl Joins {
    pub(super) fn run(&self, cores: Cores) -> io::Result<Value> {
        let mut room = Room::start(cores.server)?;
        let mut stage = Stage::new(Quality::default(), 0)?;
        let (host, _) = join(&mut room, &mut stage)?;
        let hosted = [room.produce(&host, 1, true)?, room.produce(&host, 3, false)?];
        let mut party = Party { room, stage, hosted, joiners: VecDeque::new(), begun: 0, times_ms: Vec::new() };
        // Pools, tables and code are warm afterwards.
        party.admit(self.concurrency, self.concurrency)?;
        party.times_ms.clear();
        let before = party.room.server.usage()?;
        let started = Instant::now();
        party.admit(self.joins, self.concurrency)?;
        let seconds = started.elapsed().as_secs_f64();
        let used = party.room.server.usage()?.since(&before);
        party.times_ms.sort_by(f64::total_cmp);
        let time = |share: f64| party.times_ms.get((self.joins as f64 * share) as usize).copied();
        Ok(json!({
            "joins": self.joins,
            "seconds": seconds,
            "cpuNs": used.cpu_ns,
            "userNs": used.user_ns(),
            "joinsPerCoreSecond": self.joins as f64 * 1e9 / used.cpu_ns.max(1) as f64,
            "timeP50Ms": time(0.5),
            "timeP99Ms": time(0.99),
        }))
    }
}

/// Everybody in the room and on the way to it.
struct Party {
    room: Room,
    stage: Stage,
    hosted: [String; 2],
    joiners: VecDeque<Joiner>,
    begun: usize,
    times_ms: Vec<f64>,
}

impl Party {
    /// Lets `count` more peers join, `concurrency` at once.
    fn admit(&mut self, count: usize, concurrency: usize) -> io::Result<()> {
        let end = self.begun + count;
        let give_up_at = Instant::now() + CONNECT_TIME_MAX + CONNECT_TIME_MAX;
        while self.begun < end || !self.joiners.is_empty() {
            if self.begun < end && self.joiners.len() < concurrency {
                self.begin()?;
            }
            self.stage.turn();
            if let Some(joiner) = self.joiners.pop_front() {
                let joiner = self.advance(joiner)?;
                self.joiners.extend(joiner);
            }
            if Instant::now() > give_up_at {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the peers do not join"));
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        let (transport, params) = self.room.transport_params();
        let request = self.room.server.send("router.createWebRtcTransport", params)?;
        let started = Instant::now();
        self.joiners.push_back(Joiner { transport, number: self.begun, step: Step::Making(request), started });
        self.begun += 1;
        Ok(())
    }

    /// Takes a joiner one step on if it can be; `None` when it has arrived.
    fn advance(&mut self, mut joiner: Joiner) -> io::Result<Option<Joiner>> {
        match &mut joiner.step {
            Step::Making(request) => {
                if let Some(reply) = self.room.server.take_reply(*request)? {
                    joiner.step = self.connect(&joiner.transport, &reply?)?;
                }
            }
            Step::Connecting { request: Some(asked), peer } => {
                if let Some(reply) = self.room.server.take_reply(*asked)? {
                    reply?;
                    joiner.step = Step::Connecting { peer: *peer, request: None };
                }
            }
            Step::Connecting { request: None, peer } => {
                if self.stage.peer(*peer).is_connected() {
                    joiner.step = Step::Asking(self.ask(&joiner.transport, joiner.number)?);
                }
            }
            Step::Asking(requests) => {
                if let Some(request) = requests.last() {
                    if let Some(reply) = self.room.server.take_reply(*request)? {
                        reply?;
                        requests.pop();
                    }
                } else {
                    self.times_ms.push(joiner.started.elapsed().as_secs_f64() * 1e3);
                    return Ok(None);
                }
            }
        }
        Ok(Some(joiner))
    }

    fn connect(&mut self, transport: &str, reply: &Value) -> io::Result<Step> {
        let params = self.room.connect_params(transport);
        let request = Some(self.room.server.send("transport.connect", params)?);
        let mut peer = Peer::new()?;
        let index = self.stage.len();
        peer.connect(Offer::read(reply)?, &self.room.identity, index as u64, self.stage.moment().now)?;
        Ok(Step::Connecting { peer: self.stage.add(peer)?, request })
    }

    fn ask(&mut self, transport: &str, number: usize) -> io::Result<Vec<u32>> {
        let (_, params) = self.room.produce_params(transport, 10 + 2 * number as u32, true);
        let mut requests = vec![self.room.server.send("transport.produce", params)?];
        for producer in self.hosted.clone() {
            let params = self.room.consume_params(transport, &producer, false);
            requests.push(self.room.server.send("transport.consume", params)?);
        }
        Ok(requests)
    }
}
