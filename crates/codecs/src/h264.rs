//! H.264 by OpenH264: constrained baseline out; baseline, main and high without interlacing in.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use std::slice;
use std::time::Duration;

use millrace_frames::headers;
use millrace_frames::{
    DecodeError, EncodeError, Encoded, PictureSize, PictureView, VideoCodec, VideoDecoder, VideoEncoder,
};
use openh264_sys2 as sys;

use crate::video::{CPicture, Rate, VideoContent, VideoSettings, check_size};

/// Largest frame that is taken, in bytes: what H.264's level 5.1 allows a picture (Table A-1: 720 bits a macroblock of
/// 36,864) is less. A larger one is refused.
pub const FRAME_BYTES_MAX: usize = 8 << 20;

/// An error of OpenH264's when it gives none.
const NO_STATE: c_int = -1;

/// Calls a method of OpenH264's interface, which is a table of functions behind the object's first pointer.
macro_rules! call {
    ($state:expr, $method:ident $(, $argument:expr)*) => {
        match (**$state.as_ptr()).$method {
            Some(method) => method($state.as_ptr() $(, $argument)*),
            None => panic!("OpenH264 fills its tables"),
        }
    };
}

/// Decodes one H.264 stream on the caller's thread.
///
/// Pictures of streams in main and high profile come one frame late: OpenH264 waits for pictures that are to be shown
/// before, although real-time streams have none.
#[derive(Debug)]
pub struct H264Decoder {
    state: NonNull<sys::ISVCDecoder>,
    size_max: PictureSize,
    waits_for_key_frame: bool,
}

// SAFETY: OpenH264 keeps all of a decoder's state behind this pointer, with one thread and nothing tied to it, and only
// this value has it.
unsafe impl Send for H264Decoder {}

impl H264Decoder {
    /// Makes a decoder of pictures up to `size_max`.
    ///
    /// # Errors
    /// [`DecodeError::Failed`] without memory.
    pub fn new(size_max: PictureSize) -> Result<Self, DecodeError> {
        let mut state = ptr::null_mut();
        // SAFETY: writes one pointer, which outlives the call.
        let error = unsafe { sys::source::APILoader::WelsCreateDecoder(&raw mut state) };
        let failed = DecodeError::Failed(c_int::try_from(error).unwrap_or(NO_STATE));
        let state = NonNull::new(state).ok_or(failed)?;
        let decoder = Self { state, size_max, waits_for_key_frame: true };
        let mut quiet = sys::WELS_LOG_QUIET;
        let mut parameters = sys::SDecodingParam::default();
        parameters.sVideoProperty.eVideoBsType = sys::VIDEO_BITSTREAM_AVC;
        // What is missing is asked for anew, not made up.
        parameters.eEcActiveIdc = sys::ERROR_CON_DISABLE;
        // SAFETY: the object is new and its table filled; both arguments outlive the calls, which copy them.
        let error = unsafe {
            call!(decoder.state, SetOption, sys::DECODER_OPTION_TRACE_LEVEL, (&raw mut quiet).cast::<c_void>());
            call!(decoder.state, Initialize, &raw const parameters)
        };
        if error == 0 { Ok(decoder) } else { Err(failed) }
    }
}

impl Drop for H264Decoder {
    fn drop(&mut self) {
        // SAFETY: made by WelsCreateDecoder, and nobody else has it.
        unsafe {
            call!(self.state, Uninitialize);
            sys::source::APILoader::WelsDestroyDecoder(self.state.as_ptr());
        }
    }
}

