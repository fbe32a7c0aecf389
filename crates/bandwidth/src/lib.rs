//! Congestion control: what the path to a peer carries, and why we think so.
//!
//! A core: it is told when packets leave and what feedback says of them, and answers with an [`Estimate`], with
//! [`ProbeCluster`]s to send, and with a deadline. An estimator through which nothing is sent has no deadline.

mod acknowledged;
pub mod allocation;
mod alr;
mod busy;
mod clock;
mod delay;
mod estimator;
pub mod fuzz;
mod groups;
mod history;
mod loss;
mod names;
pub mod pacer;
mod probe;
mod queue;
mod trend;

pub use delay::{DelayState, Draining};
pub use estimator::{Estimate, Estimator, EstimatorSettings, Reason, SentKind, SentPacket};
pub use probe::{ProbeCluster, ProbeId};
