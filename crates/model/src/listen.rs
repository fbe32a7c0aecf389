//! Where a transport or a WebRtcServer listens.

use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::{ModelError, Shown};
use crate::parse::null_as_default;

/// Listening addresses of one transport or server. More are refused: every further one lowers the ICE preference of
/// its candidates by 100, and the preference is a 16-bit number (RFC 8445 §5.1.2.1).
pub const LISTEN_INFOS_MAX: usize = 64;

/// Longest name of a network interface (`IFNAMSIZ` less its terminator). Longer zones are refused.
const ZONE_BYTES_MAX: usize = 15;

/// Protocol under ICE (RFC 8445 §5.1.1, RFC 6544).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum TransportProtocol {
    /// UDP.
    Udp,
    /// TCP, passive side.
    Tcp,
}

/// One address to listen on, as an application gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct TransportListenInfo {
    /// Protocol.
    pub protocol: TransportProtocol,
    /// IPv4 or IPv6 address of a local interface, or a wildcard. A link-local IPv6 address needs a zone: `fe80::1%eth0`.
    pub ip: String,
    /// IPv4 address, IPv6 address or host name that candidates carry.
    ///
    /// @deprecated Use `announcedAddress`, which wins where both are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced_ip: Option<String>,
    /// IPv4 address, IPv6 address or host name that candidates carry, for a server behind NAT. Default: `ip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced_address: Option<String>,
    /// Whether candidates carry `ip` as well where `announcedAddress` is given. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expose_internal_ip: Option<bool>,
    /// Port, 1–65535. Default, or 0: a free one between `rtcMinPort` and `rtcMaxPort` of the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Range in which a free port is taken; `port` is ignored then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_range: Option<TransportPortRange>,
    /// Socket flags. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<TransportSocketFlags>,
    /// Send buffer of the socket in bytes. Default, or 0: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_buffer_size: Option<u32>,
    /// Receive buffer of the socket in bytes. Default, or 0: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recv_buffer_size: Option<u32>,
}

/// A range of ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct TransportPortRange {
    /// Lowest port, 1–65535.
    pub min: u16,
    /// Highest port, at least `min`.
    pub max: u16,
}

/// Flags of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct TransportSocketFlags {
    /// Refuse IPv4 on an IPv6 socket; without effect on an IPv4 one. Default: false.
    #[serde(deserialize_with = "null_as_default")]
    #[ts(as = "Option<bool>")]
    pub ipv6_only: bool,
    /// Let several sockets share one UDP address; without effect on TCP. Default: false.
    #[serde(deserialize_with = "null_as_default")]
    #[ts(as = "Option<bool>")]
    pub udp_reuse_port: bool,
}

/// An address to listen on with the options' protocols.
///
/// @deprecated Use `TransportListenInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct TransportListenIp {
    /// IPv4 or IPv6 address of a local interface, or a wildcard.
    pub ip: String,
    /// IPv4 address, IPv6 address or host name that candidates carry. Default: `ip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced_ip: Option<String>,
}

/// An address to listen on, alone or with an announced one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(untagged, expecting = "expected an IP address or an object with ip and announcedIp")]
pub enum TransportListenIpOrText {
    /// The address alone.
    Text(String),
    /// The address with an announced one.
    #[serde(deserialize_with = "from_object")]
    ListenIp(TransportListenIp),
}

/// Reads an object and no array, which serde takes as one without names.
fn from_object<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<TransportListenIp, D::Error> {
    let object = serde_json::Map::deserialize(deserializer)?;
    serde_json::from_value(serde_json::Value::Object(object)).map_err(serde::de::Error::custom)
}

/// One address to listen on, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenInfo {
    /// Protocol.
    pub protocol: TransportProtocol,
    /// Local address; may be a wildcard.
    pub ip: IpAddr,
    /// Interface of a link-local address: its name or its number (RFC 4007 §11).
    pub zone: Option<String>,
    /// What candidates carry instead of `ip`.
    pub announced: Option<AnnouncedAddress>,
    /// Whether candidates carry `ip` as well where there is an announced address.
    pub expose_internal_ip: bool,
    /// Which port to bind.
    pub port: ListenPort,
    /// Socket flags.
    pub flags: TransportSocketFlags,
    /// Send buffer in bytes; `None` keeps the system's.
    pub send_buffer_bytes: Option<u32>,
    /// Receive buffer in bytes; `None` keeps the system's.
    pub recv_buffer_bytes: Option<u32>,
}

/// Which port to bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenPort {
    /// A free one in the worker's range.
    Any,
    /// Exactly this one.
    Fixed(u16),
    /// A free one in this range, both ends included.
    Range(TransportPortRange),
}

/// An address that peers are told: an IP address or a host name (RFC 8839 §5.1 allows both in candidates).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnouncedAddress(String);

