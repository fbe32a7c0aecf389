//! Mixed sound: what the mixer costs beside the bare calls of its codecs, and how much later it is heard.

use std::io;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use millrace_codecs::{BuiltAudioCodecs, PcmuDecoder, PcmuEncoder};
use millrace_engine::packets::PacketBatch;
use millrace_frames::{AudioCodec, AudioCodecs, AudioDecoder, AudioEncoder, AudioEncoding, AudioFormat, AudioPacket};
use millrace_mixer::{AudioMixer, InputFormat, InputId, InputOptions, MixerOptions, OutputFormat, OutputOptions};
use millrace_packet::ExtensionIds;
use millrace_packet::meta::{AudioLevel, RtpMeta};
use serde::Deserialize;
use serde_json::{Value, json};

use super::inside::{Inside, id, packet_number};
use super::{failed, thread_ns};

/// Samples of 48 kHz in a packet and a tick: 20 ms.
const TICK_SAMPLES: usize = 960;
const TICK: Duration = Duration::from_millis(20);
/// A voice that is said again and again, in packets.
const VOICE_PACKETS: usize = 500;
/// Talkers are this many packets apart in it.
const APART: usize = 37;
/// Ticks of the one, then of the other.
const TURN_TICKS: u32 = 25;
const OPUS: AudioFormat = AudioFormat { codec: AudioCodec::Opus, channels: 1 };
const BITRATE: u32 = 32_000;
const COMPLEXITY: u8 = 5;

/// A room in which everybody talks and hears everybody else, in virtual time: the mixer, and nothing but the calls that it
/// makes of its codecs, and sums.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mixing {
    talkers: usize,
    /// CPU time of each of both, about.
    seconds: f64,
}

impl Mixing {
    pub(super) fn run(&self) -> io::Result<Value> {
        let voice = voice()?;
        let mut whole = Whole::new(self.talkers)?;
        let mut bare = Bare::new(self.talkers)?;
        let (mut whole_ns, mut bare_ns, mut ticks) = (0, 0, 0);
        let mut heard = 0;
        while (whole_ns.min(bare_ns) as f64) < self.seconds * 1e9 {
            let started = thread_ns()?;
            (0..TURN_TICKS).for_each(|_| heard += whole.tick(&voice));
            let between = thread_ns()?;
            (0..TURN_TICKS).try_for_each(|_| bare.tick(&voice))?;
            let ended = thread_ns()?;
            // Everybody is heard, and encoders have their memory, after a while.
            if ticks >= 4 * TURN_TICKS {
                whole_ns += between - started;
                bare_ns += ended - between;
            }
            ticks += TURN_TICKS;
        }
        let expected = u64::from(ticks) * self.talkers as u64;
        let counted = f64::from(ticks - 4 * TURN_TICKS);
        let a_core = |ns: u64| self.talkers as f64 * TICK.as_nanos() as f64 / (ns as f64 / counted);
        Ok(json!({
            "framesMade": heard as f64 / expected as f64,
            "againstBareCalls": whole_ns as f64 / bare_ns as f64,
            "talkersACore": a_core(whole_ns),
            "talkersACoreByBareCalls": a_core(bare_ns),
        }))
    }
}

fn encoder() -> io::Result<Box<dyn AudioEncoder>> {
    let encoding =
        AudioEncoding { format: OPUS, frame_ms: 20, bitrate: BITRATE, complexity: COMPLEXITY, in_band_fec: false };
    BuiltAudioCodecs.encoder(&encoding).map_err(failed)
}

