//! When a packet may leave: what the line is sent in a burst stays small against what it carries.

use std::time::{Duration, Instant};

use crate::Estimate;

/// Time of the line that may be sent ahead.
///
/// Long enough that the packets of a frame leave together where the line is many times faster than the media: libwebrtc's
/// `kMaxBurst`. The 40 ms that Chromium sends ahead are longer than a frame takes, so nothing would be paced on a line that
/// the media fills: on the seeded network 18 % of the packets were lost in a queue of 50 ms, and are 0.1 % with 5 ms.
pub const BURST: Duration = Duration::from_millis(5);

/// Debt that is remembered at most: what may not wait, audio, cannot hold up the rest for longer.
const DEBT_MAX: Duration = Duration::from_millis(500);

/// Parts of a nanosecond in which the time of a byte is kept.
const PARTS: u64 = 1024;

/// Lowest pacing rate, in bit/s: a packet of 1,500 bytes then takes 400 ms.
const RATE_MIN: u64 = 30_000;

/// How much faster than the estimate packets leave, in percent, so that a large picture does not wait for long.
///
/// libwebrtc's 250 % fill the queue of the line with every key frame, and sound waits in it.
const PACING_PERCENT: u64 = 150;

/// How much faster than what arrives packets leave at least, in percent: whatever is estimated, the path has carried
/// that.
const ARRIVING_PERCENT: u64 = 150;

/// How fast packets leave for a path that is taken to be so, in bit/s.
///
/// While a queue drains they leave more slowly than the line carries: the key frame of the layer that fits it would else
/// be as long as what it replaces, and sound waits behind it.
pub fn pacing_rate(estimate: &Estimate) -> u64 {
    if let Some(draining) = estimate.draining {
        return draining.pace;
    }
    let arrives = estimate.acknowledged.unwrap_or(0).saturating_mul(ARRIVING_PERCENT) / 100;
    (estimate.bitrate.saturating_mul(PACING_PERCENT) / 100).max(arrives)
}

/// A leaky bucket that is told the time: it knows until when the line is busy with what left.
///
/// Without a rate everything leaves at once. Cost: a comparison for each packet, and where there is a rate a
/// multiplication.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pacer {
    /// Time of the line for one byte, in parts of a nanosecond; 0 without a rate.
    byte_time: u64,
    /// `None` before anything left.
    busy_until: Option<Instant>,
}

impl Pacer {
    /// Sets the rate in bit/s, at least 30,000; `None` lets everything leave at once.
    pub fn set_rate(&mut self, rate: Option<u64>) {
        self.byte_time = rate.map_or(0, |rate| (8_000_000_000 * PARTS / rate.max(RATE_MIN)).max(1));
    }

    /// Tells whether there is a rate.
    pub const fn has_rate(&self) -> bool {
        self.byte_time != 0
    }

    /// Tells whether a packet may leave at `now`.
    #[inline]
    pub fn has_room(&self, now: Instant) -> bool {
        self.byte_time == 0 || self.busy_until.is_none_or(|busy_until| busy_until <= now + BURST)
    }

    /// When the next packet may leave, should it have to wait; `None` before anything left at a rate.
    pub fn room_at(&self) -> Option<Instant> {
        let busy_until = self.busy_until?;
        Some(busy_until.checked_sub(BURST).unwrap_or(busy_until))
    }

    /// Notes that a packet of `bytes` left.
    #[inline]
    pub fn charge(&mut self, bytes: usize, now: Instant) {
        if self.byte_time == 0 {
            return;
        }
        let busy = Duration::from_nanos((bytes as u64).saturating_mul(self.byte_time) / PARTS);
        let begins = self.busy_until.map_or(now, |busy_until| busy_until.max(now));
        self.busy_until = Some(begins.checked_add(busy).map_or(now + DEBT_MAX, |until| until.min(now + DEBT_MAX)));
    }

    /// Bytes that leave in `time`; `None` without a rate.
    pub fn bytes_in(&self, time: Duration) -> Option<usize> {
        let parts = (time.as_nanos() as u64).saturating_mul(PARTS);
        parts.checked_div(self.byte_time).map(|bytes| bytes as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn without_a_rate_everything_leaves_at_once() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        for _ in 0..10_000 {
            assert!(pacer.has_room(start));
            pacer.charge(1200, start);
        }
        assert_eq!(pacer.bytes_in(ms(10)), None);
    }

    #[test]
    fn a_burst_leaves_together_and_the_rest_at_the_rate() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        pacer.set_rate(Some(1_000_000));
        let burst = (0..100)
            .take_while(|_| {
                let may = pacer.has_room(start);
                pacer.charge(if may { 1250 } else { 0 }, start);
                may
            })
            .count();
        // 5 ms of 1 Mbit/s are 625 bytes; the packet that crosses the line is the last.
        assert_eq!(burst, 1);
        assert_eq!(pacer.room_at(), Some(start + ms(5)));
        let mut sent = 0;
        for tick in 0..10_000 {
            let now = start + ms(tick);
            while pacer.has_room(now) {
                pacer.charge(1250, now);
                sent += 1250;
            }
        }
        let rate = sent * 8 / 10;
        assert!((990_000..=1_010_000).contains(&rate), "{rate} bit/s");
    }

    #[test]
    fn idle_time_is_not_saved_and_debt_is_bounded() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        pacer.set_rate(Some(100_000));
        for _ in 0..1000 {
            pacer.charge(1500, start);
        }
        assert!(pacer.room_at() <= Some(start + DEBT_MAX));
        let later = start + Duration::from_secs(60);
        pacer.charge(1250, later);
        assert_eq!(pacer.room_at(), Some(later + ms(95)));
    }

    #[test]
    fn no_rate_is_too_low_or_too_high() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        for rate in [0, 1, u64::MAX] {
            pacer.set_rate(Some(rate));
            pacer.charge(usize::MAX, start);
            pacer.charge(1500, start);
            assert!(pacer.has_rate() && pacer.room_at() <= Some(start + DEBT_MAX));
        }
        pacer.set_rate(Some(800_000));
        assert_eq!(pacer.bytes_in(ms(10)), Some(1000));
    }
}
