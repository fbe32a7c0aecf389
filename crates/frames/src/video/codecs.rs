//! How a core gets its video codecs.

use crate::codec::{VideoDecoder, VideoEncoder};
use crate::headers::{PictureSize, VideoCodec};

/// How a stream of pictures is encoded. Outputs that are equal in this may share an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VideoEncoding {
    /// The codec.
    pub codec: VideoCodec,
    /// Size of the pictures; even for H.264.
    pub size: PictureSize,
    /// Bits a second.
    pub bitrate: u32,
    /// Pictures a second.
    pub frame_rate: u32,
}

/// A codec that this build does not have, or not with such settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {0:?} with these settings in this build")]
pub struct VideoCodecUnavailable(pub VideoCodec);

/// Makes decoders and encoders, so that whoever uses them needs no C library in its tests.
pub trait VideoCodecs: Send {
    /// Makes a decoder of pictures up to `size_max`.
    ///
    /// # Errors
    /// When this build has none.
    fn decoder(
        &mut self,
        codec: VideoCodec,
        size_max: PictureSize,
    ) -> Result<Box<dyn VideoDecoder>, VideoCodecUnavailable>;

    /// Makes an encoder, whose first frame is a key frame and which makes others only when asked.
    ///
    /// # Errors
    /// When this build has none, or the codec does not take these settings.
    fn encoder(&mut self, encoding: &VideoEncoding) -> Result<Box<dyn VideoEncoder>, VideoCodecUnavailable>;
}

impl From<VideoCodec> for millrace_packet::VideoCodec {
    fn from(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::Vp8 => Self::Vp8,
            VideoCodec::Vp9 => Self::Vp9,
            VideoCodec::H264 => Self::H264,
            VideoCodec::Av1 => Self::Av1,
        }
    }
}
