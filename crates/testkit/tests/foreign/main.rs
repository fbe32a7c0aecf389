//! The transport and the router against str0m, a WebRTC stack that shares no code with ours, over a bad network.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod call;
mod feedback;
mod handshake;
mod media;
mod server;
mod str0m_peer;
