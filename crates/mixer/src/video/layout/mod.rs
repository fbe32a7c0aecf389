//! Which input stands where: templates and given regions, the order of inputs, and those that wait for a place.
//!
//! Input number i stands in region number i of the smallest layout that has a region for each; what has none waits, the
//! first that came first. What OWT's `source/agent/video/layout.js` and `vmixer.js` do.

mod region;
mod templates;

use std::collections::VecDeque;

use millrace_frames::PictureSize;

use super::InputId;
pub use region::{Area, Fit, Fraction, REGION_ID_BYTES_MAX, Rect, Region};
pub use templates::Template;

/// Regions of a layout: a grid of eight by eight. A layout with more is refused.
pub const REGIONS_MAX: usize = 64;

/// Layouts that a mixer may be given beside its template's. More are refused.
pub const CUSTOM_LAYOUTS_MAX: usize = 64;

/// Why a layout was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A text that is no fraction of two whole numbers, or one with 0 below.
    #[error("a part is two numbers with a slash between, such as 1/3, the second not 0")]
    BadFraction,
    /// A region's id is empty or longer than [`REGION_ID_BYTES_MAX`].
    #[error("a region's id has 1 to 64 bytes")]
    BadRegionId,
    /// A region begins at or beyond the canvas' right or lower edge; its id stands beside it.
    #[error("region {0} lies outside of the canvas")]
    OutsideCanvas(Box<str>),
    /// A region has no width or height; its id stands beside it.
    #[error("region {0} has no size")]
    NoSize(Box<str>),
    /// A region has less than two columns or rows on this canvas; its id stands beside it.
    #[error("region {0} is smaller than two samples on this canvas")]
    TooSmall(Box<str>),
    /// Two regions have this id.
    #[error("more than one region is called {0}")]
    DuplicateRegion(Box<str>),
    /// A layout has no region, or more than [`REGIONS_MAX`].
    #[error("a layout has 1 to {REGIONS_MAX} regions")]
    BadRegionCount,
    /// More than [`CUSTOM_LAYOUTS_MAX`] layouts.
    #[error("too many layouts")]
    TooManyLayouts,
    /// No region of the layout that is shown has this id.
    #[error("no region is called {0}")]
    UnknownRegion(Box<str>),
    /// Nothing is in the region, so that nothing can be swapped with it.
    #[error("region {0} is empty")]
    EmptyRegion(Box<str>),
    /// The input is not in the layout.
    #[error("no such input: {0:?}")]
    UnknownInput(InputId),
}

/// How a mixer arranges its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// By the number of inputs.
    Template {
        /// The layouts to choose from.
        template: Template,
        /// More of them; one with as many regions as one of the template's takes its place.
        custom: Vec<Vec<Region>>,
    },
    /// In these regions, however many inputs there are.
    Regions(Vec<Region>),
}

impl Default for Arrangement {
    fn default() -> Self {
        Self::Template { template: Template::default(), custom: Vec::new() }
    }
}

/// A region as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// The region.
    pub region: Region,
    /// Its samples on the canvas.
    pub rect: Rect,
    /// Who stands in it.
    pub input: Option<InputId>,
}

/// The arrangement of inputs on a canvas.
#[derive(Clone, Debug)]
pub struct Layout {
    canvas: PictureSize,
    inputs_max: usize,
    /// What to choose from, the smallest first; those of one length once.
    layouts: Vec<Vec<Region>>,
    /// Number of the layout that is shown.
    shown: usize,
    /// Who stands in which region, the primary one first.
    placed: Vec<InputId>,
    /// Who waits for a place.
    pending: VecDeque<InputId>,
    /// Grows with every change of what is seen.
    version: u64,
}

