//! Packets between two workers of one process. Each way there is a ring of slots that one thread fills and another empties
//! and gives back: no lock, no count, one copy in and one copy out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use millrace_packet::PacketMut;
use millrace_transport::outgoing::SLOT_BYTES_MIN;
use rtrb::{Consumer, Producer, RingBuffer};
use tokio::sync::Notify;
use uuid::Uuid;

/// Packets in a ring, one for each way: a fifth of a second of 100 Mbit/s in packets of 1,200 bytes. Slots are made as they are
/// needed, so that only what ever waited takes memory, and the same few of them go to and fro while the reader keeps up. A
/// packet that finds all of them filled is dropped and counted, and key frames are asked for.
pub(crate) const RING_PACKETS_MAX: usize = 2_048;

/// Room for a packet.
type Slot = Box<[u8; SLOT_BYTES_MIN]>;

/// Ends whose other end nobody has taken yet, by the name of their ring: at most one for each transport that waits.
static WAITING: Mutex<BTreeMap<Uuid, RingEnd>> = Mutex::new(BTreeMap::new());

/// One of the two ends of a pair of rings. A worker that is gone has dropped its end: what is written then stays where it is.
pub(crate) struct RingEnd {
    outgoing: Producer<(Slot, usize)>,
    /// Slots of ours that the other end has emptied.
    emptied: Consumer<Slot>,
    incoming: Consumer<(Slot, usize)>,
    /// The way back of the other end's slots.
    returned: Producer<Slot>,
    /// The slot that is being filled.
    open: Slot,
    /// Slots made so far.
    slots: usize,
    /// What wakes this end, then the other: each worker's own.
    bells: Arc<[OnceLock<Arc<Notify>>; 2]>,
    side: usize,
    has_written: bool,
}

impl RingEnd {
    /// The end of the ring of this name. Who comes first makes the ring, who comes second takes its other end. `bell` rings
    /// when there is something to read.
    pub(crate) fn meet(name: Uuid, bell: &Arc<Notify>) -> Self {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        let end = waiting.remove(&name).unwrap_or_else(|| {
            let (one, other) = Self::pair();
            waiting.insert(name, other);
            one
        });
        // Set once for each side: this is the first that anyone does with the end.
        let _ = end.bells[end.side].set(Arc::clone(bell));
        // The other end may have written before it knew whom to wake.
        bell.notify_one();
        end
    }

    /// Forgets the other end of a ring, if nobody has taken it.
    pub(crate) fn forget(name: Uuid) {
        let other = WAITING.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        drop(other);
    }

    fn pair() -> (Self, Self) {
        let bells = Arc::new([OnceLock::new(), OnceLock::new()]);
        let (there, back) = (Way::new(), Way::new());
        let end = |(outgoing, emptied), (incoming, returned), side| Self {
            outgoing,
            emptied,
            incoming,
            returned,
            open: new_slot(),
            slots: 1,
            bells: Arc::clone(&bells),
            side,
            has_written: false,
        };
        (end(there.writer, back.reader, 0), end(back.writer, there.reader, 1))
    }

    /// Room for the next packet.
    pub(crate) fn slot(&mut self) -> &mut [u8] {
        &mut self.open[..]
    }

    /// Sends the first `len` bytes of the [`slot`](Self::slot); false when the ring is full.
    pub(crate) fn commit(&mut self, len: usize) -> bool {
        let Some(next) = self.take_slot() else { return false };
        let filled = std::mem::replace(&mut self.open, next);
        // There is room for every slot there is.
        let is_sent = self.outgoing.push((filled, len)).is_ok();
        self.has_written |= is_sent;
        is_sent
    }

    /// A slot to be filled next; `None` when all wait to be read.
    fn take_slot(&mut self) -> Option<Slot> {
        if let Ok(slot) = self.emptied.pop() {
            return Some(slot);
        }
        // One more than wait: the open one.
        if self.slots > RING_PACKETS_MAX {
            return None;
        }
        self.slots += 1;
        Some(new_slot())
    }

    /// Wakes the other end, if anything was sent since the last time.
    pub(crate) fn wake_other(&mut self) {
        if std::mem::take(&mut self.has_written)
            && let Some(bell) = self.bells[1 - self.side].get()
        {
            bell.notify_one();
        }
    }

    /// Reads the next packet into `packet`; false when there is none. One that does not fit is handed on as an empty one.
    pub(crate) fn receive(&mut self, packet: &mut PacketMut) -> bool {
        let Ok((slot, len)) = self.incoming.pop() else { return false };
        match (packet.buffer_mut().get_mut(..len), slot.get(..len)) {
            (Some(room), Some(bytes)) => {
                room.copy_from_slice(bytes);
                packet.set_range(0, len);
            }
            _ => packet.set_range(0, 0),
        }
        self.give_back(slot);
        true
    }

