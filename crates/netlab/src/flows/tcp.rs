//! A TCP that always has something to send: CUBIC (RFC 9438) with its Reno-friendly region.

use std::collections::BTreeMap;

use crate::flow::{Flow, Wire};
use crate::{MS, Micros, SECOND};

/// Size of a segment on the link.
const SEGMENT_BYTES: usize = 1500;
/// RFC 9438 §4.6.
const BETA: f64 = 0.7;
/// RFC 9438 §5.
const C: f64 = 0.4;
/// Segments acknowledged behind a missing one that make it lost (RFC 5681 §3.2).
const DUPLICATES: u64 = 3;

/// A greedy sender, and its receiver that acknowledges every segment.
pub struct Tcp {
    start: Micros,
    end: Micros,
    next: u64,
    outstanding: BTreeMap<u64, Micros>,
    window: f64,
    threshold: f64,
    window_most: f64,
    epoch: Option<Micros>,
    reno: f64,
    /// Losses below this number belong to the decrease that was done.
    recovery: u64,
    round_trip: f64,
    heard: Micros,
    received_bytes: u64,
}

impl Tcp {
    /// Sends from `start` to `end`.
    pub fn new(start: Micros, end: Micros) -> Self {
        Self {
            start,
            end,
            next: 0,
            outstanding: BTreeMap::new(),
            window: 10.0,
            threshold: f64::MAX,
            window_most: 0.0,
            epoch: None,
            reno: 0.0,
            recovery: 0,
            round_trip: 0.2,
            heard: 0,
            received_bytes: 0,
        }
    }

    fn decrease(&mut self) {
        self.window_most = self.window;
        self.window = (self.window * BETA).max(2.0);
        self.threshold = self.window;
        self.epoch = None;
        self.recovery = self.next;
    }

    fn increase(&mut self, now: Micros) {
        if self.window < self.threshold {
            self.window += 1.0;
            return;
        }
        let epoch = *self.epoch.get_or_insert_with(|| {
            self.reno = self.window;
            now
        });
        let elapsed = (now - epoch) as f64 / SECOND as f64;
        let k = ((self.window_most * (1.0 - BETA)).max(0.0) / C).cbrt();
        let cubic = C * (elapsed - k).powi(3) + self.window_most;
        self.reno += 3.0 * (1.0 - BETA) / (1.0 + BETA) / self.window;
        let target = cubic.max(self.reno).clamp(self.window, 1.5 * self.window);
        self.window += (target - self.window) / self.window;
    }
}

impl Flow for Tcp {
    fn advance(&mut self, now: Micros, wire: &mut Wire) {
        if now < self.start || now >= self.end {
            return;
        }
        let silent = now - self.heard.max(self.start);
        let timeout = SECOND.max((3.0 * self.round_trip * SECOND as f64) as Micros);
        if !self.outstanding.is_empty() && silent > timeout {
            self.decrease();
            self.outstanding.clear();
            self.window = 2.0;
            self.heard = now;
        }
        while (self.outstanding.len() as f64) < self.window {
            self.outstanding.insert(self.next, now);
            wire.send(SEGMENT_BYTES, self.next.to_be_bytes().to_vec());
            self.next += 1;
        }
    }

    fn arrive(&mut self, contents: &[u8], _now: Micros, wire: &mut Wire) {
        self.received_bytes += SEGMENT_BYTES as u64;
        wire.back.push(contents.to_vec());
    }

    fn arrive_back(&mut self, contents: &[u8], now: Micros) {
        let Some(number) = contents.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)) else { return };
        self.heard = now;
        if let Some(sent) = self.outstanding.remove(&number) {
            let sample = (now - sent) as f64 / SECOND as f64;
            self.round_trip += (sample - self.round_trip) / 8.0;
            self.increase(now);
        }
        while let Some(first) = self.outstanding.first_entry().filter(|first| first.key() + DUPLICATES <= number) {
            if *first.key() >= self.recovery {
                first.remove();
                self.decrease();
            } else {
                first.remove();
            }
        }
    }

    fn estimate(&self) -> f64 {
        self.window * SEGMENT_BYTES as f64 * 8.0 / self.round_trip.max(MS as f64 / SECOND as f64)
    }

    fn media_bytes(&self) -> u64 {
        self.received_bytes
    }

    fn layer_switches(&self) -> u32 {
        0
    }
}
