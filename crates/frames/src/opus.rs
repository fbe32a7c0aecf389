//! What the first bytes of an Opus packet say (RFC 6716 §3).

/// Longest that one packet may last: 120 ms at 48 kHz (RFC 6716 §3.2.5, R5). One that says more is malformed.
pub const PACKET_SAMPLES_MAX: u32 = 5_760;

/// Longest frame within a packet, in bytes (RFC 6716 §3.2.1, R2). A longer one is malformed.
pub const FRAME_BYTES_MAX: usize = 1_275;

/// How long a packet lasts in samples of 48 kHz; `None` when its frame count is missing, zero or exceeds 120 ms, or when a
/// frame of it is too long.
pub fn packet_samples(payload: &[u8]) -> Option<u32> {
    let (&toc, rest) = payload.split_first()?;
    let frames = match toc & 0x03 {
        0 => u32::from(rest.len() <= FRAME_BYTES_MAX),
        1 => 2 * u32::from(rest.len().is_multiple_of(2) && rest.len() <= 2 * FRAME_BYTES_MAX),
        2 => 2 * u32::from(!rest.is_empty()),
        _ => u32::from(rest.first()? & 0x3f),
    };
    let samples = frames * frame_samples(toc);
    (1..=PACKET_SAMPLES_MAX).contains(&samples).then_some(samples)
}

/// Tells whether the packet is coded in two channels, by its first byte (RFC 6716 §3.1, s).
pub fn is_stereo(payload: &[u8]) -> bool {
    payload.first().is_some_and(|toc| toc & 0x04 != 0)
}

/// Samples of 48 kHz in each frame, by the configuration in the packet's first byte (RFC 6716 §3.1, table 2).
fn frame_samples(toc: u8) -> u32 {
    let configuration = toc >> 3;
    match configuration {
        0..=11 => [480, 960, 1_920, 2_880][usize::from(configuration & 0x03)],
        12..=15 => [480, 960][usize::from(configuration & 0x01)],
        _ => [120, 240, 480, 960][usize::from(configuration & 0x03)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of `configuration` with the frame-count code `code`.
    fn toc(configuration: u8, code: u8) -> u8 {
        configuration << 3 | code
    }

    #[test]
    fn durations_follow_configuration_and_frame_count() {
        assert_eq!(packet_samples(&[toc(1, 0), 1, 2]), Some(960), "SILK 20 ms");
        assert_eq!(packet_samples(&[toc(3, 1), 1, 2]), Some(5_760), "two of 60 ms");
        assert_eq!(packet_samples(&[toc(12, 0)]), Some(480), "hybrid 10 ms");
        assert_eq!(packet_samples(&[toc(16, 3), 5]), Some(600), "five of 2.5 ms");
        assert_eq!(packet_samples(&[toc(31, 2), 0]), Some(1_920), "two of different lengths");
    }

    #[test]
    fn v06_48_frames_last_120_ms_and_more_is_malformed() {
        assert_eq!(packet_samples(&[toc(16, 3), 48]), Some(5_760));
        assert_eq!(packet_samples(&[toc(16, 3), 49]), None);
        assert_eq!(packet_samples(&[toc(31, 3), 7]), None, "140 ms");
        assert_eq!(packet_samples(&[toc(16, 3), 0]), None, "no frame at all");
    }

    #[test]
    fn v06_no_bytes_a_missing_count_and_a_frame_of_1276_bytes_are_malformed() {
        assert_eq!(packet_samples(&[]), None);
        assert_eq!(packet_samples(&[toc(16, 3)]), None);
        assert_eq!(packet_samples(&[toc(16, 2)]), None);
        assert_eq!(packet_samples(&[toc(16, 1), 1]), None, "halves of an odd length");
        assert_eq!(packet_samples(&vec![toc(31, 0); 1_276]), Some(960), "1,275 bytes behind the first");
        assert_eq!(packet_samples(&vec![toc(31, 0); 1_277]), None);
    }
}
