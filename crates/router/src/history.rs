//! What one viewer was sent, so that its NACKs find the packets in the shared cache.

use std::time::Duration;

use millrace_packet::{PictureEdit, Rewrite};

/// Video packets remembered per viewer. When full, the oldest is forgotten: its NACK stays unanswered.
///
/// 512 is about a second of 4 Mbit/s. At 16 bytes each they cost 8 kB a viewer.
pub(crate) const VIDEO_PACKETS_MAX: usize = 512;

/// Audio packets remembered per viewer, see [`VIDEO_PACKETS_MAX`].
pub(crate) const AUDIO_PACKETS_MAX: usize = 64;

/// Shortest time between two resends of one packet to one viewer, whatever the round trip (case C03).
const RESEND_INTERVAL_MIN: Duration = Duration::from_millis(20);

/// Resent bytes per second and viewer (4 Mbit/s). Beyond it NACKs stay unanswered: a viewer that loses more needs a
/// lower rate, not more packets (case C03).
pub(crate) const RESEND_BYTES_PER_SECOND_MAX: u64 = 500_000;

/// Resent bytes that may go out at once after a quiet time.
pub(crate) const RESEND_BURST_BYTES_MAX: u64 = 125_000;

/// Packets among which padding is chosen: the newest ones, which the cache still has.
const PADDING_PACKETS: u16 = 32;

/// Resent bytes per second and viewer at least, however bad the line is: a packet now and then.
const RESEND_BYTES_PER_SECOND_MIN: u64 = 10_000;

/// Bytes of a viewer's line that resends may take: of a line that loses more, the losses are its own.
const LINE_PARTS: u64 = 4;

/// One packet as the viewer saw it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// Low bits of the source's index; the cache tells whether it still means the same packet.
    pub(crate) index: u32,
    pub(crate) timestamp: u32,
    pub(crate) sequence: u16,
    /// Index of the stream within the producer.
    pub(crate) stream: u8,
    /// Its marker; `None` for a place without a packet.
    pub(crate) marker: Option<bool>,
    /// When it was last resent, in ms of the router's time; 0 for never.
    resent_ms: u32,
}

/// The last packets of one outgoing stream, by their outgoing number.
#[derive(Debug)]
pub(crate) struct SentHistory {
    ring: Box<[Sent]>,
    /// What was written over the picture numbers of the packet at the same place; empty until the first edit.
    edits: Box<[Option<PictureEdit>]>,
    budget_bytes: u64,
    budget_at_ms: u64,
    bytes_per_second: u64,
    /// Number of the packet that was remembered last.
    newest: u16,
    /// How far behind it the next packet for padding is.
    padding_behind: u16,
}

/// Why a NACK is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Never sent, or so long ago that it is forgotten.
    Unknown,
    /// Resent within the last round trip.
    TooSoon,
    /// Resent bytes reached their limit.
    Budget,
}

impl SentHistory {
    /// Remembers `packets_max` packets, a power of two or 0 for a viewer that sends no NACKs.
    pub(crate) fn new(packets_max: usize) -> Self {
        debug_assert!(packets_max == 0 || packets_max.is_power_of_two());
        let ring = vec![Sent::default(); packets_max].into_boxed_slice();
        Self {
            ring,
            edits: Box::default(),
            budget_bytes: RESEND_BURST_BYTES_MAX,
            budget_at_ms: 0,
            bytes_per_second: RESEND_BYTES_PER_SECOND_MAX,
            newest: 0,
            padding_behind: 0,
        }
    }

    /// Forgets all packets.
    pub(crate) fn clear(&mut self) {
        self.ring.fill(Sent::default());
        self.edits.fill(None);
    }

    /// Remembers what was written over the picture numbers of the packet that went out as `sequence`.
    pub(crate) fn record_edit(&mut self, sequence: u16, edit: Option<PictureEdit>) {
        if self.edits.is_empty() {
            if edit.is_none() {
                return;
            }
            self.edits = vec![None; self.ring.len()].into_boxed_slice();
        }
        if let Some(place) = self.place(sequence) {
            self.edits[place] = edit;
        }
    }

    /// What was written over the picture numbers of the packet that went out as `sequence`.
    pub(crate) fn edit(&self, sequence: u16) -> Option<PictureEdit> {
        *self.edits.get(self.place(sequence)?)?
    }

    /// Remembers that the packet at `index` of `stream` went out as `rewrite` says.
    pub(crate) fn record(&mut self, rewrite: &Rewrite, stream: u8, index: u64) {
        let Rewrite { sequence, timestamp, marker, .. } = *rewrite;
        let Some(place) = self.place(sequence) else { return };
        self.newest = sequence;
        let marker = Some(marker);
        self.ring[place] = Sent { index: index as u32, timestamp, sequence, stream, marker, resent_ms: 0 };
    }

    /// What went out as `sequence`, if it may be resent at `now_ms`.
    pub(crate) fn find(&self, sequence: u16, round_trip: Duration, now_ms: u64) -> Result<Sent, Refusal> {
        let place = self.place(sequence).ok_or(Refusal::Unknown)?;
        let sent = self.ring[place];
        if !is_of(&sent, sequence) {
            return Err(Refusal::Unknown);
        }
        let since_ms = (now_ms as u32).wrapping_sub(sent.resent_ms);
        let interval_ms = round_trip.max(RESEND_INTERVAL_MIN).as_millis() as u32;
        if sent.resent_ms != 0 && since_ms < interval_ms {
            return Err(Refusal::TooSoon);
        }
        Ok(sent)
    }

