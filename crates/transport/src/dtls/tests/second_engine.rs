//! The engine over dimpl: the client role against the other engine, DTLS 1.3 against itself (browsers prove it against
//! others), and what the attacks on the first engine do to it.

use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::KeyPair;
use millrace_model::DtlsVersion;

use super::pair::{KINDS, Kind, Pair, fingerprints};
use crate::dtls::{DimplDtls, DtlsEngine, DtlsError, DtlsEvent, DtlsSettings, LocalCertificate, Role};
use crate::srtp::SrtpProfile;

const CLIENT: Kind = Kind(Role::Client, DtlsVersion::Dtls12, DtlsVersion::Dtls12);
const FATAL_ALERT: [u8; 15] = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40];
const CLOSE_NOTIFY: [u8; 15] = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 98, 0, 2, 1, 0];

#[test]
fn both_ends_export_the_same_keys_and_know_each_other() {
    for kind in KINDS {
        let mut pair = Pair::new(kind, 1);
        assert!(pair.run().is_connected(), "{kind:?}: {:?} {:?}", pair.ours.error, pair.peer.error);
        assert_eq!(pair.ours.keys(), pair.peer.keys(), "{kind:?}");
        let certificate = pair.peer.certificate.certificate().certificate[0].as_ref();
        assert_eq!(pair.ours.remote_certificate(), Some(certificate), "{kind:?}");
    }
}

#[test]
fn gcm_is_agreed_upon_as_the_client() {
    let mut pair = Pair::new(CLIENT, 1);
    assert_eq!(pair.run().ours.keys().unwrap().profile, SrtpProfile::AeadAes128Gcm, "the first engine's choice");
}

#[test]
fn every_handshake_completes_at_0_5_and_20_percent_loss_each_way() {
    for kind in KINDS {
        for (loss_percent, seeds) in [(0, 0..5), (5, 0..30), (20, 0..60)] {
            for seed in seeds {
                let mut pair = Pair::new(kind, seed);
                pair.loss_percent = loss_percent;
                pair.run();
                let errors = (&pair.ours.error, &pair.peer.error);
                assert!(pair.is_connected(), "{kind:?} seed {seed} at {loss_percent} %: {errors:?}");
            }
        }
    }
}

#[test]
fn the_first_hello_goes_out_at_once_and_a_lost_one_is_repeated() {
    let mut pair = Pair::new(CLIENT, 1);
    pair.loss_percent = 100;
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.ours.sent.len(), 1);
    pair.run_for(Duration::from_millis(150));
    assert_eq!((pair.ours.sent.len(), pair.ours.counters().dtls_flights_repeated), (2, 1));
}

#[test]
fn a_server_of_dtls_1_3_refuses_a_client_without_it() {
    let mut pair = Pair::new(Kind(Role::Server, DtlsVersion::Dtls13, DtlsVersion::Dtls12), 1);
    pair.run_for(Duration::from_secs(60));
    assert!(!pair.is_connected() && pair.ours.error.is_some(), "{:?}", pair.ours.error);
}

#[test]
fn a_client_of_dtls_1_2_refuses_a_server_of_1_3() {
    let mut pair = Pair::new(Kind(Role::Client, DtlsVersion::Dtls12, DtlsVersion::Dtls13), 1);
    assert!(!pair.run().is_connected());
}

#[test]
fn close_tells_the_peer_and_the_peers_close_is_reported() {
    for kind in KINDS {
        let mut pair = Pair::new(kind, 5);
        pair.run();
        pair.ours.engine.close(pair.now);
        pair.run_for(Duration::from_secs(1));
        assert_eq!(pair.peer.events.last(), Some(&DtlsEvent::Closed), "{kind:?}");
        let mut pair = Pair::new(kind, 5);
        pair.run();
        pair.peer.engine.close(pair.now);
        pair.run_for(Duration::from_secs(1));
        assert_eq!(pair.ours.events.last(), Some(&DtlsEvent::Closed), "{kind:?}");
        assert_eq!((pair.ours.error.clone(), pair.ours.engine.deadline()), (None, None), "{kind:?}");
    }
}

#[test]
fn a_certificate_without_an_ecdsa_key_is_refused() {
    let key = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let key_pem = pem::encode(&pem::Pem::new("PRIVATE KEY", pkcs8.as_ref()));
    // As much of a certificate as is looked at here: that it holds the public key.
    let certificate_pem = pem::encode(&pem::Pem::new("CERTIFICATE", key.public_key().as_ref()));
    let settings = DtlsSettings {
        role: Role::Client,
        version: DtlsVersion::Dtls12,
        certificate: LocalCertificate::from_pem(&certificate_pem, &key_pem).unwrap(),
        peer_fingerprints: fingerprints(&LocalCertificate::generate().unwrap()),
        srtp_sha1_32: false,
    };
    assert!(!settings.has_usable_certificate());
    assert!(matches!(DimplDtls::new(&settings, Instant::now()), Err(DtlsError::Setup(_))));
    assert!(DtlsSettings { role: Role::Server, ..settings }.has_usable_certificate());
}

