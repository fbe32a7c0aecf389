use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millrace_frames::video::VideoPacketizer;
use millrace_frames::{DecodeError, EncodeError, Encoded, VideoCodec, VideoDecoder, VideoEncoder, VideoEncoding};

use super::super::Payload;
use super::super::layout::Template;
use super::*;

const SIZE: PictureSize = PictureSize { width: 320, height: 180 };
const KEY: u8 = 0x10;
const DELTA: u8 = 0x11;
const BROKEN: u8 = 0x21;

/// Work that codecs did.
#[derive(Clone, Default)]
struct Work {
    decoded: Arc<AtomicU64>,
    encoded: Arc<AtomicU64>,
    hurried: Arc<AtomicU64>,
    /// Encoders that were made, or took another size.
    made: Arc<AtomicU64>,
    /// For how long decoders computed, in ms.
    computed: Arc<AtomicU64>,
}

/// Frames are one colour: whether they are a key frame, a size, and three samples. What the last sample is above 128 is how
/// many milliseconds a frame takes to decode.
#[derive(Clone, Default)]
struct Solid(Work);

struct SolidDecoder(Work, Option<()>, Picture, Duration);
struct SolidEncoder(Work, VideoEncoding, bool);

impl VideoCodecs for Solid {
    fn decoder(&mut self, codec: VideoCodec, _: PictureSize) -> Result<Box<dyn VideoDecoder>, VideoCodecUnavailable> {
        if codec == VideoCodec::Av1 {
            return Err(VideoCodecUnavailable(codec));
        }
        Ok(Box::new(SolidDecoder(self.0.clone(), None, Picture::filled(SIZE, Colour::BLACK), Duration::ZERO)))
    }

    fn encoder(&mut self, encoding: &VideoEncoding) -> Result<Box<dyn VideoEncoder>, VideoCodecUnavailable> {
        if encoding.codec == VideoCodec::Av1 {
            return Err(VideoCodecUnavailable(encoding.codec));
        }
        self.0.made.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(SolidEncoder(self.0.clone(), *encoding, true)))
    }
}

impl VideoDecoder for SolidDecoder {
    fn decode(&mut self, frame: &[u8], out: &mut dyn FnMut(PictureView<'_>)) -> Result<(), DecodeError> {
        self.0.decoded.fetch_add(1, Ordering::Relaxed);
        let [kind, a, b, c, d, y, u, v] = *frame.first_chunk::<8>().ok_or(DecodeError::Malformed)?;
        let cost = v.saturating_sub(128);
        self.3 += Duration::from_millis(cost.into());
        self.0.computed.fetch_add(cost.into(), Ordering::Relaxed);
        if kind == BROKEN {
            self.1 = None;
            return Err(DecodeError::Malformed);
        }
        if kind == KEY {
            self.1 = Some(());
        }
        self.1.ok_or(DecodeError::NeedsKeyFrame)?;
        let size = PictureSize { width: u16::from_be_bytes([a, b]).into(), height: u16::from_be_bytes([c, d]).into() };
        self.2.resize(size);
        self.2.fill(whole(size), Colour { samples: [y, u, v] });
        if let Some(view) = self.2.view() {
            out(view);
        }
        Ok(())
    }

    fn take_time(&mut self) -> Duration {
        std::mem::take(&mut self.3)
    }
}

impl VideoEncoder for SolidEncoder {
    fn encode(
        &mut self,
        picture: PictureView<'_>,
        _: Duration,
        key: bool,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, EncodeError> {
        assert_eq!((picture.width, picture.height), (self.1.size.width, self.1.size.height));
        self.0.encoded.fetch_add(1, Ordering::Relaxed);
        let key = key | std::mem::take(&mut self.2);
        let middle = picture.planes[0][picture.strides[0] * (picture.height as usize / 4) + picture.width as usize / 4];
        frame(key, PictureSize { width: picture.width, height: picture.height }, [middle, 0, 0], out);
        Ok(Encoded::Frame { key })
    }

    fn set_bitrate(&mut self, _: u32) -> Result<(), EncodeError> {
        Ok(())
    }

    fn set_frame_rate(&mut self, frames_per_second: f32) -> Result<(), EncodeError> {
        self.1.frame_rate = frames_per_second as u32;
        Ok(())
    }

    fn resize(&mut self, width: u32, height: u32) -> Result<(), EncodeError> {
        self.0.made.fetch_add(1, Ordering::Relaxed);
        self.1.size = PictureSize { width, height };
        self.2 = true;
        Ok(())
    }

    fn set_hurried(&mut self, hurried: bool) -> Result<(), EncodeError> {
        self.0.hurried.store(hurried.into(), Ordering::Relaxed);
        Ok(())
    }
}

fn frame(key: bool, size: PictureSize, [y, u, v]: [u8; 3], out: &mut Vec<u8>) {
    let ([a, b], [c, d]) = ((size.width as u16).to_be_bytes(), (size.height as u16).to_be_bytes());
    out.extend_from_slice(&[if key { KEY } else { DELTA }, a, b, c, d, y, u, v]);
}

/// Somebody who sends frames of one colour.
struct Publisher {
    input: InputId,
    packetizer: VideoPacketizer,
    sequence: u16,
    size: PictureSize,
    colour: [u8; 3],
    /// Where its clock begins.
    clock: u32,
    key: bool,
    broken: bool,
    silent: bool,
}

/// What a group of outputs got at a tick.
#[derive(Clone, Debug, PartialEq)]
struct Got {
    outputs: Vec<u32>,
    key: bool,
    timestamp: u32,
    /// Of the encoder's own frames and of those passed through: luma.
    luma: u8,
    size: (u32, u32),
    packets: usize,
}

struct World {
    start: Instant,
    tick: u32,
    mixer: VideoMixer,
    work: Work,
    publishers: Vec<Publisher>,
    events: Vec<VideoMixerEvent>,
}

impl World {
    fn new(change: impl FnOnce(&mut VideoMixerOptions)) -> Self {
        let (start, codecs) = (Instant::now(), Solid::default());
        let mut options = VideoMixerOptions { size: PictureSize { width: 640, height: 360 }, ..Default::default() };
        change(&mut options);
        let work = codecs.0.clone();
        let mixer = VideoMixer::new(Box::new(codecs), options, start).unwrap();
        Self { start, tick: 0, mixer, work, publishers: Vec::new(), events: Vec::new() }
    }

