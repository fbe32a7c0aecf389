//! Mixers of sound.

mod desk;
mod ends;
mod pcm;

pub(crate) use ends::{AudioEnds, Entrance, Exit, InputEnd, OutputEnd, format_of};
pub(crate) use pcm::PcmQueue;
