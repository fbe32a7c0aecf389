//! The whole transport against a peer with independent DTLS, over a network that the test controls.

mod path;
mod world;

use millrace_model::FingerprintAlgorithm;

use self::world::{INTAKE, World, credentials, tuple};
use super::*;
use crate::dtls::{DtlsError, fingerprint_of};
use crate::ice::TUPLES_MAX;
use crate::srtp::{RTCP_INDEX_MAX, SrtpKeys, SrtpOutbound, testing};

#[test]
fn a_peer_connects_and_packets_pass_both_ways() {
    let mut world = World::connected();
    assert_eq!(world.dtls_states(), ["connecting", "connected"]);
    let (rtp, rtcp) = (world.peer.seal_rtp(5, 1), world.peer.seal_rtcp(5));
    world.deliver(&tuple(1), &rtp);
    world.deliver(&tuple(1), &rtcp);
    let [Received::Rtp(rtp), Received::Rtcp(rtcp)] = &world.received[..] else { panic!("{:?}", world.received) };
    assert_eq!((rtp.bytes(), rtcp.bytes()), (&testing::rtp(5, 1, 50)[..], &testing::rtcp(5, 28)[..]));
    let (packet, rewrite) = world.outgoing(77);
    world.send(&packet, &rewrite);
    let (to, sealed) = world.socket.committed.pop().unwrap();
    let opened = world.peer.open_rtp(&sealed).unwrap();
    assert_eq!((to, &opened[2..4], &opened[8..12]), (tuple(1), &[0, 7][..], &[0, 0, 0, 77][..]));
}

#[test]
fn what_passes_is_counted() {
    let mut world = World::connected();
    let before = world.transport.counters().clone();
    let rtp = world.peer.seal_rtp(5, 1);
    world.deliver(&tuple(1), &rtp);
    let (packet, rewrite) = world.outgoing(77);
    world.send(&packet, &rewrite);
    let after = world.transport.counters();
    assert_eq!((after.rtp_packets_received, after.rtp_packets_sent), (1, 1));
    assert_eq!(after.datagrams_received - before.datagrams_received, 1);
    assert_eq!(after.datagram_bytes_received - before.datagram_bytes_received, rtp.len() as u64);
    assert_eq!(after.datagrams_sent - before.datagrams_sent, 1);
    assert_eq!(after.datagram_bytes_sent - before.datagram_bytes_sent, world.socket.committed[0].1.len() as u64);
}

#[test]
fn the_peers_certificate_is_reported_in_pem() {
    let world = World::connected();
    let DtlsState::Connected { remote_certificate } = world.transport.dtls_state() else { panic!("not connected") };
    assert!(remote_certificate.starts_with("-----BEGIN CERTIFICATE-----"));
}

#[test]
fn a_client_hello_that_comes_before_connect_is_kept_and_answered_after_it() {
    let mut world = World::new();
    world.peer.add_pair(1, world.now);
    world.run_for(Duration::from_millis(20));
    assert_eq!((world.transport.dtls_state(), world.dtls_states().len()), (&DtlsState::New, 0));
    world.sent.clear();
    world.connect();
    world.drain();
    assert!(world.sent.iter().any(|transmit| DatagramKind::of(&transmit.bytes) == DatagramKind::Dtls));
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.dtls_states(), ["connecting", "connected"]);
}

#[test]
fn early_datagrams_beyond_the_limit_are_dropped_and_counted() {
    let mut world = World::new();
    world.peer.add_pair(1, world.now);
    world.run_for(Duration::from_millis(1));
    let kept = world.transport.counters().dtls_datagrams_dropped;
    for _ in 0..1_000 {
        world.deliver(&tuple(1), &[22; 100]);
    }
    let dropped = world.transport.counters().dtls_datagrams_dropped - kept;
    assert!(dropped >= 1_000 - EARLY_DATAGRAMS_MAX as u64, "{dropped} dropped");
}

