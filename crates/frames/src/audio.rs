//! Audio codecs as RTP carries them: names, clock rates, how long a packet lasts; and how a core gets its codecs.

use crate::codec::{AudioDecoder, AudioEncoder};
use crate::opus;

/// An audio codec whose packets this crate understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// Opus (RFC 6716, RFC 7587). RTP clock 48,000 Hz whatever is coded.
    Opus,
    /// G.711 µ-law (RFC 3551 §4.5.14). 8,000 Hz.
    Pcmu,
    /// G.711 A-law (RFC 3551 §4.5.14). 8,000 Hz.
    Pcma,
    /// G.722 (RFC 3551 §4.5.2): 16,000 Hz of sound, but an RTP clock of 8,000 Hz.
    G722,
}

impl AudioCodec {
    /// The codec of a media type such as `audio/opus`, in any case; `None` for video, DTMF, comfort noise and unknown
    /// ones.
    pub fn from_mime_type(mime_type: &str) -> Option<Self> {
        const NAMES: [(&str, AudioCodec); 4] = [
            ("audio/opus", AudioCodec::Opus),
            ("audio/pcmu", AudioCodec::Pcmu),
            ("audio/pcma", AudioCodec::Pcma),
            ("audio/g722", AudioCodec::G722),
        ];
        let known = NAMES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(mime_type))?;
        Some(known.1)
    }

    /// Ticks of the RTP clock a second, in Hz.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma | Self::G722 => 8_000,
        }
    }

    /// How long the sound in `payload` lasts, in ticks of the RTP clock; `None` when the payload is malformed.
    pub fn packet_ticks(self, payload: &[u8]) -> Option<u32> {
        match self {
            Self::Opus => opus::packet_samples(payload),
            // A byte a tick: two samples of 16 kHz in each byte of G.722.
            Self::Pcmu | Self::Pcma | Self::G722 => {
                let ticks = u32::try_from(payload.len()).ok()?;
                (1..=TELEPHONY_TICKS_MAX).contains(&ticks).then_some(ticks)
            }
        }
    }

    /// Tells whether `payload` only says that its sender stopped sending for as long as nothing is said (DTX).
    ///
    /// Opus's encoder writes such packets with two bytes at most (RFC 6716 §2.1.9).
    pub fn is_dtx(self, payload: &[u8]) -> bool {
        self == Self::Opus && payload.len() <= 2
    }
}

/// Longest packet of a codec with a byte a tick: 160 ms at 8 kHz, as much as fits a datagram. A longer one is malformed.
const TELEPHONY_TICKS_MAX: u32 = 1_280;

/// A stream of audio as its codec and channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AudioFormat {
    /// The codec.
    pub codec: AudioCodec,
    /// Channels to decode to or to encode: 1 or 2. Only Opus has 2.
    pub channels: u8,
}

/// How an output is encoded. Outputs that are equal in this may share an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AudioEncoding {
    /// Codec and channels.
    pub format: AudioFormat,
    /// Length of a frame: 10 or 20 ms.
    pub frame_ms: u32,
    /// Bits a second; codecs of a fixed rate ignore it.
    pub bitrate: u32,
    /// Work for a frame, 0 (least) to 10; only Opus has it.
    pub complexity: u8,
    /// Carries each frame once more in the next packet, coarsely, for receivers that lose packets (Opus).
    pub in_band_fec: bool,
}

/// A codec that this build, or the codec itself, does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {codec:?} with {channels} channels in this build")]
pub struct CodecUnavailable {
    /// The codec that was asked for.
    pub codec: AudioCodec,
    /// The channels that were asked for.
    pub channels: u8,
}

/// Makes decoders and encoders, so that whoever uses them needs no C library in its tests.
pub trait AudioCodecs: Send {
    /// Makes a decoder for a stream of `format`.
    ///
    /// # Errors
    /// When this build has none.
    fn decoder(&mut self, format: AudioFormat) -> Result<Box<dyn AudioDecoder>, CodecUnavailable>;

    /// Makes an encoder. It never leaves out frames by itself: whoever mixes knows better what is silence.
    ///
    /// # Errors
    /// When this build has none.
    fn encoder(&mut self, encoding: &AudioEncoding) -> Result<Box<dyn AudioEncoder>, CodecUnavailable>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_known_in_any_case() {
        assert_eq!(AudioCodec::from_mime_type("audio/OPUS"), Some(AudioCodec::Opus));
        assert_eq!(AudioCodec::from_mime_type("audio/G722"), Some(AudioCodec::G722));
        assert_eq!(AudioCodec::from_mime_type("audio/telephone-event"), None);
    }

    #[test]
    fn telephony_packets_last_a_tick_a_byte_and_have_bounds() {
        assert_eq!(AudioCodec::Pcmu.packet_ticks(&[0; 160]), Some(160));
        assert_eq!(AudioCodec::G722.packet_ticks(&[0; 160]), Some(160));
        assert_eq!(AudioCodec::Pcma.packet_ticks(&[]), None);
        assert_eq!(AudioCodec::Pcma.packet_ticks(&[0; 1_281]), None);
    }
}