#[test]
fn d02_a_wrong_fingerprint_fails_before_keys_exist() {
    for kind in KINDS {
        let certificates = || (LocalCertificate::generate().unwrap(), LocalCertificate::generate().unwrap());
        let another = fingerprints(&LocalCertificate::generate().unwrap());
        let mut pair = Pair::expecting(kind, 2, certificates(), another);
        pair.run();
        assert_eq!(pair.ours.error, Some(DtlsError::FingerprintMismatch), "{kind:?}");
        assert!(pair.ours.events.is_empty(), "{kind:?}: {:?}", pair.ours.events);
        let alert = pair.ours.sent.last().unwrap();
        assert_eq!((alert[0], &alert[13..]), (21, &[2, 42][..]), "{kind:?}: the peer is told");
        assert_eq!((pair.ours.engine.deadline(), pair.ours.engine.poll_transmit()), (None, None));
    }
}

#[test]
fn d02_a_wrong_fingerprint_fails_whichever_packets_of_the_last_flight_get_lost() {
    for kind in KINDS {
        for seed in 0..30 {
            let certificates = (LocalCertificate::generate().unwrap(), LocalCertificate::generate().unwrap());
            let another = fingerprints(&LocalCertificate::generate().unwrap());
            let mut pair = Pair::expecting(kind, seed, certificates, another);
            pair.loss_percent = 30;
            pair.run_for(Duration::from_secs(30));
            assert!(pair.ours.keys().is_none() && pair.ours.error.is_some(), "{kind:?} seed {seed}");
        }
    }
}

#[test]
fn d03_forgeries_do_not_end_a_connection() {
    for kind in KINDS {
        let mut pair = Pair::new(kind, 4);
        pair.run();
        pair.run_for(Duration::from_secs(1));
        let sent = pair.ours.sent.len();
        for forged in [&FATAL_ALERT[..], &CLOSE_NOTIFY, &[23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 97, 0, 1, 0]] {
            pair.inject(forged);
        }
        for content_type in [20, 21, 22, 23, 24] {
            let mut forged = vec![content_type, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 50, 0, 40];
            forged.extend([content_type; 40]);
            pair.inject(&forged);
        }
        for header in 0x20..=0x2f {
            pair.inject(&[&[header, 0, 9, 0, 40][..], &[7; 40]].concat());
        }
        assert_eq!((pair.ours.sent.len(), pair.ours.error.clone()), (sent, None), "{kind:?}");
        pair.peer.engine.close(pair.now);
        pair.run_for(Duration::from_secs(1));
        assert_eq!(pair.ours.events.last(), Some(&DtlsEvent::Closed), "{kind:?}: it heard the true goodbye");
    }
}

#[test]
fn d04_a_flood_of_fragments_holds_little_and_ends_nothing() {
    for kind in KINDS {
        let mut pair = Pair::new(kind, 5);
        let message = if kind.0 == Role::Client { 2 } else { 1 };
        let start = Instant::now();
        for number in 0..100_u32 {
            let [_, o0, o1, o2] = number.to_be_bytes();
            let record = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, o0, o1, o2, 0, 13];
            pair.inject(&[&record[..], &[message, 0, 0x10, 0, 0, 0, o0, o1, o2, 0, 0, 1, 7]].concat());
            pair.inject(&[&record[..], &[message, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]].concat());
        }
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(pair.run().is_connected(), "{kind:?}: {:?}", pair.ours.error);
    }
}

#[test]
fn d05_replayed_records_change_nothing() {
    for kind in KINDS {
        let mut pair = Pair::new(kind, 7);
        pair.run();
        pair.run_for(Duration::from_secs(1));
        let (events, repeats) = (pair.ours.events.clone(), pair.ours.sent.len());
        for captured in pair.peer.sent.clone() {
            pair.inject(&captured);
            pair.inject(&captured);
        }
        assert_eq!((&pair.ours.events, pair.ours.error.clone()), (&events, None), "{kind:?}");
        assert!(pair.ours.sent.len() <= repeats + 8, "{kind:?}: a lost last flight may be asked for again");
        pair.peer.engine.close(pair.now);
        pair.run_for(Duration::from_secs(1));
        assert_eq!(pair.ours.events.last(), Some(&DtlsEvent::Closed), "{kind:?}");
    }
}

#[test]
fn d05_a_handshake_whose_every_datagram_comes_twice_completes() {
    for kind in KINDS {
        let mut pair = Pair::new(kind, 8);
        for _ in 0..30 {
            let before = pair.peer.sent.len();
            pair.run_for(Duration::from_millis(5));
            let captured: Vec<_> = pair.peer.sent[before..].to_vec();
            for captured in captured {
                pair.inject(&captured);
            }
        }
        assert!(pair.is_connected(), "{kind:?}: {:?}", pair.ours.error);
    }
}

