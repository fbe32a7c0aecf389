//! The TypeScript declarations of this crate's types, so that both languages have one source.

use ts_rs::{Config, TS};

use crate::rtp::RTP_HEADER_EXTENSION_URIS;

/// First lines of the generated file.
const HEADER: &str = "// Generated from crates/model; run `cargo xtask generate`. Do not edit.\n";

/// Types that only TypeScript needs: mediasoup has them, and they are made of others.
const ALIASES: [(&str, &str, &str); 7] = [
    ("ConsumerStat", "Statistics of a consumer's stream.", "RtpStreamSendStats"),
    ("DataConsumerType", "How messages leave the worker.", "DataProducerType"),
    ("ProducerStat", "Statistics of one of a producer's streams.", "RtpStreamRecvStats"),
    (
        "RouterRtpCapabilities",
        "Capabilities in which payload types are optional, as `getSupportedRtpCapabilities()` returns them.",
        "Omit<RtpCapabilities, \"codecs\"> & { codecs?: Array<RouterRtpCodecCapability> }",
    ),
    (
        "RouterRtpCodecCapability",
        "A codec for the `mediaCodecs` of a router, which chooses a payload type where none is preferred.",
        "Omit<RtpCodecCapability, \"preferredPayloadType\"> & { preferredPayloadType?: number }",
    ),
    ("TransportType", "Kind of transport.", "\"webrtc\" | \"plain\" | \"pipe\" | \"direct\""),
    (
        "WebRtcServerListenInfo",
        "One address of a WebRtcServer.\n *\n * @deprecated Use `TransportListenInfo`.",
        "TransportListenInfo",
    ),
];

/// Writes the declarations of all types that cross to JavaScript as one TypeScript module, sorted by name.
///
/// The text is the same at every call, so that a check can compare it with the committed file.
pub fn typescript() -> String {
    let mut declarations = declarations();
    declarations.extend(ALIASES.map(|(name, docs, definition)| alias(name, docs, definition)));
    let uris: String = RTP_HEADER_EXTENSION_URIS.map(|uri| format!("\n  | \"{uri}\"")).concat();
    declarations.push(alias("RtpHeaderExtensionUri", "URIs of the header extensions that a router knows.", &uris));
    declarations.sort();
    let body: Vec<_> = declarations.into_iter().map(|(_, text)| text).collect();
    format!("{HEADER}\n{}", body.join("\n"))
}

/// The name and the text of a declaration.
type Declaration = (String, String);

/// A declaration that no Rust type has.
fn alias(name: &str, docs: &str, definition: &str) -> Declaration {
    (name.to_owned(), format!("/** {docs} */\nexport type {name} = {definition};\n"))
}

/// The declaration of `T`, with its documentation.
fn declaration<T: TS + 'static>(config: &Config) -> Declaration {
    let text = format!("{}export {}", T::docs().unwrap_or_default(), T::decl(config));
    (T::ident(config), indented(&text))
}

/// Indents the fields of a declaration and writes a comment of one line as one line. Relies on every field having a
/// comment, which puts each field on a line of its own.
fn indented(declaration: &str) -> String {
    let mut text = String::new();
    let mut indent = "";
    let mut comment: Vec<&str> = Vec::new();
    for line in declaration.lines().map(str::trim) {
        if line == "*/" {
            text.push_str(&comment_text(&comment, indent));
            comment.clear();
        } else if line == "/**" || !comment.is_empty() {
            comment.push(line);
        } else if let Some(last_field) = line.strip_suffix(", };") {
            text.push_str(&format!("{indent}{last_field};\n}};\n"));
        } else {
            text.push_str(&format!(
                "{indent}{}\n",
                line.strip_suffix(',').map_or(line.to_owned(), |line| format!("{line};"))
            ));
            indent = if line.ends_with('{') { "  " } else { indent };
        }
    }
    text
}

/// A comment from its lines, of which the first only opens it.
fn comment_text(lines: &[&str], indent: &str) -> String {
    if let [_, line] = lines {
        return format!("{indent}/** {} */\n", line.trim_start_matches("* "));
    }
    let continued =
        |line: &&str| if line.starts_with('*') { format!("{indent} {line}\n") } else { format!("{indent}{line}\n") };
    lines.iter().map(continued).chain([format!("{indent} */\n")]).collect()
}

macro_rules! declared_types {
    ($($module:ident::{$($name:ident),+ $(,)?}),+ $(,)?) => {
        /// The declaration of every type that crosses to JavaScript.
        fn declarations() -> Vec<Declaration> {
            // Every whole number here is far below 2^53, where JavaScript's numbers are exact.
            let config = Config::new().with_large_int("number");
            vec![$($(declaration::<crate::$module::$name>(&config)),+),+]
        }
    };
}

