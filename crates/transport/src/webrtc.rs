//! A WebRTC transport: ICE-lite, DTLS, SRTP and the outgoing queue of one peer, put together.
//!
//! Datagrams and time go in; opened RTP and RTCP, events, datagrams to send and a deadline come out. Trust grows in one
//! order only: a valid ICE check lets DTLS of its tuple in, a handshake with the signalled certificate makes keys, a
//! packet sealed with them reaches the router. Whatever comes out of that order is counted and dropped.

mod association;
mod data;
mod path;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use millrace_model::{Counters, DtlsVersion, WallClock};
use millrace_packet::{DATAGRAM_BYTES_MAX, OutgoingStreamId, PacketMut, PacketRef, Rewrite};

use self::association::{Association, Outcome, Srtp};
use crate::congestion::{BitrateBounds, Congestion};
use crate::demux::DatagramKind;
use crate::dtls::{DtlsSettings, LocalCertificate, PeerFingerprints, Role};
use crate::ice::{IceCredentials, IceEvent, IceLite, IceState};
use crate::intake::{Intake, IntakeLimits};
use crate::outgoing::{OutgoingQueue, OutgoingStreamError, OutgoingStreamSpec, Outlet, SendSlots};
use crate::received::Received;
use crate::sctp::{SctpAssociation, SctpEvent, SctpSettings};
use crate::srtp::{SrtpError, SrtpInbound};
use crate::tuple::{SocketId, Transmit, Tuple};

pub use self::association::{DtlsState, EARLY_DATAGRAMS_MAX};

/// What a transport is made of.
#[derive(Clone, Debug)]
pub struct WebRtcConfig {
    /// Our ICE credentials.
    pub ice: IceCredentials,
    /// How long after its last valid check a peer is taken for gone (RFC 7675): 10 to 60 s; `None` for never.
    pub consent_timeout: Option<Duration>,
    /// The worker's DTLS certificate.
    pub certificate: LocalCertificate,
    /// The DTLS versions that are accepted and offered.
    pub dtls_version: DtlsVersion,
    /// Accepts `SRTP_AES128_CM_HMAC_SHA1_32` where the peer offers nothing better. Off unless the application asks.
    pub srtp_sha1_32: bool,
    /// How much the peer may send.
    pub intake: IntakeLimits,
    /// Gives outgoing abs-send-time extensions their time.
    pub wall_clock: WallClock,
    /// Carries data over SCTP, if there is something here.
    pub sctp: Option<SctpSettings>,
    /// What the path is taken to carry at first, at least and at most.
    pub bitrates: BitrateBounds,
}

/// What happened in a transport, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// Something about paths.
    Ice(IceEvent),
    /// The DTLS state changed.
    Dtls(DtlsState),
    /// Something about data.
    Data(SctpEvent),
}

/// Why `connect` was refused; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Misuse: the transport was connected before, or closed.
    #[error("the transport was connected or closed before")]
    NotNew,
    /// Limit: the DTLS client role and DTLS 1.3 need a certificate with an ECDSA key on P-256.
    #[error("the DTLS client role and DTLS 1.3 need a certificate with an ECDSA P-256 key")]
    Certificate,
}

/// One peer's transport. After each call drain [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event), then arm a timer for [`deadline`](Self::deadline).
pub struct WebRtcTransport {
    ice: IceLite,
    ice_parameters: IceCredentials,
    association: Association,
    /// There only while DTLS is connected.
    srtp: Option<Srtp>,
    intake: Intake,
    queue: OutgoingQueue,
    /// There once something is sent whose arrival the peer tells of.
    congestion: Option<Box<Congestion>>,
    bitrates: BitrateBounds,
    /// There only where the application wants data channels, which most transports have not.
    sctp: Option<Box<SctpAssociation>>,
    certificate: LocalCertificate,
    dtls_version: DtlsVersion,
    srtp_sha1_32: bool,
    transmits: VecDeque<Transmit>,
    events: VecDeque<TransportEvent>,
    counters: Counters,
}

