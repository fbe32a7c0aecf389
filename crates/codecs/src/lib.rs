//! Codecs behind the traits of [`millrace_frames::codec`]: safe wrappers of C libraries, and G.711 in Rust.
//!
//! The one place of the workspace for C. Every wrapper owns its codec's state alone, gives C no pointer that outlives a
//! call, checks whatever a frame declares before the library sees it, and allocates nothing once it has seen its largest
//! frame. Where each library comes from on which system stands in `docs/internals/building.md`.

mod audio;
mod concealment;
pub mod g711;
pub mod opus;

pub use audio::BuiltAudioCodecs;
pub use g711::{PcmaDecoder, PcmaEncoder, PcmuDecoder, PcmuEncoder};
pub use opus::{OpusDecoder, OpusEncoder, OpusSettings, OpusSignal};
