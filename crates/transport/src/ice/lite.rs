//! The lite agent (RFC 8445 §2.5): it answers checks, follows the peer's nominations, and never asks anything itself.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use millrace_model::Counters;

use super::check::{self, Denial, Receiver, Role};
use super::{IceCredentials, IceEvent, IceState, same_path};
use crate::stun::{Class, Message};
use crate::tuple::{SocketId, Transmit, Tuple};

/// Tuples of one transport (mediasoup 3.27 has the same limit). A new one beyond it replaces the oldest that is not
/// selected.
pub const TUPLES_MAX: usize = 8;

/// How long credentials stay valid after a restart, unless the peer uses the new ones sooner.
///
/// Longer than signalling should ever take to bring the new ones; afterwards checks with the old ones are dropped.
const RESTART_GRACE: Duration = Duration::from_secs(30);

/// A controlled ICE-lite agent with one component (RTP and RTCP multiplexed).
///
/// Nothing changes by a check before its MESSAGE-INTEGRITY was verified. A call adds at most
/// [`TUPLES_MAX`] + 3 events; drain them by [`poll_event`](Self::poll_event) after each.
#[derive(Debug)]
pub struct IceLite {
    state: IceState,
    local: Receiver,
    previous: Option<Previous>,
    /// Validated tuples, oldest first; one for each socket and remote address.
    tuples: ArrayVec<Tuple, TUPLES_MAX>,
    selected: Option<Tuple>,
    /// Highest NOMINATION value followed since the last restart.
    nomination: u32,
    consent_timeout: Option<Duration>,
    consent_deadline: Option<Instant>,
    events: VecDeque<IceEvent>,
}

/// Credentials that a restart replaced.
#[derive(Debug)]
struct Previous {
    receiver: Receiver,
    until: Instant,
}

impl IceLite {
    /// Makes an agent that waits for checks. Consent expires `consent_timeout` after the last valid check (mediasoup
    /// offers 10 to 60 s, default 30 s); `None` turns that off.
    pub fn new(local: &IceCredentials, consent_timeout: Option<Duration>) -> Self {
        Self {
            state: IceState::New,
            local: Receiver::new(local),
            previous: None,
            tuples: ArrayVec::new(),
            selected: None,
            nomination: 0,
            consent_timeout,
            consent_deadline: None,
            events: VecDeque::new(),
        }
    }

    /// The state.
    pub fn state(&self) -> IceState {
        self.state
    }

    /// Where media and DTLS go; `None` unless connected or completed.
    pub fn selected_tuple(&self) -> Option<&Tuple> {
        self.selected.as_ref()
    }

    /// Tells whether a valid check came from this socket and remote address, so that anything else may.
    pub fn is_validated(&self, tuple: &Tuple) -> bool {
        self.selected.is_some_and(|selected| same_path(&selected, tuple))
            || self.tuples.iter().any(|known| same_path(known, tuple))
    }

    /// Handles a STUN datagram and returns the answer, never longer than what came in. What is not a valid check
    /// from the peer is counted and dropped without an answer.
    pub fn handle_datagram(
        &mut self,
        tuple: &Tuple,
        bytes: &[u8],
        now: Instant,
        counters: &mut Counters,
    ) -> Option<Transmit> {
        if self.state == IceState::Closed {
            return None;
        }
        let request = parse_request(bytes, counters)?;
        let generation = self.authenticate(&request, now, counters)?;
        let receiver = self.receiver(generation)?;
        let refusal = check::refusal(&request, Role::Controlled);
        let answer = match refusal {
            Some(code) => check::error(&request, code, &receiver.key),
            None => check::success(&request, tuple, &receiver.key),
        };
        if answer.len() > bytes.len() {
            counters.stun_dropped_amplifying += 1;
            return None;
        }
        match refusal {
            Some(_) => counters.stun_requests_refused += 1,
            None => {
                counters.stun_checks_answered += 1;
                counters.ice_tuples_evicted += u64::from(self.grant(generation, tuple, &request, now));
            }
        }
        Some(Transmit { tuple: *tuple, bytes: answer })
    }

    /// Replaces the credentials (RFC 8445 §9). Tuples, selection and media stay until the peer's new checks move
    /// them; the old credentials stay valid until the first valid check with the new ones or the end of a grace.
    pub fn restart(&mut self, local: &IceCredentials, now: Instant) {
        if self.state == IceState::Closed {
            return;
        }
        self.retire_previous();
        let receiver = std::mem::replace(&mut self.local, Receiver::new(local));
        self.previous = Some(Previous { receiver, until: now + RESTART_GRACE });
        self.nomination = 0;
        if self.consent_deadline.is_some() {
            self.renew_consent(now);
        }
    }

    /// Forgets the tuples of a socket or TCP connection that closed. If the selected one is among them, the newest
    /// other tuple takes its place.
    pub fn remove_socket(&mut self, socket: SocketId, now: Instant) {
        while let Some(index) = self.tuples.iter().position(|tuple| tuple.socket == socket) {
            let removed = self.tuples.remove(index);
            self.events.push_back(IceEvent::TupleRemoved(removed));
        }
        if self.selected.is_some_and(|selected| selected.socket == socket) {
            self.selected = None;
            self.fall_back(now);
        }
    }

