//! What happened in a run, in bins of 100 ms, and the figures made of it.

use crate::flow::{Flow, Packet};
use crate::link::{Link, Passed};
use crate::scenarios::{Member, Scenario};
use crate::{MS, Micros, SECOND};

/// Length of a bin.
pub(crate) const BIN: Micros = 100 * MS;
/// What the figures leave out at the start: the time to settle has a figure of its own.
const WARM_UP: Micros = 5 * SECOND;
/// Share of what is available at which a flow counts as settled, over the second that follows.
const SETTLED: f64 = 0.8;
/// Mean own queue above which it does not count as settled, if the path without it is quicker.
const SETTLED_QUEUE_MS: f64 = 100.0;

/// One bin of one run.
#[derive(Clone, Debug, Default)]
pub struct Bin {
    /// bit/s of the line.
    pub capacity: f64,
    /// bit/s of media that arrived, by flow.
    pub media: Vec<f64>,
    /// bit/s that the senders believe in, by flow.
    pub estimates: Vec<f64>,
    /// Longest wait of a viewer's packet in the queue, in ms.
    pub queue_ms: f64,
    /// Mean wait of viewers' packets, in ms.
    pub queue_mean_ms: f64,
}

/// A run.
pub struct Record {
    /// Its bins in order.
    pub bins: Vec<Bin>,
    members: Vec<Member>,
    changes: Vec<Micros>,
    viewer: Vec<bool>,
    waits: Vec<(Micros, Micros)>,
    bin_waits: Vec<Micros>,
    sent: Vec<u64>,
    dropped: Vec<u64>,
    audio_sent: u64,
    audio_dropped: u64,
    audio_wait: Micros,
    media_before: Vec<u64>,
    switches: u32,
}

/// The figures of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Mean seconds from the start and from each change until the flow had settled.
    pub settle_s: f64,
    /// Media that arrived, as a share of what was available to it.
    pub utilisation: f64,
    /// Percentiles of the wait in the queue, in ms.
    pub queue_p50_ms: f64,
    /// 95th percentile.
    pub queue_p95_ms: f64,
    /// The longest.
    pub queue_max_ms: f64,
    /// Longest wait later than 3 s after each step down, up to 10 s after it; 0 without a step down.
    pub queue_after_step_ms: f64,
    /// Share of the packets sent that the full queue dropped.
    pub loss: f64,
    /// Share of the packets of sound that the full queue dropped.
    pub audio_loss: f64,
    /// Longest wait of a packet of sound in the queue, in ms, from the fifth second on.
    pub audio_wait_ms: f64,
    /// Layer changes a minute.
    pub switches: f64,
    /// Jain's index of what the flows got, 1 for one flow alone.
    pub fairness: f64,
}

impl Record {
    pub(crate) fn new(scenario: &Scenario, flows: usize) -> Self {
        Self {
            bins: Vec::new(),
            members: scenario.members.clone(),
            changes: scenario.changes(),
            viewer: scenario.members.iter().map(|member| matches!(member, Member::Viewer { .. })).collect(),
            waits: Vec::new(),
            bin_waits: Vec::new(),
            sent: vec![0; flows],
            dropped: vec![0; flows],
            audio_sent: 0,
            audio_dropped: 0,
            audio_wait: 0,
            media_before: vec![0; flows],
            switches: 0,
        }
    }

    pub(crate) fn passed(&mut self, now: Micros, passed: &Passed) {
        if self.viewer[passed.packet.flow] {
            self.waits.push((now, passed.queued));
            self.bin_waits.push(passed.queued);
        }
        if passed.packet.is_audio && now >= WARM_UP {
            self.audio_wait = self.audio_wait.max(passed.queued);
        }
    }

    pub(crate) fn sent(&mut self, packet: &Packet) {
        self.sent[packet.flow] += 1;
        self.audio_sent += u64::from(packet.is_audio);
    }

    pub(crate) fn dropped(&mut self, packet: &Packet) {
        self.dropped[packet.flow] += 1;
        self.audio_dropped += u64::from(packet.is_audio);
    }

    pub(crate) fn sample(&mut self, now: Micros, link: &Link, flows: &[Box<dyn Flow>]) {
        let seconds = BIN as f64 / SECOND as f64;
        let media = flows.iter().zip(&mut self.media_before).map(|(flow, before)| {
            let bytes = flow.media_bytes();
            (bytes - std::mem::replace(before, bytes)) as f64 * 8.0 / seconds
        });
        let waits = std::mem::take(&mut self.bin_waits);
        self.bins.push(Bin {
            capacity: link.settings.capacity.at(now - BIN),
            media: media.collect(),
            estimates: flows.iter().map(|flow| flow.estimate()).collect(),
            queue_ms: waits.iter().max().map_or(0.0, |most| *most as f64 / MS as f64),
            queue_mean_ms: waits.iter().sum::<Micros>() as f64 / waits.len().max(1) as f64 / MS as f64,
        });
        self.switches = flows.iter().map(|flow| flow.layer_switches()).sum();
    }

