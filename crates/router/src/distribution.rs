//! What each consumer of a session gets of the line to its viewer.

use std::time::Instant;

use millrace_bandwidth::allocation::{Claim, Granted, Ladder, Line, Outcome, Rung, Share, allocate};
use millrace_model::MediaKind;

use crate::events::RouterEvent;
use crate::layers::Wish;
use crate::producer::Producer;
use crate::router::{Place, Router};
use crate::timers::Moment;
use crate::{ConsumerIndex, Output, SessionId};

/// What is kept free for a consumer of audio at least, in bit/s: it may be silent now and speak at once.
const AUDIO_BITRATE_MIN: u64 = 40_000;

/// What leaves is longer than what was measured: seals, headers of the network, and packets that are sent again.
const OVERHEAD_PERCENT: u64 = 105;

/// What is sent is left at once, and not only at the next key frame of what fits, where it takes so much more than the line
/// carries: it would fill the queue that the key frame has to pass, and arrive in pieces.
const DROWNING_PERCENT: u64 = 130;

/// How much less a router forwards than it could, because the machine cannot keep up. Audio is always forwarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thrift {
    /// Everything is forwarded.
    #[default]
    None,
    /// Layers of video that take more than half of the best one are left out.
    Half,
    /// Only the lowest layer of each video is forwarded.
    Lowest,
    /// No video is forwarded.
    NoVideo,
}

/// What a consumer has of the line to its viewer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portion {
    /// 1 to 255: who is served first when not all fits.
    pub(crate) priority: u8,
    pub(crate) share: Share,
    /// It was shed since it last got something.
    pub(crate) was_shed: bool,
    /// It has the best that there is: what the publisher begins to send besides is not kept from it.
    pub(crate) is_best: bool,
}

impl Default for Portion {
    fn default() -> Self {
        Self { priority: 1, share: Share::default(), was_shed: false, is_best: false }
    }
}

impl Portion {
    /// Tells whether the line has no room for the consumer at all.
    pub(crate) fn is_shed(&self) -> bool {
        self.share.granted() == Some(Granted::Shed)
    }

    /// What a viewer gets of what it prefers.
    pub(crate) fn within(&self, preferred: Wish) -> Wish {
        match self.share.granted() {
            Some(Granted::Layers { .. }) if self.is_best => preferred,
            Some(Granted::Layers { spatial_layer, temporal_layer }) => preferred.lowered(spatial_layer, temporal_layer),
            Some(Granted::Shed) | None => preferred,
        }
    }
}

/// What a distribution works with, kept for its memory.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    consumers: Vec<ConsumerIndex>,
    candidates: Vec<Candidate>,
    /// Of the candidates, by their places.
    claims: Vec<Claim<usize>>,
}

/// A consumer that takes part in a distribution.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    consumer: ConsumerIndex,
    place: Place,
    /// The best that there is of what it prefers.
    best: Option<Granted>,
    /// What it is sent is so much more than the line carries that most of it would be lost.
    is_drowning: bool,
}

impl Router {
    /// Says what the path to the session's peer carries. As long as nobody does, everything is sent.
    pub fn set_line(&mut self, session: SessionId, line: Line, now: Instant, out: &mut impl Output) {
        let Some(state) = self.sessions.get_mut(session.0 as usize) else { return };
        state.line = Some(line);
        self.distribute(session, self.moment(now), out);
    }

    /// Sets how much a consumer matters among those of its session, 1 to 255. Default: 1.
    pub fn set_consumer_priority(&mut self, index: ConsumerIndex, priority: u8, now: Instant, out: &mut impl Output) {
        let Some(consumer) = self.consumer_mut(index) else { return };
        consumer.portion.priority = priority;
        self.redistribute(index, now, out);
    }

    /// Sets how much less is forwarded than could be. Default: nothing less.
    pub fn set_thrift(&mut self, thrift: Thrift, now: Instant, out: &mut impl Output) {
        if std::mem::replace(&mut self.thrift, thrift) == thrift {
            return;
        }
        let sessions: Vec<_> = self.sessions.iter().map(|(index, _)| SessionId(index as u32)).collect();
        for id in sessions {
            if let Some(session) = self.sessions.get_mut(id.0 as usize) {
                // From then on its shares are kept, so that they can be given back.
                session.was_spared = true;
            }
            self.distribute(id, self.moment(now), out);
        }
    }

