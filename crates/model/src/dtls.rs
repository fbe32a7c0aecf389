//! DTLS as applications see it (RFC 8842).

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::{ModelError, Shown};
use crate::parse::null_as_default;

/// Fingerprints of one peer. More are refused: there are five algorithms.
pub const FINGERPRINTS_MAX: usize = 16;

/// What a peer must know about the other's DTLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(optional_fields)]
pub struct DtlsParameters {
    /// Role. Default: `auto`.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(as = "Option<DtlsRole>")]
    pub role: DtlsRole,
    /// Fingerprints of the certificate, at least one.
    pub fingerprints: Vec<DtlsFingerprint>,
}

/// Who sends the ClientHello (RFC 8842 §5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum DtlsRole {
    /// Not decided; the ICE-controlled side becomes the server.
    #[default]
    Auto,
    /// This side.
    Client,
    /// The other side.
    Server,
}

/// The versions of DTLS that a transport speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
pub enum DtlsVersion {
    /// DTLS 1.2 (RFC 6347) only.
    #[default]
    #[serde(rename = "1.2")]
    Dtls12,
    /// DTLS 1.3 (RFC 9147) only.
    #[serde(rename = "1.3")]
    Dtls13,
    /// DTLS 1.3 with peers that have it, otherwise DTLS 1.2.
    #[serde(rename = "auto")]
    Auto,
}

/// A hash of a certificate (RFC 8122 §5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DtlsFingerprint {
    /// Hash function.
    pub algorithm: FingerprintAlgorithm,
    /// The hash as pairs of hexadecimal digits with colons between them.
    pub value: String,
}

/// Hash function of a fingerprint (RFC 8122 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
pub enum FingerprintAlgorithm {
    /// SHA-1, 20 bytes.
    #[serde(rename = "sha-1")]
    Sha1,
    /// SHA-224, 28 bytes.
    #[serde(rename = "sha-224")]
    Sha224,
    /// SHA-256, 32 bytes.
    #[serde(rename = "sha-256")]
    Sha256,
    /// SHA-384, 48 bytes.
    #[serde(rename = "sha-384")]
    Sha384,
    /// SHA-512, 64 bytes.
    #[serde(rename = "sha-512")]
    Sha512,
}

/// State of DTLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum DtlsState {
    /// The peer's parameters are not known.
    #[default]
    New,
    /// The handshake runs.
    Connecting,
    /// Media can flow.
    Connected,
    /// The handshake failed, or the peer's certificate was not the announced one.
    Failed,
    /// The peer or the application closed it.
    Closed,
}

/// A hash of a certificate as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Hash function.
    pub algorithm: FingerprintAlgorithm,
    /// The hash; as many bytes as the function gives.
    pub digest: Vec<u8>,
}

impl FingerprintAlgorithm {
    /// Every algorithm, weakest first.
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Bytes of a hash.
    pub const fn digest_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl From<&Fingerprint> for DtlsFingerprint {
    fn from(fingerprint: &Fingerprint) -> Self {
        Self::new(fingerprint.algorithm, &fingerprint.digest)
    }
}

impl DtlsFingerprint {
    /// Writes a hash as SDP does: upper case, with colons.
    pub fn new(algorithm: FingerprintAlgorithm, digest: &[u8]) -> Self {
        let pairs: Vec<_> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        Self { algorithm, value: pairs.join(":") }
    }

