//! The lines and who shares them.

use crate::link::{Capacity, LinkSettings, Loss};
use crate::source::SourceKind;
use crate::{MS, Micros, SECOND, trace};

/// Who is on the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Member {
    /// A sender to one viewer, with the estimator under test.
    Viewer {
        /// When it begins.
        start: Micros,
        /// What it sends.
        source: SourceKind,
    },
    /// A greedy TCP.
    Tcp {
        /// When it begins.
        start: Micros,
        /// When it stops.
        end: Micros,
    },
}

/// A line, who shares it, and for how long.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name in the table and in file names.
    pub name: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// Length of a run.
    pub seconds: u64,
    /// Who shares the line.
    pub members: Vec<Member>,
    line: Line,
    /// Which of the bars hold here.
    pub bars: Bars,
}

/// What is asked of our estimator beside its score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bars {
    /// Utilisation of at least 85 %: constant capacity, unlimited source, at most 2 % of loss, alone.
    pub steady: bool,
    /// Own queue below 100 ms from 3 s after a step down on.
    pub step_down: bool,
    /// At most 4 layer changes a minute.
    pub calm: bool,
    /// No sound is lost because of our own video.
    pub audible: bool,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    capacity: Shape,
    round_trip: Micros,
    /// Longest queue, in time at the first capacity (3 Mbit/s for traces).
    queue: Micros,
    detour: Option<(Micros, Micros)>,
    loss: Loss,
    jitter: Micros,
    reordering: f64,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Steps(&'static [(u64, u64)]),
    Wifi,
    Mobile,
}

/// Capacity by which the queue of a trace is measured.
const TRACE_CAPACITY: u64 = 3_000_000;
/// Most that an unlimited source sends.
const UNLIMITED: SourceKind = SourceKind::Unlimited(12_000_000);
/// Three layers as simulcast of 720p has them.
const LAYERED: SourceKind = SourceKind::Layers([150_000, 500_000, 1_500_000]);

const PLAIN: Line = Line {
    capacity: Shape::Steps(&[(0, 2_500_000)]),
    round_trip: 50 * MS,
    queue: 300 * MS,
    detour: None,
    loss: Loss::Random(0.0),
    jitter: 0,
    reordering: 0.0,
};
const STEADY: Bars = Bars { steady: true, step_down: false, calm: false, audible: false };
const FALLING: Bars = Bars { steady: false, step_down: true, calm: false, audible: false };
const CALM: Bars = Bars { steady: false, step_down: false, calm: true, audible: false };
const AUDIBLE: Bars = Bars { steady: false, step_down: false, calm: false, audible: true };
const NONE: Bars = Bars { steady: false, step_down: false, calm: false, audible: false };

/// All scenarios in the order of the table.
pub fn all() -> Vec<Scenario> {
    [constant(), steps(), losses(), round_trips(), queues(), shared(), traces(), layers()].concat()
}

fn constant() -> Vec<Scenario> {
    let line = |capacity| Line { capacity: Shape::Steps(capacity), ..PLAIN };
    vec![
        alone("constant-300k", "constant 300 kbit/s", line(&[(0, 300_000)]), STEADY),
        alone("constant-1m", "constant 1 Mbit/s", line(&[(0, 1_000_000)]), STEADY),
        alone("constant-2m5", "constant 2.5 Mbit/s", PLAIN, STEADY),
        alone("constant-8m", "constant 8 Mbit/s", line(&[(0, 8_000_000)]), STEADY),
    ]
}

