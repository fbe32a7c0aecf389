//! Simulcast and temporal layers: which of them a viewer gets, and that its stream has no seam.

use millrace_packet::rtcp::feedback::FeedbackSsrcs;
use millrace_packet::rtcp::{RtcpPacket, SenderInfo};
use millrace_packet::{PictureEdit, PictureNumbers};
use millrace_router::setup::{ProducerSetup, StreamSetup};
use millrace_router::{ConsumerIndex, Layers, ProducerIndex, RouterEvent, SessionId, Wish};

use crate::call::{Call, MID_ID, RID_ID, Rtp, VIEWER_RTX_PT, ms, video_setup};

const RIDS: [&str; 3] = ["low", "middle", "high"];
const PICTURE_TICKS: u32 = 3000;
/// Where the timestamps of each stream begin, far apart and near their wrap.
const CLOCKS: [u32; 3] = [1_000_000, u32::MAX - 30_000, 7];
/// Where the picture ids of each stream begin.
const PICTURE_IDS: [u16; 3] = [100, 32_760, 9000];
/// Temporal layers of pictures in turn, as L1T3 sends them (RFC 7741 §4.2 calls no pattern; libvpx uses this one).
const TEMPORAL: [u8; 4] = [0, 2, 1, 2];

/// A publisher of three encodings.
struct Simulcast {
    call: Call,
    producer: ProducerIndex,
    sequences: [u16; 3],
    /// Pictures sent so far, those that a silent encoding missed included.
    pictures: u32,
    silent: [bool; 3],
    has_temporal_layers: bool,
    answered: usize,
    wants_key: [bool; 3],
}

impl Simulcast {
    fn new() -> Self {
        let mut call = Call::new();
        let setup = ProducerSetup { streams: RIDS.map(encoding).to_vec(), ..video_setup(call.publisher) };
        let producer = call.router.produce(setup).unwrap();
        Self {
            call,
            producer,
            sequences: [10, 20_000, 65_500],
            pictures: 0,
            silent: [false; 3],
            has_temporal_layers: false,
            answered: 0,
            wants_key: [true; 3],
        }
    }

    /// A viewer with a session of its own that wants these layers at most.
    fn view(&mut self, wish: Wish) -> Viewer {
        let session = self.call.add_session();
        let mut setup = self.call.consumer_setup(session, self.producer);
        (setup.wish, setup.nack) = (wish, true);
        let ssrc = setup.ssrc;
        Viewer { session, ssrc, consumer: self.call.consume(setup) }
    }

    fn prefer(&mut self, viewer: &Viewer, spatial: u8, temporal: Option<u8>) -> Option<Layers> {
        let (router, out) = (&mut self.call.router, &mut self.call.out);
        router.set_preferred_layers(viewer.consumer, spatial, temporal, self.call.now, out)
    }

    /// Sends `count` pictures of every encoding that is not silent, 30 a second, in two packets each, with a sender
    /// report a second. Key frames come when they were asked for, a picture later.
    fn send(&mut self, count: usize) {
        for _ in 0..count {
            self.note_requests();
            let silent = self.silent;
            for encoding in (0..RIDS.len()).filter(|encoding| !silent[*encoding]) {
                self.send_picture(encoding);
                if self.pictures.is_multiple_of(30) {
                    self.report(encoding);
                }
            }
            self.pictures += 1;
            self.call.run_for(ms(33));
        }
    }

    fn send_picture(&mut self, encoding: usize) {
        let key = std::mem::take(&mut self.wants_key[encoding]);
        let temporal = if self.has_temporal_layers && !key { TEMPORAL[self.pictures as usize % 4] } else { 0 };
        for part in 0..2 {
            let [high, low] = (self.picture_id(encoding) | 0x8000).to_be_bytes();
            let start = if part == 0 { 0x90 } else { 0x80 };
            let layer = temporal << 6 | 0x20;
            let tl0 = self.pictures as u8;
            let payload = vec![start, 0xe0, high, low, tl0, layer, u8::from(!key), encoding as u8, part];
            let packet = Rtp {
                ssrc: ssrc(encoding),
                sequence: self.sequences[encoding],
                timestamp: CLOCKS[encoding].wrapping_add(self.pictures * PICTURE_TICKS),
                payload,
                ..Rtp::key(0)
            };
            let rid = RIDS[encoding].as_bytes();
            self.call.publish(&packet.with_extension(MID_ID, b"video").with_extension(RID_ID, rid));
            self.sequences[encoding] = self.sequences[encoding].wrapping_add(1);
        }
    }

    fn picture_id(&self, encoding: usize) -> u16 {
        (u32::from(PICTURE_IDS[encoding]) + self.pictures) as u16 & 0x7fff
    }

