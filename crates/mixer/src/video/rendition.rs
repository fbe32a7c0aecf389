//! The canvas in the sizes that outputs have.

use millrace_frames::PictureSize;

use super::compose::{shape, whole};
use super::layout::Fit;
use super::picture::{Colour, Picture};
use super::scale::Scaler;

/// The canvas in another size.
pub(super) struct Rendition {
    pub(super) picture: Picture,
    scaler: Scaler,
    tick: Option<u64>,
}

/// The canvas at a size: itself, or scaled once a tick, between bars where it has another shape.
pub(super) fn rendition<'a>(
    renditions: &'a mut Vec<Rendition>,
    canvas: &'a Picture,
    size: PictureSize,
    background: Colour,
    tick: u64,
) -> &'a Picture {
    if size == canvas.size() {
        return canvas;
    }
    let at = renditions.iter().position(|rendition| rendition.picture.size() == size).unwrap_or_else(|| {
        let picture = Picture::filled(size, background);
        renditions.push(Rendition { picture, scaler: Scaler::default(), tick: None });
        renditions.len() - 1
    });
    let rendition = &mut renditions[at];
    if rendition.tick.replace(tick) != Some(tick)
        && let Some(view) = canvas.view()
    {
        let shape = shape(canvas.size(), whole(size), Fit::Letterbox);
        rendition.scaler.scale(&view, shape.from, &mut rendition.picture, shape.to);
    }
    &rendition.picture
}
