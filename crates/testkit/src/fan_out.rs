//! One publisher and its viewers around a router, in memory and without chance: what benchmarks run on.

use std::time::{Duration, Instant};

use millrace_model::{MediaKind, WallClock};
use millrace_packet::{ExtensionIds, ExtensionKind, OutgoingStreamId, PacketMut, PacketPool, VideoCodec};
use millrace_router::setup::{
    CodecSetup, ConsumerSetup, Feedback, PayloadTypes, ProducerSetup, SessionSetup, StreamSetup,
};
use millrace_router::{ConsumerIndex, Output, ProducerIndex, Router, SessionId, Wish};

/// SSRC of the publisher's stream.
pub const PUBLISHER_SSRC: u32 = 1234;
/// Payload type of the publisher's stream.
pub const PUBLISHER_PAYLOAD_TYPE: u8 = 96;
/// Number of the transport-wide extension on the publisher's wire.
pub const TRANSPORT_CC_ID: u8 = 5;
/// More than the cache of a stream holds.
const POOL_PACKETS: usize = 4096;
/// Frames from one key frame to the next.
const KEY_FRAME_EVERY: u32 = 300;
/// Payload descriptor and frame header behind the fixed header and the extension.
const PAYLOAD_AT: usize = 20;
/// The transport-wide number in the packet.
const TRANSPORT_NUMBER: std::ops::Range<usize> = 17..19;

/// What a publisher sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// VP8 of 1.7 Mbit/s: frames of so many packets of 1,200 bytes, which leave together.
    Video {
        /// Packets of a frame, at least 1.
        packets: u16,
    },
    /// Opus: a packet of 100 bytes every 20 ms.
    Audio,
}

impl Media {
    /// Time from one frame or audio packet to the next.
    pub fn interval(self) -> Duration {
        match self {
            Self::Video { packets } => Duration::from_micros(5500) * u32::from(packets),
            Self::Audio => Duration::from_millis(20),
        }
    }

    /// Packets that leave together.
    pub fn packets(self) -> u16 {
        match self {
            Self::Video { packets } => packets,
            Self::Audio => 1,
        }
    }

    const fn kind(self) -> MediaKind {
        match self {
            Self::Video { .. } => MediaKind::Video,
            Self::Audio => MediaKind::Audio,
        }
    }

    const fn packet_bytes(self) -> usize {
        match self {
            Self::Video { .. } => 1200,
            Self::Audio => 100,
        }
    }

    const fn ticks(self) -> u32 {
        match self {
            Self::Video { packets } => 495 * packets as u32,
            Self::Audio => 960,
        }
    }
}

/// A router with one publisher, its viewers, and the publisher's next packet.
pub struct FanOut {
    /// The router.
    pub router: Router,
    /// The publisher's session; those of the viewers follow it one by one.
    pub publisher: SessionId,
    /// Present time. [`next_frame`](Self::next_frame) moves it.
    pub now: Instant,
    /// Where packets are taken from.
    pub pool: PacketPool,
    producer: ProducerIndex,
    media: Media,
    packet: Vec<u8>,
    sequence: u16,
    frame: u32,
}

impl FanOut {
    /// A publisher without viewers.
    ///
    /// # Panics
    /// Never: the setup is a valid one.
    pub fn new(media: Media, clock: WallClock, now: Instant) -> Self {
        let mut router = Router::new(clock, now);
        let publisher = router.add_session(SessionSetup { ssrc: 1, cname: "publisher".to_owned() });
        let producer = router.produce(producer_setup(publisher, media)).expect("a valid producer");
        let mut packet = vec![0x90, PUBLISHER_PAYLOAD_TYPE, 0, 0, 0, 0, 0, 0];
        packet.extend(PUBLISHER_SSRC.to_be_bytes());
        packet.extend([0xbe, 0xde, 0, 1, TRANSPORT_CC_ID << 4 | 1, 0, 0, 0]);
        packet.resize(media.packet_bytes(), 7);
        let pool = PacketPool::new(POOL_PACKETS);
        // All at once here, and none while anybody measures.
        drop((0..POOL_PACKETS).map(|_| pool.take()).collect::<Vec<_>>());
        Self { router, publisher, now, pool, producer, media, packet, sequence: 0, frame: 0 }
    }

