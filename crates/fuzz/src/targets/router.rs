//! The router as a target: what publishers and viewers of one call send once their packets are authentic.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use millrace_model::{MediaKind, WallClock};
use millrace_packet::rtcp::feedback::{FeedbackSsrcs, FullIntraEntry};
use millrace_packet::rtcp::{Compound, CompoundWriter, ReportBlock, SenderInfo};
use millrace_packet::{ExtensionIds, ExtensionKind, OutgoingStreamId, PacketPool, PacketRef, Rewrite, VideoCodec};
use millrace_router::setup::{
    CodecSetup, ConsumerSetup, Feedback, PayloadTypes, ProducerSetup, SessionSetup, StreamSetup,
};
use millrace_router::{
    ConsumerIndex, Output, ProducerIndex, Replacement, Router, RouterEvent, SessionId, TraceKinds, Wish,
};

use crate::script::Script;

/// Longest compound that a router writes, in bytes: a datagram less the longest SRTCP trailer.
const COMPOUND_BYTES_MAX: usize = millrace_packet::DATAGRAM_BYTES_MAX - 20;
/// Resent bytes that one viewer may cause at once, and in a second (`RESEND_BURST_BYTES_MAX`,
/// `RESEND_BYTES_PER_SECOND_MAX` of the router), and the packet that goes over the edge.
const RESENT_BURST_BYTES: u64 = 125_000 + millrace_packet::DATAGRAM_BYTES_MAX as u64;
const RESENT_BYTES_PER_SECOND: u64 = 500_000;
/// Times that a router may want to be called again within one millisecond.
const TIMEOUTS_PER_MS_MAX: u64 = 200;
/// Packets of the pool; the caches of three streams take fewer.
const POOL_PACKETS: usize = 8_192;

const VIDEO_SSRC: u32 = 1111;
/// The second encoding of the video.
const HIGHER_SSRC: u32 = 1112;
const RTX_SSRC: u32 = 2222;
const AUDIO_SSRC: u32 = 3333;
/// What feedback names: streams of the publisher, of viewers, of nobody.
const SSRCS: [u32; 8] = [VIDEO_SSRC, RTX_SSRC, AUDIO_SSRC, 5000, 5001, 5002, 5003, 9];
const CODECS: [VideoCodec; 5] = [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::H264, VideoCodec::H265, VideoCodec::Av1];

/// Runs `data` as the steps of a call.
///
/// What the router says always parses and fits into a datagram; nothing goes to a session that is not connected; one
/// number never names two packets; resent bytes keep to their budget; time passes without a busy loop; and when all is
/// closed no packet is held.
///
/// # Panics
/// When one of these does not hold.
pub fn router(data: &[u8]) {
    let mut script = Script(data);
    let Some(kind) = script.byte() else { return };
    let mut call = Call::new(kind);
    while call.step(&mut script).is_some() {
        call.out.settle();
    }
    call.close();
}

struct Call {
    router: Router,
    out: Checks,
    now: Instant,
    pool: PacketPool,
    publisher: SessionId,
    /// Who publishes the same again.
    rival: SessionId,
    viewers: [SessionId; 2],
    producers: Vec<ProducerIndex>,
    consumers: Vec<ConsumerIndex>,
    has_layers_within: bool,
}

impl Call {
    fn new(kind: u8) -> Self {
        let now = Instant::now();
        let mut router = Router::new(WallClock::new(now, Duration::from_secs(1_700_000_000)), now);
        let mut out = Checks::from(now);
        let [publisher, one, other, rival] =
            [7, 8, 9, 10].map(|ssrc| router.add_session(SessionSetup { ssrc, cname: "peer".to_owned() }));
        for session in [publisher, one, other, rival] {
            router.connect_session(session, now, &mut out);
            out.connected.push(session);
            out.open.push(session);
        }
        let setups = [video(publisher, kind), audio(publisher), video(rival, kind), audio(rival)];
        let producers = setups.map(|setup| router.produce(setup).expect("nothing is taken yet")).to_vec();
        let mut call = Self {
            router,
            out,
            now,
            pool: PacketPool::new(POOL_PACKETS),
            publisher,
            rival,
            viewers: [one, other],
            producers,
            consumers: Vec::new(),
            has_layers_within: has_layers_within(kind),
        };
        (0..2).for_each(|viewer| call.consume(viewer, kind & 0x80 == 0));
        call
    }

