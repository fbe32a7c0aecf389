//! A worker's certificate: made at start, or given as PEM.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::{rsa, signature};
use millrace_model::{Fingerprint, FingerprintAlgorithm};
use rtc_crypto::{RTCCryptoProvider, SignatureScheme, SigningKey};
use rtc_dtls::crypto::Certificate;

use super::dimpl::Identity;
use super::fingerprint_of;

/// Certificates accepted in one PEM chain. WebRTC peers look at the first only.
const CHAIN_CERTIFICATES_MAX: usize = 8;
/// Bytes of PEM text accepted for a chain or a key.
const PEM_BYTES_MAX: usize = 64 * 1024;

/// A certificate with its private key, shared by all transports of a worker.
#[derive(Clone)]
pub struct LocalCertificate {
    shared: Arc<Shared>,
}

struct Shared {
    certificate: Certificate,
    crypto: Arc<dyn RTCCryptoProvider>,
    fingerprints: Vec<Fingerprint>,
    /// Made when it is first asked for, since the library tests itself then; `None` in it when the key does not suit.
    identity: OnceLock<Option<Identity>>,
}

impl LocalCertificate {
    /// Makes a self-signed certificate with a new ECDSA P-256 key (RFC 8827 §6.5). Takes well under a millisecond.
    ///
    /// # Errors
    ///
    /// The cryptographic library refused, for example for want of entropy.
    pub fn generate() -> Result<Self, CertificateError> {
        let crypto = provider()?;
        let certificate = Certificate::generate_self_signed(vec!["millrace".to_owned()], crypto.crypto())
            .map_err(|error| CertificateError::Library(error.to_string()))?;
        Self::from_parts(certificate, crypto)
    }

    /// Takes the contents of a PEM certificate file (the chain, ours first) and of a PEM private key file: ECDSA P-256,
    /// RSA or Ed25519, unencrypted, PKCS #8, SEC 1 or PKCS #1.
    ///
    /// # Errors
    ///
    /// A file cannot be read as that, or the key is not the certificate's.
    pub fn from_pem(certificate_pem: &str, private_key_pem: &str) -> Result<Self, CertificateError> {
        let chain = parse_chain(certificate_pem)?;
        let crypto = provider()?;
        let key = import_key(private_key_pem, &*crypto)?;
        // The public key stands in the certificate as it is here, byte for byte (RFC 5280 §4.1.2.7).
        let public_key = key.public_key().bytes.to_vec();
        let leaf = chain.first().ok_or(CertificateError::MalformedCertificate)?;
        if !leaf.windows(public_key.len()).any(|window| window == public_key) {
            return Err(CertificateError::KeyOfAnotherCertificate);
        }
        let chain = chain.into_iter().map(Into::into).collect();
        Self::from_parts(Certificate::from_signing_key(chain, key), crypto)
    }

    fn from_parts(certificate: Certificate, crypto: Arc<dyn RTCCryptoProvider>) -> Result<Self, CertificateError> {
        let der = certificate.certificate.first().ok_or(CertificateError::MalformedCertificate)?;
        let fingerprints = FingerprintAlgorithm::ALL.map(|algorithm| fingerprint_of(algorithm, der)).to_vec();
        Ok(Self { shared: Arc::new(Shared { certificate, crypto, fingerprints, identity: OnceLock::new() }) })
    }

    /// The fingerprints to signal, one for each [`FingerprintAlgorithm`], weakest first.
    pub fn fingerprints(&self) -> &[Fingerprint] {
        &self.shared.fingerprints
    }

    pub(super) fn certificate(&self) -> &Certificate {
        &self.shared.certificate
    }

    /// The certificate as the engine over dimpl takes it; `None` when its key is not ECDSA on P-256.
    pub(super) fn identity(&self) -> Option<&Identity> {
        let Shared { certificate, identity, .. } = &*self.shared;
        let make = || {
            let key = certificate.private_key.signing_key.to_pkcs8_der().ok()??;
            Identity::new(certificate.certificate.first()?.to_vec(), key.as_ref().to_vec())
        };
        identity.get_or_init(make).as_ref()
    }

    pub(super) fn crypto(&self) -> &Arc<dyn RTCCryptoProvider> {
        &self.shared.crypto
    }
}

impl fmt::Debug for LocalCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalCertificate").finish_non_exhaustive()
    }
}

/// Writes a certificate given as DER as PEM (RFC 7468 §5).
pub fn certificate_pem(certificate_der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", certificate_der), config)
}

