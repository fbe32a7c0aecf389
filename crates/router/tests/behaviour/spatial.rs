//! Streams that carry several layers in themselves (SVC): which frames a viewer gets, and that its stream has no seam.

use millrace_packet::rtcp::feedback::FeedbackSsrcs;
use millrace_packet::{ExtensionIds, ExtensionKind, PictureEdit, VideoCodec};
use millrace_router::setup::{CodecSetup, ProducerSetup};
use millrace_router::{ConsumerIndex, Layers, ProducerIndex, RouterEvent, SessionId, Wish};

use crate::call::{Call, MID_ID, Rtp, TRANSPORT_CC_ID, ms, video_setup};

/// Number of the dependency descriptor on the publisher's wire.
const DESCRIPTOR_ID: u8 = 7;

/// Temporal layers of pictures in turn, as libvpx sends L1T3.
const TEMPORAL: [u8; 4] = [0, 2, 1, 2];

/// How a picture of VP9 is described (RFC 9628 §4.2): P, B, E, Z.
const PREDICTED: u8 = 0x40;
const FRAME_START: u8 = 0x08;
const FRAME_END: u8 = 0x04;
const NOT_FOR_ABOVE: u8 = 0x01;

/// A publisher of VP9 with spatial layers in one stream, two packets a frame.
struct Svc {
    call: Call,
    producer: ProducerIndex,
    /// Layers depend on each other in key pictures only.
    is_ksvc: bool,
    /// Spatial layers that are sent.
    layers: u8,
    /// Spatial layers of the picture before.
    layers_before: u8,
    temporal: &'static [u8],
    wants_key: bool,
    answered: usize,
    pictures: u32,
    sequence: u16,
    /// Packets that the network loses, by their order.
    lost: Vec<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Got {
    sequence: u16,
    timestamp: u32,
    marker: bool,
    picture_id: u16,
    temporal: u8,
    layer: u8,
    key: bool,
    ends: bool,
}

struct Viewer {
    session: SessionId,
    ssrc: u32,
    consumer: ConsumerIndex,
}

impl Svc {
    fn new(is_ksvc: bool) -> Self {
        let mut call = Call::new();
        let setup = video_setup(call.publisher);
        let codecs = setup.codecs.iter().cloned();
        let codecs = codecs.map(|codec| CodecSetup { video_codec: Some(VideoCodec::Vp9), ..codec }).collect();
        let producer = call.router.produce(ProducerSetup { codecs, layers_within_stream: true, ..setup }).unwrap();
        Self {
            call,
            producer,
            is_ksvc,
            layers: 3,
            layers_before: 3,
            temporal: &[0],
            wants_key: true,
            answered: 0,
            pictures: 0,
            sequence: 65_000,
            lost: Vec::new(),
        }
    }

    fn view(&mut self, wish: Wish) -> Viewer {
        let session = self.call.add_session();
        let mut setup = self.call.consumer_setup(session, self.producer);
        setup.wish = wish;
        let ssrc = setup.ssrc;
        Viewer { session, ssrc, consumer: self.call.consume(setup) }
    }

    fn prefer(&mut self, viewer: &Viewer, spatial: u8, temporal: Option<u8>) -> Option<Layers> {
        let (router, out) = (&mut self.call.router, &mut self.call.out);
        router.set_preferred_layers(viewer.consumer, spatial, temporal, self.call.now, out)
    }

    /// Sends `count` pictures, 30 a second. Key pictures come when they were asked for.
    fn send(&mut self, count: usize) {
        for _ in 0..count {
            let asked = self.call.key_frame_requests();
            self.wants_key |= asked > self.answered;
            self.answered = asked;
            self.send_picture();
            self.call.run_for(ms(33));
        }
    }