    /// Reads the hash, in either case.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] where it is not as long as the function's hashes or not hexadecimal.
    pub fn to_checked(&self) -> Result<Fingerprint, ModelError> {
        let bytes = self.algorithm.digest_bytes();
        // The length is compared first, so that a long text is not taken apart.
        let digest = (self.value.len() == bytes * 3 - 1).then(|| self.value.split(':').map(byte).collect());
        match digest.flatten() {
            Some(digest) => Ok(Fingerprint { algorithm: self.algorithm, digest }),
            None => {
                let reason = format!("{} is not {bytes} pairs of hexadecimal digits with colons", Shown(&self.value));
                Err(ModelError::invalid("value", reason))
            }
        }
    }
}

/// One pair of hexadecimal digits.
fn byte(pair: &str) -> Option<u8> {
    let is_pair = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_pair { u8::from_str_radix(pair, 16).ok() } else { None }
}

impl DtlsParameters {
    /// Checks the parameters of a peer and returns the fingerprints that its certificate must match.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] where there is no fingerprint, too many, or a malformed one.
    pub fn to_checked(&self) -> Result<Vec<Fingerprint>, ModelError> {
        if self.fingerprints.is_empty() {
            return Err(ModelError::invalid("dtlsParameters.fingerprints", "is empty; the peer could not be verified"));
        }
        if self.fingerprints.len() > FINGERPRINTS_MAX {
            let reason = format!("has more than {FINGERPRINTS_MAX} entries");
            return Err(ModelError::invalid("dtlsParameters.fingerprints", reason));
        }
        let checked = |(index, fingerprint): (usize, &DtlsFingerprint)| {
            fingerprint.to_checked().map_err(|error| error.within(&format!("dtlsParameters.fingerprints[{index}]")))
        };
        self.fingerprints.iter().enumerate().map(checked).collect()
    }
}

/// Argument of `webRtcTransport.connect()`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WebRtcTransportConnectOptions {
    /// DTLS parameters of the peer.
    pub dtls_parameters: DtlsParameters,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(json: &str) -> Result<Vec<Fingerprint>, ModelError> {
        crate::parse::<DtlsParameters>(json)?.to_checked()
    }

    fn with_value(algorithm: &str, value: &str) -> Result<Vec<Fingerprint>, ModelError> {
        parameters(&format!(r#"{{"fingerprints":[{{"algorithm":"{algorithm}","value":"{value}"}}]}}"#))
    }

    #[test]
    fn a_fingerprint_of_any_case_reads_as_bytes_and_writes_as_sdp() {
        let digest: Vec<u8> = (0..32u8).map(|byte| byte * 8).collect();
        let text = DtlsFingerprint::new(FingerprintAlgorithm::Sha256, &digest).value;
        assert!(text.starts_with("00:08:10:"));
        for value in [text.clone(), text.to_lowercase()] {
            assert_eq!(with_value("sha-256", &value).unwrap()[0].digest, digest);
        }
    }

    #[test]
    fn p03_empty_and_malformed_fingerprints_are_type_errors() {
        let sha1 = DtlsFingerprint::new(FingerprintAlgorithm::Sha1, &[7; 20]).value;
        assert!(with_value("sha-1", &sha1).is_ok());
        let results = [
            parameters(r#"{"fingerprints":[]}"#),
            parameters("{}"),
            with_value("sha-2", &sha1),
            with_value("sha-256", &sha1),
            with_value("sha-1", ""),
            with_value("sha-1", &sha1.replace(':', "")),
            with_value("sha-1", &sha1.replacen("07", "+7", 1)),
            with_value("sha-1", &sha1.replacen("07", "é", 1)),
            with_value("sha-1", &":".repeat(59)),
        ];
        for result in results {
            assert!(
                matches!(result, Err(ModelError::Invalid { path, .. }) if path.contains("fingerprints") || path == "arguments")
            );
        }
    }

    #[test]
    fn a_peer_may_have_either_role_or_leave_it_open() {
        let value = DtlsFingerprint::new(FingerprintAlgorithm::Sha1, &[7; 20]).value;
        let of_role = |role: &str| {
            parameters(&format!(r#"{{"role":"{role}","fingerprints":[{{"algorithm":"sha-1","value":"{value}"}}]}}"#))
        };
        assert!(["client", "server", "auto"].into_iter().all(|role| of_role(role).is_ok()));
        assert!(matches!(of_role("chicken"), Err(ModelError::Invalid { .. })));
    }
}
