//! The state machine of one transport, whichever kind it is of: what the plane asks of all of them.

use std::time::Instant;

use millrace_model::{Counters, IceCandidate, WebRtcServerId};
use millrace_packet::{OutgoingStreamId, PacketMut, PacketRef, Rewrite};
use millrace_transport::outgoing::{OutgoingStreamError, OutgoingStreamSpec, SendSlots};
use millrace_transport::webrtc::TransportEvent;
use millrace_transport::{PlainEvent, PlainTransport, Received, SocketId, Transmit, Tuple, WebRtcTransport};

/// A WebRTC transport with what its peer was told of it.
pub(super) struct WebRtcParts {
    pub(super) core: WebRtcTransport,
    /// The server whose ports it shares.
    pub(super) server: Option<WebRtcServerId>,
    pub(super) candidates: Vec<IceCandidate>,
}

/// What a transport does with datagrams, by its kind.
pub(super) enum TransportCore {
    WebRtc(WebRtcParts),
    Plain(PlainTransport),
    /// A plain transport between two routers.
    Pipe(PipeParts),
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
}

impl TransportCore {
    pub(super) fn webrtc(&self) -> Option<&WebRtcParts> {
        match self {
            Self::WebRtc(parts) => Some(parts),
            Self::Plain(_) | Self::Pipe(_) => None,
        }
    }

    pub(super) fn webrtc_mut(&mut self) -> Option<&mut WebRtcParts> {
        match self {
            Self::WebRtc(parts) => Some(parts),
            Self::Plain(_) | Self::Pipe(_) => None,
        }
    }

    /// The plain transport that it is.
    pub(super) fn plain(&self) -> Option<&PlainTransport> {
        match self {
            Self::WebRtc(_) => None,
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => Some(core),
        }
    }

    pub(super) fn plain_mut(&mut self) -> Option<&mut PlainTransport> {
        match self {
            Self::WebRtc(_) => None,
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => Some(core),
        }
    }

    /// Tells whether a media packet made something happen.
    pub(super) fn has_events(&self) -> bool {
        match self {
            // What happens to these, STUN, DTLS and time make happen.
            Self::WebRtc(_) => false,
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.has_events(),
        }
    }

    pub(super) fn handle_datagram(&mut self, tuple: &Tuple, packet: PacketMut, now: Instant) -> Option<Received> {
        match self {
            Self::WebRtc(parts) => parts.core.handle_datagram(tuple, packet, now),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.handle_datagram(tuple, packet, now),
        }
    }

    pub(super) fn send_rtp<S: SendSlots>(
        &mut self,
        packet: &PacketRef,
        rewrite: &Rewrite,
        now: Instant,
        slots: &mut S,
    ) {
        match self {
            Self::WebRtc(parts) => parts.core.send_rtp(packet, rewrite, now, slots),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.send_rtp(packet, rewrite, now, slots),
        }
    }

    pub(super) fn send_rtcp<S: SendSlots>(&mut self, compound: &[u8], now: Instant, slots: &mut S) {
        match self {
            Self::WebRtc(parts) => parts.core.send_rtcp(compound, now, slots),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.send_rtcp(compound, now, slots),
        }
    }

    pub(super) fn flush_queue<S: SendSlots>(&mut self, now: Instant, slots: &mut S) {
        match self {
            Self::WebRtc(parts) => parts.core.flush_queue(now, slots),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.flush_queue(now, slots),
        }
    }

    pub(super) fn has_waiting(&self, socket: SocketId) -> bool {
        match self {
            Self::WebRtc(parts) => parts.core.has_waiting(socket),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.has_waiting(socket),
        }
    }

    pub(super) fn add_stream(&mut self, spec: OutgoingStreamSpec) -> Result<OutgoingStreamId, OutgoingStreamError> {
        match self {
            Self::WebRtc(parts) => parts.core.add_stream(spec),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.add_stream(spec),
        }
    }

    pub(super) fn remove_stream(&mut self, stream: OutgoingStreamId) {
        match self {
            Self::WebRtc(parts) => parts.core.remove_stream(stream),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.remove_stream(stream),
        }
    }

    pub(super) fn has_sent(&self, ssrc: u32) -> bool {
        match self {
            Self::WebRtc(parts) => parts.core.has_sent(ssrc),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.has_sent(ssrc),
        }
    }

    /// Gives up a path that another transport took over.
    pub(super) fn yield_tuple(&mut self, tuple: &Tuple) {
        match self {
            Self::WebRtc(parts) => parts.core.yield_tuple(tuple),
            Self::Plain(_) | Self::Pipe(_) => {}
        }
    }

    /// Forgets the paths of a socket or TCP connection that closed.
    pub(super) fn remove_socket(&mut self, socket: SocketId, now: Instant) {
        match self {
            Self::WebRtc(parts) => parts.core.remove_socket(socket, now),
            Self::Plain(_) | Self::Pipe(_) => {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::WebRtc(parts) => parts.core.deadline(),
            Self::Plain(_) | Self::Pipe(_) => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::WebRtc(parts) => parts.core.handle_timeout(now),
            Self::Plain(_) | Self::Pipe(_) => {}
        }
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        match self {
            Self::WebRtc(parts) => parts.core.poll_transmit(),
            Self::Plain(_) | Self::Pipe(_) => None,
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<CoreEvent> {
        match self {
            Self::WebRtc(parts) => parts.core.poll_event().map(CoreEvent::WebRtc),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.poll_event().map(CoreEvent::Plain),
        }
    }

    /// Says goodbye to the peer where its protocol has a word for it, and closes for good.
    pub(super) fn close(&mut self, now: Instant) {
        match self {
            Self::WebRtc(parts) => parts.core.close(now),
            Self::Plain(_) | Self::Pipe(_) => {}
        }
    }

    pub(super) fn counters(&self) -> &Counters {
        match self {
            Self::WebRtc(parts) => parts.core.counters(),
            Self::Plain(core) | Self::Pipe(PipeParts { core, .. }) => core.counters(),
        }
    }
}
