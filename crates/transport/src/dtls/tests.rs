//! Handshakes of both engines with independent peers over a virtual, lossy, hostile link.

mod handshake;
mod hostile;
pub(crate) mod link;
mod pair;
mod second_engine;
