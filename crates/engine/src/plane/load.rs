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

/// Share of a window, in percent, that a worker computes for when it has no time left. Where other programs take the
/// processor from it, it computes for less: that it is late then is not for want of sparing.
const BUSY_PERCENT: u128 = 90;

/// Below this share a worker has time left for what it spared.
const CALM_PERCENT: u128 = 75;

/// Timers all of which in a window were this late: the worker goes from one thing to the next. One that is late now and
/// then does not.
const LATE: Duration = Duration::from_millis(50);

/// Timers that a window has at least, to be judged by them.
const TIMERS_MIN: u32 = 3;

/// Times that sockets were read in a window at least, to be judged by them.
const READS_MIN: u32 = 20;

/// Windows in a row without time left after which one step more is spared.
const BUSY_WINDOWS: u32 = 3;

/// Windows in a row with time left after which one step is taken back.
const CALM_WINDOWS: u32 = 5;

/// Watches how much the worker computes, how late its timers are and whether its sockets ever run dry.
#[derive(Debug, Default)]
pub(super) struct Load {
    thrift: Thrift,
    window: Window,
    busy_windows: u32,
    calm_windows: u32,
}

/// What was seen since the window began.
#[derive(Debug, Default)]
struct Window {
    begun: Option<Instant>,
    /// What the worker had computed for in all when it began, where the system tells.
    computed: Option<Duration>,
    timers: u32,
    least_late: Duration,
    reads: u32,
    /// Of those, how many left something behind.
    full_reads: u32,
}

impl Load {
    /// How much less is forwarded than could be.
    pub(super) const fn thrift(&self) -> Thrift {
        self.thrift
    }

    /// Notes how late a timer was.
    pub(super) fn note_timer(&mut self, late: Duration) {
        let window = &mut self.window;
        window.least_late = if window.timers == 0 { late } else { window.least_late.min(late) };
        window.timers += 1;
    }

    /// Notes that a socket was read, and whether more was left in it.
    pub(super) fn note_read(&mut self, is_full: bool) {
        self.window.reads += 1;
        self.window.full_reads += u32::from(is_full);
    }

    /// Judges the window that ended, if one did, by what the worker has computed for in all. Returns what to do now if
    /// that is another thing than before.
    pub(super) fn judge(&mut self, now: Instant, computed: impl FnOnce() -> Option<Duration>) -> Option<Thrift> {
        if self.window.begun.is_some_and(|begun| now.saturating_duration_since(begun) < WINDOW) {
            return None;
        }
        let window = Window { begun: Some(now), computed: computed(), ..Window::default() };
        let seen = std::mem::replace(&mut self.window, window);
        let share = seen.computed_percent(&self.window)?;
        let (is_busy, is_calm) = (share >= BUSY_PERCENT && seen.is_behind(), share < CALM_PERCENT);
        self.busy_windows = if is_busy { self.busy_windows + 1 } else { 0 };
        self.calm_windows = if is_calm { self.calm_windows + 1 } else { 0 };
        let before = self.thrift;
        if self.busy_windows >= BUSY_WINDOWS {
            (self.thrift, self.busy_windows) = (more(before), 0);
        } else if self.calm_windows >= CALM_WINDOWS {
            (self.thrift, self.calm_windows) = (less(before), 0);
        }
        (self.thrift != before).then_some(self.thrift)
    }
}

impl Window {
    /// Share of its time that was computed for, in percent, when it ends as `next` begins; `None` where nobody knows.
    fn computed_percent(&self, next: &Self) -> Option<u128> {
        let elapsed = next.begun?.saturating_duration_since(self.begun?);
        let computed = next.computed?.saturating_sub(self.computed?);
        (computed.as_micros() * 100).checked_div(elapsed.as_micros())
    }

    /// Tells whether there was always something left to do.
    const fn is_behind(&self) -> bool {
        let is_late = self.timers >= TIMERS_MIN && self.least_late.as_micros() >= LATE.as_micros();
        is_late || (self.reads >= READS_MIN && self.full_reads * 2 > self.reads)
    }
}

