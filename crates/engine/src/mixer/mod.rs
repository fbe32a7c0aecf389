//! Audio mixers of a worker, on threads of their own: the cores of `mixer` with the codecs of this build, fed by taps,
//! heard by sources.
//!
//! What a mixer should do, its [`Ends`], is kept apart from the core that does it. Requests change the ends on the worker's
//! thread; the mixer's thread makes its core agree with them before each tick. A core that panicked or hung is thrown away,
//! and another one made from the same ends: producers, numbers and time go on.

mod ends;
mod pcm;
mod pool;
mod rtp;
mod seat;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millrace_mixer::MixerOptions;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::message::Message;
use crate::outbox::Outbox;
use crate::packets::PacketBatch;
use crate::worker::WorkerHandle;

pub(crate) use ends::{Ends, Entrance, Exit, InputEnd, OutputEnd};
pub(crate) use pcm::PcmQueue;
pub(crate) use pool::Refused;
pub use pool::{MIXER_THREADS_MAX, STUCK_THREADS_MAX};
pub(crate) use rtp::{RtpEntrance, RtpExit, RtpStream, format_of};
#[cfg(debug_assertions)]
pub(crate) use seat::Fault;

/// What a mixer is made with.
pub(crate) struct MixerSetup {
    pub(crate) id: Uuid,
    pub(crate) options: MixerOptions,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) worker: WorkerHandle,
}

/// One mixer, as its worker, its thread and the watchdog share it.
pub(crate) struct Mixer {
    pub(crate) setup: MixerSetup,
    ends: Mutex<Ends>,
    /// Something came that is not to wait for the next tick.
    rung: AtomicBool,
    /// Whose core may touch the ends: a core that is left behind has an older number.
    generation: AtomicU32,
    row: Mutex<Option<Arc<pool::Row>>>,
}

impl Mixer {
    /// Makes a mixer and gives it a thread.
    ///
    /// # Errors
    /// [`Refused`] when too many threads are stuck, or the system gives none.
    pub(crate) fn open(setup: MixerSetup) -> Result<Arc<Self>, Refused> {
        let mixer = Arc::new(Self {
            setup,
            ends: Mutex::default(),
            rung: AtomicBool::new(false),
            generation: AtomicU32::new(0),
            row: Mutex::new(None),
        });
        pool::admit(&mixer)?;
        Ok(mixer)
    }

    /// Changes what the mixer should do; it begins with the next tick.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Ends) -> T) -> T {
        change(&mut self.lock())
    }

    /// Tells the mixer's thread that something came. Cheap while the thread has not looked yet.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Some(row) = &*lock(&self.row)
        {
            row.wake();
        }
    }

    /// Ends it: whatever its thread does at the moment reaches nobody.
    pub(crate) fn close(self: &Arc<Self>) {
        self.leave_behind(Ends::close);
        pool::dismiss(self);
    }

    /// Makes the core at work, if any, the one that is left behind.
    fn leave_behind(&self, change: impl FnOnce(&mut Ends)) {
        // Within the lock, so that a core that holds it is done with the ends.
        let mut ends = self.lock();
        self.generation.fetch_add(1, Ordering::AcqRel);
        change(&mut ends);
    }

    /// Gives up a mixer that has no thread: says so, and ends.
    fn give_up(&self, message: &str) {
        self.leave_behind(Ends::close);
        self.tell("died", json!({ "message": message }));
    }

    /// Gives up, from its own thread.
    fn die(self: &Arc<Self>, message: &str) {
        self.give_up(message);
        pool::dismiss(self);
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

    fn lock(&self) -> MutexGuard<'_, Ends> {
        lock(&self.ends)
    }
}

/// Locks what a panic cannot leave half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
