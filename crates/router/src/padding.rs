//! Packets that nobody needs, to find out whether the path to a viewer carries more.

use std::time::Instant;

use millrace_packet::{OutgoingStreamId, PacketRef, Priority, Rewrite};

use crate::router::{Place, Router};
use crate::{Output, SessionId};

/// Packets of padding that one call sends at most.
const PADDING_PACKETS_MAX: usize = 64;

/// The stream that pads where nothing can be sent again: SSRC 1234, payload type 127, MID "probator", as mediasoup-client
/// expects it.
#[derive(Clone, Debug)]
pub struct Probator {
    /// Its stream in the viewer's transport.
    pub stream: OutgoingStreamId,
    /// What it sends, again and again.
    pub packet: PacketRef,
    /// Number of its next packet.
    pub sequence: u16,
}

/// Payload type of the probator's packets.
const PROBATOR_PAYLOAD_TYPE: u8 = 127;

impl Router {
    /// Gives a session what it pads with where nothing can be sent again.
    pub fn set_probator(&mut self, session: SessionId, probator: Probator) {
        if let Some(session) = self.sessions.get_mut(session.0 as usize) {
            session.probator = Some(probator);
        }
    }

    /// Tells whether a session has a probator.
    pub fn has_probator(&self, session: SessionId) -> bool {
        self.sessions.get(session.0 as usize).is_some_and(|session| session.probator.is_some())
    }

    /// Sends a session's peer at least `bytes` that it does not need: packets of late once more on their RTX streams, in
    /// turn, else such of the probator. Returns how many bytes were sent; 0 where neither can be.
    pub fn send_padding(&mut self, session: SessionId, bytes: usize, now: Instant, out: &mut impl Output) -> usize {
        let mut sent = 0;
        for _ in 0..PADDING_PACKETS_MAX {
            let padded = self.pad(session, now, out).or_else(|| self.pad_by_probator(session, out));
            let Some(padded) = padded.filter(|padded| *padded > 0) else { break };
            sent += padded;
            if sent >= bytes {
                break;
            }
        }
        sent
    }

    /// Asks for a key frame for whoever is sent `stream`, packets of which were dropped before they left.
    pub fn repair_stream(&mut self, id: SessionId, stream: OutgoingStreamId, now: Instant, out: &mut impl Output) {
        let Some(session) = self.sessions.get(id.0 as usize) else { return };
        let found = session.consumers.iter().copied().find(|index| {
            let place = self.consumers.get(index.0 as usize);
            let consumer =
                place.and_then(|place| self.producers.get(place.producer.0 as usize)?.consumers.get(place.position));
            consumer.is_some_and(|consumer| consumer.outgoing() == stream)
        });
        if let Some(consumer) = found {
            self.request_key_frame(consumer, now, out);
        }
    }

    fn pad(&mut self, id: SessionId, now: Instant, out: &mut impl Output) -> Option<usize> {
        let session = self.sessions.get_mut(id.0 as usize)?;
        let consumers = session.consumers.len();
        let first = session.next_to_pad;
        session.next_to_pad = first.wrapping_add(1);
        let now = self.moment(now);
        for place in 0..consumers {
            let index = *self.sessions.get(id.0 as usize)?.consumers.get(first.wrapping_add(place) % consumers)?;
            let Some(&Place { producer, position, .. }) = self.consumers.get(index.0 as usize) else { continue };
            let sent = self.with_producer(producer, now, out, |producer, cx| {
                let consumer = producer.consumers.get_mut(position)?;
                consumer.pad(&producer.streams, cx)
            });
            if let Some(sent) = sent.flatten() {
                return Some(sent);
            }
        }
        None
    }

    fn pad_by_probator(&mut self, id: SessionId, out: &mut impl Output) -> Option<usize> {
        let probator = self.sessions.get_mut(id.0 as usize)?.probator.as_mut()?;
        let rewrite = Rewrite {
            stream: probator.stream,
            payload_type: PROBATOR_PAYLOAD_TYPE,
            marker: false,
            sequence: probator.sequence,
            timestamp: 0,
            original_sequence: None,
            picture: None,
            priority: Priority::Padding,
        };
        probator.sequence = probator.sequence.wrapping_add(1);
        out.send_rtp(id, &probator.packet, &rewrite);
        Some(probator.packet.bytes().len())
    }
}
