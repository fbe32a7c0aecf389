//! A camera or microphone: RTP bursts with stamps, key frames and repeats on request, sender reports.

use std::collections::VecDeque;

use millrace_packet::rtcp::{Compound, CompoundWriter, RtcpPacket, SenderInfo};

use crate::media::Media;
use crate::payload::Stamp;
use crate::socket::{Batch, DATAGRAM_BYTES, PeerSocket};
use crate::srtp::Srtp;

/// Payload type of Opus in our offer.
pub(crate) const OPUS: u8 = 111;
/// Payload type of VP8.
pub(crate) const VP8: u8 = 96;
/// Payload type of VP8's retransmissions.
pub(crate) const VP8_RTX: u8 = 97;
/// Number of the transport-wide sequence number among the header extensions of our offer.
pub(crate) const TRANSPORT_CC_ID: u8 = 9;
/// Added to a stream's SSRC for its retransmissions.
pub(crate) const RTX_SSRC_OFFSET: u32 = 1;

/// Packets kept for retransmission; the oldest is forgotten.
const HISTORY_PACKETS_MAX: usize = 1_024;
/// Bytes of a header without extensions.
const PLAIN_HEADER_BYTES: usize = 12;
/// Bytes of a header with a transport-wide sequence number.
const VIDEO_HEADER_BYTES: usize = PLAIN_HEADER_BYTES + 4 + 4;
/// Bytes of the VP8 payload descriptor that we write: X, I and a picture id of 15 bits (RFC 7741 §4.2).
const DESCRIPTOR_BYTES: usize = 4;
/// RFC 6386 §9.1: frame tag with the key-frame bit clear, start code, 1280 × 720.
const KEY_FRAME_START: [u8; 10] = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02];
/// Frame tag of a frame that depends on others.
const DELTA_FRAME_START: [u8; 3] = [0x11, 0x02, 0x00];
/// RFC 6716 §3.1: CELT, fullband, 20 ms, mono, one frame.
const OPUS_TOC: u8 = 31 << 3;
/// Ticks of a video frame at 30 fps.
const FRAME_TICKS: u32 = 3_000;
/// Ticks of a 20 ms audio packet.
const AUDIO_TICKS: u32 = 960;
/// Time between two sender reports.
const REPORT_INTERVAL_NS: u64 = 1_000_000_000;

/// One outgoing stream.
pub(crate) struct Publisher {
    ssrc: u32,
    is_audio: bool,
    bursts: Vec<Vec<u16>>,
    next_burst: usize,
    sequence: u16,
    timestamp: u32,
    picture_id: u16,
    number: u32,
    octets: u32,
    wants_key_frame: bool,
    next_report_ns: u64,
    history: VecDeque<(u16, Vec<u8>)>,
    rtx_sequence: u16,
    scratch: [u8; DATAGRAM_BYTES],
}

/// The way out of a publisher.
pub(crate) struct Way<'a> {
    pub(crate) socket: &'a PeerSocket,
    /// Without keys packets leave in the clear: for null servers.
    pub(crate) srtp: Option<&'a mut Srtp>,
    /// The next transport-wide number, which all streams of a transport share.
    pub(crate) transport_sequence: &'a mut u16,
    pub(crate) batch: &'a mut Batch,
}

impl Publisher {
    pub(crate) fn new(ssrc: u32, media: Media) -> Self {
        Self {
            ssrc,
            is_audio: media.is_audio(),
            bursts: media.bursts(),
            next_burst: 0,
            // Near the wraps, which any sender may meet.
            sequence: u16::MAX - 100,
            timestamp: u32::MAX - 10_000,
            picture_id: 0x7ff0,
            number: 0,
            octets: 0,
            wants_key_frame: true,
            next_report_ns: 0,
            history: VecDeque::new(),
            rtx_sequence: 0,
            scratch: [0; DATAGRAM_BYTES],
        }
    }

