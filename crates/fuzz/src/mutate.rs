//! Mutations of inputs, from a seed.

use fastrand::Rng;

/// Mutations of one input, at most.
const MUTATIONS_MAX: usize = 6;
/// Bytes inserted, removed or repeated at once, at most.
const PIECE_BYTES_MAX: usize = 64;

/// Values at the edges of lengths, counts and signs.
const EDGES: [u8; 9] = [0, 1, 2, 4, 0x7f, 0x80, 0xbe, 0xfe, 0xff];

/// Byte strings that parsers look for: STUN's cookie, extension profiles, DTLS headers, RTCP types, feedback names.
const WORDS: [&[u8]; 22] = [
    &[0x21, 0x12, 0xa4, 0x42],
    &[0xbe, 0xde],
    &[0x10, 0x00],
    &[0x80, 0x28, 0x00, 0x04],
    &[0x00, 0x06],
    &[0x00, 0x08, 0x00, 0x14],
    &[0x00, 0x25, 0x00, 0x00],
    &[0x16, 0xfe, 0xfd, 0x00, 0x00],
    &[0x14, 0xfe, 0xfd],
    &[0x17, 0xfe, 0xfd, 0x00, 0x01],
    &[0x00, 0x0e, 0x00, 0x05, 0x00, 0x02, 0x00, 0x07],
    &[0x80, 200],
    &[0x81, 201],
    &[0x81, 202],
    &[0x81, 203],
    &[0x81, 205],
    &[0x8f, 205],
    &[0x81, 206],
    &[0x8f, 206],
    b"REMB",
    &[0x80, 207],
    &[0x9d, 0x01, 0x2a],
];

/// Returns one of `corpus`, changed in one to [`MUTATIONS_MAX`] places and cut to `len_max` bytes.
pub(crate) fn mutant(corpus: &[Vec<u8>], len_max: usize, random: &mut Rng) -> Vec<u8> {
    let mut bytes = random.choice(corpus).cloned().unwrap_or_default();
    for _ in 0..random.usize(1..=MUTATIONS_MAX) {
        mutate(&mut bytes, corpus, random);
    }
    bytes.truncate(len_max);
    bytes
}

fn mutate(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Rng) {
    match random.u8(0..14) {
        0 => change(bytes, random, |byte, random| byte ^ (1 << random.u8(0..8))),
        1 => change(bytes, random, |_, random| random.u8(..)),
        2 => change(bytes, random, |_, random| EDGES[random.usize(0..EDGES.len())]),
        3 => change(bytes, random, |byte, _| byte.wrapping_add(1)),
        4 => change(bytes, random, |byte, _| byte.wrapping_sub(1)),
        5 => edit_length(bytes, random),
        6 => overwrite(bytes, random),
        7 => insert(bytes, random),
        8 => {
            let piece = piece(bytes, random);
            bytes.drain(piece);
        }
        9 => repeat(bytes, random),
        10 => bytes.truncate(random.usize(0..=bytes.len())),
        11 => splice(bytes, corpus, random),
        12 => bytes.extend(std::iter::repeat_n(EDGES[random.usize(0..EDGES.len())], random.usize(0..600))),
        _ => swap(bytes, random),
    }
}

fn change(bytes: &mut [u8], random: &mut Rng, value: fn(u8, &mut Rng) -> u8) {
    if !bytes.is_empty() {
        let at = random.usize(0..bytes.len());
        bytes[at] = value(bytes[at], random);
    }
}

/// Writes a number of 16 or 32 bits as if it were a length: of what follows, nearly that, of nothing, of everything.
fn edit_length(bytes: &mut [u8], random: &mut Rng) {
    if bytes.len() < 4 {
        return;
    }
    let at = random.usize(0..=bytes.len() - 4);
    let rest = (bytes.len() - at) as u32;
    let lengths = [rest, rest - 2, rest - 4, rest / 4, rest + 1, 0, 1, u32::MAX, 0xffff, 0x7fff, 0x8000];
    let length = lengths[random.usize(0..lengths.len())];
    if random.bool() {
        bytes[at..at + 2].copy_from_slice(&(length as u16).to_be_bytes());
    } else {
        bytes[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }
}

fn overwrite(bytes: &mut [u8], random: &mut Rng) {
    let word = WORDS[random.usize(0..WORDS.len())];
    let at = random.usize(0..=bytes.len());
    bytes[at..].iter_mut().zip(word).for_each(|(byte, value)| *byte = *value);
}

fn insert(bytes: &mut Vec<u8>, random: &mut Rng) {
    let at = random.usize(0..=bytes.len());
    let piece: Vec<u8> = match random.u8(0..3) {
        0 => WORDS[random.usize(0..WORDS.len())].to_vec(),
        1 => vec![EDGES[random.usize(0..EDGES.len())]; random.usize(1..=PIECE_BYTES_MAX)],
        _ => std::iter::repeat_with(|| random.u8(..)).take(8).collect(),
    };
    bytes.splice(at..at, piece);
}

/// Repeats a piece, once or many times, right behind itself or elsewhere.
fn repeat(bytes: &mut Vec<u8>, random: &mut Rng) {
    let piece = bytes[piece(bytes, random)].to_vec();
    let at = random.usize(0..=bytes.len());
    let times = if random.u8(0..8) == 0 { random.usize(1..40) } else { 1 };
    bytes.splice(at..at, piece.repeat(times));
}

/// Puts the end of another input behind the beginning of this one.
fn splice(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Rng) {
    let Some(other) = random.choice(corpus) else { return };
    bytes.truncate(random.usize(0..=bytes.len()));
    bytes.extend_from_slice(&other[random.usize(0..=other.len())..]);
}

fn swap(bytes: &mut [u8], random: &mut Rng) {
    if !bytes.is_empty() {
        let (one, other) = (random.usize(0..bytes.len()), random.usize(0..bytes.len()));
        bytes.swap(one, other);
    }
}

fn piece(bytes: &[u8], random: &mut Rng) -> std::ops::Range<usize> {
    let start = random.usize(0..=bytes.len());
    start..(start + random.usize(0..=PIECE_BYTES_MAX)).min(bytes.len())
}
