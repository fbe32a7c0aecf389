//! RTP timestamps on one line, and from there to the wall clock.

use std::time::Instant;

use millrace_model::NtpTime;

/// Unwraps the 32-bit timestamps of a stream to a line that goes on past the wrap.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimestampUnwrapper {
    last: Option<i64>,
}

impl TimestampUnwrapper {
    /// The place of `timestamp` nearest to the one before: ahead or behind by less than half the range.
    pub fn unwrap(&mut self, timestamp: u32) -> i64 {
        let place = match self.last {
            Some(last) => last + i64::from(timestamp.wrapping_sub(last as u32) as i32),
            None => i64::from(timestamp),
        };
        self.last = Some(place);
        place
    }
}

/// Which wall-clock time a stream's timestamps stand for, by its sender reports (RFC 3550 §6.4.1).
///
/// Streams of one sender, mapped so, stand together as they were captured (lip sync).
#[derive(Clone, Copy, Debug)]
pub struct RtpToNtp {
    clock_rate: u32,
    newest: Option<Report>,
    /// Ticks of the sender's clock in a second of its wall clock, as two reports tell.
    measured_rate: f64,
}

#[derive(Clone, Copy, Debug)]
struct Report {
    ntp: NtpTime,
    timestamp: u32,
    arrived: Instant,
}

/// Largest difference between a clock's rate and its name that is believed, in parts of one. Worse clocks are wrong
/// reports: the named rate is used then.
const RATE_ERROR_MAX: f64 = 0.01;

impl RtpToNtp {
    /// A mapping that knows nothing so far, for timestamps of `clock_rate` Hz.
    pub fn new(clock_rate: u32) -> Self {
        let clock_rate = clock_rate.max(1);
        Self { clock_rate, newest: None, measured_rate: f64::from(clock_rate) }
    }

    /// Takes the times of a sender report that arrived at `now`.
    pub fn sender_report(&mut self, ntp: NtpTime, timestamp: u32, now: Instant) {
        if let Some(before) = self.newest {
            let seconds = ntp.0.wrapping_sub(before.ntp.0) as i64 as f64 / TICKS_PER_SECOND;
            let ticks = f64::from(timestamp.wrapping_sub(before.timestamp) as i32);
            let named = f64::from(self.clock_rate);
            let rate = ticks / seconds;
            // A second at least, or the rounding of the two times would count.
            let believable = seconds >= 1.0 && (rate / named - 1.0).abs() <= RATE_ERROR_MAX;
            self.measured_rate = if believable { rate } else { named };
        }
        self.newest = Some(Report { ntp, timestamp, arrived: now });
    }

    /// The wall-clock time of the sender that `timestamp` stands for; `None` before the first report.
    pub fn ntp_of(&self, timestamp: u32) -> Option<NtpTime> {
        let report = self.newest?;
        let ticks = f64::from(timestamp.wrapping_sub(report.timestamp) as i32);
        let distance = ticks / self.measured_rate * TICKS_PER_SECOND;
        Some(NtpTime(report.ntp.0.wrapping_add_signed(distance as i64)))
    }

    /// When the newest report arrived.
    pub fn reported_at(&self) -> Option<Instant> {
        self.newest.map(|report| report.arrived)
    }
}

/// Units of [`NtpTime`] in a second.
const TICKS_PER_SECOND: f64 = 4_294_967_296.0;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1 << 32;

    #[test]
    fn timestamps_go_on_past_the_wrap_and_a_little_back() {
        let mut line = TimestampUnwrapper::default();
        assert_eq!(line.unwrap(u32::MAX - 9), i64::from(u32::MAX) - 9);
        assert_eq!(line.unwrap(10), i64::from(u32::MAX) + 11);
        assert_eq!(line.unwrap(u32::MAX), i64::from(u32::MAX));
    }

    #[test]
    fn audio_and_video_of_one_moment_map_to_one_time() {
        let now = Instant::now();
        let (mut audio, mut video) = (RtpToNtp::new(48_000), RtpToNtp::new(90_000));
        assert_eq!(audio.ntp_of(0), None);
        audio.sender_report(NtpTime(100 * SECOND), 1_000, now);
        video.sender_report(NtpTime(101 * SECOND), 0, now);
        assert_eq!(audio.ntp_of(1_000 + 24_000), Some(NtpTime(100 * SECOND + SECOND / 2)));
        assert_eq!(video.ntp_of(0u32.wrapping_sub(45_000)), Some(NtpTime(100 * SECOND + SECOND / 2)));
    }

    #[test]
    fn a_clock_that_runs_fast_is_measured_and_nonsense_is_not_believed() {
        let now = Instant::now();
        let mut map = RtpToNtp::new(48_000);
        map.sender_report(NtpTime(100 * SECOND), 0, now);
        map.sender_report(NtpTime(110 * SECOND), 480_048, now);
        let later = map.ntp_of(480_048 + 48_005).unwrap();
        assert!((later.0 as i64 - (111 * SECOND) as i64).abs() < (SECOND / 10_000) as i64, "100 ppm fast");
        map.sender_report(NtpTime(0), 0x8000_0000, now);
        map.sender_report(NtpTime(u64::MAX), 17, now);
        assert_eq!(map.ntp_of(17 + 48_000), Some(NtpTime(u64::MAX.wrapping_add(SECOND))));
    }
}
