//! Ids, units, RTP capabilities and parameters, ORTC negotiation, options, stats and counters.
//!
//! The bottom of the house: it depends on no other crate here and touches nothing.

pub mod counters;
pub mod error;
pub mod id;
pub mod parse;
pub mod rtp;
pub mod time;

pub use counters::Counters;
pub use error::{ErrorClass, ModelError, Within};
pub use id::{ConsumerId, MalformedId, ProducerId, RouterId, TransportId, WebRtcServerId};
pub use parse::parse;
pub use rtp::*;
pub use time::{NtpTime, WallClock};
