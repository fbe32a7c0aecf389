//! What a producer's streams do when time passes: asking for lost packets and key frames, scores, forgetting.

use std::time::Instant;

use arrayvec::ArrayVec;
use millrace_model::MediaKind;
use millrace_packet::DATAGRAM_BYTES_MAX;
use millrace_packet::rtcp::CompoundWriter;
use millrace_packet::rtcp::feedback::{FeedbackSsrcs, FullIntraEntry};

use crate::consumer::Flow;
use crate::context::Context;
use crate::events::{Direction, Trace, TraceKinds};
use crate::key_frame::Wish;
use crate::nack::{MISSING_PACKETS_MAX, NackGenerator};
use crate::producer::{Producer, UPKEEP_INTERVAL};
use crate::stream_in::SILENCE_MAX;
use crate::timers::Task;
use crate::{Output, SessionId};

/// Packets asked for in one NACK: even if no two stand close, it fits into a datagram.
const NACK_PACKETS_MAX: usize = 256;

impl Producer {
    /// Does the `task` of a stream that was set for `at`, unless it was overtaken.
    pub(crate) fn run<O: Output>(&mut self, task: Task, place: u8, at: Instant, cx: &mut Context<'_, O>) {
        let Some(stream) = self.streams.get_mut(usize::from(place)) else { return };
        match task {
            Task::Nack(..) if stream.nack_alarm.ring(at) => self.handle_nack_timeout(place, cx),
            Task::KeyFrame(..) if stream.key_frame_alarm.ring(at) => self.handle_key_frame_timeout(place, cx),
            Task::Upkeep(..) if stream.upkeep_alarm.ring(at) => self.handle_upkeep(place, cx),
            _ => {}
        }
    }

    /// Somebody wants a key frame of `stream`.
    pub(crate) fn wish_key_frame<O: Output>(&mut self, place: u8, cx: &mut Context<'_, O>) {
        if self.kind != MediaKind::Video || self.paused || !self.is_viewed() {
            return;
        }
        let Some(stream) = self.streams.get_mut(usize::from(place)) else { return };
        if stream.ssrc.is_none() {
            // Nobody can be asked yet. The stream's first packet renews the wish of whoever waits.
            return;
        }
        match stream.key_frames.wish(cx.now.at) {
            Wish::Send => self.send_key_frame_request(place, cx),
            Wish::Merged => cx.counters.key_frame_requests_merged += 1,
        }
        self.set_key_frame_alarm(place, cx);
    }

    /// Asks for the packets of `stream` that are due, and gives up those asked for too often.
    fn handle_nack_timeout<O: Output>(&mut self, place: u8, cx: &mut Context<'_, O>) {
        let task = Task::Nack(self.index, place);
        let (sender, session) = (self.feedback_ssrc, self.session);
        let Some(stream) = self.streams.get_mut(usize::from(place)) else { return };
        let (Some(media), Some(nack), Some(reception)) = (stream.ssrc, &mut stream.nack, &stream.reception) else {
            return;
        };
        let mut due: ArrayVec<u16, MISSING_PACKETS_MAX> = ArrayVec::new();
        let round = nack.collect(cx.now.at, |index| due.push(reception.position.sequence(index)));
        stream.nack_alarm.set(nack.deadline(), task, cx.timers);
        stream.counts.nacks += send_nacks(session, FeedbackSsrcs { sender, media }, &due, cx);
        stream.counts.nack_packets += round.requested as u64;
        cx.counters.rtp_packets_given_up += round.given_up as u64;
        if round.requested > 0 {
            self.trace(TraceKinds::NACK, Trace::Nack { direction: Direction::Out }, cx);
        }
        if round.given_up > 0 {
            self.wish_key_frame(place, cx);
        }
    }

    /// Repeats a key-frame request that was not answered, or sends one that had to wait.
    fn handle_key_frame_timeout<O: Output>(&mut self, place: u8, cx: &mut Context<'_, O>) {
        let Some(stream) = self.streams.get_mut(usize::from(place)) else { return };
        let last_packet = stream.reception.as_ref().map(|reception| reception.last_packet.at);
        let is_silent = last_packet.is_none_or(|at| cx.now.at.saturating_duration_since(at) >= SILENCE_MAX);
        if stream.key_frames.handle_timeout(is_silent, cx.now.at) {
            self.send_key_frame_request(place, cx);
        }
        self.set_key_frame_alarm(place, cx);
    }

