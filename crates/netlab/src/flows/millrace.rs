//! Our estimator with the plainest of pacers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use millrace_bandwidth::{Estimate, Estimator, EstimatorSettings, ProbeCluster, SentKind, SentPacket};
use millrace_packet::rtcp::{Compound, RtcpPacket};

use super::{FlowSettings, INITIAL_BITRATE, MAX_BITRATE, MIN_BITRATE, header, read_header};
use crate::Micros;
use crate::flow::{Flow, OVERHEAD_BYTES, PAYLOAD_BYTES, Wire};
use crate::receiver::Receiver;
use crate::source::Source;

/// How much faster than the estimate packets leave: enough that a frame does not wait for the next one.
const PACING: f64 = 1.5;
/// Credit of the pacer, in time: a burst of 5 ms, libwebrtc's `kMaxBurst` of its pacing interval.
const BURST_SECONDS: f64 = 0.005;

/// A sender with our estimator, and its receiver.
pub struct Millrace {
    estimator: Estimator,
    origin: Instant,
    start: Micros,
    source: Source,
    /// Payload sizes that wait.
    queue: VecDeque<usize>,
    credit_bits: f64,
    paced: Micros,
    probe: Option<Probe>,
    number: u64,
    receiver: Receiver,
    media_bytes: u64,
}

struct Probe {
    cluster: ProbeCluster,
    packets: u32,
    bytes: u64,
    began: Micros,
}

impl Millrace {
    /// A sender that begins at its start.
    pub fn new(settings: &FlowSettings) -> Self {
        let bounds = EstimatorSettings { initial: INITIAL_BITRATE, min: MIN_BITRATE, max: MAX_BITRATE };
        let source = Source::new(settings.source, settings.seed, settings.start);
        let origin = Instant::now();
        let mut estimator = Estimator::new(bounds);
        estimator.set_wanted(source.wanted(), origin);
        Self {
            estimator,
            origin,
            start: settings.start,
            source,
            queue: VecDeque::new(),
            credit_bits: 0.0,
            paced: 0,
            probe: None,
            number: 0,
            receiver: Receiver::default(),
            media_bytes: 0,
        }
    }

    /// The estimate with its explanation.
    pub fn explanation(&self) -> Estimate {
        self.estimator.estimate()
    }

    fn instant(&self, now: Micros) -> Instant {
        self.origin + Duration::from_micros(now)
    }

    fn pace(&mut self, now: Micros, wire: &mut Wire) {
        let rate = match &self.probe {
            Some(probe) => probe.cluster.bitrate as f64,
            None => self.estimate() * PACING,
        };
        let earned = (now - self.paced) as f64 / 1e6 * rate;
        self.paced = now;
        self.credit_bits = (self.credit_bits + earned).min((rate * BURST_SECONDS).max(12_000.0));
        while self.credit_bits > 0.0 {
            let media = self.queue.pop_front();
            if media.is_none() && self.probe.is_none() {
                break;
            }
            let bytes = media.unwrap_or(PAYLOAD_BYTES) + OVERHEAD_BYTES;
            self.credit_bits -= bytes as f64 * 8.0;
            self.send(bytes, media.is_some(), now, wire);
        }
    }

    fn send(&mut self, bytes: usize, is_media: bool, now: Micros, wire: &mut Wire) {
        let kind = if is_media { SentKind::Media } else { SentKind::Padding };
        let probe = self.probe.as_ref().map(|probe| probe.cluster.id);
        let (number, at) = (self.number as u16, self.instant(now));
        self.estimator.packet_sent(SentPacket { number, bytes: bytes as u16, at, probe, kind });
        wire.send(bytes, header(self.number, if is_media { bytes } else { 0 }));
        self.number += 1;
        let Some(probe) = &mut self.probe else { return };
        probe.packets += 1;
        probe.bytes += bytes as u64;
        let least = probe.cluster.bitrate as f64 * probe.cluster.duration_min.as_secs_f64() / 8.0;
        if probe.packets >= probe.cluster.packets_min && probe.bytes as f64 >= least || now > probe.began + 500_000 {
            self.probe = None;
        }
    }
}

impl Flow for Millrace {
    fn advance(&mut self, now: Micros, wire: &mut Wire) {
        for told in self.receiver.feedback(now) {
            wire.back.push(told.to_bytes());
        }
        if now < self.start {
            self.paced = now;
            return;
        }
        if let Some(frame) = self.source.frame(self.estimate(), now) {
            self.queue.extend(frame);
        }
        let instant = self.instant(now);
        if self.estimator.deadline().is_some_and(|deadline| deadline <= instant) {
            self.estimator.handle_timeout(instant);
            if self.probe.is_none() {
                let began = |cluster| Probe { cluster, packets: 0, bytes: 0, began: now };
                self.probe = self.estimator.poll_probe(instant).map(began);
            }
        }
        self.pace(now, wire);
    }

    fn arrive(&mut self, contents: &[u8], now: Micros, _wire: &mut Wire) {
        let Some((number, media_bytes)) = read_header(contents) else { return };
        self.receiver.arrived(number, now);
        self.media_bytes += media_bytes;
    }

    fn arrive_back(&mut self, contents: &[u8], now: Micros) {
        let now = self.instant(now);
        let Ok(compound) = Compound::parse(contents) else { return };
        for packet in compound.packets() {
            if let RtcpPacket::TransportFeedback(feedback) = packet {
                self.estimator.transport_feedback(&feedback, now);
            }
        }
    }

    fn estimate(&self) -> f64 {
        self.estimator.estimate().bitrate as f64
    }

    fn media_bytes(&self) -> u64 {
        self.media_bytes
    }

    fn layer_switches(&self) -> u32 {
        self.source.switches()
    }
}
