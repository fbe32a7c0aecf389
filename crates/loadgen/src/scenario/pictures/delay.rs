//! Pictures through a whole worker and its mixer, without a network: how much later each is seen than its last packet went in.

use std::io;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use millrace_codecs::BuiltVideoCodecs;
use millrace_engine::packets::PacketBatch;
use millrace_frames::video::{FrameAssembler, VideoPacket, VideoPacketizer};
use millrace_frames::{PictureSize, PictureView, VideoCodec, VideoCodecs};
use millrace_mixer::video::output::PAYLOAD_BYTES_DEFAULT;
use millrace_packet::ExtensionIds;
use millrace_packet::meta::RtpMeta;
use serde::Deserialize;
use serde_json::{Value, json};

use super::scene::{MARK, stream};
use super::{Arranged, HD};
use crate::scenario::failed;
use crate::scenario::inside::{Inside, id, packet_number};

/// Time between a camera's pictures: a little longer than between the mixer's, so that they come at any time between two.
const PERIOD: Duration = Duration::from_micros(34_100);
/// Frames of a stream, which then begins anew with a key frame.
const FRAMES: usize = 60;
/// The first person's corner turns from black to white, or back, after so many frames: longer than any delay.
const TURN_FRAMES: usize = 15;
/// Time in which the mixer gets a key frame of everybody, and everything its size; what is seen before does not count.
const SETTLE_TIME: Duration = Duration::from_secs(5);
const PAYLOAD_TYPE: u8 = 96;

/// A run.
#[derive(Debug, Deserialize)]
pub(crate) struct Delay {
    arranged: Arranged,
    seconds: f64,
}

impl Delay {
    pub(in crate::scenario) fn run(&self) -> io::Result<Value> {
        let mut call = Call::open(self.arranged)?;
        call.run(Duration::from_secs_f64(self.seconds))?;
        let mut delays = call.delays()?;
        delays.sort_by(f64::total_cmp);
        let quantile = |share: f64| delays.get((delays.len() as f64 * share) as usize).copied();
        Ok(json!({ "turns": delays.len(), "p50Ms": quantile(0.5), "p99Ms": quantile(0.99), "maxMs": delays.last() }))
    }
}

/// A worker with a mixer, cameras and one who watches.
struct Call {
    inside: Inside,
    cameras: Vec<Camera>,
    seen_as: u32,
    started: Instant,
    /// When the first person's corner turned white, or black.
    turns: Vec<(Duration, bool)>,
    /// What was seen, and when it came.
    seen: Vec<(Instant, Vec<u8>)>,
}

struct Camera {
    /// Of its packets in the worker.
    number: u32,
    ssrc: u32,
    frames: Vec<Vec<u8>>,
    packetizer: VideoPacketizer,
    sequence: u16,
    sent: u32,
}

fn is_white(frame: usize) -> bool {
    (frame / TURN_FRAMES).is_multiple_of(2)
}

impl Call {
    fn open(arranged: Arranged) -> io::Result<Self> {
        let mut inside = Inside::start()?;
        let mut ask = |method, params| inside.ask(method, params);
        let codec = json!({ "kind": "video", "mimeType": "video/VP8", "clockRate": 90_000 });
        let router = ask("worker.createRouter", json!({ "routerId": id(1), "mediaCodecs": [codec] }))?;
        let template = json!(if matches!(arranged, Arranged::Grid) { "fluid" } else { "lecture" });
        let size = json!({
            "videoMixerId": id(2), "width": HD.width, "height": HD.height, "layout": { "template": template },
        });
        ask("worker.createVideoMixer", size)?;
        ask("router.createDirectTransport", json!({ "routerId": id(1), "transportId": id(3) }))?;
        let mut cameras = Vec::new();
        for person in 0..arranged.people() {
            let (ssrc, producer) = (100 + person as u32, id(100 + person as u32));
            let codec = json!({ "mimeType": "video/VP8", "payloadType": PAYLOAD_TYPE, "clockRate": 90_000 });
            let parameters = json!({ "codecs": [codec], "encodings": [{ "ssrc": ssrc }] });
            let params = json!({
                "transportId": id(3), "producerId": producer, "kind": "video", "rtpParameters": parameters,
            });
            let number = packet_number(&ask("transport.produce", params)?);
            let input = id(1_000 + person as u32);
            ask("videoMixer.addInput", json!({ "videoMixerId": id(2), "inputId": input, "producerId": producer }))?;
            let mark = |frame| (person == 0).then_some(if is_white(frame) { 235 } else { 16 });
            let frames = stream(person, FRAMES, mark)?;
            let packetizer = VideoPacketizer::new(VideoCodec::Vp8.into(), PAYLOAD_BYTES_DEFAULT, 0);
            cameras.push(Camera { number, ssrc, frames, packetizer, sequence: 0, sent: 0 });
        }
        let params = json!({
            "videoMixerId": id(2), "outputId": id(5), "producerId": id(6), "routerId": id(1), "codec": "vp8",
        });
        ask("videoMixer.createOutput", params)?;
        let params = json!({
            "transportId": id(3), "consumerId": id(7), "producerId": id(6), "rtpCapabilities": router["rtpCapabilities"],
        });
        let seen_as = packet_number(&ask("transport.consume", params)?);
        ask("consumer.listen", json!({ "consumerId": id(7), "listens": true }))?;
        Ok(Self { inside, cameras, seen_as, started: Instant::now(), turns: Vec::new(), seen: Vec::new() })
    }

