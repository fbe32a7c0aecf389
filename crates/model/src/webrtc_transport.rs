//! WebRtcTransport: options, dump and statistics.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::dtls::{DtlsParameters, DtlsState, DtlsVersion};
use crate::error::ModelError;
use crate::ice::{IceCandidate, IceParameters, IceRole, IceState};
use crate::id::WebRtcServerId;
use crate::listen::{
    ListenInfo, TransportListenInfo, TransportListenIpOrText, TransportProtocol, checked_listen_infos,
};
use crate::transport::{BITRATE_MAX, BaseTransportDump, BaseTransportStats, TransportTuple};

/// Time without consent after which a transport is `disconnected`, in seconds (RFC 7675 §5.1).
pub const ICE_CONSENT_TIMEOUT_SECS_DEFAULT: u16 = 30;

/// First estimate of the available outgoing bitrate in bit/s.
pub const INITIAL_AVAILABLE_OUTGOING_BITRATE_DEFAULT: u64 = 600_000;

/// Options of `router.createWebRtcTransport()`. One of `webRtcServerId`, `listenInfos` and `listenIps` is given.
///
/// With two of them, as applications do that keep one set of options for both ways, a server wins over addresses and
/// `listenIps` over `listenInfos`; all three are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct WebRtcTransportOptions {
    /// The WebRtcServer whose ports are shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_rtc_server_id: Option<WebRtcServerId>,
    /// Addresses to listen on, 1–64, the preferred one first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_infos: Option<Vec<TransportListenInfo>>,
    /// Addresses to listen on with the enabled protocols.
    ///
    /// @deprecated Use `listenInfos`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_ips: Option<Vec<TransportListenIpOrText>>,
    /// Port for `listenIps`, 1–65535. Default, or 0: a free one in the worker's range.
    ///
    /// @deprecated Use `port` of `listenInfos`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whether to use UDP, where `listenInfos` does not say it. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_udp: Option<bool>,
    /// Whether to use TCP, where `listenInfos` does not say it. Default: true with a WebRtcServer, otherwise false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_tcp: Option<bool>,
    /// Whether UDP candidates are preferred; `listenInfos` say it by their order. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefer_udp: Option<bool>,
    /// Whether TCP candidates are preferred; `listenInfos` say it by their order. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefer_tcp: Option<bool>,
    /// Seconds without consent after which the transport is disconnected (RFC 7675 §5.1); 0 never. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ice_consent_timeout: Option<u16>,
    /// First estimate of the available outgoing bitrate in bit/s. Default: 600000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_available_outgoing_bitrate: Option<u64>,
    /// The versions of DTLS. Not in mediasoup. Default: `1.2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtls_version: Option<DtlsVersion>,
}

/// Options of a WebRtcTransport, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebRtcTransportSettings {
    /// Where it listens.
    pub listen: WebRtcTransportListen,
    /// Whether UDP candidates of a server are preferred.
    pub prefer_udp: bool,
    /// Whether TCP candidates of a server are preferred.
    pub prefer_tcp: bool,
    /// Time without consent after which it is disconnected; `None` never.
    pub ice_consent_timeout: Option<Duration>,
    /// First estimate of the available outgoing bitrate in bit/s.
    pub initial_available_outgoing_bitrate: u64,
    /// The versions of DTLS.
    pub dtls_version: DtlsVersion,
}

/// Where a WebRtcTransport listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebRtcTransportListen {
    /// On the ports of a server, with the enabled protocols, of which there is at least one.
    Server {
        /// The server.
        id: WebRtcServerId,
        /// Whether to offer its UDP sockets.
        udp: bool,
        /// Whether to offer its TCP listeners.
        tcp: bool,
    },
    /// On addresses of its own, at least one, the preferred one first.
    Own(Vec<ListenInfo>),
}

