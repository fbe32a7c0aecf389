//! Mixers of video: options and statistics.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::audio_mixer::MixerIsolation;
use crate::error::ModelError;
use crate::id::{AudioMixerId, AudioMixerInputId, ProducerId, VideoMixerInputId, VideoMixerOutputId};

/// Encodings of one output at most, as viewers' lines differ: no more than a producer has streams. More are refused.
pub const OUTPUT_ENCODINGS_MAX: usize = 4;

/// Size of a mix unless it is given, as OWT has it.
const SIZE_DEFAULT: (u32, u32) = (640, 480);

/// Pictures a second of a mix unless it is given.
const FRAME_RATE_DEFAULT: u32 = 30;

/// Inputs that a template shows unless it is given, as OWT has it.
const SHOWN_DEFAULT: u16 = 16;

/// Seconds between key frames at most unless it is given, as OWT has it.
const KEY_FRAME_INTERVAL_DEFAULT: f64 = 100.0;

/// Longest time between key frames that can be asked for, in seconds: a day. A longer one is refused.
const KEY_FRAME_INTERVAL_LONGEST: f64 = 86_400.0;

/// How a picture fills a region of another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum VideoFit {
    /// All of it is seen, between bars of the background.
    Letterbox,
    /// It fills the region, and what is too much is cut off on both sides.
    Crop,
}

/// Layouts that a mixer chooses from by the number of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum VideoLayoutTemplate {
    /// Grids of 1, 4, 9, 16 … equal regions.
    Fluid,
    /// One large region, the others at its right and below.
    Lecture,
    /// None but those that are given.
    Void,
}

/// A rectangle in parts of a canvas: two whole numbers with a slash between, such as `1/3`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct VideoArea {
    /// From the left edge, below 1.
    pub left: String,
    /// From the upper edge, below 1.
    pub top: String,
    /// Above 0; what reaches beyond the canvas is cut off.
    pub width: String,
    /// Above 0; what reaches beyond the canvas is cut off.
    pub height: String,
}

/// A place for an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct VideoRegion {
    /// Its name, 1 to 64 bytes, another for each region of a layout.
    pub id: String,
    /// Where it is. Offsets and sizes in samples are rounded down to even numbers.
    pub area: VideoArea,
    /// How pictures fill it. Default: as the mixer says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<VideoFit>,
    /// Regions with higher numbers lie above those with lower ones. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub z: Option<i32>,
}

/// How inputs are arranged: either by a template, or in regions that are given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct VideoLayout {
    /// The smallest layout with a region for each input is shown. Default: `fluid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<VideoLayoutTemplate>,
    /// More layouts for a template, at most 64; one with as many regions as one of the template's takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom: Option<Vec<Vec<VideoRegion>>>,
    /// These regions, however many inputs there are; at most 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<Vec<VideoRegion>>,
}

/// Options of `worker.createVideoMixer()`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct VideoMixerOptions {
    /// Columns of the mix, 16 to 1920. Default: 640.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Rows of the mix, 16 to 1080; or up to 1920 where the width is up to 1080. Default: 480.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Pictures a second, 6 to 60. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<u32>,
    /// How inputs are arranged. Default: the template `fluid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<VideoLayout>,
    /// Inputs that a template shows, 1 to 64; the others wait until one leaves. Default: 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_shown: Option<u16>,
    /// Colour where no input is, as `#rrggbb`. Default: black.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<String>,
    /// How pictures fill regions that do not say it. Default: `letterbox`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<VideoFit>,
    /// Whether a single input that fills the whole picture, in the codec, size and about the bitrate of an output, is handed
    /// on instead of encoded anew. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_through: Option<bool>,
    /// Where it decodes, composes and encodes: on a thread of this process, or in a process of its own, so that a fault in a codec
    /// ends that process and nothing else. Default: `thread`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<MixerIsolation>,
}

/// Options of a mixer, checked but for what only its core knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoMixerSettings {
    /// Columns and rows.
    pub size: (u32, u32),
    /// Pictures a second.
    pub frame_rate: u32,
    /// How inputs are arranged.
    pub layout: VideoLayout,
    /// Inputs that a template shows.
    pub max_shown: usize,
    /// Colour where no input is.
    pub background: Option<String>,
    /// How pictures fill regions.
    pub fit: VideoFit,
    /// See the option.
    pub pass_through: bool,
}

