//! DTLS 1.2 clients for peers in tests: an independent one, and one whose list of SRTP profiles can be chosen.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Dtls, DtlsCertificate, Output};
use millrace_model::{Fingerprint, FingerprintAlgorithm};
use millrace_transport::SrtpProfile;
use millrace_transport::dtls::{DtlsKeys, PeerFingerprints, fingerprint_of};
use rtc_dtls::config::{ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;

/// First wait before a flight is repeated; browsers begin with 50 ms as well.
const FIRST_REPEAT: Duration = Duration::from_millis(50);
/// Repeats of one flight.
const REPEATS_MAX: usize = 12;
/// What the rtc-dtls client knows as the server's address.
const PLACEHOLDER: &str = "127.0.0.1:1";

/// The client half of a handshake. After each call drain [`poll_transmit`](Self::poll_transmit).
pub struct DtlsClient {
    engine: Engine,
    certificate_der: Vec<u8>,
    server_fingerprints: Option<PeerFingerprints>,
    keys: Option<DtlsKeys>,
    transmits: VecDeque<Vec<u8>>,
    deadline: Option<Instant>,
    is_connected: bool,
    is_closed: bool,
    error: Option<String>,
}

enum Engine {
    Dimpl(Box<Dtls>),
    Rtc(Box<Endpoint>),
}

impl DtlsClient {
    /// A dimpl client: an implementation that shares no code with the server's. Offers AEAD-AES-256-GCM,
    /// AEAD-AES-128-GCM and AES-CM-SHA1-80. `seed` decides the spread of its repeats.
    ///
    /// # Panics
    ///
    /// When no certificate can be made.
    pub fn new(now: Instant, seed: u64) -> Self {
        let certificate = dimpl::certificate::generate_self_signed_certificate().expect("a certificate");
        let config = dimpl::Config::builder()
            .flight_start_rto(FIRST_REPEAT)
            .flight_retries(REPEATS_MAX)
            .handshake_timeout(Duration::from_secs(60))
            .dangerously_set_rng_seed(seed)
            .build()
            .expect("a valid configuration");
        Self::dimpl(config, certificate, now)
    }

    /// An rtc-dtls client that offers just `profiles`, in this order. For networks without loss: it gives up a
    /// handshake when a flight gets lost.
    ///
    /// # Panics
    ///
    /// When no certificate can be made.
    pub fn offering(profiles: &[SrtpProfile], now: Instant) -> Self {
        let crypto = rtc_crypto::default_provider().expect("a crypto provider");
        let certificate =
            Certificate::generate_self_signed(vec!["peer".to_owned()], crypto.crypto()).expect("a certificate");
        let certificate_der = certificate.certificate.first().expect("one certificate").to_vec();
        let profiles = profiles.iter().map(|profile| SrtpProtectionProfile::from(profile.id())).collect();
        let config = ConfigBuilder::default()
            .with_crypto_provider(crypto)
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(profiles)
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .build(true, None)
            .expect("a valid configuration");
        let server = PLACEHOLDER.parse().expect("an address");
        let mut endpoint = Endpoint::new(server, TransportProtocol::UDP, None);
        endpoint.connect(now, server, Arc::new(config), None).expect("a first flight");
        Self::with(Engine::Rtc(Box::new(endpoint)), certificate_der)
    }

    fn dimpl(config: dimpl::Config, certificate: DtlsCertificate, now: Instant) -> Self {
        let certificate_der = certificate.certificate.clone();
        let mut dtls = Dtls::new_12(Arc::new(config), certificate, now);
        dtls.set_active(true);
        let mut client = Self::with(Engine::Dimpl(Box::new(dtls)), certificate_der);
        // dimpl panics on a datagram that comes before it was told the time.
        client.handle_timeout(now);
        client
    }

    fn with(engine: Engine, certificate_der: Vec<u8>) -> Self {
        let mut client = Self {
            engine,
            certificate_der,
            server_fingerprints: None,
            keys: None,
            transmits: VecDeque::new(),
            deadline: None,
            is_connected: false,
            is_closed: false,
            error: None,
        };
        client.poll_rtc(Vec::new());
        client
    }

    /// Our fingerprint, to be signalled.
    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint_of(FingerprintAlgorithm::Sha256, &self.certificate_der)
    }

    /// Makes the handshake fail unless the server's certificate matches.
    pub fn expect_server(&mut self, fingerprints: PeerFingerprints) {
        self.server_fingerprints = Some(fingerprints);
    }

    /// Takes a datagram of the server.
    pub fn handle_datagram(&mut self, bytes: &[u8], now: Instant) {
        self.handle_timeout(now);
        match &mut self.engine {
            Engine::Dimpl(dtls) => {
                let result = dtls.handle_packet(bytes);
                self.note(result);
                self.poll_dimpl();
            }
            Engine::Rtc(endpoint) => {
                let server = PLACEHOLDER.parse().expect("an address");
                match endpoint.read(now, server, None, bytes.into()) {
                    Ok(events) => self.poll_rtc(events),
                    Err(error) => self.error = Some(error.to_string()),
                }
            }
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Engine::Dimpl(dtls) = &mut self.engine {
            let result = dtls.handle_timeout(now);
            self.note(result);
            self.poll_dimpl();
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    /// The exported keys, once the handshake is complete.
    pub fn keys(&self) -> Option<&DtlsKeys> {
        self.keys.as_ref().filter(|_| self.is_connected && self.error.is_none())
    }

    /// Why the handshake failed, if it did.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Tells whether the server said goodbye.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Says goodbye to the server.
    pub fn close(&mut self, now: Instant) {
        match &mut self.engine {
            Engine::Dimpl(dtls) => {
                let result = dtls.close();
                self.note(result);
                self.poll_dimpl();
            }
            Engine::Rtc(endpoint) => {
                endpoint.stop(now, PLACEHOLDER.parse().expect("an address"));
                self.poll_rtc(Vec::new());
            }
        }
    }

    fn note(&mut self, result: Result<(), dimpl::Error>) {
        if let Err(error) = result {
            self.error.get_or_insert(error.to_string());
        }
    }

    fn poll_dimpl(&mut self) {
        let mut buffer = vec![0; 4096];
        while self.error.is_none() {
            let Engine::Dimpl(dtls) = &mut self.engine else { return };
            match dtls.poll_output(&mut buffer) {
                Output::Packet(bytes) => self.transmits.push_back(bytes.to_vec()),
                Output::Connected => self.is_connected = true,
                Output::PeerCert(der) => self.check_server(der),
                Output::KeyingMaterial(material, profile) => {
                    let keys = DtlsKeys { profile: own_profile(profile), keying_material: material.to_vec() };
                    self.keys = Some(keys);
                }
                Output::CloseNotify => self.is_closed = true,
                Output::Timeout(at) => {
                    self.deadline = Some(at);
                    return;
                }
                _ => {}
            }
        }
        self.deadline = None;
    }

    fn poll_rtc(&mut self, events: Vec<EndpointEvent>) {
        let Engine::Rtc(endpoint) = &mut self.engine else { return };
        self.transmits.extend(std::iter::from_fn(|| endpoint.poll_transmit()).map(|sent| sent.message.to_vec()));
        self.is_closed |= events.iter().any(|event| matches!(event, EndpointEvent::PeerClosed));
        if events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete)) {
            let state = endpoint.get_connection_state(PLACEHOLDER.parse().expect("an address")).expect("a connection");
            let profile = SrtpProfile::from_id(state.srtp_protection_profile() as u16).expect("a known profile");
            let material = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], profile.keying_material_len());
            let keying_material = material.expect("keys after the handshake").as_ref().to_vec();
            let server = state.peer_certificates.first().cloned().unwrap_or_default();
            self.keys = Some(DtlsKeys { profile, keying_material });
            self.is_connected = true;
            self.check_server(&server);
        }
    }

    fn check_server(&mut self, certificate_der: &[u8]) {
        if self.server_fingerprints.as_ref().is_some_and(|fingerprints| !fingerprints.matches(certificate_der)) {
            self.error = Some("the server's certificate does not match its fingerprint".to_owned());
        }
    }
}

fn own_profile(profile: dimpl::SrtpProfile) -> SrtpProfile {
    if profile == dimpl::SrtpProfile::AEAD_AES_128_GCM {
        SrtpProfile::AeadAes128Gcm
    } else if profile == dimpl::SrtpProfile::AEAD_AES_256_GCM {
        SrtpProfile::AeadAes256Gcm
    } else {
        SrtpProfile::AesCm128HmacSha1_80
    }
}
