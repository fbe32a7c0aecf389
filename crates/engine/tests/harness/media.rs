//! What peers of the tests send and how they read what they receive.

use millrace_model::RtpParameters;
use millrace_packet::rtcp::{Compound, CompoundWriter, FeedbackSsrcs, RtcpPacket};
use millrace_packet::{ExtensionIds, ExtensionKind, RtpMeta};
use millrace_testkit::Vp8Source;
use serde_json::{Value, json};

/// Payload type of Opus in the SDP of our peers; a router numbers from 100.
pub(crate) const OPUS: u8 = 111;
/// Payload type of VP8.
pub(crate) const VP8: u8 = 96;
/// Payload type of VP8's retransmissions.
pub(crate) const VP8_RTX: u8 = 97;

/// Added to a stream's SSRC for its retransmissions.
pub(crate) const RTX_SSRC_OFFSET: u32 = 1;

/// Numbers of header extensions in the SDP of our peers.
const MID: u8 = 4;
const TRANSPORT_WIDE_CC: u8 = 9;

/// Options of a producer of Opus.
pub(crate) fn microphone(ssrc: u32) -> Value {
    json!({
        "kind": "audio",
        "rtpParameters": {
            "mid": format!("a{ssrc}"),
            "codecs": [{ "mimeType": "audio/opus", "payloadType": OPUS, "clockRate": 48000, "channels": 2 }],
            "headerExtensions": [{ "uri": ExtensionKind::Mid.uri(), "id": MID }],
            "encodings": [{ "ssrc": ssrc }],
        },
    })
}

/// Options of a producer of VP8 with retransmission and feedback.
pub(crate) fn camera(ssrc: u32) -> Value {
    json!({
        "kind": "video",
        "rtpParameters": {
            "mid": format!("v{ssrc}"),
            "codecs": [
                {
                    "mimeType": "video/VP8", "payloadType": VP8, "clockRate": 90000,
                    "rtcpFeedback": [
                        { "type": "nack" }, { "type": "nack", "parameter": "pli" }, { "type": "transport-cc" },
                    ],
                },
                { "mimeType": "video/rtx", "payloadType": VP8_RTX, "clockRate": 90000, "parameters": { "apt": VP8 } },
            ],
            "headerExtensions": [
                { "uri": ExtensionKind::Mid.uri(), "id": MID },
                { "uri": ExtensionKind::TransportWideCc.uri(), "id": TRANSPORT_WIDE_CC },
            ],
            "encodings": [{ "ssrc": ssrc, "rtx": { "ssrc": ssrc + RTX_SSRC_OFFSET } }],
        },
    })
}

/// The stream of [`camera`].
pub(crate) fn video_stream(ssrc: u32) -> Vp8Source {
    let mut source = Vp8Source::new(ssrc, VP8);
    source.stream.extensions = vec![(MID, format!("v{ssrc}").into_bytes()), (TRANSPORT_WIDE_CC, vec![0, 1])];
    source
}

/// A packet as a viewer reads it.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) bytes: Vec<u8>,
    pub(crate) meta: RtpMeta,
}

impl Heard {
    /// Reads a packet with the numbers that the viewer's RTP parameters give.
    pub(crate) fn parse(bytes: Vec<u8>, parameters: &Value) -> Self {
        let parameters: RtpParameters = serde_json::from_value(parameters.clone()).unwrap();
        let known = parameters.header_extensions.iter();
        let ids = known.filter_map(|extension| Some((extension.id, ExtensionKind::from_uri(&extension.uri)?)));
        let meta = RtpMeta::parse(&bytes, &ExtensionIds::new(ids)).unwrap();
        Self { bytes, meta }
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.meta.payload(&self.bytes)
    }
}

/// The payload of a packet as its publisher sent it.
pub(crate) fn payload_of(packet: &[u8]) -> Vec<u8> {
    RtpMeta::parse(packet, &ExtensionIds::default()).unwrap().payload(packet).to_vec()
}

/// The SSRC in RTP parameters.
pub(crate) fn ssrc_of(parameters: &Value) -> u32 {
    serde_json::from_value(parameters["encodings"][0]["ssrc"].clone()).unwrap()
}

/// The SSRC of retransmissions in RTP parameters.
pub(crate) fn rtx_ssrc_of(parameters: &Value) -> u32 {
    serde_json::from_value(parameters["encodings"][0]["rtx"]["ssrc"].clone()).unwrap()
}

pub(crate) fn has_ssrc(packet: &[u8], ssrc: u32) -> bool {
    packet.get(8..12) == Some(&ssrc.to_be_bytes())
}

/// A viewer asks for packets of a stream again.
pub(crate) fn nack(ssrc: u32, missing: &[u16]) -> Vec<u8> {
    let mut compound = [0; 256];
    let mut writer = CompoundWriter::new(&mut compound);
    writer.nack(FeedbackSsrcs { sender: 1, media: ssrc }, missing.iter().copied()).unwrap();
    let len = writer.len();
    compound[..len].to_vec()
}

/// Streams for which a compound packet asks for key frames.
pub(crate) fn picture_losses(compound: &[u8]) -> Vec<u32> {
    let packets = Compound::parse(compound).unwrap();
    let asked = packets.packets().filter_map(|packet| match packet {
        RtcpPacket::PictureLoss(loss) => Some(loss.ssrcs.media),
        _ => None,
    });
    asked.collect()
}

/// Numbers that a compound packet asks for again, of stream `ssrc`.
pub(crate) fn missing(compound: &[u8], ssrc: u32) -> Vec<u16> {
    let packets = Compound::parse(compound).unwrap();
    let asked = packets.packets().filter_map(|packet| match packet {
        RtcpPacket::Nack(nack) if nack.ssrcs.media == ssrc => Some(nack.sequences().collect::<Vec<_>>()),
        _ => None,
    });
    asked.flatten().collect()
}