/// Packets of something like a voice: harmonics of a pitch that moves, in syllables.
fn voice() -> io::Result<Vec<Vec<u8>>> {
    let (mut encoder, mut packet) = (encoder()?, [0; 1_500]);
    let (mut phase, mut time) = (0.0_f64, 0.0_f64);
    let mut sample = || {
        time += 1.0 / 48_000.0;
        phase += (130.0 + 6.0 * (3.0 * time).sin()) / 48_000.0;
        let loud = 0.06 * (0.6 + 0.4 * (4.0 * std::f64::consts::TAU * time).sin());
        let harmonics = [(1.0, 1.0), (2.0, 0.5), (4.0, 0.25), (10.0, 0.125)];
        let sum = harmonics.map(|(order, share)| share * (std::f64::consts::TAU * order * phase).sin());
        (loud * sum.iter().sum::<f64>()) as f32
    };
    let mut packets = Vec::with_capacity(VOICE_PACKETS);
    for _ in 0..VOICE_PACKETS {
        let sound: Vec<f32> = (0..TICK_SAMPLES).map(|_| sample()).collect();
        let len = encoder.encode(&sound, &mut packet).map_err(failed)?;
        packets.push(packet[..len].to_vec());
    }
    Ok(packets)
}

fn said(voice: &[Vec<u8>], talker: usize, tick: usize) -> &[u8] {
    &voice[(tick + talker * APART) % voice.len()]
}

/// The mixer, in virtual time.
struct Whole {
    core: AudioMixer,
    inputs: Vec<InputId>,
    start: Instant,
    ticks: u32,
}

impl Whole {
    fn new(talkers: usize) -> io::Result<Self> {
        let start = Instant::now();
        let mut core = AudioMixer::new(Box::new(BuiltAudioCodecs), MixerOptions::default(), start).map_err(failed)?;
        let input = InputOptions { format: InputFormat::Rtp(OPUS), gain: 1.0, muted: false };
        let added = (0..talkers).map(|_| core.add_input(&input)).collect::<Result<Vec<_>, _>>();
        let inputs = added.map_err(failed)?;
        let format =
            OutputFormat::Encoded { format: OPUS, bitrate: BITRATE, complexity: COMPLEXITY, in_band_fec: false };
        for input in &inputs {
            core.add_output(&OutputOptions { format, exclude: &[*input] }).map_err(failed)?;
        }
        Ok(Self { core, inputs, start, ticks: 0 })
    }

    /// A packet of everybody, and a tick. Returns how many outputs got a frame.
    fn tick(&mut self, voice: &[Vec<u8>]) -> u64 {
        self.ticks += 1;
        let now = self.start + TICK * self.ticks;
        let level = Some(AudioLevel { attenuation_dbov: 20, voice: true });
        for (talker, input) in self.inputs.iter().enumerate() {
            let payload = said(voice, talker, self.ticks as usize);
            let (sequence, timestamp) = (self.ticks as u16, self.ticks.wrapping_mul(TICK_SAMPLES as u32));
            let _ = self.core.receive(*input, AudioPacket { sequence, timestamp, payload }, level, now);
        }
        let mut heard = 0;
        self.core.tick(now, &mut |frame| heard += frame.outputs.len() as u64);
        heard
    }
}

/// The same room by nothing but calls of the codecs, and sums.
struct Bare {
    decoders: Vec<Box<dyn AudioDecoder>>,
    encoders: Vec<Box<dyn AudioEncoder>>,
    sounds: Vec<Vec<f32>>,
    sum: Vec<f32>,
    mix: Vec<f32>,
    packet: [u8; 1_500],
    ticks: usize,
}

impl Bare {
    fn new(talkers: usize) -> io::Result<Self> {
        let decoders = (0..talkers).map(|_| BuiltAudioCodecs.decoder(OPUS)).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            decoders: decoders.map_err(failed)?,
            encoders: (0..talkers).map(|_| encoder()).collect::<io::Result<Vec<_>>>()?,
            sounds: vec![vec![0.0; TICK_SAMPLES]; talkers],
            sum: vec![0.0; TICK_SAMPLES],
            mix: vec![0.0; TICK_SAMPLES],
            packet: [0; 1_500],
            ticks: 0,
        })
    }

    fn tick(&mut self, voice: &[Vec<u8>]) -> io::Result<()> {
        self.ticks += 1;
        self.sum.fill(0.0);
        for (talker, (decoder, sound)) in self.decoders.iter_mut().zip(&mut self.sounds).enumerate() {
            decoder.decode(said(voice, talker, self.ticks), sound).map_err(failed)?;
            self.sum.iter_mut().zip(&*sound).for_each(|(sum, sample)| *sum += sample);
        }
        for (encoder, own) in self.encoders.iter_mut().zip(&self.sounds) {
            let without = self.sum.iter().zip(own).map(|(sum, own)| sum - own);
            self.mix.iter_mut().zip(without).for_each(|(mix, sample)| *mix = sample);
            encoder.encode(&self.mix, &mut self.packet).map_err(failed)?;
        }
        Ok(())
    }
}

