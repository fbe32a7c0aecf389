//! Packet indexes: the rollover counter that is not on the wire, and which indexes were seen or used.

use super::{RTP_INDEX_MAX, SrtpError};

/// Indexes that a window remembers, counted back from the highest; older ones are refused.
///
/// RFC 3711 §3.3.2 asks for 64 at least. 1024 is more than a second of 8 Mbit/s video, so a packet that took a
/// detour still counts as new.
pub const WINDOW_PACKETS: u64 = 1024;

const WORD_BITS: u64 = u64::BITS as u64;
const WINDOW_WORDS: usize = (WINDOW_PACKETS / WORD_BITS) as usize;

/// The highest index of one source and which of the [`WINDOW_PACKETS`] before it came (RFC 3711 §3.3.2).
#[derive(Clone, Debug)]
pub(super) struct Window {
    highest: u64,
    /// A ring: the bit of index `i` is `i` modulo the window.
    seen: [u64; WINDOW_WORDS],
}

impl Window {
    /// A window that has seen `index` and nothing else.
    pub(super) fn starting_at(index: u64) -> Self {
        let mut window = Self { highest: index, seen: [0; WINDOW_WORDS] };
        window.mark(index);
        window
    }

    pub(super) const fn highest(&self) -> u64 {
        self.highest
    }

    /// Tells whether `index` is neither marked nor too old to know.
    pub(super) fn is_new(&self, index: u64) -> bool {
        index > self.highest || (self.reaches(index) && !self.is_marked(index))
    }

    /// Tells whether `index` is not older than the window.
    pub(super) const fn reaches(&self, index: u64) -> bool {
        index > self.highest || self.highest - index < WINDOW_PACKETS
    }

    /// Remembers `index`, which the window [`reaches`](Self::reaches).
    pub(super) fn accept(&mut self, index: u64) {
        if index > self.highest {
            self.advance(index);
        }
        self.mark(index);
    }

    fn advance(&mut self, index: u64) {
        if index - self.highest >= WINDOW_PACKETS {
            self.seen = [0; WINDOW_WORDS];
        } else {
            (self.highest + 1..=index).for_each(|skipped| self.seen[word_of(skipped)] &= !bit_of(skipped));
        }
        self.highest = index;
    }

    fn is_marked(&self, index: u64) -> bool {
        self.seen[word_of(index)] & bit_of(index) != 0
    }

    fn mark(&mut self, index: u64) {
        self.seen[word_of(index)] |= bit_of(index);
    }
}

const fn word_of(index: u64) -> usize {
    (index % WINDOW_PACKETS / WORD_BITS) as usize
}

const fn bit_of(index: u64) -> u64 {
    1 << (index % WORD_BITS)
}

/// The index that `sequence` most likely has, given the highest one so far (RFC 3711 §3.3.1 and appendix A).
///
/// Negative when it lies before the first rollover's start, above [`RTP_INDEX_MAX`] when there is no number left.
pub(super) fn estimate(highest: u64, sequence: u16) -> i64 {
    const HALF: u64 = 1 << 15;
    const ROLLOVER: i64 = 1 << 16;
    let newest = highest & 0xffff;
    let same_rollover = ((highest & !0xffff) | u64::from(sequence)) as i64;
    if newest < HALF && u64::from(sequence) > newest + HALF {
        same_rollover - ROLLOVER
    } else if newest >= HALF && u64::from(sequence) < newest - HALF {
        same_rollover + ROLLOVER
    } else {
        same_rollover
    }
}

/// Gives the packets of one outgoing SSRC their indexes and refuses to give one out twice.
///
/// Two different packets under one index reveal both, and with GCM the authentication key too (RFC 3711 §9.1,
/// RFC 7714 §10.1). Therefore this refuses whatever it cannot prove to be new: what the window has marked, what is
/// older than the window, what lies before the first packet.
#[derive(Clone, Debug, Default)]
pub struct OutgoingIndex {
    /// `None` until the first packet.
    used: Option<Window>,
}

impl OutgoingIndex {
    /// The index for a packet that was never sealed.
    ///
    /// # Errors
    /// [`SrtpError::IndexReused`] for a number that was given out before or is too old to tell,
    /// [`SrtpError::IndexExhausted`] after 2^48 of them.
    #[inline]
    pub fn claim(&mut self, sequence: u16) -> Result<u64, SrtpError> {
        // Most numbers follow the highest one, whose successor is new by itself.
        if let Some(window) = &mut self.used
            && sequence == (window.highest as u16).wrapping_add(1)
            && window.highest < RTP_INDEX_MAX
        {
            window.highest += 1;
            window.mark(window.highest);
            return Ok(window.highest);
        }
        self.claim_out_of_order(sequence)
    }

    fn claim_out_of_order(&mut self, sequence: u16) -> Result<u64, SrtpError> {
        let index = self.resolve(sequence)?;
        match &mut self.used {
            Some(window) if !window.is_new(index) => return Err(SrtpError::IndexReused),
            Some(window) => window.accept(index),
            None => self.used = Some(Window::starting_at(index)),
        }
        Ok(index)
    }

