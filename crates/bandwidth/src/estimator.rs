//! The estimator of one transport: all inputs come together here, and every estimate says why it is what it is.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use millrace_packet::rtcp::{CongestionFeedback, PacketFate, TransportFeedback};

use crate::acknowledged::Acknowledged;
use crate::alr::ApplicationLimit;
use crate::busy::Busy;
use crate::clock::{ArrivalClock, Clock, MS, Micros, ReportClock, SECOND, micros_of_ticks};
use crate::delay::{DelayRate, DelayState, Draining, Observation, QUEUE_EMPTY};
use crate::groups::Groups;
use crate::history::{History, Sent};
use crate::loss::LossLimit;
use crate::names::Names;
use crate::probe::{ProbeArrival, ProbeCluster, ProbeId, ProbeScope, Prober};
use crate::queue::Queue;
use crate::trend::{Trend, Usage};

/// Bounds and start of the estimate, in bit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EstimatorSettings {
    /// The estimate before anything is known.
    pub initial: u64,
    /// No estimate lies below.
    pub min: u64,
    /// No estimate lies above; below `min`, `min` counts.
    pub max: u64,
}

/// A packet that left.
#[derive(Clone, Copy, Debug)]
pub struct SentPacket {
    /// Its transport-wide number.
    pub number: u16,
    /// Its size in bytes, from the RTP header to the end of the authentication tag.
    pub bytes: u16,
    /// When it left.
    pub at: Instant,
    /// The probe that it is a part of.
    pub probe: Option<ProbeId>,
    /// What it was sent for.
    pub kind: SentKind,
}

/// What a packet was sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentKind {
    /// Media for the first time.
    Media,
    /// Media again, because it was asked for.
    Retransmission,
    /// Nothing but bytes: a probe's, or what keeps the rate up.
    Padding,
}

/// What the path carries, and why we think so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// bit/s, between the settings' bounds.
    pub bitrate: u64,
    /// What set the bitrate.
    pub reason: Reason,
    /// Since when the reason has been this one; `None` before the first packet.
    pub since: Option<Instant>,
    /// bit/s that arrived of late; `None` while unknown.
    pub acknowledged: Option<u64>,
    /// From sending to feedback about it, so with the receiver's wait; `None` while unknown.
    pub round_trip: Option<Duration>,
    /// Share of packets lost of late, 0 to 1.
    pub lost: f32,
    /// What the delay-based estimator does.
    pub delay_state: DelayState,
    /// How long packets wait on the path beyond its smallest delay of late.
    pub queue_delay: Duration,
    /// While a queue drains that a fall of the line left, for a second at most.
    pub draining: Option<Draining>,
}

/// What an estimate follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is known yet: the bitrate that the settings begin with.
    Initial,
    /// A probe showed that the path carries this.
    Probe,
    /// The queue rests, so more and more is allowed.
    Increase,
    /// The queue grew, so less is sent than arrived.
    DelayOveruse,
    /// The queue drains, and the bitrate waits for it.
    Hold,
    /// Others keep the queue full, so more is allowed until packets are lost.
    Competition,
    /// Too many packets were lost.
    Loss,
    /// The receiver asks for no more (REMB).
    Remb,
    /// A bound of the settings.
    Limit,
    /// Feedback has stopped while packets leave.
    Timeout,
}

/// Time constant with which the round trip follows: RFC 6298 §2 takes an eighth of each sample.
const ROUND_TRIP_WEIGHT: f64 = 0.125;
/// Round trip before any is known: libwebrtc's `kDefaultRtt`.
const ROUND_TRIP_FIRST: Micros = 200 * MS;
/// Feedback that stays out for so long while packets leave halves the estimate, and again each time.
///
/// libwebrtc's loss-based estimator does it after 3 intervals of 5 s and only as an experiment; a viewer's line that
/// stops for more than a second has a queue of a second, so we do it sooner.
const SILENCE: Micros = 1500 * MS;
/// Once nothing was sent for so long there is nothing to decide, and no deadline.
const IDLE: Micros = SECOND;
/// Time between two looks at probing and silence while packets leave: libwebrtc's `process_interval` is 25 ms.
const LOOK: Micros = 25 * MS;
/// Time without a packet that is a pause of the sender, where it is that of several packets at the bitrate besides.
const PAUSE: Micros = 100 * MS;
const PAUSE_PACKETS: f64 = 4.0;
/// Probes go as far as this multiple of what the application could use: libwebrtc's `max_allocation` scale of 2.
const WANTED_SCALE: f64 = 2.0;