    /// Adds a consumer of each producer of the publisher; SSRCs are given out in order and never again.
    fn consume(&mut self, viewer: usize, rtx: bool) {
        for producer in self.producers[..2].iter().copied() {
            let number = self.consumers.len() as u32;
            let wish = Wish::everything(if producer == self.producers[0] { 2 } else { 1 }, 3);
            let setup = ConsumerSetup {
                session: self.viewers[viewer],
                producer,
                wish: if self.has_layers_within { wish.within_stream() } else { wish },
                outgoing: OutgoingStreamId(number),
                ssrc: 5000 + 2 * number,
                rtx_ssrc: rtx.then_some(5001 + 2 * number),
                rid: None,
                cname: "publisher".to_owned(),
                payload_types: [(96, 101, rtx.then_some(102)), (111, 120, None)]
                    .map(|(producer, viewer, viewer_rtx)| PayloadTypes { producer, viewer, viewer_rtx })
                    .to_vec(),
                nack: true,
                descriptors: true,
                first_sequence: 65_500,
                first_rtx_sequence: 9_000,
                paused: false,
            };
            // A producer may be closed by now, and its viewers with it.
            self.consumers.extend(self.router.consume(setup, self.now, &mut self.out));
        }
    }

    /// Takes one step; `None` at the end of the script.
    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        let step = script.byte()?;
        let session = [self.publisher, self.viewers[0], self.viewers[1], self.publisher][usize::from(step >> 6)];
        match step & 7 {
            0 => self.rtp(session, script.chunk()?),
            1 => self.rtcp(session, script.chunk()?),
            2 | 3 => self.media(if step & 0x20 == 0 { self.publisher } else { self.rival }, script)?,
            4 => self.feedback(session, script)?,
            5 => self.pass(u64::from(script.u16()?)),
            6 => self.pass(u64::from(script.byte()? & 63)),
            _ => self.change(script)?,
        }
        Some(())
    }

    fn rtp(&mut self, session: SessionId, bytes: &[u8]) {
        let Some(mut packet) = self.pool.take() else { panic!("the caches hold {POOL_PACKETS} packets") };
        if packet.fill(bytes) {
            self.router.handle_rtp(session, packet, self.now, &mut self.out);
        }
    }

    fn rtcp(&mut self, session: SessionId, compound: &[u8]) {
        self.out.resent_by = Some(session);
        self.router.handle_rtcp(session, compound, self.now, &mut self.out);
    }

    /// A packet of a publisher that fits its streams, with numbers of the script.
    fn media(&mut self, publisher: SessionId, script: &mut Script<'_>) -> Option<()> {
        let shape = script.byte()?;
        let (sequence, timestamp) = (script.u16()?, script.u16()?);
        let (ssrc, payload_type) =
            [(VIDEO_SSRC, 96), (HIGHER_SSRC, 96), (RTX_SSRC, 97), (AUDIO_SSRC, 111)][usize::from(shape & 3)];
        let mut bytes = vec![if shape & 4 == 0 { 0x80 } else { 0x90 }, payload_type];
        bytes.extend(sequence.to_be_bytes());
        bytes.extend((u32::from(timestamp) << 8).to_be_bytes());
        bytes.extend(u32::to_be_bytes(ssrc));
        if shape & 4 != 0 {
            let number = sequence.to_be_bytes();
            bytes.extend([0xbe, 0xde, 0, 2, 0x51, number[0], number[1], 0x10, b'v', 0x20, b'h', 0]);
        }
        let payload_len = usize::from(shape >> 3) * 40;
        bytes.extend_from_slice(&[0x10, (shape & 8) >> 3]);
        bytes.resize(bytes.len() + payload_len, shape);
        self.rtp(publisher, &bytes);
        Some(())
    }

    fn feedback(&mut self, session: SessionId, script: &mut Script<'_>) -> Option<()> {
        let (kind, value) = (script.byte()?, script.u16()?);
        let ssrc = SSRCS[usize::from(kind >> 5)];
        let mut bytes = [0; 1500];
        let mut writer = CompoundWriter::new(&mut bytes);
        let ssrcs = FeedbackSsrcs { sender: 1, media: ssrc };
        let ntp = u64::from(value) << 48 | 7;
        let block = ReportBlock { ssrc, extended_highest_sequence: value.into(), ..ReportBlock::default() };
        let written = match kind & 7 {
            0 | 1 => writer.nack(ssrcs, (0..300).map(|step| value.wrapping_add(step * u16::from(kind >> 3 & 3)))),
            2 => writer.picture_loss(1, ssrc),
            3 => writer.full_intra_request(1, FullIntraEntry { ssrc, command: value as u8 }),
            4 => writer.receiver_report(1, &[block]),
            5 => {
                let info = SenderInfo { ntp, rtp_timestamp: value.into(), packet_count: u32::MAX, octet_count: 0 };
                writer.sender_report(ssrc, &info, &[block])
            }
            6 => writer.reference_time(1, ntp),
            _ => writer.goodbye(&[ssrc]),
        };
        written.expect("one packet fits into a datagram");
        let len = writer.len();
        self.rtcp(session, &bytes[..len]);
        Some(())
    }

    fn pass(&mut self, ms: u64) {
        self.out.pass(&mut self.router, &mut self.now, ms);
    }

    /// What applications do meanwhile.
    fn change(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (what, which) = (script.byte()?, usize::from(script.byte()?));
        let producer = self.producers[which % self.producers.len()];
        let consumer = self.consumers.get(which % self.consumers.len().max(1)).copied();
        let consumer = consumer.unwrap_or(ConsumerIndex(u32::MAX));
        let viewer = self.viewers[which & 1];
        let (now, out) = (self.now, &mut self.out);
        match what % 14 {
            0 => drop(self.router.pause_producer(producer, now, out)),
            1 => drop(self.router.resume_producer(producer, now, out)),
            2 => self.router.pause_consumer(consumer, now, out),
            3 => self.router.resume_consumer(consumer, now, out),
            4 => self.router.request_key_frame(consumer, now, out),
            5 => self.router.close_consumer(consumer),
            6 => self.consume(which & 1, which & 2 == 0),
            7 => {
                self.router.disconnect_session(viewer, now, out);
                out.connected.retain(|session| *session != viewer);
            }
            8 => {
                out.connected.push(viewer);
                self.router.connect_session(viewer, now, out);
            }
            9 => self.router.trace_producer(producer, TraceKinds::RTP.with(TraceKinds::NACK)),
            10 => {
                let _ = self.router.producer_stats(producer, now);
                let _ = self.router.consumer_stats(consumer, now);
            }
            11 => {
                let (spatial, temporal) = (which as u8 & 3, Some(which as u8 >> 2 & 3));
                let _ = self.router.set_preferred_layers(consumer, spatial, temporal, now, out);
            }
            12 => self.replace(consumer, which >> 3 & 3),
            _ => self.router.set_max_incoming_bitrate(self.publisher, (which != 0).then_some(which as u64 * 10_000)),
        }
        Some(())
    }

    fn replace(&mut self, consumer: ConsumerIndex, which: usize) {
        let types = [(96, 101, Some(102)), (111, 120, None)];
        let types = types.map(|(producer, viewer, viewer_rtx)| PayloadTypes { producer, viewer, viewer_rtx });
        let replacement = Replacement {
            producer: self.producers[which],
            payload_types: types.to_vec(),
            everything: Wish::everything(if which.is_multiple_of(2) { 2 } else { 1 }, 3),
        };
        // Of another kind, or closed.
        let _ = self.router.replace_producer(consumer, &replacement, self.now, &mut self.out);
    }

    fn close(mut self) {
        self.pass(100);
        for session in [self.publisher, self.viewers[0], self.viewers[1], self.rival] {
            self.out.connected.retain(|connected| *connected != session);
            self.out.open.retain(|open| *open != session);
            self.router.close_session(session);
        }
        self.pass(60_000);
        assert_eq!(self.pool.slots_held(), 0, "a closed call holds packets");
        assert_eq!(self.router.deadline(), None, "a closed call has something to do");
    }
}

