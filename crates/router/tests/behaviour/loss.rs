use millrace_packet::Priority;
use millrace_packet::rtcp::feedback::FeedbackSsrcs;

use crate::call::{Call, Rtp, VIEWER_PT, VIEWER_RTX_PT, audio_setup, ms};

fn nack(call: &mut Call, viewer: millrace_router::SessionId, ssrc: u32, sequences: &[u16]) {
    call.rtcp(viewer, |writer| {
        writer.nack(FeedbackSsrcs { sender: 1, media: ssrc }, sequences.iter().copied()).unwrap();
    });
}

#[test]
fn upstream_loss_is_asked_for_repaired_by_rtx_and_seen_by_viewers() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(10));
    call.publish(&Rtp::delta(12));
    call.run_for(ms(9));
    assert_eq!(call.nacked(), [0u16; 0], "reordering gets 10 ms");
    call.run_for(ms(1));
    assert_eq!(call.nacked(), [11]);
    call.publish(&Rtp::delta(11).into_rtx(77));
    assert_eq!(call.seen(viewer), [(1000, Some(10)), (1002, Some(12)), (1001, Some(11))]);
    call.run_for(ms(500));
    assert_eq!(call.nacked(), [11], "a repaired packet is not asked for again");
    assert_eq!(call.router.counters(call.publisher).unwrap().rtp_packets_repaired, 1);
}

#[test]
fn a_repaired_packet_is_the_original_byte_for_byte() {
    let (mut call, producer) = Call::with_video();
    call.view(producer);
    call.publish(&Rtp::key(10));
    call.publish(&Rtp::delta(12));
    call.publish(&Rtp::delta(11).into_rtx(1));
    let repaired = call.out.rtp.last().unwrap();
    assert_eq!((&repaired.payload, repaired.rewrite.payload_type), (&Rtp::delta(11).payload, VIEWER_PT));
    assert_eq!(repaired.rewrite.timestamp, 11 * 3000);
}

#[test]
fn a_packet_that_never_comes_is_given_up_for_a_key_frame() {
    let (mut call, producer) = Call::with_video();
    call.view(producer);
    call.publish(&Rtp::key(10));
    call.publish(&Rtp::delta(12));
    let before = call.key_frame_requests();
    call.run_for(ms(2000));
    assert_eq!((call.nacked().len(), call.key_frame_requests() > before), (10, true));
    assert_eq!(call.router.counters(call.publisher).unwrap().rtp_packets_given_up, 1);
}

#[test]
fn a_lost_key_frame_start_that_rtx_brings_starts_the_viewer() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::delta(9));
    call.publish(&Rtp::delta(11));
    call.publish(&Rtp::key(10).into_rtx(1));
    assert_eq!(call.seen(viewer), [(1000, Some(10)), (1001, Some(11))]);
}

#[test]
fn rtx_probes_repair_nothing_and_reach_nobody() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish_pictures(1..5);
    call.publish(&Rtp::delta(3).into_rtx(1));
    call.publish(&Rtp { payload: Vec::new(), padding: 100, ..Rtp::delta(3).into_rtx(2) });
    assert_eq!(call.seen(viewer).len(), 4);
    assert_eq!(call.router.counters(call.publisher).unwrap().rtx_packets_dropped, 2);
}

#[test]
fn streams_without_nack_are_never_asked() {
    let mut call = Call::new();
    call.router.produce(audio_setup(call.publisher)).unwrap();
    call.publish(&Rtp::audio(10));
    call.publish(&Rtp::audio(15));
    call.run_for(ms(1000));
    assert_eq!(call.nacked(), [0u16; 0]);
}

#[test]
fn a_viewers_nack_is_answered_from_the_cache_by_rtx() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ssrc, _) = call.view(producer);
    call.publish_pictures(10..15);
    call.out.rtp.clear();
    nack(&mut call, viewer, ssrc, &[1001, 1003]);
    let answers: Vec<_> =
        call.out.rtp.iter().map(|sent| (sent.rewrite.original_sequence, sent.rewrite.sequence)).collect();
    assert_eq!(answers, [(Some(1001), 9000), (Some(1003), 9001)]);
    let first = &call.out.rtp[0];
    assert_eq!((first.rewrite.payload_type, first.rewrite.timestamp), (VIEWER_RTX_PT, 11 * 3000));
    assert_eq!((&first.payload, first.rewrite.priority), (&Rtp::delta(11).payload, Priority::Retransmission));
}

