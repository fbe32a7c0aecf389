//! A mixer whose work another process does: what its thread does in a turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::child::Child;
use super::pool::TURN_TIME_MAX;
use super::wire::{Asked, Records, Setup, Told, text_of};
use super::{Desk, Ends, Failure, Mixer, Turn};
use crate::outbox::Outbox;
use crate::packets::PacketBatch;

/// How often the child is looked after.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// A child that has not begun to mix after this time does not.
const START_TIME_MAX: Duration = Duration::from_secs(10);

/// A core in another process, as far as it is known here.
pub(crate) trait Remote<E: Ends>: Sized {
    /// What its core is asked for.
    type Order: Serialize;
    /// What it tells.
    type News: DeserializeOwned;

    /// One that does not mix yet, and the first text to its process.
    fn begin(mixer: &Mixer<E>) -> (Self, Setup);

    /// What is on its way to it.
    fn outgoing(&mut self) -> &mut Outgoing<Self::Order>;

    /// Collects what the ends have for it.
    fn apply(&mut self, ends: &mut E, outbox: &Outbox, now: Instant);

    /// Sends on what it made: for producers into `to_worker`, for the application into `to_application`.
    fn send(
        &mut self,
        ends: &mut E,
        made: &Made<'_>,
        now: Instant,
        to_worker: &mut PacketBatch,
        to_application: &mut PacketBatch,
    );

    /// Takes in what it told.
    fn hear(&mut self, news: Self::News, now: Instant);

    /// Notes at the ends how it is, after it told.
    fn note(&mut self, ends: &mut E, mixer: &Mixer<E>, now: Instant);
}

/// What is on its way to a core in another process.
pub(crate) struct Outgoing<O> {
    pub(super) orders: Vec<O>,
    pub(super) packets: Records,
    /// What waits apart from packets, because it is large: the core says when there is room for more.
    pub(super) large: PacketBatch,
    /// It mixes. What comes before is of no use to it.
    pub(super) is_ready: bool,
    /// Ids given so far.
    ids: u32,
}

impl<O> Default for Outgoing<O> {
    fn default() -> Self {
        let (orders, packets, large) = (Vec::new(), Records::default(), PacketBatch::default());
        Self { orders, packets, large, is_ready: false, ids: 0 }
    }
}

impl<O> Outgoing<O> {
    /// An id for one more input or output, from 1 on.
    pub(super) fn new_id(&mut self) -> u32 {
        self.ids += 1;
        self.ids
    }
}

/// What a child made since the last turn.
pub(crate) struct Made<'a> {
    batches: &'a [PacketBatch],
    /// Something was dropped before it, because this thread was late.
    pub(super) has_gap: bool,
}

impl Made<'_> {
    /// Its records, each with its number.
    pub(super) fn records(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.batches.iter().flat_map(PacketBatch::packets)
    }
}

/// A child, and what is known of its core.
pub(crate) struct There<R> {
    /// Or why there is none.
    child: Result<Child, String>,
    remote: R,
    made: Vec<PacketBatch>,
    /// Records of the child that were dropped.
    dropped: u64,
    /// When it said something last, or began.
    heard_at: Instant,
    watch_at: Instant,
    /// Its last words.
    panicked: Option<String>,
}

