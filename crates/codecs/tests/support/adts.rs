//! Just enough ADTS (ISO/IEC 14496-3 §1.A.2) to hand AAC frames to FFmpeg and take them from it.

const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

/// The configuration of AAC-LC at this rate with so many channels.
pub(crate) fn config(sample_rate: u32, channels: u8) -> Vec<u8> {
    let index = RATES.iter().position(|rate| *rate == sample_rate).expect("a rate of AAC") as u16;
    (2_u16 << 11 | index << 7 | u16::from(channels) << 3).to_be_bytes().to_vec()
}

/// The configuration and the frames of an ADTS stream.
pub(crate) fn frames(stream: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (mut rest, mut frames, mut described) = (stream, Vec::new(), Vec::new());
    while let [0xFF, second, third, fourth, fifth, sixth, ..] = *rest {
        let len = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
        let header = if second & 1 == 1 { 7 } else { 9 };
        described = config(RATES[usize::from(third >> 2 & 15)], (third & 1) << 2 | fourth >> 6);
        frames.push(rest[header..len].to_vec());
        rest = &rest[len..];
    }
    (described, frames)
}

/// An ADTS stream of the frames.
pub(crate) fn stream(frames: &[Vec<u8>], sample_rate: u32, channels: u8) -> Vec<u8> {
    let index = RATES.iter().position(|rate| *rate == sample_rate).expect("a rate of AAC") as u8;
    let with_header = |frame: &Vec<u8>| {
        let len = frame.len() + 7;
        let header = [
            0xFF,
            0xF1,
            1 << 6 | index << 2 | channels >> 2,
            channels << 6 | (len >> 11) as u8,
            (len >> 3) as u8,
            (len << 5) as u8 | 0x1F,
            0xFC,
        ];
        [&header[..], frame].concat()
    };
    frames.iter().flat_map(with_header).collect()
}
