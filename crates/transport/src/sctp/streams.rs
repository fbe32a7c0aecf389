//! Streams of one association as we use them: how hard they try, what waits on them.

use bytes::Bytes;
use rustc_hash::FxHashMap;
use sctp_proto::{Association, PayloadProtocolIdentifier as Ppid, ReliabilityType};

use super::{Reliability, ReliabilityLimit, SendError};

/// What we know of the streams. The library makes a stream anew after each reset, without any of this.
#[derive(Debug, Default)]
pub(super) struct Streams {
    known: FxHashMap<u16, Stream>,
    default_threshold: usize,
    /// Bytes written and perhaps not acknowledged: never less than what waits, brought down to it when it matters.
    waiting_at_most: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    reliability: Reliability,
    threshold: Option<usize>,
}

impl Streams {
    pub(super) fn new(default_threshold: usize) -> Self {
        Self { default_threshold, ..Self::default() }
    }

    pub(super) fn open(&mut self, stream: u16, reliability: Reliability) {
        self.known.entry(stream).or_default().reliability = reliability;
    }

    /// Tells whether the stream was opened, by us or by the peer, and not closed since.
    pub(super) fn is_open(&self, stream: u16) -> bool {
        self.known.contains_key(&stream)
    }

    pub(super) fn set_threshold(&mut self, stream: u16, bytes: usize) {
        self.known.entry(stream).or_default().threshold = Some(bytes);
    }

    pub(super) fn threshold(&self, stream: u16) -> usize {
        self.known.get(&stream).and_then(|stream| stream.threshold).unwrap_or(self.default_threshold)
    }

    pub(super) fn forget(&mut self, stream: u16) {
        self.known.remove(&stream);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.default_threshold);
    }

    /// Brings the library's stream in line, if it has one.
    pub(super) fn apply(&self, id: u16, association: &mut Association) {
        let known = self.known.get(&id).copied().unwrap_or_default();
        let Ok(mut stream) = association.stream(id) else { return };
        let (kind, value) = match known.reliability.limit {
            ReliabilityLimit::None => (ReliabilityType::Reliable, 0),
            ReliabilityLimit::Retransmits(count) => (ReliabilityType::Rexmit, count.into()),
            ReliabilityLimit::LifetimeMs(time) => (ReliabilityType::Timed, time.into()),
        };
        // It was there a moment ago.
        let _ = stream.set_reliability_params(known.reliability.unordered, kind, value);
        let _ = stream.set_buffered_amount_low_threshold(known.threshold.unwrap_or(self.default_threshold));
    }

    pub(super) fn apply_all(&self, association: &mut Association) {
        for id in association.stream_ids() {
            self.apply(id, association);
        }
    }

    /// Writes a message that there is room for. Its bytes are shared with whoever holds them.
    pub(super) fn write(
        &mut self,
        id: u16,
        ppid: Ppid,
        payload: &Bytes,
        association: &mut Association,
    ) -> Result<(), SendError> {
        if association.stream(id).is_err() {
            association.open_stream(id, ppid).map_err(|_| SendError::StreamClosing)?;
            self.apply(id, association);
        }
        let mut stream = association.stream(id).map_err(|_| SendError::StreamClosing)?;
        let _ = stream.set_default_payload_type(ppid);
        // This way the library takes the bytes as they are; its other ways of writing copy them.
        stream.write_chunks(&mut [payload.clone()]).map_err(|_| SendError::StreamClosing)?;
        self.waiting_at_most += payload.len();
        Ok(())
    }

    pub(super) fn buffered_amount(&self, id: u16, association: &mut Association) -> usize {
        association.stream(id).ok().and_then(|stream| stream.buffered_amount().ok()).unwrap_or_default()
    }

    /// Tells whether `len` bytes more would be more than `limit` on all streams together.
    pub(super) fn is_full(&mut self, len: usize, limit: usize, association: &mut Association) -> bool {
        if self.waiting_at_most + len > limit {
            let ids = association.stream_ids();
            self.waiting_at_most = ids.into_iter().map(|id| self.buffered_amount(id, association)).sum();
        }
        self.waiting_at_most + len > limit
    }

    /// Closes the library's stream both ways, unless that is under way.
    pub(super) fn reset(&mut self, id: u16, association: &mut Association) {
        if let Ok(mut stream) = association.stream(id) {
            // Refused only while the association is not up: there is nothing to close then.
            let _ = stream.close();
        }
    }
}
