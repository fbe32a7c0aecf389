//! A worker as its owner and its peers see it: requests in, replies and events out, media over loopback sockets.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "../harness/mod.rs"]
mod harness;

mod consent;
mod handshake;
mod layers;
mod limits;
mod looking;
mod media;
mod mixers;
mod paths;
mod pausing;
mod plain;
mod process;
mod repair;
mod requests;
mod rings;
mod taps;
mod worker;
