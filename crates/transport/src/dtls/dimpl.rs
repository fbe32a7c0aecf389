//! The engine over dimpl: the client role, and DTLS 1.3 in both.
//!
//! Its handshakes run by the library's own timers and reassembly; `gate` keeps from it what it need not see. The choice
//! of the SRTP profile is the library's: AEAD-AES-256-GCM first in DTLS 1.2, the client's order in DTLS 1.3.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls, DtlsCertificate, Error as LibraryError, Output, UnexpectedMessageError};
use millrace_model::{Counters, DtlsVersion};

use super::gate::Gate;
use super::record_filter::Drops;
use super::{DtlsEngine, DtlsError, DtlsEvent, DtlsKeys, DtlsSettings, PeerFingerprints, Role};
use crate::srtp::SrtpProfile;

/// Wait before the first repeat of a flight; the library doubles it and varies it by a quarter.
const FIRST_INTERVAL: Duration = Duration::from_millis(100);
/// Repeats of one flight; then the association has failed.
///
/// The last wait would end some 50 s after the flight was first sent; [`HANDSHAKE_TIME_MAX`] ends a handshake before. A
/// client of DTLS 1.3 repeats its last flight so long although it is connected, unless the server acknowledges it.
const REPEATS_MAX: usize = 8;
/// Time for a whole handshake; then it has failed. As long as the other engine waits for one answer.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(24);
/// Datagrams held until those before them are there; one more ends the handshake.
///
/// A chain of 16 kB takes 15.
const EARLY_DATAGRAMS_MAX: usize = 64;
/// Datagrams of ours that wait to be polled; one more ends the association. A flight with a chain has fewer than 20.
const QUEUED_DATAGRAMS_MAX: usize = 64;
/// Things that one call may give; a library that goes on is taken for broken and the association ends.
const OUTPUTS_PER_CALL_MAX: usize = 512;
/// Longest record taken from the library, in bytes: no datagram that reaches it holds a longer one.
const OUTPUT_BYTES_MAX: usize = 2048;
/// A deadline that is further away than this is the library's word for none.
const IDLE: Duration = Duration::from_secs(3600);

/// A [`DtlsEngine`] over dimpl: DTLS 1.2 and 1.3 in both roles, ECDSA only, certificates of both ends required.
pub struct DimplDtls {
    library: Option<Dtls>,
    fingerprints: PeerFingerprints,
    gate: Gate,
    progress: Progress,
    transmits: VecDeque<Vec<u8>>,
    events: VecDeque<DtlsEvent>,
    drops: Drops,
    flights_repeated: u64,
    deadline: Option<Instant>,
}

/// What the library has told of the handshake.
#[derive(Debug, Default)]
struct Progress {
    /// The peer's certificate, which matches a fingerprint.
    certificate: Option<Vec<u8>>,
    keys: Option<DtlsKeys>,
    is_finished: bool,
    is_reported: bool,
}

/// What an engine over dimpl needs of a worker's certificate.
#[derive(Clone)]
pub(super) struct Identity {
    certificate: DtlsCertificate,
    config: Arc<Config>,
}

impl Identity {
    /// Takes an ECDSA key on P-256 in PKCS #8 and its certificate in DER. `None` if the library refuses them.
    pub(super) fn new(certificate: Vec<u8>, private_key: Vec<u8>) -> Option<Self> {
        let config = Config::builder()
            // Only validated paths are answered, so that a cookie would be one round trip for nothing.
            .use_server_cookie(false)
            .require_client_certificate(true)
            .flight_start_rto(FIRST_INTERVAL)
            .flight_retries(REPEATS_MAX)
            .handshake_timeout(HANDSHAKE_TIME_MAX)
            .max_queue_rx(EARLY_DATAGRAMS_MAX)
            .max_queue_tx(QUEUED_DATAGRAMS_MAX)
            .build()
            .ok()?;
        // The library panics on a key that it cannot read.
        let keys = config.crypto_provider().key_provider;
        keys.load_private_key(&private_key).ok()?;
        Some(Self { certificate: DtlsCertificate { certificate, private_key }, config: Arc::new(config) })
    }
}

