//! Transports: made, connected, restarted, closed; and what follows each thing that happens to them.

use std::time::Instant;

use millrace_model::{
    BitrateLimits, DtlsFingerprint, DtlsParameters, DtlsRole, DtlsState, IceCandidate, IceParameters, IceRole,
    ModelError, TransportId, TransportTraceEventType, TransportTuple, WebRtcServerId, WebRtcTransportConnectOptions,
    WebRtcTransportListen, WebRtcTransportSettings, WorkerLogTag,
};
use millrace_router::SessionId;
use millrace_router::setup::SessionSetup;
use millrace_transport::dtls::{PeerFingerprints, Role};
use millrace_transport::ice::{IceCredentials, IceEvent};
use millrace_transport::outgoing::SendSlots;
use millrace_transport::webrtc::{TransportEvent, WebRtcConfig, WebRtcTransport};
use millrace_transport::{Transmit, Tuple};
use serde_json::{Value, json};

use super::events::Told;
use super::listen::{Listener, protocol};
use super::sockets::SocketOwner;
use super::traffic::TrafficMeter;
use super::{Plane, TimerOwner, candidates};
use crate::error::RequestError;

/// A transport with its place in the worker.
pub(super) struct TransportEntry {
    pub(super) id: TransportId,
    pub(super) core: WebRtcTransport,
    pub(super) router: usize,
    pub(super) session: SessionId,
    /// The server whose ports it shares.
    pub(super) server: Option<WebRtcServerId>,
    /// Its own listeners; none with a server.
    pub(super) listeners: Vec<Listener>,
    pub(super) candidates: Vec<IceCandidate>,
    pub(super) traffic: TrafficMeter,
    pub(super) limits: BitrateLimits,
    pub(super) traces: Vec<TransportTraceEventType>,
    /// CNAME of its first producer, for those that name none.
    pub(super) cname: Option<String>,
    /// MID of its next consumer.
    pub(super) next_mid: u64,
}

impl Plane {
    pub(super) fn transport_index(&self, id: TransportId) -> Result<usize, RequestError> {
        self.transport_ids.get(&id).copied().ok_or_else(|| RequestError::not_found("Transport", id))
    }

    pub(super) fn create_webrtc_transport(
        &mut self,
        router: usize,
        id: TransportId,
        settings: WebRtcTransportSettings,
        now: Instant,
    ) -> Result<Value, RequestError> {
        if self.transport_ids.contains_key(&id) {
            return Err(RequestError::duplicate("Transport", id));
        }
        if self.transports.len() >= self.limits.transports {
            return Err(RequestError::Limit(format!("a worker has at most {} transports", self.limits.transports)));
        }
        let index = self.transports.vacant_key();
        let (server, listeners) = self.place(&settings.listen, index)?;
        let preference = candidates::Preference { udp: settings.prefer_udp, tcp: settings.prefer_tcp };
        let candidates = self.candidates(&settings.listen, &listeners, preference);
        let credentials = self.random.ice_credentials();
        self.ufrags.insert(credentials.ufrag.clone().into_bytes(), index);
        let config = WebRtcConfig {
            ice: credentials,
            consent_timeout: settings.ice_consent_timeout,
            certificate: self.certificate.clone(),
            srtp_sha1_32: false,
            intake: self.intake,
            wall_clock: self.clock,
        };
        let entry = TransportEntry {
            id,
            core: WebRtcTransport::new(config, now),
            router,
            session: self.open_session(router, index),
            server,
            listeners,
            candidates,
            traffic: TrafficMeter::new(now),
            limits: BitrateLimits::default(),
            traces: Vec::new(),
            cname: None,
            next_mid: 0,
        };
        let reply = self.transport_reply(&entry);
        self.transports.insert(entry);
        self.transport_ids.insert(id, index);
        self.journal.debug(WorkerLogTag::Info, now, || format!("transport {id} created"));
        Ok(reply)
    }

    /// Finds the server to share, or binds own sockets.
    fn place(
        &mut self,
        listen: &WebRtcTransportListen,
        index: usize,
    ) -> Result<(Option<WebRtcServerId>, Vec<Listener>), RequestError> {
        match listen {
            WebRtcTransportListen::Own(infos) => Ok((None, self.listen(infos, SocketOwner::Transport(index))?)),
            WebRtcTransportListen::Server { id, .. } => {
                let server = self.servers.get_mut(id).ok_or_else(|| RequestError::not_found("WebRtcServer", id))?;
                server.transports.insert(index);
                Ok((Some(*id), Vec::new()))
            }
        }
    }

