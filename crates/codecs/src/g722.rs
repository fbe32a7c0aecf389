//! G.722 (ITU-T G.722, RFC 3551 §4.5.2) at 64 kbit/s: 16,000 Hz in one channel, a byte for two samples.
//!
//! Two bands of 8000 Hz, split and joined by a quadrature mirror filter, each an adaptive differential code: six bits of
//! every byte for the lower band, two for the upper. Tables and block names are the recommendation's.

use millrace_frames::{AudioDecoder, AudioEncoder, DecodeError, EncodeError};

use crate::concealment::Concealment;
use crate::g711::{from_i16, to_i16};

/// Samples a second, in Hz. RTP's clock for it runs at 8000 Hz all the same.
pub const SAMPLE_RATE: u32 = 16_000;

/// Longest payload that is taken, in bytes: 200 ms, as RFC 3551 §4.2 asks of receivers. What is longer is malformed.
pub const PAYLOAD_BYTES_MAX: usize = 1600;

/// Quadrature mirror filter, one half of its 24 coefficients (Table 11); the other mirrors it.
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Decision levels of the lower band's 60 steps, for one sign (Table 14).
const Q6: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// Outputs of the lower band's inverse quantizers of 6 and 4 bits (Tables 14 and 15), by code word.
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232, -9_360,
    -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464, -4_008, -3_576, -3_168, -2_776, -2_400, -2_032,
    -1_688, -1_360, -1_040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9_360, 8_576,
    7_856, 7_192, 6_576, 6_000, 5_456, 4_944, 4_464, 4_008, 3_576, 3_168, 2_776, 2_400, 2_032, 1_688, 1_360, 1_040,
    728, 432, 136, -432, -136,
];
const QM4: [i32; 16] =
    [0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288, 4_240, 2_584, 1_200, 0];

/// Outputs of the upper band's inverse quantizer (Table 17).
const QM2: [i32; 4] = [-7_408, -1_616, 7_408, 1_616];

/// Decision level of the upper band (Table 16).
const Q2: i32 = 564;

/// Log-to-linear conversion (Table 13).
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