    /// Passes over the next packet; false when there is none.
    pub(crate) fn discard(&mut self) -> bool {
        self.incoming.pop().map(|(slot, _)| self.give_back(slot)).is_ok()
    }

    fn give_back(&mut self, slot: Slot) {
        // There is room for every slot there is; whose end is gone needs none.
        let _ = self.returned.push(slot);
    }
}

/// The packets of one way, and their slots on the way back.
struct Way {
    writer: (Producer<(Slot, usize)>, Consumer<Slot>),
    reader: (Consumer<(Slot, usize)>, Producer<Slot>),
}

impl Way {
    fn new() -> Self {
        let (outgoing, incoming) = RingBuffer::new(RING_PACKETS_MAX);
        // The open slot never comes back, but may have been among those that did.
        let (returned, emptied) = RingBuffer::new(RING_PACKETS_MAX + 1);
        Self { writer: (outgoing, emptied), reader: (incoming, returned) }
    }
}

fn new_slot() -> Slot {
    Box::new([0; SLOT_BYTES_MIN])
}

impl fmt::Debug for RingEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingEnd").field("side", &self.side).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use millrace_packet::PacketPool;

    use super::*;

    fn send(end: &mut RingEnd, packet: &[u8]) -> bool {
        end.slot()[..packet.len()].copy_from_slice(packet);
        end.commit(packet.len())
    }

    fn receive(end: &mut RingEnd, pool: &PacketPool) -> Option<Vec<u8>> {
        let mut packet = pool.take().unwrap();
        end.receive(&mut packet).then(|| packet.bytes().to_vec())
    }

    #[test]
    fn packets_cross_both_ways_in_order_and_to_the_byte() {
        let (mut one, mut other) = RingEnd::pair();
        let pool = PacketPool::new(1);
        for round in 0..10_000_u32 {
            let packet = vec![round as u8; round as usize % 1_500];
            assert!(send(&mut one, &packet) && send(&mut other, &round.to_be_bytes()));
            assert_eq!(receive(&mut other, &pool).as_ref(), Some(&packet));
            assert_eq!(receive(&mut one, &pool), Some(round.to_be_bytes().to_vec()));
        }
        assert!(receive(&mut one, &pool).is_none() && !other.discard());
    }

    #[test]
    fn a_full_ring_takes_nothing_until_there_is_room_and_what_it_took_is_whole() {
        let (mut one, mut other) = RingEnd::pair();
        let pool = PacketPool::new(1);
        let sent = (0..).take_while(|number: &u32| send(&mut one, &number.to_be_bytes().repeat(300))).count();
        assert_eq!(sent, RING_PACKETS_MAX);
        assert_eq!(receive(&mut other, &pool).unwrap()[..4], [0; 4]);
        assert!(send(&mut one, &[9; 1_200]));
        for number in 1..sent as u32 {
            assert_eq!(receive(&mut other, &pool), Some(number.to_be_bytes().repeat(300)));
        }
        assert_eq!(receive(&mut other, &pool), Some(vec![9; 1_200]));
    }

    #[tokio::test]
    async fn two_who_name_the_same_ring_meet_and_wake_each_other() {
        let [first_bell, second_bell] = [(); 2].map(|()| Arc::new(Notify::new()));
        let name = Uuid::from_u128(1);
        let mut first = RingEnd::meet(name, &first_bell);
        assert!(send(&mut first, b"early"));
        first.wake_other();
        let mut second = RingEnd::meet(name, &second_bell);
        second_bell.notified().await;
        let pool = PacketPool::new(1);
        assert_eq!(receive(&mut second, &pool).unwrap(), b"early");
        first_bell.notified().await;
        assert!(send(&mut second, b"answer"));
        second.wake_other();
        first_bell.notified().await;
        assert_eq!(receive(&mut first, &pool).unwrap(), b"answer");
    }

    #[test]
    fn whom_nobody_meets_writes_until_the_ring_is_full_and_leaves_nothing() {
        let name = Uuid::from_u128(2);
        let mut end = RingEnd::meet(name, &Arc::new(Notify::new()));
        while send(&mut end, &[0; 1_000]) {}
        end.wake_other();
        RingEnd::forget(name);
        drop(end);
        assert!(!WAITING.lock().unwrap().contains_key(&name));
    }
}
