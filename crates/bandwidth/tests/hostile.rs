//! Feedback that lies: the estimate stays finite and within its bounds, and costs no more than honest feedback does.

use std::time::{Duration, Instant};

use millrace_bandwidth::{Estimator, EstimatorSettings, SentKind, SentPacket};
use millrace_packet::rtcp::{Compound, CompoundWriter, FeedbackHeader, FeedbackSsrcs, RtcpPacket};

const MIN: u64 = 50_000;
const MAX: u64 = 5_000_000;

#[test]
fn c02_everything_received_at_once_stays_within_bounds() {
    let mut liar = Liar::new();
    for round in 0..500 {
        let first = liar.send(20);
        liar.tell(first, round, &[Some(0); 20]);
    }
    liar.check();
}

#[test]
fn c02_nothing_received_stays_within_bounds_and_ends_low() {
    let mut liar = Liar::new();
    for round in 0..500 {
        let first = liar.send(20);
        liar.tell(first, round, &[None; 20]);
    }
    liar.check();
    assert!(liar.estimator.estimate().bitrate <= 300_000, "{:?}", liar.estimator.estimate());
}

#[test]
fn c02_half_of_all_lost_never_takes_the_estimate_below_its_least() {
    let mut liar = Liar::new();
    for round in 0..2000 {
        let first = liar.send(20);
        liar.tell(first, round, &[Some(20), None].repeat(10));
        liar.check();
    }
}

#[test]
fn c02_arrival_times_that_run_backwards_stay_within_bounds() {
    let mut liar = Liar::new();
    for round in 0..500 {
        let first = liar.send(20);
        liar.tell(first, -round, &[Some(-30); 20]);
        liar.check();
    }
}

#[test]
fn c02_reference_times_that_leap_to_both_ends_stay_within_bounds() {
    let mut liar = Liar::new();
    for round in 0..2000i32 {
        let first = liar.send(5);
        let reference = if round % 2 == 0 { -0x80_0000 } else { 0x7f_ffff };
        liar.tell(first, reference, &[Some(i16::MAX), Some(i16::MIN), Some(0), None, Some(5)]);
        liar.tell(first, round.wrapping_mul(0x3f_ffff), &[Some(1); 5]);
        liar.check();
    }
}

#[test]
fn c02_the_same_feedback_again_and_again_counts_once() {
    let mut once = Liar::new();
    let mut often = Liar::new();
    for round in 0..200 {
        for (liar, times) in [(&mut once, 1), (&mut often, 20)] {
            let first = liar.send(20);
            liar.tell(first, round, &[Some(10); 20]);
            for _ in 1..times {
                liar.tell_now(first, round, &[Some(10); 20]);
            }
        }
        assert_eq!(once.estimator.estimate().bitrate, often.estimator.estimate().bitrate, "round {round}");
    }
}

#[test]
fn c02_feedback_about_packets_that_were_never_sent_changes_nothing() {
    let mut liar = Liar::new();
    let first = liar.send(20);
    liar.tell(first, 0, &[Some(10); 20]);
    let before = liar.estimator.estimate();
    for ahead in [20, 1000, 30_000, 50_000] {
        liar.tell(first.wrapping_add(ahead), 1, &[Some(1); 20]);
        liar.tell(first.wrapping_add(ahead), 1, &[None; 20]);
    }
    assert_eq!(liar.estimator.estimate(), before);
}

#[test]
fn c03_ten_thousand_feedback_packets_a_second_stay_within_bounds() {
    let mut liar = Liar::new();
    for round in 0..10_000u16 {
        let first = if round % 100 == 0 { liar.send(10) } else { liar.number.wrapping_sub(10) };
        liar.now += Duration::from_micros(100);
        liar.tell_now(first.wrapping_add(round % 10), 1, &[Some(1), None, Some(3)]);
        liar.check();
    }
}

#[test]
fn c06_estimates_of_0_and_of_2_to_the_63_are_taken_to_the_bounds() {
    let mut liar = Liar::new();
    for bitrate in [0, 1, 1 << 63, u64::MAX, 100_000, u64::MAX] {
        liar.estimator.remb(bitrate, liar.now);
        liar.check();
    }
    liar.estimator.remb(0, liar.now);
    assert_eq!(liar.estimator.estimate().bitrate, MIN);
}

#[test]
fn c06_fractions_that_are_no_numbers_and_round_trips_of_years_stay_within_bounds() {
    let mut liar = Liar::new();
    for fraction in [f32::NAN, f32::INFINITY, -1.0, 2.0, 0.5, 1.0, 0.0] {
        for round_trip in [None, Some(Duration::ZERO), Some(Duration::MAX)] {
            liar.send(1);
            liar.now += Duration::from_secs(1);
            liar.estimator.receiver_report(fraction, round_trip, liar.now);
            liar.check();
        }
    }
}

#[test]
fn local_times_that_run_backwards_stay_within_bounds() {
    let mut liar = Liar::new();
    let start = liar.now;
    for round in 0..100 {
        let first = liar.send(20);
        liar.now = if round % 2 == 0 { start } else { liar.now + Duration::from_secs(1) };
        liar.tell_now(first, round, &[Some(9); 20]);
        liar.check();
    }
}

#[test]
fn feedback_that_stops_takes_the_estimate_down_and_is_explained() {
    let mut liar = Liar::new();
    for round in 0..40 {
        let first = liar.send(10);
        liar.tell(first, round, &[Some(16); 10]);
    }
    let before = liar.estimator.estimate().bitrate;
    for _ in 0..250 {
        liar.send(10);
        liar.estimator.handle_timeout(liar.now);
    }
    let after = liar.estimator.estimate();
    assert!(after.bitrate < before / 2, "{before} to {after:?}");
    assert_eq!(after.reason, millrace_bandwidth::Reason::Timeout);
}

