use std::time::{Duration, Instant};

use super::chunk::kind;
use super::*;

const MESSAGE_MAX: u32 = 262_144;

pub(super) fn settings(initiative_ms: u64) -> SctpSettings {
    SctpSettings {
        max_send_message_bytes: MESSAGE_MAX,
        max_receive_message_bytes: MESSAGE_MAX,
        send_buffer_bytes: 2_000_000,
        stream_send_bytes: 2_000_000,
        receive_window_bytes: 5_242_880,
        buffered_amount_low_threshold: 1024,
        data_channels: true,
        initiative: Duration::from_millis(initiative_ms),
    }
}

/// Two associations with a lossy link between them, in virtual time.
struct Pair {
    ends: [SctpAssociation; 2],
    events: [Vec<SctpEvent>; 2],
    counters: [Counters; 2],
    now: Instant,
    /// Loses a packet of `from` with this many per cent of chance.
    loss_percent: u32,
    chance: fastrand::Rng,
}

impl Pair {
    fn connected(loss_percent: u32) -> Self {
        let mut pair = Self::new([settings(60_000), settings(0)]);
        pair.loss_percent = loss_percent;
        pair.start();
        pair.run_until(|pair| pair.ends.iter().all(|end| end.state() == SctpState::Connected));
        pair
    }

    fn new(settings: [SctpSettings; 2]) -> Self {
        Self {
            ends: settings.map(SctpAssociation::new),
            events: Default::default(),
            counters: Default::default(),
            now: Instant::now(),
            loss_percent: 0,
            chance: fastrand::Rng::with_seed(7),
        }
    }

    fn start(&mut self) {
        for (index, end) in self.ends.iter_mut().enumerate() {
            end.start(self.now, &mut self.counters[index]);
        }
    }

    /// Carries packets and lets time go by until nothing is left to do within a minute, or `done`.
    fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        for _ in 0..20_000 {
            let mut moved = false;
            for from in 0..2 {
                while let Some(packet) = self.ends[from].poll_transmit() {
                    moved = true;
                    if self.chance.u32(0..100) >= self.loss_percent {
                        self.ends[1 - from].handle_packet(packet, self.now, &mut self.counters[1 - from]);
                    }
                }
                while let Some(event) = self.ends[from].poll_event() {
                    self.events[from].push(event);
                }
            }
            if done(self) {
                return;
            }
            if !moved {
                let Some(next) = self.ends.iter().filter_map(SctpAssociation::deadline).min() else { return };
                self.now = next.max(self.now);
                for (index, end) in self.ends.iter_mut().enumerate() {
                    end.handle_timeout(self.now, &mut self.counters[index]);
                }
            }
        }
        panic!("did not come to rest");
    }

    fn run(&mut self) {
        self.run_until(|_| false);
    }

    fn send(&mut self, from: usize, stream: u16, ppid: u32, payload: &[u8]) -> Result<usize, SendError> {
        let message = SctpMessage { stream, ppid, payload: Bytes::copy_from_slice(payload) };
        self.ends[from].send(&message, self.now, &mut self.counters[from])
    }

    fn messages(&self, end: usize) -> Vec<SctpMessage> {
        let message = |event: &SctpEvent| match event {
            SctpEvent::Message(message) => Some(message.clone()),
            _ => None,
        };
        self.events[end].iter().filter_map(message).collect()
    }
}

#[test]
fn messages_of_every_kind_arrive_whole_and_in_order() {
    let mut pair = Pair::connected(0);
    let long: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    for (ppid, payload) in [(51, &b"text"[..]), (53, &[1, 2, 3]), (56, &[0]), (57, &[0]), (53, &long)] {
        pair.send(0, 3, ppid, payload).unwrap();
    }
    pair.run();
    let got = pair.messages(1);
    assert_eq!(got.iter().map(|message| message.ppid).collect::<Vec<_>>(), [51, 53, 56, 57, 53]);
    assert_eq!((&got[0].payload[..], got[2].payload.len(), &got[4].payload[..]), (&b"text"[..], 1, &long[..]));
}

