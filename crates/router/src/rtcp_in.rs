//! What peers say by RTCP: publishers about what they sent, viewers about what they received and miss.

use std::time::Instant;

use millrace_model::NtpTime;
use millrace_packet::rtcp::feedback::FeedbackSsrcs;
use millrace_packet::rtcp::{Compound, ExtendedReport, Goodbye, Nack, ReportBlock, RtcpPacket, SenderInfo};

use crate::events::{Direction, RouterEvent, Trace, TraceKinds};
use crate::history::Refusal;
use crate::router::{Place, Router};
use crate::sender_clock::{SenderReportMapping, round_trip};
use crate::session::{Outgoing, ReferenceTime, Role, Route};
use crate::timers::Moment;
use crate::{Output, PathReport, SessionId};

impl Router {
    /// Takes an authenticated RTCP compound of a session's peer.
    ///
    /// A compound with anything malformed in it is dropped whole (case C01); what names an SSRC that the peer neither
    /// sends nor receives is dropped (case C05).
    pub fn handle_rtcp(&mut self, session: SessionId, compound: &[u8], now: Instant, out: &mut impl Output) {
        let Ok(parsed) = Compound::parse(compound) else {
            if let Some(session) = self.sessions.get_mut(session.0 as usize) {
                session.counters.rtcp_packets_dropped_malformed += 1;
            }
            return;
        };
        let peer = Peer { session, now: self.moment(now), ntp: self.clock.ntp(now) };
        for packet in parsed.packets() {
            self.handle_rtcp_packet(&peer, &packet, out);
        }
        self.schedule_awake(peer.now);
    }

    fn handle_rtcp_packet(&mut self, peer: &Peer, packet: &RtcpPacket<'_>, out: &mut impl Output) {
        match packet {
            RtcpPacket::SenderReport(report) => {
                self.handle_sender_info(peer, report.ssrc, &report.info, out);
                report.blocks().for_each(|block| self.handle_report_block(peer, &block, out));
            }
            RtcpPacket::ReceiverReport(report) => {
                report.blocks().for_each(|block| self.handle_report_block(peer, &block, out));
            }
            RtcpPacket::Goodbye(goodbye) => self.handle_goodbye(peer, goodbye, out),
            RtcpPacket::Nack(nack) => self.handle_nack(peer, nack, out),
            RtcpPacket::PictureLoss(request) => self.handle_picture_loss(peer, request.ssrcs, out),
            RtcpPacket::FullIntraRequest(request) => {
                // A compound has room for many entries, but only those of our streams cost more than a look-up.
                request.entries().for_each(|entry| self.handle_full_intra_request(peer, entry.ssrc, out));
            }
            RtcpPacket::Remb(remb) => {
                self.with_session(peer, |session| session.note_available_bitrate(remb.bitrate));
                out.heard(peer.session, &PathReport::Limit(remb.bitrate));
            }
            RtcpPacket::TransportFeedback(feedback) => {
                out.heard(peer.session, &PathReport::TransportFeedback(feedback));
            }
            RtcpPacket::ExtendedReport(report) => self.handle_extended_report(peer, report),
            RtcpPacket::CongestionFeedback(feedback) => {
                out.heard(peer.session, &PathReport::CongestionFeedback(feedback));
            }
            // Nothing here depends on the names of sources or on what is not known.
            RtcpPacket::SourceDescription(_) | RtcpPacket::Other { .. } => {}
        }
    }

    /// A publisher says which time its timestamps mean.
    fn handle_sender_info(&mut self, peer: &Peer, ssrc: u32, info: &SenderInfo, out: &mut impl Output) {
        let Some(route) = self.media_route(peer, ssrc) else { return };
        let Some(session) = self.sessions.get_mut(peer.session.0 as usize) else { return };
        let theirs = NtpTime(info.ntp);
        let ours = session.clock.map_to_ours(theirs, peer.ntp);
        self.with_producer(route.source.producer, peer.now, out, |producer, cx| {
            let Some(stream) = producer.streams.get_mut(usize::from(route.source.stream)) else { return };
            let Some(reception) = &stream.reception else { return };
            stream.sender_report = Some(SenderReportMapping {
                ntp: ours,
                timestamp: reception.timestamps.place(info.rtp_timestamp),
                last_sender_report: theirs.middle(),
                arrived: peer.now.at,
            });
            let trace = Trace::SenderReport {
                ssrc,
                ntp: theirs,
                timestamp: info.rtp_timestamp,
                packet_count: info.packet_count,
                octet_count: info.octet_count,
            };
            producer.trace(TraceKinds::SR, trace, cx);
        });
    }