    /// Fits the budget to the part of the line to the viewer that is the stream's, in bit/s: a quarter of it may be resent.
    pub(crate) fn fit_budget(&mut self, bitrate: u64) {
        let bytes_per_second = bitrate / 8 / LINE_PARTS;
        self.bytes_per_second = bytes_per_second.clamp(RESEND_BYTES_PER_SECOND_MIN, RESEND_BYTES_PER_SECOND_MAX);
    }

    /// Notes a resend of `bytes` if the budget has room for it.
    pub(crate) fn spend(&mut self, sequence: u16, bytes: usize, now_ms: u64) -> Result<(), Refusal> {
        let earned = now_ms.saturating_sub(self.budget_at_ms).saturating_mul(self.bytes_per_second) / 1000;
        let burst = (self.bytes_per_second / 4).min(RESEND_BURST_BYTES_MAX);
        self.budget_bytes = self.budget_bytes.saturating_add(earned).min(burst);
        self.budget_at_ms = now_ms;
        self.budget_bytes = self.budget_bytes.checked_sub(bytes as u64).ok_or(Refusal::Budget)?;
        if let Some(place) = self.place(sequence) {
            self.ring[place].resent_ms = (now_ms as u32).max(1);
        }
        Ok(())
    }

    /// One of the last packets, a different one each time, to be sent again unasked.
    pub(crate) fn next_padding(&mut self) -> Option<Sent> {
        self.padding_behind = (self.padding_behind + 1) % PADDING_PACKETS;
        let sequence = self.newest.wrapping_sub(self.padding_behind);
        let found =
            |sequence: u16| self.place(sequence).map(|place| self.ring[place]).filter(|sent| is_of(sent, sequence));
        found(sequence).or_else(|| found(self.newest))
    }

    fn place(&self, sequence: u16) -> Option<usize> {
        Some(usize::from(sequence) & self.ring.len().checked_sub(1)?)
    }
}

fn is_of(sent: &Sent, sequence: u16) -> bool {
    sent.marker.is_some() && sent.sequence == sequence
}

#[cfg(test)]
mod tests {
    use millrace_packet::{OutgoingStreamId, Priority};

    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(100);

    fn sent_as(sequence: u16) -> Rewrite {
        Rewrite {
            stream: OutgoingStreamId(0),
            payload_type: 96,
            marker: true,
            sequence,
            timestamp: 7,
            original_sequence: None,
            picture: None,
            priority: Priority::Video,
        }
    }

    #[test]
    fn only_what_was_sent_lately_is_found() {
        let mut history = SentHistory::new(64);
        history.record(&sent_as(10), 0, 1000);
        assert_eq!(history.find(10, ROUND_TRIP, 1).unwrap().index, 1000);
        assert_eq!(history.find(74, ROUND_TRIP, 1).unwrap_err(), Refusal::Unknown);
        assert_eq!(history.find(0, ROUND_TRIP, 1).unwrap_err(), Refusal::Unknown);
        history.record(&sent_as(74), 0, 1064);
        assert_eq!(history.find(10, ROUND_TRIP, 1).unwrap_err(), Refusal::Unknown);
        assert_eq!(SentHistory::new(0).find(10, ROUND_TRIP, 1).unwrap_err(), Refusal::Unknown);
    }

    #[test]
    fn c03_a_packet_is_resent_at_most_once_per_round_trip() {
        let mut history = SentHistory::new(64);
        history.record(&sent_as(10), 0, 1000);
        history.spend(10, 100, 5000).unwrap();
        assert_eq!(history.find(10, ROUND_TRIP, 5099).unwrap_err(), Refusal::TooSoon);
        assert!(history.find(10, ROUND_TRIP, 5100).is_ok());
        assert_eq!(history.find(10, Duration::ZERO, 5019).unwrap_err(), Refusal::TooSoon);
    }

    #[test]
    fn c03_resends_take_a_quarter_of_the_line_at_most() {
        let mut history = SentHistory::new(64);
        history.fit_budget(800_000);
        let sent = (0..10_000).filter(|&ms| history.spend(1, 1_000, ms).is_ok()).count() as u64;
        assert!((240..=260).contains(&sent), "{sent} kB in 10 s of 100 kB/s");
        history.fit_budget(0);
        assert!((10_000..20_000).any(|ms| history.spend(1, 1_000, ms).is_ok()));
    }

    #[test]
    fn c03_resends_stay_within_a_byte_budget() {
        let mut history = SentHistory::new(64);
        let seconds = 10;
        let sent = (0..seconds * 1000).filter(|&ms| history.spend(1, 10_000, ms).is_ok()).count() as u64;
        assert!(sent * 10_000 <= RESEND_BURST_BYTES_MAX + seconds * RESEND_BYTES_PER_SECOND_MAX);
        assert!(sent * 10_000 >= seconds * RESEND_BYTES_PER_SECOND_MAX - 10_000);
    }
}