    /// Adds a viewer with NACK and RTX whose packets go into its stream `outgoing`. The `number`th viewer's SSRC is
    /// [`viewer_ssrc`].
    ///
    /// # Panics
    /// When a viewer of this number was added before.
    pub fn add_viewer(&mut self, number: u32, outgoing: OutgoingStreamId, out: &mut impl Output) -> ConsumerIndex {
        let session = self.router.add_session(SessionSetup { ssrc: 2, cname: "viewer".to_owned() });
        self.router.connect_session(session, self.now, out);
        let setup = ConsumerSetup {
            session,
            producer: self.producer,
            wish: Wish::everything(1, 1),
            outgoing,
            ssrc: viewer_ssrc(number),
            rtx_ssrc: Some(viewer_rtx_ssrc(number)),
            rid: None,
            cname: "publisher".to_owned(),
            payload_types: vec![PayloadTypes { producer: PUBLISHER_PAYLOAD_TYPE, viewer: 101, viewer_rtx: Some(102) }],
            nack: true,
            descriptors: false,
            first_sequence: 0,
            first_rtx_sequence: 0,
            paused: false,
        };
        self.router.consume(setup, self.now, out).expect("a viewer with SSRCs of its own")
    }

    /// Lets time pass until the next frame or audio packet.
    pub fn next_frame(&mut self) {
        self.now += self.media.interval();
        self.frame += 1;
    }

    /// Writes the next packet, number `index` of the present frame. Every 300th frame is a key frame, the first too.
    pub fn next_packet(&mut self, index: u16) -> &[u8] {
        self.sequence = self.sequence.wrapping_add(1);
        let is_last = index + 1 == self.media.packets();
        self.packet[1] = u8::from(is_last) << 7 | PUBLISHER_PAYLOAD_TYPE;
        self.packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        self.packet[4..8].copy_from_slice(&self.frame.wrapping_mul(self.media.ticks()).to_be_bytes());
        self.packet[TRANSPORT_NUMBER].copy_from_slice(&self.sequence.to_be_bytes());
        if self.media.kind() == MediaKind::Video {
            // RFC 7741 §4.2: the start of a partition; RFC 6386 §9.1: its first bit is clear in a key frame.
            let is_key_frame = self.frame % KEY_FRAME_EVERY == 1;
            self.packet[PAYLOAD_AT] = u8::from(index == 0) << 4;
            self.packet[PAYLOAD_AT + 1] = u8::from(!is_key_frame);
        }
        &self.packet
    }

    /// The next packet as it comes from the publisher's transport.
    ///
    /// # Panics
    /// When all packets of the pool are held.
    pub fn receive_packet(&mut self, index: u16) -> PacketMut {
        let mut packet = self.pool.take().expect("the pool is larger than the cache");
        packet.fill(self.next_packet(index));
        packet
    }

    /// Publishes a frame or an audio packet and does what is due meanwhile.
    pub fn publish(&mut self, out: &mut impl Output) {
        self.next_frame();
        for index in 0..self.media.packets() {
            let packet = self.receive_packet(index);
            self.router.handle_rtp(self.publisher, packet, self.now, out);
        }
        self.handle_timeout(out);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, out: &mut impl Output) {
        if self.router.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.router.handle_timeout(self.now, out);
        }
    }
}

/// SSRC of a viewer's stream.
pub fn viewer_ssrc(number: u32) -> u32 {
    10_000 + number
}

/// SSRC of a viewer's retransmissions.
pub fn viewer_rtx_ssrc(number: u32) -> u32 {
    20_000 + number
}

fn producer_setup(session: SessionId, media: Media) -> ProducerSetup {
    let (mime_type, video_codec, clock_rate) = match media {
        Media::Video { .. } => ("video/VP8", Some(VideoCodec::Vp8), 90_000),
        Media::Audio => ("audio/opus", None, 48_000),
    };
    ProducerSetup {
        session,
        kind: media.kind(),
        mid: None,
        streams: vec![StreamSetup { ssrc: Some(PUBLISHER_SSRC), ..StreamSetup::default() }],
        codecs: vec![CodecSetup {
            payload_type: PUBLISHER_PAYLOAD_TYPE,
            rtx_payload_type: None,
            mime_type: mime_type.to_owned(),
            video_codec,
            reads_descriptor: false,
            dtx: video_codec.is_none(),
            clock_rate,
            feedback: Feedback { nack: true, pli: true, transport_cc: true, ..Feedback::default() },
        }],
        extensions: ExtensionIds::new([(TRANSPORT_CC_ID, ExtensionKind::TransportWideCc)]),
        key_frame_request_delay: Duration::ZERO,
        paused: false,
        layers_within_stream: false,
    }
}