    fn send_picture(&mut self) {
        let key = std::mem::take(&mut self.wants_key);
        let temporal = if key { 0 } else { self.temporal[self.pictures as usize % self.temporal.len()] };
        for layer in 0..self.layers {
            // A layer that was not there before is predicted from the one below alone.
            let is_new = layer >= self.layers_before;
            let predicted = !key && !is_new;
            let from_below = layer > 0 && (key || is_new || !self.is_ksvc);
            // As libwebrtc says it: of all layers but the highest that there could be.
            let unused_above = layer == 2 || (self.is_ksvc && !key);
            for part in 0..2 {
                let mut flags = 0xa0;
                flags |= if predicted { PREDICTED } else { 0 };
                flags |= if part == 0 { FRAME_START } else { FRAME_END };
                flags |= if unused_above { NOT_FOR_ABOVE } else { 0 };
                let [high, low] = ((self.pictures + 32_700) as u16 | 0x8000).to_be_bytes();
                let place = temporal << 5 | 0x10 | layer << 1 | u8::from(from_below);
                let payload = vec![flags, high, low, place, self.pictures as u8, 0x82, u8::from(key)];
                let packet = Rtp {
                    sequence: self.sequence,
                    timestamp: self.pictures.wrapping_mul(3000),
                    payload,
                    ..Rtp::key(0)
                };
                let ends = layer + 1 == self.layers && part == 1;
                if !self.lost.contains(&self.sequence) {
                    publish(&mut self.call, &packet, ends);
                }
                self.sequence = self.sequence.wrapping_add(1);
            }
        }
        self.layers_before = self.layers;
        self.pictures += 1;
    }

    fn got(&self, viewer: &Viewer) -> Vec<Got> {
        let sent = self.call.out.rtp.iter().filter(|sent| sent.session == viewer.session);
        sent.filter(|sent| sent.rewrite.original_sequence.is_none())
            .map(|sent| {
                let own = u16::from_be_bytes([sent.payload[1], sent.payload[2]]) & 0x7fff;
                let edited = match sent.rewrite.picture {
                    Some(PictureEdit::Numbers(edit)) => Some(edit.id),
                    _ => None,
                };
                Got {
                    sequence: sent.rewrite.sequence,
                    timestamp: sent.rewrite.timestamp,
                    marker: sent.rewrite.marker,
                    picture_id: edited.unwrap_or(own),
                    temporal: sent.payload[3] >> 5,
                    layer: sent.payload[3] >> 1 & 7,
                    key: sent.payload[6] == 1,
                    ends: sent.payload[0] & FRAME_END != 0,
                }
            })
            .collect()
    }

    fn requests(&self) -> usize {
        self.call.key_frame_requests()
    }

    fn current(&self, viewer: &Viewer) -> Option<(u8, u8)> {
        let layers = self.call.router.current_layers(viewer.consumer)?;
        Some((layers.spatial_layer, layers.temporal_layer))
    }

