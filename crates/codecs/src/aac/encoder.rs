//! AAC-LC out, by libxaac.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::NonNull;
use std::{fmt, mem, ptr, slice};

use libxaac_sys::{
    AOT_AAC_LC, IA_MEMTYPE_INPUT, IA_MEMTYPE_OUTPUT, ixheaace_create, ixheaace_delete, ixheaace_process,
    ixheaace_user_config_struct,
};
use millrace_frames::{AudioEncoder, EncodeError};

use super::{FRAME_BYTES_MAX, FRAME_SAMPLES, SAMPLE_RATES};
use crate::g711::to_i16;

/// Bits a second of each channel, at least and at most.
const CHANNEL_BITRATES: (u32, u32) = (8000, 160_000);

/// Bytes that a frame may have for each channel, which is what libxaac means by its reservoir: all that AAC allows.
const CHANNEL_BYTES_MAX: i32 = (FRAME_BYTES_MAX / 2) as i32;

/// Alignment that the C library's own allocator gives.
const C_ALIGNMENT: u32 = 16;

/// Encodes AAC-LC, mono or stereo, frames of exactly [`FRAME_SAMPLES`] samples a channel. Raw access units, without ADTS
/// headers.
pub struct AacEncoder {
    encoder: Encoder,
    sample_rate: u32,
    channels: u8,
    bitrate: u32,
}

impl AacEncoder {
    /// An encoder of `channels` channels at `sample_rate` Hz, aiming at `bitrate` bits a second; the bitrate is brought within
    /// 8,000 to 160,000 a channel.
    ///
    /// # Errors
    /// [`EncodeError::BadInput`] for a rate that AAC does not have or other than 1 or 2 channels; [`EncodeError::Failed`] when
    /// libxaac does not take the three together.
    pub fn new(sample_rate: u32, channels: u8, bitrate: u32) -> Result<Self, EncodeError> {
        if !SAMPLE_RATES.contains(&sample_rate) || !(1..=2).contains(&channels) {
            return Err(EncodeError::BadInput);
        }
        let bitrate = taken(bitrate, channels);
        let encoder = Encoder::new(sample_rate, channels, bitrate)?;
        Ok(Self { encoder, sample_rate, channels, bitrate })
    }

    /// The stream's `AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1), for SDP, MP4 and FLV.
    pub fn config(&self) -> &[u8] {
        &self.encoder.audio_specific_config
    }
}

impl AudioEncoder for AacEncoder {
    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    fn channels(&self) -> u8 {
        self.channels
    }

    fn encode(&mut self, pcm: &[f32], out: &mut [u8]) -> Result<usize, EncodeError> {
        if pcm.len() != FRAME_SAMPLES * usize::from(self.channels) {
            return Err(EncodeError::BadInput);
        }
        self.encoder.encode(pcm, out)
    }

    /// As the trait says. libxaac has no such setting, so another encoder takes over: a frame or two fade in.
    fn set_bitrate(&mut self, bits_per_second: u32) {
        let bitrate = taken(bits_per_second, self.channels);
        if bitrate == self.bitrate {
            return;
        }
        // One that libxaac does not take leaves the encoder as it was.
        if let Ok(encoder) = Encoder::new(self.sample_rate, self.channels, bitrate) {
            (self.encoder, self.bitrate) = (encoder, bitrate);
        }
    }

    fn set_complexity(&mut self, _: u8) {}

    fn set_expected_loss(&mut self, _: u8) {}
}

impl fmt::Debug for AacEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sample_rate, channels, bitrate, .. } = self;
        f.debug_struct("AacEncoder")
            .field("sample_rate", sample_rate)
            .field("channels", channels)
            .field("bitrate", bitrate)
            .finish()
    }
}

fn taken(bitrate: u32, channels: u8) -> u32 {
    let (least, most) = CHANNEL_BITRATES;
    bitrate.clamp(least * u32::from(channels), most * u32::from(channels))
}

/// libxaac's encoder. The structure stays where it is: the library keeps pointers into it between calls.
struct Encoder {
    config: Box<ixheaace_user_config_struct>,
    audio_specific_config: Vec<u8>,
}

// SAFETY: libxaac keeps all state of an encoder in the memory that it allocated for it, and ties none to a thread.
unsafe impl Send for Encoder {}