    fn report(&mut self, encoding: usize) {
        let elapsed_ms = u64::from(self.pictures) * 1000 / 30;
        let info = SenderInfo {
            ntp: (77 << 32) + (elapsed_ms << 32) / 1000,
            rtp_timestamp: CLOCKS[encoding].wrapping_add(self.pictures * PICTURE_TICKS),
            ..SenderInfo::default()
        };
        self.call.rtcp(self.call.publisher, |writer| writer.sender_report(ssrc(encoding), &info, &[]).unwrap());
    }

    /// Learns for which encodings a key frame was asked for since the last time.
    fn note_requests(&mut self) {
        let asked = self.requests();
        for ssrc in &asked[self.answered..] {
            self.wants_key[(ssrc - ssrc_of_first()) as usize] = true;
        }
        self.answered = asked.len();
    }

    /// The SSRC of every key-frame request so far.
    fn requests(&self) -> Vec<u32> {
        let mut asked = Vec::new();
        self.call.each_rtcp(self.call.publisher, |packet| {
            if let RtcpPacket::PictureLoss(request) = packet {
                asked.push(request.ssrcs.media);
            }
        });
        asked
    }

    /// Everything that a viewer got: from which encoding, with which numbers, in the order of sending.
    fn got(&self, viewer: &Viewer) -> Vec<Got> {
        let sent = self.call.out.rtp.iter().filter(|sent| sent.session == viewer.session);
        sent.filter(|sent| sent.rewrite.original_sequence.is_none())
            .map(|sent| {
                let (id, tl0) = numbers(&sent.payload, edited(sent.rewrite.picture));
                Got {
                    encoding: sent.payload[7],
                    temporal: sent.payload[5] >> 6,
                    key: sent.payload[6] == 0,
                    sequence: sent.rewrite.sequence,
                    timestamp: sent.rewrite.timestamp,
                    picture_id: id,
                    tl0,
                }
            })
            .collect()
    }

    fn told_layers(&self) -> Vec<Option<(u8, u8)>> {
        let told = self.call.out.events.iter().filter_map(|event| match event {
            RouterEvent::ConsumerLayers { layers, .. } => Some(*layers),
            _ => None,
        });
        told.map(|layers| layers.map(|layers| (layers.spatial_layer, layers.temporal_layer))).collect()
    }
}

