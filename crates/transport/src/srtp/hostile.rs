//! What a network and a hostile peer do to SRTP; each case by its name in the list of hostile cases.

use super::inbound::SOURCES_MAX;
use super::index::WINDOW_PACKETS;
use super::testing::{Random, packet, pair, rtcp, rtp, seal, seal_rtcp};
use super::{SrtpError, SrtpInbound, SrtpProfile};

#[test]
fn rtp_and_rtcp_come_out_as_they_went_in() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        for (sequence, payload_len) in [0, 1, 3, 15, 16, 17, 100, 1200, 1400].into_iter().enumerate() {
            let plain = rtp(7, sequence as u16, payload_len);
            let mut received = packet(&seal(&outbound, sequence as u64, &plain));
            assert_eq!(inbound.open_rtp(&mut received), Ok(()), "{profile:?}, {payload_len} bytes");
            assert_eq!(received.bytes(), plain);
        }
        for len in [8, 12, 28, 1200] {
            let plain = rtcp(7, len);
            let mut received = packet(&seal_rtcp(&mut outbound, &plain));
            assert_eq!(inbound.open_rtcp(&mut received), Ok(()), "{profile:?}, {len} bytes");
            assert_eq!(received.bytes(), plain);
        }
    }
}

#[test]
fn contributing_sources_and_extensions_stay_readable_and_authentic() {
    let header = [&[0x92, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7], &[1; 8][..], &[0xbe, 0xde, 0, 1, 0x10, 5, 0, 0]].concat();
    for profile in SrtpProfile::ALL {
        let (outbound, mut inbound) = pair(profile);
        let mut slot = [&header[..], &[0; 100]].concat();
        let len = outbound.seal_rtp(1, &mut slot, header.len(), b"payload").unwrap();
        assert_eq!(slot[..header.len()], header);
        let mut changed = packet(&slot[..len]);
        changed.bytes_mut()[header.len() - 3] ^= 1;
        assert_eq!(inbound.open_rtp(&mut changed), Err(SrtpError::Unauthentic));
        let mut received = packet(&slot[..len]);
        assert_eq!(inbound.open_rtp(&mut received), Ok(()));
        assert_eq!(received.bytes(), [&header[..], b"payload"].concat());
    }
}

#[test]
fn s01_a_packet_replayed_1_to_2000_packets_later_is_delivered_once() {
    for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::AesCm128HmacSha1_80] {
        let (outbound, mut inbound) = pair(profile);
        let old: Vec<_> = (0..4).map(|index| seal(&outbound, index, &rtp(7, index as u16, 40))).collect();
        for sealed in &old {
            assert_eq!(inbound.open_rtp(&mut packet(sealed)), Ok(()));
        }
        for index in 4..2_000 {
            let sealed = seal(&outbound, index, &rtp(7, index as u16, 40));
            assert_eq!(inbound.open_rtp(&mut packet(&sealed)), Ok(()));
            for replay in [&sealed, &old[index as usize % 4]] {
                assert_eq!(inbound.open_rtp(&mut packet(replay)), Err(SrtpError::Replayed), "at {index}");
            }
        }
    }
}

#[test]
fn s01_a_late_packet_is_delivered_once_inside_the_window_and_never_outside() {
    let (outbound, mut inbound) = pair(SrtpProfile::AeadAes128Gcm);
    let sealed = |index: u64| seal(&outbound, index, &rtp(7, index as u16, 40));
    let newest = 20_000;
    assert_eq!(inbound.open_rtp(&mut packet(&sealed(newest))), Ok(()));
    for behind in [1, 63, 64, 65, WINDOW_PACKETS - 1] {
        assert_eq!(inbound.open_rtp(&mut packet(&sealed(newest - behind))), Ok(()), "{behind} behind");
        assert_eq!(inbound.open_rtp(&mut packet(&sealed(newest - behind))), Err(SrtpError::Replayed));
    }
    let outside = inbound.open_rtp(&mut packet(&sealed(newest - WINDOW_PACKETS)));
    assert_eq!(outside, Err(SrtpError::Replayed));
}

