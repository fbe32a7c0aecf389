//! Entry points for fuzzing: each takes any bytes, runs one parser, and panics only where an invariant is broken.

use millrace_packet::PacketPool;

use crate::srtp::{SrtpInbound, SrtpKeys, SrtpOutbound, SrtpProfile};
use crate::{dtls, stun};

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
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutations tried per seed.
    const MUTATIONS: u32 = 20_000;

    #[test]
    fn stun_survives_mutations() {
        let request = stun::Writer::new(stun::Class::Request, [7; 12])
            .username("server:client")
            .priority(1)
            .ice_controlling(2)
            .use_candidate()
            .nomination(3)
            .finish(&stun::IntegrityKey::new("somebody"));
        let response = stun::Writer::new(stun::Class::Error, [7; 12])
            .error_code(stun::ErrorCode::UnknownAttribute)
            .unknown_attributes(&[1, 2])
            .xor_mapped_address("[::1]:9".parse().unwrap())
            .finish_unsigned();
        mutate(&[request, response], fuzz_stun);
    }

    #[test]
    fn srtp_survives_mutations() {
        let rtp = [&[0x90, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x10, 5, 0, 0][..], &[9; 30]].concat();
        let rtcp = [&[0x81, 200, 0, 6, 0, 0, 0, 7][..], &[9; 34]].concat();
        mutate(&[rtp, rtcp], fuzz_srtp);
    }

    #[test]
    fn dtls_client_hello_survives_mutations() {
        mutate(&[CLIENT_HELLO[25..].to_vec()], fuzz_dtls_client_hello);
    }

    #[test]
    fn dtls_records_survive_mutations() {
        let change_cipher_spec = [20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1];
        let finished = [22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4];
        let flight = [&CLIENT_HELLO[..], &change_cipher_spec, &finished].concat();
        mutate(&[CLIENT_HELLO.to_vec(), flight], fuzz_dtls_records);
    }

    /// Record header, handshake header, and a ClientHello that offers one cipher suite and `use_srtp`.
    const CLIENT_HELLO: [u8; 80] = [
        22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 67, // record
        1, 0, 0, 55, 0, 0, 0, 0, 0, 0, 0, 55, // message
        0xfe, 0xfd, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        7, // random
        0, 0, 0, 2, 0xc0, 0x2b, 1, 0, // session, cookie, suites, compression
        0, 11, 0, 14, 0, 7, 0, 4, 0, 1, 0, 7, 0, // use_srtp
    ];

    /// Feeds `target` with seeds that had bytes flipped, cut off or added.
    fn mutate(seeds: &[Vec<u8>], target: fn(&[u8])) {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % below.max(1) as u64) as usize
        };
        for _ in 0..MUTATIONS {
            let mut bytes = seeds[next(seeds.len())].clone();
            for _ in 0..=next(4) {
                let at = next(bytes.len());
                match next(4) {
                    0 => bytes.truncate(at),
                    1 => bytes.extend_from_slice(&[next(256) as u8; 4][..=next(4).min(3)]),
                    _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= next(255) as u8 + 1),
                }
            }
            target(&bytes);
        }
    }
}
