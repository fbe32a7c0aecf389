//! Consumer: options, dump, score, layers, traces.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::{ModelError, Shown, Within};
use crate::id::{ConsumerId, ProducerId};
use crate::ortc;
use crate::producer::{ProducerType, RtpStreamDump};
use crate::rtp::{MediaKind, RtpCapabilities, RtpEncodingParameters, RtpParameters, RtpStreamSendStats};
use crate::transport::TraceDirection;

/// Bytes of a consumer's MID: as much as a one-byte header extension element holds (RFC 8285 §4.2). Longer ones are
/// refused.
pub const MID_BYTES_MAX: usize = 16;

/// Options of `transport.consume()`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct ConsumerOptions {
    /// The producer to consume.
    pub producer_id: ProducerId,
    /// What the endpoint can receive.
    pub rtp_capabilities: RtpCapabilities,
    /// Whether the consumer starts paused. Default: false.
    ///
    /// For video, start paused, tell the endpoint, and resume once it is ready: the first key frame is not wasted then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// MID of the stream, 1–16 characters. Default: a number that grows within the transport.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    /// Layers to send of a source that has several. Default: the highest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_layers: Option<ConsumerLayers>,
    /// Whether lost packets are sent again where the endpoint can ask for them; of audio codecs only Opus can.
    /// Default: true for video, false for audio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_rtx: Option<bool>,
    /// Whether Opus packets that carry no sound (DTX) are left out. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_dtx: Option<bool>,
    /// Whether all streams of the producer are sent, each as one of its own. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipe: Option<bool>,
    /// Whose payload types and header extension ids the packets carry. Default: `router`, as in mediasoup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbering: Option<RtpNumbering>,
}

/// Whose payload types and header extension ids a consumer's packets carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum RtpNumbering {
    /// Those of the router's capabilities, which the endpoint has adopted.
    #[default]
    Router,
    /// Those of `rtpCapabilities`: what an endpoint offered in SDP must reach it under its own numbers (RFC 3264 §5.1).
    Endpoint,
}

/// Options of a consumer, checked and normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerSettings {
    /// The producer to consume.
    pub producer_id: ProducerId,
    /// What the endpoint can receive, normalised.
    pub rtp_capabilities: RtpCapabilities,
    /// Whether the consumer starts paused.
    pub paused: bool,
    /// MID of the stream; `None` lets the transport choose.
    pub mid: Option<String>,
    /// Layers to send; `None` for the highest.
    pub preferred_layers: Option<ConsumerLayers>,
    /// Whether lost packets are sent again; `None` decides by the kind of media.
    pub enable_rtx: Option<bool>,
    /// Whether Opus packets that carry no sound are left out.
    pub ignore_dtx: bool,
    /// Whose payload types and header extension ids the packets carry.
    pub numbering: RtpNumbering,
    /// Whether all streams of the producer are sent, each as one of its own.
    pub all_streams: bool,
}

impl ConsumerOptions {
    /// Checks the options and normalises the RTP capabilities.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] for malformed ones.
    pub fn into_checked(self) -> Result<ConsumerSettings, ModelError> {
        let mut rtp_capabilities = self.rtp_capabilities;
        ortc::validate_and_normalize_rtp_capabilities(&mut rtp_capabilities).within("rtpCapabilities")?;
        if let Some(mid) = &self.mid {
            checked_mid(mid)?;
        }
        Ok(ConsumerSettings {
            producer_id: self.producer_id,
            rtp_capabilities,
            paused: self.paused.unwrap_or_default(),
            mid: self.mid,
            preferred_layers: self.preferred_layers,
            enable_rtx: self.enable_rtx,
            ignore_dtx: self.ignore_dtx.unwrap_or_default(),
            numbering: self.numbering.unwrap_or_default(),
            all_streams: self.pipe.unwrap_or_default(),
        })
    }
}

impl ConsumerSettings {
    /// Whether lost packets of a producer of `kind` are sent again: by default those of video.
    pub fn enable_rtx_for(&self, kind: MediaKind) -> bool {
        self.enable_rtx.unwrap_or(kind == MediaKind::Video)
    }
}

