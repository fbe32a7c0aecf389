//! A viewer goes to another producer: what it sees has no seam.

use millrace_packet::PictureEdit;
use millrace_packet::rtcp::feedback::FeedbackSsrcs;
use millrace_packet::rtcp::{RtcpPacket, SenderInfo};
use millrace_router::setup::{PayloadTypes, ProducerSetup, SessionSetup, StreamSetup};
use millrace_router::{ConsumerIndex, ProducerIndex, ReplaceError, Replacement, RouterEvent, SessionId, Wish};

use crate::call::{
    AUDIO_PT, AUDIO_SSRC, Call, Rtp, VIDEO_PT, VIEWER_AUDIO_PT, VIEWER_PT, VIEWER_RTX_PT, audio_setup, ms, video_setup,
};

const PICTURE_TICKS: u32 = 3000;

/// A publisher with one camera, whose clock and numbers are its own.
struct Camera {
    session: SessionId,
    producer: ProducerIndex,
    ssrc: u32,
    sequence: u16,
    clock: u32,
    picture_id: u16,
    wants_key: bool,
    answered: usize,
    silent: bool,
}

struct Stage {
    call: Call,
    cameras: Vec<Camera>,
    pictures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Got {
    camera: u8,
    key: bool,
    sequence: u16,
    timestamp: u32,
    picture_id: u16,
}

impl Stage {
    fn with_cameras(cameras: u8) -> Self {
        let mut call = Call::new();
        let cameras = (0..cameras).map(|number| Camera::open(&mut call, number)).collect();
        Self { call, cameras, pictures: 0 }
    }

    fn replace(&mut self, consumer: ConsumerIndex, camera: usize) {
        let replacement = self.replacement(camera);
        let (router, out) = (&mut self.call.router, &mut self.call.out);
        router.replace_producer(consumer, &replacement, self.call.now, out).unwrap();
    }

    fn replacement(&self, camera: usize) -> Replacement {
        let types = PayloadTypes { producer: VIDEO_PT, viewer: VIEWER_PT, viewer_rtx: Some(VIEWER_RTX_PT) };
        Replacement {
            producer: self.cameras[camera].producer,
            payload_types: vec![types],
            everything: Wish::everything(1, 1),
        }
    }

    /// Every camera that is not silent sends pictures, 30 a second, in two packets each, with a report a second. Key
    /// frames come when they were asked for, a picture later.
    fn send(&mut self, count: usize) {
        for _ in 0..count {
            for number in 0..self.cameras.len() {
                let asked = self.asked(number);
                let camera = &mut self.cameras[number];
                camera.wants_key |= asked > camera.answered;
                camera.answered = asked;
                if !camera.silent {
                    self.send_picture(number);
                }
            }
            self.pictures += 1;
            self.call.run_for(ms(33));
        }
    }

    fn send_picture(&mut self, number: usize) {
        let pictures = self.pictures;
        let camera = &mut self.cameras[number];
        let key = std::mem::take(&mut camera.wants_key);
        let [high, low] = (camera.picture_id | 0x8000).to_be_bytes();
        camera.picture_id = (camera.picture_id + 1) & 0x7fff;
        let timestamp = camera.clock.wrapping_add(pictures * PICTURE_TICKS);
        for part in 0..2 {
            let start = if part == 0 { 0x90 } else { 0x80 };
            let payload = vec![start, 0x80, high, low, u8::from(!key), number as u8, part];
            let packet = Rtp { ssrc: camera.ssrc, sequence: camera.sequence, timestamp, payload, ..Rtp::key(0) };
            camera.sequence = camera.sequence.wrapping_add(1);
            self.call.publish_bytes(camera.session, &packet.bytes());
        }
        if pictures.is_multiple_of(30) {
            let (session, ssrc) = (camera.session, camera.ssrc);
            let elapsed_ms = u64::from(pictures) * 33;
            let ntp = ((77 + number as u64 * 1000) << 32) + (elapsed_ms << 32) / 1000;
            let info = SenderInfo { ntp, rtp_timestamp: timestamp, ..SenderInfo::default() };
            self.call.rtcp(session, |writer| writer.sender_report(ssrc, &info, &[]).unwrap());
        }
    }

