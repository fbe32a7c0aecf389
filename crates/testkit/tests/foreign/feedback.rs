//! What both sides tell each other by RTCP.

use std::time::Duration;

use crate::call::{CAMERA, Call, CallSettings, PICTURE, bad_network};

#[test]
fn a_viewers_wish_for_a_key_frame_reaches_the_publisher() {
    let mut call = Call::connected(CallSettings::seeded(1));
    call.publish_for(Duration::from_secs(3));
    let before = call.publisher.key_frame_requests.len();
    let now = call.net.now();
    call.viewer.request_key_frame(&PICTURE, now);
    call.publish_for(Duration::from_secs(1));
    let requests = &call.publisher.key_frame_requests[before..];
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(*requests[0].mid, *CAMERA.mid);
}

#[test]
fn reports_tell_the_publisher_its_losses_and_round_trip_time() {
    let mut call = Call::connected(CallSettings::seeded(2));
    call.set_quality(bad_network(0.1));
    call.publish_for(Duration::from_secs(20));
    let stats = &call.publisher.egress[CAMERA.mid];
    let loss = mean(stats.iter().filter_map(|stats| stats.loss));
    assert!((0.05..0.16).contains(&loss), "{loss}");
    let stats = stats.last().unwrap();
    // Twice 30 ms and up to 20 ms of jitter each way, a repetition or a packet that is overtaken on top.
    let rtt = stats.rtt.expect("our reports echo those of the sender");
    assert!((Duration::from_millis(55)..Duration::from_millis(200)).contains(&rtt), "{rtt:?}");
    assert!(stats.nacks > 50, "{stats:?}");
    assert!(call.server.router_counters(call.publisher_session).rtp_packets_repaired > 50);
}

#[test]
fn reports_of_the_viewer_bring_its_round_trip_time_to_us_and_ours_bring_the_senders_clock() {
    let mut call = Call::connected(CallSettings::seeded(3));
    call.publish_for(Duration::from_secs(10));
    let reports = call.viewer.sender_reports.iter().filter(|report| *report.mid == *PICTURE.mid);
    assert!(reports.count() >= 3);
    let stats = &call.viewer.ingress[PICTURE.mid];
    let remote = stats.remote.as_ref().expect("sender reports are understood");
    let published = call.pictures_published().len() as u64;
    assert!(remote.packets > published / 2 && remote.packets <= published, "{remote:?} of {published}");
}

#[test]
fn transport_wide_feedback_lets_the_publishers_estimate_grow() {
    let mut call = Call::connected(CallSettings { estimate_from: Some(300_000), ..CallSettings::seeded(4) });
    let now = call.net.now();
    call.publisher.wish_bitrate(5_000_000, now);
    call.publish_for(Duration::from_secs(20));
    let estimate = *call.publisher.estimates.last().expect("the estimator is at work");
    assert!(estimate > 2_000_000, "{:?}", call.publisher.estimates);
    let stats = call.publisher.peer_stats.last().unwrap();
    assert_eq!(stats.egress_loss_fraction, Some(0.0));
    assert!(stats.rtt.is_some_and(|rtt| rtt < Duration::from_millis(200)), "{:?}", stats.rtt);
}

#[test]
fn transport_wide_feedback_tells_the_publisher_what_was_lost() {
    let mut call = Call::connected(CallSettings { estimate_from: Some(5_000_000), ..CallSettings::seeded(5) });
    call.publish_for(Duration::from_secs(2));
    call.set_quality(bad_network(0.1));
    call.publish_for(Duration::from_secs(10));
    let loss = mean(call.publisher.peer_stats.iter().rev().take(8).filter_map(|stats| stats.egress_loss_fraction));
    assert!((0.05..0.16).contains(&loss), "{loss}");
}

#[test]
fn a_prober_that_pads_does_not_disturb_its_viewer() {
    let mut call = Call::connected(CallSettings { estimate_from: Some(300_000), ..CallSettings::seeded(6) });
    let now = call.net.now();
    call.publisher.wish_bitrate(20_000_000, now);
    call.publish_for(Duration::from_secs(20));
    call.run_for(Duration::from_secs(5));
    let (received, published) = (&call.viewer.received[&PICTURE.ssrc], call.pictures_published());
    let (first, last) = (*received.keys().next().unwrap(), *received.keys().next_back().unwrap());
    assert_eq!((received.len(), last - first + 1), (published.len(), published.len() as u64));
    assert!(received.values().eq(published.iter()));
    let sent = call.publisher.peer_stats.last().unwrap().peer_bytes_tx;
    let media: usize = published.iter().map(Vec::len).sum();
    assert!(sent > media as u64 * 11 / 10, "{sent} bytes for {media} of media: nothing was padded");
}

#[test]
fn nothing_of_a_foreign_peer_is_dropped_as_malformed_or_unauthentic() {
    let mut call = Call::connected(CallSettings { estimate_from: Some(2_000_000), ..CallSettings::seeded(7) });
    call.publish_for(Duration::from_secs(10));
    for session in [call.publisher_session, call.viewer_session] {
        let counters = call.server.transport_counters(session);
        assert_eq!(counters.srtp_packets_dropped_malformed, 0);
        assert_eq!(counters.srtp_packets_dropped_unauthentic, 0);
        assert_eq!(counters.datagrams_dropped_unknown, 0);
        let counters = call.server.router_counters(session);
        assert_eq!((counters.rtp_packets_dropped_malformed, counters.rtcp_packets_dropped_malformed), (0, 0));
    }
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let values: Vec<f32> = values.collect();
    values.iter().sum::<f32>() / values.len() as f32
}
