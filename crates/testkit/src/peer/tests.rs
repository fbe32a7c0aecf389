use std::time::Duration;

use millrace_model::Counters;
use millrace_model::{Fingerprint, FingerprintAlgorithm};
use millrace_transport::Transmit;
use millrace_transport::dtls::{DtlsEngine, DtlsEvent, DtlsSettings, LocalCertificate, Role, RtcDtls};
use millrace_transport::ice::IceLite;

use super::*;
use crate::net::{Net, Quality};
use crate::rtp::{OpusSource, Vp8Source};

const PEER: &str = "10.0.0.1:5000";
const SERVER: &str = "10.0.0.2:6000";

#[test]
fn a_peer_connects_over_a_bad_network() {
    for seed in 0..30 {
        let quality = Quality {
            loss: 0.2,
            duplication: 0.05,
            reordering: 0.1,
            jitter: Duration::from_millis(20),
            ..Quality::default()
        };
        let mut call = Call::with_quality(seed, &[], quality);
        assert!(call.connects(), "seed {seed}: {:?} {:?}", call.peer.ice_state(), call.peer.dtls_error());
    }
}

#[test]
fn packets_arrive_decrypted_both_ways() {
    let mut call = Call::new(1, &[]);
    assert!(call.connects());
    let (mut camera, mut microphone) = (Vp8Source::new(1, 96), OpusSource::new(2, 111));
    let sent = [camera.key_frame(2), vec![microphone.packet()]].concat();
    assert!(sent.iter().all(|packet| call.peer.send_rtp(packet)));
    assert!(call.peer.send_rtcp(&PLI));
    call.run_for(Duration::from_secs(1));
    assert_eq!((&call.server.rtp, &call.server.rtcp), (&sent, &vec![PLI.to_vec()]));
    call.server.send_rtp(&sent[0]);
    call.run_for(Duration::from_secs(1));
    let received: Vec<_> = call.peer.take_rtp().into_iter().map(|packet| packet.bytes).collect();
    assert_eq!((received, call.peer.undecryptable()), (sent[..1].to_vec(), 0));
}

#[test]
fn every_profile_can_be_asked_for() {
    for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::AeadAes256Gcm, SrtpProfile::AesCm128HmacSha1_80] {
        let mut call = Call::new(2, &[profile]);
        assert!(call.connects());
        assert_eq!(call.peer.srtp_profile(), Some(profile));
        assert!(call.peer.send_rtp(&OpusSource::new(2, 111).packet()));
        call.run_for(Duration::from_secs(1));
        assert_eq!(call.server.rtp.len(), 1);
    }
}

#[test]
fn a_browsers_list_ends_in_aes_128_gcm() {
    let mut call = Call::new(3, &[]);
    assert!(call.connects());
    assert_eq!(call.peer.srtp_profile(), Some(SrtpProfile::AeadAes128Gcm));
}

#[test]
fn d02_a_peer_refuses_a_server_with_another_certificate() {
    let mut call = Call::prepared(4, &[], Quality::default());
    let stranger = LocalCertificate::generate().unwrap();
    call.connect_expecting(&stranger);
    assert!(!call.connects());
    assert!(call.peer.dtls_error().is_some() && call.peer.srtp_profile().is_none());
}

#[test]
fn a_repeated_sequence_number_is_not_sealed_again() {
    let mut call = Call::new(5, &[]);
    assert!(call.connects());
    let packet = OpusSource::new(2, 111).packet();
    assert!(call.peer.send_rtp(&packet) && !call.peer.send_rtp(&packet));
}

#[test]
fn media_goes_on_over_an_ice_restart() {
    let mut call = Call::new(6, &[]);
    assert!(call.connects());
    let now = call.net.now();
    let credentials = new_credentials(&mut fastrand::Rng::with_seed(99));
    call.server.ice.restart(&credentials, now);
    call.peer.restart_ice(&credentials, now);
    let mut microphone = OpusSource::new(2, 111);
    for _ in 0..50 {
        assert!(call.peer.send_rtp(&microphone.packet()));
        call.run_for(Duration::from_millis(20));
    }
    assert_eq!((call.server.rtp.len(), call.server.ice.state()), (50, IceState::Completed));
}

#[test]
fn both_ends_hear_a_goodbye() {
    let mut call = Call::new(7, &[]);
    assert!(call.connects());
    let now = call.net.now();
    call.peer.close(now);
    call.run_for(Duration::from_secs(1));
    assert!(call.server.is_closed);
}

#[test]
fn nothing_is_sent_before_the_keys_are_there() {
    let config = PeerConfig { seed: 8, local: PEER.parse().unwrap(), srtp_profiles: Vec::new() };
    let mut peer = Peer::new(&config, Instant::now());
    assert!(!peer.send_rtp(&OpusSource::new(2, 111).packet()) && !peer.send_rtcp(&PLI));
    assert_eq!((peer.poll_transmit(), peer.deadline()), (None, None));
}

/// RFC 4585 §6.3.1: picture loss at source 1, seen by source 9.
const PLI: [u8; 12] = [0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 1];

/// A peer and the parts of a server's transport.
struct Call {
    net: Net,
    peer: Peer,
    server: Server,
}

impl Call {
    fn new(seed: u64, profiles: &[SrtpProfile]) -> Self {
        Self::with_quality(seed, profiles, Quality::default())
    }

    fn with_quality(seed: u64, profiles: &[SrtpProfile], quality: Quality) -> Self {
        let mut call = Self::prepared(seed, profiles, quality);
        let certificate = call.server.certificate.clone();
        call.connect_expecting(&certificate);
        call
    }

