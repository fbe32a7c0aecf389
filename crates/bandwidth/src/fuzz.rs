//! What must hold for the estimator whatever a peer says. A plain function, which `crates/fuzz` runs.

use std::time::{Duration, Instant};

use millrace_packet::rtcp::{Compound, RtcpPacket};

use crate::{Estimator, EstimatorSettings, SentKind, SentPacket};

/// Bounds of the estimate.
const SETTINGS: EstimatorSettings = EstimatorSettings { initial: 300_000, min: 50_000, max: 5_000_000 };
/// Packets sent before each step.
const PACKETS: u16 = 8;

/// Takes `data` as steps of a peer: each is its length, a time, and RTCP. The estimate stays within its bounds, probes
/// stay finite, and a deadline never lies before the packet that brought it about.
pub fn fuzz_estimator(data: &[u8], start: Instant) {
    let mut estimator = Estimator::new(SETTINGS);
    let (mut now, mut number, mut rest) = (start, 0u16, data);
    while let [len, time, after @ ..] = rest {
        let (bytes, following) = after.split_at(usize::from(*len).min(after.len()));
        rest = following;
        for _ in 0..PACKETS {
            let probe = estimator.poll_probe(now).map(|cluster| {
                assert!(cluster.bitrate <= SETTINGS.max, "a probe above all bounds");
                cluster.id
            });
            let packet = SentPacket { number, bytes: 1200, at: now, probe, kind: SentKind::Media };
            estimator.packet_sent(packet);
            estimator.packet_named(number, 1, number.wrapping_add(7));
            number = number.wrapping_add(1);
            now += Duration::from_millis(1);
        }
        now += Duration::from_millis(u64::from(*time));
        take(&mut estimator, bytes, now);
        estimator.handle_timeout(now);
        let estimate = estimator.estimate();
        assert!((SETTINGS.min..=SETTINGS.max).contains(&estimate.bitrate), "{estimate:?}");
        assert!((0.0..=1.0).contains(&estimate.lost), "{estimate:?}");
        assert!(estimator.deadline().is_none_or(|deadline| deadline >= start));
    }
}

fn take(estimator: &mut Estimator, bytes: &[u8], now: Instant) {
    let Ok(compound) = Compound::parse(bytes) else { return };
    for packet in compound.packets() {
        match packet {
            RtcpPacket::TransportFeedback(feedback) => estimator.transport_feedback(&feedback, now),
            RtcpPacket::CongestionFeedback(feedback) => estimator.congestion_feedback(&feedback, now),
            RtcpPacket::Remb(remb) => estimator.remb(remb.bitrate, now),
            RtcpPacket::ReceiverReport(report) => report.blocks().for_each(|block| {
                estimator.receiver_report(f32::from(block.fraction_lost) / 256.0, None, now);
            }),
            _ => {}
        }
    }
}
