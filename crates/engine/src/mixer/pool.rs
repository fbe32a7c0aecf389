//! The threads that mixers of all workers of the process share, and the one that watches them.
//!
//! Packets never wait for a mixer: workers have threads of their own. A thread that hangs in a codec cannot be ended; it is
//! left behind and its mixers go on, with other cores, on other threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use serde_json::json;

use super::seat::Seat;
use super::{Mixer, lock};
use crate::worker::THREAD_NAME_PREFIX;

/// Threads for mixers of one process at most, and no more than there are processors. More mixers share them.
pub const MIXER_THREADS_MAX: usize = 64;

/// Threads that may be stuck at a time. Once so many are, new mixers are refused, and the mixer that hangs next is given up
/// instead of made anew.
pub const STUCK_THREADS_MAX: usize = 2;

/// A turn that takes longer is taken for one that never ends: less than 3 s with [`WATCH_INTERVAL`].
const TURN_TIME_MAX: Duration = Duration::from_millis(2_600);

/// How often threads are looked after.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// How long a thread sleeps at most while none of its mixers has anything to do.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Why a mixer got no thread.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{STUCK_THREADS_MAX} threads of mixers are stuck; restart the process")]
    Stuck,
    #[error("no thread for the mixer: {0}")]
    System(std::io::Error),
}

/// One thread as others see it.
pub(crate) struct Row {
    mixers: Mutex<Vec<Arc<Mixer>>>,
    /// `mixers` is other than when the thread looked.
    changed: AtomicBool,
    thread: OnceLock<Thread>,
    /// When its turn at hand began, in ms since [`START`] and never 0; 0 between turns.
    turn_since: AtomicU64,
    /// Whose turn it is.
    turn_of: Mutex<Option<Arc<Mixer>>>,
    is_left_behind: AtomicBool,
}

#[derive(Default)]
struct Pool {
    rows: Vec<Arc<Row>>,
    stuck: usize,
    is_watched: bool,
    /// Threads that were started so far: each has a name of its own.
    started: u64,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { rows: Vec::new(), stuck: 0, is_watched: false, started: 0 });

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Gives a new mixer a thread.
///
/// # Errors
/// [`Refused`].
pub(super) fn admit(mixer: &Arc<Mixer>) -> Result<(), Refused> {
    let mut pool = lock(&POOL);
    if pool.stuck >= STUCK_THREADS_MAX {
        return Err(Refused::Stuck);
    }
    pool.place(mixer).map_err(Refused::System)
}

/// Takes a mixer from its thread.
pub(super) fn dismiss(mixer: &Arc<Mixer>) {
    let _pool = lock(&POOL);
    if let Some(row) = lock(&mixer.row).take() {
        lock(&row.mixers).retain(|other| !Arc::ptr_eq(other, mixer));
        row.changed.store(true, Ordering::Release);
        row.wake();
    }
}

impl Row {
    pub(super) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn begin_turn(&self, mixer: &Arc<Mixer>) {
        *lock(&self.turn_of) = Some(Arc::clone(mixer));
        self.turn_since.store(ms_since_start(Instant::now()), Ordering::Release);
    }

    fn end_turn(&self) {
        self.turn_since.store(0, Ordering::Release);
        *lock(&self.turn_of) = None;
    }

    fn is_stuck(&self, now: Instant) -> bool {
        let since = self.turn_since.load(Ordering::Acquire);
        since != 0 && ms_since_start(now).saturating_sub(since) > TURN_TIME_MAX.as_millis() as u64
    }
}

impl Pool {
    fn place(&mut self, mixer: &Arc<Mixer>) -> std::io::Result<()> {
        let occupied = |row: &Arc<Row>| lock(&row.mixers).len();
        let least = self.rows.iter().min_by_key(|row| occupied(row)).cloned();
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let row = match least {
            Some(row) if occupied(&row) == 0 || self.rows.len() >= MIXER_THREADS_MAX.min(processors) => row,
            _ => self.start_thread()?,
        };
        lock(&row.mixers).push(Arc::clone(mixer));
        *lock(&mixer.row) = Some(Arc::clone(&row));
        row.changed.store(true, Ordering::Release);
        row.wake();
        Ok(())
    }

