//! The video codecs of this build, by the names of `frames`.

use millrace_frames::{
    PictureSize, VideoCodec, VideoCodecUnavailable, VideoCodecs, VideoDecoder, VideoEncoder, VideoEncoding,
};

use crate::{
    Av1Decoder, Av1Encoder, H264Decoder, H264Encoder, VideoContent, VideoSettings, VpxCodec, VpxDecoder, VpxEncoder,
};

/// Makes the codecs of this crate: VP8, VP9, H.264 and AV1, both ways.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltVideoCodecs;

impl VideoCodecs for BuiltVideoCodecs {
    fn decoder(
        &mut self,
        codec: VideoCodec,
        size_max: PictureSize,
    ) -> Result<Box<dyn VideoDecoder>, VideoCodecUnavailable> {
        let unavailable = VideoCodecUnavailable(codec);
        Ok(match codec {
            VideoCodec::Vp8 => Box::new(VpxDecoder::new(VpxCodec::Vp8, size_max)),
            VideoCodec::Vp9 => Box::new(VpxDecoder::new(VpxCodec::Vp9, size_max)),
            VideoCodec::H264 => Box::new(H264Decoder::new(size_max).map_err(|_| unavailable)?),
            VideoCodec::Av1 => Box::new(Av1Decoder::new(size_max).map_err(|_| unavailable)?),
        })
    }

    fn encoder(&mut self, encoding: &VideoEncoding) -> Result<Box<dyn VideoEncoder>, VideoCodecUnavailable> {
        let VideoEncoding { codec, size, bitrate, frame_rate } = *encoding;
        let settings = VideoSettings { size, bitrate, frame_rate: frame_rate as f32, content: VideoContent::Camera };
        let unavailable = |_| VideoCodecUnavailable(codec);
        Ok(match codec {
            VideoCodec::Vp8 => Box::new(VpxEncoder::new(VpxCodec::Vp8, settings).map_err(unavailable)?),
            VideoCodec::Vp9 => Box::new(VpxEncoder::new(VpxCodec::Vp9, settings).map_err(unavailable)?),
            VideoCodec::H264 => Box::new(H264Encoder::new(settings).map_err(unavailable)?),
            VideoCodec::Av1 => Box::new(Av1Encoder::new(settings).map_err(unavailable)?),
        })
    }
}
