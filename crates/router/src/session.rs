//! One RTP session: which of its peer's SSRCs belongs to which producer, and what its peer is told and tells.

use std::time::{Duration, Instant};

use millrace_bandwidth::allocation::Line;
use millrace_model::Counters;
use millrace_packet::rtcp::DelaySinceReference;
use millrace_packet::{ExtensionIds, ExtensionKind, RtpMeta};
use rustc_hash::FxHashMap;

use crate::padding::Probator;
use crate::producer::Producer;
use crate::sender_clock::{PublisherClock, compact};
use crate::setup::{PRODUCERS_PER_SESSION_MAX, ProduceError, ProducerSetup, SessionSetup};
use crate::source::SourceId;
use crate::timers::{Alarm, Spread};
use crate::transport_cc::TransportCc;
use crate::{ConsumerIndex, ProducerIndex};

/// Lowest bitrate that a peer may claim to be able to receive, in bit/s (case C06).
pub const AVAILABLE_BITRATE_MIN: u64 = 30_000;

/// Highest bitrate that a peer may claim to be able to receive, in bit/s (case C06).
pub const AVAILABLE_BITRATE_MAX: u64 = 10_000_000_000;

/// Reports in a row that say that a limit was lifted: one could be lost, and the peer would keep to the limit for ever.
const LIFTED_REPORTS: u8 = 4;

/// What an SSRC of the peer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) source: SourceId,
    pub(crate) role: Role,
}

/// What an SSRC of ours carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) consumer: ConsumerIndex,
    pub(crate) role: Role,
}

/// Media, or retransmissions of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Media,
    Rtx,
}

/// The reference time of the peer's last extended report (RFC 3611 §4.4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReferenceTime {
    pub(crate) ssrc: u32,
    pub(crate) middle: u32,
    pub(crate) arrived: Instant,
}

/// One transport's SSRC space.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) ssrc: u32,
    pub(crate) cname: String,
    pub(crate) connected: bool,
    /// By SSRC of the peer's streams; bounded by the streams that the producers declare.
    pub(crate) routes: FxHashMap<u32, Route>,
    /// By SSRC of our streams to the peer; two for each consumer at most.
    pub(crate) outgoing: FxHashMap<u32, Outgoing>,
    pub(crate) producers: Vec<ProducerIndex>,
    pub(crate) producers_max: usize,
    pub(crate) consumers: Vec<ConsumerIndex>,
    /// The extension numbers of all producers, for packets whose producer is not known yet.
    pub(crate) extensions: ExtensionIds,
    pub(crate) transport_cc: Option<TransportCc>,
    pub(crate) transport_cc_alarm: Alarm,
    pub(crate) report_alarm: Alarm,
    pub(crate) spread: Spread,
    pub(crate) clock: PublisherClock,
    pub(crate) reference: Option<ReferenceTime>,
    pub(crate) max_incoming_bitrate: Option<u64>,
    /// Reports that still tell the peer that a limit was lifted.
    pub(crate) lifted_reports: u8,
    /// What the peer last said it can receive, in bit/s.
    pub(crate) available_bitrate: Option<u64>,
    /// What the path to the peer carries, where somebody knows.
    pub(crate) line: Option<Line>,
    /// It was sent less than its line has room for, because the machine could not keep up.
    pub(crate) was_spared: bool,
    /// What pads where nothing can be sent again.
    pub(crate) probator: Option<Probator>,
    /// The consumer that padding was taken from last, by its place.
    pub(crate) next_to_pad: usize,
    pub(crate) counters: Counters,
}

impl Session {
    /// A session without producers, consumers or connection.
    pub(crate) fn new(setup: SessionSetup) -> Self {
        Self {
            spread: Spread::new(setup.ssrc),
            ssrc: setup.ssrc,
            cname: setup.cname,
            connected: false,
            routes: FxHashMap::default(),
            outgoing: FxHashMap::default(),
            producers: Vec::new(),
            producers_max: PRODUCERS_PER_SESSION_MAX,
            consumers: Vec::new(),
            extensions: ExtensionIds::default(),
            transport_cc: None,
            transport_cc_alarm: Alarm::default(),
            report_alarm: Alarm::default(),
            clock: PublisherClock::default(),
            reference: None,
            max_incoming_bitrate: None,
            lifted_reports: 0,
            available_bitrate: None,
            line: None,
            was_spared: false,
            probator: None,
            next_to_pad: 0,
            counters: Counters::default(),
        }
    }

