//! The observers of a router as a target: what speakers claim of their loudness, and what applications do meanwhile.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use millrace_model::WallClock;
use millrace_packet::{ExtensionIds, ExtensionKind, OutgoingStreamId, PacketPool};
use millrace_router::setup::{ConsumerSetup, PayloadTypes, ProducerSetup, SessionSetup, StreamSetup};
use millrace_router::{
    ObserverIndex, ObserverKind, ObserverSetup, ProducerIndex, Router, RouterEvent, SessionId, Wish,
};

use super::router::{Checks, audio};
use crate::script::Script;

/// Producers that are looked at, and one that comes and goes.
const SPEAKERS: usize = 6;
/// Packets of the pool; the caches of the speakers and of the places take fewer.
const POOL_PACKETS: usize = 8_192;
/// Time between two changes of the dominant speaker and of a selector's places at least (case R11).
const SWITCH_INTERVAL_MIN: Duration = Duration::from_millis(1_000);
const CHANGE_INTERVAL_MIN: Duration = Duration::from_millis(200);
/// Rounds of 20 ms in which all speak.
const TALK_ROUNDS: u8 = 10;
const AUDIO_LEVEL_ID: u8 = 7;
const FIRST_SSRC: u32 = 100;

/// Runs `data` as the steps of a room with observers of each kind.
///
/// Whatever loudness is claimed: only who is observed is told, the loudest first, no more than asked for and nobody below
/// the threshold; the dominant speaker and the owners of a selector's places change no more often than their intervals
/// say, unless the application changed something; nobody owns two places; what the places carry never gives one number to
/// two packets; and a closed room holds nothing.
///
/// # Panics
/// When one of these does not hold.
pub fn observers(data: &[u8]) {
    let mut script = Script(data);
    let Some(kind) = script.byte() else { return };
    let mut room = Room::new(kind);
    while room.step(&mut script).is_some() {
        room.check();
    }
    room.close();
}

struct Room {
    router: Router,
    out: Checks,
    now: Instant,
    pool: PacketPool,
    sessions: Vec<SessionId>,
    speakers: Vec<Speaker>,
    places: Vec<ProducerIndex>,
    entries_max: usize,
    threshold_dbov: i8,
    /// An observer of each kind.
    observers: Vec<ObserverIndex>,
    /// When an observer told of a change last, unless the application has changed something since.
    told: HashMap<ObserverIndex, Instant>,
}

struct Speaker {
    session: SessionId,
    producer: ProducerIndex,
    ssrc: u32,
    sequence: u16,
}

impl Room {
    fn new(kind: u8) -> Self {
        let now = Instant::now();
        let mut room = Self {
            router: Router::new(WallClock::new(now, Duration::from_secs(1_700_000_000)), now),
            out: Checks::from(now),
            now,
            pool: PacketPool::new(POOL_PACKETS),
            sessions: Vec::new(),
            speakers: Vec::new(),
            places: Vec::new(),
            entries_max: 1 + usize::from(kind & 3),
            threshold_dbov: -127 + 16 * (kind >> 4 & 7) as i8,
            observers: Vec::new(),
            told: HashMap::new(),
        };
        let inner = room.join(false);
        let places = 1 + u32::from(kind >> 2 & 3);
        room.places = (0..places).map(|place| room.produce(inner, 9_000 + place)).collect();
        for ssrc in (FIRST_SSRC..).take(SPEAKERS) {
            let session = room.join(true);
            let producer = room.produce(session, ssrc);
            room.speakers.push(Speaker { session, producer, ssrc, sequence: 65_500 });
        }
        let viewer = room.join(true);
        room.watch(viewer);
        room.observers = (0..3).map(|which| room.add_observer(which)).collect();
        let pairs =
            room.observers.clone().into_iter().flat_map(|observer| (0..SPEAKERS).map(move |who| (observer, who)));
        pairs.for_each(|(observer, who)| room.observe(observer, who));
        room
    }

