//! SCTP as transports offer it: options, parameters, state; and the streams that data travels on.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::ModelError;

/// SCTP port of every transport, as in mediasoup.
pub const SCTP_PORT: u16 = 5000;

/// Longest message in bytes where the application does not say otherwise, each way.
pub const MESSAGE_SIZE_DEFAULT: u32 = 262_144;

/// Longest message that can be asked for, in bytes; it has to fit a request as text. A higher size is refused.
pub const MESSAGE_SIZE_MAX: u32 = 524_288;

/// Default of the bytes that wait for a peer at most, on all streams and on one.
pub const SCTP_SEND_BUFFER_SIZE_DEFAULT: u32 = 2_000_000;

/// Largest send buffer and receive window that can be asked for, in bytes. A higher size is refused.
pub const SCTP_BUFFER_SIZE_MAX: u32 = 67_108_864;

/// Default of the bytes that a peer may have sent without their being deliverable.
pub const SCTP_RECEIVER_WINDOW_DEFAULT: u32 = 5_242_880;

/// Default of the amount of waiting bytes at which `bufferedamountlow` is emitted.
pub const SCTP_BUFFERED_AMOUNT_LOW_DEFAULT: u32 = 1024;

/// Outgoing streams of an association, and incoming ones that a peer may use unasked.
///
/// Browsers have as many data channels (Chromium: 1,024).
pub const SCTP_STREAMS_MAX: u16 = 1024;

/// Numbers of incoming streams. From [`SCTP_STREAMS_MAX`] on one is open while a data producer is on it; a number from
/// here on is refused (RFC 8831 §6.1 reserves 65535).
pub const SCTP_STREAM_NUMBERS: u16 = 65_535;

/// State of an SCTP association.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum SctpState {
    /// What is below is not connected yet.
    #[default]
    New,
    /// The handshake runs.
    Connecting,
    /// Messages travel.
    Connected,
    /// The handshake failed, or the peer broke the rules.
    Failed,
    /// It ended.
    Closed,
}

/// Options of every transport that can carry data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct SctpOptions {
    /// Whether to open an SCTP association (RFC 8831). Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_sctp: Option<bool>,
    /// Longest message that data consumers send, in bytes, 1–524288. Default: 262144.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_send_message_size: Option<u32>,
    /// Longest message that data producers receive, in bytes, 1–524288. A longer one ends the association.
    /// Default: 262144.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_receive_message_size: Option<u32>,
    /// Bytes that wait for the peer at most, 1–67108864. Default: 2000000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sctp_send_buffer_size: Option<u32>,
    /// Bytes that wait on one stream at most, 1–67108864. Default: 2000000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sctp_per_stream_send_queue_limit: Option<u32>,
    /// Bytes that the peer may have sent without their being deliverable, 65536–67108864; more than the longest message.
    /// Default: 5242880.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sctp_max_receiver_window_buffer_size: Option<u32>,
    /// When the bytes that wait on a stream fall to this amount, `bufferedamountlow` is emitted. Default: 1024.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sctp_default_stream_buffered_amount_low_threshold: Option<u32>,
}

/// SCTP of a transport, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SctpLimits {
    /// Whether there is an association at all. The longest messages count without one too, on direct transports.
    pub enabled: bool,
    /// Longest message that is sent, in bytes.
    pub max_send_message_size: u32,
    /// Longest message that is received, in bytes.
    pub max_receive_message_size: u32,
    /// Bytes that wait at most.
    pub send_buffer_size: u32,
    /// Bytes that wait on one stream at most.
    pub per_stream_send_queue_limit: u32,
    /// Bytes that may be received without being deliverable.
    pub max_receiver_window_buffer_size: u32,
    /// At which amount of waiting bytes a stream is nearly empty.
    pub buffered_amount_low_threshold: u32,
}

impl SctpOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] that names the option.
    pub fn into_checked(self) -> Result<SctpLimits, ModelError> {
        let buffer =
            |name, size: Option<u32>, default, min| within(name, size.unwrap_or(default), min, SCTP_BUFFER_SIZE_MAX);
        let max_receive_message_size = message_size("maxReceiveMessageSize", self.max_receive_message_size)?;
        // A message that fills the window would never be whole.
        let window_min = max_receive_message_size.saturating_add(1).max(65_536);
        Ok(SctpLimits {
            enabled: self.enable_sctp.unwrap_or_default(),
            max_send_message_size: message_size("maxSendMessageSize", self.max_send_message_size)?,
            max_receive_message_size,
            send_buffer_size: buffer(
                "sctpSendBufferSize",
                self.sctp_send_buffer_size,
                SCTP_SEND_BUFFER_SIZE_DEFAULT,
                1,
            )?,
            per_stream_send_queue_limit: buffer(
                "sctpPerStreamSendQueueLimit",
                self.sctp_per_stream_send_queue_limit,
                SCTP_SEND_BUFFER_SIZE_DEFAULT,
                1,
            )?,
            max_receiver_window_buffer_size: buffer(
                "sctpMaxReceiverWindowBufferSize",
                self.sctp_max_receiver_window_buffer_size,
                SCTP_RECEIVER_WINDOW_DEFAULT,
                window_min,
            )?,
            buffered_amount_low_threshold: self
                .sctp_default_stream_buffered_amount_low_threshold
                .unwrap_or(SCTP_BUFFERED_AMOUNT_LOW_DEFAULT),
        })
    }
}

