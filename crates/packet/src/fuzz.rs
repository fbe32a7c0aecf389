//! One function per parser that takes any bytes at all and checks what must hold for them.
//!
//! They are plain functions, so that a fuzzer's target is one line and the unit tests can run them as well.

use crate::extension::{ExtensionIds, ExtensionKind};
use crate::header::{ExtensionPlan, OutgoingHeader, Stamps, write_header};
use crate::meta::RtpMeta;
use crate::rewrite::{OutgoingStreamId, Priority, Rewrite};
use crate::rtp::{is_rtp_or_rtcp, peek};

/// Parses `data` as RTP: lengths add up, values lie before the payload, and `peek` agrees with the full parse.
pub fn fuzz_rtp(data: &[u8]) {
    let _ = is_rtp_or_rtcp(data);
    let Ok(meta) = RtpMeta::parse(data, &every_kind()) else { return };
    let header = usize::from(meta.payload_offset);
    assert_eq!(header + usize::from(meta.payload_len) + usize::from(meta.padding_len), data.len());
    assert_eq!(meta.payload(data).len(), usize::from(meta.payload_len));
    let peeked = peek(data).expect("what parses whole can be peeked at");
    assert_eq!((peeked.ssrc, peeked.sequence, peeked.header_len), (meta.ssrc, meta.sequence, header));
    for kind in ExtensionKind::ALL {
        let Some(span) = meta.extension(kind) else { continue };
        assert!(usize::from(span.offset) + usize::from(span.len) <= header);
        assert!(meta.value(data, kind).is_some());
    }
}

/// Parses `data` as RTP and writes a viewer's header from it: parsing that gives back the values that were written.
pub fn fuzz_header(data: &[u8]) {
    let Ok(meta) = RtpMeta::parse(data, &every_kind()) else { return };
    // Numbers 4 to 15: whether one-byte elements will do depends on what the packet carries.
    let viewer = || (4..).zip(ExtensionKind::ALL);
    let plan = ExtensionPlan::new(viewer());
    let rewrite = Rewrite {
        stream: OutgoingStreamId(0),
        payload_type: meta.payload_type ^ 1,
        marker: !meta.marker,
        sequence: meta.sequence.wrapping_add(1),
        timestamp: meta.timestamp.wrapping_add(1),
        original_sequence: None,
        priority: Priority::Video,
    };
    let stamps = Stamps { abs_send_time: 0x00ab_cdef, transport_sequence: meta.sequence };
    let header = OutgoingHeader { ssrc: !meta.ssrc, rewrite: &rewrite, plan: &plan, stamps };
    let mut out = [0; 4096];
    let len = write_header(data, &meta, &header, &mut out).expect("twelve extensions of 255 bytes fit into 4096 bytes");
    let out = &out[..len];
    let written = RtpMeta::parse(out, &ExtensionIds::new(viewer())).expect("what is written parses");
    assert_eq!((written.ssrc, written.sequence), (!meta.ssrc, rewrite.sequence));
    assert_eq!((written.timestamp, written.payload_type), (rewrite.timestamp, rewrite.payload_type));
    assert_eq!((written.marker, written.csrc_count), (rewrite.marker, meta.csrc_count));
    assert_eq!((usize::from(written.payload_offset), written.payload_len, written.padding_len), (len, 0, 0));
    assert_eq!(written.mid(out), None);
    assert_eq!((written.abs_send_time(out), written.transport_sequence(out)), (Some(0x00ab_cdef), Some(meta.sequence)));
    let stamped = [ExtensionKind::Mid, ExtensionKind::AbsSendTime, ExtensionKind::TransportWideCc];
    for kind in ExtensionKind::ALL.into_iter().filter(|kind| !stamped.contains(kind)) {
        assert_eq!(written.value(out, kind), meta.value(data, kind));
    }
}

/// Extension numbers 1 to 12, which one-byte and two-byte elements can both have.
fn every_kind() -> ExtensionIds {
    ExtensionIds::new((1..).zip(ExtensionKind::ALL))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutated inputs that each fuzz function gets per seed.
    const MUTATIONS: usize = 5_000;

    #[test]
    fn mutated_rtp_packets_are_survived() {
        let one_byte =
            [0xb1, 0xe0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9, 0xbe, 0xde, 0, 2, 0x10, b'a', 0x32, 1, 2, 3];
        let one_byte = [&one_byte[..], &[0x60, 7, 5, 5, 5, 2]].concat();
        let two_byte =
            [0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x10, 0, 0, 3, 7, 5, 1, 2, 3, 4, 5, 8, 0, 12, 1, 9, 1, 2];
        for seed in [&one_byte[..], &two_byte] {
            mutate(seed, fuzz_rtp);
            mutate(seed, fuzz_header);
        }
    }

    /// Calls `target` with `seed` and with `MUTATIONS` variants of it: bytes changed, cut off, doubled.
    fn mutate(seed: &[u8], target: fn(&[u8])) {
        target(seed);
        let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
        for _ in 0..MUTATIONS {
            let mut bytes = seed.to_vec();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len().max(1));
                match random.below(6) {
                    0 => bytes.truncate(at),
                    1 => bytes.extend_from_within(at.min(bytes.len())..),
                    2 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
                    3 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = 0xff),
                    4 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = 0),
                    _ => bytes.iter_mut().skip(at).take(4).for_each(|byte| *byte = random.below(256) as u8),
                }
            }
            target(&bytes);
        }
    }

    struct XorShift(u64);

    impl XorShift {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % limit as u64) as usize
        }
    }
}