#[test]
fn a_reliable_stream_delivers_everything_through_loss() {
    let mut pair = Pair::connected(10);
    for n in 0..300u32 {
        pair.send(1, 0, 53, &n.to_be_bytes().repeat(500)).unwrap();
        pair.run_until(|pair| pair.ends[1].transmits.is_empty());
    }
    pair.run();
    let got: Vec<u32> = pair.messages(0).iter().map(|message| chunk::u32_at(&message.payload, 0).unwrap()).collect();
    assert_eq!(got, (0..300).collect::<Vec<_>>());
}

#[test]
fn an_unordered_stream_without_retransmissions_loses_what_the_link_loses_and_goes_on() {
    let mut pair = Pair::connected(20);
    let limit = ReliabilityLimit::Retransmits(0);
    pair.ends[1].open_stream(0, Reliability { unordered: true, limit });
    for n in 0..500u32 {
        pair.send(1, 0, 53, &n.to_be_bytes()).unwrap();
        pair.run_until(|pair| pair.ends[1].transmits.is_empty());
        pair.now += Duration::from_millis(20);
    }
    pair.run();
    let got = pair.messages(0).len();
    assert!((300..490).contains(&got), "{got} of 500");
    assert_eq!(pair.ends[1].buffered_amount(0), 0, "what is given up waits no longer");
}

#[test]
fn a_lossy_stream_beside_a_reliable_one_takes_nothing_from_it() {
    let mut pair = Pair::connected(10);
    pair.ends[1].open_stream(0, Reliability { unordered: true, limit: ReliabilityLimit::Retransmits(0) });
    pair.send(1, 2, 53, &[7; 200_000]).unwrap();
    for n in 0..200u32 {
        pair.send(1, 0, 53, &n.to_be_bytes()).unwrap();
        if n % 10 == 0 {
            pair.send(1, 2, 51, &n.to_be_bytes()).unwrap();
        }
        pair.run_until(|pair| pair.ends[1].transmits.is_empty());
        pair.now += Duration::from_millis(10);
    }
    pair.run();
    let reliable: Vec<_> = pair.messages(0).into_iter().filter(|message| message.stream == 2).collect();
    assert_eq!(reliable.iter().map(|message| message.payload.len()).sum::<usize>(), 200_000 + 20 * 4);
    assert!(pair.messages(0).len() < 221, "nothing was lost");
}

#[test]
fn both_ends_may_begin_at_once() {
    let mut pair = Pair::new([settings(0), settings(0)]);
    pair.start();
    pair.run_until(|pair| pair.ends.iter().all(|end| end.state() == SctpState::Connected));
    pair.send(0, 1, 51, b"there").unwrap();
    pair.send(1, 1, 51, b"back").unwrap();
    pair.run();
    assert_eq!((pair.messages(1).len(), pair.messages(0).len()), (1, 1));
}

#[test]
fn an_end_that_nobody_answers_fails() {
    let mut pair = Pair::new([settings(60_000), settings(0)]);
    pair.loss_percent = 100;
    pair.ends[1].start(pair.now, &mut Counters::default());
    pair.run();
    assert_eq!(pair.ends[1].state(), SctpState::Failed);
}

#[test]
fn a_stream_can_be_closed_and_used_again() {
    let mut pair = Pair::connected(5);
    for round in 0..3 {
        pair.send(0, 4, 51, b"hello").unwrap();
        pair.run();
        let now = pair.now;
        pair.ends[0].close_stream(4, now, &mut Counters::default());
        pair.run();
        assert_eq!(pair.messages(1).len(), round + 1);
        let closed = pair.events[1].iter().filter(|event| **event == SctpEvent::StreamClosed(4)).count();
        assert_eq!(closed, round + 1);
    }
}

#[test]
fn a_channel_that_the_peer_opens_is_acknowledged_and_told() {
    let mut pair = Pair::connected(0);
    pair.send(1, 2, 50, &dcep::written("chat", "json", 0x80, 0)).unwrap();
    pair.run();
    let SctpEvent::Opened(open) = &pair.events[0][2] else { panic!("{:?}", pair.events[0]) };
    assert_eq!((open.stream, open.label.as_str(), open.reliability.unordered), (2, "chat", true));
    assert_eq!(pair.counters[1].sctp_packets_dropped_malformed, 0);
}