impl SctpLimits {
    /// No association, and the default sizes.
    pub const NONE: Self = Self {
        enabled: false,
        max_send_message_size: MESSAGE_SIZE_DEFAULT,
        max_receive_message_size: MESSAGE_SIZE_DEFAULT,
        send_buffer_size: SCTP_SEND_BUFFER_SIZE_DEFAULT,
        per_stream_send_queue_limit: SCTP_SEND_BUFFER_SIZE_DEFAULT,
        max_receiver_window_buffer_size: SCTP_RECEIVER_WINDOW_DEFAULT,
        buffered_amount_low_threshold: SCTP_BUFFERED_AMOUNT_LOW_DEFAULT,
    };

    /// The limits as applications see them; `is_data_channel` is true on WebRTC transports.
    pub fn parameters(&self, is_data_channel: bool) -> SctpParameters {
        SctpParameters {
            port: SCTP_PORT,
            outgoing_streams: SCTP_STREAMS_MAX,
            incoming_streams: SCTP_STREAM_NUMBERS,
            max_message_size: self.max_receive_message_size,
            max_send_message_size: self.max_send_message_size,
            max_receive_message_size: self.max_receive_message_size,
            send_buffer_size: self.send_buffer_size,
            per_stream_send_queue_limit: self.per_stream_send_queue_limit,
            max_receiver_window_buffer_size: self.max_receiver_window_buffer_size,
            is_data_channel,
        }
    }
}

/// Length of the longest message that an option asks for.
pub(crate) fn message_size(name: &str, size: Option<u32>) -> Result<u32, ModelError> {
    within(name, size.unwrap_or(MESSAGE_SIZE_DEFAULT), 1, MESSAGE_SIZE_MAX)
}

fn within(name: &str, value: u32, min: u32, max: u32) -> Result<u32, ModelError> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(ModelError::invalid(name, format!("{value} is not within {min}–{max}")))
}

/// SCTP parameters of a transport, for signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SctpParameters {
    /// SCTP port, always 5000.
    pub port: u16,
    /// Outgoing streams, always 1024.
    #[serde(rename = "OS")]
    pub outgoing_streams: u16,
    /// Incoming streams, always 65535.
    #[serde(rename = "MIS")]
    pub incoming_streams: u16,
    /// The same as `maxReceiveMessageSize`, by its older name.
    pub max_message_size: u32,
    /// Longest message that data consumers send, in bytes.
    pub max_send_message_size: u32,
    /// Longest message that data producers receive, in bytes.
    pub max_receive_message_size: u32,
    /// Bytes that wait for the peer at most.
    pub send_buffer_size: u32,
    /// Bytes that wait on one stream at most.
    pub per_stream_send_queue_limit: u32,
    /// Bytes that the peer may have sent without their being deliverable.
    pub max_receiver_window_buffer_size: u32,
    /// Whether the association is one of WebRTC data channels: true on WebRTC transports.
    pub is_data_channel: bool,
}

/// What an association's ends agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SctpNegotiatedCapabilities {
    /// Streams towards the peer.
    pub negotiated_max_outbound_streams: u16,
    /// Streams from the peer.
    pub negotiated_max_inbound_streams: u16,
}

/// An entry of a dumped map from stream number to data producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct StreamEntryDump {
    /// SCTP stream.
    pub key: u16,
    /// Id of the data producer.
    pub value: String,
}

/// How a transport finds the data producer of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SctpListenerDump {
    /// Data producers by SCTP stream.
    pub stream_id_table: Vec<StreamEntryDump>,
}

/// One SCTP stream and how hard it tries to deliver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct SctpStreamParameters {
    /// Stream number, 0–65534.
    pub stream_id: u16,
    /// Whether messages come in the order in which they were sent. Default: true, and false with one of the others above 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<bool>,
    /// Milliseconds after which a message is given up, 0–65535. Above 0 not with `ordered`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_packet_life_time: Option<u16>,
    /// Retransmissions after which a message is given up, 0–65535. Above 0 not with `ordered`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retransmits: Option<u16>,
}

