//! PlainTransport: options, what `connect()` takes, dump and statistics.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::{ModelError, Within};
use crate::listen::{
    ListenInfo, ListenPort, TransportListenInfo, TransportListenIpOrText, TransportProtocol, peer_address,
};
use crate::srtp::{SrtpCryptoSuite, SrtpKey, SrtpParameters};
use crate::transport::{BaseTransportDump, BaseTransportStats, TransportTuple};

/// Options of `router.createPlainTransport()`. One of `listenInfo` and `listenIp` is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct PlainTransportOptions {
    /// Address to listen on for RTP, and for RTCP with `rtcpMux`. Its protocol is `udp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_info: Option<TransportListenInfo>,
    /// Address to listen on for RTCP; ignored with `rtcpMux`. Default: `listenInfo` with a port of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtcp_listen_info: Option<TransportListenInfo>,
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
    /// Whether RTP and RTCP share a port (RFC 5761). Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtcp_mux: Option<bool>,
    /// Whether the endpoint's address is taken from the first packet that comes; `connect()` is needed for the keys of
    /// SRTP only. Without SRTP whoever sends first is the endpoint. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comedia: Option<bool>,
    /// Whether RTP and RTCP are secured by SRTP; `connect()` tells the endpoint's key then. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_srtp: Option<bool>,
    /// Suite of the local key; `connect()` may change it. Default: `AES_CM_128_HMAC_SHA1_80`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub srtp_crypto_suite: Option<SrtpCryptoSuite>,
}

/// Options of a PlainTransport, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainTransportSettings {
    /// Where it listens.
    pub listen: ListenInfo,
    /// Where it listens for RTCP; `None` where that comes with RTP.
    pub rtcp_listen: Option<ListenInfo>,
    /// Whether the endpoint's address is taken from its first packet.
    pub comedia: bool,
    /// The suite of the first local key; `None` without SRTP.
    pub srtp: Option<SrtpCryptoSuite>,
}

impl PlainTransportOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] that names the option.
    pub fn into_checked(self) -> Result<PlainTransportSettings, ModelError> {
        // As in mediasoup, who says where RTCP comes to wants it there.
        let rtcp_mux = self.rtcp_mux.unwrap_or(true) && self.rtcp_listen_info.is_none();
        let listen = single_listen_info(self.listen_info, self.listen_ip, self.port)?;
        let rtcp_listen = match (rtcp_mux, self.rtcp_listen_info) {
            (true, _) => None,
            (false, Some(info)) => Some(udp_listen_info(info).within("rtcpListenInfo")?),
            // Two sockets cannot share a port, but they can share a range.
            (false, None) if matches!(listen.port, ListenPort::Fixed(_)) => {
                Some(ListenInfo { port: ListenPort::Any, ..listen.clone() })
            }
            (false, None) => Some(listen.clone()),
        };
        Ok(PlainTransportSettings {
            listen,
            rtcp_listen,
            comedia: self.comedia.unwrap_or_default(),
            srtp: self.enable_srtp.unwrap_or_default().then(|| self.srtp_crypto_suite.unwrap_or_default()),
        })
    }
}

/// The one address that a plain or a pipe transport listens on.
pub(crate) fn single_listen_info(
    info: Option<TransportListenInfo>,
    ip: Option<TransportListenIpOrText>,
    port: Option<u16>,
) -> Result<ListenInfo, ModelError> {
    match (info, ip) {
        (Some(_), Some(_)) => Err(ModelError::invalid("listenInfo", "give only one of listenInfo and listenIp")),
        (Some(info), None) => udp_listen_info(info).within("listenInfo"),
        (None, Some(ip)) => ip.into_listen_info(TransportProtocol::Udp, port).into_checked().within("listenIp"),
        (None, None) => Err(ModelError::invalid("listenInfo", "is missing; give it, or listenIp")),
    }
}

fn udp_listen_info(info: TransportListenInfo) -> Result<ListenInfo, ModelError> {
    if info.protocol != TransportProtocol::Udp {
        return Err(ModelError::invalid("protocol", "is not udp, which is all that goes without ICE"));
    }
    info.into_checked()
}

/// What `plainTransport.connect()` is told of the endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct PlainTransportConnectOptions {
    /// IPv4 or IPv6 address of the endpoint. Ignored with `comedia`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Port of the endpoint, 1–65535. Ignored with `comedia`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Port of the endpoint for RTCP, 1–65535; not with `rtcpMux`. Ignored with `comedia`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtcp_port: Option<u16>,
    /// The endpoint's key, with `enableSrtp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub srtp_parameters: Option<SrtpParameters>,
}

