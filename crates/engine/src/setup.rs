//! From negotiated ORTC parameters to what routers and transports are told.

use std::time::Duration;

use millrace_model::{
    ConsumerLayers, MediaKind, RtpCodecParameters, RtpParameters, SctpLimits, spatial_layers, temporal_layers,
};
use millrace_packet::header::ExtensionPlan;
use millrace_packet::{ExtensionIds, ExtensionKind, VideoCodec};

use millrace_router::data_address::ADDRESS_BYTES_MAX;
use millrace_router::setup::{CodecSetup, Feedback, PayloadTypes, ProducerSetup, StreamSetup};
use millrace_router::{SessionId, Wish};
use millrace_transport::outgoing::{OutgoingStreamSpec, Repair};
use millrace_transport::sctp::SctpSettings;

/// What a producer's router side is made from.
pub(crate) struct Publication<'a> {
    pub(crate) session: SessionId,
    pub(crate) kind: MediaKind,
    pub(crate) parameters: &'a RtpParameters,
    /// The same in the router's numbering and names.
    pub(crate) consumable: &'a RtpParameters,
    pub(crate) key_frame_request_delay: Duration,
    pub(crate) paused: bool,
    /// Nothing can be read in payloads.
    pub(crate) encrypted: bool,
}

/// The router's view of a producer.
pub(crate) fn producer(publication: &Publication<'_>) -> ProducerSetup {
    let parameters = publication.parameters;
    let streams = parameters.encodings.iter().map(|encoding| StreamSetup {
        ssrc: encoding.ssrc,
        rtx_ssrc: encoding.rtx.map(|rtx| rtx.ssrc),
        rid: encoding.rid.clone(),
    });
    let codecs = parameters.codecs.iter().filter(|codec| !codec.is_rtx());
    ProducerSetup {
        session: publication.session,
        kind: publication.kind,
        mid: parameters.mid.clone(),
        streams: streams.collect(),
        codecs: codecs.map(|codec| codec_setup(publication, codec)).collect(),
        extensions: ExtensionIds::new(extension_pairs(parameters)),
        key_frame_request_delay: publication.key_frame_request_delay,
        paused: publication.paused,
        layers_within_stream: layers_within_stream(parameters, publication.encrypted),
    }
}

/// The media type as the router writes it; an endpoint may write it in any case.
pub(crate) fn mime_type(consumable: &RtpParameters, codec: &RtpCodecParameters) -> String {
    let same = |other: &&RtpCodecParameters| other.mime_type.eq_ignore_ascii_case(&codec.mime_type);
    consumable.codecs.iter().find(same).unwrap_or(codec).mime_type.clone()
}

fn codec_setup(publication: &Publication<'_>, codec: &RtpCodecParameters) -> CodecSetup {
    let video_codec = VideoCodec::from_mime_type(&codec.mime_type);
    CodecSetup {
        payload_type: codec.payload_type,
        rtx_payload_type: publication.parameters.rtx_codec(codec.payload_type).map(|rtx| rtx.payload_type),
        mime_type: mime_type(publication.consumable, codec),
        video_codec: video_codec.filter(|_| !publication.encrypted),
        reads_descriptor: reads_descriptor(video_codec, publication.encrypted),
        dtx: codec.mime_type.eq_ignore_ascii_case("audio/opus"),
        clock_rate: codec.clock_rate,
        feedback: Feedback {
            nack: codec.has_feedback("nack", ""),
            pli: codec.has_feedback("nack", "pli"),
            fir: codec.has_feedback("ccm", "fir"),
            transport_cc: codec.has_feedback("transport-cc", ""),
            remb: codec.has_feedback("goog-remb", ""),
        },
    }
}

/// Whether layers and key frames are read from dependency descriptors: where the payload does not say, or cannot be read.
fn reads_descriptor(codec: Option<VideoCodec>, encrypted: bool) -> bool {
    match codec {
        Some(VideoCodec::Vp8 | VideoCodec::Vp9) => encrypted,
        Some(VideoCodec::H264 | VideoCodec::H265 | VideoCodec::Av1) => true,
        None => false,
    }
}

/// Whether the only stream of `parameters` carries several layers, whose packets are told apart one by one.
///
/// Temporal layers alone need that only where viewers may get the descriptor, which has to say what they get.
pub(crate) fn layers_within_stream(parameters: &RtpParameters, encrypted: bool) -> bool {
    let codec = parameters.codecs.first().and_then(|codec| VideoCodec::from_mime_type(&codec.mime_type));
    let by_descriptor = reads_descriptor(codec, encrypted) && has_descriptor(parameters);
    let spatial_layers = spatial_layers(&parameters.encodings);
    parameters.encodings.len() == 1
        && match codec {
            Some(VideoCodec::Vp9) if !encrypted => spatial_layers > 1,
            // Only the descriptor tells the viewer of an encrypted stream where key frames are.
            _ if encrypted => by_descriptor,
            _ => by_descriptor && (spatial_layers > 1 || temporal_layers(&parameters.encodings) > 1),
        }
}

