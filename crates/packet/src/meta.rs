//! What was learned from an RTP packet when it was parsed once, on its way in.

use crate::extension::ExtensionKind;
use crate::payload::PictureInfo;

/// Where the value of one header extension lies in its packet; `len` 0 with `offset` 0 means "not there".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionSpan {
    /// Offset from the first byte of the packet.
    pub offset: u16,
    /// Length of the value in bytes, 0 to 255.
    pub len: u8,
}

impl ExtensionSpan {
    /// Tells whether the packet carries this extension. An extension value of zero bytes still has an offset.
    pub const fn is_present(self) -> bool {
        self.offset != 0
    }
}

/// The parsed header of an RTP packet (RFC 3550 §5.1) with its header extensions sorted by kind.
///
/// Offsets count from the first byte of the packet. The padding is left out of `payload_len`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RtpMeta {
    /// Synchronisation source.
    pub ssrc: u32,
    /// RTP timestamp, in ticks of the codec's clock.
    pub timestamp: u32,
    /// Sequence number.
    pub sequence: u16,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Number of contributing sources, 0 to 15.
    pub csrc_count: u8,
    /// Offset of the payload.
    pub payload_offset: u16,
    /// Length of the payload without padding.
    pub payload_len: u16,
    /// Number of padding bytes after the payload, 0 to 255.
    pub padding_len: u8,
    /// Tells whether the payload starts a picture that decodes without earlier ones.
    pub key_frame: bool,
    /// The picture's layer and numbers, where the payload says them.
    pub picture: PictureInfo,
    /// Header extensions, indexed by [`ExtensionKind`].
    pub extensions: [ExtensionSpan; ExtensionKind::COUNT],
}

impl RtpMeta {
    /// Where the value of `kind` lies, if the packet carries it.
    pub fn extension(&self, kind: ExtensionKind) -> Option<ExtensionSpan> {
        Some(self.extensions[kind as usize]).filter(|span| span.is_present())
    }

    /// The value of `kind` in `packet`, the bytes that this was parsed from.
    pub fn value<'a>(&self, packet: &'a [u8], kind: ExtensionKind) -> Option<&'a [u8]> {
        let span = self.extension(kind)?;
        packet.get(usize::from(span.offset)..)?.get(..usize::from(span.len))
    }

    /// The payload of `packet`, the bytes that this was parsed from, without padding.
    pub fn payload<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        let tail = packet.get(usize::from(self.payload_offset)..).unwrap_or_default();
        tail.get(..usize::from(self.payload_len)).unwrap_or_default()
    }

    /// The media identification (RFC 9143 §15.1): 1 to 16 printable ASCII characters.
    pub fn mid<'a>(&self, packet: &'a [u8]) -> Option<&'a str> {
        identifier(self.value(packet, ExtensionKind::Mid)?)
    }

    /// The RTP stream id (RFC 8852 §3.1): 1 to 16 printable ASCII characters.
    pub fn rid<'a>(&self, packet: &'a [u8]) -> Option<&'a str> {
        identifier(self.value(packet, ExtensionKind::RtpStreamId)?)
    }

    /// The id of the RTP stream that this one repairs (RFC 8852 §3.2): 1 to 16 printable ASCII characters.
    pub fn repaired_rid<'a>(&self, packet: &'a [u8]) -> Option<&'a str> {
        identifier(self.value(packet, ExtensionKind::RepairedRtpStreamId)?)
    }

    /// The transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2).
    pub fn transport_sequence(&self, packet: &[u8]) -> Option<u16> {
        let value = self.value(packet, ExtensionKind::TransportWideCc)?;
        Some(u16::from_be_bytes(value.try_into().ok()?))
    }

    /// When the sender sent the packet: 24 bits, seconds in 6.18 fixed point.
    pub fn abs_send_time(&self, packet: &[u8]) -> Option<u32> {
        let [high, middle, low] = self.value(packet, ExtensionKind::AbsSendTime)?.try_into().ok()?;
        Some(u32::from_be_bytes([0, high, middle, low]))
    }

    /// How loud the packet's audio is (RFC 6464 §3).
    pub fn audio_level(&self, packet: &[u8]) -> Option<AudioLevel> {
        let byte = *self.value(packet, ExtensionKind::AudioLevel)?.first()?;
        Some(AudioLevel { attenuation_dbov: byte & 0x7f, voice: byte & 0x80 != 0 })
    }

    /// How the picture is to be turned (3GPP TS 26.114 §7.4.5).
    pub fn video_orientation(&self, packet: &[u8]) -> Option<VideoOrientation> {
        let byte = *self.value(packet, ExtensionKind::VideoOrientation)?.first()?;
        Some(VideoOrientation {
            back_camera: byte & 0x08 != 0,
            flip: byte & 0x04 != 0,
            rotation_degrees: u16::from(byte & 0x03) * 90,
        })
    }
}