/// What a transport needs to be told to be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainPeerWanted {
    /// Its address, because no packet of it will tell.
    pub address: bool,
    /// The port of RTCP, where it has one.
    pub rtcp_port: bool,
    /// Its SRTP key.
    pub srtp: bool,
}

/// The endpoint of a plain or a pipe transport, checked against what its transport wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainPeer {
    /// Where it receives RTP; `None` where its first packet tells.
    pub address: Option<PeerAddress>,
    /// Its port for RTCP, where RTCP goes to another one than RTP.
    pub rtcp_port: Option<u16>,
    /// What it seals its packets with, where there is SRTP.
    pub srtp: Option<SrtpKey>,
}

/// An address of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// IPv4, or IPv6 that is no IPv4 in disguise.
    pub ip: IpAddr,
    /// Interface of a link-local address: its name or its number (RFC 4007 §11).
    pub zone: Option<String>,
    /// Port, 1–65535.
    pub port: u16,
}

impl PlainTransportConnectOptions {
    /// Checks that what was told is what the transport wants to know.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] that names what is missing, malformed or too much.
    pub fn into_checked(self, wanted: PlainPeerWanted) -> Result<PlainPeer, ModelError> {
        let srtp = match (wanted.srtp, self.srtp_parameters) {
            (true, Some(parameters)) => Some(parameters.into_checked().within("srtpParameters")?),
            (true, None) => return Err(ModelError::invalid("srtpParameters", "is missing; the transport has SRTP")),
            (false, Some(_)) => {
                return Err(ModelError::invalid("srtpParameters", "is given, but the transport has no SRTP"));
            }
            (false, None) => None,
        };
        if !wanted.address {
            return Ok(PlainPeer { address: None, rtcp_port: None, srtp });
        }
        let ip = self.ip.ok_or_else(|| ModelError::invalid("ip", "is missing"))?;
        let (ip, zone) = peer_address(&ip)?;
        let port = some_port("port", self.port)?;
        let rtcp_port = match (wanted.rtcp_port, self.rtcp_port) {
            (false, Some(_)) => {
                return Err(ModelError::invalid("rtcpPort", "is given, but RTCP shares the port of RTP"));
            }
            (false, None) => None,
            (true, rtcp_port) => Some(some_port("rtcpPort", rtcp_port)?),
        };
        Ok(PlainPeer { address: Some(PeerAddress { ip, zone, port }), rtcp_port, srtp })
    }
}

fn some_port(path: &str, port: Option<u16>) -> Result<u16, ModelError> {
    match port {
        None => Err(ModelError::invalid(path, "is missing")),
        Some(0) => Err(ModelError::invalid(path, "0 is no port; expected 1–65535")),
        Some(port) => Ok(port),
    }
}

/// The insides of a PlainTransport, for debugging.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct PlainTransportDump {
    /// What every transport has.
    #[serde(flatten)]
    pub base: BaseTransportDump,
    /// Whether RTP and RTCP share a port.
    pub rtcp_mux: bool,
    /// Whether the endpoint's address is taken from its first packet.
    pub comedia: bool,
    /// The path of RTP; without a remote address until the endpoint is known.
    pub tuple: TransportTuple,
    /// The path of RTCP, where it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtcp_tuple: Option<TransportTuple>,
    /// The local key, with SRTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srtp_parameters: Option<SrtpParameters>,
}

