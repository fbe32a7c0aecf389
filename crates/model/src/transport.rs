//! What every kind of transport has: tuple, dump, statistics, traces, bitrate limits.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::ModelError;
use crate::id::{ConsumerId, DataConsumerId, DataProducerId, ProducerId, TransportId};
use crate::listen::TransportProtocol;
use crate::sctp::{SctpListenerDump, SctpNegotiatedCapabilities, SctpParameters, SctpState};

/// Lowest limit of the outgoing bitrate in bit/s, as in mediasoup; below it not even audio gets through.
pub const OUTGOING_BITRATE_MIN: u64 = 30_000;

/// Highest bitrate in bit/s that can be set: the largest whole number that JavaScript holds exactly.
pub const BITRATE_MAX: u64 = 9_007_199_254_740_991;

/// The path between a transport and its peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct TransportTuple {
    /// Local address.
    ///
    /// @deprecated Use `localAddress`.
    pub local_ip: String,
    /// Local address: the announced one where there is one, otherwise the IP address.
    pub local_address: String,
    /// Local port, 1–65535.
    pub local_port: u16,
    /// IP address of the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_ip: Option<String>,
    /// Port of the peer, 1–65535.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_port: Option<u16>,
    /// Protocol.
    pub protocol: TransportProtocol,
}

/// Kinds of events that a transport can trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum TransportTraceEventType {
    /// A probation packet was sent.
    Probation,
    /// The estimate of the available bandwidth changed.
    Bwe,
}

/// Which way a traced packet went, seen from the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum TraceDirection {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

/// One traced event of a transport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct TransportTraceEventData {
    /// Kind of event.
    #[serde(rename = "type")]
    pub event_type: TransportTraceEventType,
    /// When it happened, in ms of the worker's clock.
    pub timestamp: u64,
    /// Which way it went.
    pub direction: TraceDirection,
    /// Details, which differ by type.
    #[ts(type = "unknown")]
    pub info: serde_json::Value,
}

/// An entry of a dumped map from SSRC to object id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SsrcEntryDump {
    /// SSRC.
    pub key: u32,
    /// Object id.
    pub value: String,
}

/// An entry of a dumped map from MID, RID or object id to object id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct NameEntryDump {
    /// MID, RID or object id.
    pub key: String,
    /// Object id.
    pub value: String,
}

/// How a transport finds the producer of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RtpListenerDump {
    /// Producers by SSRC.
    pub ssrc_table: Vec<SsrcEntryDump>,
    /// Producers by MID.
    pub mid_table: Vec<NameEntryDump>,
    /// Producers by RID.
    pub rid_table: Vec<NameEntryDump>,
}

/// Ids of the header extensions that a transport reads; they are the same for all its producers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct RecvRtpHeaderExtensions {
    /// MID (RFC 9143).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<u8>,
    /// RTP stream id (RFC 8852).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<u8>,
    /// Repaired RTP stream id (RFC 8852).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rrid: Option<u8>,
    /// Absolute send time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abs_send_time: Option<u8>,
    /// Transport-wide sequence number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport_wide_cc01: Option<u8>,
}

/// The insides of any transport, for debugging.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct BaseTransportDump {
    /// Id.
    pub id: TransportId,
    /// Ids of its producers.
    pub producer_ids: Vec<ProducerId>,
    /// Ids of its consumers.
    pub consumer_ids: Vec<ConsumerId>,
    /// Consumers by the SSRC they send.
    pub map_ssrc_consumer_id: Vec<SsrcEntryDump>,
    /// Consumers by the SSRC of their retransmissions.
    pub map_rtx_ssrc_consumer_id: Vec<SsrcEntryDump>,
    /// Ids of its data producers.
    pub data_producer_ids: Vec<DataProducerId>,
    /// Ids of its data consumers.
    pub data_consumer_ids: Vec<DataConsumerId>,
    /// Longest message that data consumers send, in bytes.
    pub max_send_message_size: u32,
    /// Longest message that data producers receive, in bytes.
    pub max_receive_message_size: u32,
    /// SCTP parameters, if it has an association.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sctp_parameters: Option<SctpParameters>,
    /// State of the association.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sctp_state: Option<SctpState>,
    /// What the association's ends agreed on, once it is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sctp_negotiated_capabilities: Option<SctpNegotiatedCapabilities>,
    /// How incoming messages find their data producer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sctp_listener: Option<SctpListenerDump>,
    /// Header extensions that are read from incoming packets.
    pub recv_rtp_header_extensions: RecvRtpHeaderExtensions,
    /// How incoming packets find their producer.
    pub rtp_listener: RtpListenerDump,
    /// Enabled traces.
    pub trace_event_types: Vec<TransportTraceEventType>,
}

