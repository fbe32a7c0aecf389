//! Our estimator with the pacer and the allocation of the product.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use millrace_bandwidth::allocation::{Claim, Granted, Ladder, Line, Rung, Share, allocate};
use millrace_bandwidth::pacer::{Pacer, pacing_rate};
use millrace_bandwidth::{Estimate, Estimator, EstimatorSettings, ProbeCluster, SentKind, SentPacket};
use millrace_packet::rtcp::{Compound, RtcpPacket};

use super::{FlowSettings, INITIAL_BITRATE, MAX_BITRATE, MIN_BITRATE, header, read_header};
use crate::flow::{Flow, OVERHEAD_BYTES, PAYLOAD_BYTES, Wire};
use crate::receiver::Receiver;
use crate::source::{Source, SourceKind};
use crate::{MS, Micros};

/// How long a publisher takes to send the key frame that a change of layers waits for.
const KEY_FRAME_WAIT: Micros = 60 * MS;
/// What `crates/router` keeps free for sound, and what it adds to the bitrate of a layer; its `distribution.rs`.
const AUDIO_BITRATE: u64 = 42_000;
const OVERHEAD_PERCENT: u64 = 105;
/// What is sent is left at once where it takes so much more than the line carries, in the same place.
const DROWNING_PERCENT: u64 = 130;
/// How long video that lacks room is kept, and steps and longest time of a probe: `crates/transport`, `congestion.rs`.
const PATIENCE: Duration = Duration::from_secs(3);
const PROBE_STEP: Micros = 2 * MS;
const PROBE_TIME_MAX: Micros = 200 * MS;

/// A sender with our estimator, and its receiver.
pub struct Millrace {
    estimator: Estimator,
    origin: Instant,
    start: Micros,
    kind: SourceKind,
    source: Source,
    share: Share,
    /// The layer that is sent; none while a key frame is waited for.
    layer: Option<usize>,
    /// The layer that follows, and when.
    next_layer: Option<(Option<usize>, Micros)>,
    /// Payload sizes that wait.
    queue: VecDeque<usize>,
    pacer: Pacer,
    is_measured: bool,
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

/// What a packet is to the receiver.
#[derive(Clone, Copy, PartialEq)]
enum Content {
    Video,
    Audio,
    Padding,
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
            kind: settings.source,
            source,
            share: Share::default(),
            layer: Some(0),
            next_layer: None,
            queue: VecDeque::new(),
            pacer: Pacer::default(),
            is_measured: false,
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
        let instant = self.instant(now);
        let paced = pacing_rate(&self.estimator.estimate());
        let rate = self.probe.as_ref().map_or(paced, |probe| paced.max(2 * probe.cluster.bitrate));
        self.pacer.set_rate(self.is_measured.then_some(rate));
        while let Some(payload) = self.queue.front().copied().filter(|_| self.pacer.has_room(instant)) {
            self.queue.pop_front();
            self.send(payload, Content::Video, now, wire);
        }
        while self.queue.is_empty()
            && let Some(probe) = &self.probe
        {
            let elapsed = now - probe.began;
            let is_whole = probe.packets >= probe.cluster.packets_min
                && u128::from(elapsed) >= probe.cluster.duration_min.as_micros();
            if is_whole || elapsed > PROBE_TIME_MAX {
                self.probe = None;
            } else if probe.bytes < probe.cluster.bitrate * (elapsed + PROBE_STEP) / 8_000_000 {
                self.send(PAYLOAD_BYTES, Content::Padding, now, wire);
            } else {
                break;
            }
        }
    }

    fn send(&mut self, payload: usize, content: Content, now: Micros, wire: &mut Wire) {
        let bytes = payload + OVERHEAD_BYTES;
        let kind = if content == Content::Padding { SentKind::Padding } else { SentKind::Media };
        let probe = self.probe.as_mut().map(|probe| {
            probe.packets += 1;
            probe.bytes += bytes as u64;
            probe.cluster.id
        });
        let (number, at) = (self.number as u16, self.instant(now));
        self.estimator.packet_sent(SentPacket { number, bytes: bytes as u16, at, probe, kind });
        self.pacer.charge(bytes, at);
        let contents = header(self.number, if content == Content::Video { bytes } else { 0 });
        match content {
            Content::Audio => wire.send_audio(bytes, contents),
            Content::Video | Content::Padding => wire.send(bytes, contents),
        }
        self.number += 1;
    }

    /// Chooses the layer as `crates/router` does.
    fn choose_layer(&mut self, now: Micros) {
        let Some(layers) = self.kind.layers() else { return };
        let estimate = self.estimator.estimate();
        let rungs = layers.iter().zip(0..).map(|(bitrate, spatial_layer)| Rung {
            spatial_layer,
            temporal_layer: 0,
            bitrate: bitrate * OVERHEAD_PERCENT / 100,
        });
        let reserved = if matches!(self.kind, SourceKind::Call(_)) { AUDIO_BITRATE } else { 0 };
        let line = Line {
            bitrate: estimate
                .draining
                .map_or(0, |draining| draining.carries)
                .max(estimate.bitrate)
                .saturating_sub(reserved),
            may_shed: self.is_measured,
            keeps_one: reserved == 0,
            carried: estimate.acknowledged.unwrap_or(0).saturating_sub(reserved),
            patience: PATIENCE,
        };
        let mut claims = [Claim::new(0, 1, Ladder::new(rungs), self.share)];
        let instant = self.instant(now);
        let sent = self.share.bitrate(&claims[0].ladder);
        let outcome = allocate(line, &mut claims, instant);
        self.share = claims[0].share;
        self.estimator.set_wanted(outcome.wanted + reserved, instant);
        let layer = match self.share.granted() {
            Some(Granted::Layers { spatial_layer, .. }) => Some(usize::from(spatial_layer)),
            Some(Granted::Shed) | None => None,
        };
        if layer == self.next_layer.map_or(self.layer, |(next, _)| next) {
            return;
        }
        self.next_layer = Some((layer, now + KEY_FRAME_WAIT));
        if layer.is_none() || sent * 100 > line.bitrate * DROWNING_PERCENT {
            self.layer = None;
        }
    }
}

impl Flow for Millrace {
    fn advance(&mut self, now: Micros, wire: &mut Wire) {
        for told in self.receiver.feedback(now) {
            wire.back.push(told.to_bytes());
        }
        if now < self.start {
            return;
        }
        while let Some(payload) = self.source.audio(now) {
            self.send(payload, Content::Audio, now, wire);
        }
        if let Some((layer, _)) = self.next_layer.take_if(|(_, at)| *at <= now) {
            self.layer = layer;
        }
        if let Some(frame) = self.source.frame_of(self.layer, self.estimate(), now) {
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
        let at = self.instant(now);
        let Ok(compound) = Compound::parse(contents) else { return };
        for packet in compound.packets() {
            if let RtcpPacket::TransportFeedback(feedback) = packet {
                self.estimator.transport_feedback(&feedback, at);
                self.is_measured = true;
            }
        }
        self.choose_layer(now);
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