    /// The index for a packet that may have been sealed before **with the very same bytes**.
    ///
    /// # Errors
    /// As [`claim`](Self::claim), but a number that was given out before is given out again.
    pub fn claim_again(&mut self, sequence: u16) -> Result<u64, SrtpError> {
        let index = self.resolve(sequence)?;
        match &mut self.used {
            Some(window) if !window.reaches(index) => return Err(SrtpError::IndexReused),
            Some(window) => window.accept(index),
            None => self.used = Some(Window::starting_at(index)),
        }
        Ok(index)
    }

    fn resolve(&self, sequence: u16) -> Result<u64, SrtpError> {
        let Some(window) = &self.used else { return Ok(sequence.into()) };
        // A number before the start would have to be one of rollover zero, and the peer would take it for the newest.
        let index = u64::try_from(estimate(window.highest(), sequence)).map_err(|_| SrtpError::IndexReused)?;
        if index > RTP_INDEX_MAX { Err(SrtpError::IndexExhausted) } else { Ok(index) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711 appendix A, transcribed with its names.
    fn appendix_a(sequence: i64, s_l: i64, roc: i64) -> i64 {
        let v = if s_l < 32_768 {
            if sequence - s_l > 32_768 { roc - 1 } else { roc }
        } else if s_l - 32_768 > sequence {
            roc + 1
        } else {
            roc
        };
        sequence + v * 65_536
    }

    #[test]
    fn estimates_are_those_of_rfc_3711_appendix_a() {
        const EDGES: [u16; 8] = [0, 1, 32_766, 32_767, 32_768, 32_769, 65_534, 65_535];
        for (newest, sequence) in EDGES.into_iter().flat_map(|a| EDGES.map(|b| (a, b))) {
            let highest = (7 << 16) | u64::from(newest);
            let expected = appendix_a(sequence.into(), newest.into(), 7);
            assert_eq!(estimate(highest, sequence), expected, "{sequence} after {newest}");
        }
    }

    #[test]
    fn a_window_agrees_with_a_set_of_everything_seen() {
        let mut random = crate::srtp::testing::Random::seeded(11);
        let mut window = Window::starting_at(5_000);
        let mut seen = std::collections::HashSet::from([5_000]);
        for _ in 0..20_000 {
            let index = (window.highest() + 40).saturating_sub(random.below(1_200).into());
            let expected = window.highest() < index + WINDOW_PACKETS && !seen.contains(&index);
            assert_eq!(window.is_new(index), expected, "index {index}, highest {}", window.highest());
            if expected {
                window.accept(index);
                seen.insert(index);
            }
        }
    }

    #[test]
    fn a_jump_past_the_window_forgets_all_before_it() {
        let mut window = Window::starting_at(10);
        window.accept(10 + 3 * WINDOW_PACKETS);
        assert!(!window.is_new(10 + 3 * WINDOW_PACKETS) && !window.is_new(10));
        assert!(window.is_new(10 + 2 * WINDOW_PACKETS + 1));
    }

    #[test]
    fn outgoing_indexes_count_the_rollovers() {
        let mut outgoing = OutgoingIndex::default();
        assert_eq!(outgoing.claim(65_534), Ok(65_534));
        assert_eq!(outgoing.claim(1), Ok(65_537));
        assert_eq!(outgoing.claim(65_535), Ok(65_535));
        assert_eq!(outgoing.claim(2), Ok(65_538));
    }

    #[test]
    fn an_outgoing_index_is_claimed_once_but_may_be_claimed_again() {
        let mut outgoing = OutgoingIndex::default();
        assert_eq!(outgoing.claim(7), Ok(7));
        assert_eq!(outgoing.claim(7), Err(SrtpError::IndexReused));
        assert_eq!(outgoing.claim_again(7), Ok(7));
        assert_eq!(outgoing.claim_again(8), Ok(8));
        assert_eq!(outgoing.claim(8), Err(SrtpError::IndexReused));
    }

    #[test]
    fn outgoing_numbers_before_the_first_or_behind_the_window_are_refused() {
        let mut outgoing = OutgoingIndex::default();
        assert_eq!(outgoing.claim(5), Ok(5));
        assert_eq!(outgoing.claim(65_535), Err(SrtpError::IndexReused));
        assert_eq!(outgoing.claim(5_000), Ok(5_000));
        assert_eq!(outgoing.claim(6), Err(SrtpError::IndexReused));
        assert_eq!(outgoing.claim_again(5), Err(SrtpError::IndexReused));
    }

    #[test]
    fn s08_the_last_rtp_index_is_used_and_none_after_it() {
        let mut outgoing = OutgoingIndex { used: Some(Window::starting_at(RTP_INDEX_MAX - 1)) };
        assert_eq!(outgoing.claim(65_535), Ok(RTP_INDEX_MAX));
        assert_eq!(outgoing.claim(0), Err(SrtpError::IndexExhausted));
        assert_eq!(outgoing.claim_again(0), Err(SrtpError::IndexExhausted));
        assert_eq!(outgoing.claim(65_535), Err(SrtpError::IndexReused));
    }
}
