//! What transports learn of the paths to their peers, and what follows: who is sent which layers, and probing.

use std::time::Instant;

use millrace_bandwidth::Reason;
use millrace_model::{BitrateLimits, MediaKind, RtpParameters, TransportTraceEventType};
use millrace_packet::{ExtensionIds, PacketRef, RtpMeta};
use millrace_router::{AVAILABLE_BITRATE_MAX, AVAILABLE_BITRATE_MIN, Probator};
use millrace_transport::congestion::{BitrateBounds, PathEstimate};
use millrace_transport::outgoing::Repair;
use serde_json::{Value, json};

use super::Plane;
use super::streams::ConsumerAt;
use crate::setup;

/// SSRC of the stream that pads where nothing can be sent again (mediasoup-client 3).
const PROBATOR_SSRC: u32 = 1234;

/// MID of that stream.
const PROBATOR_MID: &str = "probator";

/// Bytes of its payloads.
const PROBATOR_PAYLOAD_BYTES: usize = 1100;

/// What the path is taken to carry at first, at least and at most.
pub(super) fn bounds(initial: u64, limits: &BitrateLimits) -> BitrateBounds {
    BitrateBounds {
        initial,
        min: limits.min_outgoing().unwrap_or(AVAILABLE_BITRATE_MIN),
        max: limits.max_outgoing().unwrap_or(AVAILABLE_BITRATE_MAX),
    }
}

/// The reason of an estimate as applications see it.
pub(super) const fn reason_name(reason: Reason) -> &'static str {
    match reason {
        Reason::Initial => "initial",
        Reason::Probe => "probe",
        Reason::Increase => "increase",
        Reason::DelayOveruse => "delay",
        Reason::Hold => "hold",
        Reason::Competition => "competition",
        Reason::Loss => "loss",
        Reason::Remb => "remb",
        Reason::Limit => "limit",
        Reason::Timeout => "timeout",
    }
}

impl Plane {
    /// Does what follows from what was learned of a transport's path: sends padding, divides a new estimate among the
    /// consumers, asks for key frames where packets were dropped.
    pub(super) fn attend_path(&mut self, index: usize, now: Instant) {
        let Some(entry) = self.transports.get_mut(index) else { return };
        let (router, session) = (entry.router, entry.session);
        let Some(parts) = entry.core.webrtc_mut() else { return };
        let (padding, estimate) = (parts.core.poll_padding(now), parts.core.poll_estimate());
        let broken = parts.core.poll_broken_stream();
        if let Some(bytes) = padding {
            let sent = self.with_router(router, now, |core, fanout| core.send_padding(session, bytes, now, fanout));
            self.note_padding(index, sent.unwrap_or_default(), now);
        }
        if let Some(estimate) = estimate {
            let line = estimate.line();
            self.with_router(router, now, |core, fanout| core.set_line(session, line, now, fanout));
            self.trace_estimate(index, &estimate, now);
        }
        if let Some(stream) = broken {
            self.with_router(router, now, |core, fanout| core.repair_stream(session, stream, now, fanout));
        }
        if padding.is_some() || estimate.is_some() || broken.is_some() {
            self.set_transport_timer(index);
        }
    }

    fn note_padding(&mut self, index: usize, bytes: usize, now: Instant) {
        let Some(parts) = self.transports.get_mut(index).and_then(|entry| entry.core.webrtc_mut()) else { return };
        if bytes == 0 {
            return parts.core.give_up_probe();
        }
        self.trace_path(index, TransportTraceEventType::Probation, now, || json!({ "size": bytes }));
    }

    fn trace_estimate(&mut self, index: usize, path: &PathEstimate, now: Instant) {
        let Some(entry) = self.transports.get(index) else { return };
        let limits = entry.limits;
        let initial = entry.core.webrtc().map(|parts| parts.initial_bitrate);
        let estimate = path.estimate;
        let since = estimate.since.map(|since| self.timestamp_ms(since));
        self.trace_path(index, TransportTraceEventType::Bwe, now, || {
            json!({
                "availableBitrate": estimate.bitrate,
                "startBitrate": initial,
                "minBitrate": limits.min_outgoing(),
                "maxBitrate": limits.max_outgoing(),
                "bweType": "transport-cc",
                "reason": reason_name(estimate.reason),
                "since": since,
                "acknowledgedBitrate": estimate.acknowledged,
                "roundTripTime": estimate.round_trip.map(|time| time.as_secs_f64() * 1000.0),
                "lost": estimate.lost,
                "queueDelay": estimate.queue_delay.as_secs_f64() * 1000.0,
                "measured": path.is_measured,
            })
        });
    }

    fn trace_path(&mut self, index: usize, kind: TransportTraceEventType, now: Instant, info: impl FnOnce() -> Value) {
        let Some(entry) = self.transports.get(index).filter(|entry| entry.traces.contains(&kind)) else { return };
        let id = entry.id.uuid();
        let timestamp = self.timestamp_ms(now);
        let trace = json!({ "type": kind, "timestamp": timestamp, "direction": "out", "info": info() });
        self.tell(id, "trace", trace);
    }

    /// Gives a transport what it pads with when nothing was sent of late that could be sent again: a viewer whose video
    /// was taken away as a whole would never be found to have a better line.
    pub(super) fn add_probator(&mut self, (router, index): ConsumerAt, transport: usize) {
        let session = self.transports[transport].session;
        let entry = &self.routers[router];
        let Some(consumer) = entry.consumer(index) else { return };
        if consumer.kind != MediaKind::Video || consumer.all_streams || entry.core.has_probator(session) {
            return;
        }
        let parameters = RtpParameters { mid: Some(PROBATOR_MID.to_owned()), ..consumer.parameters.clone() };
        let spec = setup::outgoing_stream(PROBATOR_SSRC, Repair::None, &parameters);
        let Some(parts) = self.transports[transport].core.webrtc_mut() else { return };
        if !spec.is_reported() || parts.core.has_sent(PROBATOR_SSRC) {
            return;
        }
        let Some(packet) = self.probation_packet() else { return };
        let Some(parts) = self.transports[transport].core.webrtc_mut() else { return };
        let Ok(stream) = parts.core.add_stream(spec) else { return };
        let probator = Probator { stream, packet, sequence: self.random.u16() >> 1 };
        self.routers[router].core.set_probator(session, probator);
    }

    /// A packet with nothing in it; `None` when the worker has no memory for packets.
    fn probation_packet(&mut self) -> Option<PacketRef> {
        if self.probation.is_none() {
            let mut bytes = [0; 12 + PROBATOR_PAYLOAD_BYTES];
            bytes[0] = 0x80;
            let mut packet = self.pool.take()?;
            packet.fill(&bytes);
            let meta = RtpMeta::parse(&bytes, &ExtensionIds::default()).ok()?;
            self.probation = Some(packet.freeze(meta));
        }
        self.probation.clone()
    }
}
