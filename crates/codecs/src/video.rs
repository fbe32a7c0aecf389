//! What the video codecs share: how an encoder is set, its clock, and pictures that C lends.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::slice;
use std::time::Duration;

use millrace_frames::{EncodeError, PictureSize, PictureView};

/// Smallest side of a picture that is encoded, in samples.
pub const ENCODED_SIDE_MIN: u32 = 16;

/// Ticks a second of the clock that RTP has for video, in Hz.
const CLOCK_RATE: u32 = 90_000;

/// What the pictures show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VideoContent {
    /// People and rooms.
    #[default]
    Camera,
    /// Text and windows: sharper, and still for the most part.
    Screen,
}

/// How a video encoder starts.
#[derive(Clone, Copy, Debug)]
pub struct VideoSettings {
    /// Size of the pictures; sides from [`ENCODED_SIDE_MIN`] up to [`PictureSize::DEFAULT_MAX`], even ones for H.264.
    pub size: PictureSize,
    /// Bits a second, 10,000 at least.
    pub bitrate: u32,
    /// Pictures a second, 1 to 120.
    pub frame_rate: f32,
    /// What they show.
    pub content: VideoContent,
}

/// What every encoder keeps of its settings, always in range, and the time of its last frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) settings: VideoSettings,
    /// The least work is spent on each frame.
    pub(crate) hurried: bool,
    last_ticks: Option<i64>,
}

impl Rate {
    pub(crate) fn new(settings: VideoSettings) -> Result<Self, EncodeError> {
        check_size(settings.size)?;
        check_frame_rate(settings.frame_rate)?;
        let settings = VideoSettings { bitrate: check_bitrate(settings.bitrate)?, ..settings };
        Ok(Self { settings, hurried: false, last_ticks: None })
    }

    pub(crate) fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), EncodeError> {
        self.settings.bitrate = check_bitrate(bits_per_second)?;
        Ok(())
    }

    pub(crate) fn set_frame_rate(&mut self, frames_per_second: f32) -> Result<(), EncodeError> {
        check_frame_rate(frames_per_second)?;
        self.settings.frame_rate = frames_per_second;
        Ok(())
    }

    pub(crate) fn kilobits(&self) -> u32 {
        self.settings.bitrate / 1000
    }

    /// Largest key frame in percent of an average one: half of the 600 ms that a receiver buffers, as WebRTC has it.
    pub(crate) fn key_frame_percent_max(&self) -> u32 {
        // At most 120 frames a second, so at most 3600.
        ((600.0 * 0.5 * self.settings.frame_rate / 10.0) as u32).max(300)
    }

    /// How long a frame lasts, in ticks of 90 kHz.
    pub(crate) fn frame_ticks(&self) -> u32 {
        // At least one frame a second, so at most 90,000.
        (CLOCK_RATE as f32 / self.settings.frame_rate) as u32
    }

    /// The time of a frame in ticks of 90 kHz, after all before it: encoders refuse a time twice.
    pub(crate) fn ticks(&mut self, at: Duration) -> i64 {
        let ticks = at.as_nanos() * u128::from(CLOCK_RATE) / 1_000_000_000;
        let ticks = i64::try_from(ticks).unwrap_or(i64::MAX / 2);
        let ticks = self.last_ticks.map_or(ticks, |last| ticks.max(last + 1));
        self.last_ticks = Some(ticks);
        ticks
    }

    /// Refuses a picture of another size than the encoder's.
    pub(crate) fn check(&self, picture: &PictureView<'_>) -> Result<(), EncodeError> {
        let size = PictureSize { width: picture.width, height: picture.height };
        // The fields of a view are public: planes that are too short would be read past their end.
        let whole = PictureView::new(picture.width, picture.height, picture.planes, picture.strides);
        if size == self.settings.size && whole.is_some() { Ok(()) } else { Err(EncodeError::BadInput) }
    }
}

pub(crate) fn check_size(size: PictureSize) -> Result<(), EncodeError> {
    let large_enough = size.width.min(size.height) >= ENCODED_SIDE_MIN;
    if large_enough && size.fits(PictureSize::DEFAULT_MAX) { Ok(()) } else { Err(EncodeError::BadInput) }
}

/// Bits a second as encoders take them: whole kilobits, and no more than an `int` of bits.
fn check_bitrate(bits_per_second: u32) -> Result<u32, EncodeError> {
    const MIN: u32 = 10_000;
    const MAX: u32 = 500_000_000;
    if (MIN..=MAX).contains(&bits_per_second) { Ok(bits_per_second) } else { Err(EncodeError::BadInput) }
}

fn check_frame_rate(frames_per_second: f32) -> Result<(), EncodeError> {
    if (1.0..=120.0).contains(&frames_per_second) { Ok(()) } else { Err(EncodeError::BadInput) }
}

/// `millrace_picture` of `c/millrace_video.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct CPicture<'a> {
    planes: [*const u8; 3],
    strides: [i32; 3],
    width: u32,
    height: u32,
    lent: PhantomData<&'a [u8]>,
}

impl<'a> CPicture<'a> {
    /// A picture for C to fill in.
    pub(crate) fn empty() -> Self {
        Self { planes: [std::ptr::null(); 3], strides: [0; 3], width: 0, height: 0, lent: PhantomData }
    }

