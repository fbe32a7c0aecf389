//! A mixer's core on its thread: whose turn it is, and what happens when it panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::pool::{Member, Turns};
use super::{Desk, Ends, Failure, Mixer, panic_text};

/// How often a mixer is made anew within [`RESTARTS_WINDOW`] at most. One that fails once more is given up: it `died`.
pub(super) const RESTARTS_MAX: u32 = 5;

/// See [`RESTARTS_MAX`].
const RESTARTS_WINDOW: Duration = Duration::from_secs(60);

/// What a test makes a tick do.
#[cfg(debug_assertions)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Panic,
    /// Takes so long.
    Hang(Duration),
}

#[cfg(debug_assertions)]
impl Fault {
    /// One that hangs so long, or panics.
    pub(crate) fn new(hang_ms: Option<u64>) -> Self {
        hang_ms.map_or(Self::Panic, |ms| Self::Hang(Duration::from_millis(ms)))
    }

    /// How long it hangs, if that is what it does.
    pub(super) fn hang_ms(self) -> Option<u64> {
        match self {
            Self::Panic => None,
            Self::Hang(time) => Some(time.as_millis() as u64),
        }
    }

    /// Does it.
    pub(super) fn befall(self) {
        match self {
            Self::Panic => panic!("asked for by a test"),
            Self::Hang(time) => std::thread::sleep(time),
        }
    }
}

/// A core on its thread.
pub(super) struct Seat<E: Ends> {
    mixer: Arc<Mixer<E>>,
    /// The number under which the core may touch the ends.
    generation: u32,
    /// `None` once the mixer was given up.
    desk: Option<E::Desk>,
    /// Since when restarts are counted, and how many there were.
    restarts: (Instant, u32),
}

/// One turn of a core.
pub(crate) struct Turn<'a, E: Ends> {
    pub(super) mixer: &'a Mixer<E>,
    generation: u32,
}

impl<E: Ends> Turn<'_, E> {
    /// What is to be done; `None` when this core was left behind meanwhile, and may touch nothing any more.
    pub(super) fn ends(&self) -> Option<MutexGuard<'_, E>> {
        let ends = self.mixer.lock();
        (self.mixer.generation.load(Ordering::Acquire) == self.generation).then_some(ends)
    }
}

impl<E: Ends> Seat<E> {
    /// A core for the ends of `mixer`.
    pub(super) fn new(mixer: Arc<Mixer<E>>, now: Instant) -> Self {
        let desk = E::Desk::new(&mixer, now);
        let generation = mixer.change(|ends| {
            ends.restart();
            mixer.generation.load(Ordering::Acquire)
        });
        Self { mixer, generation, desk, restarts: (now, 0) }
    }

    fn take_turn(&mut self, now: Instant) -> Result<(), Failure> {
        let Some(desk) = &mut self.desk else { return Ok(()) };
        desk.work(&Turn { mixer: &self.mixer, generation: self.generation }, now)
    }

    /// Makes another core after a fault of this one.
    fn recover(&mut self, failure: &Failure, now: Instant) {
        let Failure { reason, message } = failure;
        let broken = self.desk.take();
        // What panicked may do so once more while it is let go.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(broken)));
        let (since, count) = &mut self.restarts;
        if now.saturating_duration_since(*since) > RESTARTS_WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        if *count > RESTARTS_MAX {
            return self.mixer.die(&format!("the mixer had {count} faults in a minute, the last of them: {message}"));
        }
        // Not the time at which the turn began: a first tick that is due at once would be late.
        self.desk = E::Desk::new(&self.mixer, Instant::now());
        if let Some(mut ends) = (Turn { mixer: &self.mixer, generation: self.generation }).ends() {
            ends.restart();
            ends.count_restart();
            drop(ends);
            self.mixer.tell_restart(reason, message);
        }
    }
}

impl<E: Ends> Turns for Seat<E> {
    fn due(&self) -> Option<Instant> {
        self.desk.as_ref().and_then(Desk::due)
    }

    fn turn(&mut self, now: Instant) {
        let done = catch_unwind(AssertUnwindSafe(|| self.take_turn(now)));
        let failure = match done {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => failure,
            Err(panic) => Failure { reason: "panic", message: panic_text(&*panic) },
        };
        self.recover(&failure, now);
    }
}
