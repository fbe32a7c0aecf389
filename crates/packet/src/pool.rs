//! A worker's pool of packets: fixed slots, one count per holder, no allocation once warm.
//!
//! A packet is written by one owner ([`PacketMut`]), then frozen ([`PacketRef`]) and shared by whoever keeps it: a
//! retransmission cache, an outgoing queue, a tap. Viewers borrow it. The last holder returns the slot to the pool.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use crate::DATAGRAM_BYTES_MAX;
use crate::meta::RtpMeta;

/// Bytes of a slot. One byte over the limit lets a receiver tell "exactly the limit" from "too long".
pub const SLOT_BYTES: usize = DATAGRAM_BYTES_MAX + 36;

struct Slot {
    bytes: [u8; SLOT_BYTES],
    start: u16,
    end: u16,
    meta: RtpMeta,
}

struct Shared {
    free: RefCell<Vec<Rc<Slot>>>,
    slots: Cell<usize>,
    slots_max: usize,
}

/// The free list of one worker. Cheap to clone; clones share the list.
#[derive(Clone)]
pub struct PacketPool {
    shared: Rc<Shared>,
}

impl PacketPool {
    /// Makes a pool that holds at most `slots_max` packets at once. Slots are allocated when first needed and kept.
    pub fn new(slots_max: usize) -> Self {
        let shared = Shared { free: RefCell::new(Vec::new()), slots: Cell::new(0), slots_max };
        Self { shared: Rc::new(shared) }
    }

    /// Takes an empty packet, or `None` when all `slots_max` are held: the caller drops what it wanted to receive.
    pub fn take(&self) -> Option<PacketMut> {
        let recycled = self.shared.free.borrow_mut().pop();
        let slot = recycled.or_else(|| self.grow())?;
        let mut packet = PacketMut { slot: Some(slot), pool: Rc::downgrade(&self.shared) };
        packet.set_range(0, 0);
        Some(packet)
    }

    /// Number of slots allocated so far, in use or free.
    pub fn slots(&self) -> usize {
        self.shared.slots.get()
    }

    /// Number of slots that somebody holds.
    pub fn slots_held(&self) -> usize {
        self.slots() - self.shared.free.borrow().len()
    }

    fn grow(&self) -> Option<Rc<Slot>> {
        if self.shared.slots.get() >= self.shared.slots_max {
            return None;
        }
        self.shared.slots.set(self.shared.slots.get() + 1);
        // Room for every slot's return (the list is empty here), so that giving one back never allocates.
        self.shared.free.borrow_mut().reserve(self.shared.slots.get());
        Some(Rc::new(Slot { bytes: [0; SLOT_BYTES], start: 0, end: 0, meta: RtpMeta::default() }))
    }
}

impl fmt::Debug for PacketPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketPool").field("slots", &self.slots()).field("held", &self.slots_held()).finish()
    }
}

fn give_back(pool: &Weak<Shared>, slot: Option<Rc<Slot>>) {
    if let (Some(slot), Some(pool)) = (slot, pool.upgrade()) {
        pool.free.borrow_mut().push(slot);
    }
}

/// A packet with one owner, who may write it.
pub struct PacketMut {
    slot: Option<Rc<Slot>>,
    pool: Weak<Shared>,
}

impl PacketMut {
    fn slot(&self) -> &Slot {
        self.slot.as_ref().expect("a slot is taken out only by drop and freeze, which consume the packet")
    }

    fn slot_mut(&mut self) -> &mut Slot {
        let slot = self.slot.as_mut().expect("a slot is taken out only by drop and freeze, which consume the packet");
        Rc::get_mut(slot).expect("a PacketMut is the only holder of its slot")
    }

    /// The packet's bytes.
    pub fn bytes(&self) -> &[u8] {
        let slot = self.slot();
        &slot.bytes[usize::from(slot.start)..usize::from(slot.end)]
    }

