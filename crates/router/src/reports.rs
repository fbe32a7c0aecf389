//! The regular RTCP of a session: receiver and sender reports, bitrate limits, round-trip measurement, transport-wide
//! feedback (RFC 3550 §6, RFC 3611).

use std::time::Instant;

use arrayvec::ArrayVec;
use millrace_model::{MediaKind, NtpTime};
use millrace_packet::rtcp::{CompoundFull, CompoundWriter, ReportBlock};

use crate::producer::Producer;
use crate::router::Router;
use crate::session::Session;
use crate::timers::{Moment, Task};
use crate::{Output, SessionId};

/// Bytes of one compound packet: an Ethernet payload less IPv6, UDP, SRTCP and TURN headers.
const COMPOUND_BYTES_MAX: usize = 1200;

/// Report blocks of one receiver report (RFC 3550 §6.4.2: a count of five bits).
const BLOCKS_MAX: usize = 31;

/// What a publisher is told when it understands REMB only and there is no limit, in bit/s: there is no estimate of
/// what the path carries, and its own loss-based control must find out.
const REMB_UNLIMITED: u64 = 100_000_000;

/// Streams that one REMB lists; the others follow by their own reports.
const REMB_STREAMS_MAX: usize = 64;

impl Router {
    /// Makes sure that the session's next report is scheduled.
    pub(crate) fn schedule_reports(&mut self, id: SessionId, now: Moment) {
        let Some(session) = self.sessions.get(id.0 as usize) else { return };
        if !session.report_alarm.is_off() {
            return;
        }
        let has_video = self.has_video(session);
        let Some(session) = self.sessions.get_mut(id.0 as usize) else { return };
        let due = now.at + session.report_delay(has_video);
        session.report_alarm.set(Some(due), Task::Reports(id), &mut self.timers);
    }

    /// Sends the reports of whatever was active since the last ones. The next packet schedules the next reports.
    pub(crate) fn handle_report_timeout(&mut self, id: SessionId, at: Instant, now: Moment, out: &mut impl Output) {
        let ntp = self.clock.ntp(now.at);
        let Some(session) = self.sessions.get_mut(id.0 as usize) else { return };
        if !session.report_alarm.ring(at) {
            return;
        }
        let mut compounds = Compounds::new(id, out);
        self.write_receiver_part(id, now, ntp, &mut compounds);
        self.write_sender_part(id, now, ntp, &mut compounds);
        compounds.flush();
        self.distribute(id, now, out);
    }

    /// Notes the arrival of a packet with a transport-wide number.
    pub(crate) fn record_arrival(
        &mut self,
        id: SessionId,
        sequence: u16,
        ssrc: u32,
        now: Moment,
        out: &mut impl Output,
    ) {
        let Some(session) = self.sessions.get_mut(id.0 as usize) else { return };
        let Some(recorder) = &mut session.transport_cc else { return };
        if recorder.record(sequence, ssrc, now) {
            send_transport_feedback(id, session, out);
        } else {
            session.transport_cc_alarm.set(recorder.deadline(), Task::TransportCc(id), &mut self.timers);
        }
    }

    /// Sends the transport-wide feedback that is due.
    pub(crate) fn handle_transport_cc_timeout(
        &mut self,
        id: SessionId,
        at: Instant,
        now: Moment,
        out: &mut impl Output,
    ) {
        let Some(session) = self.sessions.get_mut(id.0 as usize) else { return };
        if !session.transport_cc_alarm.ring(at) {
            return;
        }
        let deadline = session.transport_cc.as_ref().and_then(|recorder| recorder.deadline());
        if deadline.is_some_and(|deadline| deadline <= now.at) {
            send_transport_feedback(id, session, out);
        } else {
            // The feedback went early, because there was much of it, and the next one is not due yet.
            session.transport_cc_alarm.set(deadline, Task::TransportCc(id), &mut self.timers);
        }
    }

    fn has_video(&self, session: &Session) -> bool {
        let is_video = |producer: &Producer| producer.kind == MediaKind::Video;
        let sends = session.consumers.iter().filter_map(|consumer| self.consumers.get(consumer.0 as usize));
        self.producers_of(session).any(is_video)
            || sends.filter_map(|place| self.producers.get(place.producer.0 as usize)).any(is_video)
    }

