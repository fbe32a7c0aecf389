//! What the engine tells a router about the parties of a call, made from their ORTC parameters.

use std::time::Duration;

use millrace_model::MediaKind;
use millrace_packet::{ExtensionIds, OutgoingStreamId, VideoCodec};

use crate::layers::Wish;
use crate::{ProducerIndex, SessionId};

/// Media codecs that one producer may declare.
///
/// A browser offers about a dozen. A producer with more is refused.
pub const CODECS_PER_PRODUCER_MAX: usize = 16;

/// RTP streams that one producer may declare, RTX not counted. A producer with more is refused.
pub const STREAMS_PER_PRODUCER_MAX: usize = 8;

/// Producers that one session may have; with the streams of each this bounds the SSRCs that a peer can make us keep.
/// One more is refused.
pub const PRODUCERS_PER_SESSION_MAX: usize = 256;

/// Producers that a session may have whose peer is another router: what many peers publish. One more is refused.
pub const PRODUCERS_PER_PIPE_MAX: usize = 4096;

/// An RTP session: the SSRC space of one transport (RFC 3550 §3).
#[derive(Clone, Debug)]
pub struct SessionSetup {
    /// SSRC of our feedback and receiver reports. Chosen at random, different from every consumer's.
    pub ssrc: u32,
    /// CNAME of that SSRC (RFC 3550 §6.5.1).
    pub cname: String,
}

/// A source of media that a peer publishes.
#[derive(Clone, Debug)]
pub struct ProducerSetup {
    /// The publisher's session.
    pub session: SessionId,
    /// Audio or video.
    pub kind: MediaKind,
    /// Media identification that packets may carry (RFC 9143 §15).
    pub mid: Option<String>,
    /// Its RTP streams, at most [`STREAMS_PER_PRODUCER_MAX`].
    pub streams: Vec<StreamSetup>,
    /// Media codecs that packets may have, at most [`CODECS_PER_PRODUCER_MAX`].
    pub codecs: Vec<CodecSetup>,
    /// Numbers of the header extensions on the publisher's wire.
    pub extensions: ExtensionIds,
    /// Least time between two key-frame requests; below a second it has no effect. Default of mediasoup: 0.
    pub key_frame_request_delay: Duration,
    /// Tells whether it starts paused.
    pub paused: bool,
    /// Tells whether its one stream carries several layers, so that viewers' packets are told apart one by one
    /// ([`Wish::within_stream`]).
    pub layers_within_stream: bool,
}

/// One RTP stream of a producer. Without an SSRC it is recognised by MID and RID when its first packet comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamSetup {
    /// SSRC of the media.
    pub ssrc: Option<u32>,
    /// SSRC of the retransmissions (RFC 4588).
    pub rtx_ssrc: Option<u32>,
    /// RTP stream id (RFC 8852).
    pub rid: Option<String>,
}

/// One codec that a producer's packets may have.
#[derive(Clone, Debug)]
pub struct CodecSetup {
    /// Payload type on the publisher's wire, 0 to 127.
    pub payload_type: u8,
    /// Payload type of its retransmissions (RFC 4588), if negotiated.
    pub rtx_payload_type: Option<u8>,
    /// Media type as negotiated, such as `video/VP8`; for statistics.
    pub mime_type: String,
    /// The video codec, when key frames can be recognised in it. Viewers of others do not wait for a key frame, unless
    /// a dependency descriptor tells of them.
    pub video_codec: Option<VideoCodec>,
    /// Tells whether layers and key frames are read from dependency descriptors, where packets have them.
    pub reads_descriptor: bool,
    /// Tells whether a payload of one byte has no sound in it: Opus during silence (RFC 6716 §3.1, DTX).
    pub dtx: bool,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// RTCP feedback that the publisher understands.
    pub feedback: Feedback,
}

/// RTCP feedback negotiated for a codec (RFC 4585 §4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// Generic NACK.
    pub nack: bool,
    /// Picture loss indication.
    pub pli: bool,
    /// Full intra request (RFC 5104 §4.3.1).
    pub fir: bool,
    /// Transport-wide congestion control.
    pub transport_cc: bool,
    /// Receiver estimated maximum bitrate.
    pub remb: bool,
}

