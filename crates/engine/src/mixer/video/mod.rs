//! Mixers of pictures.

mod core;
mod desk;
mod ends;
mod inputs;
mod layers;
mod options;
mod outputs;
mod pictures;
mod serve;
mod there;
mod wire;

pub(crate) use ends::{VideoEnds, VideoSetup};
pub(crate) use inputs::{VideoEntrance, VideoInputEnd, Voice, codec_of};
pub(crate) use options::{arrangement, bad_layout, core_codec, core_options, output_options};
pub(crate) use outputs::{PixelFormat, VideoExit, VideoOutputEnd};
pub(crate) use pictures::PictureQueue;
pub(super) use serve::Mixing;
pub(super) use wire::Setup;
