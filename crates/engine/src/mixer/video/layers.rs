//! Which of a publisher's layers fits a tile.

use millrace_frames::PictureSize;
use millrace_model::{RtpParameters, parse_scalability_mode};

/// A layer whose picture is this much smaller than its tile, in percent of its sides, is good enough: the next one costs
/// four times the work.
const ENOUGH_PERCENT: u32 = 85;

/// The number of spatial layers of a stream as a consumer gets it, from its scalability mode.
pub(super) fn spatial_layers(parameters: &RtpParameters) -> u8 {
    let mode = parameters.encodings.first().and_then(|encoding| encoding.scalability_mode.as_deref());
    mode.map_or(1, |mode| parse_scalability_mode(mode).spatial_layers)
}

/// The lowest layer whose picture fills a tile, when `current` is known to have pictures of `size`; each layer has twice the
/// sides of the one below. `None` while nothing is known.
pub(super) fn layer_for(tile: PictureSize, current: Option<(u8, PictureSize)>, layers: u8) -> Option<u8> {
    let (current, size) = current?;
    let enough = |layer: u8| {
        let side = |side: u32| match layer.checked_sub(current) {
            Some(up) => side.checked_shl(u32::from(up)).unwrap_or(u32::MAX),
            None => side >> (current - layer),
        };
        let wanted = |side: u32| side * ENOUGH_PERCENT / 100;
        // One side is enough: the other has bars or is cut off.
        side(size.width) >= wanted(tile.width) || side(size.height) >= wanted(tile.height)
    };
    Some((0..layers).find(|&layer| enough(layer)).unwrap_or(layers.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn size(width: u32, height: u32) -> PictureSize {
        PictureSize { width, height }
    }

    #[test]
    fn the_lowest_layer_that_fills_the_tile_is_taken() {
        let top = Some((2, size(1280, 720)));
        assert_eq!(layer_for(size(1280, 720), top, 3), Some(2));
        assert_eq!(layer_for(size(640, 360), top, 3), Some(1));
        assert_eq!(layer_for(size(320, 180), top, 3), Some(0));
        assert_eq!(layer_for(size(426, 240), top, 3), Some(1), "320 is less than 85 percent of 426");
        assert_eq!(layer_for(size(360, 200), top, 3), Some(0), "320 is enough for 360");
        let lowest = Some((0, size(320, 180)));
        assert_eq!(layer_for(size(1280, 720), lowest, 3), Some(2));
        assert_eq!(layer_for(size(1920, 1080), lowest, 3), Some(2), "there is no larger one");
        assert_eq!(layer_for(size(16, 16), None, 3), None);
    }
}
