//! WebRtcServer: ports that many transports share.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::ModelError;
use crate::id::{TransportId, WebRtcServerId};
use crate::listen::{ListenInfo, TransportListenInfo, checked_listen_infos};

/// Options of `worker.createWebRtcServer()`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WebRtcServerOptions {
    /// Addresses to listen on, 1–64, the preferred one first.
    pub listen_infos: Vec<TransportListenInfo>,
}

impl WebRtcServerOptions {
    /// Checks the addresses.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] or [`ModelError::Limit`] that names the entry.
    pub fn into_checked(self) -> Result<Vec<ListenInfo>, ModelError> {
        checked_listen_infos(self.listen_infos)
    }
}

/// The insides of a WebRtcServer, for debugging.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WebRtcServerDump {
    /// Id.
    pub id: WebRtcServerId,
    /// Bound UDP sockets.
    pub udp_sockets: Vec<IpPort>,
    /// Bound TCP listeners.
    pub tcp_servers: Vec<IpPort>,
    /// Transports that use the ports.
    pub web_rtc_transport_ids: Vec<TransportId>,
    /// Which transport a STUN request belongs to.
    pub local_ice_username_fragments: Vec<IceUserNameFragment>,
}

/// Where a socket is bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct IpPort {
    /// Local IP address.
    pub ip: String,
    /// Local port, 1–65535.
    pub port: u16,
}

/// A username fragment (RFC 8445 §5.3) and the transport that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IceUserNameFragment {
    /// Username fragment.
    pub local_ice_username_fragment: String,
    /// Its transport.
    pub web_rtc_transport_id: TransportId,
}