#[test]
fn a_path_that_nothing_is_sent_on_any_more_is_probed_while_more_is_wanted_and_found_to_be_better() {
    let mut liar = Liar::new();
    let begun = liar.now;
    // A queue that grows by 20 ms with each packet.
    for round in 0..20 {
        let first = liar.send(10);
        liar.tell(first, round * 4, &[Some(88); 10]);
    }
    let starved = liar.estimator.estimate().bitrate;
    assert!(starved < 300_000, "{starved}");
    liar.now += Duration::from_secs(3);
    liar.estimator.set_wanted(0, liar.now);
    liar.estimator.handle_timeout(liar.now);
    assert_eq!((liar.estimator.deadline(), liar.estimator.poll_probe(liar.now)), (None, None), "nobody wants anything");

    liar.estimator.set_wanted(1_000_000, liar.now);
    let due = liar.estimator.deadline().expect("more is wanted");
    // By then the queue has drained: what is sent arrives as soon as the first packets did.
    let references = 150;
    liar.now = begun + references * Duration::from_millis(64);
    assert!(due <= liar.now);
    liar.estimator.handle_timeout(liar.now);
    let first = liar.number;
    let probe = liar.estimator.poll_probe(liar.now).expect("a probe is due");
    for _ in 0..4 {
        let (number, at, kind) = (liar.number, liar.now, SentKind::Padding);
        let probe = Some(probe.id);
        liar.estimator.packet_sent(SentPacket { number, bytes: 1200, at, probe, kind });
        liar.number = liar.number.wrapping_add(1);
        liar.now += Duration::from_millis(10);
    }
    // 80 ticks of 0.25 ms after the reference, then as they were sent, 40 ticks apart.
    liar.tell(first, references as i32, &[Some(80), Some(40), Some(40), Some(40)]);
    let estimate = liar.estimator.estimate();
    assert!(estimate.bitrate > starved * 3 / 2, "{starved} to {estimate:?}");
}

#[test]
fn a_path_whose_peer_never_says_what_arrived_is_not_probed_again() {
    let mut liar = Liar::new();
    liar.estimator.set_wanted(1_000_000, liar.now);
    let mut probes = 0;
    for _ in 0..1000 {
        liar.send(10);
        liar.estimator.receiver_report(0.0, Some(Duration::from_millis(20)), liar.now);
        liar.estimator.handle_timeout(liar.now);
        probes += usize::from(liar.estimator.poll_probe(liar.now).is_some());
    }
    assert!(probes <= 2, "{probes} probes after the first two");
    liar.now += Duration::from_secs(3);
    liar.estimator.handle_timeout(liar.now);
    assert_eq!(liar.estimator.deadline(), None);
}

#[test]
fn bounds_that_contradict_each_other_do_not_panic() {
    let mut estimator = Estimator::new(EstimatorSettings { initial: 5, min: 1_000_000, max: 1000 });
    assert_eq!(estimator.estimate().bitrate, 1_000_000);
    estimator.configure(EstimatorSettings { initial: 300_000, min: 0, max: 0 });
    assert_eq!(estimator.estimate().bitrate, 0);
    estimator.set_wanted(u64::MAX, Instant::now());
}

/// A sender with a receiver that says what it likes.
struct Liar {
    estimator: Estimator,
    now: Instant,
    number: u16,
}

impl Liar {
    fn new() -> Self {
        let estimator = Estimator::new(EstimatorSettings { initial: 300_000, min: MIN, max: MAX });
        Self { estimator, now: Instant::now() + Duration::from_secs(60), number: 65_000 }
    }

    /// Sends packets 2 ms apart and returns the first one's number.
    fn send(&mut self, count: u16) -> u16 {
        let first = self.number;
        for _ in 0..count {
            self.now += Duration::from_millis(2);
            let probe = self.estimator.poll_probe(self.now).map(|cluster| cluster.id);
            let (number, at, kind) = (self.number, self.now, SentKind::Media);
            self.estimator.packet_sent(SentPacket { number, bytes: 1200, at, probe, kind });
            self.number = self.number.wrapping_add(1);
        }
        first
    }

    fn tell(&mut self, base_sequence: u16, reference_time: i32, statuses: &[Option<i16>]) {
        self.now += Duration::from_millis(50);
        self.tell_now(base_sequence, reference_time, statuses);
    }

    fn tell_now(&mut self, base_sequence: u16, reference_time: i32, statuses: &[Option<i16>]) {
        let reference_time = (reference_time << 8) >> 8;
        let ssrcs = FeedbackSsrcs { sender: 1, media: 2 };
        let header = FeedbackHeader { ssrcs, base_sequence, reference_time, feedback_count: 0 };
        let mut out = [0; 1500];
        let mut writer = CompoundWriter::new(&mut out);
        writer.transport_feedback(&header, statuses.iter().copied()).expect("it fits");
        let len = writer.len();
        for packet in Compound::parse(&out[..len]).expect("what is written parses").packets() {
            if let RtcpPacket::TransportFeedback(feedback) = packet {
                self.estimator.transport_feedback(&feedback, self.now);
            }
        }
    }

    fn check(&self) {
        let estimate = self.estimator.estimate();
        assert!((MIN..=MAX).contains(&estimate.bitrate), "{estimate:?}");
        assert!((0.0..=1.0).contains(&estimate.lost), "{estimate:?}");
    }
}
