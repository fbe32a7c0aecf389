//! What the first bytes of a video payload tell: the payload descriptors of the codecs.

mod av1;
mod h264;
mod h265;
mod picture;
mod vp8;
mod vp9;

use crate::codec::VideoCodec;

pub use picture::{NumbersEdit, PictureEdit, PictureFlags, PictureInfo, PictureNumbers};

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

/// What `payload` says of its picture's layers and numbers; a descriptor that is shorter than its flags say, nothing.
///
/// Codecs whose payload does not say have none: their layers stand in a header extension.
pub fn picture_info(codec: VideoCodec, payload: &[u8]) -> PictureInfo {
    match codec {
        VideoCodec::Vp8 => vp8::picture_info(payload).unwrap_or_default(),
        VideoCodec::Vp9 => vp9::picture_info(payload).unwrap_or_default(),
        VideoCodec::H264 | VideoCodec::H265 | VideoCodec::Av1 => PictureInfo::default(),
    }
}

/// Length of the payload descriptor before the frame's bytes, which VP8 and VP9 have; `None` when it is shorter than its
/// flags say.
pub fn descriptor_len(codec: VideoCodec, payload: &[u8]) -> Option<usize> {
    match codec {
        VideoCodec::Vp8 => vp8::descriptor_len(payload),
        VideoCodec::Vp9 => vp9::descriptor_len(payload),
        VideoCodec::H264 | VideoCodec::H265 | VideoCodec::Av1 => Some(0),
    }
}
