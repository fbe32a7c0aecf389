//! When two codecs are the same codec.

use super::h264;
use crate::rtp::{Parameters, RtpCodecCapability, RtpCodecParameters};

/// What of a codec decides whether it matches another.
#[derive(Clone, Copy)]
pub(super) struct Codec<'a> {
    mime_type: &'a str,
    clock_rate: u32,
    channels: Option<u8>,
    parameters: &'a Parameters,
}

impl<'a> From<&'a RtpCodecCapability> for Codec<'a> {
    fn from(codec: &'a RtpCodecCapability) -> Self {
        let RtpCodecCapability { mime_type, clock_rate, channels, parameters, .. } = codec;
        Self { mime_type, clock_rate: *clock_rate, channels: *channels, parameters }
    }
}

impl<'a> From<&'a RtpCodecParameters> for Codec<'a> {
    fn from(codec: &'a RtpCodecParameters) -> Self {
        let RtpCodecParameters { mime_type, clock_rate, channels, parameters, .. } = codec;
        Self { mime_type, clock_rate: *clock_rate, channels: *channels, parameters }
    }
}

impl Codec<'_> {
    /// Whether both are the same codec, in whatever profile.
    pub(super) fn is_same_codec(self, other: Codec<'_>) -> bool {
        self.mime_type.eq_ignore_ascii_case(other.mime_type)
            && self.clock_rate == other.clock_rate
            && self.channels.unwrap_or(1) == other.channels.unwrap_or(1)
            && (!self.is("audio/multiopus") || self.has_same_streams(other))
    }

    /// Whether what one sends the other can decode.
    pub(super) fn is_compatible(self, other: Codec<'_>) -> bool {
        self.is_same_codec(other) && self.has_same_profile(other)
    }

    /// Whether both split their channels into Opus streams alike.
    fn has_same_streams(self, other: Codec<'_>) -> bool {
        let same = |name| self.parameters.get(name) == other.parameters.get(name);
        same("num_streams") && same("coupled_streams")
    }

    /// Whether both mean the same profile of their codec. Levels and tiers only bound what a receiver must expect, so
    /// they need not agree.
    fn has_same_profile(self, other: Codec<'_>) -> bool {
        let same_or = |name, default| {
            let profile = self.parameters.u32_or(name, default);
            profile.is_some() && profile == other.parameters.u32_or(name, default)
        };
        let same = |name| same_or(name, 0);
        if self.is("video/h264") {
            same("packetization-mode") && h264::is_same_profile(self.parameters, other.parameters)
        } else if self.is("video/vp9") {
            same("profile-id")
        } else if self.is("video/av1") {
            same("profile")
        } else if self.is("video/h265") {
            // RFC 7798 §7.1: Main where it is absent.
            same_or("profile-id", 1)
        } else {
            true
        }
    }

    /// Whether the media type is `mime_type`, in any case.
    fn is(self, mime_type: &str) -> bool {
        self.mime_type.eq_ignore_ascii_case(mime_type)
    }
}
