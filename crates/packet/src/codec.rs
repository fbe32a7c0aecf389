//! The codecs whose payload a router looks into.

/// A video codec whose key frames are recognised in RTP payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// VP8 (RFC 7741).
    Vp8,
    /// VP9 (RFC 9628).
    Vp9,
    /// H.264 (RFC 6184).
    H264,
    /// H.265 (RFC 7798).
    H265,
    /// AV1 (AV1 RTP specification 1.0).
    Av1,
}

impl VideoCodec {
    /// The codec of a media type such as `video/VP8`, in any case; `None` for audio, RTX and unknown ones.
    pub fn from_mime_type(mime_type: &str) -> Option<Self> {
        const NAMES: [(&str, VideoCodec); 5] = [
            ("video/vp8", VideoCodec::Vp8),
            ("video/vp9", VideoCodec::Vp9),
            ("video/h264", VideoCodec::H264),
            ("video/h265", VideoCodec::H265),
            ("video/av1", VideoCodec::Av1),
        ];
        let known = NAMES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(mime_type))?;
        Some(known.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_known_in_any_case() {
        assert_eq!(VideoCodec::from_mime_type("video/VP8"), Some(VideoCodec::Vp8));
        assert_eq!(VideoCodec::from_mime_type("video/h264"), Some(VideoCodec::H264));
        assert_eq!(VideoCodec::from_mime_type("video/AV1"), Some(VideoCodec::Av1));
        assert_eq!(VideoCodec::from_mime_type("video/rtx"), None);
        assert_eq!(VideoCodec::from_mime_type("audio/vp8"), None);
    }
}
