//! Observers of audio: who is loud, and who is the dominant speaker.

use std::time::{Duration, Instant};

use crate::dominance::Dominance;
use crate::events::RouterEvent;
use crate::levels::{Heard, Levels};
use crate::router::Router;
use crate::timers::{Alarm, Moment, Task, Timers};
use crate::{ObserverIndex, Output, ProducerIndex};

/// Observers of one router at most; each looks at all its producers once an interval. One more is refused.
pub const OBSERVERS_PER_ROUTER_MAX: usize = 256;

/// An observer to be made.
#[derive(Clone, Copy, Debug)]
pub struct ObserverSetup {
    /// What it tells.
    pub kind: ObserverKind,
    /// How often it looks.
    pub interval: Duration,
}

/// What an observer tells.
#[derive(Clone, Copy, Debug)]
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
    kind: Kind,
    interval: Duration,
    paused: bool,
    producers: Vec<Observed>,
    alarm: Alarm,
}

#[derive(Debug)]
enum Kind {
    AudioLevels { entries_max: usize, threshold_dbov: i8, is_silent: bool },
    ActiveSpeaker(Dominance),
}

#[derive(Clone, Copy, Debug)]
struct Observed {
    producer: ProducerIndex,
    /// What was heard of it when the observer last looked.
    heard: Heard,
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
        };
        let (interval, alarm) = (setup.interval, Alarm::default());
        let observer = Observer { kind, interval, paused: false, producers: Vec::new(), alarm };
        Ok(ObserverIndex(self.observers.insert(observer) as u32))
    }

    /// Closes an observer.
    pub fn close_observer(&mut self, index: ObserverIndex) {
        let Some(observer) = self.observers.try_remove(index.0 as usize) else { return };
        observer.producers.iter().for_each(|observed| self.forget_levels(observed.producer));
    }

    /// Lets an observer look at a producer from now on. Once more changes nothing.
    ///
    /// # Errors
    /// When one of both is closed.
    pub fn observe(&mut self, index: ObserverIndex, producer: ProducerIndex, now: Instant) -> Result<(), ObserveError> {
        let now = self.moment(now);
        let observer = self.observers.get_mut(index.0 as usize).ok_or(ObserveError::Unknown)?;
        let source = self.producers.get_mut(producer.0 as usize).ok_or(ObserveError::Unknown)?;
        let heard = source.levels.get_or_insert_with(|| Box::new(Levels::new(now.ms))).heard();
        if !observer.producers.iter().any(|observed| observed.producer == producer) {
            observer.producers.push(Observed { producer, heard });
        }
        observer.look_again(index, now, &mut self.timers);
        Ok(())
    }

    /// Lets an observer look at a producer no longer.
    pub fn unobserve(&mut self, index: ObserverIndex, producer: ProducerIndex) {
        if let Some(observer) = self.observers.get_mut(index.0 as usize) {
            observer.remove(producer);
        }
        self.forget_levels(producer);
    }

    /// Pauses an observer: it tells nothing until it resumes, but that all are silent where it told of some.
    pub fn pause_observer(&mut self, index: ObserverIndex, out: &mut impl Output) {
        let Some(observer) = self.observers.get_mut(index.0 as usize) else { return };
        observer.paused = true;
        if let Kind::AudioLevels { is_silent, .. } = &mut observer.kind {
            tell_volumes(index, is_silent, Vec::new(), out);
        }
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
        self.observers.iter_mut().for_each(|(_, observer)| observer.remove(producer));
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
        }
        observer.look_again(index, now, &mut self.timers);
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
    fn remove(&mut self, producer: ProducerIndex) {
        self.producers.retain(|observed| observed.producer != producer);
        if let Kind::ActiveSpeaker(dominance) = &mut self.kind {
            dominance.leave(producer);
        }
    }

    /// Makes sure that the next look is due, if there is something to look at or to take back.
    fn look_again(&mut self, index: ObserverIndex, now: Moment, timers: &mut Timers) {
        let owes_silence = matches!(self.kind, Kind::AudioLevels { is_silent: false, .. });
        if !self.paused && self.alarm.is_off() && (owes_silence || !self.producers.is_empty()) {
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