    /// Checks that `setup` contradicts none of the session's `producers` (case R02).
    pub(crate) fn check<'a>(
        &self,
        setup: &ProducerSetup,
        producers: impl Iterator<Item = &'a Producer> + Clone,
    ) -> Result<(), ProduceError> {
        let mut ssrcs: Vec<u32> = Vec::new();
        for ssrc in setup.streams.iter().flat_map(|stream| [stream.ssrc, stream.rtx_ssrc]).flatten() {
            if self.routes.contains_key(&ssrc) || ssrcs.contains(&ssrc) {
                return Err(ProduceError::SsrcInUse(ssrc));
            }
            ssrcs.push(ssrc);
        }
        if let Some(mid) = &setup.mid
            && producers.clone().any(|producer| producer.mid.as_ref() == Some(mid))
        {
            return Err(ProduceError::MidInUse(mid.clone()));
        }
        for (place, rid) in setup.streams.iter().enumerate().filter_map(|(place, s)| Some((place, s.rid.as_ref()?))) {
            let own = setup.streams[..place].iter().any(|stream| stream.rid.as_ref() == Some(rid));
            let other = producers
                .clone()
                .filter(|producer| producer.mid.is_none() || setup.mid.is_none())
                .any(|producer| producer.has_rid(rid));
            if own || other {
                return Err(ProduceError::RidInUse(rid.clone()));
            }
        }
        Ok(())
    }

    /// Adds the SSRCs and extension numbers of `producer`.
    pub(crate) fn add_producer(&mut self, index: ProducerIndex, producer: &Producer) {
        self.producers.push(index);
        for (stream, incoming) in producer.streams.iter().enumerate() {
            let source = SourceId { producer: index, stream: stream as u8 };
            let known = [(incoming.ssrc, Role::Media), (incoming.rtx_ssrc, Role::Rtx)];
            for (ssrc, role) in known.into_iter().filter_map(|(ssrc, role)| Some((ssrc?, role))) {
                self.routes.insert(ssrc, Route { source, role });
            }
        }
        let wanted = producer.codecs.iter().any(|codec| codec.feedback.transport_cc);
        if wanted && self.transport_cc.is_none() {
            self.transport_cc = Some(TransportCc::new());
        }
    }

    /// Takes out everything of the producer.
    pub(crate) fn remove_producer(&mut self, index: ProducerIndex) {
        self.producers.retain(|producer| *producer != index);
        self.routes.retain(|_, route| route.source.producer != index);
    }

    /// Adds a consumer with its SSRCs.
    pub(crate) fn add_consumer(&mut self, consumer: ConsumerIndex, ssrc: u32, rtx_ssrc: Option<u32>) {
        self.consumers.push(consumer);
        self.outgoing.insert(ssrc, Outgoing { consumer, role: Role::Media });
        if let Some(rtx_ssrc) = rtx_ssrc {
            self.outgoing.insert(rtx_ssrc, Outgoing { consumer, role: Role::Rtx });
        }
    }

    /// Takes out everything of the consumer.
    pub(crate) fn remove_consumer(&mut self, index: ConsumerIndex) {
        self.consumers.retain(|consumer| *consumer != index);
        self.outgoing.retain(|_, outgoing| outgoing.consumer != index);
    }

    /// Tells whether we send with this SSRC.
    pub(crate) fn sends(&self, ssrc: u32) -> bool {
        ssrc == self.ssrc || self.outgoing.contains_key(&ssrc)
    }

    /// Sets or lifts the limit of what the peer sends, in bit/s.
    pub(crate) fn limit_bitrate(&mut self, bitrate: Option<u64>) {
        let lifted = self.max_incoming_bitrate.is_some() && bitrate.is_none();
        self.lifted_reports = if lifted { LIFTED_REPORTS } else { 0 };
        self.max_incoming_bitrate = bitrate;
    }

    /// Notes how much the peer says it can receive, within sane bounds (case C06).
    pub(crate) fn note_available_bitrate(&mut self, bitrate: u64) {
        self.available_bitrate = Some(bitrate.clamp(AVAILABLE_BITRATE_MIN, AVAILABLE_BITRATE_MAX));
    }

    /// The answer to the peer's last reference time, once (RFC 3611 §4.5).
    pub(crate) fn take_delay_since_reference(&mut self, now: Instant) -> Option<DelaySinceReference> {
        let reference = self.reference.take()?;
        let delay = compact(now.saturating_duration_since(reference.arrived));
        Some(DelaySinceReference { ssrc: reference.ssrc, last_reference: reference.middle, delay })
    }

    /// Time until the next report: about a second with video, up to five with audio only (mediasoup 3.27.1).
    pub(crate) fn report_delay(&mut self, has_video: bool) -> Duration {
        let (shortest, longest) = if has_video { REPORT_DELAY_VIDEO } else { REPORT_DELAY_AUDIO };
        self.spread.between(shortest, longest)
    }
}

/// The tables of `all` as one. Where two disagree on a number the first counts.
pub(crate) fn merged_extensions<'a>(all: impl Iterator<Item = &'a ExtensionIds>) -> ExtensionIds {
    let mut merged: [Option<ExtensionKind>; 256] = [None; 256];
    for ids in all {
        for (place, id) in merged.iter_mut().zip(0..=255) {
            *place = place.or(ids.kind(id));
        }
    }
    ExtensionIds::new((0..=255).zip(merged).filter_map(|(id, kind)| Some((id, kind?))))
}

/// Which stream of `producers` a packet with an unknown SSRC belongs to, by MID and RID (RFC 9143 §9.2, RFC 8852).
///
/// A stream that has its SSRC already keeps it (case R04).
pub(crate) fn late_route<'a>(
    producers: impl Iterator<Item = (ProducerIndex, &'a Producer)>,
    bytes: &[u8],
    meta: &RtpMeta,
) -> Option<Route> {
    let (mid, rid, repaired) = (meta.mid(bytes), meta.rid(bytes), meta.repaired_rid(bytes));
    if mid.is_none() && rid.is_none() && repaired.is_none() {
        return None;
    }
    producers
        .filter(|(_, producer)| match mid {
            Some(mid) => producer.mid.as_deref() == Some(mid),
            None => rid.or(repaired).is_some_and(|rid| producer.has_rid(rid)),
        })
        .find_map(|(index, producer)| {
            let role = producer.role_of(meta.payload_type)?;
            let stream = producer.unbound_stream(role, if role == Role::Rtx { repaired.or(rid) } else { rid })?;
            Some(Route { source: SourceId { producer: index, stream }, role })
        })
}

/// Shortest and longest time between reports of a session with video.
const REPORT_DELAY_VIDEO: (Duration, Duration) = (Duration::from_millis(750), Duration::from_millis(1250));

/// Shortest and longest time between reports of a session with audio only.
const REPORT_DELAY_AUDIO: (Duration, Duration) = (Duration::from_millis(3000), Duration::from_millis(5000));
