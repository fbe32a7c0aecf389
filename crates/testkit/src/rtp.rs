//! RTP streams as a browser sends them: valid headers, payload descriptors, sequence numbers and timestamps.

/// Ticks between two frames at 30 fps (RFC 7741: 90 kHz).
const VP8_FRAME_TICKS: u32 = 3_000;
/// Ticks of a 20 ms packet (RFC 7587: 48 kHz).
const OPUS_PACKET_TICKS: u32 = 960;

/// The numbers that go into every packet of one stream.
#[derive(Clone, Debug)]
pub struct RtpStream {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number of the next packet.
    pub sequence: u16,
    /// Timestamp of the next packet.
    pub timestamp: u32,
    /// Header extensions of the next packets: ids 1 to 14 with values of 1 to 16 bytes (RFC 8285 §4.2).
    pub extensions: Vec<(u8, Vec<u8>)>,
}

impl RtpStream {
    /// A stream whose numbers start near their wrap, as any sender's may.
    pub fn new(ssrc: u32, payload_type: u8) -> Self {
        Self { ssrc, payload_type, sequence: u16::MAX - 5, timestamp: u32::MAX - 10_000, extensions: Vec::new() }
    }

    /// Makes the next packet and counts its sequence number.
    pub fn packet(&mut self, marker: bool, payload: &[u8]) -> Vec<u8> {
        let has_extensions = u8::from(!self.extensions.is_empty());
        let mut packet = vec![0x80 | has_extensions << 4, u8::from(marker) << 7 | self.payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        if has_extensions == 1 {
            packet.extend(one_byte_extensions(&self.extensions));
        }
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }
}

fn one_byte_extensions(extensions: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut elements = Vec::new();
    for (id, value) in extensions {
        elements.push(id << 4 | (value.len() as u8).wrapping_sub(1) & 0x0f);
        elements.extend(value);
    }
    elements.resize(elements.len().next_multiple_of(4), 0);
    let mut block = vec![0xbe, 0xde];
    block.extend((elements.len() as u16 / 4).to_be_bytes());
    block.extend(elements);
    block
}

/// A VP8 camera: frames of one or more packets with picture id and TL0PICIDX (RFC 7741 §4).
#[derive(Clone, Debug)]
pub struct Vp8Source {
    /// Header numbers, to be looked at and changed.
    pub stream: RtpStream,
    picture_id: u16,
    tl0_picture_index: u8,
}

impl Vp8Source {
    /// A camera of 30 frames a second.
    pub fn new(ssrc: u32, payload_type: u8) -> Self {
        Self { stream: RtpStream::new(ssrc, payload_type), picture_id: 0x7ffd, tl0_picture_index: 254 }
    }

    /// A key frame of 640 × 360 in `packets` packets.
    pub fn key_frame(&mut self, packets: usize) -> Vec<Vec<u8>> {
        // RFC 6386 §9.1: frame tag with the key-frame bit clear, start code, width, height.
        self.frame(packets, &[0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01])
    }

    /// A frame that depends on the one before, in `packets` packets.
    pub fn delta_frame(&mut self, packets: usize) -> Vec<Vec<u8>> {
        self.frame(packets, &[0x11, 0x02, 0x00])
    }

    fn frame(&mut self, packets: usize, start: &[u8]) -> Vec<Vec<u8>> {
        let last = packets.saturating_sub(1);
        let frame = (0..packets).map(|index| self.packet(index == 0, index == last, start)).collect();
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        self.tl0_picture_index = self.tl0_picture_index.wrapping_add(1);
        self.stream.timestamp = self.stream.timestamp.wrapping_add(VP8_FRAME_TICKS);
        frame
    }

