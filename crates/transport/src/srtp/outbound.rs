//! Sealing what a peer gets.

use std::fmt;

use super::cipher::{PacketId, Parts, RtcpWord, SessionKey};
use super::{MasterKey, RTCP_CLEAR_LEN, RTCP_INDEX_MAX, RTP_INDEX_MAX, SrtpError, SrtpProfile};

/// The sending half of one SRTP association.
///
/// RTP indexes come from the caller, who has one [`OutgoingIndex`](super::OutgoingIndex) for each SSRC; the SRTCP
/// index is counted here, one for all SSRCs together.
pub struct SrtpOutbound {
    profile: SrtpProfile,
    rtp: SessionKey,
    rtcp: SessionKey,
    rtcp_index: u32,
}

impl SrtpOutbound {
    /// Derives the session keys from our own master key.
    pub fn new(master: &MasterKey<'_>) -> Self {
        Self { profile: master.profile(), rtp: SessionKey::rtp(master), rtcp: SessionKey::rtcp(master), rtcp_index: 0 }
    }

    /// The profile of the association.
    pub const fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// Seals `payload`, which stays as it is, behind the RTP header of `header_len` bytes that `slot` begins with.
    ///
    /// `index` is the 48-bit packet index, rollover counter above sequence number (RFC 3711 §3.3.1). Returns the
    /// length of the sealed packet in `slot`.
    ///
    /// # Errors
    /// [`SrtpError::IndexExhausted`] above 48 bits, [`SrtpError::SlotTooSmall`] when header, payload and tag do not
    /// fit; the slot's contents mean nothing then.
    pub fn seal_rtp(&self, index: u64, slot: &mut [u8], header_len: usize, payload: &[u8]) -> Result<usize, SrtpError> {
        let id = rtp_id(slot, index)?;
        let parts = self.cut_rtp(slot, header_len, payload.len())?;
        self.rtp.seal_from(id, payload, parts)?;
        Ok(header_len + payload.len() + self.profile.rtp_tag_len())
    }

    /// As [`seal_rtp`](Self::seal_rtp), with the `payload_len` bytes of payload in the slot behind the header already.
    ///
    /// # Errors
    /// As [`seal_rtp`](Self::seal_rtp).
    pub fn seal_rtp_in_place(
        &self,
        index: u64,
        slot: &mut [u8],
        header_len: usize,
        payload_len: usize,
    ) -> Result<usize, SrtpError> {
        let id = rtp_id(slot, index)?;
        let parts = self.cut_rtp(slot, header_len, payload_len)?;
        self.rtp.seal(id, parts)?;
        Ok(header_len + payload_len + self.profile.rtp_tag_len())
    }

    /// Seals the RTCP compound packet in the first `len` bytes of `slot` and returns its new length, longer by
    /// [`SrtpProfile::rtcp_trailer_len`] (RFC 3711 §3.4).
    ///
    /// # Errors
    /// [`SrtpError::IndexExhausted`] after 2^31 packets, [`SrtpError::SlotTooSmall`] when the trailer does not fit or
    /// `len` is not even a header.
    pub fn seal_rtcp(&mut self, slot: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        if self.rtcp_index > RTCP_INDEX_MAX {
            return Err(SrtpError::IndexExhausted);
        }
        let ssrc = u32_at(slot, 4).ok_or(SrtpError::SlotTooSmall)?;
        let body_len = len.checked_sub(RTCP_CLEAR_LEN).ok_or(SrtpError::SlotTooSmall)?;
        let trailer_len = self.profile.rtcp_trailer_len();
        let parts = Parts::cut(slot, RTCP_CLEAR_LEN, body_len, trailer_len).ok_or(SrtpError::SlotTooSmall)?;
        let word = RtcpWord::encrypted(self.rtcp_index);
        // Counted before sealing: whatever happens to this packet, its index is not used for another one.
        self.rtcp_index += 1;
        self.rtcp.seal_rtcp(ssrc, word, parts)?;
        Ok(len + trailer_len)
    }

