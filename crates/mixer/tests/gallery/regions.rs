//! Given regions: letterboxes, crops, overlaps and the background, point by point against what floating-point numbers say.

use std::time::Instant;

use millrace_codecs::BuiltVideoCodecs;
use millrace_frames::PictureSize;
use millrace_mixer::video::layout::{Area, Arrangement, Fit, Fraction, Rect, Region};
use millrace_mixer::video::{
    Colour, InputFormat, InputOptions, OutputOptions, Payload, Picture as Drawn, RawPicture, VideoMixer,
    VideoMixerOptions,
};

use crate::places::{BACKGROUND, Parts, SIZES, colour, samples};
use crate::support::video::Picture;

/// A region, and what its input shows: three bands side by side, each of a colour.
struct Place {
    parts: Parts,
    fit: Fit,
    z: i32,
    picture: (u32, u32),
    bands: [usize; 3],
}

/// What somebody should see at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    Colour(Colour),
    /// A point next to an edge, where rounding and scaling decide.
    Edge,
}

impl Place {
    /// What this region shows at a point of the canvas, if the point lies in it.
    fn at(&self, canvas: (u32, u32), (x, y): (f64, f64)) -> Option<Seen> {
        let [left, top, width, height] = samples(canvas, self.parts).map(f64::from);
        if !(left..left + width).contains(&x) || !(top..top + height).contains(&y) {
            return None;
        }
        let (columns, rows) = (f64::from(self.picture.0), f64::from(self.picture.1));
        let (by_width, by_height) = (width / columns, height / rows);
        let scale = if self.fit == Fit::Crop { by_width.max(by_height) } else { by_width.min(by_height) };
        // In samples of the picture, from its middle.
        let (across, down) = ((x - left - width / 2.0) / scale, (y - top - height / 2.0) / scale);
        // Two samples of the picture and four of the canvas.
        let near = 2.0 + 4.0 / scale;
        let (beyond_x, beyond_y) = (across.abs() - columns / 2.0, down.abs() - rows / 2.0);
        if self.fit == Fit::Letterbox {
            let beyond = beyond_x.max(beyond_y);
            // What fits in one direction has no bar there, so that its end is no edge.
            let has_bars = [(beyond_x, by_width), (beyond_y, by_height)];
            let edge = has_bars.iter().any(|(beyond, by)| *by > scale * 1.001 && beyond.abs() < near);
            if edge {
                return Some(Seen::Edge);
            }
            if beyond > 4.0 / scale {
                return Some(Seen::Colour(BACKGROUND));
            }
        }
        let band = (across + columns / 2.0) / (columns / 3.0);
        let to_edge = [1.0, 2.0].map(|edge| (band - edge).abs() * columns / 3.0);
        if to_edge.iter().any(|distance| *distance < near) {
            return Some(Seen::Edge);
        }
        Some(Seen::Colour(colour(self.bands[(band.max(0.0) as usize).min(2)])))
    }

    fn drawn(&self) -> Drawn {
        let (width, height) = self.picture;
        let mut drawn = Drawn::filled(PictureSize { width, height }, colour(self.bands[2]));
        for (band, input) in self.bands[..2].iter().enumerate() {
            drawn.fill(Rect { left: width / 3 * band as u32, top: 0, width: width / 3, height }, colour(*input));
        }
        drawn
    }

    fn region(&self, id: usize) -> Region {
        let [left, top, width, height] = self.parts.map(|(above, below)| Fraction::new(above, below).unwrap());
        let mut region = Region::new(&format!("region {id}"), Area { left, top, width, height }).unwrap();
        (region.fit, region.z) = (Some(self.fit), self.z);
        region
    }
}

