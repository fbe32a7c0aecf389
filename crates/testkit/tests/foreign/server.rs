//! A server without sockets: one transport for each peer around one router.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use millrace_model::{Counters, DtlsVersion, Fingerprint, MediaKind, WallClock};
use millrace_packet::header::ExtensionPlan;
use millrace_packet::{ExtensionIds, ExtensionKind, OutgoingStreamId, PacketPool, PacketRef, Rewrite, VideoCodec};
use millrace_router::setup::{
    CodecSetup, ConsumerSetup, Feedback, PayloadTypes, ProducerSetup, SessionSetup, StreamSetup,
};
use millrace_router::{ConsumerIndex, Output, PathReport, ProducerIndex, Router, RouterEvent, SessionId, Wish};
use millrace_testkit::{Datagram, Endpoint};
use millrace_transport::IntakeLimits;
use millrace_transport::congestion::BITRATES_DEFAULT;
use millrace_transport::dtls::{LocalCertificate, PeerFingerprints, Role};
use millrace_transport::ice::IceCredentials;
use millrace_transport::outgoing::{OutgoingStreamSpec, Repair};
use millrace_transport::webrtc::DtlsState;
use millrace_transport::{
    Protocol, Received, SendSlots, SocketId, TransportEvent, Tuple, WebRtcConfig, WebRtcTransport,
};

/// Bytes of a send slot: a datagram and its trailer.
const SLOT_BYTES: usize = 1_600;

/// Header extensions under the numbers that str0m has by default.
pub(crate) const EXTENSIONS: [(u8, ExtensionKind); 6] = [
    (1, ExtensionKind::AudioLevel),
    (2, ExtensionKind::AbsSendTime),
    (3, ExtensionKind::TransportWideCc),
    (4, ExtensionKind::Mid),
    (10, ExtensionKind::RtpStreamId),
    (11, ExtensionKind::RepairedRtpStreamId),
];

/// One track of a peer: what signalling would say of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Track {
    pub(crate) kind: MediaKind,
    pub(crate) mid: &'static str,
    pub(crate) payload_type: u8,
    pub(crate) rtx_payload_type: Option<u8>,
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: Option<u32>,
}

/// How the server takes part in handshakes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServerDtls {
    pub(crate) version: DtlsVersion,
    /// Whether it begins them.
    pub(crate) is_client: bool,
}

/// The server. Transport `n` has the address `10.0.0.1:4000 + n`.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) dtls: ServerDtls,
    certificate: LocalCertificate,
    clock: WallClock,
    links: Vec<Link>,
    pool: PacketPool,
    transmits: VecDeque<Datagram>,
    events: Vec<RouterEvent>,
}

struct Link {
    transport: WebRtcTransport,
    session: SessionId,
    local: SocketAddr,
    dtls: Vec<DtlsState>,
}

impl Server {
    pub(crate) fn new(dtls: ServerDtls, now: Instant) -> Self {
        let clock = WallClock::new(now, Duration::from_secs(1_700_000_000));
        Self {
            router: Router::new(clock, now),
            dtls,
            certificate: LocalCertificate::generate().unwrap(),
            clock,
            links: Vec::new(),
            pool: PacketPool::new(8_192),
            transmits: VecDeque::new(),
            events: Vec::new(),
        }
    }

    /// Makes a transport for a peer with this certificate; returns its address and its ICE credentials.
    pub(crate) fn add_peer(
        &mut self,
        fingerprint: Fingerprint,
        now: Instant,
    ) -> (SessionId, SocketAddr, IceCredentials) {
        let number = self.links.len();
        let name = format!("transport{number}");
        let ice = IceCredentials { ufrag: name.clone(), password: format!("{name}-with-a-long-password") };
        let config = WebRtcConfig {
            ice: ice.clone(),
            consent_timeout: Some(Duration::from_secs(30)),
            certificate: self.certificate.clone(),
            dtls_version: self.dtls.version,
            srtp_sha1_32: false,
            intake: IntakeLimits { packets_per_second: 0, bits_per_second: 0 },
            wall_clock: self.clock,
            sctp: None,
            bitrates: BITRATES_DEFAULT,
        };
        let mut transport = WebRtcTransport::new(config, now);
        let remote_role = if self.dtls.is_client { Role::Server } else { Role::Client };
        transport.connect(PeerFingerprints::new(vec![fingerprint]).unwrap(), Some(remote_role), now).unwrap();
        let session = self.router.add_session(SessionSetup { ssrc: 7_000 + number as u32, cname: name });
        let local = SocketAddr::from(([10, 0, 0, 1], 4_000 + number as u16));
        self.links.push(Link { transport, session, local, dtls: Vec::new() });
        (session, local, ice)
    }

    pub(crate) fn fingerprints(&self) -> &[Fingerprint] {
        self.certificate.fingerprints()
    }

