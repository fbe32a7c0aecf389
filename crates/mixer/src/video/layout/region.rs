//! Parts of a canvas: as rational numbers, so that one layout fits every size, and as samples.

use std::fmt;
use std::str::FromStr;

use millrace_frames::PictureSize;

use super::LayoutError;

/// Longest id of a region, in bytes. A longer one is refused.
pub const REGION_ID_BYTES_MAX: usize = 64;

/// A rational number from 0 on, such as `2/3`. Its denominator is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fraction {
    numerator: u32,
    denominator: u32,
}

impl Fraction {
    /// 0.
    pub const ZERO: Self = Self { numerator: 0, denominator: 1 };
    /// 1.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// `numerator` by `denominator`; none if that is 0.
    pub const fn new(numerator: u32, denominator: u32) -> Option<Self> {
        if denominator == 0 { None } else { Some(Self { numerator, denominator }) }
    }

    /// `part` of `whole` equal parts, which are not 0.
    pub(super) const fn of(part: u32, whole: u32) -> Self {
        assert!(whole > 0, "a whole has parts");
        Self { numerator: part, denominator: whole }
    }

    /// This part of `side`, rounded down.
    pub fn times(self, side: u32) -> u32 {
        let product = u64::from(side) * u64::from(self.numerator) / u64::from(self.denominator);
        u32::try_from(product).unwrap_or(u32::MAX)
    }
}

impl FromStr for Fraction {
    type Err = LayoutError;

    /// Reads two decimal numbers with a slash between, such as `1/3`.
    fn from_str(text: &str) -> Result<Self, LayoutError> {
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| digits)
        };
        let parsed = text.split_once('/').and_then(|(above, below)| Self::new(number(above)?, number(below)?));
        parsed.ok_or(LayoutError::BadFraction)
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.numerator, self.denominator)
    }
}

/// A rectangle in parts of a canvas' width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Area {
    /// From the canvas' left edge, below 1.
    pub left: Fraction,
    /// From its upper edge, below 1.
    pub top: Fraction,
    /// Above 0; what reaches beyond the canvas is cut off.
    pub width: Fraction,
    /// Above 0; what reaches beyond the canvas is cut off.
    pub height: Fraction,
}

impl Area {
    /// All of the canvas.
    pub const WHOLE: Self =
        Self { left: Fraction::ZERO, top: Fraction::ZERO, width: Fraction::ONE, height: Fraction::ONE };

    /// Its samples on a canvas of this size: rounded down, then down to even numbers, cut off at the canvas' edges.
    ///
    /// Nothing when not even two columns or rows are left.
    pub fn on(&self, canvas: PictureSize) -> Option<Rect> {
        let even = |number: u32| number & !1;
        let (left, top) = (even(self.left.times(canvas.width)), even(self.top.times(canvas.height)));
        let width = self.width.times(canvas.width).min(canvas.width.saturating_sub(left));
        let height = self.height.times(canvas.height).min(canvas.height.saturating_sub(top));
        let rect = Rect { left, top, width: even(width), height: even(height) };
        (rect.width > 0 && rect.height > 0).then_some(rect)
    }
}

/// A rectangle of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rect {
    /// Columns left of it.
    pub left: u32,
    /// Rows above it.
    pub top: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Rect {
    /// Tells whether the two have samples in common.
    pub fn meets(&self, other: &Self) -> bool {
        let overlap =
            |a: u32, a_len: u32, b: u32, b_len: u32| a < b.saturating_add(b_len) && b < a.saturating_add(a_len);
        overlap(self.left, self.width, other.left, other.width)
            && overlap(self.top, self.height, other.top, other.height)
    }

    /// Tells whether every sample of `other` is one of this.
    pub fn covers(&self, other: &Self) -> bool {
        self.left <= other.left
            && self.top <= other.top
            && self.left.saturating_add(self.width) >= other.left.saturating_add(other.width)
            && self.top.saturating_add(self.height) >= other.top.saturating_add(other.height)
    }
}

/// How a picture fills a region of another shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fit {
    /// All of it is seen, between bars of the background.
    #[default]
    Letterbox,
    /// It fills the region, and what is too much is cut off on both sides.
    Crop,
}