    fn prepared(seed: u64, profiles: &[SrtpProfile], quality: Quality) -> Self {
        let net = Net::seeded(seed).with_quality(quality);
        let config = PeerConfig { seed, local: PEER.parse().unwrap(), srtp_profiles: profiles.to_vec() };
        let peer = Peer::new(&config, net.now());
        let server = Server::new(seed, peer.fingerprint());
        Self { net, peer, server }
    }

    fn connect_expecting(&mut self, certificate: &LocalCertificate) {
        let fingerprints = PeerFingerprints::new(certificate.fingerprints().to_vec()).unwrap();
        let candidates = vec![Candidate::udp(SERVER.parse().unwrap())];
        let parameters = ServerParameters { ice: self.server.credentials.clone(), candidates, fingerprints };
        self.peer.connect(parameters, self.net.now());
    }

    fn connects(&mut self) -> bool {
        // Both ends must have keys; a little longer than ICE and DTLS may need under loss.
        for _ in 0..600 {
            self.run_for(Duration::from_millis(100));
            if self.peer.is_connected() && self.server.srtp.is_some() {
                return true;
            }
            if self.peer.dtls_error().is_some() {
                return false;
            }
        }
        false
    }

    fn run_for(&mut self, duration: Duration) {
        self.net.run_for(duration, &mut [&mut self.peer, &mut self.server]);
    }
}

struct Server {
    credentials: IceCredentials,
    certificate: LocalCertificate,
    ice: IceLite,
    dtls: RtcDtls,
    srtp: Option<Srtp>,
    pool: PacketPool,
    transmits: VecDeque<Datagram>,
    rtp: Vec<Vec<u8>>,
    rtcp: Vec<Vec<u8>>,
    is_closed: bool,
}

impl Server {
    fn new(seed: u64, peer: Fingerprint) -> Self {
        let credentials = new_credentials(&mut fastrand::Rng::with_seed(seed ^ 1));
        let certificate = LocalCertificate::generate().unwrap();
        let settings = DtlsSettings {
            role: Role::Server,
            certificate: certificate.clone(),
            peer_fingerprints: PeerFingerprints::new(vec![peer]).unwrap(),
            version: millrace_model::DtlsVersion::Dtls12,
            srtp_sha1_32: false,
        };
        assert_eq!(certificate.fingerprints()[2].algorithm, FingerprintAlgorithm::Sha256);
        Self {
            ice: IceLite::new(&credentials, None),
            credentials,
            certificate,
            dtls: RtcDtls::new(settings).unwrap(),
            srtp: None,
            pool: PacketPool::new(4),
            transmits: VecDeque::new(),
            rtp: Vec::new(),
            rtcp: Vec::new(),
            is_closed: false,
        }
    }

    fn send_rtp(&mut self, packet: &[u8]) {
        let bytes = self.srtp.as_mut().unwrap().seal_rtp(packet).unwrap();
        self.send(bytes);
    }

    fn send(&mut self, bytes: Vec<u8>) {
        let to = self.ice.selected_tuple().unwrap().remote;
        self.transmits.push_back(Datagram { from: SERVER.parse().unwrap(), to, bytes });
    }

    fn answer(&mut self, transmit: Transmit) {
        let to = transmit.tuple.remote;
        self.transmits.push_back(Datagram { from: SERVER.parse().unwrap(), to, bytes: transmit.bytes });
    }

    fn open(&mut self, bytes: &[u8], is_rtcp: bool) {
        let Some(srtp) = &mut self.srtp else { return };
        let mut packet = self.pool.take().unwrap();
        assert!(packet.fill(bytes));
        if is_rtcp && srtp.inbound.open_rtcp(&mut packet).is_ok() {
            self.rtcp.push(packet.bytes().to_vec());
        } else if !is_rtcp && srtp.inbound.open_rtp(&mut packet).is_ok() {
            self.rtp.push(packet.bytes().to_vec());
        }
    }

    fn settle(&mut self) {
        while let Some(bytes) = self.dtls.poll_transmit() {
            self.send(bytes);
        }
        while let Some(event) = self.dtls.poll_event() {
            match event {
                DtlsEvent::Connected { keys, .. } => {
                    let mut srtp = Srtp::new(&keys);
                    let keys = SrtpKeys::from_keying_material(keys.profile, &keys.keying_material).unwrap();
                    (srtp.inbound, srtp.outbound) = (SrtpInbound::new(&keys.client), SrtpOutbound::new(&keys.server));
                    self.srtp = Some(srtp);
                }
                DtlsEvent::Closed => self.is_closed = true,
                DtlsEvent::ApplicationData(_) => {}
            }
        }
        while self.ice.poll_event().is_some() {}
    }
}

impl Endpoint for Server {
    fn has_address(&self, address: SocketAddr) -> bool {
        SERVER.parse() == Ok(address)
    }

    fn handle_datagram(&mut self, now: Instant, datagram: &Datagram) {
        let tuple = tuple_of(datagram.from.into());
        match DatagramKind::of(&datagram.bytes) {
            DatagramKind::Stun => {
                let answer = self.ice.handle_datagram(&tuple, &datagram.bytes, now, &mut Counters::default());
                answer.into_iter().for_each(|transmit| self.answer(transmit));
            }
            DatagramKind::Dtls => {
                let _ = self.dtls.handle_datagram(&datagram.bytes, now);
            }
            DatagramKind::Rtp => self.open(&datagram.bytes, false),
            DatagramKind::Rtcp => self.open(&datagram.bytes, true),
            DatagramKind::Unknown => {}
        }
        self.settle();
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        self.transmits.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        self.dtls.deadline()
    }

    fn handle_timeout(&mut self, now: Instant) {
        let _ = self.dtls.handle_timeout(now);
        self.settle();
    }
}
