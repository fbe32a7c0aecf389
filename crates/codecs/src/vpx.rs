//! VP8 (RFC 6386) and VP9, profile 0, by libvpx, through `c/vpx.c`.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ptr::NonNull;

use millrace_frames::headers::{self, Vp9Frames};
use millrace_frames::{DecodeError, EncodeError, PictureSize, PictureView, VideoCodec, VideoDecoder};

use crate::real_time::{CEncoder, CEncoderCalls, NO_MEMORY, RealTimeEncoder};
use crate::video::{CEncoderSettings, CFrame, CPicture, Rate, VideoSettings};

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

// SAFETY: the declarations are those of c/vpx.c and c/millrace_video.h.
unsafe extern "C" {
    fn millrace_vpx_decoder_new(vp9: c_int) -> *mut CDecoder;
    fn millrace_vpx_decoder_free(decoder: *mut CDecoder);
    fn millrace_vpx_decode(decoder: *mut CDecoder, bytes: *const u8, length: u32) -> c_int;
    fn millrace_vpx_picture(decoder: *mut CDecoder, picture: *mut CPicture<'_>) -> c_int;
    fn millrace_vpx_encoder_new(vp9: c_int, settings: *const CEncoderSettings) -> *mut CEncoder;
    fn millrace_vpx_encoder_free(encoder: *mut CEncoder);
    fn millrace_vpx_encoder_set_bitrate(encoder: *mut CEncoder, kilobits_per_second: u32) -> c_int;
    fn millrace_vpx_encoder_set_speed(encoder: *mut CEncoder, speed: c_int) -> c_int;
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

/// The library of [`VpxEncoder`].
#[derive(Debug)]
pub enum Libvpx {}

/// Encodes one VP8 or VP9 stream.
pub type VpxEncoder = RealTimeEncoder<Libvpx>;

impl VpxEncoder {
    /// Makes an encoder.
    ///
    /// # Errors
    /// [`EncodeError::BadInput`] for settings out of range, [`EncodeError::Failed`] without memory.
    pub fn new(codec: VpxCodec, settings: VideoSettings) -> Result<Self, EncodeError> {
        let calls = match codec {
            VpxCodec::Vp8 => &const { calls(|rate| open(VpxCodec::Vp8, rate), |rate| speed(VpxCodec::Vp8, rate)) },
            VpxCodec::Vp9 => &const { calls(|rate| open(VpxCodec::Vp9, rate), |rate| speed(VpxCodec::Vp9, rate)) },
        };
        Self::open(calls, settings)
    }
}

const fn calls(open: fn(&Rate) -> Option<NonNull<CEncoder>>, speed: fn(&Rate) -> c_int) -> CEncoderCalls {
    CEncoderCalls {
        open,
        free: millrace_vpx_encoder_free,
        set_bitrate: millrace_vpx_encoder_set_bitrate,
        set_speed: millrace_vpx_encoder_set_speed,
        speed,
        encode: millrace_vpx_encode,
        frame: millrace_vpx_frame,
    }
}

fn open(codec: VpxCodec, rate: &Rate) -> Option<NonNull<CEncoder>> {
    let settings = CEncoderSettings::of(rate, speed(codec, rate));
    // SAFETY: `settings` outlives the call, which copies it.
    NonNull::new(unsafe { millrace_vpx_encoder_new(c_int::from(codec == VpxCodec::Vp9), &raw const settings) })
}

/// libvpx's trade between work and quality: WebRTC's for VP8, and for VP9 what keeps 720p below 6 ms a frame.
///
/// In a hurry a frame of 720p takes 3.1 instead of 4.9 ms in VP8 and 4.9 instead of 5.6 in VP9, for about 1 dB and 0.1 dB.
fn speed(codec: VpxCodec, rate: &Rate) -> c_int {
    const CIF: u32 = 352 * 288;
    const VGA: u32 = 640 * 480;
    let samples = rate.settings.size.width * rate.settings.size.height;
    match codec {
        VpxCodec::Vp8 if rate.hurried => -16,
        VpxCodec::Vp8 if samples < CIF => -4,
        VpxCodec::Vp8 => -6,
        VpxCodec::Vp9 if rate.hurried => 9,
        VpxCodec::Vp9 if samples <= VGA => 7,
        VpxCodec::Vp9 => 8,
    }
}

fn decode_error(code: c_int) -> DecodeError {
    if MALFORMED.contains(&code) { DecodeError::Malformed } else { DecodeError::Failed(code) }
}
