//! Sound that was decoded and not played yet, with what was played last before it.

use crate::resample::{STRETCH_REACH, stretch};

/// Samples a channel that may lie played before the line is moved to the front of its memory.
const PLAYED_SAMPLES_MAX: usize = 9_600;

/// Interleaved samples of 48 kHz.
#[derive(Debug)]
pub(super) struct Line {
    channels: usize,
    samples: Vec<f32>,
    /// First sample a channel that is not played yet; at least [`STRETCH_REACH`].
    start: usize,
}

impl Line {
    pub(super) fn new(channels: usize) -> Self {
        let mut line = Self { channels, samples: Vec::new(), start: STRETCH_REACH };
        line.clear();
        line
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Samples a channel that are not played yet.
    pub(super) fn len(&self) -> i64 {
        (self.samples.len() / self.channels - self.start) as i64
    }

    pub(super) fn clear(&mut self) {
        self.samples.clear();
        self.samples.resize(STRETCH_REACH * self.channels, 0.0);
        self.start = STRETCH_REACH;
    }

    pub(super) fn append_silence(&mut self, frames: usize) {
        self.samples.resize(self.samples.len() + frames * self.channels, 0.0);
    }

    /// Where decoded sound is appended.
    pub(super) fn end(&mut self) -> &mut Vec<f32> {
        &mut self.samples
    }

    /// Fills `out` with the next `consumed` samples a channel, stretched to its length. What is missing fades to silence.
    pub(super) fn take(&mut self, consumed: usize, out: &mut [f32]) {
        let missing = consumed.saturating_sub(self.len() as usize);
        if missing > 0 {
            self.fade();
            self.append_silence(missing);
        }
        let frames = out.len() / self.channels;
        let first = (self.start - STRETCH_REACH) * self.channels;
        if consumed == frames {
            let from = self.start * self.channels;
            out.copy_from_slice(&self.samples[from..from + out.len()]);
        } else {
            stretch(&self.samples[first..], self.channels, consumed, out);
        }
        self.start += consumed;
        if self.start > PLAYED_SAMPLES_MAX {
            let played = (self.start - STRETCH_REACH) * self.channels;
            self.samples.copy_within(played.., 0);
            self.samples.truncate(self.samples.len() - played);
            self.start = STRETCH_REACH;
        }
    }

    /// Lets the last 2.5 ms before a hole end in silence, so that it does not click.
    fn fade(&mut self) {
        let faded = 120 * self.channels;
        let len = (self.len() as usize * self.channels).min(faded);
        let at = self.samples.len() - len;
        for (index, sample) in self.samples[at..].iter_mut().enumerate() {
            *sample *= 1.0 - (index + 1) as f32 / len as f32;
        }
    }
}