impl VideoDecoder for H264Decoder {
    fn decode(&mut self, frame: &[u8], out: &mut dyn FnMut(PictureView<'_>)) -> Result<(), DecodeError> {
        headers::check_size(VideoCodec::H264, frame, self.size_max)?;
        if frame.len() > FRAME_BYTES_MAX {
            return Err(DecodeError::TooLarge);
        }
        if self.waits_for_key_frame && !has_key_frame(frame) {
            return Err(DecodeError::NeedsKeyFrame);
        }
        let length = c_int::try_from(frame.len()).map_err(|_| DecodeError::TooLarge)?;
        let (mut planes, mut info) = ([ptr::null_mut(); 3], sys::SBufferInfo::default());
        // SAFETY: `frame` has `length` bytes, `planes` room for three pointers; all outlive the call, which copies the frame.
        let state = unsafe {
            call!(self.state, DecodeFrameNoDelay, frame.as_ptr(), length, planes.as_mut_ptr(), &raw mut info)
        };
        if state != sys::dsErrorFree {
            // What comes next may refer to what is missing.
            self.waits_for_key_frame = true;
            return Err(decode_error(state));
        }
        self.waits_for_key_frame = false;
        if info.iBufferStatus != 1 {
            return Ok(());
        }
        // SAFETY: with that status OpenH264 has filled in the union's one variant.
        let buffer = unsafe { info.UsrData.sSystemBuffer };
        let [luma, chroma] = buffer.iStride;
        let planes = planes.map(<*mut u8>::cast_const);
        let picture = CPicture::of((buffer.iWidth, buffer.iHeight), planes, [luma, chroma, chroma]);
        // SAFETY: OpenH264's planes hold their rows until the next call with this state, which comes after `out`.
        let view = unsafe { picture.view() }.ok_or(DecodeError::Failed(NO_STATE))?;
        out(view);
        Ok(())
    }
}

/// Tells whether `frame` has a slice of an IDR picture.
fn has_key_frame(frame: &[u8]) -> bool {
    const IDR_SLICE: u8 = 5;
    frame.windows(4).any(|bytes| bytes[..3] == [0, 0, 1] && bytes[3] & 0x1F == IDR_SLICE)
}

/// Encodes one H.264 stream on the caller's thread, in real time at a constant bitrate; key frames only when asked.
#[derive(Debug)]
pub struct H264Encoder {
    rate: Rate,
    state: EncoderState,
    /// What OpenH264 says of a frame; large, so it is kept.
    info: Box<sys::SFrameBSInfo>,
}

// SAFETY: as for the decoder, all state is behind the pointer, and only this value has it. What `info` points to belongs
// to that state, and is read only right after it was written.
unsafe impl Send for H264Encoder {}

impl H264Encoder {
    /// Makes an encoder.
    ///
    /// # Errors
    /// [`EncodeError::BadInput`] for settings out of range or odd sides, [`EncodeError::Failed`] without memory.
    pub fn new(settings: VideoSettings) -> Result<Self, EncodeError> {
        check_sides(settings.size)?;
        let rate = Rate::new(settings)?;
        Ok(Self { rate, state: EncoderState::open(&rate)?, info: Box::default() })
    }
}

/// OpenH264's encoder, which goes with this value.
#[derive(Debug)]
struct EncoderState(NonNull<sys::ISVCEncoder>);

impl EncoderState {
    fn open(rate: &Rate) -> Result<Self, EncodeError> {
        let mut state = ptr::null_mut();
        // SAFETY: writes one pointer, which outlives the call.
        let error = unsafe { sys::source::APILoader::WelsCreateSVCEncoder(&raw mut state) };
        let state = Self(NonNull::new(state).ok_or(EncodeError::Failed(error))?);
        let mut quiet = sys::WELS_LOG_QUIET;
        let mut parameters = sys::SEncParamExt::default();
        // SAFETY: the object is new and its table filled; both arguments outlive the calls.
        unsafe {
            call!(state.0, SetOption, sys::ENCODER_OPTION_TRACE_LEVEL, (&raw mut quiet).cast::<c_void>());
            call!(state.0, GetDefaultParams, &raw mut parameters);
        }
        configure(&mut parameters, rate)?;
        // SAFETY: the parameters outlive the call, which copies them.
        match unsafe { call!(state.0, InitializeExt, &raw const parameters) } {
            0 => Ok(state),
            error => Err(EncodeError::Failed(error)),
        }
    }