impl VideoMixerOptions {
    /// Checks the options; sizes, layout and colour are for the mixer's core to check.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] that names the option.
    pub fn into_settings(self) -> Result<VideoMixerSettings, ModelError> {
        let max_shown = self.max_shown.unwrap_or(SHOWN_DEFAULT);
        if !(1..=64).contains(&max_shown) {
            return Err(ModelError::invalid("maxShown", format!("expected 1 to 64, got {max_shown}")));
        }
        Ok(VideoMixerSettings {
            size: (self.width.unwrap_or(SIZE_DEFAULT.0), self.height.unwrap_or(SIZE_DEFAULT.1)),
            frame_rate: self.frame_rate.unwrap_or(FRAME_RATE_DEFAULT),
            layout: self.layout.unwrap_or_default(),
            max_shown: usize::from(max_shown),
            background: self.background,
            fit: self.fit.unwrap_or(VideoFit::Letterbox),
            pass_through: self.pass_through.unwrap_or(true),
        })
    }
}

/// An input of an AudioMixer of the same Worker, by which an input of a VideoMixer is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VideoMixerVoice {
    /// The mixer.
    pub audio_mixer_id: AudioMixerId,
    /// Its input.
    pub input_id: AudioMixerInputId,
}

/// What an input of a mixer brings, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct VideoMixerInputOptions {
    /// A Producer of video, of any Router of the Worker. Either this or `pictures`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producer_id: Option<ProducerId>,
    /// Whether the application writes the pictures. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures: Option<bool>,
    /// A name that is written into its tile, and on its card while it has no picture; at most 256 bytes. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether its avatar is shown, and it is not decoded. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// Its publisher's sound in the mix of an AudioMixer, with which its pictures are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice: Option<VideoMixerVoice>,
}

/// Longest label of an input and longest caption, in bytes. A longer one is refused.
pub const VIDEO_TEXT_BYTES_MAX: usize = 256;

impl VideoMixerInputOptions {
    /// The producer; `None` where the application writes.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] unless exactly one of `producerId` and `pictures` is given.
    pub fn source(&self) -> Result<Option<ProducerId>, ModelError> {
        match (self.producer_id, self.pictures.unwrap_or_default()) {
            (Some(producer), false) => Ok(Some(producer)),
            (None, true) => Ok(None),
            _ => Err(ModelError::invalid("producerId", "expected either producerId or pictures: true")),
        }
    }

    /// The label.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] when it is too long.
    pub fn checked_label(&self) -> Result<Option<&str>, ModelError> {
        checked_text("label", self.label.as_deref())
    }
}

fn checked_text<'a>(name: &'static str, text: Option<&'a str>) -> Result<Option<&'a str>, ModelError> {
    match text {
        Some(text) if text.len() > VIDEO_TEXT_BYTES_MAX => {
            let reason = format!("expected at most {VIDEO_TEXT_BYTES_MAX} bytes, got {}", text.len());
            Err(ModelError::invalid(name, reason))
        }
        text => Ok(text),
    }
}

/// Codec of a mixer's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum VideoMixerCodec {
    /// VP8 (RFC 7741).
    Vp8,
    /// VP9 (RFC 9628).
    Vp9,
    /// H.264 (RFC 6184), constrained baseline profile.
    H264,
    /// AV1.
    Av1,
}

impl VideoMixerCodec {
    /// Its media type.
    pub const fn mime_type(self) -> &'static str {
        match self {
            Self::Vp8 => "video/VP8",
            Self::Vp9 => "video/VP9",
            Self::H264 => "video/H264",
            Self::Av1 => "video/AV1",
        }
    }
}

/// One encoding of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct VideoMixerEncoding {
    /// Columns, 16 to 4096. Default: the mix's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Rows, 16 to 2304. Default: the mix's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Pictures a second, 1 to the mix's. Default: the mix's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<u32>,
    /// Bits a second, 10000 to 100000000. Default: by codec, size and rate, as OWT has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
}