    fn publish(&mut self, size: PictureSize, luma: u8) -> InputId {
        let input = self.mixer.add_input(InputOptions::new(InputFormat::Rtp(VideoCodec::Vp8))).unwrap();
        self.publishers.push(Publisher {
            input,
            packetizer: VideoPacketizer::new(millrace_packet::VideoCodec::Vp8, 1_000, 0),
            sequence: 65_530,
            size,
            colour: [luma, 128, 128],
            clock: 77_000,
            key: true,
            broken: false,
            silent: false,
        });
        input
    }

    fn output(&mut self, options: &OutputOptions) -> OutputId {
        let output = self.mixer.add_output(options).unwrap();
        self.mixer.set_taken(output, true).unwrap();
        output
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_nanos(1_000_000_000 / 30 * u64::from(self.tick))
    }

    /// A frame of every publisher a while before each tick; key frames when they are asked for.
    fn run(&mut self, ticks: u32) -> Vec<Got> {
        let mut got = Vec::new();
        for _ in 0..ticks {
            let (sent, now) = (self.now(), self.now() + Duration::from_millis(10));
            for publisher in self.publishers.iter_mut().filter(|publisher| !publisher.silent) {
                let mut data = Vec::new();
                frame(std::mem::take(&mut publisher.key), publisher.size, publisher.colour, &mut data);
                if publisher.broken {
                    data[0] = BROKEN;
                }
                let timestamp = publisher.clock.wrapping_add(self.tick * 3_000);
                let Publisher { packetizer, sequence, input, .. } = publisher;
                let cut = packetizer.packetize(&data, &mut |payload, marker| {
                    let packet = VideoPacket { sequence: *sequence, timestamp, marker, payload };
                    *sequence = sequence.wrapping_add(1);
                    self.mixer.receive(*input, packet, sent).unwrap();
                });
                cut.unwrap();
            }
            self.tick += 1;
            self.mixer.tick(now, &mut |frame| got.push(Got::of(&frame)));
            while let Some(event) = self.mixer.poll_event() {
                if let VideoMixerEvent::KeyFrameWanted(input) = event {
                    self.publishers.iter_mut().filter(|other| other.input == input).for_each(|other| other.key = true);
                }
                self.events.push(event);
            }
        }
        got
    }

