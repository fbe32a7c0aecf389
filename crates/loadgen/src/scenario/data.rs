//! Data channels: what one peer says, others hear. Small messages to many at a steady rate, or as much as goes through to
//! one.

use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Cores;
use crate::child::{Kind, ServerProcess};
use crate::data_peer::{Card, DataPeers, Side};
use crate::data_relay;
use crate::room::Room;

/// Time in which everybody connects.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(60);
/// Time after the last message in which late ones still count.
const SETTLE_TIME: Duration = Duration::from_millis(500);
/// Without any progress for so long, a bulk transfer has ended.
const STALL_TIME_MAX: Duration = Duration::from_secs(20);
/// Bytes of a message's time, with which it begins.
const STAMP_BYTES: usize = 8;
/// Longest delay that is told apart, in µs.
const DELAY_US_MAX: u64 = 60_000_000;

/// A run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Data {
    target: Target,
    /// Peers that hear what the first one says.
    viewers: usize,
    message_bytes: usize,
    pace: Pace,
    /// Measured time.
    seconds: f64,
    /// Time before it.
    warmup_seconds: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Target {
    /// Ours.
    Millrace,
    /// A relay in this program, by str0m.
    Str0m,
    /// Any program that is told a core and cards as the relay by str0m is: the words of its command.
    Program(Vec<String>),
}

/// When the next message is sent.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Pace {
    /// So many a second.
    Rate(f64),
    /// When fewer bytes than this are under way.
    Window(u64),
}

impl Data {
    pub(super) fn run(&self, cores: Cores) -> io::Result<Value> {
        let mut call = Call::start(self, cores.server)?;
        call.talk(self, self.warmup_seconds)?;
        call.begin();
        let before = call.server.usage()?;
        let started = Instant::now();
        call.talk(self, self.seconds)?;
        let seconds = started.elapsed().as_secs_f64();
        let cpu_ns = call.server.usage()?.since(&before).cpu_ns;
        let (heard, sent) = (call.heard, call.sent);
        call.listen(SETTLE_TIME)?;
        let megabytes = (heard * self.message_bytes as u64) as f64 / 1e6;
        Ok(json!({
            "delivered": heard,
            "lost": (sent * self.viewers as u64).saturating_sub(call.heard),
            "corrupt": call.corrupt,
            "seconds": seconds,
            "cpuNs": cpu_ns,
            "cpuUsPerMessage": cpu_ns as f64 / heard.max(1) as f64 / 1e3,
            "delayP50Us": call.delays_us.value_at_quantile(0.5),
            "delayP99Us": call.delays_us.value_at_quantile(0.99),
            "megabytesPerSecond": megabytes / seconds,
            "megabytesPerCoreSecond": megabytes * 1e9 / cpu_ns.max(1) as f64,
        }))
    }
}

/// A server with everybody in it.
struct Call {
    server: ServerProcess,
    peers: DataPeers,
    started: Instant,
    sent: u64,
    heard: u64,
    corrupt: u64,
    delays_us: Histogram<u64>,
}

impl Call {
    fn start(data: &Data, core: usize) -> io::Result<Self> {
        let mut peers = DataPeers::new(Side::Client)?;
        let server = match &data.target {
            Target::Millrace => join_ours(&mut peers, core, data.viewers)?,
            Target::Str0m => join_relay(&mut peers, ServerProcess::start(Kind::DataRelay, core)?, data.viewers)?,
            Target::Program(words) => join_relay(&mut peers, ServerProcess::start_program(words, core)?, data.viewers)?,
        };
        let delays_us = Histogram::new_with_bounds(1, DELAY_US_MAX, 3).map_err(io::Error::other)?;
        let mut call = Self { server, peers, started: Instant::now(), sent: 0, heard: 0, corrupt: 0, delays_us };
        let give_up_at = Instant::now() + CONNECT_TIME_MAX;
        while !call.peers.are_open() {
            call.turn()?;
            if Instant::now() > give_up_at {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the peers do not connect"));
            }
        }
        Ok(call)
    }

    /// Forgets what was so far.
    fn begin(&mut self) {
        (self.sent, self.heard, self.corrupt) = (0, 0, 0);
        self.delays_us.reset();
    }