impl Layout {
    /// An empty layout on a canvas, which shows `inputs_max` inputs at most, and [`REGIONS_MAX`].
    ///
    /// # Errors
    /// When the arrangement cannot be shown.
    pub fn new(canvas: PictureSize, inputs_max: usize, arrangement: Arrangement) -> Result<Self, LayoutError> {
        let inputs_max = inputs_max.min(REGIONS_MAX);
        let layouts = layouts(canvas, inputs_max, arrangement)?;
        Ok(Self { canvas, inputs_max, layouts, shown: 0, placed: Vec::new(), pending: VecDeque::new(), version: 0 })
    }

    /// Shows the inputs in another arrangement, in the order that they have.
    ///
    /// # Errors
    /// When the arrangement cannot be shown; the one before goes on.
    pub fn arrange(&mut self, arrangement: Arrangement) -> Result<(), LayoutError> {
        self.layouts = layouts(self.canvas, self.inputs_max, arrangement)?;
        let places = self.places();
        while self.placed.len() > places {
            self.pending.extend(self.placed.pop());
            self.pending.rotate_right(1);
        }
        while self.placed.len() < places {
            let Some(promoted) = self.pending.pop_front() else { break };
            self.placed.push(promoted);
        }
        self.choose();
        Ok(())
    }

    /// Puts an input into the next place, or lets it wait for one.
    pub fn add(&mut self, input: InputId) {
        if self.placed.len() >= self.places() {
            self.pending.push_back(input);
            return;
        }
        self.placed.push(input);
        self.choose();
    }

    /// Removes an input. The first that waits takes its place; if none waits, those behind move up.
    ///
    /// # Errors
    /// When the input is not there.
    pub fn remove(&mut self, input: InputId) -> Result<(), LayoutError> {
        match self.place(input)? {
            Place::Pending(index) => {
                self.pending.remove(index);
            }
            Place::Shown(index) => {
                match self.pending.pop_front() {
                    Some(promoted) => self.placed[index] = promoted,
                    None => {
                        self.placed.remove(index);
                    }
                }
                self.choose();
            }
        }
        Ok(())
    }

    /// Puts an input into the region called `id`, and whoever is there into the input's own. An input that waited sends
    /// the other to wait in its stead.
    ///
    /// # Errors
    /// When there is no such input or region, or nobody is in the region.
    pub fn set_region(&mut self, input: InputId, id: &str) -> Result<(), LayoutError> {
        let place = self.place(input)?;
        let target = self.regions().iter().position(|region| region.id() == id);
        let target = target.ok_or_else(|| LayoutError::UnknownRegion(id.into()))?;
        if target >= self.placed.len() {
            return Err(LayoutError::EmptyRegion(id.into()));
        }
        self.swap(place, target);
        Ok(())
    }

    /// Puts an input into the first region, and whoever is there into the input's own. An input that waited takes the
    /// place of the last one that is shown before.
    ///
    /// # Errors
    /// When there is no such input.
    pub fn set_primary(&mut self, input: InputId) -> Result<(), LayoutError> {
        let place = self.place(input)?;
        let Some(last) = self.placed.len().checked_sub(1) else { return Ok(()) };
        if let Place::Pending(_) = place {
            self.swap(place, last);
            self.swap(Place::Shown(last), 0);
        } else {
            self.swap(place, 0);
        }
        Ok(())
    }

    /// Shows the inputs on another canvas, in the regions that they have.
    pub fn resize(&mut self, canvas: PictureSize) {
        self.canvas = canvas;
        self.version += 1;
    }

    /// The same layout with other names for its inputs; those without one leave.
    pub fn renamed(&self, name: impl Fn(InputId) -> Option<InputId>) -> Self {
        let mut renamed = self.clone();
        for input in self.placed.iter().chain(&self.pending).filter(|input| name(**input).is_none()) {
            // It is there.
            let _ = renamed.remove(*input);
        }
        renamed.placed.iter_mut().chain(&mut renamed.pending).for_each(|input| *input = name(*input).unwrap_or(*input));
        renamed
    }