/// Packets of one report by streams that are put in order of sending together: half a second of 5 Mbit/s. A report of more
/// is taken in pieces, whose groups are worth less.
const LANDINGS_MAX: usize = 256;

/// Packets that landed, and when.
type Landings = ArrayVec<(Sent, Micros), LANDINGS_MAX>;

/// Estimates what the path to one peer carries.
///
/// Memory: 33 kB once something is sent. Cost: a few writes for each packet sent and arithmetic for each that feedback
/// names; nothing is allocated after the first packet.
#[derive(Debug)]
pub struct Estimator {
    settings: EstimatorSettings,
    clock: Clock,
    arrivals: ArrivalClock,
    reports: ReportClock,
    names: Names,
    history: History,
    groups: Groups,
    trend: Trend,
    queue: Queue,
    busy: Busy,
    acknowledged: Acknowledged,
    limit: ApplicationLimit,
    rate: DelayRate,
    loss: LossLimit,
    prober: Prober,
    remb: Option<f64>,
    wanted: Option<f64>,
    round_trip: Option<f64>,
    last_sent: Option<Micros>,
    /// The latest pause of the sender, until a packet arrives that was sent after it.
    pause: Option<Pause>,
    /// When feedback came last, or the silence was counted last.
    heard: Option<Micros>,
    /// The peer has said of a packet that it arrived.
    is_told: bool,
    silent: bool,
    bitrate: f64,
    reason: Reason,
    since: Micros,
    looked: Micros,
}

/// A time in which nothing was sent.
#[derive(Clone, Copy, Debug)]
struct Pause {
    ended: Micros,
    time: Micros,
}

impl Estimator {
    /// Begins with the initial bitrate.
    pub fn new(settings: EstimatorSettings) -> Self {
        let settings = settings.ordered();
        let bitrate = settings.initial as f64;
        Self {
            settings,
            clock: Clock::default(),
            arrivals: ArrivalClock::default(),
            reports: ReportClock::default(),
            names: Names::default(),
            history: History::default(),
            groups: Groups::default(),
            trend: Trend::default(),
            queue: Queue::default(),
            busy: Busy::default(),
            acknowledged: Acknowledged::default(),
            limit: ApplicationLimit::default(),
            rate: DelayRate::new(bitrate),
            loss: LossLimit::default(),
            prober: Prober::default(),
            remb: None,
            wanted: None,
            round_trip: None,
            last_sent: None,
            pause: None,
            heard: None,
            is_told: false,
            silent: false,
            bitrate,
            reason: Reason::Initial,
            since: 0,
            looked: 0,
        }
    }

    /// Changes bounds and start; the start counts as long as nothing was sent.
    pub fn configure(&mut self, settings: EstimatorSettings) {
        self.settings = settings.ordered();
        if self.last_sent.is_none() {
            self.bitrate = self.settings.initial as f64;
            self.rate = DelayRate::new(self.bitrate);
        }
        self.conclude(None);
    }

    /// Takes note of a packet that left.
    pub fn packet_sent(&mut self, packet: SentPacket) {
        let now = self.clock.at(packet.at);
        self.history.push(packet.number, Sent::new(now, packet.bytes, packet.probe));
        if packet.probe.is_none() && packet.kind != SentKind::Padding {
            self.limit.sent(packet.bytes, self.bitrate, now);
        }
        let was_idle = self.is_idle(now);
        self.note_pause(packet.bytes, now);
        if self.last_sent.replace(now).is_none() {
            self.heard = Some(now);
            self.prober.begin(&self.scope(now));
        } else if was_idle {
            // How delays grew before the pause says nothing of those after it.
            (self.groups, self.trend) = (Groups::default(), Trend::default());
        }
    }

