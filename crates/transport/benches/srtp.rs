//! What sealing and opening one packet costs, by profile and payload size.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use millrace_packet::PacketPool;
use millrace_transport::srtp::{SrtpInbound, SrtpKeys, SrtpOutbound, SrtpProfile};

/// A video packet and an audio packet.
const PAYLOAD_LENS: [usize; 2] = [1200, 100];

/// Keys used in turn: viewers of one room, so that a key is not always in the nearest cache.
const KEYS: usize = 64;

const HEADER: [u8; 12] = [0x80, 96, 0, 0, 0, 0, 0, 1, 0, 0, 0, 7];

criterion_group!(benches, seal, open);
criterion_main!(benches);

fn seal(criterion: &mut Criterion) {
    for (profile, payload_len) in cases() {
        let viewers: Vec<_> = (0..KEYS).map(|key| pair(profile, key as u8).0).collect();
        let payload = vec![0x5a; payload_len];
        let mut slot = [0; 1600];
        slot[..HEADER.len()].copy_from_slice(&HEADER);
        let mut group = criterion.benchmark_group("seal");
        group.throughput(Throughput::Bytes(payload_len as u64));
        group.bench_function(format!("{profile:?}/{payload_len}"), |bencher| {
            let mut index = 0;
            bencher.iter(|| {
                index += 1;
                let viewer = &viewers[index as usize % KEYS];
                viewer.seal_rtp(index, black_box(&mut slot), HEADER.len(), black_box(&payload))
            });
        });
    }
}

fn open(criterion: &mut Criterion) {
    for (profile, payload_len) in cases() {
        let (outbound, mut inbound) = pair(profile, 0);
        let pool = PacketPool::new(1);
        let mut index = 0_u64;
        let mut next = || {
            index += 1;
            let mut packet = pool.take().expect("the last packet was dropped");
            let slot = packet.buffer_mut();
            slot[..HEADER.len()].copy_from_slice(&HEADER);
            slot[2..4].copy_from_slice(&(index as u16).to_be_bytes());
            let len =
                outbound.seal_rtp(index, slot, HEADER.len(), &vec![0x5a; payload_len]).expect("the slot is large");
            packet.set_range(0, len);
            packet
        };
        let mut group = criterion.benchmark_group("open");
        group.throughput(Throughput::Bytes(payload_len as u64));
        group.bench_function(format!("{profile:?}/{payload_len}"), |bencher| {
            bencher.iter_batched(
                &mut next,
                |mut packet| inbound.open_rtp(black_box(&mut packet)).expect("the packet is genuine and new"),
                BatchSize::PerIteration,
            );
        });
    }
}

fn cases() -> impl Iterator<Item = (SrtpProfile, usize)> {
    SrtpProfile::ALL.into_iter().flat_map(|profile| PAYLOAD_LENS.map(|len| (profile, len)))
}

fn pair(profile: SrtpProfile, seed: u8) -> (SrtpOutbound, SrtpInbound) {
    let material: Vec<u8> = (0..profile.keying_material_len() as u8).map(|byte| byte ^ seed).collect();
    let keys = SrtpKeys::from_keying_material(profile, &material).expect("the material has the profile's length");
    (SrtpOutbound::new(&keys.client), SrtpInbound::new(&keys.client))
}
