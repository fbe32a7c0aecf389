//! Mixes of pictures judged by what they show, on a virtual clock.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

#[path = "../../../codecs/tests/support/mod.rs"]
mod support;

mod counter;
mod hostile;
mod places;
mod regions;
mod renditions;
