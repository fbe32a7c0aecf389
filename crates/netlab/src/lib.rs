//! A bottleneck in virtual time on which congestion controllers are compared.
//!
//! Everything is decided by a seed: the same seed gives the same packets, losses and figures. The `link` is shared by
//! `flows`: our estimator, those of str0m and rtc, and a TCP. `scenarios` says what the line does, `score` what the
//! figures are worth.

pub mod flow;
pub mod flows;
pub mod link;
mod measure;
pub mod picture;
mod receiver;
pub mod run;
pub mod scenarios;
pub mod score;
mod source;
pub mod table;
mod trace;

/// Microseconds of virtual time since a run began.
pub type Micros = u64;

/// One second.
pub const SECOND: Micros = 1_000_000;
/// One millisecond.
pub const MS: Micros = 1_000;