    /// Tells whether a consumer gets nothing because the line to its viewer has no room for it.
    pub fn is_shed(&self, index: ConsumerIndex) -> bool {
        let place = self.consumers.get(index.0 as usize);
        let producer = place.and_then(|place| self.producers.get(place.producer.0 as usize));
        let consumer = place.zip(producer).and_then(|(place, producer)| producer.consumers.get(place.position));
        consumer.is_some_and(|consumer| consumer.portion.is_shed())
    }

    /// Divides the line of the session that the consumer belongs to anew.
    pub(crate) fn redistribute(&mut self, index: ConsumerIndex, now: Instant, out: &mut impl Output) {
        if let Some(session) = self.consumer_mut(index).map(|consumer| consumer.session) {
            self.distribute(session, self.moment(now), out);
        }
    }

    /// Divides what the line to the session's peer carries among its consumers: audio is reserved first, video gets the
    /// layers that fit. Without a line each gets what it prefers.
    pub(crate) fn distribute(&mut self, id: SessionId, now: Moment, out: &mut impl Output) {
        let Some(session) = self.sessions.get(id.0 as usize) else { return };
        let thrift = self.thrift;
        let everything = Line { bitrate: u64::MAX, may_shed: true, ..Line::default() };
        let spared = (thrift != Thrift::None || session.was_spared).then_some(everything);
        let Some(mut line) = session.line.or(spared) else { return };
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.consumers.clear();
        scratch.consumers.extend_from_slice(&session.consumers);
        let reserved: u64 = scratch.consumers.iter().map(|consumer| self.audio_bitrate(*consumer, now)).sum();
        self.gather_candidates(&mut scratch, line, now);
        line.bitrate = line.bitrate.saturating_sub(reserved);
        line.carried = line.carried.saturating_sub(reserved);
        line.keeps_one = reserved == 0;
        if thrift == Thrift::NoVideo {
            line = Line { bitrate: 0, may_shed: true, ..Line::default() };
        }
        let Outcome { wanted, .. } = allocate(line, &mut scratch.claims, now.at);
        let part = line.bitrate.max(line.carried) / (scratch.claims.len() as u64).max(1);
        for claim in &scratch.claims {
            let candidate = scratch.candidates[claim.id];
            if let Some(consumer) = self.consumer_mut(candidate.consumer).filter(|_| line.may_shed) {
                consumer.fit_resends(part);
            }
            self.apply_share(candidate, claim.share, now, out);
        }
        out.wanted(id, if scratch.consumers.is_empty() { 0 } else { wanted.saturating_add(reserved) });
        self.scratch = scratch;
    }

    fn gather_candidates(&mut self, scratch: &mut Scratch, line: Line, now: Moment) {
        scratch.candidates.clear();
        scratch.claims.clear();
        for index in &scratch.consumers {
            let Some((mut candidate, claim)) = self.candidate(*index, scratch.claims.len(), now) else { continue };
            let sent = claim.share.bitrate(&claim.ladder);
            candidate.is_drowning = sent.saturating_mul(100) > line.bitrate.saturating_mul(DROWNING_PERCENT);
            scratch.candidates.push(candidate);
            scratch.claims.push(claim);
        }
    }

    /// What is reserved for a consumer of audio, in bit/s; 0 for one of video, or that is paused.
    fn audio_bitrate(&mut self, index: ConsumerIndex, now: Moment) -> u64 {
        let Some(place) = self.consumers.get(index.0 as usize) else { return 0 };
        let Some(producer) = self.producers.get_mut(place.producer.0 as usize) else { return 0 };
        if producer.kind != MediaKind::Audio || producer.paused {
            return 0;
        }
        let Some(consumer) = producer.consumers.get_mut(place.position).filter(|one| !one.paused) else { return 0 };
        (consumer.bitrate(now) * OVERHEAD_PERCENT / 100).max(AUDIO_BITRATE_MIN)
    }

    fn candidate(&mut self, index: ConsumerIndex, id: usize, now: Moment) -> Option<(Candidate, Claim<usize>)> {
        let place = *self.consumers.get(index.0 as usize)?;
        let producer = self.producers.get_mut(place.producer.0 as usize)?;
        let consumer = producer.consumers.get(place.position)?;
        let takes_part = producer.kind == MediaKind::Video && !producer.paused && !consumer.paused;
        // A pipe carries what other routers need; there is no viewer whose line it could be fitted to.
        if !takes_part || consumer.preferred.only_this_stream {
            return None;
        }
        let (preferred, portion) = (consumer.preferred, consumer.portion);
        let mut ladder = producer.ladder(preferred, now);
        let best = ladder
            .rungs()
            .last()
            .map(|rung| Granted::Layers { spatial_layer: rung.spatial_layer, temporal_layer: rung.temporal_layer });
        match self.thrift {
            Thrift::None => {}
            Thrift::Half => ladder.limit_to(50),
            Thrift::Lowest | Thrift::NoVideo => ladder.limit_to(0),
        }
        let candidate = Candidate { consumer: index, place, best, is_drowning: false };
        Some((candidate, Claim::new(id, portion.priority, ladder, portion.share)))
    }

