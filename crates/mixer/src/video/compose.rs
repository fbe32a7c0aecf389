//! One picture of many, and of it only what changed since the last.

use millrace_frames::PictureSize;

use super::InputId;
use super::layout::{Fit, Layout, Rect};
use super::picture::{Colour, Picture};
use super::scale::Scaler;
use super::text::{Overlay, Typesetter};

/// Captions over a picture at a time. One more is refused.
pub const CAPTIONS_MAX: usize = 16;

/// What an input shows.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// A picture, or else a card with the input's name.
    pub picture: Option<&'a Picture>,
    /// Another number for each picture of the input, and for each change between picture and card.
    pub number: u64,
    /// The input's name, written into its tile; empty for none.
    pub label: &'a str,
    /// Another number for each label of the input.
    pub label_number: u64,
}

/// Where a caption stands, within a margin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Place {
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

/// Puts the pictures of inputs where a layout says.
#[derive(Debug)]
pub struct Compositor {
    canvas: Picture,
    /// The canvas without inputs.
    background: Picture,
    fit: Fit,
    tiles: Vec<Drawn>,
    /// Numbers of tiles, those behind first.
    order: Vec<usize>,
    version: Option<u64>,
    captions: Vec<(Overlay, Place)>,
    /// Everything is to be drawn.
    stale: bool,
    /// Made with the first text: its tables take a megabyte.
    typesetter: Option<Box<Typesetter>>,
    redrawn: u64,
}

/// A tile as it was drawn.
#[derive(Debug)]
struct Drawn {
    rect: Rect,
    fit: Fit,
    input: Option<InputId>,
    number: Option<u64>,
    scaler: Scaler,
    /// Size of what was drawn, which part of it, and where.
    shape: Option<Shape>,
    label: Option<Overlay>,
    label_number: Option<u64>,
    card: Option<Picture>,
    dirty: bool,
    /// What is around the picture in the tile was drawn over.
    bare: bool,
}

/// Which part of a picture of a size goes where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    source: PictureSize,
    pub(super) from: Rect,
    pub(super) to: Rect,
}

impl Compositor {
    /// An empty canvas. Pictures fill their tiles as `fit` says where a region does not.
    pub fn new(size: PictureSize, background: Colour, fit: Fit) -> Self {
        let background = Picture::filled(size, background);
        Self {
            canvas: background.clone(),
            background,
            fit,
            tiles: Vec::new(),
            order: Vec::new(),
            version: None,
            captions: Vec::new(),
            stale: true,
            typesetter: None,
            redrawn: 0,
        }
    }

    /// Shows a picture behind the tiles and around their pictures, made as large as the canvas and cut off where it is too
    /// wide or too high.
    pub fn set_background(&mut self, picture: &Picture) {
        let to = whole(self.background.size());
        let shape = shape(picture.size(), to, Fit::Crop);
        if let Some(view) = picture.view() {
            Scaler::default().scale(&view, shape.from, &mut self.background, shape.to);
        }
        self.stale = true;
    }

    /// Shows one colour behind the tiles and around their pictures.
    pub fn set_background_colour(&mut self, colour: Colour) {
        self.background.fill(whole(self.background.size()), colour);
        self.stale = true;
    }

