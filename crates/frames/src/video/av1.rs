//! AV1 (AV1 RTP specification 1.0 §4): OBUs without sizes in packets, with sizes in frames.

use super::Malformed;
use super::bits::{length_len, push_length, split_length};

/// An OBU that separates temporal units: the first of each frame, left out on the wire (AV1 RTP §5).
pub(super) const TEMPORAL_DELIMITER: [u8; 2] = [0x12, 0x00];

/// Z: the first element goes on with one from the packet before.
const CONTINUES: u8 = 0x80;
/// Y: the last element goes on in the next packet.
const GOES_ON: u8 = 0x40;
/// N: the packet is the first of a coded video sequence.
const SEQUENCE_START: u8 = 0x08;
/// The bit of an OBU header that says that a size follows.
const HAS_SIZE: u8 = 0x02;
/// The bit of an OBU header that says that an extension follows.
const HAS_EXTENSION: u8 = 0x04;

const SEQUENCE_HEADER: u8 = 1;
const DELIMITER: u8 = 2;
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;

/// An OBU of which a part came.
#[derive(Debug, Default)]
pub(super) struct OpenUnit {
    bytes: Vec<u8>,
    open: bool,
}

impl OpenUnit {
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
        self.open = false;
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }
}

/// Appends the OBUs of `payload`.
pub(super) fn push(payload: &[u8], unit: &mut OpenUnit, frame: &mut Vec<u8>) -> Result<(), Malformed> {
    let (&aggregation, mut rest) = payload.split_first().ok_or(Malformed)?;
    if rest.is_empty() || unit.open != (aggregation & CONTINUES != 0) {
        return Err(Malformed);
    }
    let count = usize::from(aggregation >> 4 & 0x03);
    let mut index = 0;
    while !rest.is_empty() {
        index += 1;
        let without_length = count != 0 && index == count;
        let (element, after) = if without_length {
            (rest, &[][..])
        } else {
            let (len, behind) = split_length(rest).ok_or(Malformed)?;
            behind.split_at_checked(len).ok_or(Malformed)?
        };
        rest = after;
        unit.bytes.extend_from_slice(element);
        unit.open = rest.is_empty() && aggregation & GOES_ON != 0;
        if !unit.open {
            push_unit(&unit.bytes, frame)?;
            unit.bytes.clear();
        }
    }
    if count != 0 && index != count { Err(Malformed) } else { Ok(()) }
}

/// Appends an OBU with its size.
fn push_unit(unit: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
    // An element may be empty (AV1 RTP §4.3: lengths of 0 are allowed).
    let Some(&header) = unit.first() else { return Ok(()) };
    let header_len = if header & HAS_EXTENSION != 0 { 2 } else { 1 };
    let mut body = unit.get(header_len..).ok_or(Malformed)?;
    if header & HAS_SIZE != 0 {
        let (len, behind) = split_length(body).ok_or(Malformed)?;
        body = behind.get(..len).ok_or(Malformed)?;
    }
    if matches!(header >> 3 & 0x0f, DELIMITER | TILE_LIST | PADDING) {
        return Ok(());
    }
    frame.push(header | HAS_SIZE);
    frame.extend_from_slice(&unit[1..header_len]);
    push_length(body.len(), frame);
    frame.extend_from_slice(body);
    Ok(())
}

/// The OBUs of a frame: header with extension, and body. Ends at the first whose size contradicts the frame.
fn units(mut frame: &[u8]) -> impl Iterator<Item = Option<(&[u8], &[u8])>> {
    std::iter::from_fn(move || {
        let &header = frame.first()?;
        let header_len = if header & HAS_EXTENSION != 0 { 2 } else { 1 };
        let split = || {
            let (head, rest) = frame.split_at_checked(header_len)?;
            if header & HAS_SIZE == 0 {
                return Some((head, rest, &[][..]));
            }
            let (len, behind) = split_length(rest)?;
            let (body, after) = behind.split_at_checked(len)?;
            Some((head, body, after))
        };
        let found = split();
        frame = found.map_or(&[], |(.., after)| after);
        Some(found.map(|(head, body, _)| (head, body)))
    })
}

/// Writes the packets of `frame`, each of `limit` bytes at most, each element behind its length.
pub(super) fn packetize(
    frame: &[u8],
    limit: usize,
    packet: &mut Vec<u8>,
    emit: &mut dyn FnMut(&[u8], bool),
) -> Result<(), Malformed> {
    let kept = |unit: &Option<(&[u8], &[u8])>| {
        unit.is_none_or(|(head, _)| !matches!(head[0] >> 3 & 0x0f, DELIMITER | TILE_LIST | PADDING))
    };
    let is_start = |unit: Option<(&[u8], &[u8])>| unit.is_some_and(|(head, _)| head[0] >> 3 & 0x0f == SEQUENCE_HEADER);
    if units(frame).any(|unit| unit.is_none()) {
        return Err(Malformed);
    }
    packet.clear();
    packet.push(if units(frame).any(is_start) { SEQUENCE_START } else { 0 });
    for (head, body) in units(frame).filter(kept).flatten() {
        let head = [head[0] & !HAS_SIZE, head.get(1).copied().unwrap_or_default()].into_iter().take(head.len());
        push_element(head.chain(body.iter().copied()), limit, packet, emit);
    }
    if packet.len() > 1 {
        emit(packet, true);
    }
    Ok(())
}

/// Appends an element, in as many packets as it needs; those that are full are emitted.
fn push_element(
    mut bytes: impl Iterator<Item = u8> + Clone,
    limit: usize,
    packet: &mut Vec<u8>,
    emit: &mut dyn FnMut(&[u8], bool),
) {
    let mut left = bytes.clone().count();
    loop {
        let room = limit.saturating_sub(packet.len());
        // A length of two bytes goes up to 16 kB, more than any packet.
        let fits = room.saturating_sub(length_len(left.min(room)));
        if left <= fits {
            push_length(left, packet);
            packet.extend(bytes.by_ref().take(left));
            return;
        }
        if fits == 0 || (packet.len() > 1 && fits < 16) {
            emit(packet, false);
            packet.clear();
            packet.push(0);
            continue;
        }
        push_length(fits, packet);
        packet.extend(bytes.by_ref().take(fits));
        left -= fits;
        packet[0] |= GOES_ON;
        emit(packet, false);
        packet.clear();
        packet.push(CONTINUES);
    }
}
