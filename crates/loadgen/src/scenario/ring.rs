//! Packets from one worker to others of the same process: what each target costs the worker that sends, and how long a
//! packet takes until it is out of the other worker.
//!
//! A target costs something for each packet, and something for each burst, mostly to wake its thread. Bursts of two sizes at
//! one rate tell the two apart: `cost(burst) = packet + wakeUp / burst`. What a packet costs as long as nobody reads the rings,
//! which are full then, is what any viewer would: its numbers, its header and a copy that stays in this core's cache.

use std::fs;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use millrace_engine::packets::PacketBatch;
use millrace_engine::{Outbox, THREAD_NAME_PREFIX, Worker};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Cores;
use crate::accounting::stay_on;

/// Packets that come together, as a socket's batch or a frame does; a worker deals with each in one turn.
const BURSTS: [u32; 2] = [16, 64];
/// Times that everything is measured. The median counts.
const ROUNDS: usize = 5;
const SSRC: u32 = 77;
const PAYLOAD_TYPE: u8 = 100;
const PACKET_BYTES: usize = 1_200;
/// Time after which nothing is under way any more.
const SETTLE_TIME: Duration = Duration::from_millis(300);
/// Time between two looks at whether a burst is due.
const PACE: Duration = Duration::from_micros(50);
/// Time between two packets whose delay is measured.
const WAKE_INTERVAL: Duration = Duration::from_micros(1_500);
/// No answer takes as long.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// A run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ring {
    /// Workers that packets are passed to.
    targets: u32,
    packets_per_second: f64,
    /// Time of each phase.
    seconds: f64,
}

impl Ring {
    pub(super) fn run(&self, cores: Cores) -> io::Result<Value> {
        // A worker's thread stays where the thread is that starts it: what is passed on always crosses to another core.
        stay_on(cores.server);
        let mut source = Office::open()?;
        stay_on(cores.generator);
        let mut targets = (0..self.targets).map(|_| Office::open()).collect::<io::Result<Vec<_>>>()?;
        let (producer, number) = source.publish()?;
        let streams = (0..self.targets).map(|place| source.reach(&producer, place)).collect::<io::Result<Vec<_>>>()?;
        let mut sent = Sent { number, ..Sent::default() };
        let at_home = self.compare(&mut source, BURSTS[1], &mut sent)?;
        for (place, (target, parameters)) in targets.iter_mut().zip(streams).enumerate() {
            target.view(place as u32, &parameters)?;
        }
        self.load(&source, BURSTS[0], &mut sent);
        let before = received(&mut targets)?;
        let mut sent = Sent { number, sequence: sent.sequence, ..Sent::default() };
        let [short, long] =
            [self.compare(&mut source, BURSTS[0], &mut sent)?, self.compare(&mut source, BURSTS[1], &mut sent)?];
        let lost = (u64::from(self.targets) * sent.packets).saturating_sub(received(&mut targets)? - before);
        let mut delays = self.wake(&source, &targets[0], &mut sent);
        let [short_share, long_share] = BURSTS.map(|burst| 1.0 / f64::from(burst));
        let wake_up = (short.source_ns - long.source_ns) / (short_share - long_share);
        Ok(json!({
            "packetsPerSecond": sent.packets as f64 / sent.seconds,
            "nsPerPacketAndTarget": long.source_ns - wake_up * long_share,
            "nsPerPacketUnread": at_home.source_ns,
            "nsPerWakeUp": wake_up,
            "nsPerPacketAndTargetInBursts": { "16": short.source_ns, "64": long.source_ns },
            "nsPerPacketInTarget": long.target_ns,
            "lost": lost,
            "wakeUpP50Us": quantile(&mut delays, 0.5) / 1e3,
            "wakeUpP99Us": quantile(&mut delays, 0.99) / 1e3,
        }))
    }