/// Clicks through a whole worker and its mixer, without a network: how much later each is heard than it was said.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delay {
    /// Talkers, at different phases; one of them clicks.
    talkers: u32,
    seconds: f64,
}

/// Samples of G.711 in a packet.
const PACKET_SAMPLES: usize = 160;
/// Samples of G.711 between clicks: half a second and a little, so that they fall anywhere in a packet and a tick.
const CLICKS_APART: u64 = 4_007;
/// Samples of a click.
const CLICK: u64 = 8;
/// What is louder belongs to a click.
const LOUD: f32 = 0.3;
/// Time that everything needs to find its place; clicks before do not count.
const SETTLE_TIME: Duration = Duration::from_secs(3);

impl Delay {
    pub(super) fn run(&self) -> io::Result<Value> {
        let mut call = Call::open(self.talkers)?;
        let delays = call.run(Duration::from_secs_f64(self.seconds))?;
        let mut counted: Vec<_> = delays.into_iter().filter_map(|(counts, delay)| counts.then_some(delay)).collect();
        counted.sort_by(f64::total_cmp);
        let quantile = |share: f64| counted.get((counted.len() as f64 * share) as usize).copied();
        Ok(json!({
            "clicks": counted.len(),
            "p50Ms": quantile(0.5),
            "p99Ms": quantile(0.99),
            "maxMs": counted.last(),
        }))
    }
}

/// A worker with a mixer, talkers and one who listens.
struct Call {
    inside: Inside,
    /// Numbers of the talkers' packets.
    talkers: Vec<u32>,
    heard_as: u32,
}

impl Call {
    fn open(talkers: u32) -> io::Result<Self> {
        let mut inside = Inside::start()?;
        let mut ask = |method, params| inside.ask(method, params);
        let codec = json!({ "kind": "audio", "mimeType": "audio/PCMU", "clockRate": 8_000 });
        let router = ask("worker.createRouter", json!({ "routerId": id(1), "mediaCodecs": [codec] }))?;
        ask("worker.createAudioMixer", json!({ "audioMixerId": id(2) }))?;
        ask("router.createDirectTransport", json!({ "routerId": id(1), "transportId": id(3) }))?;
        let mut numbers = Vec::new();
        for talker in 0..talkers {
            let codec = json!({ "mimeType": "audio/PCMU", "payloadType": 0, "clockRate": 8_000 });
            let parameters = json!({ "codecs": [codec], "encodings": [{ "ssrc": 100 + talker }] });
            let producer = id(100 + talker);
            let params = json!({
                "transportId": id(3), "producerId": producer, "kind": "audio", "rtpParameters": parameters,
            });
            let reply = ask("transport.produce", params)?;
            numbers.push(packet_number(&reply));
            let params = json!({ "audioMixerId": id(2), "inputId": id(1_000 + talker), "producerId": producer });
            ask("audioMixer.addInput", params)?;
        }
        let params = json!({
            "audioMixerId": id(2), "outputId": id(5), "producerId": id(6), "routerId": id(1), "codec": "pcmu",
        });
        ask("audioMixer.createOutput", params)?;
        let params = json!({
            "transportId": id(3), "consumerId": id(7), "producerId": id(6), "rtpCapabilities": router["rtpCapabilities"],
        });
        let reply = ask("transport.consume", params)?;
        let heard_as = packet_number(&reply);
        ask("consumer.listen", json!({ "consumerId": id(7), "listens": true }))?;
        Ok(Self { inside, talkers: numbers, heard_as })
    }

