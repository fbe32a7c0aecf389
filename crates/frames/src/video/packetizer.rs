//! Frames to packets.

use millrace_packet::VideoCodec;

use super::{Malformed, av1, nal, vpx};

/// Smallest payload that frames are cut into; a smaller limit is raised to it.
pub const PAYLOAD_BYTES_MIN: usize = 64;

/// Cuts the frames of one stream into payloads.
#[derive(Debug)]
pub struct VideoPacketizer {
    codec: VideoCodec,
    limit: usize,
    /// Number of the next picture, of 15 bits; VP8 and VP9 carry it.
    picture: u16,
    packet: Vec<u8>,
}

impl VideoPacketizer {
    /// A packetizer of `codec` whose payloads have `limit` bytes at most and whose first picture has the number
    /// `picture`, of which 15 bits count (RFC 7741 §4.2 asks for a random one).
    pub fn new(codec: VideoCodec, limit: usize, picture: u16) -> Self {
        Self { codec, limit: limit.max(PAYLOAD_BYTES_MIN), picture: picture & 0x7fff, packet: Vec::new() }
    }

    /// Calls `emit` with each payload of `frame` in order, and with `true` for the last, whose packet has the marker.
    ///
    /// # Errors
    /// When the frame is empty or its own lengths contradict it; what was emitted by then is of no use.
    pub fn packetize(&mut self, frame: &[u8], emit: &mut dyn FnMut(&[u8], bool)) -> Result<(), Malformed> {
        let (limit, packet) = (self.limit, &mut self.packet);
        match self.codec {
            VideoCodec::Vp8 => vpx::packetize_vp8(frame, self.picture, limit, packet, emit),
            VideoCodec::Vp9 => vpx::packetize_vp9(frame, self.picture, limit, packet, emit),
            VideoCodec::H264 => nal::packetize(nal::H264, frame, limit, packet, emit),
            VideoCodec::H265 => nal::packetize(nal::H265, frame, limit, packet, emit),
            VideoCodec::Av1 => av1::packetize(frame, limit, packet, emit),
        }?;
        self.picture = (self.picture + 1) & 0x7fff;
        Ok(())
    }
}
