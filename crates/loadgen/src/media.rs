//! What publishers send: which packets, of which sizes, in which bursts.

use serde::Deserialize;

/// Sizes of the packets of each frame of one recorded camera; see the head of the file for how it was recorded.
const RECORDED: &str = include_str!("../recorded/chromium-vp8.txt");

/// What one publisher sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Media {
    /// VP8 packets of 1,200 bytes, one at a time.
    Single,
    /// VP8 frames of six packets of 1,200 bytes each, back to back.
    Frames,
    /// VP8 frames as Chromium sent them.
    Recorded,
    /// Opus packets of 100 bytes, one at a time.
    Audio,
}

/// Bytes of a video packet, from RTP header to the end of the payload, before sealing.
const VIDEO_BYTES: u16 = 1_200;
/// Bytes of an audio packet.
const AUDIO_BYTES: u16 = 100;
/// Packets of a frame in [`Media::Frames`].
const FRAME_PACKETS: usize = 6;

impl Media {
    /// Tells whether this is audio.
    pub(crate) fn is_audio(self) -> bool {
        self == Self::Audio
    }

    /// The bursts that are sent in turn, again and again: sizes of RTP packets in bytes.
    pub(crate) fn bursts(self) -> Vec<Vec<u16>> {
        match self {
            Self::Single => vec![vec![VIDEO_BYTES]],
            Self::Frames => vec![vec![VIDEO_BYTES; FRAME_PACKETS]],
            Self::Recorded => recorded(RECORDED),
            Self::Audio => vec![vec![AUDIO_BYTES]],
        }
    }
}

fn recorded(text: &str) -> Vec<Vec<u16>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let frames = lines.map(|line| line.split_whitespace().filter_map(|size| size.parse().ok()).collect());
    frames.filter(|frame: &Vec<u16>| !frame.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recording_holds_frames_of_plausible_packets() {
        let frames = Media::Recorded.bursts();
        assert!(frames.len() >= 100, "{}", frames.len());
        assert!(frames.iter().flatten().all(|size| (40..=1_300).contains(size)));
        assert!(frames.iter().any(|frame| frame.len() > 3), "frames of several packets");
    }

    #[test]
    fn comments_and_empty_lines_are_no_frames() {
        assert_eq!(recorded("# a\n\n1100 1101\n600\n"), [vec![1100, 1101], vec![600]]);
    }
}