#[test]
fn s02_forged_tags_from_a_valid_source_leave_the_stream_as_it_was() {
    const FORGERIES: u32 = 100_000;
    for profile in SrtpProfile::ALL {
        let (outbound, mut inbound) = pair(profile);
        let mut random = Random::seeded(2);
        let genuine = |inbound: &mut SrtpInbound, index: u64| {
            inbound.open_rtp(&mut packet(&seal(&outbound, index, &rtp(7, index as u16, 60))))
        };
        assert_eq!(genuine(&mut inbound, 10), Ok(()));
        for forgery in 0..FORGERIES {
            let sequence = (11 + forgery % 30_000) as u16;
            let mut forged = packet(&seal(&outbound, sequence.into(), &rtp(7, sequence, 60)));
            let last = forged.bytes().len() as u32;
            let at = (last - 1 - random.below(profile.rtp_tag_len() as u32)) as usize;
            forged.bytes_mut()[at] ^= 1 << random.below(8);
            assert_eq!(inbound.open_rtp(&mut forged), Err(SrtpError::Unauthentic), "{profile:?}");
        }
        assert_eq!(genuine(&mut inbound, 11), Ok(()), "the genuine packets must still count as new");
        assert_eq!(genuine(&mut inbound, 9), Ok(()), "the window must not have moved");
    }
}

#[test]
fn s02_no_bit_of_a_packet_can_be_changed() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        let sealed = seal(&outbound, 300, &rtp(7, 300, 20));
        for bit in 0..sealed.len() * 8 {
            let mut changed = packet(&sealed);
            changed.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
            assert!(inbound.open_rtp(&mut changed).is_err(), "{profile:?}, RTP bit {bit}");
        }
        assert_eq!(inbound.open_rtp(&mut packet(&sealed)), Ok(()));
        let sealed = seal_rtcp(&mut outbound, &rtcp(7, 28));
        for bit in 0..sealed.len() * 8 {
            let mut changed = packet(&sealed);
            changed.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
            assert!(inbound.open_rtcp(&mut changed).is_err(), "{profile:?}, RTCP bit {bit}");
        }
        assert_eq!(inbound.open_rtcp(&mut packet(&sealed)), Ok(()));
    }
}

#[test]
fn s02_rtcp_that_claims_to_be_unencrypted_must_be_authentic() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        let bye = [&[0x81, 203, 0, 1, 0, 0, 0, 7][..], &[0; 3], &[5], &[0xee; 16]].concat();
        let highest_index = [0x7f, 0xff, 0xff, 0xff];
        for forged in
            [[&bye[..8], &highest_index, &bye[12..22]].concat(), [&bye[..8], &bye[12..28], &highest_index].concat()]
        {
            assert!(inbound.open_rtcp(&mut packet(&forged)).is_err(), "{profile:?}");
        }
        let genuine = seal_rtcp(&mut outbound, &rtcp(7, 28));
        assert_eq!(inbound.open_rtcp(&mut packet(&genuine)), Ok(()), "the window must not have moved");
    }
}

#[test]
fn s03_every_length_to_64_with_every_first_two_bytes_is_dropped() {
    for profile in SrtpProfile::ALL {
        let (_, mut inbound) = pair(profile);
        let mut bytes = [0x5a; 64];
        for (first, second) in (0..=255).flat_map(|first| [0, 72, 96, 200, 207, 255].map(|second| (first, second))) {
            bytes[0] = first;
            bytes[1] = second;
            for len in 0..=64 {
                assert!(inbound.open_rtp(&mut packet(&bytes[..len])).is_err());
                assert!(inbound.open_rtcp(&mut packet(&bytes[..len])).is_err());
            }
        }
    }
}

#[test]
fn s03_a_genuine_packet_cut_anywhere_is_dropped() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        let rtp = seal(&outbound, 1, &rtp(7, 1, 16));
        let rtcp = seal_rtcp(&mut outbound, &rtcp(7, 8));
        for len in 0..rtp.len() {
            assert!(inbound.open_rtp(&mut packet(&rtp[..len])).is_err(), "{profile:?}, RTP of {len} bytes");
        }
        for len in 0..rtcp.len() {
            assert!(inbound.open_rtcp(&mut packet(&rtcp[..len])).is_err(), "{profile:?}, RTCP of {len} bytes");
        }
    }
}

