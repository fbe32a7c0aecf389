//! Batched send: datagrams are written into slots, collected per destination, and leave together.
//!
//! Consecutive datagrams of equal size to one destination form a run, which the kernel cuts apart (UDP GSO); all
//! messages of a socket leave in one `sendmmsg`. Datagrams of one destination keep their order. Nothing is allocated
//! once every socket and destination has been seen.

#[cfg(test)]
pub(crate) mod faults;
pub(crate) mod plan;
mod runs;
pub(crate) mod segmentation;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};

#[cfg(target_os = "linux")]
use crate::linux::transmit::TransmitArrays;
use crate::udp::UdpSocket;
use plan::Plan;
use runs::{PlanBuffers, Runs};
use segmentation::Refusal;

pub use runs::SEND_SLOT_BYTES;

/// Slots of a batch unless the caller wants another number: 6.5 MB, of which only what was ever filled takes memory.
///
/// When all are filled the batch must be flushed. Packets come in turn, each for all viewers, so a viewer's run holds a
/// whole frame only while viewers times packets stay below this: 500 viewers of frames of six packets need 3,000.
pub const SEND_SLOTS: usize = 4096;

/// The caller's number for one of its sockets; small and dense, because tables are indexed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketIndex(pub u32);

/// The caller's number for one destination, such as its transport's index; small and dense, because a table is
/// indexed by it. Two destinations may share a key at the price of shorter runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationKey(pub u32);

/// Where a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Our socket.
    pub socket: SocketIndex,
    /// Whose run it continues.
    pub key: DestinationKey,
    /// The peer's address; IPv4 also when the socket is a dual-stack one.
    pub remote: SocketAddr,
    /// Our address that it leaves from. Read for wildcard sockets only; `None` leaves the choice to the system.
    pub source: Option<IpAddr>,
}

/// What became of datagrams in one flush.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendReport {
    /// Datagrams that the kernel took.
    pub datagrams: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Messages that they were sent as.
    pub messages: u64,
    /// System calls made.
    pub calls: u64,
    /// Datagrams dropped because the kernel refused them: no route, a refused port, a filter, and the like.
    pub refused: u64,
    /// Runs that the kernel refused as one message and that were sent again as single datagrams.
    pub runs_refused: u64,
    /// Datagrams dropped because their socket is gone.
    pub closed: u64,
    /// Datagrams dropped, oldest first, because blocked sockets held more than half of the slots.
    pub overflown: u64,
}

/// Outgoing datagrams of all UDP sockets of a worker.
pub struct SendBatch {
    arena: Box<[u8]>,
    /// The slot given out and not yet committed.
    open_slot: Option<u32>,
    runs: Runs,
    plan: PlanBuffers,
    transmitter: Transmitter,
    blocked_slots_max: usize,
}

/// What backends need to send, kept for its memory.
pub(crate) struct Transmitter {
    #[cfg(target_os = "linux")]
    pub(crate) arrays: TransmitArrays,
}

impl SendBatch {
    /// Makes an empty batch with `slots` slots of [`SEND_SLOT_BYTES`], at least 2.
    pub fn new(slots: usize) -> Self {
        let slots = slots.clamp(2, u32::MAX as usize / SEND_SLOT_BYTES);
        Self {
            arena: vec![0; slots * SEND_SLOT_BYTES].into(),
            open_slot: None,
            runs: Runs::new(slots),
            plan: PlanBuffers::new(slots),
            transmitter: Transmitter {
                #[cfg(target_os = "linux")]
                arrays: TransmitArrays::new(slots),
            },
            blocked_slots_max: slots / 2,
        }
    }

    /// A slot for the next datagram on `socket`, [`SEND_SLOT_BYTES`] long. `None` while the socket is blocked, and
    /// when the batch [`is_full`](Self::is_full). A slot that was not committed is given out again.
    pub fn slot(&mut self, socket: SocketIndex) -> Option<&mut [u8]> {
        if self.is_blocked(socket) || !Runs::takes(socket) {
            return None;
        }
        self.open_slot = self.open_slot.or_else(|| self.runs.take_slot());
        let start = self.open_slot? as usize * SEND_SLOT_BYTES;
        self.arena.get_mut(start..start + SEND_SLOT_BYTES)
    }

    /// Ends the datagram written to the last slot: its first `len` bytes go to `destination`. No slot, no bytes or
    /// more than a slot has: nothing is sent.
    pub fn commit(&mut self, len: usize, destination: &Destination) {
        if len == 0 || len > SEND_SLOT_BYTES || !Runs::takes(destination.socket) {
            return;
        }
        if let Some(slot) = self.open_slot.take() {
            self.runs.append(slot, len as u16, destination);
        }
    }

    /// Tells whether all slots are filled: [`flush`](Self::flush) makes room, because blocked sockets keep at most
    /// half of them.
    pub fn is_full(&self) -> bool {
        self.runs.free() == 0 && self.open_slot.is_none()
    }

    /// Tells whether datagrams wait to be flushed, those of blocked sockets included.
    pub fn is_empty(&self) -> bool {
        self.runs.waiting().is_empty()
    }