impl DimplDtls {
    /// Makes an engine. In the client role the first flight waits to be polled.
    ///
    /// # Errors
    ///
    /// [`DtlsError::Setup`]: the worker's certificate has no ECDSA key on P-256.
    pub fn new(settings: &DtlsSettings, now: Instant) -> Result<Self, DtlsError> {
        let Some(Identity { certificate, config }) = settings.certificate.identity() else {
            return Err(DtlsError::Setup("the certificate's key is not ECDSA on P-256".to_owned()));
        };
        let (certificate, config) = (certificate.clone(), config.clone());
        let library = catch(|| {
            let mut library = match settings.version {
                DtlsVersion::Dtls12 => Dtls::new_12(config, certificate, now),
                DtlsVersion::Dtls13 => Dtls::new_13(config, certificate, now),
                DtlsVersion::Auto => Dtls::new_auto(config, certificate, now),
            };
            library.set_active(settings.role == Role::Client);
            library
        })?;
        let mut engine = Self {
            library: Some(library),
            fingerprints: settings.peer_fingerprints.clone(),
            gate: Gate::new(settings.role.other()),
            progress: Progress::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            drops: Drops::default(),
            flights_repeated: 0,
            deadline: None,
        };
        // The library panics on a datagram that comes before it was told the time.
        engine.run(now, |library| library.handle_timeout(now))?;
        Ok(engine)
    }

    /// Calls the library and takes over what it made of it. After an error it is gone.
    fn run(&mut self, now: Instant, call: impl FnOnce(&mut Dtls) -> Result<(), LibraryError>) -> Result<(), DtlsError> {
        let Some(library) = &mut self.library else { return Ok(()) };
        let result = match catch(|| call(library)) {
            Ok(Ok(())) => self.drain(now),
            // Nothing has changed: the first datagram was no answer to our hello.
            Ok(Err(LibraryError::UnexpectedMessage(UnexpectedMessageError::UnrecognizedAutoServerResponse))) => {
                self.drops.unexpected += 1;
                self.drain(now)
            }
            Ok(Err(error)) => Err(DtlsError::from(error)),
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            self.fail(error);
        }
        result
    }

    fn drain(&mut self, now: Instant) -> Result<(), DtlsError> {
        let mut buffer = [0; OUTPUT_BYTES_MAX];
        for _ in 0..OUTPUTS_PER_CALL_MAX {
            let Some(library) = &mut self.library else { return Ok(()) };
            match catch(|| library.poll_output(&mut buffer))? {
                Output::Packet(bytes) => self.transmits.push_back(bytes.to_vec()),
                Output::PeerCert(certificate) => {
                    // Before anything is made of this peer: keys, events, or our last flight.
                    if !self.fingerprints.matches(certificate) {
                        return Err(DtlsError::FingerprintMismatch);
                    }
                    self.progress.certificate = Some(certificate.to_vec());
                }
                Output::KeyingMaterial(material, profile) => {
                    let profile = own_profile(profile).ok_or(DtlsError::NoCommonSrtpProfile)?;
                    self.progress.keys = Some(DtlsKeys { profile, keying_material: material.to_vec() });
                }
                Output::Connected => self.progress.is_finished = true,
                Output::ApplicationData(data) if self.progress.is_reported => {
                    self.events.push_back(DtlsEvent::ApplicationData(data.to_vec()));
                }
                Output::CloseNotify => {
                    self.events.push_back(DtlsEvent::Closed);
                    self.end();
                }
                Output::Timeout(at) => {
                    self.deadline = Some(at).filter(|at| at.saturating_duration_since(now) < IDLE);
                    let lacks_keys = self.progress.is_finished && !self.progress.is_reported;
                    return if lacks_keys { Err(DtlsError::NoCommonSrtpProfile) } else { Ok(()) };
                }
                _ => {}
            }
            self.report()?;
        }
        Err(DtlsError::EngineFailed)
    }

