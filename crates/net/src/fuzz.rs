//! Entry points for fuzzers: each feeds bytes of a peer to a parser and asserts what must hold whatever they are.

use millrace_packet::DATAGRAM_BYTES_MAX;

use crate::tcp::{FRAME_HEADER_BYTES, FrameReader};

/// Frames of a TCP stream. The first byte says how the rest is chopped up; however that is, the frames are the same.
///
/// # Panics
/// When the framing is broken.
pub fn fuzz_tcp_framing(data: &[u8]) {
    let Some((&step, stream)) = data.split_first() else { return };
    let chopped = read_frames(stream, usize::from(step).max(1));
    let whole = read_frames(stream, stream.len().max(1));
    assert_eq!(chopped, whole);
    let framed: usize = whole.0.iter().map(|frame| FRAME_HEADER_BYTES + frame.len()).sum();
    assert!(framed <= stream.len());
}

/// The frames of a stream that comes in pieces of `step` bytes, and whether it ended with a frame too long.
fn read_frames(stream: &[u8], step: usize) -> (Vec<Vec<u8>>, bool) {
    let mut reader = FrameReader::default();
    let mut frames = Vec::new();
    for piece in stream.chunks(step) {
        let mut input = piece;
        loop {
            match reader.next(&mut input) {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
        assert!(input.is_empty());
        assert!(reader.unfinished_bytes() < FRAME_HEADER_BYTES + DATAGRAM_BYTES_MAX);
    }
    assert!(frames.iter().all(|frame| (1..=DATAGRAM_BYTES_MAX).contains(&frame.len())));
    (frames, false)
}