fn steps() -> Vec<Scenario> {
    let line = |capacity| Line { capacity: Shape::Steps(capacity), ..PLAIN };
    let slow = |capacity| Line { capacity: Shape::Steps(capacity), round_trip: 100 * MS, ..PLAIN };
    vec![
        alone("step-down-2", "2.5 to 1.25 Mbit/s", line(&[(0, 2_500_000), (25, 1_250_000)]), FALLING),
        alone("step-down-4", "2.5 to 0.625 Mbit/s, 100 ms", slow(&[(0, 2_500_000), (25, 625_000)]), FALLING),
        alone("step-up-5", "0.5 to 2.5 Mbit/s", line(&[(0, 500_000), (25, 2_500_000)]), NONE),
        alone(
            "steps",
            "2.5, 1, 4, 1.5 Mbit/s",
            line(&[(0, 2_500_000), (15, 1_000_000), (30, 4_000_000), (45, 1_500_000)]),
            FALLING,
        ),
    ]
}

fn losses() -> Vec<Scenario> {
    let line = |loss| Line { loss, ..PLAIN };
    // Bursts of 5 packets on average, of which four fifths are lost: 4 % in all.
    let bursts = Loss::Bursts { begins: 0.0105, ends: 0.2, lost: 0.8 };
    vec![
        alone("loss-2", "2 % random loss", line(Loss::Random(0.02)), STEADY),
        alone("loss-10", "10 % random loss", line(Loss::Random(0.10)), NONE),
        alone("loss-bursts", "4 % loss in bursts", line(bursts), NONE),
    ]
}

fn round_trips() -> Vec<Scenario> {
    let line = |milliseconds| Line { round_trip: milliseconds * MS, ..PLAIN };
    vec![
        alone("rtt-10", "10 ms round trip", line(10), STEADY),
        alone("rtt-100", "100 ms round trip", line(100), STEADY),
        alone("rtt-300", "300 ms round trip", line(300), STEADY),
        alone("rtt-600", "600 ms round trip", line(600), STEADY),
        alone("jitter", "15 ms of jitter", Line { jitter: 15 * MS, ..PLAIN }, STEADY),
        alone("reordering", "2 % overtaken by 20 ms", Line { reordering: 0.02, ..PLAIN }, STEADY),
    ]
}

fn queues() -> Vec<Scenario> {
    let line = |milliseconds| Line { queue: milliseconds * MS, ..PLAIN };
    vec![
        alone("queue-shallow", "queue of 50 ms", line(50), STEADY),
        alone("queue-bloated", "queue of 2 s", line(2000), STEADY),
    ]
}

fn shared() -> Vec<Scenario> {
    let viewer = |start| Member::Viewer { start, source: UNLIMITED };
    let three = Line { capacity: Shape::Steps(&[(0, 6_000_000)]), ..PLAIN };
    let beside = Line { capacity: Shape::Steps(&[(0, 4_000_000)]), queue: 200 * MS, ..PLAIN };
    let viewers = vec![viewer(0), viewer(8 * SECOND), viewer(16 * SECOND)];
    let with_tcp = vec![viewer(0), Member::Tcp { start: 15 * SECOND, end: 45 * SECOND }];
    vec![
        Scenario { members: viewers, ..alone("three-viewers", "three viewers on 6 Mbit/s", three, NONE) },
        Scenario { members: with_tcp, ..alone("beside-tcp", "a TCP from 15 to 45 s on 4 Mbit/s", beside, NONE) },
    ]
}

fn traces() -> Vec<Scenario> {
    let wifi = Line { capacity: Shape::Wifi, round_trip: 30 * MS, jitter: 3 * MS, loss: Loss::Random(0.002), ..PLAIN };
    let mobile = Line { capacity: Shape::Mobile, round_trip: 80 * MS, queue: 1000 * MS, jitter: 4 * MS, ..PLAIN };
    vec![alone("wifi", "Wi-Fi, modelled", wifi, NONE), alone("mobile", "4G on the move, modelled", mobile, NONE)]
}

