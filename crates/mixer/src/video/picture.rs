//! Pictures in I420 with memory of their own, and colours.

use std::str::FromStr;

use millrace_frames::{PictureSize, PictureView};

use super::layout::Rect;

/// A colour as I420 has it: ITU-R BT.601 of limited range, as WebRTC's senders use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Colour {
    /// Luma and both chroma samples.
    pub samples: [u8; 3],
}

impl Colour {
    /// Black.
    pub const BLACK: Self = Self { samples: [16, 128, 128] };
    /// White.
    pub const WHITE: Self = Self { samples: [235, 128, 128] };

    /// Of red, green and blue from 0 to 255.
    pub fn rgb(red: u8, green: u8, blue: u8) -> Self {
        let [red, green, blue] = [red, green, blue].map(i32::from);
        let samples = [
            ((66 * red + 129 * green + 25 * blue + 128) >> 8) + 16,
            ((-38 * red - 74 * green + 112 * blue + 128) >> 8) + 128,
            ((112 * red - 94 * green - 18 * blue + 128) >> 8) + 128,
        ];
        Self { samples: samples.map(|sample| sample.clamp(0, 255) as u8) }
    }

    /// Red, green and blue from 0 to 255.
    pub fn to_rgb(self) -> [u8; 3] {
        let [y, u, v] = self.samples.map(i32::from);
        let (luma, u, v) = (298 * (y - 16) + 128, u - 128, v - 128);
        [luma + 409 * v, luma - 100 * u - 208 * v, luma + 516 * u].map(|sum| (sum >> 8).clamp(0, 255) as u8)
    }
}

/// A text that is no colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a colour is written as #rrggbb")]
pub struct BadColour;

impl FromStr for Colour {
    type Err = BadColour;

    /// Reads `#rrggbb`.
    fn from_str(text: &str) -> Result<Self, BadColour> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6).ok_or(BadColour)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadColour);
        }
        let all = u32::from_str_radix(digits, 16).map_err(|_| BadColour)?;
        let [_, red, green, blue] = all.to_be_bytes();
        Ok(Self::rgb(red, green, blue))
    }
}

/// A picture in I420 whose rows lie behind each other without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    size: PictureSize,
    planes: [Vec<u8>; 3],
}

impl Picture {
    /// A picture of one colour.
    pub fn filled(size: PictureSize, colour: Colour) -> Self {
        let mut picture =
            Self { size: PictureSize { width: 0, height: 0 }, planes: [Vec::new(), Vec::new(), Vec::new()] };
        picture.resize(size);
        picture.fill(Rect { left: 0, top: 0, width: size.width, height: size.height }, colour);
        picture
    }

    /// A copy of `view`.
    pub fn of(view: &PictureView<'_>) -> Self {
        let mut picture = Self::filled(PictureSize { width: 0, height: 0 }, Colour::BLACK);
        picture.copy_from(view);
        picture
    }

    /// Width and height.
    pub fn size(&self) -> PictureSize {
        self.size
    }

    /// The picture, to be read. Nothing when it has no size.
    pub fn view(&self) -> Option<PictureView<'_>> {
        let [y, u, v] = &self.planes;
        let strides = [0, 1, 2].map(|plane| self.stride(plane));
        PictureView::new(self.size.width, self.size.height, [y, u, v], strides)
    }

    /// Becomes a copy of `view`. Allocates only to become larger than ever before.
    pub fn copy_from(&mut self, view: &PictureView<'_>) {
        self.resize(PictureSize { width: view.width, height: view.height });
        for plane in 0..3 {
            let stride = self.stride(plane).max(1);
            for (to, from) in self.planes[plane].chunks_exact_mut(stride).zip(view.rows(plane)) {
                to.copy_from_slice(from);
            }
        }
    }

    /// Becomes a picture of red, green, blue and alpha bytes, of which alpha is not looked at. `bytes` holds `size` whole
    /// rows without padding; what is missing stays as it was.
    pub fn copy_from_rgba(&mut self, size: PictureSize, bytes: &[u8]) {
        self.resize(size);
        let width = size.width as usize;
        let (columns, [y, u, v]) = (self.stride(1).max(1), &mut self.planes);
        let pixels = bytes.as_chunks::<4>().0;
        for (to, from) in y.iter_mut().zip(pixels) {
            *to = Colour::rgb(from[0], from[1], from[2]).samples[0];
        }
        let chroma = u.chunks_exact_mut(columns).zip(v.chunks_exact_mut(columns));
        for (row, (u, v)) in chroma.enumerate() {
            for (column, (u, v)) in u.iter_mut().zip(v).enumerate() {
                let colour = average(pixels, width, size.height as usize, column * 2, row * 2);
                [_, *u, *v] = Colour::rgb(colour[0], colour[1], colour[2]).samples;
            }
        }
    }

    /// Appends its red, green, blue and alpha bytes, row by row without padding; alpha is 255.
    pub fn write_rgba(&self, out: &mut Vec<u8>) {
        let (width, columns) = (self.size.width as usize, self.stride(1));
        let [y, u, v] = &self.planes;
        out.reserve(y.len() * 4);
        for (row, luma) in y.chunks_exact(width.max(1)).enumerate() {
            let chroma = row / 2 * columns;
            for (column, &luma) in luma.iter().enumerate() {
                let at = chroma + column / 2;
                let [red, green, blue] = Colour { samples: [luma, u[at], v[at]] }.to_rgb();
                out.extend_from_slice(&[red, green, blue, 255]);
            }
        }
    }

    /// Colours the samples of `rect`, which has even edges or ends at the picture's.
    pub fn fill(&mut self, rect: Rect, colour: Colour) {
        for plane in 0..3 {
            for row in self.rows_mut(plane, rect) {
                row.fill(colour.samples[plane]);
            }
        }
    }

    /// Copies the samples of `rect` from `other`, which has the same size.
    pub(super) fn copy_rect(&mut self, other: &Self, rect: Rect) {
        for plane in 0..3 {
            let from = other.rows(plane, rect);
            for (to, from) in self.rows_mut(plane, rect).zip(from) {
                to.copy_from_slice(from);
            }
        }
    }

    /// The rows of `rect` in a plane.
    pub(super) fn rows(&self, plane: usize, rect: Rect) -> impl Iterator<Item = &[u8]> {
        let (stride, part) = (self.stride(plane), plane_rect(plane, rect));
        let rows = self.planes[plane].chunks_exact(stride.max(1)).skip(part.top as usize).take(part.height as usize);
        rows.filter_map(move |row| row.get(part.columns()))
    }

    /// The rows of `rect` in a plane, to be written.
    pub(super) fn rows_mut(&mut self, plane: usize, rect: Rect) -> impl Iterator<Item = &mut [u8]> {
        let (stride, part) = (self.stride(plane), plane_rect(plane, rect));
        let rows = self.planes[plane].chunks_exact_mut(stride.max(1));
        rows.skip(part.top as usize).take(part.height as usize).filter_map(move |row| row.get_mut(part.columns()))
    }

    /// Takes another size; what it shows then means nothing.
    pub(super) fn resize(&mut self, size: PictureSize) {
        self.size = size;
        for plane in 0..3 {
            let rows = if plane == 0 { size.height } else { size.height.div_ceil(2) };
            let length = self.stride(plane) * rows as usize;
            self.planes[plane].resize(length, 128);
        }
    }

    fn stride(&self, plane: usize) -> usize {
        let width = self.size.width as usize;
        if plane == 0 { width } else { width.div_ceil(2) }
    }
}

