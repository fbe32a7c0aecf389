//! A selector's producers always carry the loudest, and their viewers see no seam.

use millrace_packet::PacketPool;
use millrace_packet::rtcp::feedback::FeedbackSsrcs;
use millrace_router::setup::{PayloadTypes, ProducerSetup, SessionSetup, StreamSetup};
use millrace_router::{ObserverIndex, ObserverSetup, ProducerIndex, RouterEvent, SessionId};

use crate::call::{AUDIO_PT, VIEWER_AUDIO_PT, audio_setup, ms};
use crate::observers::{LOUD, Room, SILENT};

/// Payload type of the places: the router's.
const PLACE_PT: u8 = 100;

/// People whose loudest are carried.
struct Stage {
    room: Room,
    selector: ObserverIndex,
    places: Vec<ProducerIndex>,
}

impl Stage {
    fn of(people: u32, places: u32) -> Self {
        let mut room = Room::of(people);
        room.call.pool = PacketPool::new(1 << 16);
        let session = room.call.router.add_session(SessionSetup { ssrc: 9, cname: "places".to_owned() });
        let places: Vec<_> = (0..places)
            .map(|place| {
                let mut setup = audio_setup(session);
                setup.codecs[0].payload_type = PLACE_PT;
                let streams = vec![StreamSetup { ssrc: Some(90_000 + place), ..StreamSetup::default() }];
                room.call.router.produce(ProducerSetup { mid: None, streams, ..setup }).unwrap()
            })
            .collect();
        let selector = room.call.router.add_observer(ObserverSetup::selector(places.clone())).unwrap();
        let mut stage = Self { room, selector, places };
        (0..people as usize).for_each(|person| stage.select(person));
        stage
    }

    fn select(&mut self, person: usize) {
        let types = vec![PayloadTypes { producer: AUDIO_PT, viewer: PLACE_PT, viewer_rtx: None }];
        let (call, person) = (&mut self.room.call, self.room.people[person]);
        call.router.observe(self.selector, person, types, call.now).unwrap();
    }

    /// A viewer of `producers`, in a session of its own.
    fn view(&mut self, producers: &[ProducerIndex]) -> (SessionId, Vec<u32>) {
        let call = &mut self.room.call;
        let session = call.add_session();
        let consume = |producer: &ProducerIndex| {
            let mut setup = call.consumer_setup(session, *producer);
            for (producer, viewer) in [(PLACE_PT, VIEWER_AUDIO_PT), (AUDIO_PT, VIEWER_AUDIO_PT)] {
                setup.payload_types.push(PayloadTypes { producer, viewer, viewer_rtx: None });
            }
            let ssrc = setup.ssrc;
            call.consume(setup);
            ssrc
        };
        (session, producers.iter().map(consume).collect())
    }

    /// Whom a viewer heard: the person and the number of each packet.
    fn heard(&self, viewer: SessionId) -> Vec<(u8, u16, u32)> {
        let sent = self.room.call.out.rtp.iter().filter(|sent| sent.session == viewer);
        sent.map(|sent| (sent.payload[0], sent.rewrite.sequence, sent.rewrite.timestamp)).collect()
    }

    fn owners(&self) -> Vec<Vec<Option<usize>>> {
        let told = self.room.call.out.events.iter().filter_map(|event| match event {
            RouterEvent::Owners { owners, .. } => Some(owners),
            _ => None,
        });
        told.map(|owners| owners.iter().map(|owner| owner.map(|owner| self.room.person(owner))).collect()).collect()
    }

    /// Levels of people of whom these speak, the first the loudest.
    fn levels(&self, speaking: &[usize]) -> Vec<u8> {
        let mut levels = vec![SILENT; self.room.people.len()];
        speaking.iter().zip(LOUD..).for_each(|(person, level)| levels[*person] = level);
        levels
    }

    fn speak(&mut self, duration_ms: u64, speaking: &[usize]) {
        let levels = self.levels(speaking);
        self.room.talk(duration_ms, &levels);
    }
}

fn runs(heard: &[(u8, u16, u32)]) -> Vec<u8> {
    let mut runs: Vec<u8> = heard.iter().map(|(person, ..)| *person).collect();
    runs.dedup();
    runs
}

#[test]
fn a_place_carries_whoever_is_loudest_without_a_seam() {
    let mut stage = Stage::of(5, 1);
    let (viewer, _) = stage.view(&[stage.places[0]]);
    for speaker in [3, 1, 4] {
        stage.speak(3000, &[speaker]);
    }
    let heard = stage.heard(viewer);
    assert_eq!(runs(&heard), [3, 1, 4]);
    assert!(heard.len() > 400, "{} of 450 packets", heard.len());
    for pair in heard.windows(2) {
        let [(_, before, earlier), (_, after, later)] = pair else { continue };
        assert_eq!(*after, before.wrapping_add(1));
        assert!((1..=2000).contains(&later.wrapping_sub(*earlier)), "{earlier} {later}");
    }
    assert!(stage.room.call.out.rtp.iter().all(|sent| sent.rewrite.payload_type == VIEWER_AUDIO_PT));
    assert_eq!(stage.owners(), [vec![Some(3)], vec![Some(1)], vec![Some(4)]]);
}

