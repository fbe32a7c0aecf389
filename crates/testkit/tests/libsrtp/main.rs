//! SRTP and SRTCP against libsrtp, in both directions for every profile.
//!
//! libsrtp runs in a process of its own (`peer.c`), so that no C library gets near our crates. It is compiled when the
//! tests run and needs `libsrtp2-dev`, which `npm test` installs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod peer;

use millrace_packet::{PacketMut, PacketPool};
use millrace_transport::SrtpProfile;
use millrace_transport::srtp::{MasterKey, SrtpInbound, SrtpOutbound};

use self::peer::LibSrtp;

/// Bytes of the RTP headers here: two contributing sources and an extension of one word.
const HEADER_BYTES: usize = 12 + 8 + 8;
/// Room for any trailer.
const TRAILER_BYTES: usize = 32;

#[test]
fn libsrtp_opens_the_rtp_packets_that_we_seal() {
    for profile in SrtpProfile::ALL {
        let (mut libsrtp, key) = (LibSrtp::started(profile), Key::of(profile));
        let outbound = SrtpOutbound::new(&key.master());
        for index in indexes() {
            let plain = rtp(index);
            let opened = libsrtp.call("open-rtp", &seal_rtp(&outbound, index, &plain));
            assert_eq!(opened, Ok(plain), "{profile:?}, packet index {index:#x}");
        }
    }
}

#[test]
fn we_open_the_rtp_packets_that_libsrtp_seals() {
    for profile in SrtpProfile::ALL {
        let (mut libsrtp, key) = (LibSrtp::started(profile), Key::of(profile));
        let mut inbound = SrtpInbound::new(&key.master());
        for index in indexes() {
            let plain = rtp(index);
            let mut packet = packet(&libsrtp.call("seal-rtp", &plain).unwrap());
            assert_eq!(inbound.open_rtp(&mut packet), Ok(()), "{profile:?}, packet index {index:#x}");
            assert_eq!(packet.bytes(), plain);
        }
    }
}

#[test]
fn both_seal_the_same_rtp_packet_to_the_same_bytes() {
    for profile in SrtpProfile::ALL {
        let (mut libsrtp, key) = (LibSrtp::started(profile), Key::of(profile));
        let outbound = SrtpOutbound::new(&key.master());
        for index in indexes() {
            let plain = rtp(index);
            assert_eq!(libsrtp.call("seal-rtp", &plain).unwrap(), seal_rtp(&outbound, index, &plain), "{profile:?}");
        }
    }
}

#[test]
fn rtcp_packets_pass_both_ways() {
    for profile in SrtpProfile::ALL {
        let (mut libsrtp, key) = (LibSrtp::started(profile), Key::of(profile));
        let (mut outbound, mut inbound) = (SrtpOutbound::new(&key.master()), SrtpInbound::new(&key.master()));
        for len in (8..=1_200).step_by(76) {
            let plain = rtcp(len);
            let mut slot = [&plain[..], &[0; TRAILER_BYTES]].concat();
            let sealed = outbound.seal_rtcp(&mut slot, len).unwrap();
            assert_eq!(libsrtp.call("open-rtcp", &slot[..sealed]).as_ref(), Ok(&plain), "{profile:?}, {len} bytes");
            let mut packet = packet(&libsrtp.call("seal-rtcp", &plain).unwrap());
            assert_eq!(inbound.open_rtcp(&mut packet), Ok(()), "{profile:?}, {len} bytes");
            assert_eq!(packet.bytes(), plain);
        }
    }
}

#[test]
fn both_refuse_a_packet_in_which_one_bit_was_turned() {
    for profile in SrtpProfile::ALL {
        let (mut libsrtp, key) = (LibSrtp::started(profile), Key::of(profile));
        let (outbound, mut inbound) = (SrtpOutbound::new(&key.master()), SrtpInbound::new(&key.master()));
        let sealed = seal_rtp(&outbound, 5, &rtp(5));
        for bit in (0..sealed.len() * 8).step_by(13).filter(|bit| *bit >= 16) {
            let mut forged = sealed.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(libsrtp.call("open-rtp", &forged).is_err(), "{profile:?}, libsrtp, bit {bit}");
            assert!(inbound.open_rtp(&mut packet(&forged)).is_err(), "{profile:?}, bit {bit}");
        }
        assert!(libsrtp.call("open-rtp", &sealed).is_ok() && inbound.open_rtp(&mut packet(&sealed)).is_ok());
    }
}

/// Packet indexes of one stream with jumps, through five rollovers of the sequence number.
fn indexes() -> impl Iterator<Item = u64> {
    const JUMP: u64 = 7_919;
    (0..40).map(|step| 65_530 + step * JUMP).chain([5 << 16 | 65_534, 5 << 16 | 65_535, 6 << 16, 6 << 16 | 1])
}

fn rtp(index: u64) -> Vec<u8> {
    let sequence = (index as u16).to_be_bytes();
    let mut bytes = vec![0x92, 96, sequence[0], sequence[1], 1, 2, 3, 4, 0, 0, 0, 77, 1, 1, 1, 1, 2, 2, 2, 2];
    bytes.extend([0xbe, 0xde, 0, 1, 0x10, 0xaa, 0, 0]);
    bytes.extend((0..index % 1_100).map(|at| at as u8));
    bytes
}

fn rtcp(len: usize) -> Vec<u8> {
    let words = (len / 4 - 1) as u16;
    let mut bytes = vec![0x80, 200, (words >> 8) as u8, words as u8, 0, 0, 0, 77];
    bytes.resize(len, 0xab);
    bytes
}

fn seal_rtp(outbound: &SrtpOutbound, index: u64, plain: &[u8]) -> Vec<u8> {
    let (header, payload) = plain.split_at(HEADER_BYTES);
    let mut slot = [header, &vec![0; payload.len() + TRAILER_BYTES]].concat();
    let len = outbound.seal_rtp(index, &mut slot, HEADER_BYTES, payload).unwrap();
    slot.truncate(len);
    slot
}

fn packet(bytes: &[u8]) -> PacketMut {
    let mut packet = PacketPool::new(1).take().unwrap();
    assert!(packet.fill(bytes));
    packet
}

/// A master key and salt.
struct Key {
    profile: SrtpProfile,
    bytes: Vec<u8>,
}

impl Key {
    fn of(profile: SrtpProfile) -> Self {
        let len = profile.key_len() + profile.salt_len();
        Self { profile, bytes: (0..len).map(|at| (at * 37 + 11) as u8).collect() }
    }

    fn master(&self) -> MasterKey<'_> {
        let (key, salt) = self.bytes.split_at(self.profile.key_len());
        MasterKey::new(self.profile, key, salt).unwrap()
    }
}
