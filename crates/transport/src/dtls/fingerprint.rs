//! Certificate fingerprints (RFC 8122 §5): how signalling and DTLS are tied together.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use subtle::ConstantTimeEq;

/// Fingerprints accepted of one peer.
///
/// RFC 8122 §5 expects one for each hash function, perhaps for a few certificates; a longer list is refused.
const FINGERPRINTS_MAX: usize = 32;

/// A hash function of RFC 8122 §5, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FingerprintAlgorithm {
    /// `sha-1`.
    Sha1,
    /// `sha-224`.
    Sha224,
    /// `sha-256`.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl FingerprintAlgorithm {
    /// Every algorithm, weakest first.
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The name in `a=fingerprint`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn hash(self) -> &'static digest::Algorithm {
        match self {
            // Not used as a signature: the attacker would need a second pre-image.
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

impl FromStr for FingerprintAlgorithm {
    type Err = FingerprintError;

    fn from_str(name: &str) -> Result<Self, FingerprintError> {
        let known = Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name));
        known.ok_or(FingerprintError::UnknownAlgorithm)
    }
}

/// The hash of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    algorithm: FingerprintAlgorithm,
    value: Vec<u8>,
}

impl Fingerprint {
    /// Hashes a certificate given as DER.
    pub fn of(algorithm: FingerprintAlgorithm, certificate_der: &[u8]) -> Self {
        Self { algorithm, value: digest::digest(algorithm.hash(), certificate_der).as_ref().to_vec() }
    }

    /// Reads the two parts of `a=fingerprint`, for example `"sha-256"` and `"4A:AD:…"`; case does not matter.
    ///
    /// # Errors
    ///
    /// The algorithm is unknown, or the value is not as many colon-separated hexadecimal pairs as it needs.
    pub fn parse(algorithm: &str, value: &str) -> Result<Self, FingerprintError> {
        let algorithm: FingerprintAlgorithm = algorithm.parse()?;
        let len = algorithm.hash().output_len();
        if value.len() != len * 3 - 1 {
            return Err(FingerprintError::MalformedValue);
        }
        let value = value.split(':').map(byte).collect::<Option<Vec<u8>>>().ok_or(FingerprintError::MalformedValue)?;
        if value.len() == len { Ok(Self { algorithm, value }) } else { Err(FingerprintError::MalformedValue) }
    }

    /// The hash function.
    pub fn algorithm(&self) -> FingerprintAlgorithm {
        self.algorithm
    }

    /// Tells in constant time whether this is the fingerprint of a certificate given as DER.
    pub fn matches(&self, certificate_der: &[u8]) -> bool {
        let other = Self::of(self.algorithm, certificate_der);
        bool::from(self.value.ct_eq(&other.value))
    }
}

/// Writes the value as `a=fingerprint` has it: `4A:AD:…`, upper case.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.value.iter().enumerate() {
            let separator = if index == 0 { "" } else { ":" };
            write!(f, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

fn byte(pair: &str) -> Option<u8> {
    let all_digits = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
    all_digits.then(|| u8::from_str_radix(pair, 16).ok())?
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

    /// Tells whether a certificate given as DER is one that the peer announced.
    ///
    /// RFC 8122 §5: where several hash functions were signalled, a match of the preferred one decides, so that a weak
    /// hash beside a strong one is no way in.
    pub fn matches(&self, certificate_der: &[u8]) -> bool {
        self.strongest.iter().any(|fingerprint| fingerprint.matches(certificate_der))
    }
}

/// Why a fingerprint or a list of them was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// Misuse: not one of sha-1, sha-224, sha-256, sha-384, sha-512.
    #[error("unknown fingerprint algorithm")]
    UnknownAlgorithm,
    /// Misuse: not the right number of colon-separated hexadecimal pairs.
    #[error("malformed fingerprint value")]
    MalformedValue,
    /// Misuse: no fingerprint was given.
    #[error("empty list of fingerprints")]
    Empty,
    /// Limit: more fingerprints than a peer can have reason to send.
    #[error("too many fingerprints")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2: the digests of "abc".
    const ABC_SHA1: &str = "A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D";
    const ABC_SHA224: &str = "23:09:7D:22:34:05:D8:22:86:42:A4:77:BD:A2:55:B3:2A:AD:BC:E4:BD:A0:B3:F7:E3:6C:9D:A7";

    #[test]
    fn fingerprints_are_upper_case_pairs_with_colons() {
        assert_eq!(Fingerprint::of(FingerprintAlgorithm::Sha1, b"abc").to_string(), ABC_SHA1);
        assert_eq!(Fingerprint::of(FingerprintAlgorithm::Sha224, b"abc").to_string(), ABC_SHA224);
    }

    #[test]
    fn every_algorithm_is_read_back_and_matches_only_its_certificate() {
        for algorithm in FingerprintAlgorithm::ALL {
            let written = Fingerprint::of(algorithm, b"certificate").to_string();
            let read = Fingerprint::parse(algorithm.name(), &written.to_lowercase()).unwrap();
            assert!(read.matches(b"certificate") && !read.matches(b"certificatf"));
        }
    }

    #[test]
    fn malformed_fingerprints_are_refused() {
        let value = ABC_SHA1;
        assert_eq!(Fingerprint::parse("md5", value), Err(FingerprintError::UnknownAlgorithm));
        for malformed in
            ["", ":", &value[1..], &value[..value.len() - 3], &value.replace(':', "-"), &value.replace('A', "G")]
        {
            assert_eq!(Fingerprint::parse("sha-1", malformed), Err(FingerprintError::MalformedValue), "{malformed}");
        }
        assert_eq!(Fingerprint::parse("sha-1", &value.replace("A9", "+9")), Err(FingerprintError::MalformedValue));
        assert_eq!(Fingerprint::parse("sha-1", &value.replace("A9:", "é:")), Err(FingerprintError::MalformedValue));
        assert_eq!(
            Fingerprint::parse("sha-1", &value.replace("A9:99", "A:999")),
            Err(FingerprintError::MalformedValue)
        );
    }

    #[test]
    fn an_empty_list_and_an_endless_one_are_refused() {
        assert_eq!(PeerFingerprints::new(vec![]), Err(FingerprintError::Empty));
        let one = Fingerprint::of(FingerprintAlgorithm::Sha256, b"abc");
        assert_eq!(PeerFingerprints::new(vec![one; FINGERPRINTS_MAX + 1]), Err(FingerprintError::TooMany));
    }

    #[test]
    fn a_matching_weak_hash_does_not_outweigh_a_strong_one_that_differs() {
        let weak = Fingerprint::of(FingerprintAlgorithm::Sha1, b"mine");
        let strong = Fingerprint::of(FingerprintAlgorithm::Sha256, b"another");
        let both = PeerFingerprints::new(vec![weak.clone(), strong]).unwrap();
        assert!(both.matches(b"another") && !both.matches(b"mine"));
        assert!(PeerFingerprints::new(vec![weak]).unwrap().matches(b"mine"));
    }
}
