//! Probing: short bursts above the estimate that show whether the path carries more.

use std::num::NonZeroU8;
use std::time::Duration;

use arrayvec::ArrayVec;

use crate::clock::{MS, Micros, SECOND};

/// Marks the packets of one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeId(NonZeroU8);

impl ProbeId {
    fn following(self) -> Self {
        Self(self.0.checked_add(1).unwrap_or(NonZeroU8::MIN))
    }
}

/// A burst to send: at least so many packets for at least so long, at this bitrate, each marked with the id.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProbeCluster {
    /// The mark.
    pub id: ProbeId,
    /// bit/s.
    pub bitrate: u64,
    /// Least number of packets.
    pub packets_min: u32,
    /// Least time.
    pub duration_min: Duration,
}

/// Least packets of a probe. libwebrtc's `ProbeControllerConfig::min_probe_packets_sent` is 5, which below 1 Mbit/s puts
/// 40 to 80 ms into the queue when the line has no more; three packets have two distances to measure.
const PACKETS: u32 = 3;
/// Length of a probe: libwebrtc's `min_probe_duration`.
const DURATION: Duration = Duration::from_millis(15);
/// The first two probes, as multiples of the bitrate at the start: libwebrtc's `first_exponential_probe_scale` and
/// `second_exponential_probe_scale`.
const FIRST_SCALES: [f64; 2] = [3.0, 6.0];
/// What the next probe multiplies a good result with: libwebrtc's `further_exponential_probe_scale`.
const FURTHER_SCALE: f64 = 2.0;
/// Share of a probe's bitrate that its result must reach for a further one: libwebrtc's `further_probe_threshold`.
const FURTHER_THRESHOLD: f64 = 0.7;
/// Time between probes while the queue rests: the first, and the longest after probes that showed nothing.
///
/// libwebrtc probes every 5 s and only while the application is the limit. A burst of 15 ms at twice the rate puts 15 ms
/// into the queue at worst, for 15 ms, and finds a line that got better by more than GoogCC's 8 % a second.
const RESTING_INTERVAL: Micros = 1500 * MS;
const RESTING_INTERVAL_LONGEST: Micros = 5 * SECOND;
/// Their bitrate as a multiple of the estimate: libwebrtc's `alr_probe_scale`.
const RESTING_SCALE: f64 = 2.0;
/// A result above this multiple of the estimate shows something.
const SHOWS: f64 = 1.1;
/// An estimate of this multiple of what is wanted needs no probing.
const ENOUGH: f64 = 1.3;
/// How much of the difference a probe is worth that filled the line: others may have made room for the burst only.
const SATURATED_WEIGHT: f64 = 0.5;
/// How long a probe's result is waited for: libwebrtc's `kMaxWaitingTimeForProbingResult`.
const RESULT_WAIT: Micros = SECOND;
/// Share of the bytes and packets of a probe that must be acknowledged: libwebrtc's `ProbeBitrateEstimator`,
/// `kMinReceivedProbesRatio` and `kMinReceivedBytesRatio`.
const RECEIVED: f64 = 0.8;
/// A result is valid when the rate of arrival is at most this multiple of that of sending: `kMaxValidRatio`.
const VALID: f64 = 2.0;
/// Below this ratio of arrival to sending the path is taken to be full, and the result lowered: `kMinRatioForUnsaturatedLink`
/// and `kTargetUtilizationFraction`.
const UNSATURATED: f64 = 0.9;
const UTILISATION: f64 = 0.95;
/// Longest time between the first and the last packet of a probe: `kMaxProbeInterval`.
const INTERVAL_LONGEST: Micros = SECOND;

/// Probes whose results are waited for. When full, the oldest is given up.
const OPEN_PROBES_MAX: usize = 4;
/// Probes that wait to be sent. When full, the newest is left out.
const QUEUED_PROBES_MAX: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Open {
    id: ProbeId,
    bitrate: f64,
    begun: Micros,
    packets: u32,
    bytes: u64,
    sent: Edges,
    arrived: Edges,
}

/// First and last time of something, and the sizes of the packets there.
#[derive(Clone, Copy, Debug)]
struct Edges {
    first: Micros,
    last: Micros,
    first_bytes: u64,
    last_bytes: u64,
}

/// Why and how far probing may go at this moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProbeScope {
    pub(crate) estimate: f64,
    /// No probe goes above.
    pub(crate) ceiling: f64,
    /// What the application could use.
    pub(crate) wanted: f64,
    /// Whether the queue is empty and the estimate is free to grow.
    pub(crate) rests: bool,
    pub(crate) now: Micros,
}

/// Decides when to probe and reads what came of it.
#[derive(Debug)]
pub(crate) struct Prober {
    next_id: ProbeId,
    queued: ArrayVec<f64, QUEUED_PROBES_MAX>,
    open: ArrayVec<Open, OPEN_PROBES_MAX>,
    /// Bitrate of the latest probe while a good result of it calls for a further one.
    waiting: Option<f64>,
    probed: Option<Micros>,
    interval: Micros,
}

impl Default for Prober {
    fn default() -> Self {
        Self {
            next_id: ProbeId(NonZeroU8::MIN),
            queued: ArrayVec::new(),
            open: ArrayVec::new(),
            waiting: None,
            probed: None,
            interval: RESTING_INTERVAL,
        }
    }
}