    /// Sets what is read from behind one pointer.
    ///
    /// # Safety
    /// `value` must be of the type that `option` has in codec_app_def.h.
    unsafe fn set<T>(&self, option: sys::ENCODER_OPTION, mut value: T) -> Result<(), EncodeError> {
        // SAFETY: the caller says that the type is right; the value outlives the call, which copies it.
        match unsafe { call!(self.0, SetOption, option, (&raw mut value).cast::<c_void>()) } {
            0 => Ok(()),
            error => Err(EncodeError::Failed(error)),
        }
    }
}

impl Drop for EncoderState {
    fn drop(&mut self) {
        // SAFETY: made by WelsCreateSVCEncoder, and nobody else has it.
        unsafe {
            call!(self.0, Uninitialize);
            sys::source::APILoader::WelsDestroySVCEncoder(self.0.as_ptr());
        }
    }
}

/// WebRTC's settings (modules/video_coding/codecs/h264/h264_encoder_impl.cc), but without skipped frames and without key
/// frames that nobody asked for.
fn configure(parameters: &mut sys::SEncParamExt, rate: &Rate) -> Result<(), EncodeError> {
    let int = |value: u32| c_int::try_from(value).map_err(|_| EncodeError::BadInput);
    let VideoSettings { size, bitrate, frame_rate, content } = rate.settings;
    let (width, height, bitrate) = (int(size.width)?, int(size.height)?, int(bitrate)?);
    parameters.iUsageType = match content {
        VideoContent::Camera => sys::CAMERA_VIDEO_REAL_TIME,
        VideoContent::Screen => sys::SCREEN_CONTENT_REAL_TIME,
    };
    (parameters.iPicWidth, parameters.iPicHeight) = (width, height);
    parameters.iTargetBitrate = bitrate;
    parameters.iMaxBitrate = sys::UNSPECIFIED_BIT_RATE as c_int;
    parameters.iRCMode = sys::RC_BITRATE_MODE;
    parameters.fMaxFrameRate = frame_rate;
    parameters.bEnableFrameSkip = false;
    parameters.bEnableSceneChangeDetect = false;
    parameters.uiIntraPeriod = 0;
    parameters.uiMaxNalSize = 0;
    parameters.eSpsPpsIdStrategy = sys::CONSTANT_ID;
    parameters.iComplexityMode = sys::LOW_COMPLEXITY;
    parameters.iMultipleThreadIdc = 1;
    parameters.iSpatialLayerNum = 1;
    parameters.iTemporalLayerNum = 1;
    parameters.iEntropyCodingModeFlag = 0;
    let layer = &mut parameters.sSpatialLayers[0];
    (layer.iVideoWidth, layer.iVideoHeight) = (width, height);
    layer.fFrameRate = frame_rate;
    layer.iSpatialBitrate = bitrate;
    layer.iMaxSpatialBitrate = sys::UNSPECIFIED_BIT_RATE as c_int;
    layer.uiProfileIdc = sys::PRO_BASELINE;
    layer.sSliceArgument.uiSliceMode = sys::SM_SINGLE_SLICE;
    layer.sSliceArgument.uiSliceNum = 1;
    Ok(())
}

/// OpenH264 would leave out the last column or row of odd pictures.
fn check_sides(size: PictureSize) -> Result<(), EncodeError> {
    if size.width.is_multiple_of(2) && size.height.is_multiple_of(2) { Ok(()) } else { Err(EncodeError::BadInput) }
}

impl VideoEncoder for H264Encoder {
    fn encode(
        &mut self,
        picture: PictureView<'_>,
        at: Duration,
        key: bool,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, EncodeError> {
        self.rate.check(&picture)?;
        let lent = CPicture::lend(picture)?;
        let int = |value: u32| c_int::try_from(value).map_err(|_| EncodeError::BadInput);
        let ([y, u, v], [luma, chroma_u, chroma_v]) = (lent.planes(), lent.strides());
        let source = sys::SSourcePicture {
            iColorFormat: sys::videoFormatI420,
            iStride: [luma, chroma_u, chroma_v, 0],
            pData: [y.cast_mut(), u.cast_mut(), v.cast_mut(), ptr::null_mut()],
            iPicWidth: int(picture.width)?,
            iPicHeight: int(picture.height)?,
            uiTimeStamp: self.rate.ticks(at) / 90,
            ..sys::SSourcePicture::default()
        };
        if key {
            // SAFETY: the state is this encoder's own.
            let error = unsafe { call!(self.state.0, ForceIntraFrame, true) };
            if error != 0 {
                return Err(EncodeError::Failed(error));
            }
        }
        // SAFETY: `source` is of the encoder's size, its planes hold its rows and are only read, and both arguments outlive
        // the call, which copies the picture.
        let error = unsafe { call!(self.state.0, EncodeFrame, &raw const source, &raw mut *self.info) };
        if error != 0 {
            return Err(EncodeError::Failed(error));
        }
        match self.info.eFrameType {
            sys::videoFrameTypeSkip => Ok(Encoded::Dropped),
            sys::videoFrameTypeInvalid => Err(EncodeError::Failed(NO_STATE)),
            kind => {
                // SAFETY: EncodeFrame has just filled it in.
                unsafe { append_layers(&self.info, out) };
                Ok(Encoded::Frame { key: kind == sys::videoFrameTypeIDR })
            }
        }
    }

    fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), EncodeError> {
        self.rate.set_bitrate(bits_per_second)?;
        let bitrate = c_int::try_from(bits_per_second).map_err(|_| EncodeError::BadInput)?;
        let info = sys::SBitrateInfo { iLayer: sys::SPATIAL_LAYER_ALL, iBitrate: bitrate };
        // SAFETY: this option has an SBitrateInfo.
        unsafe { self.state.set(sys::ENCODER_OPTION_BITRATE, info) }
    }

