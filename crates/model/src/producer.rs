//! Producer: options, dump, score, traces.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::{ModelError, Within};
use crate::id::ProducerId;
use crate::ortc::{self, RtpCodecsEncodingsMapping};
use crate::rtp::{
    MediaKind, RtpEncodingParameters, RtpParameters, RtpStreamRecvStats, ScalabilityMode, parse_scalability_mode,
};
use crate::transport::TraceDirection;

/// Options of `transport.produce()`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct ProducerOptions {
    /// Kind of media.
    pub kind: MediaKind,
    /// What the endpoint sends.
    pub rtp_parameters: RtpParameters,
    /// Whether the producer starts paused. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Least time in ms between two key frame requests to the endpoint, beyond the merging that always happens. Video
    /// only. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_frame_request_delay: Option<u32>,
    /// Whether to number the packets in a header extension. Only false is supported. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_mediasoup_packet_id_header_extension: Option<bool>,
    /// Whether payloads are encrypted from end to end (SFrame and the like), so that nothing can be read in them: key
    /// frames and layers then come from the dependency descriptor alone, and without it there are none. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
}

/// Options of a producer, checked and normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct ProducerSettings {
    /// Kind of media.
    pub kind: MediaKind,
    /// What the endpoint sends: at least one encoding, at least one media codec, no contradictions.
    pub rtp_parameters: RtpParameters,
    /// Whether the producer starts paused.
    pub paused: bool,
    /// Least time between two key frame requests.
    pub key_frame_request_delay: Duration,
    /// Whether nothing can be read in payloads.
    pub encrypted: bool,
}

impl ProducerOptions {
    /// Checks the options and normalises the RTP parameters.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] for malformed or contradictory ones, [`ModelError::Unsupported`] for layers that
    /// [`ortc::normalize_for_producer`] refuses, and packet numbers.
    pub fn into_checked(self) -> Result<ProducerSettings, ModelError> {
        let mut rtp_parameters = self.rtp_parameters;
        ortc::validate_and_normalize_rtp_parameters(&mut rtp_parameters).within("rtpParameters")?;
        ortc::normalize_for_producer(self.kind, &mut rtp_parameters).within("rtpParameters")?;
        if self.enable_mediasoup_packet_id_header_extension == Some(true) {
            let reason = "packet numbers are not supported; leave it out or give false";
            return Err(ModelError::unsupported("enableMediasoupPacketIdHeaderExtension", reason));
        }
        Ok(ProducerSettings {
            kind: self.kind,
            rtp_parameters,
            paused: self.paused.unwrap_or_default(),
            key_frame_request_delay: Duration::from_millis(self.key_frame_request_delay.unwrap_or_default().into()),
            encrypted: self.encrypted.unwrap_or_default(),
        })
    }
}

/// How a producer's streams relate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum ProducerType {
    /// One stream without layers.
    #[default]
    Simple,
    /// Several streams of one source.
    Simulcast,
    /// One stream with layers.
    Svc,
}

impl ProducerType {
    /// How a source with these encodings is called.
    pub fn of(encodings: &[RtpEncodingParameters]) -> Self {
        let mode = encodings.first().and_then(|encoding| encoding.scalability_mode.as_deref()).unwrap_or_default();
        let ScalabilityMode { spatial_layers, temporal_layers, .. } = parse_scalability_mode(mode);
        match encodings.len() {
            0 | 1 if spatial_layers > 1 || temporal_layers > 1 => Self::Svc,
            0 | 1 => Self::Simple,
            _ => Self::Simulcast,
        }
    }
}

/// The spatial layers that viewers choose from: the encodings, or those within the only one.
pub fn spatial_layers(encodings: &[RtpEncodingParameters]) -> u8 {
    match encodings {
        [only] => parse_scalability_mode(only.scalability_mode.as_deref().unwrap_or_default()).spatial_layers,
        _ => encodings.len().max(1) as u8,
    }
}

/// The temporal layers of the encoding that has most, at least 1.
pub fn temporal_layers(encodings: &[RtpEncodingParameters]) -> u8 {
    let of = |encoding: &RtpEncodingParameters| {
        parse_scalability_mode(encoding.scalability_mode.as_deref().unwrap_or_default()).temporal_layers
    };
    encodings.iter().map(of).max().unwrap_or(1)
}