    /// Key frames that a camera was asked for so far.
    fn asked(&self, number: usize) -> usize {
        let mut asked = 0;
        self.call.each_rtcp(self.cameras[number].session, |packet| {
            asked += usize::from(matches!(packet, RtcpPacket::PictureLoss(_)));
        });
        asked
    }

    fn got(&self, viewer: SessionId) -> Vec<Got> {
        let sent = self.call.out.rtp.iter().filter(|sent| sent.session == viewer);
        sent.filter(|sent| sent.rewrite.original_sequence.is_none())
            .map(|sent| Got {
                camera: sent.payload[5],
                key: sent.payload[4] == 0,
                sequence: sent.rewrite.sequence,
                timestamp: sent.rewrite.timestamp,
                picture_id: match sent.rewrite.picture {
                    Some(PictureEdit::Numbers(edit)) => edit.id,
                    _ => u16::from_be_bytes([sent.payload[2], sent.payload[3]]) & 0x7fff,
                },
            })
            .collect()
    }

    fn close(&mut self, camera: usize) -> Vec<ConsumerIndex> {
        self.cameras[camera].silent = true;
        self.call.router.close_producer(self.cameras[camera].producer)
    }
}

impl Camera {
    fn open(call: &mut Call, number: u8) -> Self {
        let session =
            call.router.add_session(SessionSetup { ssrc: 100 + u32::from(number), cname: "camera".to_owned() });
        let ssrc = 70_000 + u32::from(number);
        let stream = StreamSetup { ssrc: Some(ssrc), ..StreamSetup::default() };
        let producer = call.router.produce(ProducerSetup { streams: vec![stream], ..video_setup(session) }).unwrap();
        let far = u32::from(number);
        Self {
            session,
            producer,
            ssrc,
            sequence: 65_530u16.wrapping_add(u16::from(number) * 20_000),
            clock: (u32::MAX - 90_000).wrapping_add(far * 1_000_000_007),
            picture_id: (32_700 + u16::from(number) * 9000) & 0x7fff,
            wants_key: true,
            answered: 0,
            silent: false,
        }
    }
}

fn assert_seamless(got: &[Got]) {
    for pair in got.windows(2) {
        let [before, after] = pair else { continue };
        assert_eq!(after.sequence, before.sequence.wrapping_add(1), "{before:?} {after:?}");
        let step = after.timestamp.wrapping_sub(before.timestamp);
        let is_same = before.picture_id == after.picture_id;
        assert!(if is_same { step == 0 } else { (1..9000).contains(&step) }, "{before:?} {after:?}");
        assert!(is_same || after.picture_id == (before.picture_id + 1) & 0x7fff, "{before:?} {after:?}");
    }
}

fn runs(got: &[Got]) -> Vec<u8> {
    let mut runs: Vec<u8> = got.iter().map(|got| got.camera).collect();
    runs.dedup();
    runs
}

#[test]
fn media_goes_on_from_the_old_producer_until_the_key_frame_of_the_new_one_and_nobody_sees_a_seam() {
    let mut stage = Stage::with_cameras(3);
    stage.send(5);
    let (viewer, _, consumer) = stage.call.view(stage.cameras[0].producer);
    stage.send(40);
    for camera in [1, 2, 0, 1] {
        let before = stage.got(viewer).len();
        stage.replace(consumer, camera);
        assert_eq!(stage.call.router.viewed(consumer), Some(stage.cameras[camera].producer));
        stage.send(40);
        let got = stage.got(viewer);
        let first = got.iter().skip(before).find(|got| usize::from(got.camera) == camera).unwrap();
        assert!(first.key, "{first:?}");
        assert!(got.len() - before >= 78, "no freeze: {}", got.len() - before);
    }
    let got = stage.got(viewer);
    assert_eq!(runs(&got), [0, 1, 2, 0, 1]);
    assert_seamless(&got);
}

#[test]
fn timestamps_of_the_new_producer_are_those_that_sender_reports_name() {
    let mut stage = Stage::with_cameras(2);
    stage.send(5);
    let (viewer, _, consumer) = stage.call.view(stage.cameras[0].producer);
    stage.send(60);
    stage.replace(consumer, 1);
    stage.send(30);
    let got = stage.got(viewer);
    let at = got.iter().position(|got| got.camera == 1).unwrap();
    let step = got[at].timestamp.wrapping_sub(got[at - 1].timestamp) as i32;
    // Both cameras show the same instant; the reports of each tell so to within what the clocks' estimate errs.
    assert!((0..PICTURE_TICKS as i32 + 200).contains(&step), "{step}");
    assert_seamless(&got);
}

#[test]
fn an_old_producer_that_closes_meanwhile_leaves_the_viewer_waiting() {
    let mut stage = Stage::with_cameras(2);
    stage.cameras[1].silent = true;
    stage.send(5);
    let (viewer, _, consumer) = stage.call.view(stage.cameras[0].producer);
    stage.send(10);
    stage.replace(consumer, 1);
    stage.send(10);
    let seen = stage.got(viewer).len();
    assert!(stage.close(0).is_empty(), "it is not the old producer's viewer any more");
    stage.cameras[1].silent = false;
    stage.send(40);
    let got = stage.got(viewer);
    assert!(got[seen].key && got[seen].camera == 1);
    let jump = got[seen].sequence.wrapping_sub(got[seen - 1].sequence);
    assert_eq!((jump, runs(&got)), (1, vec![0, 1]));
}

#[test]
fn a_new_producer_that_closes_meanwhile_takes_the_viewer_along() {
    let mut stage = Stage::with_cameras(2);
    stage.cameras[1].silent = true;
    stage.send(5);
    let (viewer, _, consumer) = stage.call.view(stage.cameras[0].producer);
    stage.send(10);
    stage.replace(consumer, 1);
    assert_eq!(stage.close(1), [consumer]);
    let seen = stage.got(viewer).len();
    stage.send(10);
    assert_eq!(stage.got(viewer).len(), seen);
    assert!(stage.close(0).is_empty());
}

#[test]
fn the_last_replacement_counts_and_one_by_itself_changes_nothing() {
    let mut stage = Stage::with_cameras(3);
    stage.send(5);
    let (viewer, _, consumer) = stage.call.view(stage.cameras[0].producer);
    stage.send(40);
    stage.replace(consumer, 0);
    stage.replace(consumer, 1);
    stage.replace(consumer, 1);
    stage.replace(consumer, 2);
    stage.send(60);
    assert_eq!(runs(&stage.got(viewer)), [0, 2]);
    stage.replace(consumer, 1);
    stage.replace(consumer, 2);
    stage.send(60);
    assert_eq!(runs(&stage.got(viewer)), [0, 2], "back again before the key frame came");
    assert_seamless(&stage.got(viewer));
}

#[test]
fn a_paused_viewer_goes_at_once_and_a_paused_producer_stops_it() {
    let mut stage = Stage::with_cameras(2);
    stage.send(5);
    let (viewer, _, consumer) = stage.call.view(stage.cameras[0].producer);
    stage.send(40);
    stage.replace(consumer, 1);
    stage.call.router.pause_consumer(consumer, stage.call.now, &mut stage.call.out);
    stage.call.router.resume_consumer(consumer, stage.call.now, &mut stage.call.out);
    stage.send(40);
    assert_eq!(runs(&stage.got(viewer)), [0, 1]);

    let paused = stage.cameras[0].producer;
    assert!(stage.call.router.pause_producer(paused, stage.call.now, &mut stage.call.out).is_empty());
    stage.replace(consumer, 0);
    let seen = stage.got(viewer).len();
    stage.send(10);
    assert_eq!(stage.got(viewer).len(), seen, "nothing of either");
    let told = stage.call.router.resume_producer(paused, stage.call.now, &mut stage.call.out);
    assert_eq!(told, [consumer]);
    stage.send(40);
    assert_eq!(runs(&stage.got(viewer)), [0, 1, 0]);
}

#[test]
fn who_waits_is_told_when_the_new_producer_is_paused_and_not_when_the_old_one_is() {
    let mut stage = Stage::with_cameras(2);
    stage.cameras[1].silent = true;
    stage.send(5);
    let (_, _, consumer) = stage.call.view(stage.cameras[0].producer);
    stage.send(10);
    stage.replace(consumer, 1);
    let [old, new] = [0, 1].map(|camera| stage.cameras[camera].producer);
    assert!(stage.call.router.pause_producer(old, stage.call.now, &mut stage.call.out).is_empty());
    assert_eq!(stage.call.router.pause_producer(new, stage.call.now, &mut stage.call.out), [consumer]);
    assert!(stage.call.router.resume_producer(old, stage.call.now, &mut stage.call.out).is_empty());
}

#[test]
fn lost_packets_of_the_old_producer_are_not_resent_from_the_new_one() {
    let mut stage = Stage::with_cameras(2);
    // The same places in both caches.
    stage.cameras[1].sequence = stage.cameras[0].sequence;
    stage.send(5);
    let (viewer, ssrc, consumer) = stage.call.view(stage.cameras[0].producer);
    stage.send(40);
    stage.replace(consumer, 1);
    stage.send(20);
    let got = stage.got(viewer);
    let at = got.iter().position(|got| got.camera == 1).unwrap();
    let missing = [got[at - 1].sequence, got[at].sequence];
    stage.call.rtcp(viewer, |writer| writer.nack(FeedbackSsrcs { sender: 1, media: ssrc }, missing).unwrap());
    let resent = stage.call.out.rtp.iter().filter_map(|sent| Some((sent.rewrite.original_sequence?, sent.payload[5])));
    assert_eq!(resent.collect::<Vec<_>>(), [(missing[1], 1)]);
}

#[test]
fn a_key_frame_whose_rest_overtook_it_is_given_whole() {
    let mut stage = Stage::with_cameras(2);
    stage.send(5);
    let (viewer, _, consumer) = stage.call.view(stage.cameras[0].producer);
    stage.send(40);
    stage.replace(consumer, 1);
    let (session, ssrc) = (stage.cameras[1].session, stage.cameras[1].ssrc);
    let first = stage.cameras[1].sequence;
    let id = (stage.cameras[1].picture_id | 0x8000).to_be_bytes();
    for part in [1u8, 0] {
        let payload = vec![if part == 0 { 0x90 } else { 0x80 }, 0x80, id[0], id[1], 0, 1, part];
        let sequence = first.wrapping_add(part.into());
        let packet = Rtp { ssrc, sequence, timestamp: 0, payload, ..Rtp::key(0) };
        stage.call.publish_bytes(session, &packet.bytes());
    }
    let parts: Vec<u8> = stage.call.out.rtp.iter().rev().take(2).map(|sent| sent.payload[6]).collect();
    assert_eq!((parts, stage.got(viewer).last().unwrap().camera), (vec![1, 0], 1));
}

#[test]
fn audio_goes_over_at_once_with_payload_types_of_its_own() {
    let mut call = Call::new();
    let producers = [0, 1].map(|number| {
        let mut setup = audio_setup(call.publisher);
        setup.mid = Some(number.to_string());
        setup.streams = vec![StreamSetup { ssrc: Some(AUDIO_SSRC + number), ..StreamSetup::default() }];
        setup.codecs[0].payload_type = AUDIO_PT - number as u8;
        call.router.produce(setup).unwrap()
    });
    let (viewer, _, consumer) = call.view(producers[0]);
    for sequence in 0..100 {
        if sequence == 50 {
            let types = PayloadTypes { producer: AUDIO_PT - 1, viewer: VIEWER_AUDIO_PT, viewer_rtx: None };
            let (payload_types, everything) = (vec![types], Wish::everything(1, 1));
            let replacement = Replacement { producer: producers[1], payload_types, everything };
            call.router.replace_producer(consumer, &replacement, call.now, &mut call.out).unwrap();
        }
        call.publish(&Rtp { payload: vec![0; 20], ..Rtp::audio(sequence) });
        let (ssrc, payload_type) = (AUDIO_SSRC + 1, AUDIO_PT - 1);
        let timestamp = u32::from(sequence) * 960 + 1_000_000;
        let (other, payload) = (Rtp::audio(sequence.wrapping_add(9000)), vec![1; 20]);
        call.publish(&Rtp { ssrc, payload_type, payload, timestamp, ..other });
        call.run_for(ms(20));
    }
    let sent: Vec<_> = call.out.rtp.iter().filter(|sent| sent.session == viewer).collect();
    let from: Vec<u8> = sent.iter().map(|sent| sent.payload[0]).collect();
    assert_eq!(from, [vec![0; 50], vec![1; 50]].concat());
    assert!(sent.iter().all(|sent| sent.rewrite.payload_type == VIEWER_AUDIO_PT));
    for pair in sent.windows(2) {
        let [before, after] = [pair[0].rewrite, pair[1].rewrite];
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        assert_eq!(after.timestamp.wrapping_sub(before.timestamp), 960, "by the time that passed");
    }
}

#[test]
fn audio_does_not_take_the_place_of_video() {
    let mut stage = Stage::with_cameras(1);
    let (_, _, consumer) = stage.call.view(stage.cameras[0].producer);
    let audio = stage.call.router.produce(audio_setup(stage.call.publisher)).unwrap();
    let replacement = Replacement { producer: audio, ..stage.replacement(0) };
    let (router, out) = (&mut stage.call.router, &mut stage.call.out);
    let refused = router.replace_producer(consumer, &replacement, stage.call.now, out);
    assert_eq!(refused, Err(ReplaceError::OtherKind));
    router.close_consumer(consumer);
    let (itself, router) = (stage.replacement(0), &mut stage.call.router);
    let gone = router.replace_producer(consumer, &itself, stage.call.now, &mut stage.call.out);
    assert_eq!(gone, Err(ReplaceError::Unknown));
}

#[test]
fn a_viewer_of_simulcast_keeps_its_preference_and_one_of_a_single_stream_has_none() {
    let mut stage = Stage::with_cameras(2);
    let stream = |number: u32| StreamSetup { ssrc: Some(80_000 + number), ..StreamSetup::default() };
    let setup = ProducerSetup { streams: vec![stream(0), stream(1)], ..video_setup(stage.call.publisher) };
    let simulcast = stage.call.router.produce(setup).unwrap();
    stage.send(5);
    let (_, _, consumer) = stage.call.view(stage.cameras[0].producer);
    stage.send(10);
    let everything = Wish::everything(2, 1);
    let replacement = Replacement { producer: simulcast, everything, ..stage.replacement(0) };
    let (now, out) = (stage.call.now, &mut stage.call.out);
    stage.call.router.replace_producer(consumer, &replacement, now, out).unwrap();
    let preferred = stage.call.router.preferred_layers(consumer).unwrap();
    assert_eq!(preferred.spatial_layer, 1, "everything");
    let set = stage.call.router.set_preferred_layers(consumer, 0, None, now, &mut stage.call.out).unwrap();
    assert_eq!(set.spatial_layer, 0);
    for number in [0, 1] {
        stage.call.publish(&Rtp { ssrc: 80_000 + number, timestamp: 7, ..Rtp::key(10) });
    }
    stage.call.run_for(ms(50));
    stage.send(3);
    stage.replace(consumer, 1);
    stage.send(40);
    assert_eq!(stage.call.router.preferred_layers(consumer), None);
    let told = stage.call.out.events.iter().filter_map(|event| match event {
        RouterEvent::ConsumerLayers { layers, .. } => Some(layers.map(|layers| layers.spatial_layer)),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [Some(0), None]);
}
