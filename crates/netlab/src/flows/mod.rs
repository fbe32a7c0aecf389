//! The congestion controllers that are compared, and what else is on the line.

mod millrace;
#[cfg(feature = "others")]
mod rtc;
#[cfg(feature = "others")]
mod str0m;
mod tcp;

pub use millrace::Millrace;
#[cfg(feature = "others")]
pub use rtc::Rtc;
#[cfg(feature = "others")]
pub use str0m::Str0m;
pub use tcp::Tcp;

use crate::Micros;
use crate::source::SourceKind;

/// What every flow is made from.
#[derive(Clone, Copy, Debug)]
pub struct FlowSettings {
    /// What it sends.
    pub source: SourceKind,
    /// When it begins.
    pub start: Micros,
    /// Decides the sizes of frames.
    pub seed: u64,
}

/// bit/s that all estimators begin with, as str0m's and rtc's own tests do.
pub const INITIAL_BITRATE: u64 = 300_000;
/// bit/s below which no estimator goes.
pub const MIN_BITRATE: u64 = 30_000;
/// bit/s above which no estimator goes.
pub const MAX_BITRATE: u64 = 20_000_000;

/// The contents of a packet of ours and of rtc's: its number and how much of it counts as media.
fn header(number: u64, media_bytes: usize) -> Vec<u8> {
    [&number.to_be_bytes()[..], &(media_bytes as u16).to_be_bytes()].concat()
}

/// Reads [`header`].
fn read_header(bytes: &[u8]) -> Option<(u64, u64)> {
    let (number, rest) = bytes.split_first_chunk()?;
    let (media_bytes, _) = rest.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), u64::from(u16::from_be_bytes(*media_bytes))))
}
