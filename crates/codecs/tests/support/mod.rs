//! What the tests of codecs share: tones and their spectrum, FFmpeg as a foreign codec, and its containers.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::f32::consts::TAU;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;

pub(crate) mod adts;
pub(crate) mod ogg;
pub(crate) mod video;

/// A sine of `hz` at `level`, `samples` long.
pub(crate) fn tone(sample_rate: u32, hz: f32, level: f32, samples: usize) -> Vec<f32> {
    (0..samples).map(|at| f32::sin(at as f32 * hz * TAU / sample_rate as f32) * level).collect()
}

/// One channel of interleaved samples.
pub(crate) fn channel(samples: &[f32], channels: usize, which: usize) -> Vec<f32> {
    samples.iter().skip(which).step_by(channels).copied().collect()
}

/// Level of a tone of `hz` in `samples`, as its amplitude, by the discrete Fourier transform under a Hann window.
pub(crate) fn amplitude(samples: &[f32], sample_rate: u32, hz: f32) -> f32 {
    let length = samples.len() as f64;
    let step = std::f64::consts::TAU * f64::from(hz) / f64::from(sample_rate);
    let (mut real, mut imaginary) = (0.0_f64, 0.0_f64);
    for (at, sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * f64::cos(std::f64::consts::TAU * at as f64 / length);
        let value = f64::from(*sample) * window;
        real += value * f64::cos(step * at as f64);
        imaginary -= value * f64::sin(step * at as f64);
    }
    // Half of a sine's amplitude is at its frequency, and the window halves it again.
    (4.0 * f64::hypot(real, imaginary) / length) as f32
}

/// The loudest of what is neither within 60 Hz of a tone of `hz` nor below 50 Hz, in dB of that tone.
pub(crate) fn loudest_other_db(samples: &[f32], sample_rate: u32, hz: &[f32]) -> f32 {
    let weakest = hz.iter().map(|hz| amplitude(samples, sample_rate, *hz)).fold(f32::INFINITY, f32::min);
    let other = (50..sample_rate / 2 - 100).step_by(25).map(|bin| bin as f32);
    let others = other.filter(|bin| hz.iter().all(|hz| (bin - hz).abs() > 60.0));
    let loudest = others.map(|bin| amplitude(samples, sample_rate, bin)).fold(0.0, f32::max);
    20.0 * f32::log10(loudest / weakest)
}

/// Runs FFmpeg with these arguments, `input` at its standard input; returns what it writes to its standard output.
pub(crate) fn ffmpeg(arguments: &str, input: Vec<u8>) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin"])
        .args(arguments.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("FFmpeg is installed by `npm test`");
    let mut stdin = child.stdin.take().expect("piped");
    let writer = thread::spawn(move || stdin.write_all(&input));
    let mut output = Vec::new();
    child.stdout.take().expect("piped").read_to_end(&mut output).expect("FFmpeg's output can be read");
    // FFmpeg may stop reading early; what it made of it is judged by the test.
    drop(writer.join().expect("the writer does not panic"));
    assert!(child.wait().expect("FFmpeg ends").success(), "ffmpeg {arguments}");
    output
}

pub(crate) fn f32_to_bytes(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

pub(crate) fn bytes_to_f32(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|sample| f32::from_le_bytes(*sample)).collect()
}
