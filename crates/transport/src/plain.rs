//! A plain transport: RTP and RTCP of one endpoint over UDP without ICE and DTLS, with SRTP where the application
//! exchanged keys by other means. Pipe transports are plain ones whose endpoint is a transport of another router.
//!
//! What vouches for a packet is its source address, and its SRTP tag where there are keys. With comedia the endpoint is
//! who sends the first packet that makes sense: with SRTP that is the first authentic one; **without SRTP it is anybody's
//! RTP or RTCP packet**, and nobody else is heard from then on. No other packet changes anything but counters.

mod data;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use millrace_model::{Counters, SrtpKey, WallClock};
use millrace_packet::rtcp::Compound;
use millrace_packet::{DATAGRAM_BYTES_MAX, ExtensionIds, OutgoingStreamId, PacketMut, PacketRef, Rewrite, RtpMeta};

use crate::demux::DatagramKind;
use crate::intake::{Intake, IntakeLimits};
use crate::outgoing::{OutgoingQueue, OutgoingStreamError, OutgoingStreamSpec, Outlet, SendSlots};
use crate::received::Received;
use crate::sctp::{SctpAssociation, SctpEvent, SctpSettings};
use crate::srtp::{MasterKey, SrtpError, SrtpInbound, SrtpOutbound};
use crate::tuple::{Protocol, SocketId, Tuple};

/// What a plain transport is made of.
#[derive(Clone, Debug)]
pub struct PlainConfig {
    /// The socket of RTP, and of RTCP where that has none of its own.
    pub socket: SocketId,
    /// The socket of RTCP, unless RTP and RTCP share one (RFC 5761).
    pub rtcp_socket: Option<SocketId>,
    /// Whether the endpoint's address is taken from its first packet.
    pub comedia: bool,
    /// What our packets are sealed with; `None` without SRTP.
    pub key: Option<SrtpKey>,
    /// How much the endpoint may send.
    pub intake: IntakeLimits,
    /// SSRCs of the endpoint that SRTP tracks during the life of the transport; packets of further ones are refused.
    pub sources_max: usize,
    /// Gives outgoing abs-send-time extensions their time.
    pub wall_clock: WallClock,
    /// Carries data over SCTP, if there is something here.
    pub sctp: Option<SctpSettings>,
}

/// Where the endpoint receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its address for RTP, and for RTCP where both share a port.
    pub rtp: SocketAddr,
    /// Its port for RTCP, where that has a socket of its own.
    pub rtcp_port: Option<u16>,
}

/// What happened in a plain transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlainEvent {
    /// The endpoint's address became known by its first packet.
    Tuple(Tuple),
    /// The endpoint's address for RTCP became known by its first RTCP packet.
    RtcpTuple(Tuple),
    /// Media can be sent.
    Connected,
    /// Something about data.
    Data(SctpEvent),
}

/// Why [`PlainTransport::connect`] was refused; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlainConnectError {
    /// Misuse: the transport was connected before.
    #[error("the transport was connected before")]
    NotNew,
    /// Misuse: SRTP keys for a transport without SRTP, or none for one with it.
    #[error("keys do not fit the transport")]
    Keys,
}

/// What is done to packets.
#[derive(Debug)]
enum Security {
    /// Nothing: the application wants no SRTP.
    None,
    /// The endpoint's key is not known, or ours has no number left: no packet passes.
    Keyless,
    Srtp(Box<Srtp>),
}

#[derive(Debug)]
struct Srtp {
    inbound: SrtpInbound,
    outbound: SrtpOutbound,
}