impl AnnouncedAddress {
    /// The address as candidates carry it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TransportListenInfo {
    /// Checks the addresses and ports.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] that names the field.
    pub fn into_checked(self) -> Result<ListenInfo, ModelError> {
        let (ip, zone) = listen_address(&self.ip)?;
        let announced = match (self.announced_address, self.announced_ip) {
            (Some(address), _) => announced("announcedAddress", address)?,
            (None, Some(address)) => announced("announcedIp", address)?,
            (None, None) => None,
        };
        Ok(ListenInfo {
            protocol: self.protocol,
            ip,
            zone,
            announced,
            expose_internal_ip: self.expose_internal_ip.unwrap_or_default(),
            port: listen_port(self.port, self.port_range)?,
            flags: self.flags.unwrap_or_default(),
            send_buffer_bytes: self.send_buffer_size.filter(|bytes| *bytes != 0),
            recv_buffer_bytes: self.recv_buffer_size.filter(|bytes| *bytes != 0),
        })
    }
}

impl TransportListenIpOrText {
    /// The same in the form that is not deprecated.
    pub(crate) fn into_listen_info(self, protocol: TransportProtocol, port: Option<u16>) -> TransportListenInfo {
        let (ip, announced_address) = match self {
            Self::Text(ip) => (ip, None),
            Self::ListenIp(TransportListenIp { ip, announced_ip }) => (ip, announced_ip),
        };
        TransportListenInfo {
            protocol,
            ip,
            announced_ip: None,
            announced_address,
            expose_internal_ip: None,
            port,
            port_range: None,
            flags: None,
            send_buffer_size: None,
            recv_buffer_size: None,
        }
    }
}

/// Checks every one of `infos`.
///
/// # Errors
/// [`ModelError::Invalid`] that names the entry, or `listenInfos` where there is none; [`ModelError::Limit`] where
/// there are more than [`LISTEN_INFOS_MAX`].
pub(crate) fn checked_listen_infos(infos: Vec<TransportListenInfo>) -> Result<Vec<ListenInfo>, ModelError> {
    if infos.is_empty() {
        return Err(ModelError::invalid("listenInfos", "is empty; give at least one address to listen on"));
    }
    if infos.len() > LISTEN_INFOS_MAX {
        let reason = format!("has {} entries, at most {LISTEN_INFOS_MAX} are allowed", infos.len());
        return Err(ModelError::limit("listenInfos", reason));
    }
    let checked = |(index, info): (usize, TransportListenInfo)| {
        info.into_checked().map_err(|error| error.within(&format!("listenInfos[{index}]")))
    };
    infos.into_iter().enumerate().map(checked).collect()
}

/// Splits `fe80::1%eth0` into address and zone, and insists on the zone where the address means nothing without it.
fn listen_address(text: &str) -> Result<(IpAddr, Option<String>), ModelError> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let Ok(ip) = address.parse::<IpAddr>() else {
        return Err(ModelError::invalid("ip", format!("{} is no IPv4 or IPv6 address", Shown(text))));
    };
    let link_local = matches!(ip, IpAddr::V6(ip) if is_link_local(ip));
    match zone {
        None if link_local => {
            let reason = format!("{} is link-local; name the interface, as in fe80::1%eth0", Shown(text));
            Err(ModelError::invalid("ip", reason))
        }
        None => Ok((ip, None)),
        Some(zone) if link_local && is_zone(zone) => Ok((ip, Some(zone.to_owned()))),
        Some(_) => Err(ModelError::invalid("ip", format!("{} has a zone that makes no sense here", Shown(text)))),
    }
}

/// The address of an endpoint, with its zone where it means nothing without.
///
/// # Errors
/// [`ModelError::Invalid`] for `ip` where it is none that packets can be sent to.
pub(crate) fn peer_address(text: &str) -> Result<(IpAddr, Option<String>), ModelError> {
    let (ip, zone) = listen_address(text)?;
    if ip.is_unspecified() {
        return Err(ModelError::invalid("ip", format!("{} is no address of an endpoint", Shown(text))));
    }
    Ok((ip.to_canonical(), zone))
}

/// fe80::/10 (RFC 4291 §2.5.6).
fn is_link_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xffc0 == 0xfe80
}

/// Whether `zone` could name an interface.
fn is_zone(zone: &str) -> bool {
    (1..=ZONE_BYTES_MAX).contains(&zone.len()) && zone.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%')
}

/// Checks an address for candidates: an IP address that is no wildcard, or a host name. The empty text, which
/// applications pass on from an unset setting, is none.
fn announced(path: &str, text: String) -> Result<Option<AnnouncedAddress>, ModelError> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_usable = match text.parse::<IpAddr>() {
        Ok(ip) => !ip.is_unspecified() && !ip.is_multicast(),
        Err(_) => is_host_name(&text),
    };
    if is_usable {
        return Ok(Some(AnnouncedAddress(text)));
    }
    let reason = format!("{} is neither an address that peers can send to nor a host name", Shown(&text));
    Err(ModelError::invalid(path, reason))
}

