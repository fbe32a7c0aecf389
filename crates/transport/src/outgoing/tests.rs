//! The queue against a socket that is full when the test says so.

mod pacing;

use std::collections::HashMap;
use std::time::Duration;

use millrace_packet::{ExtensionIds, ExtensionKind, ExtensionPlan, PacketPool, Priority, RtpMeta};

use super::*;
use crate::srtp::testing::{self, Random};
use crate::srtp::{RTCP_INDEX_MAX, SrtpInbound, SrtpProfile};
use crate::tuple::{Protocol, SocketId};

const VIEWER_EXTENSIONS: [(u8, ExtensionKind); 2] =
    [(3, ExtensionKind::AbsSendTime), (4, ExtensionKind::TransportWideCc)];

#[test]
fn a_packet_leaves_at_once_with_the_numbers_of_its_rewrite() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::None);
    let packet = bench.packet(100);
    let rewrite = Rewrite { marker: true, payload_type: 111, ..video(stream, 500) };
    bench.send(&packet, &rewrite);
    let (bytes, meta) = bench.receive();
    assert_eq!((meta.ssrc, meta.sequence, meta.timestamp), (77, 500, rewrite.timestamp));
    assert_eq!((meta.payload_type, meta.marker), (111, true));
    assert_eq!(bytes[usize::from(meta.payload_offset)..], *packet.payload());
    assert_eq!((bench.counters.rtp_packets_sent, bench.counters.outgoing_packets_delayed), (1, 0));
}

#[test]
fn a_packet_that_leaves_at_once_is_held_by_nobody() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::None);
    let packet = bench.packet(100);
    bench.send(&packet, &video(stream, 1));
    drop(packet);
    assert_eq!(bench.pool.slots_held(), 0);
}

#[test]
fn audio_leaves_before_retransmissions_and_those_before_video() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::Rtx { ssrc: 78 });
    let packet = bench.packet(100);
    bench.slots.free = 0;
    for sequence in 0..2 {
        bench.send(&packet, &video(stream, sequence));
        bench.send(&packet, &rtx(stream, sequence, sequence));
        bench.send(&packet, &audio(stream, 10 + sequence));
    }
    bench.slots.free = 100;
    bench.flush();
    let order: Vec<_> = bench.receive_all().iter().map(|(_, meta)| (meta.ssrc, meta.sequence)).collect();
    assert_eq!(order, [(77, 10), (77, 11), (78, 0), (78, 1), (77, 0), (77, 1)]);
    assert_eq!((bench.counters.rtp_packets_sent, bench.counters.outgoing_packets_delayed), (6, 6));
    drop(packet);
    assert_eq!(bench.pool.slots_held(), 0);
}

#[test]
fn a_packet_does_not_overtake_those_that_wait() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::None);
    let packet = bench.packet(100);
    bench.slots.free = 1;
    for sequence in 0..3 {
        bench.send(&packet, &video(stream, sequence));
    }
    bench.slots.free = 1;
    bench.send(&packet, &video(stream, 3));
    bench.flush();
    bench.slots.free = 100;
    bench.flush();
    let order: Vec<_> = bench.receive_all().iter().map(|(_, meta)| meta.sequence).collect();
    assert_eq!(order, [0, 1, 2, 3]);
    assert!(bench.queue.is_empty());
}

#[test]
fn a_packet_that_waited_is_stamped_when_it_leaves() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::None);
    let packet = bench.packet(100);
    bench.slots.free = 0;
    bench.send(&packet, &video(stream, 1));
    bench.send(&packet, &audio(stream, 2));
    bench.now += Duration::from_millis(250);
    bench.slots.free = 100;
    bench.flush();
    let stamps: Vec<_> = bench
        .receive_all()
        .iter()
        .map(|(bytes, meta)| (meta.sequence, meta.transport_sequence(bytes), meta.abs_send_time(bytes)))
        .collect();
    let quarter_second = Some(1 << 16);
    assert_eq!(stamps, [(2, Some(0), quarter_second), (1, Some(1), quarter_second)]);
    let log: Vec<_> = bench.log.0.iter().map(|sent| (sent.transport_sequence, sent.at)).collect();
    assert_eq!(log, [(Some(0), bench.now), (Some(1), bench.now)]);
}

