//! A codec without loss: the first byte of a payload is that of an Opus packet of 10 or 20 ms, then 16-bit samples at 48 kHz.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use millrace_frames::{
    AudioCodec, AudioCodecs, AudioDecoder, AudioEncoder, AudioEncoding, AudioFormat, CodecUnavailable, DecodeError,
    EncodeError,
};

/// How often each part was asked to work.
#[derive(Clone, Default)]
pub(crate) struct Work {
    pub(crate) decoded: Arc<AtomicUsize>,
    pub(crate) encoded: Arc<AtomicUsize>,
    pub(crate) encoders: Arc<AtomicUsize>,
}

impl Work {
    pub(crate) fn decoded(&self) -> usize {
        self.decoded.load(Ordering::Relaxed)
    }

    pub(crate) fn encoded(&self) -> usize {
        self.encoded.load(Ordering::Relaxed)
    }
}

/// Makes codecs of samples. `rate`: what decoders and encoders of telephony work at.
#[derive(Clone, Default)]
pub(crate) struct Samples {
    pub(crate) work: Work,
}

impl AudioCodecs for Samples {
    fn decoder(&mut self, format: AudioFormat) -> Result<Box<dyn AudioDecoder>, CodecUnavailable> {
        if format.codec == AudioCodec::G722 {
            return Err(CodecUnavailable { codec: format.codec, channels: format.channels });
        }
        Ok(Box::new(Plain { format, work: self.work.clone() }))
    }

    fn encoder(&mut self, encoding: &AudioEncoding) -> Result<Box<dyn AudioEncoder>, CodecUnavailable> {
        if encoding.format.codec == AudioCodec::G722 {
            return Err(CodecUnavailable { codec: AudioCodec::G722, channels: encoding.format.channels });
        }
        self.work.encoders.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Plain { format: encoding.format, work: self.work.clone() }))
    }
}

struct Plain {
    format: AudioFormat,
    work: Work,
}

impl Plain {
    fn rate(&self) -> u32 {
        self.format.codec.clock_rate()
    }
}

/// The configuration byte of an Opus packet with one frame of 20 ms.
pub(crate) const TOC: u8 = 31 << 3;

/// Samples of 48 kHz are put into Opus-like payloads at a quarter of the rate, so that they fit a packet: 12 kHz would
/// lose sound, so each is 8 bits of a companded 48 kHz sample instead.
pub(crate) fn encode(samples: &[f32]) -> Vec<u8> {
    let mut payload = vec![TOC];
    payload.extend(samples.iter().map(|sample| compress(*sample)));
    payload
}

/// Eight bits, finer near zero (a logarithmic law much like µ-law).
pub(crate) fn compress(sample: f32) -> u8 {
    let magnitude = (1.0 + 255.0 * sample.abs().min(1.0)).ln() / 256f32.ln();
    let value = (magnitude * 127.0).round() as u8;
    if sample < 0.0 { value | 0x80 } else { value }
}

pub(crate) fn expand(byte: u8) -> f32 {
    let magnitude = (256f32.powf(f32::from(byte & 0x7f) / 127.0) - 1.0) / 255.0;
    if byte & 0x80 != 0 { -magnitude } else { magnitude }
}

impl AudioDecoder for Plain {
    fn sample_rate(&self) -> u32 {
        self.rate()
    }

    fn channels(&self) -> u8 {
        self.format.channels
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        self.work.decoded.fetch_add(1, Ordering::Relaxed);
        let skip = usize::from(self.format.codec == AudioCodec::Opus);
        let samples = payload.get(skip..).filter(|samples| !samples.is_empty()).ok_or(DecodeError::Malformed)?;
        let out = out.get_mut(..samples.len()).ok_or(DecodeError::OutputTooSmall)?;
        out.iter_mut().zip(samples).for_each(|(out, sample)| *out = expand(*sample));
        Ok(samples.len() / usize::from(self.format.channels))
    }

    fn conceal(&mut self, frames: usize, next: Option<&[u8]>, out: &mut [f32]) -> Result<usize, DecodeError> {
        let _ = next;
        out[..frames * usize::from(self.format.channels)].fill(0.0);
        Ok(frames)
    }
}

impl AudioEncoder for Plain {
    fn sample_rate(&self) -> u32 {
        self.rate()
    }

    fn channels(&self) -> u8 {
        self.format.channels
    }

    fn encode(&mut self, pcm: &[f32], out: &mut [u8]) -> Result<usize, EncodeError> {
        self.work.encoded.fetch_add(1, Ordering::Relaxed);
        let out = out.get_mut(..pcm.len()).ok_or(EncodeError::OutputTooSmall)?;
        out.iter_mut().zip(pcm).for_each(|(out, sample)| *out = compress(*sample));
        Ok(pcm.len())
    }

    fn set_bitrate(&mut self, _: u32) {}

    fn set_complexity(&mut self, _: u8) {}

    fn set_expected_loss(&mut self, _: u8) {}
}
