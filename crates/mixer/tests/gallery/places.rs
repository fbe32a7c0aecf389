//! Who stands where: every sample of the mix against rectangles that are worked out here, by whole numbers and OWT's rules
//! (a side times a fraction, rounded down, then down to an even number), and by a model of who is shown and who waits.

use std::time::Instant;

use millrace_codecs::BuiltVideoCodecs;
use millrace_frames::PictureSize;
use millrace_mixer::video::layout::{Arrangement, Fit, Template};
use millrace_mixer::video::{
    Colour, InputFormat, InputId, InputOptions, OutputOptions, Payload, Picture as Drawn, RawPicture, VideoMixer,
    VideoMixerOptions,
};

use crate::support::video::Picture;

pub(crate) const SIZES: [(u32, u32); 3] = [(1280, 720), (640, 480), (1001, 563)];

pub(crate) const BACKGROUND: Colour = Colour { samples: [20, 120, 130] };

/// Left, top, width and height as fractions: what is above and below.
pub(crate) type Parts = [(u32, u32); 4];

/// The samples of such a region: left, top, width and height.
pub(crate) fn samples((width, height): (u32, u32), parts: Parts) -> [u32; 4] {
    let even = |side: u32| side / 2 * 2;
    let part = |side: u32, (above, below): (u32, u32)| even(side * above / below);
    let (left, top) = (part(width, parts[0]), part(height, parts[1]));
    [left, top, part(width, parts[2]).min(even(width - left)), part(height, parts[3]).min(even(height - top))]
}

pub(crate) fn colour(input: usize) -> Colour {
    let number = input as u8;
    Colour { samples: [40 + number.wrapping_mul(37) % 180, 60 + number.wrapping_mul(53) % 140, 70 + number * 5] }
}

fn grid(side: u32) -> Vec<Parts> {
    let cell = |at: u32| [(at % side, side), (at / side, side), (1, side), (1, side)];
    (0..side * side).map(cell).collect()
}

/// A large region of all but the last of `sides` columns and rows, then that column downwards and that row to the left.
fn lecture(sides: u32) -> Vec<Parts> {
    let last = sides - 1;
    let mut regions = vec![[(0, 1), (0, 1), (last, sides), (last, sides)]];
    regions.extend((0..sides).map(|row| [(last, sides), (row, sides), (1, sides), (1, sides)]));
    regions.extend((0..last).rev().map(|column| [(column, sides), (last, sides), (1, sides), (1, sides)]));
    regions
}

/// A mixer, and what it should show.
struct Wall {
    canvas: (u32, u32),
    mixer: VideoMixer,
    ids: Vec<InputId>,
    /// What there is to choose from, the smallest first.
    layouts: Vec<Vec<Parts>>,
    shown_max: usize,
    placed: Vec<usize>,
    waiting: Vec<usize>,
}

impl Wall {
    fn new(canvas: (u32, u32), template: Template, layouts: Vec<Vec<Parts>>) -> Self {
        let shown_max = layouts.last().unwrap().len();
        let options = VideoMixerOptions {
            size: PictureSize { width: canvas.0, height: canvas.1 },
            arrangement: Arrangement::Template { template, custom: Vec::new() },
            shown_max,
            background: BACKGROUND,
            fit: Fit::Crop,
            ..VideoMixerOptions::default()
        };
        let mut mixer = VideoMixer::new(Box::new(BuiltVideoCodecs), options, Instant::now()).unwrap();
        let output = mixer.add_output(&OutputOptions::raw()).unwrap();
        mixer.set_taken(output, true).unwrap();
        Self { canvas, mixer, ids: Vec::new(), layouts, shown_max, placed: Vec::new(), waiting: Vec::new() }
    }

    fn join(&mut self) {
        let (input, id) = (self.ids.len(), self.mixer.add_input(InputOptions::new(InputFormat::Raw)).unwrap());
        let drawn = Drawn::filled(PictureSize { width: 48, height: 32 }, colour(input));
        self.mixer.write(id, RawPicture::I420(drawn.view().unwrap())).unwrap();
        self.ids.push(id);
        if self.placed.len() < self.shown_max { self.placed.push(input) } else { self.waiting.push(input) }
    }

