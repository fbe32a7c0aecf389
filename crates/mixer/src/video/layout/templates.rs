//! The layouts that come by themselves, as OWT has them (`source/data_access/model/layoutTemplate.js`).

use super::region::{Area, Fraction, Region};

/// Which layouts a mixer chooses from by the number of its inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Template {
    /// Grids of 1, 4, 9, 16 … equal regions.
    #[default]
    Fluid,
    /// One large region, the others at its right and below: 1, 6, 8, 10, 12, 13, 14, 17, 21 or 25 regions.
    Lecture,
    /// None: only layouts that are given.
    Void,
}

impl Template {
    /// Its layouts for up to `inputs` inputs, the smallest first.
    pub fn layouts(self, inputs: usize) -> Vec<Vec<Region>> {
        let inputs = u32::try_from(inputs).unwrap_or(u32::MAX);
        match self {
            Self::Fluid => (1..=sides(inputs)).map(grid).collect(),
            Self::Lecture => lectures(inputs),
            Self::Void => Vec::new(),
        }
    }
}

/// Columns of the smallest square grid with a place for each of `inputs`.
fn sides(inputs: u32) -> u32 {
    let below = inputs.isqrt();
    below + u32::from(below.pow(2) < inputs)
}

fn grid(side: u32) -> Vec<Region> {
    let cells = (0..side).flat_map(|row| (0..side).map(move |column| (column, row)));
    regions(cells.map(|(column, row)| cell(column, row, 1, side)))
}

/// Templates of one row of small regions at the right and below, then of two.
fn lectures(inputs: u32) -> Vec<Vec<Region>> {
    let mut layouts = vec![grid(1), rings(3, 1)];
    if inputs > 6 {
        layouts.extend((4..=inputs.div_ceil(2).min(7)).map(|parts| rings(parts, 1)));
    }
    if inputs > 14 {
        layouts.extend((4..=inputs.saturating_add(3).div_ceil(4).min(7)).map(|parts| rings(parts, 2)));
    }
    layouts.sort_by_key(Vec::len);
    layouts
}

/// A canvas of `parts` by `parts` cells: one region of all but the last `rings` rows and columns, then each ring from its
/// upper end down and to the left.
fn rings(parts: u32, rings: u32) -> Vec<Region> {
    let main = parts - rings;
    let ring = |edge: u32| {
        let down = (0..=edge).map(move |row| (edge, row));
        down.chain((0..edge).rev().map(move |column| (column, edge)))
    };
    let small = (main..parts).flat_map(ring).map(|(column, row)| cell(column, row, 1, parts));
    regions(std::iter::once(cell(0, 0, main, parts)).chain(small))
}

fn cell(column: u32, row: u32, side: u32, parts: u32) -> Area {
    let side = Fraction::of(side, parts);
    Area { left: Fraction::of(column, parts), top: Fraction::of(row, parts), width: side, height: side }
}

fn regions(areas: impl Iterator<Item = Area>) -> Vec<Region> {
    areas.enumerate().map(|(index, area)| Region::numbered(index + 1, area)).collect()
}

#[cfg(test)]
mod tests {
    use millrace_frames::PictureSize;

    use super::*;

    fn lengths(template: Template, inputs: usize) -> Vec<usize> {
        template.layouts(inputs).iter().map(Vec::len).collect()
    }

    #[test]
    fn fluid_has_square_grids_up_to_the_inputs() {
        assert_eq!(lengths(Template::Fluid, 1), [1]);
        assert_eq!(lengths(Template::Fluid, 2), [1, 4]);
        assert_eq!(lengths(Template::Fluid, 4), [1, 4]);
        assert_eq!(lengths(Template::Fluid, 6), [1, 4, 9]);
        assert_eq!(lengths(Template::Fluid, 16), [1, 4, 9, 16]);
        assert_eq!(lengths(Template::Fluid, 17), [1, 4, 9, 16, 25]);
    }

    #[test]
    fn lecture_has_the_sizes_of_the_contract() {
        assert_eq!(lengths(Template::Lecture, 6), [1, 6]);
        assert_eq!(lengths(Template::Lecture, 7), [1, 6, 8]);
        assert_eq!(lengths(Template::Lecture, 9), [1, 6, 8, 10]);
        assert_eq!(lengths(Template::Lecture, 14), [1, 6, 8, 10, 12, 14]);
        assert_eq!(lengths(Template::Lecture, 17), [1, 6, 8, 10, 12, 13, 14, 17]);
        assert_eq!(lengths(Template::Lecture, 100), [1, 6, 8, 10, 12, 13, 14, 17, 21, 25]);
        assert_eq!(lengths(Template::Void, 16), [0; 0]);
    }

    #[test]
    fn lecture_of_six_has_a_large_region_and_five_at_its_right_and_below() {
        let areas = &Template::Lecture.layouts(6)[1];
        let text = |region: &Region| {
            let Area { left, top, width, height } = region.area;
            format!("{} {left} {top} {width} {height}", region.id())
        };
        let expected =
            ["1 0/3 0/3 2/3 2/3", "2 2/3 0/3 1/3 1/3", "3 2/3 1/3 1/3 1/3", "4 2/3 2/3 1/3 1/3", "5 1/3 2/3 1/3 1/3"];
        assert_eq!(areas.iter().map(text).collect::<Vec<_>>()[..5], expected);
        assert_eq!(text(&areas[5]), "6 0/3 2/3 1/3 1/3");
    }

    #[test]
    fn regions_of_templates_tile_the_canvas_without_overlap() {
        // A side that every number of parts divides evenly, so that nothing is rounded.
        let canvas = PictureSize { width: 1680, height: 840 };
        for template in [Template::Fluid, Template::Lecture] {
            for layout in template.layouts(49) {
                let rects: Vec<_> = layout.iter().map(|region| region.area.on(canvas).unwrap()).collect();
                let samples: u32 = rects.iter().map(|rect| rect.width * rect.height).sum();
                assert_eq!(samples, canvas.width * canvas.height, "{template:?} of {}", layout.len());
                for (index, rect) in rects.iter().enumerate() {
                    assert!(rects[index + 1..].iter().all(|other| !rect.meets(other)), "{template:?}");
                }
            }
        }
    }
}