    /// Gives up a tuple without an event, because a valid check to another agent came over it since. The next valid
    /// check to this agent adds it again; what goes out meanwhile takes the selected tuple as before.
    pub fn yield_tuple(&mut self, tuple: &Tuple) {
        self.tuples.retain(|known| !same_path(known, tuple));
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn deadline(&self) -> Option<Instant> {
        let grace = self.previous.as_ref().map(|previous| previous.until);
        [self.consent_deadline, grace].into_iter().flatten().min()
    }

    /// Ends the grace of old credentials, and consent if the peer's checks stopped (RFC 7675 §5.1).
    pub fn handle_timeout(&mut self, now: Instant, counters: &mut Counters) {
        if self.previous.as_ref().is_some_and(|previous| previous.until <= now) {
            self.retire_previous();
        }
        if self.consent_deadline.is_some_and(|deadline| deadline <= now) {
            counters.ice_consents_expired += 1;
            self.forget_tuples();
            self.set_state(IceState::Disconnected);
        }
    }

    /// Closes the agent for good; it answers nothing afterwards.
    pub fn close(&mut self) {
        self.retire_previous();
        self.forget_tuples();
        self.set_state(IceState::Closed);
    }

    /// Takes the next event.
    pub fn poll_event(&mut self) -> Option<IceEvent> {
        self.events.pop_front()
    }

    fn receiver(&self, generation: Generation) -> Option<&Receiver> {
        match generation {
            Generation::Current => Some(&self.local),
            Generation::Previous => self.previous.as_ref().map(|previous| &previous.receiver),
        }
    }

    fn authenticate(&self, request: &Message<'_>, now: Instant, counters: &mut Counters) -> Option<Generation> {
        let current = self.local.authenticate(request);
        let old = self.previous.as_ref().filter(|previous| now < previous.until);
        match (current, old.map(|previous| previous.receiver.authenticate(request))) {
            (Ok(()), _) => return Some(Generation::Current),
            (_, Some(Ok(()))) => return Some(Generation::Previous),
            (Err(Denial::UnknownUfrag), None | Some(Err(Denial::UnknownUfrag))) => {
                counters.stun_dropped_unknown_ufrag += 1;
            }
            _ => counters.stun_dropped_wrong_integrity += 1,
        }
        None
    }

    /// Applies a check that is being granted. Returns whether its tuple took the place of another.
    fn grant(&mut self, generation: Generation, tuple: &Tuple, request: &Message<'_>, now: Instant) -> bool {
        if generation == Generation::Current {
            self.retire_previous();
        }
        let evicted = self.add_tuple(tuple);
        self.follow(tuple, request);
        self.renew_consent(now);
        evicted
    }

    /// Selects `tuple` if the check nominates it or nothing is selected yet.
    fn follow(&mut self, tuple: &Tuple, request: &Message<'_>) {
        let nominated = self.is_nominated(request);
        let idle = matches!(self.state, IceState::New | IceState::Disconnected);
        if !nominated && !idle {
            return;
        }
        self.nomination = request.nomination.unwrap_or(0).max(self.nomination);
        self.select(*tuple);
        self.set_state(if nominated { IceState::Completed } else { IceState::Connected });
    }

    /// NOMINATION, where it is used, orders nominations, so that a late check does not undo a newer choice.
    fn is_nominated(&self, request: &Message<'_>) -> bool {
        match request.nomination {
            Some(value) => value > self.nomination,
            None => request.use_candidate,
        }
    }

    /// Adds a validated tuple, unless it is known. Returns whether another had to go for it.
    fn add_tuple(&mut self, tuple: &Tuple) -> bool {
        if self.tuples.iter().any(|known| same_path(known, tuple)) {
            return false;
        }
        let full = self.tuples.is_full();
        if full {
            let selected = self.selected;
            let spare = self.tuples.iter().position(|known| !selected.is_some_and(|chosen| same_path(&chosen, known)));
            let evicted = self.tuples.remove(spare.unwrap_or(0));
            self.events.push_back(IceEvent::TupleRemoved(evicted));
        }
        self.tuples.push(*tuple);
        self.events.push_back(IceEvent::TupleAdded(*tuple));
        full
    }

    fn select(&mut self, tuple: Tuple) {
        if self.selected != Some(tuple) {
            self.selected = Some(tuple);
            self.events.push_back(IceEvent::SelectedTuple(tuple));
        }
    }

    /// The selected tuple is gone: goes on with the newest other one, if there is any.
    fn fall_back(&mut self, now: Instant) {
        match self.tuples.last().copied() {
            Some(newest) => {
                self.select(newest);
                self.renew_consent(now);
            }
            None => {
                self.forget_tuples();
                self.set_state(IceState::Disconnected);
            }
        }
    }

    fn forget_tuples(&mut self) {
        self.events.extend(self.tuples.drain(..).map(IceEvent::TupleRemoved));
        self.selected = None;
        self.nomination = 0;
        self.consent_deadline = None;
    }

    fn renew_consent(&mut self, now: Instant) {
        self.consent_deadline = self.consent_timeout.map(|timeout| now + timeout);
    }

    fn retire_previous(&mut self) {
        if let Some(previous) = self.previous.take() {
            self.events.push_back(IceEvent::UfragRetired(previous.receiver.ufrag));
        }
    }

    fn set_state(&mut self, state: IceState) {
        if self.state != state {
            self.state = state;
            self.events.push_back(IceEvent::State(state));
        }
    }
}

/// Which of our credentials a request was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Generation {
    Current,
    Previous,
}

fn parse_request<'a>(bytes: &'a [u8], counters: &mut Counters) -> Option<Message<'a>> {
    // RFC 8445 §7: FINGERPRINT is mandatory in checks.
    let Some(message) = Message::parse(bytes).ok().filter(|message| message.has_fingerprint) else {
        counters.stun_dropped_malformed += 1;
        return None;
    };
    if message.class != Class::Request {
        counters.stun_dropped_unexpected += 1;
        return None;
    }
    Some(message)
}

#[cfg(test)]
mod tests;
