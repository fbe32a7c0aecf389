//! Video mixers: what requests make of them. Their threads are in [`mixer`](crate::mixer).

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_mixer::video::VideoMixerError;
use millrace_mixer::video::compose::CAPTIONS_MAX;
use millrace_model::{
    MediaKind, ModelError, VideoCaption, VideoLayout, VideoMixerEncoding, VideoMixerId, VideoMixerInputId,
    VideoMixerInputOptions, VideoMixerOptions, VideoMixerOutputId, VideoMixerOutputOptions, VideoMixerVoice, parse,
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
use crate::mixer::video::{
    PictureQueue, PixelFormat, VideoEnds, VideoEntrance, VideoExit, VideoInputEnd, VideoOutputEnd, VideoSetup, Voice,
    arrangement, bad_layout, codec_of, core_codec, core_options, output_options,
};

/// What is said of a producer whose pictures cannot be decoded.
const UNSEEN: &str = "its codec is none of VP8, VP9, H.264 and AV1";

/// Video mixers of one worker at most. One more is refused.
pub(super) const VIDEO_MIXERS_MAX: usize = 256;

/// One mixer. Letting go of it closes it.
pub(super) struct VideoMixerEntry {
    mixer: Arc<Mixer<VideoEnds>>,
    /// Under which number the application writes its background.
    background: u32,
    /// Under which numbers it writes inputs and their avatars.
    written: FxHashMap<Uuid, u32>,
}

impl VideoMixerEntry {
    /// A process of its own does the work.
    pub(super) fn is_isolated(&self) -> bool {
        self.mixer.setup.options.program.is_some()
    }
}

impl Drop for VideoMixerEntry {
    fn drop(&mut self) {
        self.mixer.close();
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfMixer {
    video_mixer_id: VideoMixerId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfInput {
    input_id: VideoMixerInputId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfOutput {
    output_id: VideoMixerOutputId,
}

/// Of a transcoder: whether the canvas takes the size of its input.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Following {
    #[serde(default)]
    follows_input: bool,
}

/// Of a transcoder: whether packets may leave as they are where nothing differs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Passing {
    #[serde(default)]
    pass_through: bool,
}

#[derive(Deserialize)]
struct Arranged {
    layout: VideoLayout,
}

/// Where an input is to stand; without a region in the first one.
#[derive(Deserialize)]
struct Placed {
    region: Option<String>,
}

#[derive(Deserialize)]
struct Captions {
    captions: Vec<VideoCaption>,
}

/// An output of pictures for the application.
#[derive(Deserialize)]
struct Read {
    pictures: Pictures,
}

#[derive(Deserialize)]
struct Pictures {
    format: Format,
    #[serde(flatten)]
    encoding: VideoMixerEncoding,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    I420,
    Rgba,
}

type Answer = Result<Value, RequestError>;
type Shared = Arc<Mixer<VideoEnds>>;

impl Plane {
    pub(super) fn create_video_mixer(&mut self, text: &str) -> Answer {
        let id = parse::<OfMixer>(text)?.video_mixer_id;
        let wanted = parse::<VideoMixerOptions>(text)?;
        let options = core_options(wanted.clone())?;
        let layout = options.layout().map_err(|error| refused("layout", &error))?;
        if self.video_mixers.contains_key(&id) {
            return Err(RequestError::duplicate("VideoMixer", id));
        }
        if self.video_mixers.len() >= VIDEO_MIXERS_MAX {
            return Err(RequestError::Limit(format!("a worker has at most {VIDEO_MIXERS_MAX} video mixers")));
        }
        let program = self.mixer_program(wanted.isolation, text)?;
        let background = Arc::<PictureQueue>::default();
        let follows_input = parse::<Following>(text)?.follows_input;
        let setup = VideoSetup { options, layout, follows_input, background: Arc::clone(&background), wanted, program };
        let mixer = self.open_mixer(id.uuid(), setup)?;
        let number = self.outlet.borrow().new_number();
        self.written.insert(number, Written::Pictures(background));
        let entry = VideoMixerEntry { mixer, background: number, written: FxHashMap::default() };
        self.video_mixers.insert(id, entry);
        Ok(json!({ "packetNumber": number }))
    }

    pub(super) fn video_mixer_request(&mut self, verb: &str, text: &str, now: Instant) -> Answer {
        let id = parse::<OfMixer>(text)?.video_mixer_id;
        if verb == "close" {
            self.close_video_mixer(id);
            return Ok(Value::Null);
        }
        let Some(entry) = self.video_mixers.get(&id) else { return Err(RequestError::not_found("VideoMixer", id)) };
        let mixer = Arc::clone(&entry.mixer);
        match verb {
            "addInput" => self.add_video_input(id, &mixer, text, now),
            "createOutput" => self.create_video_output(&mixer, text, now),
            "updateInput" => {
                let wanted = parse::<VideoMixerInputOptions>(text)?;
                let label = wanted.checked_label()?.map(str::to_owned);
                let input = parse::<OfInput>(text)?.input_id.uuid();
                mixer.change(|ends| ends.update_input(input, label, wanted.muted))?;
                Ok(Value::Null)
            }
            "setLayout" => {
                let wanted = parse::<Arranged>(text)?.layout;
                let arrangement = arrangement(wanted.clone())?;
                let arranged = mixer.change(|ends| ends.arrange(arrangement, wanted).map(|()| ends.tiles()));
                json(arranged.map_err(|error| bad_layout("layout", &error))?)
            }
            "placeInput" => {
                let (input, placed) = (parse::<OfInput>(text)?.input_id.uuid(), parse::<Placed>(text)?);
                let done = mixer.change(|ends| ends.place(input, placed.region.as_deref()))?;
                done.map(|()| Value::Null).map_err(|error| bad_layout("region", &error))
            }
            "setCaptions" => {
                let captions = parse::<Captions>(text)?.captions;
                check_captions(&captions)?;
                mixer.change(|ends| ends.set_captions(captions));
                Ok(Value::Null)
            }
            "removeInput" => {
                let input = parse::<OfInput>(text)?.input_id.uuid();
                mixer.change(|ends| ends.remove_input(input));
                let number = self.video_mixers.get_mut(&id).and_then(|entry| entry.written.remove(&input));
                number.map(|number| self.written.remove(&number));
                Ok(Value::Null)
            }
            "closeOutput" => {
                let output = parse::<OfOutput>(text)?.output_id.uuid();
                mixer.change(|ends| ends.remove_output(output));
                Ok(Value::Null)
            }
            "getTiles" => json(mixer.change(|ends| ends.tiles())),
            "getStats" => json(mixer.change(|ends| ends.stats())),
            #[cfg(debug_assertions)]
            "fail" => {
                let fault = super::mixers::fault(text)?;
                mixer.change(|ends| ends.fault = Some(fault));
                Ok(Value::Null)
            }
            _ => Err(RequestError::UnknownMethod(format!("videoMixer.{verb}"))),
        }
    }

    fn close_video_mixer(&mut self, id: VideoMixerId) {
        let Some(entry) = self.video_mixers.remove(&id) else { return };
        self.written.remove(&entry.background);
        entry.written.values().for_each(|number| drop(self.written.remove(number)));
    }

    fn add_video_input(&mut self, id: VideoMixerId, mixer: &Shared, text: &str, now: Instant) -> Answer {
        let input = parse::<OfInput>(text)?.input_id.uuid();
        let options = parse::<VideoMixerInputOptions>(text)?;
        let (source, label) = (options.source()?, options.checked_label()?.unwrap_or_default().to_owned());
        let voice = options.voice.map(|voice| self.voice(voice)).transpose()?;
        mixer.change(|ends| ends.vacant_input(input))?;
        let entrance = source.map(|producer| {
            let taken = Taken { kind: MediaKind::Video, read: codec_of, reason: UNSEEN };
            let (entrance, codec) = self.mixer_entrance(mixer, producer, taken, now)?;
            Ok::<_, RequestError>(VideoEntrance::new(entrance, codec))
        });
        let entrance = entrance.transpose()?;
        let queue = Arc::<PictureQueue>::default();
        let number = self.outlet.borrow().new_number();
        self.written.insert(number, Written::Pictures(Arc::clone(&queue)));
        if let Some(entry) = self.video_mixers.get_mut(&id) {
            entry.written.insert(input, number);
        }
        let end = VideoInputEnd::new(input, entrance, queue, label, options.muted.unwrap_or_default());
        mixer.change(|ends| ends.add_input(end.with_voice(voice)));
        Ok(json!({ "packetNumber": number }))
    }

    fn voice(&self, voice: VideoMixerVoice) -> Result<Voice, RequestError> {
        let VideoMixerVoice { audio_mixer_id, input_id } = voice;
        let mixer = self.audio_mixer(audio_mixer_id)?;
        if !mixer.change(|ends| ends.has_input(input_id.uuid())) {
            return Err(RequestError::not_found("AudioMixerInput", input_id));
        }
        Ok(Voice { mixer: Arc::downgrade(&mixer), input: input_id.uuid() })
    }

    fn create_video_output(&mut self, mixer: &Shared, text: &str, now: Instant) -> Answer {
        let id = parse::<OfOutput>(text)?.output_id.uuid();
        let mix = &mixer.setup.options.options;
        if parse::<Value>(text)?.get("pictures").is_some() {
            let Read { pictures: Pictures { format, encoding } } = parse::<Read>(text)?;
            let options = output_options(None, &encoding, None);
            options.check(mix).map_err(|error| refused("pictures", &error))?;
            mixer.change(|ends| ends.vacant_output(id, 1))?;
            let number = self.outlet.borrow().new_number();
            let format = match format {
                Format::I420 => PixelFormat::I420,
                Format::Rgba => PixelFormat::Rgba,
            };
            let exit = VideoExit::Pictures(number, format);
            mixer.change(|ends| ends.add_output(VideoOutputEnd::new(id, [options], exit)));
            return Ok(json!({ "packetNumber": number }));
        }
        let wanted = parse::<VideoMixerOutputOptions>(text)?;
        let (encodings, interval) = wanted.checked()?;
        let codec = core_codec(wanted.codec);
        let options = |encoding| output_options(Some(codec), encoding, Some(Duration::from_secs_f64(interval)));
        let encodings: Vec<_> = encodings.iter().map(options).collect();
        for options in &encodings {
            options.check(mix).map_err(|error| refused("encoding", &error))?;
        }
        mixer.change(|ends| ends.vacant_output(id, encodings.len()))?;
        let published = parse::<Published>(text)?;
        let codec_parameters = self.mixer_codec(published.router_id, wanted.codec.mime_type())?;
        let made = Made { kind: MediaKind::Video, codec: codec_parameters, encodings: encodings.len() };
        let (exit, mut reply) = self.mixer_exit(mixer, &published, made, now)?;
        let output = VideoOutputEnd::new(id, encodings, VideoExit::Rtp(Box::new(exit)));
        let passes = parse::<Passing>(text)?.pass_through;
        reply["passesThrough"] = json!(mixer.change(|ends| {
            ends.add_output(output);
            passes && ends.pass(codec)
        }));
        // Its thread may wait for a tick that passing on has not.
        mixer.ring();
        Ok(reply)
    }
}

fn check_captions(captions: &[VideoCaption]) -> Result<(), RequestError> {
    if captions.len() > CAPTIONS_MAX {
        return Err(RequestError::Limit(format!("a VideoMixer has at most {CAPTIONS_MAX} captions")));
    }
    captions.iter().try_for_each(|caption| Ok(caption.checked_text().map(drop)?))
}

/// A mixer's refusal as that of a request.
fn refused(option: &'static str, error: &VideoMixerError) -> RequestError {
    match error {
        VideoMixerError::BadValue("size") => {
            ModelError::invalid("width", "expected 16 to 1920 by 16 to 1080, or turned; 4096 by 2304 for an output")
        }
        VideoMixerError::BadValue("frame_rate") => {
            ModelError::invalid("frameRate", "expected 6 to 60, for an output 1 to the mix's")
        }
        VideoMixerError::BadValue("bitrate") => ModelError::invalid("bitrate", "expected 10000 to 100000000"),
        VideoMixerError::Codec(error) => ModelError::unsupported("codec", error.to_string()),
        VideoMixerError::Layout(error) => return bad_layout(option, error),
        other => ModelError::invalid(option, other.to_string()),
    }
    .into()
}