/// A place for an input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    id: Box<str>,
    /// Where it is.
    pub area: Area,
    /// How pictures fill it; `None`: as the mixer says.
    pub fit: Option<Fit>,
    /// Regions with higher numbers lie above those with lower ones, later above earlier.
    pub z: i32,
}

impl Region {
    /// A region that fits as the mixer says, at z 0.
    ///
    /// # Errors
    /// When the id is empty or too long, or the area has no size or begins beyond the canvas.
    pub fn new(id: &str, area: Area) -> Result<Self, LayoutError> {
        if id.is_empty() || id.len() > REGION_ID_BYTES_MAX {
            return Err(LayoutError::BadRegionId);
        }
        let beyond = |start: Fraction| start.numerator >= start.denominator;
        if beyond(area.left) || beyond(area.top) {
            return Err(LayoutError::OutsideCanvas(id.into()));
        }
        if area.width.numerator == 0 || area.height.numerator == 0 {
            return Err(LayoutError::NoSize(id.into()));
        }
        Ok(Self { id: id.into(), area, fit: None, z: 0 })
    }

    /// A region of a template, whose number is its id.
    pub(super) fn numbered(number: usize, area: Area) -> Self {
        Self { id: number.to_string().into(), area, fit: None, z: 0 }
    }

    /// Its name among the regions of a layout.
    pub fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(left: &str, top: &str, width: &str, height: &str) -> Area {
        let fraction = |text: &str| text.parse().unwrap();
        Area { left: fraction(left), top: fraction(top), width: fraction(width), height: fraction(height) }
    }

    #[test]
    fn fractions_are_read_and_written() {
        let third: Fraction = "1/3".parse().unwrap();
        assert_eq!((third.times(1280), third.to_string().as_str()), (426, "1/3"));
        assert_eq!(Fraction::of(u32::MAX, 1).times(u32::MAX), u32::MAX);
    }

    #[test]
    fn v08_fractions_that_are_none_are_refused() {
        for text in ["1/0", "0/0", "", "/", "1/", "/2", "1", "-1/2", "+1/2", "1/2/3", "1.0/2", "4294967296/1", "a/b"] {
            assert_eq!(text.parse::<Fraction>(), Err(LayoutError::BadFraction), "{text:?}");
        }
    }

    #[test]
    fn samples_are_rounded_down_to_even_ones_and_cut_off_at_the_canvas() {
        let canvas = PictureSize { width: 1280, height: 720 };
        let rect = |left, top, width, height| Some(Rect { left, top, width, height });
        assert_eq!(Area::WHOLE.on(canvas), rect(0, 0, 1280, 720));
        assert_eq!(area("2/3", "1/3", "1/3", "1/3").on(canvas), rect(852, 240, 426, 240));
        assert_eq!(area("1/2", "1/2", "1/1", "9/1").on(canvas), rect(640, 360, 640, 360));
        assert_eq!(Area::WHOLE.on(PictureSize { width: 641, height: 361 }), rect(0, 0, 640, 360));
        assert_eq!(area("0/1", "0/1", "1/1000", "1/1").on(canvas), None);
        assert_eq!(area("1279/1280", "0/1", "1/1", "1/1").on(canvas), rect(1278, 0, 2, 720));
    }

    #[test]
    fn v08_regions_beyond_the_canvas_or_without_size_are_refused() {
        let made = |left, top, width, height| Region::new("a", area(left, top, width, height)).err();
        assert_eq!(made("0/1", "0/1", "1/1", "1/1"), None);
        assert_eq!(made("1/1", "0/1", "1/1", "1/1"), Some(LayoutError::OutsideCanvas("a".into())));
        assert_eq!(made("0/1", "4294967295/2", "1/1", "1/1"), Some(LayoutError::OutsideCanvas("a".into())));
        assert_eq!(made("0/1", "0/1", "0/1", "1/1"), Some(LayoutError::NoSize("a".into())));
        assert_eq!(Region::new("", Area::WHOLE), Err(LayoutError::BadRegionId));
        assert_eq!(Region::new(&"a".repeat(65), Area::WHOLE), Err(LayoutError::BadRegionId));
    }
}