    /// Looks at score, silence and the age of cached packets.
    fn handle_upkeep<O: Output>(&mut self, place: u8, cx: &mut Context<'_, O>) {
        let task = Task::Upkeep(self.index, place);
        let Some(stream) = self.streams.get_mut(usize::from(place)) else { return };
        let changed = stream.update_score(cx.now).is_some();
        stream.cache.evict(cx.now.at);
        let active = stream.reception.as_ref().is_some_and(|reception| reception.active);
        if active {
            stream.upkeep_alarm.set(Some(cx.now.at + UPKEEP_INTERVAL), task, cx.timers);
        } else {
            stream.cache.clear();
        }
        if changed {
            self.announce_scores(cx);
        }
        if !active {
            self.choose_layers(cx);
        }
        self.note_wanted(cx);
    }

    /// A producer was paused: nothing is asked for, and viewers wait for a new start.
    pub(crate) fn pause_streams<O: Output>(&mut self, cx: &mut Context<'_, O>) {
        for stream in &mut self.streams {
            stream.nack.iter_mut().for_each(NackGenerator::clear);
            stream.key_frames.cancel();
            stream.cache.clear();
        }
        for consumer in self.consumers.iter_mut().filter(|consumer| matches!(consumer.flow(), Flow::Flowing { .. })) {
            consumer.wait();
            consumer.tell_layers(cx);
        }
    }

    /// A consumer left. If it was the last one, nobody waits for key frames any more.
    pub(crate) fn cancel_unwanted_requests(&mut self) {
        if !self.is_viewed() {
            self.streams.iter_mut().for_each(|stream| stream.key_frames.cancel());
        }
    }

    fn set_key_frame_alarm<O: Output>(&mut self, place: u8, cx: &mut Context<'_, O>) {
        let task = Task::KeyFrame(self.index, place);
        if let Some(stream) = self.streams.get_mut(usize::from(place)) {
            stream.key_frame_alarm.set(stream.key_frames.deadline(), task, cx.timers);
        }
    }

    fn send_key_frame_request<O: Output>(&mut self, place: u8, cx: &mut Context<'_, O>) {
        let Some(stream) = self.streams.get(usize::from(place)) else { return };
        let Some(codec) = self.current_codec(stream) else { return };
        // An answer that cannot be recognised is not waited for: the request would be repeated for ever.
        let is_blind = codec.video_codec.is_none() && stream.dependency.is_none();
        let feedback = codec.feedback;
        let (sender, Some(media)) = (self.feedback_ssrc, stream.ssrc) else { return };
        let mut bytes = [0; 64];
        let mut writer = CompoundWriter::new(&mut bytes);
        let Some(stream) = self.streams.get_mut(usize::from(place)) else { return };
        let direction = Direction::Out;
        let (written, kinds, trace) = if feedback.fir && !feedback.pli {
            stream.fir_command = stream.fir_command.wrapping_add(1);
            stream.counts.firs += 1;
            let entry = FullIntraEntry { ssrc: media, command: stream.fir_command };
            let trace = Trace::FullIntraRequest { direction, ssrc: media };
            (writer.full_intra_request(sender, entry), TraceKinds::FIR, trace)
        } else if feedback.pli {
            stream.counts.plis += 1;
            (writer.picture_loss(sender, media), TraceKinds::PLI, Trace::PictureLoss { direction, ssrc: media })
        } else {
            return;
        };
        if is_blind {
            stream.key_frames.cancel();
        }
        if written.is_ok() {
            let len = writer.len();
            cx.out.send_rtcp(self.session, &bytes[..len]);
            cx.counters.key_frame_requests_sent += 1;
            self.trace(kinds, trace, cx);
        }
    }
}

/// Asks for the packets `due`, in as many NACKs as it takes. Returns their number.
fn send_nacks<O: Output>(session: SessionId, ssrcs: FeedbackSsrcs, due: &[u16], cx: &mut Context<'_, O>) -> u64 {
    let mut sent = 0;
    for missing in due.chunks(NACK_PACKETS_MAX) {
        let mut bytes = [0; DATAGRAM_BYTES_MAX];
        let mut writer = CompoundWriter::new(&mut bytes);
        if writer.nack(ssrcs, missing.iter().copied()).is_ok() {
            let len = writer.len();
            cx.out.send_rtcp(session, &bytes[..len]);
            sent += 1;
        }
    }
    cx.counters.nacks_sent += sent;
    sent
}