    /// The figures of this run.
    pub fn figures(&self) -> Figures {
        let mut waits: Vec<_> = self.waits.iter().filter(|(at, _)| *at >= WARM_UP).map(|(_, wait)| *wait).collect();
        waits.sort_unstable();
        let percentile = |share: f64| {
            let index = (waits.len() as f64 * share) as usize;
            waits.get(index.min(waits.len().saturating_sub(1))).map_or(0.0, |wait| *wait as f64 / MS as f64)
        };
        let viewers = |counts: &[u64]| -> u64 {
            counts.iter().zip(&self.viewer).filter(|(_, viewer)| **viewer).map(|(count, _)| count).sum()
        };
        let minutes = self.bins.len() as f64 * BIN as f64 / SECOND as f64 / 60.0;
        Figures {
            settle_s: self.settle(),
            utilisation: self.utilisation(),
            queue_p50_ms: percentile(0.5),
            queue_p95_ms: percentile(0.95),
            queue_max_ms: percentile(1.0),
            queue_after_step_ms: self.queue_after_steps(),
            loss: viewers(&self.dropped) as f64 / viewers(&self.sent).max(1) as f64,
            audio_loss: self.audio_dropped as f64 / self.audio_sent.max(1) as f64,
            audio_wait_ms: self.audio_wait as f64 / MS as f64,
            switches: f64::from(self.switches) / minutes,
            fairness: self.fairness(),
        }
    }

    /// bit/s that flow `flow` could have had in `bin`.
    fn available(&self, bin: usize, flow: usize) -> f64 {
        let at = bin as Micros * BIN;
        let active = self.members.iter().filter(|member| member.is_active(at)).count().max(1);
        self.members[flow].available(self.bins[bin].capacity / active as f64, at)
    }

    fn viewers(&self) -> impl Iterator<Item = usize> {
        (0..self.viewer.len()).filter(|flow| self.viewer[*flow])
    }

    fn utilisation(&self) -> f64 {
        let first = (WARM_UP / BIN) as usize;
        let (mut got, mut available) = (0.0, 0.0);
        for flow in self.viewers() {
            let (mut flow_got, mut flow_available) = (0.0, 0.0);
            for bin in first..self.bins.len() {
                flow_available += self.available(bin, flow);
                flow_got += self.bins[bin].media[flow];
            }
            // One that takes more than its share does not make up for another.
            got += f64::min(flow_got, flow_available);
            available += flow_available;
        }
        got / f64::max(available, 1.0)
    }

    fn settle(&self) -> f64 {
        let per_second = (SECOND / BIN) as usize;
        let seconds = self.changes.iter().enumerate().map(|(index, change)| {
            let begin = (change / BIN) as usize;
            let end = self.changes.get(index + 1).map_or(self.bins.len(), |next| (next / BIN) as usize);
            let settled = (begin..end.saturating_sub(per_second)).find(|bin| self.is_settled(*bin, per_second));
            (settled.unwrap_or(end) - begin) as f64 / per_second as f64
        });
        seconds.sum::<f64>() / self.changes.len().max(1) as f64
    }

    fn is_settled(&self, from: usize, bins: usize) -> bool {
        let queue = (from..from + bins).map(|bin| self.bins[bin].queue_mean_ms).sum::<f64>() / bins as f64;
        queue <= SETTLED_QUEUE_MS
            && self.viewers().all(|flow| {
                let range = from..from + bins;
                let got: f64 = range.clone().map(|bin| self.bins[bin].media[flow]).sum();
                let available: f64 = range.map(|bin| self.available(bin, flow)).sum();
                got >= SETTLED * available
            })
    }

    fn queue_after_steps(&self) -> f64 {
        let falls = self.changes.iter().filter(|change| {
            let bin = (**change / BIN) as usize;
            bin > 0 && self.bins[bin].capacity < self.bins[bin - 1].capacity
        });
        let after = |change: &Micros| {
            let from = change + 3 * SECOND;
            let waits = self.waits.iter().filter(move |(at, _)| (from..from + 7 * SECOND).contains(at));
            waits.map(|(_, wait)| *wait).max().unwrap_or(0)
        };
        falls.map(after).max().unwrap_or(0) as f64 / MS as f64
    }

    fn fairness(&self) -> f64 {
        if self.members.len() < 2 {
            return 1.0;
        }
        // From when the last flow had time to settle.
        let last_start = self.members.iter().map(Member::start).max().unwrap_or(0);
        let first = ((last_start + 2 * WARM_UP) / BIN) as usize;
        let got = |flow: usize| -> f64 { self.bins.iter().skip(first).map(|bin| bin.media[flow]).sum() };
        let got: Vec<f64> = (0..self.members.len()).map(got).collect();
        let sum: f64 = got.iter().sum();
        let squares: f64 = got.iter().map(|one| one * one).sum();
        sum * sum / (got.len() as f64 * squares.max(1.0))
    }
}

impl Figures {
    /// The mean of several runs, but the worst of what bars are set for.
    pub fn mean(runs: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| runs.iter().map(of).sum::<f64>() / runs.len().max(1) as f64;
        Self {
            settle_s: mean(|one| one.settle_s),
            utilisation: mean(|one| one.utilisation),
            queue_p50_ms: mean(|one| one.queue_p50_ms),
            queue_p95_ms: mean(|one| one.queue_p95_ms),
            queue_max_ms: runs.iter().map(|one| one.queue_max_ms).fold(0.0, f64::max),
            queue_after_step_ms: runs.iter().map(|one| one.queue_after_step_ms).fold(0.0, f64::max),
            loss: mean(|one| one.loss),
            audio_loss: runs.iter().map(|one| one.audio_loss).fold(0.0, f64::max),
            audio_wait_ms: runs.iter().map(|one| one.audio_wait_ms).fold(0.0, f64::max),
            switches: mean(|one| one.switches),
            fairness: mean(|one| one.fairness),
        }
    }
}