/// For how long the thread at hand has computed in all; `None` where the system does not tell.
#[cfg(unix)]
pub(crate) fn thread_time() -> Option<Duration> {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

/// For how long the thread at hand has computed in all; `None` where the system does not tell.
#[cfg(not(unix))]
pub(crate) fn thread_time() -> Option<Duration> {
    None
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

    /// Notes that timers are looked at, once for all that are due, and does what follows when the worker does not keep up.
    pub(super) fn watch_load(&mut self, now: Instant) {
        if let Some(armed) = self.armed {
            self.load.note_timer(now.saturating_duration_since(armed));
        }
        let Some(thrift) = self.load.judge(now, self.thread_time) else { return };
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

    /// A worker, and the time that it has computed for.
    struct Worker {
        load: Load,
        now: Instant,
        computed: Duration,
    }

    impl Worker {
        fn new() -> Self {
            let mut worker = Self { load: Load::default(), now: Instant::now(), computed: Duration::ZERO };
            worker.load.judge(worker.now, || Some(Duration::ZERO));
            worker
        }

        /// Runs windows in which each timer is this late, sockets are read, full or not, and so much is computed.
        fn run(&mut self, windows: u32, late_ms: &[u64], is_full: bool, percent: u32) -> Vec<Thrift> {
            let mut said = Vec::new();
            for _ in 0..windows {
                late_ms.iter().for_each(|late| self.load.note_timer(Duration::from_millis(*late)));
                (0..50).for_each(|read| self.load.note_read(is_full || read % 2 == 0));
                self.now += WINDOW;
                self.computed += WINDOW * percent / 100;
                said.extend(self.load.judge(self.now, || Some(self.computed)));
            }
            said
        }
    }

    const LATE_MS: [u64; 4] = [160, 180, 200, 55];

    #[test]
    fn k13_a_worker_that_computes_without_end_and_is_late_spares_ever_more_and_takes_it_back_step_by_step() {
        let mut worker = Worker::new();
        assert_eq!(worker.run(2, &LATE_MS, false, 99), []);
        assert_eq!(worker.run(1, &LATE_MS, false, 99), [Thrift::Half]);
        assert_eq!(worker.run(6, &LATE_MS, false, 99), [Thrift::Lowest, Thrift::NoVideo]);
        assert_eq!(worker.run(9, &LATE_MS, false, 99), []);
        assert_eq!(worker.run(20, &[1, 2, 1], false, 30), [Thrift::Lowest, Thrift::Half, Thrift::None]);
    }

    #[test]
    fn k13_sockets_that_do_not_run_dry_are_a_sign_too() {
        assert_eq!(Worker::new().run(3, &[], true, 95), [Thrift::Half]);
    }

    #[test]
    fn k13_what_sparing_made_just_bearable_stays_spared() {
        let mut worker = Worker::new();
        worker.run(3, &LATE_MS, false, 99);
        assert_eq!(worker.run(60, &[1, 2, 1], false, 85), []);
        assert_eq!(worker.load.thrift(), Thrift::Half);
    }

    #[test]
    fn a_worker_from_which_other_programs_take_the_processor_spares_nothing() {
        assert_eq!(Worker::new().run(60, &LATE_MS, true, 25), []);
    }

    #[test]
    fn being_late_now_and_then_or_busy_without_being_late_or_both_for_a_moment_is_nothing() {
        let mut worker = Worker::new();
        for late in [&[300, 1, 400][..], &[900], &[], &[49, 49, 49, 49]] {
            assert_eq!(worker.run(10, late, false, 100), []);
        }
        for _ in 0..20 {
            assert_eq!(worker.run(2, &LATE_MS, true, 100), []);
            assert_eq!(worker.run(1, &[1, 1, 1], false, 80), []);
        }
    }

    #[test]
    fn where_the_system_does_not_tell_what_was_computed_nothing_is_spared() {
        let mut worker = Worker::new();
        for _ in 0..10 {
            LATE_MS.iter().for_each(|late| worker.load.note_timer(Duration::from_millis(*late)));
            worker.now += WINDOW;
            assert_eq!(worker.load.judge(worker.now, || None), None);
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_thread_that_computes_is_seen_to() {
        let before = thread_time().unwrap();
        while thread_time().unwrap() < before + Duration::from_millis(5) {
            std::hint::spin_loop();
        }
        let others = std::thread::spawn(thread_time).join().unwrap().unwrap();
        assert!(others < thread_time().unwrap(), "each thread has its own");
    }
}