/// Whether the video has its layers within its first stream.
fn has_layers_within(kind: u8) -> bool {
    kind & 0x20 != 0
}

fn video(session: SessionId, kind: u8) -> ProducerSetup {
    let codec = CODECS[usize::from(kind & 0x0f) % CODECS.len()];
    // Recognised by its SSRC, or by MID and RID when its first packet comes.
    let known = kind & 0x40 == 0;
    ProducerSetup {
        session,
        kind: MediaKind::Video,
        mid: Some("v".to_owned()),
        streams: vec![
            StreamSetup {
                ssrc: known.then_some(VIDEO_SSRC),
                rtx_ssrc: known.then_some(RTX_SSRC),
                rid: (!known).then(|| "h".to_owned()),
            },
            StreamSetup { ssrc: known.then_some(HIGHER_SSRC), rtx_ssrc: None, rid: (!known).then(|| "i".to_owned()) },
        ],
        codecs: vec![CodecSetup {
            payload_type: 96,
            rtx_payload_type: Some(97),
            mime_type: "video/any".to_owned(),
            video_codec: Some(codec),
            reads_descriptor: true,
            dtx: false,
            clock_rate: 90_000,
            feedback: Feedback { nack: true, pli: true, fir: true, transport_cc: true, remb: true },
        }],
        extensions: ExtensionIds::new([
            (1, ExtensionKind::Mid),
            (2, ExtensionKind::RtpStreamId),
            (3, ExtensionKind::RepairedRtpStreamId),
            (4, ExtensionKind::VideoOrientation),
            (5, ExtensionKind::TransportWideCc),
            (6, ExtensionKind::DependencyDescriptor),
        ]),
        key_frame_request_delay: Duration::ZERO,
        paused: false,
        layers_within_stream: has_layers_within(kind),
    }
}