impl Encoder {
    fn new(sample_rate: u32, channels: u8, bitrate: u32) -> Result<Self, EncodeError> {
        // SAFETY: plain C data, for which libxaac's example asks to be zeroed; its function pointers are optional.
        let mut config: Box<ixheaace_user_config_struct> = Box::new(unsafe { mem::zeroed() });
        let (rate, count, bits) = (sample_rate as i32, i32::from(channels), bitrate as i32);
        config.output_config.malloc_xheaace = Some(allocate);
        config.output_config.free_xheaace = Some(release);
        let input = &mut config.input_config;
        input.ui_pcm_wd_sz = 16;
        input.i_bitrate = bits;
        input.frame_length = FRAME_SAMPLES as i32;
        input.aot = AOT_AAC_LC as i32;
        input.i_channels = count;
        input.i_samp_freq = sample_rate;
        input.i_native_samp_freq = rate;
        input.i_mps_tree_config = -1;
        // Raw access units behind one configuration.
        input.i_use_es = 1;
        let aac = &mut input.aac_config;
        (aac.sample_rate, aac.bitrate) = (rate, bits);
        (aac.num_channels_in, aac.num_channels_out) = (count, count);
        aac.use_tns = 1;
        aac.bitreservoir_size = CHANNEL_BYTES_MAX;
        aac.length = (FRAME_SAMPLES * usize::from(channels) * 2) as i32;
        let mut encoder = Self { config, audio_specific_config: Vec::new() };
        let (input, output) = encoder.pointers();
        // SAFETY: both point to the structures that the call takes, which outlive it.
        let status = unsafe { ixheaace_create(input, output) };
        // Errors that can be lived with have no top bit; those are settings that libxaac changed by itself.
        if status as u32 & FATAL != 0 {
            return Err(EncodeError::Failed(status as i32));
        }
        encoder.audio_specific_config = encoder.output().to_vec();
        let room = encoder.config.output_config.mem_info_table[IA_MEMTYPE_INPUT as usize].ui_size as usize;
        if room < FRAME_SAMPLES * usize::from(channels) * size_of::<i16>() {
            return Err(EncodeError::Failed(status as i32));
        }
        Ok(encoder)
    }

    fn encode(&mut self, pcm: &[f32], out: &mut [u8]) -> Result<usize, EncodeError> {
        let input = self.config.output_config.mem_info_table[IA_MEMTYPE_INPUT as usize].mem_ptr.cast::<i16>();
        for (at, sample) in pcm.iter().enumerate() {
            // SAFETY: libxaac's input buffer holds a frame, as was checked when it was made, and `pcm` is one frame.
            unsafe { input.add(at).write(to_i16(*sample)) };
        }
        let process = self.config.output_config.pv_ia_process_api_obj;
        let (input, output) = self.pointers();
        // SAFETY: the encoder was made, its buffer is full, and the structures are those that it was made with.
        let status = unsafe { ixheaace_process(process, input, output) };
        if status as u32 & FATAL != 0 {
            return Err(EncodeError::Failed(status as i32));
        }
        let frame = self.output();
        out.get_mut(..frame.len()).ok_or(EncodeError::OutputTooSmall)?.copy_from_slice(frame);
        Ok(frame.len())
    }

    fn pointers(&mut self) -> (*mut c_void, *mut c_void) {
        (ptr::from_mut(&mut self.config.input_config).cast(), ptr::from_mut(&mut self.config.output_config).cast())
    }

    /// What the last call wrote.
    fn output(&self) -> &[u8] {
        let table = &self.config.output_config.mem_info_table[IA_MEMTYPE_OUTPUT as usize];
        let len = usize::try_from(self.config.output_config.i_out_bytes).unwrap_or(0).min(table.ui_size as usize);
        match NonNull::new(table.mem_ptr.cast::<u8>()) {
            // SAFETY: libxaac's output buffer has `ui_size` bytes, of which it wrote the first `i_out_bytes`.
            Some(bytes) if len > 0 => unsafe { slice::from_raw_parts(bytes.as_ptr(), len) },
            _ => &[],
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let (_, output) = self.pointers();
        // SAFETY: releases what the call that made it allocated, once; also what a failed one left.
        unsafe { ixheaace_delete(output) };
    }
}

/// Set in the numbers of errors after which an encoder is of no use (libxaac's `ixheaac_error_standards.h`).
const FATAL: u32 = 0x8000_0000;

unsafe extern "C" {
    fn calloc(count: usize, size: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
}

unsafe extern "C" fn allocate(size: u32, alignment: u32) -> *mut c_void {
    if alignment > C_ALIGNMENT {
        return ptr::null_mut();
    }
    // SAFETY: any size may be asked for.
    unsafe { calloc(1, size as usize) }
}

unsafe extern "C" fn release(memory: *mut c_void) {
    // SAFETY: libxaac gives back what `allocate` gave it, or nothing.
    unsafe { free(memory) }
}