    /// Sends the next burst and tells how many packets it had. `survives` decides which of them get lost on the way.
    pub(crate) fn burst(&mut self, now_ns: u64, mut way: Way<'_>, mut survives: impl FnMut() -> bool) -> usize {
        let turn = self.next_burst;
        let sizes = std::mem::take(&mut self.bursts[turn]);
        way.batch.clear();
        for (position, &size) in sizes.iter().enumerate() {
            let place = Place { is_first: position == 0, is_last: position + 1 == sizes.len() };
            let len = self.write_packet(place, size, now_ns, way.transport_sequence);
            if survives() {
                self.seal(len, &mut way);
            } else if let Some(srtp) = &mut way.srtp {
                // The number is used up all the same.
                srtp.seal_rtp(&self.scratch[..len], self.header_len(), &mut [0; DATAGRAM_BYTES]);
            }
            if way.batch.is_full() {
                way.batch.send(way.socket);
            }
        }
        way.batch.send(way.socket);
        self.wants_key_frame = false;
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        self.timestamp = self.timestamp.wrapping_add(if self.is_audio { AUDIO_TICKS } else { FRAME_TICKS });
        let count = sizes.len();
        self.bursts[turn] = sizes;
        self.next_burst = (turn + 1) % self.bursts.len();
        count
    }

    fn header_len(&self) -> usize {
        if self.is_audio { PLAIN_HEADER_BYTES } else { VIDEO_HEADER_BYTES }
    }

    fn seal(&mut self, len: usize, way: &mut Way<'_>) {
        let header_len = self.header_len();
        let packet = &self.scratch[..len];
        way.batch.place(|slot| match &mut way.srtp {
            Some(srtp) => srtp.seal_rtp(packet, header_len, slot),
            None => {
                slot[..len].copy_from_slice(packet);
                len
            }
        });
    }

    /// Writes the next packet into the scratch and tells its length.
    fn write_packet(&mut self, place: Place, size: u16, now_ns: u64, transport_sequence: &mut u16) -> usize {
        let payload_type = if self.is_audio { OPUS } else { VP8 };
        let marker = if self.is_audio { self.number == 0 } else { place.is_last };
        self.write_header(payload_type, marker, *transport_sequence);
        let header_len = self.header_len();
        let len = usize::from(size).clamp(header_len, DATAGRAM_BYTES);
        let stamp = Stamp { number: self.number, sent_ns: now_ns };
        let start = header_len + self.write_payload_start(header_len, place);
        if let Some(rest) = self.scratch.get_mut(start..len) {
            stamp.write(rest);
        }
        if !self.is_audio {
            self.remember(len);
        }
        self.sequence = self.sequence.wrapping_add(1);
        *transport_sequence = transport_sequence.wrapping_add(1);
        self.number = self.number.wrapping_add(1);
        self.octets = self.octets.wrapping_add((len - header_len) as u32);
        len
    }

