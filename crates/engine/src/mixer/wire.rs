//! What a mixer and the process that does its work say to each other, whatever it mixes: texts as JSON, and packets, sound and
//! pictures as records of a [`PacketBatch`].

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{audio, video};
use crate::packets::{BATCH_BYTES_MAX, PacketBatch};

/// The first text: which mixer it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Setup {
    Audio(audio::Setup),
    Video(Box<video::Setup>),
}

/// The other texts to the child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Asked<O> {
    Order(O),
    /// Panics, or takes so many milliseconds.
    #[cfg(debug_assertions)]
    Fail {
        hang_ms: Option<u64>,
    },
}

/// What the child tells. It begins with news, which say that sound or pictures may come.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told<N> {
    News(N),
    /// Its last words.
    Panicked(String),
}

/// Number of a record from the child that is large and alone in its batch: such batches wait apart, so that a viewer loses
/// nothing by them.
pub(super) const LARGE: u32 = u32::MAX;

/// Records on their way, in batches of [`BATCH_BYTES_MAX`] and one record more at most.
#[derive(Default)]
pub(super) struct Records {
    full: Vec<PacketBatch>,
    open: PacketBatch,
}

impl Records {
    /// Where the next record belongs.
    pub(super) fn batch(&mut self) -> &mut PacketBatch {
        if self.open.len() >= BATCH_BYTES_MAX {
            self.full.push(std::mem::take(&mut self.open));
        }
        &mut self.open
    }

    /// Adds a batch of one large record.
    pub(super) fn push_alone(&mut self, batch: PacketBatch) {
        self.full.push(batch);
    }

    /// Takes all batches.
    pub(super) fn take(&mut self) -> Vec<PacketBatch> {
        let mut batches = std::mem::take(&mut self.full);
        if !self.open.is_empty() {
            batches.push(std::mem::take(&mut self.open));
        }
        batches
    }
}

/// How many µs `at` is ahead of `now`: two processes have no other clock in common.
pub(super) fn us_ahead(at: Instant, now: Instant) -> i64 {
    at.saturating_duration_since(now).as_micros() as i64 - now.saturating_duration_since(at).as_micros() as i64
}

/// The moment that is so many µs ahead of `now`.
pub(super) fn moment_ahead(us: i64, now: Instant) -> Option<Instant> {
    let away = Duration::from_micros(us.unsigned_abs());
    if us < 0 { now.checked_sub(away) } else { now.checked_add(away) }
}

/// Plain data: it has a text.
pub(super) fn text_of(data: &impl Serialize) -> String {
    serde_json::to_string(data).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_records_leave_in_several_batches_that_are_short_enough() {
        let mut records = Records::default();
        let record = [7; 10_000];
        (0..100).for_each(|number| records.batch().push(number, &record));
        let batches = records.take();
        assert!(batches.iter().all(|batch| batch.len() < BATCH_BYTES_MAX + 2 * record.len()));
        let numbers: Vec<_> = batches.iter().flat_map(PacketBatch::packets).map(|(number, _)| number).collect();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
        assert!(records.take().is_empty());
    }
}
