//! What routers and transports say, as applications hear it.

use std::time::Instant;

use millrace_model::{
    ConsumerLayers, ConsumerScore, IceState, ProducerScore, ProducerVideoOrientation, RtpObserverId, TransportTuple,
};
use millrace_router::{Direction, Layers, RouterEvent, Trace, TracedPacket};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Plane, TimerOwner};
use crate::message::Message;

/// An event message.
pub(super) fn event(target: Uuid, event: &'static str, data: Value) -> Message {
    Message::Event { target, event, data }
}

impl Plane {
    /// Says an event after the reply of the request at hand.
    pub(super) fn tell(&mut self, target: Uuid, name: &'static str, data: Value) {
        if self.attached.is_empty() || !self.tell_attached(target, name, &data) {
            self.events.push(event(target, name, data));
        }
    }

    /// Says an event that a peer can cause as often as it likes: at once, or later and only the latest (see [`Pace`]).
    ///
    /// [`Pace`]: super::pace::Pace
    pub(super) fn tell_paced(&mut self, target: Uuid, told: Told, now: Instant) {
        let name = told.name();
        if let Some(told) = self.pace.admit((target, name), told, now) {
            self.tell(target, name, told.data());
        }
        self.set_timer(TimerOwner::Pace, self.pace.deadline());
    }

    /// Says what waited for its time. The application drops what is told of an object that was closed meanwhile.
    pub(super) fn tell_held(&mut self, now: Instant) {
        while let Some(((target, name), told)) = self.pace.poll(now) {
            self.tell(target, name, told.data());
        }
        self.set_timer(TimerOwner::Pace, self.pace.deadline());
    }

    /// Tells what the router at `index` said during a call.
    pub(super) fn tell_router_events(&mut self, index: usize, now: Instant) {
        let timestamp_ms = self.timestamp_ms(now);
        // Taken out for its memory's sake: nothing below makes a router say more.
        let mut router_events = std::mem::take(&mut self.router_events);
        for said in router_events.drain(..) {
            let Some(entry) = self.routers.get(index) else { break };
            let target = match &said {
                RouterEvent::Volumes { observer, .. }
                | RouterEvent::DominantSpeaker { observer, .. }
                | RouterEvent::Owners { observer, .. } => entry.observer(*observer).map(RtpObserverId::uuid),
                RouterEvent::ProducerScore { producer, .. }
                | RouterEvent::VideoOrientation { producer, .. }
                | RouterEvent::WantedLayer { producer, .. }
                | RouterEvent::ProducerTrace { producer, .. } => {
                    entry.producer(*producer).map(|producer| producer.id.uuid())
                }
                // A consumer of all streams has no score, and no layers to tell of.
                RouterEvent::ConsumerScore { consumer, .. } | RouterEvent::ConsumerLayers { consumer, .. } => {
                    let one_stream = entry.consumer(*consumer).filter(|consumer| !consumer.all_streams);
                    one_stream.map(|consumer| consumer.id.uuid())
                }
                RouterEvent::ConsumerTrace { consumer, .. } => {
                    entry.consumer_of_stream(*consumer).map(|consumer| consumer.id.uuid())
                }
            };
            let Some(target) = target else { continue };
            match said {
                RouterEvent::Volumes { volumes, .. } => {
                    let volumes = super::observers::volumes(entry, &volumes);
                    self.tell(target, "volumes", volumes);
                }
                RouterEvent::Owners { owners, .. } => {
                    let owners = super::observers::owners(entry, &owners);
                    self.tell(target, "owners", owners);
                }
                RouterEvent::DominantSpeaker { producer, .. } => {
                    let speaker = entry.producer(producer).map(|producer| producer.id);
                    self.tell(target, "dominantspeaker", json!({ "producerId": speaker }));
                }
                RouterEvent::ProducerTrace { trace, .. } | RouterEvent::ConsumerTrace { trace, .. } => {
                    self.tell(target, "trace", traced(&trace, timestamp_ms));
                }
                state => self.tell_paced(target, Told::Router(state), now),
            }
        }
        self.router_events = router_events;
    }

    /// The worker's clock in milliseconds, as stats and traces show it.
    pub(super) fn timestamp_ms(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_millis() as u64
    }
}

/// A state that is told by the latest value. It becomes text only when it is told.
#[derive(Debug)]
pub(super) enum Told {
    IceState(IceState),
    SelectedTuple(Option<TransportTuple>),
    /// A score, layers or an orientation.
    Router(RouterEvent),
}