    fn run(&mut self, time: Duration) -> io::Result<()> {
        self.started = Instant::now();
        let count = self.cameras.len() as u32;
        loop {
            let due = |index: usize, camera: &Camera| PERIOD * index as u32 / count + PERIOD * camera.sent;
            let next = self.cameras.iter().enumerate().map(|(index, camera)| (due(index, camera), index)).min();
            let Some((due, next)) = next.filter(|(due, _)| *due < SETTLE_TIME + time) else { return Ok(()) };
            match self.inside.bell.recv_timeout((self.started + due).saturating_duration_since(Instant::now())) {
                Ok(()) => self.take(),
                Err(RecvTimeoutError::Timeout) => self.send(next),
                Err(RecvTimeoutError::Disconnected) => return Err(failed("the worker ended")),
            }
        }
    }

    /// Sends a camera's next frame.
    fn send(&mut self, index: usize) {
        let camera = &mut self.cameras[index];
        let frame = camera.sent as usize % FRAMES;
        let timestamp = (PERIOD * camera.sent).as_nanos() * 90_000 / 1_000_000_000;
        let (ssrc, number, sequence) = (camera.ssrc, camera.number, &mut camera.sequence);
        let mut batch = PacketBatch::default();
        let cut = camera.packetizer.packetize(&camera.frames[frame], &mut |payload, marker| {
            let mut packet = vec![0x80, PAYLOAD_TYPE | (u8::from(marker) << 7)];
            packet.extend(sequence.to_be_bytes());
            packet.extend((timestamp as u32).to_be_bytes());
            packet.extend(ssrc.to_be_bytes());
            packet.extend_from_slice(payload);
            batch.push(number, &packet);
            *sequence = sequence.wrapping_add(1);
        });
        // Our own encoder made it.
        debug_assert!(cut.is_ok());
        camera.sent += 1;
        if index == 0 && frame.is_multiple_of(TURN_FRAMES) {
            self.turns.push((self.started.elapsed(), is_white(frame)));
        }
        self.inside.worker.send_packets(batch);
    }

    /// Keeps what came; it is looked at when nobody waits.
    fn take(&mut self) {
        let now = Instant::now();
        while let Some(batch) = self.inside.outbox.take_packets() {
            let packets = batch.packets().filter(|(number, _)| *number == self.seen_as);
            self.seen.extend(packets.map(|(_, packet)| (now, packet.to_vec())));
        }
    }

    /// Of each turn after the beginning that was seen, its delay in ms.
    fn delays(&self) -> io::Result<Vec<f64>> {
        let mut decoder = BuiltVideoCodecs.decoder(VideoCodec::Vp8, PictureSize::DEFAULT_MAX).map_err(failed)?;
        let mut assembler = FrameAssembler::new(VideoCodec::Vp8.into());
        let (mut delays, mut was_white) = (Vec::new(), None);
        for (came, packet) in &self.seen {
            let Ok(meta) = RtpMeta::parse(packet, &ExtensionIds::default()) else { continue };
            let RtpMeta { sequence, timestamp, marker, .. } = meta;
            assembler.insert(VideoPacket { sequence, timestamp, marker, payload: meta.payload(packet) }, *came);
            while let Some(frame) = assembler.poll(*came) {
                let mut white = None;
                decoder.decode(frame.data, &mut |view| white = Some(is_bright(&view))).map_err(failed)?;
                let at = frame.received_at.saturating_duration_since(self.started);
                if white.is_some() && white != was_white {
                    let turn = self.turns.iter().rfind(|(turned, to)| *turned <= at && Some(*to) == white);
                    let counts = turn.filter(|(turned, _)| was_white.is_some() && *turned > SETTLE_TIME);
                    delays.extend(counts.map(|(turned, _)| (at - *turned).as_secs_f64() * 1e3));
                    was_white = white;
                }
            }
        }
        Ok(delays)
    }
}

/// Whether the first person's corner, which is the picture's, is white.
fn is_bright(view: &PictureView<'_>) -> bool {
    // Well within it, in whatever size it is shown.
    let samples = view.rows(0).take(MARK / 2).flat_map(|row| &row[..MARK / 2]);
    samples.map(|sample| u32::from(*sample)).sum::<u32>() as usize / (MARK / 2).pow(2) > 125
}