#[test]
fn s03_an_extension_that_claims_more_than_the_packet_is_malformed() {
    let (outbound, mut inbound) = pair(SrtpProfile::AeadAes128Gcm);
    let sealed = seal(&outbound, 1, &rtp(7, 1, 40));
    for words in [10_u16, 14, 1_000, 65_535] {
        let mut bomb = packet(&sealed);
        bomb.bytes_mut()[0] |= 0x10;
        bomb.bytes_mut()[14..16].copy_from_slice(&words.to_be_bytes());
        assert_eq!(inbound.open_rtp(&mut bomb), Err(SrtpError::Malformed), "{words} words");
    }
}

#[test]
fn s04_three_wraps_with_loss_and_reordering_are_followed() {
    for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::AesCm128HmacSha1_80] {
        let (outbound, mut inbound) = pair(profile);
        let mut random = Random::seeded(4);
        for wrap in 1..=3_u64 {
            let edge = wrap << 16;
            // A stream that comes from far before the edge, in steps that stay unambiguous.
            for index in [edge - 60_000, edge - 30_000, edge - 500] {
                assert_eq!(receive(&mut inbound, &seal(&outbound, index, &rtp(7, index as u16, 20))), Ok(()));
            }
            let mut indexes: Vec<u64> = (edge - 400..edge + 400).filter(|_| random.below(10) >= 3).collect();
            let last = indexes.len() - 1;
            for at in 0..=last {
                indexes.swap(at, last.min(at + random.below(24) as usize));
            }
            for index in indexes {
                forge_near(&mut inbound, edge, &mut random);
                let sealed = seal(&outbound, index, &rtp(7, index as u16, 20));
                assert_eq!(receive(&mut inbound, &sealed), Ok(()), "{} from wrap {wrap}", index as i64 - edge as i64);
            }
        }
    }
}

#[test]
fn s04_a_forged_number_near_the_wrap_moves_no_rollover_counter() {
    let (outbound, mut inbound) = pair(SrtpProfile::AeadAes128Gcm);
    assert_eq!(receive(&mut inbound, &seal(&outbound, 65_000, &rtp(7, 65_000, 20))), Ok(()));
    for sequence in 0..=u16::MAX {
        let forged = [&rtp(7, sequence, 0)[..], &[0x33; 40]].concat();
        assert!(receive(&mut inbound, &forged).is_err());
    }
    assert_eq!(receive(&mut inbound, &seal(&outbound, 65_001, &rtp(7, 65_001, 20))), Ok(()));
    assert_eq!(receive(&mut inbound, &seal(&outbound, 65_536, &rtp(7, 0, 20))), Ok(()));
}

#[test]
fn s05_random_sources_with_bad_tags_leave_no_state() {
    for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::AesCm128HmacSha1_32] {
        let (outbound, mut inbound) = pair(profile);
        let before = format!("{inbound:?}");
        let mut random = Random::seeded(5);
        for _ in 0..200_000 {
            let forged = [&rtp(random.below(u32::MAX), 1, 0)[..], &[0x44; 40]].concat();
            assert_eq!(receive(&mut inbound, &forged), Err(SrtpError::Unauthentic));
            let forged = [&rtcp(random.below(u32::MAX), 8)[..], &[0x44; 40]].concat();
            assert_eq!(inbound.open_rtcp(&mut packet(&forged)), Err(SrtpError::Unauthentic));
        }
        assert_eq!(format!("{inbound:?}"), before);
        assert_eq!(receive(&mut inbound, &seal(&outbound, 1, &rtp(7, 1, 20))), Ok(()));
    }
}

