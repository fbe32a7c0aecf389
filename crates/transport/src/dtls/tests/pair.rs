//! Two engines, the link between them, and the time; nothing here waits.

use std::time::{Duration, Instant};

use millrace_model::{Counters, DtlsVersion, FingerprintAlgorithm};

use crate::dtls::{
    DtlsEngine, DtlsError, DtlsEvent, DtlsKeys, DtlsSettings, LocalCertificate, PeerFingerprints, Role, engine,
    fingerprint_of,
};

/// One-way delay of the link.
const DELAY: Duration = Duration::from_millis(10);
/// A run that is not over by then never will be.
const RUN_MAX: Duration = Duration::from_secs(60);

/// What the second engine is tried as: our role, our versions, and the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind(pub(super) Role, pub(super) DtlsVersion, pub(super) DtlsVersion);

/// Our version 1.2 as the client meets the other engine as the server.
pub(super) const KINDS: [Kind; 7] = [
    Kind(Role::Client, DtlsVersion::Dtls12, DtlsVersion::Dtls12),
    Kind(Role::Client, DtlsVersion::Auto, DtlsVersion::Dtls12),
    Kind(Role::Client, DtlsVersion::Auto, DtlsVersion::Dtls13),
    Kind(Role::Client, DtlsVersion::Dtls13, DtlsVersion::Dtls13),
    Kind(Role::Server, DtlsVersion::Auto, DtlsVersion::Dtls12),
    Kind(Role::Server, DtlsVersion::Auto, DtlsVersion::Dtls13),
    Kind(Role::Server, DtlsVersion::Dtls13, DtlsVersion::Dtls13),
];

/// One end: an engine and what it said.
pub(super) struct Side {
    pub(super) engine: Box<dyn DtlsEngine>,
    pub(super) certificate: LocalCertificate,
    /// What it sent, lost or not.
    pub(super) sent: Vec<Vec<u8>>,
    pub(super) events: Vec<DtlsEvent>,
    pub(super) error: Option<DtlsError>,
}

impl Side {
    fn new(role: Role, version: DtlsVersion, own: LocalCertificate, peer: PeerFingerprints, now: Instant) -> Self {
        let certificate = own.clone();
        let settings = DtlsSettings { role, version, certificate, peer_fingerprints: peer, srtp_sha1_32: false };
        let engine = engine(settings, now).unwrap();
        Self { engine, certificate: own, sent: Vec::new(), events: Vec::new(), error: None }
    }

    pub(super) fn keys(&self) -> Option<&DtlsKeys> {
        self.events.iter().find_map(|event| match event {
            DtlsEvent::Connected { keys, .. } => Some(keys),
            _ => None,
        })
    }

    pub(super) fn remote_certificate(&self) -> Option<&[u8]> {
        self.events.iter().find_map(|event| match event {
            DtlsEvent::Connected { remote_certificate, .. } => Some(&remote_certificate[..]),
            _ => None,
        })
    }

    pub(super) fn counters(&mut self) -> Counters {
        let mut counters = Counters::default();
        self.engine.drain_counters(&mut counters);
        counters
    }

    fn step(&mut self, call: impl FnOnce(&mut dyn DtlsEngine) -> Result<(), DtlsError>) {
        self.error = call(self.engine.as_mut()).err().or(self.error.take());
    }
}

/// Changes a datagram.
pub(super) type Tamper = Box<dyn FnMut(Vec<u8>) -> Vec<u8>>;

/// Our engine, the peer's, and the datagrams on their way.
pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) ours: Side,
    pub(super) peer: Side,
    /// Share of datagrams that get lost, each way, in per cent.
    pub(super) loss_percent: u8,
    /// Changes what the peer sends, on its way to us.
    pub(super) tamper: Option<Tamper>,
    random: fastrand::Rng,
    /// When, whether for us, and what.
    under_way: Vec<(Instant, bool, Vec<u8>)>,
}

