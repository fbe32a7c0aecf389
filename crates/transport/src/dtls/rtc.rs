//! The server-role engine: rtc-dtls with its dangers fenced off.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use millrace_model::{Counters, DtlsVersion};
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error as LibraryError;

use super::client_hello::{ClientHello, hello_verify_request_cookie};
use super::flight::Flight;
use super::record_filter::{ConnectedFilter, Drops, HandshakeFilter};
use super::{DtlsEngine, DtlsError, DtlsEvent, DtlsKeys, DtlsSettings, Role};
use crate::srtp::SrtpProfile;

/// The peer's address as the library knows it.
///
/// It keeps one association for each address that it is told. With the true address every spoofed source would cost
/// memory, and a change of the ICE path would start a new handshake.
const PLACEHOLDER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1));

/// The exporter label of RFC 5764 §4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// AEAD suites with forward secrecy; the certificate's key type decides between ECDSA and RSA (RFC 8827 §6.5).
const CIPHER_SUITES: [CipherSuiteId; 4] = [
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256,
];

/// A [`DtlsEngine`] over rtc-dtls in the server role: DTLS 1.2, client certificate and extended master secret required.
///
/// A connection costs about 0.2 ms of CPU and 10 kB; before the ClientHello is complete, only what the peer sent.
pub struct RtcDtls {
    settings: DtlsSettings,
    state: State,
    flight: Flight,
    transmits: VecDeque<Vec<u8>>,
    events: VecDeque<DtlsEvent>,
    drops: Drops,
    flights_repeated: u64,
}

enum State {
    /// Waiting for a whole ClientHello; the library has not been set up.
    Listening(HandshakeFilter),
    Handshaking(Box<Handshake>),
    Connected(Library, ConnectedFilter),
    Over,
}

struct Handshake {
    filter: HandshakeFilter,
    library: Library,
    profile: SrtpProfile,
    first_hello: ClientHello,
    /// The cookie of our HelloVerifyRequest, until the client has repeated it.
    cookie: Option<Vec<u8>>,
    verdict: Arc<OnceLock<Verdict>>,
}

/// What the check of the peer's certificate gave. The library calls it after it verified the CertificateVerify.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Accepted(Vec<u8>),
    Refused,
}

impl RtcDtls {
    /// Makes an engine that waits for the peer's ClientHello.
    ///
    /// # Errors
    ///
    /// [`DtlsError::NotThisEngine`]: in the client role the library drops a repeated flight as a replay, so that one
    /// lost datagram ends the handshake, and it has no DTLS 1.3; [`DimplDtls`](super::DimplDtls) takes both.
    pub fn new(settings: DtlsSettings) -> Result<Self, DtlsError> {
        if settings.role == Role::Client || settings.version != DtlsVersion::Dtls12 {
            return Err(DtlsError::NotThisEngine);
        }
        Ok(Self {
            settings,
            state: State::Listening(HandshakeFilter::default()),
            flight: Flight::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            drops: Drops::default(),
            flights_repeated: 0,
        })
    }

    fn advance(&mut self, bytes: &[u8], now: Instant) -> Result<(), DtlsError> {
        match &mut self.state {
            State::Listening(filter) => {
                filter.insert(bytes, &mut self.drops);
                self.read_first_hello(now)
            }
            State::Handshaking(handshake) => {
                handshake.filter.insert(bytes, &mut self.drops);
                self.continue_handshake(now)
            }
            State::Connected(library, filter) => {
                let passed = filter.pass(bytes, &mut self.drops);
                if passed.is_empty() {
                    return Ok(());
                }
                let events = library.read(passed, now)?;
                self.report(events);
                Ok(())
            }
            State::Over => Ok(()),
        }
    }

    fn read_first_hello(&mut self, now: Instant) -> Result<(), DtlsError> {
        let State::Listening(filter) = &mut self.state else { return Ok(()) };
        let Some(message) = filter.next_message() else { return Ok(()) };
        let Some(first_hello) = message.client_hello().and_then(ClientHello::parse) else {
            filter.refuse(&message, &mut self.drops);
            return Ok(());
        };
        let Some(profile) = first_hello.choose_srtp_profile(self.settings.srtp_sha1_32) else {
            self.transmits.push_back(HANDSHAKE_FAILURE_ALERT.to_vec());
            return Err(DtlsError::NoCommonSrtpProfile);
        };
        let verdict = Arc::new(OnceLock::new());
        let mut filter = std::mem::take(filter);
        let mut library = Library::new(server_config(&self.settings, profile, &verdict)?);
        let record = filter.record_of(&message);
        let outcome = library.read(record, now);
        let sent = library.drain(&mut self.transmits);
        outcome?;
        if sent.is_empty() {
            // The library could not read it, so it was no client's: wait for another.
            filter.refuse(&message, &mut self.drops);
            self.state = State::Listening(filter);
            return Ok(());
        }
        let cookie = sent.first().and_then(|datagram| hello_verify_request_cookie(datagram)).map(<[u8]>::to_vec);
        self.flight.sent(&sent, now);
        let handshake = Handshake { filter, library, profile, first_hello, cookie, verdict };
        self.state = State::Handshaking(Box::new(handshake));
        self.continue_handshake(now)
    }

