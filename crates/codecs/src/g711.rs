//! G.711 (RFC 3551 §4.5.14): PCMU, which is µ-law, and PCMA, which is A-law. 8000 Hz, one channel, one byte a sample.

use millrace_frames::{AudioDecoder, AudioEncoder, DecodeError, EncodeError};

use crate::concealment::Concealment;

/// Samples a second of both laws.
pub const SAMPLE_RATE: u32 = 8000;

/// Longest payload that is taken, in samples: 200 ms, as RFC 3551 §4.2 asks of receivers. What is longer is malformed.
pub const PAYLOAD_SAMPLES_MAX: usize = 1600;

/// µ-law's bias (G.711 Table 2), in 16-bit steps.
const MU_BIAS: i32 = 132;

/// The largest sample that µ-law does not clip, in 16-bit steps.
const MU_CLIP: i32 = 32_635;

/// The sample of each µ-law byte, in 16-bit steps.
const PCMU_SAMPLES: [i16; 256] = {
    let mut samples = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        // Bytes travel inverted: sign, three bits of exponent, four of mantissa.
        let inverted = !(byte as u8) as i32;
        let (exponent, mantissa) = ((inverted >> 4) & 7, inverted & 15);
        let magnitude = (((mantissa << 3) + MU_BIAS) << exponent) - MU_BIAS;
        // At most 32,124.
        samples[byte] = if inverted & 0x80 != 0 { -magnitude } else { magnitude } as i16;
        byte += 1;
    }
    samples
};

/// The sample of each A-law byte, in 16-bit steps.
const PCMA_SAMPLES: [i16; 256] = {
    let mut samples = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        // Bytes travel with every other bit inverted.
        let plain = (byte as u8 ^ 0x55) as i32;
        let (exponent, mantissa) = ((plain >> 4) & 7, plain & 15);
        let magnitude = match exponent {
            0 => (mantissa << 4) + 8,
            _ => ((mantissa << 4) + 0x108) << (exponent - 1),
        };
        // At most 32,256; the sign bit of A-law says plus.
        samples[byte] = if plain & 0x80 != 0 { magnitude } else { -magnitude } as i16;
        byte += 1;
    }
    samples
};

/// µ-law of a sample in 16-bit steps.
fn pcmu(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let biased = i32::from(sample).abs().min(MU_CLIP) + MU_BIAS;
    // Between 132 and 32,767, so the highest bit is 7 to 14.
    let exponent = 31 - biased.leading_zeros() as i32 - 7;
    let mantissa = (biased >> (exponent + 3)) & 15;
    !(sign | (exponent << 4) | mantissa) as u8
}

/// A-law of a sample in 16-bit steps.
fn pcma(sample: i16) -> u8 {
    let (sign, magnitude) = if sample >= 0 { (0x80, i32::from(sample)) } else { (0, !i32::from(sample)) };
    // Of 12 bits, as the law counts; the highest bit is at most 11.
    let steps = magnitude >> 4;
    let exponent = if steps < 16 { 0 } else { 31 - steps.leading_zeros() as i32 - 3 };
    let mantissa = if exponent == 0 { steps } else { (steps >> (exponent - 1)) & 15 };
    (sign | (exponent << 4) | mantissa) as u8 ^ 0x55
}

/// A float sample in 16-bit steps; what is louder than full scale is clipped, and what is no number is silence.
pub(crate) fn to_i16(sample: f32) -> i16 {
    // The cast saturates, and turns NaN into 0.
    (sample * 32_768.0).round() as i16
}

