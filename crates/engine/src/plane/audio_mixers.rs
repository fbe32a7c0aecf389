//! Audio mixers: what requests make of them. Their threads are in [`mixer`](crate::mixer).

use std::sync::Arc;
use std::time::Instant;

use millrace_frames::{AudioCodec, AudioFormat};
use millrace_mixer::{MixerOptions, OutputFormat, TickLength};
use millrace_model::{
    AudioMixerCodec, AudioMixerId, AudioMixerInputId, AudioMixerInputOptions, AudioMixerInputSource, AudioMixerOptions,
    AudioMixerOutputId, AudioMixerOutputOptions, AudioMixerOutputSettings, MediaKind, PcmFormat, RouterId,
    RtpCodecParameters, parse,
};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Plane;
use super::mixers::{Made, Published, Taken, Written};
use super::requests::json;
use crate::error::RequestError;
use crate::mixer::Mixer;
use crate::mixer::audio::{AudioEnds, AudioOptions, Entrance, Exit, InputEnd, OutputEnd, PcmQueue, format_of};

/// What is said of a producer whose sound cannot be decoded.
const UNHEARD: &str = "its codec is none of opus, pcmu, pcma and g722";

/// Audio mixers of one worker at most. One more is refused.
pub(super) const AUDIO_MIXERS_MAX: usize = 1_024;

/// One mixer. Letting go of it closes it.
pub(super) struct AudioMixerEntry {
    mixer: Arc<Mixer<AudioEnds>>,
    /// Under which numbers the application writes inputs.
    written: FxHashMap<Uuid, u32>,
}

impl AudioMixerEntry {
    /// A process of its own does the work.
    pub(super) fn is_isolated(&self) -> bool {
        self.mixer.setup.options.program.is_some()
    }
}

