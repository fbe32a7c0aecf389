//! Plain and pipe transports: made, connected; and what follows from what their endpoints send.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use millrace_model::{
    ModelError, PeerAddress, PipeTransportSettings, PlainPeer, PlainPeerWanted, PlainTransportConnectOptions,
    PlainTransportSettings, SctpLimits, SctpParameters, SctpState, SrtpCryptoSuite, SrtpKey, SrtpParameters,
    TransportId, TransportTuple, WorkerLogTag,
};
use millrace_router::setup::PRODUCERS_PER_PIPE_MAX;
use millrace_transport::plain::Remote;
use millrace_transport::srtp::inbound::{SOURCES_MAX, SOURCES_PER_PIPE_MAX};
use millrace_transport::{IntakeLimits, PlainConfig, PlainEvent, PlainTransport, Tuple};
use serde::Serialize;
use serde_json::{Value, json};

use super::Plane;
use super::listen::{Listener, scope_id};
use super::requests::json;
use super::sockets::SocketOwner;
use super::transport_core::{PipeParts, TransportCore};
use super::transports::NewTransport;
use crate::error::RequestError;
use crate::setup;

/// The suite of pipes, as in mediasoup: both ends are ours.
const PIPE_SUITE: SrtpCryptoSuite = SrtpCryptoSuite::AeadAes256Gcm;

/// The paths of a plain transport as applications see them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlainTuples {
    pub(super) tuple: TransportTuple,
    /// Where RTCP has a path of its own.
    pub(super) rtcp_tuple: Option<TransportTuple>,
}

/// What applications are told of a plain transport that was made or connected.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlainReply {
    #[serde(flatten)]
    tuples: PlainTuples,
    srtp_parameters: Option<SrtpParameters>,
    sctp_parameters: Option<SctpParameters>,
    sctp_state: Option<SctpState>,
}

impl Plane {
    pub(super) fn create_plain_transport(
        &mut self,
        router: usize,
        id: TransportId,
        settings: PlainTransportSettings,
        data: SctpLimits,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let index = self.vacant_transport(id)?;
        let infos: Vec<_> = [Some(settings.listen), settings.rtcp_listen].into_iter().flatten().collect();
        let listeners = self.listen(&infos, SocketOwner::Transport(index))?;
        let config = PlainConfig {
            // One listener for each of the one or two addresses, in their order.
            socket: listeners[0].socket,
            rtcp_socket: listeners.get(1).map(|listener| listener.socket),
            comedia: settings.comedia,
            key: settings.srtp.map(|suite| self.random.srtp_key(suite)),
            intake: self.intake,
            sources_max: SOURCES_MAX,
            wall_clock: self.clock,
            sctp: data.enabled.then(|| setup::sctp(&data, false, Duration::ZERO)),
        };
        let core = TransportCore::Plain(PlainTransport::new(config, now));
        self.enter_transport(NewTransport { id, router, core, listeners, data }, now);
        self.plain_reply(index)
    }

    pub(super) fn create_pipe_transport(
        &mut self,
        router: usize,
        id: TransportId,
        settings: PipeTransportSettings,
        data: SctpLimits,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let index = self.vacant_transport(id)?;
        let listeners = self.listen(&[settings.listen], SocketOwner::Transport(index))?;
        let config = PlainConfig {
            // The listener of the one address.
            socket: listeners[0].socket,
            rtcp_socket: None,
            comedia: false,
            key: settings.srtp.then(|| self.random.srtp_key(PIPE_SUITE)),
            // What comes is many peers' media, each of whom is held to limits where it enters.
            intake: IntakeLimits { packets_per_second: 0, bits_per_second: 0 },
            sources_max: SOURCES_PER_PIPE_MAX,
            wall_clock: self.clock,
            sctp: data.enabled.then(|| setup::pipe_sctp(&data)),
        };
        let parts = PipeParts { core: PlainTransport::new(config, now), rtx: settings.rtx };
        let core = TransportCore::Pipe(parts);
        self.enter_transport(NewTransport { id, router, core, listeners, data }, now);
        let session = self.transports[index].session;
        self.routers[router].core.set_producers_max(session, PRODUCERS_PER_PIPE_MAX);
        self.plain_reply(index)
    }

    pub(super) fn connect_plain_transport(
        &mut self,
        index: usize,
        options: PlainTransportConnectOptions,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let core = self.plain_core(index)?;
        let wanted = PlainPeerWanted {
            address: !core.comedia(),
            rtcp_port: core.rtcp_socket().is_some(),
            srtp: core.key().is_some(),
        };
        let peer = options.into_checked(wanted)?;
        self.check_suite(index, &peer)?;
        let rtcp_port = peer.rtcp_port;
        let remote = peer.address.map(|address| self.remote(index, &address)).transpose()?;
        let remote = remote.map(|rtp| Remote { rtp, rtcp_port });
        let keys =
            peer.srtp.map(|theirs| Ok::<_, RequestError>((self.key_for(index, &theirs)?, theirs))).transpose()?;
        let core = self.transports[index].core.plain_mut().ok_or_else(no_plain)?;
        core.connect(remote, keys)
            .map_err(|error| RequestError::InvalidState(format!("transport.connect(): {error}")))?;
        core.with_sctp(now, |_, _| ());
        self.after_transport(index, now);
        self.plain_reply(index)
    }