/// Whether `text` is a host name (RFC 1123 §2.1): labels of letters, digits and inner hyphens. A last label of digits
/// alone is a mistyped IPv4 address.
fn is_host_name(text: &str) -> bool {
    /// RFC 1035 §2.3.4, written out without the root label.
    const NAME_BYTES_MAX: usize = 253;
    /// RFC 1035 §2.3.4.
    const LABEL_BYTES_MAX: usize = 63;
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= NAME_BYTES_MAX && text.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

/// The port to bind; a range wins over a port, and 0 means unset as in mediasoup.
fn listen_port(port: Option<u16>, range: Option<TransportPortRange>) -> Result<ListenPort, ModelError> {
    match (port, range) {
        (_, Some(range)) if range.min != 0 && range.max != 0 => {
            checked_port_range("portRange", range).map(ListenPort::Range)
        }
        (_, Some(range)) if range.min != range.max => {
            Err(ModelError::invalid("portRange", "min and max must both lie within 1–65535"))
        }
        (Some(port), _) if port != 0 => Ok(ListenPort::Fixed(port)),
        _ => Ok(ListenPort::Any),
    }
}

/// Insists that the range holds at least one port.
pub(crate) fn checked_port_range(path: &str, range: TransportPortRange) -> Result<TransportPortRange, ModelError> {
    if range.min == 0 || range.min > range.max {
        let reason =
            format!("no port lies between {} and {}; min must be 1 or more and at most max", range.min, range.max);
        return Err(ModelError::invalid(path, reason));
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(json: &str) -> Result<ListenInfo, ModelError> {
        crate::parse::<TransportListenInfo>(json).and_then(TransportListenInfo::into_checked)
    }

    fn with(field: &str) -> Result<ListenInfo, ModelError> {
        checked(&format!(r#"{{"protocol":"udp","ip":"127.0.0.1",{field}}}"#))
    }

    #[test]
    fn defaults_are_any_port_and_no_announced_address() {
        let info = checked(r#"{"protocol":"tcp","ip":"::"}"#).unwrap();
        assert_eq!(info.protocol, TransportProtocol::Tcp);
        assert_eq!(info.port, ListenPort::Any);
        assert_eq!(info.announced, None);
        assert!(!info.expose_internal_ip);
    }

    #[test]
    fn a_link_local_address_needs_its_zone() {
        let ip = |ip: &str| checked(&format!(r#"{{"protocol":"udp","ip":"{ip}"}}"#));
        assert_eq!(ip("fe80::1%eth0").unwrap().zone.as_deref(), Some("eth0"));
        for text in
            ["fe80::1", "fe80::1%", "::1%eth0", "10.0.0.1%eth0", "fe80::1%a-name-that-is-too-long", "localhost", ""]
        {
            assert!(matches!(ip(text), Err(ModelError::Invalid { path, .. }) if path == "ip"), "{text}");
        }
    }

    #[test]
    fn a_port_range_wins_over_a_port_and_must_hold_a_port() {
        let range = |min, max| ListenPort::Range(TransportPortRange { min, max });
        assert_eq!(with(r#""port":5000"#).unwrap().port, ListenPort::Fixed(5000));
        assert_eq!(with(r#""port":5000,"portRange":{"min":1,"max":2}"#).unwrap().port, range(1, 2));
        assert_eq!(with(r#""port":5000,"portRange":{"min":0,"max":0}"#).unwrap().port, ListenPort::Fixed(5000));
        for field in [
            r#""portRange":{"min":2,"max":1}"#,
            r#""portRange":{"min":0,"max":1}"#,
            r#""portRange":{"min":1}"#,
            r#""port":65536"#,
            r#""port":-1"#,
            r#""port":"80""#,
        ] {
            assert!(with(field).is_err(), "{field}");
        }
    }

    #[test]
    fn an_announced_address_is_an_address_or_a_host_name() {
        for good in ["203.0.113.1", "2001:db8::1", "sfu.example.com", "localhost", "a-b.c1"] {
            let info = with(&format!(r#""announcedAddress":"{good}""#)).unwrap();
            assert_eq!(info.announced.unwrap().as_str(), good);
        }
        assert_eq!(with(r#""announcedAddress":"""#).unwrap().announced, None);
        let long = "a.".repeat(130) + "a";
        for bad in [".", "a..b", "-a", "a-", "a b", "1.2.3", "256.1.1.1", "0.0.0.0", "::", "224.0.0.1", "ä.de", &long]
        {
            assert!(with(&format!(r#""announcedAddress":"{bad}""#)).is_err(), "{bad}");
            assert!(with(&format!(r#""announcedIp":"{bad}""#)).is_err(), "{bad}");
        }
    }
}
