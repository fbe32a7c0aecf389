use super::*;

const HD: PictureSize = PictureSize { width: 1280, height: 720 };

fn fluid(inputs_max: usize, inputs: u32) -> Layout {
    with(Template::Fluid, inputs_max, inputs)
}

fn with(template: Template, inputs_max: usize, inputs: u32) -> Layout {
    let arrangement = Arrangement::Template { template, custom: Vec::new() };
    let mut layout = Layout::new(HD, inputs_max, arrangement).unwrap();
    (0..inputs).for_each(|input| layout.add(InputId(input)));
    layout
}

/// Left, top, width and height of each tile, and who is in it.
fn seen(layout: &Layout) -> Vec<([u32; 4], Option<u32>)> {
    let tile = |tile: Tile| {
        let Rect { left, top, width, height } = tile.rect;
        ([left, top, width, height], tile.input.map(|input| input.0))
    };
    layout.tiles().map(tile).collect()
}

fn placed(layout: &Layout) -> Vec<u32> {
    layout.placed().iter().map(|input| input.0).collect()
}

fn pending(layout: &Layout) -> Vec<u32> {
    layout.pending().map(|input| input.0).collect()
}

fn region(id: &str, [left, top, width, height]: [&str; 4]) -> Region {
    let part = |text: &str| text.parse().unwrap();
    Region::new(id, Area { left: part(left), top: part(top), width: part(width), height: part(height) }).unwrap()
}

#[test]
fn the_smallest_layout_with_a_region_for_each_input_is_shown() {
    let regions = |template, inputs| seen(&with(template, 25, inputs)).len();
    let fluid: Vec<_> = (0..=25).map(|inputs| regions(Template::Fluid, inputs)).collect();
    assert_eq!(fluid[..6], [1, 1, 4, 4, 4, 9]);
    assert_eq!(fluid[9..11], [9, 16]);
    assert_eq!(fluid[16..], [16, 25, 25, 25, 25, 25, 25, 25, 25, 25]);
    let lecture: Vec<_> = [1, 2, 6, 7, 8, 9, 11, 13, 14, 15, 18, 22, 25].map(|n| regions(Template::Lecture, n)).into();
    assert_eq!(lecture, [1, 6, 6, 8, 8, 10, 12, 13, 14, 17, 21, 25, 25]);
}

#[test]
fn inputs_stand_in_order_and_regions_without_one_are_seen_as_empty() {
    assert_eq!(seen(&fluid(16, 1)), [([0, 0, 1280, 720], Some(0))]);
    let three = [
        ([0, 0, 640, 360], Some(0)),
        ([640, 0, 640, 360], Some(1)),
        ([0, 360, 640, 360], Some(2)),
        ([640, 360, 640, 360], None),
    ];
    assert_eq!(seen(&fluid(16, 3)), three);
    let six = [
        ([0, 0, 852, 480], Some(0)),
        ([852, 0, 426, 240], Some(1)),
        ([852, 240, 426, 240], Some(2)),
        ([852, 480, 426, 240], Some(3)),
        ([426, 480, 426, 240], Some(4)),
        ([0, 480, 426, 240], Some(5)),
    ];
    assert_eq!(seen(&with(Template::Lecture, 16, 6)), six);
}

#[test]
fn who_has_no_place_waits_and_takes_the_first_that_is_free() {
    let mut layout = fluid(4, 6);
    assert_eq!((placed(&layout), pending(&layout)), (vec![0, 1, 2, 3], vec![4, 5]));
    layout.remove(InputId(1)).unwrap();
    assert_eq!((placed(&layout), pending(&layout)), (vec![0, 4, 2, 3], vec![5]));
    layout.remove(InputId(5)).unwrap();
    layout.remove(InputId(0)).unwrap();
    assert_eq!((placed(&layout), pending(&layout)), (vec![4, 2, 3], vec![]));
    assert_eq!(seen(&layout).len(), 4);
    layout.remove(InputId(4)).unwrap();
    layout.remove(InputId(2)).unwrap();
    assert_eq!(seen(&layout), [([0, 0, 1280, 720], Some(3))]);
    assert_eq!(layout.remove(InputId(2)), Err(LayoutError::UnknownInput(InputId(2))));
}

#[test]
fn a_grid_shows_no_more_than_its_inputs_though_it_has_the_regions() {
    let layout = fluid(6, 8);
    assert_eq!((placed(&layout).len(), pending(&layout), seen(&layout).len()), (6, vec![6, 7], 9));
}

#[test]
fn regions_and_the_primary_place_are_swapped() {
    let mut layout = fluid(4, 4);
    layout.set_region(InputId(0), "4").unwrap();
    assert_eq!(placed(&layout), [3, 1, 2, 0]);
    layout.set_primary(InputId(2)).unwrap();
    assert_eq!(placed(&layout), [2, 1, 3, 0]);
    let version = layout.version();
    layout.set_primary(InputId(2)).unwrap();
    assert_eq!(layout.version(), version, "nothing is seen to change");
}

#[test]
fn who_waits_takes_the_place_of_the_last_or_of_the_one_in_the_region() {
    let mut layout = fluid(4, 6);
    layout.set_primary(InputId(5)).unwrap();
    assert_eq!((placed(&layout), pending(&layout)), (vec![5, 1, 2, 0], vec![4, 3]));
    layout.set_region(InputId(4), "2").unwrap();
    assert_eq!((placed(&layout), pending(&layout)), (vec![5, 4, 2, 0], vec![1, 3]));
}

