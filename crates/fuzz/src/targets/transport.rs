//! A whole WebRTC transport as a target: strangers' datagrams, a peer's mutilated handshake, packets sealed by a peer.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use millrace_model::WallClock;
use millrace_packet::PacketPool;
use millrace_testkit::{Candidate, Peer, PeerConfig, PeerTransmit, ServerParameters};
use millrace_transport::IntakeLimits;
use millrace_transport::dtls::{LocalCertificate, PeerFingerprints};
use millrace_transport::ice::IceCredentials;
use millrace_transport::stun::{Class, IntegrityKey, Writer};
use millrace_transport::webrtc::DtlsState;
use millrace_transport::{
    Protocol, Received, SocketId, SrtpProfile, TransportEvent, Tuple, WebRtcConfig, WebRtcTransport,
};

use crate::script::Script;

/// Port of the honest peer; strangers have those below.
const PEER_PORT: u16 = 9;
/// Rounds of datagrams to and fro that a handshake takes at most.
const ROUNDS_MAX: usize = 12;
/// Datagrams that one datagram may be answered with: the longest flight, and repeats of it.
const ANSWERS_MAX: usize = 32;
/// Calls that a transport may want in one step of time.
const TIMEOUTS_MAX: usize = 64;

/// Runs `data` as the life of a transport.
///
/// A stranger without the ICE password gets not one byte; what is not sealed with the peer's keys never comes out; what is
/// comes out as it went in, once; nothing a stranger sends ends a connection; time passes without a busy loop.
///
/// # Panics
/// When one of these does not hold.
pub fn transport(data: &[u8]) {
    let mut script = Script(data);
    let Some(first) = script.byte() else { return };
    let mut life = Life::new();
    if first & 1 != 0 {
        life.connect();
        life.exchange();
        life.exchange();
        assert!(life.is_connected(), "the handshake completes");
        life.must_stay = true;
    }
    while life.step(&mut script).is_some() {}
}

struct Life {
    transport: WebRtcTransport,
    peer: Peer,
    pool: PacketPool,
    now: Instant,
    /// Strangers' ports that sent a check with the right password.
    trusted: Vec<u16>,
    /// Nothing but honest datagrams and a stranger's came since the connection was there.
    must_stay: bool,
    restarts: u8,
}