/// The traffic of any transport. Bitrates are over the last 2.5 s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct BaseTransportStats {
    /// Id of the transport.
    pub transport_id: String,
    /// When the numbers were read, in ms of the worker's clock.
    pub timestamp: u64,
    /// State of the SCTP association, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sctp_state: Option<SctpState>,
    /// Bytes received, of every protocol.
    pub bytes_received: u64,
    /// Bitrate received in bit/s.
    pub recv_bitrate: u64,
    /// Bytes sent, of every protocol.
    pub bytes_sent: u64,
    /// Bitrate sent in bit/s.
    pub send_bitrate: u64,
    /// Bytes of RTP packets received, retransmissions not counted.
    pub rtp_bytes_received: u64,
    /// Bitrate of RTP received in bit/s.
    pub rtp_recv_bitrate: u64,
    /// Bytes of RTP packets sent, retransmissions not counted.
    pub rtp_bytes_sent: u64,
    /// Bitrate of RTP sent in bit/s.
    pub rtp_send_bitrate: u64,
    /// Bytes of retransmissions received (RFC 4588).
    pub rtx_bytes_received: u64,
    /// Bitrate of retransmissions received in bit/s.
    pub rtx_recv_bitrate: u64,
    /// Bytes of retransmissions sent.
    pub rtx_bytes_sent: u64,
    /// Bitrate of retransmissions sent in bit/s.
    pub rtx_send_bitrate: u64,
    /// Bytes of probation packets sent.
    pub probation_bytes_sent: u64,
    /// Bitrate of probation in bit/s.
    pub probation_send_bitrate: u64,
    /// Estimate of what the peer can receive, in bit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_outgoing_bitrate: Option<u64>,
    /// Why the estimate is what it is: `initial`, `probe`, `increase`, `hold`, `competition`, `delay` (a queue grows on the path), `loss`,
    /// `remb` (the peer receives no more), `limit` (the application set it) or `timeout` (the peer fell silent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_outgoing_bitrate_reason: Option<String>,
    /// Since when, in ms of the worker's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_outgoing_bitrate_since: Option<u64>,
    /// Estimate of what the peer can send, in bit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_incoming_bitrate: Option<u64>,
    /// Limit set by `setMaxIncomingBitrate()`, in bit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_incoming_bitrate: Option<u64>,
    /// Limit set by `setMaxOutgoingBitrate()`, in bit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_outgoing_bitrate: Option<u64>,
    /// Limit set by `setMinOutgoingBitrate()`, in bit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_outgoing_bitrate: Option<u64>,
    /// Share of incoming RTP packets that were lost, 0–1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtp_packet_loss_received: Option<f64>,
    /// Share of outgoing RTP packets that were lost, 0–1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtp_packet_loss_sent: Option<f64>,
}

/// Limits of a transport's bitrate in bit/s; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BitrateLimits {
    max_incoming: Option<u64>,
    max_outgoing: Option<u64>,
    min_outgoing: Option<u64>,
}

impl BitrateLimits {
    /// What the peer may send at most.
    pub const fn max_incoming(&self) -> Option<u64> {
        self.max_incoming
    }

    /// What the peer is sent at most.
    pub const fn max_outgoing(&self) -> Option<u64> {
        self.max_outgoing
    }

    /// What the peer is assumed to receive at least.
    pub const fn min_outgoing(&self) -> Option<u64> {
        self.min_outgoing
    }

    /// Sets what the peer may send at most; 0 lifts the limit.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] above [`BITRATE_MAX`].
    pub fn set_max_incoming(&mut self, bitrate: u64) -> Result<(), ModelError> {
        self.max_incoming = limit(bitrate, 0)?;
        Ok(())
    }

    /// Sets what the peer is sent at most; 0 lifts the limit.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] below [`OUTGOING_BITRATE_MIN`], below the minimum, or above [`BITRATE_MAX`].
    pub fn set_max_outgoing(&mut self, bitrate: u64) -> Result<(), ModelError> {
        let max = limit(bitrate, OUTGOING_BITRATE_MIN)?;
        ordered(self.min_outgoing, max)?;
        self.max_outgoing = max;
        Ok(())
    }

    /// Sets what the peer is assumed to receive at least; 0 lifts the limit.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] below [`OUTGOING_BITRATE_MIN`], above the maximum, or above [`BITRATE_MAX`].
    pub fn set_min_outgoing(&mut self, bitrate: u64) -> Result<(), ModelError> {
        let min = limit(bitrate, OUTGOING_BITRATE_MIN)?;
        ordered(min, self.max_outgoing)?;
        self.min_outgoing = min;
        Ok(())
    }
}

/// A limit from an argument: 0 is none, anything else lies between `min` and [`BITRATE_MAX`].
fn limit(bitrate: u64, min: u64) -> Result<Option<u64>, ModelError> {
    match bitrate {
        0 => Ok(None),
        _ if bitrate < min || bitrate > BITRATE_MAX => {
            let reason = format!("{bitrate} bit/s is not within {min}–{BITRATE_MAX}; give 0 for no limit");
            Err(ModelError::invalid("bitrate", reason))
        }
        _ => Ok(Some(bitrate)),
    }
}

/// Insists that the minimum is no higher than the maximum.
fn ordered(min: Option<u64>, max: Option<u64>) -> Result<(), ModelError> {
    match (min, max) {
        (Some(min), Some(max)) if min > max => {
            let reason = format!("the minimum of {min} bit/s would exceed the maximum of {max} bit/s");
            Err(ModelError::invalid("bitrate", reason))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outgoing_limits_stay_above_the_floor_and_in_order() {
        let mut limits = BitrateLimits::default();
        assert!(limits.set_max_outgoing(29_999).is_err());
        assert!(limits.set_min_outgoing(29_999).is_err());
        limits.set_min_outgoing(50_000).unwrap();
        assert!(limits.set_max_outgoing(40_000).is_err());
        limits.set_max_outgoing(60_000).unwrap();
        assert!(limits.set_min_outgoing(60_001).is_err());
        assert_eq!((limits.min_outgoing(), limits.max_outgoing()), (Some(50_000), Some(60_000)));
        limits.set_max_outgoing(0).unwrap();
        assert_eq!(limits.max_outgoing(), None);
    }

    #[test]
    fn the_incoming_limit_may_be_low_but_not_absurd() {
        let mut limits = BitrateLimits::default();
        limits.set_max_incoming(1).unwrap();
        assert!(limits.set_max_incoming(u64::MAX).is_err());
        assert_eq!(limits.max_incoming(), Some(1));
    }
}
