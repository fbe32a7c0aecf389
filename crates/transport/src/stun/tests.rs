use std::net::SocketAddr;

use super::*;

/// RFC 5769 §2: the password of its short-term samples.
const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

/// RFC 5769 §2.1.
const SAMPLE_REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae\
    802200105354554e207465737420636c69656e74\
    002400046e0001ff\
    80290008932ff9b151263b36\
    000600096576746a3a68367659202020\
    000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2\
    80280004e57a3bcf";

/// RFC 5769 §2.2.
const SAMPLE_RESPONSE_IPV4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae\
    8022000b7465737420766563746f7220\
    002000080001a147e112a643\
    000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7\
    80280004c07d4c96";

/// RFC 5769 §2.3.
const SAMPLE_RESPONSE_IPV6: &str = "010100482112a442b7e7a701bc34d686fa87dfae\
    8022000b7465737420766563746f7220\
    002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9\
    00080014a382954e4be67bf11784c97c8292c275bfe3ed41\
    80280004c8fb0b4c";

#[test]
fn rfc_5769_sample_request_is_read_and_verified() {
    let bytes = hex(SAMPLE_REQUEST);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class, message.username), (Class::Request, Some(&b"evtj:h6vY"[..])));
    assert_eq!((message.priority, message.ice_controlled), (Some(0x6e00_01ff), Some(0x932f_f9b1_5126_3b36)));
    assert_eq!((message.ice_controlling, message.use_candidate, message.nomination), (None, false, None));
    assert_eq!(message.receiver_ufrag(), Some(&b"evtj"[..]));
    assert!(message.has_fingerprint && message.unknown_attributes.is_empty());
    assert!(message.verify(&IntegrityKey::new(PASSWORD)));
    assert!(!message.verify(&IntegrityKey::new("VOkJxbRl1RmTxUk/WvJxBT")));
}

#[test]
fn rfc_5769_sample_responses_are_read_and_verified() {
    let samples = [
        (SAMPLE_RESPONSE_IPV4, "192.0.2.1:32853"),
        (SAMPLE_RESPONSE_IPV6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ];
    for (sample, address) in samples {
        let bytes = hex(sample);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.class, Class::Success);
        assert_eq!(message.xor_mapped_address, Some(address.parse::<SocketAddr>().unwrap()));
        assert!(message.verify(&IntegrityKey::new(PASSWORD)));
    }
}

#[test]
fn every_attribute_that_is_written_is_read_back() {
    let key = IntegrityKey::new("pass");
    let bytes = Writer::new(Class::Request, [9; 12])
        .username("them:us")
        .priority(7)
        .ice_controlling(0x0102_0304_0506_0708)
        .use_candidate()
        .nomination(3)
        .finish(&key);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.transaction_id, message.username), ([9; 12], Some(&b"them:us"[..])));
    assert_eq!((message.priority, message.nomination, message.use_candidate), (Some(7), Some(3), true));
    assert_eq!(message.ice_controlling, Some(0x0102_0304_0506_0708));
    assert!(message.has_fingerprint && message.verify(&key));
}

#[test]
fn an_error_response_names_its_code_and_the_unknown_attributes() {
    let key = IntegrityKey::new("pass");
    let bytes = Writer::new(Class::Error, [1; 12])
        .error_code(ErrorCode::UnknownAttribute)
        .unknown_attributes(&[0x7001, 0x7002])
        .ice_controlled(1)
        .finish(&key);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class, message.error_code), (Class::Error, Some(420)));
    let listed = [0x00, 0x0a, 0, 4, 0x70, 0x01, 0x70, 0x02];
    assert!(bytes.windows(listed.len()).any(|window| window == listed));
}

#[test]
fn mapped_addresses_of_both_families_survive_the_xor() {
    for address in ["10.1.2.3:65535", "[fe80::1]:1"] {
        let address: SocketAddr = address.parse().unwrap();
        let bytes = Writer::new(Class::Success, [0xa5; 12]).xor_mapped_address(address).finish_unsigned();
        assert_eq!(Message::parse(&bytes).unwrap().xor_mapped_address, Some(address));
    }
}

#[test]
fn nomination_is_read_under_both_of_its_numbers() {
    for kind in [attribute::NOMINATION, attribute::NOMINATION_LIBWEBRTC] {
        let bytes = raw(&[(kind, &[0, 0, 1, 2])]);
        assert_eq!(Message::parse(&bytes).unwrap().nomination, Some(0x0102));
    }
}

#[test]
fn what_follows_message_integrity_is_ignored() {
    let signed = Writer::new(Class::Request, [0; 12]).username("a:b").finish(&IntegrityKey::new("pass"));
    let mut bytes = signed[..signed.len() - 8].to_vec();
    bytes.extend_from_slice(&[0x00, 0x25, 0, 0]);
    set_len(&mut bytes);
    let message = Message::parse(&bytes).unwrap();
    assert!(!message.use_candidate, "an attribute that nobody signed");
    assert!(message.verify(&IntegrityKey::new("pass")));
}

#[test]
fn the_first_of_two_equal_attributes_counts() {
    let bytes = raw(&[(attribute::PRIORITY, &[0, 0, 0, 1]), (attribute::PRIORITY, &[0, 0, 0, 2])]);
    assert_eq!(Message::parse(&bytes).unwrap().priority, Some(1));
}

#[test]
fn unknown_attributes_are_listed_only_when_they_must_be_understood() {
    let bytes = raw(&[(0x7fff, &[1]), (0x8001, &[2]), (attribute::REALM, b"r")]);
    assert_eq!(Message::parse(&bytes).unwrap().unknown_attributes.as_slice(), [0x7fff]);
}

