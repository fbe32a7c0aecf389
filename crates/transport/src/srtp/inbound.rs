//! Opening what a peer sends.

use std::fmt;

use millrace_packet::PacketMut;
use rustc_hash::FxHashMap;

use super::cipher::{PacketId, Parts, SessionKey};
use super::index::{Window, estimate};
use super::{MasterKey, RTCP_CLEAR_LEN, RTP_INDEX_MAX, SrtpError, SrtpProfile};

/// SSRCs of one peer that are tracked for RTP, and as many for RTCP, during the life of an association.
///
/// About 150 bytes each, and only after a packet of it was authentic. When full, packets of further SSRCs are
/// refused: forgetting a source would let anybody repeat its old packets (RFC 3711 §3.3.2). A peer that publishes a
/// simulcast camera with RTX (6 SSRCs) anew reaches this after 170 times and needs a new transport then.
pub const SOURCES_MAX: usize = 1024;

/// SSRCs that are tracked of a peer that is another router: as many as one of our transports ever sends.
pub const SOURCES_PER_PIPE_MAX: usize = crate::outgoing::SSRCS_MAX;

/// The receiving half of one SRTP association.
pub struct SrtpInbound {
    profile: SrtpProfile,
    sources_max: usize,
    rtp: SessionKey,
    rtcp: SessionKey,
    rtp_sources: FxHashMap<u32, Window>,
    rtcp_sources: FxHashMap<u32, Window>,
}

impl SrtpInbound {
    /// Derives the session keys from the peer's master key.
    pub fn new(master: &MasterKey<'_>) -> Self {
        Self {
            profile: master.profile(),
            sources_max: SOURCES_MAX,
            rtp: SessionKey::rtp(master),
            rtcp: SessionKey::rtcp(master),
            rtp_sources: FxHashMap::default(),
            rtcp_sources: FxHashMap::default(),
        }
    }

    /// Sets how many SSRCs are tracked. Default: [`SOURCES_MAX`].
    #[must_use]
    pub fn with_sources_max(self, sources_max: usize) -> Self {
        Self { sources_max, ..self }
    }

    /// The profile of the association.
    pub const fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// Turns an SRTP packet into the RTP packet that was sealed in it, in place (RFC 3711 §3.3, RFC 7714 §8).
    ///
    /// # Errors
    /// Why the packet must be dropped; its contents mean nothing then, and no state has changed.
    pub fn open_rtp(&mut self, packet: &mut PacketMut) -> Result<(), SrtpError> {
        let bytes = packet.bytes_mut();
        let header = RtpHeader::read(bytes).ok_or(SrtpError::Malformed)?;
        let tag_len = self.profile.rtp_tag_len();
        let plain_len = bytes.len().checked_sub(tag_len).ok_or(SrtpError::Malformed)?;
        let payload_len = plain_len.checked_sub(header.len).ok_or(SrtpError::Malformed)?;
        let parts = Parts::cut(bytes, header.len, payload_len, tag_len).ok_or(SrtpError::Malformed)?;

        let source = Source::find(&mut self.rtp_sources, header.ssrc, self.sources_max)?;
        let index = source.estimate(header.sequence)?;
        source.require_new(index)?;
        self.rtp.open(PacketId { ssrc: header.ssrc, index }, parts)?;
        source.accept(index);
        packet.truncate(plain_len);
        Ok(())
    }

    /// Turns an SRTCP packet into the RTCP compound packet that was sealed in it, in place (RFC 3711 §3.4).
    ///
    /// A packet that says it is not encrypted is taken as it is, once it proved authentic.
    ///
    /// # Errors
    /// Why the packet must be dropped; its contents mean nothing then, and no state has changed.
    pub fn open_rtcp(&mut self, packet: &mut PacketMut) -> Result<(), SrtpError> {
        let bytes = packet.bytes_mut();
        let ssrc = rtcp_sender(bytes).ok_or(SrtpError::Malformed)?;
        let trailer_len = self.profile.rtcp_trailer_len();
        let plain_len = bytes.len().checked_sub(trailer_len).ok_or(SrtpError::Malformed)?;
        let body_len = plain_len.checked_sub(RTCP_CLEAR_LEN).ok_or(SrtpError::Malformed)?;
        let parts = Parts::cut(bytes, RTCP_CLEAR_LEN, body_len, trailer_len).ok_or(SrtpError::Malformed)?;
        let word = self.rtcp.rtcp_word(parts.trailer).ok_or(SrtpError::Malformed)?;

        let source = Source::find(&mut self.rtcp_sources, ssrc, self.sources_max)?;
        source.require_new(word.index().into())?;
        self.rtcp.open_rtcp(ssrc, word, parts)?;
        source.accept(word.index().into());
        packet.truncate(plain_len);
        Ok(())
    }
}

