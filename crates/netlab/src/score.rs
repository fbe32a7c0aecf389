//! What the figures of a run are worth: one number, whose formula is older than any tuning.
//!
//! The figures are those that RFC 8868 §2 asks for. Each becomes a factor between 0 and 1, and the score is their
//! product, so that nobody makes up with an empty queue for a picture that is not there:
//!
//! | factor | is | half of it at |
//! | --- | --- | --- |
//! | utilisation | the share of what was available that arrived as media, from the fifth second on | half |
//! | delay | 1 / (1 + p95 of the wait in the queue / 500 ms) | 500 ms |
//! | loss | 1 − 5 × share of the packets that the queue dropped | 10 % |
//! | settling | 1 / (1 + mean time to settle / 30 s) | 30 s |
//! | fairness | Jain's index | – |
//! | steadiness | 1 / (1 + layer changes a minute / 40), for sources with layers | 40 a minute |

pub use crate::measure::{Bin, Figures, Record};

/// Wait in the queue that halves the score.
const DELAY_MS: f64 = 500.0;
/// What each per cent of loss takes off, in per cent.
const LOSS_WEIGHT: f64 = 5.0;
/// Time to settle that halves the score.
const SETTLE_S: f64 = 30.0;
/// Layer changes a minute that halve the score.
const SWITCHES: f64 = 40.0;

/// The score, 0 to 100.
pub fn score(figures: &Figures) -> f64 {
    let delay = 1.0 / (1.0 + figures.queue_p95_ms / DELAY_MS);
    let loss = (1.0 - LOSS_WEIGHT * figures.loss).max(0.0);
    let settling = 1.0 / (1.0 + figures.settle_s / SETTLE_S);
    let steadiness = 1.0 / (1.0 + figures.switches / SWITCHES);
    100.0 * figures.utilisation.clamp(0.0, 1.0) * delay * loss * settling * steadiness * figures.fairness
}
