//! Pictures of many streams in one.
//!
//! [`mixer::VideoMixer`] takes packets and pictures, and gives frames. [`layout`] says which input stands where, [`compose`]
//! draws it, of what [`scale`] and [`text`] make.

pub mod budget;
pub mod compose;
pub mod input;
pub mod layout;
pub mod mixer;
pub mod output;
pub mod picture;
pub mod pressure;
mod rendition;
pub mod scale;
pub mod text;

pub use input::{InputFormat, InputOptions, InputStats, RawPicture, SyncPoint};
pub use mixer::{VideoMixer, VideoMixerError, VideoMixerEvent, VideoMixerOptions, VideoMixerStats};
pub use output::{OutputFormat, OutputFrame, OutputId, OutputOptions, OutputStats, Packets, Payload, bitrate_default};
pub use picture::{Colour, Picture};
pub use pressure::Pressure;

/// One input of a mixer of pictures. Ids are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputId(pub u32);
