//! The DTLS association of one transport, from before the peer's fingerprints are known to its end.

use std::collections::VecDeque;
use std::time::Instant;

use arrayvec::ArrayVec;
use millrace_model::Counters;

use crate::dtls::{self, DtlsEngine, DtlsError, DtlsEvent, DtlsKeys, DtlsSettings, Role, certificate_pem};
use crate::srtp::{SrtpError, SrtpInbound, SrtpKeys, SrtpOutbound};

/// Datagrams kept while a peer is ahead of signalling: its ClientHello can come before `connect`.
///
/// Four hold a ClientHello in two datagrams and its first repetition. Further ones are dropped and counted; the peer
/// repeats them.
pub const EARLY_DATAGRAMS_MAX: usize = 4;

/// How far DTLS is. The names are mediasoup's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DtlsState {
    /// The peer's fingerprints are unknown, or ICE found no path yet.
    #[default]
    New,
    /// The handshake runs.
    Connecting,
    /// The peer proved to be who signalling said; SRTP has keys.
    Connected {
        /// The peer's certificate in PEM.
        remote_certificate: String,
    },
    /// The handshake or the association failed. There are no keys.
    Failed(DtlsError),
    /// The peer said goodbye, or we did. There are no keys.
    Closed,
}

/// What the transport has to do after a call.
#[derive(Debug)]
pub(super) enum Outcome {
    /// SRTP starts.
    Secured(Srtp),
    /// The state changed to this.
    State(DtlsState),
    /// The peer sent application data.
    Data(Vec<u8>),
}

/// One association. After each call drain [`poll_transmit`](Self::poll_transmit) and
/// [`poll_outcome`](Self::poll_outcome).
pub(super) struct Association {
    stage: Stage,
    state: DtlsState,
    early: ArrayVec<Vec<u8>, EARLY_DATAGRAMS_MAX>,
    transmits: VecDeque<Vec<u8>>,
    outcomes: VecDeque<Outcome>,
}

enum Stage {
    /// Who the peer must prove to be is not known yet.
    Unknown,
    /// All is known but a path: nothing is set up for an address that ICE did not validate.
    Pathless(Box<DtlsSettings>),
    Running(Box<dyn DtlsEngine>, Role),
    Over,
}

impl Association {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Unknown,
            state: DtlsState::New,
            early: ArrayVec::new(),
            transmits: VecDeque::new(),
            outcomes: VecDeque::new(),
        }
    }

    pub(super) fn state(&self) -> &DtlsState {
        &self.state
    }

    /// Takes what signalling told. Returns false, and changes nothing, when that came before or DTLS is over.
    pub(super) fn set_up(&mut self, settings: DtlsSettings) -> bool {
        let is_unknown = matches!(self.stage, Stage::Unknown);
        if is_unknown {
            self.stage = Stage::Pathless(Box::new(settings));
        }
        is_unknown
    }

    /// Our role, if nothing but a path is missing to [`start`](Self::start).
    pub(super) fn waiting_role(&self) -> Option<Role> {
        if let Stage::Pathless(settings) = &self.stage { Some(settings.role) } else { None }
    }

    /// There is a path: starts the engine, unless it runs or signalling did not tell enough yet.
    pub(super) fn start(&mut self, now: Instant, counters: &mut Counters) {
        let Stage::Pathless(settings) = &self.stage else { return };
        let role = settings.role;
        match dtls::engine(settings.as_ref().clone(), now) {
            Ok(engine) => self.stage = Stage::Running(engine, role),
            Err(error) => return self.end(DtlsState::Failed(error)),
        }
        self.set_state(DtlsState::Connecting);
        // A client's first flight.
        self.step(counters, |engine| engine.handle_timeout(now));
        for datagram in std::mem::take(&mut self.early) {
            match role {
                Role::Server => self.handle_datagram(&datagram, now, counters),
                // No answer to a hello that had not been sent.
                Role::Client => counters.dtls_datagrams_dropped += 1,
            }
        }
    }

    /// Takes a datagram of a tuple that ICE validated.
    pub(super) fn handle_datagram(&mut self, bytes: &[u8], now: Instant, counters: &mut Counters) {
        match &mut self.stage {
            Stage::Unknown if !self.early.is_full() => self.early.push(bytes.to_vec()),
            Stage::Running(..) => self.step(counters, |engine| engine.handle_datagram(bytes, now)),
            Stage::Unknown | Stage::Pathless(_) | Stage::Over => counters.dtls_datagrams_dropped += 1,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, counters: &mut Counters) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.step(counters, |engine| engine.handle_timeout(now));
        }
    }

    /// Sends application data, once the peer has proved who it is.
    pub(super) fn send_data(&mut self, data: &[u8], now: Instant, counters: &mut Counters) {
        self.step(counters, |engine| engine.send_data(data, now));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        if let Stage::Running(engine, _) = &self.stage { engine.deadline() } else { None }
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    pub(super) fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// Says goodbye, if there is anybody to say it to, and ends.
    pub(super) fn close(&mut self, now: Instant, counters: &mut Counters) {
        self.step(counters, |engine| {
            engine.close(now);
            Ok(())
        });
        if !matches!(self.stage, Stage::Over) {
            self.end(DtlsState::Closed);
        }
    }

    /// Runs the engine and takes over whatever it made of it: an alert must go out even after a failure.
    fn step(&mut self, counters: &mut Counters, call: impl FnOnce(&mut dyn DtlsEngine) -> Result<(), DtlsError>) {
        let Stage::Running(engine, role) = &mut self.stage else { return };
        let role = *role;
        let result = call(engine.as_mut());
        engine.drain_counters(counters);
        self.transmits.extend(std::iter::from_fn(|| engine.poll_transmit()));
        let events: Vec<DtlsEvent> = std::iter::from_fn(|| engine.poll_event()).collect();
        for event in events {
            self.take(event, role);
        }
        if let Err(error) = result {
            self.end(DtlsState::Failed(error));
        }
    }

    fn take(&mut self, event: DtlsEvent, role: Role) {
        match event {
            DtlsEvent::Connected { keys, remote_certificate } => match Srtp::new(&keys, role) {
                Ok(srtp) => {
                    self.outcomes.push_back(Outcome::Secured(srtp));
                    self.set_state(DtlsState::Connected { remote_certificate: certificate_pem(&remote_certificate) });
                }
                Err(_) => self.end(DtlsState::Failed(DtlsError::EngineFailed)),
            },
            DtlsEvent::Closed => self.end(DtlsState::Closed),
            DtlsEvent::ApplicationData(data) => self.outcomes.push_back(Outcome::Data(data)),
        }
    }

    fn end(&mut self, state: DtlsState) {
        self.stage = Stage::Over;
        self.set_state(state);
    }

    fn set_state(&mut self, state: DtlsState) {
        self.state = state.clone();
        self.outcomes.push_back(Outcome::State(state));
    }
}

/// Both halves of the SRTP association.
#[derive(Debug)]
pub(super) struct Srtp {
    pub(super) inbound: SrtpInbound,
    pub(super) outbound: SrtpOutbound,
}

impl Srtp {
    /// `role` is ours.
    fn new(keys: &DtlsKeys, role: Role) -> Result<Self, SrtpError> {
        let keys = SrtpKeys::from_keying_material(keys.profile, &keys.keying_material)?;
        let (remote, local) = match role {
            Role::Server => (&keys.client, &keys.server),
            Role::Client => (&keys.server, &keys.client),
        };
        Ok(Self { inbound: SrtpInbound::new(remote), outbound: SrtpOutbound::new(local) })
    }
}