    fn told(&self) -> Vec<Option<(u8, u8)>> {
        let told = self.call.out.events.iter().filter_map(|event| match event {
            RouterEvent::ConsumerLayers { layers, .. } => Some(*layers),
            _ => None,
        });
        told.map(|layers| layers.map(|layers| (layers.spatial_layer, layers.temporal_layer))).collect()
    }
}

fn publish(call: &mut Call, packet: &Rtp, marker: bool) {
    let mut bytes = packet.clone().with_extension(MID_ID, b"video").bytes();
    bytes[1] |= u8::from(marker) << 7;
    call.publish_bytes(call.publisher, &bytes);
}

fn all() -> Wish {
    Wish::everything(3, 1).within_stream()
}

/// The spatial layers of each picture.
fn pictures(got: &[Got]) -> Vec<Vec<u8>> {
    let pictures = got.chunk_by(|before, after| before.timestamp == after.timestamp);
    pictures
        .map(|picture| {
            let mut layers: Vec<u8> = picture.iter().map(|got| got.layer).collect();
            layers.dedup();
            layers
        })
        .collect()
}

/// Numbers without gaps, frames that are whole, a marker at the end of each picture and nowhere else.
fn assert_whole(got: &[Got]) {
    for pair in got.windows(2) {
        let [before, after] = pair else { continue };
        assert_eq!(after.sequence, before.sequence.wrapping_add(1), "{before:?} {after:?}");
        assert_eq!(before.marker, before.timestamp != after.timestamp, "{before:?} {after:?}");
        assert!(!before.marker || before.ends, "{before:?} ends no frame");
        assert_eq!(before.layer == after.layer && before.timestamp == after.timestamp, !before.ends, "{before:?}");
    }
}

#[test]
fn a_viewer_of_everything_gets_every_layer_as_it_was_sent() {
    let mut world = Svc::new(false);
    let viewer = world.view(all());
    world.send(20);
    let got = world.got(&viewer);
    assert_whole(&got);
    assert_eq!(pictures(&got), vec![vec![0, 1, 2]; 20]);
    assert_eq!(world.current(&viewer), Some((2, 0)));
    assert_eq!(world.told(), [Some((2, 0))], "told once, when the key picture is whole");
}

#[test]
fn a_viewer_goes_down_with_the_next_picture_and_its_last_frame_ends_the_picture() {
    let mut world = Svc::new(false);
    let viewer = world.view(all());
    world.send(10);
    let requests = world.requests();
    assert_eq!(world.prefer(&viewer, 1, None), Some(Layers { spatial_layer: 1, temporal_layer: 0 }));
    world.send(10);
    let got = world.got(&viewer);
    assert_whole(&got);
    assert_eq!(pictures(&got)[10..], vec![vec![0, 1]; 10]);
    assert!(got.last().unwrap().marker);
    assert_eq!((world.requests(), world.current(&viewer)), (requests, Some((1, 0))), "no key picture is needed");
}

#[test]
fn a_viewer_goes_up_with_a_key_picture_that_is_asked_for() {
    let mut world = Svc::new(false);
    let viewer = world.view(all().at_most(0, None));
    world.send(10);
    // Two seconds later, so that the first request does not hold up the second.
    world.send(60);
    let requests = world.requests();
    world.prefer(&viewer, 2, None);
    assert_eq!(world.requests(), requests + 1);
    world.send(10);
    let got = world.got(&viewer);
    assert_whole(&got);
    assert_eq!(pictures(&got)[..70], vec![vec![0]; 70]);
    assert_eq!(pictures(&got)[70..], vec![vec![0, 1, 2]; 10]);
    assert!(got.iter().find(|got| got.layer == 2).unwrap().key);
    assert_eq!(world.current(&viewer), Some((2, 0)));
}

#[test]
fn of_k_svc_a_viewer_gets_lower_layers_in_key_pictures_only() {
    let mut world = Svc::new(true);
    let (high, low) = (world.view(all()), world.view(all().at_most(0, None)));
    world.send(10);
    let (high, low) = (world.got(&high), world.got(&low));
    assert_whole(&high);
    assert_whole(&low);
    assert_eq!(pictures(&high)[0], [0, 1, 2]);
    assert_eq!(pictures(&high)[1..], vec![vec![2]; 9]);
    assert_eq!(pictures(&low), vec![vec![0]; 10]);
}

#[test]
fn of_k_svc_a_viewer_changes_with_a_key_picture_only() {
    let mut world = Svc::new(true);
    let viewer = world.view(all());
    world.send(60);
    let requests = world.requests();
    for (round, (wanted, key_picture)) in [(1, vec![0, 1]), (2, vec![0, 1, 2]), (0, vec![0])].into_iter().enumerate() {
        world.prefer(&viewer, wanted, None);
        assert_eq!(world.requests(), requests + round + 1);
        let before = pictures(&world.got(&viewer)).len();
        world.answered += 1;
        world.send(3);
        let level = *pictures(&world.got(&viewer)).last().unwrap().last().unwrap();
        assert_eq!(pictures(&world.got(&viewer))[before..], vec![vec![level]; 3], "the old layer goes on until then");
        world.wants_key = true;
        world.send(40);
        let got = world.got(&viewer);
        assert_whole(&got);
        assert_eq!(pictures(&got)[before + 3], key_picture);
        assert_eq!(pictures(&got)[before + 4..], vec![vec![wanted]; 39]);
    }
}

#[test]
fn a_layer_that_the_publisher_stops_and_starts_again_is_followed() {
    let mut world = Svc::new(false);
    let viewer = world.view(all());
    world.send(10);
    world.layers = 1;
    world.send(10);
    world.layers = 3;
    world.send(10);
    let got = world.got(&viewer);
    assert_whole(&got);
    assert_eq!(pictures(&got)[10..20], vec![vec![0]; 10]);
    assert_eq!(pictures(&got)[20..], vec![vec![0, 1, 2]; 10]);
}

#[test]
fn when_the_publisher_of_k_svc_stops_a_layer_its_viewers_go_on_below_from_a_key_picture_that_is_asked_for() {
    let mut world = Svc::new(true);
    let viewer = world.view(all());
    world.send(60);
    world.layers = 2;
    let requests = world.requests();
    world.send(40);
    assert_eq!(world.requests(), requests + 1);
    let got = world.got(&viewer);
    assert_whole(&got);
    let pictures = pictures(&got);
    let after = &pictures[60..];
    assert_eq!(after[0], [0, 1], "the key picture");
    assert!(after.len() >= 25 && after[1..].iter().all(|layers| layers == &[1]), "{after:?}");
    assert_eq!(world.current(&viewer), Some((1, 0)));
}

#[test]
fn a_frame_that_the_encoder_drops_costs_the_viewer_no_layer() {
    let mut world = Svc::new(false);
    let viewer = world.view(all());
    world.send(10);
    (world.layers, world.layers_before) = (2, 2);
    world.send(3);
    (world.layers, world.layers_before) = (3, 3);
    world.send(5);
    let got = world.got(&viewer);
    assert_whole(&got);
    assert_eq!(pictures(&got)[13..], vec![vec![0, 1, 2]; 5]);
}

#[test]
fn a_layer_that_comes_new_is_begun_with_where_it_needs_none_but_the_one_below() {
    let mut world = Svc::new(false);
    (world.layers, world.layers_before) = (1, 1);
    let viewer = world.view(all());
    world.send(10);
    assert_eq!(world.current(&viewer), Some((0, 0)));
    world.layers = 3;
    world.send(10);
    let got = world.got(&viewer);
    assert_whole(&got);
    assert_eq!(pictures(&got)[..10], vec![vec![0]; 10]);
    assert_eq!(pictures(&got)[10..], vec![vec![0, 1, 2]; 10]);
    assert_eq!(got.iter().filter(|got| got.key).count(), 2, "one key picture of one layer");
}

#[test]
fn temporal_layers_are_left_out_and_picture_ids_stay_what_others_refer_to() {
    let mut world = Svc::new(false);
    world.temporal = &TEMPORAL;
    let viewer = world.view(Wish::everything(3, 3).within_stream());
    world.send(40);
    assert_eq!(world.current(&viewer), Some((2, 2)));
    world.prefer(&viewer, 1, Some(0));
    let before = world.got(&viewer).len();
    world.send(40);
    let got = world.got(&viewer);
    assert_whole(&got);
    assert!(got[before..].iter().all(|got| got.temporal == 0 && got.layer <= 1));
    assert_eq!(got.len() - before, 10 * 4, "one picture in four, two layers of two packets");
    for pair in got[before..].windows(2).filter(|pair| pair[0].timestamp != pair[1].timestamp) {
        assert_eq!(pair[1].picture_id.wrapping_sub(pair[0].picture_id) & 0x7fff, 4);
    }
    assert_eq!(world.current(&viewer), Some((1, 0)));
    world.prefer(&viewer, 1, None);
    world.send(8);
    assert_eq!(world.current(&viewer), Some((1, 2)));
    assert_whole(&world.got(&viewer));
}

#[test]
fn a_marker_that_was_set_is_set_again_when_the_packet_is_resent() {
    let mut world = Svc::new(false);
    let viewer = world.view(all().at_most(0, None));
    world.send(5);
    let last = *world.got(&viewer).last().unwrap();
    assert!(last.marker && last.layer == 0);
    let ssrcs = FeedbackSsrcs { sender: 9, media: viewer.ssrc };
    world.call.rtcp(viewer.session, |writer| writer.nack(ssrcs, [last.sequence]).unwrap());
    let resent = world.call.out.rtp.last().unwrap();
    assert_eq!((resent.rewrite.original_sequence, resent.rewrite.marker), (Some(last.sequence), true));
}

#[test]
fn a_lost_packet_of_a_layer_that_a_viewer_does_not_get_leaves_it_no_hole_once_it_is_repaired() {
    let mut world = Svc::new(false);
    // The first packet of layer 2 in the fourth picture.
    world.lost = vec![65_000 + 3 * 6 + 4];
    let viewer = world.view(all().at_most(1, None));
    world.send(6);
    let late = Rtp {
        sequence: world.lost[0],
        timestamp: 3 * 3000,
        payload: vec![0xe9, 0xff, 0xbf, 0x15, 3, 0x82, 0],
        ..Rtp::key(0)
    };
    publish(&mut world.call, &late, false);
    let mut sequences: Vec<u16> = world.got(&viewer).iter().map(|got| got.sequence).collect();
    sequences.sort_unstable();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequences:?}");
}

