//! RTP observers: made, given producers, paused, closed; and what they tell.

use std::time::Instant;

use millrace_model::{MediaKind, ModelError, ProducerId, RtpObserverId};
use millrace_router::{ObserveError, ObserverIndex, ObserverSetup, ProducerIndex};
use serde_json::{Value, json};

use super::Plane;
use super::routers::{RouterEntry, place};
use super::streams::ProducerAt;
use crate::error::RequestError;

/// Where an observer is: its router and its index there.
pub(super) type ObserverAt = (usize, ObserverIndex);

impl Plane {
    pub(super) fn observer_at(&self, id: RtpObserverId) -> Result<ObserverAt, RequestError> {
        self.observer_ids.get(&id).copied().ok_or_else(|| RequestError::not_found("RtpObserver", id))
    }

    pub(super) fn create_observer(
        &mut self,
        router: usize,
        id: RtpObserverId,
        setup: ObserverSetup,
    ) -> Result<Value, RequestError> {
        if self.observer_ids.contains_key(&id) {
            return Err(RequestError::duplicate("RtpObserver", id));
        }
        let entry = &mut self.routers[router];
        let index = entry.core.add_observer(setup).map_err(observe_error)?;
        place(&mut entry.observers, index.0, id);
        self.observer_ids.insert(id, (router, index));
        Ok(Value::Null)
    }

    pub(super) fn close_observer(&mut self, id: RtpObserverId) {
        let Some((router, index)) = self.observer_ids.remove(&id) else { return };
        let Some(entry) = self.routers.get_mut(router) else { return };
        entry.core.close_observer(index);
        if let Some(entry) = entry.observers.get_mut(index.0 as usize) {
            *entry = None;
        }
        if let Some(selector) = entry.selectors.remove(&index) {
            self.close_session(router, selector.session);
        }
    }

    pub(super) fn pause_observer(&mut self, (router, index): ObserverAt, now: Instant) -> Result<Value, RequestError> {
        self.with_router(router, now, |core, fanout| core.pause_observer(index, fanout));
        Ok(Value::Null)
    }

    pub(super) fn resume_observer(&mut self, (router, index): ObserverAt, now: Instant) -> Result<Value, RequestError> {
        self.with_router(router, now, |core, _| core.resume_observer(index, now));
        Ok(Value::Null)
    }

    pub(super) fn observe(
        &mut self,
        (router, index): ObserverAt,
        id: ProducerId,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let producer = self.producer_of_router(router, id)?;
        let payload_types = match self.routers[router].selectors.get(&index) {
            Some(selector) => self.carried_payload_types(router, selector, producer)?,
            None if self.routers[router].producer(producer).is_some_and(|it| it.kind != MediaKind::Audio) => {
                return Err(ModelError::invalid("producerId", "is not of a producer of audio").into());
            }
            None => Vec::new(),
        };
        let done = self.with_router(router, now, |core, _| core.observe(index, producer, payload_types, now));
        done.unwrap_or(Err(ObserveError::Unknown)).map_err(observe_error)?;
        Ok(Value::Null)
    }

    pub(super) fn unobserve(
        &mut self,
        (router, index): ObserverAt,
        id: ProducerId,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let producer = self.producer_of_router(router, id)?;
        self.with_router(router, now, |core, _| core.unobserve(index, producer, now));
        Ok(Value::Null)
    }

    /// A producer of the router, and of no other.
    pub(super) fn producer_of_router(&self, router: usize, id: ProducerId) -> Result<ProducerIndex, RequestError> {
        let (of, producer): ProducerAt = self.producer_at(id)?;
        if of != router {
            return Err(RequestError::not_found("Producer of this router", id));
        }
        Ok(producer)
    }
}

/// The volumes of an event as applications read them.
pub(super) fn volumes(router: &RouterEntry, volumes: &[(ProducerIndex, i8)]) -> Value {
    let entry = |(producer, volume): &(ProducerIndex, i8)| {
        Some(json!({ "producerId": router.producer(*producer)?.id, "volume": volume }))
    };
    volumes.iter().filter_map(entry).collect()
}

/// The owners of a selector's places as applications read them: ids, `null` where nobody is.
pub(super) fn owners(router: &RouterEntry, owners: &[Option<ProducerIndex>]) -> Value {
    let id = |owner: &Option<ProducerIndex>| owner.and_then(|owner| Some(router.producer(owner)?.id));
    owners.iter().map(|owner| json!(id(owner))).collect()
}

/// The id of a router's observer and of the producers that it looks at.
pub(super) fn observed(router: &RouterEntry) -> impl Iterator<Item = (RtpObserverId, Vec<ProducerId>)> {
    let observers = router.observers.iter().zip(0..).filter_map(|(id, index)| Some(((*id)?, ObserverIndex(index))));
    observers.map(|(id, index)| {
        let producers = router.core.observed(index).filter_map(|producer| Some(router.producer(producer)?.id));
        (id, producers.collect())
    })
}

pub(super) fn observe_error(error: ObserveError) -> RequestError {
    match error {
        ObserveError::TooManyObservers => RequestError::Limit(error.to_string()),
        ObserveError::Unknown => RequestError::InvalidState(error.to_string()),
    }
}
