//! The packets of a place's owner on their way through the place: an internal viewer whose way out is a producer. The
//! numbers go on over a change of owners like those of any viewer that changes producers; the bytes are shared.

use millrace_packet::{PacketRef, RtpMeta};

use crate::observer::Kind;
use crate::producer::Producer;
use crate::ranker::Change;
use crate::replace::Opening;
use crate::rewriter::Start;
use crate::router::Router;
use crate::timers::Moment;
use crate::{ObserverIndex, Output, ProducerIndex};

/// A place that carries a producer's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relay {
    observer: ObserverIndex,
    slot: usize,
}

/// A packet as the producer of a place gets it.
struct Relayed {
    to: ProducerIndex,
    packet: PacketRef,
    meta: RtpMeta,
}

impl Router {
    /// Carries a packet that `from` just kept to the places that `from` owns.
    pub(crate) fn relay(&mut self, from: ProducerIndex, kept: Opening, now: Moment, out: &mut impl Output) {
        let relays = self.producers.get(from.0 as usize).map_or(0, |producer| producer.relays.len());
        for at in 0..relays {
            let Some(Relayed { to, packet, meta }) = self.relayed(from, at, kept, now) else { continue };
            self.with_producer(to, now, out, |producer, cx| producer.handle_relayed(packet, &meta, cx));
        }
    }

    /// Lets places carry their new owners' packets, and no longer those of the owners before.
    pub(crate) fn apply_changes(&mut self, observer: ObserverIndex, changes: &[Change]) {
        for Change { slot, from, to } in changes {
            let relay = Relay { observer, slot: *slot };
            if let Some(from) = from.and_then(|from| self.producers.get_mut(from.0 as usize)) {
                from.relays.retain(|other| *other != relay);
            }
            if let Some(to) = to.and_then(|to| self.producers.get_mut(to.0 as usize)) {
                to.relays.push(relay);
            }
        }
    }

    fn relayed(&mut self, from: ProducerIndex, at: usize, kept: Opening, now: Moment) -> Option<Relayed> {
        let source = self.producers.get(from.0 as usize)?;
        let Relay { observer, slot } = *source.relays.get(at)?;
        let observer = self.observers.get_mut(observer.0 as usize)?;
        let cached = source.streams.get(usize::from(kept.stream))?.cache.find(kept.index as u32)?;
        let codec = source.codecs.get(usize::from(cached.codec))?;
        let payload_type = observer.carried_payload_type(from, codec.payload_type)?;
        let Kind::Selector(ranker) = &mut observer.kind else { return None };
        let slot = ranker.slots.get_mut(slot)?;
        let to = slot.producer?;
        let (index, timestamp, clock_rate) = (kept.index, cached.timestamp, codec.clock_rate);
        if !std::mem::replace(&mut slot.carries, true) {
            slot.rewriter.start(&Start { index, timestamp, on_line_before: None, clock_rate }, now.at);
        }
        let sequence = slot.rewriter.sequence(index)?;
        let timestamp = slot.rewriter.timestamp(timestamp);
        slot.rewriter.note_sent(sequence, timestamp, now.at);
        let packet = cached.packet.clone();
        let meta = RtpMeta { sequence, timestamp, payload_type, ..*packet.meta() };
        Some(Relayed { to, packet, meta })
    }
}

impl Producer {
    /// Tells whether its packets go to others than its viewers.
    pub(crate) fn has_relays(&self) -> bool {
        !self.relays.is_empty()
    }
}