/// What an output of a mixer carries, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct VideoMixerOutputOptions {
    /// Codec, which the Router must have.
    pub codec: VideoMixerCodec,
    /// Its only encoding.
    #[serde(flatten)]
    pub encoding: VideoMixerEncoding,
    /// Several encodings instead of one, the smallest first, 2 to 4: a simulcast Producer for viewers of different lines.
    /// Those that nobody takes are not encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encodings: Option<Vec<VideoMixerEncoding>>,
    /// Longest time from one key frame to the next, in seconds, from 1 on. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_frame_interval: Option<f64>,
}

impl VideoMixerOutputOptions {
    /// The encodings, and the longest time between key frames in seconds.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] that names the option.
    pub fn checked(&self) -> Result<(Vec<VideoMixerEncoding>, f64), ModelError> {
        let interval = self.key_frame_interval.unwrap_or(KEY_FRAME_INTERVAL_DEFAULT);
        if !(1.0..=KEY_FRAME_INTERVAL_LONGEST).contains(&interval) {
            return Err(ModelError::invalid("keyFrameInterval", format!("expected 1 to 86400, got {interval}")));
        }
        let Some(encodings) = &self.encodings else { return Ok((vec![self.encoding], interval)) };
        if self.encoding != VideoMixerEncoding::default() {
            return Err(ModelError::invalid("encodings", "give sizes, rates and bitrates within the encodings"));
        }
        match encodings.len() {
            2..=OUTPUT_ENCODINGS_MAX => Ok((encodings.clone(), interval)),
            other => {
                Err(ModelError::invalid("encodings", format!("expected 2 to {OUTPUT_ENCODINGS_MAX}, got {other}")))
            }
        }
    }
}

/// Where a caption stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum VideoCaptionPlace {
    /// At the upper edge, on the left.
    TopLeft,
    /// At the upper edge, in the middle.
    Top,
    /// At the upper edge, on the right.
    TopRight,
    /// In the middle.
    Centre,
    /// At the lower edge, on the left.
    BottomLeft,
    /// At the lower edge, in the middle.
    #[default]
    Bottom,
    /// At the lower edge, on the right.
    BottomRight,
}

/// A text over the picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct VideoCaption {
    /// What it says, at most 256 bytes; lines are parted by `\n`.
    pub text: String,
    /// Where it stands. Default: `bottom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<VideoCaptionPlace>,
}

impl VideoCaption {
    /// Its text.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] when it is too long.
    pub fn checked_text(&self) -> Result<&str, ModelError> {
        checked_text("text", Some(&self.text)).map(Option::unwrap_or_default)
    }
}

/// A region of a picture, and who stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VideoTile {
    /// Id of the region.
    pub region: String,
    /// Columns left of it.
    pub left: u32,
    /// Rows above it.
    pub top: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Who stands in it; `null` while it is empty.
    pub input_id: Option<VideoMixerInputId>,
}

/// How far a mixer gives way because there is not enough time. Each step is taken beside those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum VideoMixerPressure {
    /// Everything is as it was asked for.
    #[default]
    None,
    /// Every other picture is left out.
    HalfRate,
    /// Encoders spend the least work that they know.
    Hurried,
    /// Encoded pictures are half as wide and high.
    HalfSize,
}

/// Statistics of a mixer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VideoMixerStats {
    /// Id of the process that composes: this one, or with `isolation: 'process'` the mixer's own.
    pub pid: u32,
    /// Part of its time that the mixer works, 0 to 1 and beyond, averaged over some ticks.
    pub load: f32,
    /// Ticks at which a picture was composed or passed through since the mixer was made, or made anew.
    #[ts(type = "number")]
    pub ticks: u64,
    /// Ticks that were left out because the mixer came too late.
    #[ts(type = "number")]
    pub missed_ticks: u64,
    /// Ticks that were left out because nobody took anything.
    #[ts(type = "number")]
    pub idle_ticks: u64,
    /// Frames that were encoded.
    #[ts(type = "number")]
    pub encoded: u64,
    /// How far it gives way.
    pub pressure: VideoMixerPressure,
    /// How often the mixer was made anew after a fault.
    pub restarts: u32,
    /// Encoders in use.
    pub encoders: u32,
    /// Its inputs.
    pub inputs: Vec<VideoMixerInputStats>,
    /// Its outputs.
    pub outputs: Vec<VideoMixerOutputStats>,
}

