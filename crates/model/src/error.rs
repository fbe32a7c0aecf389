//! What is wrong with an argument, in the words and classes that reach an application.

use std::fmt;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Characters of an offending value that a message repeats; the rest is cut, because a value may be megabytes long.
const SHOWN_CHARS_MAX: usize = 80;

/// The JavaScript class of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
pub enum ErrorClass {
    /// An argument is malformed or contradicts another one.
    TypeError,
    /// The request is well formed, but this version or this peer cannot do it.
    UnsupportedError,
    /// A named object does not exist.
    NotFoundError,
    /// The object is in a state in which the request makes no sense.
    InvalidStateError,
    /// The worker was closed or died.
    WorkerClosedError,
    /// Anything else: a limit was hit, or the operating system refused.
    Error,
}

/// Why an argument was refused. Nothing was created or changed.
///
/// Every variant is the caller's to mend: the message names what failed, which value it had, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The argument at `path` is malformed. Class `TypeError`, code `ERR_INVALID_ARGUMENT`.
    #[error("{path}: {reason}")]
    Invalid {
        /// Where, as JavaScript would write it: `rtpParameters.codecs[0].payloadType`.
        path: String,
        /// What is wrong and what is expected.
        reason: String,
    },
    /// The argument at `path` asks for something that is not offered. Class `UnsupportedError`, code
    /// `ERR_UNSUPPORTED`.
    #[error("{path}: {reason}")]
    Unsupported {
        /// The option, as JavaScript would write it: `enableSctp`.
        path: String,
        /// What is not offered and what to ask for instead.
        reason: String,
    },
    /// A bound was hit. Class `Error`, code `ERR_LIMIT_EXCEEDED`.
    #[error("{path}: {reason}")]
    Limit {
        /// What there is too much of.
        path: String,
        /// The bound, and how to stay below it.
        reason: String,
    },
}

impl ModelError {
    /// The argument at `path` is malformed.
    pub fn invalid(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { path: path.into(), reason: reason.into() }
    }

    /// The argument at `path` asks for something that is not offered.
    pub fn unsupported(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unsupported { path: path.into(), reason: reason.into() }
    }

    /// There is too much of what is at `path`.
    pub fn limit(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Limit { path: path.into(), reason: reason.into() }
    }

    /// The class that JavaScript throws.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Invalid { .. } => ErrorClass::TypeError,
            Self::Unsupported { .. } => ErrorClass::UnsupportedError,
            Self::Limit { .. } => ErrorClass::Error,
        }
    }

    /// The stable code, for programs to compare.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "ERR_INVALID_ARGUMENT",
            Self::Unsupported { .. } => "ERR_UNSUPPORTED",
            Self::Limit { .. } => "ERR_LIMIT_EXCEEDED",
        }
    }

    /// Puts `parent` before the path: `codecs[0]` within `rtpParameters` is `rtpParameters.codecs[0]`.
    #[must_use]
    pub fn within(mut self, parent: &str) -> Self {
        let (Self::Invalid { path, .. } | Self::Unsupported { path, .. } | Self::Limit { path, .. }) = &mut self;
        let separator = if path.is_empty() || path.starts_with('[') { "" } else { "." };
        *path = format!("{parent}{separator}{path}");
        self
    }
}

/// Adds the path of the enclosing argument to errors on their way out.
pub trait Within {
    /// Puts `parent` before the error's path.
    #[must_use]
    fn within(self, parent: &str) -> Self;
}

impl<T> Within for Result<T, ModelError> {
    fn within(self, parent: &str) -> Self {
        self.map_err(|error| error.within(parent))
    }
}

/// Writes a value into a message in quotes, cut to a bearable length.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN_CHARS_MAX) {
            Some((end, _)) => write!(f, "{:?}…", self.0.get(..end).unwrap_or_default()),
            None => write!(f, "{:?}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_carries_class_code_and_full_path() {
        let error = ModelError::invalid("codecs[0]", "expected …").within("rtpParameters").within("options");
        assert_eq!(error.class(), ErrorClass::TypeError);
        assert_eq!(error.code(), "ERR_INVALID_ARGUMENT");
        assert_eq!(error.to_string(), "options.rtpParameters.codecs[0]: expected …");
        assert_eq!(ModelError::unsupported("[1]", "x").within("a").to_string(), "a[1]: x");
    }

    #[test]
    fn a_long_value_is_cut_at_a_character() {
        let shown = Shown(&"é".repeat(1_000)).to_string();
        assert_eq!(shown.chars().count(), SHOWN_CHARS_MAX + 3);
    }
}