impl Pair {
    /// Two ends that know each other's fingerprints.
    pub(super) fn new(kind: Kind, seed: u64) -> Self {
        let (ours, peer) = (LocalCertificate::generate().unwrap(), LocalCertificate::generate().unwrap());
        let expected = fingerprints(&peer);
        Self::expecting(kind, seed, (ours, peer), expected)
    }

    /// Ours expects `fingerprints` of the peer.
    pub(super) fn expecting(
        kind: Kind,
        seed: u64,
        (own, peer): (LocalCertificate, LocalCertificate),
        expected: PeerFingerprints,
    ) -> Self {
        let now = Instant::now();
        let Kind(role, version, peer_version) = kind;
        let known_to_peer = fingerprints(&own);
        Self {
            now,
            ours: Side::new(role, version, own, expected, now),
            peer: Side::new(role.other(), peer_version, peer, known_to_peer, now),
            loss_percent: 0,
            tamper: None,
            random: fastrand::Rng::with_seed(seed),
            under_way: Vec::new(),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.ours.keys().is_some() && self.peer.keys().is_some()
    }

    /// Runs until both ends are connected, one gave up, or nothing more will happen.
    pub(super) fn run(&mut self) -> &mut Self {
        let end = self.now + RUN_MAX;
        self.collect();
        let is_over = |pair: &Self| pair.is_connected() || pair.ours.error.is_some() || pair.peer.error.is_some();
        while !is_over(self) && self.step(end) {}
        self
    }

    /// Runs for a while, whatever happens.
    pub(super) fn run_for(&mut self, duration: Duration) -> &mut Self {
        let end = self.now + duration;
        self.collect();
        while self.step(end) {}
        self.now = end;
        self
    }

    /// Gives our engine a datagram right away, as if the peer had sent it.
    pub(super) fn inject(&mut self, bytes: &[u8]) {
        let now = self.now;
        self.ours.step(|engine| engine.handle_datagram(bytes, now));
        self.collect();
    }

    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.under_way.iter().map(|(at, ..)| *at).min();
        let next = [arrival, self.ours.engine.deadline(), self.peer.engine.deadline()];
        let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else { return false };
        self.now = self.now.max(next);
        let now = self.now;
        if arrival == Some(next) {
            self.deliver(next);
        }
        for side in [&mut self.ours, &mut self.peer] {
            if side.engine.deadline().is_some_and(|due| due <= now) {
                side.step(|engine| engine.handle_timeout(now));
            }
        }
        self.collect();
        true
    }

    fn deliver(&mut self, at: Instant) {
        let Some(place) = self.under_way.iter().position(|(due, ..)| *due == at) else { return };
        let (_, is_for_us, bytes) = self.under_way.remove(place);
        let now = self.now;
        let to = if is_for_us { &mut self.ours } else { &mut self.peer };
        to.step(|engine| engine.handle_datagram(&bytes, now));
    }

    pub(super) fn collect(&mut self) {
        for (side, is_for_us) in [(&mut self.ours, false), (&mut self.peer, true)] {
            while let Some(bytes) = side.engine.poll_transmit() {
                side.sent.push(bytes.clone());
                let bytes = match &mut self.tamper {
                    Some(tamper) if is_for_us => tamper(bytes),
                    _ => bytes,
                };
                if self.random.u8(..100) >= self.loss_percent {
                    self.under_way.push((self.now + DELAY, is_for_us, bytes));
                }
            }
            side.events.extend(std::iter::from_fn(|| side.engine.poll_event()));
        }
    }
}

/// What a peer with this certificate signals.
pub(super) fn fingerprints(certificate: &LocalCertificate) -> PeerFingerprints {
    let der = certificate.certificate().certificate.first().unwrap();
    PeerFingerprints::new(vec![fingerprint_of(FingerprintAlgorithm::Sha256, der)]).unwrap()
}
