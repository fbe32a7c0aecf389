//! RTP, RTCP, header extensions and payload descriptors as views, patches and builders over byte slices.
//!
//! A core: it knows no clock, no chance, no socket. Packets live in a [`pool`] owned by one worker; everything else
//! here reads or writes bytes in place and allocates nothing.

mod big_endian;
pub mod codec;
pub mod dependency;
pub mod extension;
pub mod fuzz;
pub mod header;
pub mod meta;
pub mod payload;
pub mod pool;
pub mod rewrite;
pub mod rtcp;
pub mod rtp;
pub mod rtx;
pub mod sequence;

pub use codec::VideoCodec;
pub use dependency::{DecodeTargets, DependencyReader, DescriptorEdit};
pub use extension::{ExtensionIds, ExtensionKind};
pub use header::{ExtensionPlan, OutgoingHeader, Stamps, write_header};
pub use meta::{ExtensionSpan, RtpMeta};
pub use payload::{
    NumbersEdit, PictureEdit, PictureFlags, PictureInfo, PictureNumbers, descriptor_len, is_key_frame, picture_info,
};
pub use pool::{PacketMut, PacketPool, PacketRef};
pub use rewrite::{OutgoingStreamId, Priority, Rewrite};
pub use rtp::{Muxed, RtpError, RtpPeek, is_rtp_or_rtcp};

/// Largest datagram accepted from or sent to a peer, in bytes.
///
/// An Ethernet payload. Longer datagrams are counted and dropped (no RTP, STUN or DTLS sender needs more).
pub const DATAGRAM_BYTES_MAX: usize = 1500;