/// The transport of one endpoint. After each call drain [`poll_event`](Self::poll_event); with data, drain
/// [`poll_transmit`](Self::poll_transmit) and arm a timer for [`deadline`](Self::deadline) too.
#[derive(Debug)]
pub struct PlainTransport {
    socket: SocketId,
    rtcp_socket: Option<SocketId>,
    comedia: bool,
    was_connected: bool,
    key: Option<SrtpKey>,
    security: Security,
    tuple: Option<Tuple>,
    /// Where RTCP has a socket of its own.
    rtcp_tuple: Option<Tuple>,
    intake: Intake,
    sources_max: usize,
    queue: OutgoingQueue,
    /// What waits for the socket of RTCP, where that has one of its own.
    rtcp_queue: Option<Box<OutgoingQueue>>,
    /// There only where the application wants data.
    sctp: Option<Box<SctpAssociation>>,
    events: VecDeque<PlainEvent>,
    counters: Counters,
}

impl PlainTransport {
    /// Makes a transport that waits for [`connect`](Self::connect) or, with comedia, for the endpoint's first packet.
    pub fn new(config: PlainConfig, now: Instant) -> Self {
        let rtcp_queue = config.rtcp_socket.map(|_| Box::new(OutgoingQueue::new(config.wall_clock)));
        Self {
            socket: config.socket,
            rtcp_socket: config.rtcp_socket,
            comedia: config.comedia,
            was_connected: false,
            security: if config.key.is_some() { Security::Keyless } else { Security::None },
            key: config.key,
            tuple: None,
            rtcp_tuple: None,
            intake: Intake::new(config.intake, now),
            sources_max: config.sources_max,
            queue: OutgoingQueue::new(config.wall_clock),
            rtcp_queue,
            sctp: config.sctp.map(|settings| Box::new(SctpAssociation::new(settings))),
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Our key, for signalling; `None` without SRTP.
    pub fn key(&self) -> Option<&SrtpKey> {
        self.key.as_ref()
    }

    /// Whether the endpoint's address is taken from its first packet.
    pub fn comedia(&self) -> bool {
        self.comedia
    }

    /// The socket of RTP.
    pub fn socket(&self) -> SocketId {
        self.socket
    }

    /// The socket of RTCP, where it has one of its own.
    pub fn rtcp_socket(&self) -> Option<SocketId> {
        self.rtcp_socket
    }

    /// The path of RTP, once the endpoint is known.
    pub fn tuple(&self) -> Option<&Tuple> {
        self.tuple.as_ref()
    }

    /// The path of RTCP, where it has a socket of its own and the endpoint is known.
    pub fn rtcp_tuple(&self) -> Option<&Tuple> {
        self.rtcp_tuple.as_ref()
    }

    /// Takes what signalling told of the endpoint: its address, unless its first packet will tell it, and its SRTP key.
    /// `keys` are ours and the endpoint's; ours replaces the one that the transport was made with. Data begins with the
    /// next call of [`with_sctp`](Self::with_sctp).
    ///
    /// # Errors
    /// [`PlainConnectError`]; nothing has changed then.
    pub fn connect(
        &mut self,
        remote: Option<Remote>,
        keys: Option<(SrtpKey, SrtpKey)>,
    ) -> Result<(), PlainConnectError> {
        if self.was_connected {
            return Err(PlainConnectError::NotNew);
        }
        if keys.is_some() != self.key.is_some() {
            return Err(PlainConnectError::Keys);
        }
        if let Some((ours, theirs)) = keys {
            let Srtp { inbound, outbound } = srtp(&ours, &theirs).map_err(|_| PlainConnectError::Keys)?;
            let inbound = inbound.with_sources_max(self.sources_max);
            self.security = Security::Srtp(Box::new(Srtp { inbound, outbound }));
            self.key = Some(ours);
        }
        self.was_connected = true;
        if let Some(Remote { rtp, rtcp_port }) = remote.filter(|_| !self.comedia) {
            let path = |socket, remote| Tuple { socket, protocol: Protocol::Udp, remote, local_ip: None };
            self.tuple = Some(path(self.socket, rtp));
            let rtcp = self.rtcp_socket.zip(rtcp_port);
            self.rtcp_tuple = rtcp.map(|(socket, port)| path(socket, SocketAddr::new(rtp.ip(), port)));
            self.events.push_back(PlainEvent::Connected);
        }
        Ok(())
    }

    /// Handles a datagram that came over `tuple`, and returns the media packet that was in it.
    pub fn handle_datagram(&mut self, tuple: &Tuple, packet: PacketMut, now: Instant) -> Option<Received> {
        let bytes = packet.bytes();
        self.counters.datagrams_received += 1;
        self.counters.datagram_bytes_received += bytes.len() as u64;
        if self.is_data(bytes) && self.tuple.as_ref().is_some_and(|known| is_same(known, tuple)) {
            self.take_data(packet.bytes(), now);
            return None;
        }
        let is_rtcp = match DatagramKind::of(bytes) {
            _ if bytes.len() > DATAGRAM_BYTES_MAX => None,
            DatagramKind::Rtp => Some(false),
            DatagramKind::Rtcp => Some(true),
            DatagramKind::Stun | DatagramKind::Dtls | DatagramKind::Unknown => None,
        };
        let Some(is_rtcp) = is_rtcp else {
            self.counters.datagrams_dropped_unknown += 1;
            return None;
        };
        let is_first = match self.path(is_rtcp) {
            Some(known) if is_same(known, tuple) => false,
            None if self.comedia && tuple.socket == self.socket_of(is_rtcp) => true,
            _ => {
                self.counters.datagrams_dropped_unvalidated += 1;
                return None;
            }
        };
        // Before it costs a decryption and a fan-out.
        if !self.intake.has_room(now) {
            self.counters.srtp_packets_dropped_over_limit += 1;
            return None;
        }
        let packet = self.open(packet, is_rtcp, is_first)?;
        if is_first {
            self.learn(*tuple, is_rtcp);
            self.begin_data(now);
        }
        Some(self.count_media(packet, is_rtcp))
    }

    /// Adds an outgoing stream.
    ///
    /// # Errors
    /// [`OutgoingStreamError`]; nothing has changed then.
    pub fn add_stream(&mut self, spec: OutgoingStreamSpec) -> Result<OutgoingStreamId, OutgoingStreamError> {
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

    /// Sends an RTP packet, or queues it while its socket is full. Without an endpoint or its key it is dropped and
    /// counted.
    pub fn send_rtp<S: SendSlots>(&mut self, packet: &PacketRef, rewrite: &Rewrite, now: Instant, slots: &mut S) {
        self.with_outlet(false, now, slots, |queue, outlet| queue.send_rtp(packet, rewrite, outlet));
    }

    /// Sends an RTCP compound packet, or queues it while its socket is full. Without an endpoint or its key it is dropped
    /// and counted.
    pub fn send_rtcp<S: SendSlots>(&mut self, compound: &[u8], now: Instant, slots: &mut S) {
        self.with_outlet(true, now, slots, |queue, outlet| queue.send_rtcp(compound, outlet));
    }

    /// Sends what waited for its socket, which became writable.
    pub fn flush_queue<S: SendSlots>(&mut self, now: Instant, slots: &mut S) {
        for is_rtcp in [true, false] {
            if self.waits(is_rtcp) {
                self.with_outlet(is_rtcp, now, slots, |queue, outlet| queue.flush(outlet));
            }
        }
    }

    /// Tells whether packets wait for `socket` to become writable.
    pub fn has_waiting(&self, socket: SocketId) -> bool {
        [false, true].into_iter().any(|is_rtcp| self.socket_of(is_rtcp) == socket && self.waits(is_rtcp))
    }

    /// Tells whether there is an event to take.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Takes the next event.
    pub fn poll_event(&mut self) -> Option<PlainEvent> {
        self.events.pop_front()
    }

    /// What was received, sent, dropped and refused so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn socket_of(&self, is_rtcp: bool) -> SocketId {
        self.rtcp_socket.filter(|_| is_rtcp).unwrap_or(self.socket)
    }

    fn path(&self, is_rtcp: bool) -> Option<&Tuple> {
        if is_rtcp && self.rtcp_socket.is_some() { self.rtcp_tuple.as_ref() } else { self.tuple.as_ref() }
    }

    fn waits(&self, is_rtcp: bool) -> bool {
        let queue = self.rtcp_queue.as_deref().filter(|_| is_rtcp).unwrap_or(&self.queue);
        !queue.is_empty()
    }

    fn open(&mut self, mut packet: PacketMut, is_rtcp: bool, is_first: bool) -> Option<PacketMut> {
        let len = packet.bytes().len();
        let opened = match &mut self.security {
            Security::Srtp(srtp) if is_rtcp => srtp.inbound.open_rtcp(&mut packet),
            Security::Srtp(srtp) => srtp.inbound.open_rtp(&mut packet),
            Security::Keyless => {
                self.counters.srtp_packets_dropped_without_keys += 1;
                return None;
            }
            // What comes later is checked where it is read.
            Security::None if is_first && !makes_sense(packet.bytes(), is_rtcp) => Err(SrtpError::Malformed),
            Security::None => Ok(()),
        };
        match opened {
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

    /// The endpoint is who sent the first packet.
    fn learn(&mut self, tuple: Tuple, is_rtcp: bool) {
        if is_rtcp && self.rtcp_socket.is_some() {
            self.rtcp_tuple = Some(tuple);
            self.events.push_back(PlainEvent::RtcpTuple(tuple));
        } else {
            self.tuple = Some(tuple);
            self.events.extend([PlainEvent::Tuple(tuple), PlainEvent::Connected]);
        }
    }

    fn count_media(&mut self, packet: PacketMut, is_rtcp: bool) -> Received {
        if is_rtcp {
            self.counters.rtcp_packets_received += 1;
            return Received::Rtcp(packet);
        }
        self.counters.rtp_packets_received += 1;
        self.counters.rtp_bytes_received += packet.bytes().len() as u64;
        Received::Rtp(packet)
    }

    fn with_outlet<S: SendSlots>(
        &mut self,
        is_rtcp: bool,
        now: Instant,
        slots: &mut S,
        call: impl FnOnce(&mut OutgoingQueue, &mut Outlet<'_, S>),
    ) {
        let tuple = self.path(is_rtcp).copied();
        let srtp = match &mut self.security {
            Security::None => Some(None),
            Security::Srtp(srtp) => Some(Some(&mut srtp.outbound)),
            Security::Keyless => None,
        };
        let (Some(tuple), Some(srtp)) = (tuple, srtp) else {
            self.counters.outgoing_packets_refused += 1;
            return;
        };
        let queue = self.rtcp_queue.as_deref_mut().filter(|_| is_rtcp).unwrap_or(&mut self.queue);
        call(queue, &mut Outlet { tuple, now, slots, srtp, log: &mut (), counters: &mut self.counters });
        if queue.is_exhausted() {
            // RFC 3711 §9.2: these keys must not seal another packet.
            self.security = Security::Keyless;
        }
    }
}

/// Both halves of an SRTP association whose ends exchanged their keys.
fn srtp(ours: &SrtpKey, theirs: &SrtpKey) -> Result<Srtp, SrtpError> {
    let inbound = SrtpInbound::new(&master(theirs)?);
    let outbound = SrtpOutbound::new(&master(ours)?);
    Ok(Srtp { inbound, outbound })
}

fn master(key: &SrtpKey) -> Result<MasterKey<'_>, SrtpError> {
    let (bytes, salt) = key.parts();
    MasterKey::new(key.suite().into(), bytes, salt)
}

/// Tells whether a packet comes from the endpoint. Which of our addresses it asked may differ from packet to packet.
fn is_same(known: &Tuple, tuple: &Tuple) -> bool {
    known.remote == tuple.remote && known.socket == tuple.socket
}

fn makes_sense(bytes: &[u8], is_rtcp: bool) -> bool {
    if is_rtcp { Compound::parse(bytes).is_ok() } else { RtpMeta::parse(bytes, &ExtensionIds::default()).is_ok() }
}
