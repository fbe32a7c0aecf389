//! Entry points for fuzzing: each takes any bytes, runs one parser, and panics only where an invariant is broken.

use millrace_packet::PacketPool;

use crate::srtp::{SrtpInbound, SrtpKeys, SrtpOutbound, SrtpProfile};
use crate::{dtls, sctp, stun};

/// Parses `data` as a STUN message and checks what a parsed message promises.
pub fn fuzz_stun(data: &[u8]) {
    let key = stun::IntegrityKey::new("fuzz");
    let ufrag = stun::request_ufrag(data);
    let Ok(message) = stun::Message::parse(data) else { return };
    if let Some(username) = message.username {
        assert!(username.len() <= stun::USERNAME_BYTES_MAX);
        assert!(message.class != stun::Class::Request || ufrag.is_some() == message.receiver_ufrag().is_some());
    }
    assert!(!message.verify(&key), "nobody signed with this key");
}

/// Opens `data` as SRTP and as SRTCP under every profile, then seals it and opens what came out.
pub fn fuzz_srtp(data: &[u8]) {
    for profile in SrtpProfile::ALL {
        let material = vec![7; profile.keying_material_len()];
        let keys = SrtpKeys::from_keying_material(profile, &material).expect("the material has the profile's length");
        let mut inbound = SrtpInbound::new(&keys.client);
        let mut packet = PacketPool::new(1).take().expect("the pool has one packet");
        if !packet.fill(data) {
            return;
        }
        assert!(inbound.open_rtp(&mut packet).is_err(), "nobody sealed with this key");
        assert!(packet.fill(data) && inbound.open_rtcp(&mut packet).is_err(), "nobody sealed with this key");

        let mut slot = [data, &[0; 64]].concat();
        let sealed = SrtpOutbound::new(&keys.client).seal_rtcp(&mut slot, data.len());
        assert_eq!(sealed.is_ok(), data.len() >= 8, "whatever has a header can be sealed");
        let Ok(len) = sealed else { continue };
        if packet.fill(&slot[..len]) && data[0] >> 6 == 2 {
            assert_eq!(inbound.open_rtcp(&mut packet), Ok(()), "what we seal can be opened");
            assert_eq!(packet.bytes(), data);
        }
    }
}

/// Reads `data` as the body of a ClientHello.
pub fn fuzz_dtls_client_hello(data: &[u8]) {
    dtls::client_hello::fuzz(data);
}

/// Reads `data` as DTLS datagrams from a stranger.
pub fn fuzz_dtls_records(data: &[u8]) {
    dtls::record_filter::fuzz(data);
    dtls::gate::fuzz(data);
}

/// Reads `data` as the chunks of SCTP packets of the peer.
pub fn fuzz_sctp_filter(data: &[u8]) {
    sctp::fuzz_filter(data);
}

/// An SCTP packet of these chunks, with a true checksum.
pub fn sctp_packet(verification_tag: u32, chunks: &[u8]) -> Vec<u8> {
    sctp::packet(verification_tag, chunks)
}
