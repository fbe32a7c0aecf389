//! Two ends, the link between them, and the time; nothing here waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Dtls, DtlsCertificate, Output};
use millrace_model::{Counters, DtlsVersion, FingerprintAlgorithm};

use crate::dtls::{
    DtlsEngine, DtlsError, DtlsEvent, DtlsKeys, DtlsSettings, LocalCertificate, PeerFingerprints, Role, RtcDtls,
    fingerprint_of,
};

/// One-way delay of the link.
const DELAY: Duration = Duration::from_millis(10);
/// A run that is not over by then never will be.
const RUN_MAX: Duration = Duration::from_secs(60);

/// A dimpl client of DTLS 1.2 with a certificate of its own; it can be a server too.
pub(crate) struct Client {
    dtls: Dtls,
    pub(crate) certificate: DtlsCertificate,
    timeout: Option<Instant>,
    transmits: VecDeque<Vec<u8>>,
    pub(crate) keys: Option<Vec<u8>>,
    pub(crate) is_connected: bool,
    pub(crate) is_closed: bool,
    pub(crate) error: Option<dimpl::Error>,
}

impl Client {
    pub(crate) fn new(now: Instant, seed: u64) -> Self {
        Self::with_mtu(now, seed, 1150)
    }

    pub(crate) fn with_mtu(now: Instant, seed: u64, mtu: usize) -> Self {
        Self::with_role(now, seed, mtu, Role::Client)
    }

    /// The same as a server.
    pub(crate) fn server(now: Instant, seed: u64) -> Self {
        Self::with_role(now, seed, 1150, Role::Server)
    }

    fn with_role(now: Instant, seed: u64, mtu: usize, role: Role) -> Self {
        let certificate = dimpl::certificate::generate_self_signed_certificate().unwrap();
        // Browsers repeat as fast and as often.
        let config = dimpl::Config::builder()
            .mtu(mtu)
            .max_queue_tx(40)
            .flight_start_rto(Duration::from_millis(50))
            .flight_retries(12)
            .handshake_timeout(RUN_MAX)
            .dangerously_set_rng_seed(seed)
            .build()
            .unwrap();
        let mut dtls = Dtls::new_12(Arc::new(config), certificate.clone(), now);
        dtls.set_active(role == Role::Client);
        let mut client = Self {
            dtls,
            certificate,
            timeout: None,
            transmits: VecDeque::new(),
            keys: None,
            is_connected: false,
            is_closed: false,
            error: None,
        };
        client.handle_timeout(now);
        client
    }

    pub(crate) fn fingerprints(&self) -> PeerFingerprints {
        let fingerprint = fingerprint_of(FingerprintAlgorithm::Sha256, &self.certificate.certificate);
        PeerFingerprints::new(vec![fingerprint]).unwrap()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.error = self.dtls.handle_timeout(now).err().or(self.error.take());
        self.poll();
    }

    pub(crate) fn handle_datagram(&mut self, bytes: &[u8], now: Instant) {
        self.handle_timeout(now);
        self.error = self.dtls.handle_packet(bytes).err().or(self.error.take());
        self.poll();
    }

    pub(crate) fn send(&mut self, data: &[u8]) {
        self.dtls.send_application_data(data).unwrap();
        self.poll();
    }

    pub(crate) fn close(&mut self) {
        self.dtls.close().unwrap();
        self.poll();
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    fn poll(&mut self) {
        let mut buffer = vec![0; 4096];
        while self.error.is_none() {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(bytes) => self.transmits.push_back(bytes.to_vec()),
                Output::Connected => self.is_connected = true,
                Output::KeyingMaterial(keys, _) => self.keys = Some(keys.to_vec()),
                Output::CloseNotify => self.is_closed = true,
                Output::Timeout(at) => {
                    self.timeout = Some(at);
                    return;
                }
                _ => {}
            }
        }
        self.timeout = None;
    }
}

