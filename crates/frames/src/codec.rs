//! What a codec does, whoever implements it. Sound is interleaved `f32`, full scale from -1 to 1; pictures are I420.
//!
//! Calls allocate nothing once a codec has seen its largest frame. Every implementation takes any bytes at all: what
//! does not decode is an error, never a panic, and leaves the decoder usable for the next frame.

use std::time::Duration;

/// Why a frame was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The frame is not what the codec defines. Whoever sent it is at fault: count it and conceal.
    #[error("the frame is malformed")]
    Malformed,
    /// The frame's header declares more than the decoder was made for (a picture's size, a packet's duration).
    #[error("the frame is larger than the decoder's limit")]
    TooLarge,
    /// The frame depends on one that was not decoded; video goes on at the next key frame.
    #[error("the decoder needs a key frame")]
    NeedsKeyFrame,
    /// The caller's buffer holds less than the frame.
    #[error("the output buffer is too small")]
    OutputTooSmall,
    /// The codec failed for a reason of its own (memory, a bug in it). Its number of the failure stands beside it.
    #[error("the codec failed ({0})")]
    Failed(i32),
}

/// Why a frame was not encoded, or a setting not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The caller gave a number of samples, a size or a setting that the codec does not have.
    #[error("the codec cannot encode this input")]
    BadInput,
    /// The caller's buffer holds less than the encoded frame.
    #[error("the output buffer is too small")]
    OutputTooSmall,
    /// The codec failed for a reason of its own. Its number of the failure stands beside it.
    #[error("the codec failed ({0})")]
    Failed(i32),
}

/// Turns the payloads of one audio stream into sound.
pub trait AudioDecoder: Send {
    /// Samples a second of each channel that [`decode`](Self::decode) writes, in Hz. Constant.
    fn sample_rate(&self) -> u32;

    /// Channels that [`decode`](Self::decode) writes, interleaved: 1 or 2. Constant, whatever the payloads hold.
    fn channels(&self) -> u8;

    /// Decodes one payload into the front of `out`. Returns the samples per channel.
    ///
    /// # Errors
    /// When the payload is malformed or `out` holds less than it decodes to; the stream's state is then as before or
    /// as after a lost packet.
    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError>;

    /// Makes up `frames` samples per channel for a packet that did not come, into the front of `out`. Returns how many
    /// were written, at most `frames`.
    ///
    /// `next` is the payload of the packet right behind the missing one, where it has arrived: a codec with in-band
    /// error correction (Opus, RFC 6716 §2.1.7) takes the lost sound from it. It is decoded by
    /// [`decode`](Self::decode) afterwards all the same.
    ///
    /// # Errors
    /// When `out` holds less than `frames` samples per channel, or the codec fails.
    fn conceal(&mut self, frames: usize, next: Option<&[u8]>, out: &mut [f32]) -> Result<usize, DecodeError>;
}

/// Turns sound into the payloads of one audio stream.
pub trait AudioEncoder: Send {
    /// Samples a second of each channel that [`encode`](Self::encode) takes, in Hz. Constant.
    fn sample_rate(&self) -> u32;

    /// Channels that [`encode`](Self::encode) takes, interleaved: 1 or 2. Constant.
    fn channels(&self) -> u8;

    /// Encodes one frame of interleaved samples, 10 or 20 ms of them, into the front of `out`. Returns the bytes
    /// written; 0 when nothing is to be sent, because the codec's discontinuous transmission leaves the frame out.
    ///
    /// # Errors
    /// When the codec has no frame of this length, or `out` is too small.
    fn encode(&mut self, pcm: &[f32], out: &mut [u8]) -> Result<usize, EncodeError>;

    /// Aims at `bits_per_second` from the next frame on. Codecs of a fixed rate ignore it.
    fn set_bitrate(&mut self, bits_per_second: u32);

    /// Spends more (10) or less (0) work on a frame. Codecs without such a setting ignore it.
    fn set_complexity(&mut self, complexity: u8);

    /// Prepares frames for `percent` (0 to 100) of them being lost. Codecs without in-band error correction ignore it.
    fn set_expected_loss(&mut self, percent: u8);
}

/// A picture in I420: one byte a sample, chroma planes half as wide and high, rounded up.
#[derive(Clone, Copy, Debug)]
pub struct PictureView<'a> {
    /// Width of the luma plane in samples, 1 or more.
    pub width: u32,
    /// Height of the luma plane in rows, 1 or more.
    pub height: u32,
    /// The planes Y, U and V; each holds its stride times its rows, less the padding of the last row.
    pub planes: [&'a [u8]; 3],
    /// Bytes from one row to the next of each plane, at least its width.
    pub strides: [usize; 3],
}