/// A MID is a token (RFC 5888 §4) that fits into its header extension.
fn checked_mid(mid: &str) -> Result<(), ModelError> {
    if (1..=MID_BYTES_MAX).contains(&mid.len()) && mid.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(ModelError::invalid("mid", format!("{} is not 1–{MID_BYTES_MAX} printable ASCII characters", Shown(mid))))
}

/// How a consumer treats its producer's streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum ConsumerType {
    /// Sends the only one.
    #[default]
    Simple,
    /// Sends one of several.
    Simulcast,
    /// Sends some layers of the only one.
    Svc,
    /// Sends all.
    Pipe,
}

impl From<ProducerType> for ConsumerType {
    fn from(producer: ProducerType) -> Self {
        match producer {
            ProducerType::Simple => Self::Simple,
            ProducerType::Simulcast => Self::Simulcast,
            ProducerType::Svc => Self::Svc,
        }
    }
}

/// Quality of transmission to and from the router.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerScore {
    /// Score of the consumer's stream, 0 (worst) to 10 (best).
    pub score: u8,
    /// Score of the producer's stream that is sent.
    pub producer_score: u8,
    /// Scores of all the producer's streams, in the order of its encodings.
    pub producer_scores: Vec<u8>,
}

/// Layers of a source, and argument of `consumer.setPreferredLayers()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct ConsumerLayers {
    /// Spatial layer, from 0.
    pub spatial_layer: u8,
    /// Temporal layer, from 0. Default: the highest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_layer: Option<u8>,
}

/// The insides of a consumer, for debugging.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct ConsumerDump {
    /// Id.
    pub id: ConsumerId,
    /// The producer that it consumes.
    pub producer_id: ProducerId,
    /// Kind of media.
    pub kind: MediaKind,
    /// How it treats the producer's streams.
    #[serde(rename = "type")]
    pub consumer_type: ConsumerType,
    /// What the endpoint receives.
    pub rtp_parameters: RtpParameters,
    /// The producer's streams as consumers know them.
    pub consumable_rtp_encodings: Vec<RtpEncodingParameters>,
    /// Payload types of the media codecs that the endpoint can receive.
    pub supported_codec_payload_types: Vec<u8>,
    /// Enabled traces.
    pub trace_event_types: Vec<ConsumerTraceEventType>,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether its producer is paused.
    pub producer_paused: bool,
    /// Priority among the transport's consumers, 1 (lowest) to 255.
    pub priority: u8,
    /// The stream that it sends, or the first of all.
    pub rtp_stream: RtpStreamDump,
    /// The streams that it sends, where those are all streams of the producer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtp_streams: Option<Vec<RtpStreamDump>>,
    /// Spatial layer that is wanted at most. Where there is a choice; -1 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_spatial_layer: Option<i16>,
    /// Spatial layer that it is on its way to. Where there is a choice; -1 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_spatial_layer: Option<i16>,
    /// Spatial layer that it sends. Where there is a choice; -1 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_spatial_layer: Option<i16>,
    /// Temporal layer that is wanted at most. Where there is a choice; -1 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_temporal_layer: Option<i16>,
    /// Temporal layer that it is on its way to. Where there is a choice; -1 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_temporal_layer: Option<i16>,
    /// Temporal layer that it sends at most. Where there is a choice; -1 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_temporal_layer: Option<i16>,
}

/// Statistics of a consumer's stream.
pub type ConsumerStat = RtpStreamSendStats;

/// Kinds of events that a consumer can trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum ConsumerTraceEventType {
    /// An RTP packet went.
    Rtp,
    /// A key frame went.
    KeyFrame,
    /// A NACK came.
    Nack,
    /// A PLI came.
    Pli,
    /// A FIR came.
    Fir,
}

/// One traced event of a consumer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct ConsumerTraceEventData {
    /// Kind of event.
    #[serde(rename = "type")]
    pub event_type: ConsumerTraceEventType,
    /// When it happened, in ms of the worker's clock.
    pub timestamp: u64,
    /// Which way it went.
    pub direction: TraceDirection,
    /// Details, which differ by type.
    #[ts(type = "Record<string, unknown>")]
    pub info: serde_json::Map<String, serde_json::Value>,
}
