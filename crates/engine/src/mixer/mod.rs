//! Mixers of a worker, on threads of their own: the cores of `mixer` with the codecs of this build, fed by taps, seen and
//! heard by sources.
//!
//! What a mixer should do, its [`Ends`], is kept apart from the core that does it. Requests change the ends on the worker's
//! thread; the mixer's thread makes its core agree with them before each tick. A core that panicked or hung is thrown away,
//! and another one made from the same ends: producers, numbers and time go on. Sound and pictures differ in their ends and
//! their [`Desk`]; threads, watchdog and recovery are the same.

pub(crate) mod audio;
mod child;
mod pool;
mod rtp;
mod seat;
mod serve;
mod there;
pub(crate) mod video;
mod wire;

use std::any::Any;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::message::Message;
use crate::outbox::Outbox;
use crate::packets::PacketBatch;
use crate::worker::WorkerHandle;

pub(crate) use pool::{Lane, Refused};
pub use pool::{MIXER_THREADS_MAX, STUCK_THREADS_MAX};
pub(crate) use rtp::{RtpEntrance, RtpExit, RtpStream};
#[cfg(debug_assertions)]
pub(crate) use seat::Fault;
pub(crate) use seat::Turn;
pub use serve::serve_mixer;

/// What a mixer is made with.
pub(crate) struct MixerSetup<O> {
    pub(crate) id: Uuid,
    pub(crate) options: O,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) worker: WorkerHandle,
}

/// What a mixer of one kind should do: its inputs and outputs as requests made them.
pub(crate) trait Ends: Send + Sized + 'static {
    /// What a mixer of this kind is made with.
    type Options: Send + Sync;
    /// What does it.
    type Desk: Desk<Self>;
    /// On whose threads this process does it.
    const LANE: Lane;

    /// The program (path and arguments) whose process does it; `None`: this one.
    fn program(options: &Self::Options) -> Option<&[String]>;

    /// No inputs and no outputs.
    fn new(options: &Self::Options) -> Self;

    /// Another core begins: it has nothing yet.
    fn restart(&mut self);

    /// It was a fault that made another core begin.
    fn count_restart(&mut self);

    /// Nothing is to be done any more; so it stays.
    fn close(&mut self);

    /// Hands on what came where nothing is to be mixed. Tells whether that is so.
    fn pass_on(&mut self, outbox: &Outbox, batch: &mut PacketBatch) -> bool;

    /// Another process than this one does it.
    fn set_pid(&mut self, pid: u32);

    /// What a test wants the next tick to do.
    #[cfg(debug_assertions)]
    fn take_fault(&mut self) -> Option<Fault>;
}

/// A core on its thread, and what it needs in a turn.
pub(crate) trait Desk<E: Ends>: Sized {
    /// A core without inputs and outputs; `None` where it cannot be made, which options that were checked rule out.
    fn new(mixer: &Arc<Mixer<E>>, now: Instant) -> Option<Self>;

    /// When it has something to do if nothing comes before.
    fn due(&self) -> Option<Instant>;

    /// Takes in what came and mixes what is due.
    ///
    /// # Errors
    /// This core is of no use any more; another one is made.
    fn work(&mut self, turn: &Turn<'_, E>, now: Instant) -> Result<(), Failure>;
}

/// Why a core is of no use any more.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// `panic`, `hang`, or `exit` of the process that did the work.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// One mixer, as its worker, its thread and the watchdog share it.
pub(crate) struct Mixer<E: Ends> {
    pub(crate) setup: MixerSetup<E::Options>,
    ends: Mutex<E>,
    /// Whose core may touch the ends: a core that is left behind has an older number.
    generation: AtomicU32,
    post: pool::Post,
}

impl<E: Ends> Mixer<E> {
    /// Makes a mixer and gives it a thread.
    ///
    /// # Errors
    /// [`Refused`] when too many threads are stuck, or the system gives none.
    pub(crate) fn open(setup: MixerSetup<E::Options>) -> Result<Arc<Self>, Refused> {
        let (ends, generation) = (Mutex::new(E::new(&setup.options)), AtomicU32::new(0));
        let mixer = Arc::new(Self { setup, ends, generation, post: pool::Post::default() });
        pool::admit(Arc::clone(&mixer) as _)?;
        Ok(mixer)
    }

    /// Changes what the mixer should do; it begins with the next tick.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut E) -> T) -> T {
        change(&mut self.lock())
    }

    /// Tells the mixer's thread that something came. Cheap while the thread has not looked yet.
    pub(crate) fn ring(&self) {
        self.post.ring();
    }

    /// Ends it: whatever its thread does at the moment reaches nobody.
    pub(crate) fn close(self: &Arc<Self>) {
        self.leave_behind(E::close);
        pool::dismiss(&(Arc::clone(self) as _));
    }

    /// Makes the core at work, if any, the one that is left behind.
    fn leave_behind(&self, change: impl FnOnce(&mut E)) {
        // Within the lock, so that a core that holds it is done with the ends.
        let mut ends = self.lock();
        self.generation.fetch_add(1, Ordering::AcqRel);
        change(&mut ends);
    }

    /// Gives up, from its own thread.
    fn die(self: &Arc<Self>, message: &str) {
        pool::Member::give_up(&**self, message);
        pool::dismiss(&(Arc::clone(self) as _));
    }

    fn tell(&self, event: &'static str, data: Value) {
        self.setup.outbox.push(Message::Event { target: self.setup.id, event, data });
    }

    /// Sends packets to its worker.
    fn send(&self, batch: PacketBatch) {
        if !batch.is_empty() {
            self.setup.worker.send_packets(batch);
        }
    }

    fn lock(&self) -> MutexGuard<'_, E> {
        lock(&self.ends)
    }
}

impl<E: Ends> pool::Member for Mixer<E> {
    fn lane(&self) -> Lane {
        if E::program(&self.setup.options).is_some() { E::LANE.elsewhere() } else { E::LANE }
    }

    fn post(&self) -> &pool::Post {
        &self.post
    }

    fn seat(self: Arc<Self>, now: Instant) -> Box<dyn pool::Turns> {
        Box::new(seat::Seat::new(self, now))
    }

    fn begin_anew(&self) {
        self.leave_behind(E::count_restart);
    }

    fn tell_restart(&self, reason: &'static str, message: &str) {
        self.tell("restart", json!({ "reason": reason, "message": message }));
    }

    fn give_up(&self, message: &str) {
        self.leave_behind(E::close);
        self.tell("died", json!({ "message": message }));
    }
}

/// What a panic said.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(|text| &**text));
    text.unwrap_or("no text").to_owned()
}

/// Locks what a panic cannot leave half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
