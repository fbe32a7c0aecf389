//! Slots in use, chained into runs of equal datagrams by destination, runs chained into one queue per socket.

use super::plan::{MESSAGES_MAX, Message, Segment};
use super::{Destination, DestinationKey, SocketIndex};

/// Size of a slot in the arena, in bytes: a packet and what sealing adds.
///
/// 25 cache lines: an odd number, so that the headers of consecutive slots spread over all sets of the cache.
pub const SEND_SLOT_BYTES: usize = 1600;

/// Datagrams of a run; Linux before 6.10 takes no more in one message.
const RUN_SEGMENTS_MAX: u16 = 64;
/// Bytes of a run, below the 65,507 that an IPv4 datagram can carry.
const RUN_BYTES_MAX: u32 = 65_000;
/// Keys with a remembered run. Datagrams of keys beyond leave as messages of their own.
const KEYS_MAX: usize = 1 << 16;
/// Sockets with a queue. A socket beyond is never given a slot.
const SOCKETS_MAX: usize = 1 << 16;
/// End of a chain.
const NONE: u32 = u32::MAX;

/// The bookkeeping of a batch: who sends what, in which order. Knows no system call.
#[derive(Debug)]
pub(super) struct Runs {
    slots: Vec<Slot>,
    free_slots: Vec<u32>,
    runs: Vec<Run>,
    free_runs: Vec<u32>,
    keys: Vec<OpenRun>,
    /// Counts flushes; runs of an earlier one are never continued.
    epoch: u64,
    queues: Vec<Queue>,
    /// Sockets whose queue is not empty.
    waiting: Vec<SocketIndex>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    len: u16,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    destination: Destination,
    first: u32,
    last: u32,
    segments: u16,
    segment_bytes: u16,
    bytes: u32,
    /// Nothing may be added: its last segment is shorter than the others.
    ended: bool,
    /// The kernel refused it as one message.
    apart: bool,
    next: u32,
}

/// The run that datagrams of one key continue, valid in its epoch only.
#[derive(Clone, Copy, Debug, Default)]
struct OpenRun {
    epoch: u64,
    run: u32,
}

#[derive(Clone, Copy, Debug)]
struct Queue {
    first: u32,
    last: u32,
    blocked: bool,
}

impl Queue {
    const EMPTY: Self = Self { first: NONE, last: NONE, blocked: false };
}

impl Runs {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots: vec![Slot { len: 0, next: NONE }; slots],
            free_slots: (0..slots as u32).rev().collect(),
            runs: Vec::with_capacity(slots),
            free_runs: Vec::with_capacity(slots),
            keys: Vec::new(),
            epoch: 1,
            queues: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Takes a free slot.
    pub(super) fn take_slot(&mut self) -> Option<u32> {
        self.free_slots.pop()
    }

    /// Number of slots that nobody uses.
    pub(super) fn free(&self) -> usize {
        self.free_slots.len()
    }

    /// Sockets whose queue is not empty, blocked ones included.
    pub(super) fn waiting(&self) -> &[SocketIndex] {
        &self.waiting
    }

    pub(super) fn is_blocked(&self, socket: SocketIndex) -> bool {
        self.queues.get(socket.0 as usize).is_some_and(|queue| queue.blocked)
    }

    /// Tells whether the socket's index is within bounds.
    pub(super) fn takes(socket: SocketIndex) -> bool {
        (socket.0 as usize) < SOCKETS_MAX
    }

    pub(super) fn set_blocked(&mut self, socket: SocketIndex, blocked: bool) {
        self.queue_mut(socket).blocked = blocked;
    }

    /// Ends all runs: what is committed later begins new ones.
    pub(super) fn end_runs(&mut self) {
        self.epoch += 1;
    }

    /// Puts a filled slot behind everything of its destination, into its open run if it fits.
    pub(super) fn append(&mut self, slot: u32, len: u16, destination: &Destination) {
        self.slots[slot as usize] = Slot { len, next: NONE };
        match self.open_run(destination).filter(|&run| self.runs[run as usize].takes(len, destination)) {
            Some(run) => self.continue_run(run, slot, len),
            None => self.begin_run(slot, len, destination),
        }
    }

    /// The open run of the destination's key.
    fn open_run(&self, destination: &Destination) -> Option<u32> {
        let open = self.keys.get(destination.key.0 as usize)?;
        (open.epoch == self.epoch).then_some(open.run)
    }

    fn continue_run(&mut self, run: u32, slot: u32, len: u16) {
        let run = &mut self.runs[run as usize];
        self.slots[run.last as usize].next = slot;
        run.last = slot;
        run.segments += 1;
        run.bytes += u32::from(len);
        run.ended = len < run.segment_bytes;
    }

    fn begin_run(&mut self, slot: u32, len: u16, destination: &Destination) {
        let run = Run {
            destination: *destination,
            first: slot,
            last: slot,
            segments: 1,
            segment_bytes: len,
            bytes: len.into(),
            ended: false,
            apart: false,
            next: NONE,
        };
        let index = self.store_run(run);
        self.remember(destination.key, index);
        let queue = self.queue_mut(destination.socket);
        let previous = std::mem::replace(&mut queue.last, index);
        if previous == NONE {
            queue.first = index;
            self.waiting.push(destination.socket);
        } else {
            self.runs[previous as usize].next = index;
        }
    }

