//! Makes pictures smaller by the average of what each sample covers (a box filter, as OWT's `kFilterBox`), and larger
//! by what lies between samples.

use millrace_frames::{PictureSize, PictureView};

use super::layout::Rect;
use super::picture::{Picture, plane_rect};

/// Sum of the weights of a sample: rows of sums then fit 16 bits.
const ONE: u32 = 256;

/// Scales part of a picture into part of another. Keeps what it computed for the sizes it saw last, and allocates only when
/// they change.
#[derive(Clone, Debug, Default)]
pub struct Scaler {
    sizes: Option<[PictureSize; 2]>,
    /// Of luma, and of both chroma planes.
    planes: [PlaneScaler; 2],
    /// A row of sums.
    sums: Vec<u16>,
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
            scaler.scale(source.planes[plane], source.strides[plane], part, &mut self.sums, target.rows_mut(plane, to));
        }
    }

    fn prepare(&mut self, from: Rect, to: Rect) {
        for (plane, scaler) in self.planes.iter_mut().enumerate() {
            let (from, to) = (plane_rect(plane, from), plane_rect(plane, to));
            scaler.across.prepare(from.width, to.width);
            scaler.down.prepare(from.height, to.height);
        }
        self.sums.resize(from.width as usize, 0);
    }
}

impl PlaneScaler {
    fn scale<'a>(
        &self,
        plane: &[u8],
        stride: usize,
        part: Rect,
        sums: &mut [u16],
        rows: impl Iterator<Item = &'a mut [u8]>,
    ) {
        let (left, width) = (part.left as usize, part.width as usize);
        let row = |number: usize| {
            let start = (part.top as usize + number) * stride + left;
            plane.get(start..start + width)
        };
        if self.across.is_plain() && self.down.is_plain() {
            for (number, out) in rows.enumerate() {
                if let Some(from) = row(number).filter(|from| from.len() == out.len()) {
                    out.copy_from_slice(from);
                }
            }
            return;
        }
        let sums = &mut sums[..width];
        for (number, out) in rows.enumerate() {
            let (start, weights) = self.down.of(number);
            sums.fill(0);
            for (tap, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
                let Some(from) = row(start + tap) else { continue };
                for (sum, sample) in sums.iter_mut().zip(from) {
                    *sum += u16::from(*sample) * weight;
                }
            }
            self.across.apply(sums, out);
        }
    }
}

impl Axis {
    /// Each sample is the one of the same number.
    fn is_plain(&self) -> bool {
        self.from == self.to
    }

    fn of(&self, number: usize) -> (usize, &[u16]) {
        (self.starts[number] as usize, &self.weights[number * self.taps..(number + 1) * self.taps])
    }

    fn prepare(&mut self, from: u32, to: u32) {
        (self.from, self.to) = (from, to);
        self.starts.clear();
        self.weights.clear();
        // A sample that is made smaller begins and ends within others; one that is made larger lies between two.
        self.taps = if from > to { from.div_ceil(to.max(1)) as usize + 1 } else { 2 }.min(from as usize);
        for number in 0..to {
            if from > to { self.cover(number) } else { self.between(number) }
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
            self.weights.push(ONE as u16);
        }
    }

    /// Makes a row of samples from one of sums.
    fn apply(&self, sums: &[u16], out: &mut [u8]) {
        const HALF: u32 = ONE * ONE / 2;
        if self.is_plain() {
            for (to, sum) in out.iter_mut().zip(sums) {
                *to = ((u32::from(*sum) + ONE / 2) / ONE) as u8;
            }
        } else if self.from == 2 * self.to {
            for (to, [first, second]) in out.iter_mut().zip(sums.as_chunks().0) {
                *to = ((u32::from(*first) + u32::from(*second) + ONE) / (2 * ONE)) as u8;
            }
        } else if self.taps == 2 || self.taps == 3 {
            let weights = self.weights.chunks_exact(self.taps);
            for ((to, start), weights) in out.iter_mut().zip(&self.starts).zip(weights) {
                let sums = &sums[*start as usize..*start as usize + weights.len()];
                let sum: u32 = sums.iter().zip(weights).map(|(sum, weight)| u32::from(*sum) * u32::from(*weight)).sum();
                *to = ((sum + HALF) / (ONE * ONE)) as u8;
            }
        } else {
            for (number, to) in out.iter_mut().enumerate() {
                let (start, weights) = self.of(number);
                let sums = &sums[start..start + weights.len()];
                let sum: u32 = sums.iter().zip(weights).map(|(sum, weight)| u32::from(*sum) * u32::from(*weight)).sum();
                *to = ((sum + HALF) / (ONE * ONE)) as u8;
            }
        }
    }
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
                assert_eq!(weights.iter().map(|weight| u32::from(*weight)).sum::<u32>(), ONE, "{from} to {to}");
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
