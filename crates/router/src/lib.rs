//! The SFU: producers, consumers, the forward table, rewriting, retransmission and feedback.
//!
//! A core: it is told the time, takes packets, and pushes packets, feedback and events into an [`Output`].

pub mod output;

pub use output::{Output, SessionId};