    pub(crate) fn produce(&mut self, session: SessionId, track: &Track) -> ProducerIndex {
        let (codec, rtx_payload_type) = (codec(track), track.rtx_payload_type);
        let setup = ProducerSetup {
            session,
            kind: track.kind,
            mid: Some(track.mid.to_owned()),
            streams: vec![StreamSetup { ssrc: Some(track.ssrc), rtx_ssrc: track.rtx_ssrc, rid: None }],
            codecs: vec![CodecSetup { rtx_payload_type, ..codec }],
            extensions: ExtensionIds::new(EXTENSIONS),
            key_frame_request_delay: Duration::ZERO,
            paused: false,
            layers_within_stream: false,
        };
        self.router.produce(setup).unwrap()
    }

    /// Adds a consumer whose track towards the viewer is `track`.
    pub(crate) fn consume(
        &mut self,
        session: SessionId,
        producer: ProducerIndex,
        track: &Track,
        now: Instant,
    ) -> ConsumerIndex {
        let plan = ExtensionPlan::new(EXTENSIONS).with_mid(track.mid).unwrap();
        let repair = track.rtx_ssrc.map_or(Repair::None, |ssrc| Repair::Rtx { ssrc });
        let link = self.links.iter_mut().find(|link| link.session == session).unwrap();
        let outgoing = link.transport.add_stream(OutgoingStreamSpec::new(track.ssrc, repair, plan)).unwrap();
        let setup = consumer_setup(session, producer, track, outgoing);
        self.with_router(now, |router, way| router.consume(setup, now, way).unwrap())
    }

    /// The DTLS states of a transport, in the order in which they came.
    pub(crate) fn dtls_states(&self, session: SessionId) -> &[DtlsState] {
        &self.link(session).dtls
    }

    /// What the transport of `session` counted.
    pub(crate) fn transport_counters(&self, session: SessionId) -> &Counters {
        self.link(session).transport.counters()
    }

    /// What the router counted for `session`.
    pub(crate) fn router_counters(&self, session: SessionId) -> &Counters {
        self.router.counters(session).unwrap()
    }

    pub(crate) fn with_router<T>(&mut self, now: Instant, call: impl FnOnce(&mut Router, &mut WayOut<'_>) -> T) -> T {
        let Self { router, links, transmits, events, .. } = self;
        call(router, &mut WayOut { links, transmits, events, now })
    }

    fn link(&self, session: SessionId) -> &Link {
        self.links.iter().find(|link| link.session == session).unwrap()
    }

    fn receive(&mut self, number: usize, datagram: &Datagram, now: Instant) {
        let mut packet = self.pool.take().expect("the router lets go of packets");
        if !packet.fill(&datagram.bytes) {
            return;
        }
        let tuple = tuple_of(number, datagram.from);
        let Link { transport, session, .. } = &mut self.links[number];
        let session = *session;
        match transport.handle_datagram(&tuple, packet, now) {
            Some(Received::Rtp(packet)) => {
                self.with_router(now, |router, way| router.handle_rtp(session, packet, now, way));
            }
            Some(Received::Rtcp(packet)) => {
                self.with_router(now, |router, way| router.handle_rtcp(session, packet.bytes(), now, way));
            }
            None => {}
        }
        self.attend_path(number, now);
        self.settle(number, now);
    }

    /// Does what follows from what was learned of a path: pads, and divides what it carries among the consumers.
    fn attend_path(&mut self, number: usize, now: Instant) {
        let Link { transport, session, .. } = &mut self.links[number];
        let session = *session;
        let (padding, estimate) = (transport.poll_padding(now), transport.poll_estimate());
        if let Some(bytes) = padding {
            let sent = self.with_router(now, |router, way| router.send_padding(session, bytes, now, way));
            if sent == 0 {
                self.links[number].transport.give_up_probe();
            }
        }
        if let Some(estimate) = estimate {
            self.with_router(now, |router, way| router.set_line(session, estimate.line(), now, way));
        }
        if let Some(stream) = self.links[number].transport.poll_broken_stream() {
            self.with_router(now, |router, way| router.repair_stream(session, stream, now, way));
        }
    }

    fn settle(&mut self, number: usize, now: Instant) {
        let link = &mut self.links[number];
        while let Some(transmit) = link.transport.poll_transmit() {
            self.transmits.push_back(Datagram { from: link.local, to: transmit.tuple.remote, bytes: transmit.bytes });
        }
        let mut is_connected = false;
        while let Some(event) = link.transport.poll_event() {
            if let TransportEvent::Dtls(state) = event {
                is_connected |= matches!(state, DtlsState::Connected { .. });
                link.dtls.push(state);
            }
        }
        let session = link.session;
        if is_connected {
            self.with_router(now, |router, way| router.connect_session(session, now, way));
        }
    }
}

impl Endpoint for Server {
    fn has_address(&self, address: SocketAddr) -> bool {
        self.links.iter().any(|link| link.local == address)
    }

