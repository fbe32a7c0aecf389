//! The RTP of a mixer: packets of a tap into its core, frames of its core into a source.

use std::time::Instant;

use millrace_frames::{AudioCodec, AudioFormat, AudioPacket};
use millrace_mixer::{AudioMixer, InputId};
use millrace_model::RtpParameters;
use millrace_packet::extension::{ExtensionIds, ExtensionKind};
use millrace_packet::meta::RtpMeta;
use millrace_packet::rtp::FIXED_HEADER_BYTES;

use crate::packets::PacketBatch;
use crate::tap::{Source, Tap};

/// A producer that is heard.
pub(crate) struct RtpEntrance {
    tap: Tap,
    pub(super) format: AudioFormat,
    payload_type: u8,
    extensions: ExtensionIds,
}

impl RtpEntrance {
    /// An entrance for what `tap` brings; `None` when it brings no codec of this build.
    pub(crate) fn new(tap: Tap) -> Option<Self> {
        let (format, payload_type) = format_of(tap.rtp_parameters())?;
        let known = tap.rtp_parameters().header_extensions.iter();
        let extensions = ExtensionIds::new(
            known.filter_map(|extension| Some((extension.id, ExtensionKind::from_uri(&extension.uri)?))),
        );
        Some(Self { tap, format, payload_type, extensions })
    }

    /// Gives the core what came. Tells whether nothing will come any more.
    pub(super) fn receive(&mut self, core: &mut AudioMixer, input: InputId, now: Instant) -> bool {
        let Self { tap, payload_type, extensions, .. } = self;
        let state = tap.receive(|packet| {
            let Ok(meta) = RtpMeta::parse(packet, extensions) else { return };
            let start = usize::from(meta.payload_offset);
            let payload = packet.get(start..start + usize::from(meta.payload_len)).unwrap_or_default();
            // Tones, comfort noise and padding have no sound of the codec.
            if meta.payload_type == *payload_type && !payload.is_empty() {
                let (sequence, timestamp, level) = (meta.sequence, meta.timestamp, meta.audio_level(packet));
                // The core counts what makes no sense.
                let _ = core.receive(input, AudioPacket { sequence, timestamp, payload }, level, now);
            }
        });
        state.ended
    }

    /// Hands what came to an output as it is. Tells whether nothing will come any more.
    pub(super) fn pass(&mut self, exit: &mut RtpExit, batch: &mut PacketBatch) -> bool {
        let Self { tap, payload_type, extensions, .. } = self;
        let state = tap.receive(|packet| {
            let Ok(meta) = RtpMeta::parse(packet, extensions) else { return };
            let start = usize::from(meta.payload_offset);
            let payload = packet.get(start..start + usize::from(meta.payload_len)).unwrap_or_default();
            if meta.payload_type == *payload_type && !payload.is_empty() {
                exit.sequence = meta.sequence;
                exit.write_packet(meta.timestamp, meta.marker, payload, batch);
            }
        });
        state.ended
    }

    pub(super) fn dropped(&self) -> u64 {
        self.tap.dropped()
    }
}

/// The codec, channels and payload type of a stream's sound, if this build has the codec.
pub(crate) fn format_of(parameters: &RtpParameters) -> Option<(AudioFormat, u8)> {
    let known = parameters.codecs.iter().filter_map(|parameters| {
        let codec = AudioCodec::from_mime_type(&parameters.mime_type)?;
        // What Opus decodes to is free; a sender says when two channels are worth it (RFC 7587 §6.1).
        let stereo = codec == AudioCodec::Opus
            && parameters.parameters.get("sprop-stereo").is_some_and(|value| value.as_u32() == Some(1));
        Some((AudioFormat { codec, channels: if stereo { 2 } else { 1 } }, parameters.payload_type))
    });
    known.into_iter().next()
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