    /// What each target adds to the cost of a packet: the same load without targets and with them, in turn.
    fn compare(&self, source: &mut Office, burst: u32, sent: &mut Sent) -> io::Result<Cost> {
        let [mut of_source, mut of_targets] = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            source.pass_on(self.targets, false)?;
            let alone = self.load(source, burst, sent);
            source.pass_on(self.targets, true)?;
            let passed_on = self.load(source, burst, sent);
            sent.packets += passed_on.packets;
            sent.seconds += passed_on.seconds;
            let targets = f64::from(self.targets);
            of_source.push((passed_on.cost.source_ns - alone.cost.source_ns) / targets);
            of_targets.push(passed_on.cost.target_ns / targets);
        }
        Ok(Cost { source_ns: quantile(&mut of_source, 0.5), target_ns: quantile(&mut of_targets, 0.5) })
    }

    /// Sends at the wanted rate; what the workers' threads used of it.
    fn load(&self, source: &Office, burst: u32, sent: &mut Sent) -> Load {
        let before = thread_times();
        let started = Instant::now();
        let mut packets = 0;
        while started.elapsed().as_secs_f64() < self.seconds {
            let due = (started.elapsed().as_secs_f64() * self.packets_per_second) as u64;
            while packets + u64::from(burst) <= due {
                source.send(sent.number, &mut sent.sequence, burst);
                packets += u64::from(burst);
            }
            sleep(PACE);
        }
        let seconds = started.elapsed().as_secs_f64();
        sleep(SETTLE_TIME);
        let used: Vec<_> = thread_times().iter().zip(before).map(|(after, before)| after - before).collect();
        let a_packet = |ns: u64| ns as f64 / packets as f64;
        let cost = Cost { source_ns: a_packet(used[0]), target_ns: a_packet(used[1..].iter().sum()) };
        Load { packets, seconds, cost }
    }

    /// Sends single packets; how long each takes until the owner of the other worker is called, in ns.
    fn wake(&self, source: &Office, target: &Office, sent: &mut Sent) -> Vec<f64> {
        let count = (self.seconds / WAKE_INTERVAL.as_secs_f64()) as usize;
        let mut delays = Vec::with_capacity(count);
        for _ in 0..count {
            while target.outbox.take_packets().is_some() {}
            *lock(&target.woken) = None;
            let started = Instant::now();
            source.send(sent.number, &mut sent.sequence, 1);
            sleep(WAKE_INTERVAL);
            // One that took longer than the interval counts as that.
            let woken = lock(&target.woken).unwrap_or_else(Instant::now);
            delays.push(woken.saturating_duration_since(started).as_nanos() as f64);
        }
        delays
    }
}

/// What was sent so far.
#[derive(Debug, Default)]
struct Sent {
    /// Whose packets they are.
    number: u32,
    sequence: u16,
    /// Packets while targets were there, and how long that was.
    packets: u64,
    seconds: f64,
}

/// What one phase took.
struct Load {
    packets: u64,
    seconds: f64,
    cost: Cost,
}

/// CPU time of a packet, of the thread that sends and of the others.
struct Cost {
    source_ns: f64,
    target_ns: f64,
}

/// Packets that came by the rings.
fn received(targets: &mut [Office]) -> io::Result<u64> {
    targets.iter_mut().map(Office::packets_received).sum()
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get((values.len() as f64 * share) as usize).copied().unwrap_or_default()
}

/// A worker with one router.
struct Office {
    worker: Worker,
    outbox: Arc<Outbox>,
    bell: Receiver<()>,
    /// When its owner was called first since this was cleared.
    woken: Arc<Mutex<Option<Instant>>>,
    requests: u32,
    capabilities: Value,
}

impl Office {
    fn open() -> io::Result<Self> {
        let (ringer, bell): (Sender<()>, _) = channel();
        let woken = Arc::new(Mutex::new(None));
        let called = Arc::clone(&woken);
        let outbox = Arc::new(Outbox::new(move || {
            lock(&called).get_or_insert_with(Instant::now);
            let _ = ringer.send(());
        }));
        let worker = Worker::start("{}", Arc::clone(&outbox)).map_err(io::Error::other)?;
        let mut office = Self { worker, outbox, bell, woken, requests: 0, capabilities: Value::Null };
        let codec = json!({
            "kind": "audio", "mimeType": "audio/opus", "clockRate": 48_000, "channels": 2,
            "preferredPayloadType": PAYLOAD_TYPE,
        });
        let made = office.request("worker.createRouter", json!({ "routerId": id(1), "mediaCodecs": [codec] }))?;
        office.capabilities = made["rtpCapabilities"].clone();
        Ok(office)
    }

    fn request(&mut self, method: &str, mut params: Value) -> io::Result<Value> {
        self.requests += 1;
        params["id"] = json!(self.requests);
        params["method"] = json!(method);
        self.worker.request(params.to_string());
        loop {
            let messages: Vec<Value> = serde_json::from_str(&self.outbox.take_batch_json())?;
            if let Some(reply) = messages.into_iter().find(|message| message["id"] == self.requests) {
                return reply.get("ok").cloned().ok_or_else(|| io::Error::other(format!("{method}: {reply}")));
            }
            self.bell.recv_timeout(ANSWER_TIME_MAX).map_err(|_| io::Error::other(format!("{method}: no answer")))?;
        }
    }

