//! Bitrates of transports, from byte counts read now and then: no work per packet, none while nobody asks.

use std::time::{Duration, Instant};

/// Shortest time that a bitrate is the average of.
const WINDOW_MIN: Duration = Duration::from_secs(1);

/// Byte counts of a transport at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bytes {
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) rtp_received: u64,
    pub(super) rtp_sent: u64,
    pub(super) padding_sent: u64,
}

/// The average bitrates of a transport since an earlier reading, at least [`WINDOW_MIN`] ago where there is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrafficMeter {
    from: (Instant, Bytes),
    last: (Instant, Bytes),
}

impl TrafficMeter {
    pub(super) fn new(now: Instant) -> Self {
        let start = (now, Bytes::default());
        Self { from: start, last: start }
    }

    /// Takes a reading and returns the bitrates in bit/s.
    pub(super) fn read(&mut self, bytes: Bytes, now: Instant) -> Bytes {
        if now.saturating_duration_since(self.last.0) >= WINDOW_MIN {
            self.from = self.last;
            self.last = (now, bytes);
        }
        let (since, before) = self.from;
        let ms = now.saturating_duration_since(since).as_millis().max(1) as u64;
        let rate = |now: u64, before: u64| now.saturating_sub(before).saturating_mul(8000) / ms;
        Bytes {
            received: rate(bytes.received, before.received),
            sent: rate(bytes.sent, before.sent),
            rtp_received: rate(bytes.rtp_received, before.rtp_received),
            rtp_sent: rate(bytes.rtp_sent, before.rtp_sent),
            padding_sent: rate(bytes.padding_sent, before.padding_sent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitrate_is_the_average_of_at_least_a_second() {
        let start = Instant::now();
        let mut meter = TrafficMeter::new(start);
        let at = |ms, meter: &mut TrafficMeter, sent| {
            meter.read(Bytes { sent, ..Bytes::default() }, start + Duration::from_millis(ms)).sent
        };
        assert_eq!(at(1000, &mut meter, 1000), 8000);
        assert_eq!(at(2000, &mut meter, 3000), 16_000);
        assert_eq!(at(2100, &mut meter, 3000), 2000 * 8000 / 1100, "asked too soon, it goes back to the same start");
    }
}