    /// The first that waits takes the place; if none does, those behind move up.
    fn leave(&mut self, input: usize) {
        self.mixer.remove_input(self.ids[input]).unwrap();
        let at = self.placed.iter().position(|placed| *placed == input).unwrap();
        if self.waiting.is_empty() {
            self.placed.remove(at);
        } else {
            self.placed[at] = self.waiting.remove(0);
        }
    }

    /// Two change places; who waited sends the other to wait.
    fn swap_into(&mut self, input: usize, region: usize) {
        self.mixer.set_region(self.ids[input], &(region + 1).to_string()).unwrap();
        self.swap(input, region);
    }

    fn bring_first(&mut self, input: usize) {
        self.mixer.set_primary(self.ids[input]).unwrap();
        if self.waiting.contains(&input) {
            self.swap(input, self.placed.len() - 1);
        }
        self.swap(input, 0);
    }

    fn swap(&mut self, input: usize, place: usize) {
        let other = self.placed[place];
        for at in self.placed.iter_mut().chain(&mut self.waiting) {
            if *at == input {
                *at = other;
            } else if *at == other {
                *at = input;
            }
        }
    }

    fn assert_shown(&mut self, what: &str) {
        let regions = self.layouts.iter().find(|layout| layout.len() >= self.placed.len()).unwrap();
        let mut expected = painted(self.canvas, BACKGROUND);
        for (input, parts) in self.placed.iter().zip(regions) {
            paint(&mut expected, samples(self.canvas, *parts), colour(*input));
        }
        let due = self.mixer.next_tick();
        let mut shown = None;
        self.mixer.tick(due, &mut |frame| {
            if let Payload::Raw(view) = frame.payload {
                shown = Some(Picture::of(view));
            }
        });
        let count = self.layouts.last().unwrap().len();
        assert!(shown.unwrap() == expected, "{what}, {count} regions at most on {:?}: {:?}", self.canvas, self.placed);
    }
}

fn painted((width, height): (u32, u32), colour: Colour) -> Picture {
    let chroma = (width.div_ceil(2) * height.div_ceil(2)) as usize;
    let [y, u, v] = colour.samples;
    Picture { width, height, planes: [vec![y; (width * height) as usize], vec![u; chroma], vec![v; chroma]] }
}

fn paint(picture: &mut Picture, [left, top, width, height]: [u32; 4], colour: Colour) {
    for (plane, sample) in colour.samples.into_iter().enumerate() {
        let (by, stride) = if plane == 0 { (1, picture.width) } else { (2, picture.width.div_ceil(2)) };
        for row in top / by..(top + height) / by {
            let start = (row * stride + left / by) as usize;
            picture.planes[plane][start..start + (width / by) as usize].fill(sample);
        }
    }
}

#[test]
fn every_sample_is_of_whom_it_should_be_through_swaps_overflow_promotion_and_leaving() {
    let fluid = |side| (Template::Fluid, (1..=side).map(grid).collect::<Vec<_>>());
    let cases = [
        fluid(1),
        fluid(2),
        fluid(3),
        fluid(4),
        (Template::Lecture, vec![grid(1), lecture(3)]),
        (Template::Lecture, vec![grid(1), lecture(3), lecture(4), lecture(5), lecture(6), lecture(7)]),
    ];
    for ((template, layouts), canvas) in cases.iter().flat_map(|case| SIZES.map(|canvas| (case, canvas))) {
        let mut wall = Wall::new(canvas, *template, layouts.clone());
        let count = wall.shown_max;
        wall.assert_shown("nobody");
        (0..count).for_each(|_| wall.join());
        wall.assert_shown("everybody has a place");
        (0..2).for_each(|_| wall.join());
        wall.assert_shown("two wait");
        wall.swap_into(0, count - 1);
        wall.assert_shown("the first is in the last region");
        wall.bring_first(count + 1);
        wall.assert_shown("the second that waited is the first");
        wall.swap_into(count, count / 2);
        wall.assert_shown("the first that waited is in the middle");
        for _ in 0..2 {
            let leaves = wall.placed[count / 3];
            wall.leave(leaves);
            wall.assert_shown("one left, and one that waited took the place");
        }
        while let Some(last) = wall.placed.last().copied() {
            wall.leave(if wall.placed.len().is_multiple_of(2) { wall.placed[0] } else { last });
            wall.assert_shown("one left, and nobody waited");
        }
    }
}
