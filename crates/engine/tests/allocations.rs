//! Counts what a worker allocates while it forwards a million packets: nothing for a packet.
//!
//! A real worker on its own thread, real sockets, SRTP both ways. This thread, which plays the peers, is left out of
//! the count. One publisher sends video to five viewers. Each tenth of the run one more viewer joins and another
//! leaves; every viewer asks for packets again and reports, the publisher loses packets and repairs them.
//!
//! Counted apart:
//! - answers to the peers' consent checks (RFC 7675), one allocation each, every five seconds from each peer;
//! - joining and leaving, which makes and frees transports, keys and streams;
//! - the warm-up after that, in which tables and pools that grow with use reach their size: the router's cache of the
//!   stream, the pool behind it, the send batch's table of destinations, the outgoing stream's history.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "shared with the tests of behaviour, which use the rest")]
mod harness;

use std::ops::Range;

use millrace_packet::rtcp::{CompoundWriter, ReportBlock};
use millrace_testkit::Vp8Source;
use millrace_testkit::allocations::{CountingAllocator, allocations, leave_out_this_thread};
use millrace_testkit::rtp::RtpStream;
use serde_json::{Value, json};

use harness::{GuestId, RTX_SSRC_OFFSET, Room, Stage, VP8_RTX, camera, missing, nack, payload_of, ssrc_of, udp};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// SSRC of the publisher.
const SSRC: u32 = 22;
const VIEWERS: usize = 5;
const JOINS: usize = 10;
/// Packets forwarded to all viewers together, retransmissions not counted.
const FORWARDED: usize = 1_000_000;
/// Packets of one frame; the next one is sent when every viewer has this one, so that no socket overflows.
const FRAME_PACKETS: usize = 8;
/// Frames before counting: more packets than the router's cache and histories hold.
const WARM_UP_FRAMES: usize = 200;
/// One frame in so many brings reports, a loss upstream and retransmissions to viewers.
const TROUBLE_EVERY_FRAMES: usize = 50;
/// Where the publisher's packets carry their transport-wide number: behind the fixed header, the head of the extension
/// block, the MID `v22` and the head of the number.
const TRANSPORT_NUMBER: Range<usize> = 21..23;

fn main() {
    leave_out_this_thread();
    let mut call = Call::new();
    let (mut of_packets, mut of_joins, mut checks) = (0, 0, 0);
    let frames = FORWARDED / VIEWERS / JOINS / FRAME_PACKETS;
    for _ in 0..JOINS {
        let before = allocations();
        call.change_viewers();
        call.run(WARM_UP_FRAMES);
        of_joins += allocations() - before;
        let checks_before = call.checks_answered();
        let before = allocations();
        call.run(frames);
        of_packets += allocations() - before;
        checks += call.checks_answered() - checks_before;
    }
    let forwarded = JOINS * frames * FRAME_PACKETS * VIEWERS;
    let repairs = call.check_counters();
    println!("forwarded {forwarded} packets to {VIEWERS} viewers, {repairs}");
    println!("allocations while forwarding: {of_packets}, for the answers to {checks} consent checks of the peers");
    println!("allocations for {JOINS} joins and leaves, warm-up included: {of_joins}");
    println!("allocations per forwarded packet: {}", of_packets.saturating_sub(checks));
    assert!(forwarded >= FORWARDED);
    assert!(of_packets <= checks, "a packet must not allocate");
}

struct Call {
    stage: Stage,
    room: Room,
    server: String,
    publisher: GuestId,
    producer: String,
    viewers: Vec<Viewer>,
    camera: Vp8Source,
    retransmissions: RtpStream,
    transport_number: u16,
    frames: usize,
}

struct Viewer {
    guest: GuestId,
    parameters: Value,
    packets: usize,
    /// What it asked for again and did not get yet. What else comes by RTX are probes.
    asked: Vec<u16>,
    last_sequence: u16,
}

impl Call {
    fn new() -> Self {
        let mut stage = Stage::new();
        let server = stage.server(json!([udp("127.0.0.1")]));
        let room = stage.room();
        let publisher = stage.join_by(&room, json!({ "webRtcServerId": server }));
        let producer = stage.produce(publisher, &camera(SSRC));
        let mut call = Self {
            stage,
            room,
            server,
            publisher,
            producer,
            viewers: Vec::new(),
            camera: harness::video_stream(SSRC),
            retransmissions: RtpStream::new(SSRC + RTX_SSRC_OFFSET, VP8_RTX),
            transport_number: 0,
            frames: 0,
        };
        (0..VIEWERS).for_each(|_| call.join());
        call
    }

    fn join(&mut self) {
        let guest = self.stage.join_by(&self.room, json!({ "webRtcServerId": self.server }));
        let (_, parameters) = self.stage.consume(guest, &self.room, &self.producer);
        self.viewers.push(Viewer { guest, parameters, packets: 0, asked: Vec::new(), last_sequence: 0 });
    }

    /// One viewer joins, the eldest leaves.
    fn change_viewers(&mut self) {
        self.join();
        let leaving = self.viewers.remove(0);
        let transport = self.stage.transport(leaving.guest);
        self.stage.request("transport.close", json!({ "transportId": transport }));
        let frame = self.camera.key_frame(FRAME_PACKETS);
        self.send(frame, None);
    }

