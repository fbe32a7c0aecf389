use std::collections::BTreeMap;

use super::super::layout::{Area, Arrangement, Region, Template};
use super::*;

const HD: PictureSize = PictureSize { width: 1280, height: 720 };
const BACKGROUND: Colour = Colour { samples: [20, 120, 130] };

/// What inputs show, by their ids.
#[derive(Default)]
struct Show {
    pictures: BTreeMap<u32, (Picture, u64)>,
    labels: BTreeMap<u32, (String, u64)>,
}

impl Show {
    fn of(pictures: &[(u32, PictureSize)]) -> Self {
        let mut show = Self::default();
        for (input, size) in pictures {
            show.put(*input, *size, colour(*input));
        }
        show
    }

    fn put(&mut self, input: u32, size: PictureSize, colour: Colour) {
        let number = self.pictures.get(&input).map_or(1, |(_, number)| number + 1);
        self.pictures.insert(input, (Picture::filled(size, colour), number));
    }

    fn look(&self, input: InputId) -> Option<Look<'_>> {
        let picture = self.pictures.get(&input.0);
        let label = self.labels.get(&input.0);
        Some(Look {
            picture: picture.map(|(picture, _)| picture),
            number: picture.map_or(0, |(_, number)| *number),
            label: label.map_or("", |(label, _)| label),
            label_number: label.map_or(0, |(_, number)| *number),
        })
    }
}

fn colour(input: u32) -> Colour {
    Colour { samples: [60 + 10 * input as u8, 40 + 7 * input as u8, 200 - 5 * input as u8] }
}

fn layout(size: PictureSize, template: Template, inputs: u32) -> Layout {
    let arrangement = Arrangement::Template { template, custom: Vec::new() };
    let mut layout = Layout::new(size, 25, arrangement).unwrap();
    (0..inputs).for_each(|input| layout.add(InputId(input)));
    layout
}

fn region(id: &str, parts: [(u32, u32); 4]) -> Region {
    let [left, top, width, height] =
        parts.map(|(above, below)| super::super::layout::Fraction::new(above, below).unwrap());
    Region::new(id, Area { left, top, width, height }).unwrap()
}

fn sample(picture: &Picture, left: u32, top: u32) -> [u8; 3] {
    [0, 1, 2].map(|plane| picture.rows(plane, Rect { left, top, width: 1, height: 1 }).next().unwrap()[0])
}

/// What a whole new drawing would be must be what was drawn bit by bit.
fn assert_like_new(compositor: &Compositor, layout: &Layout, show: &Show) {
    let mut anew = Compositor::new(compositor.canvas.size(), BACKGROUND, compositor.fit);
    anew.background = compositor.background.clone();
    anew.captions = compositor.captions.clone();
    anew.compose(layout, |input| show.look(input));
    assert!(anew.canvas == compositor.canvas, "bit by bit and at once");
}

/// Rectangles by floating-point numbers, computed apart from the layout's own: column, row and side in parts.
fn expected(size: PictureSize, cells: &[(f64, f64, f64)]) -> Vec<[u32; 4]> {
    let even = |value: f64| ((value + 1e-6) / 2.0).floor() as u32 * 2;
    let whole = |value: f64| (value + 1e-6).floor();
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let rect = |(left, top, side): &(f64, f64, f64)| {
        [even(whole(width * left)), even(whole(height * top)), even(whole(width * side)), even(whole(height * side))]
    };
    cells.iter().map(rect).collect()
}

fn grid(side: u32) -> Vec<(f64, f64, f64)> {
    let part = 1.0 / f64::from(side);
    let cells = (0..side * side).map(|cell| (f64::from(cell % side) * part, f64::from(cell / side) * part, part));
    cells.collect()
}