    /// A viewer says how one of our streams arrives.
    fn handle_report_block(&mut self, peer: &Peer, block: &ReportBlock, out: &mut impl Output) {
        let Some(outgoing) = self.outgoing(peer, block.ssrc) else { return };
        if outgoing.role == Role::Rtx {
            return;
        }
        let Some(&Place { producer, position, .. }) = self.consumers.get(outgoing.consumer.0 as usize) else { return };
        self.with_producer(producer, peer.now, out, |producer, cx| {
            let Some(consumer) = producer.consumers.get_mut(position) else { return };
            let changed = consumer.handle_report_block(block, peer.ntp).is_some();
            let round_trip = consumer.report.round_trip;
            if changed {
                let score = producer.consumer_score(position);
                cx.out.event(RouterEvent::ConsumerScore { consumer: outgoing.consumer, score });
            }
            let lost_fraction = block.fraction_lost;
            cx.out.heard(peer.session, &PathReport::Reception { lost_fraction, round_trip });
        });
    }

    /// A publisher's stream ends; only its own (case C08).
    fn handle_goodbye(&mut self, peer: &Peer, goodbye: &Goodbye<'_>, out: &mut impl Output) {
        for ssrc in goodbye.sources() {
            let Some(route) = self.media_route(peer, ssrc) else { continue };
            self.with_producer(route.source.producer, peer.now, out, |producer, cx| {
                let Some(stream) = producer.streams.get_mut(usize::from(route.source.stream)) else { return };
                if stream.end().is_some() {
                    producer.announce_scores(cx);
                }
                producer.choose_layers(cx);
            });
        }
    }

    /// A viewer misses packets.
    fn handle_nack(&mut self, peer: &Peer, nack: &Nack<'_>, out: &mut impl Output) {
        let Some(Outgoing { consumer, role: Role::Media }) = self.outgoing(peer, nack.ssrcs.media) else { return };
        // Its transport cannot send: what were resent would be refused there and still be taken from the budget.
        if !self.sessions.get(peer.session.0 as usize).is_some_and(|session| session.connected) {
            return;
        }
        let Some(&Place { producer, position, .. }) = self.consumers.get(consumer.0 as usize) else { return };
        let mut refused = Refused::default();
        self.with_producer(producer, peer.now, out, |producer, cx| {
            let Some(consumer) = producer.consumers.get_mut(position) else { return };
            consumer.counts.nacks += 1;
            consumer.trace(TraceKinds::NACK, Trace::Nack { direction: Direction::In }, cx);
            for sequence in nack.sequences() {
                consumer.counts.nack_packets += 1;
                refused.count(consumer.resend(sequence, &producer.streams, cx));
            }
        });
        self.with_session(peer, |session| refused.add_to(&mut session.counters));
    }

    /// A viewer cannot decode.
    fn handle_picture_loss(&mut self, peer: &Peer, ssrcs: FeedbackSsrcs, out: &mut impl Output) {
        let ssrc = ssrcs.media;
        let Some(Outgoing { consumer, role: Role::Media }) = self.outgoing(peer, ssrc) else { return };
        let Some(&Place { producer, position, .. }) = self.consumers.get(consumer.0 as usize) else { return };
        self.with_producer(producer, peer.now, out, |producer, cx| {
            let Some(consumer) = producer.consumers.get_mut(position) else { return };
            consumer.counts.plis += 1;
            consumer.trace(TraceKinds::PLI, Trace::PictureLoss { direction: Direction::In, ssrc }, cx);
            let stream = consumer.source.stream;
            producer.wish_key_frame(stream, cx);
        });
    }