#[test]
fn connect_is_refused_the_second_time() {
    let mut world = World::new();
    let fingerprints = world.peer.dtls.fingerprints();
    let mut connect = |role| world.transport.connect(fingerprints.clone(), role, world.now);
    assert_eq!(connect(Some(Role::Client)), Ok(Role::Server));
    assert_eq!(connect(None), Err(ConnectError::NotNew));
}

#[test]
fn d02_a_certificate_that_was_not_signalled_fails_before_keys_exist() {
    let mut world = World::new();
    let other = fingerprint_of(FingerprintAlgorithm::Sha256, b"another certificate");
    world.transport.connect(PeerFingerprints::new(vec![other]).unwrap(), None, world.now).unwrap();
    world.peer.add_pair(1, world.now);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.dtls_states(), ["connecting", "failed"]);
    assert_eq!(*world.transport.dtls_state(), DtlsState::Failed(DtlsError::FingerprintMismatch));
    assert!(world.transport.srtp.is_none());
    assert!(!world.peer.dtls.is_connected);
    world.deliver(&tuple(1), &testing::rtp(1, 1, 40));
    assert_eq!((world.received.len(), world.transport.counters().srtp_packets_dropped_without_keys), (0, 1));
}

#[test]
fn a_peer_that_is_the_dtls_server_connects_and_packets_pass_both_ways() {
    let mut world = World::with_server_peer();
    world.connect();
    world.peer.add_pair(1, world.now);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.dtls_states(), ["connecting", "connected"]);
    let rtp = world.peer.seal_rtp(5, 1);
    world.deliver(&tuple(1), &rtp);
    let [Received::Rtp(rtp)] = &world.received[..] else { panic!("{:?}", world.received) };
    assert_eq!(rtp.bytes(), &testing::rtp(5, 1, 50)[..]);
    let (packet, rewrite) = world.outgoing(77);
    world.send(&packet, &rewrite);
    let (_, sealed) = world.socket.committed.pop().unwrap();
    assert_eq!(world.peer.open_rtp(&sealed).unwrap()[8..12], [0, 0, 0, 77]);
}

#[test]
fn i11_no_client_hello_before_a_nominated_pair() {
    let mut world = World::with_server_peer();
    world.connect();
    world.run_for(Duration::from_secs(60));
    assert_eq!((world.sent.len(), world.transport.deadline()), (0, None), "without any check");
    // The peer waits for its better pair, which leads nowhere, before it nominates the other.
    world.cut_off.push(2);
    world.peer.add_pair(2, world.now);
    world.peer.add_pair(1, world.now);
    world.run_for(Duration::from_millis(150));
    assert_eq!(world.transport.ice_state(), IceState::Connected);
    assert_eq!((world.dtls_sent(), world.dtls_states().len()), (0, 0), "with a check that nominates nothing");
    world.run_for(Duration::from_secs(5));
    assert_eq!(
        (world.transport.ice_state(), world.dtls_states()),
        (IceState::Completed, vec!["connecting", "connected"])
    );
}

#[test]
fn i11_a_client_hello_that_was_lost_is_repeated_a_bounded_number_of_times() {
    let mut world = World::with_server_peer();
    world.connect();
    world.peer.add_pair(1, world.now);
    world.reads_dtls = 0;
    world.run_for(Duration::from_secs(60));
    let hellos = world.dtls_sent();
    assert!((5..=15).contains(&hellos), "{hellos}");
    assert_eq!(*world.transport.dtls_state(), DtlsState::Failed(DtlsError::Timeout));
    assert_eq!(world.transport.counters().dtls_flights_repeated, hellos as u64 - 1);
}

#[test]
fn what_a_server_sent_before_our_hello_is_dropped() {
    let mut world = World::with_server_peer();
    world.peer.add_pair(1, world.now);
    world.run_for(Duration::from_secs(1));
    world.deliver(&tuple(1), &[22; 100]);
    world.connect();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.dtls_states(), ["connecting", "connected"]);
    assert_eq!(world.transport.counters().dtls_datagrams_dropped, 1);
}