#[test]
fn transport_wide_numbers_count_what_left_and_nothing_else() {
    let mut bench = Bench::new();
    let [video_stream, audio_stream] = [77, 88].map(|ssrc| bench.add(ssrc, Repair::None));
    let unnumbered = bench.queue.add_stream(OutgoingStreamSpec::new(99, Repair::None, ExtensionPlan::default()));
    let packet = bench.packet(100);
    bench.send(&packet, &video(video_stream, 1));
    bench.send(&packet, &video(video_stream, 1));
    bench.send(&packet, &audio(unnumbered.unwrap(), 1));
    bench.send(&packet, &audio(audio_stream, 1));
    let numbers: Vec<_> = bench.log.0.iter().map(|sent| sent.transport_sequence).collect();
    assert_eq!(numbers, [Some(0), None, Some(1)]);
    assert_eq!(bench.counters.outgoing_packets_refused, 1, "the second packet reuses a number");
}

#[test]
fn when_the_queue_is_full_the_oldest_video_is_dropped_then_retransmissions_then_audio() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::Rtx { ssrc: 78 });
    let packet = bench.packet(10);
    bench.slots.free = 0;
    let third = WAITING_PACKETS_MAX as u16 / 3;
    (0..third).for_each(|sequence| bench.send(&packet, &video(stream, sequence)));
    (0..third).for_each(|sequence| bench.send(&packet, &rtx(stream, sequence, sequence)));
    let room = WAITING_PACKETS_MAX as u16 - 2 * third;
    let audio_packets = |count| 10_000..10_000 + count;

    audio_packets(room + 1).for_each(|sequence| bench.send(&packet, &audio(stream, sequence)));
    assert_eq!(bench.dropped(), (0, 0, 1));
    audio_packets(third - 1).for_each(|sequence| bench.send(&packet, &audio(stream, sequence)));
    assert_eq!(bench.dropped(), (0, 0, u64::from(third)));
    audio_packets(third).for_each(|sequence| bench.send(&packet, &audio(stream, sequence)));
    assert_eq!(bench.dropped(), (0, u64::from(third), u64::from(third)));
    bench.send(&packet, &video(stream, 5_000));
    assert_eq!(bench.dropped(), (0, u64::from(third), u64::from(third) + 1), "video gives way to audio at once");
    bench.send(&packet, &audio(stream, 20_000));
    assert_eq!(bench.dropped(), (1, u64::from(third), u64::from(third) + 1));
}

#[test]
fn the_packets_that_survive_a_full_queue_are_the_newest() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::None);
    let packet = bench.packet(1_200);
    let held = WAITING_BYTES_MAX / packet.bytes().len();
    bench.slots.free = 0;
    (0..1_000).for_each(|sequence| bench.send(&packet, &video(stream, sequence)));
    assert_eq!(bench.dropped(), (0, 0, 1_000 - held as u64), "bytes are bounded as well as packets");
    bench.slots.free = usize::MAX;
    bench.flush();
    let left: Vec<_> = bench.receive_all().iter().map(|(_, meta)| usize::from(meta.sequence)).collect();
    assert_eq!(left, (1_000 - held..1_000).collect::<Vec<_>>());
}

#[test]
fn a_retransmission_has_the_rtx_ssrc_and_begins_with_the_original_number() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::Rtx { ssrc: 78 });
    let packet = bench.packet(100);
    bench.send(&packet, &video(stream, 0xabcd));
    bench.send(&packet, &rtx(stream, 9, 0xabcd));
    let [_, (bytes, meta)] = &bench.receive_all()[..] else { panic!("two packets were sent") };
    assert_eq!((meta.ssrc, meta.sequence), (78, 9));
    let payload = &bytes[usize::from(meta.payload_offset)..];
    assert_eq!((&payload[..2], &payload[2..]), (&[0xab, 0xcd][..], packet.payload()));
}