impl Drop for AudioMixerEntry {
    fn drop(&mut self) {
        self.mixer.close();
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfMixer {
    audio_mixer_id: AudioMixerId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfInput {
    input_id: AudioMixerInputId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfOutput {
    output_id: AudioMixerOutputId,
}

/// An output of samples.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    pcm: PcmFormat,
    #[serde(default)]
    exclude: Vec<AudioMixerInputId>,
}

/// Of a transcoder: whether packets may leave as they are where nothing differs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Passing {
    #[serde(default)]
    pass_through: bool,
}

#[derive(Deserialize)]
struct Excluded {
    exclude: Vec<AudioMixerInputId>,
}

impl Plane {
    pub(super) fn create_audio_mixer(&mut self, text: &str) -> Result<Value, RequestError> {
        let id = parse::<OfMixer>(text)?.audio_mixer_id;
        let options = parse::<AudioMixerOptions>(text)?;
        let (top_k, is_quick) = options.into_checked()?;
        if self.audio_mixers.contains_key(&id) {
            return Err(RequestError::duplicate("AudioMixer", id));
        }
        if self.audio_mixers.len() >= AUDIO_MIXERS_MAX {
            return Err(RequestError::Limit(format!("a worker has at most {AUDIO_MIXERS_MAX} audio mixers")));
        }
        let program = self.mixer_program(options.isolation, text)?;
        let tick = if is_quick { TickLength::Ms10 } else { TickLength::Ms20 };
        let mixer = self.open_mixer(id.uuid(), AudioOptions { core: MixerOptions { tick, top_k }, program })?;
        self.audio_mixers.insert(id, AudioMixerEntry { mixer, written: FxHashMap::default() });
        Ok(Value::Null)
    }

    pub(super) fn audio_mixer_request(&mut self, verb: &str, text: &str, now: Instant) -> Result<Value, RequestError> {
        let id = parse::<OfMixer>(text)?.audio_mixer_id;
        if verb == "close" {
            self.close_audio_mixer(id);
            return Ok(Value::Null);
        }
        let mixer = self.audio_mixer(id)?;
        match verb {
            "addInput" => self.add_mixer_input(id, &mixer, text, now),
            "createOutput" => self.create_mixer_output(&mixer, text, now),
            "updateInput" => {
                let wanted = parse::<AudioMixerInputOptions>(text)?;
                let (gain, input) = (wanted.checked_gain()?, parse::<OfInput>(text)?.input_id);
                mixer.change(|ends| ends.update_input(input.uuid(), gain, wanted.muted))?;
                Ok(Value::Null)
            }
            "setExclude" => {
                let (output, excluded) = (parse::<OfOutput>(text)?.output_id, parse::<Excluded>(text)?.exclude);
                mixer.change(|ends| ends.set_exclude(output.uuid(), uuids(&excluded)))?;
                Ok(Value::Null)
            }
            "removeInput" => {
                let input = parse::<OfInput>(text)?.input_id.uuid();
                mixer.change(|ends| ends.remove_input(input));
                let number = self.audio_mixers.get_mut(&id).and_then(|entry| entry.written.remove(&input));
                number.map(|number| self.written.remove(&number));
                Ok(Value::Null)
            }
            "closeOutput" => {
                let output = parse::<OfOutput>(text)?.output_id.uuid();
                mixer.change(|ends| ends.remove_output(output));
                Ok(Value::Null)
            }
            "getStats" => json(mixer.change(|ends| ends.stats())),
            #[cfg(debug_assertions)]
            "fail" => {
                let fault = super::mixers::fault(text)?;
                mixer.change(|ends| ends.fault = Some(fault));
                Ok(Value::Null)
            }
            _ => Err(RequestError::UnknownMethod(format!("audioMixer.{verb}"))),
        }
    }

    pub(super) fn audio_mixer(&self, id: AudioMixerId) -> Result<Arc<Mixer<AudioEnds>>, RequestError> {
        let found = self.audio_mixers.get(&id).map(|entry| Arc::clone(&entry.mixer));
        found.ok_or_else(|| RequestError::not_found("AudioMixer", id))
    }

    fn close_audio_mixer(&mut self, id: AudioMixerId) {
        let Some(entry) = self.audio_mixers.remove(&id) else { return };
        entry.written.values().for_each(|number| drop(self.written.remove(number)));
    }

    fn add_mixer_input(
        &mut self,
        id: AudioMixerId,
        mixer: &Arc<Mixer<AudioEnds>>,
        text: &str,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let input = parse::<OfInput>(text)?.input_id.uuid();
        let options = parse::<AudioMixerInputOptions>(text)?;
        let (source, gain) = (options.source()?, options.checked_gain()?.unwrap_or(1.0));
        mixer.change(|ends| ends.vacant_input(input))?;
        let (entrance, reply) = match source {
            AudioMixerInputSource::Producer(producer) => {
                let taken = Taken { kind: MediaKind::Audio, read: format_of, reason: UNHEARD };
                let (entrance, format) = self.mixer_entrance(mixer, producer, taken, now)?;
                (Entrance::Rtp(Box::new(entrance), format), Value::Null)
            }
            AudioMixerInputSource::Pcm { sample_rate, channels } => {
                let queue = Arc::new(PcmQueue::new(sample_rate, channels));
                let number = self.outlet.borrow().new_number();
                self.written.insert(number, Written::Sound(Arc::clone(&queue)));
                if let Some(entry) = self.audio_mixers.get_mut(&id) {
                    entry.written.insert(input, number);
                }
                (Entrance::Pcm(queue), json!({ "packetNumber": number }))
            }
        };
        mixer.change(|ends| ends.add_input(InputEnd::new(input, entrance, gain, options.muted.unwrap_or_default())));
        Ok(reply)
    }

    fn create_mixer_output(
        &mut self,
        mixer: &Arc<Mixer<AudioEnds>>,
        text: &str,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let id = parse::<OfOutput>(text)?.output_id.uuid();
        if parse::<Value>(text)?.get("pcm").is_some() {
            let Read { pcm, exclude } = parse::<Read>(text)?;
            let (sample_rate, channels) = pcm.into_checked().map_err(|error| error.within("pcm"))?;
            let exclude = uuids(&exclude);
            mixer.change(|ends| ends.vacant_output(id, &exclude))?;
            let number = self.outlet.borrow().new_number();
            let format = OutputFormat::Pcm { sample_rate, channels };
            mixer.change(|ends| ends.add_output(OutputEnd::new(id, format, exclude, Exit::Pcm(number))));
            return Ok(json!({ "packetNumber": number }));
        }
        let options = parse::<AudioMixerOutputOptions>(text)?;
        let settings = options.checked()?;
        let exclude = uuids(options.exclude.as_deref().unwrap_or_default());
        mixer.change(|ends| ends.vacant_output(id, &exclude))?;
        let published = parse::<Published>(text)?;
        let codec = self.output_codec(published.router_id, settings)?;
        let made = Made { kind: MediaKind::Audio, codec, encodings: 1 };
        let (exit, mut reply) = self.mixer_exit(mixer, &published, made, now)?;
        let AudioMixerOutputSettings { codec, channels, bitrate, complexity, in_band_fec } = settings;
        let format = AudioFormat { codec: codec_of(codec), channels };
        let format = OutputFormat::Encoded { format, bitrate, complexity, in_band_fec };
        let output = OutputEnd::new(id, format, exclude, Exit::Rtp(Box::new(exit)));
        let passes = parse::<Passing>(text)?.pass_through;
        reply["passesThrough"] = json!(mixer.change(|ends| {
            ends.add_output(output);
            passes && ends.pass()
        }));
        // Its thread may wait for a tick that passing on has not.
        mixer.ring();
        Ok(reply)
    }

    /// The codec of an output as its router numbers it.
    fn output_codec(
        &self,
        router: RouterId,
        settings: AudioMixerOutputSettings,
    ) -> Result<RtpCodecParameters, RequestError> {
        let mut codec = self.mixer_codec(router, settings.codec.mime_type())?;
        if settings.codec == AudioMixerCodec::Opus {
            // What is sent, for whoever negotiates (RFC 7587 §6.1).
            codec.parameters.set("sprop-stereo", u32::from(settings.channels == 2));
            codec.parameters.set("useinbandfec", u32::from(settings.in_band_fec));
        }
        Ok(codec)
    }
}

fn codec_of(codec: AudioMixerCodec) -> AudioCodec {
    match codec {
        AudioMixerCodec::Opus => AudioCodec::Opus,
        AudioMixerCodec::Pcmu => AudioCodec::Pcmu,
        AudioMixerCodec::Pcma => AudioCodec::Pcma,
        AudioMixerCodec::G722 => AudioCodec::G722,
    }
}

fn uuids(ids: &[AudioMixerInputId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.uuid()).collect()
}