    /// Makes a producer that packets are sent as; returns its id and its number.
    fn publish(&mut self) -> io::Result<(Value, u32)> {
        self.request("router.createDirectTransport", json!({ "routerId": id(1), "transportId": id(2) }))?;
        let codec =
            json!({ "mimeType": "audio/opus", "payloadType": PAYLOAD_TYPE, "clockRate": 48_000, "channels": 2 });
        let parameters = json!({ "codecs": [codec], "encodings": [{ "ssrc": SSRC }] });
        let params = json!({ "transportId": id(2), "producerId": id(3), "kind": "audio", "rtpParameters": parameters });
        let reply = self.request("transport.produce", params)?;
        Ok((json!(id(3)), reply["packetNumber"].as_u64().unwrap_or_default() as u32))
    }

    /// Has a producer passed on to a ring; returns what crosses there.
    fn reach(&mut self, producer: &Value, place: u32) -> io::Result<Value> {
        let transport = id(100 + place);
        let params = json!({ "routerId": id(1), "transportId": transport, "ringId": id(1_000 + place) });
        self.request("router.createRingTransport", params)?;
        let params = json!({
            "transportId": transport, "consumerId": id(200 + place), "producerId": producer,
            "rtpCapabilities": self.capabilities,
        });
        let mut reply = self.request("transport.consume", params)?;
        Ok(reply["rtpParameters"].take())
    }

    /// Has what crosses a ring listened to here.
    fn view(&mut self, place: u32, parameters: &Value) -> io::Result<()> {
        let params = json!({ "routerId": id(1), "transportId": id(4), "ringId": id(1_000 + place) });
        self.request("router.createRingTransport", params)?;
        let params = json!({ "transportId": id(4), "producerId": id(5), "kind": "audio", "rtpParameters": parameters });
        self.request("transport.produce", params)?;
        self.request("router.createDirectTransport", json!({ "routerId": id(1), "transportId": id(6) }))?;
        let capabilities = self.capabilities.clone();
        let params = json!({
            "transportId": id(6), "consumerId": id(7), "producerId": id(5), "rtpCapabilities": capabilities,
        });
        self.request("transport.consume", params)?;
        self.request("consumer.listen", json!({ "consumerId": id(7), "listens": true }))?;
        Ok(())
    }

    /// Begins or ceases to pass on to `targets` workers.
    fn pass_on(&mut self, targets: u32, passes: bool) -> io::Result<()> {
        let method = if passes { "consumer.resume" } else { "consumer.pause" };
        for place in 0..targets {
            self.request(method, json!({ "consumerId": id(200 + place) }))?;
        }
        Ok(())
    }

    fn send(&self, number: u32, sequence: &mut u16, count: u32) {
        let mut batch = PacketBatch::default();
        for _ in 0..count {
            *sequence = sequence.wrapping_add(1);
            let mut packet = [0; PACKET_BYTES];
            packet[0] = 0x80;
            packet[1] = PAYLOAD_TYPE;
            packet[2..4].copy_from_slice(&sequence.to_be_bytes());
            packet[4..8].copy_from_slice(&(u32::from(*sequence) * 960).to_be_bytes());
            packet[8..12].copy_from_slice(&SSRC.to_be_bytes());
            batch.push(number, &packet);
        }
        self.worker.send_packets(batch);
    }

    /// Packets that came by the ring.
    fn packets_received(&mut self) -> io::Result<u64> {
        let metrics = self.request("worker.getMetrics", json!({}))?;
        let transports = metrics["transports"].as_array().cloned().unwrap_or_default();
        let ring = transports.iter().find(|entry| entry["transportId"] == id(4));
        Ok(ring.and_then(|entry| entry["counters"]["rtp_packets_received"].as_u64()).unwrap_or_default())
    }
}

fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

fn lock<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nanoseconds of CPU time of each worker's thread, in the order in which they were started.
fn thread_times() -> Vec<u64> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let mut times: Vec<(u32, u64)> = tasks
        .filter_map(|task| {
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            let number = name.trim().strip_prefix(THREAD_NAME_PREFIX)?.parse().ok()?;
            let used = fs::read_to_string(task.path().join("schedstat")).ok()?;
            Some((number, used.split_whitespace().next()?.parse().ok()?))
        })
        .collect();
    times.sort_unstable();
    times.into_iter().map(|(_, used)| used).collect()
}
