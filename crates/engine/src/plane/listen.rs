//! Binding sockets where options say, for transports and for the servers that many transports share.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use millrace_model::{
    IceUserNameFragment, IpPort, ListenInfo, ListenPort, TransportProtocol, WebRtcServerDump, WebRtcServerId,
};
use millrace_net::{BindOptions, PortChoice, PortRange};
use millrace_transport::{Protocol, SocketId};
use serde_json::Value;

use super::Plane;
use super::sockets::SocketOwner;
use crate::error::RequestError;

/// Servers of one worker at most. One more is refused.
const SERVERS_MAX: usize = 1024;

/// A bound address with what peers are told of it.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    pub(super) socket: SocketId,
    pub(super) protocol: TransportProtocol,
    pub(super) local: SocketAddr,
    pub(super) announced: Option<String>,
    pub(super) expose_internal_ip: bool,
}

impl Listener {
    fn ip_port(&self) -> IpPort {
        IpPort { ip: self.local.ip().to_string(), port: self.local.port() }
    }
}

/// Ports that many transports share.
pub(crate) struct Server {
    pub(super) listeners: Vec<Listener>,
    pub(super) transports: BTreeSet<usize>,
}

impl Plane {
    /// Binds every address, or none.
    pub(super) fn listen(&mut self, infos: &[ListenInfo], owner: SocketOwner) -> Result<Vec<Listener>, RequestError> {
        let mut listeners = Vec::with_capacity(infos.len());
        for info in infos {
            match self.listen_on(info, owner) {
                Ok(listener) => listeners.push(listener),
                Err(error) => {
                    // Nobody can have connected: accepting is the event loop's turn.
                    listeners.iter().for_each(|listener| self.sockets.close(listener.socket));
                    return Err(error);
                }
            }
        }
        Ok(listeners)
    }

    /// Closes listeners of `owner`, with the connections that they accepted.
    pub(super) fn close_listeners(&mut self, listeners: &[Listener], owner: SocketOwner, now: Instant) {
        for listener in listeners {
            self.sockets.close(listener.socket);
        }
        if listeners.iter().any(|listener| listener.protocol == TransportProtocol::Tcp) {
            for connection in self.sockets.connections_of(owner) {
                self.close_connection(connection, now);
            }
        }
    }

    fn listen_on(&mut self, info: &ListenInfo, owner: SocketOwner) -> Result<Listener, RequestError> {
        let options = self.bind_options(info)?;
        let first_port = self.random.u16();
        let (socket, local) = match info.protocol {
            TransportProtocol::Udp => self.sockets.bind_udp(&options, first_port, owner)?,
            TransportProtocol::Tcp => self.sockets.bind_tcp(&options, first_port, owner)?,
        };
        Ok(Listener {
            socket,
            protocol: info.protocol,
            local,
            announced: info.announced.as_ref().map(|address| address.as_str().to_owned()),
            expose_internal_ip: info.expose_internal_ip,
        })
    }

    fn bind_options(&self, info: &ListenInfo) -> Result<BindOptions, RequestError> {
        let range = |range: millrace_model::TransportPortRange| {
            PortRange::new(range.min, range.max).map(PortChoice::Within).map_err(RequestError::from)
        };
        let port = match info.port {
            ListenPort::Any => range(self.rtc_ports)?,
            ListenPort::Fixed(port) => PortChoice::Exactly(port),
            ListenPort::Range(ports) => range(ports)?,
        };
        Ok(BindOptions {
            ip: info.ip,
            scope_id: info.zone.as_ref().map_or(Ok(0), |zone| scope_id(info.ip, zone))?,
            port,
            ipv6_only: info.flags.ipv6_only && info.ip.is_ipv6(),
            udp_reuse_port: info.flags.udp_reuse_port,
            send_buffer_size: info.send_buffer_bytes.map(|bytes| bytes as usize),
            recv_buffer_size: info.recv_buffer_bytes.map(|bytes| bytes as usize),
        })
    }

    pub(super) fn create_server(&mut self, id: WebRtcServerId, infos: Vec<ListenInfo>) -> Result<Value, RequestError> {
        if self.servers.contains_key(&id) {
            return Err(RequestError::duplicate("WebRtcServer", id));
        }
        if self.servers.len() >= SERVERS_MAX {
            return Err(RequestError::Limit(format!("a worker has at most {SERVERS_MAX} WebRtcServers")));
        }
        let listeners = self.listen(&infos, SocketOwner::Server(id))?;
        self.servers.insert(id, Server { listeners, transports: BTreeSet::new() });
        Ok(Value::Null)
    }

    /// Closes a server, its transports and its ports. A server that does not exist is closed already.
    pub(super) fn close_server(&mut self, id: WebRtcServerId, now: Instant) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        for index in std::mem::take(&mut server.transports) {
            self.close_transport(index, now);
        }
        // Their last words leave before the ports are closed.
        self.flush();
        if let Some(server) = self.servers.remove(&id) {
            self.close_listeners(&server.listeners, SocketOwner::Server(id), now);
        }
    }

    pub(super) fn server_dump(&self, id: WebRtcServerId) -> Result<WebRtcServerDump, RequestError> {
        let server = self.servers.get(&id).ok_or_else(|| RequestError::not_found("WebRtcServer", id))?;
        let of = |protocol| {
            let listeners = server.listeners.iter().filter(move |listener| listener.protocol == protocol);
            listeners.map(Listener::ip_port).collect()
        };
        let transports = server.transports.iter().filter_map(|index| self.transports.get(*index));
        let mut fragments: Vec<_> = self
            .ufrags
            .iter()
            .filter(|(_, index)| server.transports.contains(index))
            .filter_map(|(ufrag, index)| {
                Some((String::from_utf8_lossy(ufrag).into_owned(), self.transports.get(*index)?.id))
            })
            .collect();
        fragments.sort();
        Ok(WebRtcServerDump {
            id,
            udp_sockets: of(TransportProtocol::Udp),
            tcp_servers: of(TransportProtocol::Tcp),
            web_rtc_transport_ids: transports.map(|transport| transport.id).collect(),
            local_ice_username_fragments: fragments
                .into_iter()
                .map(|(ufrag, id)| IceUserNameFragment { local_ice_username_fragment: ufrag, web_rtc_transport_id: id })
                .collect(),
        })
    }
}

/// The number of the interface that the zone of a link-local address names.
pub(super) fn scope_id(ip: IpAddr, zone: &str) -> Result<u32, RequestError> {
    let (_, scope_id) = millrace_net::parse_listen_ip(&format!("{ip}%{zone}"))?;
    Ok(scope_id)
}

/// The protocol as applications name it.
pub(super) fn protocol(protocol: Protocol) -> TransportProtocol {
    match protocol {
        Protocol::Udp => TransportProtocol::Udp,
        Protocol::Tcp => TransportProtocol::Tcp,
    }
}
