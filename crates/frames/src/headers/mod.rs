//! What the headers of video frames declare, read before a decoder sees the frame: the picture's size above all, by
//! which a decoder allocates.

mod av1;
mod bits;
mod h264;
mod vp8;
mod vp9;

pub use av1::has_sequence_header as has_av1_sequence_header;
pub use vp9::{SUPERFRAME_FRAMES_MAX, Vp9Frames};

use crate::codec::DecodeError;

/// A video codec whose frames this crate understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// VP8 (RFC 6386).
    Vp8,
    /// VP9, profile 0: 8 bits a sample, 4:2:0.
    Vp9,
    /// H.264, as NAL units with start codes.
    H264,
    /// AV1, as a temporal unit of OBUs with sizes.
    Av1,
}

/// Width and height of a picture in samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PictureSize {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl PictureSize {
    /// The largest picture that is decoded unless said otherwise: that of H.264's level 5.1.
    pub const DEFAULT_MAX: Self = Self { width: 4096, height: 2304 };

    /// Tells whether this picture is no larger than `max`, upright or turned by a quarter.
    pub fn fits(self, max: Self) -> bool {
        let within = |width, height| width <= max.width && height <= max.height;
        within(self.width, self.height) || within(self.height, self.width)
    }
}

/// Refuses `frame` if its headers declare a picture larger than `max`, whichever of its parts they are in.
///
/// Frames that declare no size have that of frames before them, which were checked.
///
/// # Errors
/// [`DecodeError::TooLarge`], and [`DecodeError::Malformed`] when a header is cut off, or declares what no decoder here
/// takes (samples of more than 8 bits, chroma other than 4:2:0 in VP9).
pub fn check_size(codec: VideoCodec, frame: &[u8], max: PictureSize) -> Result<(), DecodeError> {
    let mut fits = |size: PictureSize| if size.fits(max) { Ok(()) } else { Err(DecodeError::TooLarge) };
    match codec {
        VideoCodec::Vp8 => vp8::size(frame)?.map_or(Ok(()), fits),
        VideoCodec::Vp9 => {
            let frames = Vp9Frames::of(frame)?;
            frames.iter().try_for_each(|frame| vp9::size(frame)?.map_or(Ok(()), &mut fits))
        }
        VideoCodec::H264 => h264::sizes(frame, &mut fits),
        VideoCodec::Av1 => av1::sizes(frame, &mut fits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_fits_upright_or_turned() {
        let max = PictureSize::DEFAULT_MAX;
        assert!(PictureSize { width: 4096, height: 2304 }.fits(max));
        assert!(PictureSize { width: 2304, height: 4096 }.fits(max));
        assert!(!PictureSize { width: 4097, height: 16 }.fits(max));
        assert!(!PictureSize { width: 2305, height: 2305 }.fits(max));
    }

    #[test]
    fn v01_a_vp8_key_frame_of_30_bytes_that_declares_16383_by_16383_is_refused() {
        let mut frame = vec![0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0xFF, 0x3F, 0xFF, 0x3F];
        frame.resize(30, 0);
        assert_eq!(check_size(VideoCodec::Vp8, &frame, PictureSize::DEFAULT_MAX), Err(DecodeError::TooLarge));
    }
}
