//! Words in pictures: set once, kept as how much of each sample they cover, and laid over rows of samples.

use cosmic_text::fontdb;
use cosmic_text::{
    Align, Attrs, Buffer, Color, Ellipsize, EllipsizeHeightLimit, FontSystem, Metrics, Shaping, SwashCache, Wrap,
};

use super::layout::Rect;
use super::picture::{Picture, plane_rect};

/// Longest text, in bytes. A longer one is cut off at the last letter that fits.
pub const TEXT_BYTES_MAX: usize = 256;

/// Tallest letters, in rows of a line. Taller ones are made so small.
pub const TEXT_ROWS_MAX: u32 = 512;

/// Luma of letters and of the box behind them (limited range: white and black).
const LETTER: u8 = 235;
const BOX: u8 = 16;

/// How much of what is behind a box it hides, of 255.
const BOX_ALPHA: u8 = 140;

/// Sets text in DejaVu Sans, which has Latin, Greek, Cyrillic, Arabic and many signs, and in fonts that are added.
///
/// No font of the system is looked at, so that pictures are the same everywhere.
pub struct Typesetter {
    fonts: FontSystem,
    glyphs: SwashCache,
}

impl Typesetter {
    /// With the font of the package alone.
    pub fn new() -> Self {
        let mut database = fontdb::Database::new();
        database.load_font_data(dejavu::sans::regular().to_vec());
        database.set_sans_serif_family("DejaVu Sans");
        let fonts = FontSystem::new_with_locale_and_db("en-US".to_owned(), database);
        Self { fonts, glyphs: SwashCache::new() }
    }

    /// Sets one line of letters in a line `rows` high, no wider than `columns`; what does not fit ends in an ellipsis.
    fn set(&mut self, text: &str, rows: u32, columns: u32) -> Letters {
        let rows = rows.clamp(2, TEXT_ROWS_MAX);
        let size = rows as f32 / LINE_HEIGHT;
        let mut buffer = Buffer::new(&mut self.fonts, Metrics::new(size, rows as f32));
        buffer.set_wrap(Wrap::None);
        buffer.set_ellipsize(Ellipsize::End(EllipsizeHeightLimit::Lines(1)));
        buffer.set_size(Some(columns as f32), Some(rows as f32));
        let line: String = cut(text).chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        // Also of letters that run to the left, which would begin at the right end of the room.
        buffer.set_text(&line, &Attrs::new(), Shaping::Advanced, Some(Align::Left));
        buffer.shape_until_scroll(&mut self.fonts, false);
        let width = buffer.layout_runs().map(|run| run.line_w).fold(0.0, f32::max).ceil() as u32;
        let mut letters = Letters { width: width.min(columns), rows, coverage: Vec::new() };
        letters.coverage.resize((letters.width * rows) as usize, 0);
        buffer.draw(
            &mut self.fonts,
            &mut self.glyphs,
            Color::rgb(255, 255, 255),
            |left, top, width, height, colour| {
                letters.cover(left, top, (width, height), colour.a());
            },
        );
        letters
    }

    /// A text in a box, in lines `rows` high, no wider than `columns` altogether. Nothing for no text, or no room.
    pub(super) fn label(&mut self, text: &str, rows: u32, columns: u32) -> Option<Overlay> {
        let padding = rows / 4 + 1;
        let room = columns.checked_sub(2 * padding).filter(|room| *room > rows)?;
        if text.trim().is_empty() {
            return None;
        }
        let letters = self.set(text, rows, room);
        let (width, height) = ((letters.width + 2 * padding).next_multiple_of(2).min(columns & !1), (rows + 1) & !1);
        let mut overlay = Overlay::empty(width, height);
        overlay.samples.fill((BOX, BOX_ALPHA));
        overlay.write(&letters, padding);
        Some(overlay.finished())
    }

    /// A text without a box.
    pub(super) fn words(&mut self, text: &str, rows: u32, columns: u32) -> Option<Overlay> {
        if text.trim().is_empty() || columns < 2 {
            return None;
        }
        let letters = self.set(text, rows, columns & !1);
        let mut overlay = Overlay::empty(letters.width.next_multiple_of(2), (rows.clamp(2, TEXT_ROWS_MAX) + 1) & !1);
        overlay.write(&letters, 0);
        Some(overlay.finished())
    }
}

