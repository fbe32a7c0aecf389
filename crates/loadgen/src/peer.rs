//! A WebRTC peer on a socket of its own: ICE, DTLS, SRTP, and what it does with media.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use millrace_model::{DtlsParameters, IceCandidate, IceParameters};
use millrace_transport::dtls::PeerFingerprints;
use millrace_transport::ice::{CandidatePair, ControllingConfig, IceControlling, IceCredentials};
use millrace_transport::{DatagramKind, Protocol, SocketId, SrtpProfile, Tuple};
use serde_json::Value;

use crate::handshake::{Handshake, Identity};
use crate::publisher::{Publisher, Way};
use crate::socket::{Batch, DATAGRAM_BYTES, HEAD_BYTES, PeerSocket};
use crate::srtp::Srtp;
use crate::tally::Tally;
use crate::viewer::Viewer;

/// Priority of a host candidate (RFC 8445 §5.1.2.1).
const HOST_PRIORITY: u32 = 126 << 24 | 65_535 << 8 | 255;

/// One peer.
pub(crate) struct Peer {
    pub(crate) socket: PeerSocket,
    agent: Option<Agent>,
    pub(crate) srtp: Option<Srtp>,
    pub(crate) role: Role,
    /// The next transport-wide number of what it publishes.
    transport_sequence: u16,
}

/// What a peer does once it is connected.
pub(crate) enum Role {
    /// Nothing; what comes is counted by nobody.
    Bystander,
    /// Sends these streams, the layers of one camera.
    Publisher(Vec<Publisher>),
    Viewer(Box<Viewer>),
}

/// Time of a call: the clock's and the run's own.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    /// Nanoseconds since the run began.
    pub(crate) ns: u64,
}

/// What a peer needs of a server's transport.
pub(crate) struct Offer {
    ice: IceCredentials,
    address: SocketAddr,
    fingerprints: PeerFingerprints,
}

impl Offer {
    /// Reads the reply to `router.createWebRtcTransport`.
    ///
    /// # Errors
    /// When it is not such a reply.
    pub(crate) fn read(reply: &Value) -> io::Result<Self> {
        let part = |name: &str| reply.get(name).cloned().unwrap_or_default();
        let parameters: IceParameters = serde_json::from_value(part("iceParameters"))?;
        let candidates: Vec<IceCandidate> = serde_json::from_value(part("iceCandidates"))?;
        let dtls: DtlsParameters = serde_json::from_value(part("dtlsParameters"))?;
        let fingerprints = dtls.to_checked().map_err(io::Error::other)?;
        let candidate = candidates.first().ok_or_else(|| io::Error::other("the server has no candidate"))?;
        Ok(Self {
            ice: IceCredentials { ufrag: parameters.username_fragment, password: parameters.password },
            address: SocketAddr::new(candidate.ip.parse().map_err(io::Error::other)?, candidate.port),
            fingerprints: PeerFingerprints::new(fingerprints).map_err(io::Error::other)?,
        })
    }

    /// The server's user name fragment.
    pub(crate) fn ufrag(&self) -> &str {
        &self.ice.ufrag
    }
}

struct Agent {
    ice: IceControlling,
    handshake: Option<Box<Handshake>>,
    identity: Identity,
    server: PeerFingerprints,
    tuple: Tuple,
}