declared_types! {
    audio_mixer::{
        AudioMixerCodec, MixerIsolation, AudioMixerInputOptions, AudioMixerInputStats, AudioMixerOptions, AudioMixerOutputOptions,
        AudioMixerOutputStats, AudioMixerStats, PcmFormat,
    },
    capture::{CaptureOptions, CaptureSummary},
    consumer::{
        ConsumerDump, ConsumerLayers, ConsumerOptions, ConsumerScore, ConsumerTraceEventData, ConsumerTraceEventType,
        ConsumerType, RtpNumbering,
    },
    data_consumer::{DataConsumerDump, DataConsumerOptions, DataConsumerStat},
    data_producer::{DataProducerDump, DataProducerOptions, DataProducerStat, DataProducerType},
    direct_transport::{DirectTransportDump, DirectTransportOptions, DirectTransportStat},
    dtls::{
        DtlsFingerprint, DtlsParameters, DtlsRole, DtlsState, DtlsVersion, FingerprintAlgorithm, WebRtcTransportConnectOptions,
    },
    error::{ErrorClass},
    ice::{IceCandidate, IceCandidateTcpType, IceCandidateType, IceParameters, IceRole, IceState},
    id::{
        AudioMixerId, AudioMixerInputId, AudioMixerOutputId, ConsumerId, DataConsumerId, DataProducerId, ProducerId, RouterId, RtpObserverId, TransportId, VideoMixerId, VideoMixerInputId, VideoMixerOutputId, WebRtcServerId,
    },
    listen::{
        TransportListenInfo, TransportListenIp, TransportListenIpOrText, TransportPortRange, TransportProtocol,
        TransportSocketFlags,
    },
    metrics::{Metrics, TransportMetrics},
    ortc::{CodecMapping, EncodingMapping, RtpCodecsEncodingsMapping},
    pipe_transport::{PipeConsumerOptions, PipeTransportDump, PipeTransportOptions, PipeTransportStat},
    plain_transport::{
        PlainTransportConnectOptions, PlainTransportDump, PlainTransportOptions, PlainTransportStat,
    },
    producer::{
        ProducerDump, ProducerOptions, ProducerScore, ProducerTraceEventData, ProducerTraceEventType, ProducerType,
        ProducerVideoOrientation, RtpStreamDump, RtpStreamParametersDump, RtxStreamDump, RtxStreamParameters,
    },
    router::{NameEntriesDump, RouterDump, RouterOptions},
    rtp::{
        BaseRtpStreamStats, MediaKind, Parameters, RtcpFeedback, RtcpParameters, RtpCapabilities,
        RtpCodecCapability, RtpCodecParameters, RtpEncodingParameters, RtpHeaderExtension, RtpHeaderExtensionDirection,
        RtpHeaderExtensionParameters, RtpParameters, RtpStreamRecvStats, RtpStreamSendStats, RtxEncodingParameters,
        ScalabilityMode,
    },
    rtp_observer::{ActiveSpeakerObserverOptions, AudioLevelObserverOptions, RtpObserverType},
    sctp::{
        RemoteDataChannel, SctpListenerDump, SctpNegotiatedCapabilities, SctpOptions, SctpParameters, SctpState,
        SctpStreamParameters, StreamEntryDump,
    },
    srtp::{SrtpCryptoSuite, SrtpParameters},
    transport::{
        BaseTransportDump, BaseTransportStats, NameEntryDump, RecvRtpHeaderExtensions, RtpListenerDump, SsrcEntryDump,
        TraceDirection, TransportTraceEventData, TransportTraceEventType, TransportTuple,
    },
    video_mixer::{
        VideoArea, VideoCaption, VideoCaptionPlace, VideoFit, VideoLayout, VideoLayoutTemplate, VideoMixerCodec,
        VideoMixerEncoding, VideoMixerInputOptions, VideoMixerInputStats, VideoMixerOptions, VideoMixerOutputOptions,
        VideoMixerOutputStats, VideoMixerPressure, VideoMixerStats, VideoMixerVoice, VideoRegion, VideoTile,
    },
    webrtc_server::{IceUserNameFragment, IpPort, WebRtcServerDump, WebRtcServerOptions},
    webrtc_transport::{WebRtcTransportDump, WebRtcTransportOptions, WebRtcTransportStat},
    worker::{
        ChannelMessageHandlersDump, WorkerDump, WorkerLogLevel, WorkerLogTag, WorkerResourceUsage, WorkerSettings,
        WorkerUpdateableSettings,
    },
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_text_is_sorted_and_the_same_every_time() {
        let text = typescript();
        let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("export type ")).collect();
        assert!(names.is_sorted());
        assert_eq!(text, typescript());
    }

    #[test]
    fn every_type_that_is_mentioned_is_declared_once() {
        let text = typescript();
        let names: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("export type ")?.split(' ').next()).collect();
        let declared: BTreeSet<_> = names.iter().copied().collect();
        assert_eq!(declared.len(), names.len());
        let known = ["Array", "Record", "Omit"];
        let code = text.lines().filter(|line| !line.trim_start().starts_with(['/', '*']) && !line.contains('"'));
        // Fields have any name, such as `OS` of SCTP's numbers of streams; what follows it is the type.
        let types = code.map(|line| line.split_once(':').map_or(line, |(_, of_field)| of_field));
        for word in types.flat_map(|line| line.split(|letter: char| !letter.is_alphanumeric())) {
            let is_type = word.starts_with(char::is_uppercase);
            assert!(!is_type || declared.contains(word) || known.contains(&word), "{word}");
        }
    }

    #[test]
    fn fields_are_indented_and_documented() {
        let range = "/** A range of ports, both ends included. */\nexport type TransportPortRange = {\n  \
                     /** Lowest port, 1–65535. */\n  min: number;\n  /** Highest port, at least `min`. */\n  max: number;\n};\n";
        assert!(typescript().contains(range));
    }
}