    /// Tells whether the socket's kernel buffer was full at the last flush. It takes no more datagrams until
    /// [`unblock`](Self::unblock).
    pub fn is_blocked(&self, socket: SocketIndex) -> bool {
        self.runs.is_blocked(socket)
    }

    /// Sockets that are blocked: for each, wait until it is writable, then [`unblock`](Self::unblock) it and flush.
    pub fn blocked(&self) -> impl Iterator<Item = SocketIndex> {
        self.runs.waiting().iter().copied().filter(|&socket| self.is_blocked(socket))
    }

    /// Says that the socket is writable: the next flush sends what it left, before anything newer.
    pub fn unblock(&mut self, socket: SocketIndex) {
        if self.is_blocked(socket) {
            self.runs.set_blocked(socket, false);
        }
    }

    /// Drops what waits for a socket that is being closed and forgets its state, so that its index can serve another.
    /// Tells how many datagrams were dropped.
    pub fn forget(&mut self, socket: SocketIndex) -> usize {
        self.unblock(socket);
        let dropped = self.runs.release_all(socket);
        self.runs.forget_empty();
        // A run that ended here must not be continued.
        self.runs.end_runs();
        dropped
    }

    /// Sends everything that waits, except for blocked sockets. `socket_at` finds the sockets.
    ///
    /// A socket whose kernel buffer is full becomes blocked and keeps the rest, in order.
    pub fn flush<'s>(&mut self, mut socket_at: impl FnMut(SocketIndex) -> Option<&'s UdpSocket>) -> SendReport {
        let mut report = SendReport::default();
        self.runs.end_runs();
        for turn in 0..self.runs.waiting().len() {
            let index = self.runs.waiting()[turn];
            match socket_at(index) {
                Some(socket) => self.flush_socket(socket, index, &mut report),
                None => report.closed += self.runs.release_all(index) as u64,
            }
        }
        self.runs.forget_empty();
        self.bound_blocked(&mut report);
        report
    }

    fn flush_socket(&mut self, socket: &UdpSocket, index: SocketIndex, report: &mut SendReport) {
        while !self.is_blocked(index) {
            self.runs.plan(index, socket.segments_runs(), &mut self.plan);
            if self.plan.messages.is_empty() {
                return;
            }
            self.send_plan(socket, index, report);
        }
    }

    /// Sends the messages of the plan, until the socket is full or a run must be planned anew.
    fn send_plan(&mut self, socket: &UdpSocket, index: SocketIndex, report: &mut SendReport) {
        let plan = Plan { arena: &self.arena, messages: &self.plan.messages, segments: &self.plan.segments };
        let mut done = 0;
        while let Some(message) = plan.messages.get(done) {
            report.calls += 1;
            match socket.send_messages(plan.after(done), &mut self.transmitter) {
                Ok(taken) => {
                    let taken = &plan.messages[done..done + taken];
                    let datagrams = count_taken(plan, taken, socket, report);
                    self.runs.release(index, datagrams);
                    done += taken.len();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.runs.set_blocked(index, true);
                }
                Err(error) => match Refusal::of(&error).filter(|_| message.segments > 1) {
                    Some(refusal) => {
                        report.runs_refused += 1;
                        socket.segmentation.set(socket.segmentation.get().after(refusal));
                        return self.runs.break_first_run(index);
                    }
                    None => {
                        report.refused += message.segments as u64;
                        self.runs.release(index, message.segments);
                        done += 1;
                    }
                },
            }
        }
    }

    /// Keeps blocked sockets from starving the others: half of the slots stay free.
    fn bound_blocked(&mut self, report: &mut SendReport) {
        let slots = self.arena.len() / SEND_SLOT_BYTES;
        let held = slots - self.runs.free() - usize::from(self.open_slot.is_some());
        let mut excess = held.saturating_sub(self.blocked_slots_max);
        while excess > 0 && !self.is_empty() {
            excess -= self.drop_oldest(excess);
            self.runs.forget_empty();
        }
        report.overflown += held.saturating_sub(self.blocked_slots_max) as u64;
    }

    /// Drops the oldest datagram of each socket that waits, at most `count`; tells how many were dropped.
    fn drop_oldest(&mut self, count: usize) -> usize {
        let turns = self.runs.waiting().len().min(count);
        for turn in 0..turns {
            let socket = self.runs.waiting()[turn];
            self.runs.release(socket, 1);
        }
        turns
    }
}

/// Counts messages that the kernel took and tells how many datagrams they were.
fn count_taken(plan: Plan<'_>, taken: &[plan::Message], socket: &UdpSocket, report: &mut SendReport) -> usize {
    let mut datagrams = 0;
    let mut any_run = false;
    for message in taken {
        datagrams += message.segments;
        any_run |= message.segments > 1;
        report.bytes += plan.segments_of(message).iter().map(|segment| segment.len as u64).sum::<u64>();
    }
    if any_run {
        socket.segmentation.set(socket.segmentation.get().after_success());
    }
    report.datagrams += datagrams as u64;
    report.messages += taken.len() as u64;
    datagrams
}
