//! Media through the server, repaired where the network lost it.

use std::time::Duration;

use millrace_testkit::Quality;

use crate::call::{Call, CallSettings, PICTURE, SOUND, bad_network};
use crate::str0m_peer::Packets;

#[test]
fn on_a_good_network_everything_arrives_once_and_in_order() {
    let mut call = Call::connected(CallSettings::seeded(1));
    call.publish_for(Duration::from_secs(10));
    call.run_for(Duration::from_secs(1));
    assert_complete(&call.viewer.received[&PICTURE.ssrc], call.pictures_published());
    assert_complete(&call.viewer.received[&SOUND.ssrc], call.sounds_published());
    assert_eq!(call.viewer.repeated, 0);
}

#[test]
fn every_picture_arrives_from_a_publisher_whose_path_loses_repeats_and_reorders() {
    for seed in 1..=4 {
        let mut call = started(seed);
        call.set_uplink(bad_network(0.05));
        call.publish_for(Duration::from_secs(20));
        call.finish();
        assert!(call.net.lost() > 100, "only {} lost", call.net.lost());
        assert_complete(&call.viewer.received[&PICTURE.ssrc], call.pictures_published());
    }
}

#[test]
fn every_picture_arrives_at_a_viewer_whose_path_loses_repeats_and_reorders() {
    for seed in 1..=4 {
        let mut call = started(seed);
        call.set_downlink(bad_network(0.05));
        call.publish_for(Duration::from_secs(20));
        call.finish();
        assert!(call.net.lost() > 100, "only {} lost", call.net.lost());
        assert_complete(&call.viewer.received[&PICTURE.ssrc], call.pictures_published());
    }
}

#[test]
fn with_losses_on_both_paths_a_viewer_that_asks_five_times_misses_one_picture_in_a_thousand_at_most() {
    // str0m counts its requests for what is still missing here, too, and forgets a packet when 100 newer ones came.
    for seed in 1..=4 {
        let mut call = started(seed);
        call.set_quality(bad_network(0.05));
        call.publish_for(Duration::from_secs(20));
        call.finish();
        let (received, published) = (&call.viewer.received[&PICTURE.ssrc], call.pictures_published());
        let missing = published.len() - received.len();
        assert!(missing * 1_000 <= published.len(), "{missing} of {} missing", published.len());
        assert_eq!(call.server.router_counters(call.publisher_session).rtp_packets_given_up, 0);
    }
}

#[test]
fn sound_that_is_lost_stays_lost_and_nothing_else() {
    let mut call = started(3);
    call.set_quality(bad_network(0.05));
    call.publish_for(Duration::from_secs(20));
    call.finish();
    let (received, published) = (&call.viewer.received[&SOUND.ssrc], call.sounds_published());
    let share = received.len() as f64 / published.len() as f64;
    // Two paths that lose 5 % each, and three seconds that lose nothing.
    assert!((0.87..0.96).contains(&share), "{share}");
    let first = *received.keys().next().unwrap();
    assert!(received.iter().all(|(number, payload)| *payload == published[(number - first) as usize]));
}

#[test]
fn a_quarter_of_an_hour_passes_two_wraps_of_the_sequence_numbers_without_a_lost_picture() {
    let mut call = started(4);
    call.set_uplink(bad_network(0.03));
    call.publish_for(Duration::from_secs(400));
    call.set_uplink(Quality::default());
    call.set_downlink(bad_network(0.03));
    call.publish_for(Duration::from_secs(400));
    call.finish();
    // str0m started at 65,000, the viewer's numbers at 32,000: both sides pass 65,536 and one passes 131,072.
    assert!(call.pictures_published().len() > 70_000);
    assert_complete(&call.viewer.received[&PICTURE.ssrc], call.pictures_published());
}

#[test]
fn a_path_that_is_dead_for_seconds_costs_a_key_frame_and_no_session() {
    let mut call = started(5);
    call.set_quality(Quality::lossy(1.0));
    call.publish_for(Duration::from_secs(8));
    let before = call.publisher.key_frame_requests.len();
    call.finish();
    assert!(call.publisher.key_frame_requests.len() > before, "a new start was asked for");
    let received = &call.viewer.received[&PICTURE.ssrc];
    let last = received.values().next_back().unwrap();
    assert_eq!(last, call.pictures_published().last().unwrap());
}

/// A call whose first pictures passed over a good network.
fn started(seed: u64) -> Call {
    let mut call = Call::connected(CallSettings::seeded(seed));
    call.publish_for(Duration::from_secs(1));
    call.run_for(Duration::from_millis(200));
    call
}

/// The numbers are without a gap, and the payloads are those that were published.
fn assert_complete(received: &Packets, published: &[Vec<u8>]) {
    let first = *received.keys().next().expect("something arrives");
    let missing: Vec<usize> =
        (0..published.len()).filter(|index| !received.contains_key(&(first + *index as u64))).collect();
    assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), published.len());
    let differing = received.values().zip(published).position(|(received, published)| received != published);
    assert_eq!((differing, received.len()), (None, published.len()));
}