    fn luma(&self, left: u32, top: u32) -> u8 {
        let rect = super::super::layout::Rect { left, top, width: 1, height: 1 };
        self.mixer.picture().rows(0, rect).next().unwrap()[0]
    }
}

impl Got {
    fn of(frame: &OutputFrame<'_>) -> Self {
        let outputs = frame.outputs.iter().map(|output| output.0).collect();
        let (key, luma, size, packets) = match frame.payload {
            Payload::Encoded { data, key, packets } => {
                assert!(packets.iter().last().unwrap().1, "the last packet has the marker");
                assert_eq!(data[0] == KEY, key);
                let side = |at: usize| u32::from(u16::from_be_bytes([data[at], data[at + 1]]));
                (key, data[5], (side(1), side(3)), packets.iter().count())
            }
            Payload::Raw(view) => (false, view.planes[0][0], (view.width, view.height), 0),
        };
        Self { outputs, key, timestamp: frame.timestamp, luma, size, packets }
    }
}

fn vp8() -> OutputOptions {
    OutputOptions::new(VideoCodec::Vp8)
}

#[test]
fn nothing_is_decoded_or_encoded_while_nobody_takes_it() {
    let mut world = World::new(|_| ());
    let input = world.publish(SIZE, 90);
    let output = world.mixer.add_output(&vp8()).unwrap();
    assert_eq!(world.run(30), []);
    let work = |world: &World| [&world.work.decoded, &world.work.encoded].map(|count| count.load(Ordering::Relaxed));
    assert_eq!((work(&world), world.mixer.stats().idle_ticks), ([0, 0], 30));
    assert_eq!(world.events, [VideoMixerEvent::Layout], "no key frame is asked for");
    world.mixer.set_taken(output, true).unwrap();
    let got = world.run(5);
    assert_eq!(got.len(), 5);
    assert!(got[0].key && !got[1].key);
    let whole = PictureSize { width: 640, height: 360 };
    assert_eq!(
        world.events[1..3],
        [VideoMixerEvent::SizeWanted(input, Some(whole)), VideoMixerEvent::KeyFrameWanted(input)]
    );
    assert_eq!(world.luma(320, 180), 90);
    world.mixer.set_taken(output, false).unwrap();
    let before = work(&world);
    assert_eq!((world.run(30), work(&world)), (vec![], before));
    assert_eq!(world.events.last(), Some(&VideoMixerEvent::SizeWanted(input, None)));
}

#[test]
fn equal_outputs_share_an_encoder_and_others_do_not() {
    let mut world = World::new(|_| ());
    world.publish(SIZE, 90);
    let (a, b) = (world.output(&vp8()), world.output(&vp8()));
    let small = world.output(&OutputOptions { size: Some(PictureSize { width: 160, height: 90 }), ..vp8() });
    let vp9 = world.output(&OutputOptions::new(VideoCodec::Vp9));
    let unused = world.mixer.add_output(&OutputOptions { bitrate: Some(77_000), ..vp8() }).unwrap();
    let got = world.run(30);
    assert_eq!(world.mixer.stats().groups, 4);
    assert_eq!(world.work.encoded.load(Ordering::Relaxed), 90);
    assert_eq!(got.len(), 90);
    assert_eq!((got[0].outputs.clone(), got[0].size), (vec![a.0, b.0], (640, 360)));
    assert_eq!((got[1].outputs.clone(), got[1].size), (vec![small.0], (160, 90)));
    let shared = [a, b, small, vp9, unused].map(|output| world.mixer.output_stats(output).unwrap());
    assert_eq!(shared.map(|stats| (stats.shared_by, stats.frames)), [(2, 30), (2, 30), (1, 30), (1, 30), (1, 0)]);
    world.mixer.remove_output(a).unwrap();
    world.mixer.remove_output(small).unwrap();
    assert_eq!((world.mixer.stats().groups, world.run(1)[0].outputs.clone()), (3, vec![b.0]));
    assert_eq!(world.mixer.remove_output(a), Err(VideoMixerError::UnknownOutput(a)));
}

#[test]
fn outputs_have_their_own_rate_on_one_line_of_time() {
    let mut world = World::new(|_| ());
    world.publish(SIZE, 90);
    let slow = world.output(&OutputOptions { frame_rate: Some(10), ..vp8() });
    let fast = world.output(&vp8());
    let got = world.run(90);
    let times = |output: OutputId| -> Vec<u32> {
        got.iter().filter(|got| got.outputs == [output.0]).map(|got| got.timestamp).collect()
    };
    assert_eq!((times(slow).len(), times(fast).len()), (30, 90));
    assert_eq!(times(slow)[..3], [0, 9_000, 18_000]);
    assert_eq!(times(fast)[3], times(slow)[1]);
}

#[test]
fn key_frames_come_when_asked_for_merged_and_by_the_interval() {
    let mut world = World::new(|_| ());
    world.publish(SIZE, 90);
    let a = world.output(&OutputOptions { key_frame_interval: Duration::from_secs(2), ..vp8() });
    let keys = |got: Vec<Got>| -> Vec<usize> { (0..got.len()).filter(|at| got[*at].key).collect() };
    assert_eq!(keys(world.run(150)), [0, 60, 120]);
    // Five ask within a key frame's gap.
    let mut got = Vec::new();
    for _ in 0..5 {
        world.mixer.request_key_frame(a).unwrap();
        got.extend(world.run(1));
    }
    assert_eq!(keys(got), [0]);
    assert_eq!(keys(world.run(20)), [3], "the others share the next, 250 ms later");
}

#[test]
fn late_ticks_are_left_out_and_time_goes_on() {
    let mut world = World::new(|_| ());
    world.publish(SIZE, 90);
    world.output(&vp8());
    world.run(3);
    world.tick += 30;
    let got = world.run(2);
    assert_eq!(got.iter().map(|got| got.timestamp).collect::<Vec<_>>(), [33 * 3_000, 34 * 3_000]);
    assert_eq!(world.mixer.stats().missed_ticks, 30);
}

#[test]
fn who_waits_for_a_place_is_not_decoded_until_it_has_one() {
    let mut world = World::new(|options| options.shown_max = 1);
    let first = world.publish(SIZE, 90);
    let second = world.publish(SIZE, 150);
    world.output(&vp8());
    world.run(30);
    assert_eq!(world.mixer.pending().collect::<Vec<_>>(), [second]);
    let stats = world.mixer.input_stats(second).unwrap();
    assert_eq!((stats.decoded, stats.unseen), (0, 30));
    world.mixer.remove_input(first).unwrap();
    world.publishers.remove(0);
    world.run(5);
    assert_eq!(world.luma(320, 180), 150);
    assert!(world.mixer.input_stats(second).unwrap().decoded >= 4);
}

#[test]
fn a_frame_that_does_not_decode_freezes_its_tile_alone_and_a_key_frame_is_asked_for() {
    let mut world = World::new(|_| ());
    let (bad, good) = (world.publish(SIZE, 90), world.publish(SIZE, 150));
    world.output(&vp8());
    world.run(10);
    let before = world.mixer.input_stats(good).unwrap();
    world.publishers[0].broken = true;
    world.publishers[0].colour = [30, 128, 128];
    world.events.clear();
    world.run(30);
    let stats = world.mixer.input_stats(bad).unwrap();
    assert!(stats.failed >= 1 && stats.frozen && !stats.avatar, "{stats:?}");
    assert_eq!((stats.freezes, world.luma(160, 90)), (1, 90));
    assert!(world.events.contains(&VideoMixerEvent::KeyFrameWanted(bad)));
    assert!(world.events.len() <= 4, "no more often than twice a second: {:?}", world.events);
    assert_eq!(world.mixer.input_stats(good).unwrap().decoded, before.decoded + 30);
    // Then the card, and the picture again once it decodes.
    world.run(150);
    assert!(world.mixer.input_stats(bad).unwrap().avatar);
    assert_eq!(world.luma(4, 4), super::super::compose::card_colour("").samples[0]);
    (world.publishers[0].broken, world.publishers[0].key) = (false, true);
    world.run(20);
    assert_eq!((world.luma(160, 90), world.mixer.input_stats(bad).unwrap().avatar), (30, false));
}

#[test]
fn a_muted_input_shows_its_avatar_and_is_not_decoded() {
    let mut world = World::new(|_| ());
    let input = world.publish(SIZE, 90);
    world.output(&vp8());
    world.run(5);
    world.mixer.set_avatar(input, Some(Picture::filled(SIZE, Colour { samples: [200, 128, 128] }))).unwrap();
    world.mixer.set_muted(input, true).unwrap();
    world.run(2);
    let decoded = world.mixer.input_stats(input).unwrap().decoded;
    world.run(30);
    assert_eq!((world.luma(320, 180), world.mixer.input_stats(input).unwrap().decoded), (200, decoded));
    world.mixer.set_muted(input, false).unwrap();
    world.run(5);
    assert_eq!(world.luma(320, 180), 90);
}

#[test]
fn one_publisher_of_what_is_wanted_is_passed_through_from_a_key_frame_on() {
    let mut world = World::new(|_| ());
    let input = world.publish(PictureSize { width: 640, height: 360 }, 90);
    let same = world.output(&vp8());
    let other = world.output(&OutputOptions::new(VideoCodec::Vp9));
    let all = world.run(60);
    let got: Vec<_> = all.iter().filter(|got| got.outputs == [same.0]).collect();
    assert_eq!((got.len(), all.len()), (60, 120));
    let stats = world.mixer.output_stats(same).unwrap();
    assert!((50..60).contains(&stats.passed), "{stats:?}");
    assert_eq!(world.mixer.output_stats(other).unwrap().passed, 0);
    assert!(got.windows(2).all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) as i32 > 0));
    // A request goes to the publisher.
    world.events.clear();
    world.mixer.request_key_frame(same).unwrap();
    let got = world.run(3);
    assert!(world.events.contains(&VideoMixerEvent::KeyFrameWanted(input)));
    assert!(got.iter().any(|got| got.key && got.outputs == [same.0]));
    // A second one comes: the mix begins with a key frame, later on the same line of time.
    let last = got.iter().rfind(|got| got.outputs == [same.0]).unwrap().timestamp;
    world.publish(SIZE, 150);
    let passed = world.mixer.output_stats(same).unwrap().passed;
    let got = world.run(5);
    let first = got.iter().find(|got| got.outputs == [same.0]).unwrap();
    assert!(first.key && (1..6_000).contains(&first.timestamp.wrapping_sub(last)), "{first:?} {last}");
    assert_eq!(world.mixer.output_stats(same).unwrap().passed, passed);
}

