//! Where a router's packets go: to the transports of its sessions.

use std::time::Instant;

use millrace_model::{Counters, WallClock};
use millrace_packet::{PacketRef, Rewrite};
use millrace_router::{Output, PathReport, Router, RouterEvent, SessionId};
use slab::Slab;

use super::sockets::{Slots, Sockets};
use super::transports::TransportEntry;
use super::{Plane, TimerOwner};
use crate::capture::Direction;

/// What a router speaks to during one call.
pub(super) struct Fanout<'a> {
    pub(super) transports: &'a mut Slab<TransportEntry>,
    /// The transport of each session of the router.
    pub(super) sessions: &'a [usize],
    pub(super) sockets: &'a mut Sockets,
    pub(super) counters: &'a mut Counters,
    pub(super) events: &'a mut Vec<RouterEvent>,
    /// Transports whose timer has to be set again.
    pub(super) restless: &'a mut Vec<usize>,
    pub(super) clock: WallClock,
    pub(super) now: Instant,
}

impl Fanout<'_> {
    /// The transport of a session, with the send slots of its viewer.
    fn way_out(&mut self, session: SessionId) -> Option<(&mut TransportEntry, Slots<'_>)> {
        let index = *self.sessions.get(session.0 as usize)?;
        let entry = self.transports.get_mut(index)?;
        Some((entry, self.sockets.slots(index, self.counters)))
    }

    #[cold]
    fn note_restless(&mut self, session: SessionId) {
        self.restless.extend(self.sessions.get(session.0 as usize));
    }
}

impl Output for Fanout<'_> {
    fn send_rtp(&mut self, session: SessionId, packet: &PacketRef, rewrite: &Rewrite) {
        let now = self.now;
        let clock = self.clock;
        if let Some((entry, mut slots)) = self.way_out(session) {
            if entry.capture.is_some() {
                entry.capture_rtp(packet, rewrite, &clock, now);
            }
            if entry.core.send_rtp(packet, rewrite, now, &mut slots) {
                self.note_restless(session);
            }
        }
    }

    fn send_rtcp(&mut self, session: SessionId, compound: &[u8]) {
        let now = self.now;
        let clock = self.clock;
        if let Some((entry, mut slots)) = self.way_out(session) {
            if entry.capture.is_some() {
                entry.capture(Direction::Out, clock.ntp(now), compound);
            }
            entry.core.send_rtcp(compound, now, &mut slots);
        }
    }

    fn heard(&mut self, session: SessionId, report: &PathReport<'_>) {
        let now = self.now;
        let Some((entry, _)) = self.way_out(session) else { return };
        let Some(parts) = entry.core.webrtc_mut() else { return };
        match *report {
            PathReport::TransportFeedback(feedback) => parts.core.handle_transport_feedback(feedback, now),
            PathReport::CongestionFeedback(feedback) => parts.core.handle_congestion_feedback(feedback, now),
            PathReport::Limit(bitrate) => parts.core.handle_bitrate_limit(bitrate, now),
            PathReport::Reception { lost_fraction, round_trip } => {
                parts.core.handle_reception(lost_fraction, round_trip, now);
            }
        }
        self.note_restless(session);
    }

    fn wanted(&mut self, session: SessionId, bitrate: u64) {
        let now = self.now;
        let Some((entry, _)) = self.way_out(session) else { return };
        if let Some(parts) = entry.core.webrtc_mut() {
            parts.core.set_wanted_bitrate(bitrate, now);
            self.note_restless(session);
        }
    }

    fn event(&mut self, event: RouterEvent) {
        self.events.push(event);
    }
}

impl Plane {
    /// Calls a router with its way out, then looks after what the call left.
    pub(super) fn with_router<T>(
        &mut self,
        index: usize,
        now: Instant,
        call: impl FnOnce(&mut Router, &mut Fanout<'_>) -> T,
    ) -> Option<T> {
        let entry = self.routers.get_mut(index)?;
        let mut fanout = Fanout {
            transports: &mut self.transports,
            sessions: &entry.sessions,
            sockets: &mut self.sockets,
            counters: &mut self.counters,
            events: &mut self.router_events,
            restless: &mut self.restless,
            clock: self.clock,
            now,
        };
        let result = call(&mut entry.core, &mut fanout);
        self.after_router(index, now);
        Some(result)
    }

    /// Tells what the router said and sets its timer.
    pub(super) fn after_router(&mut self, index: usize, now: Instant) {
        if !self.router_events.is_empty() {
            self.tell_router_events(index, now);
        }
        let deadline = self.routers.get(index).and_then(|entry| entry.core.deadline());
        self.set_timer(TimerOwner::Router(index), deadline);
        while let Some(transport) = self.restless.pop() {
            self.set_transport_timer(transport);
        }
    }

    pub(super) fn router_timeout(&mut self, index: usize, now: Instant) {
        self.with_router(index, now, |core, fanout| core.handle_timeout(now, fanout));
    }
}
