use std::time::{Duration, Instant};

use super::link::{Client, Link};
use crate::dtls::{DtlsEngine, DtlsError, DtlsEvent};

const FATAL_ALERT: [u8; 15] = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40];
const CLOSE_NOTIFY: [u8; 15] = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 98, 0, 2, 1, 0];

#[test]
fn d01_a_forged_second_hello_does_not_disturb_the_handshake() {
    let mut link = Link::new(1);
    // The server has sent its HelloVerifyRequest, the client has not seen it.
    link.run_for(Duration::from_millis(15));
    let mut forged = link.to_server[0].clone();
    // A hello with message number 1 (it needs a cookie) and no usable cipher suite.
    forged[13 + 5] = 1;
    let suites = forged.windows(2).position(|pair| pair == [0xc0, 0x2b]).unwrap();
    forged[suites + 1] = 0;
    link.inject(&forged);
    assert!(link.run().is_connected());
    assert_eq!(link.counters().dtls_records_dropped_unexpected, 1);
}

#[test]
fn d02_a_wrong_fingerprint_fails_before_keys_exist() {
    let now = Instant::now();
    let mut link = Link::between(Client::new(now, 2), now, 2);
    let stranger = Client::new(now, 3);
    link.client = stranger;
    link.run();
    assert_eq!(link.error, Some(DtlsError::FingerprintMismatch));
    assert!(link.events.is_empty() && link.client.keys.is_none());
    let alert = link.to_client.last().unwrap();
    assert_eq!((alert[0], alert[13]), (21, 2), "the peer is told by a fatal alert");
    assert_eq!((link.server.deadline(), link.server.poll_transmit()), (None, None));
}

#[test]
fn d02_a_wrong_fingerprint_fails_without_the_last_flight_packets() {
    let now = Instant::now();
    let mut link = Link::between(Client::with_mtu(now, 2, 200), now, 2);
    link.client = Client::with_mtu(now, 3, 200);
    let mut finished_seen = false;
    for _ in 0..40 {
        link.run_for(Duration::from_millis(5));
        finished_seen |= link.keys().is_some() || link.client.is_connected;
    }
    assert!(!finished_seen);
    assert_eq!(link.error, Some(DtlsError::FingerprintMismatch));
}

#[test]
fn d03_forgeries_in_the_clear_do_not_end_a_connection() {
    let mut link = Link::new(4);
    link.run();
    let (sent, hello) = (link.to_client.len(), link.to_server[0].clone());
    for forged in [&FATAL_ALERT[..], &CLOSE_NOTIFY, &hello, &[23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 97, 0, 1, 0]] {
        link.inject(forged);
    }
    assert_eq!((link.to_client.len(), link.error.clone()), (sent, None));
    link.client.send(b"still here");
    link.run_for(Duration::from_secs(1));
    assert_eq!(link.events.last(), Some(&DtlsEvent::ApplicationData(b"still here".to_vec())));
}

#[test]
fn d03_forged_sealed_records_do_not_end_a_connection() {
    let mut link = Link::new(4);
    link.run();
    let sent = link.to_client.len();
    for content_type in [20, 21, 22, 23, 24] {
        let mut forged = vec![content_type, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 50, 0, 40];
        forged.extend([content_type; 40]);
        link.inject(&forged);
    }
    link.client.send(b"still here");
    link.run_for(Duration::from_secs(1));
    assert_eq!((link.to_client.len(), link.events.len(), link.error.clone()), (sent, 2, None));
}

#[test]
fn d03_alerts_in_the_clear_do_not_end_a_handshake() {
    let mut link = Link::new(5);
    for _ in 0..12 {
        link.inject(&FATAL_ALERT);
        link.inject(&CLOSE_NOTIFY);
        link.run_for(Duration::from_millis(5));
    }
    assert!(link.run().is_connected());
}

#[test]
fn d04_a_fragment_bomb_costs_little() {
    let mut link = Link::new(6);
    let start = Instant::now();
    // 104 kB of one-byte fragments: seconds of CPU in the library, and stack enough to abort the process in 1 MB.
    for datagram in 0..100_u32 {
        let records = (0..40).flat_map(|record| one_byte_fragment(datagram * 40 + record));
        let bytes: Vec<u8> = records.collect();
        link.inject(&bytes);
    }
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    assert!(link.to_client.is_empty() && link.error.is_none());
    assert!(link.counters().dtls_records_dropped_limit >= 1_000);
}

#[test]
fn d04_a_certificate_shorter_than_it_declares_is_dropped_before_the_library_allocates_for_it() {
    let mut link = Link::new(21);
    // The server's HelloVerifyRequest and its flight; the client's Certificate, message 2, is next.
    while link.to_client.len() < 2 {
        link.run_for(Duration::from_millis(5));
    }
    let lists: [&[u8]; 4] = [&[0, 0, 3, 0xff, 0xff, 0xff], &[0, 0, 9, 0, 0, 1, 7], &[0, 0, 2, 0, 0], &[0, 0]];
    for list in lists {
        let len = list.len() as u8;
        let mut forged = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 50, 0, 12 + len];
        forged.extend([11, 0, 0, len, 0, 2, 0, 0, 0, 0, 0, len]);
        forged.extend(list);
        link.inject(&forged);
        assert_eq!(link.error, None);
    }
    assert!(link.run().is_connected());
    assert_eq!(link.counters().dtls_records_dropped_unexpected, 4);
}

