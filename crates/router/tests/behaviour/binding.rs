use millrace_router::setup::{ConsumeError, ConsumerSetup, ProduceError, ProducerSetup, StreamSetup};
use millrace_router::{ProducerIndex, SessionId, Wish};

use crate::call::{
    AUDIO_SSRC, Call, MID_ID, REPAIRED_RID_ID, RID_ID, RTX_SSRC, Rtp, VIDEO_SSRC, audio_setup, video_setup,
};

#[test]
fn a_stream_without_ssrc_is_found_by_its_mid() {
    let mut call = Call::new();
    let mut setup = video_setup(call.publisher);
    setup.streams = vec![StreamSetup::default()];
    let producer = call.router.produce(setup).unwrap();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(1).with_extension(MID_ID, b"other"));
    call.publish(&Rtp::key(2).with_extension(MID_ID, b"video"));
    call.publish(&Rtp::delta(3));
    assert_eq!(call.sequences(viewer), [1000, 1001], "the SSRC is known after the first packet");
}

#[test]
fn streams_are_found_by_rid_and_their_rtx_by_repaired_rid() {
    let mut call = Call::new();
    let mut setup = video_setup(call.publisher);
    setup.streams = vec![StreamSetup { rid: Some("hi".to_owned()), ..StreamSetup::default() }];
    let producer = call.router.produce(setup).unwrap();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(1).with_extension(RID_ID, b"hi"));
    call.publish(&Rtp::delta(3));
    call.publish(&Rtp::delta(2).into_rtx(1).with_extension(REPAIRED_RID_ID, b"hi"));
    assert_eq!(call.sequences(viewer), [1000, 1002, 1001]);
}

#[test]
fn r04_a_stream_keeps_its_first_ssrc() {
    let mut call = Call::new();
    let mut setup = video_setup(call.publisher);
    setup.streams = vec![StreamSetup { rid: Some("hi".to_owned()), ..StreamSetup::default() }];
    let producer = call.router.produce(setup).unwrap();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(1).with_extension(RID_ID, b"hi"));
    for ssrc in 0..10_000 {
        let spoofed = Rtp { ssrc: 10_000 + ssrc, ..Rtp::key(2) }.with_extension(RID_ID, b"hi");
        call.publish(&spoofed.with_extension(MID_ID, b"video"));
    }
    call.publish(&Rtp::delta(2));
    assert_eq!(call.sequences(viewer), [1000, 1001]);
    assert_eq!(call.router.counters(call.publisher).unwrap().rtp_packets_dropped_unknown_ssrc, 10_000);
}

#[test]
fn r04_ten_thousand_rids_and_repaired_rids_without_their_stream_bind_nothing() {
    let mut call = Call::new();
    let mut setup = video_setup(call.publisher);
    setup.streams =
        ["hi", "lo"].map(|rid| StreamSetup { rid: Some(rid.to_owned()), ..StreamSetup::default() }).to_vec();
    let producer = call.router.produce(setup).unwrap();
    let (viewer, ..) = call.view(producer);
    for number in 0..10_000u32 {
        let stranger = Rtp { ssrc: 10_000 + number, ..Rtp::key(1) }.with_extension(MID_ID, b"video");
        call.publish(&stranger.with_extension(RID_ID, format!("r{number}").as_bytes()));
        // Media is not found by the RID of what it would repair.
        let repair = Rtp { ssrc: 50_000 + number, ..Rtp::key(1) }.with_extension(MID_ID, b"video");
        call.publish(&repair.with_extension(REPAIRED_RID_ID, b"hi"));
    }
    assert_eq!(call.router.counters(call.publisher).unwrap().rtp_packets_dropped_unknown_ssrc, 20_000);
    assert_eq!(call.sequences(viewer), [0u16; 0]);
    call.publish(&Rtp::key(1).with_extension(MID_ID, b"video").with_extension(RID_ID, b"hi"));
    assert_eq!(call.sequences(viewer), [1000], "the streams are free for their own");
}

#[test]
fn a_mid_can_be_used_again_with_another_ssrc_once_its_producer_is_closed() {
    let mut call = Call::new();
    let by_mid = |call: &Call| ProducerSetup { streams: vec![StreamSetup::default()], ..video_setup(call.publisher) };
    let first = call.router.produce(by_mid(&call)).unwrap();
    let (before, ..) = call.view(first);
    call.publish(&Rtp::key(1).with_extension(MID_ID, b"video"));
    call.publish(&Rtp { ssrc: 77, ..Rtp::key(2) }.with_extension(MID_ID, b"video"));
    assert_eq!(call.sequences(before), [1000], "a stream keeps its SSRC");
    call.router.close_producer(first);
    let second = call.router.produce(by_mid(&call)).unwrap();
    let (after, ..) = call.view(second);
    call.publish(&Rtp { ssrc: 77, ..Rtp::key(3) }.with_extension(MID_ID, b"video"));
    assert_eq!((call.sequences(before).len(), call.sequences(after)), (1, vec![1000]));
}