#[test]
fn nobody_is_carried_before_somebody_speaks_and_who_falls_silent_is_still() {
    let mut stage = Stage::of(3, 2);
    let (viewer, _) = stage.view(&[stage.places[0], stage.places[1]]);
    stage.speak(2000, &[]);
    assert!(stage.heard(viewer).is_empty());
    stage.speak(1000, &[2]);
    stage.speak(2000, &[]);
    assert_eq!(runs(&stage.heard(viewer)), [2]);
    assert_eq!(stage.owners(), [[Some(2), None]]);
}

#[test]
fn an_owner_that_leaves_frees_its_place_and_is_told() {
    let mut stage = Stage::of(3, 1);
    let (viewer, _) = stage.view(&[stage.places[0]]);
    stage.speak(1000, &[0]);
    let now = stage.room.call.now;
    stage.room.call.router.unobserve(stage.selector, stage.room.people[0], now);
    let before = stage.heard(viewer).len();
    stage.speak(1000, &[0]);
    assert_eq!(stage.heard(viewer).len(), before);
    stage.speak(1000, &[1]);
    stage.room.call.router.close_producer(stage.room.people[1]);
    stage.speak(1000, &[1]);
    let told = stage.owners();
    assert_eq!(told, [vec![Some(0)], vec![None], vec![Some(1)], vec![None]]);
    assert_eq!(runs(&stage.heard(viewer)), [0, 1]);
}

#[test]
fn a_paused_or_closed_selector_carries_nothing() {
    let mut stage = Stage::of(2, 1);
    let (viewer, _) = stage.view(&[stage.places[0]]);
    stage.speak(1000, &[0]);
    stage.room.call.router.pause_observer(stage.selector, &mut stage.room.call.out);
    let before = stage.heard(viewer).len();
    stage.speak(1000, &[0]);
    assert_eq!(stage.heard(viewer).len(), before);
    stage.room.call.router.resume_observer(stage.selector, stage.room.call.now);
    stage.speak(1000, &[0]);
    let before = stage.heard(viewer).len();
    stage.room.call.router.close_observer(stage.selector);
    stage.speak(1000, &[0]);
    assert_eq!(stage.heard(viewer).len(), before);
    assert_eq!(stage.owners(), [[Some(0)], [None], [Some(0)]]);
}

#[test]
fn a_place_that_was_closed_by_itself_stays_empty() {
    let mut stage = Stage::of(3, 2);
    stage.speak(1000, &[0, 1]);
    let closed = stage.places[0];
    stage.room.call.router.close_producer(closed);
    let again = stage.room.call.router.produce(ProducerSetup {
        mid: Some("other".to_owned()),
        streams: vec![StreamSetup { ssrc: Some(77), ..StreamSetup::default() }],
        ..audio_setup(stage.room.call.publisher)
    });
    let again = again.unwrap();
    assert_eq!(again, closed, "its index means another producer");
    let (viewer, _) = stage.view(&[again]);
    stage.speak(2000, &[2, 1, 0]);
    assert!(stage.heard(viewer).is_empty());
    assert_eq!(stage.owners().last().unwrap()[0], None);
}

#[test]
fn lost_packets_of_a_place_are_sent_again() {
    let mut stage = Stage::of(2, 1);
    let (viewer, ssrcs) = stage.view(&[stage.places[0]]);
    stage.speak(1000, &[1]);
    let (_, missing, _) = *stage.heard(viewer).last().unwrap();
    let before = stage.heard(viewer).len();
    let ssrcs = FeedbackSsrcs { sender: 1, media: ssrcs[0] };
    stage.room.call.rtcp(viewer, |writer| writer.nack(ssrcs, [missing]).unwrap());
    let heard = stage.heard(viewer);
    assert_eq!((heard.len(), heard.last().unwrap().1), (before + 1, missing));
}

#[test]
fn four_of_a_hundred_cut_the_egress_of_a_room_by_more_than_an_order_of_magnitude() {
    const PEOPLE: u32 = 100;
    let mut stage = Stage::of(PEOPLE, 4);
    let places = stage.places.clone();
    let speaking: Vec<usize> = (0..10).map(|speaker| speaker * 10).collect();
    stage.speak(1000, &speaking);
    let viewers: Vec<_> = (0..PEOPLE).map(|_| stage.view(&places).0).collect();
    stage.speak(200, &speaking);
    let selected = stage.room.call.out.rtp.len();
    assert_eq!(selected, 10 * 4 * PEOPLE as usize, "each hears the four loudest");
    let mut owners = stage.owners().pop().unwrap();
    owners.sort();
    assert_eq!(owners, [Some(0), Some(10), Some(20), Some(30)]);

    // The same room without: everybody hears everybody else.
    let mut mesh = Stage::of(PEOPLE, 0);
    let people = mesh.room.people.clone();
    for (own, _) in viewers.iter().enumerate() {
        let others: Vec<_> = people.iter().copied().enumerate().filter(|(other, _)| *other != own).collect();
        mesh.view(&others.into_iter().map(|(_, other)| other).collect::<Vec<_>>());
    }
    mesh.speak(200, &speaking);
    let everybody = mesh.room.call.out.rtp.len();
    println!("egress of 100 people in 200 ms: {everybody} packets, with the 4 loudest {selected}");
    assert!(everybody > 20 * selected, "{everybody} without, {selected} with");
}

#[test]
fn a_selector_without_anybody_sleeps() {
    let mut stage = Stage::of(1, 1);
    let now = stage.room.call.now;
    stage.room.call.router.unobserve(stage.selector, stage.room.people[0], now);
    stage.room.call.run_for(ms(5000));
    assert_eq!(stage.room.call.router.deadline(), None);
}
