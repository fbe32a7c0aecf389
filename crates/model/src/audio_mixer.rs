//! Audio mixers: options and statistics of a mixer, its inputs and its outputs.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::ModelError;
use crate::id::{AudioMixerInputId, AudioMixerOutputId, ProducerId};

/// Lowest sample rate of sound that an application writes or reads, in Hz. A lower one is refused.
pub const PCM_SAMPLE_RATE_MIN: u32 = 8_000;

/// Highest sample rate of sound that an application writes or reads, in Hz. A higher one is refused.
pub const PCM_SAMPLE_RATE_MAX: u32 = 192_000;

/// Largest factor to an input's samples: 20 dB. A larger one is refused.
pub const INPUT_GAIN_MAX: f32 = 10.0;

/// Bitrate of an Opus output unless it is given: good speech.
const BITRATE_DEFAULT: u32 = 32_000;

/// Lowest and highest bitrate of an Opus output (RFC 7587 §6.1). Another one is refused.
const BITRATES: std::ops::RangeInclusive<u32> = 6_000..=510_000;

/// Work for a frame of an Opus output unless it is given.
const COMPLEXITY_DEFAULT: u8 = 5;

/// Options of `worker.createAudioMixer()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct AudioMixerOptions {
    /// How many inputs are heard at a time, the loudest, 1 or more. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u16>,
    /// Length of a frame in ms, 10 or 20. With 10 there is 5 to 10 ms less delay for twice the packets. Default: 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_length: Option<u8>,
    /// Where it mixes: on a thread of this process, or in a process of its own, so that a fault in a codec ends that process
    /// and nothing else. Default: `thread`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<MixerIsolation>,
}

/// Where a mixer does its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum MixerIsolation {
    /// On a thread of this process.
    #[default]
    Thread,
    /// In a process of its own.
    Process,
}

impl AudioMixerOptions {
    /// Checks the options. Returns how many are heard at a time, and whether a frame lasts 10 ms instead of 20.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] that names the option.
    pub fn into_checked(self) -> Result<(Option<usize>, bool), ModelError> {
        if self.top_k == Some(0) {
            return Err(ModelError::invalid("topK", "expected 1 or more; leave it out for all"));
        }
        match self.frame_length {
            Some(10) => Ok((self.top_k.map(usize::from), true)),
            Some(20) | None => Ok((self.top_k.map(usize::from), false)),
            Some(other) => Err(ModelError::invalid("frameLength", format!("expected 10 or 20, got {other}"))),
        }
    }
}

/// Sound as an application writes or reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct PcmFormat {
    /// Samples a second of each channel, 8000 to 192000.
    pub sample_rate: u32,
    /// Channels, interleaved, 1 or 2. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
}

impl PcmFormat {
    /// Checks the format. Returns its sample rate and channels.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] that names the field.
    pub fn into_checked(self) -> Result<(u32, u8), ModelError> {
        let Self { sample_rate, channels } = self;
        if !(PCM_SAMPLE_RATE_MIN..=PCM_SAMPLE_RATE_MAX).contains(&sample_rate) {
            let reason = format!("expected {PCM_SAMPLE_RATE_MIN} to {PCM_SAMPLE_RATE_MAX}, got {sample_rate}");
            return Err(ModelError::invalid("sampleRate", reason));
        }
        Ok((sample_rate, checked_channels(channels)?))
    }
}

/// What an input of a mixer brings, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct AudioMixerInputOptions {
    /// A Producer of audio, of any Router of the Worker. Either this or `pcm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producer_id: Option<ProducerId>,
    /// Sound that the application writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcm: Option<PcmFormat>,
    /// Factor to its samples, 0 to 10. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<f32>,
    /// Whether it is not heard. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
}

/// Where an input's sound comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioMixerInputSource {
    /// A producer.
    Producer(ProducerId),
    /// The application.
    Pcm {
        /// Samples a second of each channel.
        sample_rate: u32,
        /// Channels, interleaved.
        channels: u8,
    },
}