#[test]
fn every_input_has_its_colour_in_its_rectangle_and_the_background_is_around() {
    let third = 1.0 / 3.0;
    let six = vec![
        (0.0, 0.0, 2.0 * third),
        (2.0 * third, 0.0, third),
        (2.0 * third, third, third),
        (2.0 * third, 2.0 * third, third),
        (third, 2.0 * third, third),
        (0.0, 2.0 * third, third),
    ];
    let mut fourteen = vec![(0.0, 0.0, 6.0 / 7.0)];
    fourteen.extend((0..7).map(|row| (6.0 / 7.0, f64::from(row) / 7.0, 1.0 / 7.0)));
    fourteen.extend((0..6).rev().map(|column| (f64::from(column) / 7.0, 6.0 / 7.0, 1.0 / 7.0)));
    let cases = [
        (Template::Fluid, grid(1)),
        (Template::Fluid, grid(2)),
        (Template::Fluid, grid(3)),
        (Template::Fluid, grid(4)),
        (Template::Lecture, six),
        (Template::Lecture, fourteen),
    ];
    let sizes = [(1280, 720), (640, 480), (1921, 1081)].map(|(width, height)| PictureSize { width, height });
    for ((template, cells), size) in cases.iter().flat_map(|case| sizes.map(|size| (case, size))) {
        let rects = expected(size, cells);
        // Every input has the shape of its tile.
        let inputs: Vec<_> = rects
            .iter()
            .zip(0..)
            .map(|(rect, input)| (input, PictureSize { width: rect[2], height: rect[3] }))
            .collect();
        let (show, layout) = (Show::of(&inputs), layout(size, *template, cells.len() as u32));
        let mut compositor = Compositor::new(size, BACKGROUND, Fit::Letterbox);
        assert!(compositor.compose(&layout, |input| show.look(input)));
        let mut picture = Picture::filled(size, BACKGROUND);
        for (rect, input) in rects.iter().zip(0..) {
            let [left, top, width, height] = *rect;
            picture.fill(Rect { left, top, width, height }, colour(input));
        }
        assert!(*compositor.canvas() == picture, "{template:?} {} {size:?}", cells.len());
    }
}

#[test]
fn pictures_of_another_shape_stand_between_bars_or_are_cut_off() {
    // The middle third of the picture is of another colour.
    let mut wide = Picture::filled(PictureSize { width: 960, height: 240 }, Colour::BLACK);
    wide.fill(Rect { left: 320, top: 0, width: 320, height: 240 }, Colour::WHITE);
    let layout = layout(HD, Template::Fluid, 2);
    let mut show = Show::default();
    show.pictures.insert(0, (wide, 1));
    show.put(1, PictureSize { width: 240, height: 480 }, colour(1));
    let mut letterbox = Compositor::new(HD, BACKGROUND, Fit::Letterbox);
    letterbox.compose(&layout, |input| show.look(input));
    let at = |left, top| sample(letterbox.canvas(), left, top);
    // 640 wide and 160 high, from row 100 on.
    assert_eq!(
        (at(10, 98), at(10, 100), at(10, 258), at(10, 260)),
        (BACKGROUND.samples, [16, 128, 128], [16, 128, 128], BACKGROUND.samples)
    );
    assert_eq!(at(320, 180), [235, 128, 128]);
    // 180 wide and 360 high, from column 640 + 230 on.
    assert_eq!(
        (at(868, 10), at(870, 10), at(1048, 10), at(1050, 10)),
        (BACKGROUND.samples, colour(1).samples, colour(1).samples, BACKGROUND.samples)
    );
    let mut crop = Compositor::new(HD, BACKGROUND, Fit::Crop);
    crop.compose(&layout, |input| show.look(input));
    let at = |left, top| sample(crop.canvas(), left, top);
    // Of 960 columns the middle 426 are seen: 53 black ones, 320 white ones, 53 black ones.
    let edge = 640 * 53 / 426;
    assert_eq!(
        (at(4, 4), at(edge - 6, 180), at(edge + 6, 180), at(636, 356)),
        ([16, 128, 128], [16, 128, 128], [235, 128, 128], [16, 128, 128])
    );
    assert_eq!((at(644, 4), at(1276, 356)), (colour(1).samples, colour(1).samples));
}