impl WebRtcTransport {
    /// Makes a transport that waits for checks and for `connect`.
    pub fn new(config: WebRtcConfig, now: Instant) -> Self {
        Self {
            ice: IceLite::new(&config.ice, config.consent_timeout),
            ice_parameters: config.ice,
            association: Association::new(),
            srtp: None,
            intake: Intake::new(config.intake, now),
            queue: OutgoingQueue::new(config.wall_clock),
            congestion: None,
            bitrates: config.bitrates,
            sctp: config.sctp.map(|settings| Box::new(SctpAssociation::new(settings))),
            certificate: config.certificate,
            dtls_version: config.dtls_version,
            srtp_sha1_32: config.srtp_sha1_32,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Our current ICE credentials, for signalling.
    pub fn ice_parameters(&self) -> &IceCredentials {
        &self.ice_parameters
    }

    /// The ICE state.
    pub fn ice_state(&self) -> IceState {
        self.ice.state()
    }

    /// The DTLS state.
    pub fn dtls_state(&self) -> &DtlsState {
        self.association.state()
    }

    /// The path that media takes, while there is one.
    pub fn selected_tuple(&self) -> Option<&Tuple> {
        self.ice.selected_tuple()
    }

    /// Replaces the ICE credentials; media goes on over the old path meanwhile (RFC 8445 §9). The engine adds the new
    /// ufrag to its table and drops the old one at [`IceEvent::UfragRetired`].
    pub fn restart_ice(&mut self, credentials: IceCredentials, now: Instant) {
        self.ice.restart(&credentials, now);
        self.ice_parameters = credentials;
        self.settle(now);
    }

    /// Takes what signalling told of the peer and returns our DTLS role. `remote_role` is `None` for "auto", which
    /// makes us the server.
    ///
    /// # Errors
    /// [`ConnectError`]; nothing has changed then.
    pub fn connect(
        &mut self,
        fingerprints: PeerFingerprints,
        remote_role: Option<Role>,
        now: Instant,
    ) -> Result<Role, ConnectError> {
        let role = remote_role.map_or(Role::Server, Role::other);
        let settings = DtlsSettings {
            role,
            version: self.dtls_version,
            certificate: self.certificate.clone(),
            peer_fingerprints: fingerprints,
            srtp_sha1_32: self.srtp_sha1_32,
        };
        if !settings.has_usable_certificate() {
            return Err(ConnectError::Certificate);
        }
        if !self.association.set_up(settings) {
            return Err(ConnectError::NotNew);
        }
        self.settle(now);
        Ok(role)
    }

    /// Handles a datagram or TCP frame that came over `tuple`, and returns the media packet that was in it.
    pub fn handle_datagram(&mut self, tuple: &Tuple, packet: PacketMut, now: Instant) -> Option<Received> {
        let bytes = packet.bytes();
        self.counters.datagrams_received += 1;
        self.counters.datagram_bytes_received += bytes.len() as u64;
        let kind = if bytes.len() > DATAGRAM_BYTES_MAX { DatagramKind::Unknown } else { DatagramKind::of(bytes) };
        match kind {
            DatagramKind::Unknown => self.counters.datagrams_dropped_unknown += 1,
            DatagramKind::Stun => self.handle_stun(tuple, bytes, now),
            _ if !self.ice.is_validated(tuple) => self.counters.datagrams_dropped_unvalidated += 1,
            DatagramKind::Dtls => self.handle_dtls(bytes, now),
            // Before it costs a decryption and a fan-out.
            _ if !self.intake.has_room(now) => self.counters.srtp_packets_dropped_over_limit += 1,
            DatagramKind::Rtp => return self.open_rtp(packet),
            DatagramKind::Rtcp => return self.open_rtcp(packet),
        }
        None
    }

    /// Forgets the paths of a socket or TCP connection that closed.
    pub fn remove_socket(&mut self, socket: SocketId, now: Instant) {
        self.ice.remove_socket(socket, now);
        self.settle(now);
    }

    /// Gives up a path because another transport validated it since, until the peer's next valid check over it.
    pub fn yield_tuple(&mut self, tuple: &Tuple) {
        self.ice.yield_tuple(tuple);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` when nothing waits for time to pass.
    pub fn deadline(&self) -> Option<Instant> {
        let data = self.sctp.as_ref().and_then(|sctp| sctp.deadline());
        let own = [self.ice.deadline(), self.association.deadline(), data].into_iter().flatten().min();
        self.pace_deadline().into_iter().chain(own).min()
    }

    /// Does what is due: ends consent, repeats handshake flights.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.ice.handle_timeout(now, &mut self.counters);
        self.association.handle_timeout(now, &mut self.counters);
        self.look_at_path(now);
        if let Some(sctp) = self.sctp.as_mut().filter(|sctp| sctp.deadline().is_some_and(|deadline| deadline <= now)) {
            sctp.handle_timeout(now, &mut self.counters);
        }
        self.settle(now);
    }

    /// Takes the next STUN or DTLS datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.transmits.pop_front()?;
        self.counters.datagrams_sent += 1;
        self.counters.datagram_bytes_sent += transmit.bytes.len() as u64;
        Some(transmit)
    }

    /// Takes the next event.
    pub fn poll_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    /// Adds an outgoing stream.
    ///
    /// # Errors
    /// [`OutgoingStreamError`]; nothing has changed then.
    pub fn add_stream(&mut self, spec: OutgoingStreamSpec) -> Result<OutgoingStreamId, OutgoingStreamError> {
        if spec.is_reported() && self.congestion.is_none() {
            self.congestion = Some(Box::new(Congestion::new(self.bitrates)));
        }
        self.queue.add_stream(spec)
    }

    /// Tells whether an SSRC was ever sent: it cannot be given to a new stream.
    pub fn has_sent(&self, ssrc: u32) -> bool {
        self.queue.has_sent(ssrc)
    }

    /// Removes an outgoing stream and what waits of it. An unknown id changes nothing.
    pub fn remove_stream(&mut self, stream: OutgoingStreamId) {
        self.queue.remove_stream(stream);
    }

    /// Writes a packet as it would leave now, but in the clear, and returns its length; for captures.
    pub fn write_clear(
        &mut self,
        packet: &PacketRef,
        rewrite: &Rewrite,
        now: Instant,
        out: &mut [u8],
    ) -> Option<usize> {
        self.queue.write_clear(packet, rewrite, now, out)
    }

    /// Sends an RTP packet, sealed from the shared plaintext straight into a slot, or queues it while its socket is
    /// full. Without keys or a path it is dropped and counted.
    ///
    /// Tells whether [`deadline`](Self::deadline) has to be asked for again.
    pub fn send_rtp<S: SendSlots>(
        &mut self,
        packet: &PacketRef,
        rewrite: &Rewrite,
        now: Instant,
        slots: &mut S,
    ) -> bool {
        let was_empty = self.queue.is_empty();
        self.with_outlet(now, slots, |queue, outlet| queue.send_rtp(packet, rewrite, outlet));
        let waits = was_empty && !self.queue.is_empty();
        waits || self.congestion.as_ref().is_some_and(|congestion| congestion.is_restless())
    }

    /// Sends an RTCP compound packet, or queues it while its socket is full. Without keys or a path it is dropped and
    /// counted.
    pub fn send_rtcp<S: SendSlots>(&mut self, compound: &[u8], now: Instant, slots: &mut S) {
        self.with_outlet(now, slots, |queue, outlet| queue.send_rtcp(compound, outlet));
    }

    /// Sends what waited for its socket, which became writable.
    pub fn flush_queue<S: SendSlots>(&mut self, now: Instant, slots: &mut S) {
        if !self.queue.is_empty() {
            self.with_outlet(now, slots, |queue, outlet| queue.flush(outlet));
        }
    }

    /// Tells whether packets wait for `socket` to become writable.
    pub fn has_waiting(&self, socket: SocketId) -> bool {
        self.queue.is_blocked() && self.ice.selected_tuple().is_some_and(|selected| selected.socket == socket)
    }

    /// Says goodbye to the peer and closes for good. What is to be sent and told can still be polled.
    pub fn close(&mut self, now: Instant) {
        self.association.close(now, &mut self.counters);
        self.settle(now);
        self.ice.close();
        self.settle(now);
    }

    /// What was received, sent, dropped and refused so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn handle_stun(&mut self, tuple: &Tuple, bytes: &[u8], now: Instant) {
        let answer = self.ice.handle_datagram(tuple, bytes, now, &mut self.counters);
        self.transmits.extend(answer);
        self.settle(now);
    }

    fn handle_dtls(&mut self, bytes: &[u8], now: Instant) {
        self.association.handle_datagram(bytes, now, &mut self.counters);
        self.settle(now);
    }

    fn open_rtp(&mut self, packet: PacketMut) -> Option<Received> {
        let opened = self.open(packet, SrtpInbound::open_rtp)?;
        self.counters.rtp_packets_received += 1;
        self.counters.rtp_bytes_received += opened.bytes().len() as u64;
        Some(Received::Rtp(opened))
    }

    fn open_rtcp(&mut self, packet: PacketMut) -> Option<Received> {
        let opened = self.open(packet, SrtpInbound::open_rtcp)?;
        self.counters.rtcp_packets_received += 1;
        Some(Received::Rtcp(opened))
    }

    fn open(&mut self, mut packet: PacketMut, open: Open) -> Option<PacketMut> {
        let Some(srtp) = &mut self.srtp else {
            self.counters.srtp_packets_dropped_without_keys += 1;
            return None;
        };
        let len = packet.bytes().len();
        match open(&mut srtp.inbound, &mut packet) {
            Ok(()) => {
                self.intake.charge(len);
                Some(packet)
            }
            Err(error) => {
                error.count_received(&mut self.counters);
                None
            }
        }
    }

    fn with_outlet<S: SendSlots>(
        &mut self,
        now: Instant,
        slots: &mut S,
        call: impl FnOnce(&mut OutgoingQueue, &mut Outlet<'_, S, Option<Box<Congestion>>>),
    ) {
        let (Some(tuple), Some(srtp)) = (self.ice.selected_tuple(), &mut self.srtp) else {
            self.counters.outgoing_packets_refused += 1;
            return;
        };
        let (srtp, counters) = (Some(&mut srtp.outbound), &mut self.counters);
        call(&mut self.queue, &mut Outlet { tuple: *tuple, now, slots, srtp, log: &mut self.congestion, counters });
        if self.queue.is_exhausted() {
            // RFC 3711 §9.2: these keys must not seal another packet.
            self.association.close(now, &mut self.counters);
            self.settle(now);
        }
    }

    /// Brings the parts in line after any of them moved.
    fn settle(&mut self, now: Instant) {
        self.events.extend(std::iter::from_fn(|| self.ice.poll_event()).map(TransportEvent::Ice));
        let has_path = match self.association.waiting_role() {
            Some(Role::Server) => self.ice.selected_tuple().is_some(),
            // RFC 8445 §7.3.2: for a lite agent a pair is valid once it is nominated. Before that an address that merely
            // sent a check gets answers from us, but nothing on our own account.
            Some(Role::Client) => self.ice.state() == IceState::Completed,
            None => false,
        };
        if has_path {
            self.association.start(now, &mut self.counters);
        }
        self.apply_outcomes(now);
        self.send_data(now);
        // DTLS may have ended by what it was to seal.
        self.apply_outcomes(now);
        self.tell_data();
        while let Some(bytes) = self.association.poll_transmit() {
            // Without a path there is nobody to tell; the flight is repeated once there is one.
            let path = self.ice.selected_tuple();
            self.transmits.extend(path.map(|tuple| Transmit { tuple: *tuple, bytes }));
        }
    }

    fn apply_outcomes(&mut self, now: Instant) {
        while let Some(outcome) = self.association.poll_outcome() {
            self.apply(outcome, now);
        }
    }

    fn apply(&mut self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Data(packet) => self.take_data(packet, now),
            Outcome::Secured(srtp) => self.srtp = Some(srtp),
            Outcome::State(state) => {
                if !matches!(state, DtlsState::Connected { .. }) {
                    self.srtp = None;
                }
                self.data_follows(&state, now);
                self.events.push_back(TransportEvent::Dtls(state));
            }
        }
    }
}

/// [`SrtpInbound::open_rtp`] or [`SrtpInbound::open_rtcp`].
type Open = fn(&mut SrtpInbound, &mut PacketMut) -> Result<(), SrtpError>;

#[cfg(test)]
mod tests;
