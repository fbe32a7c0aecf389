//! What a transport gives its router.

use millrace_packet::PacketMut;

/// A packet of the peer, authentic and decrypted where the transport is secured.
#[derive(Debug)]
pub enum Received {
    /// An RTP packet; nothing inside it was checked but its authenticity.
    Rtp(PacketMut),
    /// An RTCP compound packet; as above.
    Rtcp(PacketMut),
}
