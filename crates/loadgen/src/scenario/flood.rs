//! A call beside a flood of forged datagrams: checks, handshake records and media that nobody with the keys sent, half of
//! them from addresses that the server does not know, half from an address of the call, as an attacker can forge it.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use millrace_transport::stun::{Class, IntegrityKey, Writer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Cores;
use crate::accounting::kernel_drops;
use crate::call::{Call, CallSetup, SSRC};
use crate::room::Room;
use crate::socket::{Batch, PeerSocket};

/// Addresses that the flood comes from beside that of the call.
const STRANGERS: usize = 16;
/// Different forgeries that are sent in turn, of each kind.
const FORGERIES: usize = 64;
/// Forged datagrams that are sent back to back.
const BURST: u32 = 25;
/// Frames a second of the call.
const FRAME_RATE: f64 = 30.0;
/// Time after a phase in which repeats still count.
const SETTLE_TIME: Duration = Duration::from_millis(500);

/// A run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Flood {
    #[serde(flatten)]
    call: CallSetup,
    /// Time of each phase: alone, then flooded.
    seconds: f64,
    /// Forged datagrams a second.
    forged_per_second: f64,
}

/// What happened in one phase.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Phase {
    forged: u64,
    delivered: u64,
    lost: u64,
    repaired: u64,
    corrupt: u64,
    delay_p50_us: f64,
    delay_p99_us: f64,
    kernel_drops: u64,
    bytes_in: u64,
    bytes_out: u64,
    core_share: f64,
    resident_growth_bytes: u64,
}

impl Flood {
    pub(super) fn run(&self, cores: Cores) -> io::Result<Value> {
        let mut call = Call::start(&self.call, cores.server)?;
        let mut attack = Attack::new(&mut call)?;
        self.phase(&mut call, &mut attack, 0.0)?;
        let idle = self.phase(&mut call, &mut attack, 0.0)?;
        let flooded = self.phase(&mut call, &mut attack, self.forged_per_second)?;
        Ok(json!({ "idle": idle, "flooded": flooded }))
    }

    fn phase(&self, call: &mut Call, attack: &mut Attack, rate: f64) -> io::Result<Phase> {
        call.stage.begin();
        let before = (Traffic::read(call)?, call.usage()?);
        let (started, mut forged, mut frames) = (Instant::now(), 0, 0.0);
        loop {
            let seconds = call.stage.turn().now.saturating_duration_since(started).as_secs_f64();
            if seconds >= self.seconds {
                break;
            }
            if seconds * FRAME_RATE >= frames {
                frames += 1.0;
                call.stage.burst(call.publisher);
            }
            if seconds * rate >= (forged + u64::from(BURST)) as f64 {
                forged += attack.send(call);
            }
        }
        let used = call.usage()?.since(&before.1);
        call.stage.run_for(SETTLE_TIME);
        let traffic = Traffic::read(call)?;
        let (lost, tally) = (call.stage.lost(), &call.stage.tally);
        Ok(Phase {
            forged,
            delivered: tally.delivered,
            lost,
            repaired: tally.repaired,
            corrupt: tally.corrupt,
            delay_p50_us: tally.delay_us(0.5),
            delay_p99_us: tally.delay_us(0.99),
            kernel_drops: traffic.kernel_drops - before.0.kernel_drops,
            bytes_in: traffic.bytes_in - before.0.bytes_in,
            bytes_out: traffic.bytes_out - before.0.bytes_out,
            core_share: used.cpu_ns as f64 / 1e9 / self.seconds,
            resident_growth_bytes: used.resident,
        })
    }
}

/// What the server received and sent so far.
struct Traffic {
    bytes_in: u64,
    bytes_out: u64,
    kernel_drops: u64,
}

impl Traffic {
    fn read(call: &mut Call) -> io::Result<Self> {
        let kernel_drops = kernel_drops(call.address.port());
        let counter = |room: &mut Room, name| room.counter(name);
        let room = call.room().ok_or_else(|| io::Error::other("only our server is flooded"))?;
        Ok(Self {
            bytes_in: counter(room, "datagram_bytes_received")?,
            bytes_out: counter(room, "datagram_bytes_sent")?,
            kernel_drops,
        })
    }
}

/// The forgeries and where they come from.
struct Attack {
    strangers: Vec<PeerSocket>,
    forgeries: Vec<Vec<u8>>,
    batch: Batch,
    turn: usize,
}

impl Attack {
    fn new(call: &mut Call) -> io::Result<Self> {
        let server = call.address;
        let room = call.room().ok_or_else(|| io::Error::other("only our server is flooded"))?;
        let (_, offer) = room.create_transport()?;
        let strangers = (0..STRANGERS).map(|_| stranger(server));
        let mut random = fastrand::Rng::with_seed(1);
        let kinds = [forged_check, forged_record, forged_media];
        let forgeries = (0..FORGERIES * kinds.len()).map(|turn| kinds[turn % kinds.len()](&mut random, offer.ufrag()));
        Ok(Self {
            strangers: strangers.collect::<io::Result<_>>()?,
            forgeries: forgeries.collect(),
            batch: Batch::new(),
            turn: 0,
        })
    }

    /// Sends the next datagrams from one address and tells how many.
    fn send(&mut self, call: &mut Call) -> u64 {
        self.batch.clear();
        for offset in 0..BURST as usize {
            let forgery = &self.forgeries[(self.turn * BURST as usize + offset) % self.forgeries.len()];
            self.batch.place(|slot| {
                slot[..forgery.len()].copy_from_slice(forgery);
                forgery.len()
            });
        }
        let is_stranger = self.turn.is_multiple_of(2);
        match self.strangers.get(self.turn / 2 % STRANGERS).filter(|_| is_stranger) {
            Some(stranger) => self.batch.send(stranger),
            None => self.batch.send(&call.stage.peer(call.publisher).socket),
        }
        self.turn += 1;
        u64::from(BURST)
    }
}

fn stranger(server: SocketAddr) -> io::Result<PeerSocket> {
    let socket = PeerSocket::bind()?;
    socket.connect(server)?;
    Ok(socket)
}

/// A check that is well-formed and names a transport, signed with a guessed password.
fn forged_check(random: &mut fastrand::Rng, ufrag: &str) -> Vec<u8> {
    let mut id = [0; 12];
    random.fill(&mut id);
    let writer = Writer::new(Class::Request, id).username(&format!("{ufrag}:guess")).priority(1);
    writer.ice_controlling(7).use_candidate().finish(&IntegrityKey::new("not the password of anybody"))
}

/// A DTLS 1.2 record of noise: of the handshake, or under keys.
fn forged_record(random: &mut fastrand::Rng, _: &str) -> Vec<u8> {
    const HANDSHAKE: u8 = 22;
    const APPLICATION_DATA: u8 = 23;
    let (kind, epoch) = if random.bool() { (HANDSHAKE, 0) } else { (APPLICATION_DATA, 1) };
    let mut body = [0; 200];
    random.fill(&mut body);
    let header = [kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 1, random.u8(..), 0, body.len() as u8];
    [&header[..], &body].concat()
}

/// An RTP packet of the call's own stream with noise for payload and tag.
fn forged_media(random: &mut fastrand::Rng, _: &str) -> Vec<u8> {
    let mut noise = [0; 1_100];
    random.fill(&mut noise);
    let [high, low] = random.u16(..).to_be_bytes();
    let header = [0x80, crate::publisher::VP8, high, low, 0, 0, 0, 1];
    [&header[..], &SSRC.to_be_bytes(), &noise].concat()
}
