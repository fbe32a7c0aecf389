//! What waits while a socket is full.

use std::collections::VecDeque;

use millrace_model::Counters;
use millrace_packet::{OutgoingStreamId, PacketRef, Priority, Rewrite};

/// RTP packets that may wait in one transport.
///
/// Together with [`WAITING_BYTES_MAX`]: when full, the oldest video is dropped, then the oldest retransmission, then
/// the oldest audio, and each is counted.
pub const WAITING_PACKETS_MAX: usize = 512;

/// Bytes of RTP packets that may wait in one transport, as received: about a second of 3 Mbit/s.
pub const WAITING_BYTES_MAX: usize = 384 * 1024;

/// Bytes of RTCP compound packets that may wait in one transport: a few seconds of reports and feedback.
///
/// When full, the oldest is dropped and counted: reports and requests are repeated by those who make them.
pub const WAITING_RTCP_BYTES_MAX: usize = 16 * 1024;

/// A packet that waits, still unsealed and without stamps: one count of the stored packet.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) packet: PacketRef,
    pub(super) rewrite: Rewrite,
}

/// Four lines, the most urgent first, and RTCP before them all. They grow to their bounds at most and stay grown.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) rtcp: RtcpLine,
    /// Indexed by [`Priority`].
    lines: [VecDeque<Held>; 4],
    packets: usize,
    bytes: usize,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.packets == 0 && self.rtcp.is_empty()
    }

    /// Tells whether RTP packets wait.
    pub(super) fn has_rtp(&self) -> bool {
        self.packets != 0
    }

    /// Lets `held` wait behind its like, and drops whatever is one too many. Beyond `limit` bytes it drops all video of
    /// the stream that waits for longest, which is returned.
    pub(super) fn push(
        &mut self,
        held: Held,
        limit: Option<usize>,
        counters: &mut Counters,
    ) -> Option<OutgoingStreamId> {
        self.count_in(&held);
        self.lines[held.rewrite.priority as usize].push_back(held);
        while self.packets > WAITING_PACKETS_MAX || self.bytes > WAITING_BYTES_MAX {
            self.drop_one(counters);
        }
        if limit.is_none_or(|limit| self.bytes <= limit) {
            return None;
        }
        self.drop_line(Priority::Padding, None, counters);
        let broken = self.lines[Priority::Video as usize].front()?.rewrite.stream;
        self.drop_line(Priority::Video, Some(broken), counters);
        Some(broken)
    }

    /// Drops what waits of a priority, all of it or that of one stream.
    fn drop_line(&mut self, priority: Priority, stream: Option<OutgoingStreamId>, counters: &mut Counters) {
        let mut kept = std::mem::take(&mut self.lines[priority as usize]);
        kept.retain(|held| {
            let goes = stream.is_none_or(|stream| held.rewrite.stream == stream);
            if goes {
                self.count_out(held);
                count_dropped(priority, counters);
            }
            !goes
        });
        self.lines[priority as usize] = kept;
    }

    /// Takes the packet that is to leave next.
    pub(super) fn pop(&mut self) -> Option<Held> {
        let held = self.lines.iter_mut().find_map(VecDeque::pop_front)?;
        self.count_out(&held);
        Some(held)
    }

    /// Undoes [`pop`](Self::pop).
    pub(super) fn put_back(&mut self, held: Held) {
        self.count_in(&held);
        self.lines[held.rewrite.priority as usize].push_front(held);
    }

    pub(super) fn remove_stream(&mut self, id: OutgoingStreamId) {
        for line in &mut self.lines {
            line.retain(|held| held.rewrite.stream != id);
        }
        let held = self.lines.iter().flatten();
        self.packets = held.clone().count();
        self.bytes = held.map(|held| held.packet.bytes().len()).sum();
    }

    /// Drops the oldest of the least urgent line.
    fn drop_one(&mut self, counters: &mut Counters) {
        let Some(held) = self.lines.iter_mut().rev().find_map(VecDeque::pop_front) else { return };
        self.count_out(&held);
        count_dropped(held.rewrite.priority, counters);
    }

    fn count_in(&mut self, held: &Held) {
        self.packets += 1;
        self.bytes += held.packet.bytes().len();
    }

    fn count_out(&mut self, held: &Held) {
        self.packets -= 1;
        self.bytes -= held.packet.bytes().len();
    }
}

fn count_dropped(priority: Priority, counters: &mut Counters) {
    *match priority {
        Priority::Audio => &mut counters.outgoing_audio_dropped,
        Priority::Retransmission => &mut counters.outgoing_retransmissions_dropped,
        Priority::Video => &mut counters.outgoing_video_dropped,
        Priority::Padding => &mut counters.outgoing_padding_dropped,
    } += 1;
}

/// RTCP compound packets, end to end in one ring, so that none of them costs an allocation.
#[derive(Debug, Default)]
pub(super) struct RtcpLine {
    bytes: VecDeque<u8>,
    lengths: VecDeque<usize>,
}

impl RtcpLine {
    pub(super) fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    pub(super) fn push(&mut self, compound: &[u8], counters: &mut Counters) {
        self.bytes.extend(compound);
        self.lengths.push_back(compound.len());
        while self.bytes.len() > WAITING_RTCP_BYTES_MAX {
            self.remove_first();
            counters.outgoing_rtcp_dropped += 1;
        }
    }

    /// The oldest compound packet, in two pieces because a ring has an end.
    pub(super) fn first(&self) -> Option<[&[u8]; 2]> {
        let len = *self.lengths.front()?;
        let (front, back) = self.bytes.as_slices();
        let front = front.get(..len).unwrap_or(front);
        Some([front, back.get(..len - front.len())?])
    }

    pub(super) fn remove_first(&mut self) {
        if let Some(len) = self.lengths.pop_front() {
            self.bytes.drain(..len);
        }
    }
}
