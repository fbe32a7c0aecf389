//! A fake WebRTC peer without sockets: a full, controlling ICE agent, a DTLS client, SRTP. Tests drive it over a
//! [`Net`](crate::Net) with virtual time, or over real sockets.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use millrace_model::Fingerprint;
use millrace_packet::{DATAGRAM_BYTES_MAX, PacketPool};
use millrace_transport::dtls::{DtlsKeys, PeerFingerprints};
use millrace_transport::ice::{CandidatePair, ControllingConfig, IceControlling, IceCredentials, IceState};
use millrace_transport::srtp::{OutgoingIndex, SrtpInbound, SrtpKeys, SrtpOutbound};
use millrace_transport::{DatagramKind, Protocol, SocketId, SrtpProfile, Tuple};

use crate::dtls::DtlsClient;
use crate::net::{Datagram, Endpoint};

/// Priority of a peer's host candidate (RFC 8445 §5.1.2.1).
const HOST_PRIORITY: u32 = 126 << 24 | 65_535 << 8 | 255;
/// Room behind a packet for its SRTP or SRTCP trailer.
const TRAILER_BYTES_MAX: usize = 32;

/// What a peer is made of.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Decides credentials, transaction ids and the spread of repeats.
    pub seed: u64,
    /// The peer's own address. Over real sockets only its IP family matters.
    pub local: SocketAddr,
    /// SRTP profiles to offer, in this order; empty for those of a browser. A list needs a network without loss.
    pub srtp_profiles: Vec<SrtpProfile>,
}

/// What signalling tells a peer of the server's transport.
#[derive(Clone, Debug)]
pub struct ServerParameters {
    /// The transport's `iceParameters`.
    pub ice: IceCredentials,
    /// The transport's `iceCandidates`, best first.
    pub candidates: Vec<Candidate>,
    /// The transport's `dtlsParameters.fingerprints`.
    pub fingerprints: PeerFingerprints,
}

/// An address of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// IP address and port.
    pub address: SocketAddr,
    /// UDP or TCP (passive).
    pub protocol: Protocol,
}

impl Candidate {
    /// A UDP candidate.
    pub fn udp(address: SocketAddr) -> Self {
        Self { address, protocol: Protocol::Udp }
    }

    /// A TCP candidate. The connection must be open when the peer is told of it.
    pub fn tcp(address: SocketAddr) -> Self {
        Self { address, protocol: Protocol::Tcp }
    }
}

/// Where a datagram came from or goes to; TCP frames without their length (RFC 4571).
pub type Path = Candidate;

impl From<SocketAddr> for Path {
    fn from(address: SocketAddr) -> Self {
        Self::udp(address)
    }
}

/// Bytes to be sent to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerTransmit {
    /// Where to.
    pub path: Path,
    /// One datagram or TCP frame.
    pub bytes: Vec<u8>,
}

/// A packet of the server, decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedPacket {
    /// When it arrived.
    pub at: Instant,
    /// RTP packet or RTCP compound packet in the clear.
    pub bytes: Vec<u8>,
}

/// The peer. After each call drain [`poll_transmit`](Self::poll_transmit), then arm a timer for
/// [`deadline`](Self::deadline).
pub struct Peer {
    local: SocketAddr,
    random: fastrand::Rng,
    credentials: IceCredentials,
    ice: Option<IceControlling>,
    dtls: DtlsClient,
    srtp: Option<Srtp>,
    pool: PacketPool,
    transmits: VecDeque<PeerTransmit>,
    rtp: Vec<ReceivedPacket>,
    rtcp: Vec<ReceivedPacket>,
    undecryptable: u64,
}

struct Srtp {
    inbound: SrtpInbound,
    outbound: SrtpOutbound,
    indexes: HashMap<u32, OutgoingIndex>,
}

impl Peer {
    /// Makes a peer that does nothing before [`connect`](Self::connect).
    pub fn new(config: &PeerConfig, now: Instant) -> Self {
        let mut random = fastrand::Rng::with_seed(config.seed);
        let credentials = new_credentials(&mut random);
        let dtls = match &config.srtp_profiles[..] {
            [] => DtlsClient::new(now, config.seed),
            profiles => DtlsClient::offering(profiles, now),
        };
        Self {
            local: config.local,
            random,
            credentials,
            ice: None,
            dtls,
            srtp: None,
            pool: PacketPool::new(2),
            transmits: VecDeque::new(),
            rtp: Vec::new(),
            rtcp: Vec::new(),
            undecryptable: 0,
        }
    }

    /// The fingerprint to give to the server's transport (`connect`); our DTLS role is client.
    pub fn fingerprint(&self) -> Fingerprint {
        self.dtls.fingerprint()
    }

