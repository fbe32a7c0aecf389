//! Worker: settings, dump, resource usage.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::ModelError;
use crate::id::{RouterId, WebRtcServerId};
use crate::listen::{TransportPortRange, checked_port_range};
use crate::transport::BITRATE_MAX;

/// Lowest port of listeners that name none.
pub const RTC_MIN_PORT_DEFAULT: u16 = 10_000;

/// Highest port of listeners that name none.
pub const RTC_MAX_PORT_DEFAULT: u16 = 59_999;

/// Media packets per second that one peer may send.
///
/// A browser that shares a screen in 4K at 30 Mbit/s sends 3,000. What exceeds it is dropped unopened and counted as
/// `srtp_packets_dropped_over_limit`.
pub const PEER_PACKET_RATE_MAX_DEFAULT: u64 = 10_000;

/// Bits per second that one peer may send in media packets: as many as `PEER_PACKET_RATE_MAX_DEFAULT` of 1,250 bytes
/// have. What exceeds it is dropped in the same way.
pub const PEER_BITRATE_MAX_DEFAULT: u64 = 100_000_000;

/// How much a worker logs; each level includes the ones below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum WorkerLogLevel {
    /// Everything that the tags allow.
    Debug,
    /// What may need attention.
    Warn,
    /// What is broken.
    #[default]
    Error,
    /// Nothing.
    None,
}

/// Subjects of debug and warning logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum WorkerLogTag {
    /// Life of the worker and its objects.
    Info,
    /// ICE.
    Ice,
    /// DTLS.
    Dtls,
    /// RTP.
    Rtp,
    /// SRTP.
    Srtp,
    /// RTCP.
    Rtcp,
    /// Retransmission.
    Rtx,
    /// Bandwidth estimation.
    Bwe,
    /// Scores of streams.
    Score,
    /// Simulcast.
    Simulcast,
    /// Scalable video coding.
    Svc,
    /// SCTP.
    Sctp,
    /// Data channel messages.
    Message,
}

/// Options of `createWorker()`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct WorkerSettings {
    /// How much is logged. Default: `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_level: Option<WorkerLogLevel>,
    /// Subjects of debug and warning logs. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_tags: Option<Vec<WorkerLogTag>>,
    /// Lowest port of listeners that name none, 1–65535. Default: 10000.
    ///
    /// @deprecated Use `portRange` of `TransportListenInfo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtc_min_port: Option<u16>,
    /// Highest port of listeners that name none, at least `rtcMinPort`. Default: 59999.
    ///
    /// @deprecated Use `portRange` of `TransportListenInfo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtc_max_port: Option<u16>,
    /// PEM file with the DTLS certificate; needs `dtlsPrivateKeyFile`. Default: a new self-signed certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtls_certificate_file: Option<String>,
    /// PEM file with the private key of `dtlsCertificateFile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtls_private_key_file: Option<String>,
    /// Media packets per second that each peer may send, RTCP included; 0 for no limit. Default: 10000.
    ///
    /// What exceeds it is dropped and counted, so that one peer cannot take the worker from others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_packet_rate_max: Option<u32>,
    /// Bits per second that each peer may send in media packets, RTCP included; 0 for no limit. Default: 100000000.
    ///
    /// What exceeds it is dropped and counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_bitrate_max: Option<u64>,
}

/// Options of `worker.updateSettings()`; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct WorkerUpdateableSettings {
    /// How much is logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_level: Option<WorkerLogLevel>,
    /// Subjects of debug and warning logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_tags: Option<Vec<WorkerLogTag>>,
}

/// Settings of a worker, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedWorkerSettings {
    /// How much is logged.
    pub log_level: WorkerLogLevel,
    /// Subjects of debug and warning logs.
    pub log_tags: Vec<WorkerLogTag>,
    /// Ports of listeners that name none.
    pub rtc_ports: TransportPortRange,
    /// Certificate to use; `None` makes a new one.
    pub dtls_files: Option<DtlsFiles>,
    /// Media packets per second that each peer may send; 0 for no limit.
    pub peer_packet_rate_max: u64,
    /// Bits per second that each peer may send in media packets; 0 for no limit.
    pub peer_bitrate_max: u64,
}

/// A DTLS certificate and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
}