/// Loudness of a packet (RFC 6464 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// How far below full scale, in dB: 0 is the loudest, 127 is digital silence.
    pub attenuation_dbov: u8,
    /// The sender's encoder believes that this is speech.
    pub voice: bool,
}

/// Orientation of a picture (3GPP TS 26.114 §7.4.5, "CVO").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoOrientation {
    /// Tells whether the camera faces away from the user.
    pub back_camera: bool,
    /// Tells whether the picture is mirrored horizontally.
    pub flip: bool,
    /// Clockwise turn of the picture as captured: 0, 90, 180 or 270.
    pub rotation_degrees: u16,
}

/// Longest MID, RID or repaired RID, in bytes: what a one-byte element holds. Longer ones count as absent.
pub const IDENTIFIER_BYTES_MAX: usize = 16;

fn identifier(value: &[u8]) -> Option<&str> {
    let fits = (1..=IDENTIFIER_BYTES_MAX).contains(&value.len());
    if !fits || !value.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    str::from_utf8(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_value(kind: ExtensionKind, value: &[u8]) -> (RtpMeta, Vec<u8>) {
        let mut meta = RtpMeta::default();
        meta.extensions[kind as usize] = ExtensionSpan { offset: 1, len: value.len() as u8 };
        (meta, [&[0], value].concat())
    }

    #[test]
    fn a_mid_is_one_to_sixteen_printable_characters() {
        for (value, expected) in [
            (&b"0"[..], Some("0")),
            (b"0123456789abcdef", Some("0123456789abcdef")),
            (b"", None),
            (b"0123456789abcdefg", None),
            (b"a b", None),
            (b"\xff", None),
        ] {
            let (meta, packet) = with_value(ExtensionKind::Mid, value);
            assert_eq!(meta.mid(&packet), expected, "{value:?}");
        }
    }

    #[test]
    fn rid_and_repaired_rid_are_told_apart() {
        let (meta, packet) = with_value(ExtensionKind::RepairedRtpStreamId, b"hi");
        assert_eq!((meta.rid(&packet), meta.repaired_rid(&packet)), (None, Some("hi")));
    }

    #[test]
    fn numbers_of_the_wrong_length_count_as_absent() {
        let (meta, packet) = with_value(ExtensionKind::TransportWideCc, &[1, 2]);
        assert_eq!(meta.transport_sequence(&packet), Some(0x0102));
        let (meta, packet) = with_value(ExtensionKind::TransportWideCc, &[1, 2, 3]);
        assert_eq!(meta.transport_sequence(&packet), None);
        let (meta, packet) = with_value(ExtensionKind::AbsSendTime, &[1, 2, 3]);
        assert_eq!(meta.abs_send_time(&packet), Some(0x0001_0203));
        let (meta, packet) = with_value(ExtensionKind::AbsSendTime, &[]);
        assert_eq!(meta.abs_send_time(&packet), None);
    }

    #[test]
    fn audio_level_and_orientation_are_read_from_their_bits() {
        let (meta, packet) = with_value(ExtensionKind::AudioLevel, &[0x80 | 30]);
        assert_eq!(meta.audio_level(&packet), Some(AudioLevel { attenuation_dbov: 30, voice: true }));
        let (meta, packet) = with_value(ExtensionKind::VideoOrientation, &[0b0000_1011]);
        let expected = VideoOrientation { back_camera: true, flip: false, rotation_degrees: 270 };
        assert_eq!(meta.video_orientation(&packet), Some(expected));
    }

    #[test]
    fn spans_beyond_the_packet_give_nothing() {
        let meta = RtpMeta { payload_offset: 9, payload_len: 9, ..RtpMeta::default() };
        assert_eq!(meta.payload(&[0; 10]), b"");
        let (meta, _) = with_value(ExtensionKind::Mid, b"abc");
        assert_eq!(meta.mid(b"x"), None);
    }
}
