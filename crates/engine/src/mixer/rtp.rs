//! The RTP of a mixer: packets of a tap into its core, frames of its core into a source.

use std::time::{Duration, Instant};

use millrace_model::{NtpTime, WallClock};
use millrace_packet::extension::{ExtensionIds, ExtensionKind};
use millrace_packet::meta::RtpMeta;
use millrace_packet::rtcp::{CompoundWriter, SenderInfo};
use millrace_packet::rtp::FIXED_HEADER_BYTES;

use crate::packets::PacketBatch;
use crate::tap::{Source, Tap, TapState};

/// How often viewers are told when what an output sends belongs (RFC 3550 §6.4.1).
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Bytes of a sender report without blocks.
const REPORT_BYTES: usize = 28;

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

    /// Hands what came to an output as it is, and its sender's reports.
    pub(super) fn pass(&mut self, exit: &mut RtpExit, batch: &mut PacketBatch) -> TapState {
        let state = self.receive(|meta, _, payload| {
            exit.pass(meta.sequence, &RtpFrame { timestamp: meta.timestamp, marker: meta.marker, payload }, batch);
        });
        if let Some(times) = self.tap.sender_report() {
            exit.pass_report(times, batch);
        }
        state
    }

    pub(super) fn dropped(&self) -> u64 {
        self.tap.dropped()
    }
}

/// An output as a producer.
pub(crate) struct RtpExit {
    pub(super) source: Source,
    /// One for each of its encodings.
    pub(super) lines: Vec<RtpLine>,
    clock: WallClock,
}

/// The packets of one encoding.
pub(crate) struct RtpLine {
    stream: RtpStream,
    /// What is added to the core's timestamps; `None` before the core's first frame.
    offset: Option<u32>,
    /// The timestamp that a first frame gets `at` the instant.
    latest: (u32, Instant),
    report_at: Instant,
    /// The times of the last report.
    reported: Option<(NtpTime, u32)>,
    packets: u32,
    octets: u32,
}

impl RtpExit {
    /// An exit by `source`, whose numbers begin at these. `clock` tells what time it is, for all outputs of a worker alike.
    pub(crate) fn new(
        source: Source,
        streams: impl IntoIterator<Item = RtpStream>,
        clock: WallClock,
        now: Instant,
    ) -> Self {
        let line = |stream: RtpStream| RtpLine {
            stream,
            offset: None,
            latest: (stream.timestamp, now),
            report_at: now,
            reported: None,
            packets: 0,
            octets: 0,
        };
        Self { source, lines: streams.into_iter().map(line).collect(), clock }
    }

    /// Another core follows, with another beginning of time.
    pub(super) fn restart(&mut self) {
        self.lines.iter_mut().for_each(|line| line.offset = None);
    }

    pub(super) fn is_ended(&self) -> bool {
        self.source.is_ended()
    }

    /// Adds the packet of a frame of one encoding to those that leave.
    pub(super) fn write(&mut self, encoding: usize, frame: &RtpFrame<'_>, now: Instant, batch: &mut PacketBatch) {
        let number = self.source.number();
        if let Some(line) = self.lines.get_mut(encoding) {
            let timestamp = line.place(frame.timestamp, now);
            line.write(number, &RtpFrame { timestamp, ..*frame }, batch);
        }
    }

    /// Adds a sender report of each encoding of which it is time for one and a frame was written at `now`: behind the last of
    /// them, whose time that is. Frames that were made up for before it were late.
    pub(super) fn report(&mut self, now: Instant, batch: &mut PacketBatch) {
        let number = self.source.rtcp_number();
        for line in &mut self.lines {
            let (timestamp, written_at) = line.latest;
            if now >= line.report_at && written_at == now && line.packets > 0 {
                line.report_at = now + REPORT_INTERVAL;
                line.write_report(number, (self.clock.ntp(now), timestamp), batch);
            }
        }
    }

    /// Hands on a report of a producer.
    fn pass_report(&mut self, times: (NtpTime, u32), batch: &mut PacketBatch) {
        let number = self.source.rtcp_number();
        if let Some(line) = self.lines.first_mut().filter(|line| line.reported != Some(times)) {
            line.write_report(number, times, batch);
        }
    }

    /// Hands on a packet of a producer, under its own number and time.
    fn pass(&mut self, sequence: u16, frame: &RtpFrame<'_>, batch: &mut PacketBatch) {
        let number = self.source.number();
        if let Some(line) = self.lines.first_mut() {
            line.stream.sequence = sequence;
            line.write(number, frame, batch);
        }
    }

    /// The encodings of which viewers asked for a key frame since the last call: bit n for encoding n.
    pub(super) fn take_key_frame_requests(&mut self) -> u8 {
        let lines = &self.lines;
        let mut asked = 0;
        self.source.take_key_frame_requests(|ssrc| {
            asked |= lines.iter().position(|line| line.stream.ssrc == ssrc).map_or(0, |at| 1 << at);
        });
        asked
    }
}

impl RtpLine {
    /// The timestamp of a frame of the core: all its cores' times lie on one line.
    fn place(&mut self, timestamp: u32, now: Instant) -> u32 {
        let (clock_rate, latest) = (self.stream.clock_rate, self.latest);
        let offset = *self.offset.get_or_insert_with(|| {
            let passed = now.saturating_duration_since(latest.1).as_micros() * u128::from(clock_rate) / 1_000_000;
            // Wraps as timestamps do.
            latest.0.wrapping_add(passed as u32).wrapping_sub(timestamp)
        });
        let timestamp = timestamp.wrapping_add(offset);
        self.latest = (timestamp, now);
        timestamp
    }

    fn write_report(&mut self, number: u32, times: (NtpTime, u32), batch: &mut PacketBatch) {
        self.reported = Some(times);
        let (NtpTime(ntp), rtp_timestamp) = times;
        let info = SenderInfo { ntp, rtp_timestamp, packet_count: self.packets, octet_count: self.octets };
        let slot = batch.slot(REPORT_BYTES);
        let mut writer = CompoundWriter::new(slot);
        // It has just the room that it needs.
        let _ = writer.sender_report(self.stream.ssrc, &info, &[]);
        let len = writer.len();
        batch.commit(number, len);
    }

    fn write(&mut self, number: u32, frame: &RtpFrame<'_>, batch: &mut PacketBatch) {
        let RtpFrame { timestamp, marker, payload } = *frame;
        let slot = batch.slot(FIXED_HEADER_BYTES + payload.len());
        slot[0] = 0x80;
        slot[1] = self.stream.payload_type | if marker { 0x80 } else { 0 };
        slot[2..4].copy_from_slice(&self.stream.sequence.to_be_bytes());
        slot[4..8].copy_from_slice(&timestamp.to_be_bytes());
        slot[8..12].copy_from_slice(&self.stream.ssrc.to_be_bytes());
        slot[FIXED_HEADER_BYTES..FIXED_HEADER_BYTES + payload.len()].copy_from_slice(payload);
        batch.commit(number, FIXED_HEADER_BYTES + payload.len());
        self.stream.sequence = self.stream.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload.len() as u32);
    }
}

/// How the packets of an exit are numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RtpStream {
    pub(crate) ssrc: u32,
    pub(crate) payload_type: u8,
    pub(crate) clock_rate: u32,
    /// The next sequence number.
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