    fn write_header(&mut self, payload_type: u8, marker: bool, transport_sequence: u16) {
        let extended = if self.is_audio { 0 } else { 0x10 };
        self.scratch[0] = 0x80 | extended;
        self.scratch[1] = u8::from(marker) << 7 | payload_type;
        self.scratch[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        self.scratch[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        self.scratch[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        if !self.is_audio {
            // RFC 8285 §4.2: one-byte form, one word, one element of two bytes.
            let [high, low] = transport_sequence.to_be_bytes();
            self.scratch[12..20].copy_from_slice(&[0xbe, 0xde, 0, 1, TRANSPORT_CC_ID << 4 | 1, high, low, 0]);
        }
    }

    /// Writes what comes before the stamp and tells its length.
    fn write_payload_start(&mut self, at: usize, place: Place) -> usize {
        let rest = &mut self.scratch[at..];
        if self.is_audio {
            rest[0] = OPUS_TOC;
            return 1;
        }
        let [high, low] = (self.picture_id | 0x8000).to_be_bytes();
        rest[..DESCRIPTOR_BYTES].copy_from_slice(&[0x80 | u8::from(place.is_first) << 4, 0x80, high, low]);
        let start: &[u8] = match (place.is_first, self.wants_key_frame) {
            (false, _) => &[],
            (true, true) => &KEY_FRAME_START,
            (true, false) => &DELTA_FRAME_START,
        };
        rest[DESCRIPTOR_BYTES..DESCRIPTOR_BYTES + start.len()].copy_from_slice(start);
        DESCRIPTOR_BYTES + start.len()
    }

    fn remember(&mut self, len: usize) {
        // The oldest packet's memory serves the newest.
        let recycled = if self.history.len() == HISTORY_PACKETS_MAX { self.history.pop_front() } else { None };
        let mut bytes = recycled.map_or_else(Vec::new, |(_, bytes)| bytes);
        bytes.clear();
        bytes.extend_from_slice(&self.scratch[..len]);
        self.history.push_back((self.sequence, bytes));
    }

    /// Does what an RTCP compound packet of the server asks of this stream.
    pub(crate) fn handle_rtcp(&mut self, compound: &[u8], mut way: Way<'_>) {
        let Ok(compound) = Compound::parse(compound) else { return };
        way.batch.clear();
        for packet in compound.packets() {
            match packet {
                RtcpPacket::PictureLoss(loss) if loss.ssrcs.media == self.ssrc => self.wants_key_frame = true,
                RtcpPacket::FullIntraRequest(request) => {
                    self.wants_key_frame |= request.entries().any(|entry| entry.ssrc == self.ssrc);
                }
                RtcpPacket::Nack(nack) if nack.ssrcs.media == self.ssrc => {
                    nack.sequences().for_each(|sequence| self.repeat(sequence, &mut way));
                }
                _ => {}
            }
        }
        way.batch.send(way.socket);
    }

    /// Sends a packet again as RTX (RFC 4588 §4).
    fn repeat(&mut self, sequence: u16, way: &mut Way<'_>) {
        let Some((_, original)) = self.history.iter().find(|(number, _)| *number == sequence) else { return };
        let Some((header, payload)) = original.split_at_checked(VIDEO_HEADER_BYTES) else { return };
        let mut packet = [header, &sequence.to_be_bytes(), payload].concat();
        packet[1] = packet[1] & 0x80 | VP8_RTX;
        packet[2..4].copy_from_slice(&self.rtx_sequence.to_be_bytes());
        packet[8..12].copy_from_slice(&(self.ssrc + RTX_SSRC_OFFSET).to_be_bytes());
        // The number on the transport is that of this sending.
        packet[17..19].copy_from_slice(&way.transport_sequence.to_be_bytes());
        *way.transport_sequence = way.transport_sequence.wrapping_add(1);
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        if way.batch.is_full() {
            way.batch.send(way.socket);
        }
        if let Some(srtp) = &mut way.srtp {
            way.batch.place(|slot| srtp.seal_rtp(&packet, VIDEO_HEADER_BYTES, slot));
        }
    }

    /// Sends a sender report when it is time.
    pub(crate) fn report(&mut self, now_ns: u64, way: Way<'_>) {
        let Some(srtp) = way.srtp.filter(|_| now_ns >= self.next_report_ns && self.number > 0) else { return };
        self.next_report_ns = now_ns + REPORT_INTERVAL_NS;
        let info = SenderInfo {
            ntp: ntp(now_ns),
            rtp_timestamp: self.timestamp,
            packet_count: self.number,
            octet_count: self.octets,
        };
        way.batch.clear();
        way.batch.place(|slot| {
            let mut writer = CompoundWriter::new(slot);
            let written = writer.sender_report(self.ssrc, &info, &[]).and_then(|()| writer.cname(self.ssrc, "loadgen"));
            let len = writer.len();
            written.map_or(0, |()| srtp.seal_rtcp(slot, len))
        });
        way.batch.send(way.socket);
    }
}

/// Where a packet stands in its frame.
#[derive(Clone, Copy)]
struct Place {
    is_first: bool,
    is_last: bool,
}

/// A time of the run as 32.32 fixed point.
fn ntp(now_ns: u64) -> u64 {
    ((u128::from(now_ns) << 32) / 1_000_000_000) as u64
}

/// The stamp in a payload that [`Publisher`] wrote; `None` when anything is not as it was sent.
pub(crate) fn stamp_of(payload: &[u8], is_audio: bool) -> Option<Stamp> {
    if is_audio {
        return Stamp::read(payload.strip_prefix(&[OPUS_TOC])?);
    }
    let (descriptor, rest) = payload.split_at_checked(DESCRIPTOR_BYTES)?;
    let is_first = descriptor[0] & 0x10 != 0;
    let start = match rest.first() {
        _ if !is_first => 0,
        Some(tag) if tag & 1 == 0 => KEY_FRAME_START.len(),
        _ => DELTA_FRAME_START.len(),
    };
    Stamp::read(rest.get(start..)?)
}

#[cfg(test)]
mod tests {
    use millrace_packet::{ExtensionIds, ExtensionKind, RtpMeta, VideoCodec, is_key_frame};

    use super::*;

    #[test]
    fn a_burst_is_a_frame_with_stamps_and_begins_as_a_key_frame() {
        let packets = sent(Media::Frames, 1);
        assert_eq!(packets.len(), 6);
        let ids = ExtensionIds::new([(TRANSPORT_CC_ID, ExtensionKind::TransportWideCc)]);
        for (position, packet) in packets.iter().enumerate() {
            let meta = RtpMeta::parse(packet, &ids).unwrap();
            assert_eq!((packet.len(), meta.marker), (1_200, position == 5));
            let stamp = Stamp { number: position as u32, sent_ns: 9 };
            assert_eq!(stamp_of(meta.payload(packet), false), Some(stamp));
            assert_eq!(is_key_frame(VideoCodec::Vp8, meta.payload(packet)), position == 0);
        }
    }

    #[test]
    fn a_picture_loss_makes_the_next_frame_of_its_stream_a_key_frame() {
        let mut line = Line::new(Media::Single);
        line.burst();
        for ssrc in [8, 7] {
            let mut compound = [0; 64];
            let mut writer = CompoundWriter::new(&mut compound);
            writer.picture_loss(1, ssrc).unwrap();
            let len = writer.len();
            line.take(&compound[..len]);
            line.burst();
        }
        let key_frames = line.arrived().map(|packet| is_key_frame(VideoCodec::Vp8, &packet[VIDEO_HEADER_BYTES..]));
        assert_eq!(key_frames.collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn audio_packets_carry_stamps() {
        let packets = sent(Media::Audio, 2);
        assert_eq!(packets[1].len(), 100);
        assert_eq!(stamp_of(&packets[1][PLAIN_HEADER_BYTES..], true), Some(Stamp { number: 1, sent_ns: 9 }));
    }

    /// The packets of the first bursts.
    fn sent(media: Media, bursts: usize) -> Vec<Vec<u8>> {
        let mut line = Line::new(media);
        (0..bursts).for_each(|_| line.burst());
        line.arrived().collect()
    }

    /// A publisher with a socket at each end of its line.
    struct Line {
        publisher: Publisher,
        near: PeerSocket,
        far: PeerSocket,
        transport_sequence: u16,
        batch: Batch,
    }

    impl Line {
        fn new(media: Media) -> Self {
            let (near, far) = (PeerSocket::bind().unwrap(), PeerSocket::bind().unwrap());
            near.connect(far.local_addr().unwrap()).unwrap();
            Self { publisher: Publisher::new(7, media), near, far, transport_sequence: 0, batch: Batch::new() }
        }

        fn burst(&mut self) {
            let (batch, transport_sequence) = (&mut self.batch, &mut self.transport_sequence);
            self.publisher.burst(9, Way { socket: &self.near, srtp: None, transport_sequence, batch }, || true);
        }

        fn take(&mut self, compound: &[u8]) {
            let (batch, transport_sequence) = (&mut self.batch, &mut self.transport_sequence);
            self.publisher.handle_rtcp(compound, Way { socket: &self.near, srtp: None, transport_sequence, batch });
        }

        fn arrived(&mut self) -> impl Iterator<Item = Vec<u8>> {
            let count = self.batch.receive(&self.far, DATAGRAM_BYTES);
            (0..count).map(|index| self.batch.datagram(index).to_vec()).collect::<Vec<_>>().into_iter()
        }
    }
}