impl<'a> PictureView<'a> {
    /// A view of `planes`, if they hold a picture of this size.
    pub fn new(width: u32, height: u32, planes: [&'a [u8]; 3], strides: [usize; 3]) -> Option<Self> {
        let picture = Self { width, height, planes, strides };
        let holds = |plane: usize| {
            let (columns, rows) = picture.plane_size(plane);
            let rows_before = rows.checked_sub(1)?.checked_mul(strides[plane])?;
            let fits = strides[plane] >= columns && planes[plane].len() >= rows_before.checked_add(columns)?;
            (fits && columns > 0).then_some(())
        };
        (0..3).try_for_each(holds).map(|()| picture)
    }

    /// Columns and rows of plane 0 (Y), 1 (U) or 2 (V).
    pub fn plane_size(&self, plane: usize) -> (usize, usize) {
        let (width, height) = (self.width as usize, self.height as usize);
        if plane == 0 { (width, height) } else { (width.div_ceil(2), height.div_ceil(2)) }
    }

    /// The rows of plane 0 (Y), 1 (U) or 2 (V), top first, without padding.
    pub fn rows(&self, plane: usize) -> impl Iterator<Item = &'a [u8]> {
        let (columns, rows) = self.plane_size(plane);
        let stride = self.strides[plane].max(1);
        self.planes[plane].chunks(stride).take(rows).filter_map(move |row| row.get(..columns))
    }
}

/// Turns the frames of one video stream into pictures.
pub trait VideoDecoder: Send {
    /// Decodes one whole frame, as the depacketizers of this crate put it together, and calls `out` for each picture
    /// that is ready to be shown: none, one, or several.
    ///
    /// # Errors
    /// When the frame is malformed, larger than the decoder takes, or needs a frame that was not decoded.
    fn decode(&mut self, frame: &[u8], out: &mut dyn FnMut(PictureView<'_>)) -> Result<(), DecodeError>;

    /// For how long it has computed since this was asked last. Codecs have no clock; whoever lends one wraps them.
    fn take_time(&mut self) -> Duration {
        Duration::ZERO
    }
}

/// What became of a picture that was given to an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// A frame was appended.
    Frame {
        /// It decodes without earlier ones.
        key: bool,
    },
    /// The codec left this picture out to hold its rate; nothing was appended.
    Dropped,
}

/// Turns pictures into the frames of one video stream.
pub trait VideoEncoder: Send {
    /// Encodes `picture`, shown `at` this time of the stream (which only grows), and appends the frame to `out`; `key`
    /// asks for one that decodes without earlier ones.
    ///
    /// H.264 and H.265 come as NAL units with start codes, parameter sets before each key frame; AV1 as a temporal unit
    /// of OBUs with sizes.
    ///
    /// # Errors
    /// When the picture has another size than the encoder was made for or resized to.
    fn encode(
        &mut self,
        picture: PictureView<'_>,
        at: Duration,
        key: bool,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, EncodeError>;

    /// Aims at `bits_per_second` from the next frame on.
    ///
    /// # Errors
    /// When the codec does not take it.
    fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), EncodeError>;

    /// Expects this many pictures a second from the next frame on.
    ///
    /// # Errors
    /// When the codec does not take it.
    fn set_frame_rate(&mut self, frames_per_second: f32) -> Result<(), EncodeError>;

    /// Takes pictures of another size from the next frame on, which is a key frame.
    ///
    /// # Errors
    /// When the codec does not take the size.
    fn resize(&mut self, width: u32, height: u32) -> Result<(), EncodeError>;

    /// Spends the least work that the codec knows on each frame, at some cost in quality, or its usual work again. Codecs
    /// without such a setting ignore it.
    ///
    /// # Errors
    /// When the codec does not take it.
    fn set_hurried(&mut self, hurried: bool) -> Result<(), EncodeError> {
        let _ = hurried;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_as_large_as_its_planes_hold() {
        let (luma, chroma) = ([1; 3 * 8 + 5], [2; 8 + 3]);
        let picture = PictureView::new(5, 4, [&luma, &chroma, &chroma], [8, 8, 8]).unwrap();
        assert_eq!(picture.plane_size(0), (5, 4));
        assert_eq!(picture.plane_size(1), (3, 2));
        assert_eq!(picture.rows(0).map(<[u8]>::len).collect::<Vec<_>>(), [5; 4]);
        assert_eq!(picture.rows(2).map(<[u8]>::len).collect::<Vec<_>>(), [3; 2]);
    }

    #[test]
    fn v08_no_picture_has_no_size_or_planes_that_are_too_short() {
        let plane = [0; 64];
        let with = |width, height, len: usize, stride| {
            PictureView::new(width, height, [&plane[..len], &plane, &plane], [stride, 8, 8]).is_some()
        };
        assert!(with(8, 8, 64, 8));
        assert!(!with(0, 0, 64, 8) && !with(8, 0, 64, 8) && !with(0, 8, 64, 8), "no size");
        assert!(!with(8, 8, 63, 8), "a byte short");
        assert!(!with(8, 8, 64, 7), "rows that overlap");
        assert!(!with(u32::MAX, u32::MAX, 64, usize::MAX), "sizes that overflow");
        assert!(with(7, 7, 55, 8), "odd");
    }
}