impl AudioMixerInputOptions {
    /// Where the sound comes from.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] unless exactly one of `producerId` and `pcm` is given, and is right.
    pub fn source(&self) -> Result<AudioMixerInputSource, ModelError> {
        match (self.producer_id, self.pcm) {
            (Some(producer), None) => Ok(AudioMixerInputSource::Producer(producer)),
            (None, Some(pcm)) => {
                let (sample_rate, channels) = pcm.into_checked().map_err(|error| error.within("pcm"))?;
                Ok(AudioMixerInputSource::Pcm { sample_rate, channels })
            }
            _ => Err(ModelError::invalid("producerId", "expected either producerId or pcm")),
        }
    }

    /// The gain.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] when it is out of range.
    pub fn checked_gain(&self) -> Result<Option<f32>, ModelError> {
        match self.gain {
            Some(gain) if !(0.0..=INPUT_GAIN_MAX).contains(&gain) => {
                Err(ModelError::invalid("gain", format!("expected 0 to {INPUT_GAIN_MAX}, got {gain}")))
            }
            gain => Ok(gain),
        }
    }
}

/// Codec of a mixer's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum AudioMixerCodec {
    /// Opus (RFC 7587).
    Opus,
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722,
}

impl AudioMixerCodec {
    /// Its media type.
    pub const fn mime_type(self) -> &'static str {
        match self {
            Self::Opus => "audio/opus",
            Self::Pcmu => "audio/PCMU",
            Self::Pcma => "audio/PCMA",
            Self::G722 => "audio/G722",
        }
    }
}

/// What an output of a mixer carries, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct AudioMixerOutputOptions {
    /// Codec, which the Router must have.
    pub codec: AudioMixerCodec,
    /// Channels, 1 or 2; 2 of Opus only. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    /// Bits a second of Opus, 6000 to 510000. Other codecs have a fixed rate. Default: 32000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
    /// Work for a frame of Opus, 0 (least) to 10. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complexity: Option<u8>,
    /// Whether Opus carries each frame once more in the next packet, for listeners that lose some. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_band_fec: Option<bool>,
    /// Inputs that are not heard in it, at most 8. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<Vec<AudioMixerInputId>>,
}

/// Options of an encoded output, checked. Outputs that are equal in this can share an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioMixerOutputSettings {
    /// Codec.
    pub codec: AudioMixerCodec,
    /// Channels.
    pub channels: u8,
    /// Bits a second.
    pub bitrate: u32,
    /// Work for a frame.
    pub complexity: u8,
    /// Each frame is carried once more in the next packet.
    pub in_band_fec: bool,
}

impl AudioMixerOutputOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] that names the option.
    pub fn checked(&self) -> Result<AudioMixerOutputSettings, ModelError> {
        let channels = checked_channels(self.channels)?;
        if channels != 1 && self.codec != AudioMixerCodec::Opus {
            return Err(ModelError::invalid("channels", "only Opus has 2; give 1"));
        }
        let bitrate = self.bitrate.unwrap_or(BITRATE_DEFAULT);
        if !BITRATES.contains(&bitrate) {
            return Err(ModelError::invalid("bitrate", format!("expected 6000 to 510000, got {bitrate}")));
        }
        let complexity = self.complexity.unwrap_or(COMPLEXITY_DEFAULT);
        if complexity > 10 {
            return Err(ModelError::invalid("complexity", format!("expected 0 to 10, got {complexity}")));
        }
        Ok(AudioMixerOutputSettings {
            codec: self.codec,
            channels,
            bitrate,
            complexity,
            in_band_fec: self.in_band_fec.unwrap_or_default(),
        })
    }
}

fn checked_channels(channels: Option<u8>) -> Result<u8, ModelError> {
    match channels.unwrap_or(1) {
        channels @ (1 | 2) => Ok(channels),
        other => Err(ModelError::invalid("channels", format!("expected 1 or 2, got {other}"))),
    }
}

/// Statistics of a mixer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AudioMixerStats {
    /// Id of the process that mixes: this one, or with `isolation: 'process'` the mixer's own.
    pub pid: u32,
    /// Part of its time that the mixer works, 0 to 1, averaged over about a second.
    pub load: f32,
    /// Frames that were mixed since the mixer was made, or made anew.
    #[ts(type = "number")]
    pub ticks: u64,
    /// Frames that were left out because the mixer came too late.
    #[ts(type = "number")]
    pub missed_ticks: u64,
    /// How often the mixer was made anew after a fault.
    pub restarts: u32,
    /// Inputs that the last frame was made of.
    pub heard: u32,
    /// Encoders in use.
    pub encoders: u32,
    /// Its inputs.
    pub inputs: Vec<AudioMixerInputStats>,
    /// Its outputs.
    pub outputs: Vec<AudioMixerOutputStats>,
}