/// A sample in 16-bit steps as float.
pub(crate) fn from_i16(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

macro_rules! law {
    ($decoder:ident, $encoder:ident, $name:literal, $samples:ident, $encode:ident) => {
        #[doc = concat!("Decodes ", $name, ".")]
        #[derive(Debug)]
        pub struct $decoder {
            concealment: Concealment,
        }

        impl $decoder {
            /// Makes a decoder.
            pub fn new() -> Self {
                Self { concealment: Concealment::new(SAMPLE_RATE) }
            }
        }

        impl Default for $decoder {
            fn default() -> Self {
                Self::new()
            }
        }

        impl AudioDecoder for $decoder {
            fn sample_rate(&self) -> u32 {
                SAMPLE_RATE
            }

            fn channels(&self) -> u8 {
                1
            }

            fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
                if payload.is_empty() || payload.len() > PAYLOAD_SAMPLES_MAX {
                    return Err(DecodeError::Malformed);
                }
                let samples = out.get_mut(..payload.len()).ok_or(DecodeError::OutputTooSmall)?;
                for (sample, byte) in samples.iter_mut().zip(payload) {
                    *sample = from_i16($samples[usize::from(*byte)]);
                }
                self.concealment.received(samples);
                Ok(payload.len())
            }

            fn conceal(&mut self, frames: usize, _: Option<&[u8]>, out: &mut [f32]) -> Result<usize, DecodeError> {
                self.concealment.conceal(out.get_mut(..frames).ok_or(DecodeError::OutputTooSmall)?);
                Ok(frames)
            }
        }

        #[doc = concat!("Encodes ", $name, ". Takes frames of any length.")]
        #[derive(Debug, Default)]
        pub struct $encoder;

        impl AudioEncoder for $encoder {
            fn sample_rate(&self) -> u32 {
                SAMPLE_RATE
            }

            fn channels(&self) -> u8 {
                1
            }

            fn encode(&mut self, pcm: &[f32], out: &mut [u8]) -> Result<usize, EncodeError> {
                let bytes = out.get_mut(..pcm.len()).ok_or(EncodeError::OutputTooSmall)?;
                for (byte, sample) in bytes.iter_mut().zip(pcm) {
                    *byte = $encode(to_i16(*sample));
                }
                Ok(pcm.len())
            }

            fn set_bitrate(&mut self, _: u32) {}

            fn set_complexity(&mut self, _: u8) {}

            fn set_expected_loss(&mut self, _: u8) {}
        }
    };
}

law!(PcmuDecoder, PcmuEncoder, "PCMU", PCMU_SAMPLES, pcmu);
law!(PcmaDecoder, PcmaEncoder, "PCMA", PCMA_SAMPLES, pcma);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_both_laws_comes_back() {
        for byte in 0..=255_u8 {
            let a = pcma(PCMA_SAMPLES[usize::from(byte)]);
            assert_eq!(a, byte, "A-law");
            let mu = pcmu(PCMU_SAMPLES[usize::from(byte)]);
            // µ-law has two zeros; the negative one is sent as the other.
            assert_eq!(mu, if byte == 0x7F { 0xFF } else { byte }, "µ-law");
        }
    }

    #[test]
    fn no_sample_is_further_from_its_step_than_half_the_step() {
        for sample in i16::MIN..=i16::MAX {
            for (law, samples) in [(pcmu as fn(i16) -> u8, &PCMU_SAMPLES), (pcma, &PCMA_SAMPLES)] {
                let chosen = i32::from(samples[usize::from(law(sample))]);
                let error = (chosen - i32::from(sample)).abs();
                // Both laws have 16 steps in each doubling, so half a step is a 33rd of the sample and its bias; 9 for
                // A-law's lowest steps, of which the negative ones begin one lower.
                assert!(error <= (chosen.abs() + MU_BIAS) / 33 + 9, "{sample} became {chosen}");
            }
        }
    }

    #[test]
    fn known_values_of_the_recommendation_hold() {
        // G.711 Tables 1a and 2a: the largest values, and silence.
        assert_eq!((PCMU_SAMPLES[0x80], PCMU_SAMPLES[0x00], PCMU_SAMPLES[0xFF]), (32_124, -32_124, 0));
        assert_eq!((PCMA_SAMPLES[0xAA], PCMA_SAMPLES[0x2A], PCMA_SAMPLES[0xD5]), (32_256, -32_256, 8));
    }

    #[test]
    fn what_is_too_long_too_short_or_no_number_is_taken_as_it_says() {
        let mut decoder = PcmuDecoder::new();
        let mut out = [0.0; 2000];
        assert_eq!(decoder.decode(&[], &mut out), Err(DecodeError::Malformed));
        assert_eq!(decoder.decode(&[0; PAYLOAD_SAMPLES_MAX + 1], &mut out), Err(DecodeError::Malformed));
        assert_eq!(decoder.decode(&[0; 160], &mut out[..159]), Err(DecodeError::OutputTooSmall));
        assert_eq!(decoder.conceal(160, None, &mut out[..159]), Err(DecodeError::OutputTooSmall));
        assert_eq!(PcmaEncoder.encode(&[0.0; 160], &mut [0; 159]), Err(EncodeError::OutputTooSmall));
        let mut bytes = [0; 3];
        assert_eq!(PcmuEncoder.encode(&[f32::NAN, 9.0, f32::NEG_INFINITY], &mut bytes), Ok(3));
        assert_eq!(bytes, [0xFF, 0x80, 0x00]);
    }
}