impl Default for Typesetter {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Typesetter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Typesetter").finish_non_exhaustive()
    }
}

/// Height of a line by that of its letters.
const LINE_HEIGHT: f32 = 1.25;

/// The first [`TEXT_BYTES_MAX`] bytes of a text, in whole letters.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// How much of each sample letters cover, of 255.
struct Letters {
    width: u32,
    rows: u32,
    coverage: Vec<u8>,
}

impl Letters {
    fn cover(&mut self, left: i32, top: i32, (width, height): (u32, u32), alpha: u8) {
        let span = |start: i32, length: u32, end: u32| {
            let start = i64::from(start);
            let within = |place: i64| place.clamp(0, i64::from(end)) as u32;
            within(start)..within(start + i64::from(length))
        };
        for row in span(top, height, self.rows) {
            for column in span(left, width, self.width) {
                let sample = &mut self.coverage[(row * self.width + column) as usize];
                *sample = (*sample).max(alpha);
            }
        }
    }
}

/// What is laid over a picture: grey samples, each hiding what is behind it in part.
#[derive(Clone, Debug)]
pub(super) struct Overlay {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Luma, and how much it hides of 255.
    samples: Vec<(u8, u8)>,
    /// How much each chroma sample loses of its colour, of 255.
    chroma: Vec<u8>,
}

impl Overlay {
    fn empty(width: u32, height: u32) -> Self {
        Self { width, height, samples: vec![(LETTER, 0); (width * height) as usize], chroma: Vec::new() }
    }

    /// Puts letters over what is there, so many columns from the left.
    fn write(&mut self, letters: &Letters, left: u32) {
        for (row, coverage) in letters.coverage.chunks_exact(letters.width.max(1) as usize).enumerate() {
            let start = row * self.width as usize + left as usize;
            let end = (row + 1) * self.width as usize;
            let Some(samples) = self.samples.get_mut(start.min(end)..end) else { return };
            for ((luma, alpha), covered) in samples.iter_mut().zip(coverage) {
                let (over, under) = (u32::from(*covered), u32::from(*alpha) * (255 - u32::from(*covered)) / 255);
                if over > 0 {
                    *luma = ((over * u32::from(LETTER) + under * u32::from(*luma)) / (over + under)) as u8;
                    *alpha = (over + under) as u8;
                }
            }
        }
    }

    fn finished(mut self) -> Self {
        let width = self.width as usize;
        let alpha = |row: usize, column: usize| u32::from(self.samples[row * width + column].1);
        let (rows, columns) = (self.height as usize / 2, width / 2);
        let quarter = |row: usize, column: usize| {
            let (top, left) = (row * 2, column * 2);
            let sum = alpha(top, left) + alpha(top, left + 1) + alpha(top + 1, left) + alpha(top + 1, left + 1);
            (sum / 4) as u8
        };
        self.chroma = (0..rows)
            .flat_map(|row| (0..columns).map(move |column| (row, column)))
            .map(|(row, column)| quarter(row, column))
            .collect();
        self
    }

    /// Lays it over the samples of `picture` from `left` and `top` on, which are even, as far as it is within.
    pub(super) fn blend(&self, picture: &mut Picture, left: u32, top: u32) {
        let size = picture.size();
        let (width, height) = (size.width.saturating_sub(left), size.height.saturating_sub(top));
        let rect = Rect { left, top, width: self.width.min(width), height: self.height.min(height) };
        let luma = self.samples.chunks_exact(self.width.max(1) as usize);
        for (to, over) in picture.rows_mut(0, rect).zip(luma) {
            for (to, (luma, alpha)) in to.iter_mut().zip(over) {
                *to = mixed(*to, *luma, *alpha);
            }
        }
        let columns = plane_rect(1, Rect { width: self.width, ..rect }).width.max(1) as usize;
        for plane in 1..3 {
            for (to, over) in picture.rows_mut(plane, rect).zip(self.chroma.chunks_exact(columns)) {
                for (to, alpha) in to.iter_mut().zip(over) {
                    *to = mixed(*to, 128, *alpha);
                }
            }
        }
    }
}

