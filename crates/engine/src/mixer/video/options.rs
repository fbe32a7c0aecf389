//! Options of mixers of pictures as requests have them, and as the core takes them.

use std::time::Duration;

use millrace_frames::{PictureSize, VideoCodec};
use millrace_mixer::video::compose::Place;
use millrace_mixer::video::layout::{Area, Arrangement, Fit, LayoutError, Region, Template};
use millrace_mixer::video::{Colour, OutputOptions, VideoMixerOptions as CoreOptions};
use millrace_model::{
    ModelError, VideoArea, VideoCaptionPlace, VideoFit, VideoLayout, VideoLayoutTemplate, VideoMixerCodec,
    VideoMixerEncoding, VideoMixerOptions, VideoRegion,
};

use crate::error::RequestError;

/// What a core is made with.
///
/// # Errors
/// [`ModelError::Invalid`] that names the option; sizes and rates are for the core to check.
pub(crate) fn core_options(options: VideoMixerOptions) -> Result<CoreOptions, RequestError> {
    let settings = options.into_settings()?;
    let background = settings.background.as_deref().map(str::parse::<Colour>).transpose();
    let background = background.map_err(|error| ModelError::invalid("background", error.to_string()))?;
    let (width, height) = settings.size;
    Ok(CoreOptions {
        size: PictureSize { width, height },
        frame_rate: settings.frame_rate,
        arrangement: arrangement(settings.layout)?,
        shown_max: settings.max_shown,
        background: background.unwrap_or(Colour::BLACK),
        fit: fit(settings.fit),
        pass_through: settings.pass_through,
    })
}

/// How inputs are arranged.
///
/// # Errors
/// [`ModelError::Invalid`] of `layout`.
pub(crate) fn arrangement(layout: VideoLayout) -> Result<Arrangement, RequestError> {
    let VideoLayout { template, custom, regions: wanted } = layout;
    let invalid = |reason: &str| RequestError::from(ModelError::invalid("layout", reason));
    if let Some(wanted) = wanted {
        if template.is_some() || custom.is_some() {
            return Err(invalid("expected either a template, or regions"));
        }
        return Ok(Arrangement::Regions(regions(&wanted)?));
    }
    let template = match template.unwrap_or(VideoLayoutTemplate::Fluid) {
        VideoLayoutTemplate::Fluid => Template::Fluid,
        VideoLayoutTemplate::Lecture => Template::Lecture,
        VideoLayoutTemplate::Void => Template::Void,
    };
    let custom = custom.unwrap_or_default().iter().map(|wanted| regions(wanted)).collect::<Result<_, _>>()?;
    Ok(Arrangement::Template { template, custom })
}

fn regions(wanted: &[VideoRegion]) -> Result<Vec<Region>, RequestError> {
    let region = |wanted: &VideoRegion| -> Result<Region, LayoutError> {
        let VideoArea { left, top, width, height } = &wanted.area;
        let area = Area { left: left.parse()?, top: top.parse()?, width: width.parse()?, height: height.parse()? };
        let mut region = Region::new(&wanted.id, area)?;
        (region.fit, region.z) = (wanted.fit.map(fit), wanted.z.unwrap_or_default());
        Ok(region)
    };
    wanted.iter().map(region).collect::<Result<_, _>>().map_err(|error| bad_layout("layout", &error))
}

/// Where a caption stands.
pub(super) const fn place(place: VideoCaptionPlace) -> Place {
    match place {
        VideoCaptionPlace::TopLeft => Place::TopLeft,
        VideoCaptionPlace::Top => Place::Top,
        VideoCaptionPlace::TopRight => Place::TopRight,
        VideoCaptionPlace::Centre => Place::Centre,
        VideoCaptionPlace::BottomLeft => Place::BottomLeft,
        VideoCaptionPlace::Bottom => Place::Bottom,
        VideoCaptionPlace::BottomRight => Place::BottomRight,
    }
}

const fn fit(fit: VideoFit) -> Fit {
    match fit {
        VideoFit::Letterbox => Fit::Letterbox,
        VideoFit::Crop => Fit::Crop,
    }
}

/// A codec as the core names it.
pub(crate) const fn core_codec(codec: VideoMixerCodec) -> VideoCodec {
    match codec {
        VideoMixerCodec::Vp8 => VideoCodec::Vp8,
        VideoMixerCodec::Vp9 => VideoCodec::Vp9,
        VideoMixerCodec::H264 => VideoCodec::H264,
        VideoMixerCodec::Av1 => VideoCodec::Av1,
    }
}

/// A codec as requests name it.
pub(super) const fn model_codec(codec: VideoCodec) -> VideoMixerCodec {
    match codec {
        VideoCodec::Vp8 => VideoMixerCodec::Vp8,
        VideoCodec::Vp9 => VideoMixerCodec::Vp9,
        VideoCodec::H264 => VideoMixerCodec::H264,
        VideoCodec::Av1 => VideoMixerCodec::Av1,
    }
}

/// What an output carries. Sizes of which only one side is given are refused by [`OutputOptions::check`].
pub(crate) fn output_options(
    codec: Option<VideoCodec>,
    wanted: &VideoMixerEncoding,
    interval: Option<Duration>,
) -> OutputOptions {
    let VideoMixerEncoding { width, height, frame_rate, bitrate } = *wanted;
    let size = (width.is_some() || height.is_some())
        .then(|| PictureSize { width: width.unwrap_or_default(), height: height.unwrap_or_default() });
    let defaults = OutputOptions::raw();
    let key_frame_interval = interval.unwrap_or(defaults.key_frame_interval);
    OutputOptions { codec, size, frame_rate, bitrate, key_frame_interval }
}

/// A refusal of a layout as that of a request.
pub(crate) fn bad_layout(option: &'static str, error: &LayoutError) -> RequestError {
    ModelError::invalid(option, error.to_string()).into()
}