    /// Reports the end of the handshake, once everything that must be known of the peer is.
    fn report(&mut self) -> Result<(), DtlsError> {
        if !self.progress.is_finished || self.progress.is_reported {
            return Ok(());
        }
        let Some(keys) = self.progress.keys.take() else { return Ok(()) };
        let Some(remote_certificate) = self.progress.certificate.take() else {
            return Err(DtlsError::FingerprintMismatch);
        };
        self.progress.is_reported = true;
        self.gate.connected();
        self.events.push_back(DtlsEvent::Connected { keys, remote_certificate });
        Ok(())
    }

    /// Ends with an alert in the clear, if the handshake was still at it. A peer of DTLS 1.3 that has keys ignores it.
    fn fail(&mut self, error: &DtlsError) {
        if !self.progress.is_reported && *error != DtlsError::Timeout {
            self.transmits.push_back(fatal_alert(error).to_vec());
        }
        self.end();
    }

    /// Frees everything but what waits to be polled.
    fn end(&mut self) {
        self.library = None;
        self.deadline = None;
        self.progress = Progress { is_reported: self.progress.is_reported, ..Progress::default() };
    }
}

impl DtlsEngine for DimplDtls {
    fn handle_datagram(&mut self, bytes: &[u8], now: Instant) -> Result<(), DtlsError> {
        if self.library.is_none() {
            return Ok(());
        }
        let passed = self.gate.pass(bytes, &mut self.drops);
        if passed.is_empty() {
            return Ok(());
        }
        self.run(now, |library| library.handle_timeout(now))?;
        self.run(now, |library| library.handle_packet(&passed))
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        let waiting = self.transmits.len();
        let result = self.run(now, |library| library.handle_timeout(now));
        self.flights_repeated += u64::from(result.is_ok() && self.transmits.len() > waiting);
        result
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    fn send_data(&mut self, data: &[u8], now: Instant) -> Result<(), DtlsError> {
        if !self.progress.is_reported {
            return Ok(());
        }
        self.run(now, |library| library.send_application_data(data).map(|_| ()))
    }

    fn close(&mut self, now: Instant) {
        // Whatever comes of it, this is the end.
        let _ = self.run(now, Dtls::close);
        self.end();
    }

    fn drain_counters(&mut self, counters: &mut Counters) {
        std::mem::take(&mut self.drops).count(counters);
        counters.dtls_flights_repeated += std::mem::take(&mut self.flights_repeated);
    }
}

/// Runs a call of the library. A panic ends this association only.
fn catch<T>(call: impl FnOnce() -> T) -> Result<T, DtlsError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| DtlsError::EngineFailed)
}

fn own_profile(profile: dimpl::SrtpProfile) -> Option<SrtpProfile> {
    match profile {
        dimpl::SrtpProfile::AEAD_AES_128_GCM => Some(SrtpProfile::AeadAes128Gcm),
        dimpl::SrtpProfile::AEAD_AES_256_GCM => Some(SrtpProfile::AeadAes256Gcm),
        dimpl::SrtpProfile::AES128_CM_SHA1_80 => Some(SrtpProfile::AesCm128HmacSha1_80),
        _ => None,
    }
}

impl From<LibraryError> for DtlsError {
    fn from(error: LibraryError) -> Self {
        match error {
            LibraryError::Timeout(_) => Self::Timeout,
            error => Self::Peer(error.to_string()),
        }
    }
}

/// A fatal alert in the clear (RFC 5246 §7.2.2). Its number is beyond those of a handshake, so that it is no replay.
fn fatal_alert(error: &DtlsError) -> [u8; 15] {
    const HANDSHAKE_FAILURE: u8 = 40;
    const BAD_CERTIFICATE: u8 = 42;
    let description = if *error == DtlsError::FingerprintMismatch { BAD_CERTIFICATE } else { HANDSHAKE_FAILURE };
    [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 2, 2, description]
}
