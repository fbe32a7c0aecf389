//! Flashes and beeps of one moment, through both mixers and over a bad network: how far they are apart where they leave.
//!
//! The two are tied as the engine ties them: after each tick of sound the mixer of pictures is told which moment of a
//! publisher's clock is heard when.

use std::collections::BTreeMap;

use millrace_frames::video::{VideoPacket, VideoPacketizer};
use millrace_frames::{
    DecodeError, PictureSize, PictureView, VideoCodec, VideoCodecUnavailable, VideoCodecs, VideoDecoder, VideoEncoder,
    VideoEncoding,
};
use millrace_mixer::video::layout::Rect;
use millrace_mixer::video::{
    Colour, InputFormat, InputId, InputOptions, OutputOptions, Payload, Picture, SyncPoint, VideoMixer,
    VideoMixerEvent, VideoMixerOptions,
};
use millrace_mixer::{MixerOptions, OutputId};
use millrace_model::NtpTime;

use crate::world::{Micros, PCM, World};

/// A flash and a beep in every so many pictures of a publisher: a little more than a second, so that they fall anywhere.
const PICTURES_APART: u64 = 37;
/// How long a flash lasts, in pictures.
const FLASH_PICTURES: u64 = 3;
/// How long a beep lasts, in seconds. It swells from one level to twice that, so that every piece of it tells its place.
const BEEP: f64 = 0.1;
const BEEP_FROM: f64 = 0.25;
/// From one picture to the next by the camera's own clock.
const PICTURE: Micros = 33_333;
/// A lost packet of video comes so much later, a round trip, when it is sent once more; that one may be lost too.
const AGAIN: Micros = 40_000;
const LOSS_PERCENT: u8 = 5;
/// What a mix is allowed between a flash and its beep.
const APART_MAX: i64 = 45_000;

/// A codec of frames that say how light a picture is.
struct Light;

struct LightDecoder(Picture);

impl VideoCodecs for Light {
    fn decoder(&mut self, _: VideoCodec, _: PictureSize) -> Result<Box<dyn VideoDecoder>, VideoCodecUnavailable> {
        Ok(Box::new(LightDecoder(Picture::filled(TILE, Colour::BLACK))))
    }

    fn encoder(&mut self, encoding: &VideoEncoding) -> Result<Box<dyn VideoEncoder>, VideoCodecUnavailable> {
        Err(VideoCodecUnavailable(encoding.codec))
    }
}