    /// What the session received: blocks, a bitrate limit, our reference time.
    fn write_receiver_part<O: Output>(
        &mut self,
        id: SessionId,
        now: Moment,
        ntp: NtpTime,
        compounds: &mut Compounds<'_, O>,
    ) {
        let Some(session) = self.sessions.get_mut(id.0 as usize) else { return };
        let mut blocks: ArrayVec<ReportBlock, BLOCKS_MAX> = ArrayVec::new();
        let mut remb = Remb::of(session);
        for index in &session.producers {
            let Some(producer) = self.producers.get_mut(index.0 as usize) else { continue };
            for stream in producer.streams.iter_mut().filter(|stream| stream.unreported) {
                if blocks.is_full() {
                    compounds.append(|writer| writer.receiver_report(session.ssrc, &blocks));
                    blocks.clear();
                }
                blocks.extend(stream.report_block(now));
            }
            remb.add(producer);
        }
        if blocks.is_empty() {
            return;
        }
        compounds.append(|writer| writer.receiver_report(session.ssrc, &blocks));
        compounds.append(|writer| writer.cname(session.ssrc, &session.cname));
        compounds.append(|writer| writer.reference_time(session.ssrc, ntp.0));
        if let Some(bitrate) = remb.bitrate() {
            compounds.append(|writer| writer.remb(session.ssrc, bitrate, &remb.streams));
            session.lifted_reports = session.lifted_reports.saturating_sub(1);
        }
    }

    /// What the session sent: one sender report for each active consumer.
    fn write_sender_part<O: Output>(
        &mut self,
        id: SessionId,
        now: Moment,
        ntp: NtpTime,
        compounds: &mut Compounds<'_, O>,
    ) {
        let Some(session) = self.sessions.get_mut(id.0 as usize) else { return };
        if let Some(answer) = session.take_delay_since_reference(now.at) {
            compounds.append(|writer| writer.delays_since_reference(session.ssrc, &[answer]));
        }
        for index in &session.consumers {
            let Some(place) = self.consumers.get(index.0 as usize) else { continue };
            let Some(producer) = self.producers.get_mut(place.producer.0 as usize) else { continue };
            let Some(consumer) = producer.consumers.get_mut(place.position).filter(|one| one.unreported) else {
                continue;
            };
            consumer.unreported = false;
            let stream = producer.streams.get(usize::from(consumer.source.stream));
            let Some(timestamp) = stream.and_then(|stream| stream.timestamp_at(now, ntp)) else { continue };
            let info = consumer.sender_info(ntp, timestamp);
            compounds.append(|writer| {
                writer.sender_report(consumer.ssrc, &info, &[])?;
                writer.cname(consumer.ssrc, &consumer.cname)
            });
        }
    }
}

/// A bitrate limit for a publisher, if it is to be told one.
struct Remb {
    limit: Option<u64>,
    limit_lifted: bool,
    /// The publisher understands nothing but REMB.
    only: bool,
    streams: ArrayVec<u32, REMB_STREAMS_MAX>,
}

impl Remb {
    fn of(session: &Session) -> Self {
        let limit = session.max_incoming_bitrate;
        Self { limit, limit_lifted: session.lifted_reports > 0, only: false, streams: ArrayVec::new() }
    }

    fn add(&mut self, producer: &Producer) {
        let feedback = producer.codecs.iter().map(|codec| codec.feedback);
        self.only |= feedback.clone().any(|one| one.remb) && !feedback.clone().any(|one| one.transport_cc);
        let room = self.streams.remaining_capacity();
        self.streams.extend(producer.streams.iter().filter_map(|stream| stream.ssrc).take(room));
    }

    fn bitrate(&self) -> Option<u64> {
        let must_tell = self.only || self.limit.is_some() || self.limit_lifted;
        must_tell.then(|| self.limit.unwrap_or(REMB_UNLIMITED))
    }
}

fn send_transport_feedback(id: SessionId, session: &mut Session, out: &mut impl Output) {
    let Some(recorder) = &mut session.transport_cc else { return };
    let mut bytes = [0; COMPOUND_BYTES_MAX];
    loop {
        let mut writer = CompoundWriter::new(&mut bytes);
        if !recorder.write(session.ssrc, &mut writer) {
            return;
        }
        let len = writer.len();
        out.send_rtcp(id, &bytes[..len]);
        session.counters.transport_feedback_sent += 1;
    }
}

/// Packs packets into as few compounds as they need.
struct Compounds<'a, O> {
    session: SessionId,
    out: &'a mut O,
    bytes: [u8; COMPOUND_BYTES_MAX],
    len: usize,
}

impl<'a, O: Output> Compounds<'a, O> {
    fn new(session: SessionId, out: &'a mut O) -> Self {
        Self { session, out, bytes: [0; COMPOUND_BYTES_MAX], len: 0 }
    }

    /// Appends what `write` writes, all of it into one compound.
    fn append(&mut self, write: impl Fn(&mut CompoundWriter) -> Result<(), CompoundFull>) {
        if !self.try_append(&write) && self.len > 0 {
            self.flush();
            self.try_append(&write);
        }
    }

    fn try_append(&mut self, write: impl Fn(&mut CompoundWriter) -> Result<(), CompoundFull>) -> bool {
        let mut writer = CompoundWriter::new(&mut self.bytes[self.len..]);
        let written = write(&mut writer).is_ok();
        if written {
            self.len += writer.len();
        }
        written
    }

    fn flush(&mut self) {
        if self.len > 0 {
            self.out.send_rtcp(self.session, &self.bytes[..self.len]);
        }
        self.len = 0;
    }
}