    /// Starts ICE; DTLS follows on the first path that works.
    pub fn connect(&mut self, server: ServerParameters, now: Instant) {
        self.dtls.expect_server(server.fingerprints);
        let config =
            ControllingConfig { local: self.credentials.clone(), remote: server.ice, tie_breaker: self.random.u64(..) };
        let mut random = self.random.fork();
        let mut ice = IceControlling::new(&config, Box::new(move |bytes| random.fill(bytes)));
        for (preference, candidate) in server.candidates.iter().enumerate() {
            let remote_priority = HOST_PRIORITY - preference as u32;
            let pair = CandidatePair { tuple: tuple_of(*candidate), local_priority: HOST_PRIORITY, remote_priority };
            // More candidates than an agent has room for are the test's own affair: the first ones count.
            let _ = ice.add_pair(pair, now);
        }
        self.ice = Some(ice);
        self.handle_timeout(now);
    }

    /// Starts ICE anew with credentials of our own and the server's new ones; media goes on meanwhile.
    pub fn restart_ice(&mut self, remote: &IceCredentials, now: Instant) {
        self.credentials = new_credentials(&mut self.random);
        if let Some(ice) = &mut self.ice {
            ice.restart(&self.credentials, remote, now);
        }
        self.handle_timeout(now);
    }

    /// Takes a datagram (`from` may be a plain address then) or a TCP frame of the server.
    pub fn handle_datagram(&mut self, now: Instant, from: impl Into<Path>, bytes: &[u8]) {
        let tuple = tuple_of(from.into());
        match DatagramKind::of(bytes) {
            DatagramKind::Stun => {
                if let Some(ice) = &mut self.ice {
                    ice.handle_datagram(&tuple, bytes, now);
                }
            }
            DatagramKind::Dtls => self.dtls.handle_datagram(bytes, now),
            DatagramKind::Rtp => self.open(now, bytes, false),
            DatagramKind::Rtcp => self.open(now, bytes, true),
            DatagramKind::Unknown => self.undecryptable += 1,
        }
        self.settle();
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(ice) = self.ice.as_mut().filter(|ice| ice.deadline().is_some_and(|due| due <= now)) {
            ice.handle_timeout(now);
        }
        if self.has_path() && self.dtls.deadline().is_some_and(|due| due <= now) {
            self.dtls.handle_timeout(now);
        }
        self.settle();
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn deadline(&self) -> Option<Instant> {
        let ice = self.ice.as_ref().and_then(IceControlling::deadline);
        let dtls = self.dtls.deadline().filter(|_| self.has_path());
        [ice, dtls].into_iter().flatten().min()
    }

    /// The next datagram or TCP frame to send.
    pub fn poll_transmit(&mut self) -> Option<PeerTransmit> {
        self.transmits.pop_front()
    }

    /// Seals an RTP packet and sends it. Returns false, and sends nothing, without keys or when this SSRC has used the
    /// sequence number before.
    pub fn send_rtp(&mut self, packet: &[u8]) -> bool {
        let (Some(path), Some(srtp)) = (self.path(), &mut self.srtp) else { return false };
        let sealed = srtp.seal_rtp(packet);
        self.transmits.extend(sealed.clone().map(|bytes| PeerTransmit { path, bytes }));
        sealed.is_some()
    }

    /// Seals an RTCP compound packet and sends it. Returns false, and sends nothing, without keys.
    pub fn send_rtcp(&mut self, compound: &[u8]) -> bool {
        let (Some(path), Some(srtp)) = (self.path(), &mut self.srtp) else { return false };
        let sealed = srtp.seal_rtcp(compound);
        self.transmits.extend(sealed.clone().map(|bytes| PeerTransmit { path, bytes }));
        sealed.is_some()
    }

    /// Sends bytes as they are on the selected path: for attacks.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let path = self.path();
        self.transmits.extend(path.map(|path| PeerTransmit { path, bytes: bytes.to_vec() }));
    }

    /// RTP packets received since the last call.
    pub fn take_rtp(&mut self) -> Vec<ReceivedPacket> {
        std::mem::take(&mut self.rtp)
    }

    /// RTCP compound packets received since the last call.
    pub fn take_rtcp(&mut self) -> Vec<ReceivedPacket> {
        std::mem::take(&mut self.rtcp)
    }

    /// Datagrams that were no protocol of ours, not authentic, or came before the keys.
    pub fn undecryptable(&self) -> u64 {
        self.undecryptable
    }

    /// The state of ICE.
    pub fn ice_state(&self) -> IceState {
        self.ice.as_ref().map_or(IceState::New, IceControlling::state)
    }

    /// The path in use.
    pub fn path(&self) -> Option<Path> {
        let tuple = self.ice.as_ref()?.selected_tuple()?;
        Some(Path { address: tuple.remote, protocol: tuple.protocol })
    }

    /// The negotiated SRTP profile, once media can flow.
    pub fn srtp_profile(&self) -> Option<SrtpProfile> {
        self.srtp.as_ref().map(|srtp| srtp.outbound.profile())
    }

    /// Tells whether media can flow.
    pub fn is_connected(&self) -> bool {
        self.srtp.is_some() && self.has_path()
    }

    /// Why DTLS failed, if it did.
    pub fn dtls_error(&self) -> Option<&str> {
        self.dtls.error()
    }

