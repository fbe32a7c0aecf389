//! Mixers of pictures.

mod desk;
mod ends;
mod inputs;
mod layers;
mod outputs;
mod pictures;

pub(crate) use ends::{VideoEnds, VideoSetup};
pub(crate) use inputs::{VideoEntrance, VideoInputEnd, Voice, codec_of};
pub(crate) use outputs::{PixelFormat, VideoExit, VideoOutputEnd};
pub(crate) use pictures::PictureQueue;
