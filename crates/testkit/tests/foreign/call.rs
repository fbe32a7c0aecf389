//! A call of two str0m peers through the server: one publishes a camera and a microphone, the other one views them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use millrace_model::MediaKind;
use millrace_router::SessionId;
use millrace_testkit::{Net, Quality};
use str0m::config::DtlsVersion;

use crate::server::{Server, ServerDtls, Track};
use crate::str0m_peer::{Frame, Settings, Str0mPeer};

pub(crate) const CAMERA: Track = Track {
    kind: MediaKind::Video,
    mid: "cam",
    payload_type: 96,
    rtx_payload_type: Some(97),
    ssrc: 1_001,
    rtx_ssrc: Some(1_002),
};
pub(crate) const MICROPHONE: Track = Track {
    kind: MediaKind::Audio,
    mid: "mic",
    payload_type: 111,
    rtx_payload_type: None,
    ssrc: 1_003,
    rtx_ssrc: None,
};
/// The camera as its viewer gets it.
pub(crate) const PICTURE: Track = Track { mid: "pic", ssrc: 2_001, rtx_ssrc: Some(2_002), ..CAMERA };
/// The microphone as its listener gets it.
pub(crate) const SOUND: Track = Track { mid: "snd", ssrc: 2_003, ..MICROPHONE };

const PUBLISHER: &str = "10.0.0.2:5000";
const VIEWER: &str = "10.0.0.3:5000";

/// Time between two frames of 30 a second.
const FRAME: Duration = Duration::from_micros(33_333);
/// Packets of a frame: 0.8 Mbit/s, so that the 100 packets that str0m's NACKs look back are a second.
const FRAME_PACKETS: u64 = 3;

/// How long a test waits for what takes round trips and repetitions.
const PATIENCE: Duration = Duration::from_secs(30);

/// The call.
pub(crate) struct Call {
    pub(crate) net: Net,
    pub(crate) server: Server,
    pub(crate) publisher: Str0mPeer,
    pub(crate) viewer: Str0mPeer,
    pub(crate) publisher_session: SessionId,
    pub(crate) viewer_session: SessionId,
    frames: u64,
    key_frame_requests_met: usize,
    video: Source,
    audio: Source,
}

/// What was published of a track.
struct Source {
    track: Track,
    next: u64,
    payloads: Vec<Vec<u8>>,
}

/// What a call is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSettings {
    pub(crate) seed: u64,
    pub(crate) quality: Quality,
    pub(crate) dtls_version: DtlsVersion,
    pub(crate) server: ServerDtls,
    pub(crate) estimate_from: Option<u64>,
}

impl CallSettings {
    pub(crate) fn seeded(seed: u64) -> Self {
        let (dtls_version, server) = (DtlsVersion::Dtls12, ServerDtls::default());
        Self { seed, quality: Quality::default(), dtls_version, server, estimate_from: None }
    }

    pub(crate) fn quality(self, quality: Quality) -> Self {
        Self { quality, ..self }
    }
}

/// A network that loses, delays, repeats and reorders.
pub(crate) fn bad_network(loss: f64) -> Quality {
    let ms = Duration::from_millis;
    Quality { delay: ms(30), jitter: ms(20), loss, duplication: 0.02, reordering: 0.02 }
}

impl Call {
    /// Peers that know of each other, before the first datagram.
    pub(crate) fn new(settings: CallSettings) -> Self {
        // str0m draws its SSRCs, its ICE credentials and the spread of its timers from here.
        fastrand::seed(settings.seed);
        let net = Net::seeded(settings.seed).with_quality(settings.quality);
        let now = net.now();
        let mut server = Server::new(settings.server, now);
        let peer = |local: &str, estimate_from| {
            let local: SocketAddr = local.parse().unwrap();
            Str0mPeer::new(Settings { local, dtls_version: settings.dtls_version, estimate_from }, now)
        };
        let mut publisher = peer(PUBLISHER, settings.estimate_from);
        let mut viewer = peer(VIEWER, None);
        let publisher_session = introduce(&mut server, &mut publisher, now);
        let viewer_session = introduce(&mut server, &mut viewer, now);
        for track in [CAMERA, MICROPHONE] {
            publisher.send_track(&track);
        }
        for track in [PICTURE, SOUND] {
            viewer.expect_track(&track);
        }
        let camera = server.produce(publisher_session, &CAMERA);
        let microphone = server.produce(publisher_session, &MICROPHONE);
        server.consume(viewer_session, camera, &PICTURE, now);
        server.consume(viewer_session, microphone, &SOUND, now);
        let (frames, key_frame_requests_met) = (0, 0);
        let (video, audio) = (Source::new(CAMERA), Source::new(MICROPHONE));
        Self {
            net,
            server,
            publisher,
            viewer,
            publisher_session,
            viewer_session,
            frames,
            key_frame_requests_met,
            video,
            audio,
        }
    }

