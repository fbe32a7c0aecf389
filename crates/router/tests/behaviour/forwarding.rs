use millrace_packet::Priority;
use millrace_router::RouterEvent;

use crate::call::{AUDIO_PT, Call, Rtp, VIDEO_PT, VIEWER_AUDIO_PT, VIEWER_PT, audio_setup, ms, video_setup};

#[test]
fn video_starts_with_a_key_frame() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::delta(1));
    call.publish(&Rtp::delta(2));
    assert_eq!(call.seen(viewer), []);
    call.publish(&Rtp::key(3));
    call.publish(&Rtp::delta(4));
    assert_eq!(call.seen(viewer), [(1000, Some(3)), (1001, Some(4))]);
    assert!(call.out.rtp[0].key_frame);
}

#[test]
fn audio_flows_at_once() {
    let mut call = Call::new();
    let producer = call.router.produce(audio_setup(call.publisher)).unwrap();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::audio(500));
    assert_eq!(call.seen(viewer), [(1000, Some(500u16 as u8))]);
    let rewrite = call.out.rtp[0].rewrite;
    assert_eq!((rewrite.payload_type, rewrite.priority), (VIEWER_AUDIO_PT, Priority::Audio));
}

#[test]
fn a_viewer_gets_its_own_numbers_and_payload_type() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(40_000));
    let rewrite = call.out.rtp[0].rewrite;
    assert_eq!((rewrite.sequence, rewrite.payload_type, rewrite.priority), (1000, VIEWER_PT, Priority::Video));
    assert_eq!((call.out.rtp[0].session, rewrite.original_sequence), (viewer, None));
}

#[test]
fn numbers_go_on_over_the_wrap_of_the_publisher() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(65_534));
    [65_535, 0, 1].into_iter().for_each(|sequence| call.publish(&Rtp::delta(sequence)));
    assert_eq!(call.sequences(viewer), [1000, 1001, 1002, 1003]);
}

#[test]
fn reordered_packets_keep_their_order_in_numbers() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(10));
    [12, 11, 13].into_iter().for_each(|sequence| call.publish(&Rtp::delta(sequence)));
    assert_eq!(call.seen(viewer), [(1000, Some(10)), (1002, Some(12)), (1001, Some(11)), (1003, Some(13))]);
}

#[test]
fn duplicates_reach_nobody() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    [Rtp::key(10), Rtp::key(10), Rtp::delta(11), Rtp::delta(11)].iter().for_each(|packet| call.publish(packet));
    assert_eq!(call.sequences(viewer), [1000, 1001]);
    assert_eq!(call.router.counters(call.publisher).unwrap().rtp_packets_dropped_duplicate, 2);
}

#[test]
fn packets_that_overtook_the_start_of_the_key_frame_follow_it() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    [Rtp::delta(9), Rtp::delta(11), Rtp::delta(12), Rtp::key(10)].iter().for_each(|packet| call.publish(packet));
    assert_eq!(call.seen(viewer), [(1000, Some(10)), (1001, Some(11)), (1002, Some(12))]);
}

#[test]
fn padding_only_packets_leave_no_hole() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(10));
    [11, 12].into_iter().for_each(|sequence| call.publish(&Rtp::padding(sequence)));
    call.publish(&Rtp::delta(13));
    assert_eq!(call.seen(viewer), [(1000, Some(10)), (1001, Some(13))]);
}

#[test]
fn padding_that_was_overtaken_fills_its_hole() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(10));
    call.publish(&Rtp::delta(12));
    call.publish(&Rtp::padding(11));
    assert_eq!(call.seen(viewer), [(1000, Some(10)), (1002, Some(12)), (1001, None)]);
}

#[test]
fn a_paused_consumer_gets_nothing_and_goes_on_without_a_gap_at_a_key_frame() {
    let (mut call, producer) = Call::with_video();
    let (viewer, _, consumer) = call.view(producer);
    call.publish_pictures(1..4);
    call.router.pause_consumer(consumer, call.now, &mut call.out);
    call.publish(&Rtp::delta(4));
    call.router.resume_consumer(consumer, call.now, &mut call.out);
    call.publish(&Rtp::delta(5));
    call.publish(&Rtp::key(6));
    let expected = [(1000, Some(1)), (1001, Some(2)), (1002, Some(3)), (1003, Some(6))];
    assert_eq!(call.seen(viewer), expected);
}