struct Viewer {
    session: SessionId,
    ssrc: u32,
    consumer: ConsumerIndex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Got {
    encoding: u8,
    temporal: u8,
    key: bool,
    sequence: u16,
    timestamp: u32,
    picture_id: u16,
    tl0: u8,
}

fn encoding(rid: &str) -> StreamSetup {
    StreamSetup { ssrc: None, rtx_ssrc: None, rid: Some(rid.to_owned()) }
}

const fn ssrc_of_first() -> u32 {
    40_000
}

fn ssrc(encoding: usize) -> u32 {
    ssrc_of_first() + encoding as u32
}

fn edited(edit: Option<PictureEdit>) -> Option<(u16, u8)> {
    match edit? {
        PictureEdit::Numbers(edit) => Some((edit.id, edit.tl0)),
        PictureEdit::Descriptor(_) => None,
    }
}

fn numbers(payload: &[u8], edit: Option<(u16, u8)>) -> (u16, u8) {
    let own = PictureNumbers {
        id: u16::from_be_bytes([payload[2], payload[3]]) & 0x7fff,
        tl0: payload[4],
        ..PictureNumbers::default()
    };
    edit.unwrap_or((own.id, own.tl0))
}

fn all() -> Wish {
    Wish::everything(3, 1)
}

/// The encodings in the order in which they were seen, each run once.
fn runs(got: &[Got]) -> Vec<u8> {
    let mut runs: Vec<u8> = got.iter().map(|got| got.encoding).collect();
    runs.dedup();
    runs
}

/// No viewer may see a seam: numbers without gaps, pictures that count on, time that rises by less than a second.
fn assert_seamless(got: &[Got]) {
    for pair in got.windows(2) {
        let [before, after] = pair else { continue };
        assert_eq!(after.sequence, before.sequence.wrapping_add(1), "{before:?} {after:?}");
        let step = after.timestamp.wrapping_sub(before.timestamp) as i32;
        assert!((0..90_000).contains(&step), "{before:?} {after:?}");
        let pictures = after.picture_id.wrapping_sub(before.picture_id) & 0x7fff;
        assert_eq!(pictures, u16::from(step > 0), "a picture, a timestamp: {before:?} {after:?}");
        if before.encoding != after.encoding {
            assert!(after.key && step > 0, "{before:?} {after:?}");
            assert_eq!(after.tl0, before.tl0.wrapping_add(1));
        }
    }
}

#[test]
fn a_viewer_gets_the_highest_encoding_and_one_that_prefers_less_gets_less() {
    let mut world = Simulcast::new();
    let (first, second) = (world.view(all()), world.view(all().at_most(1, None)));
    world.send(60);
    let (first, second) = (world.got(&first), world.got(&second));
    assert_eq!(first.last().unwrap().encoding, 2);
    assert_eq!(second.last().unwrap().encoding, 1);
    assert_seamless(&first);
    assert_seamless(&second);
}

#[test]
fn another_encoding_is_asked_for_a_key_frame_and_begins_with_it_while_the_old_one_goes_on() {
    let mut world = Simulcast::new();
    let viewer = world.view(all());
    world.send(90);
    let (requests, packets) = (world.requests().len(), world.got(&viewer).len());
    let set = world.prefer(&viewer, 0, None);
    assert_eq!(set, Some(Layers { spatial_layer: 0, temporal_layer: 0 }));
    assert_eq!(world.requests()[requests..], [ssrc(0)]);
    world.wants_key = [false; 3];
    world.answered += 1;
    world.send(5);
    let waiting = world.got(&viewer);
    assert_eq!((waiting.len(), waiting.last().unwrap().encoding), (packets + 10, 2), "the old one goes on");
    world.wants_key[0] = true;
    world.send(30);
    let got = world.got(&viewer);
    assert_eq!(runs(&got).last(), Some(&0));
    assert_seamless(&got);
    world.prefer(&viewer, 2, None);
    world.send(60);
    assert_eq!(runs(&world.got(&viewer)).last(), Some(&2));
    assert_seamless(&world.got(&viewer));
}

#[test]
fn timestamps_go_on_by_sender_reports_although_another_encoding_comes_later() {
    let mut world = Simulcast::new();
    let viewer = world.view(all());
    world.send(90);
    world.prefer(&viewer, 0, None);
    world.send(30);
    let got = world.got(&viewer);
    let seam = got.windows(2).find(|pair| pair[0].encoding != pair[1].encoding && pair[1].encoding == 0).unwrap();
    let step = seam[1].timestamp.wrapping_sub(seam[0].timestamp);
    // A picture later by the sender's clock, within the milliseconds that our idea of that clock moves by.
    assert!(step.abs_diff(PICTURE_TICKS) <= 3 * 90, "{step}");
}

#[test]
fn timestamps_go_on_by_sender_reports_when_the_change_was_asked_for_during_a_pause() {
    let mut world = Simulcast::new();
    let viewer = world.view(all());
    world.send(90);
    let last = *world.got(&viewer).last().unwrap();
    world.call.router.pause_consumer(viewer.consumer, world.call.now, &mut world.call.out);
    world.prefer(&viewer, 0, None);
    world.send(9);
    world.call.router.resume_consumer(viewer.consumer, world.call.now, &mut world.call.out);
    // The key frame is late, and no sign of when it was captured.
    world.note_requests();
    world.call.run_for(ms(400));
    world.send(1);
    let first = *world.got(&viewer).last().unwrap();
    assert_eq!((first.encoding, first.sequence), (0, last.sequence.wrapping_add(2)));
    let step = first.timestamp.wrapping_sub(last.timestamp);
    assert!(step.abs_diff(10 * PICTURE_TICKS) <= 3 * 90, "{step}: ten pictures later by the sender's clock");
}

#[test]
fn an_encoding_that_falls_silent_is_replaced_and_comes_back() {
    let mut world = Simulcast::new();
    let viewer = world.view(all());
    world.send(60);
    world.silent[2] = true;
    world.send(120);
    assert_eq!(world.got(&viewer).last().unwrap().encoding, 1);
    world.silent[2] = false;
    world.send(60);
    let got = world.got(&viewer);
    assert_eq!(runs(&got)[runs(&got).len() - 3..], [2, 1, 2]);
    for pair in got.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
    }
}

#[test]
fn while_the_wanted_encoding_is_not_sent_the_best_one_below_is_and_else_the_lowest_above() {
    let mut world = Simulcast::new();
    world.silent = [true, false, true];
    let (above, below) = (world.view(all()), world.view(all().at_most(0, None)));
    world.send(60);
    assert_eq!((runs(&world.got(&above)), runs(&world.got(&below))), (vec![1], vec![1]));
}

