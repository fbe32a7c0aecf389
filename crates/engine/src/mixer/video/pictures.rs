//! Pictures that an application writes and reads, as bytes between threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use millrace_frames::{PictureSize, PictureView};
use millrace_mixer::video::{Picture, RawPicture};

use crate::mixer::lock;

/// Bytes before the samples of a picture: format, use, two of no meaning, width and height, little endian.
const HEAD_BYTES: usize = 12;

/// How the samples of a picture lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Samples {
    I420,
    Rgba,
}

/// What a written picture is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// To be shown now.
    Frame,
    /// To be shown while there is none: an avatar.
    StandIn,
}

/// Pictures that wait for a mixer: of each use the newest one.
#[derive(Default)]
pub(crate) struct PictureQueue {
    frame: Mutex<Option<Vec<u8>>>,
    /// The frame that was handed over last, for a mixer that is made anew.
    shown: Mutex<Option<Vec<u8>>>,
    stand_in: Mutex<Option<Vec<u8>>>,
    /// Pictures that nobody saw before the next came, and those that made no sense.
    dropped: AtomicU64,
}

impl PictureQueue {
    /// Takes a picture in place of the one that waits.
    pub(crate) fn write(&self, record: &[u8]) {
        let Some((_, of)) = read_head(record) else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let place = match of {
            Use::Frame => &self.frame,
            Use::StandIn => &self.stand_in,
        };
        if lock(place).replace(record.to_vec()).is_some() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Hands over the frame that waits, if any.
    pub(super) fn take_frame(&self, each: impl FnOnce(RawPicture<'_>)) {
        let Some(record) = lock(&self.frame).take() else { return };
        if let Some(picture) = picture_of(&record) {
            each(picture);
        }
        *lock(&self.shown) = Some(record);
    }

    /// Lets the frame that was handed over last wait again, unless there is a newer one.
    pub(super) fn show_again(&self) {
        let shown = lock(&self.shown).take();
        let mut frame = lock(&self.frame);
        *frame = frame.take().or(shown);
    }

    /// The stand-in that waits, if any.
    pub(super) fn take_stand_in(&self) -> Option<Picture> {
        let record = lock(&self.stand_in).take()?;
        Some(match picture_of(&record)? {
            RawPicture::I420(view) => Picture::of(&view),
            RawPicture::Rgba { size, bytes } => {
                let mut picture = Picture::filled(size, millrace_mixer::video::Colour::BLACK);
                picture.copy_from_rgba(size, bytes);
                picture
            }
        })
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// The kind of a record; `None` when it is no whole picture of a size that is allowed.
fn read_head(record: &[u8]) -> Option<(Samples, Use)> {
    let (head, samples) = record.split_first_chunk::<HEAD_BYTES>()?;
    let format = match head[0] {
        0 => Samples::I420,
        1 => Samples::Rgba,
        _ => return None,
    };
    let of = match head[1] {
        0 => Use::Frame,
        1 => Use::StandIn,
        _ => return None,
    };
    let size = size_of(head);
    if size.width == 0 || size.height == 0 || !size.fits(PictureSize::DEFAULT_MAX) {
        return None;
    }
    let bytes = match format {
        Samples::I420 => i420_bytes(size.width, size.height),
        Samples::Rgba => size.width as usize * size.height as usize * 4,
    };
    (samples.len() == bytes).then_some((format, of))
}

fn size_of(head: &[u8; HEAD_BYTES]) -> PictureSize {
    let [_, _, _, _, width @ .., h0, h1, h2, h3] = *head;
    PictureSize { width: u32::from_le_bytes(width), height: u32::from_le_bytes([h0, h1, h2, h3]) }
}

fn picture_of(record: &[u8]) -> Option<RawPicture<'_>> {
    let (format, _) = read_head(record)?;
    let (head, bytes) = record.split_first_chunk::<HEAD_BYTES>()?;
    let size = size_of(head);
    if format == Samples::Rgba {
        return Some(RawPicture::Rgba { size, bytes });
    }
    i420(size, bytes).map(RawPicture::I420)
}

/// Bytes of a picture in I420 without padding.
pub(super) const fn i420_bytes(width: u32, height: u32) -> usize {
    let (width, height) = (width as usize, height as usize);
    width * height + 2 * (width.div_ceil(2) * height.div_ceil(2))
}

/// A picture of `bytes`, which lie without padding; `None` when they are none of a size that is allowed.
pub(super) fn i420(size: PictureSize, bytes: &[u8]) -> Option<PictureView<'_>> {
    let PictureSize { width, height } = size;
    if !size.fits(PictureSize::DEFAULT_MAX) || bytes.len() != i420_bytes(width, height) {
        return None;
    }
    let columns = width.div_ceil(2) as usize;
    let (y, chroma) = bytes.split_at_checked(width as usize * height as usize)?;
    let (u, v) = chroma.split_at_checked(chroma.len() / 2)?;
    PictureView::new(width, height, [y, u, v], [width as usize, columns, columns])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(format: u8, of: u8, width: u32, height: u32, bytes: usize) -> Vec<u8> {
        let mut record = vec![format, of, 0, 0];
        record.extend_from_slice(&width.to_le_bytes());
        record.extend_from_slice(&height.to_le_bytes());
        record.resize(HEAD_BYTES + bytes, 7);
        record
    }

    #[test]
    fn the_newest_picture_of_each_use_waits() {
        let queue = PictureQueue::default();
        queue.write(&record(0, 0, 2, 2, 6));
        queue.write(&record(1, 0, 4, 2, 32));
        queue.write(&record(0, 1, 3, 3, 17));
        let mut seen = None;
        queue.take_frame(|picture| seen = Some(matches!(picture, RawPicture::Rgba { .. })));
        assert_eq!((seen, queue.dropped()), (Some(true), 1));
        assert_eq!(queue.take_stand_in().map(|picture| picture.size()), Some(PictureSize { width: 3, height: 3 }));
        assert!(queue.take_stand_in().is_none());
    }

    #[test]
    fn a_mixer_that_is_made_anew_is_shown_the_last_frame_again() {
        let queue = PictureQueue::default();
        let shown = || {
            let mut shown = None;
            queue.take_frame(|picture| shown = Some(matches!(picture, RawPicture::Rgba { .. })));
            shown
        };
        queue.show_again();
        assert_eq!(shown(), None);
        queue.write(&record(0, 0, 2, 2, 6));
        assert_eq!((shown(), shown()), (Some(false), None));
        queue.show_again();
        assert_eq!((shown(), shown()), (Some(false), None));
        queue.write(&record(1, 0, 4, 2, 32));
        queue.show_again();
        assert_eq!((shown(), shown(), queue.dropped()), (Some(true), None, 0));
    }

    #[test]
    fn what_is_no_whole_picture_is_counted_and_dropped() {
        let queue = PictureQueue::default();
        let wrong = [
            record(0, 0, 2, 2, 5),
            record(0, 0, 0, 2, 0),
            record(2, 0, 2, 2, 6),
            record(0, 2, 2, 2, 6),
            record(1, 0, 100_000, 100_000, 4),
            vec![0; 3],
        ];
        wrong.iter().for_each(|record| queue.write(record));
        assert_eq!(queue.dropped(), wrong.len() as u64);
        queue.take_frame(|_| panic!("there is none"));
    }
}
