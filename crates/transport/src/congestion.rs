//! Congestion control of one transport: what its path carries, how fast packets leave, and what is probed.

use std::cell::Cell;
use std::time::{Duration, Instant};

use millrace_bandwidth::allocation::Line;
use millrace_bandwidth::pacer;
use millrace_bandwidth::{Estimate, Estimator, EstimatorSettings, ProbeCluster, Reason, SentKind, SentPacket};
use millrace_model::Counters;
use millrace_packet::Priority;
use millrace_packet::rtcp::{CongestionFeedback, TransportFeedback};

use crate::outgoing::{SendLog, Sent};

/// Probes are sent in pieces that are this far apart.
const PROBE_STEP: Duration = Duration::from_millis(2);

/// A probe that did not end in this time is given up: it cannot be sent that fast.
const PROBE_TIME_MAX: Duration = Duration::from_millis(200);

/// A change of the estimate that is told, in percent; a change of its reason is told always.
const CHANGE_PERCENT: u64 = 3;

/// A change of what is wanted that counts: more than a tenth of it.
const WANTED_PARTS: u64 = 10;

/// What an estimate is and why, as it is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathEstimate {
    /// What the estimator says.
    pub estimate: Estimate,
    /// Tells whether the peer ever said what arrived: before that the bitrate is a guess.
    pub is_measured: bool,
}

impl PathEstimate {
    /// What there is to divide among streams.
    pub fn line(&self) -> Line {
        let carried = self.estimate.acknowledged.unwrap_or(0);
        let carries = self.estimate.draining.map_or(0, |draining| draining.carries);
        Line {
            bitrate: self.estimate.bitrate.max(carries),
            may_shed: self.is_measured,
            keeps_one: false,
            carried,
            patience: PATIENCE,
        }
    }
}

/// How long video that flows may lack room before it is shed: an estimate may fall for a moment, and a picture that
/// goes costs a key frame when it comes again.
const PATIENCE: Duration = Duration::from_secs(3);

/// What an application may say about the bitrates of a path, in bit/s.
pub type BitrateBounds = EstimatorSettings;

/// What mediasoup takes a path to carry at first, and no other bounds than those of sanity.
pub const BITRATES_DEFAULT: BitrateBounds = BitrateBounds { initial: 600_000, min: 30_000, max: 10_000_000_000 };

/// The congestion control of a transport that sends streams with transport-wide numbers, or whose peer sends REMB.
#[derive(Debug)]
pub struct Congestion {
    estimator: Estimator,
    probe: Option<Probe>,
    is_measured: bool,
    /// As it was told last.
    told: Option<(u64, Reason, bool)>,
    wanted: u64,
    /// Somebody waits for the deadline.
    is_armed: Cell<bool>,
    /// Somebody should.
    is_restless: Cell<bool>,
}

/// Packets under way that tell whether the path carries a bitrate.
#[derive(Clone, Copy, Debug)]
struct Probe {
    cluster: ProbeCluster,
    begun: Instant,
    packets: u32,
    bytes: u64,
}

impl Congestion {
    /// Begins with the first stream that is counted.
    pub(crate) fn new(bounds: BitrateBounds) -> Self {
        let estimator = Estimator::new(bounds);
        Self {
            estimator,
            probe: None,
            is_measured: false,
            told: None,
            wanted: 0,
            is_armed: Cell::default(),
            is_restless: Cell::default(),
        }
    }

    /// Sets what the application says about bitrates.
    pub(crate) fn configure(&mut self, bounds: BitrateBounds) {
        self.estimator.configure(bounds);
    }

    /// Takes what the peer says of the packets that arrived.
    pub(crate) fn handle_feedback(&mut self, feedback: &TransportFeedback<'_>, now: Instant) {
        self.is_measured = true;
        self.estimator.transport_feedback(feedback, now);
    }

    /// Takes the same by RFC 8888.
    pub(crate) fn handle_congestion_feedback(&mut self, feedback: &CongestionFeedback<'_>, now: Instant) {
        self.is_measured = true;
        self.estimator.congestion_feedback(feedback, now);
    }

    /// Takes the bitrate that the peer can receive at most, in bit/s. It follows what the peer is sent, so it is no reason
    /// to send nothing.
    pub(crate) fn handle_limit(&mut self, bitrate: u64, now: Instant) {
        self.estimator.remb(bitrate, now);
    }

    /// Takes what the peer says of one stream: the part of its packets that were lost, in 1/256.
    pub(crate) fn handle_reception(&mut self, lost_fraction: u8, round_trip: Option<Duration>, now: Instant) {
        self.estimator.receiver_report(f32::from(lost_fraction) / 256.0, round_trip, now);
    }

    /// Sets what would be sent if the path carried it, in bit/s.
    pub(crate) fn set_wanted(&mut self, bitrate: u64, now: Instant) {
        // Media always varies a little, which is no reason to probe.
        if bitrate.abs_diff(self.wanted).saturating_mul(WANTED_PARTS) > self.wanted {
            self.wanted = bitrate;
            self.estimator.set_wanted(bitrate, now);
        }
    }

