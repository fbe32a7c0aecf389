//! What was learned from an RTP packet when it was parsed once, on its way in.

use crate::extension::ExtensionKind;

/// Where the value of one header extension lies in its packet; `len` 0 with `offset` 0 means "not there".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionSpan {
    /// Offset from the first byte of the packet.
    pub offset: u16,
    /// Length of the value in bytes, 0 to 255.
    pub len: u8,
}

impl ExtensionSpan {
    /// Tells whether the packet carries this extension. An extension value of zero bytes still has an offset.
    pub const fn is_present(self) -> bool {
        self.offset != 0
    }
}

/// The parsed header of an RTP packet (RFC 3550 §5.1) with its header extensions sorted by kind.
///
/// Offsets count from the first byte of the packet. The padding is left out of `payload_len`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RtpMeta {
    /// Synchronisation source.
    pub ssrc: u32,
    /// RTP timestamp, in ticks of the codec's clock.
    pub timestamp: u32,
    /// Sequence number.
    pub sequence: u16,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Number of contributing sources, 0 to 15.
    pub csrc_count: u8,
    /// Offset of the payload.
    pub payload_offset: u16,
    /// Length of the payload without padding.
    pub payload_len: u16,
    /// Number of padding bytes after the payload, 0 to 255.
    pub padding_len: u8,
    /// Tells whether the payload starts a picture that decodes without earlier ones.
    pub key_frame: bool,
    /// Header extensions, indexed by [`ExtensionKind`].
    pub extensions: [ExtensionSpan; ExtensionKind::COUNT],
}

impl RtpMeta {
    /// Where the value of `kind` lies, if the packet carries it.
    pub fn extension(&self, kind: ExtensionKind) -> Option<ExtensionSpan> {
        Some(self.extensions[kind as usize]).filter(|span| span.is_present())
    }
}
