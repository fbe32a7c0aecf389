//! Just enough Ogg (RFC 3533) and Ogg Opus (RFC 7845) to hand packets to FFmpeg and take them from it.

/// An Ogg Opus file of 20 ms packets, a page for each.
pub(crate) fn opus_file(packets: &[Vec<u8>], channels: u8) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.extend([channels, 0, 0, 0x80, 0xBB, 0, 0, 0, 0, 0]);
    let tags = b"OpusTags\x01\0\0\0x\0\0\0\0".to_vec();
    let mut file = Vec::new();
    let last = packets.len() + 1;
    for (sequence, packet) in [head, tags].iter().chain(packets).enumerate() {
        let granule = 960 * (sequence.saturating_sub(1)) as u64;
        let flags = if sequence == 0 {
            2
        } else if sequence == last {
            4
        } else {
            0
        };
        page(&mut file, packet, granule, sequence as u32, flags);
    }
    file
}

/// The audio packets of an Ogg Opus file.
pub(crate) fn opus_packets(file: &[u8]) -> Vec<Vec<u8>> {
    let (mut packets, mut packet, mut rest) = (Vec::new(), Vec::new(), file);
    while rest.starts_with(b"OggS") {
        let segments = usize::from(rest[26]);
        let mut at = 27 + segments;
        for lacing in &rest[27..27 + segments] {
            packet.extend_from_slice(&rest[at..at + usize::from(*lacing)]);
            at += usize::from(*lacing);
            if *lacing < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
        rest = &rest[at..];
    }
    packets.drain(..2);
    packets
}

fn page(file: &mut Vec<u8>, packet: &[u8], granule: u64, sequence: u32, flags: u8) {
    let start = file.len();
    file.extend_from_slice(b"OggS\0");
    file.push(flags);
    file.extend_from_slice(&granule.to_le_bytes());
    file.extend_from_slice(&7_u32.to_le_bytes());
    file.extend_from_slice(&sequence.to_le_bytes());
    file.extend_from_slice(&[0; 4]);
    let full = packet.len() / 255;
    file.push(full as u8 + 1);
    file.extend(std::iter::repeat_n(255, full));
    file.push((packet.len() % 255) as u8);
    file.extend_from_slice(packet);
    let sum = checksum(&file[start..]);
    file[start + 22..start + 26].copy_from_slice(&sum.to_le_bytes());
}

/// RFC 3533 §6: CRC-32 of polynomial 0x04C11DB7, not reflected, from 0.
fn checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ (u32::from(*byte) << 24), |sum: u32, _| {
            if sum & 0x8000_0000 == 0 { sum << 1 } else { (sum << 1) ^ 0x04C1_1DB7 }
        })
    })
}