#[test]
fn what_differs_from_what_is_wanted_is_not_passed_through() {
    let whole = PictureSize { width: 640, height: 360 };
    let passed = |change: &dyn Fn(&mut World, InputId), options: &OutputOptions, size| {
        let mut world = World::new(|_| ());
        let input = world.publish(size, 90);
        change(&mut world, input);
        let output = world.output(options);
        world.run(60);
        world.mixer.output_stats(output).unwrap().passed > 0
    };
    assert!(passed(&|_, _| (), &vp8(), whole));
    assert!(!passed(&|_, _| (), &vp8(), SIZE), "its size");
    assert!(!passed(&|_, _| (), &OutputOptions::new(VideoCodec::Vp9), whole), "its codec");
    assert!(!passed(&|_, _| (), &OutputOptions { size: Some(SIZE), ..vp8() }, whole), "the output's size");
    assert!(!passed(&|world, input| world.mixer.set_label(input, "Ada").unwrap(), &vp8(), whole), "a label");
    let caption = |world: &mut World, _| world.mixer.set_captions(&[("On air", Place::Top)]).unwrap();
    assert!(!passed(&caption, &vp8(), whole), "a caption");
}

#[test]
fn a_publisher_that_changes_its_size_while_passed_through_is_mixed_again() {
    let mut world = World::new(|_| ());
    world.publish(PictureSize { width: 640, height: 360 }, 90);
    let output = world.output(&vp8());
    world.run(30);
    (world.publishers[0].size, world.publishers[0].key) = (SIZE, true);
    let got = world.run(10);
    assert!(got.iter().all(|got| got.size == (640, 360)), "{got:?}");
    assert!(got[0].key);
    assert!(world.mixer.output_stats(output).unwrap().passed < 30);
}

