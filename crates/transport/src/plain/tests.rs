//! Plain transports with and without keys, with endpoints that are told and such that are learned, and with forgers.

use std::time::Duration;

use millrace_model::SrtpCryptoSuite;
use millrace_packet::{ExtensionPlan, PacketPool, Priority};

use super::*;
use crate::outgoing::{Repair, SLOT_BYTES_MIN};
use crate::srtp::inbound::SOURCES_MAX;
use crate::srtp::testing;

const SUITES: [SrtpCryptoSuite; 4] = [
    SrtpCryptoSuite::AeadAes256Gcm,
    SrtpCryptoSuite::AeadAes128Gcm,
    SrtpCryptoSuite::AesCm128HmacSha1_80,
    SrtpCryptoSuite::AesCm128HmacSha1_32,
];

#[test]
fn without_srtp_packets_pass_as_they_are_both_ways() {
    let mut bench = Bench::new(false, false, None);
    bench.transport.connect(Some(remote("192.0.2.1:9")), None).unwrap();
    assert_eq!(bench.events(), [PlainEvent::Connected]);
    let rtp = testing::rtp(7, 1, 100);
    assert_eq!(bench.receive(&rtp, RTP, "192.0.2.1:9"), Some(rtp.clone()));
    bench.send_rtp(7);
    let (tuple, sent) = bench.sent.sent.remove(0);
    assert_eq!((tuple.socket, tuple.remote), (RTP, address("192.0.2.1:9")));
    assert_eq!(sent[12..], rtp[12..], "the payload is in the clear");
    bench.transport.send_rtcp(&testing::rtcp(7, 28), bench.now, &mut bench.sent);
    assert_eq!(bench.sent.sent.remove(0), (tuple, testing::rtcp(7, 28)));
}

#[test]
fn every_suite_seals_and_opens() {
    for suite in SUITES {
        let ours = key(suite, 1);
        let mut bench = Bench::new(false, false, Some(key(SrtpCryptoSuite::default(), 9)));
        let theirs = key(suite, 2);
        bench.transport.connect(Some(remote("192.0.2.1:9")), Some((ours.clone(), theirs.clone()))).unwrap();
        assert_eq!(bench.transport.key(), Some(&ours), "the endpoint's suite decides");
        let mut endpoint = srtp(&theirs, &ours).unwrap();
        let rtp = testing::rtp(7, 1, 100);
        let sealed = testing::seal(&endpoint.outbound, 1, &rtp);
        assert_eq!(bench.receive(&sealed, RTP, "192.0.2.1:9"), Some(rtp));
        assert_eq!(bench.receive(&sealed, RTP, "192.0.2.1:9"), None, "a repeated packet is none");
        let report = testing::rtcp(7, 28);
        let sealed = testing::seal_rtcp(&mut endpoint.outbound, &report);
        assert_eq!(bench.receive(&sealed, RTP, "192.0.2.1:9"), Some(report));
        bench.send_rtp(7);
        bench.transport.send_rtcp(&testing::rtcp(7, 28), bench.now, &mut bench.sent);
        let opened = |bytes: &[u8]| testing::packet(bytes);
        let (mut media, mut report) = (opened(&bench.sent.sent[0].1), opened(&bench.sent.sent[1].1));
        assert_eq!(endpoint.inbound.open_rtp(&mut media), Ok(()));
        assert_eq!(endpoint.inbound.open_rtcp(&mut report), Ok(()));
        assert_eq!(
            (report.bytes(), bench.transport.counters.srtp_packets_dropped_replayed),
            (&testing::rtcp(7, 28)[..], 1)
        );
    }
}