#[test]
fn d02_a_servers_certificate_that_was_not_signalled_fails_before_keys_exist() {
    let mut world = World::with_server_peer();
    let other = fingerprint_of(FingerprintAlgorithm::Sha256, b"another certificate");
    let fingerprints = PeerFingerprints::new(vec![other]).unwrap();
    world.transport.connect(fingerprints, Some(Role::Server), world.now).unwrap();
    world.peer.add_pair(1, world.now);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.dtls_states(), ["connecting", "failed"]);
    assert_eq!(*world.transport.dtls_state(), DtlsState::Failed(DtlsError::FingerprintMismatch));
    assert!(world.transport.srtp.is_none() && !world.peer.dtls.is_connected);
    world.deliver(&tuple(1), &testing::rtp(1, 1, 40));
    assert_eq!((world.received.len(), world.transport.counters().srtp_packets_dropped_without_keys), (0, 1));
}

#[test]
fn d07_a_client_hello_without_any_ice_check_gets_no_byte_and_makes_no_state() {
    let mut world = World::new();
    world.connect();
    world.peer.ignore_ice(tuple(1));
    world.run_for(Duration::from_secs(5));
    assert_eq!((world.sent.len(), world.dtls_states().len()), (0, 0));
    assert_eq!(*world.transport.dtls_state(), DtlsState::New);
    assert!(world.transport.counters().datagrams_dropped_unvalidated > 0);
    assert_eq!(world.transport.deadline(), None);
}

#[test]
fn d07_flights_to_a_peer_that_stops_reading_are_bounded() {
    let mut world = World::new();
    world.connect();
    world.peer.add_pair(1, world.now);
    // It reads the HelloVerifyRequest, so that our certificate's flight follows, and nothing more.
    world.reads_dtls = 1;
    world.run_for(Duration::from_millis(20));
    world.cut_off.push(1);
    world.sent.clear();
    world.run_for(Duration::from_secs(120));
    let bytes: usize = world.sent.iter().map(|transmit| transmit.bytes.len()).sum();
    assert!((1_000..=20_000).contains(&bytes), "{bytes} bytes");
    assert_eq!(world.transport.deadline(), None);
}

#[test]
fn i05_stun_that_nobody_asked_for_changes_nothing() {
    let mut world = World::connected();
    let (events, sent) = (world.events.len(), world.sent.len());
    for class in [crate::stun::Class::Indication, crate::stun::Class::Success, crate::stun::Class::Error] {
        let bytes = crate::stun::Writer::new(class, [1; 12]).username("server:client").finish_unsigned();
        world.deliver(&tuple(1), &bytes);
    }
    assert_eq!((world.events.len(), world.sent.len()), (events, sent));
    assert_eq!(world.transport.counters().stun_dropped_unexpected, 3);
}

#[test]
fn i07_media_and_dtls_from_an_address_that_was_never_validated_change_nothing() {
    let mut world = World::connected();
    let (events, sent) = (world.events.len(), world.sent.len());
    let stolen = [world.peer.seal_rtp(5, 1), world.peer.seal_rtcp(5), vec![22; 60], testing::rtp(5, 2, 20)];
    for bytes in &stolen {
        world.deliver(&tuple(2), bytes);
    }
    assert_eq!((world.received.len(), world.events.len(), world.sent.len()), (0, events, sent));
    assert_eq!(world.transport.counters().datagrams_dropped_unvalidated, 4);
    let (packet, rewrite) = world.outgoing(77);
    world.send(&packet, &rewrite);
    assert_eq!(world.socket.committed[0].0, tuple(1), "the send address is unchanged");
    world.deliver(&tuple(1), &stolen[0]);
    assert_eq!(world.received.len(), 1, "the stolen packet did not use up its number");
}