    /// Lets a consumer send what it was granted.
    fn apply_share(&mut self, candidate: Candidate, share: Share, now: Moment, out: &mut impl Output) {
        let (index, place, granted) = (candidate.consumer, candidate.place, share.granted());
        let before = self.with_producer(place.producer, now, out, |producer, cx| {
            let consumer = producer.consumers.get_mut(place.position)?;
            let before = std::mem::replace(&mut consumer.portion.share, share).granted();
            let is_best = granted == candidate.best;
            let was_best = std::mem::replace(&mut consumer.portion.is_best, is_best);
            if before == granted && was_best == is_best {
                return None;
            }
            if granted == Some(Granted::Shed) {
                consumer.portion.was_shed = true;
                consumer.stop(cx);
                if !consumer.wish.has_choice {
                    cx.out.event(RouterEvent::ConsumerLayers { consumer: index, layers: None });
                }
            } else {
                consumer.wish_for(consumer.portion.within(consumer.preferred), cx);
                producer.choose_layers_of(place.position, cx);
                if candidate.is_drowning
                    && let Some(consumer) = producer.consumers.get_mut(place.position)
                {
                    consumer.leave_stream();
                }
            }
            Some(before)
        });
        let Some(before) = before.flatten() else { return };
        if before == Some(Granted::Shed) {
            self.begin_consumer(index, now, out);
        } else if granted == Some(Granted::Shed)
            && let Some(session) = self.consumer_mut(index).map(|consumer| consumer.session)
            && let Some(session) = self.sessions.get_mut(session.0 as usize)
        {
            session.counters.consumers_shed += 1;
        }
    }
}

impl Producer {
    /// The ways to send a viewer at most `wish`, with what each takes now. Empty while nothing comes.
    pub(crate) fn ladder(&mut self, wish: Wish, now: Moment) -> Ladder {
        let mut ladder = Ladder::default();
        if wish.within_stream {
            self.add_rungs(&mut ladder, 0, 0..=wish.spatial_layer, wish, now);
            return ladder;
        }
        let last = self.streams.len().saturating_sub(1) as u8;
        let wanted = wish.spatial_layer.min(last);
        for stream in 0..=wanted {
            self.add_rungs(&mut ladder, stream, stream..=stream, wish, now);
        }
        if ladder.rungs().is_empty() {
            // Nothing that fits the wish is sent: the viewer gets the lowest above it.
            let stream = self.best_stream(wanted);
            self.add_rungs(&mut ladder, stream, stream..=stream, wish, now);
        }
        ladder
    }

    /// Adds the rungs of one stream, which carries these spatial layers.
    fn add_rungs(
        &mut self,
        ladder: &mut Ladder,
        stream: u8,
        spatial_layers: std::ops::RangeInclusive<u8>,
        wish: Wish,
        now: Moment,
    ) {
        let Some(stream) = self.streams.get_mut(usize::from(stream)) else { return };
        if !stream.reception.as_ref().is_some_and(|reception| reception.active) {
            return;
        }
        for spatial_layer in spatial_layers {
            let Some(rates) = stream.layer_costs.as_mut() else {
                let whole = stream.rate.bits_per_second(now.ms);
                return ladder.push(Rung { spatial_layer, temporal_layer: u8::MAX, bitrate: with_overhead(whole) });
            };
            let top = rates.temporal_top();
            let within = if wish.within_stream { spatial_layer } else { 0 };
            for temporal_layer in 0..=top.min(wish.temporal_layer) {
                let bitrate = rates.up_to(within, temporal_layer, now.ms);
                if bitrate > 0 {
                    let temporal_layer = if temporal_layer == top { u8::MAX } else { temporal_layer };
                    ladder.push(Rung { spatial_layer, temporal_layer, bitrate: with_overhead(bitrate) });
                }
            }
        }
    }
}

fn with_overhead(bitrate: u64) -> u64 {
    bitrate.saturating_mul(OVERHEAD_PERCENT) / 100
}