#[test]
fn x04_a_channel_on_a_number_that_is_taken_changes_nothing_and_a_malformed_one_is_closed() {
    let mut pair = Pair::connected(0);
    pair.ends[0].open_stream(3, Reliability { unordered: true, limit: ReliabilityLimit::None });
    pair.send(1, 3, 50, &dcep::written("ours", "", 0, 0)).unwrap();
    pair.send(1, 5, 50, &dcep::written("theirs", "", 0, 0)).unwrap();
    pair.send(1, 5, 50, &dcep::written("again", "", 0, 0)).unwrap();
    pair.send(1, 4, 50, &dcep::written("label", "", 0, 0)[..14]).unwrap();
    pair.send(1, 2, 51, b"goes on").unwrap();
    pair.run();
    assert_eq!(pair.counters[0].sctp_channels_refused, 3);
    let opened = |event: &SctpEvent| matches!(event, SctpEvent::Opened(open) if open.label == "theirs");
    assert_eq!(pair.events[0].iter().filter(|event| matches!(event, SctpEvent::Opened(_))).count(), 1);
    assert!(pair.events[0].iter().any(opened));
    assert!(pair.events[1].contains(&SctpEvent::StreamClosed(4)));
    assert_eq!(pair.messages(0).len(), 1);
}

#[test]
fn x04_a_flood_of_channels_that_are_opened_and_closed_keeps_nothing() {
    let mut pair = Pair::connected(0);
    for round in 0..50 {
        for stream in 0..20 {
            pair.send(1, stream, 50, &dcep::written("again", "", 0, 0)).unwrap();
        }
        pair.run();
        for stream in 0..20 {
            let now = pair.now;
            pair.ends[1].close_stream(stream, now, &mut Counters::default());
        }
        pair.run();
        let engine = pair.ends[0].engine.as_ref().unwrap();
        assert!(engine.association.stream_ids().is_empty(), "round {round}");
    }
    let opened = pair.events[0].iter().filter(|event| matches!(event, SctpEvent::Opened(_))).count();
    assert_eq!((opened, pair.counters[0].sctp_channels_refused), (1000, 0));
}

#[test]
fn x03_a_message_that_is_too_long_is_refused_to_its_sender_and_ends_an_association_that_takes_no_such() {
    let mut pair = Pair::connected(0);
    assert_eq!(pair.send(0, 0, 53, &vec![0; MESSAGE_MAX as usize + 1]), Err(SendError::TooLong));
    pair.send(0, 0, 53, &vec![0; MESSAGE_MAX as usize]).unwrap();
    pair.run();
    assert_eq!(pair.messages(1).len(), 1);

    let small = SctpSettings { max_receive_message_bytes: 10_000, ..settings(60_000) };
    let mut pair = Pair::new([small, settings(0)]);
    pair.start();
    pair.run_until(|pair| pair.ends[1].state() == SctpState::Connected);
    pair.send(1, 0, 53, &[0; 20_000]).unwrap();
    pair.run_until(|pair| pair.ends[0].state() != SctpState::Connected);
    assert!(pair.messages(0).is_empty());
}

#[test]
fn x05_a_peer_that_takes_nothing_fills_the_buffer_and_no_more() {
    let mut pair = Pair::connected(0);
    pair.loss_percent = 100;
    let mut sent = 0;
    while pair.send(0, 0, 53, &[0; 10_000]).is_ok() {
        sent += 10_000;
    }
    assert_eq!(sent, 2_000_000);
    assert_eq!(pair.send(0, 0, 53, &[0; 10_000]), Err(SendError::BufferFull));
    assert_eq!(pair.send(0, 1, 53, &[0; 1]), Err(SendError::BufferFull), "the buffer is one for all streams");
    pair.loss_percent = 0;
    pair.run();
    assert_eq!(pair.messages(1).len(), 200);
    let low = |event: &&SctpEvent| matches!(event, SctpEvent::BufferedAmountLow { stream: 0, bytes } if *bytes <= 1024);
    assert_eq!(pair.events[0].iter().filter(low).count(), 1);
    pair.send(0, 0, 53, &[0; 10_000]).unwrap();
}

/// A peer that writes its packets by hand, against one of our associations.
struct Attacker {
    victim: SctpAssociation,
    counters: Counters,
    now: Instant,
    tag: u32,
    next_tsn: u32,
}

