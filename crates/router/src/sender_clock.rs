//! From a publisher's clock to ours, so that viewers keep its audio and video together (RFC 3550 §6.4.1).

use std::time::{Duration, Instant};

use millrace_model::NtpTime;

/// Largest difference between a publisher's clock and what we believe of it before its clock counts as reset.
const DIFFERENCE_MAX: i64 = 1 << 32;

/// Most that one sender report moves our idea of the publisher's clock: a millisecond, in 2^-32 s.
///
/// It follows the drift of any real clock, and the streams of a publisher, whose reports come at different times,
/// never stand further apart than a millisecond or two.
const STEP_MAX: i64 = (1 << 32) / 1000;

/// Longest round trip that is believed. A longer one is a confused or hostile peer (case C07).
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);

/// How far ahead of ours the clock of one publisher is. All streams of a session share it.
#[derive(Debug, Default)]
pub(crate) struct PublisherClock {
    /// Added to the publisher's NTP time to get ours, modulo 2^64.
    offset: Option<u64>,
}

impl PublisherClock {
    /// The publisher's time `theirs`, which a report that arrived at our time `now` tells, on our clock.
    ///
    /// Any value at all is mapped to within a second of `now` (case C07).
    pub(crate) fn map_to_ours(&mut self, theirs: NtpTime, now: NtpTime) -> NtpTime {
        let measured = now.0.wrapping_sub(theirs.0);
        let offset = match self.offset {
            Some(offset) => follow(offset, measured),
            None => measured,
        };
        self.offset = Some(offset);
        NtpTime(theirs.0.wrapping_add(offset))
    }
}

fn follow(offset: u64, measured: u64) -> u64 {
    let difference = measured.wrapping_sub(offset) as i64;
    if difference.unsigned_abs() > DIFFERENCE_MAX as u64 {
        return measured;
    }
    offset.wrapping_add_signed(difference.clamp(-STEP_MAX, STEP_MAX))
}

/// What the last sender report of a stream says: which RTP timestamp belongs to which time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SenderReportMapping {
    /// The report's time on our clock.
    pub(crate) ntp: NtpTime,
    /// The same time on the stream's continuous line of timestamps.
    pub(crate) timestamp: u32,
    /// Middle 32 bits of the report's own NTP time, for report blocks.
    pub(crate) last_sender_report: u32,
    /// When it arrived.
    pub(crate) arrived: Instant,
}

impl SenderReportMapping {
    /// The timestamp that belongs to our time `now`.
    pub(crate) fn timestamp_at(&self, now: NtpTime, clock_rate: u32) -> u32 {
        let elapsed = i128::from(now.0.wrapping_sub(self.ntp.0) as i64);
        self.timestamp.wrapping_add(((elapsed * i128::from(clock_rate)) >> 32) as u32)
    }

    /// Our time that belongs to `timestamp`, which is near that of the report.
    pub(crate) fn time_of(&self, timestamp: u32, clock_rate: u32) -> NtpTime {
        let ticks = i128::from(timestamp.wrapping_sub(self.timestamp) as i32);
        NtpTime(self.ntp.0.wrapping_add_signed(((ticks << 32) / i128::from(clock_rate.max(1))) as i64))
    }

    /// The last-SR and delay-since-last-SR fields of a report block written at `now` (RFC 3550 §6.4.1).
    pub(crate) fn block_fields(&self, now: Instant) -> (u32, u32) {
        (self.last_sender_report, compact(now.saturating_duration_since(self.arrived)))
    }
}

/// The round trip that a report block tells (RFC 3550 §6.4.1): it answers our time `last` after `delay`.
///
/// `None` when it answers nothing, or when the result makes no sense.
pub(crate) fn round_trip(now: NtpTime, last: u32, delay: u32) -> Option<Duration> {
    if last == 0 {
        return None;
    }
    let units = now.middle().wrapping_sub(last).wrapping_sub(delay);
    let round_trip = Duration::from_micros((u64::from(units) * 1_000_000) >> 16);
    (round_trip <= ROUND_TRIP_MAX).then_some(round_trip)
}

/// `duration` in 1/65536 s; what 32 bits cannot hold is their largest value.
pub(crate) fn compact(duration: Duration) -> u32 {
    u32::try_from((duration.as_micros() << 16) / 1_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1 << 32;
    const MS: u64 = SECOND / 1000;

    #[test]
    fn streams_of_one_publisher_are_mapped_alike() {
        let mut clock = PublisherClock::default();
        let audio = clock.map_to_ours(NtpTime(100 * SECOND), NtpTime(5000 * SECOND));
        let video = clock.map_to_ours(NtpTime(101 * SECOND), NtpTime(5001 * SECOND + 40 * MS));
        let apart = video.0 - audio.0;
        assert!((SECOND..=SECOND + MS).contains(&apart), "network delay of one report must not move the stream");
    }

    #[test]
    fn a_drifting_clock_is_followed() {
        let mut clock = PublisherClock::default();
        let mut mapped = NtpTime(0);
        for second in 1..20_000 {
            let theirs = NtpTime(second * (SECOND + SECOND / 10_000));
            mapped = clock.map_to_ours(theirs, NtpTime(second * SECOND));
        }
        assert!((mapped.0 as i64 - (19_999 * SECOND) as i64).unsigned_abs() < 2 * MS);
    }

    #[test]
    fn c07_times_at_the_extremes_and_backwards_stay_near_the_present() {
        let mut clock = PublisherClock::default();
        let now = NtpTime(0xe000_0000_0000_0000);
        for theirs in [0, u64::MAX, 1, 1 << 63, (1 << 63) - 1, 5000 * SECOND, 4000 * SECOND] {
            let mapped = clock.map_to_ours(NtpTime(theirs), now);
            assert!((mapped.0.wrapping_sub(now.0) as i64).unsigned_abs() <= SECOND + MS, "{theirs}");
        }
    }

    #[test]
    fn timestamps_follow_the_clock_rate_in_both_directions() {
        let mapping = SenderReportMapping {
            ntp: NtpTime(1000 * SECOND),
            timestamp: 50,
            last_sender_report: 0,
            arrived: Instant::now(),
        };
        assert_eq!(mapping.timestamp_at(NtpTime(1000 * SECOND + SECOND / 2), 90_000), 50 + 45_000);
        assert_eq!(mapping.timestamp_at(NtpTime(999 * SECOND), 90_000), 50u32.wrapping_sub(90_000));
        assert_eq!(mapping.time_of(50 + 45_000, 90_000), NtpTime(1000 * SECOND + SECOND / 2));
        assert_eq!(mapping.time_of(50u32.wrapping_sub(90_000), 90_000), NtpTime(999 * SECOND));
    }

    #[test]
    fn c07_round_trips_that_make_no_sense_are_not_believed() {
        let now = NtpTime(1000 * SECOND);
        let sent = NtpTime(999 * SECOND).middle();
        assert_eq!(round_trip(now, sent, 1 << 15), Some(Duration::from_millis(500)));
        assert_eq!(round_trip(now, 0, 0), None);
        assert_eq!(round_trip(now, sent, 2 << 16), None, "answered before it was sent");
        assert_eq!(round_trip(now, sent.wrapping_sub(1 << 22), 0), None, "a minute");
    }
}