impl WebRtcTransportOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] or [`ModelError::Limit`] that names the option.
    pub fn into_checked(self) -> Result<WebRtcTransportSettings, ModelError> {
        let bitrate = self.initial_available_outgoing_bitrate.unwrap_or(INITIAL_AVAILABLE_OUTGOING_BITRATE_DEFAULT);
        if bitrate > BITRATE_MAX {
            let reason = format!("{bitrate} bit/s is above {BITRATE_MAX}");
            return Err(ModelError::invalid("initialAvailableOutgoingBitrate", reason));
        }
        let timeout_secs = self.ice_consent_timeout.unwrap_or(ICE_CONSENT_TIMEOUT_SECS_DEFAULT);
        Ok(WebRtcTransportSettings {
            prefer_udp: self.prefer_udp.unwrap_or_default(),
            prefer_tcp: self.prefer_tcp.unwrap_or_default(),
            ice_consent_timeout: (timeout_secs != 0).then(|| Duration::from_secs(timeout_secs.into())),
            initial_available_outgoing_bitrate: bitrate,
            dtls_version: self.dtls_version.unwrap_or_default(),
            listen: self.into_listen()?,
        })
    }

    /// Chooses the one place to listen.
    fn into_listen(mut self) -> Result<WebRtcTransportListen, ModelError> {
        match (self.web_rtc_server_id, self.listen_infos.take(), self.listen_ips.take()) {
            (Some(_), Some(_), Some(_)) => {
                Err(ModelError::invalid("listenInfos", "give only one of webRtcServer, listenInfos and listenIps"))
            }
            (Some(id), _, _) => {
                let (udp, tcp) = (self.enable_udp.unwrap_or(true), self.enable_tcp.unwrap_or(true));
                at_least_one_protocol(udp, tcp)?;
                Ok(WebRtcTransportListen::Server { id, udp, tcp })
            }
            (None, _, Some(ips)) => self.listen_on_ips(ips).map(WebRtcTransportListen::Own),
            (None, Some(infos), None) => checked_listen_infos(infos).map(WebRtcTransportListen::Own),
            (None, None, None) => {
                Err(ModelError::invalid("listenInfos", "is missing; give it, or webRtcServer, or listenIps"))
            }
        }
    }

    /// Every address with every enabled protocol, the preferred protocol first.
    fn listen_on_ips(&self, ips: Vec<TransportListenIpOrText>) -> Result<Vec<ListenInfo>, ModelError> {
        let (udp, tcp) = (self.enable_udp.unwrap_or(true), self.enable_tcp.unwrap_or(false));
        at_least_one_protocol(udp, tcp)?;
        let tcp_first = self.prefer_tcp.unwrap_or_default() && !self.prefer_udp.unwrap_or_default();
        let mut protocols = [(udp, TransportProtocol::Udp), (tcp, TransportProtocol::Tcp)];
        if tcp_first {
            protocols.reverse();
        }
        let infos = ips.into_iter().flat_map(|ip| {
            let enabled = protocols.into_iter().filter(|(is_enabled, _)| *is_enabled);
            enabled.map(move |(_, protocol)| ip.clone().into_listen_info(protocol, self.port))
        });
        checked_listen_infos(infos.collect())
    }
}

/// Without UDP and TCP there would be no candidate.
fn at_least_one_protocol(udp: bool, tcp: bool) -> Result<(), ModelError> {
    if udp || tcp {
        return Ok(());
    }
    Err(ModelError::invalid("enableUdp", "is false like enableTcp; at least one of them must be true"))
}

/// The insides of a WebRtcTransport, for debugging.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct WebRtcTransportDump {
    /// What every transport has.
    #[serde(flatten)]
    pub base: BaseTransportDump,
    /// Always `controlled`.
    #[ts(type = "\"controlled\"")]
    pub ice_role: IceRole,
    /// Local ICE parameters.
    pub ice_parameters: IceParameters,
    /// Local candidates.
    pub ice_candidates: Vec<IceCandidate>,
    /// ICE state.
    pub ice_state: IceState,
    /// The path in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_selected_tuple: Option<TransportTuple>,
    /// Local DTLS parameters.
    pub dtls_parameters: DtlsParameters,
    /// DTLS state.
    pub dtls_state: DtlsState,
    /// The peer's certificate in PEM, once connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtls_remote_cert: Option<String>,
}

