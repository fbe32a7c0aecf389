//! Makes pictures smaller by the average of what each sample covers (a box filter, as OWT's `kFilterBox`), and larger
//! by what lies between samples.

use millrace_frames::{PictureSize, PictureView};

use super::layout::Rect;
use super::picture::{Picture, plane_rect};

/// Sum of the weights of a sample: rows of sums then fit 16 bits.
const ONE: u16 = 256;
const HALF: u16 = ONE / 2;

/// Scales part of a picture into part of another. Keeps what it computed for the sizes it saw last, and allocates only when
/// they change.
#[derive(Clone, Debug, Default)]
pub struct Scaler {
    sizes: Option<[PictureSize; 2]>,
    /// Of luma, and of both chroma planes.
    planes: [PlaneScaler; 2],
    work: Work,
}

/// What is computed of a picture's rows on the way.
#[derive(Clone, Debug, Default)]
struct Work {
    /// A row of sums.
    sums: Vec<u16>,
    /// The last rows that were made wider, those of even and those of odd numbers, and which they are.
    lines: [(Option<usize>, Vec<u8>); 2],
    /// Each sample of a row and the one behind it.
    pairs: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct PlaneScaler {
    across: Axis,
    down: Axis,
}

/// Of which samples each sample along an axis is made.
#[derive(Clone, Debug, Default)]
struct Axis {
    /// First of its samples.
    starts: Vec<u32>,
    /// So many weights for each.
    taps: usize,
    weights: Vec<u16>,
    /// Of an axis that is made larger: both weights, the second in the upper half.
    between: Vec<u32>,
    from: u32,
    to: u32,
}

impl Scaler {
    /// Scales the samples `from` of `source` into the samples `to` of `target`. Both rectangles have even edges, or end at
    /// the picture's, and lie within it; what does not is left out.
    pub fn scale(&mut self, source: &PictureView<'_>, from: Rect, target: &mut Picture, to: Rect) {
        let sizes = [from, to].map(|rect| PictureSize { width: rect.width, height: rect.height });
        if self.sizes != Some(sizes) {
            self.prepare(from, to);
            self.sizes = Some(sizes);
        }
        for plane in 0..3 {
            let (part, scaler) = (plane_rect(plane, from), &self.planes[plane.min(1)]);
            let rows = Rows { plane: source.planes[plane], stride: source.strides[plane], part };
            scaler.scale(rows, &mut self.work, target.rows_mut(plane, to));
        }
    }

    fn prepare(&mut self, from: Rect, to: Rect) {
        for (plane, scaler) in self.planes.iter_mut().enumerate() {
            let (from, to) = (plane_rect(plane, from), plane_rect(plane, to));
            scaler.across.prepare(from.width, to.width);
            scaler.down.prepare(from.height, to.height);
        }
        self.work.sums.resize(from.width as usize, 0);
        self.work.pairs.resize(from.width as usize, 0);
        self.work.lines.iter_mut().for_each(|(_, line)| line.resize(to.width as usize, 0));
    }
}

/// Part of a plane.
#[derive(Clone, Copy)]
struct Rows<'a> {
    plane: &'a [u8],
    stride: usize,
    part: Rect,
}

impl<'a> Rows<'a> {
    fn get(&self, number: usize) -> Option<&'a [u8]> {
        let start = (self.part.top as usize + number) * self.stride + self.part.left as usize;
        self.plane.get(start..start + self.part.width as usize)
    }
}

