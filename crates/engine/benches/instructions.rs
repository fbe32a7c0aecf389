//! Work of fixed size, without clock or chance, whose instructions are counted under valgrind:
//! `npm run bench:instructions` (`benches/instructions.mjs`) does so and knows the figures of before.
//!
//! `instructions CASE TIMES` runs the steps of a case so many times and prints how many packets they were for. Only what
//! happens inside [`measured`] counts. Without arguments every case is run once, to see that it does what it says.

mod world;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use millrace_model::{Counters, WallClock};
use millrace_packet::rtcp::{CompoundWriter, feedback::FeedbackSsrcs};
use millrace_testkit::fan_out::{FanOut, Media, viewer_ssrc};
use millrace_testkit::{Candidate, Peer, PeerConfig, ServerParameters};
use millrace_transport::IntakeLimits;
use millrace_transport::dtls::{LocalCertificate, PeerFingerprints};
use millrace_transport::ice::IceCredentials;
use millrace_transport::{Protocol, Received, SocketId, SrtpProfile, Tuple, WebRtcConfig, WebRtcTransport};

use world::{Call, Viewers};

type MakeCase = fn() -> Box<dyn Case>;

/// Each with its steps: 1.1 s of media, so that reports and feedback have their share.
const CASES: [(&str, u32, MakeCase); 5] = [
    ("single-packets-to-100", 200, || Box::new(Published::new(Media::Video { packets: 1 }, 100))),
    ("frames-of-six-to-100", 34, || Box::new(Published::new(Media::Video { packets: 6 }, 100))),
    ("audio-to-300", 55, || Box::new(Published::new(Media::Audio, 300))),
    ("received", 200, || Box::new(Arrived::new())),
    ("nack-answered", 200, || Box::new(Nacked::new())),
];

/// Something that is done again and again.
trait Case {
    /// What a step needs; not measured.
    fn prepare(&mut self) {}

    /// One step.
    fn run(&mut self);

    /// Packets that were forwarded, received or sent again so far.
    fn packets(&self) -> u64;
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match &arguments[..] {
        [] => CASES.iter().for_each(|(name, steps, make)| println!("{name} {}", run(make().as_mut(), *steps))),
        [wanted, times] => {
            let (_, steps, make) = CASES.iter().find(|(name, ..)| name == wanted).expect("one of the cases");
            let times: u32 = times.parse().expect("a number");
            println!("{}", run(make().as_mut(), steps * times));
        }
        _ => panic!("usage: instructions [CASE TIMES]"),
    }
}

/// Runs `steps` steps behind a first one, which fills tables; returns the number of packets that they were for.
fn run(case: &mut dyn Case, steps: u32) -> u64 {
    case.prepare();
    case.run();
    let before = case.packets();
    assert!(before > 0, "the first step is complete");
    for _ in 0..steps {
        case.prepare();
        measured(case);
    }
    let packets = case.packets() - before;
    assert_eq!(packets, before * u64::from(steps), "every step is for as many packets");
    packets
}

/// Callgrind counts what happens in here (`--toggle-collect`).
#[inline(never)]
fn measured(case: &mut dyn Case) {
    case.run();
}

/// A frame or audio packet for many viewers, from the opened packet to the batch.
struct Published(Call);

impl Published {
    fn new(media: Media, viewers: u32) -> Self {
        Self(Call::new(media, viewers))
    }
}

impl Case for Published {
    fn run(&mut self) {
        self.0.publish();
    }

    fn packets(&self) -> u64 {
        self.0.viewers.counters.rtp_packets_sent
    }
}

/// A viewer's NACK for the newest packet, from the opened compound to the retransmission in the batch.
struct Nacked {
    call: Call,
    published: u16,
    compound: Vec<u8>,
}

impl Nacked {
    fn new() -> Self {
        Self { call: Call::new(Media::Video { packets: 1 }, 1), published: 0, compound: Vec::new() }
    }
}

impl Case for Nacked {
    fn prepare(&mut self) {
        self.call.publish();
        let mut slot = [0; 100];
        let mut writer = CompoundWriter::new(&mut slot);
        let ssrcs = FeedbackSsrcs { sender: 7, media: viewer_ssrc(0) };
        let written = writer.receiver_report(7, &[]).and_then(|()| writer.nack(ssrcs, [self.published]));
        written.expect("the slot is large enough");
        let len = writer.len();
        self.compound = slot[..len].to_vec();
        self.published = self.published.wrapping_add(1);
    }