#[test]
fn only_tiles_that_changed_are_drawn_and_the_picture_is_as_if_all_were() {
    let size = PictureSize { width: 640, height: 360 };
    let layout = layout(HD, Template::Fluid, 4);
    let mut show = Show::of(&[(0, size), (1, size), (2, size), (3, size)]);
    let mut compositor = Compositor::new(HD, BACKGROUND, Fit::Letterbox);
    compositor.compose(&layout, |input| show.look(input));
    assert_eq!(compositor.redrawn(), 4);
    assert!(!compositor.compose(&layout, |input| show.look(input)), "nothing changed");
    show.put(2, size, colour(9));
    assert!(compositor.compose(&layout, |input| show.look(input)));
    assert_eq!(compositor.redrawn(), 5);
    assert_eq!(sample(compositor.canvas(), 10, 370), colour(9).samples);
    // Another shape, and another size of the same shape.
    show.put(2, PictureSize { width: 180, height: 320 }, colour(8));
    compositor.compose(&layout, |input| show.look(input));
    assert_eq!(sample(compositor.canvas(), 10, 370), BACKGROUND.samples);
    show.put(2, PictureSize { width: 1279, height: 719 }, colour(7));
    compositor.compose(&layout, |input| show.look(input));
    assert_like_new(&compositor, &layout, &show);
}

#[test]
fn regions_that_overlap_lie_by_their_z() {
    let mut under = region("under", [(0, 1), (0, 1), (1, 1), (1, 1)]);
    let over = region("over", [(1, 2), (1, 2), (1, 4), (1, 4)]);
    under.fit = Some(Fit::Crop);
    let side = PictureSize { width: 320, height: 180 };
    let mut show = Show::of(&[(0, side), (1, side)]);
    for (z, seen) in [(0, 1), (-1, 0)] {
        let mut over = over.clone();
        over.z = z;
        let regions = vec![under.clone(), over];
        let mut layout = Layout::new(HD, 16, Arrangement::Regions(regions)).unwrap();
        (0..2).for_each(|input| layout.add(InputId(input)));
        let mut compositor = Compositor::new(HD, BACKGROUND, Fit::Letterbox);
        compositor.compose(&layout, |input| show.look(input));
        assert_eq!(sample(compositor.canvas(), 800, 450), colour(seen).samples);
        // The one behind changes: the one before it is drawn again.
        show.put(0, side, colour(0));
        compositor.compose(&layout, |input| show.look(input));
        assert_eq!(sample(compositor.canvas(), 800, 450), colour(seen).samples);
        assert_eq!(sample(compositor.canvas(), 20, 20), colour(0).samples);
        assert_like_new(&compositor, &layout, &show);
    }
}

#[test]
fn swaps_and_leaving_are_seen() {
    let size = PictureSize { width: 640, height: 360 };
    let mut layout = layout(HD, Template::Fluid, 3);
    let show = Show::of(&[(0, size), (1, size), (2, size)]);
    let mut compositor = Compositor::new(HD, BACKGROUND, Fit::Letterbox);
    compositor.compose(&layout, |input| show.look(input));
    layout.set_primary(InputId(2)).unwrap();
    compositor.compose(&layout, |input| show.look(input));
    let seen = |compositor: &Compositor| {
        [(10, 10), (650, 10), (10, 370), (650, 370)].map(|(x, y)| sample(compositor.canvas(), x, y))
    };
    let expected = [colour(2).samples, colour(1).samples, colour(0).samples, BACKGROUND.samples];
    assert_eq!(seen(&compositor), expected);
    layout.remove(InputId(1)).unwrap();
    compositor.compose(&layout, |input| show.look(input));
    assert_eq!(seen(&compositor), [colour(2).samples, colour(0).samples, BACKGROUND.samples, BACKGROUND.samples]);
}