    /// A call in which media can flow.
    pub(crate) fn connected(settings: CallSettings) -> Self {
        let mut call = Self::new(settings);
        assert!(call.connect(), "both are connected within {PATIENCE:?}");
        call
    }

    /// Waits until both are connected; tells whether they are.
    pub(crate) fn connect(&mut self) -> bool {
        for _ in 0..PATIENCE.as_millis() / 10 {
            if self.publisher.is_connected && self.viewer.is_connected {
                return true;
            }
            self.run_for(Duration::from_millis(10));
        }
        false
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        self.net.run_for(duration, &mut [&mut self.server, &mut self.publisher, &mut self.viewer]);
    }

    /// Sets what both paths do from now on.
    pub(crate) fn set_quality(&mut self, quality: Quality) {
        self.set_uplink(quality);
        self.set_downlink(quality);
    }

    /// Sets what the publisher's path does from now on, both ways.
    pub(crate) fn set_uplink(&mut self, quality: Quality) {
        self.net.set_path(PUBLISHER.parse().unwrap(), "10.0.0.1:4000".parse().unwrap(), quality);
    }

    /// Sets what the viewer's path does from now on, both ways.
    pub(crate) fn set_downlink(&mut self, quality: Quality) {
        self.net.set_path(VIEWER.parse().unwrap(), "10.0.0.1:4001".parse().unwrap(), quality);
    }

    /// Publishes for `duration`: 30 pictures and 50 pieces of sound a second, key frames when they are asked for.
    pub(crate) fn publish_for(&mut self, duration: Duration) {
        let end = self.net.now() + duration;
        while self.net.now() < end {
            self.publish_picture();
            // Five pieces of sound in three frames.
            let pieces = 1 + u64::from(!self.frames.is_multiple_of(3));
            for _ in 0..pieces {
                self.publish_sound();
            }
            self.run_for(FRAME);
        }
    }

    /// Publishes a little over a perfect network, so that no loss at the end goes unnoticed.
    pub(crate) fn finish(&mut self) {
        self.set_quality(Quality::default());
        self.publish_for(Duration::from_secs(3));
        self.run_for(Duration::from_secs(1));
    }

    /// What the viewer should have got of the pictures, in order.
    pub(crate) fn pictures_published(&self) -> &[Vec<u8>] {
        &self.video.payloads
    }

    /// What the listener should have got, in order.
    pub(crate) fn sounds_published(&self) -> &[Vec<u8>] {
        &self.audio.payloads
    }

    fn publish_picture(&mut self) {
        let requests = self.publisher.key_frame_requests.len();
        let is_key = self.frames == 0 || requests > self.key_frame_requests_met;
        self.key_frame_requests_met = requests;
        for index in 0..FRAME_PACKETS {
            let payload = vp8_payload(is_key, index == 0, self.video.payloads.len() as u64);
            let timestamp = (self.frames as u32).wrapping_mul(3_000);
            self.video.publish(payload, timestamp, index == FRAME_PACKETS - 1, &mut self.publisher, self.net.now());
        }
        self.frames += 1;
    }

    fn publish_sound(&mut self) {
        let number = self.audio.payloads.len() as u64;
        let payload = [&[31 << 3][..], &number.to_be_bytes(), &[number as u8; 70]].concat();
        let timestamp = (number as u32).wrapping_mul(960);
        self.audio.publish(payload, timestamp, number == 0, &mut self.publisher, self.net.now());
    }
}

impl Source {
    /// Starts near the wrap of its sequence numbers, as any sender may.
    fn new(track: Track) -> Self {
        Self { track, next: 65_000, payloads: Vec::new() }
    }

    fn publish(&mut self, payload: Vec<u8>, timestamp: u32, is_last: bool, peer: &mut Str0mPeer, now: Instant) {
        peer.write(&self.track, self.next, Frame { timestamp, is_last, payload: &payload }, now);
        self.next += 1;
        self.payloads.push(payload);
    }
}

/// Signalling: makes a transport for a peer and tells each of the other.
fn introduce(server: &mut Server, peer: &mut Str0mPeer, now: Instant) -> SessionId {
    let (session, address, ice) = server.add_peer(peer.fingerprint(), now);
    peer.connect(address, &ice, server.fingerprints(), server.dtls.is_client, now);
    session
}

/// RFC 7741 §4.2, §4.3: a descriptor of one byte, a frame tag whose lowest bit is clear in a key frame.
fn vp8_payload(is_key: bool, is_first: bool, number: u64) -> Vec<u8> {
    let start: &[u8] = match (is_first, is_key) {
        (true, true) => &[0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01],
        (true, false) => &[0x10, 0x11, 0x02, 0x00],
        (false, _) => &[0x00],
    };
    let mut payload = [start, &number.to_be_bytes()].concat();
    payload.resize(1_080, number as u8);
    payload
}