#[test]
fn a_retransmission_in_the_same_stream_is_the_same_to_the_last_bit() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::SameStream);
    let packet = bench.packet(100);
    bench.send(&packet, &video(stream, 1));
    bench.send(&packet, &video(stream, 2));
    bench.now += Duration::from_secs(1);
    bench.send(&packet, &Rewrite { priority: Priority::Retransmission, ..video(stream, 1) });
    let sent = &bench.slots.sent;
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0], sent[2], "stamps would differ, so such a stream has none");
}

#[test]
fn a_retransmission_in_the_same_stream_needs_a_stream_that_repairs_so() {
    for repair in [Repair::None, Repair::Rtx { ssrc: 78 }] {
        let mut bench = Bench::new();
        let stream = bench.add(77, repair);
        let packet = bench.packet(100);
        bench.send(&packet, &video(stream, 1));
        bench.send(&packet, &Rewrite { priority: Priority::Retransmission, ..video(stream, 1) });
        assert_eq!((bench.slots.sent.len(), bench.counters.outgoing_packets_refused), (1, 1), "{repair:?}");
    }
}

#[test]
fn rtx_is_refused_where_it_was_not_negotiated() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::SameStream);
    let packet = bench.packet(100);
    bench.send(&packet, &rtx(stream, 1, 1));
    bench.send(&packet, &video(OutgoingStreamId(5), 1));
    assert_eq!((bench.slots.sent.len(), bench.counters.outgoing_packets_refused), (0, 2));
}

#[test]
fn a_packet_longer_than_a_slot_is_refused() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::Rtx { ssrc: 78 });
    let longest = bench.packet(1_500 - 12);
    bench.send(&longest, &video(stream, 1));
    bench.send(&longest, &rtx(stream, 1, 1));
    assert_eq!(bench.slots.sent.len(), 2, "whatever can be received can be sent");
    bench.slots.slot.truncate(600);
    bench.send(&bench.packet(600), &video(stream, 2));
    bench.send(&bench.packet(590), &rtx(stream, 2, 2));
    bench.send(&bench.packet(500), &video(stream, 3));
    assert_eq!((bench.slots.sent.len(), bench.counters.outgoing_packets_refused), (3, 2));
}

#[test]
fn rtcp_leaves_before_all_that_waits() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::None);
    let packet = bench.packet(100);
    bench.slots.free = 0;
    bench.send(&packet, &audio(stream, 1));
    bench.send_rtcp(1, 28);
    bench.send_rtcp(2, 1_400);
    bench.slots.free = 100;
    bench.flush();
    let order: Vec<_> = bench.slots.sent.iter().map(|bytes| bytes[1]).collect();
    assert_eq!(order, [200, 200, 96]);
    for (ssrc, len) in [(1, 28), (2, 1_400)] {
        let mut received = testing::packet(&bench.slots.sent.remove(0));
        assert_eq!(bench.peer.open_rtcp(&mut received), Ok(()));
        assert_eq!(received.bytes(), testing::rtcp(ssrc, len));
    }
    assert_eq!((bench.counters.rtcp_packets_sent, bench.counters.rtp_packets_sent), (2, 1));
}

#[test]
fn when_too_much_rtcp_waits_the_oldest_is_dropped() {
    let mut bench = Bench::new();
    bench.slots.free = 0;
    let len = 1_000;
    let fit = WAITING_RTCP_BYTES_MAX / len;
    (0..100).for_each(|ssrc| bench.send_rtcp(ssrc, len));
    assert_eq!(bench.counters.outgoing_rtcp_dropped, 100 - fit as u64);
    bench.slots.free = 100;
    bench.flush();
    let left: Vec<u8> = bench.slots.sent.iter().map(|bytes| bytes[7]).collect();
    assert_eq!(left, (100 - fit as u8..100).collect::<Vec<_>>());
}

#[test]
fn rtcp_without_a_sender_or_longer_than_a_slot_is_refused() {
    let mut bench = Bench::new();
    bench.send_rtcp(1, 4);
    bench.slots.free = 0;
    bench.send_rtcp(1, 4);
    bench.send_rtcp(1, 2_000);
    bench.slots.free = 100;
    bench.flush();
    assert_eq!((bench.slots.sent.len(), bench.counters.outgoing_packets_refused), (0, 3));
    assert!(bench.queue.is_empty());
}

