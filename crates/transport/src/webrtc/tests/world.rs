//! A transport, a peer with a full ICE agent and a DTLS client, and the network between them.

use std::collections::HashMap;

use millrace_packet::{ExtensionPlan, PacketPool, Priority, RtpMeta};

use super::*;
use crate::dtls::tests::link::Client;
use crate::ice::{CandidatePair, ControllingConfig, IceControlling};
use crate::outgoing::{Repair, SLOT_BYTES_MIN};
use crate::srtp::{OutgoingIndex, SrtpProfile, testing};
use crate::tuple::Protocol;

/// How much the peer of a [`World`] may send.
pub(super) const INTAKE: IntakeLimits = IntakeLimits { packets_per_second: 10_000, bits_per_second: 100_000_000 };

pub(super) struct World {
    pub(super) transport: WebRtcTransport,
    pub(super) peer: Peer,
    pub(super) now: Instant,
    pub(super) received: Vec<Received>,
    pub(super) events: Vec<TransportEvent>,
    /// Datagrams of the transport, before the network could lose them.
    pub(super) sent: Vec<Transmit>,
    /// Ports of the peer that the network cut off.
    pub(super) cut_off: Vec<u16>,
    /// DTLS datagrams that the peer still reads.
    pub(super) reads_dtls: usize,
    pub(super) socket: Socket,
    pool: PacketPool,
}

