//! VP8 (RFC 6386) and VP9, profile 0, by libvpx, through `c/vpx.c`.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ptr::NonNull;
use std::time::Duration;

use millrace_frames::headers::{self, Vp9Frames};
use millrace_frames::{
    DecodeError, EncodeError, Encoded, PictureSize, PictureView, VideoCodec, VideoDecoder, VideoEncoder,
};

use crate::video::{CEncoderSettings, CFrame, CPicture, Rate, VideoSettings, check_size};

/// Which of libvpx's two codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VpxCodec {
    /// VP8.
    Vp8,
    /// VP9.
    Vp9,
}

/// An opaque structure of `c/vpx.c`.
#[repr(C)]
struct CDecoder([u8; 0]);

/// An opaque structure of `c/vpx.c`.
#[repr(C)]
struct CEncoder([u8; 0]);

// SAFETY: the declarations are those of c/vpx.c and c/millrace_video.h.
unsafe extern "C" {
    fn millrace_vpx_decoder_new(vp9: c_int) -> *mut CDecoder;
    fn millrace_vpx_decoder_free(decoder: *mut CDecoder);
    fn millrace_vpx_decode(decoder: *mut CDecoder, bytes: *const u8, length: u32) -> c_int;
    fn millrace_vpx_picture(decoder: *mut CDecoder, picture: *mut CPicture<'_>) -> c_int;
    fn millrace_vpx_encoder_new(vp9: c_int, settings: *const CEncoderSettings) -> *mut CEncoder;
    fn millrace_vpx_encoder_free(encoder: *mut CEncoder);
    fn millrace_vpx_encoder_set_bitrate(encoder: *mut CEncoder, kilobits_per_second: u32) -> c_int;
    fn millrace_vpx_encode(
        encoder: *mut CEncoder,
        picture: *const CPicture<'_>,
        ticks: i64,
        duration: u32,
        key: c_int,
    ) -> c_int;
    fn millrace_vpx_frame(encoder: *mut CEncoder, frame: *mut CFrame) -> c_int;
}

/// `VPX_CODEC_UNSUP_BITSTREAM`, `VPX_CODEC_UNSUP_FEATURE` and `VPX_CODEC_CORRUPT_FRAME` of vpx_codec.h.
const MALFORMED: [c_int; 3] = [5, 6, 7];

/// Decodes one VP8 or VP9 stream on the caller's thread.
#[derive(Debug)]
pub struct VpxDecoder {
    codec: VpxCodec,
    size_max: PictureSize,
    /// None before the first key frame, and after an error until the next.
    state: Option<NonNull<CDecoder>>,
    waits_for_key_frame: bool,
    /// A frame with an index behind it; see [`Self::decode_vp9`].
    indexed: Vec<u8>,
}

// SAFETY: libvpx keeps all of a decoder's state behind this pointer, with one thread and nothing tied to it, and only
// this value has it.
unsafe impl Send for VpxDecoder {}

impl VpxDecoder {
    /// Makes a decoder of pictures up to `size_max`. libvpx's state is made with the first key frame.
    pub fn new(codec: VpxCodec, size_max: PictureSize) -> Self {
        Self { codec, size_max, state: None, waits_for_key_frame: true, indexed: Vec::new() }
    }

    fn is_key_frame(&self, frame: &[u8]) -> bool {
        match self.codec {
            VpxCodec::Vp8 => frame[0] & 1 == 0,
            // Profile 0: two bits of marker, two of profile, show_existing_frame, frame_type (0 for key frames).
            VpxCodec::Vp9 => frame[0] & 0b1100 == 0,
        }
    }

    fn decode_frame(&mut self, frame: &[u8], out: &mut dyn FnMut(PictureView<'_>)) -> Result<(), DecodeError> {
        let key = self.is_key_frame(frame);
        if self.waits_for_key_frame && !key {
            return Err(DecodeError::NeedsKeyFrame);
        }
        let length = u32::try_from(frame.len()).map_err(|_| DecodeError::TooLarge)?;
        let state = self.state()?;
        // SAFETY: the state is this decoder's own; `frame` has `length` bytes and outlives the call, which keeps no
        // pointer to it.
        let error = unsafe { millrace_vpx_decode(state.as_ptr(), frame.as_ptr(), length) };
        if error != 0 {
            // What comes next may refer to what is missing.
            self.waits_for_key_frame = true;
            return Err(decode_error(error));
        }
        self.waits_for_key_frame = false;
        let mut picture = CPicture::empty();
        // SAFETY: the state is this decoder's own, and `picture` outlives the call.
        while unsafe { millrace_vpx_picture(state.as_ptr(), &raw mut picture) } == 1 {
            let size = PictureSize { width: picture.size().0, height: picture.size().1 };
            if !size.fits(self.size_max) {
                return Err(DecodeError::TooLarge);
            }
            // SAFETY: libvpx's pictures hold their rows until the next call with this state, which comes after `out`.
            if let Some(view) = unsafe { picture.view() } {
                out(view);
            }
        }
        Ok(())
    }

    /// Without an index libvpx looks for further frames behind the first, whose headers nobody has checked. So every
    /// frame gets an index that says that there is one.
    fn decode_vp9(&mut self, frame: &[u8], out: &mut dyn FnMut(PictureView<'_>)) -> Result<(), DecodeError> {
        // One frame, whose size has four bytes.
        const MARKER: u8 = 0b1101_1000;
        let length = u32::try_from(frame.len()).map_err(|_| DecodeError::TooLarge)?;
        let mut indexed = std::mem::take(&mut self.indexed);
        indexed.clear();
        indexed.extend_from_slice(frame);
        indexed.push(MARKER);
        indexed.extend_from_slice(&length.to_le_bytes());
        indexed.push(MARKER);
        let result = self.decode_frame(&indexed, out);
        self.indexed = indexed;
        result
    }

    fn state(&mut self) -> Result<NonNull<CDecoder>, DecodeError> {
        if self.state.is_none() {
            // SAFETY: takes no pointer.
            self.state = NonNull::new(unsafe { millrace_vpx_decoder_new(c_int::from(self.codec == VpxCodec::Vp9)) });
        }
        self.state.ok_or(DecodeError::Failed(NO_MEMORY))
    }
}

/// `VPX_CODEC_MEM_ERROR` of vpx_codec.h.
const NO_MEMORY: c_int = 2;

impl Drop for VpxDecoder {
    fn drop(&mut self) {
        if let Some(state) = self.state {
            // SAFETY: made by millrace_vpx_decoder_new, and nobody else has it.
            unsafe { millrace_vpx_decoder_free(state.as_ptr()) };
        }
    }
}

impl VideoDecoder for VpxDecoder {
    fn decode(&mut self, frame: &[u8], out: &mut dyn FnMut(PictureView<'_>)) -> Result<(), DecodeError> {
        match self.codec {
            VpxCodec::Vp8 => {
                headers::check_size(VideoCodec::Vp8, frame, self.size_max)?;
                self.decode_frame(frame, out)
            }
            VpxCodec::Vp9 => {
                headers::check_size(VideoCodec::Vp9, frame, self.size_max)?;
                Vp9Frames::of(frame)?.iter().try_for_each(|frame| self.decode_vp9(frame, out))
            }
        }
    }
}

/// Encodes one VP8 or VP9 stream on the caller's thread, in real time at a constant bitrate; key frames only when asked.
#[derive(Debug)]
pub struct VpxEncoder {
    codec: VpxCodec,
    rate: Rate,
    state: NonNull<CEncoder>,
}

// SAFETY: as for the decoder, all state is behind this pointer, and only this value has it.
unsafe impl Send for VpxEncoder {}

impl VpxEncoder {
    /// Makes an encoder.
    ///
    /// # Errors
    /// [`EncodeError::BadInput`] for settings out of range, [`EncodeError::Failed`] without memory.
    pub fn new(codec: VpxCodec, settings: VideoSettings) -> Result<Self, EncodeError> {
        let rate = Rate::new(settings)?;
        let state = open(codec, &rate)?;
        Ok(Self { codec, rate, state })
    }
}

fn open(codec: VpxCodec, rate: &Rate) -> Result<NonNull<CEncoder>, EncodeError> {
    let settings = CEncoderSettings::of(rate, speed(codec, rate.settings.size));
    // SAFETY: `settings` outlives the call, which copies it.
    let state = unsafe { millrace_vpx_encoder_new(c_int::from(codec == VpxCodec::Vp9), &raw const settings) };
    NonNull::new(state).ok_or(EncodeError::Failed(NO_MEMORY))
}

/// libvpx's trade between work and quality: WebRTC's for VP8, and for VP9 what keeps 720p below 6 ms a frame.
fn speed(codec: VpxCodec, size: PictureSize) -> c_int {
    const CIF: u32 = 352 * 288;
    const VGA: u32 = 640 * 480;
    let samples = size.width * size.height;
    match codec {
        VpxCodec::Vp8 => {
            if samples < CIF {
                -4
            } else {
                -6
            }
        }
        VpxCodec::Vp9 => {
            if samples <= VGA {
                7
            } else {
                8
            }
        }
    }
}

impl Drop for VpxEncoder {
    fn drop(&mut self) {
        // SAFETY: made by millrace_vpx_encoder_new, and nobody else has it.
        unsafe { millrace_vpx_encoder_free(self.state.as_ptr()) };
    }
}

impl VideoEncoder for VpxEncoder {
    fn encode(
        &mut self,
        picture: PictureView<'_>,
        at: Duration,
        key: bool,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, EncodeError> {
        self.rate.check(&picture)?;
        let lent = CPicture::lend(picture)?;
        let (ticks, duration) = (self.rate.ticks(at), self.rate.frame_ticks());
        // SAFETY: `lent` is of the encoder's size, its planes hold its rows, and it outlives the call, which keeps no
        // pointer to it: nothing is encoded later (g_lag_in_frames is 0).
        let error =
            unsafe { millrace_vpx_encode(self.state.as_ptr(), &raw const lent, ticks, duration, c_int::from(key)) };
        if error != 0 {
            return Err(EncodeError::Failed(error));
        }
        let mut encoded = Encoded::Dropped;
        let mut frame = CFrame::empty();
        // SAFETY: the state is this encoder's own, and `frame` outlives the call.
        while unsafe { millrace_vpx_frame(self.state.as_ptr(), &raw mut frame) } == 1 {
            // SAFETY: libvpx's frame is there until the next call with this state.
            unsafe { frame.append_to(out) };
            encoded = Encoded::Frame { key: frame.is_key() };
        }
        Ok(encoded)
    }

    fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), EncodeError> {
        self.rate.set_bitrate(bits_per_second)?;
        // SAFETY: the state is this encoder's own.
        match unsafe { millrace_vpx_encoder_set_bitrate(self.state.as_ptr(), self.rate.kilobits()) } {
            0 => Ok(()),
            error => Err(EncodeError::Failed(error)),
        }
    }

    fn set_frame_rate(&mut self, frames_per_second: f32) -> Result<(), EncodeError> {
        // libvpx takes it from how long each frame lasts.
        self.rate.set_frame_rate(frames_per_second)
    }

    fn resize(&mut self, width: u32, height: u32) -> Result<(), EncodeError> {
        let size = PictureSize { width, height };
        check_size(size)?;
        if size == self.rate.settings.size {
            return Ok(());
        }
        let mut rate = self.rate;
        rate.settings.size = size;
        // A new one: libvpx lets VP8 become no larger than it began, and the sizes of its buffers have been trouble
        // (CVE-2023-5217, CVE-2023-6349). Its first frame is a key frame.
        let state = open(self.codec, &rate)?;
        // SAFETY: made by millrace_vpx_encoder_new, and replaced by the next statement.
        unsafe { millrace_vpx_encoder_free(self.state.as_ptr()) };
        (self.state, self.rate) = (state, rate);
        Ok(())
    }
}

fn decode_error(code: c_int) -> DecodeError {
    if MALFORMED.contains(&code) { DecodeError::Malformed } else { DecodeError::Failed(code) }
}
