//! What publishers and viewers see of a router, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod binding;
mod call;
mod distribution;
mod forwarding;
mod hostile;
mod key_frames;
mod layers;
mod loss;
mod observers;
mod replace;
mod reports;
mod selector;
mod spatial;
mod traces;
mod transport_cc;
mod weather;