    /// The estimate, if it changed so much that others should know.
    pub(crate) fn poll_estimate(&mut self) -> Option<PathEstimate> {
        let current = self.current();
        let Estimate { bitrate, reason, .. } = current.estimate;
        if let Some((told, told_reason, was_measured)) = self.told {
            let is_near = bitrate.abs_diff(told).saturating_mul(100) < told.saturating_mul(CHANGE_PERCENT);
            if is_near && reason == told_reason && was_measured == current.is_measured {
                return None;
            }
        }
        self.told = Some((bitrate, reason, current.is_measured));
        Some(current)
    }

    /// The estimate.
    pub(crate) fn current(&self) -> PathEstimate {
        PathEstimate { estimate: self.estimator.estimate(), is_measured: self.is_measured }
    }

    /// How fast packets leave, in bit/s. Everything leaves at once until the peer says what arrived.
    pub(crate) fn pacing_rate(&self) -> Option<u64> {
        if !self.is_measured {
            return None;
        }
        let paced = pacer::pacing_rate(&self.estimator.estimate());
        Some(self.probe.map_or(paced, |probe| paced.max(probe.cluster.bitrate.saturating_mul(2))))
    }

    /// Bytes of padding to be sent now; `None` where there is nothing to probe, or not yet: as long as packets wait.
    pub(crate) fn poll_padding(&mut self, waits: bool, now: Instant, counters: &mut Counters) -> Option<usize> {
        loop {
            let Some(probe) = self.probe else {
                let cluster = self.estimator.poll_probe(now)?;
                counters.probes_begun += 1;
                self.probe = Some(Probe { cluster, begun: now, packets: 0, bytes: 0 });
                continue;
            };
            let elapsed = now.saturating_duration_since(probe.begun);
            let is_whole = probe.packets >= probe.cluster.packets_min && elapsed >= probe.cluster.duration_min;
            if is_whole || elapsed > PROBE_TIME_MAX {
                self.probe = None;
                continue;
            }
            let due = bytes_in(probe.cluster.bitrate, elapsed + PROBE_STEP);
            return usize::try_from(due.saturating_sub(probe.bytes)).ok().filter(|bytes| *bytes > 0 && !waits);
        }
    }

