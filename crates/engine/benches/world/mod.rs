//! A publisher and its viewers from the opened packet to the filled send slot: everything but system calls.

use std::hint::black_box;
use std::time::{Duration, Instant};

use millrace_model::{Counters, WallClock};
use millrace_net::{Destination, DestinationKey, SEND_SLOTS, SendBatch, SocketIndex};
use millrace_packet::{ExtensionKind, ExtensionPlan, OutgoingStreamId, PacketRef, Rewrite};
use millrace_router::{Output, RouterEvent, SessionId};
use millrace_testkit::fan_out::{FanOut, Media, viewer_rtx_ssrc, viewer_ssrc};
use millrace_transport::outgoing::{OutgoingQueue, OutgoingStreamSpec, Outlet, Repair, SendSlots};
use millrace_transport::srtp::{MasterKey, SrtpOutbound};
use millrace_transport::{Protocol, SocketId, SrtpProfile, Tuple};

/// A publisher, and what is between it and its viewers.
pub(crate) struct Call {
    pub(crate) fan_out: FanOut,
    pub(crate) viewers: Viewers,
}

/// Viewers with keys, and the batch that their packets are collected in.
pub(crate) struct Viewers {
    pub(crate) counters: Counters,
    queues: Vec<(OutgoingQueue, SrtpOutbound, Tuple)>,
    /// Session of the first viewer; those of the others follow it one by one.
    pub(crate) first_session: SessionId,
    batch: Slots,
    now: Instant,
}

/// A send batch whose datagrams go nowhere.
struct Slots {
    batch: SendBatch,
    viewer: u32,
}

impl Call {
    pub(crate) fn new(media: Media, viewers: u32) -> Self {
        let now = Instant::now();
        let clock = WallClock::new(now, Duration::ZERO);
        let fan_out = FanOut::new(media, clock, now);
        let batch = Slots { batch: SendBatch::new(SEND_SLOTS), viewer: 0 };
        let first_session = SessionId(fan_out.publisher.0 + 1);
        let counters = Counters::default();
        let mut call = Self { fan_out, viewers: Viewers { counters, queues: Vec::new(), first_session, batch, now } };
        for viewer in 0..viewers {
            let stream = call.viewers.add(clock, viewer);
            call.fan_out.add_viewer(viewer, stream, &mut call.viewers);
        }
        call
    }

    /// Publishes a frame or an audio packet, then sends what was collected.
    pub(crate) fn publish(&mut self) {
        self.viewers.now = self.fan_out.now;
        self.fan_out.publish(&mut self.viewers);
        self.viewers.flush();
    }
}

impl Viewers {
    /// Empties the batch, as a system call would.
    pub(crate) fn flush(&mut self) {
        black_box(self.batch.batch.flush(|_| None));
    }

    fn add(&mut self, clock: WallClock, viewer: u32) -> OutgoingStreamId {
        let mut queue = OutgoingQueue::new(clock);
        let extensions = ExtensionPlan::new([(5, ExtensionKind::TransportWideCc), (4, ExtensionKind::AbsSendTime)]);
        let repair = Repair::Rtx { ssrc: viewer_rtx_ssrc(viewer) };
        let stream = queue.add_stream(OutgoingStreamSpec::new(viewer_ssrc(viewer), repair, extensions));
        let (key, salt) = ([viewer as u8; 16], [7; 12]);
        let key = MasterKey::new(SrtpProfile::AeadAes128Gcm, &key, &salt).expect("a key and a salt of their lengths");
        let remote = ([127, 0, 0, 1], 10_000 + viewer as u16).into();
        let tuple = Tuple { socket: SocketId(0), protocol: Protocol::Udp, remote, local_ip: None };
        self.queues.push((queue, SrtpOutbound::new(&key), tuple));
        stream.expect("a new stream")
    }

    fn send(&mut self, session: SessionId, send: impl FnOnce(&mut OutgoingQueue, &mut Outlet<'_, Slots>)) {
        let viewer = session.0.wrapping_sub(self.first_session.0);
        let Some((queue, srtp, tuple)) = self.queues.get_mut(viewer as usize) else { return };
        self.batch.viewer = viewer;
        let (slots, counters) = (&mut self.batch, &mut self.counters);
        send(queue, &mut Outlet { tuple: *tuple, now: self.now, slots, srtp: Some(srtp), log: &mut (), counters });
    }
}

impl Output for Viewers {
    fn send_rtp(&mut self, session: SessionId, packet: &PacketRef, rewrite: &Rewrite) {
        self.send(session, |queue, outlet| queue.send_rtp(packet, rewrite, outlet));
    }

    fn send_rtcp(&mut self, session: SessionId, compound: &[u8]) {
        self.send(session, |queue, outlet| queue.send_rtcp(compound, outlet));
    }

    fn event(&mut self, event: RouterEvent) {
        black_box(event);
    }
}

impl SendSlots for Slots {
    fn slot(&mut self, tuple: &Tuple) -> Option<&mut [u8]> {
        if self.batch.is_full() {
            black_box(self.batch.flush(|_| None));
        }
        self.batch.slot(SocketIndex(tuple.socket.0))
    }

    fn commit(&mut self, tuple: &Tuple, len: usize) {
        let destination = Destination {
            socket: SocketIndex(tuple.socket.0),
            key: DestinationKey(self.viewer),
            remote: tuple.remote,
            source: None,
        };
        self.batch.commit(len, &destination);
    }
}
