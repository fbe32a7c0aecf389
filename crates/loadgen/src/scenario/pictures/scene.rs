//! Streams of people before cameras, the same in every run: somebody moves and speaks before a wall with a texture, and the
//! sensor is noisy.

use std::f32::consts::TAU;
use std::io;
use std::time::Duration;

use millrace_codecs::BuiltVideoCodecs;
use millrace_frames::{PictureSize, PictureView, VideoCodec, VideoCodecs, VideoEncoding};

use super::{FRAME_RATE, SMALL};
use crate::scenario::failed;

/// Bits a second of a camera's stream, as Chromium sends 640 x 360.
const BITRATE: u32 = 500_000;
/// Side of a texture, after which it comes again.
const TEXTURE: usize = 256;
/// Samples of noise; rows begin at different ones.
const NOISE: usize = 8_192;
/// Side of the square in the corner that is black or white, for those who look how late a picture is.
pub(super) const MARK: usize = 96;

/// Frames of somebody's stream, the first of them a key frame and the only one. `mark` is the luma of the square in the corner
/// of a frame, if it has one.
///
/// # Errors
/// When the encoder fails.
pub(super) fn stream(person: usize, frames: usize, mark: impl Fn(usize) -> Option<u8>) -> io::Result<Vec<Vec<u8>>> {
    let encoding = VideoEncoding { codec: VideoCodec::Vp8, size: SMALL, bitrate: BITRATE, frame_rate: FRAME_RATE };
    let mut encoder = BuiltVideoCodecs.encoder(&encoding).map_err(failed)?;
    let mut scene = Scene::new(person);
    let frame = |at: usize| {
        scene.paint(at);
        if let Some(luma) = mark(at) {
            scene.mark(luma);
        }
        let (view, mut bytes) = (scene.view()?, Vec::new());
        let time = Duration::from_secs(1) * at as u32 / FRAME_RATE;
        encoder.encode(view, time, false, &mut bytes).map_err(failed)?;
        Ok(bytes)
    };
    (0..frames).map(frame).collect()
}

/// One person's camera.
struct Scene {
    random: fastrand::Rng,
    person: f32,
    wall: Vec<u8>,
    cloth: Vec<u8>,
    noise: Vec<i8>,
    planes: [Vec<u8>; 3],
}

/// Where somebody's head and mouth are.
struct Pose {
    head: [f32; 2],
    mouth: f32,
}

impl Scene {
    fn new(person: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(person as u64 + 1);
        let (wall, cloth) = (texture(&mut random, &[64, 16, 4]), texture(&mut random, &[16, 4, 2]));
        let noise = (0..NOISE).map(|_| random.i8(-2..=2) + random.i8(-1..=1)).collect();
        let PictureSize { width, height } = SMALL;
        let (luma, chroma) = ((width * height) as usize, (width * height / 4) as usize);
        let planes = [vec![0; luma], vec![128; chroma], vec![128; chroma]];
        Self { random, person: person as f32, wall, cloth, noise, planes }
    }

