//! The RTP header extensions that a router understands (RFC 8285 carries them, their own documents define them).

use std::fmt;

/// A header extension by meaning; the number it has on the wire differs from peer to peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExtensionKind {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid` (RFC 9143).
    Mid,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id` (RFC 8852).
    RtpStreamId,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id` (RFC 8852).
    RepairedRtpStreamId,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`: 24 bits, seconds in 6.18 fixed point.
    AbsSendTime,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`: 16-bit transport-wide number.
    TransportWideCc,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464).
    AudioLevel,
    /// `https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension`.
    DependencyDescriptor,
    /// `urn:3gpp:video-orientation` (3GPP TS 26.114).
    VideoOrientation,
    /// `urn:ietf:params:rtp-hdrext:toffset` (RFC 5450).
    TimestampOffset,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time`.
    AbsCaptureTime,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/playout-delay`.
    PlayoutDelay,
    /// `urn:mediasoup:params:rtp-hdrext:packet-id`: 32-bit packet number of a publisher.
    PacketId,
}

impl ExtensionKind {
    /// Number of kinds; the length of a table indexed by kind.
    pub const COUNT: usize = 12;

    /// Every kind, in the order in which they are written into an outgoing header.
    pub const ALL: [ExtensionKind; Self::COUNT] = [
        Self::Mid,
        Self::RtpStreamId,
        Self::RepairedRtpStreamId,
        Self::AbsSendTime,
        Self::TransportWideCc,
        Self::AudioLevel,
        Self::DependencyDescriptor,
        Self::VideoOrientation,
        Self::TimestampOffset,
        Self::AbsCaptureTime,
        Self::PlayoutDelay,
        Self::PacketId,
    ];

    /// The URI that negotiates this extension in RTP parameters and SDP.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::RtpStreamId => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRtpStreamId => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Self::TransportWideCc => "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
            Self::VideoOrientation => "urn:3gpp:video-orientation",
            Self::TimestampOffset => "urn:ietf:params:rtp-hdrext:toffset",
            Self::AbsCaptureTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
            Self::PlayoutDelay => "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            Self::PacketId => "urn:mediasoup:params:rtp-hdrext:packet-id",
        }
    }

    /// The kind that `uri` names, if it is one of ours.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.uri() == uri)
    }
}

/// Which header extension has which number on one peer's wire (RFC 8285 §5, `a=extmap`).
///
/// A table of 256 bytes, so that parsing costs one load an element.
#[derive(Clone, PartialEq, Eq)]
pub struct ExtensionIds {
    /// 0 for unknown numbers, else the kind's index plus one.
    kinds: [u8; 256],
}

impl ExtensionIds {
    /// Makes the table from pairs of wire number and kind.
    ///
    /// Number 0 is padding on the wire and is left out. Of two kinds with one number the later pair counts.
    pub fn new(pairs: impl IntoIterator<Item = (u8, ExtensionKind)>) -> Self {
        let mut kinds = [0; 256];
        for (id, kind) in pairs {
            kinds[usize::from(id)] = kind as u8 + 1;
        }
        kinds[0] = 0;
        Self { kinds }
    }

    /// The kind that has the number `id`, if there is one.
    pub fn kind(&self, id: u8) -> Option<ExtensionKind> {
        let index = usize::from(self.kinds[usize::from(id)]).checked_sub(1)?;
        ExtensionKind::ALL.get(index).copied()
    }
}

impl Default for ExtensionIds {
    fn default() -> Self {
        Self::new([])
    }
}

impl fmt::Debug for ExtensionIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = (0..=255).filter_map(|id| self.kind(id).map(|kind| (id, kind)));
        f.debug_map().entries(known).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_uri_and_stands_at_its_own_index() {
        for (index, kind) in ExtensionKind::ALL.into_iter().enumerate() {
            assert_eq!(ExtensionKind::from_uri(kind.uri()), Some(kind));
            assert_eq!(kind as usize, index);
        }
        assert_eq!(ExtensionKind::from_uri("urn:none"), None);
    }

    #[test]
    fn numbers_map_to_kinds_and_zero_to_none() {
        let ids = ExtensionIds::new([(0, ExtensionKind::Mid), (1, ExtensionKind::Mid), (255, ExtensionKind::PacketId)]);
        assert_eq!(ids.kind(0), None);
        assert_eq!(ids.kind(1), Some(ExtensionKind::Mid));
        assert_eq!(ids.kind(255), Some(ExtensionKind::PacketId));
        assert_eq!(ids.kind(2), None);
    }
}