/// Quality of transmission of one of a producer's streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct ProducerScore {
    /// Index within `rtpParameters.encodings`.
    pub encoding_idx: u32,
    /// SSRC of the stream.
    pub ssrc: u32,
    /// RID of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// Score, 0 (worst) to 10 (best).
    pub score: u8,
}

/// How a camera is held (3GPP TS 26.114 §7.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ProducerVideoOrientation {
    /// Whether it faces away from the user.
    pub camera: bool,
    /// Whether the picture is mirrored.
    pub flip: bool,
    /// Clockwise rotation in degrees: 0, 90, 180 or 270.
    pub rotation: u16,
}

/// The insides of a producer, for debugging.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ProducerDump {
    /// Id.
    pub id: ProducerId,
    /// Kind of media.
    pub kind: MediaKind,
    /// How its streams relate.
    #[serde(rename = "type")]
    pub producer_type: ProducerType,
    /// What the endpoint sends.
    pub rtp_parameters: RtpParameters,
    /// How payload types and SSRCs appear to consumers.
    pub rtp_mapping: RtpCodecsEncodingsMapping,
    /// Streams that have sent a packet; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub rtp_streams: Option<Vec<RtpStreamDump>>,
    /// Enabled traces.
    pub trace_event_types: Vec<ProducerTraceEventType>,
    /// Whether it is paused.
    pub paused: bool,
}

/// One RTP stream, for debugging.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct RtpStreamDump {
    /// Its settings.
    pub params: RtpStreamParametersDump,
    /// Score, 0 (worst) to 10 (best).
    pub score: u8,
    /// Its retransmissions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtx_stream: Option<RtxStreamDump>,
}

/// Settings of one RTP stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct RtpStreamParametersDump {
    /// Index within the encodings.
    pub encoding_idx: u32,
    /// SSRC.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Media type of the codec.
    pub mime_type: String,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// RID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// CNAME of the sender (RFC 3550 §6.5.1).
    pub cname: String,
    /// SSRC of the retransmissions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtx_ssrc: Option<u32>,
    /// Payload type of the retransmissions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtx_payload_type: Option<u8>,
    /// Whether lost packets are asked for (RFC 4585 §6.2.1).
    pub use_nack: bool,
    /// Whether key frames are asked for by PLI (RFC 4585 §6.3.1).
    pub use_pli: bool,
    /// Whether key frames are asked for by FIR (RFC 5104 §4.3.1).
    pub use_fir: bool,
    /// Whether Opus carries error correction in band (RFC 6716 §2.1.7).
    pub use_in_band_fec: bool,
    /// Whether the source may stop sending.
    pub use_dtx: bool,
    /// Spatial layers.
    pub spatial_layers: u8,
    /// Temporal layers.
    pub temporal_layers: u8,
}

/// One stream of retransmissions, for debugging.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RtxStreamDump {
    /// Its settings.
    pub params: RtxStreamParameters,
}

/// Settings of one stream of retransmissions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct RtxStreamParameters {
    /// SSRC.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Media type: `audio/rtx` or `video/rtx`.
    pub mime_type: String,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Repaired RID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rrid: Option<String>,
    /// CNAME of the sender (RFC 3550 §6.5.1).
    pub cname: String,
}

/// Statistics of one of a producer's streams.
pub type ProducerStat = RtpStreamRecvStats;

/// Kinds of events that a producer can trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum ProducerTraceEventType {
    /// An RTP packet came.
    Rtp,
    /// A key frame came.
    KeyFrame,
    /// A NACK went.
    Nack,
    /// A PLI went.
    Pli,
    /// A FIR went.
    Fir,
    /// A sender report came.
    Sr,
}

/// One traced event of a producer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct ProducerTraceEventData {
    /// Kind of event.
    #[serde(rename = "type")]
    pub event_type: ProducerTraceEventType,
    /// When it happened, in ms of the worker's clock.
    pub timestamp: u64,
    /// Which way it went.
    pub direction: TraceDirection,
    /// Details, which differ by type.
    #[ts(type = "Record<string, unknown>")]
    pub info: serde_json::Map<String, serde_json::Value>,
}