impl VideoDecoder for LightDecoder {
    fn decode(&mut self, frame: &[u8], out: &mut dyn FnMut(PictureView<'_>)) -> Result<(), DecodeError> {
        let whole = Rect { left: 0, top: 0, width: TILE.width, height: TILE.height };
        self.0.fill(whole, Colour { samples: [*frame.last().ok_or(DecodeError::Malformed)?, 128, 128] });
        out(self.0.view().unwrap());
        Ok(())
    }
}

const TILE: PictureSize = PictureSize { width: 16, height: 16 };
const DARK: u8 = 16;
const BRIGHT: u8 = 235;

/// Clocks of a person, in parts per million that each is slow.
#[derive(Clone, Copy)]
struct Slow {
    wall: i64,
    microphone: i64,
    camera: i64,
}

/// When a clock that is so slow has gone on by `micros`.
fn slowed(micros: Micros, ppm: i64) -> Micros {
    micros.saturating_add_signed(micros as i64 * ppm / 1_000_000)
}

/// By how much a clock that is so slow has gone on after `micros`.
fn told(micros: Micros, ppm: i64) -> f64 {
    micros as f64 / (1.0 + ppm as f64 / 1e6)
}

/// Somebody with a camera and a microphone.
struct Person {
    talker: usize,
    input: InputId,
    joined: Micros,
    slow: Slow,
    /// What the wall clock says at the beginning.
    epoch: u64,
    /// The timestamp of the first picture; that of the first sample is 0.
    first_timestamp: u32,
    packetizer: VideoPacketizer,
    sequence: u16,
    pictures: u64,
    key: bool,
    report_at: Micros,
    /// The last sender report of sound: the engine's tap keeps it.
    sound_report: Option<(NtpTime, u32)>,
    heard: OutputId,
    flashes: Vec<Micros>,
    is_bright: bool,
    /// For each beep, when its beginning was heard or would have been, by every piece of it.
    beeps: BTreeMap<u64, Vec<Micros>>,
    beep_ended: Micros,
}

/// What comes to the mixer of pictures and to the tap of sound.
enum Parcel {
    Packet { sequence: u16, timestamp: u32, payload: Vec<u8>, marker: bool },
    Report { ntp: NtpTime, sound: u32, pictures: u32 },
}

struct Room {
    world: World,
    video: VideoMixer,
    people: Vec<Person>,
    random: fastrand::Rng,
    /// By when it arrives.
    under_way: BTreeMap<(Micros, u64), (usize, Parcel)>,
    posted: u64,
}

impl Room {
    fn new(seed: u64) -> Self {
        let mut world = World::new(MixerOptions::default());
        let size = PictureSize { width: 32, height: 32 };
        let options = VideoMixerOptions { size, pass_through: false, ..VideoMixerOptions::default() };
        let mut video = VideoMixer::new(Box::new(Light), options, world.start).unwrap();
        let output = video.add_output(&OutputOptions::raw()).unwrap();
        video.set_taken(output, true).unwrap();
        let mut weather = fastrand::Rng::with_seed(seed);
        world.network =
            Box::new(move |_, _| (weather.u8(..100) >= LOSS_PERCENT).then(|| 20_000 + weather.u64(..25_000)));
        let random = fastrand::Rng::with_seed(seed + 1);
        Self { world, video, people: Vec::new(), random, under_way: BTreeMap::new(), posted: 0 }
    }

    fn join(&mut self, slow: Slow) {
        let joined = self.world.now;
        // Each beep begins when the first picture of its flash is captured.
        let voice = move |sample: u64| {
            let at = sample as f64 / 48_000.0 * (1.0 + slow.microphone as f64 / 1e6);
            let apart = (PICTURES_APART * PICTURE) as f64 / 1e6 * (1.0 + slow.camera as f64 / 1e6);
            let within = at % apart;
            if at >= apart && within < BEEP { (BEEP_FROM * (1.0 + within / BEEP)) as f32 } else { 0.0 }
        };
        // The clock of a talker is slow from the world's beginning on.
        let talker = self.world.talker(told(joined, slow.microphone) as Micros, voice);
        self.world.talkers[talker].slow_ppm = slow.microphone;
        let others: Vec<_> = self.people.iter().map(|person| person.talker).collect();
        let heard = self.world.output(PCM, &others);
        for person in &self.people {
            self.world.mixer.set_exclude(person.heard, &[self.world.talkers[talker].input]).unwrap();
        }
        let input = self.video.add_input(InputOptions::new(InputFormat::Rtp(VideoCodec::Vp8))).unwrap();
        self.people.push(Person {
            talker,
            input,
            joined,
            slow,
            epoch: self.random.u64(..),
            first_timestamp: self.random.u32(..),
            packetizer: VideoPacketizer::new(VideoCodec::Vp8.into(), 1_100, 0),
            sequence: self.random.u16(..),
            pictures: 0,
            key: true,
            report_at: joined + 500_000,
            sound_report: None,
            heard,
            flashes: Vec::new(),
            is_bright: false,
            beeps: BTreeMap::new(),
            beep_ended: joined,
        });
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.world.run(1);
            (0..self.people.len()).for_each(|person| self.film(person));
            self.deliver();
            self.listen();
            self.look();
        }
    }

    fn post(&mut self, arrives: Micros, person: usize, parcel: Parcel) {
        self.posted += 1;
        self.under_way.insert((arrives, self.posted), (person, parcel));
    }

    fn is_lost(&mut self) -> bool {
        self.random.u8(..100) < LOSS_PERCENT
    }

