//! What the tests of this folder share: keys, packets, chance with a seed.

use millrace_packet::{PacketMut, PacketPool};

use super::{SrtpInbound, SrtpKeys, SrtpOutbound, SrtpProfile};

/// The sending half of one end and the receiving half of the other.
pub(crate) fn pair(profile: SrtpProfile) -> (SrtpOutbound, SrtpInbound) {
    let material: Vec<u8> = (0..profile.keying_material_len() as u8).collect();
    let keys = SrtpKeys::from_keying_material(profile, &material).unwrap();
    (SrtpOutbound::new(&keys.server), SrtpInbound::new(&keys.server))
}

/// An RTP packet without extension.
pub(crate) fn rtp(ssrc: u32, sequence: u16, payload_len: usize) -> Vec<u8> {
    let mut bytes = vec![0x80, 96];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend([0, 0, 0, 1]);
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend((0..payload_len).map(|at| at as u8));
    bytes
}

/// A sender report of `len` bytes.
pub(crate) fn rtcp(ssrc: u32, len: usize) -> Vec<u8> {
    let mut bytes = vec![0x80, 200, 0, (len / 4 - 1) as u8];
    bytes.extend(ssrc.to_be_bytes());
    bytes.resize(len, 0xab);
    bytes
}

pub(crate) fn seal(outbound: &SrtpOutbound, index: u64, plain: &[u8]) -> Vec<u8> {
    let mut slot = [&plain[..12], &[0; 1600]].concat();
    let len = outbound.seal_rtp(index, &mut slot, 12, &plain[12..]).unwrap();
    slot.truncate(len);
    slot
}

pub(crate) fn seal_rtcp(outbound: &mut SrtpOutbound, plain: &[u8]) -> Vec<u8> {
    let mut slot = [plain, &[0; 64]].concat();
    let len = outbound.seal_rtcp(&mut slot, plain.len()).unwrap();
    slot.truncate(len);
    slot
}

/// A received datagram.
pub(crate) fn packet(bytes: &[u8]) -> PacketMut {
    let mut packet = PacketPool::new(1).take().unwrap();
    assert!(packet.fill(bytes));
    packet
}

/// The bytes that `text` spells; white space is skipped.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// Xorshift: chance that repeats.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) % u64::from(limit)) as u32
    }
}
