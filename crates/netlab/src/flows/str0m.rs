//! str0m as it is used: two whole `Rtc`s, with their own pacer, padding, probes and feedback.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::bwe::{Bitrate, BweKind};
use str0m::format::Codec;
use str0m::media::{MediaKind, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::{FlowSettings, INITIAL_BITRATE};
use crate::flow::{Flow, OVERHEAD_BYTES, Wire};
use crate::source::Source;
use crate::{MS, Micros};

const MEDIA: u32 = 42;
const REPAIR: u32 = 44;
const SOUND: u32 = 46;
/// How often str0m is asked for its estimate. What it tells in events is a mean of 3 s, made for who chooses layers by it;
/// an encoder that followed that would keep the queue full for as long.
const STATS: Duration = Duration::from_millis(25);
/// How much virtual time ICE and DTLS may take before the run begins.
const HANDSHAKE_STEPS: usize = 5_000;

/// A sender and a receiver of str0m's, connected before the run begins.
pub struct Str0m {
    sender: Side,
    receiver: Side,
    origin: Instant,
    start: Micros,
    source: Source,
    is_layered: bool,
    /// Of the picture and of the sound.
    payload_types: [Pt; 2],
    number: u64,
    audio_number: u64,
}

struct Side {
    rtc: Rtc,
    address: SocketAddr,
    peer: SocketAddr,
    due: Instant,
    out: Vec<Vec<u8>>,
    connected: bool,
    /// As it tells applications.
    estimate: f64,
    /// As its pacer has it.
    latest: f64,
    media_bytes: u64,
}

impl Str0m {
    /// A connection that begins to send at its start.
    ///
    /// # Panics
    /// When str0m does not connect to itself.
    pub fn new(settings: &FlowSettings) -> Self {
        let now = Instant::now();
        let addresses = ["10.0.0.1:1000", "10.0.0.2:2000"].map(|text| text.parse().expect("an address"));
        let config = || Rtc::builder().set_rtp_mode(true).set_stats_interval(Some(STATS));
        let bwe = Some(Bitrate::from(INITIAL_BITRATE));
        let mut sender = Side::new(config().enable_bwe(bwe).build(now), addresses[0], addresses[1], now);
        let mut receiver = Side::new(config().build(now), addresses[1], addresses[0], now);
        introduce(&mut sender, &mut receiver);
        let origin = connect(&mut sender, &mut receiver, now);
        let payload_types = declare(&mut sender.rtc, &mut receiver.rtc);
        let source = Source::new(settings.source, settings.seed, settings.start);
        sender.rtc.bwe().set_bitrate(Bitrate::ZERO, Bitrate::from(source.wanted()));
        let is_layered = settings.source.layers().is_some();
        let start = settings.start;
        let (number, audio_number) = (47_000, 1000);
        Self { sender, receiver, origin, start, source, is_layered, payload_types, number, audio_number }
    }

    fn write(&mut self, payload: usize, is_last: bool, now: Instant) {
        let time = (self.number / 8 * 3000) as u32;
        let bytes = vec![0u8; payload];
        let mut direct = self.sender.rtc.direct_api();
        let Some(stream) = direct.stream_tx(&Ssrc::from(MEDIA)) else { return };
        // Kept for repair, because str0m takes its padding from there; repairs are never asked for.
        let write = RtpWrite::new(self.payload_types[0], self.number.into(), time, now, bytes);
        stream.write_rtp(write.marker(is_last).nackable(true));
        self.number += 1;
        self.sender.drain();
    }

    fn write_audio(&mut self, payload: usize, now: Instant) {
        let time = (self.audio_number * 960) as u32;
        let mut direct = self.sender.rtc.direct_api();
        let Some(stream) = direct.stream_tx(&Ssrc::from(SOUND)) else { return };
        let write = RtpWrite::new(self.payload_types[1], self.audio_number.into(), time, now, vec![0; payload]);
        stream.write_rtp(write);
        self.audio_number += 1;
        self.sender.handle(Input::Timeout(now));
    }
}

impl Flow for Str0m {
    fn advance(&mut self, now: Micros, wire: &mut Wire) {
        let instant = self.origin + Duration::from_micros(now);
        if self.receiver.due <= instant {
            self.receiver.handle(Input::Timeout(instant));
        }
        if self.sender.due <= instant {
            self.sender.handle(Input::Timeout(instant));
        }
        while let Some(payload) = self.source.audio(now).filter(|_| now >= self.start) {
            self.write_audio(payload, instant);
        }
        if now >= self.start
            && let Some(frame) = self.source.frame(self.estimate(), now)
        {
            let last = frame.len();
            for (index, payload) in frame.into_iter().enumerate() {
                self.write(payload, index + 1 == last, instant);
            }
            self.sender.handle(Input::Timeout(instant));
        }
        for datagram in self.sender.out.drain(..) {
            if datagram.get(8..12) == Some(&SOUND.to_be_bytes()) {
                wire.send_audio(datagram.len(), datagram);
            } else {
                wire.send(datagram.len(), datagram);
            }
        }
        wire.back.append(&mut self.receiver.out);
    }

    fn arrive(&mut self, contents: &[u8], now: Micros, wire: &mut Wire) {
        self.receiver.receive(contents, self.origin + Duration::from_micros(now));
        wire.back.append(&mut self.receiver.out);
    }

    fn arrive_back(&mut self, contents: &[u8], now: Micros) {
        self.sender.receive(contents, self.origin + Duration::from_micros(now));
    }

    fn estimate(&self) -> f64 {
        if self.is_layered { self.sender.estimate } else { self.sender.latest }
    }

    fn media_bytes(&self) -> u64 {
        self.receiver.media_bytes
    }

    fn layer_switches(&self) -> u32 {
        self.source.switches()
    }
}

impl Side {
    fn new(mut rtc: Rtc, address: SocketAddr, peer: SocketAddr, now: Instant) -> Self {
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("an address"));
        rtc.add_remote_candidate(Candidate::host(peer, "udp").expect("an address"));
        let estimate = INITIAL_BITRATE as f64;
        Self {
            rtc,
            address,
            peer,
            due: now,
            out: Vec::new(),
            connected: false,
            estimate,
            latest: estimate,
            media_bytes: 0,
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.rtc.handle_input(input).expect("str0m takes its own packets");
        self.drain();
    }

    fn receive(&mut self, contents: &[u8], now: Instant) {
        let receive = Receive::new(Protocol::Udp, self.peer, self.address, contents).expect("a datagram");
        self.handle(Input::Receive(now, receive));
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().expect("str0m goes on") {
                Output::Timeout(due) => {
                    self.due = due;
                    return;
                }
                Output::Transmit(transmit) => self.out.push(transmit.contents.to_vec()),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. })) => {
                    self.estimate = estimate.as_u64() as f64;
                }
                Output::Event(Event::PeerStats(stats)) => {
                    self.latest = stats.bwe_tx.map_or(self.latest, |estimate| estimate.as_u64() as f64);
                }
                Output::Event(Event::RtpPacket(packet)) if *packet.header.ssrc == MEDIA => {
                    self.media_bytes += (packet.payload.len() + OVERHEAD_BYTES) as u64;
                }
                Output::Event(_) => {}
            }
        }
    }
}

