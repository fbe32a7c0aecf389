//! The state machine of one transport, whichever kind it is of: what the plane asks of all of them.

use std::time::Instant;

use millrace_model::{Counters, IceCandidate, WebRtcServerId};
use millrace_packet::{OutgoingStreamId, PacketMut, PacketRef, Rewrite};
use millrace_transport::outgoing::{OutgoingStreamError, OutgoingStreamSpec, SendSlots};
use millrace_transport::sctp::{SctpAssociation, SctpEvent};
use millrace_transport::webrtc::TransportEvent;
use millrace_transport::{PlainEvent, PlainTransport, Received, SocketId, Transmit, Tuple, WebRtcTransport};

use super::direct::DirectTransport;
use super::rings::RingTransport;

/// A WebRTC transport with what its peer was told of it.
pub(super) struct WebRtcParts {
    pub(super) core: WebRtcTransport,
    /// The server whose ports it shares.
    pub(super) server: Option<WebRtcServerId>,
    pub(super) candidates: Vec<IceCandidate>,
    /// What the path to the peer is taken to carry at first, in bit/s.
    pub(super) initial_bitrate: u64,
}

/// What a transport does with datagrams, by its kind.
pub(super) enum TransportCore {
    WebRtc(WebRtcParts),
    Plain(PlainTransport),
    /// A plain transport between two routers.
    Pipe(PipeParts),
    /// It has no datagrams: its peer is the application.
    Direct(DirectTransport),
    /// Nor has this one: its peer is another worker of this process.
    Ring(RingTransport),
}

/// A pipe transport.
pub(super) struct PipeParts {
    pub(super) core: PlainTransport,
    /// Whether lost packets are sent again.
    pub(super) rtx: bool,
}

/// What happened in a transport.
pub(super) enum CoreEvent {
    WebRtc(TransportEvent),
    Plain(PlainEvent),
    Data(SctpEvent),
}

impl TransportCore {
    pub(super) fn webrtc(&self) -> Option<&WebRtcParts> {
        match self {
            Self::WebRtc(parts) => Some(parts),
            Self::Plain(_) | Self::Pipe(_) => None,
            Self::Direct(_) | Self::Ring(_) => None,
        }
    }

    pub(super) fn webrtc_mut(&mut self) -> Option<&mut WebRtcParts> {
        match self {
            Self::WebRtc(parts) => Some(parts),
            Self::Plain(_) | Self::Pipe(_) | Self::Direct(_) | Self::Ring(_) => None,
        }
    }

    /// The plain transport that it is.
    pub(super) fn plain(&self) -> Option<&PlainTransport> {
        match self {
            Self::WebRtc(_) | Self::Direct(_) | Self::Ring(_) => None,
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => Some(core),
        }
    }

    pub(super) fn plain_mut(&mut self) -> Option<&mut PlainTransport> {
        match self {
            Self::WebRtc(_) | Self::Direct(_) | Self::Ring(_) => None,
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => Some(core),
        }
    }

    /// The path that media takes, where it takes one.
    pub(super) fn tuple(&self) -> Option<&Tuple> {
        match self {
            Self::WebRtc(parts) => parts.core.selected_tuple(),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.tuple(),
            Self::Direct(_) | Self::Ring(_) => None,
        }
    }

    /// Writes a packet as it would leave now, but in the clear.
    pub(super) fn write_clear(
        &mut self,
        packet: &PacketRef,
        rewrite: &Rewrite,
        now: Instant,
        out: &mut [u8],
    ) -> Option<usize> {
        match self {
            Self::WebRtc(parts) => parts.core.write_clear(packet, rewrite, now, out),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.write_clear(packet, rewrite, now, out),
            Self::Direct(direct) => direct.peek(packet, rewrite, now, out),
            Self::Ring(ring) => ring.peek(packet, rewrite, now, out),
        }
    }

    /// Tells whether it leads to another router, with all streams of what it carries.
    pub(super) fn is_pipe(&self) -> bool {
        matches!(self, Self::Pipe(_) | Self::Ring(_))
    }

    pub(super) fn direct(&self) -> Option<&DirectTransport> {
        match self {
            Self::Direct(direct) => Some(direct),
            Self::WebRtc(_) | Self::Plain(_) | Self::Pipe(_) | Self::Ring(_) => None,
        }
    }

    pub(super) fn direct_mut(&mut self) -> Option<&mut DirectTransport> {
        match self {
            Self::Direct(direct) => Some(direct),
            Self::WebRtc(_) | Self::Plain(_) | Self::Pipe(_) | Self::Ring(_) => None,
        }
    }

    pub(super) fn ring_mut(&mut self) -> Option<&mut RingTransport> {
        match self {
            Self::Ring(ring) => Some(ring),
            Self::WebRtc(_) | Self::Plain(_) | Self::Pipe(_) | Self::Direct(_) => None,
        }
    }

    /// Tells whether a media packet made something happen.
    pub(super) fn has_events(&self) -> bool {
        match self {
            // What happens to these, STUN, DTLS and time make happen.
            Self::WebRtc(_) | Self::Direct(_) | Self::Ring(_) => false,
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.has_events(),
        }
    }

    pub(super) fn handle_datagram(&mut self, tuple: &Tuple, packet: PacketMut, now: Instant) -> Option<Received> {
        match self {
            Self::WebRtc(parts) => parts.core.handle_datagram(tuple, packet, now),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.handle_datagram(tuple, packet, now),
            Self::Direct(_) | Self::Ring(_) => None,
        }
    }

