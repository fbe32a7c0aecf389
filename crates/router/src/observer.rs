//! Observers of audio: who is loud, and who is the dominant speaker.

use std::time::{Duration, Instant};

use crate::dominance::Dominance;
use crate::events::RouterEvent;
use crate::levels::{Heard, Levels};
use crate::ranker::{CHANGE_INTERVAL_MIN, Ranker};
use crate::router::Router;
use crate::setup::PayloadTypes;
use crate::timers::{Alarm, Moment, Task, Timers};
use crate::{ObserverIndex, Output, ProducerIndex};

/// Observers of one router at most; each looks at all its producers once an interval. One more is refused.
pub const OBSERVERS_PER_ROUTER_MAX: usize = 256;

/// An observer to be made.
#[derive(Clone, Debug)]
pub struct ObserverSetup {
    /// What it tells.
    pub kind: ObserverKind,
    /// How often it looks.
    pub interval: Duration,
}

/// What an observer tells.
#[derive(Clone, Debug)]
pub enum ObserverKind {
    /// Who was loud.
    AudioLevels {
        /// How many are told at most.
        entries_max: usize,
        /// Average level that is told at least, in dBov, −127 to 0.
        threshold_dbov: i8,
    },
    /// Who became the dominant speaker.
    ActiveSpeaker,
    /// Nothing but who is carried: a selector, whose producers always carry the loudest.
    Selector {
        /// Producers of the router that nobody sends to, one for each place.
        producers: Vec<ProducerIndex>,
    },
}

impl ObserverSetup {
    /// A selector with these producers as its places. It looks as often as places may change.
    pub fn selector(producers: Vec<ProducerIndex>) -> Self {
        Self { kind: ObserverKind::Selector { producers }, interval: CHANGE_INTERVAL_MIN }
    }
}

/// Why an observer cannot be made, or cannot observe. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObserveError {
    /// The router has [`OBSERVERS_PER_ROUTER_MAX`] observers.
    #[error("a router has at most {OBSERVERS_PER_ROUTER_MAX} observers")]
    TooManyObservers,
    /// The observer or the producer is closed.
    #[error("the observer or the producer does not exist")]
    Unknown,
}

/// An observer with its producers.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(crate) kind: Kind,
    interval: Duration,
    paused: bool,
    producers: Vec<Observed>,
    alarm: Alarm,
}

#[derive(Debug)]
pub(crate) enum Kind {
    AudioLevels { entries_max: usize, threshold_dbov: i8, is_silent: bool },
    ActiveSpeaker(Dominance),
    Selector(Ranker),
}

#[derive(Clone, Debug)]
struct Observed {
    producer: ProducerIndex,
    /// What was heard of it when the observer last looked.
    heard: Heard,
    /// What its payload types are called where a selector carries them.
    payload_types: Vec<PayloadTypes>,
}

impl Router {
    /// Adds an observer without producers.
    ///
    /// # Errors
    /// When there are too many.
    pub fn add_observer(&mut self, setup: ObserverSetup) -> Result<ObserverIndex, ObserveError> {
        if self.observers.len() >= OBSERVERS_PER_ROUTER_MAX {
            return Err(ObserveError::TooManyObservers);
        }
        let kind = match setup.kind {
            ObserverKind::AudioLevels { entries_max, threshold_dbov } => {
                Kind::AudioLevels { entries_max, threshold_dbov, is_silent: true }
            }
            ObserverKind::ActiveSpeaker => Kind::ActiveSpeaker(Dominance::default()),
            ObserverKind::Selector { producers } => Kind::Selector(Ranker::new(&producers)),
        };
        let (interval, alarm) = (setup.interval, Alarm::default());
        let observer = Observer { kind, interval, paused: false, producers: Vec::new(), alarm };
        Ok(ObserverIndex(self.observers.insert(observer) as u32))
    }

    /// Closes an observer. The producers of a selector stay, and carry nothing.
    pub fn close_observer(&mut self, index: ObserverIndex) {
        self.release_all(index);
        let Some(observer) = self.observers.try_remove(index.0 as usize) else { return };
        observer.producers.iter().for_each(|observed| self.forget_levels(observed.producer));
    }

