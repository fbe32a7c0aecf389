//! A str0m peer in RTP mode: a full, controlling ICE agent, a DTLS client, tracks without SDP.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use millrace_model::{Fingerprint, FingerprintAlgorithm, MediaKind};
use millrace_testkit::{Datagram, Endpoint};
use millrace_transport::ice::IceCredentials;
use str0m::bwe::{Bitrate, BweKind};
use str0m::config::DtlsVersion;
use str0m::ice::IceCreds;
use str0m::media::{KeyframeRequest, KeyframeRequestKind, SenderFeedback};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, Ssrc};
use str0m::stats::{MediaEgressStats, MediaIngressStats, PeerStats};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig, RtcError};

use crate::server::Track;

/// What a peer is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) local: SocketAddr,
    pub(crate) dtls_version: DtlsVersion,
    /// Starts bandwidth estimation for what it sends, in bit/s.
    pub(crate) estimate_from: Option<u64>,
}

/// A packet that str0m opened, by its extended sequence number.
pub(crate) type Packets = BTreeMap<u64, Vec<u8>>;

/// The peer.
pub(crate) struct Str0mPeer {
    rtc: Rtc,
    local: SocketAddr,
    due: Instant,
    transmits: VecDeque<Datagram>,
    pub(crate) is_connected: bool,
    /// Why str0m gave up, if it did.
    pub(crate) error: Option<RtcError>,
    /// Payloads by SSRC of the media, retransmitted ones under their own number.
    pub(crate) received: BTreeMap<u32, Packets>,
    /// Packets that came although their number was there.
    pub(crate) repeated: u64,
    pub(crate) key_frame_requests: Vec<KeyframeRequest>,
    pub(crate) sender_reports: Vec<SenderFeedback>,
    pub(crate) estimates: Vec<u64>,
    pub(crate) peer_stats: Vec<PeerStats>,
    /// What it was told of its tracks, second by second.
    pub(crate) egress: BTreeMap<String, Vec<MediaEgressStats>>,
    pub(crate) ingress: BTreeMap<String, MediaIngressStats>,
}