#[test]
fn another_canvas_goes_on_with_its_inputs_and_outputs_and_asks_nobody_for_a_key_frame() {
    let mut world = World::new(|options| options.pass_through = false);
    let input = world.publish(SIZE, 90);
    let small = PictureSize { width: 64, height: 36 };
    let outputs = [world.output(&vp8()), world.output(&OutputOptions { size: Some(small), ..vp8() })];
    world.mixer.set_captions(&[("kept", Place::BottomLeft)]).unwrap();
    let before = world.run(10).last().unwrap().timestamp;
    world.events.clear();

    world.mixer.resize(SIZE).unwrap();
    let got = world.run(2);
    let of = |at: usize| (got[at].outputs.clone(), got[at].key, got[at].luma, got[at].size);
    assert_eq!(of(0), (vec![outputs[0].0], true, 90, (320, 180)));
    assert_eq!(of(1), (vec![outputs[1].0], true, 90, (64, 36)));
    assert_eq!(got[0].timestamp.wrapping_sub(before), 3_000);
    assert!(got[2..].iter().all(|got| !got.key));
    assert_eq!(world.mixer.input_stats(input).unwrap().decoded, 12);
    assert_eq!(world.events, [VideoMixerEvent::Layout, VideoMixerEvent::SizeWanted(input, Some(SIZE))]);
    assert!(
        world.luma(10, 170) != 90 || world.luma(14, 172) != 90 || world.luma(12, 168) != 90,
        "the caption is there"
    );

    let refused = world.mixer.resize(PictureSize { width: 8, height: 8 });
    assert_eq!(refused, Err(VideoMixerError::BadValue("size")));
    assert_eq!(world.run(1)[0].size, (320, 180));
}