    fn handle_datagram(&mut self, now: Instant, datagram: &Datagram) {
        if let Some(number) = self.links.iter().position(|link| link.local == datagram.to) {
            self.receive(number, datagram, now);
        }
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        self.transmits.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        let transports = self.links.iter().filter_map(|link| link.transport.deadline());
        transports.chain(self.router.deadline()).min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        for number in 0..self.links.len() {
            let link = &mut self.links[number];
            link.transport.handle_timeout(now);
            link.transport.flush_queue(now, &mut Slots::new(link.local, &mut self.transmits));
            self.attend_path(number, now);
            self.settle(number, now);
        }
        self.with_router(now, |router, way| router.handle_timeout(now, way));
    }
}

/// Where the router's packets go during one call.
pub(crate) struct WayOut<'a> {
    links: &'a mut [Link],
    transmits: &'a mut VecDeque<Datagram>,
    events: &'a mut Vec<RouterEvent>,
    now: Instant,
}

impl Output for WayOut<'_> {
    fn send_rtp(&mut self, session: SessionId, packet: &PacketRef, rewrite: &Rewrite) {
        if let Some(link) = self.links.iter_mut().find(|link| link.session == session) {
            let mut slots = Slots::new(link.local, self.transmits);
            link.transport.send_rtp(packet, rewrite, self.now, &mut slots);
        }
    }

    fn send_rtcp(&mut self, session: SessionId, compound: &[u8]) {
        if let Some(link) = self.links.iter_mut().find(|link| link.session == session) {
            let mut slots = Slots::new(link.local, self.transmits);
            link.transport.send_rtcp(compound, self.now, &mut slots);
        }
    }

    fn heard(&mut self, session: SessionId, report: &PathReport<'_>) {
        let Some(link) = self.links.iter_mut().find(|link| link.session == session) else { return };
        let (transport, now) = (&mut link.transport, self.now);
        match *report {
            PathReport::TransportFeedback(feedback) => transport.handle_transport_feedback(feedback, now),
            PathReport::CongestionFeedback(feedback) => transport.handle_congestion_feedback(feedback, now),
            PathReport::Limit(bitrate) => transport.handle_bitrate_limit(bitrate, now),
            PathReport::Reception { lost_fraction, round_trip } => {
                transport.handle_reception(lost_fraction, round_trip, now);
            }
        }
    }

    fn wanted(&mut self, session: SessionId, bitrate: u64) {
        if let Some(link) = self.links.iter_mut().find(|link| link.session == session) {
            link.transport.set_wanted_bitrate(bitrate, self.now);
        }
    }

    fn event(&mut self, event: RouterEvent) {
        self.events.push(event);
    }
}

/// A socket that is never full.
struct Slots<'a> {
    local: SocketAddr,
    transmits: &'a mut VecDeque<Datagram>,
    bytes: [u8; SLOT_BYTES],
}

impl<'a> Slots<'a> {
    fn new(local: SocketAddr, transmits: &'a mut VecDeque<Datagram>) -> Self {
        Self { local, transmits, bytes: [0; SLOT_BYTES] }
    }
}

impl SendSlots for Slots<'_> {
    fn slot(&mut self, _: &Tuple) -> Option<&mut [u8]> {
        Some(&mut self.bytes)
    }

    fn commit(&mut self, tuple: &Tuple, len: usize) {
        let bytes = self.bytes[..len].to_vec();
        self.transmits.push_back(Datagram { from: self.local, to: tuple.remote, bytes });
    }
}

fn tuple_of(number: usize, remote: SocketAddr) -> Tuple {
    Tuple { socket: SocketId(number as u32), protocol: Protocol::Udp, remote, local_ip: None }
}

fn codec(track: &Track) -> CodecSetup {
    let (mime_type, video_codec, clock_rate) = match track.kind {
        MediaKind::Video => ("video/VP8", Some(VideoCodec::Vp8), 90_000),
        MediaKind::Audio => ("audio/opus", None, 48_000),
    };
    let is_video = video_codec.is_some();
    CodecSetup {
        payload_type: track.payload_type,
        rtx_payload_type: None,
        mime_type: mime_type.to_owned(),
        video_codec,
        reads_descriptor: false,
        dtx: !is_video,
        clock_rate,
        feedback: Feedback { nack: is_video, pli: is_video, fir: false, transport_cc: true, remb: false },
    }
}

fn consumer_setup(
    session: SessionId,
    producer: ProducerIndex,
    track: &Track,
    outgoing: OutgoingStreamId,
) -> ConsumerSetup {
    let (viewer, viewer_rtx) = (track.payload_type, track.rtx_payload_type);
    ConsumerSetup {
        session,
        producer,
        wish: Wish::everything(1, 1),
        outgoing,
        ssrc: track.ssrc,
        rtx_ssrc: track.rtx_ssrc,
        rid: None,
        cname: "publisher".to_owned(),
        payload_types: vec![PayloadTypes { producer: track.payload_type, viewer, viewer_rtx }],
        nack: track.rtx_ssrc.is_some(),
        descriptors: false,
        first_sequence: 32_000,
        first_rtx_sequence: 31_000,
        paused: false,
    }
}
