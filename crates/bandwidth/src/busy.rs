//! A queue that begins: what the latest packets waited, and how fast they came while they did.
//!
//! The queue that stands ([`Queue`](crate::queue::Queue)) is known a tenth of a second late, because it looks for the
//! quickest packet; when the line falls to a fifth, half a second of queue has grown meanwhile, and sound waits in it.

use crate::clock::{MS, Micros};
use crate::history::Sent;

/// Packets that must have waited before their rate is told.
const PACKETS_LEAST: u32 = 4;
/// Bytes of them: those of sound alone say nothing of what the line carries.
const BYTES_LEAST: u64 = 4000;
/// Least time over which it is told.
const TIME_LEAST: Micros = 40 * MS;
/// It counts from one to two of these ago, or from when packets began to wait.
const WINDOW: Micros = 60 * MS;
/// Latest packets whose quickest one tells the wait. Radio links let packets wait and then arrive together, of which the
/// last waited least.
const LATEST: usize = 3;

/// How fast packets left and came, in bit/s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rates {
    pub(crate) sent: f64,
    pub(crate) arrived: f64,
}

/// A packet: when it left and came, and what had come by then.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    sent: Micros,
    at: Micros,
    bytes: u64,
    packets: u32,
}

/// The packets since the queue was empty.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    latest: Mark,
    /// The arrival of the last packet that did not wait, or of a later one, and one after that.
    marks: Option<[Mark; 2]>,
    /// Delays of the latest packets, a ring.
    delays: [Micros; LATEST],
    count: usize,
}

impl Busy {
    /// Takes note of a packet that arrived at `at`, where one that does not wait is under way for at most `empty`.
    pub(crate) fn packet(&mut self, sent: &Sent, at: Micros, empty: Micros) {
        let delay = at - sent.at;
        self.delays[self.count % LATEST] = delay;
        self.count = self.count.wrapping_add(1);
        self.arrived(sent, at);
        if delay <= empty {
            self.latest = Mark { sent: sent.at, at, ..self.latest };
            self.marks = Some([self.latest; 2]);
        }
    }

    /// Takes note of a packet of a probe, which waits for others of it.
    pub(crate) fn probe_packet(&mut self, sent: &Sent, at: Micros) {
        self.arrived(sent, at);
    }

    fn arrived(&mut self, sent: &Sent, at: Micros) {
        let Mark { sent: left, at: before, bytes, packets } = self.latest;
        self.latest = Mark {
            sent: left.max(sent.at),
            at: before.max(at),
            bytes: bytes + u64::from(sent.bytes),
            packets: packets.wrapping_add(1),
        };
        if let Some([_, newer]) = self.marks.filter(|[_, newer]| at - newer.at >= WINDOW) {
            self.marks = Some([newer, self.latest]);
        }
    }

    /// The delay that each of the latest packets had at least.
    pub(crate) fn delay(&self) -> Option<Micros> {
        (self.count >= LATEST).then(|| self.delays.iter().copied().min()).flatten()
    }

    /// How fast the packets left and came that waited. A line with a queue is never idle, so it carries what came.
    pub(crate) fn rates(&self) -> Option<Rates> {
        let [begun, newer] = self.marks?;
        let (bytes, packets) = (self.latest.bytes - begun.bytes, self.latest.packets.wrapping_sub(begun.packets));
        if packets < PACKETS_LEAST || bytes < BYTES_LEAST || self.latest.at - begun.at < TIME_LEAST {
            return None;
        }
        let rate = |from: &Mark, time: Micros| (self.latest.bytes - from.bytes) as f64 * 8e6 / time as f64;
        let sent = rate(&begun, (self.latest.sent - begun.sent).max(TIME_LEAST / 2));
        // Where packets wait for another reason than a queue, the line was idle between them.
        let arrived = [begun, newer].map(|mark| rate(&mark, (self.latest.at - mark.at).max(TIME_LEAST / 2)));
        Some(Rates { sent, arrived: arrived[0].max(arrived[1]) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Delay of packets that do not wait, and the most that counts as such.
    const DELAY: Micros = 20 * MS;
    const EMPTY: Micros = 28 * MS;

    #[test]
    fn the_rate_counts_from_the_first_packet_that_waited() {
        let mut busy = Busy::default();
        for packet in 0..100 {
            take(&mut busy, packet * 5 * MS, DELAY);
        }
        assert_eq!((busy.rates(), busy.delay()), (None, Some(DELAY)));
        for packet in 1..=5 {
            take(&mut busy, 495 * MS + packet * 16 * MS, DELAY + packet * 11 * MS);
        }
        let rates = Rates { sent: 1_600_000.0, arrived: 500_000.0 };
        assert_eq!((busy.rates(), busy.delay()), (Some(rates), Some(DELAY + 33 * MS)));
    }

    #[test]
    fn where_packets_always_wait_the_rate_follows_a_line_that_falls() {
        let mut busy = Busy::default();
        take(&mut busy, 0, DELAY);
        for packet in 1..100 {
            take(&mut busy, packet * 4 * MS, DELAY + 10 * MS);
        }
        assert_eq!(busy.rates().map(|rates| rates.arrived.round()), Some(2_000_000.0));
        for packet in 1..=8 {
            take(&mut busy, 396 * MS + packet * 16 * MS, DELAY + 10 * MS + packet * 12 * MS);
        }
        assert_eq!(busy.rates().map(|rates| rates.arrived.round()), Some(500_000.0));
    }

    #[test]
    fn packets_that_a_radio_link_let_go_together_do_not_count_as_a_queue() {
        let mut busy = Busy::default();
        (0..10).for_each(|packet| take(&mut busy, packet * 5 * MS, DELAY));
        (0..10).for_each(|packet| take(&mut busy, 100 * MS, (60 - 4 * packet) * MS));
        assert_eq!(busy.delay(), Some(24 * MS));
    }

    /// A packet of 1,000 bytes.
    fn take(busy: &mut Busy, at: Micros, delay: Micros) {
        busy.packet(&Sent::new(at - delay, 1000, None), at, EMPTY);
    }
}
