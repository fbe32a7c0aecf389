//! Who gets how much of the line to a viewer: layers by what fits, audio first, nothing at all only when it must be.

use millrace_packet::Priority;
use millrace_router::setup::{ProducerSetup, StreamSetup};
use millrace_router::{ConsumerIndex, Layers, Line, ProducerIndex, RouterEvent, SessionId, Thrift, Wish};

use crate::call::{AUDIO_SSRC, Call, Rtp, VIDEO_SSRC, VIEWER_RTX_PT, audio_setup, ms, video_setup};

/// Bytes of a picture of each encoding: 30 a second are 48, 144 and 480 kbit/s.
const PICTURE_BYTES: [usize; 3] = [200, 600, 2000];
/// Where the SSRCs of the encodings begin.
const FIRST_SSRC: u32 = 40_000;

/// A publisher of three encodings, one plain picture as large as the middle one, and a voice.
struct Stage {
    call: Call,
    simulcast: ProducerIndex,
    plain: ProducerIndex,
    voice: ProducerIndex,
    sequence: u16,
}

impl Stage {
    fn new() -> Self {
        let mut call = Call::new();
        let streams = (0..3).map(|stream| stream_with(FIRST_SSRC + stream)).collect();
        let setup = ProducerSetup { streams, mid: Some("layers".to_owned()), ..video_setup(call.publisher) };
        let simulcast = call.router.produce(setup).unwrap();
        let plain = call.router.produce(video_setup(call.publisher)).unwrap();
        let voice = call.router.produce(audio_setup(call.publisher)).unwrap();
        let mut stage = Self { call, simulcast, plain, voice, sequence: 0 };
        stage.run(3000);
        stage
    }

    fn view(&mut self, session: SessionId, producer: ProducerIndex) -> ConsumerIndex {
        let mut setup = self.call.consumer_setup(session, producer);
        if producer == self.simulcast {
            setup.wish = Wish::everything(3, 1);
        }
        self.call.consume(setup)
    }

    /// Everybody publishes for so long.
    fn run(&mut self, duration_ms: u64) {
        for _ in 0..duration_ms / 33 {
            self.sequence += 1;
            for (stream, bytes) in (0..).zip(PICTURE_BYTES) {
                self.picture(FIRST_SSRC + stream, bytes);
            }
            self.picture(VIDEO_SSRC, PICTURE_BYTES[1]);
            self.call.publish(&Rtp { ssrc: AUDIO_SSRC, ..Rtp::audio(self.sequence) });
            self.call.run_for(ms(33));
        }
    }

    fn picture(&mut self, ssrc: u32, bytes: usize) {
        let mut packet = Rtp { ssrc, ..Rtp::key(self.sequence) };
        packet.payload.resize(bytes, 7);
        if bytes > 1000 {
            // As two packets of half the size, of which a viewer can begin with each.
            packet.payload.truncate(bytes / 2);
            self.call.publish(&Rtp { sequence: self.sequence * 2, ..packet.clone() });
            packet.sequence = self.sequence * 2 + 1;
        }
        self.call.publish(&packet);
    }

    fn line(&mut self, session: SessionId, kbit: u64) {
        let line = Line { bitrate: kbit * 1000, may_shed: true, ..Line::default() };
        self.call.router.set_line(session, line, self.call.now, &mut self.call.out);
    }

    fn layer(&self, consumer: ConsumerIndex) -> Option<u8> {
        self.call.router.current_layers(consumer).map(|layers| layers.spatial_layer)
    }

    /// What was last told of a consumer's layers.
    fn told(&self, consumer: ConsumerIndex) -> Option<Option<Layers>> {
        self.call.out.events.iter().rev().find_map(|event| match event {
            RouterEvent::ConsumerLayers { consumer: of, layers } if *of == consumer => Some(*layers),
            _ => None,
        })
    }
}

fn stream_with(ssrc: u32) -> StreamSetup {
    StreamSetup { ssrc: Some(ssrc), rtx_ssrc: None, rid: None }
}

#[test]
fn a_viewer_gets_the_layer_that_its_line_has_room_for_and_is_told() {
    let mut stage = Stage::new();
    let session = stage.call.add_session();
    let consumer = stage.view(session, stage.simulcast);
    stage.run(500);
    assert_eq!(stage.layer(consumer), Some(2), "everything, while nobody knows the line");
    for (kbit, layer) in [(2000, 2), (300, 1), (100, 0), (2000, 0)] {
        stage.line(session, kbit);
        stage.run(200);
        assert_eq!(stage.layer(consumer), Some(layer), "{kbit} kbit/s");
        assert_eq!(stage.told(consumer).flatten().map(|layers| layers.spatial_layer), Some(layer));
    }
    stage.run(3000);
    assert_eq!(stage.layer(consumer), Some(2), "it goes up by itself once it may");
    let preferred = stage.call.router.preferred_layers(consumer).unwrap();
    assert_eq!(preferred.spatial_layer, 2, "what the application prefers is another thing");
}

