//! How much arrives: the bitrate that feedback acknowledges.

use arrayvec::ArrayVec;

use crate::clock::{MS, Micros, SECOND};

/// Time over which arrivals are counted.
///
/// libwebrtc's `RobustThroughputEstimator` takes 500 ms to 1 s. A step down of the line has to be seen sooner than
/// that: on the seeded network 250 ms halve the queue after it, and at 300 kbit/s are still seven packets.
const WINDOW: Micros = 250 * MS;
/// Time over which they are counted besides, for when a line has got much worse.
const WINDOW_SHORT: Micros = 90 * MS;
/// Least distance of two counts.
const STEP: Micros = 20 * MS;
/// Counts kept: a window of the shortest steps, and one before it. When full, the oldest is dropped.
const COUNTS_MAX: usize = 16;
/// A silence or a leap of the receiver's clock after which counting begins anew.
const LEAP: Micros = 2 * SECOND;

/// Bytes that had arrived by a time of the receiver's clock.
#[derive(Clone, Copy, Debug)]
struct Count {
    at: Micros,
    bytes: u64,
}

/// Arrivals over a window of the receiver's time.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    counts: ArrayVec<Count, COUNTS_MAX>,
    latest: Option<Micros>,
    bytes: u64,
    bitrate: Option<f64>,
    recent: Option<f64>,
}

impl Acknowledged {
    /// Takes note that `bytes` arrived at `at` by the receiver's clock.
    pub(crate) fn arrived(&mut self, at: Micros, bytes: u16) {
        let latest = *self.latest.get_or_insert(at);
        if (at - latest).abs() > LEAP {
            self.counts.clear();
            self.latest = Some(at);
        } else {
            self.latest = Some(latest.max(at));
        }
        self.bytes += u64::from(bytes);
    }

    /// Takes note that nothing was sent for `time`, which says nothing of what the path carries.
    pub(crate) fn paused(&mut self, time: Micros) {
        for count in &mut self.counts {
            count.at += time;
        }
    }

    /// Ends a batch that was told about together.
    pub(crate) fn settle(&mut self) {
        let Some(at) = self.latest else { return };
        if self.counts.last().is_some_and(|last| at - last.at < STEP) {
            return;
        }
        if self.counts.is_full() {
            self.counts.remove(0);
        }
        let now = Count { at, bytes: self.bytes };
        self.counts.push(now);
        let over = |window| {
            let then = self.counts.iter().rfind(|count| at - count.at >= window)?;
            Some((now.bytes - then.bytes) as f64 * 8e6 / (at - then.at) as f64)
        };
        (self.bitrate, self.recent) = (over(WINDOW).or(self.bitrate), over(WINDOW_SHORT).or(self.recent));
    }

    /// The same over the latest tenth of a second: less certain.
    pub(crate) fn recent(&self) -> Option<f64> {
        self.recent
    }

    /// The acknowledged bitrate in bit/s; `None` for the first quarter of a second.
    pub(crate) fn bitrate(&self) -> Option<f64> {
        self.bitrate
    }
}