#[test]
fn timestamps_go_on_with_the_publisher_over_a_pause() {
    let (mut call, producer) = Call::with_video();
    let (_, _, consumer) = call.view(producer);
    call.publish_pictures(1..4);
    call.router.pause_consumer(consumer, call.now, &mut call.out);
    call.run_for(ms(330));
    call.router.resume_consumer(consumer, call.now, &mut call.out);
    call.publish(&Rtp::key(14));
    let timestamps: Vec<_> = call.out.rtp.iter().map(|sent| sent.rewrite.timestamp).collect();
    assert_eq!(timestamps, [3000, 6000, 9000, 14 * 3000]);
}

#[test]
fn a_consumer_may_start_paused() {
    let (mut call, producer) = Call::with_video();
    let viewer = call.add_session();
    let setup = call.consumer_setup(viewer, producer);
    let consumer = call.consume(millrace_router::setup::ConsumerSetup { paused: true, ..setup });
    call.publish(&Rtp::key(1));
    assert_eq!((call.seen(viewer).len(), call.key_frame_requests()), (0, 0));
    call.router.resume_consumer(consumer, call.now, &mut call.out);
    call.publish(&Rtp::key(2));
    assert_eq!((call.seen(viewer).len(), call.key_frame_requests()), (1, 1));
}

#[test]
fn a_paused_producer_stops_its_viewers_until_it_resumes_with_a_key_frame() {
    let (mut call, producer) = Call::with_video();
    let (viewer, _, consumer) = call.view(producer);
    call.publish_pictures(1..3);
    assert_eq!(call.router.pause_producer(producer, call.now, &mut call.out), [consumer]);
    assert_eq!(call.router.pause_producer(producer, call.now, &mut call.out), [], "a second pause changes nothing");
    call.publish_pictures(3..40);
    let requests = call.key_frame_requests();
    assert_eq!(call.router.resume_producer(producer, call.now, &mut call.out), [consumer]);
    assert_eq!(call.key_frame_requests(), requests + 1);
    [Rtp::delta(40), Rtp::key(41)].iter().for_each(|packet| call.publish(packet));
    assert_eq!(call.seen(viewer), [(1000, Some(1)), (1001, Some(2)), (1002, Some(41))]);
    assert_eq!(call.nacked(), [0u16; 0], "nothing is missed while paused");
}

#[test]
fn a_viewer_whose_transport_is_not_connected_gets_nothing_until_it_is() {
    let (mut call, producer) = Call::with_video();
    let setup = millrace_router::setup::SessionSetup { ssrc: 9, cname: "late".to_owned() };
    let viewer = call.router.add_session(setup);
    let setup = call.consumer_setup(viewer, producer);
    call.consume(setup);
    call.publish(&Rtp::key(1));
    assert_eq!((call.seen(viewer).len(), call.key_frame_requests()), (0, 0));
    call.router.connect_session(viewer, call.now, &mut call.out);
    call.publish(&Rtp::key(2));
    assert_eq!((call.seen(viewer).len(), call.key_frame_requests()), (1, 1));
    call.router.disconnect_session(viewer, call.now, &mut call.out);
    call.publish(&Rtp::key(3));
    assert_eq!(call.seen(viewer).len(), 1);
}

#[test]
fn packets_of_a_codec_that_a_viewer_does_not_take_leave_no_hole() {
    let mut call = Call::new();
    let mut setup = video_setup(call.publisher);
    setup.codecs.push(millrace_router::setup::CodecSetup { payload_type: 100, ..setup.codecs[0].clone() });
    let producer = call.router.produce(setup).unwrap();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(1));
    call.publish(&Rtp { payload_type: 100, ..Rtp::delta(2) });
    call.publish(&Rtp::delta(3));
    assert_eq!(call.seen(viewer), [(1000, Some(1)), (1001, Some(3))]);
}

