//! One system call's worth of messages, in a form that every backend can send.

use std::net::{IpAddr, SocketAddr};

/// Messages of one `sendmmsg`; the kernel takes no more (`UIO_MAXIOV`). What is over goes with the next call.
pub(crate) const MESSAGES_MAX: usize = 1024;

/// One datagram, or a run of equal datagrams that the kernel cuts apart.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only batched calls name sources and cut runs"))]
pub(crate) struct Message {
    pub(crate) remote: SocketAddr,
    pub(crate) source: Option<IpAddr>,
    /// Index of the first segment.
    pub(crate) first: usize,
    /// Number of segments.
    pub(crate) segments: usize,
    /// Size of all segments but the last, which may be shorter.
    pub(crate) segment_bytes: u16,
}

/// Where a datagram lies in the arena.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

/// Messages to be sent in order, borrowed from the batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) arena: &'a [u8],
    pub(crate) messages: &'a [Message],
    pub(crate) segments: &'a [Segment],
}

impl<'a> Plan<'a> {
    /// The segments of one message.
    pub(crate) fn segments_of(&self, message: &Message) -> &'a [Segment] {
        self.segments.get(message.first..message.first + message.segments).unwrap_or_default()
    }

    /// The bytes of one datagram.
    pub(crate) fn bytes_of(&self, segment: &Segment) -> &'a [u8] {
        self.arena.get(segment.offset..segment.offset + segment.len).unwrap_or_default()
    }

    /// The same plan without its first `count` messages.
    pub(crate) fn after(self, count: usize) -> Self {
        Self { messages: self.messages.get(count..).unwrap_or_default(), ..self }
    }
}
