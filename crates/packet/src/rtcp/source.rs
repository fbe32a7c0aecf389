//! Who the sources are and when they leave: SDES and BYE (RFC 3550 §6.5, §6.6).

use crate::big_endian::u32_at;

/// A source description packet. Of its items only the CNAME is read.
#[derive(Clone, Copy, Debug)]
pub struct SourceDescription<'a> {
    chunks: u8,
    body: &'a [u8],
}

/// A goodbye packet: its sources end.
#[derive(Clone, Copy, Debug)]
pub struct Goodbye<'a> {
    sources: &'a [[u8; 4]],
}

impl<'a> SourceDescription<'a> {
    /// The canonical names, with the source that has each; at most 31 pairs. A name is 0 to 255 bytes, any bytes.
    pub fn cnames(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let mut rest = self.body;
        (0..self.chunks)
            .map_while(move |_| {
                let (chunk, after) = Chunk::split(rest)?;
                rest = after;
                Some(chunk)
            })
            .filter_map(|chunk| chunk.cname.map(|cname| (chunk.ssrc, cname)))
    }

    pub(super) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let mut rest = body;
        for _ in 0..count {
            (_, rest) = Chunk::split(rest)?;
        }
        Some(Self { chunks: count, body })
    }
}

impl<'a> Goodbye<'a> {
    /// The sources that end, at most 31.
    pub fn sources(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.sources.iter().map(|bytes| u32::from_be_bytes(*bytes))
    }

    pub(super) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let (words, _) = body.as_chunks();
        let sources = words.get(..usize::from(count))?;
        let reason = &body[4 * sources.len()..];
        if let Some((&len, text)) = reason.split_first() {
            text.get(..usize::from(len))?;
        }
        Some(Self { sources })
    }
}

/// Item type of the canonical name (RFC 3550 §6.5.1).
pub(super) const CNAME: u8 = 1;

struct Chunk<'a> {
    ssrc: u32,
    cname: Option<&'a [u8]>,
}

impl<'a> Chunk<'a> {
    /// Splits the first chunk off `bytes`, which start at a multiple of four within the packet.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut chunk = Self { ssrc: u32_at(bytes, 0)?, cname: None };
        let mut at = 4;
        loop {
            let item = *bytes.get(at)?;
            if item == 0 {
                // One to four zeros end the list at the next multiple of four.
                return Some((chunk, bytes.get((at / 4 + 1) * 4..)?));
            }
            let len = usize::from(*bytes.get(at + 1)?);
            let text = bytes.get(at + 2..)?.get(..len)?;
            if item == CNAME && chunk.cname.is_none() {
                chunk.cname = Some(text);
            }
            at += 2 + len;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::rtcp::compound::{Compound, RtcpPacket};
    use crate::rtcp::writer::CompoundWriter;

    #[test]
    fn cnames_of_every_length_read_back_as_written() {
        let name = "n".repeat(255);
        for len in [0, 1, 2, 3, 4, 5, 6, 7, 254, 255] {
            let mut out = [0; 300];
            let mut writer = CompoundWriter::new(&mut out);
            writer.cname(7, &name[..len]).unwrap();
            let written = writer.len();
            assert_eq!(cnames(&out[..written]), [(7, name.as_bytes()[..len].to_vec())]);
        }
    }

    #[test]
    fn a_cname_is_found_behind_other_items_and_chunks() {
        let bytes = [
            0x82, 202, 0, 7, 0, 0, 0, 1, 6, 1, b't', 2, 1, b'n', 0, 0, // no CNAME
            0, 0, 0, 2, 8, 2, b'x', b'y', 1, 2, b'c', b'n', 0, 0, 0, 0,
        ];
        assert_eq!(cnames(&bytes), [(2, b"cn".to_vec())]);
    }

    #[test]
    fn a_goodbye_reads_back_as_written_and_may_give_a_reason() {
        let mut out = [0; 40];
        let mut writer = CompoundWriter::new(&mut out);
        writer.goodbye(&[3, 4]).unwrap();
        let len = writer.len();
        assert_eq!(sources(&out[..len]), [3, 4]);
        assert_eq!(sources(&[0x81, 203, 0, 2, 0, 0, 0, 9, 3, b'e', b'n', b'd']), [9]);
    }

    #[test]
    fn c01_sdes_items_that_run_past_the_packet_drop_the_compound() {
        for items in [[1, 3, b'a', b'b'], [1, 1, b'a', 1], [1, 255, 0, 0], [1, 2, b'a', b'b']] {
            let bytes = [&[0x81, 202, 0, 2, 0, 0, 0, 1][..], &items].concat();
            assert!(Compound::parse(&bytes).is_err(), "{items:?}");
        }
    }

    #[test]
    fn c01_a_goodbye_reason_past_the_packet_drops_the_compound() {
        assert!(Compound::parse(&[0x81, 203, 0, 2, 0, 0, 0, 9, 4, b'e', b'n', b'd']).is_err());
    }

    fn cnames(bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        match Compound::parse(bytes).unwrap().packets().next() {
            Some(RtcpPacket::SourceDescription(sdes)) => {
                sdes.cnames().map(|(ssrc, name)| (ssrc, name.to_vec())).collect()
            }
            other => panic!("{other:?} is no source description"),
        }
    }

    fn sources(bytes: &[u8]) -> Vec<u32> {
        match Compound::parse(bytes).unwrap().packets().next() {
            Some(RtcpPacket::Goodbye(goodbye)) => goodbye.sources().collect(),
            other => panic!("{other:?} is no goodbye"),
        }
    }
}