#[test]
fn s05_a_peer_with_more_sources_than_the_bound_keeps_those_it_had() {
    let (mut outbound, mut inbound) = pair(SrtpProfile::AeadAes128Gcm);
    for ssrc in 0..SOURCES_MAX as u32 {
        assert_eq!(receive(&mut inbound, &seal(&outbound, 1, &rtp(ssrc, 1, 20))), Ok(()));
        assert_eq!(inbound.open_rtcp(&mut packet(&seal_rtcp(&mut outbound, &rtcp(ssrc, 28)))), Ok(()));
    }
    let further = SOURCES_MAX as u32;
    let refused = receive(&mut inbound, &seal(&outbound, 1, &rtp(further, 1, 20)));
    assert_eq!(refused, Err(SrtpError::TooManySources));
    let refused = inbound.open_rtcp(&mut packet(&seal_rtcp(&mut outbound, &rtcp(further, 28))));
    assert_eq!(refused, Err(SrtpError::TooManySources));
    assert_eq!(receive(&mut inbound, &seal(&outbound, 2, &rtp(0, 2, 20))), Ok(()));
    assert_eq!(receive(&mut inbound, &seal(&outbound, 1, &rtp(0, 1, 20))), Err(SrtpError::Replayed));
}

#[test]
fn s06_rtcp_indexes_are_checked_per_source() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        let sealed: Vec<_> = (0..60).map(|at| seal_rtcp(&mut outbound, &rtcp(at % 3, 28))).collect();
        // A source whose reports come late, after another source's higher indexes, loses none of them.
        let by_source = |source: usize| sealed.iter().skip(source).step_by(3);
        for report in by_source(2).chain(by_source(0)).chain(by_source(1)) {
            assert_eq!(inbound.open_rtcp(&mut packet(report)), Ok(()), "{profile:?}");
        }
        for report in &sealed {
            assert_eq!(inbound.open_rtcp(&mut packet(report)), Err(SrtpError::Replayed), "{profile:?}");
        }
    }
}

#[test]
fn s06_a_sender_that_changes_its_ssrc_and_back_loses_nothing() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = pair(profile);
        // Each source has a sequence of its own: high numbers of one make those of another neither old nor replayed.
        for (ssrc, index) in [(7, 60_000), (8, 5), (7, 60_001), (9, 1), (8, 6), (7, 65_536)] {
            assert_eq!(
                receive(&mut inbound, &seal(&outbound, index, &rtp(ssrc, index as u16, 20))),
                Ok(()),
                "{profile:?}"
            );
            let report = seal_rtcp(&mut outbound, &rtcp(ssrc, 28));
            assert_eq!(inbound.open_rtcp(&mut packet(&report)), Ok(()), "{profile:?}");
        }
    }
}

#[test]
fn s08_a_number_beyond_2_to_the_48_is_refused_on_the_way_in() {
    let (outbound, mut inbound) = pair(SrtpProfile::AeadAes128Gcm);
    inbound.set_highest_rtp_index(7, super::RTP_INDEX_MAX - 2);
    let last = super::RTP_INDEX_MAX;
    assert_eq!(receive(&mut inbound, &seal(&outbound, last, &rtp(7, last as u16, 20))), Ok(()));
    assert_eq!(receive(&mut inbound, &seal(&outbound, 0, &rtp(7, 0, 20))), Err(SrtpError::IndexExhausted));
}

#[test]
fn a_stream_that_jumps_by_more_than_half_in_its_first_rollover_is_followed_forward() {
    let (outbound, mut inbound) = pair(SrtpProfile::AeadAes128Gcm);
    assert_eq!(receive(&mut inbound, &seal(&outbound, 5, &rtp(7, 5, 20))), Ok(()));
    assert_eq!(receive(&mut inbound, &seal(&outbound, 50_000, &rtp(7, 50_000, 20))), Ok(()));
}

fn receive(inbound: &mut SrtpInbound, bytes: &[u8]) -> Result<(), SrtpError> {
    inbound.open_rtp(&mut packet(bytes))
}

fn forge_near(inbound: &mut SrtpInbound, edge: u64, random: &mut Random) {
    let sequence = (edge + u64::from(random.below(60_000))) as u16;
    let forged = [&rtp(7, sequence, 0)[..], &[0x33; 40]].concat();
    assert!(receive(inbound, &forged).is_err());
}
