//! H.264 (RFC 6184) and H.265 (RFC 7798): NAL units in packets, behind start codes in frames.

use super::Malformed;

/// What stands before each NAL unit of a frame (ITU-T H.264 annex B).
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// H.264: several units, each behind its length (RFC 6184 §5.7.1).
const STAP_A: u8 = 24;
/// H.264: a part of a unit (RFC 6184 §5.8).
const FU_A: u8 = 28;
/// H.265: several units, each behind its length (RFC 7798 §4.4.2).
const AGGREGATION: u8 = 48;
/// H.265: a part of a unit (RFC 7798 §4.4.3).
const FRAGMENT: u8 = 49;
/// H.265: a unit behind extra header fields (RFC 7798 §4.4.4).
const PACI: u8 = 50;

/// The part is the first one, or the last.
const STARTS: u8 = 0x80;
const ENDS: u8 = 0x40;

/// Tells whether the first byte is that of a unit that may stand alone: no aggregate or part, none within another.
fn is_h264_unit(first: u8) -> bool {
    matches!(first & 0x1f, 1..STAP_A)
}

/// As [`is_h264_unit`].
fn is_h265_unit(first: u8) -> bool {
    first >> 1 & 0x3f < AGGREGATION
}

pub(super) fn push_h264(payload: &[u8], in_parts: &mut bool, frame: &mut Vec<u8>) -> Result<(), Malformed> {
    let (&first, body) = payload.split_first().ok_or(Malformed)?;
    match first & 0x1f {
        FU_A => {
            let (&part, body) = body.split_first().ok_or(Malformed)?;
            let header = first & 0xe0 | part & 0x1f;
            if !is_h264_unit(header) {
                return Err(Malformed);
            }
            push_part(&[header], part, body, in_parts, frame)
        }
        _ if *in_parts => Err(Malformed),
        STAP_A => push_several(H264, body, frame),
        1..STAP_A if !body.is_empty() => push_unit(payload, frame),
        // Interleaved modes (STAP-B, MTAP, FU-B) are never negotiated (RFC 6184 §6.4).
        _ => Err(Malformed),
    }
}

pub(super) fn push_h265(payload: &[u8], in_parts: &mut bool, frame: &mut Vec<u8>) -> Result<(), Malformed> {
    let (&[first, second], body) = payload.split_first_chunk().ok_or(Malformed)?;
    match first >> 1 & 0x3f {
        FRAGMENT => {
            let (&part, body) = body.split_first().ok_or(Malformed)?;
            let header = first & 0x81 | (part & 0x3f) << 1;
            if !is_h265_unit(header) {
                return Err(Malformed);
            }
            push_part(&[header, second], part, body, in_parts, frame)
        }
        _ if *in_parts => Err(Malformed),
        AGGREGATION => push_several(H265, body, frame),
        PACI => {
            let (&[high, low], body) = body.split_first_chunk().ok_or(Malformed)?;
            let fields = u16::from_be_bytes([high, low]);
            let content = body.get(usize::from(fields >> 4 & 0x1f)..).ok_or(Malformed)?;
            let kind = (fields >> 9 & 0x3f) as u8;
            if content.is_empty() || kind >= AGGREGATION {
                return Err(Malformed);
            }
            push_unit(&[first & 0x81 | kind << 1, second], frame)?;
            frame.extend_from_slice(content);
            Ok(())
        }
        0..AGGREGATION if !body.is_empty() => push_unit(payload, frame),
        _ => Err(Malformed),
    }
}

fn push_unit(unit: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
    frame.extend_from_slice(&START_CODE);
    frame.extend_from_slice(unit);
    Ok(())
}

fn push_several(form: Form, mut units: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
    if units.is_empty() {
        return Err(Malformed);
    }
    while !units.is_empty() {
        let (&[high, low], rest) = units.split_first_chunk().ok_or(Malformed)?;
        let (unit, after) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low]))).ok_or(Malformed)?;
        if !form.takes(unit) {
            return Err(Malformed);
        }
        push_unit(unit, frame)?;
        units = after;
    }
    Ok(())
}

/// Appends a part of a unit with the header `header`.
fn push_part(header: &[u8], part: u8, body: &[u8], in_parts: &mut bool, frame: &mut Vec<u8>) -> Result<(), Malformed> {
    let starts = part & STARTS != 0;
    if body.is_empty() || starts == *in_parts {
        return Err(Malformed);
    }
    if starts {
        push_unit(header, frame)?;
    }
    frame.extend_from_slice(body);
    *in_parts = part & ENDS == 0;
    Ok(())
}

