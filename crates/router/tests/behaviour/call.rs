//! A publisher, some viewers, and everything that the router says to them.

use std::time::{Duration, Instant};

use millrace_model::{MediaKind, WallClock};
use millrace_packet::rtcp::{Compound, CompoundWriter, RtcpPacket};
use millrace_packet::{ExtensionIds, ExtensionKind, OutgoingStreamId, PacketPool, PacketRef, Rewrite, VideoCodec};
use millrace_router::setup::{
    CodecSetup, ConsumerSetup, Feedback, PayloadTypes, ProducerSetup, SessionSetup, StreamSetup,
};
use millrace_router::{ConsumerIndex, Output, ProducerIndex, Router, RouterEvent, SessionId, Wish};

pub(crate) const VIDEO_SSRC: u32 = 1111;
pub(crate) const RTX_SSRC: u32 = 2222;
pub(crate) const VIDEO_PT: u8 = 96;
pub(crate) const RTX_PT: u8 = 97;
pub(crate) const VIEWER_PT: u8 = 101;
pub(crate) const VIEWER_RTX_PT: u8 = 102;
pub(crate) const AUDIO_SSRC: u32 = 3333;
pub(crate) const AUDIO_PT: u8 = 111;
pub(crate) const VIEWER_AUDIO_PT: u8 = 120;
pub(crate) const MID_ID: u8 = 1;
pub(crate) const RID_ID: u8 = 2;
pub(crate) const REPAIRED_RID_ID: u8 = 3;
pub(crate) const TRANSPORT_CC_ID: u8 = 5;

/// A packet as a viewer gets it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) session: SessionId,
    pub(crate) rewrite: Rewrite,
    pub(crate) payload: Vec<u8>,
    pub(crate) key_frame: bool,
}

#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) rtp: Vec<Sent>,
    pub(crate) rtcp: Vec<(SessionId, Vec<u8>)>,
    pub(crate) events: Vec<RouterEvent>,
}

impl Output for Recorder {
    fn send_rtp(&mut self, session: SessionId, packet: &PacketRef, rewrite: &Rewrite) {
        let (payload, key_frame) = (packet.payload().to_vec(), packet.meta().key_frame);
        self.rtp.push(Sent { session, rewrite: *rewrite, payload, key_frame });
    }

    fn send_rtcp(&mut self, session: SessionId, compound: &[u8]) {
        self.rtcp.push((session, compound.to_vec()));
    }

    fn event(&mut self, event: RouterEvent) {
        self.events.push(event);
    }
}

/// One packet of a publisher.
#[derive(Clone, Debug)]
pub(crate) struct Rtp {
    pub(crate) ssrc: u32,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) payload: Vec<u8>,
    pub(crate) padding: u8,
    pub(crate) extensions: Vec<(u8, Vec<u8>)>,
}

impl Rtp {
    fn video(sequence: u16, payload: Vec<u8>) -> Self {
        let timestamp = u32::from(sequence).wrapping_mul(3000);
        let (ssrc, payload_type) = (VIDEO_SSRC, VIDEO_PT);
        Self { ssrc, payload_type, sequence, timestamp, payload, padding: 0, extensions: Vec::new() }
    }

    /// A VP8 key frame in one packet.
    pub(crate) fn key(sequence: u16) -> Self {
        Self::video(sequence, vec![0x10, 0x00, 1, 2, 3, sequence as u8])
    }

    /// A VP8 picture that needs earlier ones.
    pub(crate) fn delta(sequence: u16) -> Self {
        Self::video(sequence, vec![0x10, 0x01, 1, 2, 3, sequence as u8])
    }

    /// Padding without a payload.
    pub(crate) fn padding(sequence: u16) -> Self {
        Self { padding: 200, ..Self::video(sequence, Vec::new()) }
    }

    /// An Opus packet of 20 ms.
    pub(crate) fn audio(sequence: u16) -> Self {
        let timestamp = u32::from(sequence).wrapping_mul(960);
        let payload = vec![sequence as u8; 20];
        Self { ssrc: AUDIO_SSRC, payload_type: AUDIO_PT, timestamp, ..Self::video(sequence, payload) }
    }

    /// This packet sent again on the RTX stream, as number `rtx_sequence`.
    pub(crate) fn into_rtx(self, rtx_sequence: u16) -> Self {
        let payload = [&self.sequence.to_be_bytes()[..], &self.payload].concat();
        Self { ssrc: RTX_SSRC, payload_type: RTX_PT, sequence: rtx_sequence, payload, ..self }
    }

