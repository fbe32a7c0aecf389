//! AV1, 8 bits and 4:2:0: in by dav1d, out by libaom in real time, through `c/av1.c`.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::mem::{self, MaybeUninit};
use std::ptr::{self, NonNull};

// Linked for what `c/av1.c` calls.
use libaom_sys as _;
use libdav1d_sys as dav1d;
use millrace_frames::headers;
use millrace_frames::{DecodeError, EncodeError, PictureSize, PictureView, VideoCodec, VideoDecoder};

use crate::real_time::{CEncoder, CEncoderCalls, RealTimeEncoder};
use crate::video::{CEncoderSettings, CFrame, CPicture, Rate, VideoSettings};

/// Largest temporal unit that is taken, in bytes. A larger one is refused.
pub const UNIT_BYTES_MAX: usize = 8 << 20;

/// Decodes one AV1 stream on the caller's thread.
#[derive(Debug)]
pub struct Av1Decoder {
    state: NonNull<dav1d::Dav1dContext>,
    size_max: PictureSize,
    waits_for_key_frame: bool,
}

// SAFETY: dav1d keeps all of a decoder's state behind this pointer, with one thread and nothing tied to it, and only this
// value has it.
unsafe impl Send for Av1Decoder {}

impl Av1Decoder {
    /// Makes a decoder of pictures up to `size_max`.
    ///
    /// # Errors
    /// [`DecodeError::Failed`] without memory.
    pub fn new(size_max: PictureSize) -> Result<Self, DecodeError> {
        let mut settings = MaybeUninit::uninit();
        // SAFETY: dav1d_default_settings writes all of the structure.
        let mut settings: dav1d::Dav1dSettings = unsafe {
            dav1d::dav1d_default_settings(settings.as_mut_ptr());
            settings.assume_init()
        };
        settings.n_threads = 1;
        settings.max_frame_delay = 1;
        settings.all_layers = 0;
        settings.frame_size_limit = size_max.width.saturating_mul(size_max.height);
        settings.logger.callback = None;
        let mut state = ptr::null_mut();
        // SAFETY: both arguments outlive the call, which copies the settings.
        let error = unsafe { dav1d::dav1d_open(&raw mut state, &raw const settings) };
        let state = NonNull::new(state).filter(|_| error == 0).ok_or(DecodeError::Failed(error))?;
        Ok(Self { state, size_max, waits_for_key_frame: true })
    }

