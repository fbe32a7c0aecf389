//! A picture of a scenario: what arrived beside what the line carried, and the queue below.

use std::fmt::Write as _;

use crate::run::Contender;
use crate::scenarios::Scenario;
use crate::score::{Bin, Record};

const WIDTH: f64 = 900.0;
const RATE: Panel = Panel { top: 40.0, height: 230.0 };
const QUEUE: Panel = Panel { top: 310.0, height: 110.0 };
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
/// Bins that make one point of a line: half a second.
const BINS_A_POINT: usize = 5;
const COLOURS: [&str; 3] = ["#0e7490", "#d97706", "#9333ea"];
/// Scale of the queue: what lies above is cut off.
const QUEUE_SCALES_MS: [f64; 4] = [100.0, 300.0, 1000.0, 3000.0];

struct Panel {
    top: f64,
    height: f64,
}

/// Draws the runs of one scenario, which share its seed.
pub fn svg(scenario: &Scenario, runs: &[(Contender, Record)]) -> String {
    let Some((_, first)) = runs.first() else { return String::new() };
    let points = first.bins.len() / BINS_A_POINT;
    let seconds = scenario.seconds as f64;
    let most = first.bins.iter().map(|bin| bin.capacity).fold(0.0, f64::max) * 1.25;
    let queue = runs.iter().flat_map(|(_, run)| run.bins.iter().map(|bin| bin.queue_ms)).fold(0.0, f64::max);
    let queue_most = QUEUE_SCALES_MS.into_iter().find(|scale| *scale >= queue).unwrap_or(3000.0);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} 460\" font-family=\"system-ui, sans-serif\" \
         font-size=\"12\">\n<title>{title}</title>\n<rect width=\"{WIDTH}\" height=\"460\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{title}: media that arrived, and how long packets waited</text>\n",
        title = scenario.title
    );
    axis(&mut text, &RATE, most / 1e6, "Mbit/s", seconds);
    axis(&mut text, &QUEUE, queue_most, "ms", seconds);
    let capacity = (0..points).map(|point| mean(first, point, |bin| bin.capacity) / most);
    line(&mut text, &RATE, points, capacity, "#94a3b8", "3");
    for (index, (who, run)) in runs.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        for flow in 0..scenario.members.len() {
            let media = (0..points).map(|point| mean(run, point, |bin| bin.media[flow]) / most);
            line(&mut text, &RATE, points, media, colour, if flow == 0 { "1.8" } else { "0.9" });
        }
        let waits = (0..points).map(|point| mean(run, point, |bin| bin.queue_ms) / queue_most);
        line(&mut text, &QUEUE, points, waits, colour, "1.4");
        let x = WIDTH - 260.0 + 85.0 * index as f64;
        let _ = writeln!(text, "<text x=\"{x}\" y=\"22\" fill=\"{colour}\" font-weight=\"600\">{}</text>", who.name());
    }
    text.push_str("</svg>\n");
    text
}

fn mean(run: &Record, point: usize, of: impl Fn(&Bin) -> f64) -> f64 {
    let bins = &run.bins[point * BINS_A_POINT..(point + 1) * BINS_A_POINT];
    bins.iter().map(of).sum::<f64>() / bins.len() as f64
}

fn axis(text: &mut String, panel: &Panel, most: f64, unit: &str, seconds: f64) {
    let right = WIDTH - RIGHT;
    for step in 0..=4 {
        let y = panel.top + panel.height * (1.0 - f64::from(step) / 4.0);
        let value = most * f64::from(step) / 4.0;
        let digits = if most < 20.0 { 1 } else { 0 };
        let _ = writeln!(
            text,
            "<path d=\"M{LEFT} {y:.0}H{right}\" stroke=\"#e2e8f0\"/><text x=\"{x}\" y=\"{ty:.0}\" text-anchor=\"end\">\
             {value:.digits$}</text>",
            x = LEFT - 6.0,
            ty = y + 4.0
        );
    }
    let bottom = panel.top + panel.height;
    for tenth in 0..=(seconds as u32 / 10) {
        let x = LEFT + (right - LEFT) * f64::from(tenth * 10) / seconds;
        let _ = writeln!(
            text,
            "<text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
            bottom + 16.0,
            tenth * 10
        );
    }
    let _ = writeln!(text, "<text x=\"4\" y=\"{:.0}\" fill=\"#475569\">{unit}</text>", panel.top + 4.0);
}

fn line(text: &mut String, panel: &Panel, points: usize, values: impl Iterator<Item = f64>, colour: &str, width: &str) {
    let mut path = String::new();
    for (point, value) in values.enumerate() {
        let x = LEFT + (WIDTH - RIGHT - LEFT) * (point as f64 + 0.5) / points as f64;
        let y = panel.top + panel.height * (1.0 - value.clamp(0.0, 1.0));
        let _ = write!(path, "{}{x:.0} {y:.1}", if point == 0 { 'M' } else { 'L' });
    }
    let _ = writeln!(text, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>");
}
