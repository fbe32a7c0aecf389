//! Telling the protocols on one port apart by their first bytes (RFC 7983, RFC 5761 §4).

/// What a datagram holds, as far as its first two bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramKind {
    /// First byte 0 to 3.
    Stun,
    /// First byte 20 to 63.
    Dtls,
    /// First byte 128 to 191, and no RTCP packet type in the second.
    Rtp,
    /// First byte 128 to 191, second byte 192 to 223.
    Rtcp,
    /// Empty, ZRTP, TURN channel data, QUIC or nothing at all: not for us.
    Unknown,
}

impl DatagramKind {
    /// Sorts a datagram or TCP frame.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0..=3, ..] => Self::Stun,
            [20..=63, ..] => Self::Dtls,
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, _, ..] => Self::Rtp,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_tells_the_protocol() {
        let expected = |first: u8| match first {
            0..=3 => DatagramKind::Stun,
            20..=63 => DatagramKind::Dtls,
            128..=191 => DatagramKind::Rtp,
            _ => DatagramKind::Unknown,
        };
        for first in 0..=255 {
            assert_eq!(DatagramKind::of(&[first, 96]), expected(first), "first byte {first}");
        }
        assert_eq!(DatagramKind::of(&[]), DatagramKind::Unknown);
    }

    #[test]
    fn rtcp_packet_types_are_told_from_rtp_payload_types() {
        for second in 0..=255 {
            let expected = if (192..=223).contains(&second) { DatagramKind::Rtcp } else { DatagramKind::Rtp };
            assert_eq!(DatagramKind::of(&[0x80, second]), expected, "second byte {second}");
        }
        assert_eq!(DatagramKind::of(&[0x80]), DatagramKind::Unknown, "one byte is no RTP packet");
    }
}