impl SctpStreamParameters {
    /// Checks the parameters and writes `ordered` out.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] that names the field.
    pub fn to_checked(&self) -> Result<Self, ModelError> {
        if self.stream_id == SCTP_STREAM_NUMBERS {
            let reason = format!("{} is not within 0–{}", self.stream_id, SCTP_STREAM_NUMBERS - 1);
            return Err(ModelError::invalid("streamId", reason));
        }
        // As in mediasoup, 0 says nothing of the order: mediasoup-client sends it beside `ordered`.
        let is_limit = |limit: Option<u16>| limit.is_some_and(|limit| limit != 0);
        let limited = is_limit(self.max_packet_life_time) || is_limit(self.max_retransmits);
        if self.max_packet_life_time.is_some() && self.max_retransmits.is_some() {
            return Err(ModelError::invalid("maxRetransmits", "give it or maxPacketLifeTime, not both"));
        }
        if self.ordered == Some(true) && limited {
            return Err(ModelError::invalid("ordered", "is true together with maxPacketLifeTime or maxRetransmits"));
        }
        Ok(Self { ordered: Some(self.ordered.unwrap_or(!limited)), ..self.clone() })
    }
}

/// A data channel that a peer opened in-band (RFC 8832).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RemoteDataChannel {
    /// Its stream both ways and how hard the peer tries to deliver: as `produceData()` takes it.
    pub sctp_stream_parameters: SctpStreamParameters,
    /// Its name, often empty.
    pub label: String,
    /// Its subprotocol, often empty.
    pub protocol: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(json: &str) -> Result<SctpLimits, ModelError> {
        crate::parse::<SctpOptions>(json).and_then(SctpOptions::into_checked)
    }

    #[test]
    fn defaults_are_those_of_mediasoup() {
        let limits = options(r#"{"enableSctp":true}"#).unwrap();
        let parameters = limits.parameters(true);
        assert!(limits.enabled && !options("{}").unwrap().enabled);
        assert_eq!((parameters.port, parameters.max_message_size), (5000, 262_144));
        assert_eq!((limits.send_buffer_size, limits.per_stream_send_queue_limit), (2_000_000, 2_000_000));
        assert_eq!((limits.max_receiver_window_buffer_size, limits.buffered_amount_low_threshold), (5_242_880, 1024));
    }

    #[test]
    fn p03_sizes_out_of_range_are_type_errors_that_name_the_option() {
        for name in ["maxSendMessageSize", "maxReceiveMessageSize", "sctpSendBufferSize", "sctpPerStreamSendQueueLimit"]
        {
            for value in ["0", "4294967295", "-1", "1.5", "\"1\""] {
                let error = options(&format!("{{\"{name}\":{value}}}")).unwrap_err();
                assert!(matches!(&error, ModelError::Invalid { path, .. } if path == name), "{name} {value}: {error}");
            }
        }
        let tight = r#"{"maxReceiveMessageSize":100000,"sctpMaxReceiverWindowBufferSize":100000}"#;
        assert!(options(tight).unwrap_err().to_string().starts_with("sctpMaxReceiverWindowBufferSize"));
    }

    #[test]
    fn stream_parameters_are_normalised_as_in_mediasoup() {
        let checked = |json: &str| crate::parse::<SctpStreamParameters>(json).unwrap().to_checked();
        assert_eq!(checked(r#"{"streamId":1}"#).unwrap().ordered, Some(true));
        assert_eq!(checked(r#"{"streamId":1,"maxRetransmits":1}"#).unwrap().ordered, Some(false));
        assert_eq!(checked(r#"{"streamId":1,"maxRetransmits":0}"#).unwrap().ordered, Some(true));
        assert_eq!(
            checked(r#"{"streamId":65534,"ordered":true,"maxRetransmits":0}"#).unwrap().max_retransmits,
            Some(0)
        );
        assert_eq!(checked(r#"{"streamId":1,"ordered":false}"#).unwrap().ordered, Some(false));
        for (json, field) in [
            (r#"{"streamId":65535}"#, "streamId"),
            (r#"{"streamId":1,"ordered":true,"maxRetransmits":1}"#, "ordered"),
            (r#"{"streamId":1,"maxPacketLifeTime":1,"maxRetransmits":1}"#, "maxRetransmits"),
        ] {
            assert!(checked(json).unwrap_err().to_string().starts_with(field), "{json}");
        }
    }
}
