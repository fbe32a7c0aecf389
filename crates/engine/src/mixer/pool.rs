//! The threads that mixers of all workers of the process share, and the one that watches them.
//!
//! Packets never wait for a mixer: workers have threads of their own. A thread that hangs in a codec cannot be ended; it is
//! left behind and its mixers go on, with other cores, on other threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use millrace_net::prefer_default_time_slices;

use super::lock;
use crate::worker::THREAD_NAME_PREFIX;

/// Threads for mixers of one process and lane at most, and no more than there are processors. More mixers share them.
pub const MIXER_THREADS_MAX: usize = 64;

/// Threads that may be stuck at a time. Once so many are, new mixers are refused, and the mixer that hangs next is given up
/// instead of made anew.
pub const STUCK_THREADS_MAX: usize = 2;

/// A turn that takes longer is taken for one that never ends: less than 3 s with [`WATCH_INTERVAL`].
pub(super) const TURN_TIME_MAX: Duration = Duration::from_millis(2_600);

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

/// Who shares threads. Encoding a picture takes longer than sound may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Sound,
    Pictures,
    /// Mixers of sound whose work other processes do: what hangs is not here.
    SoundElsewhere,
    /// The same of pictures.
    PicturesElsewhere,
}

impl Lane {
    /// That of mixers whose work other processes do.
    pub(crate) fn elsewhere(self) -> Self {
        match self {
            Self::Sound | Self::SoundElsewhere => Self::SoundElsewhere,
            Self::Pictures | Self::PicturesElsewhere => Self::PicturesElsewhere,
        }
    }
}

/// A mixer as the pool sees it.
pub(super) trait Member: Send + Sync {
    fn lane(&self) -> Lane;

    fn post(&self) -> &Post;

    /// Its core, for the thread that calls.
    fn seat(self: Arc<Self>, now: Instant) -> Box<dyn Turns>;

    /// Leaves its core behind, because of a fault.
    fn begin_anew(&self);

    /// Says that it goes on with another core.
    fn tell_restart(&self, reason: &'static str, message: &str);

    /// Gives up a mixer that has no thread: says so, and ends.
    fn give_up(&self, message: &str);
}

/// A mixer's core on its thread.
pub(super) trait Turns {
    /// When it has something to do if nothing comes before.
    fn due(&self) -> Option<Instant>;

    /// Does what is to be done.
    fn turn(&mut self, now: Instant);
}

/// A mixer's place in the pool.
#[derive(Default)]
pub(super) struct Post {
    /// Something came that is not to wait for the next tick.
    rung: AtomicBool,
    row: Mutex<Option<Arc<Row>>>,
}

impl Post {
    /// Tells the thread that something came.
    pub(super) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Some(row) = &*lock(&self.row)
        {
            row.wake();
        }
    }
}

type Mixer = Arc<dyn Member>;

/// One thread as others see it.
struct Row {
    lane: Lane,
    mixers: Mutex<Vec<Mixer>>,
    /// `mixers` is other than when the thread looked.
    changed: AtomicBool,
    thread: OnceLock<Thread>,
    /// When its turn at hand began, in ms since [`START`] and never 0; 0 between turns.
    turn_since: AtomicU64,
    /// Whose turn it is.
    turn_of: Mutex<Option<Mixer>>,
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
pub(super) fn admit(mixer: Mixer) -> Result<(), Refused> {
    let mut pool = lock(&POOL);
    if pool.stuck >= STUCK_THREADS_MAX && mixer.lane() != mixer.lane().elsewhere() {
        return Err(Refused::Stuck);
    }
    pool.place(mixer).map_err(Refused::System)
}

/// Takes a mixer from its thread.
pub(super) fn dismiss(mixer: &Mixer) {
    let _pool = lock(&POOL);
    if let Some(row) = lock(&mixer.post().row).take() {
        lock(&row.mixers).retain(|other| !Arc::ptr_eq(other, mixer));
        row.changed.store(true, Ordering::Release);
        row.wake();
    }
}

impl Row {
    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn begin_turn(&self, mixer: &Mixer) {
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
    fn place(&mut self, mixer: Mixer) -> std::io::Result<()> {
        let occupied = |row: &Arc<Row>| lock(&row.mixers).len();
        let lane = mixer.lane();
        let of_lane = || self.rows.iter().filter(|row| row.lane == lane);
        let least = of_lane().min_by_key(|row| occupied(row)).cloned();
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let row = match least {
            Some(row) if occupied(&row) == 0 || of_lane().count() >= MIXER_THREADS_MAX.min(processors) => row,
            _ => self.start_thread(lane)?,
        };
        *lock(&mixer.post().row) = Some(Arc::clone(&row));
        lock(&row.mixers).push(mixer);
        row.changed.store(true, Ordering::Release);
        row.wake();
        Ok(())
    }

    fn start_thread(&mut self, lane: Lane) -> std::io::Result<Arc<Row>> {
        if !self.is_watched {
            thread::Builder::new().name(format!("{THREAD_NAME_PREFIX}mixwatch")).spawn(watch)?;
            self.is_watched = true;
        }
        let row = Arc::new(Row {
            lane,
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
            *lock(&mixer.post().row) = None;
            let is_guilty = guilty.as_ref().is_some_and(|guilty| Arc::ptr_eq(guilty, &mixer));
            let is_given_up = is_guilty && self.stuck >= STUCK_THREADS_MAX;
            mixer.begin_anew();
            match if is_given_up { Ok(()) } else { self.place(Arc::clone(&mixer)) } {
                Ok(()) if !is_given_up => mixer.tell_restart("hang", HANG),
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
    // A codec works for milliseconds, and must not go before packets.
    prefer_default_time_slices();
    let mut seats: Vec<(Mixer, Box<dyn Turns>)> = Vec::new();
    loop {
        if row.changed.swap(false, Ordering::AcqRel) {
            let wanted = lock(&row.mixers).clone();
            seats.retain(|(of, _)| wanted.iter().any(|mixer| Arc::ptr_eq(mixer, of)));
            let is_new = |mixer: &&Mixer| !seats.iter().any(|(of, _)| Arc::ptr_eq(mixer, of));
            let new: Vec<_> = wanted.iter().filter(is_new).cloned().collect();
            seats.extend(new.into_iter().map(|mixer| (Arc::clone(&mixer), mixer.seat(Instant::now()))));
        }
        if seats.is_empty() && retire(row) {
            return;
        }
        let mut next = Instant::now() + SLEEP_MAX;
        for (mixer, seat) in &mut seats {
            let rung = mixer.post().rung.swap(false, Ordering::AcqRel);
            let now = Instant::now();
            if rung || seat.due().is_some_and(|due| due <= now) {
                row.begin_turn(mixer);
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
