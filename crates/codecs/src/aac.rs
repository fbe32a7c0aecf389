//! AAC-LC (ISO/IEC 14496-3): decoded always, by Symphonia; encoded where the crate is built with `aac-encoder`, by
//! libxaac (`docs/adr/0020-codecs.md` says why so).

use std::fmt;

use millrace_frames::{AudioDecoder, DecodeError};
use symphonia_codec_aac::AacDecoder as Symphonia;
use symphonia_core::audio::{Audio as _, GenericAudioBufferRef};
use symphonia_core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder as _, AudioDecoderOptions};
use symphonia_core::packet::PacketRef;
use symphonia_core::units::{Duration, Timestamp};

use crate::concealment::Concealment;

#[cfg(feature = "aac-encoder")]
mod encoder;
#[cfg(feature = "aac-encoder")]
pub use encoder::AacEncoder;

/// Samples of each channel in a frame (ISO/IEC 14496-3 §4.5.1.1, without `frameLengthFlag`).
pub const FRAME_SAMPLES: usize = 1024;

/// Longest frame that is taken, in bytes: 6,144 bits for each of two channels (ISO/IEC 14496-3 §4.5.3). What is longer is
/// malformed.
pub const FRAME_BYTES_MAX: usize = 1536;

/// Longest configuration that is taken, in bytes. Those of AAC-LC have 2 to 7.
const CONFIG_BYTES_MAX: usize = 64;

/// Sampling rates of AAC, in Hz.
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 8000..=96_000;

/// Decodes AAC-LC, mono or stereo, frames of 1,024 samples. HE-AAC that announces itself in the configuration is refused;
/// where only its frames have the extension, the sound up to half of its bandwidth is decoded.
pub struct AacDecoder {
    decoder: Symphonia,
    sample_rate: u32,
    channels: u8,
    /// One for each channel.
    concealments: Vec<Concealment>,
    /// One channel of the frame at hand.
    plane: Box<[f32; FRAME_SAMPLES]>,
}

impl AacDecoder {
    /// A decoder for the stream that `config`, an `AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1), describes. It comes by
    /// SDP (`config=`, RFC 3640 §4.1), in the first audio tag of RTMP, or is told by an ADTS header.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] when it is malformed, or names another object type, frame length, more channels than two, or
    /// a rate that AAC does not have.
    pub fn new(config: &[u8]) -> Result<Self, DecodeError> {
        if config.len() > CONFIG_BYTES_MAX {
            return Err(DecodeError::Malformed);
        }
        let mut parameters = AudioCodecParameters::new();
        parameters.for_codec(CODEC_ID_AAC).with_extra_data(config.into());
        let options = AudioDecoderOptions::default();
        let decoder = Symphonia::try_new(&parameters, &options).map_err(|_| DecodeError::Malformed)?;
        let parameters = decoder.codec_params();
        let sample_rate = parameters.sample_rate.filter(|rate| SAMPLE_RATES.contains(rate));
        let channels = parameters.channels.as_ref().map_or(0, |channels| channels.count());
        let (Some(sample_rate), 1 | 2) = (sample_rate, channels) else {
            return Err(DecodeError::Malformed);
        };
        Ok(Self {
            decoder,
            sample_rate,
            channels: channels as u8,
            concealments: (0..channels).map(|_| Concealment::new(sample_rate)).collect(),
            plane: Box::new([0.0; FRAME_SAMPLES]),
        })
    }
}

impl AudioDecoder for AacDecoder {
    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    fn channels(&self) -> u8 {
        self.channels
    }

    /// As the trait says. Always [`FRAME_SAMPLES`]; a frame's sound is complete with the frame behind it, so all is one frame
    /// late.
    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        if payload.is_empty() || payload.len() > FRAME_BYTES_MAX {
            return Err(DecodeError::Malformed);
        }
        let channels = self.concealments.len();
        let out = out.get_mut(..FRAME_SAMPLES * channels).ok_or(DecodeError::OutputTooSmall)?;
        let packet = PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, payload);
        let Ok(GenericAudioBufferRef::F32(decoded)) = self.decoder.decode_ref(&packet) else {
            return Err(DecodeError::Malformed);
        };
        for (channel, concealment) in self.concealments.iter_mut().enumerate() {
            let plane = decoded.plane(channel).ok_or(DecodeError::Malformed)?;
            for (sample, decoded) in self.plane.iter_mut().zip(plane) {
                // Scale factors that nobody meant reach beyond what a float holds.
                *sample = if decoded.is_finite() { decoded.clamp(-1.0, 1.0) } else { 0.0 };
            }
            concealment.received(&mut self.plane[..]);
            interleave(&self.plane[..], out, channel, channels);
        }
        Ok(FRAME_SAMPLES)
    }

    fn conceal(&mut self, frames: usize, _: Option<&[u8]>, out: &mut [f32]) -> Result<usize, DecodeError> {
        let channels = self.concealments.len();
        let frames_out = frames.min(FRAME_SAMPLES);
        if out.len() < frames.saturating_mul(channels) {
            return Err(DecodeError::OutputTooSmall);
        }
        for (channel, concealment) in self.concealments.iter_mut().enumerate() {
            let plane = &mut self.plane[..frames_out];
            concealment.conceal(plane);
            interleave(plane, out, channel, channels);
        }
        Ok(frames_out)
    }
}

impl fmt::Debug for AacDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AacDecoder").field("sample_rate", &self.sample_rate).field("channels", &self.channels).finish()
    }
}

/// Writes `plane` as channel `channel` of the interleaved `out`.
fn interleave(plane: &[f32], out: &mut [f32], channel: usize, channels: usize) {
    for (frame, sample) in out.chunks_exact_mut(channels).zip(plane) {
        frame[channel] = *sample;
    }
}