/// Statistics of a PlainTransport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct PlainTransportStat {
    /// `plain-rtp-transport`.
    #[serde(rename = "type")]
    pub stats_type: String,
    /// What every transport counts.
    #[serde(flatten)]
    pub base: BaseTransportStats,
    /// Whether RTP and RTCP share a port.
    pub rtcp_mux: bool,
    /// Whether the endpoint's address is taken from its first packet.
    pub comedia: bool,
    /// The path of RTP; without a remote address until the endpoint is known.
    pub tuple: TransportTuple,
    /// The path of RTCP, where it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtcp_tuple: Option<TransportTuple>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = r#""listenInfo":{"protocol":"udp","ip":"127.0.0.1","port":4000}"#;

    fn checked(fields: &[&str]) -> Result<PlainTransportSettings, ModelError> {
        crate::parse::<PlainTransportOptions>(&format!("{{{}}}", fields.join(",")))?.into_checked()
    }

    fn place<T: std::fmt::Debug>(result: Result<T, ModelError>) -> String {
        match result.unwrap_err() {
            ModelError::Invalid { path, .. } => path,
            error => panic!("{error}"),
        }
    }

    #[test]
    fn defaults_are_those_of_mediasoup() {
        let settings = checked(&[INFO]).unwrap();
        assert_eq!((settings.rtcp_listen, settings.comedia, settings.srtp), (None, false, None));
        let srtp = |fields: &[&str]| checked(&[&[INFO, r#""enableSrtp":true"#], fields].concat()).unwrap().srtp;
        assert_eq!(srtp(&[]), Some(SrtpCryptoSuite::AesCm128HmacSha1_80));
        assert_eq!(srtp(&[r#""srtpCryptoSuite":"AEAD_AES_256_GCM""#]), Some(SrtpCryptoSuite::AeadAes256Gcm));
    }

    #[test]
    fn rtcp_without_mux_has_a_port_of_its_own() {
        let rtcp = |fields: &[&str]| checked(&[&[INFO, r#""rtcpMux":false"#], fields].concat()).unwrap().rtcp_listen;
        assert_eq!(rtcp(&[]).unwrap().port, ListenPort::Any);
        let info = r#""rtcpListenInfo":{"protocol":"udp","ip":"::1","port":4001}"#;
        assert_eq!(rtcp(&[info]).unwrap().port, ListenPort::Fixed(4001));
        assert_eq!(checked(&[INFO, info]).unwrap().rtcp_listen.unwrap().port, ListenPort::Fixed(4001));
        let both = checked(&[INFO, r#""rtcpMux":true"#, info]).unwrap();
        assert!(both.rtcp_listen.is_some(), "a place for RTCP wins over rtcpMux");
    }

    #[test]
    fn p03_options_that_make_no_sense_are_type_errors_that_name_them() {
        assert_eq!(place(checked(&[])), "listenInfo");
        assert_eq!(place(checked(&[INFO, r#""listenIp":"::1""#])), "listenInfo");
        assert_eq!(place(checked(&[r#""listenInfo":{"protocol":"tcp","ip":"::1"}"#])), "listenInfo.protocol");
        assert_eq!(place(checked(&[r#""listenIp":"x""#])), "listenIp.ip");
        assert_eq!(place(checked(&[r#""listenIp":["::1"]"#])), "listenIp");
        assert!(checked(&[r#""listenIp":{"ip":"::1"}"#]).is_ok());
        assert_eq!(place(checked(&[INFO, r#""comedia":1"#])), "comedia");
        assert_eq!(place(checked(&[INFO, r#""srtpCryptoSuite":"NULL""#])), "srtpCryptoSuite");
        let rtcp = r#""rtcpMux":false,"rtcpListenInfo":{"protocol":"tcp","ip":"::1"}"#;
        assert_eq!(place(checked(&[INFO, rtcp])), "rtcpListenInfo.protocol");
    }

    #[test]
    fn p03_what_connect_is_told_is_what_the_transport_wants_to_know() {
        let all = PlainPeerWanted { address: true, rtcp_port: false, srtp: false };
        let told = |wanted, json: &str| {
            crate::parse::<PlainTransportConnectOptions>(json).and_then(|options| options.into_checked(wanted))
        };
        let peer = told(all, r#"{"ip":"::ffff:192.0.2.1","port":9}"#).unwrap();
        assert_eq!(peer.address.unwrap().ip, "192.0.2.1".parse::<IpAddr>().unwrap());
        for (json, path) in [
            ("{}", "ip"),
            (r#"{"ip":"example.com","port":9}"#, "ip"),
            (r#"{"ip":"0.0.0.0","port":9}"#, "ip"),
            (r#"{"ip":"fe80::1","port":9}"#, "ip"),
            (r#"{"ip":"192.0.2.1"}"#, "port"),
            (r#"{"ip":"192.0.2.1","port":0}"#, "port"),
            (r#"{"ip":"192.0.2.1","port":65536}"#, "port"),
            (r#"{"ip":"192.0.2.1","port":9,"rtcpPort":10}"#, "rtcpPort"),
            (
                r#"{"ip":"192.0.2.1","port":9,"srtpParameters":{"cryptoSuite":"AEAD_AES_128_GCM","keyBase64":""}}"#,
                "srtpParameters",
            ),
        ] {
            assert_eq!(place(told(all, json)), path, "{json}");
        }
        let rtcp = PlainPeerWanted { rtcp_port: true, ..all };
        assert_eq!(place(told(rtcp, r#"{"ip":"192.0.2.1","port":9}"#)), "rtcpPort");
        let srtp = PlainPeerWanted { address: false, srtp: true, ..all };
        assert_eq!(place(told(srtp, "{}")), "srtpParameters");
        let short = r#"{"srtpParameters":{"cryptoSuite":"AEAD_AES_128_GCM","keyBase64":"c2hvcnQ="}}"#;
        assert_eq!(place(told(srtp, short)), "srtpParameters.keyBase64");
    }
}