    fn view(&self) -> io::Result<PictureView<'_>> {
        let [y, u, v] = &self.planes;
        let (width, columns) = (SMALL.width as usize, SMALL.width as usize / 2);
        let view = PictureView::new(SMALL.width, SMALL.height, [y, u, v], [width, columns, columns]);
        view.ok_or_else(|| failed("planes too short"))
    }

    fn paint(&mut self, at: usize) {
        let time = at as f32 / FRAME_RATE as f32;
        let (width, height) = (SMALL.width as f32, SMALL.height as f32);
        let sway = |rate: f32, phase: f32| (TAU * rate * time + phase + self.person).sin();
        let pose = Pose {
            head: [width * (0.5 + 0.05 * sway(0.31, 0.0)), height * (0.42 + 0.03 * sway(0.47, 1.0))],
            mouth: 4.0 + 5.0 * sway(3.7, 2.0).abs(),
        };
        for row in 0..SMALL.height as usize {
            let from = self.random.usize(..NOISE - SMALL.width as usize);
            for column in 0..SMALL.width as usize {
                let [luma, blue, red] = self.sample(column as f32, row as f32, &pose);
                let noisy = luma + f32::from(self.noise[from + column]);
                self.planes[0][row * SMALL.width as usize + column] = noisy.clamp(16.0, 235.0) as u8;
                if row % 2 == 0 && column % 2 == 0 {
                    let place = row / 2 * (SMALL.width as usize / 2) + column / 2;
                    (self.planes[1][place], self.planes[2][place]) = (blue as u8, red as u8);
                }
            }
        }
    }

    fn mark(&mut self, luma: u8) {
        let (width, columns) = (SMALL.width as usize, SMALL.width as usize / 2);
        self.planes[0].chunks_exact_mut(width).take(MARK).for_each(|row| row[..MARK].fill(luma));
        for plane in &mut self.planes[1..] {
            plane.chunks_exact_mut(columns).take(MARK / 2).for_each(|row| row[..MARK / 2].fill(128));
        }
    }

    /// Luma and chroma of a place: head over shoulders over wall.
    fn sample(&self, x: f32, y: f32, pose: &Pose) -> [f32; 3] {
        let (height, [head_x, head_y]) = (SMALL.height as f32, pose.head);
        let inside = |x: f32, y: f32, width: f32, high: f32| (x / width).powi(2) + (y / high).powi(2) < 1.0;
        let (dx, dy) = (x - head_x, y - head_y);
        // What belongs to somebody moves with them.
        let texture = |texture: &[u8], x: f32, y: f32| {
            let place = |at: f32| (at.rem_euclid(TEXTURE as f32) as usize).min(TEXTURE - 1);
            f32::from(texture[place(y) * TEXTURE + place(x)]) - 128.0
        };
        let dark = |x: f32, y: f32, width: f32, high: f32| inside(dx - x, dy - y, width, high);
        if inside(dx, dy, height * 0.16, height * 0.22) {
            let feature =
                dark(-22.0, -12.0, 8.0, 4.0) || dark(22.0, -12.0, 8.0, 4.0) || dark(0.0, 36.0, 18.0, pose.mouth);
            let light = if feature { 50.0 } else { 150.0 - dx * 0.4 };
            return [light + texture(&self.cloth, dx, dy) * 0.08, 112.0, 148.0];
        }
        if inside(dx * 0.9, y - height * 1.02, height * 0.42, height * 0.36) {
            return [90.0 + texture(&self.cloth, dx, dy) * 0.5, 140.0 - self.person * 4.0, 120.0 + self.person * 4.0];
        }
        [120.0 + texture(&self.wall, x, y) * 0.35 + x * 0.05, 124.0, 130.0 + self.person]
    }
}

/// Samples of random values, smooth at these distances.
fn texture(random: &mut fastrand::Rng, distances: &[usize]) -> Vec<u8> {
    let mut sum = vec![0.0_f32; TEXTURE * TEXTURE];
    for (octave, &distance) in distances.iter().enumerate() {
        let side = TEXTURE / distance;
        let lattice: Vec<f32> = (0..side * side).map(|_| random.f32() * 2.0 - 1.0).collect();
        let point = |column: usize, row: usize| lattice[row % side * side + column % side];
        for (place, sample) in sum.iter_mut().enumerate() {
            let part = |at: usize| (at / distance, (at % distance) as f32 / distance as f32);
            let ((column, right), (row, down)) = (part(place % TEXTURE), part(place / TEXTURE));
            let between = |row: usize| point(column, row) * (1.0 - right) + point(column + 1, row) * right;
            *sample += (between(row) * (1.0 - down) + between(row + 1) * down) / (1 << octave) as f32;
        }
    }
    sum.into_iter().map(|sample| (128.0 + 64.0 * sample).clamp(0.0, 255.0) as u8).collect()
}
