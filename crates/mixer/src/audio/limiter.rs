//! Keeps a sum below full scale without bending it: the gain sinks before a peak comes and rises slowly behind it.

/// Samples a channel that the limiter looks ahead, and by which it delays: 2.5 ms at 48 kHz.
pub const LOOKAHEAD_SAMPLES: usize = 120;

/// Largest sample that leaves the limiter: 1 dB below full scale, so that a codec's error does not clip either.
pub const PEAK_MAX: f32 = 0.891;

/// Part of the way back to full gain in each block: about 100 ms for two thirds of it.
const RELEASE: f32 = 0.025;

/// A limiter of interleaved sound that comes in whole blocks of [`LOOKAHEAD_SAMPLES`].
#[derive(Clone, Debug)]
pub(super) struct Limiter {
    channels: usize,
    /// The block that leaves next.
    held: Vec<f32>,
    /// Gain at which the held block keeps below the peak.
    held_gain: f32,
    gain: f32,
}

impl Limiter {
    pub(super) fn new(channels: usize) -> Self {
        Self { channels, held: vec![0.0; LOOKAHEAD_SAMPLES * channels], held_gain: 1.0, gain: 1.0 }
    }

    /// Goes on from where `other` stands. Allocates nothing between limiters of equally many channels.
    pub(super) fn follow(&mut self, other: &Self) {
        self.channels = other.channels;
        self.held.clone_from(&other.held);
        (self.held_gain, self.gain) = (other.held_gain, other.gain);
    }

    /// Takes `sound` and puts what leaves into its place.
    pub(super) fn process(&mut self, sound: &mut [f32]) {
        for block in sound.chunks_exact_mut(LOOKAHEAD_SAMPLES * self.channels) {
            let coming = gain_for(block);
            self.held.swap_with_slice(block);
            let risen = self.gain + (1.0 - self.gain) * RELEASE;
            // 1 exactly once it is nearly that, so that untouched sound is copied.
            let risen = if risen > 0.999 { 1.0 } else { risen };
            let end = risen.min(coming).min(self.held_gain);
            apply(block, self.channels, self.gain, end);
            (self.gain, self.held_gain) = (end, coming);
        }
    }
}

/// Goes from one gain to the other over `block`. Both are low enough for all of it, and so is all between them.
fn apply(block: &mut [f32], channels: usize, from: f32, to: f32) {
    if from == 1.0 && to == 1.0 {
        return;
    }
    let step = (to - from) / LOOKAHEAD_SAMPLES as f32;
    for (index, frame) in block.chunks_exact_mut(channels).enumerate() {
        let gain = from + step * (index + 1) as f32;
        frame.iter_mut().for_each(|sample| *sample *= gain);
    }
}

/// The largest gain that keeps `block` below the peak.
fn gain_for(block: &[f32]) -> f32 {
    let peak = block.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    if peak > PEAK_MAX { PEAK_MAX / peak } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_sound_passes_untouched_a_lookahead_later() {
        let mut limiter = Limiter::new(1);
        let sound: Vec<f32> = (0..960).map(|index| (index as f32 * 0.1).sin() * 0.8).collect();
        let mut out = sound.clone();
        limiter.process(&mut out);
        assert_eq!(out[..LOOKAHEAD_SAMPLES], [0.0; LOOKAHEAD_SAMPLES]);
        assert_eq!(out[LOOKAHEAD_SAMPLES..], sound[..960 - LOOKAHEAD_SAMPLES]);
    }

    #[test]
    fn nothing_leaves_above_the_peak_however_loud_and_sudden() {
        let mut random = fastrand::Rng::with_seed(7);
        for channels in [1, 2] {
            let mut limiter = Limiter::new(channels);
            for loudness in [0.5, 8.0, 1.0, 40.0, 0.0, 3.0] {
                for _ in 0..20 {
                    let mut sound: Vec<f32> =
                        (0..960 * channels).map(|_| (random.f32() - 0.5) * 2.0 * loudness).collect();
                    limiter.process(&mut sound);
                    assert!(sound.iter().all(|sample| sample.abs() <= PEAK_MAX * 1.000_1));
                }
            }
        }
    }

    #[test]
    fn the_gain_rises_again_and_makes_no_step() {
        let mut limiter = Limiter::new(1);
        let mut heard = Vec::new();
        for tick in 0..60 {
            let level = if tick == 10 { 4.0 } else { 0.5 };
            let mut sound = vec![level; 960];
            limiter.process(&mut sound);
            heard.extend(sound);
        }
        assert!(heard[..9 * 960].iter().skip(LOOKAHEAD_SAMPLES).all(|sample| *sample == 0.5));
        assert!(heard[50 * 960..].iter().all(|sample| (*sample - 0.5).abs() < 0.005));
        let (before, after) = (&heard[..10 * 960], &heard[11 * 960 + LOOKAHEAD_SAMPLES..]);
        let step = |sound: &[f32]| sound.windows(2).skip(120).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step(before) < 0.01 && step(after) < 0.01);
    }
}
