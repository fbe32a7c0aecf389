//! SRTP and SRTCP (RFC 3711, RFC 7714) with keys from DTLS (RFC 5764).

pub mod profile;

pub use profile::SrtpProfile;
