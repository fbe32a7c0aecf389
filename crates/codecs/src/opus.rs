//! Opus (RFC 6716) by libopus: in-band error correction, concealment, discontinuous transmission, mono and stereo.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use millrace_frames::{AudioDecoder, AudioEncoder, DecodeError, EncodeError};

use opusic_sys as sys;

/// Longest sound of one packet, in milliseconds (RFC 6716 §3.2.5, requirement R5).
pub const PACKET_MS_MAX: u32 = 120;

/// Largest packet, in bytes: 48 frames of 2.5 ms, 1275 bytes each at most, and their lengths (RFC 6716 §3.4).
///
/// What is larger is refused as malformed; libopus would refuse it too, after it has read the lengths.
pub const PACKET_BYTES_MAX: usize = 48 * (1275 + 2) + 2;

/// Packets of so few bytes say only that nobody speaks, and are not sent (RFC 7587 §3.1.3).
const DTX_BYTES_MAX: usize = 2;

/// Most that libopus takes, in bits a second.
const BITRATE_MAX: u32 = 510_000;

/// Decodes one Opus stream.
#[derive(Debug)]
pub struct OpusDecoder {
    state: NonNull<sys::OpusDecoder>,
    sample_rate: u32,
    channels: u8,
}

// SAFETY: libopus keeps all of a decoder's state behind this pointer, with nothing tied to a thread, and only this
// value has it.
unsafe impl Send for OpusDecoder {}

impl OpusDecoder {
    /// Makes a decoder that writes `sample_rate` Hz (8000, 12000, 16000, 24000 or 48000) in 1 or 2 channels, whatever
    /// the packets hold.
    ///
    /// # Errors
    /// [`DecodeError::Failed`] for another rate or count of channels, or without memory.
    pub fn new(sample_rate: u32, channels: u8) -> Result<Self, DecodeError> {
        let mut error = sys::OPUS_OK;
        // A rate that does not fit is none of Opus's either; -1 is refused like it.
        let rate = i32::try_from(sample_rate).unwrap_or(-1);
        // SAFETY: `error` outlives the call, which checks the numbers itself.
        let state = unsafe { sys::opus_decoder_create(rate, c_int::from(channels), &raw mut error) };
        let state = NonNull::new(state).ok_or(DecodeError::Failed(error))?;
        Ok(Self { state, sample_rate, channels })
    }

    /// Decodes `payload` (none: conceal) to at most `frames` samples per channel, which `out` holds.
    fn run(&mut self, payload: Option<&[u8]>, frames: usize, out: &mut [f32], fec: bool) -> Result<usize, DecodeError> {
        debug_assert!(frames * usize::from(self.channels) <= out.len());
        let frames = c_int::try_from(frames).unwrap_or(c_int::MAX);
        let (data, len) = payload.map_or((ptr::null(), 0), |payload| (payload.as_ptr(), payload.len()));
        let len = i32::try_from(len).map_err(|_| DecodeError::Malformed)?;
        // SAFETY: `data` is null or has `len` bytes, `out` has room for `frames` samples of each channel, and both
        // outlive the call; the state is this decoder's own.
        let decoded = unsafe {
            sys::opus_decode_float(self.state.as_ptr(), data, len, out.as_mut_ptr(), frames, c_int::from(fec))
        };
        usize::try_from(decoded).map_err(|_| decode_error(decoded))
    }

    /// Samples per channel that `out` has room for, at most those of the longest packet.
    fn room(&self, out: &[f32]) -> usize {
        (out.len() / usize::from(self.channels)).min((self.sample_rate / 1000 * PACKET_MS_MAX) as usize)
    }
}

impl Drop for OpusDecoder {
    fn drop(&mut self) {
        // SAFETY: made by opus_decoder_create, and nobody else has it.
        unsafe { sys::opus_decoder_destroy(self.state.as_ptr()) };
    }
}