impl Life {
    fn new() -> Self {
        let now = Instant::now();
        let config = WebRtcConfig {
            ice: credentials(0),
            consent_timeout: Some(Duration::from_secs(30)),
            certificate: certificate().clone(),
            dtls_version: millrace_model::DtlsVersion::Dtls12,
            srtp_sha1_32: false,
            // So little that scripts reach it.
            intake: IntakeLimits { packets_per_second: 1_000, bits_per_second: 1_000_000 },
            wall_clock: WallClock::new(now, Duration::ZERO),
            sctp: None,
            bitrates: millrace_transport::congestion::BITRATES_DEFAULT,
        };
        let local = address(PEER_PORT);
        let mut peer = Peer::new(&PeerConfig { seed: 1, local, srtp_profiles: vec![SrtpProfile::AeadAes128Gcm] }, now);
        let server = ServerParameters {
            ice: credentials(0),
            candidates: vec![Candidate::udp(address(1))],
            fingerprints: PeerFingerprints::new(certificate().fingerprints().to_vec()).expect("there is one"),
        };
        peer.connect(server, now);
        let transport = WebRtcTransport::new(config, now);
        let pool = PacketPool::new(8);
        Self { transport, peer, pool, now, trusted: Vec::new(), must_stay: false, restarts: 0 }
    }

    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        let step = script.byte()?;
        let port = u16::from(step >> 5) + 1;
        match step & 7 {
            0 | 1 => self.stranger(port, script.chunk()?),
            2 => self.sealed(script.chunk()?, Peer::send_rtp),
            3 => self.sealed(script.chunk()?, Peer::send_rtcp),
            4 => self.exchange(),
            5 => self.mutilated(script)?,
            6 => self.pass(Duration::from_millis(u64::from(script.u16()?) / 4)),
            _ => self.change(port, script.byte()?),
        }
        if self.must_stay {
            assert!(self.is_connected(), "a stranger ended the connection");
        }
        Some(())
    }

    fn is_connected(&self) -> bool {
        matches!(self.transport.dtls_state(), DtlsState::Connected { .. })
    }

    fn connect(&mut self) {
        let fingerprints = PeerFingerprints::new(vec![self.peer.fingerprint()]).expect("there is one");
        // Once only; later calls are refused.
        let _ = self.transport.connect(fingerprints, None, self.now);
    }

    /// Gives the transport a datagram; what it answers is returned.
    fn deliver(&mut self, port: u16, bytes: &[u8]) -> (Option<Received>, Vec<(Tuple, Vec<u8>)>) {
        let mut packet = self.pool.take().expect("no packet is kept");
        if !packet.fill(bytes) {
            return (None, Vec::new());
        }
        let before = self.transport.counters().datagrams_received;
        let received = self.transport.handle_datagram(&tuple(port), packet, self.now);
        assert_eq!(self.transport.counters().datagrams_received, before + 1);
        (received, self.drain())
    }

    fn drain(&mut self) -> Vec<(Tuple, Vec<u8>)> {
        while let Some(event) = self.transport.poll_event() {
            if matches!(event, TransportEvent::Dtls(DtlsState::Failed(_) | DtlsState::Closed)) {
                assert!(!self.must_stay, "a stranger ended the connection: {event:?}");
            }
        }
        let sent = std::iter::from_fn(|| self.transport.poll_transmit());
        let sent: Vec<_> = sent.map(|transmit| (transmit.tuple, transmit.bytes)).collect();
        assert!(sent.len() <= ANSWERS_MAX, "{} datagrams at once", sent.len());
        sent
    }

    /// A datagram of somebody who does not know the keys, from an address of their own or the peer's.
    fn stranger(&mut self, port: u16, bytes: &[u8]) {
        let port = if port == 8 { PEER_PORT } else { port };
        let (received, sent) = self.deliver(port, bytes);
        assert!(received.is_none(), "what nobody sealed came out");
        // DTLS from where a valid check came is answered; it can be a handshake.
        if port != PEER_PORT && !self.trusted.contains(&port) {
            assert_eq!(sent, [], "a stranger is answered");
        }
        self.answer(sent);
    }

    /// A packet that the peer seals, whatever is in it: it comes out as it went in, and not a second time.
    fn sealed(&mut self, plain: &[u8], send: fn(&mut Peer, &[u8]) -> bool) {
        while let Some(transmit) = self.peer.poll_transmit() {
            self.honest(&transmit);
        }
        if !send(&mut self.peer, plain) {
            return;
        }
        let Some(PeerTransmit { bytes, .. }) = self.peer.poll_transmit() else { return };
        let (received, _) = self.deliver(PEER_PORT, &bytes);
        if let Some(Received::Rtp(packet) | Received::Rtcp(packet)) = received {
            assert_eq!(packet.bytes(), plain);
        }
        let (again, _) = self.deliver(PEER_PORT, &bytes);
        assert!(again.is_none(), "a replayed packet came out");
    }

    /// One datagram of the peer with one byte changed, and then perhaps as it was.
    fn mutilated(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (at, change, then) = (usize::from(script.u16()?), script.byte()?, script.byte()?);
        let Some(transmit) = self.peer.poll_transmit() else { return Some(()) };
        let mut bytes = transmit.bytes.clone();
        if bytes.is_empty() {
            return Some(());
        }
        let at = at % bytes.len();
        bytes[at] ^= change;
        if then & 2 != 0 {
            bytes.truncate(at);
        }
        let (_, sent) = self.deliver(PEER_PORT, &bytes);
        self.answer(sent);
        if then & 1 != 0 {
            self.honest(&transmit);
        }
        Some(())
    }

    fn honest(&mut self, transmit: &PeerTransmit) {
        let (_, sent) = self.deliver(PEER_PORT, &transmit.bytes);
        self.answer(sent);
    }

    /// Brings the peer what is for it.
    fn answer(&mut self, sent: Vec<(Tuple, Vec<u8>)>) {
        for (_, bytes) in sent.into_iter().filter(|(tuple, _)| tuple.remote == address(PEER_PORT)) {
            self.peer.handle_datagram(self.now, address(1), &bytes);
        }
    }

    fn exchange(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.peer.handle_timeout(self.now);
            let sent = self.drain();
            self.answer(sent);
            while let Some(transmit) = self.peer.poll_transmit() {
                self.honest(&transmit);
            }
            self.now += Duration::from_millis(5);
        }
    }

    fn pass(&mut self, time: Duration) {
        // Consent ends after 30 s without checks, which is not a stranger's doing; DTLS does not end with it.
        let end = self.now + time;
        let mut calls = 0;
        while let Some(deadline) = self.transport.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.transport.handle_timeout(self.now);
            self.peer.handle_timeout(self.now);
            let sent = self.drain();
            self.answer(sent);
            calls += 1;
            assert!(calls <= TIMEOUTS_MAX, "a busy loop of timeouts");
        }
        self.now = end;
    }

    /// What the application and a peer on other addresses do.
    fn change(&mut self, port: u16, what: u8) {
        match what & 7 {
            0 | 1 => self.connect(),
            2 => {
                self.restarts += u8::from(self.restarts < 8);
                self.transport.restart_ice(credentials(self.restarts), self.now);
            }
            3 => {
                self.must_stay = false;
                self.transport.close(self.now);
            }
            4 => self.transport.remove_socket(SocketId(port.into()), self.now),
            5 => self.transport.yield_tuple(&tuple(port)),
            _ => self.check(port, what),
        }
        let sent = self.drain();
        self.answer(sent);
    }

    /// A check with the right password from one of the strangers' addresses: they are the peer's as well from here on.
    fn check(&mut self, port: u16, what: u8) {
        self.trusted.push(port);
        let credentials = credentials(self.restarts);
        let writer = Writer::new(Class::Request, [what; 12])
            .username(&format!("{}:peer", credentials.ufrag))
            .priority(1)
            .ice_controlling(2);
        let writer = if what & 8 != 0 { writer.use_candidate() } else { writer };
        let check = writer.finish(&IntegrityKey::new(&credentials.password));
        let (_, sent) = self.deliver(port, &check);
        let stun = sent.iter().filter(|(to, bytes)| to.remote == address(port) && bytes[0] < 2);
        let bytes: usize = stun.map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes <= check.len(), "{bytes} bytes answer {}", check.len());
        self.answer(sent);
    }
}

fn credentials(generation: u8) -> IceCredentials {
    IceCredentials { ufrag: format!("ufrag{generation}"), password: "a password of twenty-two characters".to_owned() }
}

fn certificate() -> &'static LocalCertificate {
    static CERTIFICATE: OnceLock<LocalCertificate> = OnceLock::new();
    CERTIFICATE.get_or_init(|| LocalCertificate::generate().expect("a certificate can be made"))
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::new(192, 0, 2, 1), port).into()
}

fn tuple(port: u16) -> Tuple {
    Tuple { socket: SocketId(port.into()), protocol: Protocol::Udp, remote: address(port), local_ip: None }
}