    /// Pipes have one suite.
    fn check_suite(&self, index: usize, peer: &PlainPeer) -> Result<(), RequestError> {
        let is_pipe = matches!(self.transports[index].core, TransportCore::Pipe(_));
        match &peer.srtp {
            Some(key) if is_pipe && key.suite() != PIPE_SUITE => {
                Err(ModelError::invalid("srtpParameters.cryptoSuite", "is not AEAD_AES_256_GCM").into())
            }
            _ => Ok(()),
        }
    }

    /// Our key for an endpoint with this one: of the same suite.
    fn key_for(&self, index: usize, theirs: &SrtpKey) -> Result<SrtpKey, RequestError> {
        let ours = self.plain_core(index)?.key().filter(|ours| ours.suite() == theirs.suite());
        Ok(ours.cloned().unwrap_or_else(|| self.random.srtp_key(theirs.suite())))
    }

    fn plain_core(&self, index: usize) -> Result<&PlainTransport, RequestError> {
        self.transports[index].core.plain().ok_or_else(no_plain)
    }

    /// The endpoint's address as sockets take it, if the transport's socket can reach it.
    fn remote(&self, index: usize, address: &PeerAddress) -> Result<SocketAddr, RequestError> {
        let PeerAddress { ip, zone, port } = address;
        let local = self.transports[index].listeners[0].local.ip();
        if !reaches(local, *ip) {
            let reason = format!("{ip} cannot be reached from {local}");
            return Err(ModelError::invalid("ip", reason).into());
        }
        match (ip, zone) {
            (IpAddr::V6(v6), Some(zone)) => Ok(SocketAddrV6::new(*v6, *port, 0, scope_id(*ip, zone)?).into()),
            _ => Ok(SocketAddr::new(*ip, *port)),
        }
    }

    fn plain_reply(&self, index: usize) -> Result<Value, RequestError> {
        let srtp_parameters = self.plain_core(index)?.key().map(SrtpKey::to_parameters);
        let sctp = self.plain_core(index)?.sctp();
        json(PlainReply {
            tuples: self.plain_tuples(index)?,
            srtp_parameters,
            sctp_parameters: sctp.map(|_| self.transports[index].data.parameters(false)),
            sctp_state: sctp.map(|sctp| sctp.state()),
        })
    }

    /// The paths of the plain transport at `index`, without a remote address until the endpoint is known.
    pub(super) fn plain_tuples(&self, index: usize) -> Result<PlainTuples, RequestError> {
        let core = self.plain_core(index)?;
        let listeners = &self.transports[index].listeners;
        let shown = |listener: &Listener, tuple: Option<&Tuple>| {
            tuple.and_then(|tuple| self.shown_tuple(index, tuple)).unwrap_or_else(|| local_tuple(listener))
        };
        Ok(PlainTuples {
            tuple: shown(&listeners[0], core.tuple()),
            rtcp_tuple: listeners.get(1).map(|listener| shown(listener, core.rtcp_tuple())),
        })
    }

    pub(super) fn apply_plain_event(&mut self, index: usize, event: &PlainEvent, now: Instant) {
        let entry = &self.transports[index];
        let (id, router, session) = (entry.id, entry.router, entry.session);
        match event {
            PlainEvent::Tuple(tuple) => self.tell(id.uuid(), "tuple", json!(self.shown_tuple(index, tuple))),
            PlainEvent::RtcpTuple(tuple) => self.tell(id.uuid(), "rtcptuple", json!(self.shown_tuple(index, tuple))),
            PlainEvent::Connected => {
                self.journal.debug(WorkerLogTag::Rtp, now, || format!("transport {id}: the endpoint is known"));
                self.with_router(router, now, |core, fanout| core.connect_session(session, now, fanout));
            }
            PlainEvent::Data(event) => self.apply_data_event(index, event.clone(), now),
        }
    }
}

fn no_plain() -> RequestError {
    RequestError::InvalidState("the transport is no plain one".to_owned())
}

/// Tells whether a socket bound to `local` can send to `remote`: in its own family, and a wildcard of IPv6 in both.
fn reaches(local: IpAddr, remote: IpAddr) -> bool {
    local.is_ipv4() == remote.is_ipv4() || local.is_unspecified() && local.is_ipv6()
}

/// A path whose other end is not known yet.
fn local_tuple(listener: &Listener) -> TransportTuple {
    let ip = listener.announced.clone().unwrap_or_else(|| listener.local.ip().to_string());
    TransportTuple {
        local_ip: ip.clone(),
        local_address: ip,
        local_port: listener.local.port(),
        remote_ip: None,
        remote_port: None,
        protocol: listener.protocol,
    }
}