fn layers() -> Vec<Scenario> {
    let members = vec![Member::Viewer { start: 0, source: LAYERED }];
    let line = |capacity| Line { capacity: Shape::Steps(capacity), ..PLAIN };
    let detour = Line { detour: Some((20 * SECOND, 40 * MS)), loss: Loss::Random(0.03), ..PLAIN };
    let falls = &[(0, 2_500_000), (20, 450_000), (40, 2_500_000)];
    let with_sound = vec![Member::Viewer { start: 0, source: SourceKind::Call([150_000, 500_000, 1_500_000]) }];
    // 300 ms at 0.5 Mbit/s, as the relay before Chromium has it.
    let shallow = Line { queue: 60 * MS, ..line(&[(0, 2_500_000), (20, 500_000), (40, 2_500_000)]) };
    let deep = Line { queue: 300 * MS, ..shallow };
    let calls = [
        alone("call-steps", "sound beside them on 2.5, 0.5, 2.5, queue of 19 kB", shallow, AUDIBLE),
        alone("call-steps-deep", "the same, queue of 94 kB", deep, AUDIBLE),
    ];
    let calls = calls.map(|scenario| Scenario { members: with_sound.clone(), ..scenario });
    let silent = [
        alone("layers-fit", "layers of 0.15, 0.5 and 1.5 Mbit/s on 2.5", PLAIN, CALM),
        alone("layers-tight", "the same on 1 Mbit/s", line(&[(0, 1_000_000)]), CALM),
        alone("layers-detour", "the same on 2.5 with 3 % loss, 40 ms longer from the 20th second", detour, CALM),
        alone("layers-steps", "the same on 2.5, 0.45, 2.5 Mbit/s", line(falls), NONE),
    ]
    .map(|scenario| Scenario { members: members.clone(), ..scenario });
    [&silent[..], &calls[..]].concat()
}

fn alone(name: &'static str, title: &'static str, line: Line, bars: Bars) -> Scenario {
    let members = vec![Member::Viewer { start: 0, source: UNLIMITED }];
    Scenario { name, title, seconds: 60, members, line, bars }
}

impl Scenario {
    pub(crate) fn link(&self, seed: u64) -> LinkSettings {
        let line = &self.line;
        let (capacity, first) = match line.capacity {
            Shape::Steps(steps) => (Capacity::Steps(steps.to_vec()), steps[0].1),
            Shape::Wifi => (trace::wifi(seed), TRACE_CAPACITY),
            Shape::Mobile => (trace::mobile(seed), TRACE_CAPACITY),
        };
        LinkSettings {
            capacity,
            queue_bytes: (first as f64 / 8.0 * line.queue as f64 / SECOND as f64) as usize,
            round_trip: line.round_trip,
            detour: line.detour,
            loss: line.loss,
            jitter: line.jitter,
            reordering: line.reordering,
        }
    }

    /// When there is something to settle after: the start, and each step of the capacity.
    pub(crate) fn changes(&self) -> Vec<Micros> {
        match self.line.capacity {
            Shape::Steps(steps) => steps.iter().map(|(second, _)| second * SECOND).collect(),
            Shape::Wifi | Shape::Mobile => vec![0],
        }
    }
}

impl Member {
    pub(crate) fn start(&self) -> Micros {
        match self {
            Self::Viewer { start, .. } | Self::Tcp { start, .. } => *start,
        }
    }

    pub(crate) fn is_active(&self, at: Micros) -> bool {
        match self {
            Self::Viewer { start, .. } => at >= *start,
            Self::Tcp { start, end } => (*start..*end).contains(&at),
        }
    }

    /// What a fair `share` of the line is worth to it at `at`, bit/s.
    pub(crate) fn available(&self, share: f64, at: Micros) -> f64 {
        match self {
            _ if !self.is_active(at) => 0.0,
            Self::Tcp { .. } => share,
            Self::Viewer { source: SourceKind::Unlimited(most), .. } => share.min(*most as f64),
            Self::Viewer { source: SourceKind::Layers(layers) | SourceKind::Call(layers), .. } => {
                // A layer fits where it leaves 5 % for headers and feedback.
                let fits = layers.iter().rfind(|bitrate| **bitrate as f64 <= 0.95 * share);
                *fits.unwrap_or(&layers[0]) as f64
            }
        }
    }
}
