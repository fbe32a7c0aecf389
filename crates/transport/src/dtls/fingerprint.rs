//! Certificate fingerprints (RFC 8122 §5): how signalling and DTLS are tied together.

use aws_lc_rs::digest;
use millrace_model::{Fingerprint, FingerprintAlgorithm};
use subtle::ConstantTimeEq;

/// Fingerprints accepted of one peer.
///
/// RFC 8122 §5 expects one for each hash function, perhaps for a few certificates; a longer list is refused.
const FINGERPRINTS_MAX: usize = 32;

/// The fingerprint of a certificate given as DER.
pub fn fingerprint_of(algorithm: FingerprintAlgorithm, certificate_der: &[u8]) -> Fingerprint {
    let hash = match algorithm {
        // Not used as a signature: the attacker would need a second pre-image.
        FingerprintAlgorithm::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        FingerprintAlgorithm::Sha224 => &digest::SHA224,
        FingerprintAlgorithm::Sha256 => &digest::SHA256,
        FingerprintAlgorithm::Sha384 => &digest::SHA384,
        FingerprintAlgorithm::Sha512 => &digest::SHA512,
    };
    Fingerprint { algorithm, digest: digest::digest(hash, certificate_der).as_ref().to_vec() }
}

/// The fingerprints that a peer signalled: at least one, of which only those of the strongest algorithm count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFingerprints {
    strongest: Vec<Fingerprint>,
}

impl PeerFingerprints {
    /// Takes the signalled list.
    ///
    /// # Errors
    ///
    /// The list is empty (nothing would tie the peer's certificate to its signalling) or has more than 32 entries.
    pub fn new(fingerprints: Vec<Fingerprint>) -> Result<Self, FingerprintError> {
        if fingerprints.len() > FINGERPRINTS_MAX {
            return Err(FingerprintError::TooMany);
        }
        let strongest = fingerprints.iter().map(|fingerprint| fingerprint.algorithm).max();
        let strongest = strongest.ok_or(FingerprintError::Empty)?;
        let strongest = fingerprints.into_iter().filter(|fingerprint| fingerprint.algorithm == strongest).collect();
        Ok(Self { strongest })
    }

    /// Tells in constant time whether a certificate given as DER is one that the peer announced.
    ///
    /// RFC 8122 §5: where several hash functions were signalled, a match of the preferred one decides, so that a weak
    /// hash beside a strong one is no way in.
    pub fn matches(&self, certificate_der: &[u8]) -> bool {
        self.strongest.iter().any(|fingerprint| {
            let actual = fingerprint_of(fingerprint.algorithm, certificate_der);
            bool::from(fingerprint.digest.ct_eq(&actual.digest))
        })
    }
}

/// Why a list of fingerprints was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// Misuse: no fingerprint was given.
    #[error("empty list of fingerprints")]
    Empty,
    /// Limit: more fingerprints than a peer can have reason to send.
    #[error("too many fingerprints")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use millrace_model::DtlsFingerprint;

    use super::*;

    /// FIPS 180-2: the digests of "abc".
    const ABC_SHA1: &str = "A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D";
    const ABC_SHA224: &str = "23:09:7D:22:34:05:D8:22:86:42:A4:77:BD:A2:55:B3:2A:AD:BC:E4:BD:A0:B3:F7:E3:6C:9D:A7";

    #[test]
    fn a_fingerprint_is_the_hash_of_the_certificate() {
        let written = |algorithm| DtlsFingerprint::from(&fingerprint_of(algorithm, b"abc")).value;
        assert_eq!(written(FingerprintAlgorithm::Sha1), ABC_SHA1);
        assert_eq!(written(FingerprintAlgorithm::Sha224), ABC_SHA224);
    }

    #[test]
    fn every_algorithm_is_read_back_and_matches_only_its_certificate() {
        for algorithm in FingerprintAlgorithm::ALL {
            let written = DtlsFingerprint::from(&fingerprint_of(algorithm, b"certificate"));
            let read = PeerFingerprints::new(vec![written.to_checked().unwrap()]).unwrap();
            assert!(read.matches(b"certificate") && !read.matches(b"certificatf"));
        }
    }

    #[test]
    fn an_empty_list_and_an_endless_one_are_refused() {
        assert_eq!(PeerFingerprints::new(vec![]), Err(FingerprintError::Empty));
        let one = fingerprint_of(FingerprintAlgorithm::Sha256, b"abc");
        assert_eq!(PeerFingerprints::new(vec![one; FINGERPRINTS_MAX + 1]), Err(FingerprintError::TooMany));
    }

    #[test]
    fn a_matching_weak_hash_does_not_outweigh_a_strong_one_that_differs() {
        let weak = fingerprint_of(FingerprintAlgorithm::Sha1, b"mine");
        let strong = fingerprint_of(FingerprintAlgorithm::Sha256, b"another");
        let both = PeerFingerprints::new(vec![weak.clone(), strong]).unwrap();
        assert!(both.matches(b"another") && !both.matches(b"mine"));
        assert!(PeerFingerprints::new(vec![weak]).unwrap().matches(b"mine"));
    }
}
