//! STUN, DTLS, SRTP and the framing of streams.

use millrace_engine::packets::PacketBatch;
use millrace_engine::process::{write_frame, write_packets};
use millrace_transport::stun::{Class, ErrorCode, IntegrityKey, Writer};

use super::{Seeds, numbered};
use crate::targets::init;

/// The two datagrams of a browser's ClientHello.
const CHROMIUM_HELLO: [&[u8]; 2] = [
    include_bytes!("../../../transport/tests/fixtures/chromium-156-client-hello-1.bin"),
    include_bytes!("../../../transport/tests/fixtures/chromium-156-client-hello-2.bin"),
];

/// Record header and handshake header, in bytes.
const DTLS_HEADERS_BYTES: usize = 13 + 12;

/// A whole ClientHello that offers one cipher suite and `use_srtp`.
#[rustfmt::skip]
const SMALL_HELLO: [u8; 80] = [
    22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 67, // record
    1, 0, 0, 55, 0, 0, 0, 0, 0, 0, 0, 55, // message
    0xfe, 0xfd, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, // random
    0, 0, 0, 2, 0xc0, 0x2b, 1, 0, // session, cookie, suites, compression
    0, 11, 0, 14, 0, 7, 0, 4, 0, 1, 0, 7, 0, // use_srtp
];

pub(crate) fn stun() -> Seeds {
    let request = Writer::new(Class::Request, [7; 12])
        .username("server:client")
        .priority(1)
        .ice_controlling(2)
        .use_candidate()
        .nomination(3)
        .finish(&IntegrityKey::new("somebody"));
    let error = Writer::new(Class::Error, [7; 12])
        .error_code(ErrorCode::UnknownAttribute)
        .unknown_attributes(&[1, 2])
        .xor_mapped_address("[::1]:9".parse().expect("an address"))
        .finish_unsigned();
    let success = Writer::new(Class::Success, [7; 12])
        .xor_mapped_address("192.0.2.1:32853".parse().expect("an address"))
        .finish(&IntegrityKey::new("somebody"));
    numbered([&request[..], &error, &success])
}

pub(crate) fn srtp() -> Seeds {
    let rtp = [&[0x90, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x10, 5, 0, 0][..], &[9; 30]].concat();
    let rtcp = [&[0x81, 200, 0, 6, 0, 0, 0, 7][..], &[9; 34]].concat();
    numbered([&rtp[..], &rtcp])
}

/// DATA with a SACK, and an INIT; the target writes the common header.
pub(crate) fn sctp_filter() -> Seeds {
    let data = [0, 3, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 51, b't', b'e', b'x', b't'];
    let sack = [3, 0, 0, 20, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 3];
    let forward = [192, 0, 0, 12, 0, 0, 0, 9, 0, 0, 0, 4];
    let reset = [130, 0, 0, 22, 0, 13, 0, 18, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 0];
    numbered([&[&data[..], &sack].concat()[..], &init(1), &forward, &reset])
}

pub(crate) fn dtls_client_hello() -> Seeds {
    let chromium = CHROMIUM_HELLO.map(|datagram| &datagram[DTLS_HEADERS_BYTES..]).concat();
    numbered([&SMALL_HELLO[DTLS_HEADERS_BYTES..], &chromium])
}

/// A flight of a client up to its Finished, and a browser's ClientHello in its two datagrams.
pub(crate) fn dtls_records() -> Seeds {
    let change_cipher_spec = [20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1];
    let finished = [22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4];
    let flight = [&SMALL_HELLO[..], &change_cipher_spec, &finished].concat();
    // The first byte says how long the datagrams are: here as long as everything, and as the browser's first.
    let [first, second] = CHROMIUM_HELLO;
    assert_eq!((first.len() - 64) % 8, 0, "the first datagram has a length that the target can be told");
    let chromium = [&[((first.len() - 64) / 8) as u8], first, second].concat();
    numbered([&[&[255], &SMALL_HELLO[..]].concat()[..], &[&[255], &flight[..]].concat(), &chromium])
}

/// The size of the pieces that the stream comes in, then frames of several lengths.
pub(crate) fn tcp_framing() -> Seeds {
    let frames: Vec<u8> = [1, 20, 300, 0, 1500].into_iter().flat_map(frame).collect();
    numbered([&[&[7], &frames[..]].concat()[..], &[&[255], &frame(40)[..]].concat(), &[1, 0xff, 0xff, 1, 2, 3]])
}

fn frame(len: u16) -> Vec<u8> {
    let mut frame = len.to_be_bytes().to_vec();
    frame.resize(frame.len() + usize::from(len), len as u8);
    frame
}

pub(crate) fn process_frames() -> Seeds {
    let mut frames = Vec::new();
    for text in [r#"{"id":1,"method":"worker.dump"}"#, "", "{\"ä\":1}"] {
        write_frame(&mut frames, text).expect("memory takes everything");
    }
    let mut packets = PacketBatch::default();
    packets.push(7, b"packet");
    write_packets(&mut frames, packets).expect("memory takes everything");
    numbered([&frames[..], &[0, 0xff, 0xff, 0xff, 1, 2, 3]])
}