#[test]
fn s08_a_queue_whose_keys_are_used_up_says_so_and_sends_nothing() {
    let mut bench = Bench::new();
    bench.srtp.set_rtcp_index(RTCP_INDEX_MAX);
    bench.send_rtcp(1, 28);
    assert!(!bench.queue.is_exhausted());
    bench.send_rtcp(1, 28);
    assert!(bench.queue.is_exhausted());
    assert_eq!((bench.slots.sent.len(), bench.counters.outgoing_packets_refused), (1, 1));
}

#[test]
fn a_removed_stream_takes_what_waits_of_it_along() {
    let mut bench = Bench::new();
    let removed = bench.add(77, Repair::None);
    let kept = bench.add(88, Repair::None);
    let packet = bench.packet(100);
    bench.slots.free = 0;
    bench.send(&packet, &video(removed, 1));
    bench.send(&packet, &video(kept, 1));
    bench.queue.remove_stream(removed);
    let next = bench.add(99, Repair::None);
    assert_eq!(next, removed, "ids are used again");
    bench.slots.free = 100;
    bench.flush();
    let left: Vec<_> = bench.receive_all().iter().map(|(_, meta)| meta.ssrc).collect();
    assert_eq!(left, [88]);
    assert!(bench.queue.is_empty());
}

#[test]
fn an_ssrc_is_given_to_one_stream_only_even_after_that_is_removed() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::Rtx { ssrc: 78 });
    bench.queue.remove_stream(stream);
    for (ssrc, repair, used) in
        [(77, Repair::None, 77), (78, Repair::SameStream, 78), (5, Repair::Rtx { ssrc: 77 }, 77)]
    {
        let spec = OutgoingStreamSpec::new(ssrc, repair, ExtensionPlan::default());
        assert_eq!(bench.queue.add_stream(spec), Err(OutgoingStreamError::SsrcUsed(used)));
    }
    let itself = OutgoingStreamSpec::new(6, Repair::Rtx { ssrc: 6 }, ExtensionPlan::default());
    assert_eq!(bench.queue.add_stream(itself), Err(OutgoingStreamError::SsrcUsed(6)));
    bench.add(5, Repair::None);
}

#[test]
fn a_transport_that_has_sent_too_many_ssrcs_takes_no_further_stream() {
    let mut bench = Bench::new();
    for ssrc in 0..SSRCS_MAX as u32 {
        let stream = bench.add(ssrc, Repair::None);
        bench.queue.remove_stream(stream);
    }
    let further = OutgoingStreamSpec::new(u32::MAX, Repair::None, ExtensionPlan::default());
    assert_eq!(bench.queue.add_stream(further), Err(OutgoingStreamError::TooManySsrcs));
}

/// Whatever the router asks for and however the socket behaves, two different packets never share an index.
#[test]
fn d11_no_two_packets_are_sealed_under_one_index() {
    for seed in 1..=8 {
        Chaos::new(seed).run(8_000);
    }
}

/// A router that repeats itself at random, over a socket that is full at random.
struct Chaos {
    bench: Bench,
    random: Random,
    streams: Vec<ChaosStream>,
    next_ssrc: u32,
    payloads: Vec<PacketRef>,
    /// Every index that was sealed, by SSRC, with what it sealed.
    sealed: HashMap<(u32, u64), Vec<u8>>,
    retransmitted: usize,
}