    pub(crate) fn with_extension(mut self, id: u8, value: &[u8]) -> Self {
        self.extensions.push((id, value.to_vec()));
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let first = 0x80 | u8::from(self.padding > 0) << 5 | u8::from(!self.extensions.is_empty()) << 4;
        let mut bytes = vec![first, self.payload_type];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        if !self.extensions.is_empty() {
            let mut block = Vec::new();
            for (id, value) in &self.extensions {
                block.push(id << 4 | (value.len() - 1) as u8);
                block.extend(value);
            }
            block.resize(block.len().next_multiple_of(4), 0);
            bytes.extend([0xbe, 0xde, 0, (block.len() / 4) as u8]);
            bytes.extend(block);
        }
        bytes.extend(&self.payload);
        if self.padding > 0 {
            bytes.extend(vec![0; usize::from(self.padding) - 1]);
            bytes.push(self.padding);
        }
        bytes
    }
}

/// A router in virtual time with one publisher.
pub(crate) struct Call {
    pub(crate) router: Router,
    pub(crate) out: Recorder,
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) publisher: SessionId,
    pub(crate) pool: PacketPool,
    outgoing: u32,
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn video_setup(session: SessionId) -> ProducerSetup {
    ProducerSetup {
        session,
        kind: MediaKind::Video,
        mid: Some("video".to_owned()),
        streams: vec![StreamSetup { ssrc: Some(VIDEO_SSRC), rtx_ssrc: Some(RTX_SSRC), rid: None }],
        codecs: vec![CodecSetup {
            payload_type: VIDEO_PT,
            rtx_payload_type: Some(RTX_PT),
            mime_type: "video/VP8".to_owned(),
            video_codec: Some(VideoCodec::Vp8),
            reads_descriptor: false,
            dtx: false,
            clock_rate: 90_000,
            feedback: Feedback { nack: true, pli: true, fir: true, transport_cc: true, remb: true },
        }],
        extensions: ExtensionIds::new([
            (MID_ID, ExtensionKind::Mid),
            (RID_ID, ExtensionKind::RtpStreamId),
            (REPAIRED_RID_ID, ExtensionKind::RepairedRtpStreamId),
            (TRANSPORT_CC_ID, ExtensionKind::TransportWideCc),
            (4, ExtensionKind::VideoOrientation),
        ]),
        key_frame_request_delay: Duration::ZERO,
        paused: false,
        layers_within_stream: false,
    }
}

pub(crate) fn audio_setup(session: SessionId) -> ProducerSetup {
    let video = video_setup(session);
    ProducerSetup {
        kind: MediaKind::Audio,
        mid: Some("audio".to_owned()),
        streams: vec![StreamSetup { ssrc: Some(AUDIO_SSRC), rtx_ssrc: None, rid: None }],
        codecs: vec![CodecSetup {
            payload_type: AUDIO_PT,
            rtx_payload_type: None,
            mime_type: "audio/opus".to_owned(),
            video_codec: None,
            reads_descriptor: false,
            dtx: true,
            clock_rate: 48_000,
            feedback: Feedback { transport_cc: true, ..Feedback::default() },
        }],
        ..video
    }
}

impl Call {
    pub(crate) fn new() -> Self {
        let start = Instant::now();
        let mut router = Router::new(WallClock::new(start, Duration::from_secs(1_700_000_000)), start);
        let publisher = router.add_session(SessionSetup { ssrc: 7, cname: "publisher".to_owned() });
        let (out, pool) = (Recorder::default(), PacketPool::new(4096));
        let mut call = Self { router, out, now: start, start, publisher, pool, outgoing: 0 };
        call.router.connect_session(publisher, start, &mut call.out);
        call
    }

    /// A call with a video producer.
    pub(crate) fn with_video() -> (Self, ProducerIndex) {
        let mut call = Self::new();
        let producer = call.router.produce(video_setup(call.publisher)).unwrap();
        (call, producer)
    }

    pub(crate) fn add_session(&mut self) -> SessionId {
        let session = self.router.add_session(SessionSetup { ssrc: 8, cname: "viewer".to_owned() });
        self.router.connect_session(session, self.now, &mut self.out);
        session
    }