    fn packet(&mut self, is_first: bool, is_last: bool, start: &[u8]) -> Vec<u8> {
        const EXTENDED: u8 = 0x80;
        const PARTITION_START: u8 = 0x10;
        const PICTURE_ID_AND_TL0: u8 = 0xc0;
        let [high, low] = (self.picture_id | 0x8000).to_be_bytes();
        let first = EXTENDED | if is_first { PARTITION_START } else { 0 };
        let mut payload = vec![first, PICTURE_ID_AND_TL0, high, low, self.tl0_picture_index];
        payload.extend(if is_first { start } else { &[] });
        payload.resize(1_000, self.picture_id as u8);
        self.stream.packet(is_last, &payload)
    }
}

/// An Opus microphone: 20 ms packets (RFC 7587).
#[derive(Clone, Debug)]
pub struct OpusSource {
    /// Header numbers, to be looked at and changed.
    pub stream: RtpStream,
    packets: u32,
}

impl OpusSource {
    /// A microphone of 50 packets a second.
    pub fn new(ssrc: u32, payload_type: u8) -> Self {
        Self { stream: RtpStream::new(ssrc, payload_type), packets: 0 }
    }

    /// The next packet, of 80 payload bytes. The first bears the marker of a talk spurt (RFC 3551 §4.1).
    pub fn packet(&mut self) -> Vec<u8> {
        // RFC 6716 §3.1: CELT, fullband, 20 ms, mono, one frame.
        const TOC: u8 = 31 << 3;
        let mut payload = vec![self.packets as u8; 80];
        payload[0] = TOC;
        let packet = self.stream.packet(self.packets == 0, &payload);
        self.packets += 1;
        self.stream.timestamp = self.stream.timestamp.wrapping_add(OPUS_PACKET_TICKS);
        packet
    }
}

#[cfg(test)]
mod tests {
    use millrace_packet::{ExtensionIds, RtpMeta, VideoCodec, is_key_frame};

    use super::*;

    #[test]
    fn a_key_frame_is_one_and_spans_its_packets() {
        let mut camera = Vp8Source::new(7, 96);
        let frame = camera.key_frame(3);
        let metas: Vec<RtpMeta> = frame.iter().map(|packet| parse(packet)).collect();
        let key_frames: Vec<bool> = frame.iter().map(|packet| is_vp8_key_frame(packet)).collect();
        assert_eq!(key_frames, [true, false, false]);
        assert_eq!(metas.iter().map(|meta| meta.marker).collect::<Vec<_>>(), [false, false, true]);
        assert!(metas.iter().all(|meta| meta.timestamp == metas[0].timestamp && meta.payload_type == 96));
        assert_eq!(metas[2].sequence, metas[0].sequence.wrapping_add(2));
    }

    #[test]
    fn a_delta_frame_is_no_key_frame_and_comes_later() {
        let mut camera = Vp8Source::new(7, 96);
        let key = parse(&camera.key_frame(1)[0]);
        let delta = camera.delta_frame(1).remove(0);
        assert!(!is_vp8_key_frame(&delta));
        assert_eq!(parse(&delta).timestamp.wrapping_sub(key.timestamp), VP8_FRAME_TICKS);
    }

    #[test]
    fn opus_packets_count_and_carry_extensions() {
        let mut microphone = OpusSource::new(8, 111);
        microphone.stream.extensions = vec![(1, b"0".to_vec()), (3, vec![1, 2, 3])];
        let (first, second) = (parse(&microphone.packet()), parse(&microphone.packet()));
        assert_eq!((first.marker, second.marker, first.payload_len), (true, false, 80));
        assert_eq!(first.payload_offset, 12 + 4 + 8);
        assert_eq!(second.timestamp.wrapping_sub(first.timestamp), OPUS_PACKET_TICKS);
    }

    fn is_vp8_key_frame(packet: &[u8]) -> bool {
        is_key_frame(VideoCodec::Vp8, &packet[12..])
    }

    fn parse(packet: &[u8]) -> RtpMeta {
        RtpMeta::parse(packet, &ExtensionIds::default()).unwrap()
    }
}