impl World {
    /// A transport and a peer that know each other's ICE credentials, and nothing else yet.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let config = WebRtcConfig {
            ice: credentials("server"),
            consent_timeout: Some(Duration::from_secs(30)),
            certificate: LocalCertificate::generate().unwrap(),
            dtls_version: DtlsVersion::Dtls12,
            srtp_sha1_32: false,
            intake: INTAKE,
            wall_clock: WallClock::new(now, Duration::ZERO),
            sctp: None,
            bitrates: crate::congestion::BITRATES_DEFAULT,
        };
        Self {
            transport: WebRtcTransport::new(config, now),
            peer: Peer::new(now),
            now,
            received: Vec::new(),
            events: Vec::new(),
            sent: Vec::new(),
            cut_off: Vec::new(),
            reads_dtls: usize::MAX,
            socket: Socket::default(),
            pool: PacketPool::new(64),
        }
    }

    /// As [`new`](Self::new), with a peer that is the DTLS server.
    pub(super) fn with_server_peer() -> Self {
        let mut world = Self::new();
        world.peer.dtls = Client::server(world.now, 1);
        world.peer.role = Role::Server;
        world
    }

    /// As [`new`](Self::new), after ICE and DTLS completed over port 1.
    pub(super) fn connected() -> Self {
        let mut world = Self::new();
        world.connect();
        world.peer.add_pair(1, world.now);
        world.run_for(Duration::from_secs(5));
        assert!(matches!(world.transport.dtls_state(), DtlsState::Connected { .. }), "the handshake completes");
        world
    }

    pub(super) fn connect(&mut self) {
        let fingerprints = self.peer.dtls.fingerprints();
        let remote_role = (self.peer.role == Role::Server).then_some(Role::Server);
        assert_eq!(self.transport.connect(fingerprints, remote_role, self.now), Ok(self.peer.role.other()));
    }

    /// Gives the transport a datagram and drains it.
    pub(super) fn deliver(&mut self, tuple: &Tuple, bytes: &[u8]) {
        let mut packet = self.pool.take().unwrap();
        assert!(packet.fill(bytes));
        self.received.extend(self.transport.handle_datagram(tuple, packet, self.now));
        self.drain();
    }

    /// Lets time pass in steps of 10 ms.
    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.exchange();
            self.now += Duration::from_millis(10);
            if self.transport.deadline().is_some_and(|deadline| deadline <= self.now) {
                self.transport.handle_timeout(self.now);
            }
            self.peer.handle_timeout(self.now);
        }
        self.exchange();
    }

    /// Lets both ends answer each other until they have nothing to say.
    pub(super) fn exchange(&mut self) {
        self.peer.handle_timeout(self.now);
        self.drain();
        while let Some(transmit) = self.peer.poll_transmit() {
            if !self.cut_off.contains(&transmit.tuple.remote.port()) {
                self.deliver(&transmit.tuple, &transmit.bytes);
            }
        }
    }

    /// Takes what the transport says and sends, and brings it to the peer.
    pub(super) fn drain(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.transport.poll_event()));
        while let Some(transmit) = self.transport.poll_transmit() {
            self.sent.push(transmit.clone());
            if !self.cut_off.contains(&transmit.tuple.remote.port()) && self.is_read(&transmit.bytes) {
                self.peer.handle_datagram(&transmit, self.now);
            }
        }
    }

    fn is_read(&mut self, bytes: &[u8]) -> bool {
        if DatagramKind::of(bytes) != DatagramKind::Dtls {
            return true;
        }
        let is_read = self.reads_dtls > 0;
        self.reads_dtls = self.reads_dtls.saturating_sub(1);
        is_read
    }

    /// An outgoing stream and a packet for it.
    pub(super) fn outgoing(&mut self, ssrc: u32) -> (PacketRef, Rewrite) {
        let spec = OutgoingStreamSpec::new(ssrc, Repair::None, ExtensionPlan::default());
        let stream = self.transport.add_stream(spec).unwrap();
        let mut packet = self.pool.take().unwrap();
        assert!(packet.fill(&testing::rtp(1, 1, 100)));
        let meta = RtpMeta { payload_offset: 12, payload_len: 100, ..RtpMeta::default() };
        let rewrite = Rewrite {
            stream,
            payload_type: 96,
            marker: false,
            sequence: 7,
            timestamp: 90,
            original_sequence: None,
            picture: None,
            priority: Priority::Video,
        };
        (packet.freeze(meta), rewrite)
    }

    pub(super) fn send(&mut self, packet: &PacketRef, rewrite: &Rewrite) {
        self.transport.send_rtp(packet, rewrite, self.now, &mut self.socket);
        self.drain();
    }

    /// DTLS datagrams that the transport sent.
    pub(super) fn dtls_sent(&self) -> usize {
        self.sent.iter().filter(|transmit| DatagramKind::of(&transmit.bytes) == DatagramKind::Dtls).count()
    }

    /// The DTLS states that were reported, by name.
    pub(super) fn dtls_states(&self) -> Vec<&'static str> {
        let dtls = self.events.iter().filter_map(|event| match event {
            TransportEvent::Dtls(state) => Some(state),
            TransportEvent::Ice(_) | TransportEvent::Data(_) => None,
        });
        dtls.map(|state| match state {
            DtlsState::New => "new",
            DtlsState::Connecting => "connecting",
            DtlsState::Connected { .. } => "connected",
            DtlsState::Failed(_) => "failed",
            DtlsState::Closed => "closed",
        })
        .collect()
    }
}

/// Send slots of all sockets; what is committed stays.
#[derive(Default)]
pub(super) struct Socket {
    pub(super) is_full: bool,
    pub(super) committed: Vec<(Tuple, Vec<u8>)>,
    buffer: Vec<u8>,
}

impl SendSlots for Socket {
    fn slot(&mut self, _tuple: &Tuple) -> Option<&mut [u8]> {
        self.buffer.resize(SLOT_BYTES_MIN, 0);
        (!self.is_full).then_some(&mut self.buffer[..])
    }

    fn commit(&mut self, tuple: &Tuple, len: usize) {
        self.committed.push((*tuple, self.buffer[..len].to_vec()));
    }
}

/// A browser, as far as a transport can tell.
pub(super) struct Peer {
    pub(super) ice: IceControlling,
    pub(super) dtls: Client,
    role: Role,
    /// DTLS datagrams wait for a path, as a browser's do.
    hello_at_once: Option<Tuple>,
    indexes: HashMap<u32, OutgoingIndex>,
}