    /// Sends for a while, and lets everything arrive.
    fn talk(&mut self, data: &Data, seconds: f64) -> io::Result<()> {
        let (started, sent_before) = (Instant::now(), self.sent);
        let viewers = data.viewers as u64;
        while started.elapsed().as_secs_f64() < seconds {
            let is_due = match data.pace {
                Pace::Rate(rate) => ((self.sent - sent_before) as f64) < started.elapsed().as_secs_f64() * rate,
                Pace::Window(bytes) => {
                    (self.sent * viewers).saturating_sub(self.heard) * data.message_bytes as u64 <= bytes
                }
            };
            if !(is_due && self.say(data.message_bytes)?) {
                self.turn()?;
            }
        }
        let mut progress = (self.heard, Instant::now());
        while self.heard < self.sent * viewers && progress.1.elapsed() < STALL_TIME_MAX {
            self.turn()?;
            if self.heard > progress.0 {
                progress = (self.heard, Instant::now());
            }
        }
        Ok(())
    }

    fn listen(&mut self, duration: Duration) -> io::Result<()> {
        let started = Instant::now();
        while started.elapsed() < duration {
            self.turn()?;
        }
        Ok(())
    }

    /// Sends one message: its time, and bytes that say how long it is.
    fn say(&mut self, len: usize) -> io::Result<bool> {
        let mut message = vec![filler(len); len];
        let stamp = self.started.elapsed().as_nanos() as u64;
        message[..STAMP_BYTES].copy_from_slice(&stamp.to_be_bytes());
        let is_sent = self.peers.send(0, &message)?;
        self.sent += u64::from(is_sent);
        Ok(is_sent)
    }

    /// Attends to everybody, without ever sleeping.
    fn turn(&mut self) -> io::Result<()> {
        let (started, heard, corrupt, delays_us) =
            (self.started, &mut self.heard, &mut self.corrupt, &mut self.delays_us);
        self.peers.turn(Duration::ZERO, |_, message| {
            *heard += 1;
            let Some((stamp, rest)) = message.split_first_chunk::<STAMP_BYTES>() else {
                *corrupt += 1;
                return;
            };
            *corrupt += u64::from(rest.iter().any(|byte| *byte != filler(message.len())));
            let delay_ns = (started.elapsed().as_nanos() as u64).saturating_sub(u64::from_be_bytes(*stamp));
            delays_us.saturating_record(delay_ns / 1_000);
        })
    }
}

fn filler(len: usize) -> u8 {
    (len % 251) as u8
}

/// Lets everybody into a relay: the first peer is the one that speaks.
fn join_relay(peers: &mut DataPeers, mut server: ServerProcess, viewers: usize) -> io::Result<ServerProcess> {
    for _ in 0..=viewers {
        server.write(&json!(peers.add()?.card()))?;
        let card: Card = serde_json::from_value(server.wait()?)?;
        peers.connect(&card, data_relay::STREAM)?;
    }
    Ok(server)
}

/// Lets everybody into a router of ours.
fn join_ours(peers: &mut DataPeers, core: usize, viewers: usize) -> io::Result<ServerProcess> {
    let mut room = Room::start(core)?;
    let producer = room.new_id();
    for place in 0..=viewers {
        let (transport, mut params) = room.transport_params();
        params["enableSctp"] = json!(true);
        let offer = room.server.request("router.createWebRtcTransport", params)?;
        let ours = peers.add()?.card();
        let fingerprints = json!([{ "algorithm": "sha-256", "value": ours.fingerprint }]);
        let dtls = json!({ "role": "client", "fingerprints": fingerprints });
        room.server.request("transport.connect", json!({ "transportId": transport, "dtlsParameters": dtls }))?;
        let stream = if place == 0 {
            let params = json!({
                "transportId": transport, "dataProducerId": producer,
                "sctpStreamParameters": { "streamId": data_relay::STREAM, "ordered": true },
            });
            room.server.request("transport.produceData", params)?;
            data_relay::STREAM
        } else {
            let consumer = room.new_id();
            let params = json!({ "transportId": transport, "dataConsumerId": consumer, "dataProducerId": producer });
            let reply = room.server.request("transport.consumeData", params)?;
            reply["sctpStreamParameters"]["streamId"].as_u64().unwrap_or_default() as u16
        };
        peers.connect(&card_of(&offer)?, stream)?;
    }
    Ok(room.server)
}

/// What is of use in the reply to `router.createWebRtcTransport`.
fn card_of(offer: &Value) -> io::Result<Card> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| io::Error::other("a part is missing"));
    let fingerprints = offer["dtlsParameters"]["fingerprints"].as_array().cloned().unwrap_or_default();
    let sha256 = fingerprints.iter().find(|one| one["algorithm"] == "sha-256").cloned().unwrap_or_default();
    Ok(Card {
        ufrag: text(&offer["iceParameters"]["usernameFragment"])?,
        password: text(&offer["iceParameters"]["password"])?,
        fingerprint: text(&sha256["value"])?,
        port: offer["iceCandidates"][0]["port"].as_u64().unwrap_or_default() as u16,
    })
}
