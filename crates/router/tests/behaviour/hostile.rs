use millrace_model::NtpTime;
use millrace_packet::rtcp::feedback::FeedbackSsrcs;
use millrace_packet::rtcp::{CompoundWriter, RtcpPacket, SenderInfo};
use millrace_router::setup::CodecSetup;
use millrace_router::{AVAILABLE_BITRATE_MAX, AVAILABLE_BITRATE_MIN, RouterEvent};

use crate::call::{Call, RTX_PT, Rtp, VIDEO_SSRC, VIEWER_PT, audio_setup, ms, video_setup};

#[test]
fn r07_rtx_without_an_original_is_dropped() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(1));
    for payload in [vec![], vec![0], vec![0, 2]] {
        call.publish(&Rtp { payload, ..Rtp::delta(2).into_rtx(1) });
    }
    call.publish(&Rtp { payload_type: RTX_PT, ..Rtp::delta(2) });
    assert_eq!(call.seen(viewer).len(), 1);
}

#[test]
fn r03_malformed_packets_are_dropped_and_counted_and_the_stream_goes_on() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(1));
    let good = Rtp::delta(2).bytes();
    let with_first = |first: u8| [&[first], &good[1..]].concat();
    let extension = |profile: u16, words: u16, body: &[u8]| {
        let block = [&profile.to_be_bytes()[..], &words.to_be_bytes(), body].concat();
        [&with_first(0x90)[..12], &block, &good[12..]].concat()
    };
    let bombs = [
        extension(0xbede, 65_535, &[0; 4]),
        extension(0xbede, 1, &[0x1f, 0, 0, 0]),
        with_first(0x8f),
        [&with_first(0xa0)[..], &[200]].concat(),
        [&with_first(0xa0)[..], &[0]].concat(),
    ];
    for bomb in &bombs {
        call.publish_bytes(call.publisher, bomb);
    }
    assert_eq!(call.seen(viewer).len(), 1);
    assert_eq!(call.router.counters(call.publisher).unwrap().rtp_packets_dropped_malformed, bombs.len() as u64);
    call.publish(&Rtp::delta(2));
    assert_eq!(call.sequences(viewer), [1000, 1001], "the numbers that they claimed are still free");
}

#[test]
fn r07_a_retransmission_of_an_undeclared_type_or_inside_another_is_dropped() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(1));
    call.publish(&Rtp::delta(3));
    call.publish(&Rtp { payload_type: RTX_PT + 1, ..Rtp::delta(2).into_rtx(1) });
    assert_eq!(call.seen(viewer).len(), 2, "its `apt` is not known");
    call.publish(&Rtp::delta(2).into_rtx(7).into_rtx(2));
    // One layer is taken off: what is left is number 7 with two odd bytes before its payload, and never number 2.
    call.run_for(ms(9));
    call.publish(&Rtp::delta(2).into_rtx(3));
    assert!(call.seen(viewer).contains(&(1001, Some(2))), "{:?}", call.seen(viewer));
}

#[test]
fn r08_a_stream_that_jumps_in_number_goes_on_at_its_next_key_frame_without_a_gap() {
    for jump in [1u16 << 15, 5000, 60_000] {
        let (mut call, producer) = Call::with_video();
        let (viewer, ..) = call.view(producer);
        call.publish_pictures(1..40);
        let requests = call.key_frame_requests();
        let restarted = 40u16.wrapping_add(jump);
        call.publish(&Rtp::delta(restarted));
        call.publish(&Rtp::delta(restarted.wrapping_add(1)));
        call.run_for(ms(1000));
        assert!(call.key_frame_requests() > requests, "the viewers cannot go on without one");
        let seen = call.seen(viewer).len();
        call.publish(&Rtp::key(restarted.wrapping_add(2)));
        assert_eq!(call.seen(viewer).len(), seen + 1);
        let sequences = call.sequences(viewer);
        assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{jump}: {sequences:?}");
    }
}