/// Whether viewers of a source with these parameters may get its dependency descriptors: where they are read, so that
/// they can be made to say what the viewer is sent.
pub(crate) fn describes_layers(parameters: &RtpParameters, encrypted: bool) -> bool {
    let codec = parameters.codecs.first().and_then(|codec| VideoCodec::from_mime_type(&codec.mime_type));
    reads_descriptor(codec, encrypted) && layers_within_stream(parameters, encrypted)
}

/// Whether packets may carry dependency descriptors.
pub(crate) fn has_descriptor(parameters: &RtpParameters) -> bool {
    extension_pairs(parameters).any(|(_, kind)| kind == ExtensionKind::DependencyDescriptor)
}

/// The layers that a viewer of a source with these parameters gets at most. Default: all.
pub(crate) fn wish(parameters: &RtpParameters, encrypted: bool, preferred: Option<ConsumerLayers>) -> Wish {
    let encodings = &parameters.encodings;
    let everything = if layers_within_stream(parameters, encrypted) {
        Wish::everything(spatial_layers(encodings), temporal_layers(encodings)).within_stream()
    } else {
        Wish::everything(encodings.len().max(1) as u8, temporal_layers(encodings))
    };
    match preferred {
        Some(ConsumerLayers { spatial_layer, temporal_layer }) => everything.at_most(spatial_layer, temporal_layer),
        None => everything,
    }
}

/// The header extensions of `parameters` that a router understands, by their number on the wire.
fn extension_pairs(parameters: &RtpParameters) -> impl Iterator<Item = (u8, ExtensionKind)> {
    let extensions = parameters.header_extensions.iter();
    extensions.filter_map(|extension| ExtensionKind::from_uri(&extension.uri).map(|kind| (extension.id, kind)))
}

/// The header extensions of a viewer's packets. RIDs name a publisher's encodings and mean nothing to a viewer.
pub(crate) fn extension_plan(parameters: &RtpParameters) -> ExtensionPlan {
    let pairs = extension_pairs(parameters)
        .filter(|(_, kind)| !matches!(kind, ExtensionKind::RtpStreamId | ExtensionKind::RepairedRtpStreamId));
    let plan = ExtensionPlan::new(pairs);
    match &parameters.mid {
        Some(mid) => plan.clone().with_mid(mid).unwrap_or(plan),
        None => plan,
    }
}

/// A stream to a viewer with these parameters.
pub(crate) fn outgoing_stream(ssrc: u32, repair: Repair, parameters: &RtpParameters) -> OutgoingStreamSpec {
    let spec = OutgoingStreamSpec::new(ssrc, repair, extension_plan(parameters));
    // RFC 8888 §6: `a=rtcp-fb:* ack ccfb`.
    let is_reported_by_name = parameters.codecs.iter().any(|codec| codec.has_feedback("ack", "ccfb"));
    if is_reported_by_name { spec.reported_by_name() } else { spec }
}

/// How the producer's payload types are called by a viewer. `viewer_payload_type` maps the producer's types to those of
/// the viewer's parameters: the router's, or the viewer's own.
pub(crate) fn payload_types(
    producer: &RtpParameters,
    viewer: &RtpParameters,
    viewer_payload_type: impl Fn(u8) -> Option<u8>,
) -> Vec<PayloadTypes> {
    let media = producer.codecs.iter().filter(|codec| !codec.is_rtx());
    media
        .filter_map(|codec| {
            let viewer_type = viewer_payload_type(codec.payload_type)?;
            viewer.codecs.iter().find(|viewer| viewer.payload_type == viewer_type)?;
            let viewer_rtx = viewer.rtx_codec(viewer_type).map(|rtx| rtx.payload_type);
            Some(PayloadTypes { producer: codec.payload_type, viewer: viewer_type, viewer_rtx })
        })
        .collect()
}

/// An SCTP association between two routers, where each message travels with whom it is for: there is room for that beside
/// the longest message.
pub(crate) fn pipe_sctp(limits: &SctpLimits) -> SctpSettings {
    let address = ADDRESS_BYTES_MAX as u32;
    let sctp = sctp(limits, false, Duration::ZERO);
    SctpSettings {
        max_send_message_bytes: sctp.max_send_message_bytes + address,
        max_receive_message_bytes: sctp.max_receive_message_bytes + address,
        receive_window_bytes: sctp.receive_window_bytes + address,
        ..sctp
    }
}

/// An SCTP association as a transport's options describe it.
pub(crate) fn sctp(limits: &SctpLimits, data_channels: bool, initiative: Duration) -> SctpSettings {
    SctpSettings {
        max_send_message_bytes: limits.max_send_message_size,
        max_receive_message_bytes: limits.max_receive_message_size,
        send_buffer_bytes: limits.send_buffer_size as usize,
        stream_send_bytes: limits.per_stream_send_queue_limit as usize,
        receive_window_bytes: limits.max_receiver_window_buffer_size,
        buffered_amount_low_threshold: limits.buffered_amount_low_threshold as usize,
        data_channels,
        initiative,
    }
}
