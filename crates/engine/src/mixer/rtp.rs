//! The RTP of a mixer: packets of a tap into its core, frames of its core into a source.

use std::time::Instant;

use millrace_packet::extension::{ExtensionIds, ExtensionKind};
use millrace_packet::meta::RtpMeta;
use millrace_packet::rtp::FIXED_HEADER_BYTES;

use crate::packets::PacketBatch;
use crate::tap::{Source, Tap, TapState};

/// A producer that is heard or seen.
pub(crate) struct RtpEntrance {
    pub(super) tap: Tap,
    payload_type: u8,
    extensions: ExtensionIds,
}

impl RtpEntrance {
    /// An entrance for what `tap` brings of one payload type.
    pub(crate) fn new(tap: Tap, payload_type: u8) -> Self {
        let known = tap.rtp_parameters().header_extensions.iter();
        let extensions = ExtensionIds::new(
            known.filter_map(|extension| Some((extension.id, ExtensionKind::from_uri(&extension.uri)?))),
        );
        Self { tap, payload_type, extensions }
    }

    /// Hands over each packet that came: what it says, the whole and its payload. Tells how things stand after them.
    pub(super) fn receive(&mut self, mut each: impl FnMut(&RtpMeta, &[u8], &[u8])) -> TapState {
        let Self { tap, payload_type, extensions } = self;
        tap.receive(|packet| {
            let Ok(meta) = RtpMeta::parse(packet, extensions) else { return };
            let start = usize::from(meta.payload_offset);
            let payload = packet.get(start..start + usize::from(meta.payload_len)).unwrap_or_default();
            // Tones, comfort noise and padding are none of the codec.
            if meta.payload_type == *payload_type && !payload.is_empty() {
                each(&meta, packet, payload);
            }
        })
    }

    /// Hands what came to an output as it is.
    pub(super) fn pass(&mut self, exit: &mut RtpExit, batch: &mut PacketBatch) -> TapState {
        self.receive(|meta, _, payload| {
            exit.sequence = meta.sequence;
            exit.write_packet(meta.timestamp, meta.marker, payload, batch);
        })
    }

    pub(super) fn dropped(&self) -> u64 {
        self.tap.dropped()
    }
}

/// An output as a producer.
pub(crate) struct RtpExit {
    source: Source,
    ssrc: u32,
    payload_type: u8,
    clock_rate: u32,
    sequence: u16,
    /// What is added to the core's timestamps; `None` before the core's first frame.
    offset: Option<u32>,
    /// The timestamp that a first frame gets `at` the instant.
    line: (u32, Instant),
}

impl RtpExit {
    /// An exit by `source`, whose numbers begin at these.
    pub(crate) fn new(source: Source, stream: RtpStream, now: Instant) -> Self {
        let RtpStream { ssrc, payload_type, clock_rate, sequence, timestamp } = stream;
        Self { source, ssrc, payload_type, clock_rate, sequence, offset: None, line: (timestamp, now) }
    }

    /// Another core follows, with another beginning of time.
    pub(super) fn restart(&mut self) {
        self.offset = None;
    }

    pub(super) fn is_ended(&self) -> bool {
        self.source.is_ended()
    }

    /// Adds the packet of a frame to those that leave.
    pub(super) fn write(&mut self, frame: &RtpFrame<'_>, now: Instant, batch: &mut PacketBatch) {
        let RtpFrame { timestamp, marker, payload } = *frame;
        let (clock_rate, line) = (self.clock_rate, self.line);
        let offset = *self.offset.get_or_insert_with(|| {
            let passed = now.saturating_duration_since(line.1).as_micros() * u128::from(clock_rate) / 1_000_000;
            // Wraps as timestamps do.
            line.0.wrapping_add(passed as u32).wrapping_sub(timestamp)
        });
        let timestamp = timestamp.wrapping_add(offset);
        self.write_packet(timestamp, marker, payload, batch);
        self.line = (timestamp, now);
    }

    fn write_packet(&mut self, timestamp: u32, marker: bool, payload: &[u8], batch: &mut PacketBatch) {
        let slot = batch.slot(FIXED_HEADER_BYTES + payload.len());
        slot[0] = 0x80;
        slot[1] = self.payload_type | if marker { 0x80 } else { 0 };
        slot[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        slot[4..8].copy_from_slice(&timestamp.to_be_bytes());
        slot[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        slot[FIXED_HEADER_BYTES..FIXED_HEADER_BYTES + payload.len()].copy_from_slice(payload);
        batch.commit(self.source.number(), FIXED_HEADER_BYTES + payload.len());
        self.sequence = self.sequence.wrapping_add(1);
    }
}

/// How the packets of an exit are numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RtpStream {
    pub(crate) ssrc: u32,
    pub(crate) payload_type: u8,
    pub(crate) clock_rate: u32,
    /// The first sequence number.
    pub(crate) sequence: u16,
    /// The first timestamp, or what it would be at once.
    pub(crate) timestamp: u32,
}

/// A frame on its way out.
#[derive(Clone, Copy)]
pub(super) struct RtpFrame<'a> {
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) payload: &'a [u8],
}