/// Tells each side what signalling would.
fn introduce(sender: &mut Side, receiver: &mut Side) {
    let describe = |side: &mut Side| {
        let direct = side.rtc.direct_api();
        (direct.local_ice_credentials(), direct.local_dtls_fingerprint().clone())
    };
    let (of_sender, of_receiver) = (describe(sender), describe(receiver));
    for (side, (credentials, fingerprint), leads) in [(sender, of_receiver, true), (receiver, of_sender, false)] {
        let mut direct = side.rtc.direct_api();
        direct.set_ice_controlling(leads);
        direct.set_remote_ice_credentials(credentials);
        direct.set_remote_fingerprint(fingerprint);
        direct.start_dtls(leads).expect("DTLS begins");
        direct.start_sctp(leads);
    }
}

/// Runs ICE and DTLS over a line without delay; returns when they were done.
fn connect(sender: &mut Side, receiver: &mut Side, start: Instant) -> Instant {
    let mut now = start;
    for _ in 0..HANDSHAKE_STEPS {
        sender.handle(Input::Timeout(now));
        receiver.handle(Input::Timeout(now));
        for datagram in std::mem::take(&mut sender.out) {
            receiver.receive(&datagram, now);
        }
        for datagram in std::mem::take(&mut receiver.out) {
            sender.receive(&datagram, now);
        }
        if sender.connected && receiver.connected {
            return now + Duration::from_millis(1);
        }
        now += Duration::from_micros(MS);
    }
    panic!("str0m did not connect to itself");
}

fn declare(sender: &mut Rtc, receiver: &mut Rtc) -> [Pt; 2] {
    let (mid, sound) = ("vid".into(), "aud".into());
    let (media, repair) = (Ssrc::from(MEDIA), Ssrc::from(REPAIR));
    sender.direct_api().declare_media(mid, MediaKind::Video);
    sender.direct_api().declare_stream_tx(media, Some(repair), mid, None);
    sender.direct_api().declare_media(sound, MediaKind::Audio);
    sender.direct_api().declare_stream_tx(Ssrc::from(SOUND), None, sound, None);
    let mut direct = receiver.direct_api();
    direct.declare_media(mid, MediaKind::Video);
    direct.expect_stream_rx(media, Some(repair), mid, None).suppress_nack(true);
    direct.declare_media(sound, MediaKind::Audio);
    direct.expect_stream_rx(Ssrc::from(SOUND), None, sound, None).suppress_nack(true);
    direct.enable_twcc_feedback();
    [Codec::Vp8, Codec::Opus].map(|codec| {
        let known = sender.codec_config().find(|params| params.spec().codec == codec);
        known.expect("str0m knows VP8 and Opus").pt()
    })
}