struct ChaosStream {
    id: OutgoingStreamId,
    repair: Repair,
    position: u64,
    rtx_position: u64,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let bench = Bench::new();
        let payloads = (1..=5).map(|len| bench.packet(20 * len)).collect();
        let random = Random::seeded(seed);
        let (streams, sealed) = (Vec::new(), HashMap::new());
        Self { bench, random, streams, next_ssrc: 100, payloads, sealed, retransmitted: 0 }
    }

    fn run(mut self, operations: u32) {
        for _ in 0..operations {
            match self.random.below(40) {
                0 => self.add(),
                1 if self.streams.len() > 3 => self.remove(),
                2..=4 => self.bench.slots.free = self.random.below(30) as usize,
                5..=8 => self.bench.flush(),
                _ => self.send(),
            }
            self.bench.now += Duration::from_millis(1);
            self.collect();
        }
        assert!(self.sealed.len() > 1_000 && self.retransmitted > 50, "the run must have sent something");
    }

    fn add(&mut self) {
        let (ssrc, rtx_ssrc) = (self.next_ssrc, self.next_ssrc + 1);
        self.next_ssrc += 2;
        let repair = match self.random.below(4) {
            0 => Repair::None,
            1 => Repair::SameStream,
            _ => Repair::Rtx { ssrc: rtx_ssrc },
        };
        let id = self.bench.add(ssrc, repair);
        // Near the first rollover, so that streams pass it.
        let position = 65_000 + u64::from(self.random.below(500));
        self.streams.push(ChaosStream { id, repair, position, rtx_position: position });
    }

    fn remove(&mut self) {
        let at = self.random.below(self.streams.len() as u32) as usize;
        self.bench.queue.remove_stream(self.streams.swap_remove(at).id);
    }

    fn send(&mut self) {
        if self.streams.is_empty() {
            return;
        }
        let at = self.random.below(self.streams.len() as u32) as usize;
        let stream = &mut self.streams[at];
        let back = u64::from(self.random.below(50));
        let (position, priority, original) = match self.random.below(8) {
            0 => (stream.position - back, Priority::Retransmission, None),
            1 if matches!(stream.repair, Repair::Rtx { .. }) => {
                stream.rtx_position += u64::from(self.random.below(3));
                (stream.rtx_position, Priority::Retransmission, Some((stream.position - back) as u16))
            }
            // A router that made a mistake: an old number, as if it were new.
            2 => (stream.position - back, Priority::Video, None),
            _ => {
                stream.position += 1 + u64::from(self.random.below(8) == 0);
                (stream.position, Priority::Video, None)
            }
        };
        // A stored packet belongs to its number, as in the router's cache. A mistake brings another one, except where
        // the stream relies on the cache because it repeats itself.
        let is_old = original.is_none() && position != stream.position;
        let brings_another = is_old && stream.repair != Repair::SameStream;
        let payload = (position as usize + usize::from(brings_another)) % self.payloads.len();
        let rewrite = Rewrite {
            timestamp: position as u32,
            priority,
            original_sequence: original,
            ..video(stream.id, position as u16)
        };
        let packet = self.payloads[payload].clone();
        self.bench.send(&packet, &rewrite);
    }

    /// Takes what left. The timestamp tells the index that the packet must have been sealed under; the peer, who
    /// follows by its own estimate, agrees.
    fn collect(&mut self) {
        for bytes in std::mem::take(&mut self.bench.slots.sent) {
            let ssrc = u32::from_be_bytes(bytes[8..12].try_into().unwrap());
            let index = u32::from_be_bytes(bytes[4..8].try_into().unwrap());
            if let Some(first) = self.sealed.get(&(ssrc, index.into())) {
                assert_eq!(*first, bytes, "SSRC {ssrc}, index {index}");
                self.retransmitted += 1;
                continue;
            }
            assert_eq!(self.bench.peer.open_rtp(&mut testing::packet(&bytes)), Ok(()), "SSRC {ssrc}, index {index}");
            self.sealed.insert((ssrc, index.into()), bytes);
        }
    }
}

