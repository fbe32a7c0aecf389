//! Video frames from packets and packets from frames.
//!
//! A frame is everything of one RTP timestamp: for H.264 and H.265 an access unit of NAL units with start codes, for AV1
//! a temporal unit of OBUs with sizes, for VP9 all spatial layers of a picture one behind the other.

mod assembler;
mod av1;
mod bits;
mod codecs;
mod nal;
mod packetizer;
mod vpx;

use millrace_packet::{VideoCodec, descriptor_len};

pub use assembler::{AssemblerStats, FRAME_BYTES_MAX, Frame, FrameAssembler, GAP_WAIT_MAX, PACKETS_MAX, VideoPacket};
pub use codecs::{VideoCodecUnavailable, VideoCodecs, VideoEncoding};
pub use packetizer::{PAYLOAD_BYTES_MIN, VideoPacketizer};

/// A payload that is not what its codec defines. Whoever sent it is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload is malformed")]
pub struct Malformed;

/// Puts the payloads of one frame together, in order.
#[derive(Debug)]
pub struct Depacketizer {
    codec: VideoCodec,
    /// What goes on in the next packet; only AV1 has it.
    open: av1::OpenUnit,
    /// A NAL unit that comes in parts is under way.
    in_parts: bool,
}

impl Depacketizer {
    /// Puts frames of `codec` together.
    pub fn new(codec: VideoCodec) -> Self {
        Self { codec, open: av1::OpenUnit::default(), in_parts: false }
    }

    /// Begins a frame: whatever was under way is forgotten.
    pub fn begin(&mut self, frame: &mut Vec<u8>) {
        frame.clear();
        self.open.forget();
        self.in_parts = false;
        if self.codec == VideoCodec::Av1 {
            frame.extend_from_slice(&av1::TEMPORAL_DELIMITER);
        }
    }

    /// Appends what `payload` holds of the frame.
    ///
    /// # Errors
    /// When lengths in the payload contradict it, or it goes on with something that did not begin. The frame is then of
    /// no use.
    pub fn push(&mut self, payload: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
        match self.codec {
            VideoCodec::Vp8 | VideoCodec::Vp9 => {
                let at = descriptor_len(self.codec, payload).ok_or(Malformed)?;
                let part = payload.get(at..).filter(|part| !part.is_empty()).ok_or(Malformed)?;
                frame.extend_from_slice(part);
                Ok(())
            }
            VideoCodec::H264 => nal::push_h264(payload, &mut self.in_parts, frame),
            VideoCodec::H265 => nal::push_h265(payload, &mut self.in_parts, frame),
            VideoCodec::Av1 => av1::push(payload, &mut self.open, frame),
        }
    }

    /// Tells whether everything that began has ended, when no packet follows.
    pub fn is_whole(&self) -> bool {
        !self.in_parts && !self.open.is_open()
    }
}
