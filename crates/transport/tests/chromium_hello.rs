//! The ClientHello of a browser with a post-quantum key share, which does not fit into one datagram.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Instant;

use millrace_model::{Fingerprint, FingerprintAlgorithm};
use millrace_transport::SrtpProfile;
use millrace_transport::dtls::{DtlsEngine, DtlsSettings, LocalCertificate, PeerFingerprints, Role, RtcDtls};

const FIRST: &[u8] = include_bytes!("fixtures/chromium-156-client-hello-1.bin");
const SECOND: &[u8] = include_bytes!("fixtures/chromium-156-client-hello-2.bin");

/// RFC 6347 §4.1, §4.2.2.
const RECORD_HEADER_BYTES: usize = 13;
const MESSAGE_HEADER_BYTES: usize = 12;
/// Message types (RFC 6347 §4.3.2).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;

#[test]
fn the_recorded_hello_is_answered_in_either_order_of_its_datagrams() {
    for datagrams in [[FIRST, SECOND], [SECOND, FIRST]] {
        let mut engine = engine();
        let answers = exchange(&mut engine, &datagrams);
        assert_eq!(message_types(&answers), [HELLO_VERIFY_REQUEST]);
    }
}

#[test]
fn half_of_the_recorded_hello_is_not_answered() {
    for datagram in [FIRST, SECOND] {
        let mut engine = engine();
        assert_eq!(exchange(&mut engine, &[datagram, datagram]), Vec::<Vec<u8>>::new());
        assert_eq!(engine.deadline(), None);
    }
}

#[test]
fn the_hello_that_repeats_our_cookie_is_answered_in_either_order_with_the_profile_of_our_choice() {
    for swap in [false, true] {
        let mut engine = engine();
        let cookie = cookie_in(&exchange(&mut engine, &[FIRST, SECOND])[0]);
        let mut datagrams = with_cookie(&cookie);
        if swap {
            datagrams.reverse();
        }
        let answers = exchange(&mut engine, &datagrams.each_ref().map(Vec::as_slice));
        assert_eq!(message_types(&answers)[0], SERVER_HELLO);
        // RFC 5764 §4.1.1: extension 14, the list of one profile, no MKI. Chromium names AES-CM with SHA-1 first.
        let [high, low] = SrtpProfile::AeadAes128Gcm.id().to_be_bytes();
        let use_srtp = [0, 14, 0, 5, 0, 2, high, low, 0];
        assert!(answers[0].windows(use_srtp.len()).any(|bytes| bytes == use_srtp), "{:02x?}", answers[0]);
    }
}

fn engine() -> RtcDtls {
    let anybody = Fingerprint { algorithm: FingerprintAlgorithm::Sha256, digest: vec![0; 32] };
    let settings = DtlsSettings {
        role: Role::Server,
        certificate: LocalCertificate::generate().unwrap(),
        peer_fingerprints: PeerFingerprints::new(vec![anybody]).unwrap(),
        version: millrace_model::DtlsVersion::Dtls12,
        srtp_sha1_32: false,
    };
    RtcDtls::new(settings).unwrap()
}

fn exchange(engine: &mut RtcDtls, datagrams: &[&[u8]]) -> Vec<Vec<u8>> {
    let now = Instant::now();
    datagrams.iter().for_each(|datagram| engine.handle_datagram(datagram, now).unwrap());
    std::iter::from_fn(|| engine.poll_transmit()).collect()
}

/// The type of the first message in each datagram.
fn message_types(datagrams: &[Vec<u8>]) -> Vec<u8> {
    datagrams.iter().map(|datagram| datagram[RECORD_HEADER_BYTES]).collect()
}

/// RFC 6347 §4.2.1: version, length and cookie.
fn cookie_in(hello_verify_request: &[u8]) -> Vec<u8> {
    let body = &hello_verify_request[RECORD_HEADER_BYTES + MESSAGE_HEADER_BYTES..];
    body[3..3 + usize::from(body[2])].to_vec()
}

/// What the browser would send next: the recorded hello as message 1 with the cookie in it, in two datagrams again.
fn with_cookie(cookie: &[u8]) -> [Vec<u8>; 2] {
    let headers = RECORD_HEADER_BYTES + MESSAGE_HEADER_BYTES;
    let mut body = [&FIRST[headers..], &SECOND[headers..]].concat();
    // Version, random, session id; then the cookie, which was empty.
    let at = 2 + 32 + 1 + usize::from(body[2 + 32]);
    assert_eq!(body[at], 0);
    body.splice(at..=at, [&[cookie.len() as u8], cookie].concat());
    let (start, end) = body.split_at(1_100);
    [fragment(start, 0, body.len(), 2), fragment(end, start.len(), body.len(), 3)]
}

fn fragment(bytes: &[u8], offset: usize, message_len: usize, record: u8) -> Vec<u8> {
    let u24 = |value: usize| (value as u32).to_be_bytes()[1..].to_vec();
    let len = ((MESSAGE_HEADER_BYTES + bytes.len()) as u16).to_be_bytes();
    let mut datagram = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, record, len[0], len[1], CLIENT_HELLO];
    datagram.extend([u24(message_len), vec![0, 1], u24(offset), u24(bytes.len()), bytes.to_vec()].concat());
    datagram
}