#[test]
fn a_viewer_that_pauses_begins_again_with_a_key_picture_of_all_its_layers() {
    let mut world = Svc::new(false);
    let viewer = world.view(all());
    world.send(60);
    world.call.router.pause_consumer(viewer.consumer, world.call.now, &mut world.call.out);
    assert_eq!(world.current(&viewer), None);
    world.prefer(&viewer, 1, None);
    let before = world.got(&viewer).len();
    world.send(5);
    world.call.router.resume_consumer(viewer.consumer, world.call.now, &mut world.call.out);
    world.send(5);
    let got = world.got(&viewer);
    assert!(got[before].key);
    assert_eq!(pictures(&got[before..]), vec![vec![0, 1]; 5]);
    assert_eq!(got[before].sequence, got[before - 1].sequence.wrapping_add(1));
}

/// The extended fields of a key frame's descriptor: L1T3 and L2T1 with their templates counted from 62, as
/// `crates/packet/src/dependency/tests.rs` writes them.
const L1T3: [u8; 13] = [0x87, 0xc2, 0x14, 0xea, 0xa8, 0x60, 0x41, 0x4d, 0x14, 0x10, 0x22, 0x22, 0x22];
const L2T1: [u8; 11] = [0x87, 0xc1, 0x23, 0xab, 0x22, 0x45, 0x04, 0x60, 0x84, 0x44, 0x40];