impl PlaneScaler {
    fn scale<'a>(&self, from: Rows<'_>, work: &mut Work, rows: impl Iterator<Item = &'a mut [u8]>) {
        if self.across.is_plain() && self.down.is_plain() {
            for (number, out) in rows.enumerate() {
                if let Some(from) = from.get(number).filter(|from| from.len() == out.len()) {
                    out.copy_from_slice(from);
                }
            }
        } else if self.across.is_larger() && self.down.is_larger() {
            self.enlarge(from, work, rows);
        } else {
            self.shrink(from, work, rows);
        }
    }

    /// First down, so that fewer rows are to be made narrower.
    fn shrink<'a>(&self, from: Rows<'_>, work: &mut Work, rows: impl Iterator<Item = &'a mut [u8]>) {
        let sums = &mut work.sums[..from.part.width as usize];
        for (number, out) in rows.enumerate() {
            let (start, weights) = self.down.of(number);
            sums.fill(0);
            for (tap, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
                let Some(from) = from.get(start + tap) else { continue };
                for (sum, sample) in sums.iter_mut().zip(from) {
                    *sum += u16::from(*sample) * weight;
                }
            }
            self.across.apply(sums, out);
        }
    }

    /// First across, so that fewer rows are to be made wider: each lies between two that stay at hand.
    fn enlarge<'a>(&self, from: Rows<'_>, work: &mut Work, rows: impl Iterator<Item = &'a mut [u8]>) {
        let Work { lines, pairs, .. } = work;
        lines.iter_mut().for_each(|(held, _)| *held = None);
        for (number, out) in rows.enumerate() {
            let (start, weights) = self.down.of(number);
            for row in
                (start..start + weights.len()).zip(weights).filter_map(|(row, weight)| (*weight > 0).then_some(row))
            {
                let (held, line) = &mut lines[row % 2];
                if *held != Some(row)
                    && let Some(from) = from.get(row)
                {
                    self.across.widen(from, pairs, &mut line[..out.len()]);
                    *held = Some(row);
                }
            }
            let width = out.len();
            let line = |row: usize| &lines[row % 2].1[..width];
            match *weights {
                [first, second] if first > 0 && second > 0 => {
                    for ((to, above), below) in out.iter_mut().zip(line(start)).zip(line(start + 1)) {
                        *to = ((u16::from(*above) * first + u16::from(*below) * second + HALF) / ONE) as u8;
                    }
                }
                [0, _] => out.copy_from_slice(line(start + 1)),
                _ => out.copy_from_slice(line(start)),
            }
        }
    }
}

impl Axis {
    /// Each sample is the one of the same number.
    fn is_plain(&self) -> bool {
        self.from == self.to
    }

    /// Or as large as before.
    fn is_larger(&self) -> bool {
        self.from <= self.to
    }

    fn of(&self, number: usize) -> (usize, &[u16]) {
        (self.starts[number] as usize, &self.weights[number * self.taps..(number + 1) * self.taps])
    }

    fn prepare(&mut self, from: u32, to: u32) {
        (self.from, self.to) = (from, to);
        self.starts.clear();
        self.weights.clear();
        self.between.clear();
        // A sample that is made smaller begins and ends within others; one that is made larger lies between two.
        self.taps = if from > to { from.div_ceil(to.max(1)) as usize + 1 } else { 2 }.min(from as usize);
        for number in 0..to {
            if from > to { self.cover(number) } else { self.between(number) }
        }
        if self.is_larger() {
            let both = |weights: &[u16; 2]| (u32::from(weights[1]) << 16) | u32::from(weights[0]);
            // A single sample has no other to be between.
            self.between.extend(self.weights.as_chunks().0.iter().filter(|_| self.taps == 2).map(both));
        }
    }

    /// What sample `number` covers, each sample by the part of it that is covered.
    fn cover(&mut self, number: u32) {
        let [from, to, number] = [self.from, self.to, number].map(u64::from);
        // In parts of a sample: `to` make one, and each covers `from` of them.
        let (begin, end) = (number * from, (number + 1) * from);
        let start = (begin / to).min(from - self.taps as u64);
        self.starts.push(start as u32);
        let weight_until = |sample: u64| ((sample * to).clamp(begin, end) - begin) * u64::from(ONE) * 2 / from;
        let rounded = |sample| weight_until(sample).div_ceil(2);
        for tap in 0..self.taps as u64 {
            self.weights.push((rounded(start + tap + 1) - rounded(start + tap)) as u16);
        }
    }

    /// The two samples that sample `number` lies between, by their distance.
    fn between(&mut self, number: u32) {
        let [from, to, number] = [self.from, self.to, number].map(i64::from);
        let one = i64::from(ONE);
        let place = ((2 * number + 1) * from * one / to - one) / 2;
        let place = place.clamp(0, (from - 1) * one);
        let start = (place / one).min(from - self.taps as i64);
        self.starts.push(start as u32);
        let second = place - start * one;
        if self.taps == 2 {
            self.weights.extend([(one - second) as u16, second as u16]);
        } else {
            self.weights.push(ONE);
        }
    }