/// Multipliers of the logarithmic scale factors (Tables 12 and 16), by the code word's size.
const WL: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
const RL42: [usize; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
const WH: [i32; 2] = [798, -214];

/// Largest logarithmic scale factors (§3.5).
const NB_LOW_MAX: i32 = 18_432;
const NB_HIGH_MAX: i32 = 22_528;

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

/// One band's predictor and scale factor (§3.5 and §3.6), the same in encoder and decoder.
#[derive(Clone, Debug)]
struct Band {
    /// Predicted sample, and the part of it that comes from zeros.
    s: i32,
    sz: i32,
    /// Pole and zero coefficients.
    a: [i32; 2],
    b: [i32; 6],
    /// The last differences, partially and wholly reconstructed signals; the newest first.
    d: [i32; 6],
    p: [i32; 2],
    r: [i32; 2],
    /// Scale factor, logarithmic and linear.
    nb: i32,
    det: i32,
}

impl Band {
    fn new(det: i32) -> Self {
        Self { s: 0, sz: 0, a: [0; 2], b: [0; 6], d: [0; 6], p: [0; 2], r: [0; 2], nb: 0, det }
    }

    /// Blocks 3: LOGSCL, SCALEL or their like.
    fn rescale(&mut self, weight: i32, nb_max: i32, shift: i32) {
        self.nb = (((self.nb * 127) >> 7) + weight).clamp(0, nb_max);
        let mantissa = ILB[(self.nb >> 6) as usize & 31];
        let exponent = shift - (self.nb >> 11);
        self.det = (if exponent < 0 { mantissa << -exponent } else { mantissa >> exponent }) << 2;
    }

    /// Block 4: takes the quantized difference `d`, adapts the predictor, and predicts the next sample.
    fn adapt(&mut self, d: i32) {
        let r = saturate(self.s + d);
        let p = saturate(self.sz + d);
        self.adapt_poles(p);
        self.adapt_zeros(d);
        self.d.copy_within(..5, 1);
        self.d[0] = d;
        (self.r, self.p) = ([r, self.r[0]], [p, self.p[0]]);
        let sp = self.r.iter().zip(self.a).map(|(r, a)| (saturate(r + r) * a) >> 15).sum();
        self.sz = saturate(self.d.iter().zip(self.b).map(|(d, b)| (saturate(d + d) * b) >> 15).sum());
        self.s = saturate(saturate(sp) + self.sz);
    }

    /// UPPOL2 and UPPOL1.
    fn adapt_poles(&mut self, p: i32) {
        let same = |a: i32, b: i32| (a ^ b) >> 31 == 0;
        let a1_times_4 = saturate(self.a[0] << 2);
        let sign_of = |agree: bool| if agree { 1 } else { -1 };
        let (agrees_with_first, agrees_with_second) = (sign_of(same(p, self.p[0])), sign_of(same(p, self.p[1])));
        let toward = (-agrees_with_first * a1_times_4).min(32_767);
        let second = (toward >> 7) + 128 * agrees_with_second + ((self.a[1] * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);
        let first = ((self.a[0] * 32_640) >> 15) + 192 * agrees_with_first;
        let limit = saturate(15_360 - second);
        self.a = [saturate(first).clamp(-limit, limit), second];
    }

    /// UPZERO.
    fn adapt_zeros(&mut self, d: i32) {
        let step = if d == 0 { 0 } else { 128 };
        for (b, earlier) in self.b.iter_mut().zip(self.d) {
            let toward = if (d ^ earlier) >> 31 == 0 { step } else { -step };
            *b = saturate(toward + ((*b * 32_640) >> 15));
        }
    }
}

/// Both bands, as they are before the first sample (§3.7).
#[derive(Clone, Debug)]
struct Bands {
    low: Band,
    high: Band,
    /// The last 24 inputs of the filter, the oldest first.
    filter: [i32; 24],
}

impl Bands {
    fn new() -> Self {
        Self { low: Band::new(32), high: Band::new(8), filter: [0; 24] }
    }

    /// Moves two values into the filter; the sums over its odd and even places.
    fn filter(&mut self, newest: [i32; 2]) -> (i32, i32) {
        self.filter.copy_within(2.., 0);
        self.filter[22..].copy_from_slice(&newest);
        let sum = |from: usize, coefficients: &mut dyn Iterator<Item = &i32>| {
            self.filter.iter().skip(from).step_by(2).zip(coefficients).map(|(x, h)| x * h).sum::<i32>()
        };
        (sum(1, &mut QMF.iter().rev()), sum(0, &mut QMF.iter()))
    }

    fn low_code(&self, sample: i32) -> u8 {
        let error = saturate(sample - self.low.s);
        let magnitude = if error >= 0 { error } else { !error };
        let step = (1..30).find(|step| magnitude < (Q6[*step] * self.low.det) >> 12).unwrap_or(30) as u8;
        // Tables 14: from the largest step down, minus from 63 and 31 down to 4, plus from 61 down to 32.
        match (error < 0, step) {
            (true, 1) => 63,
            (true, 2) => 62,
            (true, step) => 34 - step,
            (false, step) => 62 - step,
        }
    }

    fn high_code(&self, sample: i32) -> u8 {
        let error = saturate(sample - self.high.s);
        let magnitude = if error >= 0 { error } else { !error };
        let large = magnitude >= (Q2 * self.high.det) >> 12;
        match (error < 0, large) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        }
    }

    /// Both bands take the code words of one byte.
    fn adapt(&mut self, low: u8, high: u8) {
        let code = usize::from(low >> 2);
        let difference = (self.low.det * QM4[code]) >> 15;
        self.low.rescale(WL[RL42[code]], NB_LOW_MAX, 8);
        self.low.adapt(difference);
        let difference = (self.high.det * QM2[usize::from(high)]) >> 15;
        self.high.rescale(WH[usize::from(high & 1)], NB_HIGH_MAX, 10);
        self.high.adapt(difference);
    }

    fn encode(&mut self, samples: [i32; 2]) -> u8 {
        let (odd, even) = self.filter(samples);
        let (low, high) = (self.low_code((odd + even) >> 14), self.high_code((odd - even) >> 14));
        self.adapt(low, high);
        high << 6 | low
    }

    fn decode(&mut self, byte: u8) -> [i16; 2] {
        let (low, high) = (byte & 0x3F, byte >> 6);
        let clip = |sample: i32| sample.clamp(-16_384, 16_383);
        let low_sample = clip(self.low.s + ((self.low.det * QM6[usize::from(low)]) >> 15));
        let high_sample = clip(self.high.s + ((self.high.det * QM2[usize::from(high)]) >> 15));
        self.adapt(low, high);
        let (odd, even) = self.filter([low_sample + high_sample, low_sample - high_sample]);
        // Saturated, so the casts keep the value.
        [saturate(odd >> 11) as i16, saturate(even >> 11) as i16]
    }
}

/// Decodes G.722.
#[derive(Debug)]
pub struct G722Decoder {
    bands: Bands,
    concealment: Concealment,
}

impl G722Decoder {
    /// Makes a decoder.
    pub fn new() -> Self {
        Self { bands: Bands::new(), concealment: Concealment::new(SAMPLE_RATE) }
    }
}

impl Default for G722Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl AudioDecoder for G722Decoder {
    fn sample_rate(&self) -> u32 {
        SAMPLE_RATE
    }

    fn channels(&self) -> u8 {
        1
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        if payload.is_empty() || payload.len() > PAYLOAD_BYTES_MAX {
            return Err(DecodeError::Malformed);
        }
        let samples = out.get_mut(..2 * payload.len()).ok_or(DecodeError::OutputTooSmall)?;
        for (pair, byte) in samples.as_chunks_mut::<2>().0.iter_mut().zip(payload) {
            *pair = self.bands.decode(*byte).map(from_i16);
        }
        self.concealment.received(samples);
        Ok(2 * payload.len())
    }

    fn conceal(&mut self, frames: usize, _: Option<&[u8]>, out: &mut [f32]) -> Result<usize, DecodeError> {
        self.concealment.conceal(out.get_mut(..frames).ok_or(DecodeError::OutputTooSmall)?);
        Ok(frames)
    }
}

/// Encodes G.722. Takes frames of an even number of samples.
#[derive(Debug)]
pub struct G722Encoder {
    bands: Bands,
}

impl G722Encoder {
    /// Makes an encoder.
    pub fn new() -> Self {
        Self { bands: Bands::new() }
    }
}

impl Default for G722Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl AudioEncoder for G722Encoder {
    fn sample_rate(&self) -> u32 {
        SAMPLE_RATE
    }

    fn channels(&self) -> u8 {
        1
    }

    fn encode(&mut self, pcm: &[f32], out: &mut [u8]) -> Result<usize, EncodeError> {
        let (pairs, []) = pcm.as_chunks::<2>() else { return Err(EncodeError::BadInput) };
        let bytes = out.get_mut(..pairs.len()).ok_or(EncodeError::OutputTooSmall)?;
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            *byte = self.bands.encode(pair.map(|sample| i32::from(to_i16(sample))));
        }
        Ok(pairs.len())
    }

    fn set_bitrate(&mut self, _: u32) {}

    fn set_complexity(&mut self, _: u8) {}

    fn set_expected_loss(&mut self, _: u8) {}
}
