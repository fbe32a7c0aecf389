use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc_dtls::config::{ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::endpoint::Endpoint;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;

use super::link::{Client, Link, settings};
use millrace_model::{DtlsVersion, FingerprintAlgorithm};

use crate::dtls::{
    DtlsEngine, DtlsError, DtlsEvent, DtlsSettings, LocalCertificate, PeerFingerprints, Role, RtcDtls, fingerprint_of,
};
use crate::srtp::SrtpProfile;

#[test]
fn both_ends_export_the_same_keys() {
    let mut link = Link::new(1);
    link.run();
    let keys = link.keys().unwrap();
    assert_eq!((keys.profile, keys.keying_material.len()), (SrtpProfile::AeadAes128Gcm, 56));
    assert_eq!(Some(&keys.keying_material), link.client.keys.as_ref());
}

#[test]
fn the_peers_certificate_is_reported() {
    let mut link = Link::new(1);
    link.run();
    let certificate = link.events.iter().find_map(|event| match event {
        DtlsEvent::Connected { remote_certificate, .. } => Some(remote_certificate),
        _ => None,
    });
    assert_eq!(certificate, Some(&link.client.certificate.certificate));
}

#[test]
fn every_handshake_completes_without_loss() {
    assert_completes(0, 0..20);
}

#[test]
fn every_handshake_completes_at_5_percent_loss_each_way() {
    assert_completes(5, 0..200);
}

#[test]
fn every_handshake_completes_at_20_percent_loss_each_way() {
    assert_completes(20, 0..300);
}

#[test]
fn every_handshake_completes_in_small_fragments_at_20_percent_loss() {
    for seed in 0..40 {
        let now = Instant::now();
        let mut link = Link::between(Client::with_mtu(now, seed, 200), now, seed);
        link.loss_percent = 20;
        assert!(link.run().is_connected(), "seed {seed}: {:?} {:?}", link.error, link.client.error);
    }
}

#[test]
fn a_lost_server_flight_is_repeated_within_100_ms() {
    let mut link = Link::new(3);
    link.run_for(Duration::from_millis(25));
    link.loss_percent = 100;
    link.run_for(Duration::from_millis(110));
    let [_hello_verify_request, flight, repeat] = &link.to_client[..] else { panic!("{}", link.to_client.len()) };
    assert_eq!(flight, repeat, "verbatim");
}

#[test]
fn a_hello_in_two_datagrams_is_read_in_either_order() {
    for order in [[0, 1], [1, 0]] {
        let mut link = Link::new(4);
        let hello = link.client.poll_transmit().unwrap();
        let halves = split_hello(&hello);
        for half in order {
            assert!(link.to_client.is_empty());
            link.inject(&halves[half]);
        }
        assert!(link.run().is_connected(), "{order:?}");
    }
}

#[test]
fn one_hello_verify_request_answers_a_hello_in_two_datagrams() {
    let mut link = Link::new(4);
    let hello = link.client.poll_transmit().unwrap();
    split_hello(&hello).iter().for_each(|half| link.inject(half));
    assert_eq!(link.to_client.len(), 1);
}

#[test]
fn our_preferred_profile_wins_though_the_client_lists_cm_first() {
    let offered = [0x0001, 0x0008, 0x0007].map(SrtpProtectionProfile::from);
    assert_eq!(negotiate(&offered, false), Ok(SrtpProfile::AeadAes128Gcm));
    assert_eq!(negotiate(&offered[..2], false), Ok(SrtpProfile::AeadAes256Gcm));
    assert_eq!(negotiate(&offered[..1], false), Ok(SrtpProfile::AesCm128HmacSha1_80));
}

#[test]
fn d08_sha1_32_is_refused_unless_enabled() {
    let offered = [SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32];
    assert_eq!(negotiate(&offered, false), Err(DtlsError::NoCommonSrtpProfile));
    assert_eq!(negotiate(&offered, true), Ok(SrtpProfile::AesCm128HmacSha1_32));
}

#[test]
fn d08_null_and_export_cipher_suites_are_refused() {
    // TLS_NULL_WITH_NULL_NULL, RSA_WITH_NULL_MD5, RSA_EXPORT_WITH_RC4_40_MD5, RSA_WITH_NULL_SHA256, ECDHE_ECDSA_WITH_NULL_SHA.
    for suite in [[0, 0], [0, 1], [0, 3], [0, 0x3b], [0xc0, 0x06]] {
        let (now, mut server) = (Instant::now(), RtcDtls::new(settings(any_fingerprints())).unwrap());
        let mut client = rtc_client(now, &[SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm]);
        let mut sent = Vec::new();
        let mut refused = None;
        while let Some(hello) = client.poll_transmit().filter(|_| refused.is_none()) {
            refused = server.handle_datagram(&with_suite(&hello.message, suite), now).err();
            while let Some(bytes) = server.poll_transmit() {
                sent.push(bytes.clone());
                client.read(now, SERVER.parse().unwrap(), None, bytes[..].into()).ok();
            }
        }
        assert!(refused.is_some(), "{suite:?}");
        let server_hello = sent.iter().find(|bytes| bytes[0] == 22 && bytes[13] == 2);
        assert_eq!(server_hello, None, "{suite:?}");
    }
}

/// The hello with all of its cipher suites replaced.
fn with_suite(hello: &[u8], suite: [u8; 2]) -> Vec<u8> {
    let mut bytes = hello.to_vec();
    // Record header, message header, version and random; then session id, cookie and suites, each with its length.
    let session_id = 13 + 12 + 34;
    let cookie = session_id + 1 + usize::from(bytes[session_id]);
    let suites = cookie + 1 + usize::from(bytes[cookie]);
    let len = usize::from(u16::from_be_bytes([bytes[suites], bytes[suites + 1]]));
    assert!(len >= 2 && len % 2 == 0);
    bytes[suites + 2..suites + 2 + len].chunks_mut(2).for_each(|place| place.copy_from_slice(&suite));
    bytes
}

#[test]
fn a_client_that_offers_no_srtp_is_refused() {
    assert_eq!(negotiate(&[], true), Err(DtlsError::NoCommonSrtpProfile));
}

#[test]
fn a_refused_profile_is_answered_with_an_alert() {
    let mut server = RtcDtls::new(settings(any_fingerprints())).unwrap();
    let now = Instant::now();
    let hello = rtc_client(now, &[SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32]).poll_transmit().unwrap();
    assert!(server.handle_datagram(&hello.message, now).is_err());
    let alert = server.poll_transmit().unwrap();
    assert_eq!((alert[0], &alert[13..]), (21, &[2, 40][..]));
    assert_eq!((server.poll_transmit(), server.deadline()), (None, None));
}

#[test]
fn close_tells_the_peer() {
    let mut link = Link::new(5);
    link.run();
    link.server.close(link.now);
    link.run_for(Duration::from_secs(1));
    assert!(link.client.is_closed);
}

#[test]
fn the_peers_close_is_reported_and_answered() {
    let mut link = Link::new(5);
    link.run();
    let sent = link.to_client.len();
    link.client.close();
    link.run_for(Duration::from_secs(1));
    assert_eq!(link.events.last(), Some(&DtlsEvent::Closed));
    assert_eq!((link.to_client.len(), link.error.clone()), (sent + 1, None));
}

#[test]
fn application_data_arrives() {
    let mut link = Link::new(6);
    link.run();
    link.client.send(b"hello");
    link.run_for(Duration::from_secs(1));
    assert_eq!(link.events.last(), Some(&DtlsEvent::ApplicationData(b"hello".to_vec())));
}

#[test]
fn the_client_role_and_dtls_1_3_are_refused_by_type() {
    let client = DtlsSettings { role: Role::Client, ..settings(any_fingerprints()) };
    let version = DtlsSettings { version: DtlsVersion::Dtls13, ..settings(any_fingerprints()) };
    for settings in [client, version] {
        assert_eq!(RtcDtls::new(settings).err(), Some(DtlsError::NotThisEngine));
    }
}

fn assert_completes(loss_percent: u8, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut link = Link::new(seed);
        link.loss_percent = loss_percent;
        link.run();
        assert!(link.is_connected(), "seed {seed}: {:?} {:?}", link.error, link.client.error);
    }
}

