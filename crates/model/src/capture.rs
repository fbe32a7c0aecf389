//! Capture of a transport's packets: options.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::ModelError;

/// Bytes of a capture's file, unless options say otherwise: a quarter of an hour of 1 Mbit/s.
pub const CAPTURE_BYTES_DEFAULT: u64 = 100_000_000;

/// Longest file that a capture may write, in bytes. Options that ask for more are refused.
pub const CAPTURE_BYTES_MAX: u64 = 1 << 40;

/// Options of `transport.startCapture()`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct CaptureOptions {
    /// The file, which is made or written over.
    pub file: String,
    /// Longest that the file becomes, in bytes, 1–2^40; what comes then is counted and left out. Default: 100000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
}

/// What a capture came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CaptureSummary {
    /// Packets in the file.
    pub packets: u64,
    /// Packets that were left out, because the file was as long as it may be or the disk too slow.
    pub dropped: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

impl CaptureOptions {
    /// Checks the options; returns the file and its longest length.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] for an empty name or a length out of range.
    pub fn into_checked(self) -> Result<(String, u64), ModelError> {
        if self.file.is_empty() || self.file.contains('\0') {
            return Err(ModelError::invalid("file", "is not the name of a file"));
        }
        let bytes_max = self.max_bytes.unwrap_or(CAPTURE_BYTES_DEFAULT);
        if !(1..=CAPTURE_BYTES_MAX).contains(&bytes_max) {
            return Err(ModelError::invalid("maxBytes", format!("{bytes_max} is not within 1–{CAPTURE_BYTES_MAX}")));
        }
        Ok((self.file, bytes_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p03_names_and_lengths_that_make_no_sense_are_refused() {
        let checked = |json: &str| crate::parse::<CaptureOptions>(json).and_then(CaptureOptions::into_checked);
        assert_eq!(checked(r#"{"file":"a"}"#).unwrap(), ("a".to_owned(), CAPTURE_BYTES_DEFAULT));
        for wrong in [
            r#"{}"#,
            r#"{"file":""}"#,
            r#"{"file":1}"#,
            r#"{"file":"a","maxBytes":0}"#,
            r#"{"file":"a","maxBytes":-1}"#,
        ] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
    }
}