impl AudioDecoder for OpusDecoder {
    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    fn channels(&self) -> u8 {
        self.channels
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        // To libopus an empty packet is a lost one.
        if payload.is_empty() || payload.len() > PACKET_BYTES_MAX {
            return Err(DecodeError::Malformed);
        }
        let room = self.room(out);
        self.run(Some(payload), room, out, false)
    }

    fn conceal(&mut self, frames: usize, next: Option<&[u8]>, out: &mut [f32]) -> Result<usize, DecodeError> {
        if out.len() < frames.saturating_mul(usize::from(self.channels)) {
            return Err(DecodeError::OutputTooSmall);
        }
        // libopus makes up whole steps of 2.5 ms, and with error correction writes exactly what is asked for.
        let step = (self.sample_rate / 400) as usize;
        let frames = frames.min(self.room(out)) / step * step;
        if frames == 0 {
            return Ok(0);
        }
        let next = next.filter(|next| !next.is_empty() && next.len() <= PACKET_BYTES_MAX);
        match self.run(next, frames, out, next.is_some()) {
            // A next packet that is broken leaves a plain loss.
            Err(_) if next.is_some() => self.run(None, frames, out, false),
            concealed => concealed,
        }
    }
}

/// What an encoder is for: it decides between speech coding and music coding, and what a frame costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpusSignal {
    /// Speech: in-band error correction and discontinuous transmission work; three times the work of music.
    #[default]
    Voice,
    /// Anything else.
    Music,
}

/// How an encoder starts.
#[derive(Clone, Copy, Debug)]
pub struct OpusSettings {
    /// Rate of the samples given, in Hz: 8000, 12000, 16000, 24000 or 48000 (the default).
    pub sample_rate: u32,
    /// 1 (the default) or 2.
    pub channels: u8,
    /// [`OpusSignal::Voice`] by default.
    pub signal: OpusSignal,
    /// Bits a second, 500 to 510,000; by default 32,000.
    pub bitrate: u32,
    /// Work a frame, 0 to 10; by default 5.
    pub complexity: u8,
    /// Adds in-band error correction once losses are expected; by default yes.
    pub fec: bool,
    /// Sends next to nothing in silence; by default no.
    pub dtx: bool,
}

impl Default for OpusSettings {
    fn default() -> Self {
        Self {
            sample_rate: 48_000,
            channels: 1,
            signal: OpusSignal::Voice,
            bitrate: 32_000,
            complexity: 5,
            fec: true,
            dtx: false,
        }
    }
}

/// Encodes one Opus stream. Takes frames of 2.5, 5, 10, 20, 40 or 60 ms.
#[derive(Debug)]
pub struct OpusEncoder {
    state: NonNull<sys::OpusEncoder>,
    sample_rate: u32,
    channels: u8,
    dtx: bool,
}

// SAFETY: as for the decoder, all state is behind this pointer, and only this value has it.
unsafe impl Send for OpusEncoder {}

impl OpusEncoder {
    /// Makes an encoder.
    ///
    /// # Errors
    /// [`EncodeError::BadInput`] for a setting that Opus does not have, [`EncodeError::Failed`] without memory.
    pub fn new(settings: OpusSettings) -> Result<Self, EncodeError> {
        let OpusSettings { sample_rate, channels, signal, bitrate, complexity, fec, dtx } = settings;
        let (application, signal) = match signal {
            OpusSignal::Voice => (sys::OPUS_APPLICATION_VOIP, sys::OPUS_SIGNAL_VOICE),
            OpusSignal::Music => (sys::OPUS_APPLICATION_AUDIO, sys::OPUS_SIGNAL_MUSIC),
        };
        let mut error = sys::OPUS_OK;
        let rate = i32::try_from(sample_rate).unwrap_or(-1);
        // SAFETY: `error` outlives the call, which checks the numbers itself.
        let state = unsafe { sys::opus_encoder_create(rate, c_int::from(channels), application, &raw mut error) };
        let state = NonNull::new(state).ok_or_else(|| encode_error(error))?;
        let mut encoder = Self { state, sample_rate, channels, dtx };
        encoder.set(sys::OPUS_SET_SIGNAL_REQUEST, signal)?;
        encoder.set(sys::OPUS_SET_INBAND_FEC_REQUEST, c_int::from(fec))?;
        encoder.set(sys::OPUS_SET_DTX_REQUEST, c_int::from(dtx))?;
        encoder.set(sys::OPUS_SET_COMPLEXITY_REQUEST, c_int::from(complexity))?;
        encoder.set(sys::OPUS_SET_BITRATE_REQUEST, libopus_bitrate(bitrate))?;
        Ok(encoder)
    }