    /// A picture that C has; plane and stride of luma, then of both chroma planes.
    pub(crate) fn of(size: (i32, i32), planes: [*const u8; 3], strides: [i32; 3]) -> Self {
        let side = |side| u32::try_from(side).unwrap_or(0);
        Self { planes, strides, width: side(size.0), height: side(size.1), lent: PhantomData }
    }

    /// A picture for C to read, if its strides are an `int`'s.
    pub(crate) fn lend(picture: PictureView<'a>) -> Result<Self, EncodeError> {
        let mut strides = [0; 3];
        for (stride, given) in strides.iter_mut().zip(picture.strides) {
            *stride = i32::try_from(given).map_err(|_| EncodeError::BadInput)?;
        }
        let PictureView { width, height, planes, .. } = picture;
        Ok(Self { planes: planes.map(<[u8]>::as_ptr), strides, width, height, lent: PhantomData })
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    pub(crate) fn planes(&self) -> [*const u8; 3] {
        self.planes
    }

    pub(crate) fn strides(&self) -> [i32; 3] {
        self.strides
    }

    /// The picture that C filled in; none if it has no size.
    ///
    /// # Safety
    /// Each plane must hold rows of its stride for the picture's size, until the view is gone.
    pub(crate) unsafe fn view(&self) -> Option<PictureView<'a>> {
        let mut planes: [&[u8]; 3] = [&[]; 3];
        let mut strides = [0; 3];
        for plane in 0..3 {
            let (columns, rows) = plane_size(plane, self.width, self.height);
            let stride = usize::try_from(self.strides[plane]).ok().filter(|stride| *stride >= columns)?;
            if self.planes[plane].is_null() || columns == 0 || rows == 0 {
                return None;
            }
            // SAFETY: the caller says that the rows are there; behind the last row's columns nothing is touched.
            planes[plane] = unsafe { slice::from_raw_parts(self.planes[plane], stride * (rows - 1) + columns) };
            strides[plane] = stride;
        }
        PictureView::new(self.width, self.height, planes, strides)
    }
}

fn plane_size(plane: usize, width: u32, height: u32) -> (usize, usize) {
    let (width, height) = (width as usize, height as usize);
    if plane == 0 { (width, height) } else { (width.div_ceil(2), height.div_ceil(2)) }
}

/// `millrace_encoder_settings` of `c/millrace_video.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct CEncoderSettings {
    width: u32,
    height: u32,
    kilobits_per_second: u32,
    key_frame_percent_max: u32,
    speed: i32,
    screen: i32,
}

impl CEncoderSettings {
    pub(crate) fn of(rate: &Rate, speed: i32) -> Self {
        let PictureSize { width, height } = rate.settings.size;
        Self {
            width,
            height,
            kilobits_per_second: rate.kilobits(),
            key_frame_percent_max: rate.key_frame_percent_max(),
            speed,
            screen: i32::from(rate.settings.content == VideoContent::Screen),
        }
    }
}

/// `millrace_frame` of `c/millrace_video.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct CFrame {
    bytes: *const u8,
    length: usize,
    key: i32,
}

impl CFrame {
    pub(crate) fn empty() -> Self {
        Self { bytes: std::ptr::null(), length: 0, key: 0 }
    }

    pub(crate) fn is_key(&self) -> bool {
        self.key != 0
    }

    /// Appends the frame's bytes.
    ///
    /// # Safety
    /// The pointer must have as many bytes as it says.
    pub(crate) unsafe fn append_to(&self, out: &mut Vec<u8>) {
        if !self.bytes.is_null() {
            // SAFETY: the caller says that the bytes are there.
            out.extend_from_slice(unsafe { slice::from_raw_parts(self.bytes, self.length) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: VideoSettings = VideoSettings {
        size: PictureSize { width: 640, height: 360 },
        bitrate: 500_000,
        frame_rate: 30.0,
        content: VideoContent::Camera,
    };

    #[test]
    fn settings_out_of_range_are_refused() {
        let with = |change: fn(&mut VideoSettings)| {
            let mut settings = SETTINGS;
            change(&mut settings);
            Rate::new(settings).err()
        };
        assert_eq!(with(|_| ()), None);
        let wrong: [fn(&mut VideoSettings); 8] = [
            |settings| settings.size.width = 0,
            |settings| settings.size.height = 15,
            |settings| settings.size = PictureSize { width: 10_000, height: 10_000 },
            |settings| settings.bitrate = 0,
            |settings| settings.bitrate = u32::MAX,
            |settings| settings.frame_rate = 0.0,
            |settings| settings.frame_rate = f32::NAN,
            |settings| settings.frame_rate = f32::INFINITY,
        ];
        assert_eq!(wrong.map(with), [Some(EncodeError::BadInput); 8]);
    }

    #[test]
    fn times_of_frames_only_grow() {
        let mut rate = Rate::new(SETTINGS).unwrap();
        let at = [0, 33, 33, 20, 66].map(|ms| rate.ticks(Duration::from_millis(ms)));
        assert_eq!(at, [0, 2970, 2971, 2972, 5940]);
        assert_eq!(rate.frame_ticks(), 3000);
    }

    #[test]
    fn a_picture_from_c_without_planes_or_size_is_none() {
        // SAFETY: none of them has a plane that is read.
        unsafe {
            assert!(CPicture::empty().view().is_none());
            assert!(CPicture::of((-4, 4), [std::ptr::null(); 3], [8; 3]).view().is_none());
            let plane = [0_u8; 4];
            assert!(CPicture::of((4, 4), [plane.as_ptr(); 3], [-4; 3]).view().is_none());
        }
    }
}
