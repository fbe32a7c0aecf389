//! A controlling agent (RFC 8445) for whoever calls a server: outgoing WHIP, and peers in tests.
//!
//! It checks the pairs that it is given, nominates the best that works, and keeps consent fresh (RFC 7675). It gathers
//! nothing and learns no peer-reflexive pairs: whoever it calls has a public address.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use super::check::{self, Receiver, Role};
use super::{IceCredentials, IceEvent, IceState, same_path};
use crate::stun::{Class, IntegrityKey, Message, TransactionId, Writer};
use crate::tuple::{Protocol, SocketId, Transmit, Tuple};

/// Pairs of one agent. A further one is refused with [`PairsFull`].
pub const PAIRS_MAX: usize = 32;

/// Time between two first checks: Ta of RFC 8445 §14.2.
const PACING: Duration = Duration::from_millis(50);

/// First retransmission timeout: RTO of RFC 8445 §14.3, which then doubles (RFC 8489 §6.2.1).
const RETRANSMIT_FIRST: Duration = Duration::from_millis(500);

/// Transmissions of one check: Rc of RFC 8489 §6.2.1. After the last the pair fails.
const TRANSMISSIONS_MAX: u32 = 7;

/// First timeouts waited after the last transmission: Rm of RFC 8489 §6.2.1.
const LAST_WAIT_FACTOR: u32 = 16;

/// How long a TCP check waits for its answer, without retransmission: Ti of RFC 8489 §6.2.2.
const TCP_WAIT: Duration = Duration::from_millis(39_500);

/// How long a pair that works waits for better ones before it is nominated.
const NOMINATION_WAIT: Duration = Duration::from_millis(200);

/// Mean time between two consent checks, each varied by a fifth (RFC 7675 §5.1).
const CONSENT_INTERVAL_MS: u64 = 5_000;

/// Consent ends this long after the last answer (RFC 7675 §5.1).
const CONSENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Fills a buffer with random bytes; the one source of chance of an agent.
pub type RandomBytes = Box<dyn FnMut(&mut [u8]) + Send>;

/// What an agent needs to know before its first check.
#[derive(Clone, Debug)]
pub struct ControllingConfig {
    /// Our credentials.
    pub local: IceCredentials,
    /// The peer's credentials.
    pub remote: IceCredentials,
    /// Tie-breaker that goes with the role (RFC 8445 §7.3.1.1).
    pub tie_breaker: u64,
}

/// One of our sockets and one of the peer's addresses.
#[derive(Clone, Copy, Debug)]
pub struct CandidatePair {
    /// The path. A TCP tuple's connection must be open.
    pub tuple: Tuple,
    /// Priority of our candidate (RFC 8445 §5.1.2).
    pub local_priority: u32,
    /// Priority of the peer's candidate.
    pub remote_priority: u32,
}

/// An agent has [`PAIRS_MAX`] pairs already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an ICE agent holds at most {PAIRS_MAX} candidate pairs")]
pub struct PairsFull;

/// A controlling agent. After each call drain [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event), then arm a timer for [`deadline`](Self::deadline).
pub struct IceControlling {
    state: IceState,
    local: Receiver,
    remote_key: IntegrityKey,
    /// USERNAME of our checks: the peer's ufrag, a colon, ours (RFC 8445 §7.2.2).
    username: String,
    tie_breaker: u64,
    random: RandomBytes,
    /// Best priority first.
    pairs: ArrayVec<Pair, PAIRS_MAX>,
    next_check_at: Option<Instant>,
    nomination: Nomination,
    selected: Option<Tuple>,
    consent: Option<Consent>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<IceEvent>,
}