    /// Sends the picture and the report that are due.
    fn film(&mut self, index: usize) {
        let now = self.world.now;
        let person = &mut self.people[index];
        let slow = person.slow;
        if now >= person.joined + slowed(person.pictures * PICTURE, slow.camera) {
            let number = person.pictures;
            person.pictures += 1;
            let bright = number >= PICTURES_APART && number % PICTURES_APART < FLASH_PICTURES;
            let kind = if std::mem::take(&mut person.key) { 0x10 } else { 0x11 };
            let timestamp = person.first_timestamp.wrapping_add((number * PICTURE * 9 / 100) as u32);
            let mut parcels = Vec::new();
            let frame = [kind, 0, 0, 0, if bright { BRIGHT } else { DARK }];
            let cut = person.packetizer.packetize(&frame, &mut |payload, marker| {
                parcels.push(Parcel::Packet {
                    sequence: person.sequence,
                    timestamp,
                    payload: payload.to_vec(),
                    marker,
                });
                person.sequence = person.sequence.wrapping_add(1);
            });
            cut.unwrap();
            for parcel in parcels {
                let mut arrives = now + 20_000 + self.random.u64(..25_000);
                while self.is_lost() {
                    arrives += AGAIN;
                }
                self.post(arrives, index, parcel);
            }
        }
        let person = &mut self.people[index];
        if now >= person.report_at {
            person.report_at = now + 500_000 + self.random.u64(..1_000_000);
            let passed = now - person.joined;
            let ntp = NtpTime(person.epoch.wrapping_add((told(passed, slow.wall) * 4_294.967_296) as u64));
            let sound = (told(passed, slow.microphone) * 0.048) as u32;
            let pictures = person.first_timestamp.wrapping_add((told(passed, slow.camera) * 0.09) as u32);
            if !self.is_lost() {
                let arrives = now + 20_000 + self.random.u64(..25_000);
                self.post(arrives, index, Parcel::Report { ntp, sound, pictures });
            }
        }
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.under_way.first_entry().filter(|entry| entry.key().0 <= self.world.now) {
            let ((arrived, _), (person, parcel)) = entry.remove_entry();
            let (person, now) = (&mut self.people[person], self.world.at(arrived));
            match parcel {
                Parcel::Packet { sequence, timestamp, payload, marker } => {
                    let packet = VideoPacket { sequence, timestamp, marker, payload: &payload };
                    self.video.receive(person.input, packet, now).unwrap();
                }
                Parcel::Report { ntp, sound, pictures } => {
                    person.sound_report = Some((ntp, sound));
                    self.video.sender_report(person.input, ntp, pictures, now).unwrap();
                }
            }
        }
    }

    /// Notes beeps in what came out since the last time.
    fn listen(&mut self) {
        for (output, frames) in std::mem::take(&mut self.world.out) {
            let person = self.people.iter_mut().find(|person| person.heard == output).unwrap();
            for (at, _, samples) in frames {
                for (place, sample) in samples.into_iter().enumerate() {
                    let now = at + place as u64 * 1_000_000 / 48_000;
                    let within = (f64::from(sample) / BEEP_FROM - 1.0) * BEEP * 1e6;
                    // Beginning and end are made soft.
                    if !(10_000.0..90_000.0).contains(&within) {
                        continue;
                    }
                    if now > person.beep_ended + 300_000 {
                        person.beeps.insert(now, Vec::new());
                    }
                    person.beep_ended = now;
                    person.beeps.last_entry().unwrap().get_mut().push(now - within as u64);
                }
            }
        }
    }