    /// How a viewer in `session` would consume.
    pub(crate) fn consumer_setup(&mut self, session: SessionId, producer: ProducerIndex) -> ConsumerSetup {
        self.outgoing += 1;
        let (video, audio) = ((VIDEO_PT, VIEWER_PT, Some(VIEWER_RTX_PT)), (AUDIO_PT, VIEWER_AUDIO_PT, None));
        ConsumerSetup {
            session,
            producer,
            wish: Wish::everything(1, 1),
            outgoing: OutgoingStreamId(self.outgoing),
            ssrc: 5000 + self.outgoing * 2,
            rtx_ssrc: Some(5001 + self.outgoing * 2),
            rid: None,
            cname: "publisher".to_owned(),
            payload_types: [video, audio]
                .map(|(producer, viewer, viewer_rtx)| PayloadTypes { producer, viewer, viewer_rtx })
                .to_vec(),
            nack: true,
            descriptors: false,
            first_sequence: 1000,
            first_rtx_sequence: 9000,
            paused: false,
        }
    }

    /// A new viewer with a session of its own: the session, its SSRC, the consumer.
    pub(crate) fn view(&mut self, producer: ProducerIndex) -> (SessionId, u32, ConsumerIndex) {
        let session = self.add_session();
        let setup = self.consumer_setup(session, producer);
        let ssrc = setup.ssrc;
        (session, ssrc, self.consume(setup))
    }

    pub(crate) fn consume(&mut self, setup: ConsumerSetup) -> ConsumerIndex {
        self.router.consume(setup, self.now, &mut self.out).unwrap()
    }

    pub(crate) fn publish(&mut self, packet: &Rtp) {
        self.publish_bytes(self.publisher, &packet.bytes());
    }

    pub(crate) fn publish_bytes(&mut self, session: SessionId, bytes: &[u8]) {
        let mut packet = self.pool.take().expect("the pool of a test is large enough");
        assert!(packet.fill(bytes));
        self.router.handle_rtp(session, packet, self.now, &mut self.out);
    }

    /// Publishes 30 pictures a second with these numbers, the first one a key frame.
    pub(crate) fn publish_pictures(&mut self, sequences: std::ops::Range<u16>) {
        for sequence in sequences.clone() {
            self.publish(&if sequence == sequences.start { Rtp::key(sequence) } else { Rtp::delta(sequence) });
            self.run_for(ms(33));
        }
    }

    /// Says `write`'s RTCP as the peer of `session`.
    pub(crate) fn rtcp(&mut self, session: SessionId, write: impl FnOnce(&mut CompoundWriter)) {
        let mut bytes = [0; 1500];
        let mut writer = CompoundWriter::new(&mut bytes);
        write(&mut writer);
        let len = writer.len();
        self.router.handle_rtcp(session, &bytes[..len], self.now, &mut self.out);
    }

    /// Lets `duration` pass, visiting every deadline.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(deadline) = self.router.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.router.handle_timeout(self.now, &mut self.out);
        }
        self.now = end;
    }

    /// What the viewer in `session` got: number, last byte of the payload.
    pub(crate) fn seen(&self, session: SessionId) -> Vec<(u16, Option<u8>)> {
        let sent = self.out.rtp.iter().filter(|sent| sent.session == session);
        sent.map(|sent| (sent.rewrite.sequence, sent.payload.last().copied())).collect()
    }

    pub(crate) fn sequences(&self, session: SessionId) -> Vec<u16> {
        self.seen(session).into_iter().map(|(sequence, _)| sequence).collect()
    }

    /// Calls `read` with every RTCP packet sent to `session` so far.
    pub(crate) fn each_rtcp(&self, session: SessionId, mut read: impl FnMut(RtcpPacket<'_>)) {
        for (_, bytes) in self.out.rtcp.iter().filter(|(to, _)| *to == session) {
            Compound::parse(bytes).expect("what we send is well formed").packets().for_each(&mut read);
        }
    }

    /// Key-frame requests that the publisher got.
    pub(crate) fn key_frame_requests(&self) -> usize {
        let mut count = 0;
        self.each_rtcp(self.publisher, |packet| match packet {
            RtcpPacket::PictureLoss(_) | RtcpPacket::FullIntraRequest(_) => count += 1,
            _ => {}
        });
        count
    }

    /// Packets that the publisher was asked for.
    pub(crate) fn nacked(&self) -> Vec<u16> {
        let mut sequences = Vec::new();
        self.each_rtcp(self.publisher, |packet| {
            if let RtcpPacket::Nack(nack) = packet {
                sequences.extend(nack.sequences());
            }
        });
        sequences
    }
}