fn provider() -> Result<Arc<dyn RTCCryptoProvider>, CertificateError> {
    rtc_crypto::default_provider().map_err(|error| CertificateError::Library(error.to_string()))
}

fn parse_chain(certificate_pem: &str) -> Result<Vec<Vec<u8>>, CertificateError> {
    let blocks = parse_pem(certificate_pem).ok_or(CertificateError::MalformedCertificate)?;
    let certificates = blocks.into_iter().filter(|block| block.tag() == "CERTIFICATE");
    let chain: Vec<Vec<u8>> = certificates.map(pem::Pem::into_contents).collect();
    if chain.is_empty() || chain.len() > CHAIN_CERTIFICATES_MAX {
        return Err(CertificateError::MalformedCertificate);
    }
    Ok(chain)
}

fn import_key(private_key_pem: &str, crypto: &dyn RTCCryptoProvider) -> Result<Arc<dyn SigningKey>, CertificateError> {
    let blocks = parse_pem(private_key_pem).ok_or(CertificateError::MalformedKey)?;
    // OpenSSL writes an "EC PARAMETERS" block before a key.
    let key = blocks.iter().find(|block| block.tag().ends_with("PRIVATE KEY")).ok_or(CertificateError::MalformedKey)?;
    let pkcs8 = match key.tag() {
        "PRIVATE KEY" => Some(key.contents().to_vec()),
        "EC PRIVATE KEY" => ec_to_pkcs8(key.contents()),
        "RSA PRIVATE KEY" => rsa_to_pkcs8(key.contents()),
        _ => None,
    };
    let pkcs8 = pkcs8.ok_or(CertificateError::MalformedKey)?;
    [SignatureScheme::EcdsaP256Sha256, SignatureScheme::Ed25519, SignatureScheme::RsaPkcs1Sha256]
        .into_iter()
        .find_map(|scheme| crypto.crypto().import_signing_key(scheme, &pkcs8).ok())
        .ok_or(CertificateError::MalformedKey)
}

fn ec_to_pkcs8(sec1: &[u8]) -> Option<Vec<u8>> {
    let key = signature::EcdsaKeyPair::from_private_key_der(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, sec1).ok()?;
    Some(key.to_pkcs8v1().ok()?.as_ref().to_vec())
}

fn rsa_to_pkcs8(pkcs1: &[u8]) -> Option<Vec<u8>> {
    let key = rsa::KeyPair::from_der(pkcs1).ok()?;
    let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = key.as_der().ok()?;
    Some(pkcs8.as_ref().to_vec())
}

fn parse_pem(text: &str) -> Option<Vec<pem::Pem>> {
    if text.len() > PEM_BYTES_MAX {
        return None;
    }
    pem::parse_many(text).ok()
}

/// Why a certificate could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Misuse: not a PEM certificate, none in the file, or more than 8.
    #[error("malformed certificate")]
    MalformedCertificate,
    /// Misuse: not an unencrypted ECDSA P-256, RSA or Ed25519 key in PEM.
    #[error("malformed or unsupported private key")]
    MalformedKey,
    /// Misuse: the private key does not belong to the certificate.
    #[error("the private key does not belong to the certificate")]
    KeyOfAnotherCertificate,
    /// Outside: the cryptographic library refused.
    #[error("the certificate could not be made: {0}")]
    Library(String),
}

#[cfg(test)]
mod tests {
    use millrace_model::DtlsFingerprint;

    use super::*;

    #[test]
    fn every_certificate_is_new_and_has_all_fingerprints() {
        let (one, other) = (LocalCertificate::generate().unwrap(), LocalCertificate::generate().unwrap());
        let algorithms: Vec<_> = one.fingerprints().iter().map(|fingerprint| fingerprint.algorithm).collect();
        assert_eq!(algorithms, FingerprintAlgorithm::ALL);
        assert_ne!(one.fingerprints(), other.fingerprints());
    }

    #[test]
    fn a_certificate_and_its_key_are_read_from_pem() {
        let expected =
            "59:25:2D:47:D3:CC:12:5E:2F:82:47:DD:A4:42:03:AB:7B:BE:C7:8A:A2:9E:D0:24:44:7C:A0:DC:03:D3:5C:FF";
        for key in [EC_KEY_PKCS8, EC_KEY_SEC1] {
            let certificate = LocalCertificate::from_pem(EC_CERTIFICATE, key).unwrap();
            assert!(DtlsFingerprint::from(&certificate.fingerprints()[2]).value == expected);
        }
    }