#[test]
fn rtcp_with_a_socket_of_its_own_has_a_path_of_its_own() {
    let mut bench = Bench::new(true, false, None);
    bench.transport.connect(Some(Remote { rtp: address("192.0.2.1:9"), rtcp_port: Some(10) }), None).unwrap();
    let (rtp, rtcp) = (testing::rtp(7, 1, 10), testing::rtcp(7, 28));
    assert!(bench.receive(&rtp, RTP, "192.0.2.1:9").is_some());
    assert!(bench.receive(&rtcp, RTCP, "192.0.2.1:10").is_some());
    for (bytes, socket, source) in [(&rtp, RTCP, "192.0.2.1:10"), (&rtcp, RTP, "192.0.2.1:9")] {
        assert_eq!(bench.receive(bytes, socket, source), None, "each has its own socket");
    }
    bench.send_rtp(7);
    bench.transport.send_rtcp(&rtcp, bench.now, &mut bench.sent);
    let ways: Vec<_> = bench.sent.sent.iter().map(|(tuple, _)| (tuple.socket, tuple.remote.port())).collect();
    assert_eq!(ways, [(RTP, 9), (RTCP, 10)]);
}

#[test]
fn what_waits_for_a_full_socket_leaves_when_it_is_not() {
    let mut bench = Bench::new(true, false, None);
    bench.transport.connect(Some(Remote { rtp: address("192.0.2.1:9"), rtcp_port: Some(10) }), None).unwrap();
    bench.sent.is_full = true;
    bench.send_rtp(7);
    assert!(bench.transport.has_waiting(RTP) && !bench.transport.has_waiting(RTCP));
    bench.transport.send_rtcp(&testing::rtcp(7, 28), bench.now, &mut bench.sent);
    assert!(bench.transport.has_waiting(RTCP));
    bench.sent.is_full = false;
    bench.transport.flush_queue(bench.now, &mut bench.sent);
    assert!(!bench.transport.has_waiting(RTP) && !bench.transport.has_waiting(RTCP));
    assert_eq!(bench.sent.sent.len(), 2);
}

#[test]
fn comedia_takes_the_first_that_makes_sense_and_nobody_else() {
    let mut bench = Bench::new(true, true, None);
    let (rtp, rtcp) = (testing::rtp(7, 1, 10), testing::rtcp(7, 28));
    for nonsense in [&[][..], &[0x80], &[0x80; 11], &[0x9f, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0, 1, 0, 0], &[22; 40]]
    {
        assert_eq!(bench.receive(nonsense, RTP, "203.0.113.9:1"), None);
    }
    assert_eq!(bench.receive(&rtcp, RTP, "203.0.113.9:1"), None, "RTCP has its own socket");
    assert!(bench.events().is_empty());
    bench.send_rtp(7);
    assert!(bench.sent.sent.is_empty(), "there is nobody to send to");
    assert!(bench.receive(&rtp, RTP, "192.0.2.1:9").is_some());
    assert!(bench.receive(&rtcp, RTCP, "192.0.2.1:10").is_some());
    let path = |socket, source: &str| bench_tuple(socket, source);
    assert_eq!(
        bench.events(),
        [
            PlainEvent::Tuple(path(RTP, "192.0.2.1:9")),
            PlainEvent::Connected,
            PlainEvent::RtcpTuple(path(RTCP, "192.0.2.1:10"))
        ]
    );
    for (bytes, socket) in [(&rtp, RTP), (&rtcp, RTCP)] {
        assert_eq!(bench.receive(bytes, socket, "203.0.113.9:9"), None);
        assert_eq!(bench.receive(bytes, socket, "192.0.2.1:11"), None, "another port is another endpoint");
    }
    assert!(bench.events().is_empty());
    bench.send_rtp(8);
    assert_eq!(bench.sent.sent.remove(0).0.remote, address("192.0.2.1:9"));
}