impl Attacker {
    fn connected_at(first_tsn: u32) -> Self {
        let mut victim = SctpAssociation::new(settings(60_000));
        let now = Instant::now();
        victim.start(now, &mut Counters::default());
        let mut attacker = Self { victim, counters: Counters::default(), now, tag: 0, next_tsn: first_tsn };
        attacker.give(&init(0x5eed, first_tsn));
        let answer = attacker.victim.poll_transmit().unwrap();
        let ack = chunk::Chunks::of(&answer).next().unwrap().unwrap();
        attacker.tag = chunk::u32_at(ack.value, 0).unwrap();
        let cookie = chunk::parameters(&ack.value[16..]).flatten().find(|(kind, _)| *kind == 7).unwrap().1;
        attacker.give(&one(kind::COOKIE_ECHO, 0, cookie));
        assert_eq!(attacker.victim.state(), SctpState::Connected);
        attacker
    }

    fn give(&mut self, chunks: &[u8]) {
        self.victim.handle_packet(packet(self.tag, chunks).into(), self.now, &mut self.counters);
    }

    fn data(&mut self, ahead: u32, flags: u8, stream: u16, ssn: u16, payload: &[u8]) -> Vec<u8> {
        let tsn = self.next_tsn.wrapping_add(ahead);
        let header = [&tsn.to_be_bytes()[..], &stream.to_be_bytes(), &ssn.to_be_bytes(), &[0, 0, 0, 53], payload];
        one(kind::DATA, flags, &header.concat())
    }

    fn drain(&mut self) -> usize {
        std::iter::from_fn(|| self.victim.poll_transmit()).map(|packet| packet.len()).sum()
    }

    fn messages(&mut self) -> usize {
        std::iter::from_fn(|| self.victim.poll_event()).filter(|event| matches!(event, SctpEvent::Message(_))).count()
    }
}

/// A whole message in one chunk, and pieces of one.
const WHOLE: u8 = 3;
const FIRST: u8 = 2;
const MIDDLE: u8 = 0;

