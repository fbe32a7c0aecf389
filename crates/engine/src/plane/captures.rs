//! Captures: which transport's packets are written into which file, as they are without encryption.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use millrace_model::{CaptureOptions, NtpTime, WallClock};
use millrace_packet::{PacketRef, Rewrite};
use millrace_transport::outgoing::SLOT_BYTES_MIN;
use serde_json::Value;

use super::Plane;
use super::transports::TransportEntry;
use crate::capture::{Capture, Direction, Ends};
use crate::error::RequestError;

/// Shown where there is no address: the application, another worker, a peer that is not known yet.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl Plane {
    /// Begins a capture. The answer to `request` comes once its file is open, or cannot be opened.
    pub(super) fn start_capture(
        &mut self,
        index: usize,
        request: Option<u32>,
        options: CaptureOptions,
    ) -> Result<Value, RequestError> {
        let (file, bytes_max) = options.into_checked()?;
        if self.transports[index].capture.as_ref().is_some_and(|capture| !capture.is_over()) {
            let reason = "transport.startCapture(): a capture is going on already";
            return Err(RequestError::InvalidState(reason.to_owned()));
        }
        let capture = Capture::start(PathBuf::from(file), bytes_max, request, Arc::clone(&self.outbox))?;
        self.transports[index].capture = Some(Box::new(capture));
        self.captures.retain(|capturing| *capturing != index);
        self.captures.push(index);
        self.reply_follows = true;
        Ok(Value::Null)
    }

    /// Ends a capture. The answer to `request` comes once its file is complete.
    pub(super) fn stop_capture(&mut self, index: usize, request: Option<u32>) -> Result<Value, RequestError> {
        let Some(capture) = self.transports[index].capture.take() else {
            let reason = "transport.stopCapture(): there is no capture";
            return Err(RequestError::InvalidState(reason.to_owned()));
        };
        self.captures.retain(|capturing| *capturing != index);
        capture.end(request, &self.outbox);
        self.reply_follows = true;
        Ok(Value::Null)
    }

    /// Hands over what was collected.
    pub(super) fn flush_captures(&mut self) {
        for index in &self.captures {
            if let Some(capture) = self.transports.get_mut(*index).and_then(|entry| entry.capture.as_mut()) {
                capture.flush();
            }
        }
    }

    /// Adds a packet that came, in the clear, if its transport is captured.
    pub(super) fn capture_received(&mut self, index: usize, packet: &[u8], now: Instant) {
        let clock = self.clock;
        if let Some(entry) = self.transports.get_mut(index).filter(|entry| entry.capture.is_some()) {
            entry.capture(Direction::In, clock.ntp(now), packet);
        }
    }
}

impl TransportEntry {
    /// Adds an RTP packet that is about to leave.
    pub(super) fn capture_rtp(&mut self, packet: &PacketRef, rewrite: &Rewrite, clock: &WallClock, now: Instant) {
        let mut room = [0; SLOT_BYTES_MIN];
        if let Some(len) = self.core.write_clear(packet, rewrite, now, &mut room) {
            self.capture(Direction::Out, clock.ntp(now), &room[..len]);
        }
    }

    /// Adds a packet.
    pub(super) fn capture(&mut self, direction: Direction, at: NtpTime, packet: &[u8]) {
        let tuple = self.core.tuple();
        let remote = tuple.map_or(NOBODY, |tuple| tuple.remote);
        let listener = self.listeners.first().map(|listener| listener.local);
        let local_ip = tuple.and_then(|tuple| tuple.local_ip).or(listener.map(|local| local.ip()));
        let local = SocketAddr::new(local_ip.unwrap_or(NOBODY.ip()), listener.map_or(0, |local| local.port()));
        if let Some(capture) = &mut self.capture {
            capture.add(direction, Ends { local, remote }, at, packet);
        }
    }
}
