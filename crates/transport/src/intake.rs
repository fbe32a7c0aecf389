//! How much media one peer may send: a legitimate peer that floods must not take the worker from other calls (case R09).

use std::time::{Duration, Instant};

/// How much a peer may send after a quiet time, as the time in which it would earn it.
///
/// A worker that could not read for a moment finds what came meanwhile all at once. Twice this much may pass at once
/// before a flood is held to its rates.
const BURST_MAX: Duration = Duration::from_millis(250);

/// Picoseconds in a second: fine enough for a byte at 100 Gbit/s, and days of them fit into 64 bits.
const PS_PER_SECOND: u64 = 1_000_000_000_000;

/// Bounds of what one peer sends, SRTP and SRTCP together. What exceeds them is dropped unopened, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntakeLimits {
    /// Packets per second; 0 for no bound.
    pub packets_per_second: u64,
    /// Bits per second of packets as they came, without UDP and IP headers; 0 for no bound.
    pub bits_per_second: u64,
}

/// What a peer may send at this moment, in the time that it costs: two token buckets that fill as time goes by.
///
/// They are filled when one of them is empty, so that a packet below the rates costs two comparisons and two
/// subtractions. Only authentic packets are charged for: nobody else can use a peer's share up.
#[derive(Debug)]
pub(crate) struct Intake {
    packet_cost_ps: i64,
    byte_cost_ps: i64,
    packets_left_ps: i64,
    bytes_left_ps: i64,
    filled_at: Instant,
}

impl Intake {
    pub(crate) fn new(limits: IntakeLimits, now: Instant) -> Self {
        Self {
            packet_cost_ps: cost_ps(PS_PER_SECOND, limits.packets_per_second),
            byte_cost_ps: cost_ps(8 * PS_PER_SECOND, limits.bits_per_second),
            packets_left_ps: ps(BURST_MAX),
            bytes_left_ps: ps(BURST_MAX),
            filled_at: now,
        }
    }

    /// Tells whether the peer may send another packet.
    pub(crate) fn has_room(&mut self, now: Instant) -> bool {
        if self.packets_left_ps <= 0 || self.bytes_left_ps <= 0 {
            self.fill(now);
        }
        self.packets_left_ps > 0 && self.bytes_left_ps > 0
    }

    /// Charges for an authentic packet of `len` bytes.
    pub(crate) fn charge(&mut self, len: usize) {
        self.packets_left_ps -= self.packet_cost_ps;
        self.bytes_left_ps -= self.byte_cost_ps * len as i64;
    }

    fn fill(&mut self, now: Instant) {
        let earned = ps(now.saturating_duration_since(self.filled_at));
        self.packets_left_ps = self.packets_left_ps.saturating_add(earned).min(ps(BURST_MAX));
        self.bytes_left_ps = self.bytes_left_ps.saturating_add(earned).min(ps(BURST_MAX));
        self.filled_at = now;
    }
}

/// What one unit costs at `rate` units a second.
fn cost_ps(unit_ps: u64, rate: u64) -> i64 {
    unit_ps.checked_div(rate).unwrap_or(0) as i64
}

fn ps(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX).saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: IntakeLimits = IntakeLimits { packets_per_second: 10_000, bits_per_second: 100_000_000 };

    #[test]
    fn r09_a_flood_is_held_to_packets_and_to_bytes() {
        for (per_second, len, allowed) in [(50_000, 100, 10_000), (50_000, 1250, 10_000), (10_000, 1500, 8333)] {
            let passed = passed(LIMITS, per_second, len, 10);
            let burst = allowed / 2;
            assert!((10 * allowed..=10 * allowed + burst).contains(&passed), "{passed} packets of {len} bytes");
        }
    }

    #[test]
    fn r09_a_peer_just_below_the_limits_loses_nothing() {
        assert_eq!(passed(LIMITS, 9_990, 1250, 10), 99_900);
    }

    #[test]
    fn r09_a_limit_of_0_is_none() {
        let none = IntakeLimits { packets_per_second: 0, bits_per_second: 0 };
        assert_eq!(passed(none, 500_000, 1500, 1), 500_000);
    }

    #[test]
    fn r09_after_a_quiet_time_a_bounded_burst_passes_at_once() {
        let start = Instant::now();
        let mut intake = Intake::new(LIMITS, start);
        let at_once = |intake: &mut Intake, now| {
            std::iter::from_fn(|| intake.has_room(now).then(|| intake.charge(100))).take(10_000).count()
        };
        assert_eq!(at_once(&mut intake, start), 2500);
        assert_eq!(at_once(&mut intake, start + Duration::from_secs(3600)), 2500);
        assert_eq!(at_once(&mut intake, start), 0, "time that goes backwards earns nothing");
    }

    #[test]
    fn r09_rates_at_the_ends_of_their_range_do_not_overflow() {
        for rate in [1, u64::MAX] {
            let limits = IntakeLimits { packets_per_second: rate, bits_per_second: rate };
            let (start, mut intake) = (Instant::now(), Intake::new(limits, Instant::now()));
            for years in 0..100 {
                let now = start + Duration::from_secs(years * 365 * 24 * 3600);
                if intake.has_room(now) {
                    intake.charge(1500);
                }
            }
        }
    }

    /// How many of `per_second` packets of `len` bytes pass in `seconds`, in batches of a millisecond as a loop reads.
    fn passed(limits: IntakeLimits, per_second: u64, len: usize, seconds: u64) -> u64 {
        let start = Instant::now();
        let mut intake = Intake::new(limits, start);
        let mut passed = 0;
        for packet in 0..per_second * seconds {
            let now = start + Duration::from_millis(packet * 1000 / per_second);
            if intake.has_room(now) {
                intake.charge(len);
                passed += 1;
            }
        }
        passed
    }
}
