//! Ids, units, RTP capabilities and parameters, ORTC negotiation, options, stats and counters.
//!
//! The bottom of the house: it depends on no other crate here and touches nothing.

pub mod counters;
pub mod time;

pub use counters::Counters;
pub use time::{NtpTime, WallClock};
