//! PipeTransport: options, what `consume()` takes, dump and statistics.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::consumer::{ConsumerSettings, RtpNumbering};
use crate::error::ModelError;
use crate::id::ProducerId;
use crate::listen::{ListenInfo, TransportListenInfo, TransportListenIpOrText};
use crate::plain_transport::single_listen_info;
use crate::rtp::RtpCapabilities;
use crate::srtp::SrtpParameters;
use crate::transport::{BaseTransportDump, BaseTransportStats, TransportTuple};

/// Options of `router.createPipeTransport()`. One of `listenInfo` and `listenIp` is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct PipeTransportOptions {
    /// Address to listen on. Its protocol is `udp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_info: Option<TransportListenInfo>,
    /// Address to listen on.
    ///
    /// @deprecated Use `listenInfo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_ip: Option<TransportListenIpOrText>,
    /// Port for `listenIp`, 1–65535. Default, or 0: a free one in the worker's range.
    ///
    /// @deprecated Use `port` of `listenInfo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whether packets that get lost between the routers are sent again; both ends must say so. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_rtx: Option<bool>,
    /// Whether RTP and RTCP are secured by SRTP (`AEAD_AES_256_GCM`); both ends must say so. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_srtp: Option<bool>,
}

/// Options of a PipeTransport, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipeTransportSettings {
    /// Where it listens.
    pub listen: ListenInfo,
    /// Whether lost packets are sent again.
    pub rtx: bool,
    /// Whether there is SRTP.
    pub srtp: bool,
}

impl PipeTransportOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] that names the option.
    pub fn into_checked(self) -> Result<PipeTransportSettings, ModelError> {
        let listen = single_listen_info(self.listen_info, self.listen_ip, self.port)?;
        Ok(PipeTransportSettings {
            listen,
            rtx: self.enable_rtx.unwrap_or_default(),
            srtp: self.enable_srtp.unwrap_or_default(),
        })
    }
}

/// Options of `pipeTransport.consume()`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PipeConsumerOptions {
    /// The producer to consume, with all its streams.
    pub producer_id: ProducerId,
}

impl PipeConsumerOptions {
    /// The same as settings of a consumer. What the other router can receive is not asked: it says so when the producer
    /// is made there.
    pub fn into_settings(self, enable_rtx: bool) -> ConsumerSettings {
        ConsumerSettings {
            producer_id: self.producer_id,
            rtp_capabilities: RtpCapabilities::default(),
            paused: false,
            mid: None,
            preferred_layers: None,
            enable_rtx: Some(enable_rtx),
            ignore_dtx: false,
            numbering: RtpNumbering::Router,
            all_streams: true,
        }
    }
}

/// The insides of a PipeTransport, for debugging.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct PipeTransportDump {
    /// What every transport has.
    #[serde(flatten)]
    pub base: BaseTransportDump,
    /// The path; without a remote address until `connect()`.
    pub tuple: TransportTuple,
    /// Whether lost packets are sent again.
    pub rtx: bool,
    /// The local key, with SRTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srtp_parameters: Option<SrtpParameters>,
}

/// Statistics of a PipeTransport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct PipeTransportStat {
    /// `pipe-transport`.
    #[serde(rename = "type")]
    pub stats_type: String,
    /// What every transport counts.
    #[serde(flatten)]
    pub base: BaseTransportStats,
    /// The path; without a remote address until `connect()`.
    pub tuple: TransportTuple,
}