    /// For each click that was heard: whether it counts, and its delay in ms.
    fn run(&mut self, time: Duration) -> io::Result<Vec<(bool, f64)>> {
        let (mut encoder, mut decoder) = (PcmuEncoder, PcmuDecoder::new());
        let started = Instant::now();
        let count = self.talkers.len() as u32;
        let phase = |talker: u32| TICK * talker / count;
        let mut sent = vec![0_u32; self.talkers.len()];
        let (mut delays, mut last_heard) = (Vec::new(), 0.0);
        loop {
            let next =
                (0..count).min_by_key(|talker| phase(*talker) + TICK * sent[*talker as usize]).unwrap_or_default();
            let due = started + phase(next) + TICK * sent[next as usize];
            if due > started + SETTLE_TIME + time {
                return Ok(delays);
            }
            match self.inside.bell.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(()) => {
                    let now = started.elapsed().as_secs_f64() * 1e3;
                    self.hear(&mut decoder, |place| {
                        let at = now + place as f64 / 8.0;
                        if at - last_heard < 100.0 {
                            return;
                        }
                        last_heard = at;
                        // The packet that brought it was sent a packet's length after its first sample was said; what is
                        // added is counted from there, as on a line without a mixer.
                        let said = (0..).map(said_at_ms).take_while(|said| *said <= at).last().unwrap_or_default();
                        delays.push((said > SETTLE_TIME.as_secs_f64() * 1e3, at - said));
                    });
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.say(next, sent[next as usize], &mut encoder)?;
                    sent[next as usize] += 1;
                }
                Err(RecvTimeoutError::Disconnected) => return Err(failed("the worker ended")),
            }
        }
    }

    fn say(&self, talker: u32, number: u32, encoder: &mut PcmuEncoder) -> io::Result<()> {
        let sound: Vec<f32> = (0..PACKET_SAMPLES as u64)
            .map(|place| match (u64::from(number) * PACKET_SAMPLES as u64 + place) % CLICKS_APART {
                // The first one clicks; the others speak so softly that clicks stand out.
                click if talker == 0 && click < CLICK => 0.8,
                _ if talker > 0 => 0.01 * ((place as f32) * (0.3 + talker as f32 / 10.0)).sin(),
                _ => 0.0,
            })
            .collect();
        let mut packet = [0; 12 + PACKET_SAMPLES];
        packet[0] = 0x80;
        packet[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&(number * PACKET_SAMPLES as u32).to_be_bytes());
        packet[8..12].copy_from_slice(&(100 + talker).to_be_bytes());
        encoder.encode(&sound, &mut packet[12..]).map_err(failed)?;
        let mut batch = PacketBatch::default();
        batch.push(self.talkers[talker as usize], &packet);
        self.inside.worker.send_packets(batch);
        Ok(())
    }

    /// Tells the place of the first loud sample of each packet that came.
    fn hear(&self, decoder: &mut PcmuDecoder, mut click: impl FnMut(usize)) {
        let mut sound = [0.0; 4 * PACKET_SAMPLES];
        while let Some(batch) = self.inside.outbox.take_packets() {
            for (_, packet) in batch.packets().filter(|(number, _)| *number == self.heard_as) {
                let Ok(meta) = RtpMeta::parse(packet, &ExtensionIds::default()) else { continue };
                let Ok(samples) = decoder.decode(meta.payload(packet), &mut sound) else { continue };
                if let Some(place) = sound[..samples].iter().position(|sample| *sample > LOUD) {
                    click(place);
                }
            }
        }
    }
}

/// When the n-th click was said, in ms since the first packet: at its place in a packet that is sent at once.
fn said_at_ms(click: u64) -> f64 {
    (click * CLICKS_APART) as f64 / 8.0
}