    fn candidates(
        &self,
        listen: &WebRtcTransportListen,
        own: &[Listener],
        preference: candidates::Preference,
    ) -> Vec<IceCandidate> {
        use millrace_model::TransportProtocol::{Tcp, Udp};
        match listen {
            // Who lists own addresses has put the preferred one first.
            WebRtcTransportListen::Own(_) => candidates::of(own.iter(), candidates::Preference::default()),
            WebRtcTransportListen::Server { id, udp, tcp } => {
                let listeners = self.servers.get(id).into_iter().flat_map(|server| &server.listeners);
                let enabled = listeners.filter(|listener| match listener.protocol {
                    Udp => *udp,
                    Tcp => *tcp,
                });
                candidates::of(enabled, preference)
            }
        }
    }

    fn open_session(&mut self, router: usize, index: usize) -> SessionId {
        let setup = SessionSetup { ssrc: self.random.u32(), cname: self.random.cname() };
        // The caller looked the router up.
        let entry = &mut self.routers[router];
        let session = entry.core.add_session(setup);
        let slot = session.0 as usize;
        if entry.sessions.len() <= slot {
            entry.sessions.resize(slot + 1, usize::MAX);
        }
        entry.sessions[slot] = index;
        session
    }

    fn transport_reply(&self, entry: &TransportEntry) -> Value {
        json!({
            "iceRole": IceRole::Controlled,
            "iceParameters": ice_parameters(entry.core.ice_parameters()),
            "iceCandidates": entry.candidates,
            "iceState": entry.core.ice_state(),
            "dtlsParameters": self.dtls_parameters(DtlsRole::Auto),
            "dtlsState": dtls_state(entry.core.dtls_state()),
        })
    }

    /// Our DTLS parameters, for signalling.
    pub(super) fn dtls_parameters(&self, role: DtlsRole) -> DtlsParameters {
        let fingerprints = self.certificate.fingerprints().iter().map(DtlsFingerprint::from);
        DtlsParameters { role, fingerprints: fingerprints.collect() }
    }

    pub(super) fn connect_transport(
        &mut self,
        index: usize,
        options: WebRtcTransportConnectOptions,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let fingerprints = PeerFingerprints::new(options.dtls_parameters.to_checked()?)
            .map_err(|error| ModelError::invalid("dtlsParameters.fingerprints", error.to_string()))?;
        let remote_role = match options.dtls_parameters.role {
            DtlsRole::Auto => None,
            DtlsRole::Client => Some(Role::Client),
            DtlsRole::Server => Some(Role::Server),
        };
        let local = self.transports[index].core.connect(fingerprints, remote_role, now);
        let local = local.map_err(|error| RequestError::InvalidState(format!("transport.connect(): {error}")))?;
        self.after_transport(index, now);
        let role = if local == Role::Server { DtlsRole::Server } else { DtlsRole::Client };
        Ok(json!({ "dtlsLocalRole": role }))
    }

    pub(super) fn restart_ice(&mut self, index: usize, now: Instant) -> Result<Value, RequestError> {
        let credentials = self.random.ice_credentials();
        self.ufrags.insert(credentials.ufrag.clone().into_bytes(), index);
        let parameters = ice_parameters(&credentials);
        self.transports[index].core.restart_ice(credentials, now);
        self.after_transport(index, now);
        super::requests::json(parameters)
    }

    pub(super) fn limit_bitrate(
        &mut self,
        index: usize,
        change: impl FnOnce(&mut BitrateLimits) -> Result<(), ModelError>,
    ) -> Result<Value, RequestError> {
        change(&mut self.transports[index].limits)?;
        Ok(Value::Null)
    }

    pub(super) fn set_max_incoming_bitrate(
        &mut self,
        index: usize,
        bitrate: u64,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let entry = &mut self.transports[index];
        entry.limits.set_max_incoming(bitrate)?;
        let (router, session, max) = (entry.router, entry.session, entry.limits.max_incoming());
        self.with_router(router, now, |core, _| core.set_max_incoming_bitrate(session, max));
        Ok(Value::Null)
    }