impl Prober {
    /// Asks for the first probes.
    pub(crate) fn begin(&mut self, scope: &ProbeScope) {
        for scale in FIRST_SCALES {
            self.ask(scale * scope.estimate, scope);
        }
    }

    /// Asks for a probe at `bitrate`, as far as the scope lets it.
    pub(crate) fn ask(&mut self, bitrate: f64, scope: &ProbeScope) {
        let bitrate = bitrate.min(scope.ceiling);
        if bitrate > scope.estimate && self.queued.last().is_none_or(|queued| bitrate > *queued) {
            let _ = self.queued.try_push(bitrate);
            self.waiting = Some(bitrate);
            self.probed = Some(scope.now);
        }
    }

    /// The next probe to send, if one is due.
    pub(crate) fn poll(&mut self, scope: &ProbeScope) -> Option<ProbeCluster> {
        let is_due = self.probed.is_none_or(|at| scope.now - at >= self.interval);
        if scope.rests && is_due && self.queued.is_empty() && scope.estimate < ENOUGH * scope.wanted {
            self.ask(RESTING_SCALE * scope.estimate, scope);
            // A result that shows something shortens it again.
            self.interval = (2 * self.interval).min(RESTING_INTERVAL_LONGEST);
        }
        if self.waiting.is_some() && self.probed.is_some_and(|at| scope.now - at > RESULT_WAIT) {
            self.waiting = None;
        }
        let bitrate = self.queued.pop_at(0)?;
        let id = self.next_id;
        self.next_id = id.following();
        if self.open.is_full() {
            self.open.remove(0);
        }
        let edges = Edges { first: 0, last: 0, first_bytes: 0, last_bytes: 0 };
        let begun = scope.now;
        self.open.push(Open { id, bitrate, begun, packets: 0, bytes: 0, sent: edges, arrived: edges });
        Some(ProbeCluster { id, bitrate: bitrate as u64, packets_min: PACKETS, duration_min: DURATION })
    }

    /// When the next probe is due while the queue rests.
    pub(crate) fn next_at(&self) -> Micros {
        self.probed.map_or(0, |at| at + self.interval)
    }

    /// Tells whether a probe waits to be sent.
    pub(crate) fn is_due(&self) -> bool {
        !self.queued.is_empty()
    }

    /// Takes note that a packet of a probe arrived; returns what the probe shows, when enough of it is there and it is
    /// more than `estimate`.
    pub(crate) fn arrived(&mut self, id: ProbeId, landed: &ProbeArrival, estimate: f64) -> Option<f64> {
        let open = self.open.iter_mut().find(|open| open.id == id)?;
        open.sent.add(landed.sent, landed.bytes, open.packets == 0);
        open.arrived.add(landed.arrived, landed.bytes, open.packets == 0);
        open.packets += 1;
        open.bytes += u64::from(landed.bytes);
        let result = open.result()?;
        (result.bitrate > SHOWS * estimate).then(|| {
            let whole = !result.is_saturated;
            estimate + (result.bitrate - estimate) * if whole { 1.0 } else { SATURATED_WEIGHT }
        })
    }

    /// Takes note that the estimate follows a probe's `result`, and goes on probing while that pays.
    pub(crate) fn succeeded(&mut self, result: f64, scope: &ProbeScope) {
        self.open.retain(|open| scope.now - open.begun < RESULT_WAIT + INTERVAL_LONGEST);
        self.interval = RESTING_INTERVAL;
        if self.waiting.is_some_and(|bitrate| result > FURTHER_THRESHOLD * bitrate) && self.queued.is_empty() {
            self.waiting = None;
            self.ask(FURTHER_SCALE * result, scope);
        }
    }
}

/// A packet of a probe that arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProbeArrival {
    pub(crate) bytes: u16,
    pub(crate) sent: Micros,
    pub(crate) arrived: Micros,
}

/// What a probe shows.
struct Outcome {
    bitrate: f64,
    /// Whether the line carried less than was sent.
    is_saturated: bool,
}

impl Edges {
    fn add(&mut self, at: Micros, bytes: u16, is_first: bool) {
        if is_first || at < self.first {
            (self.first, self.first_bytes) = (at, u64::from(bytes));
        }
        if is_first || at > self.last {
            (self.last, self.last_bytes) = (at, u64::from(bytes));
        }
    }

    /// bit/s of `bytes` over this time, without the packet at the edge that the time does not count.
    fn rate(&self, bytes: u64) -> Option<f64> {
        let elapsed = self.last - self.first;
        (elapsed > 0 && elapsed <= INTERVAL_LONGEST).then(|| bytes as f64 * 8e6 / elapsed as f64)
    }
}

impl Open {
    fn result(&self) -> Option<Outcome> {
        let bytes_least = RECEIVED * self.bitrate * DURATION.as_secs_f64() / 8.0;
        if self.packets < PACKETS || (self.bytes as f64) < bytes_least {
            return None;
        }
        let sent = self.sent.rate(self.bytes - self.sent.last_bytes.min(self.bytes))?;
        let arrived = self.arrived.rate(self.bytes - self.arrived.first_bytes.min(self.bytes))?;
        if arrived > VALID * sent {
            return None;
        }
        let is_saturated = arrived < UNSATURATED * sent;
        let bitrate = if is_saturated { UTILISATION * arrived } else { arrived.min(sent) };
        Some(Outcome { bitrate, is_saturated })
    }
}