impl Peer {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { socket: PeerSocket::bind()?, agent: None, srtp: None, role: Role::Bystander, transport_sequence: 0 })
    }

    /// A peer that shares keys with a null server already.
    pub(crate) fn agreed(number: usize, server: SocketAddr) -> io::Result<Self> {
        let peer = Self::new()?;
        peer.socket.connect(server)?;
        Ok(Self { srtp: Srtp::agreed(number), ..peer })
    }

    /// Starts ICE with the one candidate of `offer`; DTLS follows.
    pub(crate) fn connect(&mut self, offer: Offer, identity: &Identity, seed: u64, now: Instant) -> io::Result<()> {
        self.socket.connect(offer.address)?;
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = [0; IceCredentials::RANDOM_BYTES];
        random.fill(&mut bytes);
        let local = IceCredentials::from_random(&bytes);
        let config = ControllingConfig { local, remote: offer.ice, tie_breaker: random.u64(..) };
        let mut ice = IceControlling::new(&config, Box::new(move |bytes| random.fill(bytes)));
        let tuple = Tuple { socket: SocketId(0), protocol: Protocol::Udp, remote: offer.address, local_ip: None };
        let pair = CandidatePair { tuple, local_priority: HOST_PRIORITY, remote_priority: HOST_PRIORITY };
        ice.add_pair(pair, now).map_err(io::Error::other)?;
        ice.handle_timeout(now);
        self.agent =
            Some(Agent { ice, handshake: None, identity: identity.clone(), server: offer.fingerprints, tuple });
        self.drive(now);
        Ok(())
    }

    /// Tells whether media can flow.
    pub(crate) fn is_connected(&self) -> bool {
        self.srtp.is_some()
    }

    /// The address of the server's transport.
    pub(crate) fn server(&self) -> Option<SocketAddr> {
        self.agent.as_ref().map(|agent| agent.tuple.remote)
    }

    /// The negotiated SRTP profile.
    pub(crate) fn profile(&self) -> Option<SrtpProfile> {
        self.srtp.as_ref().map(Srtp::profile)
    }

    /// Receives once what waits; tells how many datagrams came. `survives` decides which of them get lost on the way.
    pub(crate) fn receive(
        &mut self,
        moment: Moment,
        batch: &mut Batch,
        tally: &mut Tally,
        mut survives: impl FnMut(&[u8]) -> bool,
    ) -> usize {
        let is_whole = match &mut self.role {
            Role::Viewer(viewer) => viewer.wants_whole() || self.srtp.is_none(),
            _ => true,
        };
        let count = batch.receive(&self.socket, if is_whole { DATAGRAM_BYTES } else { HEAD_BYTES });
        // Answers use the batch as well, so RTCP waits until everything was looked at.
        let mut requests = Vec::new();
        for index in 0..count {
            if survives(batch.datagram(index)) {
                self.handle(batch.datagram(index), is_whole, moment, tally, &mut requests);
            }
        }
        for compound in requests {
            self.publisher_rtcp(&compound, batch);
        }
        count
    }

    /// Takes a whole datagram that the weather held back.
    pub(crate) fn deliver(&mut self, datagram: &[u8], moment: Moment, batch: &mut Batch, tally: &mut Tally) {
        let mut requests = Vec::new();
        self.handle(datagram, true, moment, tally, &mut requests);
        for compound in requests {
            self.publisher_rtcp(&compound, batch);
        }
    }

    fn handle(
        &mut self,
        datagram: &[u8],
        is_whole: bool,
        moment: Moment,
        tally: &mut Tally,
        requests: &mut Vec<Vec<u8>>,
    ) {
        match (DatagramKind::of(datagram), &mut self.role, &mut self.srtp) {
            (DatagramKind::Rtp, Role::Viewer(viewer), Some(srtp)) => {
                viewer.handle_rtp(datagram, is_whole, moment.ns, srtp, tally);
            }
            (DatagramKind::Rtcp, Role::Publisher(_), Some(srtp)) => {
                requests.extend(srtp.open_rtcp(datagram, <[u8]>::to_vec));
            }
            (DatagramKind::Stun | DatagramKind::Dtls, _, _) => self.handle_control(datagram, moment.now),
            _ => {}
        }
    }

    fn handle_control(&mut self, datagram: &[u8], now: Instant) {
        let Some(agent) = &mut self.agent else { return };
        match (DatagramKind::of(datagram), &mut agent.handshake) {
            (DatagramKind::Stun, _) => agent.ice.handle_datagram(&agent.tuple, datagram, now),
            (_, Some(handshake)) => handshake.handle_datagram(datagram, now),
            _ => {}
        }
        self.drive(now);
    }

    fn publisher_rtcp(&mut self, compound: &[u8], batch: &mut Batch) {
        self.with_streams(batch, |stream, way| stream.handle_rtcp(compound, way));
    }

    /// Sends the next burst of each stream of a publisher; tells how many packets the last one had.
    pub(crate) fn burst(&mut self, moment: Moment, batch: &mut Batch, mut survives: impl FnMut() -> bool) -> usize {
        let mut packets = 0;
        self.with_streams(batch, |stream, way| packets = stream.burst(moment.ns, way, &mut survives));
        packets
    }

    /// Lends each stream of a publisher its way out.
    fn with_streams(&mut self, batch: &mut Batch, mut work: impl FnMut(&mut Publisher, Way<'_>)) {
        let Role::Publisher(streams) = &mut self.role else { return };
        for stream in streams {
            let (srtp, transport_sequence) = (self.srtp.as_mut(), &mut self.transport_sequence);
            work(stream, Way { socket: &self.socket, srtp, transport_sequence, batch });
        }
    }

    /// Does what is due: checks, handshake repeats, requests and reports.
    pub(crate) fn upkeep(&mut self, moment: Moment, batch: &mut Batch) {
        self.drive_timers(moment.now);
        if let (Role::Viewer(viewer), Some(srtp), Some(_)) = (&mut self.role, &mut self.srtp, &self.agent) {
            viewer.report(moment.ns, &self.socket, srtp, batch);
        }
        self.with_streams(batch, |stream, way| stream.report(moment.ns, way));
    }

    fn drive_timers(&mut self, now: Instant) {
        let Some(agent) = &mut self.agent else { return };
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|due| due <= now);
        let mut moved = false;
        if is_due(agent.ice.deadline()) {
            agent.ice.handle_timeout(now);
            moved = true;
        }
        if let Some(handshake) = agent.handshake.as_mut().filter(|handshake| is_due(handshake.deadline())) {
            handshake.handle_timeout(now);
            moved = true;
        }
        if moved {
            self.drive(now);
        }
    }

    /// Sends what ICE and DTLS want sent and brings them on.
    fn drive(&mut self, now: Instant) {
        let Some(agent) = &mut self.agent else { return };
        while agent.ice.poll_event().is_some() {}
        while let Some(transmit) = agent.ice.poll_transmit() {
            self.socket.send(&transmit.bytes);
        }
        if agent.ice.selected_tuple().is_none() {
            return;
        }
        if agent.handshake.is_none() && self.srtp.is_none() {
            agent.handshake = Some(Box::new(Handshake::start(&agent.identity, agent.server.clone(), now)));
        }
        let Some(handshake) = &mut agent.handshake else { return };
        while let Some(bytes) = handshake.poll_transmit() {
            self.socket.send(&bytes);
        }
        if let Some(srtp) = handshake.keys().and_then(Srtp::from_handshake) {
            self.srtp = Some(srtp);
            // Its memory is worth more than a repeat of its last flight.
            agent.handshake = None;
        }
    }
}