    fn join(&mut self, connects: bool) -> SessionId {
        let session = self.router.add_session(SessionSetup { ssrc: 7, cname: "peer".to_owned() });
        self.sessions.push(session);
        self.out.open.push(session);
        if connects {
            self.router.connect_session(session, self.now, &mut self.out);
            self.out.connected.push(session);
        }
        session
    }

    fn produce(&mut self, session: SessionId, ssrc: u32) -> ProducerIndex {
        let setup = ProducerSetup {
            mid: None,
            streams: vec![StreamSetup { ssrc: Some(ssrc), rtx_ssrc: None, rid: None }],
            extensions: ExtensionIds::new([(AUDIO_LEVEL_ID, ExtensionKind::AudioLevel)]),
            ..audio(session)
        };
        self.router.produce(setup).expect("nothing is taken yet")
    }

    /// Lets a viewer see all places.
    fn watch(&mut self, viewer: SessionId) {
        for (number, producer) in (0..).zip(self.places.clone()) {
            let setup = ConsumerSetup {
                session: viewer,
                producer,
                wish: Wish::everything(1, 3),
                outgoing: OutgoingStreamId(number),
                ssrc: 5_000 + number,
                rtx_ssrc: None,
                rid: None,
                cname: "place".to_owned(),
                payload_types: types(),
                nack: false,
                descriptors: false,
                first_sequence: 65_500,
                first_rtx_sequence: 0,
                paused: false,
            };
            self.router.consume(setup, self.now, &mut self.out).expect("the place is open");
        }
    }

    fn add_observer(&mut self, which: usize) -> ObserverIndex {
        let (entries_max, threshold_dbov) = (self.entries_max, self.threshold_dbov);
        let setup = match which {
            0 => ObserverSetup {
                kind: ObserverKind::AudioLevels { entries_max, threshold_dbov },
                interval: Duration::from_millis(150),
            },
            1 => ObserverSetup { kind: ObserverKind::ActiveSpeaker, interval: Duration::from_millis(300) },
            _ => ObserverSetup::selector(self.places.clone()),
        };
        self.router.add_observer(setup).expect("there are few observers")
    }

    fn observe(&mut self, observer: ObserverIndex, who: usize) {
        // The producer may be closed.
        let _ = self.router.observe(observer, self.speakers[who].producer, types(), self.now);
    }