    fn store_run(&mut self, run: Run) -> u32 {
        let Some(index) = self.free_runs.pop() else {
            self.runs.push(run);
            return self.runs.len() as u32 - 1;
        };
        self.runs[index as usize] = run;
        index
    }

    fn remember(&mut self, DestinationKey(key): DestinationKey, run: u32) {
        let key = key as usize;
        if key >= KEYS_MAX {
            return;
        }
        if key >= self.keys.len() {
            self.keys.resize(key + 1, OpenRun::default());
        }
        self.keys[key] = OpenRun { epoch: self.epoch, run };
    }

    fn queue_mut(&mut self, socket: SocketIndex) -> &mut Queue {
        let index = socket.0 as usize;
        if index >= self.queues.len() {
            self.queues.resize(index + 1, Queue::EMPTY);
        }
        &mut self.queues[index]
    }

    /// Writes the oldest messages of a socket into `plan`, at most [`MESSAGES_MAX`]; runs as one message each when
    /// `segmented`.
    pub(super) fn plan(&self, socket: SocketIndex, segmented: bool, plan: &mut PlanBuffers) {
        plan.messages.clear();
        plan.segments.clear();
        let mut next = self.first_run(socket);
        while let Some(run) = self.runs.get(next as usize) {
            if !self.plan_run(run, segmented && !run.apart, plan) {
                return;
            }
            next = run.next;
        }
    }

    /// Adds one run; false when the plan is full.
    fn plan_run(&self, run: &Run, together: bool, plan: &mut PlanBuffers) -> bool {
        let mut slot = run.first;
        for position in 0..run.segments {
            if position == 0 || !together {
                if plan.messages.len() == MESSAGES_MAX {
                    return false;
                }
                plan.messages.push(Message {
                    remote: run.destination.remote,
                    source: run.destination.source,
                    first: plan.segments.len(),
                    segments: if together { run.segments.into() } else { 1 },
                    segment_bytes: run.segment_bytes,
                });
            }
            let Slot { len, next } = self.slots[slot as usize];
            plan.segments.push(Segment { offset: slot as usize * SEND_SLOT_BYTES, len: len.into() });
            slot = next;
        }
        true
    }

    fn first_run(&self, socket: SocketIndex) -> u32 {
        self.queues.get(socket.0 as usize).map_or(NONE, |queue| queue.first)
    }

    /// Says that the oldest run of a socket must leave as single datagrams.
    pub(super) fn break_first_run(&mut self, socket: SocketIndex) {
        let first = self.first_run(socket);
        if let Some(run) = self.runs.get_mut(first as usize) {
            run.apart = true;
        }
    }

    /// Frees the slots of the `count` oldest datagrams of a socket.
    pub(super) fn release(&mut self, socket: SocketIndex, count: usize) {
        for _ in 0..count {
            self.release_one(socket);
        }
    }

    /// Frees all slots of a socket and tells how many there were.
    pub(super) fn release_all(&mut self, socket: SocketIndex) -> usize {
        let mut count = 0;
        while self.release_one(socket) {
            count += 1;
        }
        count
    }

    fn release_one(&mut self, socket: SocketIndex) -> bool {
        let first = self.first_run(socket);
        let Some(run) = self.runs.get_mut(first as usize) else { return false };
        let slot = run.first;
        run.first = self.slots[slot as usize].next;
        run.segments -= 1;
        self.free_slots.push(slot);
        if run.segments == 0 {
            let next = run.next;
            self.free_runs.push(first);
            self.set_first_run(socket, next);
        }
        true
    }

    fn set_first_run(&mut self, socket: SocketIndex, run: u32) {
        let queue = self.queue_mut(socket);
        queue.first = run;
        if run == NONE {
            queue.last = NONE;
        }
    }

    /// Forgets sockets whose queue is empty. One that was blocked and lost all it held is tried again: nobody would
    /// learn of it by [`waiting`](Self::waiting), and so nobody would unblock it.
    pub(super) fn forget_empty(&mut self) {
        let queues = &mut self.queues;
        self.waiting.retain(|socket| {
            let queue = &mut queues[socket.0 as usize];
            let waits = queue.first != NONE;
            queue.blocked &= waits;
            waits
        });
    }
}

impl Run {
    fn takes(&self, len: u16, destination: &Destination) -> bool {
        !self.ended
            && len <= self.segment_bytes
            && self.segments < RUN_SEGMENTS_MAX
            && self.bytes + u32::from(len) <= RUN_BYTES_MAX
            && self.destination == *destination
    }
}

/// The messages of one system call, kept for their memory.
#[derive(Debug)]
pub(super) struct PlanBuffers {
    pub(super) messages: Vec<Message>,
    pub(super) segments: Vec<Segment>,
}

impl PlanBuffers {
    pub(super) fn new(slots: usize) -> Self {
        Self { messages: Vec::with_capacity(MESSAGES_MAX), segments: Vec::with_capacity(slots) }
    }
}
