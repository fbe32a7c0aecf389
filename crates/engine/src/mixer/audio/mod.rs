//! Mixers of sound.

mod core;
mod desk;
mod ends;
mod pcm;
mod serve;
mod there;
mod wire;

pub(crate) use ends::{AudioEnds, AudioOptions, Entrance, Exit, InputEnd, OutputEnd, format_of};
pub(crate) use pcm::PcmQueue;
pub(super) use serve::Mixing;
pub(super) use wire::Setup;