#[test]
fn pictures_wait_for_their_sound() {
    let mut world = World::new(|_| ());
    let input = world.publish(SIZE, 90);
    world.output(&vp8());
    // What was captured at the start is heard 200 ms after it.
    let ntp = NtpTime(100 << 32);
    world.mixer.sender_report(input, ntp, 77_000, world.start).unwrap();
    let presented = world.start + Duration::from_millis(200);
    world.mixer.set_sync(input, Some(SyncPoint { captured: ntp, presented })).unwrap();
    world.run(30);
    world.publishers[0].colour = [150, 128, 128];
    let changed = (0..30).find(|_| {
        world.run(1);
        world.luma(320, 180) == 150
    });
    // Sent at tick n, due six ticks later: 200 ms at 30 a second.
    assert_eq!(changed, Some(6));
    // Sound that came earlier cannot be waited for.
    world
        .mixer
        .set_sync(input, Some(SyncPoint { captured: ntp, presented: world.start - Duration::from_millis(50) }))
        .unwrap_or_default();
    world.run(2);
    let late = world.mixer.input_stats(input).unwrap().late;
    assert!((40..=60).contains(&late.as_millis()), "{late:?}");
    // Nonsense waits no longer than a second.
    world.mixer.set_sync(input, Some(SyncPoint { captured: NtpTime(0), presented: world.start })).unwrap();
    world.publishers[0].colour = [200, 128, 128];
    world.run(34);
    assert_eq!(world.luma(320, 180), 200);
}

#[test]
fn under_pressure_the_rate_sinks_then_care_then_size_and_each_is_said() {
    let mut world = World::new(|options| options.size = SIZE);
    world.publish(SIZE, 90);
    world.output(&vp8());
    let mut got = Vec::new();
    for _ in 0..300 {
        got.extend(world.run(1));
        world.mixer.worked(Duration::from_millis(100));
    }
    let steps: Vec<_> = world.events.iter().filter(|event| matches!(event, VideoMixerEvent::Pressure(_))).collect();
    let expected = [Pressure::HalfRate, Pressure::Hurried, Pressure::HalfSize].map(VideoMixerEvent::Pressure);
    assert_eq!(steps, expected.iter().collect::<Vec<_>>());
    let last = got.last().unwrap();
    assert_eq!((last.size, world.work.hurried.load(Ordering::Relaxed)), ((160, 90), 1));
    let late: Vec<_> = got.iter().rev().take(20).map(|got| got.timestamp).collect();
    assert!(late.windows(2).all(|pair| pair[0] - pair[1] == 6_000), "{late:?}");
    for _ in 0..1_000 {
        got.extend(world.run(1));
        world.mixer.worked(Duration::from_millis(1));
    }
    let last = got.last().unwrap();
    assert_eq!((last.size, world.mixer.stats().pressure), ((320, 180), Pressure::None));
}

#[test]
fn pictures_are_written_and_read_and_the_oldest_goes() {
    let mut world = World::new(|_| ());
    let input = world.mixer.add_input(InputOptions::new(InputFormat::Raw)).unwrap();
    world.output(&OutputOptions { size: Some(SIZE), ..OutputOptions::raw() });
    let red: Vec<u8> = [255, 0, 0, 255].repeat(64 * 36);
    let size = PictureSize { width: 64, height: 36 };
    assert_eq!(world.mixer.write(input, RawPicture::Rgba { size, bytes: &red }), Ok(false));
    let picture = Picture::filled(SIZE, Colour { samples: [99, 128, 128] });
    assert_eq!(world.mixer.write(input, RawPicture::I420(picture.view().unwrap())), Ok(true), "nobody saw the first");
    let got = world.run(1);
    assert_eq!((got[0].luma, got[0].size), (99, (320, 180)));
    world.mixer.write(input, RawPicture::Rgba { size, bytes: &red }).unwrap();
    // Ten seconds later it is still there: slides do not move.
    assert_eq!(world.run(300).last().unwrap().luma, Colour::rgb(255, 0, 0).samples[0]);
    assert_eq!(world.mixer.input_stats(input).unwrap().dropped, 1);
    assert_eq!(world.mixer.input_picture(input).unwrap().unwrap().size(), size);
}

