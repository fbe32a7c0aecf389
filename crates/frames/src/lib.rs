//! RTP to frames and back: reordering and jitter buffer, depacketizers and packetizers, the mapping from RTP to NTP
//! time, and the traits by which whoever handles frames has them decoded and encoded.
//!
//! A core: it is told the time, takes bytes and returns frames. It knows no C library; `codecs` implements [`codec`].

pub mod aac;
pub mod arrival;
pub mod audio;
pub mod codec;
pub mod headers;
pub mod jitter;
pub mod opus;
pub mod playout;
pub mod resample;
pub mod timeline;
pub mod video;

pub use audio::{AudioCodec, AudioCodecs, AudioEncoding, AudioFormat, CodecUnavailable};
pub use codec::{
    AudioDecoder, AudioEncoder, DecodeError, EncodeError, Encoded, PictureView, VideoDecoder, VideoEncoder,
};
pub use headers::{PictureSize, VideoCodec};
pub use jitter::Inserted;
pub use playout::{AudioPacket, Playout, PlayoutStats, Sound};
pub use resample::Resampler;
pub use timeline::{RtpToNtp, TimestampUnwrapper};
pub use video::{VideoCodecUnavailable, VideoCodecs, VideoEncoding};