    /// Writes these texts over everything, in this order, and no others.
    pub fn set_captions<'a>(&mut self, captions: impl Iterator<Item = (&'a str, Place)>) {
        self.captions.clear();
        let size = self.canvas.size();
        let rows = (size.height / 16).max(LABEL_ROWS_MIN);
        for (text, place) in captions.take(CAPTIONS_MAX) {
            let typesetter = self.typesetter.get_or_insert_default();
            let overlay = typesetter.label(text, rows, size.width.saturating_sub(rows));
            self.captions.extend(overlay.map(|overlay| (overlay, place)));
        }
        self.stale = true;
    }

    /// The picture as it was composed last.
    pub fn canvas(&self) -> &Picture {
        &self.canvas
    }

    /// Tiles that were drawn so far.
    pub fn redrawn(&self) -> u64 {
        self.redrawn
    }

    /// Draws what differs from the last picture: tiles whose input shows something else, and what lies over them. Returns
    /// whether anything did.
    ///
    /// Allocates nothing while layout, labels and sizes of pictures stay.
    pub fn compose<'a>(&mut self, layout: &Layout, look: impl Fn(InputId) -> Option<Look<'a>>) -> bool {
        if self.version != Some(layout.version()) {
            self.arrange(layout);
        }
        let mut changed = self.stale;
        for tile in &mut self.tiles {
            let look = tile.input.and_then(&look);
            tile.dirty = look.is_some_and(|look| tile.differs(&look)) || (look.is_none() && tile.number.is_some());
            changed |= tile.dirty;
        }
        // What a caption lies over is drawn anew with it: half of it can be seen through the box.
        self.stale |= changed && !self.captions.is_empty();
        if self.stale {
            self.canvas.copy_rect(&self.background, whole(self.background.size()));
            self.tiles.iter_mut().for_each(|tile| (tile.dirty, tile.bare) = (true, false));
            self.stale = false;
        } else {
            self.spread();
        }
        for at in 0..self.order.len() {
            let tile = &mut self.tiles[self.order[at]];
            if std::mem::take(&mut tile.dirty) {
                let look = tile.input.and_then(&look);
                tile.draw(look, &mut self.canvas, &self.background, &mut self.typesetter);
                self.redrawn += 1;
            }
        }
        if changed {
            self.write_captions();
        }
        changed
    }

    /// What lies over a tile that is drawn is drawn again.
    fn spread(&mut self) {
        for above in 1..self.order.len() {
            let rect = self.tiles[self.order[above]].rect;
            let below = self.order[..above].iter().map(|tile| &self.tiles[*tile]);
            if below.filter(|tile| tile.dirty).any(|tile| tile.rect.meets(&rect)) {
                let tile = &mut self.tiles[self.order[above]];
                // An empty region is seen through.
                tile.dirty = tile.input.is_some();
                tile.bare = true;
            }
        }
    }

    fn arrange(&mut self, layout: &Layout) {
        let fit = self.fit;
        self.tiles.clear();
        let mut z = Vec::new();
        for tile in layout.tiles() {
            z.push(tile.region.z);
            self.tiles.push(Drawn::new(tile.rect, tile.region.fit.unwrap_or(fit), tile.input));
        }
        self.order = (0..self.tiles.len()).collect();
        self.order.sort_by_key(|tile| z[*tile]);
        self.version = Some(layout.version());
        self.stale = true;
    }

    fn write_captions(&mut self) {
        let size = self.canvas.size();
        let margin = (size.height / 32) & !1;
        for (overlay, place) in &self.captions {
            let right = size.width.saturating_sub(overlay.width + margin) & !1;
            let bottom = size.height.saturating_sub(overlay.height + margin) & !1;
            let (middle, centre) = ((size.width.saturating_sub(overlay.width) / 2) & !1, (bottom / 2) & !1);
            let (left, top) = match place {
                Place::TopLeft => (margin, margin),
                Place::Top => (middle, margin),
                Place::TopRight => (right, margin),
                Place::Centre => (middle, centre),
                Place::BottomLeft => (margin, bottom),
                Place::Bottom => (middle, bottom),
                Place::BottomRight => (right, bottom),
            };
            overlay.blend(&mut self.canvas, left, top);
        }
    }
}

/// Fewest rows that a line of letters can be read in.
const LABEL_ROWS_MIN: u32 = 12;

impl Drawn {
    fn new(rect: Rect, fit: Fit, input: Option<InputId>) -> Self {
        Self {
            rect,
            fit,
            input,
            number: None,
            scaler: Scaler::default(),
            shape: None,
            label: None,
            label_number: None,
            card: None,
            dirty: true,
            bare: false,
        }
    }

    fn differs(&self, look: &Look<'_>) -> bool {
        self.number != Some(look.number) || self.label_number != Some(look.label_number)
    }