    /// Tells whether the server said goodbye by DTLS.
    pub fn is_closed(&self) -> bool {
        self.dtls.is_closed()
    }

    /// Says goodbye by DTLS.
    pub fn close(&mut self, now: Instant) {
        self.dtls.close(now);
        self.settle();
    }

    fn has_path(&self) -> bool {
        self.ice.as_ref().is_some_and(|ice| ice.selected_tuple().is_some())
    }

    fn settle(&mut self) {
        if let Some(ice) = &mut self.ice {
            while ice.poll_event().is_some() {}
            while let Some(transmit) = ice.poll_transmit() {
                let path = Path { address: transmit.tuple.remote, protocol: transmit.tuple.protocol };
                self.transmits.push_back(PeerTransmit { path, bytes: transmit.bytes });
            }
        }
        if let Some(path) = self.path() {
            while let Some(bytes) = self.dtls.poll_transmit() {
                self.transmits.push_back(PeerTransmit { path, bytes });
            }
        }
        if self.srtp.is_none() {
            self.srtp = self.dtls.keys().map(Srtp::new);
        }
    }

    fn open(&mut self, at: Instant, bytes: &[u8], is_rtcp: bool) {
        let opened = self.srtp.as_mut().and_then(|srtp| {
            let mut packet = self.pool.take()?;
            let result = match (packet.fill(bytes), is_rtcp) {
                (false, _) => return None,
                (true, false) => srtp.inbound.open_rtp(&mut packet),
                (true, true) => srtp.inbound.open_rtcp(&mut packet),
            };
            result.ok().map(|()| packet.bytes().to_vec())
        });
        match opened {
            Some(bytes) if is_rtcp => self.rtcp.push(ReceivedPacket { at, bytes }),
            Some(bytes) => self.rtp.push(ReceivedPacket { at, bytes }),
            None => self.undecryptable += 1,
        }
    }
}

impl Srtp {
    fn new(keys: &DtlsKeys) -> Self {
        let keys = SrtpKeys::from_keying_material(keys.profile, &keys.keying_material).expect("as much as exported");
        // We are the DTLS client.
        let (inbound, outbound) = (SrtpInbound::new(&keys.server), SrtpOutbound::new(&keys.client));
        Self { inbound, outbound, indexes: HashMap::new() }
    }

    fn seal_rtp(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let sequence = u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?);
        let ssrc = u32::from_be_bytes(packet.get(8..12)?.try_into().ok()?);
        let header_len = rtp_header_len(packet)?;
        let payload = packet.get(header_len..)?;
        let index = self.indexes.entry(ssrc).or_default().claim(sequence).ok()?;
        let mut slot = with_room(packet)?;
        let len = self.outbound.seal_rtp(index, &mut slot, header_len, payload).ok()?;
        slot.truncate(len);
        Some(slot)
    }

    fn seal_rtcp(&mut self, compound: &[u8]) -> Option<Vec<u8>> {
        let mut slot = with_room(compound)?;
        let len = self.outbound.seal_rtcp(&mut slot, compound.len()).ok()?;
        slot.truncate(len);
        Some(slot)
    }
}

impl Endpoint for Peer {
    fn has_address(&self, address: SocketAddr) -> bool {
        self.local == address
    }

    fn handle_datagram(&mut self, now: Instant, datagram: &Datagram) {
        Peer::handle_datagram(self, now, datagram.from, &datagram.bytes);
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        let transmit = Peer::poll_transmit(self)?;
        Some(Datagram { from: self.local, to: transmit.path.address, bytes: transmit.bytes })
    }

    fn deadline(&self) -> Option<Instant> {
        Peer::deadline(self)
    }

    fn handle_timeout(&mut self, now: Instant) {
        Peer::handle_timeout(self, now);
    }
}

/// Our side has one socket for each protocol.
fn tuple_of(path: Path) -> Tuple {
    let socket = SocketId(u32::from(path.protocol == Protocol::Tcp));
    Tuple { socket, protocol: path.protocol, remote: path.address, local_ip: None }
}

fn new_credentials(random: &mut fastrand::Rng) -> IceCredentials {
    let mut bytes = [0; IceCredentials::RANDOM_BYTES];
    random.fill(&mut bytes);
    IceCredentials::from_random(&bytes)
}

fn with_room(packet: &[u8]) -> Option<Vec<u8>> {
    let mut slot = packet.to_vec();
    slot.resize(packet.len() + TRAILER_BYTES_MAX, 0);
    (packet.len() <= DATAGRAM_BYTES_MAX).then_some(slot)
}

/// RFC 3550 §5.1, §5.3.1: fixed header, contributing sources, extension block.
fn rtp_header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let fixed = 12 + 4 * usize::from(first & 0x0f);
    if first & 0x10 == 0 {
        return Some(fixed);
    }
    let words = u16::from_be_bytes(packet.get(fixed + 2..fixed + 4)?.try_into().ok()?);
    Some(fixed + 4 + 4 * usize::from(words))
}

#[cfg(test)]
mod tests;