/// A server, a client and the datagrams on their way.
pub(super) struct Link {
    pub(super) now: Instant,
    pub(super) server: RtcDtls,
    pub(super) client: Client,
    /// Share of datagrams that get lost, each way, in per cent.
    pub(super) loss_percent: u8,
    random: fastrand::Rng,
    under_way: Vec<(Instant, End, Vec<u8>)>,
    pub(super) to_server: Vec<Vec<u8>>,
    pub(super) to_client: Vec<Vec<u8>>,
    pub(super) events: Vec<DtlsEvent>,
    pub(super) error: Option<DtlsError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Server,
    Client,
}

impl Link {
    /// A link without loss between a client and a server that knows its fingerprint.
    pub(super) fn new(seed: u64) -> Self {
        let now = Instant::now();
        Self::between(Client::new(now, seed), now, seed)
    }

    pub(super) fn between(client: Client, now: Instant, seed: u64) -> Self {
        let server = RtcDtls::new(settings(client.fingerprints())).unwrap();
        Self {
            now,
            server,
            client,
            loss_percent: 0,
            random: fastrand::Rng::with_seed(seed),
            under_way: Vec::new(),
            to_server: Vec::new(),
            to_client: Vec::new(),
            events: Vec::new(),
            error: None,
        }
    }

    /// Runs until both ends are connected, the server gave up, or nothing more will happen.
    pub(super) fn run(&mut self) -> &mut Self {
        let end = self.now + RUN_MAX;
        self.collect();
        while !(self.is_connected() || self.error.is_some()) && self.step(end) {}
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

    pub(super) fn is_connected(&self) -> bool {
        self.client.is_connected && self.keys().is_some()
    }

    pub(super) fn keys(&self) -> Option<&DtlsKeys> {
        self.events.iter().find_map(|event| match event {
            DtlsEvent::Connected { keys, .. } => Some(keys),
            _ => None,
        })
    }

    /// Gives the server a datagram right away, as if the peer had sent it.
    pub(super) fn inject(&mut self, bytes: &[u8]) {
        let result = self.server.handle_datagram(bytes, self.now);
        self.error = result.err().or(self.error.take());
        self.collect();
    }

    pub(super) fn counters(&mut self) -> Counters {
        let mut counters = Counters::default();
        self.server.drain_counters(&mut counters);
        counters
    }

    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.under_way.iter().map(|(at, ..)| *at).min();
        let next = [arrival, self.server.deadline(), self.client.timeout].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= end) else { return false };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            self.deliver(next);
        }
        if self.server.deadline().is_some_and(|due| due <= self.now) {
            self.error = self.server.handle_timeout(self.now).err().or(self.error.take());
        }
        if self.client.timeout.is_some_and(|due| due <= self.now) {
            self.client.handle_timeout(self.now);
        }
        self.collect();
        true
    }

    fn deliver(&mut self, at: Instant) {
        let Some(place) = self.under_way.iter().position(|(due, ..)| *due == at) else { return };
        let (_, to, bytes) = self.under_way.remove(place);
        match to {
            End::Client => self.client.handle_datagram(&bytes, self.now),
            End::Server => {
                self.error = self.server.handle_datagram(&bytes, self.now).err().or(self.error.take());
            }
        }
    }

    fn collect(&mut self) {
        while let Some(bytes) = self.server.poll_transmit() {
            self.to_client.push(bytes.clone());
            self.send(End::Client, bytes);
        }
        while let Some(bytes) = self.client.poll_transmit() {
            self.to_server.push(bytes.clone());
            self.send(End::Server, bytes);
        }
        self.events.extend(std::iter::from_fn(|| self.server.poll_event()));
    }

    fn send(&mut self, to: End, bytes: Vec<u8>) {
        if self.random.u8(..100) >= self.loss_percent {
            self.under_way.push((self.now + DELAY, to, bytes));
        }
    }
}

/// Settings of a server that expects `peer_fingerprints`.
pub(super) fn settings(peer_fingerprints: PeerFingerprints) -> DtlsSettings {
    let certificate = LocalCertificate::generate().unwrap();
    let version = DtlsVersion::Dtls12;
    DtlsSettings { role: Role::Server, version, certificate, peer_fingerprints, srtp_sha1_32: false }
}
