//! What the first bytes of a video payload tell: the payload descriptors of the codecs.

mod av1;
mod h264;
mod h265;
mod vp8;
mod vp9;

use crate::codec::VideoCodec;

/// Tells whether `payload` starts a picture that decodes without earlier ones, or the parameter sets before it.
///
/// Only the packet that such a picture starts with is one. A descriptor that is shorter than its flags say is none.
/// Cost: a few bytes; for aggregates one step for each part.
pub fn is_key_frame(codec: VideoCodec, payload: &[u8]) -> bool {
    match codec {
        VideoCodec::Vp8 => vp8::is_key_frame(payload),
        VideoCodec::Vp9 => vp9::is_key_frame(payload),
        VideoCodec::H264 => h264::is_key_frame(payload),
        VideoCodec::H265 => h265::is_key_frame(payload),
        VideoCodec::Av1 => av1::is_key_frame(payload),
    }
}
