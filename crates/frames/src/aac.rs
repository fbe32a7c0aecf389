//! AAC in RTP: access units behind headers (RFC 3640, mode AAC-hbr) and LATM (RFC 6416).

use crate::video::Malformed;

/// Access units of one packet, at most. More are malformed: no packet holds as many.
pub const UNITS_MAX: usize = 64;

/// Bits of a header in mode AAC-hbr: 13 of size, 3 of index (RFC 3640 §3.3.6).
const HEADER_BITS: usize = 16;

/// Largest size that 13 bits say.
const UNIT_BYTES_MAX: usize = 0x1fff;

/// Calls `unit` with each access unit of a packet in mode AAC-hbr. One that comes in parts is given part by part; it is
/// whole when `size` bytes of it came.
///
/// # Errors
/// When sizes contradict the packet; nothing was called then.
pub fn depacketize(payload: &[u8], unit: &mut dyn FnMut(&[u8], usize)) -> Result<(), Malformed> {
    let (&[high, low], rest) = payload.split_first_chunk().ok_or(Malformed)?;
    let bits = usize::from(u16::from_be_bytes([high, low]));
    if bits == 0 || !bits.is_multiple_of(HEADER_BITS) || bits / HEADER_BITS > UNITS_MAX {
        return Err(Malformed);
    }
    let (headers, units) = rest.split_at_checked(bits / 8).ok_or(Malformed)?;
    let sizes = headers.as_chunks().0.iter().map(|header| usize::from(u16::from_be_bytes(*header) >> 3));
    let total: usize = sizes.clone().sum();
    let is_part = headers.len() == 2 && units.len() < total;
    if units.is_empty() || sizes.clone().any(|size| size == 0) || (total != units.len() && !is_part) {
        return Err(Malformed);
    }
    let mut rest = units;
    for size in sizes {
        let (this, after) = rest.split_at(size.min(rest.len()));
        unit(this, size);
        rest = after;
    }
    Ok(())
}

/// Calls `emit` with each payload of the access unit `unit`, of `limit` bytes at most, and with `true` for the last, whose
/// packet has the marker (RFC 3640 §3.1).
///
/// # Errors
/// When the unit is empty or longer than a header can say (8,191 bytes).
pub fn packetize(
    unit: &[u8],
    limit: usize,
    packet: &mut Vec<u8>,
    emit: &mut dyn FnMut(&[u8], bool),
) -> Result<(), Malformed> {
    if unit.is_empty() || unit.len() > UNIT_BYTES_MAX {
        return Err(Malformed);
    }
    let room = limit.max(PACKET_BYTES_MIN) - 4;
    let count = unit.len().div_ceil(room);
    for (index, part) in unit.chunks(room).enumerate() {
        packet.clear();
        packet.extend_from_slice(&[0, HEADER_BITS as u8]);
        packet.extend_from_slice(&((unit.len() as u16) << 3).to_be_bytes());
        packet.extend_from_slice(part);
        emit(packet, index + 1 == count);
    }
    Ok(())
}

/// Smallest limit that units are cut to.
const PACKET_BYTES_MIN: usize = 64;

/// Calls `unit` with each frame of an audio mux element without its configuration, which is told out of band
/// (RFC 6416 §6.1, `cpresent=0`; ISO/IEC 14496-3 §1.7.3 with one frame length each).
///
/// # Errors
/// When lengths contradict the packet.
pub fn depacketize_latm(payload: &[u8], unit: &mut dyn FnMut(&[u8])) -> Result<(), Malformed> {
    let mut rest = payload;
    if rest.is_empty() {
        return Err(Malformed);
    }
    for _ in 0..UNITS_MAX {
        // The length is a sum of bytes of which the last is less than 255.
        let last = rest.iter().position(|byte| *byte != 255).ok_or(Malformed)?;
        let len = last * 255 + usize::from(rest[last]);
        let (this, after) = rest[last + 1..].split_at_checked(len).filter(|_| len > 0).ok_or(Malformed)?;
        unit(this);
        rest = after;
        if rest.is_empty() {
            return Ok(());
        }
    }
    Err(Malformed)
}

/// Writes `unit` as an audio mux element without configuration.
pub fn packetize_latm(unit: &[u8], packet: &mut Vec<u8>) {
    packet.clear();
    packet.extend(std::iter::repeat_n(255, unit.len() / 255));
    packet.push((unit.len() % 255) as u8);
    packet.extend_from_slice(unit);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(payload: &[u8]) -> Result<Vec<(Vec<u8>, usize)>, Malformed> {
        let mut units = Vec::new();
        depacketize(payload, &mut |unit, size| units.push((unit.to_vec(), size))).map(|()| units)
    }

    #[test]
    fn units_of_every_size_come_back_as_they_were() {
        for size in [1, 60, 61, 400, 5_000, UNIT_BYTES_MAX] {
            let (sent, mut packet, mut came) = (vec![7; size], Vec::new(), Vec::new());
            packetize(&sent, 1_200, &mut packet, &mut |payload, last| {
                assert!(payload.len() <= 1_200);
                for (part, whole) in units(payload).unwrap() {
                    assert_eq!(whole, size);
                    came.extend(part);
                }
                assert_eq!(last, came.len() == size);
            })
            .unwrap();
            assert_eq!(came, sent);
        }
    }

    #[test]
    fn several_units_of_one_packet_are_told_apart() {
        let packet = [0, 32, 0, 2 << 3, 0, 3 << 3, 1, 2, 3, 4, 5];
        assert_eq!(units(&packet), Ok(vec![(vec![1, 2], 2), (vec![3, 4, 5], 3)]));
    }

    #[test]
    fn r06_sizes_that_contradict_the_packet_are_malformed() {
        let packet = [0, 32, 0, 2 << 3, 0, 3 << 3, 1, 2, 3, 4, 5];
        (0..packet.len()).for_each(|len| assert_eq!(units(&packet[..len]), Err(Malformed), "{len} bytes"));
        assert_eq!(units(&[0, 16, 0, 1 << 3, 1, 2]), Err(Malformed), "a byte too many");
        assert_eq!(units(&[0, 16, 0, 0, 1]), Err(Malformed), "no size");
        assert_eq!(units(&[0, 17, 0, 1 << 3, 1, 1]), Err(Malformed), "half a header");
    }

    #[test]
    fn latm_elements_come_back_and_short_ones_do_not() {
        for size in [1, 254, 255, 256, 600] {
            let (sent, mut packet, mut came) = (vec![9; size], Vec::new(), Vec::new());
            packetize_latm(&sent, &mut packet);
            depacketize_latm(&packet, &mut |unit| came.push(unit.to_vec())).unwrap();
            assert_eq!(came, [sent]);
            assert_eq!(depacketize_latm(&packet[..packet.len() - 1], &mut |_| {}), Err(Malformed));
        }
        assert_eq!(depacketize_latm(&[], &mut |_| {}), Err(Malformed));
        assert_eq!(depacketize_latm(&[0], &mut |_| {}), Err(Malformed));
        assert_eq!(depacketize_latm(&[255; 1_400], &mut |_| {}), Err(Malformed));
    }
}