    /// Gives dav1d the unit and `out` the pictures that come of it.
    fn run(&mut self, unit: &[u8], out: &mut dyn FnMut(PictureView<'_>)) -> Result<(), c_int> {
        let mut data = Data::copy_of(unit)?;
        // dav1d takes one frame at a time of a unit, which has a frame in no fewer than two bytes.
        for _ in 0..=unit.len() {
            // SAFETY: the state is this decoder's own; the data is dav1d's own and outlives the call.
            let sent = unsafe { dav1d::dav1d_send_data(self.state.as_ptr(), &raw mut data.0) };
            if sent < 0 && sent != dav1d::DAV1D_ERR_AGAIN {
                return Err(sent);
            }
            while let Some(picture) = self.picture()? {
                picture.show(self.size_max, out)?;
            }
            if data.0.sz == 0 {
                return Ok(());
            }
        }
        Err(dav1d::DAV1D_ERR_INVAL)
    }

    fn picture(&mut self) -> Result<Option<Picture>, c_int> {
        // SAFETY: null pointers and zeros are what dav1d calls an empty picture.
        let mut picture = Picture(unsafe { mem::zeroed() });
        // SAFETY: the state is this decoder's own, and `picture` outlives the call.
        match unsafe { dav1d::dav1d_get_picture(self.state.as_ptr(), &raw mut picture.0) } {
            0 => Ok(Some(picture)),
            dav1d::DAV1D_ERR_AGAIN => Ok(None),
            error => Err(error),
        }
    }
}

impl Drop for Av1Decoder {
    fn drop(&mut self) {
        let mut state = self.state.as_ptr();
        // SAFETY: made by dav1d_open, and nobody else has it.
        unsafe { dav1d::dav1d_close(&raw mut state) };
    }
}

/// Bytes on their way into dav1d, which counts who holds them.
struct Data(dav1d::Dav1dData);

impl Data {
    fn copy_of(bytes: &[u8]) -> Result<Self, c_int> {
        // SAFETY: null pointers and zeros are what dav1d calls empty data.
        let mut data = Self(unsafe { mem::zeroed() });
        // SAFETY: `data` outlives the call, which gives room for as many bytes or nothing.
        let room = unsafe { dav1d::dav1d_data_create(&raw mut data.0, bytes.len()) };
        let room = NonNull::new(room).ok_or(dav1d::DAV1D_ERR_NOMEM)?;
        // SAFETY: the room is new, and as large as `bytes`.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), room.as_ptr(), bytes.len()) };
        Ok(data)
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        // SAFETY: gives back what this value still holds, which may be nothing.
        unsafe { dav1d::dav1d_data_unref(&raw mut self.0) };
    }
}

/// A picture of dav1d's, held until this value goes.
struct Picture(dav1d::Dav1dPicture);

impl Picture {
    fn show(&self, size_max: PictureSize, out: &mut dyn FnMut(PictureView<'_>)) -> Result<(), c_int> {
        let Self(dav1d::Dav1dPicture { p: parameters, data, stride, .. }) = self;
        if parameters.bpc != 8 || parameters.layout != dav1d::Dav1dPixelLayout::DAV1D_PIXEL_LAYOUT_I420 {
            return Err(dav1d::DAV1D_ERR_INVAL);
        }
        let [luma, chroma] = stride.map(|stride| i32::try_from(stride).unwrap_or(0));
        let planes = data.map(|plane| plane.cast_const().cast());
        let picture = CPicture::of((parameters.w, parameters.h), planes, [luma, chroma, chroma]);
        // SAFETY: dav1d's planes hold their rows as long as this value holds the picture, which is longer than `out` runs.
        let view = unsafe { picture.view() }.ok_or(dav1d::DAV1D_ERR_INVAL)?;
        if !(PictureSize { width: view.width, height: view.height }).fits(size_max) {
            return Err(TOO_LARGE);
        }
        out(view);
        Ok(())
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: gives back what this value holds, which may be nothing.
        unsafe { dav1d::dav1d_picture_unref(&raw mut self.0) };
    }
}

/// What dav1d says of a frame above its limit: `ERANGE`, the same number everywhere.
const TOO_LARGE: c_int = dav1d::DAV1D_ERR(34);

impl VideoDecoder for Av1Decoder {
    fn decode(&mut self, frame: &[u8], out: &mut dyn FnMut(PictureView<'_>)) -> Result<(), DecodeError> {
        if frame.is_empty() {
            return Err(DecodeError::Malformed);
        }
        if frame.len() > UNIT_BYTES_MAX {
            return Err(DecodeError::TooLarge);
        }
        headers::check_size(VideoCodec::Av1, frame, self.size_max)?;
        // A key frame at which a stream may begin has one before it.
        if self.waits_for_key_frame && !headers::has_av1_sequence_header(frame) {
            return Err(DecodeError::NeedsKeyFrame);
        }
        self.waits_for_key_frame = false;
        self.run(frame, out).map_err(|error| {
            // What comes next may refer to what is missing.
            self.waits_for_key_frame = true;
            // SAFETY: the state is this decoder's own.
            unsafe { dav1d::dav1d_flush(self.state.as_ptr()) };
            match error {
                dav1d::DAV1D_ERR_INVAL => DecodeError::Malformed,
                TOO_LARGE => DecodeError::TooLarge,
                error => DecodeError::Failed(error),
            }
        })
    }
}

// SAFETY: the declarations are those of c/av1.c and c/millrace_video.h.
unsafe extern "C" {
    fn millrace_aom_encoder_new(settings: *const CEncoderSettings) -> *mut CEncoder;
    fn millrace_aom_encoder_free(encoder: *mut CEncoder);
    fn millrace_aom_encoder_set_bitrate(encoder: *mut CEncoder, kilobits_per_second: u32) -> c_int;
    fn millrace_aom_encoder_set_speed(encoder: *mut CEncoder, speed: c_int) -> c_int;
    fn millrace_aom_encode(
        encoder: *mut CEncoder,
        picture: *const CPicture<'_>,
        ticks: i64,
        duration: u32,
        key: c_int,
    ) -> c_int;
    fn millrace_aom_frame(encoder: *mut CEncoder, frame: *mut CFrame) -> c_int;
}

/// The library of [`Av1Encoder`].
#[derive(Debug)]
pub enum Libaom {}

/// Encodes one AV1 stream.
pub type Av1Encoder = RealTimeEncoder<Libaom>;

impl Av1Encoder {
    /// Makes an encoder.
    ///
    /// # Errors
    /// [`EncodeError::BadInput`] for settings out of range, [`EncodeError::Failed`] without memory.
    pub fn new(settings: VideoSettings) -> Result<Self, EncodeError> {
        Self::open(&CALLS, settings)
    }
}

const CALLS: CEncoderCalls = CEncoderCalls {
    open,
    free: millrace_aom_encoder_free,
    set_bitrate: millrace_aom_encoder_set_bitrate,
    set_speed: millrace_aom_encoder_set_speed,
    speed,
    encode: millrace_aom_encode,
    frame: millrace_aom_frame,
};

fn open(rate: &Rate) -> Option<NonNull<CEncoder>> {
    let settings = CEncoderSettings::of(rate, speed(rate));
    // SAFETY: `settings` outlives the call, which copies it.
    NonNull::new(unsafe { millrace_aom_encoder_new(&raw const settings) })
}

/// libaom's trade between work and quality, 5 to 11 in real time: WebRTC's.
fn speed(rate: &Rate) -> c_int {
    let PictureSize { width, height } = rate.settings.size;
    match width * height {
        _ if rate.hurried => 11,
        0..=57_600 => 8,
        57_601..=230_400 => 9,
        _ => 10,
    }
}