/// Statistics of an input of a mixer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VideoMixerInputStats {
    /// The input.
    pub input_id: VideoMixerInputId,
    /// Frames that came.
    #[ts(type = "number")]
    pub frames: u64,
    /// Pictures that were decoded, or written.
    #[ts(type = "number")]
    pub decoded: u64,
    /// Frames that the decoder refused.
    #[ts(type = "number")]
    pub failed: u64,
    /// Frames that were not decoded because nobody sees the input.
    #[ts(type = "number")]
    pub unseen: u64,
    /// Packets, frames or pictures that were dropped because too many waited.
    #[ts(type = "number")]
    pub dropped: u64,
    /// Times that it stood still because decoding it had taken more than its share of the time.
    #[ts(type = "number")]
    pub overspent: u64,
    /// Times that its last picture stood still because of a frame that did not decode or those that cost too much.
    #[ts(type = "number")]
    pub freezes: u64,
    /// Whether it stands still.
    pub frozen: bool,
    /// Whether its avatar is shown.
    pub avatar: bool,
    /// Columns of its last picture; 0 before the first.
    pub width: u32,
    /// Rows of its last picture; 0 before the first.
    pub height: u32,
    /// The publisher's spatial layer that comes; `null` where there are none to choose from.
    pub spatial_layer: Option<u8>,
    /// How much later than its sound its last frame came, in ms.
    pub late: f32,
}

/// Statistics of an output of a mixer, or of one of its encodings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VideoMixerOutputStats {
    /// The output.
    pub output_id: VideoMixerOutputId,
    /// Which of its encodings, from 0.
    pub encoding: u8,
    /// Whether somebody takes it.
    pub taken: bool,
    /// Frames that its encoder made, or that were passed through.
    #[ts(type = "number")]
    pub frames: u64,
    /// Key frames among them.
    #[ts(type = "number")]
    pub key_frames: u64,
    /// Bytes of them.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Frames that its encoder refused to make, or left out.
    #[ts(type = "number")]
    pub failed: u64,
    /// Frames that were passed through.
    #[ts(type = "number")]
    pub passed: u64,
    /// How long its last frame took to encode, in µs; 0 for pictures.
    pub encode_time: u32,
    /// How many outputs share its encoder, itself counted.
    pub shared_by: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn options_have_the_defaults_of_owt() {
        let settings = parse::<VideoMixerOptions>("{}").unwrap().into_settings().unwrap();
        assert_eq!((settings.size, settings.frame_rate, settings.max_shown), ((640, 480), 30, 16));
        for wrong in [r#"{"maxShown":0}"#, r#"{"maxShown":65}"#] {
            assert!(parse::<VideoMixerOptions>(wrong).unwrap().into_settings().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_input_is_a_producer_or_written_and_never_both() {
        let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        let source = |text: &str| parse::<VideoMixerInputOptions>(text).unwrap().source();
        assert!(matches!(source(&format!(r#"{{"producerId":"{id}"}}"#)), Ok(Some(_))));
        assert_eq!(source(r#"{"pictures":true}"#), Ok(None));
        assert!(source("{}").is_err());
        assert!(source(&format!(r#"{{"producerId":"{id}","pictures":true}}"#)).is_err());
        let long = format!(r#"{{"label":"{}"}}"#, "a".repeat(257));
        assert!(parse::<VideoMixerInputOptions>(&long).unwrap().checked_label().is_err());
    }

    #[test]
    fn an_output_has_one_encoding_or_several() {
        let checked = |text: &str| parse::<VideoMixerOutputOptions>(text).unwrap().checked();
        let (encodings, interval) = checked(r#"{"codec":"vp8","width":320,"height":180}"#).unwrap();
        assert_eq!((encodings.len(), encodings[0].width, interval), (1, Some(320), 100.0));
        assert_eq!(checked(r#"{"codec":"vp8","encodings":[{},{"width":320,"height":180}]}"#).unwrap().0.len(), 2);
        for wrong in [
            r#"{"codec":"vp8","encodings":[{}]}"#,
            r#"{"codec":"vp8","width":320,"encodings":[{},{}]}"#,
            r#"{"codec":"vp8","keyFrameInterval":0.5}"#,
        ] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
        assert!(parse::<VideoMixerOutputOptions>(r#"{"codec":"theora"}"#).is_err());
    }
}
