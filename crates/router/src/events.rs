//! What a router has to say, as plain data.

use millrace_model::NtpTime;
use millrace_packet::meta::VideoOrientation;

use crate::layers::Layers;
use crate::{ConsumerIndex, ObserverIndex, ProducerIndex};

/// Something happened that the application may want to know. Bounded by what happens: scores at most once a second a
/// stream, orientations and traces at most once a packet, traces only where enabled, and what observers tell once an interval.
#[derive(Clone, Debug, PartialEq)]
pub enum RouterEvent {
    /// Scores of a producer's streams changed.
    ProducerScore {
        /// Whose.
        producer: ProducerIndex,
        /// The score of every stream that was heard of.
        scores: Vec<StreamScore>,
    },
    /// The score of a consumer, or of what it views, changed.
    ConsumerScore {
        /// Whose.
        consumer: ConsumerIndex,
        /// Its scores.
        score: ConsumerScore,
    },
    /// Other layers are sent to a viewer than before.
    ConsumerLayers {
        /// Whose.
        consumer: ConsumerIndex,
        /// Which; `None` when nothing is sent.
        layers: Option<Layers>,
    },
    /// The picture's orientation changed.
    VideoOrientation {
        /// Whose.
        producer: ProducerIndex,
        /// The new orientation.
        orientation: VideoOrientation,
    },
    /// Viewers ask for other layers of a producer than before: of more at once, of less when that lasts.
    WantedLayer {
        /// Whose.
        producer: ProducerIndex,
        /// The highest spatial layer that anybody asks for; `None` when nobody views it.
        spatial_layer: Option<u8>,
    },
    /// How loud the loudest of an observer's producers were since it last looked.
    Volumes {
        /// Whose.
        observer: ObserverIndex,
        /// Average levels in dBov, −127 to 0, the loudest first; empty when all fell silent.
        volumes: Vec<(ProducerIndex, i8)>,
    },
    /// Another producer of an observer became the dominant speaker.
    DominantSpeaker {
        /// Whose.
        observer: ObserverIndex,
        /// Who.
        producer: ProducerIndex,
    },
    /// The places of a selector have other owners.
    Owners {
        /// Whose.
        observer: ObserverIndex,
        /// The owner of each place, in the order of its producers.
        owners: Vec<Option<ProducerIndex>>,
    },
    /// A traced thing happened to a producer.
    ProducerTrace {
        /// Whose.
        producer: ProducerIndex,
        /// What.
        trace: Trace,
    },
    /// A traced thing happened to a consumer.
    ConsumerTrace {
        /// Whose.
        consumer: ConsumerIndex,
        /// What.
        trace: Trace,
    },
}

/// Score of one stream of a producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamScore {
    /// Index of the stream in the producer's parameters.
    pub stream: u8,
    /// SSRC of the stream.
    pub ssrc: u32,
    /// RID of the stream.
    pub rid: Option<String>,
    /// 0 (nothing arrives) to 10 (everything arrives).
    pub score: u8,
}

/// Scores of a consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerScore {
    /// How well the viewer receives, 0 to 10.
    pub score: u8,
    /// Score of the producer's stream that it views.
    pub producer_score: u8,
    /// Scores of all streams of the producer.
    pub producer_scores: Vec<u8>,
}

/// Whether a traced packet came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

/// A traced thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// An RTP packet.
    Rtp {
        /// Which way.
        direction: Direction,
        /// Its header.
        packet: TracedPacket,
    },
    /// An RTP packet that starts a key frame.
    KeyFrame {
        /// Which way.
        direction: Direction,
        /// Its header.
        packet: TracedPacket,
    },
    /// A NACK.
    Nack {
        /// Which way.
        direction: Direction,
    },
    /// A picture loss indication.
    PictureLoss {
        /// Which way.
        direction: Direction,
        /// The stream that it asks for.
        ssrc: u32,
    },
    /// A full intra request.
    FullIntraRequest {
        /// Which way.
        direction: Direction,
        /// The stream that it asks for.
        ssrc: u32,
    },
    /// A sender report from the peer.
    SenderReport {
        /// Whose.
        ssrc: u32,
        /// The sender's time.
        ntp: NtpTime,
        /// The same time as an RTP timestamp.
        timestamp: u32,
        /// Packets sent so far.
        packet_count: u32,
        /// Payload bytes sent so far.
        octet_count: u32,
    },
}

/// The header of a traced packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedPacket {
    /// SSRC.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// Tells whether it starts a key frame.
    pub key_frame: bool,
    /// Tells whether it is a retransmission (RFC 4588).
    pub rtx: bool,
    /// Bytes of the whole packet.
    pub size: usize,
    /// Bytes of its payload.
    pub payload_size: usize,
}

/// Which traces are wanted: a set of bits, none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceKinds(u8);

impl TraceKinds {
    /// Nothing is traced.
    pub const NONE: Self = Self(0);
    /// RTP packets.
    pub const RTP: Self = Self(1);
    /// Packets that start a key frame.
    pub const KEY_FRAME: Self = Self(2);
    /// NACKs.
    pub const NACK: Self = Self(4);
    /// Picture loss indications.
    pub const PLI: Self = Self(8);
    /// Full intra requests.
    pub const FIR: Self = Self(16);
    /// Sender reports.
    pub const SR: Self = Self(32);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Tells whether one of `kinds` is wanted.
    pub const fn wants(self, kinds: Self) -> bool {
        self.0 & kinds.0 != 0
    }
}