    /// Sends an RTP packet. Tells whether the deadline has to be asked for again.
    pub(super) fn send_rtp<S: SendSlots>(
        &mut self,
        packet: &PacketRef,
        rewrite: &Rewrite,
        now: Instant,
        slots: &mut S,
    ) -> bool {
        match self {
            Self::WebRtc(parts) => return parts.core.send_rtp(packet, rewrite, now, slots),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.send_rtp(packet, rewrite, now, slots),
            Self::Direct(direct) => direct.send_rtp(packet, rewrite, now),
            Self::Ring(ring) => ring.send_rtp(packet, rewrite, now),
        }
        false
    }

    pub(super) fn send_rtcp<S: SendSlots>(&mut self, compound: &[u8], now: Instant, slots: &mut S) {
        match self {
            Self::WebRtc(parts) => parts.core.send_rtcp(compound, now, slots),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.send_rtcp(compound, now, slots),
            Self::Direct(direct) => direct.send_rtcp(compound),
            Self::Ring(ring) => ring.send_rtcp(compound, now),
        }
    }

    pub(super) fn flush_queue<S: SendSlots>(&mut self, now: Instant, slots: &mut S) {
        match self {
            Self::WebRtc(parts) => parts.core.flush_queue(now, slots),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.flush_queue(now, slots),
            Self::Direct(_) | Self::Ring(_) => {}
        }
    }

    pub(super) fn has_waiting(&self, socket: SocketId) -> bool {
        match self {
            Self::WebRtc(parts) => parts.core.has_waiting(socket),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.has_waiting(socket),
            Self::Direct(_) | Self::Ring(_) => false,
        }
    }

    pub(super) fn add_stream(&mut self, spec: OutgoingStreamSpec) -> Result<OutgoingStreamId, OutgoingStreamError> {
        match self {
            Self::WebRtc(parts) => parts.core.add_stream(spec),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.add_stream(spec),
            Self::Direct(direct) => direct.add_stream(spec),
            Self::Ring(ring) => ring.add_stream(spec),
        }
    }

    pub(super) fn remove_stream(&mut self, stream: OutgoingStreamId) {
        match self {
            Self::WebRtc(parts) => parts.core.remove_stream(stream),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.remove_stream(stream),
            Self::Direct(direct) => direct.remove_stream(stream),
            Self::Ring(ring) => ring.remove_stream(stream),
        }
    }

    pub(super) fn has_sent(&self, ssrc: u32) -> bool {
        match self {
            Self::WebRtc(parts) => parts.core.has_sent(ssrc),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.has_sent(ssrc),
            Self::Direct(direct) => direct.sends(ssrc),
            Self::Ring(ring) => ring.sends(ssrc),
        }
    }

    /// Gives up a path that another transport took over.
    pub(super) fn yield_tuple(&mut self, tuple: &Tuple) {
        match self {
            Self::WebRtc(parts) => parts.core.yield_tuple(tuple),
            Self::Plain(_) | Self::Pipe(_) => {}
            Self::Direct(_) | Self::Ring(_) => {}
        }
    }

    /// Forgets the paths of a socket or TCP connection that closed.
    pub(super) fn remove_socket(&mut self, socket: SocketId, now: Instant) {
        match self {
            Self::WebRtc(parts) => parts.core.remove_socket(socket, now),
            Self::Plain(_) | Self::Pipe(_) => {}
            Self::Direct(_) | Self::Ring(_) => {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::WebRtc(parts) => parts.core.deadline(),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.deadline(),
            Self::Direct(_) => None,
            Self::Ring(ring) => ring.deadline(),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::WebRtc(parts) => parts.core.handle_timeout(now),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.handle_timeout(now),
            Self::Direct(_) | Self::Ring(_) => {}
        }
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        match self {
            Self::WebRtc(parts) => parts.core.poll_transmit(),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.poll_transmit(),
            Self::Direct(_) | Self::Ring(_) => None,
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<CoreEvent> {
        match self {
            Self::WebRtc(parts) => parts.core.poll_event().map(|event| match event {
                TransportEvent::Data(event) => CoreEvent::Data(event),
                event => CoreEvent::WebRtc(event),
            }),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.poll_event().map(|event| match event {
                PlainEvent::Data(event) => CoreEvent::Data(event),
                event => CoreEvent::Plain(event),
            }),
            Self::Direct(_) | Self::Ring(_) => None,
        }
    }

    /// The SCTP association, where there is one.
    pub(super) fn sctp(&self) -> Option<&SctpAssociation> {
        match self {
            Self::WebRtc(parts) => parts.core.sctp(),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.sctp(),
            Self::Direct(_) | Self::Ring(_) => None,
        }
    }

    /// Calls into the SCTP association, where there is one.
    pub(super) fn with_sctp<T>(
        &mut self,
        now: Instant,
        call: impl FnOnce(&mut SctpAssociation, &mut Counters) -> T,
    ) -> Option<T> {
        match self {
            Self::WebRtc(parts) => parts.core.with_sctp(now, call),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.with_sctp(now, call),
            Self::Direct(_) | Self::Ring(_) => None,
        }
    }

    /// Says goodbye to the peer where its protocol has a word for it, and closes for good.
    pub(super) fn close(&mut self, now: Instant) {
        match self {
            Self::WebRtc(parts) => parts.core.close(now),
            Self::Plain(_) | Self::Pipe(_) => {}
            Self::Direct(_) | Self::Ring(_) => {}
        }
    }

    pub(super) fn counters(&self) -> &Counters {
        match self {
            Self::WebRtc(parts) => parts.core.counters(),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.counters(),
            Self::Direct(direct) => direct.counters(),
            Self::Ring(ring) => ring.counters(),
        }
    }
}