#[test]
fn d06_application_data_and_alerts_before_finished_are_dropped() {
    for kind in KINDS {
        let mut pair = Pair::new(kind, 9);
        for round in 0..12 {
            for (content_type, epoch) in [(23, 1), (23, 0), (21, 1)] {
                let mut early = vec![content_type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 1, round, 0, 40];
                early.extend([0; 40]);
                pair.inject(&early);
            }
            pair.inject(&FATAL_ALERT);
            pair.inject(&[&[0x2f, 0, round, 0, 40][..], &[7; 40]].concat());
            pair.run_for(Duration::from_millis(5));
        }
        assert!(pair.run().is_connected(), "{kind:?}: {:?}", pair.ours.error);
        assert_eq!(pair.ours.events.len(), 1, "{kind:?}");
    }
}

#[test]
fn d07_flights_to_an_address_that_stops_reading_are_bounded() {
    for kind in KINDS {
        for reads_ms in [0, 15, 25] {
            let mut pair = Pair::new(kind, 11);
            pair.run_for(Duration::from_millis(reads_ms));
            pair.loss_percent = 100;
            pair.run_for(Duration::from_secs(120));
            let sent: usize = pair.ours.sent.iter().map(Vec::len).sum();
            assert!(sent <= 20_000, "{kind:?}: {sent} bytes");
            assert_eq!(pair.ours.engine.deadline(), None, "{kind:?} {reads_ms}");
            let is_waiting_server = kind.0 == Role::Server && reads_ms == 0;
            let has_ended = pair.ours.keys().is_some() || pair.ours.error == Some(DtlsError::Timeout);
            assert!(has_ended || is_waiting_server, "{kind:?} {reads_ms}: {:?}", pair.ours.error);
        }
    }
}

#[test]
fn d09_half_open_handshakes_leave_others_alone() {
    let now = Instant::now();
    let certificate = LocalCertificate::generate().unwrap();
    let hello =
        Pair::new(Kind(Role::Server, DtlsVersion::Auto, DtlsVersion::Auto), 12).peer.engine.poll_transmit().unwrap();
    let settings = DtlsSettings {
        role: Role::Server,
        version: DtlsVersion::Auto,
        peer_fingerprints: fingerprints(&certificate),
        certificate,
        srtp_sha1_32: false,
    };
    let engines: Vec<_> = (0..10_000)
        .map(|_| {
            let mut server = DimplDtls::new(&settings, now).unwrap();
            server.handle_datagram(&hello[..hello.len() / 2], now).unwrap();
            assert!(server.poll_transmit().is_none());
            server
        })
        .collect();
    let mut pair = Pair::new(KINDS[4], 13);
    assert!(pair.run().is_connected(), "another handshake goes on beside {}", engines.len());
}

#[test]
fn d10_a_malformed_message_of_a_server_ends_that_association_only() {
    for (name, message, change) in malformed_messages() {
        let mut pair = Pair::new(CLIENT, 14);
        let mut beside = Pair::new(CLIENT, 15);
        pair.tamper = Some(Box::new(move |datagram| changed(&datagram, message, change)));
        pair.run_for(Duration::from_secs(60));
        assert!(pair.ours.error.is_some() && pair.ours.keys().is_none(), "{name}: {:?}", pair.ours.error);
        assert_ne!(pair.ours.error, Some(DtlsError::EngineFailed), "{name}");
        assert!(beside.run().is_connected(), "{name}");
    }
}

#[test]
fn d10_hello_verify_requests_are_answered_once() {
    let mut pair = Pair::new(CLIENT, 16);
    for number in 0..100 {
        let mut request = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number, 0, 12 + 3 + 20];
        request.extend([3, 0, 0, 23, 0, 0, 0, 0, 0, 0, 0, 23, 0xfe, 0xfd, 20]);
        request.extend([number; 20]);
        pair.inject(&request);
    }
    assert!(pair.ours.sent.len() <= 3, "the hello, the hello with the first cookie, and one repeat of it");
    pair.run_for(Duration::from_secs(60));
    assert!(pair.ours.keys().is_none() && pair.ours.error.is_some(), "the server knows of no such cookie");
}

#[test]
fn d12_oversized_datagrams_are_read_to_a_bound() {
    for kind in KINDS {
        let mut pair = Pair::new(kind, 14);
        for len in [1_501, 2_001, 65_507] {
            pair.inject(&vec![22; len]);
            pair.inject(&vec![0x2c; len]);
        }
        assert!(pair.run().is_connected(), "{kind:?}");
    }
}

