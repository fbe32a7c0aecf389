//! One continuous line of RTP timestamps, whatever the sender's clock does.

use std::time::{Duration, Instant};

use crate::timers::Moment;

/// How far a timestamp may run ahead of or behind the time that passed before the sender's clock counts as reset.
///
/// Less would mistake a stalled network for a reset; more would freeze viewers for longer.
const JUMP: Duration = Duration::from_secs(10);

/// Maps a stream's timestamps to a line that moves with real time.
#[derive(Debug)]
pub(crate) struct TimestampLine {
    clock_rate: u32,
    /// Added to the sender's timestamps; changes only when its clock jumps.
    shift: u32,
    newest: Option<(u32, Moment)>,
}

impl TimestampLine {
    /// A line for timestamps in ticks of `clock_rate` Hz.
    pub(crate) fn new(clock_rate: u32) -> Self {
        Self { clock_rate, shift: 0, newest: None }
    }

    /// Places the timestamp of the newest packet, which arrived at `now`.
    pub(crate) fn advance(&mut self, timestamp: u32, now: Moment) -> u32 {
        let mut placed = timestamp.wrapping_add(self.shift);
        if let Some((newest, at)) = self.newest {
            let elapsed = Duration::from_micros(now.us.saturating_sub(at.us));
            let expected = newest.wrapping_add(ticks(elapsed, self.clock_rate));
            if (placed.wrapping_sub(expected) as i32).unsigned_abs() > ticks(JUMP, self.clock_rate) {
                self.shift = expected.wrapping_sub(timestamp);
                placed = expected;
            }
        }
        self.newest = Some((placed, now));
        placed
    }

    /// Places the timestamp of a packet that is not the newest.
    pub(crate) fn place(&self, timestamp: u32) -> u32 {
        timestamp.wrapping_add(self.shift)
    }

    /// The newest timestamp on the line and when it arrived.
    pub(crate) fn newest(&self) -> Option<(u32, Instant)> {
        self.newest.map(|(timestamp, moment)| (timestamp, moment.at))
    }
}

/// `duration` in ticks of `clock_rate` Hz, modulo 2^32.
pub(crate) fn ticks(duration: Duration, clock_rate: u32) -> u32 {
    let of_seconds = duration.as_secs().wrapping_mul(u64::from(clock_rate));
    let of_rest = u64::from(duration.subsec_nanos()) * u64::from(clock_rate) / 1_000_000_000;
    of_seconds.wrapping_add(of_rest) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIDEO: u32 = 90_000;

    fn moments() -> impl Fn(u64) -> Moment {
        let start = Instant::now();
        move |ms| Moment::new(start, start + Duration::from_millis(ms))
    }

    #[test]
    fn ordinary_steps_pass_unchanged_over_the_wrap() {
        let at = moments();
        let mut line = TimestampLine::new(VIDEO);
        line.advance(u32::MAX - 1000, at(0));
        assert_eq!(line.advance(1999, at(33)), 1999);
        assert_eq!(line.place(u32::MAX), u32::MAX);
    }

    #[test]
    fn a_pause_of_the_sender_is_no_jump() {
        let at = moments();
        let mut line = TimestampLine::new(VIDEO);
        line.advance(0, at(0));
        assert_eq!(line.advance(VIDEO * 3600, at(3_600_000)), VIDEO * 3600);
    }

    #[test]
    fn r08_a_jump_of_half_the_range_moves_the_line_by_the_time_that_passed() {
        let at = moments();
        for jump in [1 << 31, (1 << 31) + 3000, u32::MAX - VIDEO * 60] {
            let mut line = TimestampLine::new(VIDEO);
            line.advance(7, at(0));
            let placed = line.advance(7u32.wrapping_add(jump), at(100));
            assert_eq!(placed, 7 + 9000, "{jump}");
            assert_eq!(line.advance(7u32.wrapping_add(jump) + 3000, at(133)), 7 + 12_000);
        }
    }
}
