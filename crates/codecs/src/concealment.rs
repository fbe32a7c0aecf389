//! What is heard in place of lost packets of codecs that have no concealment of their own (G.711, G.722): the last pitch
//! period again and again, ever softer, as G.711 Appendix I does it, but without its delay of 3.75 ms.

/// Lowest pitch looked for, in Hz; the longest period that is repeated follows from it.
const PITCH_HZ_MIN: u32 = 66;

/// Highest pitch looked for, in Hz.
const PITCH_HZ_MAX: u32 = 200;

/// Loss after which nothing is heard, in milliseconds; G.711 Appendix I has the same.
const HEARD_MS_MAX: u32 = 60;

/// Loss that is heard at full level, in milliseconds.
const FULL_LEVEL_MS: u32 = 10;

/// How long what comes after a loss is mixed with what was made up, in milliseconds.
const OVERLAP_MS: u32 = 4;

/// The end of a mono stream, and what continues it.
#[derive(Debug)]
pub(crate) struct Concealment {
    samples_per_ms: usize,
    /// The last samples heard, as many as two longest periods; the newest last.
    history: Box<[f32]>,
    /// Samples made up since the last that were received.
    made_up: usize,
    /// Length of the period that is repeated while samples are made up.
    period: usize,
}

impl Concealment {
    /// For a stream of `sample_rate` Hz.
    pub(crate) fn new(sample_rate: u32) -> Self {
        let longest = (sample_rate / PITCH_HZ_MIN) as usize;
        Self {
            samples_per_ms: (sample_rate / 1000) as usize,
            history: vec![0.0; 2 * longest].into(),
            made_up: 0,
            period: 1,
        }
    }

    /// Takes samples that were decoded. Right after a loss their beginning is faded in over what was made up.
    pub(crate) fn received(&mut self, samples: &mut [f32]) {
        if self.made_up > 0 {
            let overlap = samples.len().min(self.samples_per_ms * OVERLAP_MS as usize);
            for (at, sample) in samples[..overlap].iter_mut().enumerate() {
                let share = (at + 1) as f32 / (overlap + 1) as f32;
                *sample = *sample * share + self.continued() * (1.0 - share);
            }
            self.made_up = 0;
        }
        self.remember(samples);
    }

    /// Fills `samples` with what may have been there.
    pub(crate) fn conceal(&mut self, samples: &mut [f32]) {
        if self.made_up == 0 {
            self.period = self.pitch_period();
        }
        for sample in samples {
            *sample = self.continued();
        }
    }

    /// The next sample made up; it joins the history at its full level, so that the period stays as it was.
    fn continued(&mut self) -> f32 {
        let age = self.made_up % self.period;
        // The period lies at the end of the history, which stays as it is during a loss.
        let sample = self.history[self.history.len() - self.period + age];
        let level = self.level();
        self.made_up = self.made_up.saturating_add(1);
        sample * level
    }

    /// Full for the first 10 ms, then down to nothing in a straight line.
    fn level(&self) -> f32 {
        let (full, heard) = (self.samples_per_ms * FULL_LEVEL_MS as usize, self.samples_per_ms * HEARD_MS_MAX as usize);
        let left = heard.saturating_sub(self.made_up.max(full));
        left as f32 / (heard - full) as f32
    }

    fn remember(&mut self, samples: &[f32]) {
        let kept = samples.len().min(self.history.len());
        self.history.copy_within(kept.., 0);
        let start = self.history.len() - kept;
        self.history[start..].copy_from_slice(&samples[samples.len() - kept..]);
    }

    /// The lag at which the end of the history is most like what came before it.
    fn pitch_period(&self) -> usize {
        let longest = self.history.len() / 2;
        let shortest = (self.samples_per_ms * 1000 / PITCH_HZ_MAX as usize).max(1);
        let newest = &self.history[longest..];
        let likeness = |lag: usize| {
            let earlier = &self.history[longest - lag..self.history.len() - lag];
            let (product, energy) = newest
                .iter()
                .zip(earlier)
                .fold((0.0, 1e-9), |(product, energy), (new, old)| (product + new * old, energy + old * old));
            product / f32::sqrt(energy)
        };
        let best = (shortest..=longest).max_by(|a, b| likeness(*a).total_cmp(&likeness(*b)));
        best.unwrap_or(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_part_of_a_tone_goes_on_with_its_period_and_dies_away() {
        let tone = |at: usize| f32::sin(at as f32 * 150.0 * std::f32::consts::TAU / 8000.0) * 0.5;
        let mut concealment = Concealment::new(8000);
        let mut heard: Vec<f32> = (0..800).map(tone).collect();
        concealment.received(&mut heard);
        let mut lost = [0.0; 80];
        concealment.conceal(&mut lost);
        let error = lost.iter().enumerate().map(|(at, sample)| f32::abs(sample - tone(800 + at))).fold(0.0, f32::max);
        assert!(error < 0.1, "{error}");
        let mut more = [1.0; 8 * 60];
        concealment.conceal(&mut more);
        assert!(more[400..].iter().all(|sample| *sample == 0.0), "silent after 60 ms");
    }

    #[test]
    fn what_comes_after_a_loss_is_faded_in() {
        let mut concealment = Concealment::new(16_000);
        concealment.conceal(&mut [0.0; 160]);
        let mut back = [1.0; 320];
        concealment.received(&mut back);
        assert!(back[0] < 0.05 && back[64] == 1.0);
        assert!(back.windows(2).all(|pair| pair[1] >= pair[0] && pair[1] - pair[0] < 0.05));
    }
}