#[test]
fn random_and_mutated_records_never_panic_the_engine() {
    let mut random = fastrand::Rng::with_seed(15);
    for kind in KINDS {
        let captured = {
            let mut pair = Pair::new(kind, 15);
            pair.run();
            pair.peer.sent
        };
        let mut pair = Pair::new(kind, 15);
        for round in 0..6_000 {
            if round % 50 == 0 {
                // A fresh association at every stage of the handshake.
                pair = Pair::new(kind, random.u64(..));
                pair.run_for(Duration::from_millis(random.u64(..80)));
            }
            let live = pair.peer.sent.last().filter(|_| random.bool()).cloned();
            let mut bytes = live.unwrap_or_else(|| random.choice(&captured).unwrap().clone());
            for _ in 0..random.usize(..8) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..=bytes.len()).max(bytes.len() / 2));
            pair.inject(&bytes);
            assert_ne!(pair.ours.error, Some(DtlsError::EngineFailed), "{kind:?}");
        }
    }
}

/// A change of a message's body.
type Change = fn(&mut Vec<u8>);

const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;

fn malformed_messages() -> Vec<(&'static str, u8, Change)> {
    vec![
        ("a cookie beyond the message", HELLO_VERIFY_REQUEST, |body| body[2] = 255),
        ("a HelloVerifyRequest of another protocol", HELLO_VERIFY_REQUEST, |body| body[0] = 3),
        ("a HelloVerifyRequest of nothing", HELLO_VERIFY_REQUEST, Vec::clear),
        ("a suite that was not offered", SERVER_HELLO, |body| body[35..37].copy_from_slice(&[0, 0])),
        ("a ServerHello cut off", SERVER_HELLO, |body| body.truncate(20)),
        ("no certificate", CERTIFICATE, |body| *body = vec![0, 0, 0]),
        ("a certificate beyond the list", CERTIFICATE, |body| body[3..6].copy_from_slice(&[0xff; 3])),
        ("a certificate that is none", CERTIFICATE, |body| body[6..].fill(0x30)),
        ("a chain of 64 KB", CERTIFICATE, |body| {
            let one = body[3..].to_vec();
            while body.len() < 64 * 1024 {
                body.extend(&one);
            }
            let len = (body.len() - 3) as u32;
            body[..3].copy_from_slice(&len.to_be_bytes()[1..]);
        }),
        ("a chain of 15 KB of empty certificates", CERTIFICATE, |body| {
            *body = [&[0, 0x3a, 0x98][..], &[0; 15_000]].concat();
        }),
        ("a curve that is none", SERVER_KEY_EXCHANGE, |body| body[1..3].copy_from_slice(&[0xff, 0xff])),
        ("an explicit curve", SERVER_KEY_EXCHANGE, |body| body[0] = 1),
        ("a point of no bytes", SERVER_KEY_EXCHANGE, |body| body[3] = 0),
        ("a point beyond the message", SERVER_KEY_EXCHANGE, |body| body[3] = 255),
        ("a point that is not on the curve", SERVER_KEY_EXCHANGE, |body| body[5..20].fill(0)),
        ("a signature of another key", SERVER_KEY_EXCHANGE, |body| {
            let end = body.len() - 1;
            body[end] ^= 1;
        }),
        ("a ServerKeyExchange of nothing", SERVER_KEY_EXCHANGE, Vec::clear),
        ("certificate types beyond the message", CERTIFICATE_REQUEST, |body| body[0] = 255),
        ("no signature algorithm of ours", CERTIFICATE_REQUEST, |body| {
            *body = vec![1, 64, 0, 2, 1, 1, 0, 0];
        }),
        ("authorities beyond the message", CERTIFICATE_REQUEST, |body| {
            let end = body.len() - 2;
            body[end..].fill(0xff);
        }),
        ("a CertificateRequest of nothing", CERTIFICATE_REQUEST, Vec::clear),
    ]
}

/// The datagram with the body of its messages of kind `message` changed, and their lengths told truly where they fit.
fn changed(datagram: &[u8], message: u8, change: Change) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), datagram);
    while rest.len() >= 13 {
        let len = 13 + usize::from(u16::from_be_bytes([rest[11], rest[12]]));
        let (record, after) = rest.split_at(len);
        rest = after;
        if record[0] != 22 || record[4] != 0 || record[13] != message {
            out.extend(record);
            continue;
        }
        let mut body = record[25..].to_vec();
        change(&mut body);
        let len = (body.len() as u32).to_be_bytes();
        // What does not fit a record is cut off; the message says how long it would have been.
        body.truncate(60_000);
        let fragment = (body.len() as u32).to_be_bytes();
        out.extend(&record[..11]);
        out.extend((12 + body.len() as u16).to_be_bytes());
        out.extend([&[message], &len[1..], &record[17..19], &[0, 0, 0], &fragment[1..], &body].concat());
    }
    out
}