    /// Makes a row of samples wider.
    fn widen(&self, row: &[u8], pairs: &mut [u32], out: &mut [u8]) {
        if self.is_plain() {
            out.copy_from_slice(row);
            return;
        }
        let [.., last] = row else { return };
        if self.taps == 1 {
            out.fill(*last);
            return;
        }
        if self.to == 2 * self.from {
            return double(row, out);
        }
        let pairs = &mut pairs[..row.len() - 1];
        for ((pair, first), second) in pairs.iter_mut().zip(row).zip(&row[1..]) {
            *pair = (u32::from(*first) << 16) | u32::from(*second);
        }
        for ((to, start), weights) in out.iter_mut().zip(&self.starts).zip(&self.between) {
            // Both products at once: first by first and second by second meet in the upper half, which nothing is carried
            // into, and first by second is lost beyond it.
            let sum = pairs[*start as usize].wrapping_mul(*weights) >> 16;
            *to = ((sum + u32::from(HALF)) / u32::from(ONE)) as u8;
        }
    }

    /// Makes a row of samples from one of sums.
    fn apply(&self, sums: &[u16], out: &mut [u8]) {
        if self.is_plain() {
            for (to, sum) in out.iter_mut().zip(sums) {
                // Sums are 255 * 256 at most.
                *to = ((sum + HALF) / ONE) as u8;
            }
        } else if self.from == 2 * self.to {
            for (to, [first, second]) in out.iter_mut().zip(sums.as_chunks().0) {
                *to = ((u32::from(*first) + u32::from(*second) + u32::from(ONE)) / (2 * u32::from(ONE))) as u8;
            }
        } else {
            match self.taps {
                2 => self.apply_taps::<2>(sums, out),
                3 => self.apply_taps::<3>(sums, out),
                4 => self.apply_taps::<4>(sums, out),
                5 => self.apply_taps::<5>(sums, out),
                _ => {
                    for (number, to) in out.iter_mut().enumerate() {
                        let (start, weights) = self.of(number);
                        *to = weighed(&sums[start..start + weights.len()], weights);
                    }
                }
            }
        }
    }

    /// As many samples for each as the compiler knows.
    fn apply_taps<const TAPS: usize>(&self, sums: &[u16], out: &mut [u8]) {
        let weights = self.weights.as_chunks::<TAPS>().0;
        for ((to, start), weights) in out.iter_mut().zip(&self.starts).zip(weights) {
            let Some(sums) = sums[*start as usize..].first_chunk::<TAPS>() else { continue };
            *to = weighed(sums, weights);
        }
    }
}

/// The average of sums by their weights.
fn weighed(sums: &[u16], weights: &[u16]) -> u8 {
    const HALF: u32 = 1 << 15;
    let sum: u32 = sums.iter().zip(weights).map(|(sum, weight)| u32::from(*sum) * u32::from(*weight)).sum();
    ((sum + HALF) >> 16) as u8
}