#[test]
fn what_an_application_prefers_holds_at_once_and_what_it_allows_again_comes_back() {
    let mut stage = Stage::new();
    let session = stage.call.add_session();
    let consumer = stage.view(session, stage.simulcast);
    stage.line(session, 2000);
    stage.run(200);
    for layer in [0, 2, 1, 2] {
        let (router, out) = (&mut stage.call.router, &mut stage.call.out);
        router.set_preferred_layers(consumer, layer, None, stage.call.now, out);
        stage.run(200);
        assert_eq!(stage.layer(consumer), Some(layer));
    }
}

#[test]
fn audio_is_reserved_first_and_video_without_room_is_shed_told_and_comes_back() {
    let mut stage = Stage::new();
    let session = stage.call.add_session();
    let voice = stage.view(session, stage.voice);
    let plain = stage.view(session, stage.plain);
    stage.line(session, 400);
    stage.run(500);
    assert!(!stage.call.router.is_shed(plain));
    stage.line(session, 120);
    let before = stage.call.sequences(session).len();
    stage.run(330);
    assert!(stage.call.router.is_shed(plain) && !stage.call.router.is_shed(voice));
    assert_eq!(stage.call.sequences(session).len() - before, 10, "the voice, and nothing else");
    assert_eq!(stage.told(plain), Some(None), "also where there is no choice of layers");
    assert_eq!(stage.call.router.counters(session).unwrap().consumers_shed, 1);
    stage.line(session, 400);
    stage.run(4000);
    assert!(!stage.call.router.is_shed(plain));
    assert!(stage.told(plain).flatten().is_some(), "and it is told that it is back");
}

#[test]
fn the_consumer_that_matters_more_is_served_first() {
    let mut stage = Stage::new();
    let session = stage.call.add_session();
    let [first, second] = [0, 1].map(|_| stage.view(session, stage.simulcast));
    let (router, out) = (&mut stage.call.router, &mut stage.call.out);
    router.set_consumer_priority(second, 200, stage.call.now, out);
    stage.line(session, 650);
    stage.run(300);
    assert_eq!((stage.layer(first), stage.layer(second)), (Some(0), Some(2)));
}

#[test]
fn viewers_of_one_producer_on_different_lines_do_not_disturb_each_other() {
    let mut stage = Stage::new();
    let sessions = [0, 1, 2].map(|_| stage.call.add_session());
    let consumers = sessions.map(|session| stage.view(session, stage.simulcast));
    for (session, kbit) in sessions.into_iter().zip([2000, 300, 100]) {
        stage.line(session, kbit);
    }
    let moved = |stage: &Stage| {
        let events = stage.call.out.events.iter();
        // That nobody views the others is told too.
        events.filter(|event| !matches!(event, RouterEvent::WantedLayer { .. })).count()
    };
    stage.run(300);
    let told = moved(&stage);
    stage.run(5000);
    assert_eq!(consumers.map(|consumer| stage.layer(consumer)), [Some(2), Some(1), Some(0)]);
    assert_eq!(moved(&stage), told, "and nothing moves any more");
}

#[test]
fn k13_a_machine_that_cannot_keep_up_sheds_layers_then_video_and_never_audio() {
    let mut stage = Stage::new();
    let session = stage.call.add_session();
    let (layered, plain) = (stage.view(session, stage.simulcast), stage.view(session, stage.plain));
    stage.view(session, stage.voice);
    stage.run(500);
    for (thrift, layer, packets) in
        [(Thrift::Half, Some(1), 30), (Thrift::Lowest, Some(0), 30), (Thrift::NoVideo, None, 10)]
    {
        let (router, out) = (&mut stage.call.router, &mut stage.call.out);
        router.set_thrift(thrift, stage.call.now, out);
        stage.run(200);
        assert_eq!(
            (stage.layer(layered), stage.told(layered).flatten().map(|told| told.spatial_layer)),
            (layer, layer)
        );
        let before = stage.call.sequences(session).len();
        stage.run(330);
        assert_eq!(stage.call.sequences(session).len() - before, packets, "{thrift:?}");
    }
    assert_eq!(stage.told(plain), Some(None));
    let (router, out) = (&mut stage.call.router, &mut stage.call.out);
    router.set_thrift(Thrift::None, stage.call.now, out);
    stage.run(4000);
    assert_eq!((stage.layer(layered), stage.call.router.is_shed(plain)), (Some(2), false));
}

#[test]
fn padding_is_packets_of_late_on_the_rtx_stream_and_bounded() {
    let mut stage = Stage::new();
    let session = stage.call.add_session();
    stage.view(session, stage.plain);
    assert_eq!(stage.call.router.send_padding(session, 5000, stage.call.now, &mut stage.call.out), 0);
    stage.run(500);
    let before = stage.call.out.rtp.len();
    let sent = stage.call.router.send_padding(session, 5000, stage.call.now, &mut stage.call.out);
    assert!((5000..5700).contains(&sent), "{sent} bytes");
    let padding = &stage.call.out.rtp[before..];
    assert!(padding.iter().all(|sent| sent.rewrite.payload_type == VIEWER_RTX_PT));
    assert!(padding.iter().all(|sent| sent.rewrite.priority == Priority::Padding));
    let mut numbers: Vec<_> = padding.iter().map(|sent| sent.rewrite.original_sequence.unwrap()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), padding.len(), "a different packet each time");
    let much = stage.call.router.send_padding(session, usize::MAX, stage.call.now, &mut stage.call.out);
    assert!(much < 64 * 1000, "one call sends {much} bytes");
}