/// The mix of these, and an empty region in the upper right corner.
fn mix(canvas: (u32, u32), places: &[Place]) -> Picture {
    let size = PictureSize { width: canvas.0, height: canvas.1 };
    let mut regions: Vec<_> = places.iter().enumerate().map(|(id, place)| place.region(id)).collect();
    let corner =
        Place { parts: [(11, 12), (0, 1), (1, 12), (1, 9)], fit: Fit::Crop, z: 9, picture: (2, 2), bands: [0; 3] };
    regions.push(corner.region(regions.len()));
    let options = VideoMixerOptions {
        size,
        arrangement: Arrangement::Regions(regions),
        background: BACKGROUND,
        ..VideoMixerOptions::default()
    };
    let mut mixer = VideoMixer::new(Box::new(BuiltVideoCodecs), options, Instant::now()).unwrap();
    for place in places {
        let input = mixer.add_input(InputOptions::new(InputFormat::Raw)).unwrap();
        mixer.write(input, RawPicture::I420(place.drawn().view().unwrap())).unwrap();
    }
    let output = mixer.add_output(&OutputOptions::raw()).unwrap();
    mixer.set_taken(output, true).unwrap();
    let (due, mut shown) = (mixer.next_tick(), None);
    mixer.tick(due, &mut |frame| {
        if let Payload::Raw(view) = frame.payload {
            shown = Some(Picture::of(view));
        }
    });
    shown.unwrap()
}

#[test]
fn letterboxes_crops_overlaps_and_the_background_are_where_they_belong() {
    let places = [
        // A square between bars, left and right or above and below by the canvas.
        Place {
            parts: [(0, 1), (0, 1), (2, 3), (1, 1)],
            fit: Fit::Letterbox,
            z: 0,
            picture: (240, 240),
            bands: [1, 2, 3],
        },
        // A panorama of which the middle is seen.
        Place { parts: [(2, 3), (1, 9), (1, 3), (4, 9)], fit: Fit::Crop, z: 0, picture: (600, 120), bands: [4, 5, 6] },
        // Over both, cut off at the canvas' edges.
        Place { parts: [(1, 2), (1, 2), (9, 10), (3, 4)], fit: Fit::Crop, z: 1, picture: (180, 320), bands: [7, 8, 9] },
        // Beneath all, seen where they leave room, between bars.
        Place {
            parts: [(2, 3), (0, 1), (1, 4), (1, 9)],
            fit: Fit::Letterbox,
            z: -1,
            picture: (160, 90),
            bands: [10, 11, 12],
        },
    ];
    for canvas in SIZES {
        let shown = mix(canvas, &places);
        let mut by_height: Vec<_> = places.iter().collect();
        by_height.sort_by_key(|place| -place.z);
        let (mut looked, mut seen) = (0, [0; 20]);
        // At every sample of chroma: its four of luma.
        for (left, top) in (0..canvas.1 / 2).flat_map(|row| (0..canvas.0 / 2).map(move |column| (column, row))) {
            let point = (f64::from(left * 2) + 1.0, f64::from(top * 2) + 1.0);
            let expected = by_height.iter().find_map(|place| place.at(canvas, point));
            let Seen::Colour(expected) = expected.unwrap_or(Seen::Colour(BACKGROUND)) else { continue };
            let chroma = (top * canvas.0.div_ceil(2) + left) as usize;
            let luma =
                |row: u32, column: u32| shown.planes[0][((top * 2 + row) * canvas.0 + left * 2 + column) as usize];
            let here = [luma(0, 0), shown.planes[1][chroma], shown.planes[2][chroma]];
            let same = [luma(0, 1), luma(1, 0), luma(1, 1)].iter().all(|other| *other == here[0]);
            assert!(same && here == expected.samples, "{canvas:?} at {point:?}: {here:?} not {:?}", expected.samples);
            looked += 1;
            let which = (0..20).find(|input| *input > 0 && colour(*input) == expected).unwrap_or(0);
            seen[which] += 1;
        }
        let all = canvas.0 / 2 * (canvas.1 / 2);
        println!("{canvas:?}: {looked} of {all} points, by colour {seen:?}");
        assert!(looked * 10 > all * 8, "{canvas:?}: {looked} of {all}");
        // The panorama's outer bands are cut off for the most part, the middle ones and the background are not.
        assert!([0, 1, 2, 3, 5, 7, 8, 9, 11].iter().all(|input| seen[*input] > 0), "{canvas:?}: {seen:?}");
    }
}