#[test]
fn i06_media_follows_the_peers_nomination() {
    let mut world = World::connected();
    let (packet, rewrite) = world.outgoing(77);
    let check = || crate::stun::Writer::new(crate::stun::Class::Request, [1; 12]).username("server:x").priority(1);
    let key = crate::stun::IntegrityKey::new(&credentials("server").password);
    world.deliver(&tuple(2), &check().finish(&key));
    world.send(&packet, &rewrite);
    world.deliver(&tuple(2), &check().use_candidate().finish(&key));
    world.send(&packet, &Rewrite { sequence: 8, ..rewrite });
    let ports: Vec<_> = world.socket.committed.iter().map(|(tuple, _)| tuple.remote.port()).collect();
    assert_eq!(ports, [1, 2]);
}

#[test]
fn s07_plain_packets_are_dropped_before_and_after_the_keys_exist() {
    let mut world = World::new();
    world.peer.add_pair(1, world.now);
    world.run_for(Duration::from_millis(20));
    let plain = [testing::rtp(5, 1, 50), testing::rtcp(5, 28)];
    plain.iter().for_each(|bytes| world.deliver(&tuple(1), bytes));
    assert_eq!((world.received.len(), world.transport.counters().srtp_packets_dropped_without_keys), (0, 2));
    world.connect();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.dtls_states(), ["connecting", "connected"]);
    plain.iter().for_each(|bytes| world.deliver(&tuple(1), bytes));
    assert_eq!(world.received.len(), 0);
    let counters = world.transport.counters();
    assert_eq!(counters.srtp_packets_dropped_unauthentic + counters.srtp_packets_dropped_malformed, 2);
}

#[test]
fn d12_a_datagram_longer_than_any_sender_needs_is_dropped() {
    let mut world = World::connected();
    for first in [0x80, 22, 0] {
        world.deliver(&tuple(1), &[first; DATAGRAM_BYTES_MAX + 1]);
    }
    assert_eq!(world.transport.counters().datagrams_dropped_unknown, 3);
}

#[test]
fn r09_a_peer_that_floods_is_held_to_its_limit_and_recovers() {
    let mut world = World::connected();
    let mut reports = SrtpOutbound::new(&world.peer.keys().client);
    let (mut rtp, mut rtcp) = (0, 0);
    // 50,000 a second for 0.4 s, one in ten of them RTCP.
    for number in 0..20_000_u16 {
        let is_rtcp = number.is_multiple_of(10);
        let sealed = match is_rtcp {
            true => testing::seal_rtcp(&mut reports, &testing::rtcp(5, 28)),
            false => world.peer.seal_rtp(5, number),
        };
        world.deliver(&tuple(1), &sealed);
        *(if is_rtcp { &mut rtcp } else { &mut rtp }) += world.received.drain(..).count() as u64;
        world.now += Duration::from_micros(20);
    }
    let allowed = INTAKE.packets_per_second * 4 / 10;
    assert!((allowed..=allowed + INTAKE.packets_per_second / 2).contains(&(rtp + rtcp)), "{rtp} + {rtcp}");
    assert!((100..1_500).contains(&rtcp), "RTCP is held as well: {rtcp}");
    assert_eq!(world.transport.counters().srtp_packets_dropped_over_limit, 20_000 - rtp - rtcp);
    world.now += Duration::from_secs(1);
    let mut calm = 0;
    for number in 20_000..21_000_u16 {
        let sealed = world.peer.seal_rtp(5, number);
        world.deliver(&tuple(1), &sealed);
        calm += world.received.drain(..).count();
        world.now += Duration::from_millis(1);
    }
    assert_eq!(calm, 1_000, "a peer below its limit loses nothing");
}

#[test]
fn r09_nobody_else_can_use_up_a_peers_share() {
    let mut world = World::connected();
    let genuine = world.peer.seal_rtp(5, 1);
    let mut forged = genuine.clone();
    forged.last_mut().into_iter().for_each(|byte| *byte ^= 1);
    (0..20_000).for_each(|_| world.deliver(&tuple(1), &forged));
    world.deliver(&tuple(1), &genuine);
    (0..20_000).for_each(|_| world.deliver(&tuple(1), &genuine));
    let next = world.peer.seal_rtp(5, 2);
    world.deliver(&tuple(1), &next);
    assert_eq!((world.received.len(), world.transport.counters().srtp_packets_dropped_over_limit), (2, 0));
}

