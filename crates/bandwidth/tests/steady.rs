//! A path of constant capacity in its simplest form: packets wait behind each other, nothing else happens.

use std::time::{Duration, Instant};

use millrace_bandwidth::{Estimator, EstimatorSettings, Reason, SentKind, SentPacket};
use millrace_packet::rtcp::{Compound, CompoundWriter, FeedbackHeader, FeedbackSsrcs, PacketFate, RtcpPacket};

const PACKET_BYTES: u16 = 1200;

#[test]
fn the_estimate_finds_a_capacity_of_1_mbit_per_second_and_stays_near_it() {
    let mut path = Path::new(1_000_000);
    path.run_for(20);
    let estimate = path.estimator.estimate();
    assert!((700_000..1_200_000).contains(&estimate.bitrate), "{estimate:?}");
    assert!(estimate.acknowledged.is_some_and(|bitrate| bitrate > 600_000), "{estimate:?}");
    assert_ne!(estimate.reason, Reason::Initial);
}

#[test]
fn rfc_8888_feedback_finds_the_same_capacity() {
    let mut path = Path { tells: Tells::Rfc8888, ..Path::new(1_000_000) };
    path.run_for(20);
    let estimate = path.estimator.estimate();
    assert!((700_000..1_200_000).contains(&estimate.bitrate), "{estimate:?}");
    assert!(estimate.acknowledged.is_some_and(|bitrate| bitrate > 600_000), "{estimate:?}");
}

#[test]
fn nothing_sent_means_no_deadline() {
    let mut path = Path::new(1_000_000);
    assert_eq!(path.estimator.deadline(), None);
    path.run_for(1);
    assert!(path.estimator.deadline().is_some());
    path.now += Duration::from_secs(2);
    path.estimator.handle_timeout(path.now);
    assert_eq!(path.estimator.deadline(), None);
}

/// Which kind of feedback a receiver writes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tells {
    TransportWide,
    Rfc8888,
}

/// Sends at the estimate through a link that carries `capacity` and waits for nothing else.
struct Path {
    estimator: Estimator,
    capacity: u64,
    start: Instant,
    now: Instant,
    number: u16,
    /// When the link is free again.
    free_at: Instant,
    arrived: Vec<(u16, Instant)>,
    credit: f64,
    tells: Tells,
}

impl Path {
    fn new(capacity: u64) -> Self {
        let settings = EstimatorSettings { initial: 300_000, min: 30_000, max: 10_000_000 };
        let now = Instant::now();
        Self {
            estimator: Estimator::new(settings),
            capacity,
            start: now,
            now,
            number: 0,
            free_at: now,
            arrived: Vec::new(),
            credit: 0.0,
            tells: Tells::TransportWide,
        }
    }

    fn run_for(&mut self, seconds: u64) {
        for step in 1..=seconds * 200 {
            self.now += Duration::from_millis(5);
            self.credit += self.estimator.estimate().bitrate as f64 * 0.005 / 8.0;
            while self.credit >= f64::from(PACKET_BYTES) {
                self.credit -= f64::from(PACKET_BYTES);
                self.send();
            }
            if step % 10 == 0 {
                self.feed_back();
            }
            if self.estimator.deadline().is_some_and(|at| at <= self.now) {
                self.estimator.handle_timeout(self.now);
            }
        }
    }

    fn send(&mut self) {
        let kind = SentKind::Media;
        self.number = self.number.wrapping_add(1);
        let packet = SentPacket { number: self.number, bytes: PACKET_BYTES, at: self.now, probe: None, kind };
        self.estimator.packet_sent(packet);
        self.estimator.packet_named(self.number, 9, self.number.wrapping_add(1000));
        let transmission = Duration::from_secs_f64(f64::from(PACKET_BYTES) * 8.0 / self.capacity as f64);
        self.free_at = self.free_at.max(self.now) + transmission;
        self.arrived.push((self.number, self.free_at + Duration::from_millis(20)));
    }

    fn feed_back(&mut self) {
        let here = self.arrived.iter().filter(|(_, at)| *at <= self.now).count();
        let told: Vec<_> = self.arrived.drain(..here).collect();
        let Some(&(base_sequence, _)) = told.first() else { return };
        if self.tells == Tells::Rfc8888 {
            return self.feed_back_by_stream(&told);
        }
        let ticks = |at: Instant| (at - self.start).as_micros() as i64 / 250;
        let reference_time = (ticks(told[0].1) / 256) as i32;
        let mut previous = i64::from(reference_time) * 256;
        let deltas =
            told.iter().map(|(_, at)| Some((ticks(*at) - std::mem::replace(&mut previous, ticks(*at))) as i16));
        let deltas: Vec<_> = deltas.collect();
        let ssrcs = FeedbackSsrcs { sender: 1, media: 2 };
        let header = FeedbackHeader { ssrcs, base_sequence, reference_time, feedback_count: 0 };
        let mut out = [0; 1500];
        let mut writer = CompoundWriter::new(&mut out);
        writer.transport_feedback(&header, deltas.into_iter()).expect("it fits");
        let len = writer.len();
        for packet in Compound::parse(&out[..len]).expect("what is written parses").packets() {
            if let RtcpPacket::TransportFeedback(feedback) = packet {
                self.estimator.transport_feedback(&feedback, self.now);
            }
        }
    }

    fn feed_back_by_stream(&mut self, told: &[(u16, Instant)]) {
        let timestamp = |at: Instant| ((at - self.start).as_micros() * 1024 / 15_625) as u32;
        let now = timestamp(self.now);
        let fate = |at: Instant| PacketFate::Received { ecn: 0, before: Some(((now - timestamp(at)) / 64) as u16) };
        let fates: Vec<_> = told.iter().map(|(_, at)| fate(*at)).collect();
        let mut out = [0; 1500];
        let mut writer = CompoundWriter::new(&mut out);
        writer.congestion_feedback(1, 9, told[0].0.wrapping_add(1000), &fates, now).expect("it fits");
        let len = writer.len();
        for packet in Compound::parse(&out[..len]).expect("what is written parses").packets() {
            if let RtcpPacket::CongestionFeedback(feedback) = packet {
                self.estimator.congestion_feedback(&feedback, self.now);
            }
        }
    }
}
