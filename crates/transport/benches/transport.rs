//! A datagram's way in, up to its protocol, and a packet's way out into a slot.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use millrace_model::{Counters, WallClock};
use millrace_packet::{ExtensionIds, ExtensionKind, ExtensionPlan, PacketPool, PacketRef, Priority, Rewrite, RtpMeta};
use millrace_transport::ice::{IceCredentials, IceLite};
use millrace_transport::outgoing::{OutgoingQueue, OutgoingStreamSpec, Outlet, Repair, SLOT_BYTES_MIN, SendSlots};
use millrace_transport::srtp::{MasterKey, SrtpOutbound};
use millrace_transport::stun::{Class, IntegrityKey, Writer};
use millrace_transport::{DatagramKind, Protocol, SocketId, SrtpProfile, Tuple};

/// One slot, used again and again.
struct OneSlot {
    bytes: [u8; SLOT_BYTES_MIN],
    committed: u64,
}

impl SendSlots for OneSlot {
    fn slot(&mut self, _: &Tuple) -> Option<&mut [u8]> {
        Some(&mut self.bytes)
    }

    fn commit(&mut self, _: &Tuple, len: usize) {
        black_box(&self.bytes[..len]);
        self.committed += 1;
    }
}

criterion_group!(benches, demux, check, outgoing);
criterion_main!(benches);

fn demux(criterion: &mut Criterion) {
    let mut stun = [0; 20];
    stun[4..8].copy_from_slice(&0x2112_a442_u32.to_be_bytes());
    let mut rtcp = [0; 28];
    rtcp[..2].copy_from_slice(&[0x80, 201]);
    let kinds: [(DatagramKind, &[u8]); 4] = [
        (DatagramKind::Stun, &stun),
        (DatagramKind::Dtls, &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]),
        (DatagramKind::Rtp, &[0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 1]),
        (DatagramKind::Rtcp, &rtcp),
    ];
    for (kind, datagram) in kinds {
        assert_eq!(DatagramKind::of(datagram), kind);
        criterion.bench_function(&format!("transport/demux/{kind:?}"), |bencher| {
            bencher.iter(|| DatagramKind::of(black_box(datagram)));
        });
    }
}

/// A consent check of a connected peer: parsed, verified, answered.
fn check(criterion: &mut Criterion) {
    let now = Instant::now();
    let credentials = IceCredentials { ufrag: "server".to_owned(), password: "0123456789012345678901".to_owned() };
    let mut ice = IceLite::new(&credentials, Some(Duration::from_secs(30)));
    let mut counters = Counters::default();
    let check = Writer::new(Class::Request, [7; 12])
        .username("server:client")
        .priority(1)
        .ice_controlling(2)
        .use_candidate()
        .finish(&IntegrityKey::new(&credentials.password));
    let tuple = tuple();
    criterion.bench_function("transport/stun_check_answered", |bencher| {
        bencher.iter(|| {
            let answer = ice.handle_datagram(&tuple, black_box(&check), now, &mut counters);
            assert!(answer.is_some(), "a valid check is answered");
            answer
        });
    });
}

/// New numbers, the stamped extensions, the seal.
fn outgoing(criterion: &mut Criterion) {
    for payload_len in [1180, 80] {
        let now = Instant::now();
        let mut queue = OutgoingQueue::new(WallClock::new(now, Duration::ZERO));
        let extensions = ExtensionPlan::new([(5, ExtensionKind::TransportWideCc), (4, ExtensionKind::AbsSendTime)]);
        let spec = OutgoingStreamSpec::new(77, Repair::Rtx { ssrc: 78 }, extensions);
        let stream = queue.add_stream(spec).expect("a new stream");
        let key = MasterKey::new(SrtpProfile::AeadAes128Gcm, &[1; 16], &[2; 12]).expect("a key of its length");
        let mut srtp = SrtpOutbound::new(&key);
        let (packet, mut counters) = (packet(payload_len), Counters::default());
        let mut slots = OneSlot { bytes: [0; SLOT_BYTES_MIN], committed: 0 };
        let mut rewrite = Rewrite {
            stream,
            payload_type: 101,
            marker: false,
            sequence: 0,
            timestamp: 0,
            original_sequence: None,
            picture: None,
            priority: Priority::Video,
        };
        criterion.bench_function(&format!("transport/outgoing_packet/{payload_len}"), |bencher| {
            bencher.iter(|| {
                rewrite.sequence = rewrite.sequence.wrapping_add(1);
                let (slots, srtp, counters) = (&mut slots, Some(&mut srtp), &mut counters);
                let mut outlet = Outlet { tuple: tuple(), now, slots, srtp, log: &mut (), counters };
                queue.send_rtp(&packet, black_box(&rewrite), &mut outlet);
            });
        });
        assert_eq!(counters.outgoing_packets_refused, 0, "every packet leaves");
        assert_eq!(counters.rtp_packets_sent, slots.committed);
    }
}

fn packet(payload_len: usize) -> PacketRef {
    let mut bytes = vec![0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7];
    bytes.resize(bytes.len() + payload_len, 7);
    let mut packet = PacketPool::new(1).take().expect("the pool has one packet");
    packet.fill(&bytes);
    packet.freeze(RtpMeta::parse(&bytes, &ExtensionIds::default()).expect("a valid packet"))
}

fn tuple() -> Tuple {
    let remote = SocketAddr::from(([127, 0, 0, 1], 7000));
    Tuple { socket: SocketId(0), protocol: Protocol::Udp, remote, local_ip: None }
}