    fn set_frame_rate(&mut self, frames_per_second: f32) -> Result<(), EncodeError> {
        self.rate.set_frame_rate(frames_per_second)?;
        // SAFETY: this option has a float.
        unsafe { self.state.set(sys::ENCODER_OPTION_FRAME_RATE, frames_per_second) }
    }

    fn resize(&mut self, width: u32, height: u32) -> Result<(), EncodeError> {
        let size = PictureSize { width, height };
        check_size(size).and_then(|()| check_sides(size))?;
        if size == self.rate.settings.size {
            return Ok(());
        }
        let mut rate = self.rate;
        rate.settings.size = size;
        // A new one, whose first frame is a key frame.
        self.state = EncoderState::open(&rate)?;
        self.rate = rate;
        Ok(())
    }
}

/// Appends the NAL units of a frame, which have start codes.
///
/// # Safety
/// `info` must be as OpenH264 filled it in, and no call with its encoder since.
unsafe fn append_layers(info: &sys::SFrameBSInfo, out: &mut Vec<u8>) {
    let layers = usize::try_from(info.iLayerNum).unwrap_or(0).min(info.sLayerInfo.len());
    for layer in &info.sLayerInfo[..layers] {
        let units = usize::try_from(layer.iNalCount).unwrap_or(0);
        if layer.pNalLengthInByte.is_null() || layer.pBsBuf.is_null() {
            continue;
        }
        // SAFETY: the layer has as many lengths as units, and as many bytes as its lengths say.
        unsafe {
            let lengths = slice::from_raw_parts(layer.pNalLengthInByte, units);
            let bytes = lengths.iter().map(|length| usize::try_from(*length).unwrap_or(0)).sum();
            out.extend_from_slice(slice::from_raw_parts(layer.pBsBuf, bytes));
        }
    }
}

fn decode_error(state: sys::DECODING_STATE) -> DecodeError {
    const LOST: sys::DECODING_STATE = sys::dsRefLost | sys::dsNoParamSets | sys::dsDepLayerLost;
    if state & sys::dsBitstreamError != 0 {
        DecodeError::Malformed
    } else if state & LOST != 0 {
        DecodeError::NeedsKeyFrame
    } else {
        DecodeError::Failed(state)
    }
}