#[test]
fn labels_cards_and_captions_are_written_where_they_belong() {
    let size = PictureSize { width: 640, height: 360 };
    let layout = layout(HD, Template::Fluid, 4);
    let mut show = Show::of(&[(0, size), (1, size)]);
    show.labels.insert(0, ("Ada".into(), 1));
    show.labels.insert(2, ("Grace Hopper".into(), 1));
    let mut compositor = Compositor::new(HD, BACKGROUND, Fit::Letterbox);
    compositor.compose(&layout, |input| show.look(input));
    let white = |compositor: &Compositor, left, top, width, height| {
        let rows = compositor.canvas().rows(0, Rect { left, top, width, height });
        rows.flatten().filter(|luma| **luma > 200).count()
    };
    let label = white(&compositor, 0, 320, 200, 40);
    assert!((50..800).contains(&label), "Ada in the lower left corner: {label}");
    assert_eq!((white(&compositor, 0, 0, 640, 320), white(&compositor, 640, 0, 640, 360)), (0, 0));
    let card = white(&compositor, 100, 480, 440, 120);
    assert!((1_000..20_000).contains(&card), "Grace Hopper in the middle of her card: {card}");
    assert_eq!(sample(compositor.canvas(), 4, 364), card_colour("Grace Hopper").samples);
    // Another label, and a picture instead of the card.
    show.labels.insert(0, ("Augusta Ada King, Countess of Lovelace, and a longer name still".into(), 2));
    show.put(2, size, colour(2));
    compositor.compose(&layout, |input| show.look(input));
    assert!(white(&compositor, 0, 320, 640, 40) > 4 * label);
    assert_eq!(white(&compositor, 480, 0, 160, 360), 0, "no wider than three quarters of the tile");
    assert_like_new(&compositor, &layout, &show);
    compositor.set_captions([("On air", Place::TopRight), ("12:34:56", Place::Bottom)].into_iter());
    show.put(1, size, colour(1));
    for _ in 0..3 {
        show.put(1, size, colour(1));
        compositor.compose(&layout, |input| show.look(input));
        assert_like_new(&compositor, &layout, &show);
    }
    assert!(white(&compositor, 1000, 10, 280, 70) > 100 && white(&compositor, 500, 640, 280, 70) > 100);
    compositor.set_captions(std::iter::empty());
    compositor.compose(&layout, |input| show.look(input));
    assert_eq!(white(&compositor, 1000, 10, 280, 70), 0);
}

#[test]
fn a_background_picture_is_seen_where_no_tile_is_and_around_pictures() {
    let layout = layout(HD, Template::Fluid, 3);
    let show = Show::of(&[(0, PictureSize { width: 100, height: 100 })]);
    let mut compositor = Compositor::new(HD, BACKGROUND, Fit::Letterbox);
    let mut picture = Picture::filled(PictureSize { width: 320, height: 180 }, Colour::BLACK);
    picture.fill(Rect { left: 0, top: 0, width: 160, height: 180 }, Colour::WHITE);
    compositor.set_background(&picture);
    compositor.compose(&layout, |input| if input.0 == 0 { show.look(input) } else { None });
    let at = |left, top| sample(compositor.canvas(), left, top)[0];
    assert_eq!((at(4, 4), at(320, 180), at(900, 500)), (235, colour(0).samples[0], 16));
    compositor.set_background_colour(BACKGROUND);
    compositor.compose(&layout, |input| show.look(input));
    assert_eq!(sample(compositor.canvas(), 4, 4), BACKGROUND.samples);
}

#[test]
fn v08_sizes_from_one_sample_on_and_changes_of_them_are_drawn() {
    let mut random = fastrand::Rng::with_seed(11);
    for canvas in [(16, 16), (17, 33), (1920, 1080)] {
        let canvas = PictureSize { width: canvas.0, height: canvas.1 };
        let layout = layout(canvas, Template::Lecture, 6);
        let mut show = Show::default();
        (0..6).for_each(|input| drop(show.labels.insert(input, ("Ada".into(), 0))));
        let mut compositor = Compositor::new(canvas, BACKGROUND, [Fit::Letterbox, Fit::Crop][random.usize(..2)]);
        for step in 0..60 {
            let mut side = || [1, 2, 3, 15, 16, 17, 161, 640, 641][random.usize(..9)];
            show.put(step % 6, PictureSize { width: side(), height: side() }, colour(step % 6));
            compositor.compose(&layout, |input| show.look(input));
        }
        assert_like_new(&compositor, &layout, &show);
    }
}