    /// Sets what takes one integer.
    fn set(&mut self, request: c_int, value: c_int) -> Result<(), EncodeError> {
        // SAFETY: every request that is used here reads one opus_int32, which a c_int is, and keeps no pointer.
        let result = unsafe { sys::opus_encoder_ctl(self.state.as_ptr(), request, value) };
        if result == sys::OPUS_OK { Ok(()) } else { Err(encode_error(result)) }
    }
}

/// What libopus takes of a bitrate: 0 and less would mean other things.
fn libopus_bitrate(bits_per_second: u32) -> c_int {
    // At most 510,000, so it fits.
    bits_per_second.clamp(500, BITRATE_MAX) as c_int
}

impl Drop for OpusEncoder {
    fn drop(&mut self) {
        // SAFETY: made by opus_encoder_create, and nobody else has it.
        unsafe { sys::opus_encoder_destroy(self.state.as_ptr()) };
    }
}

impl AudioEncoder for OpusEncoder {
    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    fn channels(&self) -> u8 {
        self.channels
    }

    fn encode(&mut self, pcm: &[f32], out: &mut [u8]) -> Result<usize, EncodeError> {
        let channels = usize::from(self.channels);
        if !pcm.len().is_multiple_of(channels) {
            return Err(EncodeError::BadInput);
        }
        let frames = c_int::try_from(pcm.len() / channels).map_err(|_| EncodeError::BadInput)?;
        if out.is_empty() {
            return Err(EncodeError::OutputTooSmall);
        }
        let room = i32::try_from(out.len()).unwrap_or(i32::MAX);
        // SAFETY: `pcm` has `frames` samples of each channel, `out` has `room` bytes, both outlive the call, which
        // checks that Opus has frames of this length; the state is this encoder's own.
        let written =
            unsafe { sys::opus_encode_float(self.state.as_ptr(), pcm.as_ptr(), frames, out.as_mut_ptr(), room) };
        let written = usize::try_from(written).map_err(|_| encode_error(written))?;
        Ok(if self.dtx && written <= DTX_BYTES_MAX { 0 } else { written })
    }

    fn set_bitrate(&mut self, bits_per_second: u32) {
        // Cannot fail: the value is in range.
        let _ = self.set(sys::OPUS_SET_BITRATE_REQUEST, libopus_bitrate(bits_per_second));
    }

    fn set_complexity(&mut self, complexity: u8) {
        // Cannot fail: the value is in range.
        let _ = self.set(sys::OPUS_SET_COMPLEXITY_REQUEST, c_int::from(complexity.min(10)));
    }

    fn set_expected_loss(&mut self, percent: u8) {
        // Cannot fail: the value is in range.
        let _ = self.set(sys::OPUS_SET_PACKET_LOSS_PERC_REQUEST, c_int::from(percent.min(100)));
    }
}

fn decode_error(code: c_int) -> DecodeError {
    match code {
        sys::OPUS_INVALID_PACKET => DecodeError::Malformed,
        sys::OPUS_BUFFER_TOO_SMALL => DecodeError::OutputTooSmall,
        code => DecodeError::Failed(code),
    }
}

fn encode_error(code: c_int) -> EncodeError {
    match code {
        sys::OPUS_BAD_ARG => EncodeError::BadInput,
        sys::OPUS_BUFFER_TOO_SMALL => EncodeError::OutputTooSmall,
        code => EncodeError::Failed(code),
    }
}
