//! Handshakes of [`RtcDtls`](super::RtcDtls) with an independent client over a virtual, lossy, hostile link.

mod handshake;
mod hostile;
pub(crate) mod link;