#[test]
fn v08_values_out_of_range_are_refused_and_nothing_is_half_made() {
    let with = |change: &dyn Fn(&mut VideoMixerOptions)| {
        let mut options = VideoMixerOptions::default();
        change(&mut options);
        VideoMixer::new(Box::new(Solid::default()), options, Instant::now()).err()
    };
    let size = |width, height| PictureSize { width, height };
    assert_eq!(with(&|_| ()), None);
    for bad in [size(0, 0), size(15, 16), size(10_000, 10_000), size(1922, 1080), size(1920, u32::MAX)] {
        assert_eq!(with(&|options| options.size = bad), Some(VideoMixerError::BadValue("size")), "{bad:?}");
    }
    for good in [size(16, 16), size(1080, 1920), size(641, 361)] {
        assert_eq!(with(&|options| options.size = good), None, "{good:?}");
    }
    assert_eq!(with(&|options| options.frame_rate = 5), Some(VideoMixerError::BadValue("frame_rate")));
    assert_eq!(with(&|options| options.frame_rate = 61), Some(VideoMixerError::BadValue("frame_rate")));
    assert_eq!(with(&|options| options.shown_max = 0), Some(VideoMixerError::BadValue("shown_max")));
    let empty = Some(VideoMixerError::Layout(LayoutError::BadRegionCount));
    assert_eq!(with(&|options| options.arrangement = Arrangement::Regions(Vec::new())), empty);
    let mut world = World::new(|_| ());
    let refused = |world: &mut World, options: OutputOptions| world.mixer.add_output(&options).unwrap_err();
    for (options, error) in [
        (OutputOptions { size: Some(size(0, 0)), ..vp8() }, VideoMixerError::BadValue("size")),
        (OutputOptions { size: Some(size(10_000, 10_000)), ..vp8() }, VideoMixerError::BadValue("size")),
        (OutputOptions { frame_rate: Some(0), ..vp8() }, VideoMixerError::BadValue("frame_rate")),
        (OutputOptions { frame_rate: Some(31), ..vp8() }, VideoMixerError::BadValue("frame_rate")),
        (OutputOptions { bitrate: Some(1), ..vp8() }, VideoMixerError::BadValue("bitrate")),
        (
            OutputOptions { key_frame_interval: Duration::ZERO, ..vp8() },
            VideoMixerError::BadValue("key_frame_interval"),
        ),
        (OutputOptions::new(VideoCodec::Av1), VideoCodecUnavailable(VideoCodec::Av1).into()),
    ] {
        assert_eq!(refused(&mut world, options), error);
    }
    let input = world.mixer.add_input(InputOptions::new(InputFormat::Rtp(VideoCodec::Av1)));
    assert_eq!(input, Err(VideoCodecUnavailable(VideoCodec::Av1).into()));
    assert_eq!((world.mixer.stats().inputs, world.mixer.stats().outputs, world.mixer.stats().groups), (0, 0, 0));
    let raw = world.mixer.add_input(InputOptions::new(InputFormat::Raw)).unwrap();
    let rgba = |size, bytes| RawPicture::Rgba { size, bytes };
    assert_eq!(world.mixer.write(raw, rgba(size(2, 2), &[0; 15])), Err(VideoMixerError::BadValue("bytes")));
    assert_eq!(world.mixer.write(raw, rgba(size(0, 2), &[])), Err(VideoMixerError::BadValue("size")));
    assert_eq!(world.mixer.write(raw, rgba(size(10_000, 10_000), &[])), Err(VideoMixerError::BadValue("size")));
    let packet = VideoPacket { sequence: 0, timestamp: 0, marker: true, payload: &[0] };
    assert_eq!(world.mixer.receive(raw, packet, Instant::now()), Err(VideoMixerError::WrongKind(raw)));
    assert_eq!(world.mixer.set_primary(InputId(99)), Err(VideoMixerError::UnknownInput(InputId(99))));
    for _ in 1..INPUTS_MAX {
        world.mixer.add_input(InputOptions::new(InputFormat::Raw)).unwrap();
    }
    let more = world.mixer.add_input(InputOptions::new(InputFormat::Raw));
    assert_eq!(more, Err(VideoMixerError::TooManyInputs));
}