#[test]
fn a_stream_is_found_although_its_first_packets_carry_no_extension() {
    let mut call = Call::new();
    let producer = {
        let setup = ProducerSetup { streams: vec![StreamSetup::default()], ..video_setup(call.publisher) };
        call.router.produce(setup).unwrap()
    };
    let (viewer, ..) = call.view(producer);
    (1..5).for_each(|sequence| call.publish(&Rtp::key(sequence)));
    assert_eq!(call.sequences(viewer), [0u16; 0]);
    call.publish(&Rtp::key(5).with_extension(MID_ID, b"video"));
    call.publish(&Rtp::delta(6));
    assert_eq!(call.sequences(viewer), [1000, 1001]);
}

#[test]
fn unknown_ssrcs_are_counted_and_dropped() {
    let (mut call, _) = Call::with_video();
    call.publish(&Rtp { ssrc: 9, ..Rtp::key(1) });
    assert_eq!(call.router.counters(call.publisher).unwrap().rtp_packets_dropped_unknown_ssrc, 1);
}

#[test]
fn r01_a_peer_that_claims_anothers_ssrc_reaches_only_its_own_viewers() {
    let (mut call, victim) = Call::with_video();
    let (viewer, ..) = call.view(victim);
    let attacker = call.add_session();
    let own = call.router.produce(video_setup(attacker)).unwrap();
    let (fan, ..) = call.view(own);
    call.publish_bytes(attacker, &Rtp::key(1).bytes());
    call.publish_bytes(attacker, &Rtp { ssrc: AUDIO_SSRC, ..Rtp::key(1) }.bytes());
    assert_eq!((call.seen(viewer).len(), call.seen(fan).len()), (0, 1));
}

#[test]
fn r02_a_second_producer_with_the_same_ssrc_mid_or_rid_is_refused() {
    let mut call = Call::new();
    let mut first = video_setup(call.publisher);
    first.streams[0].rid = Some("hi".to_owned());
    call.router.produce(first.clone()).unwrap();
    let with = |ssrc, rtx_ssrc, mid: Option<&str>, rid: Option<&str>| {
        let mut setup = first.clone();
        setup.mid = mid.map(str::to_owned);
        setup.streams = vec![StreamSetup { ssrc, rtx_ssrc, rid: rid.map(str::to_owned) }];
        setup
    };
    let cases = [
        (with(Some(VIDEO_SSRC), None, Some("b"), None), ProduceError::SsrcInUse(VIDEO_SSRC)),
        (with(Some(RTX_SSRC), None, Some("b"), None), ProduceError::SsrcInUse(RTX_SSRC)),
        (with(Some(1), Some(VIDEO_SSRC), Some("b"), None), ProduceError::SsrcInUse(VIDEO_SSRC)),
        (with(Some(1), Some(1), Some("b"), None), ProduceError::SsrcInUse(1)),
        (with(Some(1), None, Some("video"), None), ProduceError::MidInUse("video".to_owned())),
        (with(None, None, None, Some("hi")), ProduceError::RidInUse("hi".to_owned())),
    ];
    for (setup, expected) in cases {
        assert_eq!(call.router.produce(setup), Err(expected));
    }
    assert!(call.router.produce(with(Some(1), None, Some("b"), Some("hi"))).is_ok(), "MIDs tell them apart");
}

#[test]
fn a_refused_producer_leaves_nothing_behind() {
    let (mut call, _) = Call::with_video();
    let mut setup = audio_setup(call.publisher);
    setup.mid = Some("video".to_owned());
    assert!(call.router.produce(setup).is_err());
    assert!(call.router.produce(audio_setup(call.publisher)).is_ok());
}

#[test]
fn counts_of_streams_and_codecs_are_bounded() {
    let mut call = Call::new();
    let mut setup = video_setup(call.publisher);
    setup.streams = vec![StreamSetup::default(); 9];
    assert_eq!(call.router.produce(setup), Err(ProduceError::Streams(9)));
    let mut setup = video_setup(call.publisher);
    setup.codecs = vec![setup.codecs[0].clone(); 17];
    assert_eq!(call.router.produce(setup), Err(ProduceError::Codecs(17)));
    let mut setup = video_setup(call.publisher);
    setup.streams.clear();
    assert_eq!(call.router.produce(setup), Err(ProduceError::Streams(0)));
}

#[test]
fn a_consumer_of_nothing_or_with_a_taken_ssrc_is_refused() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ssrc, _) = call.view(producer);
    let good = call.consumer_setup(viewer, producer);
    let (nobody, nothing) = (SessionId(99), ProducerIndex(99));
    let cases = [
        (ConsumerSetup { session: nobody, ..good.clone() }, ConsumeError::UnknownSession(nobody)),
        (ConsumerSetup { producer: nothing, ..good.clone() }, ConsumeError::UnknownProducer(nothing)),
        (ConsumerSetup { wish: Wish::everything(2, 1), ..good.clone() }, ConsumeError::UnknownProducer(producer)),
        (ConsumerSetup { ssrc, ..good.clone() }, ConsumeError::SsrcInUse(ssrc)),
        (ConsumerSetup { rtx_ssrc: Some(ssrc), ..good.clone() }, ConsumeError::SsrcInUse(ssrc)),
        (ConsumerSetup { ssrc: 8, ..good.clone() }, ConsumeError::SsrcInUse(8)),
    ];
    for (setup, expected) in cases {
        assert_eq!(call.router.consume(setup, call.now, &mut call.out), Err(expected));
    }
    assert!(call.router.consume(good, call.now, &mut call.out).is_ok());
}
