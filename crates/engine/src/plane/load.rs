//! Whether the worker keeps up with what it has, and what it does about it when it does not.

use std::time::{Duration, Instant};

use millrace_model::WorkerLogTag;
use millrace_router::Thrift;
use serde_json::json;
use uuid::Uuid;

use super::Plane;
use crate::error::RequestError;

/// Time that is judged as a whole.
const WINDOW: Duration = Duration::from_secs(1);

/// A worker all of whose timers in a window were this late cannot keep up. One that is late now and then can.
const LATE: Duration = Duration::from_millis(100);

/// Timers that a window has at least, to be judged by them.
const TIMERS_MIN: u32 = 3;

/// Times that sockets were read in a window at least, to be judged by them.
const READS_MIN: u32 = 20;

/// Windows in a row without trouble after which one step is taken back.
const CALM_WINDOWS: u32 = 5;

/// Watches how late timers are and whether sockets ever run dry.
#[derive(Debug, Default)]
pub(super) struct Load {
    thrift: Thrift,
    begun: Option<Instant>,
    timers: u32,
    least_late: Duration,
    reads: u32,
    /// Of those, how many left something behind.
    full_reads: u32,
    calm_windows: u32,
}

impl Load {
    /// How much less is forwarded than could be.
    pub(super) const fn thrift(&self) -> Thrift {
        self.thrift
    }

    /// Notes how late a timer was.
    pub(super) fn note_timer(&mut self, late: Duration) {
        self.least_late = if self.timers == 0 { late } else { self.least_late.min(late) };
        self.timers += 1;
    }

    /// Notes that a socket was read, and whether more was left in it.
    pub(super) fn note_read(&mut self, is_full: bool) {
        self.reads += 1;
        self.full_reads += u32::from(is_full);
    }

    /// Judges the window that ended, if one did. Returns what to do now if that is another thing than before.
    pub(super) fn judge(&mut self, now: Instant) -> Option<Thrift> {
        let begun = *self.begun.get_or_insert(now);
        if now.saturating_duration_since(begun) < WINDOW {
            return None;
        }
        let is_late = self.timers >= TIMERS_MIN && self.least_late >= LATE;
        let is_behind = is_late || (self.reads >= READS_MIN && self.full_reads == self.reads);
        self.calm_windows = if is_behind { 0 } else { self.calm_windows + 1 };
        let before = self.thrift;
        if is_behind {
            self.thrift = more(before);
        } else if self.calm_windows >= CALM_WINDOWS {
            self.thrift = less(before);
            self.calm_windows = 0;
        }
        let (thrift, calm_windows) = (self.thrift, self.calm_windows);
        *self = Self { thrift, calm_windows, begun: Some(now), ..Self::default() };
        (thrift != before).then_some(thrift)
    }
}

const fn more(thrift: Thrift) -> Thrift {
    match thrift {
        Thrift::None => Thrift::Half,
        Thrift::Half => Thrift::Lowest,
        Thrift::Lowest | Thrift::NoVideo => Thrift::NoVideo,
    }
}

const fn less(thrift: Thrift) -> Thrift {
    match thrift {
        Thrift::NoVideo => Thrift::Lowest,
        Thrift::Lowest => Thrift::Half,
        Thrift::Half | Thrift::None => Thrift::None,
    }
}

/// As applications see it.
const fn name(thrift: Thrift) -> &'static str {
    match thrift {
        Thrift::None => "none",
        Thrift::Half => "half",
        Thrift::Lowest => "lowest",
        Thrift::NoVideo => "novideo",
    }
}

impl Plane {
    /// Refuses what would be more work while there is too much although less is forwarded already.
    pub(super) fn refuse_when_overloaded(&self) -> Result<(), RequestError> {
        if self.load.thrift() <= Thrift::Half {
            return Ok(());
        }
        Err(RequestError::Limit("the worker cannot keep up with what it has".to_owned()))
    }

    /// Notes that timers are looked at, and does what follows when the worker does not keep up.
    pub(super) fn watch_load(&mut self, now: Instant) {
        if let Some(armed) = self.armed {
            self.load.note_timer(now.saturating_duration_since(armed));
        }
        let Some(thrift) = self.load.judge(now) else { return };
        self.counters.overload_changes += 1;
        let routers: Vec<_> = self.routers.iter().map(|(index, _)| index).collect();
        for index in routers {
            self.with_router(index, now, |core, fanout| core.set_thrift(thrift, now, fanout));
        }
        self.journal.warn(WorkerLogTag::Info, now, || format!("the worker spares: {}", name(thrift)));
        // The worker itself has no id of its own.
        self.tell(Uuid::nil(), "overload", json!({ "spares": name(thrift) }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a window in which each timer is this late and sockets are read, full or not.
    fn window(load: &mut Load, now: &mut Instant, late_ms: &[u64], is_full: bool) -> Option<Thrift> {
        for late in late_ms {
            load.note_timer(Duration::from_millis(*late));
        }
        (0..50).for_each(|read| load.note_read(is_full || read % 2 == 0));
        *now += WINDOW;
        load.judge(*now)
    }

    #[test]
    fn k13_a_worker_that_is_always_late_spares_ever_more_and_takes_it_back_step_by_step() {
        let (mut load, mut now) = (Load::default(), Instant::now());
        load.judge(now);
        let late = [160, 180, 200, 105];
        assert_eq!(window(&mut load, &mut now, &late, false), Some(Thrift::Half));
        assert_eq!(window(&mut load, &mut now, &late, false), Some(Thrift::Lowest));
        assert_eq!(window(&mut load, &mut now, &late, false), Some(Thrift::NoVideo));
        assert_eq!(window(&mut load, &mut now, &late, false), None);
        let said: Vec<_> = (0..20).filter_map(|_| window(&mut load, &mut now, &[1, 2, 1], false)).collect();
        assert_eq!(said, [Thrift::Lowest, Thrift::Half, Thrift::None]);
    }

    #[test]
    fn k13_sockets_that_never_run_dry_are_a_sign_too() {
        let (mut load, mut now) = (Load::default(), Instant::now());
        load.judge(now);
        assert_eq!(window(&mut load, &mut now, &[], true), Some(Thrift::Half));
    }

    #[test]
    fn being_late_now_and_then_or_once_after_a_long_sleep_is_nothing() {
        let (mut load, mut now) = (Load::default(), Instant::now());
        load.judge(now);
        for late in [&[300, 1, 400][..], &[900], &[], &[99, 99, 99, 99]] {
            assert_eq!(window(&mut load, &mut now, late, false), None);
        }
    }
}
