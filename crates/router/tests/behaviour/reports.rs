use millrace_model::{NtpTime, WallClock};
use millrace_packet::rtcp::{DelaySinceReference, ReportBlock, RtcpPacket, SenderInfo};
use millrace_router::{RouterEvent, SessionId};

use crate::call::{AUDIO_SSRC, Call, Rtp, VIDEO_SSRC, audio_setup, ms, video_setup};

fn blocks(call: &Call, session: SessionId) -> Vec<ReportBlock> {
    let mut blocks = Vec::new();
    call.each_rtcp(session, |packet| {
        if let RtcpPacket::ReceiverReport(report) = packet {
            blocks.extend(report.blocks());
        }
    });
    blocks
}

fn sender_reports(call: &Call, session: SessionId) -> Vec<(u32, SenderInfo)> {
    let mut reports = Vec::new();
    call.each_rtcp(session, |packet| {
        if let RtcpPacket::SenderReport(report) = packet {
            reports.push((report.ssrc, report.info));
        }
    });
    reports
}

/// 32.32 fixed point.
const SECOND: u64 = 1 << 32;

#[test]
fn the_publisher_is_told_what_was_lost() {
    let (mut call, _) = Call::with_video();
    for sequence in (0..400u16).filter(|sequence| sequence % 4 != 1) {
        call.publish(&Rtp::delta(sequence));
        call.run_for(ms(10));
    }
    call.run_for(ms(1300));
    let blocks = blocks(&call, call.publisher);
    assert!(blocks.len() >= 3, "about one report a second");
    assert!(blocks.iter().all(|block| block.ssrc == VIDEO_SSRC && (60..=68).contains(&block.fraction_lost)));
    let last = blocks.last().unwrap();
    assert_eq!((last.extended_highest_sequence, last.cumulative_lost), (399, 100));
}

#[test]
fn the_publishers_sender_report_is_answered_with_its_time_and_our_delay() {
    let (mut call, _) = Call::with_video();
    call.publish(&Rtp::key(1));
    let info = SenderInfo { ntp: 77 * SECOND + SECOND / 2, rtp_timestamp: 3000, ..SenderInfo::default() };
    call.rtcp(call.publisher, |writer| writer.sender_report(VIDEO_SSRC, &info, &[]).unwrap());
    let reported_at = call.now;
    let due = call.router.deadline().unwrap();
    call.run_for(ms(1300));
    let block = blocks(&call, call.publisher)[0];
    assert_eq!(block.last_sender_report, (77 << 16) | 0x8000);
    let delay = u64::from(block.delay_since_last_sender_report) * 1000 / 65_536;
    assert!((700..=1300).contains(&delay) && due >= reported_at, "{delay} ms");
}

#[test]
fn a_viewer_gets_sender_reports_with_counts_and_the_publishers_name() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ssrc, _) = call.view(producer);
    call.publish_pictures(0..60);
    let (who, info) = *sender_reports(&call, viewer).last().unwrap();
    assert_eq!(who, ssrc);
    assert_eq!(info.octet_count, info.packet_count * 6, "payload bytes only");
    let mut names = Vec::new();
    call.each_rtcp(viewer, |packet| {
        if let RtcpPacket::SourceDescription(description) = packet {
            names.extend(description.cnames().map(|(ssrc, name)| (ssrc, name.to_vec())));
        }
    });
    assert_eq!(names[0], (ssrc, b"publisher".to_vec()));
}

#[test]
fn audio_only_sessions_report_at_most_every_five_seconds() {
    let mut call = Call::new();
    let producer = call.router.produce(audio_setup(call.publisher)).unwrap();
    let (viewer, ..) = call.view(producer);
    for sequence in 0..1500 {
        call.publish(&Rtp::audio(sequence));
        call.run_for(ms(20));
    }
    let reports = sender_reports(&call, viewer).len();
    assert!((6..=10).contains(&reports), "{reports} in 30 s");
}