/// Statistics of an input of a mixer. All but the level and what was dropped are 0 for sound that an application writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AudioMixerInputStats {
    /// The input.
    pub input_id: AudioMixerInputId,
    /// Packets that came.
    #[ts(type = "number")]
    pub packets: u64,
    /// Packets that came too late to be played.
    #[ts(type = "number")]
    pub late: u64,
    /// Packets that did not decode, or were twice there.
    #[ts(type = "number")]
    pub discarded: u64,
    /// Jitter of their arrival in ms (RFC 3550 §6.4.1).
    pub jitter: f32,
    /// How long packets are waited for, in ms.
    pub delay: f32,
    /// Sound made up for packets that did not come, in ms.
    #[ts(type = "number")]
    pub concealed: u64,
    /// Latest level in dB of full scale, −127 for silence.
    pub level: f32,
    /// Whether it is among those that are heard.
    pub chosen: bool,
    /// Packets, or samples of each channel of written sound, that were dropped because too many waited.
    #[ts(type = "number")]
    pub dropped: u64,
}

/// Statistics of an output of a mixer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AudioMixerOutputStats {
    /// The output.
    pub output_id: AudioMixerOutputId,
    /// Frames that it got.
    #[ts(type = "number")]
    pub frames: u64,
    /// Frames that could not be encoded.
    #[ts(type = "number")]
    pub failed: u64,
    /// How long its last frame took to encode, in µs; 0 for samples.
    pub encode_time: u32,
    /// How many outputs share its encoder, itself counted.
    pub shared_by: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn options_have_defaults_and_ranges() {
        assert_eq!(parse::<AudioMixerOptions>("{}").unwrap().into_checked(), Ok((None, false)));
        let quick = parse::<AudioMixerOptions>(r#"{"topK":3,"frameLength":10}"#).unwrap();
        assert_eq!(quick.into_checked(), Ok((Some(3), true)));
        for wrong in [r#"{"topK":0}"#, r#"{"frameLength":15}"#] {
            assert!(parse::<AudioMixerOptions>(wrong).unwrap().into_checked().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_input_is_a_producer_or_written_and_never_both() {
        let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        let source = |text: &str| parse::<AudioMixerInputOptions>(text).unwrap().source();
        assert!(matches!(source(&format!(r#"{{"producerId":"{id}"}}"#)), Ok(AudioMixerInputSource::Producer(_))));
        let pcm = AudioMixerInputSource::Pcm { sample_rate: 16_000, channels: 1 };
        assert_eq!(source(r#"{"pcm":{"sampleRate":16000}}"#), Ok(pcm));
        assert!(source("{}").is_err());
        assert!(source(&format!(r#"{{"producerId":"{id}","pcm":{{"sampleRate":16000}}}}"#)).is_err());
        assert!(source(r#"{"pcm":{"sampleRate":100}}"#).unwrap_err().to_string().starts_with("pcm.sampleRate"));
        assert!(source(r#"{"pcm":{"sampleRate":16000,"channels":3}}"#).is_err());
        assert!(parse::<AudioMixerInputOptions>(r#"{"gain":11}"#).unwrap().checked_gain().is_err());
        assert!(parse::<AudioMixerInputOptions>(r#"{"gain":-0.5}"#).unwrap().checked_gain().is_err());
    }

    #[test]
    fn an_output_has_what_its_codec_has() {
        let checked = |text: &str| parse::<AudioMixerOutputOptions>(text).unwrap().checked();
        let opus = checked(r#"{"codec":"opus"}"#).unwrap();
        assert_eq!((opus.channels, opus.bitrate, opus.complexity, opus.in_band_fec), (1, 32_000, 5, false));
        for wrong in [
            r#"{"codec":"pcmu","channels":2}"#,
            r#"{"codec":"opus","channels":0}"#,
            r#"{"codec":"opus","bitrate":100}"#,
            r#"{"codec":"opus","complexity":11}"#,
        ] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
        assert!(parse::<AudioMixerOutputOptions>(r#"{"codec":"speex"}"#).is_err());
    }
}
