//! Data of a WebRTC transport: SCTP packets as DTLS application data (RFC 8261).

use std::time::Instant;

use millrace_model::Counters;

use super::{DtlsState, TransportEvent, WebRtcTransport};
use crate::sctp::SctpAssociation;

impl WebRtcTransport {
    /// The SCTP association, where the transport has one.
    pub fn sctp(&self) -> Option<&SctpAssociation> {
        self.sctp.as_deref()
    }

    /// Calls into the SCTP association, where there is one, and sends what it made of it.
    pub fn with_sctp<T>(
        &mut self,
        now: Instant,
        call: impl FnOnce(&mut SctpAssociation, &mut Counters) -> T,
    ) -> Option<T> {
        let result = call(self.sctp.as_mut()?, &mut self.counters);
        self.settle(now);
        Some(result)
    }

    /// The peer's packet. Only a peer that finished the handshake gets this far.
    pub(super) fn take_data(&mut self, packet: Vec<u8>, now: Instant) {
        match &mut self.sctp {
            Some(sctp) => sctp.handle_packet(packet.into(), now, &mut self.counters),
            None => self.counters.dtls_data_dropped += 1,
        }
    }

    /// Data begins once DTLS is connected and ends with it.
    pub(super) fn data_follows(&mut self, state: &DtlsState, now: Instant) {
        let Some(sctp) = &mut self.sctp else { return };
        match state {
            DtlsState::Connected { .. } => sctp.start(now, &mut self.counters),
            DtlsState::Failed(_) | DtlsState::Closed => sctp.close(),
            DtlsState::New | DtlsState::Connecting => {}
        }
    }

    /// Seals what SCTP wants sent.
    pub(super) fn send_data(&mut self, now: Instant) {
        let Some(sctp) = &mut self.sctp else { return };
        while let Some(packet) = sctp.poll_transmit() {
            self.association.send_data(&packet, now, &mut self.counters);
        }
    }

    /// Takes over what SCTP says.
    pub(super) fn tell_data(&mut self) {
        let Some(sctp) = &mut self.sctp else { return };
        self.events.extend(std::iter::from_fn(|| sctp.poll_event()).map(TransportEvent::Data));
    }
}
