//! Entry points for fuzzing: each takes any bytes, runs one parser, and panics only where an invariant is broken.

use crate::stun;

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