impl Rect {
    fn columns(&self) -> std::ops::Range<usize> {
        self.left as usize..(self.left + self.width) as usize
    }
}

/// A rectangle of luma samples as that of a plane.
pub(super) fn plane_rect(plane: usize, rect: Rect) -> Rect {
    if plane == 0 {
        return rect;
    }
    let Rect { left, top, width, height } = rect;
    Rect { left: left / 2, top: top / 2, width: width.div_ceil(2), height: height.div_ceil(2) }
}

/// Average of up to four pixels from `left` and `top` on.
fn average(pixels: &[[u8; 4]], width: usize, height: usize, left: usize, top: usize) -> [u8; 3] {
    let (mut sums, mut count) = ([0u16; 3], 0);
    for row in top..(top + 2).min(height) {
        for column in left..(left + 2).min(width) {
            let Some(pixel) = pixels.get(row * width + column) else { continue };
            sums.iter_mut().zip(pixel).for_each(|(sum, sample)| *sum += u16::from(*sample));
            count += 1;
        }
    }
    sums.map(|sum| (sum / count.max(1)) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_pictures_come_back_from_rgba() {
        for rgb in [[0, 0, 0], [255, 255, 255], [200, 30, 60], [10, 120, 240], [90, 200, 20]] {
            let back = Colour::rgb(rgb[0], rgb[1], rgb[2]).to_rgb();
            assert!(rgb.iter().zip(back).all(|(a, b)| a.abs_diff(b) <= 3), "{rgb:?} came back as {back:?}");
        }
        let size = PictureSize { width: 5, height: 3 };
        let bytes: Vec<u8> = std::iter::repeat_n([200, 30, 60, 255], 15).flatten().collect();
        let mut picture = Picture::filled(size, Colour::BLACK);
        picture.copy_from_rgba(size, &bytes);
        let mut back = Vec::new();
        picture.write_rgba(&mut back);
        assert_eq!(back.len(), bytes.len());
        assert!(back.iter().zip(&bytes).all(|(a, b)| a.abs_diff(*b) <= 3));
    }

    #[test]
    fn colours_are_those_of_the_bt_601_bars() {
        let samples = |text: &str| text.parse::<Colour>().unwrap().samples;
        assert_eq!(samples("#ffffff"), [235, 128, 128]);
        assert_eq!(samples("#000000"), [16, 128, 128]);
        assert_eq!(samples("#ff0000"), [82, 90, 240]);
        assert_eq!(samples("#00FF00"), [144, 54, 34]);
        assert_eq!(samples("#0000ff"), [41, 240, 110]);
        for text in ["", "#", "#fff", "ffffff", "#gggggg", "#1234567", "#+12345"] {
            assert_eq!(text.parse::<Colour>(), Err(BadColour), "{text}");
        }
    }

    #[test]
    fn odd_pictures_are_copied_and_filled_to_their_edges() {
        let size = PictureSize { width: 5, height: 3 };
        let mut picture = Picture::filled(size, Colour::BLACK);
        picture.fill(Rect { left: 2, top: 2, width: 3, height: 1 }, Colour::WHITE);
        let view = picture.view().unwrap();
        assert_eq!(view.rows(0).last().unwrap(), [16, 16, 235, 235, 235]);
        assert_eq!(Picture::of(&view), picture);
        assert_eq!((view.planes[1].len(), view.strides[1]), (6, 3));
    }

    #[test]
    fn rgba_becomes_i420() {
        let red: Vec<u8> = [255, 0, 0, 9].repeat(15);
        let size = PictureSize { width: 5, height: 3 };
        let mut picture = Picture::filled(size, Colour::BLACK);
        picture.copy_from_rgba(size, &red);
        assert_eq!(picture, Picture::filled(size, Colour::rgb(255, 0, 0)));
    }
}