/// The shortest fragment that is accepted where more follow.
const SPLIT_AT: usize = 64;

/// Cuts the hello's one fragment into two, each in a datagram of its own.
fn split_hello(datagram: &[u8]) -> [Vec<u8>; 2] {
    let (record_header, rest) = datagram.split_at(13);
    let (header, body) = rest.split_at(12);
    let (first, second) = body.split_at(SPLIT_AT);
    let half = |number: u8, offset: usize, data: &[u8]| {
        let mut bytes = record_header[..10].to_vec();
        bytes.push(number);
        bytes.extend((12 + data.len() as u16).to_be_bytes());
        bytes.extend(&header[..6]);
        bytes.extend(&(offset as u32).to_be_bytes()[1..]);
        bytes.extend(&(data.len() as u32).to_be_bytes()[1..]);
        bytes.extend(data);
        bytes
    };
    [half(0, 0, first), half(1, SPLIT_AT, second)]
}

/// Runs a handshake with a client that offers `profiles` in that order.
fn negotiate(profiles: &[SrtpProtectionProfile], srtp_sha1_32: bool) -> Result<SrtpProfile, DtlsError> {
    let now = Instant::now();
    let mut client = rtc_client(now, profiles);
    let mut server = RtcDtls::new(DtlsSettings { srtp_sha1_32, ..settings(any_fingerprints()) }).unwrap();
    for _ in 0..10 {
        while let Some(transmit) = client.poll_transmit() {
            match server.handle_datagram(&transmit.message, now) {
                // The server does not know this client's certificate: that it came so far tells the profile.
                Err(DtlsError::FingerprintMismatch) => return Ok(chosen(&client)),
                result => result?,
            }
        }
        while let Some(bytes) = server.poll_transmit() {
            client.read(now, SERVER.parse().unwrap(), None, bytes[..].into()).unwrap();
        }
    }
    panic!("the handshake stands still")
}

const SERVER: &str = "127.0.0.1:9";

fn chosen(client: &Endpoint) -> SrtpProfile {
    let state = client.get_connection_state(SERVER.parse().unwrap()).unwrap();
    SrtpProfile::from_id(state.srtp_protection_profile() as u16).unwrap()
}

fn rtc_client(now: Instant, profiles: &[SrtpProtectionProfile]) -> Endpoint {
    let certificate = LocalCertificate::generate().unwrap();
    let config = ConfigBuilder::default()
        .with_crypto_provider(certificate.crypto().clone())
        .with_certificates(vec![certificate.certificate().clone()])
        .with_srtp_protection_profiles(profiles.to_vec())
        .with_insecure_skip_verify(true)
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .build(true, None)
        .unwrap();
    let mut endpoint = Endpoint::new(SERVER.parse().unwrap(), TransportProtocol::UDP, None);
    endpoint.connect(now, SERVER.parse().unwrap(), Arc::new(config), None).unwrap();
    endpoint
}

fn any_fingerprints() -> PeerFingerprints {
    PeerFingerprints::new(vec![fingerprint_of(FingerprintAlgorithm::Sha256, b"unknown")]).unwrap()
}
