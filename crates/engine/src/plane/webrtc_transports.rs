//! WebRTC transports: made, connected, restarted; and what follows from what ICE and DTLS say.

use std::time::{Duration, Instant};

use millrace_model::{
    BitrateLimits, DtlsFingerprint, DtlsParameters, DtlsRole, DtlsState, IceCandidate, IceParameters, IceRole,
    ModelError, SctpLimits, TransportId, TransportProtocol, WebRtcServerId, WebRtcTransportConnectOptions,
    WebRtcTransportListen, WebRtcTransportSettings, WorkerLogTag,
};
use millrace_transport::WebRtcTransport;
use millrace_transport::dtls::{PeerFingerprints, Role};
use millrace_transport::ice::{IceCredentials, IceEvent};
use millrace_transport::webrtc::{ConnectError, TransportEvent, WebRtcConfig};
use serde_json::{Value, json};

use super::events::Told;
use super::listen::Listener;
use super::sockets::SocketOwner;
use super::transport_core::{TransportCore, WebRtcParts};
use super::transports::NewTransport;
use super::{Plane, candidates, path};
use crate::error::RequestError;
use crate::setup;

/// How long browsers have to begin the SCTP handshake before we do; they all begin as soon as DTLS is connected.
const WEBRTC_INITIATIVE: Duration = Duration::from_secs(1);

impl Plane {
    pub(super) fn create_webrtc_transport(
        &mut self,
        router: usize,
        id: TransportId,
        settings: WebRtcTransportSettings,
        data: SctpLimits,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let index = self.vacant_transport(id)?;
        let (server, listeners) = self.place(&settings.listen, index)?;
        let preference = candidates::Preference { udp: settings.prefer_udp, tcp: settings.prefer_tcp };
        let candidates = self.candidates(&settings.listen, &listeners, preference);
        let credentials = self.random.ice_credentials();
        self.ufrags.insert(credentials.ufrag.clone().into_bytes(), index);
        let initial_bitrate = settings.initial_available_outgoing_bitrate;
        let config = WebRtcConfig {
            ice: credentials,
            consent_timeout: settings.ice_consent_timeout,
            certificate: self.certificate.clone(),
            dtls_version: settings.dtls_version,
            srtp_sha1_32: false,
            intake: self.intake,
            wall_clock: self.clock,
            sctp: data.enabled.then(|| setup::sctp(&data, true, WEBRTC_INITIATIVE)),
            bitrates: path::bounds(initial_bitrate, &BitrateLimits::default()),
        };
        let parts = WebRtcParts { core: WebRtcTransport::new(config, now), server, candidates, initial_bitrate };
        let reply = self.webrtc_reply(&parts, &data);
        self.enter_transport(NewTransport { id, router, core: TransportCore::WebRtc(parts), listeners, data }, now);
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
            WebRtcTransportListen::Server { id, udp, tcp } => {
                let server = self.servers.get_mut(id).ok_or_else(|| RequestError::not_found("WebRtcServer", id))?;
                if !server.listeners.iter().any(|listener| is_enabled(listener, *udp, *tcp)) {
                    let reason = "the WebRtcServer listens on no protocol that is enabled";
                    return Err(ModelError::invalid("enableUdp", reason).into());
                }
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
        match listen {
            // Who lists own addresses has put the preferred one first.
            WebRtcTransportListen::Own(_) => candidates::of(own.iter(), candidates::Preference::default()),
            WebRtcTransportListen::Server { id, udp, tcp } => {
                let listeners = self.servers.get(id).into_iter().flat_map(|server| &server.listeners);
                let enabled = listeners.filter(|listener| is_enabled(listener, *udp, *tcp));
                candidates::of(enabled, preference)
            }
        }
    }

    fn webrtc_reply(&self, parts: &WebRtcParts, data: &SctpLimits) -> Value {
        json!({
            "sctpParameters": data.enabled.then(|| data.parameters(true)),
            "sctpState": parts.core.sctp().map(|sctp| sctp.state()),
            "iceRole": IceRole::Controlled,
            "iceParameters": ice_parameters(parts.core.ice_parameters()),
            "iceCandidates": parts.candidates,
            "iceState": parts.core.ice_state(),
            "dtlsParameters": self.dtls_parameters(DtlsRole::Auto),
            "dtlsState": dtls_state(parts.core.dtls_state()),
        })
    }

    /// Our DTLS parameters, for signalling.
    pub(super) fn dtls_parameters(&self, role: DtlsRole) -> DtlsParameters {
        let fingerprints = self.certificate.fingerprints().iter().map(DtlsFingerprint::from);
        DtlsParameters { role, fingerprints: fingerprints.collect() }
    }

    pub(super) fn connect_webrtc_transport(
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
        let local = self.webrtc_parts(index, "connect")?.core.connect(fingerprints, remote_role, now);
        let local = local.map_err(|error| match error {
            ConnectError::NotNew => RequestError::InvalidState(format!("transport.connect(): {error}")),
            ConnectError::Certificate => ModelError::unsupported("dtlsParameters.role", error.to_string()).into(),
        })?;
        self.after_transport(index, now);
        let role = if local == Role::Server { DtlsRole::Server } else { DtlsRole::Client };
        Ok(json!({ "dtlsLocalRole": role }))
    }

    pub(super) fn restart_ice(&mut self, index: usize, now: Instant) -> Result<Value, RequestError> {
        let credentials = self.random.ice_credentials();
        let (ufrag, parameters) = (credentials.ufrag.clone().into_bytes(), ice_parameters(&credentials));
        self.webrtc_parts(index, "restartIce")?.core.restart_ice(credentials, now);
        self.ufrags.insert(ufrag, index);
        self.after_transport(index, now);
        super::requests::json(parameters)
    }

    /// The WebRTC transport at `index`, for a method that only those have.
    fn webrtc_parts(&mut self, index: usize, method: &str) -> Result<&mut WebRtcParts, RequestError> {
        let parts = self.transports[index].core.webrtc_mut();
        parts.ok_or_else(|| RequestError::UnknownMethod(format!("transport.{method}")))
    }

    pub(super) fn apply_webrtc_event(&mut self, index: usize, event: TransportEvent, now: Instant) {
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
            TransportEvent::Data(event) => self.apply_data_event(index, event, now),
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

    /// Forgets the paths and user names of a closed transport; its TCP connections end with it.
    pub(super) fn forget_ways_to(&mut self, index: usize, mut parts: WebRtcParts, now: Instant) {
        self.ufrags.remove(parts.core.ice_parameters().ufrag.as_bytes());
        while let Some(event) = parts.core.poll_event() {
            match event {
                TransportEvent::Ice(IceEvent::TupleRemoved(tuple)) => self.remove_path(index, &tuple, now),
                TransportEvent::Ice(IceEvent::UfragRetired(ufrag)) => drop(self.ufrags.remove(ufrag.as_bytes())),
                TransportEvent::Ice(_) | TransportEvent::Dtls(_) | TransportEvent::Data(_) => {}
            }
        }
        if let Some(server) = parts.server.and_then(|id| self.servers.get_mut(&id)) {
            server.transports.remove(&index);
        }
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

/// Whether a transport that wants these protocols uses a socket of its server.
fn is_enabled(listener: &Listener, udp: bool, tcp: bool) -> bool {
    match listener.protocol {
        TransportProtocol::Udp => udp,
        TransportProtocol::Tcp => tcp,
    }
}