#[test]
fn sender_reports_keep_audio_and_video_of_a_publisher_together() {
    let (mut call, video) = Call::with_video();
    let audio = call.router.produce(audio_setup(call.publisher)).unwrap();
    let viewer = call.add_session();
    let ssrcs = [video, audio].map(|producer| {
        let setup = call.consumer_setup(viewer, producer);
        let ssrc = setup.ssrc;
        call.consume(setup);
        ssrc
    });
    call.publish(&Rtp { timestamp: 900_000, ..Rtp::key(1) });
    call.publish(&Rtp { timestamp: 480_000, ..Rtp::audio(1) });
    // By the publisher's clock, video 900,000 and audio 480,000 were captured together; its reports take different
    // times to arrive.
    let theirs = 5_000 * SECOND;
    let video_info = SenderInfo { ntp: theirs, rtp_timestamp: 900_000, ..SenderInfo::default() };
    call.rtcp(call.publisher, |writer| writer.sender_report(VIDEO_SSRC, &video_info, &[]).unwrap());
    call.run_for(ms(150));
    let audio_info = SenderInfo { ntp: theirs, rtp_timestamp: 480_000, ..SenderInfo::default() };
    call.rtcp(call.publisher, |writer| writer.sender_report(AUDIO_SSRC, &audio_info, &[]).unwrap());
    call.run_for(ms(1500));
    let reports = sender_reports(&call, viewer);
    let captured_at = ssrcs.map(|wanted| {
        let (_, info) = reports.iter().rfind(|(ssrc, _)| *ssrc == wanted).unwrap();
        let (zero, rate) = if wanted == ssrcs[0] { (900_000, 90_000.0) } else { (480_000, 48_000.0) };
        info.ntp as f64 / SECOND as f64 - f64::from(info.rtp_timestamp.wrapping_sub(zero) as i32) / rate
    });
    assert!((captured_at[0] - captured_at[1]).abs() < 0.002, "{captured_at:?}");
}

#[test]
fn sender_reports_follow_real_time_before_the_publisher_sent_any() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish_pictures(0..90);
    let reports = sender_reports(&call, viewer);
    let [(_, first), .., (_, last)] = reports[..] else { panic!("two reports") };
    let seconds = (last.ntp - first.ntp) as f64 / SECOND as f64;
    let ticks = f64::from(last.rtp_timestamp - first.rtp_timestamp);
    assert!((ticks / seconds - 90_000.0).abs() < 2000.0, "{ticks} ticks in {seconds} s");
}

#[test]
fn a_viewers_report_gives_round_trip_and_score() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ssrc, consumer) = call.view(producer);
    call.publish_pictures(0..60);
    let (_, info) = *sender_reports(&call, viewer).last().unwrap();
    let sent = NtpTime(info.ntp);
    let clock = WallClock::new(call.start, std::time::Duration::from_secs(1_700_000_000));
    let delay = clock.ntp(call.now).middle().wrapping_sub(sent.middle());
    call.run_for(ms(80));
    let block = ReportBlock {
        ssrc,
        fraction_lost: 128,
        cumulative_lost: 30,
        jitter: 9,
        last_sender_report: sent.middle(),
        delay_since_last_sender_report: delay,
        ..ReportBlock::default()
    };
    call.out.events.clear();
    call.rtcp(viewer, |writer| writer.receiver_report(1, &[block]).unwrap());
    let (stats, _) = call.router.consumer_stats(consumer, call.now).unwrap();
    assert!((79.0..=81.0).contains(&stats.base.round_trip_time.unwrap()));
    assert_eq!((stats.base.packets_lost, stats.base.fraction_lost, stats.base.jitter), (30, 128, 9));
    let [RouterEvent::ConsumerScore { consumer: whose, score }] = &call.out.events[..] else { panic!("one event") };
    assert_eq!((*whose, score.score, score.producer_score), (consumer, 1, 10));
}

#[test]
fn reference_times_are_sent_and_their_answers_give_the_publishers_round_trip() {
    let (mut call, producer) = Call::with_video();
    call.publish(&Rtp::key(1));
    call.run_for(ms(1300));
    let mut reference = None;
    call.each_rtcp(call.publisher, |packet| {
        if let RtcpPacket::ExtendedReport(report) = packet {
            reference = report.reference_time();
        }
    });
    let clock = WallClock::new(call.start, std::time::Duration::from_secs(1_700_000_000));
    let last_reference = NtpTime(reference.unwrap()).middle();
    let delay = clock.ntp(call.now).middle().wrapping_sub(last_reference);
    call.run_for(ms(120));
    let answer = DelaySinceReference { ssrc: 7, last_reference, delay };
    call.rtcp(call.publisher, |writer| writer.delays_since_reference(1, &[answer]).unwrap());
    let round_trip = call.router.producer_stats(producer, call.now)[0].base.round_trip_time.unwrap();
    assert!((119.0..=121.0).contains(&round_trip), "{round_trip}");
}

#[test]
fn a_viewers_reference_time_is_answered() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ..) = call.view(producer);
    call.publish(&Rtp::key(1));
    call.rtcp(viewer, |writer| writer.reference_time(4242, 99 * SECOND).unwrap());
    call.run_for(ms(1300));
    let mut answers = Vec::new();
    call.each_rtcp(viewer, |packet| {
        if let RtcpPacket::ExtendedReport(report) = packet {
            answers.extend(report.delays());
        }
    });
    assert_eq!((answers[0].ssrc, answers[0].last_reference), (4242, 99 << 16));
}

