//! Data of a plain transport: SCTP packets as datagrams (RFC 6951), as mediasoup sends them, beside RTP on one socket.

use std::time::Instant;

use bytes::Bytes;
use millrace_model::{Counters, SCTP_PORT};

use super::{PlainEvent, PlainTransport};
use crate::sctp::SctpAssociation;
use crate::tuple::Transmit;

impl PlainTransport {
    /// The SCTP association, where the transport has one.
    pub fn sctp(&self) -> Option<&SctpAssociation> {
        self.sctp.as_deref()
    }

    /// Calls into the SCTP association, where there is one, and takes over what it says.
    pub fn with_sctp<T>(
        &mut self,
        now: Instant,
        call: impl FnOnce(&mut SctpAssociation, &mut Counters) -> T,
    ) -> Option<T> {
        let result = call(self.sctp.as_mut()?, &mut self.counters);
        self.begin_data(now);
        Some(result)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` without data.
    pub fn deadline(&self) -> Option<Instant> {
        self.sctp.as_ref().and_then(|sctp| sctp.deadline())
    }

    /// Does what is due for data.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.with_sctp(now, |sctp, counters| sctp.handle_timeout(now, counters));
    }

    /// The next SCTP packet to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let tuple = self.tuple?;
        let bytes = self.sctp.as_mut()?.poll_transmit()?.to_vec();
        self.counters.datagrams_sent += 1;
        self.counters.datagram_bytes_sent += bytes.len() as u64;
        Some(Transmit { tuple, bytes })
    }

    /// Tells whether a datagram of the endpoint is an SCTP packet for the association.
    pub(super) fn is_data(&self, bytes: &[u8]) -> bool {
        self.sctp.is_some() && bytes.starts_with(&SCTP_PORT.to_be_bytes())
    }

    /// The endpoint's packet.
    pub(super) fn take_data(&mut self, bytes: &[u8], now: Instant) {
        let packet = Bytes::copy_from_slice(bytes);
        self.with_sctp(now, |sctp, counters| sctp.handle_packet(packet, now, counters));
    }

    /// Data begins once the endpoint is known.
    pub(super) fn begin_data(&mut self, now: Instant) {
        let Some(sctp) = &mut self.sctp else { return };
        if self.tuple.is_some() {
            sctp.start(now, &mut self.counters);
        }
        self.events.extend(std::iter::from_fn(|| sctp.poll_event()).map(PlainEvent::Data));
    }
}