/// A viewer of a producer.
#[derive(Clone, Debug)]
pub struct ConsumerSetup {
    /// The viewer's session.
    pub session: SessionId,
    /// What it views.
    pub producer: ProducerIndex,
    /// The layers that it wants at most; the spatial layer is an index into [`ProducerSetup::streams`].
    pub wish: Wish,
    /// Name of its outgoing stream in the viewer's transport.
    pub outgoing: OutgoingStreamId,
    /// SSRC of the outgoing stream, unique in the viewer's session.
    pub ssrc: u32,
    /// SSRC of its retransmissions, if RTX is negotiated.
    pub rtx_ssrc: Option<u32>,
    /// RID of the outgoing stream, for statistics.
    pub rid: Option<String>,
    /// CNAME for its sender reports: the producer's, so that the viewer keeps audio and video together.
    pub cname: String,
    /// Payload types; packets of codecs that are not named here are left out.
    pub payload_types: Vec<PayloadTypes>,
    /// Tells whether the viewer may ask for lost packets.
    pub nack: bool,
    /// Tells whether the viewer's packets carry dependency descriptors.
    pub descriptors: bool,
    /// Number of its first packet. Random, below 2^15 so that the first wrap is far off (RFC 3711 §3.3.1).
    pub first_sequence: u16,
    /// Number of its first retransmission, random below 2^15.
    pub first_rtx_sequence: u16,
    /// Tells whether it starts paused.
    pub paused: bool,
}

/// How one codec is called on both sides of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadTypes {
    /// Payload type in the producer's packets.
    pub producer: u8,
    /// Payload type that the viewer negotiated.
    pub viewer: u8,
    /// Payload type of retransmissions to the viewer; without it lost packets are sent again as they were.
    pub viewer_rtx: Option<u8>,
}

/// A viewer's payload types by the index of the producer's codec; `None` for codecs that the viewer does not take.
pub(crate) type PayloadTable = [Option<PayloadTypes>; CODECS_PER_PRODUCER_MAX];

/// The table of `payload_types` for a producer with these codecs.
pub(crate) fn payload_table(payload_types: &[PayloadTypes], codecs: &[CodecSetup]) -> PayloadTable {
    let mut table = [None; CODECS_PER_PRODUCER_MAX];
    for (place, codec) in table.iter_mut().zip(codecs) {
        *place = payload_types.iter().find(|types| types.producer == codec.payload_type).copied();
    }
    table
}

/// Why a producer cannot be made. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProduceError {
    /// The session is closed.
    #[error("session {0:?} does not exist")]
    UnknownSession(SessionId),
    /// Another stream of the session has this SSRC.
    #[error("SSRC {0} is in use by another producer of the transport")]
    SsrcInUse(u32),
    /// Another producer of the session has this MID.
    #[error("MID {0:?} is in use by another producer of the transport")]
    MidInUse(String),
    /// Another stream of the session has this RID, and no MID tells the two apart.
    #[error("RID {0:?} is in use by another producer of the transport and no MID tells them apart")]
    RidInUse(String),
    /// More than [`CODECS_PER_PRODUCER_MAX`] codecs, or none.
    #[error("a producer needs 1 to {CODECS_PER_PRODUCER_MAX} media codecs, not {0}")]
    Codecs(usize),
    /// More than [`STREAMS_PER_PRODUCER_MAX`] streams, or none.
    #[error("a producer needs 1 to {STREAMS_PER_PRODUCER_MAX} streams, not {0}")]
    Streams(usize),
    /// The session has as many producers as it may: [`PRODUCERS_PER_SESSION_MAX`] or [`PRODUCERS_PER_PIPE_MAX`].
    #[error("the transport has {0} producers already")]
    TooManyProducers(usize),
}

impl ProduceError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownSession(_) => "ERR_UNKNOWN_TRANSPORT",
            Self::SsrcInUse(_) => "ERR_SSRC_IN_USE",
            Self::MidInUse(_) => "ERR_MID_IN_USE",
            Self::RidInUse(_) => "ERR_RID_IN_USE",
            Self::Codecs(_) => "ERR_CODEC_COUNT",
            Self::Streams(_) => "ERR_ENCODING_COUNT",
            Self::TooManyProducers(_) => "ERR_TOO_MANY_PRODUCERS",
        }
    }
}

/// Why a consumer cannot be made. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsumeError {
    /// The session is closed.
    #[error("session {0:?} does not exist")]
    UnknownSession(SessionId),
    /// The producer is closed, or has no such stream.
    #[error("producer {0:?} does not exist or has no such stream")]
    UnknownProducer(ProducerIndex),
    /// Another outgoing stream of the session has this SSRC.
    #[error("SSRC {0} is in use by another consumer of the transport")]
    SsrcInUse(u32),
}

impl ConsumeError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownSession(_) => "ERR_UNKNOWN_TRANSPORT",
            Self::UnknownProducer(_) => "ERR_UNKNOWN_PRODUCER",
            Self::SsrcInUse(_) => "ERR_SSRC_IN_USE",
        }
    }
}