#[test]
fn r08_timestamps_that_jump_stay_in_step_with_time_for_viewers() {
    for jump in [1u32 << 31, 1 << 30, u32::MAX - 90_000 * 60] {
        let (mut call, producer) = Call::with_video();
        call.view(producer);
        for sequence in 1..60u16 {
            let shift = if sequence < 30 { 0 } else { jump };
            let packet = if sequence == 1 { Rtp::key(sequence) } else { Rtp::delta(sequence) };
            call.publish(&Rtp { timestamp: packet.timestamp.wrapping_add(shift), ..packet });
            call.run_for(ms(33));
        }
        let timestamps: Vec<_> = call.out.rtp.iter().map(|sent| sent.rewrite.timestamp).collect();
        assert_eq!(timestamps.len(), 59);
        let steps = timestamps.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
        assert!(steps.clone().all(|step| (2900..=3100).contains(&step)), "{jump}: {:?}", steps.collect::<Vec<_>>());
    }
}

#[test]
fn r10_undeclared_payload_types_are_dropped() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(1));
    call.publish(&Rtp { payload_type: 35, ..Rtp::delta(2) });
    call.publish(&Rtp::delta(3));
    assert_eq!(call.sequences(viewer), [1000, 1002]);
    assert_eq!(call.router.counters(call.publisher).unwrap().rtp_packets_dropped_unknown_payload_type, 1);
}

#[test]
fn r10_a_change_to_a_type_that_a_viewer_did_not_negotiate_reaches_others_only() {
    let mut call = Call::new();
    let mut setup = video_setup(call.publisher);
    let second = CodecSetup { payload_type: 35, rtx_payload_type: None, ..setup.codecs[0].clone() };
    setup.codecs.push(second);
    let producer = call.router.produce(setup).unwrap();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(1));
    call.publish(&Rtp { payload_type: 35, ..Rtp::key(2) });
    call.publish(&Rtp { payload_type: 35, ..Rtp::delta(3) });
    call.publish(&Rtp::key(4));
    let types: Vec<_> = call.out.rtp.iter().map(|sent| sent.rewrite.payload_type).collect();
    assert_eq!((types, call.seen(viewer).len()), (vec![VIEWER_PT, VIEWER_PT], 2));
}

#[test]
fn c01_every_kind_of_packet_with_a_length_that_lies_is_dropped_and_the_call_goes_on() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(1));
    // Count and body: SR, RR, SDES, BYE, APP, NACK, transport-cc, PLI, FIR, REMB, XR.
    let kinds =
        [(31, 200), (31, 201), (31, 202), (31, 203), (31, 204), (1, 205), (15, 205), (1, 206), (4, 206), (15, 206)];
    let (mut bad, mut sent) = (0, 0);
    for (count, kind) in kinds.into_iter().chain([(31, 207)]) {
        for words in [0_u16, 1, 2, 3, 7, 100, 65_535] {
            for body in [0, 4, 8, 12, 28] {
                let header = [0x80 | count, kind, (words >> 8) as u8, words as u8];
                let bytes = [&header[..], &[0xff; 28][..body]].concat();
                call.router.handle_rtcp(viewer, &bytes, call.now, &mut call.out);
                bad += u64::from(usize::from(words) * 4 != body);
                sent += 1;
            }
        }
    }
    let dropped = call.router.counters(viewer).unwrap().rtcp_packets_dropped_malformed;
    assert!((bad..=sent).contains(&dropped), "{dropped} of {sent}, {bad} of a wrong length");
    call.publish(&Rtp::delta(2));
    assert_eq!(call.seen(viewer).len(), 2);
}

#[test]
fn c02_transport_feedback_from_a_viewer_twice_and_in_circles_changes_no_estimate() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ssrc, _) = call.view(producer);
    call.rtcp(viewer, |writer| writer.remb(1, 1_000_000, &[ssrc]).unwrap());
    let told = call.router.available_outgoing_bitrate(viewer);
    for base in [0_u16, 65_535, 0, 0, 1 << 15] {
        let mut bytes = vec![0x8f, 205, 0, 5];
        bytes.extend([1_u32, ssrc].iter().flat_map(|ssrc| ssrc.to_be_bytes()));
        bytes.extend(base.to_be_bytes());
        // Two packets received with small deltas, at the ends of the reference time.
        bytes.extend([0, 2, 0x80, 0, 0, 1, 0x20, 2, 1, 1]);
        for _ in 0..2 {
            call.router.handle_rtcp(viewer, &bytes, call.now, &mut call.out);
        }
    }
    assert_eq!(call.router.available_outgoing_bitrate(viewer), told);
    call.publish(&Rtp::key(1));
    assert_eq!(call.seen(viewer).len(), 1);
}

