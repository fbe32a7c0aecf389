//! ICE as applications see it (RFC 8445).

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::listen::TransportProtocol;

/// Credentials of one side (RFC 8445 §5.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct IceParameters {
    /// Username fragment, 4–256 characters (RFC 8839 §5.4).
    pub username_fragment: String,
    /// Password, 22–256 characters (RFC 8839 §5.4).
    pub password: String,
    /// Whether this side is ICE-lite (RFC 8445 §2.5). Always true here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_lite: Option<bool>,
}

/// One address that a peer may send to (RFC 8839 §5.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct IceCandidate {
    /// Foundation: equal for candidates that share their address type and base (RFC 8445 §5.1.1.3).
    pub foundation: String,
    /// Priority (RFC 8445 §5.1.2.1).
    pub priority: u32,
    /// Address.
    ///
    /// @deprecated Use `address`.
    pub ip: String,
    /// IP address or host name.
    pub address: String,
    /// Protocol.
    pub protocol: TransportProtocol,
    /// Port, 1–65535.
    pub port: u16,
    /// Always `host`.
    #[serde(rename = "type")]
    pub candidate_type: IceCandidateType,
    /// Always `passive` (RFC 6544 §4.5); absent for UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_type: Option<IceCandidateTcpType>,
}

/// How a candidate was found (RFC 8445 §5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum IceCandidateType {
    /// An address of this machine.
    Host,
}

/// Who opens the TCP connection (RFC 6544 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum IceCandidateTcpType {
    /// The peer.
    Passive,
}

/// Role in ICE (RFC 8445 §6.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum IceRole {
    /// The peer nominates. Always so for ICE-lite.
    Controlled,
    /// This side nominates.
    Controlling,
}

/// State of ICE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum IceState {
    /// No request has come.
    #[default]
    New,
    /// Requests come, none nominates.
    Connected,
    /// The peer nominated a path (RFC 8445 §8.1.1).
    Completed,
    /// Consent ran out (RFC 7675 §5.1), or the path was lost.
    Disconnected,
    /// The transport is closed.
    Closed,
}