#[test]
fn comedia_with_srtp_learns_only_from_an_authentic_packet() {
    let (ours, theirs) = (key(SrtpCryptoSuite::AeadAes128Gcm, 1), key(SrtpCryptoSuite::AeadAes128Gcm, 2));
    let mut bench = Bench::new(false, true, Some(ours.clone()));
    let mut endpoint = srtp(&theirs, &ours).unwrap();
    let sealed = testing::seal(&endpoint.outbound, 1, &testing::rtp(7, 1, 100));
    assert_eq!(bench.receive(&sealed, RTP, "192.0.2.1:9"), None, "there is no key yet");
    bench.transport.connect(None, Some((ours.clone(), theirs))).unwrap();
    let stranger = srtp(&key(SrtpCryptoSuite::AeadAes128Gcm, 3), &ours).unwrap();
    for forged in [testing::rtp(7, 1, 100), testing::seal(&stranger.outbound, 1, &testing::rtp(7, 1, 100))] {
        assert_eq!(bench.receive(&forged, RTP, "203.0.113.9:1"), None);
    }
    assert_eq!((bench.events(), bench.transport.tuple()), (Vec::new(), None));
    let before = bench.transport.counters.srtp_packets_dropped_unauthentic;
    assert_eq!(before, 2);
    let report = testing::seal_rtcp(&mut endpoint.outbound, &testing::rtcp(7, 28));
    assert!(bench.receive(&report, RTP, "192.0.2.1:9").is_some());
    assert_eq!(bench.events(), [PlainEvent::Tuple(bench_tuple(RTP, "192.0.2.1:9")), PlainEvent::Connected]);
    assert_eq!(bench.receive(&sealed, RTP, "203.0.113.9:1"), None, "a copy of its packet from elsewhere moves nothing");
    assert!(bench.receive(&sealed, RTP, "192.0.2.1:9").is_some());
}

#[test]
fn who_is_not_the_told_endpoint_is_not_heard() {
    let mut bench = Bench::new(false, false, None);
    let rtp = testing::rtp(7, 1, 10);
    assert_eq!(bench.receive(&rtp, RTP, "192.0.2.1:9"), None, "not even the endpoint, before it was told");
    bench.transport.connect(Some(remote("192.0.2.1:9")), None).unwrap();
    assert_eq!(bench.receive(&rtp, RTP, "192.0.2.2:9"), None);
    assert!(bench.receive(&rtp, RTP, "192.0.2.1:9").is_some());
    assert_eq!(bench.transport.counters.datagrams_dropped_unvalidated, 2);
}

#[test]
fn a_packet_longer_than_any_is_dropped() {
    let mut bench = Bench::new(false, true, None);
    let longest = testing::rtp(7, 1, DATAGRAM_BYTES_MAX - 12);
    assert!(bench.receive(&longest, RTP, "192.0.2.1:9").is_some());
    let longer = testing::rtp(7, 2, DATAGRAM_BYTES_MAX - 11);
    assert_eq!(bench.receive(&longer, RTP, "192.0.2.1:9"), None);
    assert_eq!(bench.transport.counters.datagrams_dropped_unknown, 1);
}

#[test]
fn a_transport_is_connected_once_and_with_the_keys_that_it_wants() {
    let suite = SrtpCryptoSuite::AeadAes256Gcm;
    let keys = || Some((key(suite, 1), key(suite, 2)));
    let mut plain = Bench::new(false, false, None);
    let there = Some(remote("192.0.2.1:9"));
    assert_eq!(plain.transport.connect(there, keys()), Err(PlainConnectError::Keys));
    assert_eq!(plain.transport.connect(there, None), Ok(()));
    assert_eq!(plain.transport.connect(Some(remote("192.0.2.2:9")), None), Err(PlainConnectError::NotNew));
    assert_eq!(plain.transport.tuple().unwrap().remote, address("192.0.2.1:9"));
    let mut secured = Bench::new(false, false, keys().map(|(ours, _)| ours));
    assert_eq!(secured.transport.connect(there, None), Err(PlainConnectError::Keys));
    assert_eq!(secured.transport.connect(there, keys()), Ok(()));
    assert_eq!(secured.transport.connect(there, keys()), Err(PlainConnectError::NotNew));
}