/// Statistics of a WebRtcTransport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct WebRtcTransportStat {
    /// `webrtc-transport`.
    #[serde(rename = "type")]
    pub stats_type: String,
    /// What every transport counts.
    #[serde(flatten)]
    pub base: BaseTransportStats,
    /// Always `controlled`.
    pub ice_role: IceRole,
    /// ICE state.
    pub ice_state: IceState,
    /// The path in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_selected_tuple: Option<TransportTuple>,
    /// DTLS state.
    pub dtls_state: DtlsState,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = r#""webRtcServerId":"67e55044-10b1-426f-9247-bb680e5fe0c8""#;
    const INFOS: &str = r#""listenInfos":[{"protocol":"udp","ip":"127.0.0.1"}]"#;
    const IPS: &str = r#""listenIps":["127.0.0.1",{"ip":"::1","announcedIp":"sfu.example.com"}]"#;

    fn checked(fields: &[&str]) -> Result<WebRtcTransportSettings, ModelError> {
        let json = format!("{{{}}}", fields.join(","));
        crate::parse::<WebRtcTransportOptions>(&json).and_then(WebRtcTransportOptions::into_checked)
    }

    fn path(fields: &[&str]) -> String {
        match checked(fields).unwrap_err() {
            ModelError::Invalid { path, .. } | ModelError::Limit { path, .. } => path,
            error @ ModelError::Unsupported { .. } => panic!("{error}"),
        }
    }

    #[test]
    fn defaults_are_those_of_mediasoup() {
        let settings = checked(&[SERVER]).unwrap();
        assert!(matches!(settings.listen, WebRtcTransportListen::Server { udp: true, tcp: true, .. }));
        assert_eq!(settings.ice_consent_timeout, Some(Duration::from_secs(30)));
        assert_eq!(settings.initial_available_outgoing_bitrate, 600_000);
        assert_eq!(checked(&[INFOS, r#""iceConsentTimeout":0"#]).unwrap().ice_consent_timeout, None);
    }

    #[test]
    fn a_server_wins_over_addresses_and_all_three_ways_to_listen_are_refused() {
        let listen = |fields: &[&str]| checked(fields).unwrap().listen;
        assert!(matches!(listen(&[SERVER, INFOS]), WebRtcTransportListen::Server { .. }));
        assert!(matches!(listen(&[SERVER, IPS]), WebRtcTransportListen::Server { .. }));
        assert_eq!(listen(&[INFOS, IPS]), listen(&[IPS]));
        assert_eq!(path(&[SERVER, INFOS, IPS]), "listenInfos");
    }

    #[test]
    fn a_place_to_listen_is_needed() {
        assert_eq!(path(&[]), "listenInfos");
        assert_eq!(path(&[r#""listenInfos":[]"#]), "listenInfos");
        assert_eq!(path(&[r#""listenIps":[]"#]), "listenInfos");
        assert_eq!(path(&[r#""listenInfos":[{"protocol":"udp","ip":"fe80::1"}]"#]), "listenInfos[0].ip");
        let many = vec![r#"{"protocol":"udp","ip":"::"}"#; 65].join(",");
        assert_eq!(path(&[&format!(r#""listenInfos":[{many}]"#)]), "listenInfos");
    }

    #[test]
    fn listen_ips_are_multiplied_by_the_enabled_protocols_in_preference_order() {
        let protocols = |fields: &[&str]| {
            let fields = [&[IPS], fields].concat();
            let WebRtcTransportListen::Own(infos) = checked(&fields).unwrap().listen else { panic!("a server") };
            infos.into_iter().map(|info| info.protocol).collect::<Vec<_>>()
        };
        use TransportProtocol::{Tcp, Udp};
        assert_eq!(protocols(&[]), [Udp, Udp]);
        assert_eq!(protocols(&[r#""enableTcp":true"#]), [Udp, Tcp, Udp, Tcp]);
        assert_eq!(protocols(&[r#""enableTcp":true"#, r#""preferTcp":true"#]), [Tcp, Udp, Tcp, Udp]);
        assert_eq!(protocols(&[r#""enableTcp":true"#, r#""enableUdp":false"#]), [Tcp, Tcp]);
    }

    #[test]
    fn a_transport_without_any_protocol_is_refused() {
        let none = [r#""enableUdp":false"#, r#""enableTcp":false"#];
        assert_eq!(path(&[&[SERVER][..], &none].concat()), "enableUdp");
        assert_eq!(path(&[&[IPS][..], &none].concat()), "enableUdp");
        assert_eq!(path(&[IPS, r#""enableUdp":false"#]), "enableUdp");
    }

    #[test]
    fn p03_wrong_types_and_ranges_are_type_errors_that_name_the_option() {
        for (field, expected) in [
            (r#""enableUdp":1"#, "enableUdp"),
            (r#""iceConsentTimeout":-1"#, "iceConsentTimeout"),
            (r#""iceConsentTimeout":1.5"#, "iceConsentTimeout"),
            (r#""initialAvailableOutgoingBitrate":1e30"#, "initialAvailableOutgoingBitrate"),
            (r#""initialAvailableOutgoingBitrate":9007199254740992"#, "initialAvailableOutgoingBitrate"),
            (r#""webRtcServerId":"x""#, "webRtcServerId"),
        ] {
            assert_eq!(path(&[INFOS, field]), expected, "{field}");
        }
        assert_eq!(path(&[r#""listenIps":[7]"#]), "listenIps[0]");
        assert_eq!(path(&[r#""listenInfos":[{"protocol":"sctp","ip":"::"}]"#]), "listenInfos[0].protocol");
    }
}