    fn run(&mut self) {
        let Call { fan_out, viewers } = &mut self.call;
        fan_out.router.handle_rtcp(viewers.first_session, &self.compound, fan_out.now, viewers);
        viewers.flush();
    }

    fn packets(&self) -> u64 {
        self.call.viewers.counters.rtp_packets_sent - u64::from(self.published)
    }
}

/// A publisher's datagram, copied into the pool as the kernel would: demultiplexed, opened, parsed, noted and kept.
struct Arrived {
    fan_out: FanOut,
    nobody: Viewers,
    transport: WebRtcTransport,
    tuple: Tuple,
    peer: Peer,
    datagram: Vec<u8>,
}

impl Arrived {
    fn new() -> Self {
        let now = Instant::now();
        let clock = WallClock::new(now, Duration::ZERO);
        let Call { fan_out, viewers } = Call::new(Media::Video { packets: 1 }, 0);
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        let tuple = Tuple { socket: SocketId(0), protocol: Protocol::Udp, remote: address, local_ip: None };
        let certificate = LocalCertificate::generate().expect("a certificate");
        let ice = IceCredentials { ufrag: "server".to_owned(), password: "0123456789012345678901".to_owned() };
        let srtp_profiles = vec![SrtpProfile::AeadAes128Gcm];
        let mut peer = Peer::new(&PeerConfig { seed: 1, local: address, srtp_profiles }, now);
        let config = WebRtcConfig {
            ice: ice.clone(),
            consent_timeout: None,
            certificate: certificate.clone(),
            dtls_version: millrace_model::DtlsVersion::Dtls12,
            srtp_sha1_32: false,
            // At work, and wider than what is sent here.
            intake: IntakeLimits { packets_per_second: 1_000_000, bits_per_second: 12_000_000_000 },
            wall_clock: clock,
            sctp: None,
            bitrates: millrace_transport::congestion::BITRATES_DEFAULT,
        };
        let mut transport = WebRtcTransport::new(config, now);
        let theirs = PeerFingerprints::new(vec![peer.fingerprint()]).expect("one fingerprint");
        transport.connect(theirs, None, now).expect("a new transport");
        let fingerprints = PeerFingerprints::new(certificate.fingerprints().to_vec()).expect("some fingerprints");
        peer.connect(ServerParameters { ice, candidates: vec![Candidate::udp(address)], fingerprints }, now);
        let mut arrived = Self { fan_out, nobody: viewers, transport, tuple, peer, datagram: Vec::new() };
        arrived.connect(now);
        arrived
    }

    /// Lets both ends answer each other until media can flow.
    fn connect(&mut self, now: Instant) {
        while let Some(transmit) = self.peer.poll_transmit() {
            let mut packet = self.fan_out.pool.take().expect("the pool is empty");
            packet.fill(&transmit.bytes);
            assert!(self.transport.handle_datagram(&self.tuple, packet, now).is_none(), "no media yet");
            while let Some(answer) = self.transport.poll_transmit() {
                self.peer.handle_datagram(now, answer.tuple.remote, &answer.bytes);
            }
        }
        assert!(self.peer.is_connected(), "nothing gets lost");
    }

    fn counters(&self) -> &Counters {
        self.transport.counters()
    }
}

impl Case for Arrived {
    fn prepare(&mut self) {
        self.fan_out.next_frame();
        assert!(self.peer.send_rtp(self.fan_out.next_packet(0)), "a new number");
        self.datagram = self.peer.poll_transmit().expect("the sealed packet").bytes;
    }

    fn run(&mut self) {
        let FanOut { now, pool, publisher, router, .. } = &mut self.fan_out;
        let mut packet = pool.take().expect("the pool is larger than the cache");
        packet.fill(&self.datagram);
        if let Some(Received::Rtp(packet)) = self.transport.handle_datagram(&self.tuple, packet, *now) {
            router.handle_rtp(*publisher, packet, *now, &mut self.nobody);
        }
        self.fan_out.handle_timeout(&mut self.nobody);
    }

    fn packets(&self) -> u64 {
        self.counters().rtp_packets_received
    }
}
