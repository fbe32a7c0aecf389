//! Every parser of bytes from the network as a fuzz target, and a driver that runs them on stable Rust.
//!
//! A target is a plain `fn(&[u8])` in [`targets`] that panics when something is broken that must hold whatever the bytes
//! are. The tests run each for a moment on its corpus and mutations of it; `cargo run -p millrace-fuzz` runs them for as
//! long as one likes; the crate in `fuzz/` hands the same functions to libFuzzer.

pub mod corpus;
pub mod driver;
mod mutate;
mod script;
mod seeds;
pub mod targets;

pub use driver::{Budget, Failure, Plan, Report, hunt};
pub use targets::{TARGETS, Target};