    #[test]
    fn rsa_keys_are_read_in_both_encodings() {
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let crypto = provider().unwrap();
        let pkcs8_pem = pem::encode(&pem::Pem::new("PRIVATE KEY", pkcs8.as_ref()));
        let imported = import_key(&pkcs8_pem, &*crypto).unwrap();
        // The PKCS #1 key ends a PKCS #8 one (RFC 5958 §2): version, algorithm and octet string take 26 bytes.
        let pkcs1_pem = pem::encode(&pem::Pem::new("RSA PRIVATE KEY", &pkcs8.as_ref()[26..]));
        assert_eq!(import_key(&pkcs1_pem, &*crypto).unwrap().public_key().bytes, imported.public_key().bytes);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let other = LocalCertificate::generate().unwrap();
        let key = other.certificate().private_key.signing_key.to_pkcs8_der().unwrap().unwrap();
        let key = pem::encode(&pem::Pem::new("PRIVATE KEY", key.as_ref()));
        let refused = LocalCertificate::from_pem(EC_CERTIFICATE, &key);
        assert_eq!(refused.err(), Some(CertificateError::KeyOfAnotherCertificate));
    }

    #[test]
    fn malformed_pem_is_refused() {
        let huge = "-".repeat(PEM_BYTES_MAX + 1);
        for certificate in ["", "-----BEGIN CERTIFICATE-----", EC_KEY_PKCS8, &huge, &EC_CERTIFICATE.repeat(9)] {
            let refused = LocalCertificate::from_pem(certificate, EC_KEY_PKCS8);
            assert_eq!(refused.err(), Some(CertificateError::MalformedCertificate));
        }
        let encrypted = EC_KEY_PKCS8.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        for key in ["", EC_CERTIFICATE, &encrypted, &EC_KEY_PKCS8.replace("PRIVATE", "RSA PRIVATE")] {
            let refused = LocalCertificate::from_pem(EC_CERTIFICATE, key);
            assert_eq!(refused.err(), Some(CertificateError::MalformedKey));
        }
    }

    #[test]
    fn a_remote_certificate_is_written_as_pem() {
        let der = parse_chain(EC_CERTIFICATE).unwrap().remove(0);
        assert_eq!(certificate_pem(&der), EC_CERTIFICATE);
    }

    /// Made by `openssl req -x509` for these tests; `expected` above is from `openssl x509 -fingerprint -sha256`.
    const EC_CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUYWlXUiVe/qQ6FLJOz43tbvKqQg0wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjExMzQ5MDJaGA8yMTI2MTAyODEzNDkw
MlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMcD
/ZdUXVpCmxteRQQiN37owkglDCeB5OJDu2we4g+b6GSImTjZ/Ful20e2GvNMuJNK
1lEhxxOMoZDUCrcvc2ujUzBRMB0GA1UdDgQWBBTv8OwjgEKtzdKWrYGM1hwYmJcJ
1DAfBgNVHSMEGDAWgBTv8OwjgEKtzdKWrYGM1hwYmJcJ1DAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIDM9dfYQ71imCxsnEYyo7QzcsIgtf8apLZY6
QFeJzfuxAiEAiDTx9uT44xbksg1ibHCF9STB3M8JDYYUtSIg9vJQ+Do=
-----END CERTIFICATE-----
";

    /// Its key; a test key, in no use.
    const EC_KEY_PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2nFBdLgugZj/vPGs
quuK3Yi/5pi+JFSYLUB05LERvj6hRANCAATHA/2XVF1aQpsbXkUEIjd+6MJIJQwn
geTiQ7tsHuIPm+hkiJk42fxbpdtHthrzTLiTStZRIccTjKGQ1Aq3L3Nr
-----END PRIVATE KEY-----
";

    /// The same key as `openssl ecparam -genkey` writes it.
    const EC_KEY_SEC1: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEINpxQXS4LoGY/7zxrKrrit2Iv+aYviRUmC1AdOSxEb4+oAoGCCqGSM49
AwEHoUQDQgAExwP9l1RdWkKbG15FBCI3fujCSCUMJ4Hk4kO7bB7iD5voZIiZONn8
W6XbR7Ya80y4k0rWUSHHE4yhkNQKty9zaw==
-----END EC PRIVATE KEY-----
";
}
