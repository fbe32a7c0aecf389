//! What observers tell of what producers say about their loudness.

use millrace_packet::{ExtensionIds, ExtensionKind};
use millrace_router::setup::{ProducerSetup, StreamSetup};
use millrace_router::{ObserverIndex, ObserverKind, ObserverSetup, ProducerIndex, RouterEvent};

use crate::call::{AUDIO_SSRC, Call, Rtp, audio_setup, ms};

const LEVEL_ID: u8 = 6;
pub(crate) const LOUD: u8 = 20;
pub(crate) const SILENT: u8 = 127;

/// Some people with a microphone each.
pub(crate) struct Room {
    pub(crate) call: Call,
    pub(crate) people: Vec<ProducerIndex>,
    packets: u16,
}

impl Room {
    pub(crate) fn of(people: u32) -> Self {
        let mut call = Call::new();
        let people = (0..people).map(|person| {
            let setup = ProducerSetup {
                mid: Some(person.to_string()),
                streams: vec![StreamSetup { ssrc: Some(AUDIO_SSRC + person), ..StreamSetup::default() }],
                extensions: ExtensionIds::new([(LEVEL_ID, ExtensionKind::AudioLevel)]),
                ..audio_setup(call.publisher)
            };
            call.router.produce(setup).unwrap()
        });
        let people = people.collect();
        Self { call, people, packets: 0 }
    }

    fn observe(&mut self, kind: ObserverKind, interval_ms: u64) -> ObserverIndex {
        let observer = self.call.router.add_observer(ObserverSetup { kind, interval: ms(interval_ms) }).unwrap();
        for person in &self.people {
            self.call.router.observe(observer, *person, Vec::new(), self.call.now).unwrap();
        }
        observer
    }

    fn levels(&mut self, entries_max: usize, threshold_dbov: i8) -> ObserverIndex {
        self.observe(ObserverKind::AudioLevels { entries_max, threshold_dbov }, 1000)
    }

    /// Everybody sends a packet each 20 ms, with the attenuation given for each.
    pub(crate) fn talk(&mut self, duration_ms: u64, attenuations: &[u8]) {
        for _ in 0..duration_ms / 20 {
            self.call.run_for(ms(20));
            for (person, attenuation) in (0..).zip(attenuations) {
                let payload = vec![person as u8; 20];
                let packet = Rtp { ssrc: AUDIO_SSRC + person, payload, ..Rtp::audio(self.packets) };
                self.call.publish(&packet.with_extension(LEVEL_ID, &[0x80 | attenuation]));
            }
            self.packets = self.packets.wrapping_add(1);
        }
    }

    /// What was told of volumes so far: person and volume.
    fn volumes(&self) -> Vec<Vec<(usize, i8)>> {
        let told = self.call.out.events.iter().filter_map(|event| match event {
            RouterEvent::Volumes { volumes, .. } => Some(volumes),
            _ => None,
        });
        told.map(|volumes| volumes.iter().map(|(producer, volume)| (self.person(*producer), *volume)).collect())
            .collect()
    }

    fn speakers(&self) -> Vec<usize> {
        let told = self.call.out.events.iter().filter_map(|event| match event {
            RouterEvent::DominantSpeaker { producer, .. } => Some(self.person(*producer)),
            _ => None,
        });
        told.collect()
    }

    pub(crate) fn person(&self, producer: ProducerIndex) -> usize {
        self.people.iter().position(|person| *person == producer).unwrap()
    }
}

#[test]
fn the_loudest_are_told_once_an_interval_and_silence_once() {
    let mut room = Room::of(4);
    room.levels(2, -80);
    room.talk(1500, &[50, 20, 30, 90]);
    assert_eq!(room.volumes(), [vec![(1, -20), (2, -30)]]);
    room.talk(1000, &[50, 20, 30, 90]);
    room.talk(4000, &[SILENT; 4]);
    let told = room.volumes();
    assert_eq!(told.last().unwrap(), &[], "silence");
    assert_eq!(told.iter().filter(|volumes| volumes.is_empty()).count(), 1);
}

#[test]
fn an_observer_without_anything_to_look_at_sleeps() {
    let mut room = Room::of(1);
    let observer = room.levels(1, -80);
    room.call.router.unobserve(observer, room.people[0], room.call.now);
    room.call.run_for(ms(5000));
    assert_eq!(room.call.router.deadline(), None);
    assert!(room.volumes().is_empty());
}

#[test]
fn a_paused_observer_takes_back_what_it_told_and_counts_anew() {
    let mut room = Room::of(1);
    let observer = room.levels(1, -80);
    room.talk(1500, &[LOUD]);
    room.call.router.pause_observer(observer, &mut room.call.out);
    room.talk(3000, &[LOUD]);
    assert_eq!(room.volumes(), [vec![(0, -20)], vec![]]);
    room.call.router.resume_observer(observer, room.call.now);
    room.talk(1040, &[40]);
    assert_eq!(room.volumes().last().unwrap(), &[(0, -40)]);
}

#[test]
fn paused_and_closed_producers_are_silent() {
    let mut room = Room::of(2);
    room.levels(2, -80);
    room.call.router.pause_producer(room.people[0], room.call.now, &mut room.call.out);
    room.talk(1100, &[LOUD, LOUD]);
    assert_eq!(room.volumes(), [vec![(1, -20)]]);
    let (router, closed) = (&mut room.call.router, room.people[1]);
    router.close_producer(closed);
    room.talk(2000, &[LOUD]);
    assert_eq!(room.volumes().last().unwrap(), &[]);
}

#[test]
fn the_dominant_speaker_is_told_when_it_changes() {
    let mut room = Room::of(3);
    room.observe(ObserverKind::ActiveSpeaker, 300);
    room.talk(2000, &[SILENT; 3]);
    room.talk(3000, &[SILENT, LOUD, SILENT]);
    room.talk(3000, &[LOUD, SILENT, SILENT]);
    assert_eq!(room.speakers(), [1, 0]);
}

#[test]
fn who_takes_the_place_of_a_dominant_speaker_that_left_is_told() {
    let mut room = Room::of(2);
    let observer = room.observe(ObserverKind::ActiveSpeaker, 300);
    room.talk(2000, &[LOUD, SILENT]);
    room.call.router.unobserve(observer, room.people[0], room.call.now);
    room.call.router.observe(observer, room.people[0], Vec::new(), room.call.now).unwrap();
    room.talk(1000, &[SILENT, LOUD]);
    assert_eq!(room.speakers(), [0, 1]);
}

#[test]
fn r11_full_scale_over_silence_is_told_by_its_level_and_keeps_nobody_from_being_the_speaker() {
    let mut room = Room::of(2);
    room.observe(ObserverKind::ActiveSpeaker, 300);
    room.talk(20_000, &[0, SILENT]);
    for _ in 0..10 {
        room.talk(500, &[0, LOUD]);
        room.talk(100, &[0, SILENT]);
    }
    assert_eq!(room.speakers(), [0, 1]);
}

#[test]
fn a_router_has_so_many_observers_and_no_more() {
    let mut room = Room::of(1);
    let setup = ObserverSetup { kind: ObserverKind::ActiveSpeaker, interval: ms(300) };
    let made = (0..1000).filter(|_| room.call.router.add_observer(setup.clone()).is_ok()).count();
    assert_eq!(made, millrace_router::OBSERVERS_PER_ROUTER_MAX);
}