#[test]
fn k08_time_that_stands_still_leaps_or_goes_back_costs_viewers_no_packet() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    (1..=100).for_each(|sequence| call.publish(&if sequence == 1 { Rtp::key(sequence) } else { Rtp::delta(sequence) }));
    call.run_for(ms(3_600_000));
    (101..=200).for_each(|sequence| call.publish(&Rtp::delta(sequence)));
    call.now -= ms(60_000);
    (201..=300).for_each(|sequence| call.publish(&Rtp::delta(sequence)));
    call.run_for(ms(120_000));
    (301..=400).for_each(|sequence| call.publish(&Rtp::delta(sequence)));
    assert_eq!(call.sequences(viewer), Vec::from_iter(1000..1400));
    let mut last = 0;
    call.each_rtcp(viewer, |packet| {
        if let RtcpPacket::SenderReport(report) = packet {
            assert!(report.info.ntp >= last, "our reports' clock does not go back");
            last = report.info.ntp;
        }
    });
}

#[test]
fn c01_a_compound_with_anything_malformed_in_it_is_dropped_whole() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ssrc, _) = call.view(producer);
    call.publish_pictures(1..60);
    let before = call.key_frame_requests();
    let mut bytes = [0x81, 206, 0, 2].to_vec();
    bytes.extend(1u32.to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend([0x9f, 201, 0, 1, 0, 0, 0, 1]);
    call.router.handle_rtcp(viewer, &bytes, call.now, &mut call.out);
    assert_eq!(call.key_frame_requests(), before);
    assert_eq!(call.router.counters(viewer).unwrap().rtcp_packets_dropped_malformed, 1);
    call.router.handle_rtcp(viewer, &bytes[..12], call.now, &mut call.out);
    assert_eq!(call.key_frame_requests(), before + 1);
}

#[test]
fn c05_feedback_about_streams_that_the_peer_does_not_receive_is_dropped() {
    let (mut call, producer) = Call::with_video();
    let (_, victim_ssrc, _) = call.view(producer);
    let (attacker, ..) = call.view(producer);
    call.publish_pictures(1..60);
    let (before, sent) = (call.key_frame_requests(), call.out.rtp.len());
    for ssrc in [victim_ssrc, VIDEO_SSRC, 0, 424_242] {
        call.rtcp(attacker, |writer| {
            writer.picture_loss(1, ssrc).unwrap();
            writer.nack(FeedbackSsrcs { sender: 1, media: ssrc }, 1000..1010).unwrap();
        });
    }
    assert_eq!((call.key_frame_requests(), call.out.rtp.len()), (before, sent));
    assert_eq!(call.router.counters(attacker).unwrap().rtcp_feedback_dropped_unknown_ssrc, 8);
}

#[test]
fn c03_a_nack_is_not_answered_while_the_session_cannot_send() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ssrc, _) = call.view(producer);
    call.publish_pictures(1..10);
    call.router.disconnect_session(viewer, call.now, &mut call.out);
    let sent = call.out.rtp.len();
    let nack = |writer: &mut CompoundWriter| writer.nack(FeedbackSsrcs { sender: 1, media: ssrc }, 1000..1003).unwrap();
    call.rtcp(viewer, nack);
    assert_eq!(call.out.rtp.len(), sent);
    call.router.connect_session(viewer, call.now, &mut call.out);
    call.rtcp(viewer, nack);
    assert_eq!(call.out.rtp.len(), sent + 3);
}

#[test]
fn c06_claims_of_bandwidth_are_clamped() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ssrc, _) = call.view(producer);
    for (claimed, believed) in [(0, AVAILABLE_BITRATE_MIN), (1 << 63, AVAILABLE_BITRATE_MAX), (1_000_000, 1_000_000)] {
        call.rtcp(viewer, |writer| writer.remb(1, claimed, &[ssrc]).unwrap());
        let told = call.router.available_outgoing_bitrate(viewer).unwrap();
        assert!(told.abs_diff(believed) <= believed / 100_000, "{told}");
    }
}