impl WorkerSettings {
    /// Checks the ports, the limits of peers, and that certificate and key come together.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] that names the setting.
    pub fn into_checked(self) -> Result<CheckedWorkerSettings, ModelError> {
        // As in mediasoup, an empty name is none: configurations have such.
        let given = |file: Option<String>| file.filter(|name| !name.is_empty());
        let dtls_files = match (given(self.dtls_certificate_file), given(self.dtls_private_key_file)) {
            (None, None) => None,
            (Some(certificate), Some(private_key)) => {
                Some(DtlsFiles { certificate: certificate.into(), private_key: private_key.into() })
            }
            (Some(_), None) => {
                return Err(ModelError::invalid("dtlsPrivateKeyFile", "is missing beside dtlsCertificateFile"));
            }
            (None, Some(_)) => {
                return Err(ModelError::invalid("dtlsCertificateFile", "is missing beside dtlsPrivateKeyFile"));
            }
        };
        let ports = TransportPortRange {
            min: self.rtc_min_port.unwrap_or(RTC_MIN_PORT_DEFAULT),
            max: self.rtc_max_port.unwrap_or(RTC_MAX_PORT_DEFAULT),
        };
        let peer_bitrate_max = self.peer_bitrate_max.unwrap_or(PEER_BITRATE_MAX_DEFAULT);
        if peer_bitrate_max > BITRATE_MAX {
            let reason = format!("{peer_bitrate_max} bit/s is above {BITRATE_MAX}");
            return Err(ModelError::invalid("peerBitrateMax", reason));
        }
        Ok(CheckedWorkerSettings {
            log_level: self.log_level.unwrap_or_default(),
            log_tags: self.log_tags.unwrap_or_default(),
            rtc_ports: checked_port_range("rtcMinPort", ports)?,
            dtls_files,
            peer_packet_rate_max: self.peer_packet_rate_max.map_or(PEER_PACKET_RATE_MAX_DEFAULT, u64::from),
            peer_bitrate_max,
        })
    }
}

/// The insides of a worker, for debugging.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WorkerDump {
    /// Id of the process that the worker runs in.
    pub pid: u32,
    /// Its WebRtcServers.
    pub web_rtc_server_ids: Vec<WebRtcServerId>,
    /// Its routers.
    pub router_ids: Vec<RouterId>,
    /// Who answers messages.
    pub channel_message_handlers: ChannelMessageHandlersDump,
}

/// The objects of a worker by what they can be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ChannelMessageHandlersDump {
    /// Ids of the objects that answer requests: all of them.
    pub channel_request_handlers: Vec<String>,
    /// Ids of the objects that take messages without an answer. There are none.
    pub channel_notification_handlers: Vec<String>,
}

/// What a worker used of the machine, as getrusage(2) counts it. Linux leaves the fields it does not keep at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct WorkerResourceUsage {
    /// User CPU time in ms.
    pub ru_utime: u64,
    /// System CPU time in ms.
    pub ru_stime: u64,
    /// Maximum resident set size in KiB.
    pub ru_maxrss: u64,
    /// Integral shared memory size.
    pub ru_ixrss: u64,
    /// Integral unshared data size.
    pub ru_idrss: u64,
    /// Integral unshared stack size.
    pub ru_isrss: u64,
    /// Page faults without input or output.
    pub ru_minflt: u64,
    /// Page faults with input or output.
    pub ru_majflt: u64,
    /// Swaps.
    pub ru_nswap: u64,
    /// Block input operations.
    pub ru_inblock: u64,
    /// Block output operations.
    pub ru_oublock: u64,
    /// IPC messages sent.
    pub ru_msgsnd: u64,
    /// IPC messages received.
    pub ru_msgrcv: u64,
    /// Signals received.
    pub ru_nsignals: u64,
    /// Voluntary context switches.
    pub ru_nvcsw: u64,
    /// Involuntary context switches.
    pub ru_nivcsw: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(json: &str) -> Result<CheckedWorkerSettings, ModelError> {
        crate::parse::<WorkerSettings>(json).and_then(WorkerSettings::into_checked)
    }

    #[test]
    fn nothing_given_means_the_documented_defaults() {
        let settings = checked("{}").unwrap();
        assert_eq!(settings.log_level, WorkerLogLevel::Error);
        assert_eq!(settings.rtc_ports, TransportPortRange { min: 10_000, max: 59_999 });
        assert_eq!(settings.dtls_files, None);
        assert_eq!((settings.peer_packet_rate_max, settings.peer_bitrate_max), (10_000, 100_000_000));
    }

    #[test]
    fn wrong_settings_are_type_errors_that_name_the_setting() {
        for (json, path) in [
            (r#"{"logLevel":"chicken"}"#, "logLevel"),
            (r#"{"logTags":["ice","chicken"]}"#, "logTags[1]"),
            (r#"{"rtcMinPort":1000,"rtcMaxPort":999}"#, "rtcMinPort"),
            (r#"{"rtcMinPort":0}"#, "rtcMinPort"),
            (r#"{"rtcMaxPort":70000}"#, "rtcMaxPort"),
            (r#"{"dtlsCertificateFile":"/x"}"#, "dtlsPrivateKeyFile"),
            (r#"{"dtlsPrivateKeyFile":"/x"}"#, "dtlsCertificateFile"),
            (r#"{"dtlsPrivateKeyFile":7}"#, "dtlsPrivateKeyFile"),
            (r#"{"peerPacketRateMax":-1}"#, "peerPacketRateMax"),
            (r#"{"peerBitrateMax":9007199254740992}"#, "peerBitrateMax"),
        ] {
            let error = checked(json).unwrap_err();
            assert!(matches!(&error, ModelError::Invalid { path: found, .. } if found == path), "{json}: {error}");
        }
    }
}