#[test]
fn v03_inputs_that_change_their_size_with_every_frame_leave_the_encoders_as_they_are() {
    let mut world = World::new(|_| ());
    let (flips, other) = (world.publish(SIZE, 90), world.publish(SIZE, 150));
    world.output(&vp8());
    world.output(&OutputOptions { size: Some(SIZE), ..vp8() });
    world.run(3);
    let sizes = [(16, 16), (641, 361), (1, 1), (1920, 1080), (320, 180), (40, 1080)];
    for (width, height) in sizes.into_iter().cycle().take(120) {
        (world.publishers[0].size, world.publishers[0].key) = (PictureSize { width, height }, true);
        let got = world.run(1);
        assert_eq!(
            got.iter().map(|got| (got.size, got.key)).collect::<Vec<_>>(),
            [((640, 360), false), ((320, 180), false)]
        );
        assert_eq!(world.luma(160, 90), 90, "{width} x {height}: in the middle of its tile");
        assert_eq!(world.luma(480, 90), 150);
    }
    assert_eq!(world.work.made.load(Ordering::Relaxed), 2, "one encoder for each output from the beginning on");
    let decoded = [flips, other].map(|input| world.mixer.input_stats(input).unwrap().decoded);
    assert_eq!(decoded, [123; 2]);
}

#[test]
fn v05_a_stream_that_takes_too_long_to_decode_costs_its_own_tile_alone() {
    let mut world = World::new(|_| ());
    let (costly, good) = (world.publish(SIZE, 90), world.publish(SIZE, 150));
    world.output(&vp8());
    world.run(30);
    // Three times as long as there is.
    world.publishers[0].colour = [30, 128, 228];
    world.run(300);
    let computed = world.work.computed.load(Ordering::Relaxed);
    // Half of ten seconds, and what a decoder may do at once.
    assert!((4_500..=5_600).contains(&computed), "{computed} ms of 10 s");
    let stats = world.mixer.input_stats(costly).unwrap();
    assert!(stats.overspent > 5 && stats.failed == 0 && stats.freezes > 5, "{stats:?}");
    assert_eq!(world.mixer.input_stats(good).unwrap().decoded, 330);
    assert_eq!(world.luma(480, 90), 150);
    // A mixer that has no time left gives it no more than its part: a quarter, with four that are seen.
    for luma in [200, 210] {
        world.publish(SIZE, luma);
    }
    let asked =
        |world: &World| world.events.iter().filter(|event| **event == VideoMixerEvent::KeyFrameWanted(costly)).count();
    (0..60).for_each(|_| {
        world.run(1);
        world.mixer.worked(Duration::from_millis(100));
    });
    let (before, asked_before) = (world.work.computed.load(Ordering::Relaxed), asked(&world));
    (0..300).for_each(|_| {
        world.run(1);
        world.mixer.worked(Duration::from_millis(100));
    });
    let computed = world.work.computed.load(Ordering::Relaxed) - before;
    assert!((2_000..=3_100).contains(&computed), "{computed} ms of 10 s");
    assert!(asked(&world) - asked_before < 25, "no more often than twice a second");
    // It is seen again once it is worth its share.
    world.publishers[0].colour = [60, 128, 128];
    world.run(90);
    assert_eq!((world.luma(160, 90), world.mixer.input_stats(costly).unwrap().frozen), (60, false));
}

#[test]
fn frames_that_nobody_fetches_are_bounded() {
    let mut world = World::new(|options| {
        options.arrangement = Arrangement::Template { template: Template::Lecture, custom: Vec::new() }
    });
    let input = world.publish(SIZE, 90);
    world.output(&vp8());
    world.run(2);
    // A publisher goes on while nobody calls the tick.
    let now = world.now();
    let mut packetizer = VideoPacketizer::new(millrace_packet::VideoCodec::Vp8, 1_000, 0);
    let mut sequence = world.publishers[0].sequence;
    for at in 0..500 {
        let mut data = Vec::new();
        frame(false, SIZE, [90, 0, 0], &mut data);
        let cut = packetizer.packetize(&data, &mut |payload, marker| {
            let packet = VideoPacket { sequence, timestamp: 200_000 + at * 3_000, marker, payload };
            sequence = sequence.wrapping_add(1);
            world.mixer.receive(input, packet, now).unwrap();
        });
        cut.unwrap();
    }
    let stats = world.mixer.input_stats(input).unwrap();
    assert!(stats.dropped as usize > super::super::input::WAITING_FRAMES_MAX, "{stats:?}");
    world.publishers[0].sequence = sequence;
    world.tick += 400;
    (0..30).for_each(|_| drop(world.run(1)));
    assert!(world.mixer.input_stats(input).unwrap().decoded > 10, "it goes on at a key frame");
}
