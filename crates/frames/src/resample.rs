//! From one sample rate to another, and the small stretch by which a stream's clock is followed.

use std::f32::consts::PI;
use std::sync::LazyLock;

/// Converts interleaved sound between two fixed rates by a polyphase filter.
///
/// Delay: 16 samples of the lower rate. 0.1 dB flat to 0.42 of the lower rate; images and aliases 60 dB down.
#[derive(Debug)]
pub struct Resampler {
    channels: usize,
    /// The ratio in lowest terms: `up` samples come out for `down` that go in.
    up: usize,
    down: usize,
    taps: usize,
    /// `up` rows of `taps` coefficients.
    rows: Vec<f32>,
    /// The last `taps` samples of every channel, then the input under way.
    line: Vec<f32>,
    /// Where the next sample lies: whole input samples behind the line's start, and the row.
    position: usize,
    row: usize,
}

/// Coefficients at equal rates; in proportion more when the rate sinks.
const RATE_TAPS: usize = 32;

impl Resampler {
    /// A converter of sound of `channels` interleaved channels. `from` and `to` in Hz, 1 to 192,000.
    pub fn new(from: u32, to: u32, channels: u8) -> Self {
        let (from, to) = (from.clamp(1, 192_000) as usize, to.clamp(1, 192_000) as usize);
        let common = gcd(from, to);
        let (up, down) = (to / common, from / common);
        let narrowing = (up as f32 / down as f32).min(1.0);
        let taps = ((RATE_TAPS as f32 / narrowing) as usize).next_multiple_of(2);
        let channels = usize::from(channels.max(1));
        let rows = (0..up).flat_map(|row| filter_row(taps, row as f32 / up as f32, narrowing)).collect();
        Self { channels, up, down, taps, rows, line: vec![0.0; taps * channels], position: 0, row: 0 }
    }

    /// Goes on from where `other`, of the same rates and channels, stands.
    pub fn follow(&mut self, other: &Self) {
        self.line.clone_from(&other.line);
        (self.position, self.row) = (other.position, other.row);
    }

    /// Converts `input` and appends what is ready to `out`. Over time, `to` samples for every `from`.
    pub fn process(&mut self, input: &[f32], out: &mut Vec<f32>) {
        self.line.extend_from_slice(input);
        let available = self.line.len() / self.channels;
        while self.position + self.taps < available {
            let row = &self.rows[self.row * self.taps..][..self.taps];
            for channel in 0..self.channels {
                let samples = self.line[(self.position + 1) * self.channels + channel..].iter().step_by(self.channels);
                out.push(row.iter().zip(samples).map(|(coefficient, sample)| coefficient * sample).sum());
            }
            self.row += self.down;
            self.position += self.row / self.up;
            self.row %= self.up;
        }
        let used = self.position * self.channels;
        self.line.copy_within(used.., 0);
        self.line.truncate(self.line.len() - used);
        self.position = 0;
    }
}

/// Samples before and behind that the stretch looks at, so that it can be had without delay: 0.25 ms at 48 kHz.
pub(crate) const STRETCH_REACH: usize = 12;
const STRETCH_TAPS: usize = 2 * STRETCH_REACH;
/// Rows of the stretch's filter; values between are interpolated.
const STRETCH_ROWS: usize = 256;

static STRETCH: LazyLock<Vec<f32>> = LazyLock::new(|| {
    (0..=STRETCH_ROWS).flat_map(|row| filter_row(STRETCH_TAPS, row as f32 / STRETCH_ROWS as f32, 1.0)).collect()
});

/// Fills `out` with the sound of `consumed` samples a channel of `line`, which starts [`STRETCH_REACH`] samples before
/// them and ends as many behind. Interleaved.
pub(crate) fn stretch(line: &[f32], channels: usize, consumed: usize, out: &mut [f32]) {
    let frames = out.len() / channels;
    if consumed == frames {
        let start = STRETCH_REACH * channels;
        return out.copy_from_slice(&line[start..start + frames * channels]);
    }
    let rows = &*STRETCH;
    for (index, frame) in out.chunks_exact_mut(channels).enumerate() {
        let place = index * consumed;
        let (whole, part) = (place / frames, (place % frames) as f32 / frames as f32 * STRETCH_ROWS as f32);
        let (row, between) = (part as usize, part.fract());
        let (low, high) = rows[row * STRETCH_TAPS..][..2 * STRETCH_TAPS].split_at(STRETCH_TAPS);
        for (channel, sample) in frame.iter_mut().enumerate() {
            let around = line[(whole + 1) * channels + channel..].iter().step_by(channels);
            let coefficients = low.iter().zip(high).map(|(low, high)| low + (high - low) * between);
            *sample = coefficients.zip(around).map(|(coefficient, value)| coefficient * value).sum();
        }
    }
}

/// The coefficients for a sample that lies `part` of one behind the middle: a sinc that passes `narrowing` of the band,
/// in a Kaiser window of 60 dB.
fn filter_row(taps: usize, part: f32, narrowing: f32) -> Vec<f32> {
    let half = taps as f32 / 2.0;
    let value = |tap: usize| {
        let distance = tap as f32 - (half - 1.0) - part;
        narrowing * sinc(distance * narrowing) * kaiser(distance / half)
    };
    let row: Vec<f32> = (0..taps).map(value).collect();
    let sum: f32 = row.iter().sum();
    row.into_iter().map(|coefficient| coefficient / sum).collect()
}

