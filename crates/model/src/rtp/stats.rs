//! Statistics of RTP streams, as `getStats()` of producers and consumers returns them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::MediaKind;

/// What streams in both directions have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct BaseRtpStreamStats {
    /// When the numbers were read, in ms of the worker's clock.
    pub timestamp: u64,
    /// SSRC of the media stream (RFC 3550 §3).
    pub ssrc: u32,
    /// SSRC of the retransmissions (RFC 4588).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtx_ssrc: Option<u32>,
    /// RID (RFC 8852).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// Kind of media.
    pub kind: MediaKind,
    /// Media type of the codec.
    pub mime_type: String,
    /// Packets lost since the start (RFC 3550 §6.4.1); never below 0.
    pub packets_lost: u64,
    /// Fraction lost since the last report, in 1/256 (RFC 3550 §6.4.1).
    pub fraction_lost: u8,
    /// Interarrival jitter in units of the RTP clock (RFC 3550 §6.4.1).
    pub jitter: u32,
    /// Packets that came too late to be used.
    pub packets_discarded: u64,
    /// Packets that came or went a second time.
    pub packets_retransmitted: u64,
    /// Lost packets that a retransmission brought back.
    pub packets_repaired: u64,
    /// NACK messages (RFC 4585 §6.2.1).
    pub nack_count: u64,
    /// Packets that NACK messages asked for.
    pub nack_packet_count: u64,
    /// Picture loss indications (RFC 4585 §6.3.1).
    pub pli_count: u64,
    /// Full intra requests (RFC 5104 §4.3.1).
    pub fir_count: u64,
    /// Round-trip time in ms; absent until the first report block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_time: Option<f64>,
    /// Retransmissions that came too late to be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtx_packets_discarded: Option<u64>,
    /// Quality of transmission, 0 (worst) to 10 (best).
    pub score: u8,
}

/// One stream that a producer receives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RtpStreamRecvStats {
    /// `inbound-rtp`.
    #[serde(rename = "type")]
    pub stats_type: String,
    /// The numbers of either direction.
    #[serde(flatten)]
    pub base: BaseRtpStreamStats,
    /// RTP packets, retransmissions not counted.
    pub packet_count: u64,
    /// Bytes of RTP packets, headers included.
    pub byte_count: u64,
    /// Bitrate of the last 2.5 s in bit/s.
    pub bitrate: u64,
    /// Bitrate in bit/s by `<spatial layer>.<temporal layer>`.
    pub bitrate_by_layer: BTreeMap<String, u64>,
}

/// One stream that a consumer sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RtpStreamSendStats {
    /// `outbound-rtp`.
    #[serde(rename = "type")]
    pub stats_type: String,
    /// The numbers of either direction.
    #[serde(flatten)]
    pub base: BaseRtpStreamStats,
    /// RTP packets, retransmissions not counted.
    pub packet_count: u64,
    /// Bytes of RTP packets, headers included.
    pub byte_count: u64,
    /// Bitrate of the last 2.5 s in bit/s.
    pub bitrate: u64,
}
