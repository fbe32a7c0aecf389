//! Scalability modes as WebRTC SVC names them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Layers within one RTP stream (W3C WebRTC SVC, scalability modes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ScalabilityMode {
    /// Spatial layers, 1–99.
    pub spatial_layers: u8,
    /// Temporal layers, 1–99.
    pub temporal_layers: u8,
    /// Whether spatial layers depend on each other only in key frames (`_KEY`).
    pub ksvc: bool,
}

impl ScalabilityMode {
    /// One spatial and one temporal layer.
    pub const SINGLE: Self = Self { spatial_layers: 1, temporal_layers: 1, ksvc: false };
}

/// Parses `L3T2_KEY` and the like; `S` reads like `L`, and what follows the mode is ignored. Anything else has one
/// layer of each.
pub fn parse_scalability_mode(text: &str) -> ScalabilityMode {
    mode(text).unwrap_or(ScalabilityMode::SINGLE)
}

/// The mode that `text` starts with.
fn mode(text: &str) -> Option<ScalabilityMode> {
    let (spatial_layers, rest) = layers(text.strip_prefix(['L', 'S'])?)?;
    let (temporal_layers, rest) = layers(rest.strip_prefix('T')?)?;
    Some(ScalabilityMode { spatial_layers, temporal_layers, ksvc: rest.starts_with("_KEY") })
}

/// A number of one or two digits that does not start with 0, and what follows it.
fn layers(text: &str) -> Option<(u8, &str)> {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    if number.starts_with('0') {
        return None;
    }
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_and_everything_else_is_single() {
        let mode = |spatial_layers, temporal_layers, ksvc| ScalabilityMode { spatial_layers, temporal_layers, ksvc };
        for (text, expected) in [
            ("L1T3", mode(1, 3, false)),
            ("S3T3", mode(3, 3, false)),
            ("L3T2_KEY", mode(3, 2, true)),
            ("L4T7_KEY_SHIFT", mode(4, 7, true)),
            ("L20T3", mode(20, 3, false)),
            ("L99T99", mode(99, 99, false)),
            ("L1T100", mode(1, 10, false)),
        ] {
            assert_eq!(parse_scalability_mode(text), expected, "{text}");
        }
        for text in ["", "L", "L1", "L1T", "L0T1", "L1T0", "L100T1", "l1t1", "X2T2", "LéT1", "L1Té", " L2T2"] {
            assert_eq!(parse_scalability_mode(text), ScalabilityMode::SINGLE, "{text}");
        }
    }
}