#[test]
fn unknown_attributes_beyond_the_limit_are_left_out_of_the_list() {
    let many: Vec<_> = (0x7000..0x7014).map(|kind| (kind, &[][..])).collect();
    let bytes = raw(&many);
    let listed = Message::parse(&bytes).unwrap().unknown_attributes;
    assert_eq!(listed.as_slice(), (0x7000..0x7008).collect::<Vec<u16>>());
}

#[test]
fn i04_every_length_from_0_to_600_is_refused_or_parsed_without_harm() {
    let valid = hex(SAMPLE_REQUEST);
    for len in 0..=600 {
        let mut cut = valid.clone();
        cut.resize(len, 0);
        assert_eq!(Message::parse(&cut).is_ok(), len == valid.len(), "length {len}");
        if len >= HEADER_BYTES {
            set_len(&mut cut);
            let _ = Message::parse(&cut);
        }
    }
}

#[test]
fn i04_bytes_after_the_message_are_refused() {
    let mut bytes = raw(&[(attribute::PRIORITY, &[0; 4])]);
    bytes.extend_from_slice(&[0x00, 0x25, 0, 0]);
    assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Length));
}

#[test]
fn i04_a_wrong_fingerprint_is_refused() {
    let valid = hex(SAMPLE_REQUEST);
    for bit in 0..32 {
        let mut bytes = valid.clone();
        let at = bytes.len() - 4 + bit / 8;
        bytes[at] ^= 1 << (bit % 8);
        assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Fingerprint));
    }
}

#[test]
fn i04_an_attribute_past_the_end_is_refused() {
    let mut bytes = raw(&[(attribute::PRIORITY, &[0; 4])]);
    bytes[HEADER_BYTES + 2..HEADER_BYTES + 4].copy_from_slice(&5u16.to_be_bytes());
    assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Length));
}

#[test]
fn i04_a_user_name_of_600_bytes_is_refused() {
    assert_eq!(Message::parse(&raw(&[(attribute::USERNAME, &[b'a'; 600])])).err(), Some(ParseError::Value));
    assert!(Message::parse(&raw(&[(attribute::USERNAME, &[b'a'; USERNAME_BYTES_MAX])])).is_ok());
}

#[test]
fn values_of_the_wrong_size_are_refused() {
    let fixed = [
        (attribute::PRIORITY, 4),
        (attribute::ICE_CONTROLLED, 8),
        (attribute::ICE_CONTROLLING, 8),
        (attribute::NOMINATION, 4),
        (attribute::MESSAGE_INTEGRITY, 20),
    ];
    for (kind, size) in fixed {
        for wrong in [0, size - 1, size + 1] {
            let bytes = raw(&[(kind, &vec![0; wrong])]);
            assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Value), "{kind:#06x} of {wrong} bytes");
        }
    }
}

#[test]
fn an_attribute_after_fingerprint_is_refused() {
    let mut bytes = Writer::new(Class::Request, [0; 12]).finish_unsigned();
    bytes.extend_from_slice(&[0x80, 0x22, 0, 0]);
    set_len(&mut bytes);
    // The length is covered by FINGERPRINT, so that one is made again for the longer message.
    let crc = fingerprint(&bytes[..HEADER_BYTES]).to_be_bytes();
    bytes[HEADER_BYTES + 4..HEADER_BYTES + 8].copy_from_slice(&crc);
    assert_eq!(Message::parse(&bytes).err(), Some(ParseError::AfterFingerprint));
}

#[test]
fn more_attributes_than_the_limit_are_refused() {
    let many = vec![(0x8022, &[][..]); ATTRIBUTES_MAX + 1];
    assert_eq!(Message::parse(&raw(&many)).err(), Some(ParseError::TooManyAttributes));
    assert!(Message::parse(&raw(&many[1..])).is_ok());
}

#[test]
fn other_methods_and_old_cookies_are_refused() {
    let mut bytes = hex(SAMPLE_REQUEST);
    bytes[1] = 3;
    assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Header));
    let mut bytes = hex(SAMPLE_REQUEST);
    bytes[4] ^= 1;
    assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Header));
}

#[test]
fn the_ufrag_of_a_request_is_found_without_parsing_the_rest() {
    let bytes = hex(SAMPLE_REQUEST);
    assert_eq!(request_ufrag(&bytes), Some(&b"evtj"[..]));
    assert_eq!(request_ufrag(&hex(SAMPLE_RESPONSE_IPV4)), None);
    assert_eq!(request_ufrag(&raw(&[(attribute::USERNAME, b"nocolon")])), None);
    assert_eq!(request_ufrag(&bytes[..bytes.len() - 1]), None);
}

#[test]
fn error_codes_outside_300_to_699_are_refused() {
    for value in [[0, 0, 2, 99], [0, 0, 7, 0], [0, 0, 4, 100]] {
        assert_eq!(Message::parse(&raw(&[(attribute::ERROR_CODE, &value)])).err(), Some(ParseError::Value));
    }
}

/// A Binding request that holds just these attributes.
fn raw(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = hex(&SAMPLE_REQUEST[..HEADER_BYTES * 2]);
    for (kind, value) in attributes {
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    set_len(&mut bytes);
    bytes
}

fn set_len(bytes: &mut [u8]) {
    let len = (bytes.len() - HEADER_BYTES) as u16;
    bytes[2..4].copy_from_slice(&len.to_be_bytes());
}

fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