#[test]
fn s08_a_transport_whose_keys_are_used_up_is_closed_and_seals_nothing_more() {
    let mut world = World::connected();
    world.transport.srtp.as_mut().unwrap().outbound.set_rtcp_index(RTCP_INDEX_MAX);
    let report = testing::rtcp(5, 28);
    for sent in [1, 1, 1] {
        world.transport.send_rtcp(&report, world.now, &mut world.socket);
        world.drain();
        assert_eq!(world.socket.committed.len(), sent);
    }
    assert_eq!(world.dtls_states(), ["connecting", "connected", "closed"], "the application makes a new transport");
    assert!(world.transport.srtp.is_none());
}

#[test]
fn k07_a_viewer_whose_socket_stays_full_holds_a_bounded_queue_and_the_newest_of_it() {
    let mut world = World::connected();
    let (packet, rewrite) = world.outgoing(77);
    world.socket.is_full = true;
    for number in 0..10_000_u16 {
        world.send(&packet, &Rewrite { sequence: number, timestamp: u32::from(number), ..rewrite });
    }
    let dropped = world.transport.counters().outgoing_video_dropped;
    world.socket.is_full = false;
    world.transport.flush_queue(world.now, &mut world.socket);
    let left = world.socket.committed.len();
    assert!((1..=512).contains(&left), "{left} packets waited");
    assert_eq!(dropped, 10_000 - left as u64);
    let last = world.socket.committed.pop().unwrap().1;
    assert_eq!(u16::from_be_bytes([last[2], last[3]]), 9_999, "the oldest is what is dropped");
}

#[test]
fn k08_a_clock_that_stands_still_or_leaps_costs_no_key_and_no_packet() {
    let mut world = World::connected();
    let (packet, rewrite) = world.outgoing(77);
    let mut received = 0;
    // Standing still: the same moment for everything.
    for number in 0..100 {
        let rtp = world.peer.seal_rtp(5, number);
        world.deliver(&tuple(1), &rtp);
        received += world.received.drain(..).count();
        world.send(&packet, &Rewrite { sequence: number, ..rewrite });
    }
    assert_eq!((received, world.socket.committed.len()), (100, 100));
    // Leaping by an hour, as after a suspended machine: consent is over, and the next check brings it back.
    world.now += Duration::from_secs(3600);
    world.transport.handle_timeout(world.now);
    world.drain();
    assert_eq!(world.transport.ice_state(), IceState::Disconnected);
    world.peer.ice.restart(&credentials("client"), &credentials("server"), world.now);
    world.run_for(Duration::from_secs(1));
    let rtp = world.peer.seal_rtp(5, 100);
    world.deliver(&tuple(1), &rtp);
    world.send(&packet, &Rewrite { sequence: 100, ..rewrite });
    assert_eq!((world.received.len(), world.socket.committed.len()), (1, 101));
    assert_eq!(world.dtls_states(), ["connecting", "connected"], "the same keys go on");
}

#[test]
fn k09_a_peer_that_loses_its_address_goes_on_over_a_new_pair_or_by_an_ice_restart() {
    for restarts in [false, true] {
        let mut world = World::connected();
        let (packet, rewrite) = world.outgoing(77);
        world.cut_off.push(1);
        if restarts {
            world.transport.restart_ice(credentials("again"), world.now);
            world.peer.ice.restart(&credentials("client"), &credentials("again"), world.now);
        }
        world.peer.add_pair(2, world.now);
        world.run_for(Duration::from_secs(5));
        world.send(&packet, &rewrite);
        let rtp = world.peer.seal_rtp(5, 1);
        world.deliver(&tuple(2), &rtp);
        let to = world.socket.committed.last().map(|(tuple, _)| tuple.remote.port());
        assert_eq!((to, world.received.len()), (Some(2), 1), "restarts: {restarts}");
        assert_eq!(world.dtls_states(), ["connecting", "connected"], "no new handshake");
    }
}