    /// There is nothing to probe with.
    pub(crate) fn give_up_probe(&mut self, counters: &mut Counters) {
        self.probe = None;
        counters.probes_without_packets += 1;
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` when nothing was sent lately.
    ///
    /// A probe goes on when nothing `waits` any more: what is sent then has a time of its own.
    pub(crate) fn deadline(&self, waits: bool) -> Option<Instant> {
        let deadline = match self.probe {
            Some(_) if waits => None,
            Some(probe) => {
                let sent = time_of(probe.bytes, probe.cluster.bitrate).max(Duration::from_millis(1));
                Some(probe.begun + sent)
            }
            None => self.estimator.deadline(),
        };
        self.is_armed.set(deadline.is_some());
        self.is_restless.set(false);
        deadline
    }

    /// Tells whether a deadline has come up since somebody asked for it.
    pub(crate) fn is_restless(&self) -> bool {
        self.is_restless.get()
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.estimator.handle_timeout(now);
    }
}

impl SendLog for Option<Box<Congestion>> {
    #[inline]
    fn on_sent(&mut self, sent: &Sent) {
        let (Some(congestion), Some(number)) = (self, sent.transport_sequence) else { return };
        if !congestion.is_armed.get() {
            congestion.is_restless.set(true);
        }
        let probe = congestion.probe.as_mut().map(|probe| {
            probe.packets += 1;
            probe.bytes += sent.bytes as u64;
            probe.cluster.id
        });
        if let Some(name) = sent.name {
            congestion.estimator.packet_named(number, name.ssrc, name.sequence);
        }
        congestion.estimator.packet_sent(SentPacket {
            number,
            bytes: sent.bytes.min(usize::from(u16::MAX)) as u16,
            at: sent.at,
            probe,
            kind: match sent.priority {
                Priority::Audio | Priority::Video => SentKind::Media,
                Priority::Retransmission => SentKind::Retransmission,
                Priority::Padding => SentKind::Padding,
            },
        });
    }
}

fn bytes_in(bitrate: u64, time: Duration) -> u64 {
    bitrate.saturating_mul(time.as_micros() as u64) / 8_000_000
}

fn time_of(bytes: u64, bitrate: u64) -> Duration {
    Duration::from_micros(bytes.saturating_mul(8_000_000) / bitrate.max(1))
}

#[cfg(test)]
mod tests {
    use millrace_packet::OutgoingStreamId;
    use millrace_packet::rtcp::{Compound, CompoundWriter, FeedbackHeader, FeedbackSsrcs, RtcpPacket};

    use super::*;

    const BOUNDS: BitrateBounds = BitrateBounds { initial: 600_000, min: 30_000, max: 10_000_000 };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn sent(number: Option<u16>, priority: Priority, at: Instant) -> Sent {
        Sent { stream: OutgoingStreamId(0), transport_sequence: number, name: None, bytes: 1200, priority, at }
    }

    #[test]
    fn a_transport_that_sends_nothing_has_no_deadline_and_asks_for_one_with_its_first_packet() {
        let start = Instant::now();
        let mut congestion = Some(Box::new(Congestion::new(BOUNDS)));
        let inner = |congestion: &mut Option<Box<Congestion>>| {
            let congestion = congestion.as_mut().unwrap();
            (congestion.is_restless(), congestion.deadline(false).is_some())
        };
        assert_eq!(inner(&mut congestion), (false, false));
        congestion.on_sent(&sent(None, Priority::Video, start));
        assert_eq!(inner(&mut congestion), (false, false), "nobody will tell of a packet without a number");
        congestion.on_sent(&sent(Some(1), Priority::Video, start));
        assert_eq!(inner(&mut congestion), (true, true));
        congestion.on_sent(&sent(Some(2), Priority::Video, start));
        assert!(!inner(&mut congestion).0, "the timer is set");
        let later = start + Duration::from_secs(10);
        let congestion = congestion.as_mut().unwrap();
        congestion.handle_timeout(later);
        congestion.give_up_probe(&mut Counters::default());
        assert_eq!(congestion.deadline(false), None, "and ends by itself");
    }

    #[test]
    fn a_probe_sends_its_bitrate_and_ends() {
        let start = Instant::now();
        let mut counters = Counters::default();
        let mut congestion = Some(Box::new(Congestion::new(BOUNDS)));
        congestion.on_sent(&sent(Some(0), Priority::Video, start));
        let (mut number, mut padded, mut last) = (0, 0, start);
        for tick in 0..100 {
            let now = start + ms(tick);
            while let Some(bytes) = congestion.as_mut().unwrap().poll_padding(false, now, &mut counters) {
                assert!(bytes < 10_000, "{bytes} bytes at once");
                number += 1;
                padded += 1200;
                last = now;
                congestion.on_sent(&sent(Some(number), Priority::Padding, now));
            }
        }
        assert!(counters.probes_begun >= 2 && counters.probes_begun <= 4, "{}", counters.probes_begun);
        assert!((10_000..80_000).contains(&padded), "{padded} bytes");
        assert!(last < start + ms(90), "it ended at {:?}", last - start);
    }

    #[test]
    fn no_padding_is_added_to_what_waits_and_a_probe_that_cannot_be_sent_ends() {
        let start = Instant::now();
        let mut counters = Counters::default();
        let mut congestion = Some(Box::new(Congestion::new(BOUNDS)));
        congestion.on_sent(&sent(Some(0), Priority::Video, start));
        let congestion = congestion.as_mut().unwrap();
        for tick in 0..2000 {
            assert_eq!(congestion.poll_padding(true, start + ms(tick), &mut counters), None);
        }
        assert!(counters.probes_begun <= 4);
    }

    #[test]
    fn packets_are_paced_once_the_peer_says_what_arrives() {
        let start = Instant::now();
        let mut congestion = Congestion::new(BOUNDS);
        assert_eq!((congestion.pacing_rate(), congestion.current().is_measured), (None, false));
        assert!(congestion.poll_estimate().is_some_and(|path| path.estimate.bitrate == 600_000));
        assert!(congestion.poll_estimate().is_none(), "nothing new");
        congestion.handle_limit(200_000, start);
        assert!(congestion.poll_estimate().is_some_and(|path| path.estimate.bitrate == 200_000));
        assert_eq!(
            (congestion.pacing_rate(), congestion.current().line().may_shed),
            (None, false),
            "it is a limit only"
        );
        hear(&mut congestion, start);
        assert_eq!(congestion.pacing_rate(), Some(300_000));
        assert!(congestion.poll_estimate().is_some_and(|path| path.is_measured));
    }

    #[test]
    fn c06_a_limit_of_nothing_or_of_everything_stays_within_bounds() {
        let start = Instant::now();
        let mut congestion = Congestion::new(BOUNDS);
        hear(&mut congestion, start);
        for claim in [0, u64::MAX, 1, 1 << 63] {
            congestion.handle_limit(claim, start);
            congestion.handle_reception(255, Some(Duration::MAX), start);
            let bitrate = congestion.current().estimate.bitrate;
            assert!((BOUNDS.min..=BOUNDS.max).contains(&bitrate), "{bitrate}");
            assert!(congestion.pacing_rate().is_some_and(|rate| rate >= BOUNDS.min));
        }
    }

    /// The peer says that packet 0 arrived.
    fn hear(congestion: &mut Congestion, now: Instant) {
        let ssrcs = FeedbackSsrcs { sender: 1, media: 2 };
        let header = FeedbackHeader { ssrcs, base_sequence: 0, reference_time: 0, feedback_count: 0 };
        let mut bytes = [0; 100];
        let mut writer = CompoundWriter::new(&mut bytes);
        writer.transport_feedback(&header, [Some(0)].into_iter()).unwrap();
        let len = writer.len();
        for packet in Compound::parse(&bytes[..len]).unwrap().packets() {
            if let RtcpPacket::TransportFeedback(feedback) = packet {
                congestion.handle_feedback(&feedback, now);
            }
        }
    }
}