pub(super) fn audio(session: SessionId) -> ProducerSetup {
    let video = video(session, 0);
    ProducerSetup {
        kind: MediaKind::Audio,
        mid: Some("a".to_owned()),
        streams: vec![StreamSetup { ssrc: Some(AUDIO_SSRC), rtx_ssrc: None, rid: None }],
        codecs: vec![CodecSetup {
            payload_type: 111,
            rtx_payload_type: None,
            mime_type: "audio/opus".to_owned(),
            video_codec: None,
            reads_descriptor: false,
            dtx: true,
            clock_rate: 48_000,
            feedback: Feedback { nack: true, transport_cc: true, ..Feedback::default() },
        }],
        ..video
    }
}

/// Checks everything that the router says.
#[derive(Default)]
pub(super) struct Checks {
    started: Option<Instant>,
    now: Option<Instant>,
    /// Sessions that media may go to.
    pub(super) connected: Vec<SessionId>,
    /// Sessions that are not closed. What a router says to one that is not connected is dropped by its transport.
    pub(super) open: Vec<SessionId>,
    /// Timestamp and payload of what went out, by session, stream and number.
    sent: HashMap<(SessionId, OutgoingStreamId, u16), (u32, Vec<u8>)>,
    /// Highest number of each outgoing stream.
    highest: HashMap<(SessionId, OutgoingStreamId), u16>,
    /// Bytes of retransmissions, by stream.
    resent: HashMap<(SessionId, OutgoingStreamId), u64>,
    /// Whose feedback is handled.
    resent_by: Option<SessionId>,
    /// What the router told in this step, and when.
    pub(super) events: Vec<(Instant, RouterEvent)>,
}

impl Checks {
    /// Nothing said so far.
    pub(super) fn from(now: Instant) -> Self {
        Self { started: Some(now), now: Some(now), ..Self::default() }
    }

    /// Ends a step.
    pub(super) fn settle(&mut self) {
        self.resent_by = None;
        self.events.clear();
    }

    /// Lets time pass, visiting every deadline.
    pub(super) fn pass(&mut self, router: &mut Router, now: &mut Instant, ms: u64) {
        let end = *now + Duration::from_millis(ms);
        let mut calls = 0;
        while let Some(deadline) = router.deadline().filter(|deadline| *deadline <= end) {
            *now = deadline.max(*now);
            self.now = Some(*now);
            router.handle_timeout(*now, self);
            calls += 1;
            assert!(calls <= (ms + 1) * TIMEOUTS_PER_MS_MAX, "a busy loop of timeouts");
        }
        *now = end;
        self.now = Some(end);
    }

    fn check_resent(&mut self, session: SessionId, stream: OutgoingStreamId, bytes: u64) {
        assert_eq!(self.resent_by, Some(session), "who did not ask gets no retransmission");
        let total = self.resent.entry((session, stream)).or_default();
        *total += bytes;
        let (Some(started), Some(now)) = (self.started, self.now) else { return };
        let budget = RESENT_BURST_BYTES + RESENT_BYTES_PER_SECOND * (now - started).as_millis() as u64 / 1000 + 500;
        assert!(*total <= budget, "{total} bytes were resent, {budget} are allowed");
    }
}

impl Output for Checks {
    fn send_rtp(&mut self, session: SessionId, packet: &PacketRef, rewrite: &Rewrite) {
        assert!(self.connected.contains(&session), "media for a session that is not connected");
        let bytes = packet.payload().len() as u64;
        if rewrite.original_sequence.is_some() {
            return self.check_resent(session, rewrite.stream, bytes);
        }
        let key = (session, rewrite.stream, rewrite.sequence);
        let content = (rewrite.timestamp, packet.payload().to_vec());
        let highest = self.highest.entry((session, rewrite.stream)).or_insert(rewrite.sequence);
        let ahead = rewrite.sequence.wrapping_sub(*highest);
        if (1..0x8000).contains(&ahead) {
            // Numbers half a turn behind mean packets of the next turn from here on.
            let from = *highest;
            self.sent.retain(|(to, stream, number), _| {
                (*to, *stream) != (session, rewrite.stream) || number.wrapping_sub(from.wrapping_add(0x8000)) >= ahead
            });
            *highest = rewrite.sequence;
        }
        match self.sent.get(&key) {
            Some(before) => {
                assert_eq!(*before, content, "number {} names two packets", rewrite.sequence);
                self.check_resent(session, rewrite.stream, bytes);
            }
            None => drop(self.sent.insert(key, content)),
        }
    }

    fn send_rtcp(&mut self, session: SessionId, compound: &[u8]) {
        assert!(self.open.contains(&session), "feedback for a session that is closed");
        assert!(compound.len() <= COMPOUND_BYTES_MAX);
        assert!(Compound::parse(compound).is_ok(), "what a router says is well formed");
    }

    fn event(&mut self, event: RouterEvent) {
        self.events.extend(self.now.map(|now| (now, event)));
    }
}