    /// The packet's bytes, to be changed in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let slot = self.slot_mut();
        &mut slot.bytes[usize::from(slot.start)..usize::from(slot.end)]
    }

    /// The whole slot, to receive into; call [`set_range`](Self::set_range) afterwards.
    pub fn buffer_mut(&mut self) -> &mut [u8; SLOT_BYTES] {
        &mut self.slot_mut().bytes
    }

    /// Says which part of the slot is the packet. Out-of-range values are cut to the slot.
    pub fn set_range(&mut self, start: usize, end: usize) {
        let end = end.min(SLOT_BYTES);
        let slot = self.slot_mut();
        slot.start = start.min(end) as u16;
        slot.end = end as u16;
    }

    /// Cuts the packet to its first `len` bytes; longer than it is changes nothing.
    pub fn truncate(&mut self, len: usize) {
        let slot = self.slot_mut();
        slot.end = slot.end.min(slot.start.saturating_add(len.min(SLOT_BYTES) as u16));
    }

    /// Drops the first `len` bytes of the packet (at most all of them).
    pub fn advance(&mut self, len: usize) {
        let slot = self.slot_mut();
        slot.start = slot.end.min(slot.start.saturating_add(len.min(SLOT_BYTES) as u16));
    }

    /// Copies `bytes` in as the whole packet. Returns false, and changes nothing, when they do not fit.
    pub fn fill(&mut self, bytes: &[u8]) -> bool {
        let slot = self.slot_mut();
        let Some(room) = slot.bytes.get_mut(..bytes.len()) else { return false };
        room.copy_from_slice(bytes);
        self.set_range(0, bytes.len());
        true
    }

    /// Ends writing: the packet can be shared, together with what parsing it told.
    pub fn freeze(mut self, meta: RtpMeta) -> PacketRef {
        self.slot_mut().meta = meta;
        PacketRef { slot: self.slot.take(), pool: std::mem::take(&mut self.pool) }
    }
}

impl Drop for PacketMut {
    fn drop(&mut self) {
        give_back(&self.pool, self.slot.take());
    }
}

impl fmt::Debug for PacketMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketMut").field("len", &self.bytes().len()).finish()
    }
}

/// A frozen packet with its parsed header. Each clone is a holder and counts once; viewers borrow.
pub struct PacketRef {
    slot: Option<Rc<Slot>>,
    pool: Weak<Shared>,
}

impl PacketRef {
    fn slot(&self) -> &Slot {
        self.slot.as_ref().expect("a slot is taken out only by drop")
    }

    /// The packet's bytes, header included.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let slot = self.slot();
        &slot.bytes[usize::from(slot.start)..usize::from(slot.end)]
    }

    /// What parsing the packet told.
    #[inline]
    pub fn meta(&self) -> &RtpMeta {
        &self.slot().meta
    }

    /// The payload without padding.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        let meta = self.meta();
        let start = usize::from(meta.payload_offset);
        self.bytes().get(start..start + usize::from(meta.payload_len)).unwrap_or_default()
    }
}

impl Clone for PacketRef {
    fn clone(&self) -> Self {
        Self { slot: self.slot.clone(), pool: self.pool.clone() }
    }
}

impl Drop for PacketRef {
    fn drop(&mut self) {
        if self.slot.as_ref().is_some_and(|slot| Rc::strong_count(slot) == 1) {
            give_back(&self.pool, self.slot.take());
        }
    }
}

impl fmt::Debug for PacketRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketRef").field("meta", self.meta()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_returns_when_its_last_holder_lets_go() {
        let pool = PacketPool::new(2);
        let mut packet = pool.take().unwrap();
        assert!(packet.fill(b"abc"));
        let cached = packet.freeze(RtpMeta::default());
        let queued = cached.clone();
        drop(cached);
        assert_eq!((pool.slots_held(), queued.bytes()), (1, &b"abc"[..]));
        drop(queued);
        assert_eq!((pool.slots_held(), pool.slots()), (0, 1));
    }

    #[test]
    fn a_full_pool_gives_none_until_a_packet_returns() {
        let pool = PacketPool::new(1);
        let held = pool.take();
        assert!(pool.take().is_none());
        drop(held);
        assert!(pool.take().is_some());
    }

    #[test]
    fn packets_outlive_their_pool() {
        let pool = PacketPool::new(1);
        let mut packet = pool.take().unwrap();
        drop(pool);
        assert!(packet.fill(&[7; 10]));
        assert_eq!(packet.bytes(), &[7; 10]);
    }

    #[test]
    fn a_packet_too_long_for_its_slot_is_refused() {
        let mut packet = PacketPool::new(1).take().unwrap();
        assert!(!packet.fill(&[0; SLOT_BYTES + 1]));
        assert_eq!(packet.bytes(), b"");
    }
}
