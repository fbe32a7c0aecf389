//! Streams that leave in the clear, straight into memory: to who runs in the same process, without a queue or a socket.

use std::time::Instant;

use millrace_model::WallClock;
use millrace_packet::{OutgoingHeader, OutgoingStreamId, PacketRef, Rewrite, Stamps, write_header};
use slab::Slab;

use super::stream::{OutgoingStreamError, OutgoingStreamSpec};
use super::write_payload;

/// The outgoing streams of a transport that needs no keys. No number is ever sealed, so an SSRC is free again once its
/// stream is removed, and nothing is remembered of what was sent.
#[derive(Debug)]
pub struct ClearStreams {
    streams: Slab<OutgoingStreamSpec>,
    transport_sequence: u16,
    wall_clock: WallClock,
}

impl ClearStreams {
    /// Makes none. `wall_clock` gives the abs-send-time extension its time.
    pub fn new(wall_clock: WallClock) -> Self {
        Self { streams: Slab::new(), transport_sequence: 0, wall_clock }
    }

    /// Adds a stream.
    ///
    /// # Errors
    /// [`OutgoingStreamError::SsrcUsed`] when another stream has its SSRC; nothing has changed then.
    pub fn add(&mut self, spec: OutgoingStreamSpec) -> Result<OutgoingStreamId, OutgoingStreamError> {
        if let Some(used) = spec.ssrcs().find(|ssrc| self.sends(*ssrc)).or(spec.repeated_ssrc()) {
            return Err(OutgoingStreamError::SsrcUsed(used));
        }
        // A worker's bound on consumers keeps the key far below 2^32.
        Ok(OutgoingStreamId(self.streams.insert(spec) as u32))
    }

    /// Removes a stream. An unknown id changes nothing.
    pub fn remove(&mut self, id: OutgoingStreamId) {
        self.streams.try_remove(id.0 as usize);
    }

    /// Tells whether a stream has this SSRC now. Cost: one look at each stream.
    pub fn sends(&self, ssrc: u32) -> bool {
        self.streams.iter().any(|(_, spec)| spec.ssrcs().any(|used| used == ssrc))
    }

    /// Writes `packet` with the numbers of `rewrite` to the start of `out` and returns its length; `None` when its stream
    /// is unknown, repairs in another way, or the packet does not fit.
    pub fn write(&mut self, packet: &PacketRef, rewrite: &Rewrite, now: Instant, out: &mut [u8]) -> Option<usize> {
        let len = self.peek(packet, rewrite, now, out)?;
        let carries_number = self.streams[rewrite.stream.0 as usize].carries_transport_sequence();
        self.transport_sequence = self.transport_sequence.wrapping_add(u16::from(carries_number));
        Some(len)
    }

    /// What [`write`](Self::write) would write, which it can still write afterwards.
    pub fn peek(&self, packet: &PacketRef, rewrite: &Rewrite, now: Instant, out: &mut [u8]) -> Option<usize> {
        let spec = self.streams.get(rewrite.stream.0 as usize)?;
        let abs_send_time = if spec.carries_send_time() { self.wall_clock.ntp(now).abs_send_time() } else { 0 };
        let stamps = Stamps { abs_send_time, transport_sequence: self.transport_sequence };
        write_clear(spec, packet, rewrite, stamps, out)
    }
}