#[cfg(test)]
impl SrtpInbound {
    pub(super) fn set_highest_rtp_index(&mut self, ssrc: u32, index: u64) {
        self.rtp_sources.insert(ssrc, Window::starting_at(index));
    }
}

impl fmt::Debug for SrtpInbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpInbound")
            .field("profile", &self.profile)
            .field("rtp_sources", &self.rtp_sources.len())
            .field("rtcp_sources", &self.rtcp_sources.len())
            .finish_non_exhaustive()
    }
}

/// The place of one SSRC in a table. It becomes an entry only by [`accept`](Self::accept).
enum Source<'a> {
    Known(&'a mut Window),
    New(std::collections::hash_map::VacantEntry<'a, u32, Window>),
}

impl<'a> Source<'a> {
    fn find(sources: &'a mut FxHashMap<u32, Window>, ssrc: u32, sources_max: usize) -> Result<Self, SrtpError> {
        use std::collections::hash_map::Entry;

        let is_full = sources.len() >= sources_max;
        match sources.entry(ssrc) {
            Entry::Occupied(entry) => Ok(Self::Known(entry.into_mut())),
            Entry::Vacant(_) if is_full => Err(SrtpError::TooManySources),
            Entry::Vacant(entry) => Ok(Self::New(entry)),
        }
    }

    fn estimate(&self, sequence: u16) -> Result<u64, SrtpError> {
        let Self::Known(window) = self else { return Ok(sequence.into()) };
        // No sender's rollover counter starts below zero, so a number that seems to lie there is one far ahead.
        let index = u64::try_from(estimate(window.highest(), sequence)).unwrap_or(sequence.into());
        if index > RTP_INDEX_MAX { Err(SrtpError::IndexExhausted) } else { Ok(index) }
    }

    fn require_new(&self, index: u64) -> Result<(), SrtpError> {
        match self {
            Self::Known(window) if !window.is_new(index) => Err(SrtpError::Replayed),
            _ => Ok(()),
        }
    }

    fn accept(self, index: u64) {
        match self {
            Self::Known(window) => window.accept(index),
            Self::New(entry) => {
                entry.insert(Window::starting_at(index));
            }
        }
    }
}

/// What SRTP needs of an RTP header (RFC 3550 §5.1).
struct RtpHeader {
    ssrc: u32,
    sequence: u16,
    /// With contributing sources and extension.
    len: usize,
}

impl RtpHeader {
    fn read(bytes: &[u8]) -> Option<Self> {
        const FIXED_LEN: usize = 12;
        let &[first, _, sequence_high, sequence_low, _, _, _, _, s0, s1, s2, s3] = bytes.first_chunk::<FIXED_LEN>()?;
        if first >> 6 != 2 {
            return None;
        }
        let mut len = FIXED_LEN + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            let &[_, _, words_high, words_low] = bytes.get(len..)?.first_chunk::<4>()?;
            len += 4 + 4 * usize::from(u16::from_be_bytes([words_high, words_low]));
        }
        let sequence = u16::from_be_bytes([sequence_high, sequence_low]);
        Some(Self { ssrc: u32::from_be_bytes([s0, s1, s2, s3]), sequence, len })
    }
}

/// The SSRC that an RTCP compound packet begins with (RFC 3550 §6.4).
fn rtcp_sender(bytes: &[u8]) -> Option<u32> {
    let &[first, _, _, _, s0, s1, s2, s3] = bytes.first_chunk::<RTCP_CLEAR_LEN>()?;
    (first >> 6 == 2).then(|| u32::from_be_bytes([s0, s1, s2, s3]))
}
