//! The test vectors of RFC 7714 §16 and §17, and one of libsrtp's that covers GCM together with the key derivation.

use super::cipher::{PacketId, Parts, RtcpWord};
use super::gcm::GcmKey;
use super::testing::{hex, packet};
use super::{MasterKey, SrtpError, SrtpInbound, SrtpOutbound, SrtpProfile};

const RTP_ID: PacketId = PacketId { ssrc: 0x5501_a0b2, index: 0xf17b };
const RTP_PLAIN: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070
    61727465 73207472 6573";
const RTCP_PLAIN: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef
    deadbeef deadbeef deadbeef";
const RTCP_SSRC: u32 = 0x4d61_7273;
const RTCP_INDEX: u32 = 0x0000_05d4;

#[test]
fn rtp_under_aes_128_gcm_is_that_of_rfc_7714_16_1() {
    let sealed = "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b
        36de3adf 8833 899d7f27 beb16a91 52cf765e e4390cce";
    assert_rtp(key(16), sealed);
}

#[test]
fn rtp_under_aes_256_gcm_is_that_of_rfc_7714_16_2() {
    let sealed = "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f
        1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13";
    assert_rtp(key(32), sealed);
}

#[test]
fn rtcp_under_aes_128_gcm_is_that_of_rfc_7714_17_1() {
    let sealed = "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46
        86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4";
    assert_rtcp(key(16), sealed);
}

#[test]
fn rtcp_under_aes_256_gcm_is_that_of_rfc_7714_17_2() {
    let sealed = "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658
        c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4";
    assert_rtcp(key(32), sealed);
}

#[test]
fn rtcp_that_is_only_tagged_by_gcm_is_that_of_rfc_7714_17_3() {
    assert_tagged_rtcp(key(16), "841dd968 3dd78ec9 2ae58790 125f62b3");
}

#[test]
fn rtcp_that_is_only_tagged_by_gcm_with_a_long_key_is_that_of_rfc_7714_17_4() {
    assert_tagged_rtcp(key(32), "91db4afb feee5a97 8fab4393 ed2615fe");
}

#[test]
fn gcm_with_derived_keys_seals_as_libsrtp_does() {
    // libsrtp, test/srtp_driver.c at v2.6.0: srtp_validate_gcm, keys test_key_gcm.
    let (key, salt) = (hex("000102030405060708090a0b0c0d0e0f"), hex("a0a1a2a3a4a5a6a7a8a9aaab"));
    let master = MasterKey::new(SrtpProfile::AeadAes128Gcm, &key, &salt).unwrap();
    let mut slot = [hex("800f1234 decafbad cafebabe"), vec![0; 60]].concat();
    let len = SrtpOutbound::new(&master).seal_rtp(0x1234, &mut slot, 12, &[0xab; 16]).unwrap();
    let sealed = hex("800f1234 decafbad cafebabe c5002ede 04cfdd2e b91159e0 880aa06e d2976826 f796b201 df3131a1
        27e8a392");
    assert_eq!(slot[..len], sealed);
    let mut received = packet(&sealed);
    assert_eq!(SrtpInbound::new(&master).open_rtp(&mut received), Ok(()));
    assert_eq!(received.bytes()[12..], [0xab; 16]);
}

#[test]
fn counter_mode_with_derived_keys_seals_as_libsrtp_does() {
    // libsrtp, test/srtp_driver.c at v2.6.0: srtp_validate, key test_key.
    let key = hex("e1f97a0d3e018be0d64fa32c06de4139");
    let salt = hex("0ec675ad498afeebb6960b3aabe6");
    let rtp_sealed = hex("800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb");
    let master = MasterKey::new(SrtpProfile::AesCm128HmacSha1_80, &key, &salt).unwrap();
    let mut slot = [hex("800f1234 decafbad cafebabe"), vec![0; 60]].concat();
    let len = SrtpOutbound::new(&master).seal_rtp(0x1234, &mut slot, 12, &[0xab; 16]).unwrap();
    assert_eq!(slot[..len], rtp_sealed);
}

fn key(len: u8) -> GcmKey {
    let bytes: Vec<u8> = (0..len).collect();
    GcmKey::new(&bytes, *b"Quid pro quo")
}

fn assert_rtp(key: GcmKey, sealed: &str) {
    let (plain, sealed) = (hex(RTP_PLAIN), hex(sealed));
    let mut slot = [&plain[..12], &[0; 54]].concat();
    key.seal_from(RTP_ID, &plain[12..], Parts::cut(&mut slot, 12, 38, 16).unwrap()).unwrap();
    assert_eq!(slot, sealed);
    key.open(RTP_ID, Parts::cut(&mut slot, 12, 38, 16).unwrap()).unwrap();
    assert_eq!(slot[..50], plain);
}

fn assert_rtcp(key: GcmKey, sealed: &str) {
    let (plain, sealed) = (hex(RTCP_PLAIN), hex(sealed));
    let id = PacketId { ssrc: RTCP_SSRC, index: RTCP_INDEX.into() };
    let word = RtcpWord::encrypted(RTCP_INDEX);
    let mut slot = [&plain[..], &[0; 20]].concat();
    key.seal_rtcp(id, word, Parts::cut(&mut slot, 8, 44, 20).unwrap()).unwrap();
    assert_eq!(slot, sealed);
    key.open_rtcp(id, word, Parts::cut(&mut slot, 8, 44, 20).unwrap()).unwrap();
    assert_eq!(slot[..52], plain);
}

fn assert_tagged_rtcp(key: GcmKey, tag: &str) {
    let id = PacketId { ssrc: RTCP_SSRC, index: RTCP_INDEX.into() };
    let word = RtcpWord::unencrypted(RTCP_INDEX);
    let mut slot = [hex(RTCP_PLAIN), hex(tag), word.to_bytes().to_vec()].concat();
    key.open_rtcp(id, word, Parts::cut(&mut slot, 8, 44, 20).unwrap()).unwrap();
    assert_eq!(slot[..52], hex(RTCP_PLAIN));
    slot[9] ^= 1;
    let changed = key.open_rtcp(id, word, Parts::cut(&mut slot, 8, 44, 20).unwrap());
    assert_eq!(changed, Err(SrtpError::Unauthentic));
}
