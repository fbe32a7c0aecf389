//! DTLS (RFC 6347, RFC 9147) for SRTP keys (RFC 5764), behind a trait so that the engine underneath can be exchanged.
//!
//! [`engine`] chooses: [`RtcDtls`] is a server of DTLS 1.2, [`DimplDtls`] has the client role and DTLS 1.3. Each wraps a
//! library and keeps hostile input away from it. For the first, `record_filter` and `reassembly` hand it whole handshake
//! messages in order and once, `client_hello` is read before it starts, and `flight` repeats what it sent; for the
//! second, `gate` drops what it need not see.

mod certificate;
pub(crate) mod client_hello;
mod dimpl;
mod fingerprint;
mod flight;
pub(crate) mod gate;
mod reassembly;
pub(crate) mod record_filter;
mod rtc;

use std::fmt;
use std::time::Instant;

use millrace_model::{Counters, DtlsVersion};

pub use certificate::{CertificateError, LocalCertificate, certificate_pem};
pub use dimpl::DimplDtls;
pub use fingerprint::{FingerprintError, PeerFingerprints, fingerprint_of};
pub use rtc::RtcDtls;

use crate::srtp::SrtpProfile;

/// What an association is made of.
#[derive(Clone, Debug)]
pub struct DtlsSettings {
    /// Our role.
    pub role: Role,
    /// The versions that we accept and offer.
    pub version: DtlsVersion,
    /// The worker's certificate.
    pub certificate: LocalCertificate,
    /// The fingerprints that the peer signalled.
    pub peer_fingerprints: PeerFingerprints,
    /// Accepts `SRTP_AES128_CM_HMAC_SHA1_32` where the peer offers nothing better. Off unless the application asks; only
    /// [`RtcDtls`] knows the profile.
    pub srtp_sha1_32: bool,
}

impl DtlsSettings {
    /// Whether the engine for these settings can use the certificate: [`DimplDtls`] needs an ECDSA key on P-256.
    pub fn has_usable_certificate(&self) -> bool {
        self.is_for_rtc() || self.certificate.identity().is_some()
    }

    fn is_for_rtc(&self) -> bool {
        self.role == Role::Server && self.version == DtlsVersion::Dtls12
    }
}

/// Makes the engine for `settings` and starts it.
///
/// # Errors
///
/// [`DtlsError::Setup`]: the certificate does not suit the engine.
pub fn engine(settings: DtlsSettings, now: Instant) -> Result<Box<dyn DtlsEngine>, DtlsError> {
    if settings.is_for_rtc() {
        return Ok(Box::new(RtcDtls::new(settings)?));
    }
    Ok(Box::new(DimplDtls::new(&settings, now)?))
}

/// One DTLS association as a state machine: datagrams and time in, datagrams and events out.
///
/// Feed it only datagrams of a tuple that ICE validated. After every call drain [`poll_transmit`](Self::poll_transmit)
/// (after an `Err` too: it holds the alert that tells the peer) and [`poll_event`](Self::poll_event).
pub trait DtlsEngine: Send {
    /// Takes one datagram of the peer.
    ///
    /// # Errors
    ///
    /// The association is over and stays so; later calls do nothing.
    fn handle_datagram(&mut self, bytes: &[u8], now: Instant) -> Result<(), DtlsError>;

    /// Does what is due at `now`.
    ///
    /// # Errors
    ///
    /// As [`handle_datagram`](Self::handle_datagram).
    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError>;

    /// When [`handle_timeout`](Self::handle_timeout) is wanted next; `None` while there is nothing to repeat.
    fn deadline(&self) -> Option<Instant>;

    /// The next datagram to send to the peer.
    fn poll_transmit(&mut self) -> Option<Vec<u8>>;

    /// The next event, in order.
    fn poll_event(&mut self) -> Option<DtlsEvent>;

    /// Seals application data into a record for the peer (RFC 8261). Before the handshake is complete, and after the
    /// end, it is dropped: nothing of the handshake vouches for the peer then.
    ///
    /// # Errors
    ///
    /// As [`handle_datagram`](Self::handle_datagram).
    fn send_data(&mut self, data: &[u8], now: Instant) -> Result<(), DtlsError>;

    /// Ends the association and queues a `close_notify` for the peer.
    fn close(&mut self, now: Instant);

    /// Adds what was dropped and repeated since the last call to `counters`.
    fn drain_counters(&mut self, counters: &mut Counters);
}

/// What a [`DtlsEngine`] reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DtlsEvent {
    /// The handshake is complete and the peer's certificate matches a fingerprint that it signalled.
    Connected {
        /// Keys for SRTP.
        keys: DtlsKeys,
        /// The peer's certificate, DER.
        remote_certificate: Vec<u8>,
    },
    /// The peer said `close_notify`.
    Closed,
    /// Application data of the peer (SCTP, RFC 8261).
    ApplicationData(Vec<u8>),
}

/// The negotiated SRTP profile and the keying material exported for it (RFC 5764 §4.2).
#[derive(Clone, PartialEq, Eq)]
pub struct DtlsKeys {
    /// The profile.
    pub profile: SrtpProfile,
    /// Client key, server key, client salt, server salt: [`SrtpProfile::keying_material_len`] bytes.
    pub keying_material: Vec<u8>,
}

impl fmt::Debug for DtlsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys must not reach a log.
        f.debug_struct("DtlsKeys").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// Which end of the handshake we are (RFC 5763 §5: `a=setup`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We send the ClientHello (`active`).
    Client,
    /// We wait for the ClientHello (`passive`).
    Server,
}

impl Role {
    /// The peer's role.
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Why an association cannot start or has ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    /// Misuse: this engine has the server role and DTLS 1.2 only.
    #[error("this DTLS engine is a server of DTLS 1.2 only")]
    NotThisEngine,
    /// Outside: the library refused our own configuration.
    #[error("DTLS could not be set up: {0}")]
    Setup(String),
    /// Peer: it offers no SRTP profile that we accept.
    #[error("no common SRTP protection profile")]
    NoCommonSrtpProfile,
    /// Peer: its certificate matches none of the fingerprints that it signalled.
    #[error("the certificate does not match the signalled fingerprint")]
    FingerprintMismatch,
    /// Peer: the handshake or the association failed.
    #[error("DTLS failed: {0}")]
    Peer(String),
    /// Peer: it did not answer although the last flight was repeated as often as allowed.
    #[error("the DTLS handshake timed out")]
    Timeout,
    /// Outside: the library panicked; the association was discarded.
    #[error("the DTLS engine failed")]
    EngineFailed,
}

#[cfg(test)]
pub(crate) mod tests;