    /// Takes one step; `None` at the end of the script.
    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        let step = script.byte()?;
        let who = usize::from(step >> 3) % SPEAKERS;
        match step & 7 {
            0 | 1 => {
                let (level, skip) = (script.byte()?, script.byte()?);
                self.speak(who, level, 1 + u16::from(skip >> 4));
            }
            2 | 3 => {
                let ms = 4 * u64::from(script.byte()?);
                self.pass(ms);
            }
            4 | 5 => {
                let (loud, voices) = (script.byte()?, script.byte()?);
                for round in 0..TALK_ROUNDS {
                    for speaker in (0..SPEAKERS).filter(|speaker| voices >> speaker & 1 != 0) {
                        self.speak(speaker, loud.wrapping_mul(1 + speaker as u8).wrapping_add(round & voices >> 6), 1);
                    }
                    self.pass(20);
                    self.check();
                }
            }
            _ => {
                let what = script.byte()?;
                self.change(who, what);
            }
        }
        Some(())
    }

    /// A packet that claims this level, which says in its upper bit whether it is speech.
    fn speak(&mut self, who: usize, level: u8, step: u16) {
        let speaker = &mut self.speakers[who];
        speaker.sequence = speaker.sequence.wrapping_add(step);
        let sequence = speaker.sequence.to_be_bytes();
        let timestamp = (u32::from(speaker.sequence) * 960).to_be_bytes();
        let ssrc = speaker.ssrc.to_be_bytes();
        let extension = [0xbe, 0xde, 0, 1, AUDIO_LEVEL_ID << 4, level, 0, 0];
        let bytes = [&[0x90, 111][..], &sequence, &timestamp, &ssrc, &extension, &ssrc, &sequence].concat();
        let Some(mut packet) = self.pool.take() else { panic!("the caches hold {POOL_PACKETS} packets") };
        assert!(packet.fill(&bytes));
        self.router.handle_rtp(speaker.session, packet, self.now, &mut self.out);
    }

    fn pass(&mut self, ms: u64) {
        self.out.pass(&mut self.router, &mut self.now, ms);
    }

    /// What applications do meanwhile.
    fn change(&mut self, who: usize, what: u8) {
        let which = usize::from(what >> 4) % self.observers.len();
        let (observer, producer) = (self.observers[which], self.speakers[who].producer);
        let (now, out) = (self.now, &mut self.out);
        match what & 15 {
            0 | 1 => drop(self.router.pause_producer(producer, now, out)),
            2 | 3 => drop(self.router.resume_producer(producer, now, out)),
            4 | 5 => self.router.unobserve(observer, producer, now),
            6 | 7 => self.observe(observer, who),
            8 => self.router.pause_observer(observer, out),
            9 | 10 => self.router.resume_observer(observer, now),
            11 => {
                self.router.close_observer(observer);
                self.observers[which] = self.add_observer(which);
                (0..SPEAKERS).for_each(|who| self.observe(self.observers[which], who));
            }
            12 => {
                let Speaker { session, ssrc, .. } = self.speakers[who];
                self.router.close_producer(producer);
                self.speakers[who].producer = self.produce(session, ssrc);
            }
            13 if self.places.len() > 1 => {
                let place = self.places.remove(who % self.places.len());
                self.router.close_producer(place);
            }
            _ => self.observers.clone().into_iter().for_each(|observer| self.observe(observer, who)),
        }
        // What it made observers tell at once, as a pause does, may come soon after what they told before, and before the next.
        self.told.clear();
        self.check();
        self.told.clear();
    }

    /// Checks what observers told since the last time.
    fn check(&mut self) {
        for (at, event) in std::mem::take(&mut self.out.events) {
            match event {
                RouterEvent::Volumes { observer, volumes } => {
                    assert!(volumes.len() <= self.entries_max, "{} of {}", volumes.len(), self.entries_max);
                    assert!(volumes.is_sorted_by(|(_, one), (_, other)| one >= other), "the loudest comes first");
                    assert!(volumes.iter().all(|(_, dbov)| (self.threshold_dbov..=0).contains(dbov)));
                    self.are_observed(observer, volumes.iter().map(|(producer, _)| *producer));
                }
                RouterEvent::DominantSpeaker { observer, producer } => {
                    self.are_observed(observer, [producer].into_iter());
                    self.is_rare(observer, at, SWITCH_INTERVAL_MIN);
                }
                RouterEvent::Owners { observer, owners } => {
                    let owners = owners.into_iter().flatten();
                    self.are_observed(observer, owners);
                    self.is_rare(observer, at, CHANGE_INTERVAL_MIN);
                }
                _ => {}
            }
        }
        self.out.settle();
    }

    /// Checks that `told` are observed, each once.
    fn are_observed(&self, observer: ObserverIndex, told: impl Iterator<Item = ProducerIndex>) {
        let mut observed: Vec<_> = self.router.observed(observer).collect();
        for producer in told {
            let place = observed.iter().position(|other| *other == producer);
            observed.swap_remove(place.expect("who is told is observed, and told once"));
        }
    }

    fn is_rare(&mut self, observer: ObserverIndex, at: Instant, interval: Duration) {
        if let Some(before) = self.told.insert(observer, at) {
            assert!(at - before >= interval, "a change after {:?}", at - before);
        }
    }

    fn close(mut self) {
        self.pass(500);
        self.check();
        self.observers.iter().for_each(|observer| self.router.close_observer(*observer));
        self.out.connected.clear();
        self.out.open.clear();
        self.sessions.iter().for_each(|session| drop(self.router.close_session(*session)));
        self.pass(60_000);
        assert_eq!(self.pool.slots_held(), 0, "a closed room holds packets");
        assert_eq!(self.router.deadline(), None, "a closed room has something to do");
    }
}

fn types() -> Vec<PayloadTypes> {
    vec![PayloadTypes { producer: 111, viewer: 111, viewer_rtx: None }]
}