impl Told {
    fn name(&self) -> &'static str {
        match self {
            Self::IceState(_) => "icestatechange",
            Self::SelectedTuple(_) => "iceselectedtuplechange",
            Self::Router(RouterEvent::VideoOrientation { .. }) => "videoorientationchange",
            Self::Router(RouterEvent::ConsumerLayers { .. }) => "layerschange",
            Self::Router(RouterEvent::WantedLayer { .. }) => "wantedlayerchange",
            Self::Router(_) => "score",
        }
    }

    fn data(self) -> Value {
        match self {
            Self::IceState(state) => json!(state),
            Self::SelectedTuple(tuple) => json!(tuple),
            Self::Router(RouterEvent::ProducerScore { scores, .. }) => {
                let scores: Vec<_> = scores
                    .into_iter()
                    .map(|score| ProducerScore {
                        encoding_idx: score.stream.into(),
                        ssrc: score.ssrc,
                        rid: score.rid,
                        score: score.score,
                    })
                    .collect();
                json!(scores)
            }
            Self::Router(RouterEvent::ConsumerScore { score, .. }) => json!(consumer_score(score)),
            Self::Router(RouterEvent::ConsumerLayers { layers: sent, .. }) => json!(sent.map(layers)),
            Self::Router(RouterEvent::VideoOrientation { orientation, .. }) => json!(ProducerVideoOrientation {
                camera: orientation.back_camera,
                flip: orientation.flip,
                rotation: orientation.rotation_degrees,
            }),
            Self::Router(RouterEvent::WantedLayer { spatial_layer, .. }) => json!(spatial_layer),
            // These are told as they come.
            Self::Router(
                RouterEvent::ProducerTrace { .. }
                | RouterEvent::ConsumerTrace { .. }
                | RouterEvent::Volumes { .. }
                | RouterEvent::DominantSpeaker { .. }
                | RouterEvent::Owners { .. },
            ) => Value::Null,
        }
    }
}

/// The score of a consumer of all streams: as mediasoup has it, that of one that lacks nothing.
pub(super) fn all_streams_score(score: millrace_router::ConsumerScore) -> ConsumerScore {
    ConsumerScore { score: 10, producer_score: 10, producer_scores: score.producer_scores }
}

/// A consumer's score as applications see it.
pub(super) fn consumer_score(score: millrace_router::ConsumerScore) -> ConsumerScore {
    ConsumerScore { score: score.score, producer_score: score.producer_score, producer_scores: score.producer_scores }
}

/// Layers as applications see them.
pub(super) fn layers(layers: Layers) -> ConsumerLayers {
    ConsumerLayers { spatial_layer: layers.spatial_layer, temporal_layer: Some(layers.temporal_layer) }
}

fn traced(trace: &Trace, timestamp_ms: u64) -> Value {
    let (kind, direction, info) = match trace {
        Trace::Rtp { direction, packet } => ("rtp", *direction, packet_info(packet)),
        Trace::KeyFrame { direction, packet } => ("keyframe", *direction, packet_info(packet)),
        Trace::Nack { direction } => ("nack", *direction, Map::new()),
        Trace::PictureLoss { direction, ssrc } => ("pli", *direction, ssrc_info(*ssrc)),
        Trace::FullIntraRequest { direction, ssrc } => ("fir", *direction, ssrc_info(*ssrc)),
        Trace::SenderReport { ssrc, ntp, timestamp, packet_count, octet_count } => {
            let mut info = ssrc_info(*ssrc);
            info.insert("ntpSec".into(), json!(ntp.0 >> 32));
            info.insert("ntpFrac".into(), json!(ntp.0 & 0xffff_ffff));
            info.insert("rtpTs".into(), json!(timestamp));
            info.insert("packetCount".into(), json!(packet_count));
            info.insert("octetCount".into(), json!(octet_count));
            ("sr", Direction::In, info)
        }
    };
    let direction = if direction == Direction::In { "in" } else { "out" };
    json!({ "type": kind, "timestamp": timestamp_ms, "direction": direction, "info": info })
}

fn ssrc_info(ssrc: u32) -> Map<String, Value> {
    Map::from_iter([("ssrc".to_owned(), json!(ssrc))])
}

/// As mediasoup has told it since 3.13: the packet, and beside it whether it was sent again.
fn packet_info(packet: &TracedPacket) -> Map<String, Value> {
    let fields = [
        ("ssrc", json!(packet.ssrc)),
        ("payloadType", json!(packet.payload_type)),
        ("sequenceNumber", json!(packet.sequence)),
        ("timestamp", json!(packet.timestamp)),
        ("marker", json!(packet.marker)),
        ("isKeyFrame", json!(packet.key_frame)),
        ("size", json!(packet.size)),
        ("payloadSize", json!(packet.payload_size)),
    ];
    let header: Map<_, _> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Map::from_iter([("rtpPacket".to_owned(), json!(header)), ("isRtx".to_owned(), json!(packet.rtx))])
}