#[test]
fn without_rtx_a_packet_is_sent_again_as_it_was() {
    let (mut call, producer) = Call::with_video();
    let viewer = call.add_session();
    let mut setup = call.consumer_setup(viewer, producer);
    let ssrc = setup.ssrc;
    setup.rtx_ssrc = None;
    call.consume(setup);
    call.publish_pictures(10..13);
    let original = call.out.rtp[1].clone();
    nack(&mut call, viewer, ssrc, &[1001]);
    let again = call.out.rtp.last().unwrap();
    assert_eq!(again.payload, original.payload);
    assert_eq!(millrace_packet::Rewrite { priority: Priority::Video, ..again.rewrite }, original.rewrite);
}

#[test]
fn lost_audio_is_asked_for_upstream_and_sent_again_to_viewers() {
    let mut call = Call::new();
    let mut setup = audio_setup(call.publisher);
    setup.codecs[0].feedback.nack = true;
    let producer = call.router.produce(setup).unwrap();
    let viewer = call.add_session();
    let mut setup = call.consumer_setup(viewer, producer);
    let ssrc = setup.ssrc;
    setup.rtx_ssrc = None;
    call.consume(setup);
    [1, 2, 4].into_iter().for_each(|sequence| call.publish(&Rtp::audio(sequence)));
    call.run_for(ms(100));
    assert_eq!(call.nacked().first(), Some(&3));
    call.publish(&Rtp::audio(3));
    assert_eq!(call.sequences(viewer), [1000, 1001, 1003, 1002]);
    nack(&mut call, viewer, ssrc, &[1001]);
    let again = call.out.rtp.last().unwrap();
    assert_eq!((again.rewrite.sequence, &again.payload), (1001, &Rtp::audio(2).payload));
}

#[test]
fn a_viewer_without_nack_gets_no_answers() {
    let (mut call, producer) = Call::with_video();
    let viewer = call.add_session();
    let mut setup = call.consumer_setup(viewer, producer);
    let ssrc = setup.ssrc;
    setup.nack = false;
    call.consume(setup);
    call.publish_pictures(10..13);
    call.out.rtp.clear();
    nack(&mut call, viewer, ssrc, &[1001]);
    assert!(call.out.rtp.is_empty());
}

#[test]
fn two_viewers_share_one_cached_packet() {
    let (mut call, producer) = Call::with_video();
    let viewers = [call.view(producer), call.view(producer)];
    call.publish_pictures(10..13);
    assert_eq!(call.pool.slots_held(), 3);
    call.out.rtp.clear();
    viewers.into_iter().for_each(|(viewer, ssrc, _)| nack(&mut call, viewer, ssrc, &[1002]));
    assert_eq!(call.out.rtp.len(), 2);
}

#[test]
fn c03_a_nack_storm_is_answered_once_per_round_trip_and_within_a_byte_budget() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ssrc, _) = call.view(producer);
    for sequence in 1..400u16 {
        let mut packet = if sequence == 1 { Rtp::key(sequence) } else { Rtp::delta(sequence) };
        packet.payload.resize(1200, 0);
        call.publish(&packet);
    }
    let everything: Vec<u16> = (1000..1399).collect();
    call.out.rtp.clear();
    for _ in 0..50 {
        nack(&mut call, viewer, ssrc, &everything);
        call.run_for(ms(10));
    }
    let bytes: usize = call.out.rtp.iter().map(|sent| sent.payload.len()).sum();
    assert!((100_000..=125_000 + 250_000).contains(&bytes), "{bytes} bytes in half a second");
    let counters = call.router.counters(viewer).unwrap();
    assert!(counters.retransmissions_refused_too_soon > 0 && counters.retransmissions_refused_budget > 0);
    assert_eq!(counters.nack_packets_requested, 50 * 399);
}

#[test]
fn c09_the_cache_is_bounded_in_packets_whatever_the_viewers_acknowledge() {
    let (mut call, producer) = Call::with_video();
    call.view(producer);
    // Past three wraps of their numbers: 10,000 a second, as 8 Mbit/s of 100 bytes have.
    for number in 0..200_000u32 {
        let packet = if number == 0 { Rtp::key(0) } else { Rtp::delta(number as u16) };
        call.publish(&Rtp { timestamp: number * 9, ..packet });
        call.now += std::time::Duration::from_micros(100);
        assert!(call.pool.slots_held() <= 1024 + 1, "at {number}");
    }
    assert_eq!(call.pool.slots_held(), 1024);
    call.run_for(ms(3000));
    assert_eq!(call.pool.slots_held(), 0);
}