/// A publisher whose layers stand in dependency descriptors; a frame a packet.
struct Described {
    call: Call,
    producer: ProducerIndex,
    frame: u16,
}

impl Described {
    /// `codec` of `None` is one whose payload cannot be read.
    fn new(codec: Option<VideoCodec>, layers_within_stream: bool) -> Self {
        let mut call = Call::new();
        let setup = video_setup(call.publisher);
        let codecs = setup.codecs.iter().cloned();
        let codecs = codecs.map(|it| CodecSetup { video_codec: codec, reads_descriptor: true, ..it }).collect();
        let extensions = ExtensionIds::new([
            (MID_ID, ExtensionKind::Mid),
            (TRANSPORT_CC_ID, ExtensionKind::TransportWideCc),
            (DESCRIPTOR_ID, ExtensionKind::DependencyDescriptor),
        ]);
        let setup = ProducerSetup { codecs, extensions, layers_within_stream, ..setup };
        let producer = call.router.produce(setup).unwrap();
        Self { call, producer, frame: 65_530 }
    }

    fn view(&mut self, wish: Wish, descriptors: bool) -> Viewer {
        let session = self.call.add_session();
        let mut setup = self.call.consumer_setup(session, self.producer);
        (setup.wish, setup.descriptors) = (wish, descriptors);
        let ssrc = setup.ssrc;
        Viewer { session, ssrc, consumer: self.call.consume(setup) }
    }

    /// Sends the next frame, of `template` of the structure, in picture `picture`.
    fn send(&mut self, picture: u32, template: u8, structure: &[u8], marker: bool) {
        let [high, low] = self.frame.to_be_bytes();
        let descriptor = [&[0xc0 | ((62 + template) % 64), high, low], structure].concat();
        let packet = Rtp { sequence: self.frame, timestamp: picture * 3000, payload: vec![0xff; 40], ..Rtp::key(0) };
        publish(&mut self.call, &packet.with_extension(DESCRIPTOR_ID, &descriptor), marker);
        self.frame = self.frame.wrapping_add(1);
        self.call.run_for(ms(10));
    }

    /// Picture, marker and what was edited in the descriptor of everything that the viewer got.
    fn got(&self, viewer: &Viewer) -> Vec<(u32, bool, Option<PictureEdit>)> {
        let sent = self.call.out.rtp.iter().filter(|sent| sent.session == viewer.session);
        sent.map(|sent| (sent.rewrite.timestamp / 3000, sent.rewrite.marker, sent.rewrite.picture)).collect()
    }
}

fn send_l2t1(world: &mut Described, first: u32, count: u32) {
    for picture in first..first + count {
        let (templates, structure): (_, &[u8]) = if picture == 0 { ([0, 2], &L2T1) } else { ([1, 3], &[]) };
        world.send(picture, templates[0], structure, false);
        world.send(picture, templates[1], &[], true);
    }
}

#[test]
fn spatial_layers_of_av1_are_told_apart_by_their_descriptor() {
    let mut world = Described::new(Some(VideoCodec::Av1), true);
    let wish = Wish::everything(2, 1).within_stream();
    let (all, low) = (world.view(wish, false), world.view(wish.at_most(0, None), false));
    send_l2t1(&mut world, 0, 5);
    let expected_all: Vec<_> = (0..5).flat_map(|at| [(at, false, None), (at, true, None)]).collect();
    let expected_low: Vec<_> = (0..5).map(|at| (at, true, None)).collect();
    assert_eq!((world.got(&all), world.got(&low)), (expected_all, expected_low));
}