#[test]
fn d05_replayed_records_change_nothing() {
    let mut link = Link::new(7);
    link.run();
    link.client.send(b"once");
    link.run_for(Duration::from_secs(1));
    let (sent, events) = (link.to_client.len(), link.events.clone());
    for captured in link.to_server.clone() {
        link.inject(&captured);
        link.inject(&captured);
    }
    assert_eq!((link.to_client.len(), &link.events, link.error.clone()), (sent, &events, None));
}

#[test]
fn d05_a_handshake_whose_every_datagram_comes_twice_completes() {
    let mut link = Link::new(8);
    for _ in 0..30 {
        let before = link.to_server.len();
        link.run_for(Duration::from_millis(5));
        let captured: Vec<_> = link.to_server[before..].to_vec();
        for captured in captured {
            link.inject(&captured);
        }
    }
    assert!(link.is_connected());
}

#[test]
fn d06_application_data_before_finished_is_dropped() {
    let mut link = Link::new(9);
    let mut early = vec![23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 5, 0, 40];
    early.extend([0; 40]);
    let mut plain = early.clone();
    plain[4] = 0;
    for _ in 0..12 {
        link.inject(&early);
        link.inject(&plain);
        link.run_for(Duration::from_millis(5));
    }
    assert!(link.run().is_connected());
    assert_eq!(link.events.len(), 1);
}

#[test]
fn d06_early_sealed_records_are_bounded_and_forgeries_do_not_displace_the_finished() {
    let mut link = Link::new(10);
    let mut forged = vec![22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 5, 0, 40];
    forged.extend([0; 40]);
    for _ in 0..50 {
        link.inject(&forged);
    }
    assert!(link.run().is_connected());
    assert_eq!(link.counters().dtls_records_dropped_limit, 50 - 4 + 1, "the Finished took a place as well");
}

#[test]
fn d07_flights_to_an_address_that_stops_reading_are_bounded() {
    let mut link = Link::new(11);
    link.run_for(Duration::from_millis(15));
    link.loss_percent = 100;
    link.run_for(Duration::from_secs(60));
    assert_eq!(link.error, Some(DtlsError::Timeout));
    let received: usize = link.to_server[..1].iter().map(Vec::len).sum();
    let sent: usize = link.to_client.iter().map(Vec::len).sum();
    assert!(sent <= 15 * 60 && received > 100, "{sent} bytes for {received}");
    assert_eq!((link.counters().dtls_flights_repeated, link.server.deadline()), (14, None));
}

#[test]
fn d09_10k_half_open_handshakes_hold_what_they_were_sent() {
    let now = Instant::now();
    let hello = Client::new(now, 12).poll_transmit().unwrap();
    let half = &hello[..hello.len() / 2];
    let start = Instant::now();
    let mut link = Link::new(13);
    let engines: Vec<_> = (0..10_000)
        .map(|_| {
            let mut server = crate::dtls::RtcDtls::new(super::link::settings(link.client.fingerprints())).unwrap();
            server.handle_datagram(half, now).unwrap();
            assert!(server.poll_transmit().is_none() && server.deadline().is_none());
            server
        })
        .collect();
    assert!(link.run().is_connected(), "another handshake goes on beside {}", engines.len());
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn d12_oversized_datagrams_are_read_to_a_bound() {
    let mut link = Link::new(14);
    for len in [1_501, 2_001, 65_507] {
        link.inject(&vec![22; len]);
    }
    assert!(link.run().is_connected());
}

#[test]
fn random_and_mutated_records_never_panic_the_engine() {
    let captured = {
        let mut link = Link::new(15);
        link.run();
        link.to_server
    };
    let mut random = fastrand::Rng::with_seed(15);
    let mut link = Link::new(15);
    for round in 0..30_000 {
        if round % 100 == 0 {
            // A fresh association at every stage of the handshake.
            link = Link::new(random.u64(..));
            link.run_for(Duration::from_millis(random.u64(..80)));
        }
        let mut bytes = random.choice(&captured).unwrap().clone();
        for _ in 0..random.usize(..8) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        bytes.truncate(random.usize(..=bytes.len()).max(bytes.len() / 2));
        link.inject(&bytes);
        assert_ne!(link.error, Some(DtlsError::EngineFailed));
    }
}

fn one_byte_fragment(number: u32) -> [u8; 26] {
    let [_, o0, o1, o2] = number.to_be_bytes();
    let record = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, o0, o1, o2, 0, 13];
    let fragment = [1, 0, 0x10, 0, 0, 0, o0, o1, o2, 0, 0, 1, 7];
    let mut bytes = [0; 26];
    bytes[..13].copy_from_slice(&record);
    bytes[13..].copy_from_slice(&fragment);
    bytes
}