impl Peer {
    fn new(now: Instant) -> Self {
        let config = ControllingConfig { local: credentials("client"), remote: credentials("server"), tie_breaker: 1 };
        let mut count = 0_u64;
        let random = Box::new(move |bytes: &mut [u8]| {
            count += 1;
            bytes.iter_mut().zip(count.to_be_bytes().iter().cycle()).for_each(|(byte, value)| *byte = *value);
        });
        Self {
            ice: IceControlling::new(&config, random),
            dtls: Client::new(now, 1),
            role: Role::Client,
            hello_at_once: None,
            indexes: HashMap::new(),
        }
    }

    pub(super) fn add_pair(&mut self, port: u16, now: Instant) {
        let pair = CandidatePair { tuple: tuple(port), local_priority: u32::from(port), remote_priority: 1 };
        self.ice.add_pair(pair, now).unwrap();
    }

    /// Sends DTLS over `tuple` whatever ICE says.
    pub(super) fn ignore_ice(&mut self, tuple: Tuple) {
        self.hello_at_once = Some(tuple);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.ice.deadline().is_some_and(|deadline| deadline <= now) {
            self.ice.handle_timeout(now);
        }
        self.dtls.handle_timeout(now);
    }

    fn handle_datagram(&mut self, transmit: &Transmit, now: Instant) {
        match DatagramKind::of(&transmit.bytes) {
            DatagramKind::Stun => self.ice.handle_datagram(&transmit.tuple, &transmit.bytes, now),
            DatagramKind::Dtls => self.dtls.handle_datagram(&transmit.bytes, now),
            kind => panic!("{kind:?} off the media path"),
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        if let Some(transmit) = self.ice.poll_transmit() {
            return Some(transmit);
        }
        let tuple = self.hello_at_once.or(self.ice.selected_tuple().copied())?;
        Some(Transmit { tuple, bytes: self.dtls.poll_transmit()? })
    }

    /// Seals an RTP packet as this peer would.
    pub(super) fn seal_rtp(&mut self, ssrc: u32, sequence: u16) -> Vec<u8> {
        let index = self.indexes.entry(ssrc).or_default().claim(sequence).unwrap();
        testing::seal(&self.outbound(), index, &testing::rtp(ssrc, sequence, 50))
    }

    pub(super) fn seal_rtcp(&mut self, ssrc: u32) -> Vec<u8> {
        testing::seal_rtcp(&mut self.outbound(), &testing::rtcp(ssrc, 28))
    }

    pub(super) fn open_rtp(&mut self, bytes: &[u8]) -> Result<Vec<u8>, SrtpError> {
        let mut packet = testing::packet(bytes);
        let keys = self.keys();
        let master = if self.role == Role::Client { &keys.server } else { &keys.client };
        SrtpInbound::new(master).open_rtp(&mut packet)?;
        Ok(packet.bytes().to_vec())
    }

    fn outbound(&self) -> SrtpOutbound {
        let keys = self.keys();
        SrtpOutbound::new(if self.role == Role::Client { &keys.client } else { &keys.server })
    }

    pub(super) fn keys(&self) -> SrtpKeys<'_> {
        let material = self.dtls.keys.as_ref().expect("the handshake is complete");
        let profile = SrtpProfile::ALL.into_iter().find(|profile| profile.keying_material_len() == material.len());
        SrtpKeys::from_keying_material(profile.unwrap(), material).unwrap()
    }
}

pub(super) fn tuple(port: u16) -> Tuple {
    let remote = std::net::SocketAddr::new("192.0.2.1".parse().unwrap(), port);
    Tuple { socket: SocketId(1), protocol: Protocol::Udp, remote, local_ip: None }
}

pub(super) fn credentials(ufrag: &str) -> IceCredentials {
    IceCredentials { ufrag: ufrag.into(), password: format!("{ufrag} needs twenty-two characters") }
}