#[test]
fn a_viewer_of_fewer_layers_that_gets_descriptors_is_told_so_in_every_frame() {
    let mut world = Described::new(Some(VideoCodec::Av1), true);
    let wish = Wish::everything(2, 1).within_stream();
    let (all, low) = (world.view(wish, true), world.view(wish.at_most(0, None), true));
    send_l2t1(&mut world, 0, 5);
    assert!(world.got(&all).iter().all(|(_, _, edit)| edit.is_none()), "there is nothing to say");
    let low = world.got(&low);
    assert_eq!(low.len(), 5);
    for (at, (_, _, edit)) in (0u16..).zip(low) {
        let Some(PictureEdit::Descriptor(edit)) = edit else { panic!("{at}: {edit:?}") };
        assert_eq!((edit.frame_number, edit.target_count), (65_530u16.wrapping_add(2 * at), 2));
        let mut out = [0; 16];
        let len = edit.write(&[0xc0, 0, 0], &mut out).unwrap();
        assert_eq!((len, out[3]), (4, 0b0100_0010), "only the first of two targets");
    }
}

#[test]
fn temporal_layers_of_h264_come_from_the_descriptor() {
    let mut world = Described::new(Some(VideoCodec::H264), false);
    let (all, low) =
        (world.view(Wish::everything(1, 3), false), world.view(Wish::everything(1, 3).at_most(0, Some(0)), false));
    for picture in 0..12 {
        let (template, structure): (_, &[u8]) = match picture {
            0 => (0, &L1T3),
            _ => ([1, 3, 2, 4][picture as usize % 4], &[]),
        };
        world.send(picture, template, structure, true);
    }
    assert_eq!(world.got(&all).len(), 12);
    let pictures: Vec<u32> = world.got(&low).iter().map(|got| got.0).collect();
    assert_eq!(pictures, [0, 4, 8]);
    world.call.router.set_preferred_layers(low.consumer, 0, None, world.call.now, &mut world.call.out);
    for picture in 12..20 {
        world.send(picture, [1, 3, 2, 4][picture as usize % 4], &[], true);
    }
    let pictures: Vec<u32> = world.got(&low).iter().map(|got| got.0).collect();
    assert_eq!(pictures[3..], [12, 13, 14, 15, 16, 17, 18, 19]);
}

#[test]
fn payloads_that_cannot_be_read_are_begun_with_where_the_descriptor_says() {
    let mut world = Described::new(None, false);
    world.send(0, 0, &L1T3, true);
    let viewer = world.view(Wish::everything(1, 1), false);
    assert_eq!(world.call.key_frame_requests(), 1);
    world.send(1, 3, &[], true);
    assert_eq!(world.got(&viewer), [], "not a key frame");
    world.send(2, 0, &L1T3, true);
    world.send(3, 3, &[], true);
    assert_eq!(world.got(&viewer).len(), 2);
}

#[test]
fn payloads_that_cannot_be_read_are_begun_with_anywhere_without_a_descriptor_and_asked_for_a_key_frame_once() {
    let mut world = Described::new(None, false);
    world.call.publish(&Rtp::delta(1));
    let viewer = world.view(Wish::everything(1, 1), false);
    for sequence in 2..200 {
        world.call.publish(&Rtp::delta(sequence));
        world.call.run_for(ms(33));
    }
    assert_eq!(world.got(&viewer).len(), 198);
    assert_eq!(world.call.key_frame_requests(), 1, "nobody could tell when it was answered");
}

#[test]
fn r05_descriptors_that_say_nothing_are_counted_and_their_packets_forwarded() {
    let mut world = Described::new(Some(VideoCodec::Av1), true);
    let viewer = world.view(Wish::everything(2, 1).within_stream(), true);
    send_l2t1(&mut world, 0, 2);
    let before = world.got(&viewer).len();
    let bomb = [&[0x80, 0, 9, 0x80][..], &[0; 12]].concat();
    for bytes in [&[0xc0][..], &[0xc0 | 40, 0, 9], &[0xc0, 0, 9, 0x80], &bomb] {
        let packet = Rtp { sequence: world.frame, timestamp: 9000, payload: vec![0x10; 40], ..Rtp::key(0) };
        publish(&mut world.call, &packet.with_extension(DESCRIPTOR_ID, bytes), true);
        world.frame = world.frame.wrapping_add(1);
    }
    assert_eq!(world.got(&viewer).len(), before + 4);
    let counters = world.call.router.counters(world.call.publisher).unwrap();
    assert_eq!(counters.dependency_descriptors_unread, 4);
}