#[test]
fn the_application_is_told_which_layers_are_sent() {
    let mut world = Simulcast::new();
    world.silent = [false, true, true];
    let viewer = world.view(all());
    world.send(60);
    assert_eq!(world.told_layers(), [Some((0, 0))]);
    world.silent = [false; 3];
    world.send(60);
    assert_eq!(world.told_layers().last(), Some(&Some((2, 0))));
    assert_eq!(world.call.router.current_layers(viewer.consumer).map(|layers| layers.spatial_layer), Some(2));
    world.call.router.pause_consumer(viewer.consumer, world.call.now, &mut world.call.out);
    assert_eq!(world.told_layers().last(), Some(&None));
}

#[test]
fn a_producer_of_one_layer_gives_no_choice_and_says_nothing_of_layers() {
    let (mut call, producer) = Call::with_video();
    let (_, _, consumer) = call.view(producer);
    call.publish_pictures(1..30);
    assert_eq!(call.router.set_preferred_layers(consumer, 1, None, call.now, &mut call.out), None);
    assert!(!call.out.events.iter().any(|event| matches!(event, RouterEvent::ConsumerLayers { .. })));
}

#[test]
fn temporal_layers_are_left_out_without_a_gap_and_come_back_where_they_may() {
    let mut world = Simulcast::new();
    world.has_temporal_layers = true;
    let viewer = world.view(Wish::everything(3, 3));
    world.send(60);
    assert!(world.got(&viewer).iter().any(|got| got.temporal == 2));
    world.prefer(&viewer, 2, Some(0));
    let before = world.got(&viewer).len();
    world.send(40);
    let got = world.got(&viewer);
    assert!(got[before..].iter().all(|got| got.temporal == 0), "{:?}", &got[before..]);
    assert_eq!(got.len() - before, 2 * 10, "one picture in four");
    world.prefer(&viewer, 2, Some(1));
    world.send(40);
    assert_eq!(world.got(&viewer)[before + 20..].iter().map(|got| got.temporal).max(), Some(1));
    world.prefer(&viewer, 2, None);
    world.send(40);
    let got = world.got(&viewer);
    assert_eq!(got.last().map(|got| got.encoding), Some(2));
    assert!(got[got.len() - 20..].iter().any(|got| got.temporal == 2));
    assert_seamless(&got);
}

#[test]
fn a_packet_from_before_a_change_is_resent_as_it_was() {
    let mut world = Simulcast::new();
    let viewer = world.view(all());
    world.send(90);
    world.prefer(&viewer, 0, None);
    world.send(4);
    world.prefer(&viewer, 2, None);
    world.send(8);
    let got = world.got(&viewer);
    let lost = *got.iter().rev().find(|got| got.encoding == 0).expect("the low encoding was seen for some pictures");
    let ssrcs = FeedbackSsrcs { sender: 9, media: viewer.ssrc };
    world.call.rtcp(viewer.session, |writer| writer.nack(ssrcs, [lost.sequence]).unwrap());
    let resent = world.call.out.rtp.last().unwrap();
    assert_eq!(resent.rewrite.original_sequence, Some(lost.sequence));
    assert_eq!((resent.rewrite.timestamp, resent.rewrite.payload_type), (lost.timestamp, VIEWER_RTX_PT));
    let edit = edited(resent.rewrite.picture);
    assert_eq!(numbers(&resent.payload, edit), (lost.picture_id, lost.tl0));
}

#[test]
fn c04_many_viewers_that_change_layers_ask_once_a_second_and_encoding() {
    let mut world = Simulcast::new();
    let viewers: Vec<Viewer> = (0..50).map(|_| world.view(all())).collect();
    world.send(60);
    let before = world.requests().len();
    for round in 0..10 {
        for (place, viewer) in viewers.iter().enumerate() {
            world.prefer(viewer, ((place + round) % 3) as u8, None);
        }
        world.send(30);
    }
    let asked = world.requests().len() - before;
    assert!(asked <= 3 * 11, "{asked} requests in ten seconds for three encodings");
    for viewer in &viewers {
        assert_seamless(&world.got(viewer));
    }
}

#[test]
fn r04_an_unknown_rid_or_another_layers_rid_changes_no_binding() {
    let mut world = Simulcast::new();
    let viewer = world.view(all());
    world.send(60);
    let packets = world.got(&viewer).len();
    for flip in 0..1000u32 {
        let rid = ["ghost", "high", "low"][flip as usize % 3];
        let packet = Rtp { ssrc: 900_000 + flip, ..Rtp::key(flip as u16) };
        world.call.publish(&packet.with_extension(MID_ID, b"video").with_extension(RID_ID, rid.as_bytes()));
    }
    assert_eq!(world.got(&viewer).len(), packets, "streams keep the SSRC that they were first heard with");
    world.send(30);
    assert_eq!(world.got(&viewer).last().unwrap().encoding, 2);
    assert_seamless(&world.got(&viewer));
}
