//! One function per parser that takes any bytes at all and checks what must hold for them.
//!
//! They are plain functions, so that a fuzzer's target is one line and the unit tests can run them as well.

use crate::extension::{ExtensionIds, ExtensionKind};
use crate::meta::RtpMeta;
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

/// Extension numbers 1 to 12, which one-byte and two-byte elements can both have.
fn every_kind() -> ExtensionIds {
    ExtensionIds::new((1..).zip(ExtensionKind::ALL))
}