    fn run(&mut self, frames: usize) {
        for _ in 0..frames {
            self.frames += 1;
            let frame = self.camera.delta_frame(FRAME_PACKETS);
            let troubled = self.frames.is_multiple_of(TROUBLE_EVERY_FRAMES);
            self.send(frame, troubled.then_some(FRAME_PACKETS / 2));
            if troubled {
                self.report();
            }
        }
    }

    /// Sends a frame, but for the packet at `lost`, which goes out only when it is asked for.
    fn send(&mut self, mut frame: Vec<Vec<u8>>, lost: Option<usize>) {
        for packet in &mut frame {
            packet[TRANSPORT_NUMBER].copy_from_slice(&self.transport_number.to_be_bytes());
            self.transport_number = self.transport_number.wrapping_add(1);
        }
        let expected: Vec<usize> = self.viewers.iter().map(|viewer| viewer.packets + frame.len()).collect();
        let arriving: Vec<_> = frame
            .iter()
            .enumerate()
            .filter(|(index, _)| Some(*index) != lost)
            .map(|(_, packet)| packet.clone())
            .collect();
        self.stage.publish(self.publisher, &arriving);
        if let Some(lost) = lost {
            self.repair(&frame[lost]);
        }
        self.wait_until(|viewer, index| viewer.packets == expected[index]);
    }

    /// Waits for the worker's NACK and answers it by RTX.
    fn repair(&mut self, packet: &[u8]) {
        let sequence = [packet[2], packet[3]];
        let publisher = self.publisher;
        self.stage.until("a NACK", |stage| {
            let compounds = std::mem::take(&mut stage.guest(publisher).rtcp);
            let wanted = [u16::from_be_bytes(sequence)];
            compounds.iter().any(|compound| missing(compound, SSRC) == wanted).then_some(())
        });
        self.retransmissions.timestamp = u32::from_be_bytes(packet[4..8].try_into().unwrap());
        let repair = self.retransmissions.packet(false, &[&sequence[..], &payload_of(packet)].concat());
        self.stage.publish(publisher, &[repair]);
    }

    /// Every viewer reports and asks for two packets again; the publisher is asked for nothing.
    fn report(&mut self) {
        for viewer in &mut self.viewers {
            let ssrc = ssrc_of(&viewer.parameters);
            self.stage.report(viewer.guest, &receiver_report(ssrc, viewer.last_sequence));
            let lost = [3, 1].map(|back| viewer.last_sequence.wrapping_sub(back));
            self.stage.report(viewer.guest, &nack(ssrc, &lost));
            viewer.asked.extend(lost);
        }
        self.wait_until(|viewer, _| viewer.asked.is_empty());
    }

    fn wait_until(&mut self, is_done: impl Fn(&Viewer, usize) -> bool) {
        let viewers = &mut self.viewers;
        self.stage.until("the viewers' packets", |stage| {
            for viewer in viewers.iter_mut() {
                let ssrc = ssrc_of(&viewer.parameters).to_be_bytes();
                for packet in std::mem::take(&mut stage.guest(viewer.guest).rtp) {
                    if packet[8..12] == ssrc {
                        viewer.packets += 1;
                        viewer.last_sequence = u16::from_be_bytes([packet[2], packet[3]]);
                    } else {
                        let original = payload_of(&packet);
                        viewer.asked.retain(|sequence| !original.starts_with(&sequence.to_be_bytes()));
                    }
                }
                stage.guest(viewer.guest).rtcp.clear();
            }
            viewers.iter().enumerate().all(|(index, viewer)| is_done(viewer, index)).then_some(())
        });
    }

    /// ICE checks answered to all peers, those that left included.
    fn checks_answered(&mut self) -> u64 {
        let metrics = self.stage.request("worker.getMetrics", json!({}));
        let transports = metrics["transports"].as_array().unwrap().iter().map(|entry| &entry["counters"]);
        let counters = transports.chain([&metrics["worker"]]);
        counters.map(|counters| counters["stun_checks_answered"].as_u64().unwrap()).sum()
    }

    /// That everything meant to happen did, by the worker's own count.
    fn check_counters(&mut self) -> String {
        let transport = self.stage.transport(self.publisher);
        let repaired = self.stage.counter(Some(&transport), "rtp_packets_repaired");
        let feedback = self.stage.counter(Some(&transport), "transport_feedback_sent");
        let viewer = self.stage.transport(self.viewers[0].guest);
        let retransmitted = self.stage.counter(Some(&viewer), "rtp_packets_retransmitted");
        let reports = self.stage.counter(Some(&viewer), "rtcp_packets_sent");
        assert!(repaired > 100 && feedback > 10 && retransmitted > 100 && reports > 1);
        format!(
            "{repaired} repaired upstream, {feedback} transport-wide feedbacks; the eldest viewer got {retransmitted} \
             retransmissions and {reports} reports",
        )
    }
}

fn receiver_report(ssrc: u32, highest_sequence: u16) -> Vec<u8> {
    let block = ReportBlock { ssrc, extended_highest_sequence: highest_sequence.into(), ..ReportBlock::default() };
    let mut compound = [0; 64];
    let mut writer = CompoundWriter::new(&mut compound);
    writer.receiver_report(1, &[block]).unwrap();
    let len = writer.len();
    compound[..len].to_vec()
}
