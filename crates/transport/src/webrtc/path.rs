//! The path of a WebRTC transport: what it carries, and what follows from that.

use std::time::{Duration, Instant};

use millrace_packet::OutgoingStreamId;
use millrace_packet::rtcp::{CongestionFeedback, TransportFeedback};

use super::WebRtcTransport;
use crate::congestion::{BitrateBounds, Congestion, PathEstimate};

impl WebRtcTransport {
    /// Sets what the path is taken to carry at first, at least and at most.
    pub fn set_bitrates(&mut self, bitrates: BitrateBounds) {
        self.bitrates = bitrates;
        if let Some(congestion) = &mut self.congestion {
            congestion.configure(bitrates);
        }
        self.set_pace();
    }

    /// Takes what the peer says of the packets that arrived.
    pub fn handle_transport_feedback(&mut self, feedback: &TransportFeedback<'_>, now: Instant) {
        if let Some(congestion) = &mut self.congestion {
            congestion.handle_feedback(feedback, now);
            self.set_pace();
        }
    }

    /// Takes the same by RFC 8888.
    pub fn handle_congestion_feedback(&mut self, feedback: &CongestionFeedback<'_>, now: Instant) {
        if let Some(congestion) = &mut self.congestion {
            congestion.handle_congestion_feedback(feedback, now);
            self.set_pace();
        }
    }

    /// Takes the bitrate that the peer can receive at most (REMB), in bit/s.
    pub fn handle_bitrate_limit(&mut self, bitrate: u64, now: Instant) {
        let congestion = self.congestion.get_or_insert_with(|| Box::new(Congestion::new(self.bitrates)));
        congestion.handle_limit(bitrate, now);
        self.set_pace();
    }

    /// Takes what the peer says of one of our streams: the part of its packets that were lost, in 1/256.
    pub fn handle_reception(&mut self, lost_fraction: u8, round_trip: Option<Duration>, now: Instant) {
        if let Some(congestion) = &mut self.congestion {
            congestion.handle_reception(lost_fraction, round_trip, now);
            self.set_pace();
        }
    }

    /// Sets what would be sent if the path carried it, in bit/s.
    pub fn set_wanted_bitrate(&mut self, bitrate: u64, now: Instant) {
        if let Some(congestion) = &mut self.congestion {
            congestion.set_wanted(bitrate, now);
        }
    }

    /// What the path is taken to carry, and why; `None` where nothing is sent whose arrival the peer tells of.
    pub fn path_estimate(&self) -> Option<PathEstimate> {
        self.congestion.as_ref().map(|congestion| congestion.current())
    }

    /// The same, if it changed so much that others should know.
    pub fn poll_estimate(&mut self) -> Option<PathEstimate> {
        self.congestion.as_mut()?.poll_estimate()
    }

    /// Bytes of padding that should be sent now, to find out what the path carries.
    pub fn poll_padding(&mut self, now: Instant) -> Option<usize> {
        let waits = !self.queue.is_empty();
        let padding = self.congestion.as_mut()?.poll_padding(waits, now, &mut self.counters);
        self.set_pace();
        padding
    }

    /// There is nothing that padding could be made of.
    pub fn give_up_probe(&mut self) {
        if let Some(congestion) = &mut self.congestion {
            congestion.give_up_probe(&mut self.counters);
        }
    }

    /// Takes a stream of which packets were dropped, so that its viewer can do nothing without a key frame.
    pub fn poll_broken_stream(&mut self) -> Option<OutgoingStreamId> {
        self.queue.poll_broken()
    }

    /// When packets, probes or the estimate have their time.
    pub(super) fn pace_deadline(&self) -> Option<Instant> {
        let path = self.congestion.as_ref().and_then(|congestion| congestion.deadline(!self.queue.is_empty()));
        [self.queue.deadline(), path].into_iter().flatten().min()
    }

    /// Looks at the estimate when its time has come.
    pub(super) fn look_at_path(&mut self, now: Instant) {
        if let Some(congestion) = &mut self.congestion {
            congestion.handle_timeout(now);
            self.set_pace();
        }
    }

    fn set_pace(&mut self) {
        if let Some(congestion) = &self.congestion {
            self.queue.set_pacing_rate(congestion.pacing_rate());
        }
    }
}