    fn continue_handshake(&mut self, now: Instant) -> Result<(), DtlsError> {
        while let State::Handshaking(handshake) = &mut self.state {
            let Some(record) = handshake.next_record(&mut self.drops) else { return Ok(()) };
            let outcome = handshake.library.read(record, now);
            let sent = handshake.library.drain(&mut self.transmits);
            let events = outcome.map_err(|error| handshake.explain(error))?;
            if !sent.is_empty() {
                self.flight.sent(&sent, now);
            }
            if events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete)) {
                self.complete()?;
            }
            self.report(events);
        }
        Ok(())
    }

    fn complete(&mut self) -> Result<(), DtlsError> {
        self.flight.answered();
        let State::Handshaking(handshake) = std::mem::replace(&mut self.state, State::Over) else { return Ok(()) };
        let (keys, remote_certificate) = handshake.keys()?;
        self.events.push_back(DtlsEvent::Connected { keys, remote_certificate });
        // What only the handshake needed (filter, hellos, flight) is freed here.
        self.state = State::Connected(handshake.library, ConnectedFilter::default());
        Ok(())
    }

    fn report(&mut self, events: Vec<EndpointEvent>) {
        for event in events {
            match event {
                EndpointEvent::ApplicationData(data) => {
                    self.events.push_back(DtlsEvent::ApplicationData(data.to_vec()));
                }
                EndpointEvent::PeerClosed => {
                    self.events.push_back(DtlsEvent::Closed);
                    self.end();
                }
                _ => {}
            }
        }
    }

    /// Frees everything but what waits to be polled.
    fn end(&mut self) {
        if let Some(library) = self.state.library() {
            library.drain(&mut self.transmits);
        }
        self.state = State::Over;
        self.flight.answered();
    }
}

