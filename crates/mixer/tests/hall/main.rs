//! Mixes judged by their content, on a virtual clock and over a network of known delay. The codec is samples in bytes,
//! so that what is heard is what was mixed.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod codec;
mod content;
mod delay;
mod hostile;
mod lips;
mod rooms;
mod spectrum;
mod weather;
mod world;