    fn draw(
        &mut self,
        look: Option<Look<'_>>,
        canvas: &mut Picture,
        background: &Picture,
        typesetter: &mut Option<Box<Typesetter>>,
    ) {
        let Some(look) = look else {
            canvas.copy_rect(background, self.rect);
            (self.number, self.shape) = (None, None);
            return;
        };
        if self.label_number != Some(look.label_number) {
            self.card = None;
            let (rows, text) = (self.label_rows(), look.label);
            let mut label = || typesetter.get_or_insert_default().label(text, rows, self.rect.width / 4 * 3);
            self.label = if text.is_empty() { None } else { label() };
        }
        let source = match look.picture {
            Some(picture) => {
                self.card = None;
                picture
            }
            None => &*self.card.get_or_insert_with(|| card(look.label, self.rect, typesetter)),
        };
        let shape = shape(source.size(), self.rect, self.fit);
        if self.shape != Some(shape) || self.bare {
            canvas.copy_rect(background, self.rect);
            (self.shape, self.bare) = (Some(shape), false);
        }
        if let Some(view) = source.view() {
            self.scaler.scale(&view, shape.from, canvas, shape.to);
        }
        if let Some(label) = self.label.as_ref().filter(|_| look.picture.is_some()) {
            // Within the picture, so that it is drawn over with the next one.
            let bottom = (shape.to.top + shape.to.height).saturating_sub(label.height).max(shape.to.top);
            if label.width <= shape.to.width && label.height <= shape.to.height {
                label.blend(canvas, shape.to.left, bottom & !1);
            }
        }
        (self.number, self.label_number) = (Some(look.number), Some(look.label_number));
    }

    fn label_rows(&self) -> u32 {
        (self.rect.height / 12).clamp(LABEL_ROWS_MIN, 48)
    }
}

/// Which part of a picture goes where in a tile. All edges are even, or those of the picture.
pub(super) fn shape(source: PictureSize, tile: Rect, fit: Fit) -> Shape {
    // Sides in proportion: the width that goes with a height, and the other way round, even and not 0.
    let scaled = |side: u32, by: u32, to: u32| {
        let side = (u64::from(side) * u64::from(by) / u64::from(to.max(1))) as u32;
        ((side + 1) & !1).max(2)
    };
    let centre = |room: u32, side: u32| (room.saturating_sub(side) / 2) & !1;
    let wider = u64::from(source.width) * u64::from(tile.height) > u64::from(source.height) * u64::from(tile.width);
    match (fit, wider) {
        (Fit::Letterbox, _) => {
            let (width, height) = if wider {
                (tile.width, scaled(tile.width, source.height, source.width).min(tile.height))
            } else {
                (scaled(tile.height, source.width, source.height).min(tile.width), tile.height)
            };
            let (left, top) = (tile.left + centre(tile.width, width), tile.top + centre(tile.height, height));
            Shape { source, from: whole(source), to: Rect { left, top, width, height } }
        }
        (Fit::Crop, true) => {
            let width = scaled(source.height, tile.width, tile.height).min(source.width);
            let from = Rect { left: centre(source.width, width), top: 0, width, height: source.height };
            Shape { source, from, to: tile }
        }
        (Fit::Crop, false) => {
            let height = scaled(source.width, tile.height, tile.width).min(source.height);
            let from = Rect { left: 0, top: centre(source.height, height), width: source.width, height };
            Shape { source, from, to: tile }
        }
    }
}

pub(super) fn whole(size: PictureSize) -> Rect {
    Rect { left: 0, top: 0, width: size.width, height: size.height }
}

/// A name on a colour that goes with it, for an input without a picture.
fn card(name: &str, tile: Rect, typesetter: &mut Option<Box<Typesetter>>) -> Picture {
    let size = PictureSize { width: tile.width, height: tile.height };
    let mut card = Picture::filled(size, card_colour(name));
    let rows = (tile.height / 5).clamp(LABEL_ROWS_MIN, 160);
    let words =
        if name.is_empty() { None } else { typesetter.get_or_insert_default().words(name, rows, tile.width / 10 * 9) };
    if let Some(words) = words.filter(|words| words.height <= tile.height) {
        let left = (tile.width.saturating_sub(words.width) / 2) & !1;
        words.blend(&mut card, left, (tile.height.saturating_sub(words.height) / 2) & !1);
    }
    card
}

/// The colour of a name's card: the same for the same name, and dark enough for white letters.
pub fn card_colour(name: &str) -> Colour {
    const COLOURS: [[u8; 3]; 8] = [
        [38, 70, 83],
        [42, 110, 100],
        [120, 70, 40],
        [110, 50, 60],
        [70, 60, 120],
        [40, 80, 130],
        [90, 90, 40],
        [100, 50, 100],
    ];
    // FNV-1a.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [red, green, blue] = COLOURS[(hash >> 16) as usize % COLOURS.len()];
    Colour::rgb(red, green, blue)
}

#[cfg(test)]
mod tests;