/// Writes a packet as its viewer sees it, without sealing it.
pub(super) fn write_clear(
    spec: &OutgoingStreamSpec,
    packet: &PacketRef,
    rewrite: &Rewrite,
    stamps: Stamps,
    out: &mut [u8],
) -> Option<usize> {
    let header = OutgoingHeader { ssrc: spec.ssrc_of(rewrite)?, rewrite, plan: spec.extensions(), stamps };
    let header_len = write_header(packet.bytes(), packet.meta(), &header, out)?;
    let payload_len = write_payload(packet, rewrite, out.get_mut(header_len..)?).ok()?;
    Some(header_len + payload_len)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millrace_packet::{ExtensionIds, ExtensionKind, ExtensionPlan, PacketPool, Priority, RtpMeta};

    use super::super::Repair;
    use super::*;

    const REWRITE: Rewrite = Rewrite {
        stream: OutgoingStreamId(0),
        payload_type: 100,
        marker: true,
        sequence: 7,
        timestamp: 9,
        original_sequence: None,
        picture: None,
        priority: Priority::Video,
    };

    fn packet() -> PacketRef {
        let mut packet = PacketPool::new(1).take().unwrap();
        let mut bytes = vec![0x80, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend_from_slice(b"payload");
        assert!(packet.fill(&bytes));
        let meta = RtpMeta::parse(&bytes, &ExtensionIds::default()).unwrap();
        packet.freeze(meta)
    }

    fn streams() -> (ClearStreams, Instant) {
        let now = Instant::now();
        (ClearStreams::new(WallClock::new(now, Duration::from_secs(1_700_000_000))), now)
    }

    #[test]
    fn a_packet_is_written_with_the_numbers_of_its_stream() {
        let (mut streams, now) = streams();
        let plan = ExtensionPlan::new([(5, ExtensionKind::TransportWideCc)]);
        let id = streams.add(OutgoingStreamSpec::new(11, Repair::Rtx { ssrc: 12 }, plan)).unwrap();
        assert_eq!(id, REWRITE.stream);
        let mut out = [0; 64];
        let len = streams.write(&packet(), &REWRITE, now, &mut out).unwrap();
        let head = [0x90, 0x80 | 100, 0, 7, 0, 0, 0, 9, 0, 0, 0, 11, 0xbe, 0xde, 0, 1, 0x51, 0, 0, 0];
        assert_eq!(out[..len], [&head[..], b"payload"].concat());
        streams.write(&packet(), &REWRITE, now, &mut out).unwrap();
        assert_eq!(out[17..19], [0, 1], "transport-wide numbers go on");
        let rtx = Rewrite { original_sequence: Some(3), ..REWRITE };
        let len = streams.write(&packet(), &rtx, now, &mut out).unwrap();
        assert_eq!((&out[8..12], &out[20..len]), (&[0, 0, 0, 12][..], &b"\x00\x03payload"[..]));
    }

    #[test]
    fn what_has_no_stream_or_no_room_is_not_written() {
        let (mut streams, now) = streams();
        assert_eq!(streams.write(&packet(), &REWRITE, now, &mut [0; 64]), None);
        let id = streams.add(OutgoingStreamSpec::new(11, Repair::None, ExtensionPlan::default())).unwrap();
        assert_eq!(streams.write(&packet(), &REWRITE, now, &mut [0; 18]), None);
        assert_eq!(streams.write(&packet(), &REWRITE, now, &mut [0; 19]), Some(19));
        let rtx = Rewrite { original_sequence: Some(3), ..REWRITE };
        assert_eq!(streams.write(&packet(), &rtx, now, &mut [0; 64]), None, "it has no stream for them");
        streams.remove(id);
        assert_eq!(streams.write(&packet(), &REWRITE, now, &mut [0; 64]), None);
    }

    #[test]
    fn an_ssrc_is_taken_as_long_as_its_stream_is_there() {
        let (mut streams, _) = streams();
        let spec = |ssrc, repair| OutgoingStreamSpec::new(ssrc, repair, ExtensionPlan::default());
        let id = streams.add(spec(11, Repair::Rtx { ssrc: 12 })).unwrap();
        for taken in [spec(12, Repair::None), spec(10, Repair::Rtx { ssrc: 11 }), spec(9, Repair::Rtx { ssrc: 9 })] {
            assert!(streams.add(taken).is_err());
        }
        assert!(streams.sends(12) && !streams.sends(10));
        streams.remove(id);
        streams.add(spec(12, Repair::None)).unwrap();
    }
}
