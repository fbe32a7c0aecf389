//! Frames in a byte stream: two bytes of length, then the packet (RFC 4571 §2).

use thiserror::Error;

use millrace_packet::DATAGRAM_BYTES_MAX;

/// Bytes of a frame's length field.
pub const FRAME_HEADER_BYTES: usize = 2;

/// The longest unfinished frame.
const UNFINISHED_BYTES_MAX: usize = FRAME_HEADER_BYTES + DATAGRAM_BYTES_MAX;

/// A frame announced more bytes than any packet has: the peer speaks something else, so the stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("frame of {length} bytes; at most {DATAGRAM_BYTES_MAX} are accepted")]
pub struct FrameTooLong {
    /// Length that the frame announced, up to 65,535.
    pub length: usize,
}

/// The length field of a frame of `len` bytes; `None` when a peer of ours would refuse it.
pub fn frame_header(len: usize) -> Option<[u8; FRAME_HEADER_BYTES]> {
    (len <= DATAGRAM_BYTES_MAX).then(|| (len as u16).to_be_bytes())
}

/// Cuts a byte stream into frames, however it is chopped up.
///
/// Holds at most one unfinished frame ([`DATAGRAM_BYTES_MAX`] bytes and its header), allocated when the first one is
/// chopped up and kept from then on: a connection that never sends costs nothing.
#[derive(Debug, Default)]
pub struct FrameReader {
    unfinished: Vec<u8>,
    /// The unfinished bytes are a whole frame that has been given out.
    given_out: bool,
}

impl FrameReader {
    /// Takes bytes off the front of `input` up to the end of the next frame and gives that frame out; `None` when
    /// `input` is used up first. Frames of length 0 carry nothing and are skipped.
    ///
    /// # Errors
    /// [`FrameTooLong`]: nothing can be read after it.
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<&'a [u8]>, FrameTooLong> {
        if std::mem::take(&mut self.given_out) {
            self.unfinished.clear();
        }
        loop {
            if self.unfinished.is_empty()
                && let Some(frame) = whole_frame(input)?
            {
                return Ok(Some(frame));
            }
            match self.continue_unfinished(input)? {
                None => return Ok(None),
                Some(0) => self.unfinished.clear(),
                Some(_) => break,
            }
        }
        self.given_out = true;
        Ok(self.unfinished.get(FRAME_HEADER_BYTES..))
    }

    /// Bytes of the frame that has begun but not ended.
    pub fn unfinished_bytes(&self) -> usize {
        if self.given_out { 0 } else { self.unfinished.len() }
    }

    /// Adds input to the unfinished frame; tells its length when that ends it.
    fn continue_unfinished(&mut self, input: &mut &[u8]) -> Result<Option<usize>, FrameTooLong> {
        self.fill_up_to(FRAME_HEADER_BYTES, input);
        let Some((header, _)) = self.unfinished.split_first_chunk() else { return Ok(None) };
        let length = frame_length(*header)?;
        self.fill_up_to(FRAME_HEADER_BYTES + length, input);
        Ok((self.unfinished.len() == FRAME_HEADER_BYTES + length).then_some(length))
    }

    fn fill_up_to(&mut self, len: usize, input: &mut &[u8]) {
        let missing = len.saturating_sub(self.unfinished.len()).min(input.len());
        let (taken, rest) = input.split_at(missing);
        if !taken.is_empty() {
            self.unfinished.reserve_exact(UNFINISHED_BYTES_MAX - self.unfinished.len());
        }
        self.unfinished.extend_from_slice(taken);
        *input = rest;
    }
}

/// Takes the first whole frame that is not empty straight from `input`, which is left at the first byte of an
/// unfinished frame otherwise.
fn whole_frame<'a>(input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, FrameTooLong> {
    while let Some((header, rest)) = input.split_first_chunk() {
        let Some((frame, rest)) = rest.split_at_checked(frame_length(*header)?) else { return Ok(None) };
        *input = rest;
        if !frame.is_empty() {
            return Ok(Some(frame));
        }
    }
    Ok(None)
}

fn frame_length(header: [u8; FRAME_HEADER_BYTES]) -> Result<usize, FrameTooLong> {
    let length = usize::from(u16::from_be_bytes(header));
    if length > DATAGRAM_BYTES_MAX { Err(FrameTooLong { length }) } else { Ok(length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(packets: &[&[u8]]) -> Vec<u8> {
        packets.iter().flat_map(|packet| [&frame_header(packet.len()).unwrap()[..], packet].concat()).collect()
    }

    /// Feeds `stream` in pieces of `step` bytes.
    fn read(stream: &[u8], step: usize) -> Result<Vec<Vec<u8>>, FrameTooLong> {
        let mut reader = FrameReader::default();
        let mut frames = Vec::new();
        for piece in stream.chunks(step) {
            let mut input = piece;
            while let Some(frame) = reader.next(&mut input)? {
                frames.push(frame.to_vec());
            }
            assert!(input.is_empty(), "a reader that gives nothing has taken everything");
        }
        Ok(frames)
    }

    #[test]
    fn i13_frames_are_the_same_however_the_stream_is_chopped() {
        let long = [7; DATAGRAM_BYTES_MAX];
        let packets: [&[u8]; 5] = [b"a", b"bcd", &long, b"", b"e"];
        let stream = framed(&packets);
        let expected: Vec<&[u8]> = packets.into_iter().filter(|packet| !packet.is_empty()).collect();
        for step in [1, 2, 3, 5, 700, stream.len()] {
            assert_eq!(read(&stream, step).unwrap(), expected, "in pieces of {step}");
        }
    }

    #[test]
    fn i13_a_frame_longer_than_any_packet_ends_the_stream() {
        let too_long = (DATAGRAM_BYTES_MAX as u16 + 1).to_be_bytes();
        for step in [1, 2] {
            assert_eq!(read(&too_long, step), Err(FrameTooLong { length: DATAGRAM_BYTES_MAX + 1 }));
            assert_eq!(read(&[0xff, 0xff, 1, 2, 3], step), Err(FrameTooLong { length: 65_535 }));
        }
    }

    #[test]
    fn i13_a_half_frame_waits_and_holds_no_more_than_its_bytes() {
        let mut reader = FrameReader::default();
        let mut input = &framed(&[&[1; 1000]])[..600];
        assert_eq!(reader.next(&mut input), Ok(None));
        assert_eq!((reader.unfinished_bytes(), input.len()), (600, 0));
    }

    #[test]
    fn i13_empty_frames_carry_nothing() {
        assert_eq!(read(&[0; 10_001], 7).unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_reader_that_saw_only_whole_frames_holds_no_memory() {
        let mut reader = FrameReader::default();
        let stream = framed(&[b"one", b"two"]);
        let mut input = &stream[..];
        while reader.next(&mut input).unwrap().is_some() {}
        assert_eq!(reader.unfinished.capacity(), 0);
    }

    #[test]
    fn a_packet_too_long_for_a_peer_gets_no_header() {
        assert_eq!(frame_header(DATAGRAM_BYTES_MAX), Some([0x05, 0xdc]));
        assert_eq!(frame_header(DATAGRAM_BYTES_MAX + 1), None);
    }
}
