//! The path of a transport whose peer reports by stream and sequence number.

use millrace_bandwidth::Reason;
use millrace_packet::rtcp::{Compound, CompoundWriter, PacketFate, RtcpPacket};
use millrace_packet::{ExtensionPlan, OutgoingStreamId, Rewrite};

use super::world::World;
use super::*;
use crate::congestion::PathEstimate;
use crate::outgoing::{OutgoingStreamSpec, Repair};

/// Time between two reports.
const REPORT: Duration = Duration::from_millis(50);

#[test]
fn reports_of_rfc_8888_find_what_the_path_carries_and_that_it_got_less() {
    let mut call = Call::open(OutgoingStreamSpec::reported_by_name);
    call.run_for(Duration::from_secs(4), 2_000_000);
    let PathEstimate { estimate, is_measured } = call.path().unwrap();
    assert!(is_measured && estimate.bitrate > 700_000, "{estimate:?}");
    assert!(estimate.acknowledged.is_some_and(|bitrate| (700_000..1_000_000).contains(&bitrate)), "{estimate:?}");
    call.run_for(Duration::from_millis(250), 400_000);
    let PathEstimate { estimate, .. } = call.path().unwrap();
    assert!(estimate.bitrate < 400_000, "{estimate:?}");
    assert_eq!(estimate.reason, Reason::DelayOveruse);
}

#[test]
fn packets_of_streams_that_nobody_reports_by_name_are_not_counted() {
    let mut call = Call::open(|spec| spec);
    call.run_for(Duration::from_secs(1), 2_000_000);
    assert!(call.path().is_none());
}

/// Sound and a picture over a line, and a peer that reports on both.
struct Call {
    world: World,
    streams: [(PacketRef, Rewrite); 2],
    free_at: Instant,
    /// SSRC, sequence number and arrival.
    arrived: Vec<(u32, u16, Instant)>,
    start: Instant,
    told_at: Instant,
}

impl Call {
    fn open(reported: impl Fn(OutgoingStreamSpec) -> OutgoingStreamSpec) -> Self {
        let mut world = World::connected();
        let streams = [77, 88].map(|ssrc| {
            let (packet, mut rewrite) = world.outgoing(ssrc + 100);
            let spec = OutgoingStreamSpec::new(ssrc, Repair::None, ExtensionPlan::default());
            rewrite.stream = add(&mut world, reported(spec));
            (packet, rewrite)
        });
        let start = world.now;
        Self { world, streams, free_at: start, arrived: Vec::new(), start, told_at: start }
    }

    fn path(&self) -> Option<PathEstimate> {
        self.world.transport.path_estimate()
    }

    /// Sends about 850 kbit/s over a line of `capacity` bit/s.
    fn run_for(&mut self, time: Duration, capacity: u64) {
        let end = self.world.now + time;
        while self.world.now < end {
            self.world.now += Duration::from_millis(5);
            for ((packet, rewrite), packets) in self.streams.iter_mut().zip([1, 3]) {
                for _ in 0..packets {
                    self.world.send(packet, rewrite);
                    rewrite.sequence += 1;
                }
            }
            self.world.transport.flush_queue(self.world.now, &mut self.world.socket);
            for (_, bytes) in self.world.socket.committed.drain(..) {
                let transmission = Duration::from_secs_f64(bytes.len() as f64 * 8.0 / capacity as f64);
                self.free_at = self.free_at.max(self.world.now) + transmission;
                let sequence = u16::from_be_bytes([bytes[2], bytes[3]]);
                let ssrc = u32::from_be_bytes(bytes[8..12].try_into().unwrap());
                self.arrived.push((ssrc, sequence, self.free_at + Duration::from_millis(20)));
            }
            if self.world.now >= self.told_at + REPORT {
                self.told_at = self.world.now;
                self.report();
            }
            if self.world.transport.deadline().is_some_and(|deadline| deadline <= self.world.now) {
                self.world.transport.handle_timeout(self.world.now);
            }
        }
    }

    fn report(&mut self) {
        let reports = [77, 88].map(|ssrc| self.report_of(ssrc));
        let [Some(first), Some(second)] = reports else { return };
        // The second stream's run goes before the time of the first one's packet.
        let mut whole = [&first[..first.len() - 4], &second[8..]].concat();
        let words = (whole.len() / 4 - 1) as u16;
        whole[2..4].copy_from_slice(&words.to_be_bytes());
        for packet in Compound::parse(&whole).unwrap().packets() {
            if let RtcpPacket::CongestionFeedback(feedback) = packet {
                self.world.transport.handle_congestion_feedback(&feedback, self.world.now);
            }
        }
    }

    fn report_of(&mut self, ssrc: u32) -> Option<Vec<u8>> {
        let now = self.world.now;
        let is_here = |(of, _, at): &mut (u32, u16, Instant)| *of == ssrc && *at <= now;
        let told: Vec<_> = self.arrived.extract_if(.., is_here).collect();
        let (_, first, _) = told.first()?;
        let before = |at: Instant| Some(((now - at).as_micros() * 1024 / 1_000_000) as u16);
        let fates: Vec<_> = told.iter().map(|(.., at)| PacketFate::Received { ecn: 0, before: before(*at) }).collect();
        let timestamp = ((now - self.start).as_micros() * 1024 / 15_625) as u32;
        let mut out = vec![0; 1500];
        let mut writer = CompoundWriter::new(&mut out);
        writer.congestion_feedback(1, ssrc, *first, &fates, timestamp).unwrap();
        let len = writer.len();
        out.truncate(len);
        Some(out)
    }
}

fn add(world: &mut World, spec: OutgoingStreamSpec) -> OutgoingStreamId {
    world.transport.add_stream(spec).unwrap()
}