impl IceControlling {
    /// Makes an agent without pairs. `random` feeds transaction ids and the spread of consent checks.
    pub fn new(config: &ControllingConfig, random: RandomBytes) -> Self {
        Self {
            state: IceState::New,
            local: Receiver::new(&config.local),
            remote_key: IntegrityKey::new(&config.remote.password),
            username: format!("{}:{}", config.remote.ufrag, config.local.ufrag),
            tie_breaker: config.tie_breaker,
            random,
            pairs: ArrayVec::new(),
            next_check_at: None,
            nomination: Nomination::Idle,
            selected: None,
            consent: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Adds a pair to be checked; the first check is due at `now`.
    ///
    /// # Errors
    /// [`PairsFull`] when there are [`PAIRS_MAX`] pairs.
    pub fn add_pair(&mut self, pair: CandidatePair, now: Instant) -> Result<(), PairsFull> {
        self.pairs.try_push(Pair::new(&pair)).map_err(|_| PairsFull)?;
        self.pairs.sort_by_key(|pair| std::cmp::Reverse(pair.priority));
        self.next_check_at.get_or_insert(now);
        Ok(())
    }

    /// Starts over with new credentials (RFC 8445 §9). The selected tuple stays in use until a check works again.
    pub fn restart(&mut self, local: &IceCredentials, remote: &IceCredentials, now: Instant) {
        self.local = Receiver::new(local);
        self.remote_key = IntegrityKey::new(&remote.password);
        self.username = format!("{}:{}", remote.ufrag, local.ufrag);
        self.pairs.iter_mut().for_each(|pair| (pair.state, pair.check) = (PairState::Waiting, None));
        self.nomination = Nomination::Idle;
        self.consent = None;
        self.next_check_at = Some(now);
    }

    /// Forgets the pairs of a socket or connection that closed.
    pub fn remove_socket(&mut self, socket: SocketId) {
        self.pairs.retain(|pair| pair.tuple.socket != socket);
        if self.selected.is_some_and(|selected| selected.socket == socket) {
            self.disconnect();
        }
    }

    /// The state.
    pub fn state(&self) -> IceState {
        self.state
    }

    /// Where media and DTLS go, once a pair works.
    pub fn selected_tuple(&self) -> Option<&Tuple> {
        self.selected.as_ref()
    }

    /// Handles a STUN datagram. Whatever is not authentic, expected and from the right address is dropped.
    pub fn handle_datagram(&mut self, tuple: &Tuple, bytes: &[u8], now: Instant) {
        let Ok(message) = Message::parse(bytes) else { return };
        match message.class {
            Class::Request => self.answer(tuple, &message),
            Class::Success | Class::Error => self.handle_response(tuple, &message, now),
            Class::Indication => {}
        }
    }

    /// Sends, repeats or gives up whatever is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.repeat_checks(now);
        self.start_check(now);
        self.nominate(now);
        self.keep_consent(now);
        self.give_up();
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn deadline(&self) -> Option<Instant> {
        let checks = self.pairs.iter().filter_map(|pair| pair.check.as_ref().map(|check| check.due_at));
        let consent = self.consent.as_ref().map(|consent| consent.next_at.min(consent.expires_at));
        checks.chain([self.next_check_at, self.nomination.due_at(), consent].into_iter().flatten()).min()
    }

    /// Takes the next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// Takes the next event.
    pub fn poll_event(&mut self) -> Option<IceEvent> {
        self.events.pop_front()
    }

    /// Answers a check of a full agent, so that its pair works as well (RFC 8445 §7.3).
    fn answer(&mut self, tuple: &Tuple, request: &Message<'_>) {
        if self.local.authenticate(request).is_err() {
            return;
        }
        let bytes = match check::refusal(request, Role::Controlling) {
            Some(code) => check::error(request, code, &self.local.key),
            None => check::success(request, tuple, &self.local.key),
        };
        self.transmits.push_back(Transmit { tuple: *tuple, bytes });
    }

    fn handle_response(&mut self, tuple: &Tuple, response: &Message<'_>, now: Instant) {
        if !response.has_fingerprint || !response.verify(&self.remote_key) {
            return;
        }
        let granted = response.class == Class::Success && response.xor_mapped_address.is_some();
        if let Some(consent) = self.consent.as_mut().filter(|consent| consent.asked == Some(response.transaction_id)) {
            if granted && self.selected.is_some_and(|selected| same_path(&selected, tuple)) {
                consent.asked = None;
                consent.expires_at = now + CONSENT_TIMEOUT;
            }
            return;
        }
        // RFC 8445 §7.2.5.2.1: an answer from elsewhere than the check went to is no answer.
        let asked = self.pairs.iter().position(|pair| pair.awaits(response) && same_path(&pair.tuple, tuple));
        if let Some(index) = asked {
            self.settle(index, granted, now);
        }
    }

    /// Ends the check of a pair by the answer that it got.
    fn settle(&mut self, index: usize, granted: bool, now: Instant) {
        let Some(pair) = self.pairs.get_mut(index) else { return };
        let Some(check) = pair.check.take() else { return };
        let tuple = pair.tuple;
        pair.state = if granted { PairState::Succeeded } else { PairState::Failed };
        match (granted, check.nominates) {
            (true, true) => self.complete(tuple, now),
            (true, false) if self.nomination == Nomination::Idle => self.connect(tuple, now),
            (false, true) => self.nomination = Nomination::Due(now),
            _ => {}
        }
        self.nominate(now);
    }

    /// The first pair works: media may flow while better ones are tried.
    fn connect(&mut self, tuple: Tuple, now: Instant) {
        self.nomination = Nomination::Due(now + NOMINATION_WAIT);
        if self.state != IceState::Completed {
            self.select(tuple);
            self.set_state(IceState::Connected);
        }
    }

    fn complete(&mut self, tuple: Tuple, now: Instant) {
        self.nomination = Nomination::Idle;
        self.next_check_at = None;
        self.pairs.iter_mut().for_each(|pair| pair.check = None);
        self.select(tuple);
        self.set_state(IceState::Completed);
        let next_at = now + self.consent_interval();
        self.consent = Some(Consent { asked: None, next_at, expires_at: now + CONSENT_TIMEOUT });
    }

    fn repeat_checks(&mut self, now: Instant) {
        for pair in &mut self.pairs {
            let Some(check) = pair.check.as_mut().filter(|check| check.due_at <= now) else { continue };
            if check.is_spent(pair.tuple.protocol) {
                if check.nominates {
                    self.nomination = Nomination::Due(now);
                }
                pair.check = None;
                pair.state = PairState::Failed;
                continue;
            }
            check.count_transmission(now);
            self.transmits.push_back(Transmit { tuple: pair.tuple, bytes: check.bytes.clone() });
        }
    }

    /// Starts the check of the best waiting pair, at most one in [`PACING`].
    fn start_check(&mut self, now: Instant) {
        if self.next_check_at.is_none_or(|due| now < due) {
            return;
        }
        let waiting = self.pairs.iter().position(|pair| pair.state == PairState::Waiting);
        self.next_check_at = waiting.map(|_| now + PACING);
        if let Some(index) = waiting {
            self.send_check(index, false, now);
        }
    }

    /// Nominates the best pair that works, once no better one can still succeed or the wait for it is over.
    fn nominate(&mut self, now: Instant) {
        let Nomination::Due(wait_ends) = self.nomination else { return };
        let hopeful = self.pairs.iter().position(|pair| pair.state != PairState::Failed);
        let works = self.pairs.iter().position(|pair| pair.state == PairState::Succeeded);
        match works {
            Some(index) if hopeful == works || wait_ends <= now => {
                self.nomination = Nomination::Sent;
                self.send_check(index, true, now);
            }
            Some(_) => {}
            None => self.nomination = Nomination::Idle,
        }
    }

    fn keep_consent(&mut self, now: Instant) {
        let (Some(consent), Some(tuple)) = (&self.consent, self.selected) else { return };
        if consent.expires_at <= now {
            self.disconnect();
            return;
        }
        if now < consent.next_at {
            return;
        }
        let (id, priority) = (self.transaction_id(), self.priority_on(&tuple));
        let bytes = self.request(id, priority, true);
        let next_at = now + self.consent_interval();
        self.transmits.push_back(Transmit { tuple, bytes });
        if let Some(consent) = &mut self.consent {
            consent.asked = Some(id);
            consent.next_at = next_at;
        }
    }

    /// Nothing works and nothing is left to try.
    fn give_up(&mut self) {
        let over = self.pairs.iter().all(|pair| pair.state == PairState::Failed);
        if over && !self.pairs.is_empty() && self.consent.is_none() {
            self.disconnect();
        }
    }

    fn send_check(&mut self, index: usize, nominates: bool, now: Instant) {
        let Some(tuple) = self.pairs.get(index).map(|pair| pair.tuple) else { return };
        let (id, priority) = (self.transaction_id(), self.priority_on(&tuple));
        let bytes = self.request(id, priority, nominates);
        self.transmits.push_back(Transmit { tuple, bytes: bytes.clone() });
        let Some(pair) = self.pairs.get_mut(index) else { return };
        pair.check = Some(Check::new(id, bytes, nominates, tuple.protocol, now));
        if pair.state == PairState::Waiting {
            pair.state = PairState::Checking;
        }
    }

    fn request(&self, id: TransactionId, priority: u32, nominates: bool) -> Vec<u8> {
        let writer = Writer::new(Class::Request, id)
            .username(&self.username)
            .priority(priority)
            .ice_controlling(self.tie_breaker);
        let writer = if nominates { writer.use_candidate() } else { writer };
        writer.finish(&self.remote_key)
    }

    /// PRIORITY of a check: our candidate's with the type preference of a peer-reflexive one (RFC 8445 §7.1.1).
    fn priority_on(&self, tuple: &Tuple) -> u32 {
        const PEER_REFLEXIVE: u32 = 110 << 24;
        let local = self.pairs.iter().find(|pair| pair.tuple == *tuple).map_or(0, |pair| pair.local_priority);
        PEER_REFLEXIVE | (local & 0x00ff_ffff)
    }

    fn transaction_id(&mut self) -> TransactionId {
        let mut id = TransactionId::default();
        (self.random)(&mut id);
        id
    }

    fn consent_interval(&mut self) -> Duration {
        let mut random = [0; 2];
        (self.random)(&mut random);
        let spread = u64::from(u16::from_be_bytes(random)) * (CONSENT_INTERVAL_MS * 2 / 5) / u64::from(u16::MAX);
        Duration::from_millis(CONSENT_INTERVAL_MS * 4 / 5 + spread)
    }

    fn disconnect(&mut self) {
        self.selected = None;
        self.consent = None;
        self.nomination = Nomination::Idle;
        self.set_state(IceState::Disconnected);
    }

    fn select(&mut self, tuple: Tuple) {
        if self.selected != Some(tuple) {
            self.selected = Some(tuple);
            self.events.push_back(IceEvent::SelectedTuple(tuple));
        }
    }

    fn set_state(&mut self, state: IceState) {
        if self.state != state {
            self.state = state;
            self.events.push_back(IceEvent::State(state));
        }
    }
}

/// A pair on its way through RFC 8445 §6.1.2.6 (never frozen: there is one component and one stream).
struct Pair {
    tuple: Tuple,
    local_priority: u32,
    priority: u64,
    state: PairState,
    check: Option<Check>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PairState {
    Waiting,
    Checking,
    Succeeded,
    Failed,
}

impl Pair {
    fn new(pair: &CandidatePair) -> Self {
        Self {
            tuple: pair.tuple,
            local_priority: pair.local_priority,
            priority: pair_priority(pair.local_priority, pair.remote_priority),
            state: PairState::Waiting,
            check: None,
        }
    }

    fn awaits(&self, response: &Message<'_>) -> bool {
        self.check.as_ref().is_some_and(|check| check.id == response.transaction_id)
    }
}

/// Priority of a pair, ours being the controlling agent's candidate (RFC 8445 §6.1.2.3).
fn pair_priority(controlling: u32, controlled: u32) -> u64 {
    let (low, high) = (controlling.min(controlled), controlling.max(controlled));
    (u64::from(low) << 32) + 2 * u64::from(high) + u64::from(controlling > controlled)
}

/// A check that waits for its answer.
struct Check {
    id: TransactionId,
    bytes: Vec<u8>,
    nominates: bool,
    transmissions: u32,
    due_at: Instant,
}

impl Check {
    fn new(id: TransactionId, bytes: Vec<u8>, nominates: bool, protocol: Protocol, now: Instant) -> Self {
        let wait = match protocol {
            Protocol::Udp => RETRANSMIT_FIRST,
            Protocol::Tcp => TCP_WAIT,
        };
        Self { id, bytes, nominates, transmissions: 1, due_at: now + wait }
    }

    fn is_spent(&self, protocol: Protocol) -> bool {
        protocol == Protocol::Tcp || self.transmissions >= TRANSMISSIONS_MAX
    }

    fn count_transmission(&mut self, now: Instant) {
        self.transmissions += 1;
        let factor =
            if self.transmissions == TRANSMISSIONS_MAX { LAST_WAIT_FACTOR } else { 1 << (self.transmissions - 1) };
        self.due_at = now + RETRANSMIT_FIRST * factor;
    }
}

/// Regular nomination (RFC 8445 §8.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nomination {
    /// No pair works yet, or one was nominated for good.
    Idle,
    /// A pair works; the best one is nominated at this instant at the latest.
    Due(Instant),
    /// A check with USE-CANDIDATE waits for its answer.
    Sent,
}

impl Nomination {
    fn due_at(self) -> Option<Instant> {
        if let Self::Due(at) = self { Some(at) } else { None }
    }
}

/// Freshness of consent on the selected pair (RFC 7675 §5.1).
struct Consent {
    asked: Option<TransactionId>,
    next_at: Instant,
    expires_at: Instant,
}

#[cfg(test)]
mod tests;