impl DtlsEngine for RtcDtls {
    fn handle_datagram(&mut self, bytes: &[u8], now: Instant) -> Result<(), DtlsError> {
        let result = self.advance(bytes, now);
        if result.is_err() {
            self.end();
        } else if let State::Connected(library, _) = &mut self.state {
            library.drain(&mut self.transmits);
        }
        result
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        match self.flight.repeat(now) {
            Ok([]) => Ok(()),
            Ok(datagrams) => {
                self.transmits.extend(datagrams.iter().cloned());
                self.flights_repeated += 1;
                Ok(())
            }
            Err(_) => {
                self.end();
                Err(DtlsError::Timeout)
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.flight.deadline()
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    fn send_data(&mut self, data: &[u8], now: Instant) -> Result<(), DtlsError> {
        let State::Connected(library, _) = &mut self.state else { return Ok(()) };
        let endpoint = &mut library.endpoint;
        match catch_unwind(AssertUnwindSafe(|| endpoint.write(now, PLACEHOLDER, data))) {
            Ok(Ok(())) => {
                while let Some(transmit) = library.endpoint.poll_transmit() {
                    self.transmits.push_back(transmit.message.to_vec());
                }
                Ok(())
            }
            Ok(Err(error)) => {
                self.end();
                Err(DtlsError::Peer(error.to_string()))
            }
            Err(_) => {
                self.state = State::Over;
                self.end();
                Err(DtlsError::EngineFailed)
            }
        }
    }

    fn close(&mut self, now: Instant) {
        if let Some(library) = self.state.library() {
            library.close(now);
        }
        self.end();
    }

    fn drain_counters(&mut self, counters: &mut Counters) {
        std::mem::take(&mut self.drops).count(counters);
        counters.dtls_flights_repeated += std::mem::take(&mut self.flights_repeated);
    }
}

impl State {
    fn library(&mut self) -> Option<&mut Library> {
        match self {
            Self::Handshaking(handshake) => Some(&mut handshake.library),
            Self::Connected(library, _) => Some(library),
            Self::Listening(_) | Self::Over => None,
        }
    }
}

impl Handshake {
    fn next_record(&mut self, drops: &mut Drops) -> Option<Vec<u8>> {
        if let Some(message) = self.filter.next_message() {
            if !message.lengths_add_up() {
                self.filter.refuse(&message, drops);
                return None;
            }
            // Only the client knows the cookie; hellos of others must not reach the library, which would give up.
            if let (Some(hello), Some(cookie)) = (message.client_hello(), &self.cookie) {
                let hello = ClientHello::parse(hello);
                if !hello.is_some_and(|hello| self.first_hello.is_repeated_by(&hello, cookie)) {
                    self.filter.refuse(&message, drops);
                    return None;
                }
                self.cookie = None;
            }
            return Some(self.filter.record_of(&message));
        }
        if self.library.has_keys() { self.filter.next_sealed() } else { None }
    }

    fn explain(&self, error: DtlsError) -> DtlsError {
        match self.verdict.get() {
            Some(Verdict::Refused) => DtlsError::FingerprintMismatch,
            _ => error,
        }
    }

    /// Exports the SRTP keys, once more certain that the certificate is the one that was checked.
    fn keys(&self) -> Result<(DtlsKeys, Vec<u8>), DtlsError> {
        let Some(Verdict::Accepted(checked)) = self.verdict.get() else {
            return Err(DtlsError::FingerprintMismatch);
        };
        let state = self.library.endpoint.get_connection_state(PLACEHOLDER).ok_or(DtlsError::EngineFailed)?;
        if state.peer_certificates.first() != Some(checked) {
            return Err(DtlsError::FingerprintMismatch);
        }
        if state.srtp_protection_profile() != library_profile(self.profile) {
            return Err(DtlsError::NoCommonSrtpProfile);
        }
        let keying_material = state
            .export_keying_material(EXPORTER_LABEL, &[], self.profile.keying_material_len())
            .map_err(|error| DtlsError::Peer(error.to_string()))?;
        let keying_material = keying_material.as_ref().to_vec();
        Ok((DtlsKeys { profile: self.profile, keying_material }, checked.clone()))
    }
}

/// The library's endpoint with the one association in it.
struct Library {
    endpoint: Endpoint,
}

impl Library {
    fn new(config: HandshakeConfig) -> Self {
        Self { endpoint: Endpoint::new(PLACEHOLDER, TransportProtocol::UDP, Some(Arc::new(config))) }
    }

    /// Feeds records. A panic ends this association only: the library was fuzzed, but not proved free of them, and a
    /// panic that went further would end every call of the worker. (An abort, by stack overflow, cannot be caught;
    /// the filters are there for that.)
    fn read(&mut self, records: Vec<u8>, now: Instant) -> Result<Vec<EndpointEvent>, DtlsError> {
        let endpoint = &mut self.endpoint;
        let outcome = catch_unwind(AssertUnwindSafe(|| endpoint.read(now, PLACEHOLDER, None, records[..].into())));
        match outcome {
            Ok(result) => result.map_err(|error| DtlsError::Peer(error.to_string())),
            Err(_) => Err(DtlsError::EngineFailed),
        }
    }

    /// Moves what the library wants sent to `transmits` and returns a copy of it.
    fn drain(&mut self, transmits: &mut VecDeque<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit() {
            sent.push(transmit.message.to_vec());
        }
        transmits.extend(sent.iter().cloned());
        sent
    }

    /// Tells whether sealed records can be opened.
    fn has_keys(&self) -> bool {
        let state = self.endpoint.get_connection_state(PLACEHOLDER);
        state.and_then(|state| state.cipher_suite()).is_some_and(|suite| suite.is_initialized())
    }

    fn close(&mut self, now: Instant) {
        self.endpoint.stop(now, PLACEHOLDER);
    }
}

fn server_config(
    settings: &DtlsSettings,
    profile: SrtpProfile,
    verdict: &Arc<OnceLock<Verdict>>,
) -> Result<HandshakeConfig, DtlsError> {
    let (fingerprints, verdict) = (settings.peer_fingerprints.clone(), verdict.clone());
    ConfigBuilder::default()
        .with_crypto_provider(settings.certificate.crypto().clone())
        .with_certificates(vec![settings.certificate.certificate().clone()])
        .with_cipher_suites(CIPHER_SUITES.to_vec())
        .with_srtp_protection_profiles(vec![library_profile(profile)])
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        // WebRTC certificates are self-signed: the fingerprint is the check (RFC 8827 §5), not a chain of authorities.
        .with_insecure_skip_verify(true)
        // RFC 7627: ties the keys to the handshake. The library does not check the client's Finished itself.
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .with_verify_peer_certificate(Some(Arc::new(move |chain: &[Vec<u8>], _| {
            let certificate = chain.first().filter(|certificate| fingerprints.matches(certificate));
            let accepted = certificate.is_some();
            let _ = verdict.set(certificate.map_or(Verdict::Refused, |der| Verdict::Accepted(der.clone())));
            if accepted { Ok(()) } else { Err(LibraryError::ErrInvalidCertificate) }
        })))
        .build(false, None)
        .map_err(|error| DtlsError::Setup(error.to_string()))
}

fn library_profile(profile: SrtpProfile) -> SrtpProtectionProfile {
    SrtpProtectionProfile::from(profile.id())
}

/// A fatal `handshake_failure` in the clear (RFC 5246 §7.2.2), for a hello that never reaches the library.
const HANDSHAKE_FAILURE_ALERT: [u8; 15] = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];