    /// Lets an observer look at a producer from now on. Once more changes nothing. A selector carries packets with these
    /// `payload_types`; for other observers there are none.
    ///
    /// # Errors
    /// When one of both is closed.
    pub fn observe(
        &mut self,
        index: ObserverIndex,
        producer: ProducerIndex,
        payload_types: Vec<PayloadTypes>,
        now: Instant,
    ) -> Result<(), ObserveError> {
        let now = self.moment(now);
        let observer = self.observers.get_mut(index.0 as usize).ok_or(ObserveError::Unknown)?;
        let source = self.producers.get_mut(producer.0 as usize).ok_or(ObserveError::Unknown)?;
        let heard = source.levels.get_or_insert_with(|| Box::new(Levels::new(now.ms))).heard();
        if !observer.producers.iter().any(|observed| observed.producer == producer) {
            observer.producers.push(Observed { producer, heard, payload_types });
        }
        observer.look_again(index, now, &mut self.timers);
        Ok(())
    }

    /// Lets an observer look at a producer no longer.
    pub fn unobserve(&mut self, index: ObserverIndex, producer: ProducerIndex, now: Instant) {
        self.release(index, producer);
        if let Some(observer) = self.observers.get_mut(index.0 as usize) {
            observer.remove(producer);
            observer.look_again(index, Moment::new(self.origin, now), &mut self.timers);
        }
        self.forget_levels(producer);
    }

    /// Pauses an observer: it tells nothing until it resumes, but that all are silent where it told of some.
    /// A selector carries nothing.
    pub fn pause_observer(&mut self, index: ObserverIndex, out: &mut impl Output) {
        self.release_all(index);
        let Some(observer) = self.observers.get_mut(index.0 as usize) else { return };
        observer.paused = true;
        if let Kind::AudioLevels { is_silent, .. } = &mut observer.kind {
            tell_volumes(index, is_silent, Vec::new(), out);
        }
        observer.tell_owners(index, out);
    }

    /// Resumes an observer. What was heard meanwhile does not count.
    pub fn resume_observer(&mut self, index: ObserverIndex, now: Instant) {
        let now = self.moment(now);
        let Some(observer) = self.observers.get_mut(index.0 as usize) else { return };
        observer.paused = false;
        for observed in &mut observer.producers {
            let levels = self.producers.get(observed.producer.0 as usize).and_then(|producer| producer.levels.as_ref());
            observed.heard = levels.map(|levels| levels.heard()).unwrap_or_default();
        }
        observer.look_again(index, now, &mut self.timers);
    }

