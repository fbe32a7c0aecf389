//! One publisher, many viewers: what a delivered packet costs, and how long it takes.

use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Cores;
use crate::call::{Call, CallSetup};
use crate::room::{PEER_BITRATE_MAX, PEER_PACKET_RATE_MAX};

/// Without any progress for so long, packets of a burst are taken as lost and the next burst is sent.
///
/// Longer than a server ever waits for its core: what came after all would let two bursts be under way from then on.
const STALL_TIME: Duration = Duration::from_millis(500);
/// Time after the last burst in which late packets and repeats still count as delivered.
const SETTLE_TIME: Duration = Duration::from_millis(300);

/// A run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fanout {
    #[serde(flatten)]
    pub(super) call: CallSetup,
    /// Measured time.
    pub(super) seconds: f64,
    /// Time before it.
    pub(super) warmup_seconds: f64,
    /// Bursts a second; without it, the next burst is sent when all viewers have the one before.
    ///
    /// Then the server works as fast as it can without a queue building up, and a slow generator costs time but no
    /// CPU time of the server.
    #[serde(default)]
    pub(super) rate: Option<f64>,
    /// Viewers that change their layer each second, one after the other; for simulcast.
    #[serde(default)]
    pub(super) changes_per_second: Option<f64>,
}

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    delivered: u64,
    lost: u64,
    duplicates: u64,
    reordered: u64,
    repaired: u64,
    sampled: u64,
    corrupt: u64,
    stalls: u64,
    /// Changes of a viewer's layer that were carried out.
    layer_changes: u64,
    seconds: f64,
    cpu_ns: u64,
    user_ns: u64,
    /// Delivered packets for a second of the server's CPU time.
    packets_per_core_second: f64,
    delay_p50_us: f64,
    delay_p99_us: f64,
    delay_max_us: f64,
    /// Datagrams in one message to the kernel, on average; our server only.
    datagrams_per_message: Option<f64>,
    /// Media packets a second that our server took from one peer at most.
    peer_packet_rate_max: u32,
    /// Bits a second that it took from one peer at most.
    peer_bitrate_max: u64,
}

impl Fanout {
    /// # Errors
    /// When anybody does not connect.
    pub(crate) fn run(&self, cores: Cores) -> io::Result<Figures> {
        self.measure(&mut Call::start(&self.call, cores.server)?)
    }

    fn measure(&self, call: &mut Call) -> io::Result<Figures> {
        let mut conductor = Conductor::new(self);
        conductor.conduct(call, Duration::from_secs_f64(self.warmup_seconds))?;
        conductor.drain(call);
        call.stage.begin();
        conductor.restart();
        let (messages_before, changes_before) = (messages(call)?, layer_changes(call)?);
        let before = call.usage()?;
        let started = Instant::now();
        conductor.conduct(call, Duration::from_secs_f64(self.seconds))?;
        let seconds = started.elapsed().as_secs_f64();
        let used = call.usage()?.since(&before);
        let delivered = call.stage.tally.delivered;
        let messages = messages(call)?.zip(messages_before).map(|(after, before)| after - before);
        let layer_changes = layer_changes(call)? - changes_before;
        call.stage.run_for(SETTLE_TIME);
        let lost = call.stage.lost();
        let tally = &call.stage.tally;
        Ok(Figures {
            delivered,
            lost,
            duplicates: tally.duplicates,
            reordered: tally.reordered,
            repaired: tally.repaired,
            sampled: tally.sampled,
            corrupt: tally.corrupt,
            stalls: conductor.stalls,
            layer_changes,
            seconds,
            cpu_ns: used.cpu_ns,
            user_ns: used.user_ns(),
            packets_per_core_second: delivered as f64 * 1e9 / used.cpu_ns.max(1) as f64,
            delay_p50_us: tally.delay_us(0.5),
            delay_p99_us: tally.delay_us(0.99),
            delay_max_us: tally.delay_us(1.0),
            datagrams_per_message: messages.map(|messages| delivered as f64 / messages.max(1) as f64),
            peer_packet_rate_max: PEER_PACKET_RATE_MAX,
            peer_bitrate_max: PEER_BITRATE_MAX,
        })
    }
}

fn messages(call: &mut Call) -> io::Result<Option<u64>> {
    call.room().map(|room| room.counter("send_messages")).transpose()
}

fn layer_changes(call: &mut Call) -> io::Result<u64> {
    call.room().map_or(Ok(0), |room| room.server.events("layerschange"))
}

/// Decides when the next burst is sent.
pub(super) struct Conductor {
    interval: Option<Duration>,
    change_interval: Option<Duration>,
    next_at: Instant,
    /// Deliveries that all bursts so far make, and what there was at the last progress.
    expected: u64,
    progress: (u64, Instant),
    stalls: u64,
}

impl Conductor {
    pub(super) fn new(fanout: &Fanout) -> Self {
        let now = Instant::now();
        let interval = |rate: Option<f64>| rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        let (interval, change_interval) = (interval(fanout.rate), interval(fanout.changes_per_second));
        Self { interval, change_interval, next_at: now, expected: 0, progress: (0, now), stalls: 0 }
    }

    /// Waits for what is under way; otherwise two bursts would be from then on.
    fn drain(&self, call: &mut Call) {
        call.stage.until(STALL_TIME, |stage| stage.tally.delivered >= self.expected);
    }

    /// The tally counts from zero again.
    fn restart(&mut self) {
        let now = Instant::now();
        *self = Self { next_at: now, expected: 0, progress: (0, now), stalls: 0, ..*self };
    }

    /// # Errors
    /// When the server refuses a change of layers.
    pub(super) fn conduct(&mut self, call: &mut Call, duration: Duration) -> io::Result<()> {
        let end = Instant::now() + duration;
        loop {
            let now = call.stage.turn().now;
            if now >= end {
                return Ok(());
            }
            if let Some(interval) = self.change_interval {
                call.change_layers(interval, now)?;
            }
            if self.is_due(now, call.stage.tally.delivered) {
                let packets = call.stage.burst(call.publisher);
                self.expected += (packets * call.viewers) as u64;
            }
        }
    }

    fn is_due(&mut self, now: Instant, delivered: u64) -> bool {
        if let Some(interval) = self.interval {
            let is_due = now >= self.next_at;
            // What could not be sent in time is not made up for: it would arrive as one large burst.
            self.next_at = if is_due { (self.next_at + interval).max(now) } else { self.next_at };
            return is_due;
        }
        if delivered >= self.expected {
            return true;
        }
        if delivered != self.progress.0 {
            self.progress = (delivered, now);
        } else if now.saturating_duration_since(self.progress.1) > STALL_TIME {
            self.stalls += 1;
            self.progress.1 = now;
            self.expected = delivered;
            return true;
        }
        false
    }
}
