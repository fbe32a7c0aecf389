//! Packets from one worker to others of the same process: what each target costs the worker that sends, and how long a
//! packet takes until it is out of the other worker.

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

/// Packets that come together, as a socket's batch or a frame does.
const BURST: u32 = 32;
const SSRC: u32 = 77;
const PAYLOAD_TYPE: u8 = 100;
const PACKET_BYTES: usize = 1_200;
/// Time after which nothing is under way any more.
const SETTLE_TIME: Duration = Duration::from_millis(300);
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
    pub(super) fn run(&self) -> io::Result<Value> {
        let mut source = Office::open()?;
        let (producer, number) = source.publish()?;
        let mut targets = (0..self.targets).map(|_| Office::open()).collect::<io::Result<Vec<_>>>()?;
        let mut sequence = 0;
        self.load(&source, number, &mut sequence);
        let alone = self.load(&source, number, &mut sequence);
        for (place, target) in targets.iter_mut().enumerate() {
            target.view(&mut source, &producer, place as u32)?;
        }
        let warm_up = self.load(&source, number, &mut sequence);
        let passed_on = self.load(&source, number, &mut sequence);
        let packets = passed_on.packets as f64;
        let per_packet = |load: &Load| load.source_ns as f64 / load.packets as f64;
        let received = targets.iter_mut().map(Office::packets_received).sum::<io::Result<u64>>()?;
        let sent = u64::from(self.targets) * (warm_up.packets + passed_on.packets);
        let mut delays = self.wake(&source, &targets[0], number, &mut sequence);
        delays.sort_unstable();
        let quantile = |share: f64| delays.get((delays.len() as f64 * share) as usize).copied().unwrap_or_default();
        Ok(json!({
            "packetsPerSecond": packets / passed_on.seconds,
            "nsPerPacketAndTarget": (per_packet(&passed_on) - per_packet(&alone)) / f64::from(self.targets),
            "nsPerPacketInTarget": passed_on.target_ns as f64 / packets / f64::from(self.targets),
            "lost": sent.saturating_sub(received),
            "wakeUpP50Us": quantile(0.5) as f64 / 1e3,
            "wakeUpP99Us": quantile(0.99) as f64 / 1e3,
        }))
    }

    /// Sends at the wanted rate; what the workers' threads used of it.
    fn load(&self, source: &Office, number: u32, sequence: &mut u16) -> Load {
        let before = thread_times();
        let started = Instant::now();
        let mut packets = 0;
        while started.elapsed().as_secs_f64() < self.seconds {
            let due = (started.elapsed().as_secs_f64() * self.packets_per_second) as u64;
            while packets + u64::from(BURST) <= due {
                source.send(number, sequence, BURST);
                packets += u64::from(BURST);
            }
            sleep(Duration::from_micros(200));
        }
        let seconds = started.elapsed().as_secs_f64();
        sleep(SETTLE_TIME);
        let used: Vec<_> = thread_times().iter().zip(before).map(|(after, before)| after - before).collect();
        Load { packets, seconds, source_ns: used[0], target_ns: used[1..].iter().sum() }
    }

    /// Sends single packets; how long each takes until the owner of the other worker is called, in ns.
    fn wake(&self, source: &Office, target: &Office, number: u32, sequence: &mut u16) -> Vec<u64> {
        let count = (self.seconds / WAKE_INTERVAL.as_secs_f64()) as usize;
        let mut delays = Vec::with_capacity(count);
        for _ in 0..count {
            while target.outbox.take_packets().is_some() {}
            *lock(&target.woken) = None;
            let sent = Instant::now();
            source.send(number, sequence, 1);
            sleep(WAKE_INTERVAL);
            // One that took longer than the interval counts as that.
            let woken = lock(&target.woken).unwrap_or_else(Instant::now);
            delays.push(woken.saturating_duration_since(sent).as_nanos() as u64);
        }
        delays
    }
}

/// What one phase took.
struct Load {
    packets: u64,
    seconds: f64,
    source_ns: u64,
    target_ns: u64,
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

    /// Has a producer of `source` passed on to here, where one listens to it.
    fn view(&mut self, source: &mut Office, producer: &Value, place: u32) -> io::Result<()> {
        let ring = id(1_000 + place);
        let near = id(100 + place);
        let at = |transport: &str| json!({ "routerId": id(1), "transportId": transport, "ringId": ring });
        source.request("router.createRingTransport", at(&near))?;
        self.request("router.createRingTransport", at(&id(4)))?;
        let capabilities = source.capabilities.clone();
        let params = json!({
            "transportId": near, "consumerId": id(200 + place), "producerId": producer, "rtpCapabilities": capabilities,
        });
        let sent = source.request("transport.consume", params)?;
        let params = json!({
            "transportId": id(4), "producerId": id(5), "kind": "audio", "rtpParameters": sent["rtpParameters"],
        });
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