    /// The producers of an observer.
    pub fn observed(&self, index: ObserverIndex) -> impl Iterator<Item = ProducerIndex> + '_ {
        let observer = self.observers.get(index.0 as usize);
        observer.into_iter().flat_map(|observer| &observer.producers).map(|observed| observed.producer)
    }

    /// A producer was closed: nobody looks at it any more.
    pub(crate) fn unobserve_closed(&mut self, producer: ProducerIndex) {
        let indexes: Vec<_> = self.observers.iter().map(|(index, _)| ObserverIndex(index as u32)).collect();
        for index in indexes {
            self.release(index, producer);
            let Some(observer) = self.observers.get_mut(index.0 as usize) else { continue };
            observer.remove(producer);
            let Kind::Selector(ranker) = &mut observer.kind else { continue };
            let place = ranker.slots.iter_mut().find(|slot| slot.producer == Some(producer));
            let owner = place.and_then(|slot| {
                slot.producer = None;
                slot.owner
            });
            if let Some(owner) = owner {
                self.release(index, owner);
            }
        }
    }

    /// Lets an observer look and tell.
    pub(crate) fn handle_observer_timeout(
        &mut self,
        index: ObserverIndex,
        at: Instant,
        now: Moment,
        out: &mut impl Output,
    ) {
        let Some(observer) = self.observers.get_mut(index.0 as usize) else { return };
        if !observer.alarm.ring(at) || observer.paused {
            return;
        }
        let producers = &self.producers;
        let levels_of = |producer: ProducerIndex| {
            let producer = producers.get(producer.0 as usize).filter(|producer| !producer.paused)?;
            producer.levels.as_deref()
        };
        let mut changes = Vec::new();
        match &mut observer.kind {
            Kind::AudioLevels { entries_max, threshold_dbov, is_silent } => {
                let mut volumes = Vec::new();
                for observed in &mut observer.producers {
                    let Some(heard) = levels_of(observed.producer).map(Levels::heard) else { continue };
                    let average = heard.average_since(std::mem::replace(&mut observed.heard, heard));
                    let loud = average.filter(|average| average >= threshold_dbov);
                    volumes.extend(loud.map(|average| (observed.producer, average)));
                }
                volumes.sort_by_key(|(_, average)| -i16::from(*average));
                volumes.truncate(*entries_max);
                tell_volumes(index, is_silent, volumes, out);
            }
            Kind::ActiveSpeaker(dominance) => {
                let observed = observer.producers.iter().map(|observed| observed.producer);
                let speakers = observed.filter_map(|producer| Some((producer, levels_of(producer)?)));
                if let Some(producer) = dominance.elect(speakers, now) {
                    out.event(RouterEvent::DominantSpeaker { observer: index, producer });
                }
            }
            Kind::Selector(ranker) => {
                let observed = observer.producers.iter().map(|observed| observed.producer);
                let speakers = observed.filter_map(|producer| Some((producer, levels_of(producer)?)));
                changes = ranker.rank(speakers, now.ms);
                observer.tell_owners(index, out);
            }
        }
        observer.look_again(index, now, &mut self.timers);
        self.apply_changes(index, &changes);
    }

    /// Takes the place of `producer` from it.
    fn release(&mut self, index: ObserverIndex, producer: ProducerIndex) {
        let changes = self.ranker_mut(index).and_then(|ranker| ranker.release(producer));
        self.apply_changes(index, changes.as_slice());
    }

    fn release_all(&mut self, index: ObserverIndex) {
        let changes = self.ranker_mut(index).map(Ranker::release_all).unwrap_or_default();
        self.apply_changes(index, &changes);
    }

    fn ranker_mut(&mut self, index: ObserverIndex) -> Option<&mut Ranker> {
        match &mut self.observers.get_mut(index.0 as usize)?.kind {
            Kind::Selector(ranker) => Some(ranker),
            Kind::AudioLevels { .. } | Kind::ActiveSpeaker(_) => None,
        }
    }

    /// Stops keeping levels of a producer that nobody looks at.
    fn forget_levels(&mut self, producer: ProducerIndex) {
        let mut observed = self.observers.iter().flat_map(|(_, observer)| &observer.producers);
        if observed.any(|observed| observed.producer == producer) {
            return;
        }
        if let Some(producer) = self.producers.get_mut(producer.0 as usize) {
            producer.levels = None;
        }
    }
}

impl Observer {
    /// What a selector calls `payload_type` of a producer.
    pub(crate) fn carried_payload_type(&self, producer: ProducerIndex, payload_type: u8) -> Option<u8> {
        let observed = self.producers.iter().find(|observed| observed.producer == producer)?;
        let types = observed.payload_types.iter().find(|types| types.producer == payload_type)?;
        Some(types.viewer)
    }

    /// Tells the owners of a selector's places, if they changed.
    fn tell_owners(&mut self, index: ObserverIndex, out: &mut impl Output) {
        if let Kind::Selector(ranker) = &mut self.kind
            && std::mem::take(&mut ranker.untold)
        {
            let owners = ranker.slots.iter().map(|slot| slot.owner).collect();
            out.event(RouterEvent::Owners { observer: index, owners });
        }
    }

    fn remove(&mut self, producer: ProducerIndex) {
        self.producers.retain(|observed| observed.producer != producer);
        if let Kind::ActiveSpeaker(dominance) = &mut self.kind {
            dominance.leave(producer);
        }
    }

    /// Makes sure that the next look is due, if there is something to look at or to take back.
    fn look_again(&mut self, index: ObserverIndex, now: Moment, timers: &mut Timers) {
        let owes_news = match &self.kind {
            Kind::AudioLevels { is_silent, .. } => !is_silent,
            Kind::ActiveSpeaker(_) => false,
            Kind::Selector(ranker) => ranker.untold,
        };
        if !self.paused && self.alarm.is_off() && (owes_news || !self.producers.is_empty()) {
            self.alarm.set(Some(now.at + self.interval), Task::Observe(index), timers);
        }
    }
}

/// Tells who was loud, or once that nobody was.
fn tell_volumes(
    observer: ObserverIndex,
    is_silent: &mut bool,
    volumes: Vec<(ProducerIndex, i8)>,
    out: &mut impl Output,
) {
    let was_silent = std::mem::replace(is_silent, volumes.is_empty());
    if !(was_silent && volumes.is_empty()) {
        out.event(RouterEvent::Volumes { observer, volumes });
    }
}