    /// A viewer needs a key frame.
    fn handle_full_intra_request(&mut self, peer: &Peer, ssrc: u32, out: &mut impl Output) {
        let Some(Outgoing { consumer, role: Role::Media }) = self.outgoing(peer, ssrc) else { return };
        let Some(&Place { producer, position, .. }) = self.consumers.get(consumer.0 as usize) else { return };
        self.with_producer(producer, peer.now, out, |producer, cx| {
            let Some(consumer) = producer.consumers.get_mut(position) else { return };
            consumer.counts.firs += 1;
            consumer.trace(TraceKinds::FIR, Trace::FullIntraRequest { direction: Direction::In, ssrc }, cx);
            let stream = consumer.source.stream;
            producer.wish_key_frame(stream, cx);
        });
    }

    /// The peer measures its round trip, or answers our measurement.
    fn handle_extended_report(&mut self, peer: &Peer, report: &ExtendedReport<'_>) {
        let Some(session) = self.sessions.get_mut(peer.session.0 as usize) else { return };
        if let Some(reference) = report.reference_time() {
            let middle = NtpTime(reference).middle();
            session.reference = Some(ReferenceTime { ssrc: report.ssrc, middle, arrived: peer.now.at });
        }
        let own = session.ssrc;
        let answer = report.delays().find(|delay| delay.ssrc == own);
        let measured = answer.and_then(|answer| round_trip(peer.ntp, answer.last_reference, answer.delay));
        let Some(measured) = measured else { return };
        for index in &session.producers {
            let Some(producer) = self.producers.get_mut(index.0 as usize) else { continue };
            producer.streams.iter_mut().for_each(|stream| stream.note_round_trip(measured));
        }
    }

    /// The stream that the peer sends with `ssrc`.
    fn media_route(&mut self, peer: &Peer, ssrc: u32) -> Option<Route> {
        let session = self.sessions.get_mut(peer.session.0 as usize)?;
        let route = session.routes.get(&ssrc).copied();
        if route.is_none() {
            session.counters.rtcp_feedback_dropped_unknown_ssrc += 1;
        }
        route.filter(|route| route.role == Role::Media)
    }

    /// The stream that we send to the peer with `ssrc`.
    fn outgoing(&mut self, peer: &Peer, ssrc: u32) -> Option<Outgoing> {
        let session = self.sessions.get_mut(peer.session.0 as usize)?;
        let outgoing = session.outgoing.get(&ssrc).copied();
        if outgoing.is_none() {
            session.counters.rtcp_feedback_dropped_unknown_ssrc += 1;
        }
        outgoing
    }

    fn with_session(&mut self, peer: &Peer, work: impl FnOnce(&mut crate::session::Session)) {
        if let Some(session) = self.sessions.get_mut(peer.session.0 as usize) {
            work(session);
        }
    }
}

/// Who speaks, and when.
struct Peer {
    session: SessionId,
    now: Moment,
    ntp: NtpTime,
}

/// What became of the packets of one NACK.
#[derive(Default)]
struct Refused {
    requested: u64,
    unknown: u64,
    too_soon: u64,
    budget: u64,
}

impl Refused {
    fn count(&mut self, resent: Result<(), Refusal>) {
        self.requested += 1;
        match resent {
            Ok(()) => {}
            Err(Refusal::Unknown) => self.unknown += 1,
            Err(Refusal::TooSoon) => self.too_soon += 1,
            Err(Refusal::Budget) => self.budget += 1,
        }
    }

    fn add_to(&self, counters: &mut millrace_model::Counters) {
        counters.nack_packets_requested += self.requested;
        counters.rtp_packets_retransmitted += self.requested - self.unknown - self.too_soon - self.budget;
        counters.retransmissions_refused_unknown += self.unknown;
        counters.retransmissions_refused_too_soon += self.too_soon;
        counters.retransmissions_refused_budget += self.budget;
    }
}
