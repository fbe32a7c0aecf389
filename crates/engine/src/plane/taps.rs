//! Taps and sources: direct transports whose other end is another thread of the process instead of the application.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use millrace_model::{
    ConsumerId, ConsumerOptions, DirectTransportOptions, ProducerId, ProducerOptions, RouterId, RtpParameters,
    TransportId, parse,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Plane;
use super::direct::Outlet;
use crate::error::RequestError;
use crate::message::Message;
use crate::tap::{FeedEnd, Opened, Opening, Order, TapOptions, Wanted};

/// The worker's side of one tap or source.
pub(super) struct AttachedEnd {
    transport: TransportId,
    /// The consumer or producer, whose events go there.
    object: Uuid,
    /// The application has the object too, and hears of it.
    is_shown: bool,
    /// It is a source.
    publishes: bool,
    outlet: Rc<RefCell<Outlet>>,
    feed: FeedEnd,
}

/// A tap or source to be made.
pub(super) struct Attaching {
    pub(super) router: RouterId,
    pub(super) wanted: Wanted,
    /// The id of its consumer or producer.
    pub(super) object: Uuid,
    /// The application is to know that.
    pub(super) is_shown: bool,
    pub(super) feed: FeedEnd,
}

impl Plane {
    /// Carries out what a tap or source wants. Nobody else hears of it, but the events that it causes.
    pub(crate) fn serve_order(&mut self, order: Order, now: Instant) {
        self.owes_reply = true;
        match order {
            Order::Open(opening) => self.attach(*opening, now),
            Order::Request { text, reply } => {
                let said = self.handle_request(&text, now);
                if let (Some(Message::Reply { outcome, .. }), Some(reply)) = (said, reply) {
                    // Who no longer waits has closed.
                    let _ = reply.send(outcome);
                }
            }
        }
        self.say(None);
    }

    fn attach(&mut self, opening: Opening, now: Instant) {
        let Opening { router, wanted, feed, reply } = opening;
        let object = self.random.uuid();
        let (opened, _) = self.attach_end(Attaching { router, wanted, object, is_shown: false, feed }, now);
        let transport = opened.as_ref().ok().map(|opened| opened.transport);
        if reply.send(opened).is_err() {
            // Who asked is gone.
            transport.into_iter().for_each(|transport| self.close_unseen(transport, now));
        }
    }

    /// Makes the worker's side of a tap or source; beside what it is, the reply to whoever asked for a producer.
    pub(super) fn attach_end(&mut self, attaching: Attaching, now: Instant) -> (Result<Opened, RequestError>, Value) {
        let Attaching { router, wanted, object, is_shown, feed } = attaching;
        let transport = TransportId::new(self.random.uuid());
        let outlet = Outlet::to_feed(&self.outlet, feed.feed());
        let mut reply = Value::Null;
        let opened = self.router_index(router).and_then(|index| {
            let settings = DirectTransportOptions::default().into_checked()?;
            self.create_direct_end(index, transport, &outlet, settings, now)?;
            let publishes = matches!(wanted, Wanted::Source(_));
            self.attached.push(AttachedEnd { transport, object, is_shown, publishes, outlet, feed });
            let (made, paused) = match wanted {
                Wanted::Tap(options) => (self.attach_tap(index, transport, object, options, now), "producerPaused"),
                Wanted::Source(options) => (self.attach_source(transport, object, *options, now), "paused"),
            };
            reply = made?;
            self.opened(self.transport_index(transport)?, object, &reply, paused)
        });
        self.flush();
        if opened.is_err() {
            self.close_unseen(transport, now);
        }
        (opened, reply)
    }

    fn attach_tap(
        &mut self,
        router: usize,
        transport: TransportId,
        object: Uuid,
        options: TapOptions,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let (index, id) = (self.transport_index(transport)?, ConsumerId::new(object));
        let wanted = json!({
            "producerId": options.producer,
            "rtpCapabilities": self.routers[router].capabilities,
            "preferredLayers": options.preferred_layers,
            "paused": options.paused,
        });
        let settings = parse::<ConsumerOptions>(&wanted.to_string())?.into_checked()?;
        let reply = self.consume(index, id, settings, now)?;
        self.listen_to_consumer(id, true, now)?;
        Ok(reply)
    }

    fn attach_source(
        &mut self,
        transport: TransportId,
        object: Uuid,
        options: ProducerOptions,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let index = self.transport_index(transport)?;
        self.produce(index, ProducerId::new(object), options.into_checked()?, now)
    }

    /// What whoever opened needs to know; RTCP is heard from now on.
    fn opened(&mut self, index: usize, object: Uuid, reply: &Value, paused: &str) -> Result<Opened, RequestError> {
        self.listen_to_transport(index, true)?;
        let entry = &self.transports[index];
        let rtcp_number = entry.core.direct().map(|direct| direct.number).unwrap_or_default();
        let parameters: RtpParameters = parse(&reply["rtpParameters"].to_string())?;
        let ssrc = parameters.encodings.first().and_then(|encoding| encoding.ssrc).unwrap_or_default();
        Ok(Opened {
            transport: entry.id,
            object,
            number: reply["packetNumber"].as_u64().unwrap_or_default() as u32,
            rtcp_number,
            ssrc,
            parameters,
            paused: reply[paused].as_bool().unwrap_or_default(),
        })
    }

    fn close_unseen(&mut self, transport: TransportId, now: Instant) {
        if let Some(index) = self.transport_ids.get(&transport).copied() {
            self.close_transport(index, now);
        }
    }

    /// Hands an event to the tap or source that it is of; false when the application is to hear it too.
    pub(super) fn tell_attached(&self, target: Uuid, event: &str, data: &Value) -> bool {
        let Some(end) = self.attached.iter().find(|end| end.object == target || end.transport.uuid() == target) else {
            return false;
        };
        if end.object == target {
            end.feed.tell(event, data);
        }
        !(end.is_shown && end.object == target)
    }

    /// Hands over what was collected for taps and sources, and tells sources who takes them.
    pub(super) fn flush_attached(&self) {
        for end in &self.attached {
            end.outlet.borrow_mut().flush();
            if end.publishes
                && let Some((router, index)) = self.producer_ids.get(&ProducerId::new(end.object))
            {
                end.feed.tell_taken(self.routers[*router].core.taken_streams(*index));
            }
        }
    }

    /// The transport of a tap or source is closed, and so is its feed.
    pub(super) fn detach(&mut self, transport: TransportId) {
        self.attached.retain(|end| end.transport != transport);
    }
}
