//! The client half of a DTLS handshake: dimpl, which shares no code with the server's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls, DtlsCertificate, Output};
use millrace_model::{Fingerprint, FingerprintAlgorithm};
use millrace_transport::SrtpProfile;
use millrace_transport::dtls::{DtlsKeys, PeerFingerprints, fingerprint_of};

/// Longest record that dimpl writes.
const RECORD_BYTES_MAX: usize = 4_096;

/// First wait before a flight is repeated. Long, because nothing gets lost and a busy server is not to be asked twice.
const FIRST_REPEAT: Duration = Duration::from_secs(1);

/// One certificate and one configuration for all peers of a run.
#[derive(Clone)]
pub(crate) struct Identity {
    certificate: DtlsCertificate,
    config: Arc<Config>,
}

impl Identity {
    /// # Panics
    /// When no certificate can be made.
    pub(crate) fn new() -> Self {
        let certificate = dimpl::certificate::generate_self_signed_certificate().expect("a certificate");
        let config = Config::builder().flight_start_rto(FIRST_REPEAT).build().expect("a valid configuration");
        Self { certificate, config: Arc::new(config) }
    }

    /// What signalling tells the server.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        fingerprint_of(FingerprintAlgorithm::Sha256, &self.certificate.certificate)
    }
}

/// A handshake under way. After each call drain [`poll_transmit`](Self::poll_transmit).
pub(crate) struct Handshake {
    dtls: Dtls,
    server: PeerFingerprints,
    keys: Option<DtlsKeys>,
    is_connected: bool,
    is_trusted: bool,
    deadline: Option<Instant>,
    transmits: VecDeque<Vec<u8>>,
}

impl Handshake {
    pub(crate) fn start(identity: &Identity, server: PeerFingerprints, now: Instant) -> Self {
        let mut dtls = Dtls::new_12(Arc::clone(&identity.config), identity.certificate.clone(), now);
        dtls.set_active(true);
        let mut handshake = Self {
            dtls,
            server,
            keys: None,
            is_connected: false,
            is_trusted: false,
            deadline: None,
            transmits: VecDeque::new(),
        };
        handshake.handle_timeout(now);
        handshake
    }

    pub(crate) fn handle_datagram(&mut self, bytes: &[u8], now: Instant) {
        self.handle_timeout(now);
        // A handshake that failed shows as a peer that does not connect in time.
        let _ = self.dtls.handle_packet(bytes);
        self.poll();
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let _ = self.dtls.handle_timeout(now);
        self.poll();
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    /// The keys, once the handshake is complete and the server is the one that signalling named.
    pub(crate) fn keys(&self) -> Option<&DtlsKeys> {
        self.keys.as_ref().filter(|_| self.is_connected && self.is_trusted)
    }

    fn poll(&mut self) {
        let mut buffer = [0; RECORD_BYTES_MAX];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(bytes) => self.transmits.push_back(bytes.to_vec()),
                Output::Connected => self.is_connected = true,
                Output::PeerCert(der) => self.is_trusted = self.server.matches(der),
                Output::KeyingMaterial(material, profile) => {
                    self.keys =
                        own_profile(profile).map(|profile| DtlsKeys { profile, keying_material: material.to_vec() });
                }
                Output::Timeout(at) => {
                    self.deadline = Some(at);
                    return;
                }
                _ => {}
            }
        }
    }
}

fn own_profile(profile: dimpl::SrtpProfile) -> Option<SrtpProfile> {
    let known = [
        (dimpl::SrtpProfile::AEAD_AES_128_GCM, SrtpProfile::AeadAes128Gcm),
        (dimpl::SrtpProfile::AEAD_AES_256_GCM, SrtpProfile::AeadAes256Gcm),
        (dimpl::SrtpProfile::AES128_CM_SHA1_80, SrtpProfile::AesCm128HmacSha1_80),
    ];
    known.into_iter().find(|(theirs, _)| *theirs == profile).map(|(_, ours)| ours)
}
