use millrace_packet::rtcp::RtcpPacket;
use millrace_packet::rtcp::feedback::FullIntraEntry;

use crate::call::{Call, Rtp, VIDEO_SSRC, ms, video_setup};

#[test]
fn a_new_viewer_asks_for_a_key_frame() {
    let (mut call, producer) = Call::with_video();
    call.view(producer);
    let mut asked = None;
    call.each_rtcp(call.publisher, |packet| {
        if let RtcpPacket::PictureLoss(request) = packet {
            asked = Some((request.ssrcs.sender, request.ssrcs.media));
        }
    });
    assert_eq!(asked, Some((7, VIDEO_SSRC)));
}

#[test]
fn viewers_that_join_together_share_one_request() {
    let (mut call, producer) = Call::with_video();
    for _ in 0..20 {
        call.view(producer);
        call.run_for(ms(10));
    }
    assert_eq!(call.key_frame_requests(), 1);
}

#[test]
fn c04_a_thousand_viewers_asking_a_hundred_times_a_second_reach_the_publisher_once_a_second() {
    let (mut call, producer) = Call::with_video();
    let viewers: Vec<_> = (0..1000).map(|_| call.view(producer)).collect();
    let before = call.key_frame_requests();
    for tick in 0..300u16 {
        call.publish(&if tick % 30 == 0 { Rtp::key(tick) } else { Rtp::delta(tick) });
        for (viewer, ssrc, _) in &viewers {
            call.rtcp(*viewer, |writer| writer.picture_loss(1, *ssrc).unwrap());
        }
        call.out.rtp.clear();
        call.run_for(ms(10));
    }
    assert!(call.key_frame_requests() - before <= 3, "{}", call.key_frame_requests() - before);
}

#[test]
fn a_request_is_repeated_until_a_key_frame_comes() {
    let (mut call, producer) = Call::with_video();
    call.view(producer);
    (1..10).for_each(|sequence| {
        call.publish(&Rtp::delta(sequence));
        call.run_for(ms(500));
    });
    assert_eq!(call.key_frame_requests(), 5);
    call.publish(&Rtp::key(10));
    call.run_for(ms(5000));
    assert_eq!(call.key_frame_requests(), 5);
}

#[test]
fn fir_is_sent_where_pli_is_not_negotiated_with_a_new_command_each_time() {
    let mut call = Call::new();
    let mut setup = video_setup(call.publisher);
    setup.codecs[0].feedback.pli = false;
    let producer = call.router.produce(setup).unwrap();
    call.view(producer);
    call.run_for(ms(1000));
    let mut entries = Vec::new();
    call.each_rtcp(call.publisher, |packet| {
        if let RtcpPacket::FullIntraRequest(request) = packet {
            entries.extend(request.entries());
        }
    });
    let expected = [1, 2].map(|command| FullIntraEntry { ssrc: VIDEO_SSRC, command });
    assert_eq!(entries, expected);
}

#[test]
fn a_viewers_fir_becomes_a_request() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ssrc, _) = call.view(producer);
    call.publish_pictures(1..60);
    let before = call.key_frame_requests();
    call.rtcp(viewer, |writer| writer.full_intra_request(1, FullIntraEntry { ssrc, command: 3 }).unwrap());
    assert_eq!(call.key_frame_requests(), before + 1);
}

#[test]
fn the_application_can_ask_but_not_for_a_paused_consumer() {
    let (mut call, producer) = Call::with_video();
    let (_, _, consumer) = call.view(producer);
    call.publish_pictures(1..60);
    let before = call.key_frame_requests();
    call.router.request_key_frame(consumer, call.now, &mut call.out);
    assert_eq!(call.key_frame_requests(), before + 1);
    call.publish_pictures(60..120);
    call.router.pause_consumer(consumer, call.now, &mut call.out);
    call.router.request_key_frame(consumer, call.now, &mut call.out);
    assert_eq!(call.key_frame_requests(), before + 1);
}

#[test]
fn a_request_before_the_first_packet_is_made_up_for_when_it_comes() {
    let mut call = Call::new();
    let mut setup = video_setup(call.publisher);
    setup.streams[0] = Default::default();
    let producer = call.router.produce(setup).unwrap();
    call.view(producer);
    assert_eq!(call.key_frame_requests(), 0, "nobody knows the SSRC");
    call.publish(&Rtp::delta(1).with_extension(crate::call::MID_ID, b"video"));
    assert_eq!(call.key_frame_requests(), 1);
}

#[test]
fn a_silent_stream_is_left_in_peace_and_asked_again_when_it_speaks() {
    let (mut call, producer) = Call::with_video();
    call.view(producer);
    call.run_for(ms(60_000));
    let asked = call.key_frame_requests();
    assert!(asked <= 6, "{asked}");
    assert_eq!(call.router.deadline(), None);
    call.publish(&Rtp::delta(1));
    assert_eq!(call.key_frame_requests(), asked + 1);
}

#[test]
fn a_producer_without_viewers_is_never_asked() {
    let (mut call, producer) = Call::with_video();
    let (_, _, consumer) = call.view(producer);
    let asked = call.key_frame_requests();
    call.router.close_consumer(consumer);
    call.publish(&Rtp::delta(1));
    call.publish(&Rtp::delta(600));
    call.run_for(ms(5000));
    assert_eq!(call.key_frame_requests(), asked);
}
