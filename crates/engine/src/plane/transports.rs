//! Transports of every kind: entered, looked after, closed. How each kind is made and connected has a file of its own.

use std::time::Instant;

use millrace_model::{
    BitrateLimits, ModelError, SctpLimits, TransportId, TransportTraceEventType, TransportTuple, WorkerLogTag,
};
use millrace_router::SessionId;
use millrace_router::setup::SessionSetup;
use millrace_transport::outgoing::SendSlots;
use millrace_transport::{Transmit, Tuple};
use serde_json::Value;

use super::listen::{Listener, protocol};
use super::path;
use super::sockets::SocketOwner;
use super::traffic::TrafficMeter;
use super::transport_core::{CoreEvent, TransportCore};
use super::{Plane, TimerOwner};
use crate::capture::Capture;
use crate::error::RequestError;

/// A transport with its place in the worker.
pub(super) struct TransportEntry {
    pub(super) id: TransportId,
    pub(super) core: TransportCore,
    pub(super) router: usize,
    pub(super) session: SessionId,
    /// Its own listeners; none with a server.
    pub(super) listeners: Vec<Listener>,
    pub(super) data: SctpLimits,
    pub(super) traffic: TrafficMeter,
    /// Where its packets are written to, while they are.
    pub(super) capture: Option<Box<Capture>>,
    pub(super) limits: BitrateLimits,
    pub(super) traces: Vec<TransportTraceEventType>,
    /// CNAME of its first producer, for those that name none.
    pub(super) cname: Option<String>,
    /// MID of its next consumer.
    pub(super) next_mid: u64,
}

/// What the kinds of transports differ in when they are made.
pub(super) struct NewTransport {
    pub(super) id: TransportId,
    pub(super) router: usize,
    pub(super) core: TransportCore,
    pub(super) listeners: Vec<Listener>,
    pub(super) data: SctpLimits,
}

impl Plane {
    pub(super) fn transport_index(&self, id: TransportId) -> Result<usize, RequestError> {
        self.transport_ids.get(&id).copied().ok_or_else(|| RequestError::not_found("Transport", id))
    }

    /// The index at which a new transport is [entered](Self::enter_transport), unless there must not be one more.
    pub(super) fn vacant_transport(&self, id: TransportId) -> Result<usize, RequestError> {
        if self.transport_ids.contains_key(&id) {
            return Err(RequestError::duplicate("Transport", id));
        }
        self.refuse_when_overloaded()?;
        if self.transports.len() >= self.limits.transports {
            return Err(RequestError::Limit(format!("a worker has at most {} transports", self.limits.transports)));
        }
        Ok(self.transports.vacant_key())
    }

    /// Takes a transport in, at the index that was [vacant](Self::vacant_transport).
    pub(super) fn enter_transport(&mut self, new: NewTransport, now: Instant) -> usize {
        let NewTransport { id, router, core, listeners, data } = new;
        let index = self.transports.vacant_key();
        let entry = TransportEntry {
            id,
            core,
            router,
            session: self.open_session(router, index),
            listeners,
            data,
            traffic: TrafficMeter::new(now),
            capture: None,
            limits: BitrateLimits::default(),
            traces: Vec::new(),
            cname: None,
            next_mid: 0,
        };
        self.transports.insert(entry);
        self.transport_ids.insert(id, index);
        self.journal.debug(WorkerLogTag::Info, now, || format!("transport {id} created"));
        index
    }

    fn open_session(&mut self, router: usize, index: usize) -> SessionId {
        let setup = SessionSetup { ssrc: self.random.u32(), cname: self.random.cname() };
        // The caller looked the router up.
        let entry = &mut self.routers[router];
        let session = entry.core.add_session(setup);
        let slot = session.0 as usize;
        if entry.sessions.len() <= slot {
            entry.sessions.resize(slot + 1, usize::MAX);
        }
        entry.sessions[slot] = index;
        session
    }

    pub(super) fn limit_bitrate(
        &mut self,
        index: usize,
        change: impl FnOnce(&mut BitrateLimits) -> Result<(), ModelError>,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let entry = &mut self.transports[index];
        change(&mut entry.limits)?;
        if let Some(parts) = entry.core.webrtc_mut() {
            parts.core.set_bitrates(path::bounds(parts.initial_bitrate, &entry.limits));
        }
        self.attend_path(index, now);
        Ok(Value::Null)
    }

    pub(super) fn set_max_incoming_bitrate(
        &mut self,
        index: usize,
        bitrate: u64,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let entry = &mut self.transports[index];
        entry.limits.set_max_incoming(bitrate)?;
        let (router, session, max) = (entry.router, entry.session, entry.limits.max_incoming());
        self.with_router(router, now, |core, _| core.set_max_incoming_bitrate(session, max));
        Ok(Value::Null)
    }

    pub(super) fn trace_transport(
        &mut self,
        index: usize,
        types: Vec<TransportTraceEventType>,
    ) -> Result<Value, RequestError> {
        self.transports[index].traces = types;
        Ok(Value::Null)
    }

