//! Wall-clock time for the wire. Cores are told `Instant`s; this maps them to NTP without asking a clock.

use std::time::{Duration, Instant};

/// A 64-bit NTP timestamp (RFC 5905 §6): seconds since 1900 in 32.32 fixed point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// The middle 32 bits, as report blocks carry them (RFC 3550 §6.4.1).
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// The low 24 bits of seconds in 6.18 fixed point, as the abs-send-time extension carries them.
    pub const fn abs_send_time(self) -> u32 {
        ((self.0 >> 14) & 0x00ff_ffff) as u32
    }
}

/// One reading of both clocks, made when a worker starts: later instants map to NTP by their distance from it.
///
/// The wall clock may jump afterwards; media must not notice (RFC 3550 §6.4.1 asks only for a consistent clock).
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    instant: Instant,
    ntp: NtpTime,
}

impl WallClock {
    /// Ties `instant` to `since_unix_epoch`.
    pub fn new(instant: Instant, since_unix_epoch: Duration) -> Self {
        /// Seconds from 1900 to 1970.
        const UNIX_EPOCH_NTP_SECS: u64 = 2_208_988_800;
        let ntp = NtpTime(fixed_point(since_unix_epoch).wrapping_add(UNIX_EPOCH_NTP_SECS << 32));
        Self { instant, ntp }
    }

    /// The NTP time at `now`; instants before the tie map to the tie.
    pub fn ntp(&self, now: Instant) -> NtpTime {
        NtpTime(self.ntp.0.wrapping_add(fixed_point(now.saturating_duration_since(self.instant))))
    }
}

/// A duration in 32.32 fixed point seconds, modulo 2^32 seconds.
fn fixed_point(duration: Duration) -> u64 {
    (duration.as_secs() << 32) | ((u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_second_after_the_unix_epoch_is_known_in_ntp() {
        let start = Instant::now();
        let clock = WallClock::new(start, Duration::ZERO);
        let ntp = clock.ntp(start + Duration::from_millis(500));
        assert_eq!(ntp, NtpTime((2_208_988_800 << 32) | (1 << 31)));
        assert_eq!(ntp.middle(), (((2_208_988_800u64 & 0xffff) << 16) | 0x8000) as u32);
    }
}