    /// Ties pictures to sound, and notes flashes in the picture of a tick.
    fn look(&mut self) {
        let now = self.world.at(self.world.now);
        if self.video.next_tick() > now {
            return;
        }
        for person in &self.people {
            let talker = self.world.talkers[person.talker].input;
            let heard = self.world.mixer.timestamp_at_next_tick(talker).unwrap().zip(person.sound_report);
            let sync = heard.map(|(timestamp, (ntp, reported))| {
                let ticks = i64::from(timestamp.wrapping_sub(reported) as i32);
                let captured = NtpTime(ntp.0.wrapping_add_signed((ticks << 32) / 48_000));
                SyncPoint { captured, presented: self.world.mixer.next_tick() }
            });
            self.video.set_sync(person.input, sync).unwrap();
        }
        let rects: Vec<_> = self.video.tiles().filter_map(|tile| Some((tile.input?, tile.rect))).collect();
        let (people, micros) = (&mut self.people, self.world.now);
        self.video.tick(now, &mut |frame| {
            let Payload::Raw(view) = frame.payload else { return };
            for person in people.iter_mut() {
                let (_, rect) = rects.iter().find(|(input, _)| *input == person.input).unwrap();
                let row = view.rows(0).nth((rect.top + rect.height / 2) as usize).unwrap();
                let bright = row[(rect.left + rect.width / 2) as usize] == BRIGHT;
                if bright && !person.is_bright {
                    person.flashes.push(micros);
                }
                person.is_bright = bright;
            }
        });
        while let Some(event) = self.video.poll_event() {
            if let VideoMixerEvent::KeyFrameWanted(input) = event {
                self.people.iter_mut().filter(|person| person.input == input).for_each(|person| person.key = true);
            }
        }
    }
}

/// How much later than its beep each flash was seen, in microseconds; with when, from `from` on.
fn skews(person: &Person, from: Micros) -> Vec<(Micros, i64)> {
    let mut beeps = person.beeps.clone();
    let middles: Vec<_> = beeps
        .values_mut()
        .map(|times| {
            times.sort_unstable();
            times[times.len() / 2]
        })
        .collect();
    let nearest = |flash: &Micros| {
        let skew = middles.iter().map(|beep| *flash as i64 - *beep as i64).min_by_key(|skew| skew.abs()).unwrap();
        (*flash, skew)
    };
    person.flashes.iter().filter(|flash| **flash >= from).map(nearest).collect()
}

#[test]
fn flash_and_beep_stay_within_45_ms_for_ten_minutes_of_5_percent_loss_drifting_clocks_and_a_late_joiner() {
    let mut room = Room::new(3);
    room.join(Slow { wall: 80, microphone: -60, camera: 40 });
    room.run(240_000);
    room.join(Slow { wall: -50, microphone: 90, camera: -70 });
    room.run(360_000);
    for person in &room.people {
        // Until the first report there is nothing to tie them by.
        let skews = skews(person, person.joined + 3_000_000);
        let minutes = (room.world.now - person.joined) / 60_000_000;
        assert!(skews.len() as u64 > minutes * 60_000_000 / (PICTURES_APART * PICTURE) * 9 / 10, "{}", skews.len());
        let mut sorted: Vec<_> = skews.iter().map(|(_, skew)| *skew).collect();
        sorted.sort_unstable();
        let at = |percent: usize| sorted[(sorted.len() - 1) * percent / 100] as f64 / 1e3;
        println!("{} flashes: {} to {} ms, half of them by {} ms", sorted.len(), at(0), at(100), at(50));
        // A picture comes too late for its sound if its packet was lost twice, or that of one of the three before it: one in a
        // hundred.
        let apart: Vec<_> = skews.iter().filter(|(_, skew)| skew.abs() > APART_MAX).collect();
        assert!(apart.iter().all(|(_, skew)| *skew > 0), "{apart:?}");
        assert!(apart.len() * 50 <= skews.len(), "{} of {}: {apart:?}", apart.len(), skews.len());
        // No more apart at the end than at the beginning, but for where pictures fall between two ticks.
        let average = |skews: &[(Micros, i64)]| skews.iter().map(|(_, skew)| *skew).sum::<i64>() / skews.len() as i64;
        let (first, last) = (average(&skews[..40]), average(&skews[skews.len() - 40..]));
        assert!(first.abs_diff(last) < PICTURE / 2, "{first} then {last}");
    }
}