fn rembs(call: &Call) -> Vec<(u64, Vec<u32>)> {
    let mut rembs = Vec::new();
    call.each_rtcp(call.publisher, |packet| {
        if let RtcpPacket::Remb(remb) = packet {
            rembs.push((remb.bitrate, remb.streams().collect()));
        }
    });
    rembs
}

#[test]
fn a_bitrate_limit_is_told_and_lifted_four_times_so_that_one_loss_does_not_matter() {
    let (mut call, _) = Call::with_video();
    call.publish_pictures(0..60);
    assert_eq!(rembs(&call), [], "transport-wide feedback needs no limit");
    call.router.set_max_incoming_bitrate(call.publisher, Some(524_288));
    call.publish_pictures(60..120);
    assert!(rembs(&call).iter().all(|remb| *remb == (524_288, vec![VIDEO_SSRC])) && !rembs(&call).is_empty());
    call.router.set_max_incoming_bitrate(call.publisher, None);
    call.out.rtcp.clear();
    call.publish_pictures(120..420);
    let lifted = rembs(&call);
    assert!(lifted.len() == 4 && lifted.iter().all(|(bitrate, _)| *bitrate > 99_000_000), "{lifted:?}");
}

#[test]
fn a_publisher_that_understands_only_remb_gets_it() {
    let mut call = Call::new();
    let mut setup = video_setup(call.publisher);
    setup.codecs[0].feedback.transport_cc = false;
    call.router.produce(setup).unwrap();
    call.publish_pictures(0..60);
    assert!(!rembs(&call).is_empty());
}

#[test]
fn many_consumers_of_one_session_are_reported_in_compounds_of_bounded_size() {
    let (mut call, producer) = Call::with_video();
    let viewer = call.add_session();
    for _ in 0..100 {
        let setup = call.consumer_setup(viewer, producer);
        call.consume(setup);
    }
    call.publish(&Rtp::key(1));
    call.run_for(ms(1300));
    let mut reported: Vec<_> = sender_reports(&call, viewer).iter().map(|(ssrc, _)| *ssrc).collect();
    reported.dedup();
    assert_eq!(reported.len(), 100);
    assert!(call.out.rtcp.iter().all(|(_, compound)| compound.len() <= 1200));
}

#[test]
fn scores_start_at_ten_fall_with_loss_and_end_at_zero_in_silence() {
    let (mut call, producer) = Call::with_video();
    call.view(producer);
    call.publish_pictures(0..30);
    for sequence in (30..300u16).filter(|sequence| sequence % 3 == 0) {
        call.publish(&Rtp::delta(sequence));
        call.run_for(ms(99));
    }
    call.run_for(ms(4000));
    let scores: Vec<_> = call
        .out
        .events
        .iter()
        .filter_map(|event| match event {
            RouterEvent::ProducerScore { scores, .. } => Some(scores[0].score),
            _ => None,
        })
        .collect();
    assert_eq!((scores[0], *scores.last().unwrap()), (10, 0));
    assert!(scores.iter().any(|score| (1..=6).contains(score)), "{scores:?}");
    call.publish(&Rtp::delta(301));
    assert_eq!(call.router.producer_score(producer)[0].score, 10);
}

#[test]
fn stats_count_what_came_and_went() {
    let (mut call, producer) = Call::with_video();
    let (_, ssrc, consumer) = call.view(producer);
    call.publish_pictures(0..60);
    call.publish(&Rtp::delta(62));
    call.publish(&Rtp::delta(61).into_rtx(1));
    let inbound = call.router.producer_stats(producer, call.now).remove(0);
    assert_eq!((inbound.base.ssrc, inbound.packet_count, inbound.byte_count), (VIDEO_SSRC, 61, 61 * 18));
    assert_eq!((inbound.base.packets_repaired, inbound.base.packets_retransmitted), (1, 1));
    assert_eq!((inbound.base.packets_lost, inbound.base.mime_type.as_str()), (2, "video/VP8"));
    assert!((3000..5000).contains(&inbound.bitrate), "{}", inbound.bitrate);
    let (outbound, of_producer) = call.router.consumer_stats(consumer, call.now).unwrap();
    assert_eq!((outbound.base.ssrc, outbound.packet_count), (ssrc, 62));
    assert_eq!(of_producer.unwrap().base.ssrc, VIDEO_SSRC);
}