    /// Takes note of a pause that a packet ends which leaves now.
    fn note_pause(&mut self, bytes: u16, now: Micros) {
        let time = self.last_sent.map_or(0, |at| now - at);
        if time > PAUSE && time as f64 > PAUSE_PACKETS * f64::from(bytes) * 8e6 / self.bitrate.max(1.0) {
            self.pause = Some(Pause { ended: now, time });
        }
    }

    /// Takes transport-wide feedback about packets sent.
    pub fn transport_feedback(&mut self, feedback: &TransportFeedback<'_>, now: Instant) {
        let now = self.clock.at(now);
        let offset = self.arrivals.offset(feedback.header.reference_time);
        let (mut probe, mut newest) = (None, None::<Micros>);
        for arrival in feedback.arrivals() {
            let Some(landed) = self.history.arrived(arrival.sequence) else { continue };
            let at = micros_of_ticks(arrival.ticks.saturating_add(offset));
            newest = newest.max(Some(landed.sent.at));
            self.loss.arrived(landed.was_missing);
            probe = self.arrived(&landed.sent, at).or(probe);
        }
        let loss = &mut self.loss;
        self.history.settle(feedback.header.base_sequence, feedback.status_count, |_| loss.missing());
        if let Some(newest) = newest {
            self.heard(now, newest, probe);
        }
    }

    /// Takes note of the stream and RTP sequence number under which the packet `number` left.
    ///
    /// Only peers with RFC 8888 need it: their feedback names packets so. Call it beside
    /// [`packet_sent`](Self::packet_sent).
    pub fn packet_named(&mut self, number: u16, ssrc: u32, sequence: u16) {
        self.names.insert(number, ssrc, sequence);
    }

    /// Takes congestion control feedback (RFC 8888) about packets that [`packet_named`](Self::packet_named) named.
    pub fn congestion_feedback(&mut self, feedback: &CongestionFeedback<'_>, now: Instant) {
        let now = self.clock.at(now);
        let told_at = self.reports.at(feedback.timestamp);
        let (mut probe, mut newest) = (None, None::<Micros>);
        let mut landings = ArrayVec::new();
        for stream in feedback.streams() {
            for (sequence, fate) in stream.packets() {
                let Some(number) = self.names.number(stream.ssrc, sequence) else { continue };
                let PacketFate::Received { before, .. } = fate else {
                    if self.history.missing(number) {
                        self.loss.missing();
                    }
                    continue;
                };
                let Some(landed) = self.history.arrived(number) else { continue };
                newest = newest.max(Some(landed.sent.at));
                self.loss.arrived(landed.was_missing);
                let Some(before) = before else { continue };
                let at = told_at - i64::from(before) * SECOND / 1024;
                if landings.is_full() {
                    probe = self.arrived_in_order(&mut landings).or(probe);
                }
                landings.push((landed.sent, at));
            }
        }
        probe = self.arrived_in_order(&mut landings).or(probe);
        if let Some(newest) = newest {
            self.heard(now, newest, probe);
        }
    }

    /// Takes arrivals that were told stream by stream as they left.
    fn arrived_in_order(&mut self, landings: &mut Landings) -> Option<f64> {
        landings.sort_unstable_by_key(|(sent, _)| sent.at);
        landings.drain(..).fold(None, |probe, (sent, at)| self.arrived(&sent, at).or(probe))
    }

    /// Takes a receiver's own estimate (draft-alvestrand-rmcat-remb-03), in bit/s.
    pub fn remb(&mut self, bitrate: u64, now: Instant) {
        self.clock.at(now);
        self.remb = Some(bitrate as f64);
        self.conclude(None);
    }

    /// Takes what a receiver report tells, for peers without transport-wide feedback.
    ///
    /// `lost_fraction` is 0 to 1; what lies outside counts as the nearer end.
    pub fn receiver_report(&mut self, lost_fraction: f32, round_trip: Option<Duration>, now: Instant) {
        let now = self.clock.at(now);
        let fraction = if lost_fraction.is_finite() { f64::from(lost_fraction.clamp(0.0, 1.0)) } else { 0.0 };
        if let Some(sample) = round_trip {
            self.round_trip_sample(Micros::try_from(sample.as_micros()).unwrap_or(Micros::MAX));
        }
        self.loss.report(fraction, self.bitrate, self.round_trip(), now);
        self.conclude(None);
    }

