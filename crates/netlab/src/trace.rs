//! Lines whose capacity nobody decides: models of Wi-Fi and of 4G, by seed.

use crate::link::Capacity;

/// Values of a trace: a minute in steps of 100 ms.
const STEPS: usize = 600;

/// Wi-Fi: a mean that wanders slowly, shared airtime that takes half of it for seconds, and short fades to a tenth.
pub(crate) fn wifi(seed: u64) -> Capacity {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut mean: f64 = 5e6;
    let (mut busy, mut fade) = (0u32, 0u32);
    let step = |_| {
        mean = (mean * (1.0 + 0.04 * (random.f64() - 0.5)) + 0.01 * (5e6 - mean)).clamp(2e6, 8e6);
        busy = if busy > 0 { busy - 1 } else { u32::from(random.f64() < 0.01) * random.u32(20..60) };
        fade = if fade > 0 { fade - 1 } else { u32::from(random.f64() < 0.015) * random.u32(1..4) };
        let share = if busy > 0 { 0.5 } else { 1.0 } * if fade > 0 { 0.1 } else { 1.0 };
        (mean * share * (0.85 + 0.3 * random.f64())) as u64
    };
    Capacity::Trace((0..STEPS).map(step).collect())
}

/// 4G on the move: a random walk of the logarithm between 0.3 and 8 Mbit/s, with handovers of 100 to 400 ms in which
/// almost nothing passes.
pub(crate) fn mobile(seed: u64) -> Capacity {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut level: f64 = (2e6_f64).ln();
    let (low, high) = ((0.3e6_f64).ln(), (8e6_f64).ln());
    let mut handover = 0u32;
    let step = |_| {
        level += 0.12 * (random.f64() - 0.5) + 0.004 * ((2e6_f64).ln() - level);
        level = level.clamp(low, high);
        handover = if handover > 0 { handover - 1 } else { u32::from(random.f64() < 0.004) * random.u32(1..5) };
        if handover > 0 { 20_000 } else { (level.exp() * (0.8 + 0.4 * random.f64())) as u64 }
    };
    Capacity::Trace((0..STEPS).map(step).collect())
}