#[test]
fn swaps_with_nobody_are_refused() {
    let mut layout = fluid(9, 3);
    assert_eq!(layout.set_region(InputId(0), "4"), Err(LayoutError::EmptyRegion("4".into())));
    assert_eq!(layout.set_region(InputId(0), "5"), Err(LayoutError::UnknownRegion("5".into())));
    assert_eq!(layout.set_region(InputId(9), "1"), Err(LayoutError::UnknownInput(InputId(9))));
    assert_eq!(layout.set_primary(InputId(9)), Err(LayoutError::UnknownInput(InputId(9))));
    assert_eq!(placed(&layout), [0, 1, 2]);
}

#[test]
fn given_regions_hold_as_many_as_they_are_and_templates_the_rest_again() {
    let mut layout = fluid(16, 4);
    let side = region("side", ["2/3", "0/1", "1/3", "1/1"]);
    let main = region("main", ["0/1", "0/1", "2/3", "1/1"]);
    layout.arrange(Arrangement::Regions(vec![main, side])).unwrap();
    assert_eq!(seen(&layout), [([0, 0, 852, 720], Some(0)), ([852, 0, 426, 720], Some(1))]);
    assert_eq!(pending(&layout), [2, 3]);
    layout.arrange(Arrangement::default()).unwrap();
    assert_eq!((placed(&layout), seen(&layout).len()), (vec![0, 1, 2, 3], 4));
}

#[test]
fn a_given_layout_stands_among_those_of_the_template_by_its_length() {
    let halves = vec![region("a", ["0/1", "0/1", "1/2", "1/1"]), region("b", ["1/2", "0/1", "1/2", "1/1"])];
    let four: Vec<_> = ["0/4", "1/4", "2/4", "3/4"].map(|top| region(top, ["0/1", top, "1/1", "1/4"])).into();
    let custom = vec![four, halves];
    let mut layout = Layout::new(HD, 9, Arrangement::Template { template: Template::Fluid, custom }).unwrap();
    let mut lengths = Vec::new();
    for input in 0..5 {
        layout.add(InputId(input));
        lengths.push(seen(&layout).len());
    }
    assert_eq!(lengths, [1, 2, 4, 4, 9]);
    layout.remove(InputId(0)).unwrap();
    assert_eq!(seen(&layout)[3], ([0, 540, 1280, 180], Some(4)));
}

#[test]
fn nothing_is_shown_without_a_template() {
    let mut layout = with(Template::Void, 16, 2);
    assert_eq!((seen(&layout).len(), pending(&layout)), (0, vec![0, 1]));
    layout.set_primary(InputId(1)).unwrap();
    layout.arrange(Arrangement::Regions(vec![region("1", ["0/1", "0/1", "1/1", "1/1"])])).unwrap();
    assert_eq!(seen(&layout), [([0, 0, 1280, 720], Some(0))]);
}

#[test]
fn v08_layouts_that_cannot_be_shown_are_refused_and_the_one_before_stays() {
    let mut layout = fluid(4, 2);
    let before = seen(&layout);
    let whole = region("1", ["0/1", "0/1", "1/1", "1/1"]);
    let thin = region("thin", ["0/1", "0/1", "1/1", "1/720"]);
    let many = (0..=REGIONS_MAX).map(|id| region(&id.to_string(), ["0/1", "0/1", "1/1", "1/1"])).collect();
    for (regions, error) in [
        (vec![], LayoutError::BadRegionCount),
        (many, LayoutError::BadRegionCount),
        (vec![whole.clone(), whole.clone()], LayoutError::DuplicateRegion("1".into())),
        (vec![whole, thin], LayoutError::TooSmall("thin".into())),
    ] {
        assert_eq!(layout.arrange(Arrangement::Regions(regions.clone())), Err(error.clone()));
        let custom = vec![regions];
        let template = Arrangement::Template { template: Template::Fluid, custom };
        assert_eq!(layout.arrange(template), Err(error));
    }
    assert_eq!(seen(&layout), before);
}

#[test]
fn whatever_is_done_everybody_is_in_one_place_and_those_that_wait_have_no_room() {
    let mut random = fastrand::Rng::with_seed(8);
    let mut layout = fluid(6, 0);
    let mut there: Vec<u32> = Vec::new();
    for step in 0..5_000 {
        match random.u32(..6) {
            0 | 1 if there.len() < 12 => {
                layout.add(InputId(step));
                there.push(step);
            }
            2 if !there.is_empty() => {
                let gone = there.swap_remove(random.usize(..there.len()));
                layout.remove(InputId(gone)).unwrap();
            }
            3 if !there.is_empty() => layout.set_primary(InputId(there[random.usize(..there.len())])).unwrap(),
            4 if !there.is_empty() => {
                let region = (random.usize(..layout.placed().len()) + 1).to_string();
                layout.set_region(InputId(there[random.usize(..there.len())]), &region).unwrap();
            }
            5 if random.u32(..20) == 0 => {
                let template = [Template::Fluid, Template::Lecture][random.usize(..2)];
                layout.arrange(Arrangement::Template { template, custom: Vec::new() }).unwrap();
            }
            _ => (),
        }
        let mut all: Vec<_> = layout.placed().iter().copied().chain(layout.pending()).map(|input| input.0).collect();
        all.sort_unstable();
        there.sort_unstable();
        assert_eq!(all, there);
        assert_eq!(layout.placed().len(), there.len().min(6));
        assert_eq!(layout.tiles().filter_map(|tile| tile.input).collect::<Vec<_>>(), layout.placed());
    }
}
