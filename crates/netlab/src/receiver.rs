//! The far end of a connection: what arrived, told every 50 ms.

use millrace_packet::rtcp::{CompoundWriter, FeedbackHeader, FeedbackSsrcs};

use crate::{MS, Micros};

/// Time between two feedback packets: what str0m's receiver does (`TWCC_INTERVAL`), so that all have the same.
const INTERVAL: Micros = 50 * MS;
/// Statuses in one feedback packet; more go into the next one.
const STATUSES: usize = 400;
const TICK_US: i64 = 250;

/// Records arrivals by number.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    /// Arrival by number from `base` on; `None` for what has not arrived.
    arrivals: Vec<Option<Micros>>,
    base: u64,
    /// Packets that arrived after feedback had passed them.
    late: Vec<(u64, Micros)>,
    due: Micros,
}

/// What a piece of feedback says: the fate of packets from `base` on.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) base: u64,
    pub(crate) arrivals: Vec<Option<Micros>>,
}

impl Receiver {
    pub(crate) fn arrived(&mut self, number: u64, now: Micros) {
        let Some(index) = number.checked_sub(self.base) else {
            self.late.push((number, now));
            return;
        };
        let index = index as usize;
        if self.arrivals.len() <= index {
            self.arrivals.resize(index + 1, None);
        }
        self.arrivals[index] = Some(now);
    }

    /// What is to be told at `now`, in the order of numbers.
    pub(crate) fn feedback(&mut self, now: Micros) -> Vec<Told> {
        if now < self.due || (self.arrivals.is_empty() && self.late.is_empty()) {
            return Vec::new();
        }
        self.due = now + INTERVAL;
        let late = self.late.drain(..).map(|(number, at)| Told { base: number, arrivals: vec![Some(at)] });
        let mut told: Vec<_> = late.collect();
        for chunk in self.arrivals.chunks(STATUSES) {
            told.push(Told { base: self.base, arrivals: chunk.to_vec() });
            self.base += chunk.len() as u64;
        }
        self.arrivals.clear();
        told.retain(|told| told.arrivals.iter().any(Option::is_some));
        told
    }
}

impl Told {
    /// The RTCP packet that says it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let first = self.arrivals.iter().flatten().next().map_or(0, |at| *at as i64 / TICK_US);
        let reference_time = (first / 256) as i32;
        let mut previous = i64::from(reference_time) * 256;
        let statuses: Vec<_> = self.arrivals.iter().map(|at| Some(delta(&mut previous, (*at)?))).collect();
        let ssrcs = FeedbackSsrcs { sender: 1, media: 2 };
        let header = FeedbackHeader { ssrcs, base_sequence: self.base as u16, reference_time, feedback_count: 0 };
        let mut out = vec![0; 2048];
        let mut writer = CompoundWriter::new(&mut out);
        writer.transport_feedback(&header, statuses.into_iter()).expect("400 statuses fit into 2048 bytes");
        let len = writer.len();
        out.truncate(len);
        out
    }
}

fn delta(previous: &mut i64, at: Micros) -> i16 {
    let ticks = at as i64 / TICK_US;
    let delta = (ticks - *previous).clamp(i64::from(i16::MIN), i64::from(i16::MAX));
    *previous += delta;
    delta as i16
}
