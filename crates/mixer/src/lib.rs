//! The MCU: many streams mixed into one.
//!
//! A core: it is told the time, takes packets, and returns frames, events and the time of its next tick. Its codecs come
//! from a factory, so that it knows no C library.

pub mod audio;
pub mod video;

pub use audio::{
    AudioMixer, EXCLUDED_MAX, INPUTS_MAX, InputFormat, InputId, InputOptions, InputStats, MixerError, MixerEvent,
    MixerOptions, MixerStats, OUTPUTS_MAX, OutputFormat, OutputFrame, OutputId, OutputOptions, OutputStats, Payload,
    SILENCE_DB, TickLength,
};