#[test]
fn r09_a_flood_from_the_endpoint_is_held_to_its_limits() {
    let mut bench = Bench::new(false, true, None);
    let passed = (0..20_000).filter(|n| bench.receive(&testing::rtp(7, *n as u16, 10), RTP, "192.0.2.1:9").is_some());
    assert_eq!(passed.count(), 2500, "a quarter of a second's worth");
    assert_eq!(bench.transport.counters.srtp_packets_dropped_over_limit, 17_500);
}

const RTP: SocketId = SocketId(1);
const RTCP: SocketId = SocketId(2);

struct Bench {
    transport: PlainTransport,
    sent: Slots,
    pool: PacketPool,
    now: Instant,
}

impl Bench {
    fn new(rtcp_has_socket: bool, comedia: bool, key: Option<SrtpKey>) -> Self {
        let now = Instant::now();
        let config = PlainConfig {
            socket: RTP,
            rtcp_socket: rtcp_has_socket.then_some(RTCP),
            comedia,
            key,
            sources_max: SOURCES_MAX,
            intake: IntakeLimits { packets_per_second: 10_000, bits_per_second: 100_000_000 },
            wall_clock: WallClock::new(now, Duration::ZERO),
            sctp: None,
        };
        Self { transport: PlainTransport::new(config, now), sent: Slots::default(), pool: PacketPool::new(64), now }
    }

    /// What the transport makes of a datagram.
    fn receive(&mut self, bytes: &[u8], socket: SocketId, source: &str) -> Option<Vec<u8>> {
        let mut packet = self.pool.take().unwrap();
        assert!(packet.fill(bytes));
        match self.transport.handle_datagram(&bench_tuple(socket, source), packet, self.now)? {
            Received::Rtp(packet) | Received::Rtcp(packet) => Some(packet.bytes().to_vec()),
        }
    }

    fn events(&mut self) -> Vec<PlainEvent> {
        std::iter::from_fn(|| self.transport.poll_event()).collect()
    }

    /// Sends the first packet of a new stream.
    fn send_rtp(&mut self, ssrc: u32) {
        let spec = OutgoingStreamSpec::new(ssrc, Repair::None, ExtensionPlan::new([]));
        let stream = self.transport.add_stream(spec).unwrap();
        let bytes = testing::rtp(99, 1, 100);
        let mut packet = self.pool.take().unwrap();
        assert!(packet.fill(&bytes));
        let packet = packet.freeze(RtpMeta::parse(&bytes, &ExtensionIds::default()).unwrap());
        let rewrite = Rewrite {
            stream,
            payload_type: 96,
            marker: false,
            sequence: 1,
            timestamp: 1,
            original_sequence: None,
            picture: None,
            priority: Priority::Video,
        };
        self.transport.send_rtp(&packet, &rewrite, self.now, &mut self.sent);
    }
}

#[derive(Default)]
struct Slots {
    is_full: bool,
    slot: Vec<u8>,
    sent: Vec<(Tuple, Vec<u8>)>,
}

impl SendSlots for Slots {
    fn slot(&mut self, _tuple: &Tuple) -> Option<&mut [u8]> {
        self.slot = vec![0xee; SLOT_BYTES_MIN];
        (!self.is_full).then_some(&mut self.slot[..])
    }

    fn commit(&mut self, tuple: &Tuple, len: usize) {
        self.sent.push((*tuple, self.slot[..len].to_vec()));
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn remote(text: &str) -> Remote {
    Remote { rtp: address(text), rtcp_port: None }
}

fn bench_tuple(socket: SocketId, source: &str) -> Tuple {
    Tuple { socket, protocol: Protocol::Udp, remote: address(source), local_ip: None }
}

fn key(suite: SrtpCryptoSuite, seed: u8) -> SrtpKey {
    SrtpKey::new(suite, vec![seed; suite.key_len() + suite.salt_len()]).unwrap()
}
