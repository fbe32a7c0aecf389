//! Which layers of a producer somebody asks for, so that its publisher need not send the others.

use std::time::{Duration, Instant};

use millrace_model::MediaKind;

use crate::context::Context;
use crate::events::RouterEvent;
use crate::producer::Producer;
use crate::router::Router;
use crate::timers::Moment;
use crate::{ConsumerIndex, Output, ProducerIndex};

/// How long fewer layers must be asked for before that is said: viewers come and go, and who begins a layer again costs
/// a key frame.
const LOWERED_AFTER: Duration = Duration::from_secs(3);

/// What viewers ask for, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Demand {
    /// Nobody views it.
    Nothing,
    /// This spatial layer at most.
    UpTo(u8),
    /// All there are.
    Everything,
}

/// What the application was told of the demand.
#[derive(Debug)]
pub(crate) struct Wanted {
    told: Demand,
    /// Since when less has been asked for.
    less_since: Option<Instant>,
}

impl Default for Wanted {
    /// A publisher begins with all that it declared.
    fn default() -> Self {
        Self { told: Demand::Everything, less_since: None }
    }
}

impl Wanted {
    /// Tells whether the application has to learn of `demand`: of more at once, of less when it lasts.
    fn follow(&mut self, demand: Demand, now: Instant) -> bool {
        if demand == self.told {
            self.less_since = None;
            return false;
        }
        let since = *self.less_since.get_or_insert(now);
        let is_due = demand > self.told || now.saturating_duration_since(since) >= LOWERED_AFTER;
        if is_due {
            *self = Self { told: demand, less_since: None };
        }
        is_due
    }
}

impl Producer {
    /// Tells the application if viewers ask for other layers than they did. What a viewer's line carries does not count:
    /// who gets less than it asks for has to find out what more would take.
    pub(crate) fn note_wanted<O: Output>(&mut self, cx: &mut Context<'_, O>) {
        if self.kind != MediaKind::Video {
            return;
        }
        let asking = self.consumers.iter().filter(|consumer| !consumer.paused).map(|consumer| consumer.preferred);
        let wishes = asking.chain(self.arrivals.iter().map(|arrival| arrival.wish));
        let (mut demand, mut layer) = (Demand::Nothing, None);
        for wish in wishes {
            let is_top = wish.spatial_layer >= wish.spatial_layer_max;
            demand = demand.max(if is_top { Demand::Everything } else { Demand::UpTo(wish.spatial_layer) });
            layer = layer.max(Some(wish.spatial_layer));
        }
        if self.wanted.follow(demand, cx.now.at) {
            cx.out.event(RouterEvent::WantedLayer { producer: self.index, spatial_layer: layer });
        }
    }
}

impl Router {
    /// Looks at once whether more is asked for of a producer.
    pub(crate) fn note_wanted(&mut self, producer: ProducerIndex, now: Moment, out: &mut impl Output) {
        self.with_producer(producer, now, out, |producer, cx| producer.note_wanted(cx));
    }

    /// The same of what a consumer views.
    pub(crate) fn note_wanted_by(&mut self, consumer: ConsumerIndex, now: Moment, out: &mut impl Output) {
        if let Some(place) = self.consumers.get(consumer.0 as usize).copied() {
            self.note_wanted(place.producer, now, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_told_at_once_and_less_when_it_lasts() {
        let (start, mut wanted) = (Instant::now(), Wanted::default());
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!wanted.follow(Demand::Everything, at(0)));
        assert!(!wanted.follow(Demand::UpTo(0), at(1000)));
        assert!(!wanted.follow(Demand::Everything, at(3000)), "it did not last");
        assert!(!wanted.follow(Demand::Nothing, at(4000)));
        assert!(!wanted.follow(Demand::UpTo(1), at(6999)));
        assert!(wanted.follow(Demand::UpTo(1), at(7000)));
        assert!(!wanted.follow(Demand::UpTo(1), at(7100)));
        assert!(wanted.follow(Demand::Everything, at(7200)));
    }
}