#[test]
fn packets_without_sound_leave_no_hole_for_a_viewer_that_ignores_them() {
    let mut call = Call::new();
    let producer = call.router.produce(audio_setup(call.publisher)).unwrap();
    let (hears_all, _, _) = call.view(producer);
    let session = call.add_session();
    let setup = call.consumer_setup(session, producer);
    call.consume(millrace_router::setup::ConsumerSetup { wish: millrace_router::Wish::all_but_silence(), ..setup });
    for sequence in 1..=10 {
        let is_silent = (3..=8).contains(&sequence);
        let packet = Rtp::audio(sequence);
        let payload = if is_silent { vec![0x78] } else { packet.payload.clone() };
        call.publish(&Rtp { payload, ..packet });
    }
    assert_eq!(call.sequences(hears_all), (1000..1010).collect::<Vec<_>>());
    assert_eq!(call.seen(session), [(1000, Some(1)), (1001, Some(2)), (1002, Some(9)), (1003, Some(10))]);
}

#[test]
fn closing_a_consumer_leaves_the_others_alone() {
    let (mut call, producer) = Call::with_video();
    let (first, _, first_consumer) = call.view(producer);
    let (second, _, second_consumer) = call.view(producer);
    let (third, ..) = call.view(producer);
    call.router.close_consumer(first_consumer);
    call.publish(&Rtp::key(1));
    call.router.close_consumer(second_consumer);
    call.publish(&Rtp::delta(2));
    assert_eq!((call.seen(first).len(), call.seen(second).len(), call.seen(third).len()), (0, 1, 2));
}

#[test]
fn closing_a_session_names_everything_that_ends() {
    let (mut call, producer) = Call::with_video();
    let (viewer, _, consumer) = call.view(producer);
    let setup = call.consumer_setup(call.publisher, producer);
    let own = call.consume(setup);
    let closed = call.router.close_session(call.publisher);
    assert_eq!((closed.producers, closed.consumers, closed.orphans), (vec![producer], vec![own], vec![consumer]));
    call.publish(&Rtp::key(1));
    assert_eq!(call.seen(viewer), []);
    assert!(call.router.counters(call.publisher).is_none());
}

#[test]
fn a_closed_producer_can_be_opened_again_with_the_same_numbers() {
    let (mut call, producer) = Call::with_video();
    let (_, _, consumer) = call.view(producer);
    assert_eq!(call.router.close_producer(producer), [consumer]);
    let producer = call.router.produce(video_setup(call.publisher)).unwrap();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(7));
    assert_eq!(call.seen(viewer), [(1000, Some(7))]);
}

#[test]
fn audio_and_video_of_one_session_do_not_mix() {
    let (mut call, video) = Call::with_video();
    let audio = call.router.produce(audio_setup(call.publisher)).unwrap();
    let viewer = call.add_session();
    for producer in [video, audio] {
        let setup = call.consumer_setup(viewer, producer);
        call.consume(setup);
    }
    call.publish(&Rtp::key(1));
    call.publish(&Rtp::audio(1));
    let streams: Vec<_> = call.out.rtp.iter().map(|sent| sent.rewrite.stream.0).collect();
    assert_eq!(streams, [1, 2]);
    assert_ne!(VIDEO_PT, AUDIO_PT);
}

#[test]
fn a_turned_camera_is_told_once() {
    let (mut call, producer) = Call::with_video();
    for (sequence, byte) in [(1, 0), (2, 0), (3, 1), (4, 1)] {
        call.publish(&Rtp::key(sequence).with_extension(4, &[byte]));
    }
    let turns: Vec<_> = call
        .out
        .events
        .iter()
        .filter_map(|event| match event {
            RouterEvent::VideoOrientation { producer: whose, orientation } => {
                Some((*whose == producer, orientation.rotation_degrees))
            }
            _ => None,
        })
        .collect();
    assert_eq!(turns, [(true, 0), (true, 90)]);
}

#[test]
fn an_idle_router_has_no_deadline() {
    let (mut call, producer) = Call::with_video();
    call.view(producer);
    call.publish_pictures(1..60);
    call.run_for(ms(30_000));
    assert_eq!(call.router.deadline(), None);
    assert_eq!(call.pool.slots_held(), 0, "an idle stream keeps no packets");
}