    fn start_thread(&mut self) -> std::io::Result<Arc<Row>> {
        if !self.is_watched {
            thread::Builder::new().name(format!("{THREAD_NAME_PREFIX}mixwatch")).spawn(watch)?;
            self.is_watched = true;
        }
        let row = Arc::new(Row {
            mixers: Mutex::default(),
            changed: AtomicBool::new(false),
            thread: OnceLock::new(),
            turn_since: AtomicU64::new(0),
            turn_of: Mutex::default(),
            is_left_behind: AtomicBool::new(false),
        });
        self.started += 1;
        let (own, name) = (Arc::clone(&row), format!("{THREAD_NAME_PREFIX}mix-{}", self.started));
        let thread = thread::Builder::new().name(name).spawn(move || run(&own))?;
        row.thread.get_or_init(|| thread.thread().clone());
        self.rows.push(Arc::clone(&row));
        Ok(row)
    }

    /// Goes on without a thread that is stuck.
    fn leave_behind(&mut self, row: &Arc<Row>) {
        self.rows.retain(|other| !Arc::ptr_eq(other, row));
        self.stuck += 1;
        row.is_left_behind.store(true, Ordering::Release);
        let guilty = lock(&row.turn_of).clone();
        let mixers = std::mem::take(&mut *lock(&row.mixers));
        for mixer in mixers {
            *lock(&mixer.row) = None;
            let is_guilty = guilty.as_ref().is_some_and(|guilty| Arc::ptr_eq(guilty, &mixer));
            let is_given_up = is_guilty && self.stuck >= STUCK_THREADS_MAX;
            mixer.leave_behind(|ends| ends.restarts += 1);
            match if is_given_up { Ok(()) } else { self.place(&mixer) } {
                Ok(()) if !is_given_up => mixer.tell("restart", json!({ "reason": "hang", "message": HANG })),
                Ok(()) => mixer.give_up(HANG),
                Err(error) => mixer.give_up(&format!("{HANG}, and the system gives no other: {error}")),
            }
        }
    }
}

/// What a restart after a hang says.
const HANG: &str = "the mixer's thread was stuck";

/// A thread's life: turns of its mixers, until it has none.
fn run(row: &Arc<Row>) {
    let mut seats: Vec<Seat> = Vec::new();
    loop {
        if row.changed.swap(false, Ordering::AcqRel) {
            let wanted = lock(&row.mixers).clone();
            seats.retain(|seat| wanted.iter().any(|mixer| Arc::ptr_eq(mixer, &seat.mixer)));
            let is_new = |mixer: &&Arc<Mixer>| !seats.iter().any(|seat| Arc::ptr_eq(mixer, &seat.mixer));
            let new: Vec<_> = wanted.iter().filter(is_new).cloned().collect();
            seats.extend(new.into_iter().map(|mixer| Seat::new(mixer, Instant::now())));
        }
        if seats.is_empty() && retire(row) {
            return;
        }
        let mut next = Instant::now() + SLEEP_MAX;
        for seat in &mut seats {
            let rung = seat.mixer.rung.swap(false, Ordering::AcqRel);
            let now = Instant::now();
            if rung || seat.due().is_some_and(|due| due <= now) {
                row.begin_turn(&seat.mixer);
                seat.turn(now);
                row.end_turn();
            }
            if row.is_left_behind.load(Ordering::Acquire) {
                // It came back after all, too late.
                lock(&POOL).stuck -= 1;
                return;
            }
            next = next.min(seat.due().unwrap_or(next));
        }
        if let Some(wait) = next.checked_duration_since(Instant::now()) {
            thread::park_timeout(wait);
        }
    }
}

/// Ends a thread without mixers, unless one came meanwhile.
fn retire(row: &Arc<Row>) -> bool {
    let mut pool = lock(&POOL);
    let is_over = lock(&row.mixers).is_empty();
    if is_over {
        pool.rows.retain(|other| !Arc::ptr_eq(other, row));
    }
    is_over
}

/// The watchdog's life: as long as there are threads.
fn watch() {
    loop {
        thread::sleep(WATCH_INTERVAL);
        let mut pool = lock(&POOL);
        if pool.rows.is_empty() {
            pool.is_watched = false;
            return;
        }
        let now = Instant::now();
        let stuck: Vec<_> = pool.rows.iter().filter(|row| row.is_stuck(now)).cloned().collect();
        stuck.iter().for_each(|row| pool.leave_behind(row));
    }
}

fn ms_since_start(now: Instant) -> u64 {
    now.saturating_duration_since(*START).as_millis() as u64 + 1
}