    pub(super) fn trace_transport(
        &mut self,
        index: usize,
        types: Vec<TransportTraceEventType>,
    ) -> Result<Value, RequestError> {
        self.transports[index].traces = types;
        Ok(Value::Null)
    }

    /// Closes a transport with everything on it, and tells its peer.
    pub(super) fn close_transport(&mut self, index: usize, now: Instant) {
        let Some(entry) = self.transports.get_mut(index) else { return };
        entry.core.close(now);
        let (id, router, session, server) = (entry.id, entry.router, entry.session, entry.server);
        self.close_session(router, session);
        self.send_transmits(index);
        // The goodbye leaves before the sockets are closed.
        self.flush();
        let entry = self.transports.remove(index);
        self.counters.add(entry.core.counters());
        self.transport_ids.remove(&id);
        self.forget_ways_to(index, entry.core, now);
        self.close_listeners(&entry.listeners, SocketOwner::Transport(index), now);
        if let Some(server) = server.and_then(|id| self.servers.get_mut(&id)) {
            server.transports.remove(&index);
        }
        self.set_timer(TimerOwner::Transport(index), None);
        self.journal.debug(WorkerLogTag::Info, now, || format!("transport {id} closed"));
    }

    /// Forgets the paths and user names of a closed transport; its TCP connections end with it.
    fn forget_ways_to(&mut self, index: usize, mut core: WebRtcTransport, now: Instant) {
        self.ufrags.remove(core.ice_parameters().ufrag.as_bytes());
        while let Some(event) = core.poll_event() {
            match event {
                TransportEvent::Ice(IceEvent::TupleRemoved(tuple)) => self.remove_path(index, &tuple, now),
                TransportEvent::Ice(IceEvent::UfragRetired(ufrag)) => drop(self.ufrags.remove(ufrag.as_bytes())),
                TransportEvent::Ice(_) | TransportEvent::Dtls(_) => {}
            }
        }
    }

    pub(super) fn transport_timeout(&mut self, index: usize, now: Instant) {
        if let Some(entry) = self.transports.get_mut(index) {
            entry.core.handle_timeout(now);
            self.after_transport(index, now);
        }
    }

    /// Sends what a transport wants sent, tells what happened, sets its timer.
    pub(super) fn after_transport(&mut self, index: usize, now: Instant) {
        self.send_transmits(index);
        while let Some(event) = self.transports.get_mut(index).and_then(|entry| entry.core.poll_event()) {
            self.apply_transport_event(index, event, now);
        }
        let deadline = self.transports.get(index).and_then(|entry| entry.core.deadline());
        self.set_timer(TimerOwner::Transport(index), deadline);
    }

    fn send_transmits(&mut self, index: usize) {
        while let Some(Transmit { tuple, bytes }) =
            self.transports.get_mut(index).and_then(|entry| entry.core.poll_transmit())
        {
            let mut slots = self.sockets.slots(index, &mut self.counters);
            // What finds no slot is lost like a datagram on the way: STUN and DTLS repeat themselves.
            let Some(room) = slots.slot(&tuple).and_then(|slot| slot.get_mut(..bytes.len())) else { continue };
            room.copy_from_slice(&bytes);
            slots.commit(&tuple, bytes.len());
        }
    }

    fn apply_transport_event(&mut self, index: usize, event: TransportEvent, now: Instant) {
        let id = self.transports[index].id;
        match event {
            TransportEvent::Ice(IceEvent::State(state)) => {
                self.journal.debug(WorkerLogTag::Ice, now, || format!("transport {id}: ICE {state:?}"));
                self.tell_paced(id.uuid(), Told::IceState(state), now);
            }
            TransportEvent::Ice(IceEvent::SelectedTuple(tuple)) => {
                let shown = self.shown_tuple(index, &tuple);
                self.tell_paced(id.uuid(), Told::SelectedTuple(shown), now);
                // What waited for the socket of the path before would wait for it for ever.
                let slots = &mut self.sockets.slots(index, &mut self.counters);
                self.transports[index].core.flush_queue(now, slots);
            }
            TransportEvent::Ice(IceEvent::TupleAdded(tuple)) => {
                self.add_path(index, &tuple);
            }
            TransportEvent::Ice(IceEvent::TupleRemoved(tuple)) => {
                self.remove_path(index, &tuple, now);
            }
            TransportEvent::Ice(IceEvent::UfragRetired(ufrag)) => {
                self.ufrags.remove(ufrag.as_bytes());
            }
            TransportEvent::Dtls(state) => self.tell_dtls_state(index, &state, now),
        }
    }

