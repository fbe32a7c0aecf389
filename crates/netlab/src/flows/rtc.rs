//! rtc's `Gcc` with rtc's own pacer. It neither probes nor pads.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rtc_interceptor::{BandwidthEstimator, Gcc, Pacer, PacketReport};

use super::{FlowSettings, INITIAL_BITRATE, MAX_BITRATE, MIN_BITRATE, header, read_header};
use crate::Micros;
use crate::flow::{Flow, OVERHEAD_BYTES, Wire};
use crate::receiver::{Receiver, Told};
use crate::source::Source;

/// A sender with rtc's estimator, and its receiver.
pub struct Rtc {
    estimator: Gcc,
    pacer: Pacer,
    origin: Instant,
    start: Micros,
    source: Source,
    queue: VecDeque<usize>,
    /// Departure and size by number.
    sent: Vec<(Micros, usize)>,
    receiver: Receiver,
    told: VecDeque<Told>,
    /// Numbers below were reported to the estimator.
    reported: u64,
    media_bytes: u64,
}

impl Rtc {
    /// A sender that begins at its start.
    pub fn new(settings: &FlowSettings) -> Self {
        Self {
            estimator: Gcc::new(INITIAL_BITRATE as f64, MIN_BITRATE as f64, MAX_BITRATE as f64),
            pacer: Pacer::new(INITIAL_BITRATE as f64),
            origin: Instant::now(),
            start: settings.start,
            source: Source::new(settings.source, settings.seed, settings.start),
            queue: VecDeque::new(),
            sent: Vec::new(),
            receiver: Receiver::default(),
            told: VecDeque::new(),
            reported: 0,
            media_bytes: 0,
        }
    }

    fn report(&self, number: u64, arrival: Option<Micros>) -> Option<PacketReport> {
        let (departure, size) = *self.sent.get(number as usize)?;
        Some(PacketReport {
            ssrc: 1,
            id: number,
            rtp_sequence_number: number as u16,
            is_twcc: true,
            twcc_sequence_number: number as u16,
            size,
            arrived: arrival.is_some(),
            departure: self.origin + Duration::from_micros(departure),
            // What transport-wide feedback can say: ticks of 250 µs.
            arrival: arrival.map(|at| Duration::from_micros(at / 250 * 250)),
            ecn: Default::default(),
        })
    }
}

impl Flow for Rtc {
    fn advance(&mut self, now: Micros, wire: &mut Wire) {
        for told in self.receiver.feedback(now) {
            // The feedback itself is plain data here; what comes back is only the signal that it is there.
            self.told.push_back(told);
            wire.back.push(Vec::new());
        }
        if now < self.start {
            return;
        }
        if let Some(frame) = self.source.frame(self.estimate(), now) {
            self.queue.extend(frame);
        }
        // Sound leaves at once, with a number like all else.
        while let Some(payload) = self.source.audio(now) {
            let bytes = payload + OVERHEAD_BYTES;
            wire.send_audio(bytes, header(self.sent.len() as u64, 0));
            self.sent.push((now, bytes));
        }
        let instant = self.origin + Duration::from_micros(now);
        self.pacer.refill(instant);
        while let Some(payload) = self.queue.front() {
            let bytes = payload + OVERHEAD_BYTES;
            if !self.pacer.can_release(bytes as f64 * 8.0) {
                break;
            }
            self.pacer.consume(bytes as f64 * 8.0);
            wire.send(bytes, header(self.sent.len() as u64, bytes));
            self.sent.push((now, bytes));
            self.queue.pop_front();
        }
    }

    fn arrive(&mut self, contents: &[u8], now: Micros, _wire: &mut Wire) {
        let Some((number, media_bytes)) = read_header(contents) else { return };
        self.receiver.arrived(number, now);
        self.media_bytes += media_bytes;
    }

    fn arrive_back(&mut self, _contents: &[u8], now: Micros) {
        let Some(told) = self.told.pop_front() else { return };
        let end = told.base + told.arrivals.len() as u64;
        let numbers = (told.base..end).zip(&told.arrivals).filter(|(number, _)| *number >= self.reported);
        let reports: Vec<_> = numbers.filter_map(|(number, arrival)| self.report(number, *arrival)).collect();
        self.reported = self.reported.max(end);
        self.estimator.on_reports(self.origin + Duration::from_micros(now), &reports);
        self.pacer.set_target_bitrate(self.estimator.target_bitrate());
    }

    fn estimate(&self) -> f64 {
        self.estimator.target_bitrate()
    }

    fn media_bytes(&self) -> u64 {
        self.media_bytes
    }

    fn layer_switches(&self) -> u32 {
        self.source.switches()
    }
}