#[test]
fn c07_sender_reports_at_the_extremes_leave_viewers_with_sane_ones() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    for (round, ntp) in [0, u64::MAX, 1 << 63, 5, 1 << 40, 3].into_iter().enumerate() {
        let info =
            SenderInfo { ntp, rtp_timestamp: round as u32 * 90_000, packet_count: u32::MAX, octet_count: u32::MAX };
        call.publish(&Rtp { timestamp: round as u32 * 90_000, ..Rtp::key(round as u16) });
        call.rtcp(call.publisher, |writer| writer.sender_report(VIDEO_SSRC, &info, &[]).unwrap());
        call.run_for(ms(1000));
    }
    let mut reports = Vec::new();
    call.each_rtcp(viewer, |packet| {
        if let RtcpPacket::SenderReport(report) = packet {
            reports.push((NtpTime(report.info.ntp), report.info.rtp_timestamp));
        }
    });
    assert!(reports.len() >= 3);
    for pair in reports.windows(2) {
        let seconds = (pair[1].0.0 - pair[0].0.0) as f64 / f64::from(u32::MAX);
        let ticks = f64::from(pair[1].1.wrapping_sub(pair[0].1) as i32);
        assert!((ticks - seconds * 90_000.0).abs() < 2.5 * 90_000.0, "{ticks} ticks in {seconds} s");
    }
    let stats = call.router.producer_stats(producer, call.now).remove(0);
    assert_eq!((stats.base.packets_lost, stats.base.round_trip_time), (0, None));
}

#[test]
fn c08_a_goodbye_ends_only_the_senders_own_stream() {
    let (mut call, video) = Call::with_video();
    let audio = call.router.produce(audio_setup(call.publisher)).unwrap();
    let (stranger, ..) = call.view(video);
    call.publish(&Rtp::key(1));
    call.publish(&Rtp::audio(1));
    call.out.events.clear();
    call.rtcp(stranger, |writer| writer.goodbye(&[VIDEO_SSRC]).unwrap());
    assert_eq!(call.out.events, [], "not its stream");
    call.rtcp(call.publisher, |writer| writer.goodbye(&[VIDEO_SSRC, 12_345]).unwrap());
    let scores = [video, audio].map(|producer| call.router.producer_score(producer)[0].score);
    assert_eq!(scores, [0, 10]);
    assert!(matches!(call.out.events[0], RouterEvent::ProducerScore { producer, .. } if producer == video));
    call.run_for(ms(3000));
    assert_eq!(call.router.producer_score(video)[0].score, 0, "and stays ended");
    call.publish(&Rtp::delta(2));
    assert_eq!(call.seen(stranger).len(), 2, "who speaks again is heard again");
}

#[test]
fn any_bytes_at_all_leave_the_call_standing() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let templates =
        [Rtp::key(1), Rtp::delta(2), Rtp::delta(3).into_rtx(1), Rtp::padding(4)].map(|packet| packet.bytes());
    for round in 0..30_000usize {
        let mut bytes = templates[round % templates.len()].clone();
        // Mostly numbers and timestamps, so that the packets get past the SSRC table.
        for _ in 0..=next() % 3 {
            let place = (next() as usize) % bytes.len();
            if !(8..12).contains(&place) {
                bytes[place] = next() as u8;
            }
        }
        let cut = if next() % 8 == 0 { (next() as usize) % bytes.len() } else { bytes.len() };
        call.publish_bytes(call.publisher, &bytes[..cut]);
        let feedback: Vec<u8> = (0..(next() % 16 * 4)).map(|_| next() as u8).collect();
        for session in [call.publisher, viewer] {
            call.router.handle_rtcp(session, &feedback, call.now, &mut call.out);
        }
        call.run_for(ms(next() % 20));
        call.out.rtp.clear();
    }
    assert!(call.pool.slots_held() <= 1024);
    let quiet = call.now;
    call.run_for(ms(60_000));
    assert!(call.now > quiet && call.router.deadline().is_none());
}