/// The NAL units of a frame with start codes of three or four bytes, without the zeros behind them.
pub(super) fn units(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = find_start(frame).map(|(_, behind)| behind);
    std::iter::from_fn(move || {
        let here = rest?;
        let (unit, after) = match find_start(here) {
            Some((before, behind)) => (before, Some(behind)),
            None => (here, None),
        };
        rest = after;
        let len = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Some(&unit[..len])
    })
    .filter(|unit| !unit.is_empty())
}

/// Splits at the first start code.
fn find_start(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.windows(3).position(|window| window == [0, 0, 1])?;
    Some((&bytes[..at], &bytes[at + 3..]))
}

/// The kind of packets of one of the two codecs.
#[derive(Clone, Copy)]
pub(super) struct Form {
    header_len: usize,
    /// Tells by its first byte whether a unit may stand alone.
    is_unit: fn(u8) -> bool,
    /// Header of a packet of several units, in front of their lengths.
    aggregate: fn(&[u8]) -> [u8; 2],
    /// Headers of a part: of the packet, and of the part with its flags.
    part: fn(&[u8], u8) -> [u8; 3],
}

impl Form {
    /// Tells whether `unit` has a header and something behind it, and is no packet's own form.
    fn takes(&self, unit: &[u8]) -> bool {
        unit.len() > self.header_len && (self.is_unit)(unit[0])
    }
}

pub(super) const H264: Form = Form {
    header_len: 1,
    is_unit: is_h264_unit,
    aggregate: |unit| [unit[0] & 0x60 | STAP_A, 0],
    part: |unit, flags| [unit[0] & 0xe0 | FU_A, flags | unit[0] & 0x1f, 0],
};

pub(super) const H265: Form = Form {
    header_len: 2,
    is_unit: is_h265_unit,
    aggregate: |unit| [unit[0] & 0x81 | AGGREGATION << 1, unit[1]],
    part: |unit, flags| [unit[0] & 0x81 | FRAGMENT << 1, unit[1], flags | unit[0] >> 1 & 0x3f],
};

/// Writes the packets of `frame`, each of `limit` bytes at most: small units together, large ones in parts.
pub(super) fn packetize(
    form: Form,
    frame: &[u8],
    limit: usize,
    packet: &mut Vec<u8>,
    emit: &mut dyn FnMut(&[u8], bool),
) -> Result<(), Malformed> {
    let mut waiting = units(frame).peekable();
    while let Some(unit) = waiting.next() {
        if !form.takes(unit) {
            return Err(Malformed);
        }
        if unit.len() > limit {
            push_parts(form, unit, limit, waiting.peek().is_none(), packet, emit);
            continue;
        }
        packet.clear();
        packet.extend_from_slice(&(form.aggregate)(unit)[..form.header_len]);
        push_sized(unit, packet);
        let mut count = 1;
        while let Some(next) = waiting.next_if(|next| packet.len() + 2 + next.len() <= limit && form.takes(next)) {
            push_sized(next, packet);
            count += 1;
        }
        let last = waiting.peek().is_none();
        if count == 1 { emit(unit, last) } else { emit(packet, last) }
    }
    Ok(())
}

fn push_sized(unit: &[u8], packet: &mut Vec<u8>) {
    // A unit that is put with others is shorter than a packet.
    packet.extend_from_slice(&(unit.len() as u16).to_be_bytes());
    packet.extend_from_slice(unit);
}

fn push_parts(
    form: Form,
    unit: &[u8],
    limit: usize,
    is_last: bool,
    packet: &mut Vec<u8>,
    emit: &mut dyn FnMut(&[u8], bool),
) {
    let body = &unit[form.header_len..];
    let room = limit - form.header_len - 1;
    let count = body.len().div_ceil(room);
    // Equal parts: a short last packet costs as much as a full one.
    for (index, piece) in body.chunks(body.len().div_ceil(count)).enumerate() {
        let ends = (index + 1) * body.len().div_ceil(count) >= body.len();
        let flags = if index == 0 { STARTS } else { 0 } | if ends { ENDS } else { 0 };
        packet.clear();
        packet.extend_from_slice(&(form.part)(unit, flags)[..form.header_len + 1]);
        packet.extend_from_slice(piece);
        emit(packet, is_last && ends);
    }
}