fn one(kind: u8, flags: u8, value: &[u8]) -> Vec<u8> {
    let len = (4 + value.len() as u16).to_be_bytes();
    let mut chunk = [&[kind, flags, len[0], len[1]], value].concat();
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

fn init(tag: u32, tsn: u32) -> Vec<u8> {
    let fixed = [tag.to_be_bytes(), 1_000_000u32.to_be_bytes(), [4, 0, 4, 0], tsn.to_be_bytes()].concat();
    one(kind::INIT, 0, &[&fixed[..], &[0xc0, 0, 0, 4], &[0x80, 8, 0, 6, 130, 192, 0, 0]].concat())
}

#[test]
fn x01_an_init_flood_keeps_one_association_and_a_forged_or_stale_cookie_makes_none() {
    let mut attacker = Attacker::connected_at(1);
    attacker.victim = SctpAssociation::new(settings(60_000));
    let now = attacker.now;
    attacker.victim.start(now, &mut Counters::default());
    let mut stale = Vec::new();
    for tag in 1..=10_000u32 {
        attacker.tag = 0;
        attacker.give(&init(tag, 1));
        let answer = attacker.victim.poll_transmit().unwrap();
        let ack = chunk::Chunks::of(&answer).next().unwrap().unwrap();
        attacker.tag = chunk::u32_at(ack.value, 0).unwrap();
        if tag == 1 {
            let cookie = chunk::parameters(&ack.value[16..]).flatten().find(|(kind, _)| *kind == 7).unwrap().1;
            stale = one(kind::COOKIE_ECHO, 0, cookie);
        }
    }
    attacker.give(&stale);
    attacker.give(&one(kind::COOKIE_ECHO, 0, &[0; 32]));
    attacker.give(&one(kind::COOKIE_ECHO, 0, &[]));
    assert_eq!(attacker.victim.state(), SctpState::Connecting);
    assert_eq!((attacker.counters.sctp_chunks_dropped, attacker.drain()), (3, 0));
}

#[test]
fn x01_an_init_does_not_touch_an_association_that_is_up() {
    let mut attacker = Attacker::connected_at(1);
    let tag = std::mem::take(&mut attacker.tag);
    for forged in [0x5eed, 1, 2, u32::MAX] {
        attacker.give(&init(forged, 1));
    }
    attacker.tag = tag;
    attacker.drain();
    let data = attacker.data(0, WHOLE, 0, 0, b"x");
    attacker.give(&data);
    assert_eq!((attacker.counters.sctp_packets_dropped_unexpected, attacker.messages()), (4, 1));
}

#[test]
fn x02_broken_chunks_are_dropped_and_the_association_stays_up() {
    let mut attacker = Attacker::connected_at(1);
    for len in [0u8, 1, 3] {
        attacker.give(&[0, 3, 0, len, 0, 0, 0, 0]);
    }
    attacker.give(&[0, 3, 0xff, 0xff, 0, 0, 0, 0]);
    assert_eq!(attacker.counters.sctp_packets_dropped_malformed, 4);
    // A cause and parameters that go beyond their chunk, DATA and SACK without all their fields, an ERROR.
    let huge_cause = one(kind::ABORT, 0, &[0, 6, 0xff, 0xff, 0, 0, 0, 0]);
    let overrun = one(kind::RE_CONFIG, 0, &[0, 13, 0, 200, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    for chunk in [
        huge_cause,
        overrun,
        one(9, 0, &[0, 6, 0, 0]),
        one(kind::DATA, WHOLE, &[0; 11]),
        one(kind::DATA, WHOLE, &[0; 12]),
        one(kind::SACK, 0, &[0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0]),
        one(kind::FORWARD_TSN, 0, &[0, 0]),
        one(kind::HEARTBEAT, 0, &[0, 1, 0xff, 0xff]),
    ] {
        attacker.give(&chunk);
    }
    let data = attacker.data(0, WHOLE, 0, 0, b"x");
    attacker.give(&data);
    assert_eq!((attacker.counters.sctp_chunks_dropped, attacker.messages()), (8, 1));
}

#[test]
fn x02_ten_thousand_unknown_chunks_do_not_keep_known_ones_from_their_place() {
    let mut attacker = Attacker::connected_at(1);
    for n in 0..100u32 {
        let data = attacker.data(n, WHOLE, 0, n as u16, b"x");
        let packet = [one(0xff, 0, &[]).repeat(100), data].concat();
        attacker.give(&packet);
    }
    assert_eq!((attacker.counters.sctp_chunks_dropped, attacker.messages()), (10_000, 100));
    // RFC 9260 §3.2: behind an unknown chunk of a lower type nothing is read.
    let data = attacker.data(100, WHOLE, 0, 100, b"x");
    attacker.give(&[one(0x3f, 0, &[]), data].concat());
    assert_eq!(attacker.messages(), 0);
}

#[test]
fn x03_fragments_without_end_or_with_a_gap_end_at_a_bound() {
    // One byte each, in one message that never ends; then each the first of a message that waits for another.
    for (flags, ssn) in [(MIDDLE, false), (WHOLE, true)] {
        let mut attacker = Attacker::connected_at(u32::MAX - 1000);
        let first = if ssn { 1 } else { 0 };
        let data = attacker.data(0, FIRST, 0, 0, b"x");
        attacker.give(&data);
        let began = Instant::now();
        let mut chunks = 0u32;
        while attacker.victim.state() == SctpState::Connected {
            let packet: Vec<u8> = (1..=50u32)
                .flat_map(|n| {
                    let ssn = if ssn { (chunks + n) as u16 + first } else { 0 };
                    attacker.data(chunks + n, flags, 0, ssn, b"x")
                })
                .collect();
            attacker.give(&packet);
            attacker.now += Duration::from_millis(1);
            let now = attacker.now;
            attacker.victim.handle_timeout(now, &mut Counters::default());
            attacker.drain();
            chunks += 50;
            assert!(chunks < 20_000, "kept without end");
        }
        assert_eq!((attacker.victim.state(), attacker.counters.sctp_associations_aborted), (SctpState::Failed, 1));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}

#[test]
fn x03_what_is_delivered_does_not_count_as_kept() {
    let mut attacker = Attacker::connected_at(1);
    for n in 0..30_000u32 {
        let data = attacker.data(n, WHOLE, 0, n as u16, b"x");
        attacker.give(&data);
        attacker.drain();
        assert_eq!(attacker.messages(), 1, "{n}");
    }
}

#[test]
fn x04_streams_beyond_the_agreed_ones_make_no_state() {
    let mut attacker = Attacker::connected_at(1);
    for stream in SCTP_STREAMS_MAX..=u16::MAX {
        let data = attacker.data(0, WHOLE, stream, 0, b"x");
        attacker.give(&data);
    }
    assert_eq!((attacker.messages(), attacker.counters.sctp_chunks_dropped), (0, 64_512));
    assert!(attacker.victim.engine.as_ref().unwrap().association.stream_ids().is_empty());
}

#[test]
fn x04_a_high_stream_is_open_while_somebody_receives_on_it() {
    let mut attacker = Attacker::connected_at(1);
    let high = 12_345;
    attacker.victim.accept_stream(high);
    let data = attacker.data(0, WHOLE, high, 0, b"x");
    attacker.give(&data);
    assert_eq!((attacker.messages(), attacker.counters.sctp_chunks_dropped), (1, 0));
    let Attacker { victim, counters, now, .. } = &mut attacker;
    victim.close_stream(high, *now, counters);
    let data = attacker.data(1, WHOLE, high, 1, b"x");
    attacker.give(&data);
    assert_eq!((attacker.messages(), attacker.counters.sctp_chunks_dropped), (0, 1));
}

#[test]
fn x06_numbers_wrap() {
    let mut attacker = Attacker::connected_at(u32::MAX - 40_000);
    for n in 0..70_000u32 {
        let data = attacker.data(n, WHOLE, 0, n as u16, b"x");
        attacker.give(&data);
        attacker.drain();
        assert_eq!(attacker.messages(), 1, "{n}");
    }
}

#[test]
fn x06_a_forward_tsn_that_jumps_is_dropped_and_one_within_the_window_is_followed() {
    let mut attacker = Attacker::connected_at(1);
    let began = Instant::now();
    for jump in [3000u32, 1 << 20, 1 << 30, (1 << 31) - 1] {
        attacker.give(&one(kind::FORWARD_TSN, 0, &jump.to_be_bytes()));
    }
    assert_eq!(attacker.counters.sctp_chunks_dropped, 4);
    attacker.give(&one(kind::FORWARD_TSN, 0, &[&1000u32.to_be_bytes()[..], &[0, 0, 0, 99]].concat()));
    let data = attacker.data(1000, WHOLE, 0, 100, b"x");
    attacker.give(&data);
    assert_eq!(attacker.messages(), 1);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn x06_a_thousand_gaps_make_answers_that_fit_a_datagram() {
    let mut attacker = Attacker::connected_at(1);
    let began = Instant::now();
    for n in (2..=2048u32).step_by(2) {
        let data = attacker.data(n - 1, WHOLE, 0, n as u16, b"x");
        attacker.give(&data);
        while let Some(packet) = attacker.victim.poll_transmit() {
            assert!(packet.len() <= 1200, "{}", packet.len());
        }
    }
    let data = attacker.data(5000, WHOLE, 0, 1, b"x");
    attacker.give(&data);
    assert_eq!(attacker.counters.sctp_chunks_dropped, 1, "beyond the window");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn x06_gap_blocks_that_overlap_or_reach_too_far_are_dropped() {
    let mut attacker = Attacker::connected_at(1);
    let sack = |blocks: &[[u16; 2]]| {
        let mut value = vec![0, 0, 0, 0, 0, 16, 0, 0];
        value.extend((blocks.len() as u16).to_be_bytes());
        value.extend([0, 0]);
        value.extend(blocks.iter().flatten().flat_map(|edge| edge.to_be_bytes()));
        one(kind::SACK, 0, &value)
    };
    let began = Instant::now();
    for _ in 0..1000 {
        attacker.give(&sack(&[[1, u16::MAX]; 400]));
    }
    attacker.give(&sack(&[[5, 4]]));
    attacker.give(&sack(&[[3, 4], [4, 5]]));
    attacker.give(&sack(&[[2, 20_000]]));
    assert_eq!(attacker.counters.sctp_chunks_dropped, 1003);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn d06_packets_before_the_start_are_dropped_and_kept_nowhere() {
    let mut victim = SctpAssociation::new(settings(0));
    let mut counters = Counters::default();
    for _ in 0..1000 {
        victim.handle_packet(Bytes::from(init(1, 1)), Instant::now(), &mut counters);
    }
    assert_eq!(counters.sctp_packets_dropped_unexpected, 1000);
    assert_eq!((victim.poll_transmit(), victim.poll_event(), victim.deadline()), (None, None, None));
}