    /// Says what the application could use, in bit/s: probing goes no further than twice that.
    pub fn set_wanted(&mut self, bitrate: u64, now: Instant) {
        let now = self.clock.at(now);
        let grew = self.wanted.is_some_and(|wanted| bitrate as f64 > wanted);
        self.wanted = Some(bitrate as f64);
        if grew && self.limit.since().is_some() && self.bitrate < bitrate as f64 {
            let scope = self.scope(now);
            self.prober.ask(bitrate as f64, &scope);
        }
    }

    /// What the path carries.
    pub fn estimate(&self) -> Estimate {
        Estimate {
            bitrate: self.bitrate as u64,
            reason: self.reason,
            since: self.clock.instant(self.since),
            acknowledged: self.acknowledged.bitrate().map(|bitrate| bitrate as u64),
            round_trip: self.round_trip.map(|micros| Duration::from_micros(micros as u64)),
            lost: self.loss.fraction() as f32,
            delay_state: self.rate.state(),
            queue_delay: Duration::from_micros(self.queue.delay().unsigned_abs()),
            draining: self.rate.draining(self.history.in_flight_bytes(), self.clock.latest()),
        }
    }

    /// The next probe to send, if one is due at `now`.
    pub fn poll_probe(&mut self, now: Instant) -> Option<ProbeCluster> {
        let now = self.clock.at(now);
        self.last_sent?;
        let scope = self.scope(now);
        self.prober.poll(&scope)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and [`poll_probe`](Self::poll_probe) next; `None` while
    /// nothing is sent and nothing is wanted that the path is not known to carry.
    pub fn deadline(&self) -> Option<Instant> {
        self.last_sent?;
        let now = self.clock.latest();
        if self.is_idle(now) {
            let due = if self.prober.is_due() { now } else { self.prober.next_at() };
            return self.is_starved(now).then(|| self.clock.instant(due)).flatten();
        }
        self.clock.instant(if self.prober.is_due() { self.looked } else { self.looked + LOOK })
    }

    /// Looks after what time brings about: feedback that stays out.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.clock.at(now);
        self.looked = now;
        let sending = self.last_sent.is_some_and(|at| now - at <= IDLE);
        if !sending || self.round_trip.is_none() || self.history.in_flight_bytes() == 0 {
            return;
        }
        if self.heard.is_some_and(|at| now - at > SILENCE + self.round_trip()) {
            self.heard = Some(now);
            self.silent = true;
            self.rate.set((self.rate.bitrate() / 2.0).max(self.settings.min as f64));
            self.conclude(None);
        }
    }

    /// Follows one packet that arrived; returns the result of the probe that it completes.
    fn arrived(&mut self, sent: &Sent, at: Micros) -> Option<f64> {
        if let Some(pause) = self.pause.take_if(|pause| pause.ended <= sent.at) {
            self.acknowledged.paused(pause.time);
        }
        self.acknowledged.arrived(at, sent.bytes);
        self.queue.packet(at - sent.at);
        let Some(probe) = sent.probe else {
            // A probe's packets wait for each other, which says nothing of the queue without it.
            let delay = at - sent.at;
            let empty = self.queue.base().map_or(delay, |base| base + QUEUE_EMPTY + self.queue.noise());
            self.busy.packet(sent, at, empty);
            if let Some(delta) = self.groups.add(sent.at, at) {
                self.trend.add(&delta);
            }
            return None;
        };
        self.busy.probe_packet(sent, at);
        self.prober.arrived(probe, &ProbeArrival { bytes: sent.bytes, sent: sent.at, arrived: at }, self.bitrate)
    }