fn sinc(x: f32) -> f32 {
    if x.abs() < 1e-6 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Kaiser's window at `x` of -1 to 1, its shape for 60 dB (β = 5.65).
fn kaiser(x: f32) -> f32 {
    const SHAPE: f32 = 5.65;
    let inside = (1.0 - x * x).max(0.0).sqrt();
    bessel(SHAPE * inside) / bessel(SHAPE)
}

/// The modified Bessel function of order 0, by its power series.
fn bessel(x: f32) -> f32 {
    let quarter = x * x / 4.0;
    let terms = (1..20).scan(1.0, |term, index| {
        *term *= quarter / (index * index) as f32;
        Some(*term)
    });
    1.0 + terms.sum::<f32>()
}

pub(crate) fn gcd(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: f32, hertz: f32, samples: usize) -> Vec<f32> {
        (0..samples).map(|index| (2.0 * PI * hertz * index as f32 / rate).sin()).collect()
    }

    /// Amplitude of `hertz` in `sound`, and what is left without it, as a share of it in dB.
    fn purity(sound: &[f32], rate: f32, hertz: f32) -> (f32, f32) {
        let turn = |index: usize| 2.0 * std::f64::consts::PI * f64::from(hertz) / f64::from(rate) * index as f64;
        let sum = |wave: &dyn Fn(usize) -> f64| (0..sound.len()).map(wave).sum::<f64>();
        // Least squares, because a piece need not hold whole periods.
        let (sine_sine, sine_cosine) = (sum(&|at| turn(at).sin().powi(2)), sum(&|at| turn(at).sin() * turn(at).cos()));
        let cosine_cosine = sound.len() as f64 - sine_sine;
        let with_sine = sum(&|at| f64::from(sound[at]) * turn(at).sin());
        let with_cosine = sum(&|at| f64::from(sound[at]) * turn(at).cos());
        let determinant = sine_sine * cosine_cosine - sine_cosine * sine_cosine;
        let sine = (with_sine * cosine_cosine - with_cosine * sine_cosine) / determinant;
        let cosine = (with_cosine * sine_sine - with_sine * sine_cosine) / determinant;
        let amplitude = sine.hypot(cosine);
        let rest = sound
            .iter()
            .enumerate()
            .map(|(index, value)| (f64::from(*value) - sine * turn(index).sin() - cosine * turn(index).cos()).powi(2));
        let rest = (rest.sum::<f64>() * 2.0 / sound.len() as f64).sqrt();
        (amplitude as f32, 20.0 * (rest / amplitude).log10() as f32)
    }

    #[test]
    fn tones_keep_their_height_and_loudness_between_all_rates() {
        for (from, to) in [(8_000, 48_000), (16_000, 48_000), (44_100, 48_000), (48_000, 8_000), (48_000, 16_000)] {
            let mut resampler = Resampler::new(from, to, 1);
            let mut out = Vec::new();
            for piece in tone(from as f32, 1_000.0, from as usize).chunks(from as usize / 50) {
                resampler.process(piece, &mut out);
            }
            assert!((out.len() as i64 - i64::from(to)).abs() <= 200, "{from} to {to}: {}", out.len());
            let settled = &out[to as usize / 10..to as usize / 10 + to as usize / 2];
            let (amplitude, rest) = purity(settled, to as f32, 1_000.0);
            assert!((amplitude - 1.0).abs() < 0.01 && rest < -60.0, "{from} to {to}: {amplitude}, {rest} dB");
        }
    }

    #[test]
    fn what_a_lower_rate_cannot_hold_is_taken_out() {
        let mut resampler = Resampler::new(48_000, 8_000, 1);
        let mut out = Vec::new();
        resampler.process(&tone(48_000.0, 6_000.0, 48_000), &mut out);
        assert!(out[100..].iter().all(|sample| sample.abs() < 0.002));
    }

    #[test]
    fn channels_stay_apart() {
        let mut resampler = Resampler::new(16_000, 48_000, 2);
        let input: Vec<f32> = tone(16_000.0, 440.0, 1_600).into_iter().flat_map(|sample| [sample, 0.0]).collect();
        let mut out = Vec::new();
        resampler.process(&input, &mut out);
        assert!(out.chunks_exact(2).all(|frame| frame[1] == 0.0));
        assert!(out.chunks_exact(2).any(|frame| frame[0] > 0.9));
    }

    #[test]
    fn a_stretch_moves_the_pitch_by_its_ratio_and_adds_nothing() {
        let (hertz, frames) = (3_000.0, 960);
        for consumed in [956, 959, 961, 964] {
            let line = tone(48_000.0, hertz, consumed + 2 * STRETCH_REACH);
            let mut out = vec![0.0; frames];
            stretch(&line, 1, consumed, &mut out);
            let (amplitude, rest) = purity(&out, 48_000.0, hertz * consumed as f32 / frames as f32);
            assert!((amplitude - 1.0).abs() < 0.01 && rest < -55.0, "{consumed}: {amplitude}, {rest} dB");
        }
    }

    #[test]
    fn nothing_to_stretch_is_a_copy() {
        let line = tone(48_000.0, 700.0, 960 + 2 * STRETCH_REACH);
        let mut out = vec![0.0; 960];
        stretch(&line, 1, 960, &mut out);
        assert_eq!(out, line[STRETCH_REACH..STRETCH_REACH + 960]);
    }
}