/// Makes a row twice as wide: what lies between two samples is made of three parts of the nearer and one of the other.
fn double(row: &[u8], out: &mut [u8]) {
    let [first, .., last] = *row else { return };
    let Some((before, out)) = out.split_first_mut() else { return };
    *before = first;
    let (between, after) = out.as_chunks_mut::<2>();
    for ((to, left), right) in between.iter_mut().zip(row).zip(&row[1..]) {
        let (left, right) = (u16::from(*left), u16::from(*right));
        *to = [((3 * left + right + 2) / 4) as u8, ((left + 3 * right + 2) / 4) as u8];
    }
    after.fill(last);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(from: u32, to: u32) -> Axis {
        let mut axis = Axis::default();
        axis.prepare(from, to);
        axis
    }

    #[test]
    fn the_weights_of_every_sample_are_one_and_of_samples_that_are_there() {
        let sides = [1, 2, 3, 5, 16, 17, 90, 91, 160, 213, 240, 640, 1279, 1280, 4096];
        for (from, to) in sides.iter().flat_map(|from| sides.map(|to| (*from, to))) {
            let axis = axis(from, to);
            for number in 0..to as usize {
                let (start, weights) = axis.of(number);
                assert_eq!(
                    weights.iter().map(|weight| u32::from(*weight)).sum::<u32>(),
                    u32::from(ONE),
                    "{from} to {to}"
                );
                assert!(start + weights.len() <= from as usize, "{from} to {to}");
            }
        }
    }

    #[test]
    fn samples_made_smaller_are_the_average_of_what_they_cover() {
        let weights = |from, to| {
            let axis = axis(from, to);
            (0..to as usize).map(|number| (axis.starts[number], axis.of(number).1.to_vec())).collect::<Vec<_>>()
        };
        assert_eq!(weights(4, 2), [(0, vec![128, 128, 0]), (1, vec![0, 128, 128])]);
        assert_eq!(weights(3, 2), [(0, vec![171, 85, 0]), (0, vec![0, 85, 171])]);
        assert_eq!(weights(2, 4), [(0, vec![256, 0]), (0, vec![192, 64]), (0, vec![64, 192]), (0, vec![0, 256])]);
    }

    #[test]
    fn one_colour_stays_that_colour_whatever_the_sizes() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut scaler = Scaler::default();
        for _ in 0..200 {
            let colour = super::super::picture::Colour { samples: [random.u8(..), random.u8(..), random.u8(..)] };
            let mut size = || PictureSize { width: random.u32(1..150), height: random.u32(1..150) };
            let source = Picture::filled(size(), colour);
            let to = size();
            let mut target = Picture::filled(to, super::super::picture::Colour::WHITE);
            let whole = |size: PictureSize| Rect { left: 0, top: 0, width: size.width, height: size.height };
            scaler.scale(&source.view().unwrap(), whole(source.size()), &mut target, whole(to));
            assert_eq!(target, Picture::filled(to, colour), "{:?} to {to:?}", source.size());
        }
    }

    /// A picture of noise.
    fn noise(size: PictureSize, random: &mut fastrand::Rng) -> Picture {
        let mut picture = Picture::filled(size, super::super::picture::Colour::BLACK);
        let whole = Rect { left: 0, top: 0, width: size.width, height: size.height };
        (0..3).for_each(|plane| picture.rows_mut(plane, whole).flatten().for_each(|sample| *sample = random.u8(..)));
        picture
    }

    #[test]
    fn every_sample_is_the_weighed_sum_of_its_own_whatever_the_sizes() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut scaler = Scaler::default();
        for round in 0..200 {
            let mut size = || PictureSize { width: random.u32(1..90), height: random.u32(1..90) };
            let (from, mut to) = (size(), size());
            if round % 4 == 0 {
                to = PictureSize { width: from.width * 2, height: from.height * 2 };
            }
            let (source, mut target) = (noise(from, &mut random), noise(to, &mut random));
            let whole = |size: PictureSize| Rect { left: 0, top: 0, width: size.width, height: size.height };
            scaler.scale(&source.view().unwrap(), whole(from), &mut target, whole(to));
            for plane in 0..3 {
                let rows: Vec<_> = source.rows(plane, whole(from)).collect();
                let side = |side: u32| if plane == 0 { side } else { side.div_ceil(2) };
                let (across, down) = (axis(side(from.width), side(to.width)), axis(side(from.height), side(to.height)));
                for (row, made) in target.rows(plane, whole(to)).enumerate() {
                    for (column, made) in made.iter().enumerate() {
                        let ((left, columns), (top, weights)) = (across.of(column), down.of(row));
                        let sum = |weight: &u16, samples: &[u8]| {
                            let samples = samples[left..].iter().zip(columns);
                            f64::from(*weight)
                                * samples.map(|(sample, weight)| f64::from(*sample) * f64::from(*weight)).sum::<f64>()
                        };
                        let exact =
                            weights.iter().zip(&rows[top..]).map(|(weight, samples)| sum(weight, samples)).sum::<f64>();
                        let apart = (exact / 65_536.0 - f64::from(*made)).abs();
                        // Rounded across, and again down.
                        assert!(apart <= 1.0, "{from:?} to {to:?}, plane {plane}, {column} x {row}: {apart}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_part_goes_into_a_part_and_nothing_around_it_changes() {
        use super::super::picture::Colour;
        let mut source = Picture::filled(PictureSize { width: 64, height: 48 }, Colour::BLACK);
        let from = Rect { left: 16, top: 8, width: 32, height: 32 };
        source.fill(from, Colour::WHITE);
        let mut target = Picture::filled(PictureSize { width: 40, height: 40 }, Colour::rgb(255, 0, 0));
        let mut expected = target.clone();
        let to = Rect { left: 4, top: 10, width: 20, height: 12 };
        expected.fill(to, Colour::WHITE);
        Scaler::default().scale(&source.view().unwrap(), from, &mut target, to);
        assert_eq!(target, expected);
    }
}