    /// Concludes what feedback said; `newest` is when the newest of its packets had left.
    fn heard(&mut self, now: Micros, newest: Micros, probe: Option<f64>) {
        (self.heard, self.is_told, self.silent) = (Some(now), true, false);
        self.round_trip_sample(now - newest);
        self.queue.settle(now);
        self.acknowledged.settle();
        if let Some(since) = self.rate.took_back()
            && self.queue.follow_detour(since + self.round_trip(), now)
        {
            (self.busy, self.groups, self.trend) = (Busy::default(), Groups::default(), Trend::default());
            self.rate.give_back();
        }
        let passes = |bitrate: f64| bitrate / (1.0 - self.loss.inherent());
        let seen = Observation {
            usage: self.trend.usage(),
            acknowledged: self.acknowledged.bitrate().map(passes),
            recent: self.acknowledged.recent().map(passes),
            queue: self.queue.delay(),
            latest: self.busy.delay().zip(self.queue.base()).map_or(0, |(delay, base)| delay - base),
            noise: self.queue.noise(),
            busy: self.busy.rates(),
            round_trip: self.round_trip(),
            probe,
            lost: (self.loss.fraction() - self.loss.inherent()).max(0.0),
            application_limited: self.limit.since().is_some(),
            now,
        };
        self.rate.update(&seen, self.settings.min as f64, self.settings.max as f64);
        self.loss.settle(self.acknowledged.bitrate(), now);
        self.loss.lift_above(self.rate.bitrate());
        self.conclude(probe);
        if let Some(result) = probe {
            let scope = self.scope(now);
            self.prober.succeeded(result, &scope);
        }
    }

    fn round_trip_sample(&mut self, sample: Micros) {
        let sample = sample.clamp(0, 60 * SECOND) as f64;
        let smoothed = self.round_trip.map(|old| old + ROUND_TRIP_WEIGHT * (sample - old));
        self.round_trip = Some(smoothed.unwrap_or(sample));
    }

    fn round_trip(&self) -> Micros {
        self.round_trip.map_or(ROUND_TRIP_FIRST, |round_trip| round_trip as Micros)
    }

    /// Tells whether nothing was sent of late: what waited on the path has left it.
    fn is_idle(&self, now: Micros) -> bool {
        self.last_sent.is_some_and(|at| now - at > IDLE)
    }

    /// Tells whether something was taken away for want of room that only probes can find.
    fn is_starved(&self, now: Micros) -> bool {
        let scope = self.scope(now);
        let is_short = self.wanted.is_some_and(|wanted| wanted > scope.estimate);
        scope.rests && is_short && scope.ceiling > scope.estimate
    }

    fn scope(&self, now: Micros) -> ProbeScope {
        let rests = self.is_idle(now) || (self.rate.rests() && self.trend.usage() != Usage::Over);
        let wanted = self.wanted.map_or(f64::MAX, |wanted| WANTED_SCALE * wanted);
        ProbeScope {
            estimate: self.bitrate,
            ceiling: wanted.min(self.settings.max as f64).min(self.remb.unwrap_or(f64::MAX)),
            wanted: self.wanted.unwrap_or(f64::MAX),
            // Who never says what arrived will not say it of a probe.
            rests: rests && self.is_told,
            now,
        }
    }

    /// The least of all limits, and which one it is.
    fn conclude(&mut self, probe: Option<f64>) {
        let by_delay = match self.rate.state() {
            _ if self.last_sent.is_none() || self.round_trip.is_none() => Reason::Initial,
            _ if self.silent => Reason::Timeout,
            _ if probe.is_some() => Reason::Probe,
            DelayState::Increase => Reason::Increase,
            DelayState::Hold => Reason::Hold,
            DelayState::Decrease => Reason::DelayOveruse,
            DelayState::Compete => Reason::Competition,
        };
        let mut least = (self.rate.bitrate(), by_delay);
        let limits = [(self.loss.bitrate(), Reason::Loss), (self.remb, Reason::Remb)];
        for (limit, reason) in limits {
            if let Some(limit) = limit.filter(|limit| *limit < least.0) {
                least = (limit, reason);
            }
        }
        let bounded = least.0.clamp(self.settings.min as f64, self.settings.max as f64);
        let reason = if bounded == least.0 { least.1 } else { Reason::Limit };
        if reason != self.reason {
            (self.reason, self.since) = (reason, self.clock.latest());
        }
        self.bitrate = bounded;
    }
}

impl EstimatorSettings {
    /// With bounds that do not contradict each other, and the start within them.
    fn ordered(self) -> Self {
        let max = self.max.max(self.min);
        Self { initial: self.initial.clamp(self.min, max), min: self.min, max }
    }
}
