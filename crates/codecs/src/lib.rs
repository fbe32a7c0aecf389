//! Codecs behind the traits of [`millrace_frames::codec`]: safe wrappers of C libraries, and G.711 and G.722 in
//! Rust.
//!
//! The one place of the workspace for C. Every wrapper owns its codec's state alone, gives C no pointer that outlives a
//! call, checks whatever a frame declares before the library sees it, and allocates nothing once it has seen its largest
//! frame. Where each library comes from on which system stands in `docs/internals/building.md`.

pub mod aac;
mod audio;
pub mod av1;
mod built_video;
mod concealment;
pub mod g711;
pub mod g722;
pub mod h264;
pub mod opus;
mod real_time;
pub mod video;
pub mod vpx;

pub use aac::AacDecoder;
#[cfg(feature = "aac-encoder")]
pub use aac::AacEncoder;
pub use audio::BuiltAudioCodecs;
pub use av1::{Av1Decoder, Av1Encoder};
pub use built_video::BuiltVideoCodecs;
pub use g711::{PcmaDecoder, PcmaEncoder, PcmuDecoder, PcmuEncoder};
pub use g722::{G722Decoder, G722Encoder};
pub use h264::{H264Decoder, H264Encoder};
pub use opus::{OpusDecoder, OpusEncoder, OpusSettings, OpusSignal};
pub use real_time::RealTimeEncoder;
pub use video::{VideoContent, VideoSettings};
pub use vpx::{VpxCodec, VpxDecoder, VpxEncoder};