    /// Becomes another layout, which was seen by nobody yet.
    pub(super) fn follow(&mut self, layout: Self) {
        let version = self.version + 1;
        *self = Self { version, ..layout };
    }

    /// The regions that are shown with who stands in them.
    pub fn tiles(&self) -> impl Iterator<Item = Tile> {
        self.regions().iter().enumerate().filter_map(|(index, region)| {
            // On a tiny canvas a template may have regions of less than two samples: they cannot be seen.
            let rect = region.area.on(self.canvas)?;
            Some(Tile { region: region.clone(), rect, input: self.placed.get(index).copied() })
        })
    }

    /// The samples of the region that an input stands in, if it has one that can be seen.
    pub fn rect(&self, input: InputId) -> Option<Rect> {
        let place = self.placed.iter().position(|placed| *placed == input)?;
        self.regions().get(place)?.area.on(self.canvas)
    }

    /// Inputs that are shown, the primary one first.
    pub fn placed(&self) -> &[InputId] {
        &self.placed
    }

    /// Inputs that wait for a place, the next one first.
    pub fn pending(&self) -> impl Iterator<Item = InputId> {
        self.pending.iter().copied()
    }

    /// A number that grows whenever what is seen changes.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The regions of the layout that is shown.
    fn regions(&self) -> &[Region] {
        self.layouts.get(self.shown).map_or(&[], Vec::as_slice)
    }

    /// How many inputs can be shown.
    fn places(&self) -> usize {
        self.layouts.last().map_or(0, Vec::len).min(self.inputs_max)
    }

    fn choose(&mut self) {
        let fitting = self.layouts.iter().position(|layout| layout.len() >= self.placed.len());
        // As many as the largest has are placed, at most.
        self.shown = fitting.unwrap_or(self.layouts.len().saturating_sub(1));
        self.version += 1;
    }

    fn place(&self, input: InputId) -> Result<Place, LayoutError> {
        let shown = self.placed.iter().position(|placed| *placed == input).map(Place::Shown);
        let pending = || self.pending.iter().position(|pending| *pending == input).map(Place::Pending);
        shown.or_else(pending).ok_or(LayoutError::UnknownInput(input))
    }

    fn swap(&mut self, place: Place, target: usize) {
        match place {
            Place::Shown(index) if index == target => return,
            Place::Shown(index) => self.placed.swap(index, target),
            Place::Pending(index) => std::mem::swap(&mut self.pending[index], &mut self.placed[target]),
        }
        self.version += 1;
    }
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Shown(usize),
    Pending(usize),
}

/// What an arrangement has to choose from, the smallest first.
fn layouts(canvas: PictureSize, inputs_max: usize, arrangement: Arrangement) -> Result<Vec<Vec<Region>>, LayoutError> {
    match arrangement {
        Arrangement::Regions(regions) => {
            check(canvas, &regions)?;
            Ok(vec![regions])
        }
        Arrangement::Template { template, custom } => {
            if custom.len() > CUSTOM_LAYOUTS_MAX {
                return Err(LayoutError::TooManyLayouts);
            }
            let mut layouts = template.layouts(inputs_max);
            for layout in custom {
                check(canvas, &layout)?;
                match layouts.binary_search_by_key(&layout.len(), Vec::len) {
                    Ok(same) => layouts[same] = layout,
                    Err(place) => layouts.insert(place, layout),
                }
            }
            Ok(layouts)
        }
    }
}

fn check(canvas: PictureSize, regions: &[Region]) -> Result<(), LayoutError> {
    if !(1..=REGIONS_MAX).contains(&regions.len()) {
        return Err(LayoutError::BadRegionCount);
    }
    for (index, region) in regions.iter().enumerate() {
        if regions[..index].iter().any(|before| before.id() == region.id()) {
            return Err(LayoutError::DuplicateRegion(region.id().into()));
        }
        if region.area.on(canvas).is_none() {
            return Err(LayoutError::TooSmall(region.id().into()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
