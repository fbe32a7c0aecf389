//! The encoders that `c/vpx.c` and `c/av1.c` put behind the same few functions.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ptr::NonNull;
use std::time::Duration;

use millrace_frames::{EncodeError, Encoded, PictureSize, PictureView, VideoEncoder};

use crate::video::{CFrame, CPicture, Rate, VideoSettings, check_size};

/// An opaque structure of the C file.
#[repr(C)]
pub(crate) struct CEncoder([u8; 0]);

/// What one C file does for its encoders.
pub(crate) struct CEncoderCalls {
    /// Makes an encoder, if there is memory.
    pub(crate) open: fn(&Rate) -> Option<NonNull<CEncoder>>,
    pub(crate) free: unsafe extern "C" fn(*mut CEncoder),
    pub(crate) set_bitrate: unsafe extern "C" fn(*mut CEncoder, u32) -> c_int,
    pub(crate) set_speed: unsafe extern "C" fn(*mut CEncoder, c_int) -> c_int,
    /// The library's trade between work and quality.
    pub(crate) speed: fn(&Rate) -> c_int,
    pub(crate) encode: unsafe extern "C" fn(*mut CEncoder, *const CPicture<'_>, i64, u32, c_int) -> c_int,
    pub(crate) frame: unsafe extern "C" fn(*mut CEncoder, *mut CFrame) -> c_int,
}

/// `VPX_CODEC_MEM_ERROR` of vpx_codec.h and `AOM_CODEC_MEM_ERROR` of aom_codec.h.
pub(crate) const NO_MEMORY: c_int = 2;

/// Encodes one stream on the caller's thread, in real time at a constant bitrate, by the library `L`; key frames only when
/// asked.
pub struct RealTimeEncoder<L> {
    calls: &'static CEncoderCalls,
    rate: Rate,
    state: NonNull<CEncoder>,
    library: PhantomData<fn() -> L>,
}

// SAFETY: the library keeps all of an encoder's state behind this pointer, with one thread and nothing tied to it, and only
// this value has it.
unsafe impl<L> Send for RealTimeEncoder<L> {}

impl<L> RealTimeEncoder<L> {
    pub(crate) fn open(calls: &'static CEncoderCalls, settings: VideoSettings) -> Result<Self, EncodeError> {
        let rate = Rate::new(settings)?;
        let state = (calls.open)(&rate).ok_or(EncodeError::Failed(NO_MEMORY))?;
        Ok(Self { calls, rate, state, library: PhantomData })
    }
}

impl<L> Drop for RealTimeEncoder<L> {
    fn drop(&mut self) {
        // SAFETY: made by the same file's `open`, and nobody else has it.
        unsafe { (self.calls.free)(self.state.as_ptr()) };
    }
}

impl<L> fmt::Debug for RealTimeEncoder<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealTimeEncoder").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl<L> VideoEncoder for RealTimeEncoder<L> {
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
            unsafe { (self.calls.encode)(self.state.as_ptr(), &raw const lent, ticks, duration, c_int::from(key)) };
        if error != 0 {
            return Err(EncodeError::Failed(error));
        }
        let mut encoded = Encoded::Dropped;
        let mut frame = CFrame::empty();
        // SAFETY: the state is this encoder's own, and `frame` outlives the call.
        while unsafe { (self.calls.frame)(self.state.as_ptr(), &raw mut frame) } == 1 {
            // SAFETY: the frame is there until the next call with this state.
            unsafe { frame.append_to(out) };
            encoded = Encoded::Frame { key: frame.is_key() };
        }
        Ok(encoded)
    }

    fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), EncodeError> {
        self.rate.set_bitrate(bits_per_second)?;
        // SAFETY: the state is this encoder's own.
        match unsafe { (self.calls.set_bitrate)(self.state.as_ptr(), self.rate.kilobits()) } {
            0 => Ok(()),
            error => Err(EncodeError::Failed(error)),
        }
    }

    fn set_frame_rate(&mut self, frames_per_second: f32) -> Result<(), EncodeError> {
        // The library takes it from how long each frame lasts.
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
        // A new one, whose first frame is a key frame. libvpx lets VP8 become no larger than it began, and the sizes of its
        // buffers have been trouble (CVE-2023-5217, CVE-2023-6349); libaom would send smaller pictures as inter frames.
        let state = (self.calls.open)(&rate).ok_or(EncodeError::Failed(NO_MEMORY))?;
        let before = mem::replace(&mut self.state, state);
        self.rate = rate;
        // SAFETY: made by the same file's `open`, and nobody has it any more.
        unsafe { (self.calls.free)(before.as_ptr()) };
        Ok(())
    }

    fn set_hurried(&mut self, hurried: bool) -> Result<(), EncodeError> {
        let mut rate = self.rate;
        rate.hurried = hurried;
        // SAFETY: the state is this encoder's own.
        match unsafe { (self.calls.set_speed)(self.state.as_ptr(), (self.calls.speed)(&rate)) } {
            0 => {
                self.rate = rate;
                Ok(())
            }
            error => Err(EncodeError::Failed(error)),
        }
    }
}