#[test]
fn i08_without_consent_nothing_is_sent_until_a_new_check_comes() {
    let mut world = World::connected();
    let (packet, rewrite) = world.outgoing(77);
    world.cut_off.push(1);
    world.run_for(Duration::from_secs(31));
    assert_eq!(world.transport.ice_state(), IceState::Disconnected);
    world.send(&packet, &rewrite);
    assert_eq!((world.socket.committed.len(), world.transport.counters().outgoing_packets_refused), (0, 1));
    world.cut_off.clear();
    world.transport.restart_ice(credentials("again"), world.now);
    world.peer.ice.restart(&credentials("client"), &credentials("again"), world.now);
    world.run_for(Duration::from_secs(1));
    world.send(&packet, &rewrite);
    assert_eq!((world.socket.committed.len(), world.dtls_states().len()), (1, 2), "the same keys go on");
}

#[test]
fn media_goes_on_during_a_restart() {
    let mut world = World::connected();
    let (packet, rewrite) = world.outgoing(77);
    world.transport.restart_ice(credentials("again"), world.now);
    assert_eq!(world.transport.ice_parameters(), &credentials("again"));
    world.send(&packet, &rewrite);
    let rtp = world.peer.seal_rtp(5, 1);
    world.deliver(&tuple(1), &rtp);
    assert_eq!((world.socket.committed.len(), world.received.len()), (1, 1));
    world.peer.ice.restart(&credentials("client"), &credentials("again"), world.now);
    world.run_for(Duration::from_secs(1));
    assert!(world.events.contains(&TransportEvent::Ice(IceEvent::UfragRetired("server".into()))));
    assert_eq!(world.transport.ice_state(), IceState::Completed);
}

#[test]
fn a_full_socket_delays_packets_until_it_can_be_written() {
    let mut world = World::connected();
    let (packet, rewrite) = world.outgoing(77);
    world.socket.is_full = true;
    world.send(&packet, &rewrite);
    assert!(world.transport.has_waiting(tuple(1).socket) && !world.transport.has_waiting(SocketId(9)));
    world.socket.is_full = false;
    world.transport.flush_queue(world.now, &mut world.socket);
    assert_eq!((world.socket.committed.len(), world.transport.has_waiting(tuple(1).socket)), (1, false));
}

#[test]
fn closing_says_goodbye_and_ends_everything() {
    let mut world = World::connected();
    world.transport.close(world.now);
    world.drain();
    assert!(world.peer.dtls.is_closed);
    assert_eq!(world.dtls_states(), ["connecting", "connected", "closed"]);
    assert_eq!(world.transport.ice_state(), IceState::Closed);
    assert_eq!(world.events.last(), Some(&TransportEvent::Ice(IceEvent::State(IceState::Closed))));
    assert_eq!((world.transport.deadline(), world.transport.selected_tuple()), (None, None));
    let (events, sent) = (world.events.len(), world.sent.len());
    world.transport.close(world.now);
    world.drain();
    assert_eq!((world.events.len(), world.sent.len()), (events, sent), "closing twice changes nothing");
}

#[test]
fn the_peers_goodbye_takes_the_keys() {
    let mut world = World::connected();
    world.peer.dtls.close();
    world.exchange();
    assert_eq!(world.dtls_states(), ["connecting", "connected", "closed"]);
    assert!(world.transport.srtp.is_none());
}

#[test]
fn a_transport_that_was_never_used_needs_no_timer() {
    let mut world = World::new();
    world.connect();
    assert_eq!(world.transport.deadline(), None);
}

#[test]
fn a_call_is_followed_by_a_bounded_number_of_events() {
    let mut world = World::connected();
    world.events.clear();
    world.transport.close(world.now);
    world.drain();
    assert!(world.events.len() <= TUPLES_MAX + 4);
}
