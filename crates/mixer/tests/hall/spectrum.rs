//! What is heard in a piece of sound.

use std::f64::consts::TAU;

/// Samples of one piece: a tenth of a second, so that tones at multiples of 10 Hz fall on whole bins.
pub(crate) const PIECE: usize = 4_800;

/// Amplitudes of the bins of `piece`, 10 Hz apart, up to 6 kHz: a Fourier transform.
pub(crate) fn bins(piece: &[f32]) -> Vec<f64> {
    assert_eq!(piece.len(), PIECE);
    (0..600).map(|bin| amplitude(piece, bin)).collect()
}

/// Goertzel's algorithm.
fn amplitude(piece: &[f32], bin: usize) -> f64 {
    let step = TAU * bin as f64 / PIECE as f64;
    let (mut before, mut last) = (0.0f64, 0.0f64);
    for sample in piece {
        (before, last) = (last, f64::from(*sample) + 2.0 * step.cos() * last - before);
    }
    let power = last * last + before * before - 2.0 * step.cos() * last * before;
    2.0 * power.max(0.0).sqrt() / PIECE as f64
}

/// Multiples of 10 Hz that are louder than `floor_db` below a tone of amplitude `reference`, in Hz.
pub(crate) fn heard(piece: &[f32], reference: f64, floor_db: f64) -> Vec<u32> {
    let floor = reference * 10f64.powf(floor_db / 20.0);
    let loud = bins(piece).into_iter().enumerate().filter(|(_, amplitude)| *amplitude > floor);
    loud.map(|(bin, _)| bin as u32 * 10).collect()
}