/// A queue, what it needs, and the peer's end.
struct Bench {
    queue: OutgoingQueue,
    slots: FakeSlots,
    srtp: SrtpOutbound,
    peer: SrtpInbound,
    counters: Counters,
    log: Log,
    pool: PacketPool,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let (srtp, peer) = testing::pair(SrtpProfile::AeadAes128Gcm);
        // abs-send-time turns every 64 seconds, and 1970 lies a whole number of turns after 1900: it starts at zero.
        let wall_clock = WallClock::new(now, Duration::ZERO);
        Self {
            queue: OutgoingQueue::new(wall_clock),
            slots: FakeSlots { free: usize::MAX, slot: vec![0; SLOT_BYTES_MIN], sent: Vec::new() },
            srtp,
            peer,
            counters: Counters::default(),
            log: Log::default(),
            pool: PacketPool::new(64),
            now,
        }
    }

    fn add(&mut self, ssrc: u32, repair: Repair) -> OutgoingStreamId {
        let spec = OutgoingStreamSpec::new(ssrc, repair, ExtensionPlan::new(VIEWER_EXTENSIONS));
        self.queue.add_stream(spec).unwrap()
    }

    /// A stored packet from a publisher.
    fn packet(&self, payload_len: usize) -> PacketRef {
        let bytes = testing::rtp(1_000_000, 1, payload_len);
        let meta = RtpMeta::parse(&bytes, &ExtensionIds::default()).unwrap();
        let mut packet = self.pool.take().unwrap();
        assert!(packet.fill(&bytes));
        packet.freeze(meta)
    }

    fn send(&mut self, packet: &PacketRef, rewrite: &Rewrite) {
        self.with_outlet(|queue, outlet| queue.send_rtp(packet, rewrite, outlet));
    }

    fn send_rtcp(&mut self, ssrc: u32, len: usize) {
        self.with_outlet(|queue, outlet| queue.send_rtcp(&testing::rtcp(ssrc, len), outlet));
    }

    fn flush(&mut self) {
        self.with_outlet(OutgoingQueue::flush);
    }

    fn with_outlet(&mut self, act: impl FnOnce(&mut OutgoingQueue, &mut Outlet<'_, FakeSlots, Log>)) {
        let remote = "192.0.2.1:9".parse().unwrap();
        let tuple = Tuple { socket: SocketId(1), protocol: Protocol::Udp, remote, local_ip: None };
        let mut outlet = Outlet {
            tuple,
            now: self.now,
            slots: &mut self.slots,
            srtp: Some(&mut self.srtp),
            log: &mut self.log,
            counters: &mut self.counters,
        };
        act(&mut self.queue, &mut outlet);
    }

    fn receive(&mut self) -> (Vec<u8>, RtpMeta) {
        self.receive_all().remove(0)
    }

    fn receive_all(&mut self) -> Vec<(Vec<u8>, RtpMeta)> {
        let ids = ExtensionIds::new(VIEWER_EXTENSIONS);
        let open = |bytes: Vec<u8>| {
            let mut packet = testing::packet(&bytes);
            assert_eq!(self.peer.open_rtp(&mut packet), Ok(()));
            (packet.bytes().to_vec(), RtpMeta::parse(packet.bytes(), &ids).unwrap())
        };
        std::mem::take(&mut self.slots.sent).into_iter().map(open).collect()
    }

    /// Audio, retransmissions and video dropped so far.
    fn dropped(&self) -> (u64, u64, u64) {
        let counters = &self.counters;
        (counters.outgoing_audio_dropped, counters.outgoing_retransmissions_dropped, counters.outgoing_video_dropped)
    }
}

/// A socket with as many free slots as a test gives it.
struct FakeSlots {
    free: usize,
    slot: Vec<u8>,
    sent: Vec<Vec<u8>>,
}

impl SendSlots for FakeSlots {
    fn slot(&mut self, _tuple: &Tuple) -> Option<&mut [u8]> {
        // What a slot held before must not matter.
        self.slot.fill(0xee);
        (self.free > 0).then_some(&mut self.slot[..])
    }

    fn commit(&mut self, _tuple: &Tuple, len: usize) {
        self.free -= 1;
        self.sent.push(self.slot[..len].to_vec());
    }
}

#[derive(Default)]
struct Log(Vec<Sent>);

impl SendLog for Log {
    fn on_sent(&mut self, sent: &Sent) {
        self.0.push(*sent);
    }
}

fn video(stream: OutgoingStreamId, sequence: u16) -> Rewrite {
    Rewrite {
        stream,
        payload_type: 96,
        marker: false,
        sequence,
        timestamp: 90_000,
        original_sequence: None,
        picture: None,
        priority: Priority::Video,
    }
}

fn audio(stream: OutgoingStreamId, sequence: u16) -> Rewrite {
    Rewrite { priority: Priority::Audio, ..video(stream, sequence) }
}

fn rtx(stream: OutgoingStreamId, sequence: u16, original: u16) -> Rewrite {
    Rewrite {
        payload_type: 97,
        original_sequence: Some(original),
        priority: Priority::Retransmission,
        ..video(stream, sequence)
    }
}