/// `under` with `over` before it, which hides `alpha` of 255.
fn mixed(under: u8, over: u8, alpha: u8) -> u8 {
    let [under, over, alpha] = [under, over, alpha].map(u32::from);
    ((under * (255 - alpha) + over * alpha + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use millrace_frames::PictureSize;

    use super::super::picture::Colour;
    use super::*;

    fn covered(letters: &Letters) -> u32 {
        letters.coverage.iter().map(|covered| u32::from(*covered > 127)).sum()
    }

    #[test]
    fn letters_have_their_shapes() {
        let mut typesetter = Typesetter::new();
        let letters = |typesetter: &mut Typesetter, text| typesetter.set(text, 40, 400);
        let bar = letters(&mut typesetter, "l");
        let column = |letters: &Letters, column: u32| {
            (0..letters.rows).filter(|row| letters.coverage[(row * letters.width + column) as usize] > 127).count()
        };
        let tallest = (0..bar.width).map(|at| column(&bar, at)).max().unwrap();
        assert!((22..34).contains(&tallest), "an l is a bar of {tallest} rows of 40");
        let dash = letters(&mut typesetter, "—");
        assert!((0..dash.width).all(|at| column(&dash, at) <= 5), "a dash is flat");
        let (m, i) = (letters(&mut typesetter, "M"), letters(&mut typesetter, "i"));
        assert!(m.width > 2 * i.width && covered(&m) > 2 * covered(&i));
    }

    #[test]
    fn letters_of_many_scripts_are_there_and_differ() {
        let mut typesetter = Typesetter::new();
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for text in ["Ada", "Ωμέγα", "Привет", "سلام", "Ærøskøbing", "հայ"] {
            let letters = typesetter.set(text, 32, 600);
            assert!(covered(&letters) > 100, "{text}");
            assert!(!seen.contains(&letters.coverage), "{text}");
            seen.push(letters.coverage);
        }
    }

    #[test]
    fn v08_texts_of_any_length_and_content_fit_their_room() {
        let mut typesetter = Typesetter::new();
        let texts = [
            "",
            " ",
            "\n\n\n",
            "a\nb\tc\0d",
            &"W".repeat(10_000),
            &"é".repeat(300),
            "\u{202e}abc",
            "🎉👩‍👩‍👧",
            "\u{300}\u{300}",
            &"\u{fdfd}".repeat(100),
        ];
        for text in texts {
            for (rows, columns) in [(1, 1), (2, 2), (8, 30), (20, 100), (600, 3000)] {
                if let Some(label) = typesetter.label(text, rows, columns) {
                    assert!(label.width <= columns && label.height <= rows.max(2) + 1, "{text:?} {rows} {columns}");
                    let mut small = Picture::filled(PictureSize { width: 33, height: 17 }, Colour::WHITE);
                    label.blend(&mut small, 16, 8);
                    label.blend(&mut small, 64, 64);
                }
            }
        }
    }

    #[test]
    fn a_label_darkens_what_is_behind_it_and_writes_white() {
        let mut typesetter = Typesetter::new();
        let label = typesetter.label("Ada", 20, 200).unwrap();
        let mut picture = Picture::filled(PictureSize { width: 200, height: 40 }, Colour::rgb(0, 0, 255));
        let before = picture.clone();
        label.blend(&mut picture, 10, 4);
        let rect = Rect { left: 10, top: 4, width: label.width, height: label.height };
        let corner = picture.rows(0, rect).next().unwrap()[0];
        assert_eq!(corner, mixed(41, BOX, BOX_ALPHA));
        let brightest = picture.rows(0, rect).flatten().max();
        assert!(brightest.is_some_and(|luma| *luma > 220), "{brightest:?}");
        let mut restored = picture.clone();
        restored.copy_rect(&before, rect);
        assert_eq!(restored, before, "nothing around it changed");
    }
}
