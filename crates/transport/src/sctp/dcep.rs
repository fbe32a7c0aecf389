//! The Data Channel Establishment Protocol (RFC 8832): how a peer opens a channel in-band.

/// Type of a DATA_CHANNEL_OPEN message (RFC 8832 §8.2.1).
const OPEN: u8 = 3;

/// A whole DATA_CHANNEL_ACK message (RFC 8832 §5.2).
pub(super) const ACK: [u8; 1] = [2];

/// Bytes of DATA_CHANNEL_OPEN before the label.
const OPEN_HEADER_BYTES: usize = 12;

/// Bit of the channel type that says "unordered".
const UNORDERED: u8 = 0x80;

/// How hard a stream tries to deliver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reliability {
    /// Messages may overtake each other.
    pub unordered: bool,
    /// When a message is given up.
    pub limit: ReliabilityLimit,
}

/// When a message is given up (RFC 3758).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReliabilityLimit {
    /// Never.
    #[default]
    None,
    /// After this many retransmissions.
    Retransmits(u16),
    /// After this many milliseconds.
    LifetimeMs(u16),
}

/// What a peer says of a channel that it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelOpen {
    /// Its stream, both ways.
    pub stream: u16,
    /// Its name.
    pub label: String,
    /// The subprotocol, often empty.
    pub protocol: String,
    /// How hard the peer tries to deliver, and wants us to.
    pub reliability: Reliability,
}

/// Reads DATA_CHANNEL_OPEN (RFC 8832 §5.1); `None` if its lengths do not add up, a text is not UTF-8, or its type is
/// unknown.
pub(super) fn open(stream: u16, message: &[u8]) -> Option<ChannelOpen> {
    let (header, texts) = message.split_at_checked(OPEN_HEADER_BYTES)?;
    let &[OPEN, channel_type, _, _, a, b, c, d, label_high, label_low, protocol_high, protocol_low] = header else {
        return None;
    };
    let label_len = usize::from(u16::from_be_bytes([label_high, label_low]));
    let protocol_len = usize::from(u16::from_be_bytes([protocol_high, protocol_low]));
    let (label, protocol) = texts.split_at_checked(label_len)?;
    if protocol.len() != protocol_len {
        return None;
    }
    let parameter = u32::from_be_bytes([a, b, c, d]).min(u16::MAX.into()) as u16;
    let limit = match channel_type & !UNORDERED {
        0 => ReliabilityLimit::None,
        1 => ReliabilityLimit::Retransmits(parameter),
        2 => ReliabilityLimit::LifetimeMs(parameter),
        _ => return None,
    };
    Some(ChannelOpen {
        stream,
        label: std::str::from_utf8(label).ok()?.to_owned(),
        protocol: std::str::from_utf8(protocol).ok()?.to_owned(),
        reliability: Reliability { unordered: channel_type & UNORDERED != 0, limit },
    })
}

/// Tells whether a message is a DATA_CHANNEL_OPEN, well made or not.
pub(super) fn is_open(message: &[u8]) -> bool {
    message.first() == Some(&OPEN)
}

#[cfg(test)]
pub(super) fn written(label: &str, protocol: &str, channel_type: u8, parameter: u32) -> Vec<u8> {
    let mut message = vec![OPEN, channel_type, 0, 0];
    message.extend(parameter.to_be_bytes());
    message.extend((label.len() as u16).to_be_bytes());
    message.extend((protocol.len() as u16).to_be_bytes());
    message.extend(label.bytes().chain(protocol.bytes()));
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_message_tells_label_protocol_and_reliability() {
        let told = open(7, &written("chat", "json", 0x81, 3)).unwrap();
        let reliability = Reliability { unordered: true, limit: ReliabilityLimit::Retransmits(3) };
        assert_eq!(told, ChannelOpen { stream: 7, label: "chat".to_owned(), protocol: "json".to_owned(), reliability });
        let told = open(7, &written("", "", 2, 500)).unwrap();
        assert_eq!(told.reliability, Reliability { unordered: false, limit: ReliabilityLimit::LifetimeMs(500) });
    }

    #[test]
    fn x04_a_label_longer_than_its_message_opens_nothing() {
        let whole = written("label", "protocol", 0, 0);
        for len in 0..whole.len() {
            assert_eq!(open(0, &whole[..len]), None, "{len}");
        }
        assert_eq!(open(0, &[whole.as_slice(), &[0]].concat()), None);
        let mut long = written("label", "", 0, 0);
        long[8..10].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(open(0, &long), None);
    }

    #[test]
    fn x04_an_open_message_of_unknown_type_or_without_utf8_opens_nothing() {
        assert_eq!(open(0, &written("a", "", 3, 0)), None);
        let mut garbled = written("a", "", 0, 0);
        garbled[12] = 0xff;
        assert_eq!(open(0, &garbled), None);
    }
}