impl<R> There<R> {
    /// A process of `program` that does the mixer's work.
    pub(super) fn start<E: Ends>(mixer: &Arc<Mixer<E>>, program: &[String], now: Instant) -> Self
    where
        R: Remote<E>,
    {
        let ringing = Arc::downgrade(mixer);
        let child = Child::start(program, move || {
            if let Some(mixer) = ringing.upgrade() {
                mixer.ring();
            }
        });
        let (remote, setup) = R::begin(mixer);
        if let Ok(child) = &child {
            child.send([text_of(&setup)], Vec::new(), PacketBatch::default());
        }
        Self {
            child: child.map_err(|error| format!("the system gives no process: {error}")),
            remote,
            made: Vec::new(),
            dropped: 0,
            heard_at: now,
            watch_at: now,
            panicked: None,
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.watch_at
    }

    pub(super) fn work<E: Ends>(&mut self, turn: &Turn<'_, E>, now: Instant) -> Result<(), Failure>
    where
        R: Remote<E>,
    {
        self.watch_at = now + WATCH_INTERVAL;
        let Self { child, remote, made, .. } = self;
        let child = match child {
            Ok(child) => child,
            Err(why) => return Err(Failure { reason: "exit", message: why.clone() }),
        };
        let mixer = turn.mixer;
        let outbox = &mixer.setup.outbox;
        let Some(mut ends) = turn.ends() else { return Ok(()) };
        let (mut to_worker, mut to_application) = (PacketBatch::default(), PacketBatch::default());
        if ends.pass_on(outbox, &mut to_worker) {
            drop(ends);
            mixer.send(to_worker);
            return self.look_after(now);
        }
        ends.set_pid(child.pid);
        remote.apply(&mut ends, outbox, now);
        let outgoing = remote.outgoing();
        let orders = outgoing.orders.drain(..).map(|order| text_of(&Asked::Order(order)));
        #[cfg(debug_assertions)]
        let orders =
            orders.chain(ends.take_fault().map(|fault| text_of(&Asked::<R::Order>::Fail { hang_ms: fault.hang_ms() })));
        let keeps_up = child.send(orders, outgoing.packets.take(), std::mem::take(&mut outgoing.large));
        made.extend(std::iter::from_fn(|| child.packets()));
        let dropped = child.dropped();
        let has_gap = std::mem::replace(&mut self.dropped, dropped) != dropped;
        remote.send(&mut ends, &Made { batches: made, has_gap }, now, &mut to_worker, &mut to_application);
        made.clear();
        if self.listen(now) {
            self.remote.note(&mut ends, mixer, now);
        }
        drop(ends);
        mixer.send(to_worker);
        if !to_application.is_empty() {
            outbox.push_packets(to_application);
        }
        match keeps_up {
            true => self.look_after(now),
            false => Err(hang("the mixer's process does not read")),
        }
    }

    /// Takes in what the child told. Tells whether that was anything.
    fn listen<E: Ends>(&mut self, now: Instant) -> bool
    where
        R: Remote<E>,
    {
        let Ok(child) = &self.child else { return false };
        let mut has_heard = false;
        while let Some(text) = child.text() {
            // What is no text of ours counts as nothing: a child that says nothing is taken for one that hangs.
            let Ok(told) = serde_json::from_str(&text) else { continue };
            (self.heard_at, has_heard) = (now, true);
            match told {
                Told::News(news) => {
                    self.remote.outgoing().is_ready = true;
                    self.remote.hear(news, now);
                }
                Told::Panicked(text) => self.panicked = Some(text),
            }
        }
        has_heard
    }

    fn look_after<E: Ends>(&mut self, now: Instant) -> Result<(), Failure>
    where
        R: Remote<E>,
    {
        let ended = self.child.as_ref().ok().and_then(Child::ended);
        // What it said before it ended is all there now.
        self.listen(now);
        if let Some(status) = ended {
            return Err(match self.panicked.take() {
                Some(message) => Failure { reason: "panic", message },
                None => Failure { reason: "exit", message: format!("the mixer's process ended: {status}") },
            });
        }
        let silent = now.saturating_duration_since(self.heard_at);
        match silent > if self.remote.outgoing().is_ready { TURN_TIME_MAX } else { START_TIME_MAX } {
            true => Err(hang("the mixer's process was stuck")),
            false => Ok(()),
        }
    }
}

fn hang(message: &str) -> Failure {
    Failure { reason: "hang", message: message.to_owned() }
}

/// What mixes: a core of this process, or one in a process of its own.
pub(crate) enum Either<H, R> {
    Here(Box<H>),
    There(Box<There<R>>),
}

impl<E: Ends, H: Desk<E>, R: Remote<E>> Desk<E> for Either<H, R> {
    fn new(mixer: &Arc<Mixer<E>>, now: Instant) -> Option<Self> {
        Some(match E::program(&mixer.setup.options) {
            Some(program) => Self::There(Box::new(There::start(mixer, program, now))),
            None => Self::Here(Box::new(H::new(mixer, now)?)),
        })
    }

    fn due(&self) -> Option<Instant> {
        match self {
            Self::Here(desk) => desk.due(),
            Self::There(desk) => Some(desk.due()),
        }
    }

    fn work(&mut self, turn: &Turn<'_, E>, now: Instant) -> Result<(), Failure> {
        match self {
            Self::Here(desk) => desk.work(turn, now),
            Self::There(desk) => desk.work(turn, now),
        }
    }
}