    /// Closes a transport with everything on it, and tells its peer.
    pub(super) fn close_transport(&mut self, index: usize, now: Instant) {
        let Some(entry) = self.transports.get_mut(index) else { return };
        entry.core.close(now);
        let (id, router, session) = (entry.id, entry.router, entry.session);
        self.close_session(router, session);
        self.close_data_of(router, session, now);
        self.send_transmits(index);
        // The goodbye leaves before the sockets are closed.
        self.flush();
        let entry = self.transports.remove(index);
        self.counters.add(entry.core.counters());
        self.transport_ids.remove(&id);
        self.detach(id);
        self.captures.retain(|capturing| *capturing != index);
        match entry.core {
            TransportCore::WebRtc(parts) => self.forget_ways_to(index, parts, now),
            TransportCore::Plain(_) | TransportCore::Pipe(_) => {}
            TransportCore::Direct(direct) => drop(self.inlets.remove(&direct.number)),
            TransportCore::Ring(ring) => {
                ring.forget();
                self.rings.retain(|ring| *ring != index);
            }
        }
        self.close_listeners(&entry.listeners, SocketOwner::Transport(index), now);
        self.set_timer(TimerOwner::Transport(index), None);
        self.journal.debug(WorkerLogTag::Info, now, || format!("transport {id} closed"));
    }

    pub(super) fn transport_timeout(&mut self, index: usize, now: Instant) {
        if let Some(entry) = self.transports.get_mut(index) {
            if entry.core.ring_mut().is_some_and(|ring| ring.take_recovery(now)) {
                return self.recover_ring(index, now);
            }
            entry.core.handle_timeout(now);
            entry.core.flush_queue(now, &mut self.sockets.slots(index, &mut self.counters));
            self.attend_path(index, now);
            self.after_transport(index, now);
        }
    }

    /// Sends what a transport wants sent, tells what happened, sets its timer.
    pub(super) fn after_transport(&mut self, index: usize, now: Instant) {
        self.send_transmits(index);
        while let Some(event) = self.transports.get_mut(index).and_then(|entry| entry.core.poll_event()) {
            match event {
                CoreEvent::WebRtc(event) => self.apply_webrtc_event(index, event, now),
                CoreEvent::Plain(event) => self.apply_plain_event(index, &event, now),
                CoreEvent::Data(event) => self.apply_data_event(index, event, now),
            }
        }
        self.set_transport_timer(index);
    }

    pub(super) fn set_transport_timer(&mut self, index: usize) {
        let deadline = self.transports.get(index).and_then(|entry| entry.core.deadline());
        self.set_timer(TimerOwner::Transport(index), deadline);
    }

    fn send_transmits(&mut self, index: usize) {
        while let Some(Transmit { tuple, bytes }) =
            self.transports.get_mut(index).and_then(|entry| entry.core.poll_transmit())
        {
            let mut slots = self.sockets.slots(index, &mut self.counters);
            // What finds no slot is lost like a datagram on the way: STUN and DTLS repeat themselves.
            let Some(room) = slots.slot(&tuple).and_then(|slot| slot.get_mut(..bytes.len())) else { continue };
            room.copy_from_slice(&bytes);
            slots.commit(&tuple, bytes.len());
        }
    }

    /// Gives a path to the transport whose peer validated it last.
    pub(super) fn add_path(&mut self, index: usize, tuple: &Tuple) {
        self.sockets.leave_crowd(tuple.socket);
        let previous = self.paths.insert((tuple.socket, tuple.remote), index).filter(|previous| *previous != index);
        if let Some(entry) = previous.and_then(|previous| self.transports.get_mut(previous)) {
            entry.core.yield_tuple(tuple);
        }
    }

    /// Forgets a path. A TCP connection is of no use without it, and must not count against others.
    pub(super) fn remove_path(&mut self, index: usize, tuple: &Tuple, now: Instant) {
        let path = (tuple.socket, tuple.remote);
        // Another transport may have taken the path over since.
        if self.paths.get(&path) != Some(&index) {
            return;
        }
        self.paths.remove(&path);
        if self.sockets.is_connection(tuple.socket) {
            self.close_connection(tuple.socket, now);
        }
    }

    /// A tuple as applications see it.
    pub(super) fn shown_tuple(&self, index: usize, tuple: &Tuple) -> Option<TransportTuple> {
        let entry = self.transports.get(index)?;
        let server = entry.core.webrtc().and_then(|parts| parts.server).and_then(|id| self.servers.get(&id));
        let listeners = server.map_or(&entry.listeners, |server| &server.listeners);
        let local_ip = tuple.local_ip;
        let of_protocol = || listeners.iter().filter(|listener| listener.protocol == protocol(tuple.protocol));
        let listener = of_protocol()
            .find(|listener| listener.socket == tuple.socket)
            .or_else(|| of_protocol().find(|listener| Some(listener.local.ip()) == local_ip))
            .or_else(|| of_protocol().next())?;
        let internal = local_ip.unwrap_or(listener.local.ip()).to_string();
        Some(TransportTuple {
            local_ip: listener.announced.clone().unwrap_or_else(|| internal.clone()),
            local_address: listener.announced.clone().unwrap_or(internal),
            local_port: listener.local.port(),
            remote_ip: Some(tuple.remote.ip().to_string()),
            remote_port: Some(tuple.remote.port()),
            protocol: protocol(tuple.protocol),
        })
    }
}