    /// Gives a path to the transport whose peer validated it last.
    fn add_path(&mut self, index: usize, tuple: &Tuple) {
        self.sockets.leave_crowd(tuple.socket);
        let previous = self.paths.insert((tuple.socket, tuple.remote), index).filter(|previous| *previous != index);
        if let Some(entry) = previous.and_then(|previous| self.transports.get_mut(previous)) {
            entry.core.yield_tuple(tuple);
        }
    }

    /// Forgets a path. A TCP connection is of no use without it, and must not count against others.
    fn remove_path(&mut self, index: usize, tuple: &Tuple, now: Instant) {
        let path = (tuple.socket, tuple.remote);
        // Another transport may have taken the path over since.
        if self.paths.get(&path) != Some(&index) {
            return;
        }
        self.paths.remove(&path);
        if self.sockets.is_connection(tuple.socket) {
            self.close_connection(tuple.socket, now);
        }
    }

    fn tell_dtls_state(&mut self, index: usize, state: &millrace_transport::webrtc::DtlsState, now: Instant) {
        use millrace_transport::webrtc::DtlsState as State;
        let (id, router, session) = {
            let entry = &self.transports[index];
            (entry.id, entry.router, entry.session)
        };
        let data = match state {
            State::Connected { remote_certificate } => {
                json!({ "state": dtls_state(state), "remoteCert": remote_certificate })
            }
            _ => json!({ "state": dtls_state(state) }),
        };
        match state {
            State::Failed(error) => {
                self.journal.warn(WorkerLogTag::Dtls, now, || format!("transport {id}: DTLS failed: {error}"));
            }
            _ => {
                self.journal.debug(WorkerLogTag::Dtls, now, || format!("transport {id}: DTLS {:?}", dtls_state(state)))
            }
        }
        self.tell(id.uuid(), "dtlsstatechange", data);
        let is_connected = matches!(state, State::Connected { .. });
        self.with_router(router, now, |core, fanout| match is_connected {
            true => core.connect_session(session, now, fanout),
            false => core.disconnect_session(session, now, fanout),
        });
    }

    /// A tuple as applications see it.
    pub(super) fn shown_tuple(&self, index: usize, tuple: &Tuple) -> Option<TransportTuple> {
        let entry = self.transports.get(index)?;
        let server = entry.server.and_then(|id| self.servers.get(&id));
        let listeners = server.map_or(&entry.listeners, |server| &server.listeners);
        let local_ip = tuple.local_ip;
        let of_protocol = || listeners.iter().filter(|listener| listener.protocol == protocol(tuple.protocol));
        let listener = of_protocol()
            .find(|listener| listener.socket == tuple.socket)
            .or_else(|| of_protocol().find(|listener| Some(listener.local.ip()) == local_ip))
            .or_else(|| of_protocol().next())?;
        let internal = local_ip.unwrap_or(listener.local.ip()).to_string();
        Some(TransportTuple {
            local_ip: listener.announced.clone().unwrap_or_else(|| internal.clone()),
            local_address: listener.announced.clone().unwrap_or(internal),
            local_port: listener.local.port(),
            remote_ip: Some(tuple.remote.ip().to_string()),
            remote_port: Some(tuple.remote.port()),
            protocol: protocol(tuple.protocol),
        })
    }
}

/// Our ICE credentials as signalling carries them.
pub(super) fn ice_parameters(credentials: &IceCredentials) -> IceParameters {
    IceParameters {
        username_fragment: credentials.ufrag.clone(),
        password: credentials.password.clone(),
        ice_lite: Some(true),
    }
}

/// The DTLS state by its name in applications.
pub(super) fn dtls_state(state: &millrace_transport::webrtc::DtlsState) -> DtlsState {
    use millrace_transport::webrtc::DtlsState as State;
    match state {
        State::New => DtlsState::New,
        State::Connecting => DtlsState::Connecting,
        State::Connected { .. } => DtlsState::Connected,
        State::Failed(_) => DtlsState::Failed,
        State::Closed => DtlsState::Closed,
    }
}