impl Str0mPeer {
    pub(crate) fn new(settings: Settings, now: Instant) -> Self {
        let config = RtcConfig::new()
            .set_rtp_mode(true)
            .set_dtls_version(settings.dtls_version)
            .enable_bwe(settings.estimate_from.map(Bitrate::from))
            .set_stats_interval(Some(Duration::from_secs(1)));
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(settings.local, "udp").unwrap());
        Self {
            rtc,
            local: settings.local,
            due: now,
            transmits: VecDeque::new(),
            is_connected: false,
            error: None,
            received: BTreeMap::new(),
            repeated: 0,
            key_frame_requests: Vec::new(),
            sender_reports: Vec::new(),
            estimates: Vec::new(),
            peer_stats: Vec::new(),
            egress: BTreeMap::new(),
            ingress: BTreeMap::new(),
        }
    }

    pub(crate) fn fingerprint(&mut self) -> Fingerprint {
        let fingerprint = self.rtc.direct_api().local_dtls_fingerprint().clone();
        assert_eq!(fingerprint.hash_func, "sha-256");
        Fingerprint { algorithm: FingerprintAlgorithm::Sha256, digest: fingerprint.bytes }
    }

    /// Starts ICE and DTLS towards a server that signalled this.
    pub(crate) fn connect(
        &mut self,
        server: SocketAddr,
        ice: &IceCredentials,
        fingerprints: &[Fingerprint],
        server_begins: bool,
        now: Instant,
    ) {
        let sha256 = fingerprints.iter().find(|one| one.algorithm == FingerprintAlgorithm::Sha256).unwrap();
        self.rtc.add_remote_candidate(Candidate::host(server, "udp").unwrap());
        let mut direct = self.rtc.direct_api();
        direct.set_ice_controlling(true);
        direct.set_remote_ice_credentials(IceCreds { ufrag: ice.ufrag.clone(), pass: ice.password.clone() });
        direct.set_remote_fingerprint(str0m::config::Fingerprint {
            hash_func: "sha-256".to_owned(),
            bytes: sha256.digest.clone(),
        });
        direct.enable_twcc_feedback();
        direct.start_dtls(!server_begins).unwrap();
        self.handle_timeout(now);
    }

    /// Declares a track that this peer sends.
    pub(crate) fn send_track(&mut self, track: &Track) {
        let mut direct = self.rtc.direct_api();
        direct.declare_media(track.mid.into(), kind(track));
        let stream =
            direct.declare_stream_tx(track.ssrc.into(), track.rtx_ssrc.map(Ssrc::from), track.mid.into(), None);
        // A cache without a ratio of its own: at the losses of these tests str0m would stop to resend.
        stream.set_rtx_cache(2_000, Duration::from_secs(5), None);
    }

    /// Declares a track that this peer receives.
    pub(crate) fn expect_track(&mut self, track: &Track) {
        let mut direct = self.rtc.direct_api();
        direct.declare_media(track.mid.into(), kind(track));
        direct.expect_stream_rx(track.ssrc.into(), track.rtx_ssrc.map(Ssrc::from), track.mid.into(), None);
    }

    /// Sends a packet of a declared track, `number` being its extended sequence number.
    pub(crate) fn write(&mut self, track: &Track, number: u64, frame: Frame<'_>, now: Instant) {
        let payload_type = track.payload_type.into();
        let write = RtpWrite::new(payload_type, number.into(), frame.timestamp, now, frame.payload)
            .marker(frame.is_last)
            .nackable(track.rtx_ssrc.is_some());
        self.rtc.direct_api().stream_tx(&track.ssrc.into()).unwrap().write_rtp(write);
        self.handle_timeout(now);
    }

    /// Asks the sender of a received track for a key frame.
    pub(crate) fn request_key_frame(&mut self, track: &Track, now: Instant) {
        let mut direct = self.rtc.direct_api();
        direct.stream_rx(&track.ssrc.into()).unwrap().request_keyframe(KeyframeRequestKind::Pli);
        self.handle_timeout(now);
    }

    /// Tells str0m's estimator what there would be to send.
    pub(crate) fn wish_bitrate(&mut self, bitrate: u64, now: Instant) {
        self.rtc.bwe().set_bitrate(Bitrate::from(0), Bitrate::from(bitrate));
        self.handle_timeout(now);
    }

    fn drain(&mut self) {
        while self.error.is_none() {
            match self.rtc.poll_output() {
                Err(error) => self.error = Some(error),
                Ok(Output::Timeout(due)) => {
                    self.due = due;
                    return;
                }
                Ok(Output::Transmit(transmit)) => self.transmits.push_back(Datagram {
                    from: transmit.source,
                    to: transmit.destination,
                    bytes: transmit.contents.to_vec(),
                }),
                Ok(Output::Event(event)) => self.take(event),
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Connected => self.is_connected = true,
            Event::RtpPacket(packet) => {
                let packets = self.received.entry(*packet.header.ssrc).or_default();
                let previous = packets.insert(*packet.seq_no, packet.payload.to_vec());
                self.repeated += u64::from(previous.is_some());
            }
            Event::KeyframeRequest(request) => self.key_frame_requests.push(request),
            Event::SenderFeedback(report) => self.sender_reports.push(report),
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. }) => self.estimates.push(estimate.as_u64()),
            Event::PeerStats(stats) => self.peer_stats.push(stats),
            Event::MediaEgressStats(stats) => self.egress.entry(stats.mid.to_string()).or_default().push(stats),
            Event::MediaIngressStats(stats) => drop(self.ingress.insert(stats.mid.to_string(), stats)),
            _ => {}
        }
    }
}

/// One packet's worth of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) timestamp: u32,
    pub(crate) is_last: bool,
    pub(crate) payload: &'a [u8],
}

impl Endpoint for Str0mPeer {
    fn has_address(&self, address: SocketAddr) -> bool {
        self.local == address
    }

    fn handle_datagram(&mut self, now: Instant, datagram: &Datagram) {
        if self.error.is_some() {
            return;
        }
        let receive = Receive::new(Protocol::Udp, datagram.from, datagram.to, &datagram.bytes).unwrap();
        self.error = self.rtc.handle_input(Input::Receive(now, receive)).err();
        self.drain();
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        self.transmits.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        self.error.is_none().then_some(self.due)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.error = self.error.take().or_else(|| self.rtc.handle_input(Input::Timeout(now)).err());
        self.drain();
    }
}

fn kind(track: &Track) -> str0m::media::MediaKind {
    match track.kind {
        MediaKind::Audio => str0m::media::MediaKind::Audio,
        MediaKind::Video => str0m::media::MediaKind::Video,
    }
}