    fn cut_rtp<'a>(&self, slot: &'a mut [u8], header_len: usize, payload_len: usize) -> Result<Parts<'a>, SrtpError> {
        let tag_len = self.profile.rtp_tag_len();
        Parts::cut(slot, header_len, payload_len, tag_len).ok_or(SrtpError::SlotTooSmall)
    }
}

#[cfg(test)]
impl SrtpOutbound {
    pub(crate) fn set_rtcp_index(&mut self, index: u32) {
        self.rtcp_index = index;
    }
}

impl fmt::Debug for SrtpOutbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpOutbound").field("profile", &self.profile).finish_non_exhaustive()
    }
}

fn rtp_id(slot: &[u8], index: u64) -> Result<PacketId, SrtpError> {
    if index > RTP_INDEX_MAX {
        return Err(SrtpError::IndexExhausted);
    }
    let ssrc = u32_at(slot, 8).ok_or(SrtpError::SlotTooSmall)?;
    Ok(PacketId { ssrc, index })
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().copied().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::testing;

    #[test]
    fn s08_the_last_rtcp_index_is_used_and_none_after_it() {
        let (mut outbound, mut inbound) = testing::pair(SrtpProfile::AeadAes128Gcm);
        outbound.set_rtcp_index(RTCP_INDEX_MAX);
        let mut slot = [0; 64];
        slot[..28].copy_from_slice(&testing::rtcp(9, 28));
        let len = outbound.seal_rtcp(&mut slot, 28).unwrap();
        assert_eq!(inbound.open_rtcp(&mut testing::packet(&slot[..len])), Ok(()));
        for _ in 0..3 {
            assert_eq!(outbound.seal_rtcp(&mut slot, 28), Err(SrtpError::IndexExhausted));
        }
    }

    #[test]
    fn s08_an_rtp_index_of_49_bits_is_refused() {
        let (outbound, _) = testing::pair(SrtpProfile::AeadAes128Gcm);
        let mut slot = [0; 64];
        assert_eq!(outbound.seal_rtp(RTP_INDEX_MAX + 1, &mut slot, 12, b"x"), Err(SrtpError::IndexExhausted));
        assert_eq!(outbound.seal_rtp(RTP_INDEX_MAX, &mut slot, 12, b"x"), Ok(12 + 1 + 16));
    }

    #[test]
    fn a_slot_without_room_for_the_tag_is_refused() {
        for profile in SrtpProfile::ALL {
            let (mut outbound, _) = testing::pair(profile);
            let exact = 12 + 100 + profile.rtp_tag_len();
            assert_eq!(outbound.seal_rtp(0, &mut vec![0; exact], 12, &[1; 100]), Ok(exact));
            assert_eq!(outbound.seal_rtp(1, &mut vec![0; exact - 1], 12, &[1; 100]), Err(SrtpError::SlotTooSmall));
            let refused = outbound.seal_rtp_in_place(2, &mut vec![0; exact - 1], 12, 100);
            assert_eq!(refused, Err(SrtpError::SlotTooSmall));
            assert_eq!(outbound.seal_rtcp(&mut [0; 28], 28), Err(SrtpError::SlotTooSmall));
            assert_eq!(outbound.seal_rtcp(&mut [0; 64], 7), Err(SrtpError::SlotTooSmall));
        }
    }

    #[test]
    fn sealing_in_place_gives_the_same_packet_as_sealing_from_elsewhere() {
        for profile in SrtpProfile::ALL {
            let (outbound, _) = testing::pair(profile);
            let header = testing::rtp(77, 5, 0);
            let payload: Vec<u8> = (0..200).collect();
            let mut elsewhere = [header.clone(), vec![0; 300]].concat();
            let mut in_place = [header, payload.clone(), vec![0; 100]].concat();
            let len = outbound.seal_rtp(5, &mut elsewhere, 12, &payload).unwrap();
            assert_eq!(outbound.seal_rtp_in_place(5, &mut in_place, 12, 200), Ok(len));
            assert_eq!(elsewhere[..len], in_place[..len]);
        }
    }
}
