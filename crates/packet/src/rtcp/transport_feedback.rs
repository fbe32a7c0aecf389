//! Transport-wide congestion control feedback: when which packet arrived
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use super::feedback::FeedbackSsrcs;
use crate::big_endian::{Cursor, u16_at, u24_at};

/// A feedback packet: the fate of `status_count` packets from `base_sequence` on.
#[derive(Clone, Copy, Debug)]
pub struct TransportFeedback<'a> {
    /// The numbers at its start.
    pub header: FeedbackHeader,
    /// Number of packets that it tells about, 1 to 65,535.
    pub status_count: u16,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// The fields before the statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedbackHeader {
    /// Who received, and one of the streams received.
    pub ssrcs: FeedbackSsrcs,
    /// Transport-wide number of the first packet told about.
    pub base_sequence: u16,
    /// The time that arrivals count from: 24 bits signed, in 64 ms, of the receiver's own clock.
    pub reference_time: i32,
    /// Number of this feedback packet, modulo 256.
    pub feedback_count: u8,
}

/// A packet that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its transport-wide number.
    pub sequence: u16,
    /// When it arrived by the receiver's clock, in 250 µs.
    pub ticks: i64,
}

/// Arrival ticks (250 µs) in one unit of the reference time (64 ms).
pub const TICKS_PER_REFERENCE: i64 = 256;

impl<'a> TransportFeedback<'a> {
    /// The packets that arrived, by number; the others of the `status_count` were lost or are late.
    ///
    /// Cost: proportional to the packet's bytes, however many statuses it claims.
    pub fn arrivals(&self) -> Arrivals<'a> {
        Arrivals {
            chunks: self.chunks,
            deltas: self.deltas,
            chunk: Chunk::Run { symbol: Symbol::NotReceived, len: 0 },
            at: 0,
            sequence: self.header.base_sequence,
            remaining: usize::from(self.status_count),
            ticks: i64::from(self.header.reference_time) * TICKS_PER_REFERENCE,
        }
    }

    /// Checks that chunks and deltas for all statuses are there.
    ///
    /// The reserved symbol (0b11) refuses the packet: no length is defined for its delta, so nothing after it can be
    /// located.
    pub(super) fn parse(ssrcs: FeedbackSsrcs, items: &'a [u8]) -> Option<Self> {
        let status_count = u16_at(items, 2).filter(|count| *count != 0)?;
        let reference_time = ((u24_at(items, 4)? << 8) as i32) >> 8;
        let header =
            FeedbackHeader { ssrcs, base_sequence: u16_at(items, 0)?, reference_time, feedback_count: *items.get(7)? };
        let body = items.get(8..)?;
        let mut remaining = usize::from(status_count);
        let (mut chunks_len, mut deltas_len) = (0, 0);
        while remaining > 0 {
            let chunk = Chunk::read(u16_at(body, chunks_len)?)?;
            let told = chunk.len().min(remaining);
            deltas_len += chunk.delta_bytes(told)?;
            chunks_len += 2;
            remaining -= told;
        }
        let (chunks, deltas) = body.split_at_checked(chunks_len)?;
        Some(Self { header, status_count, chunks, deltas: deltas.get(..deltas_len)? })
    }
}

/// Walks the packets that arrived; see [`TransportFeedback::arrivals`].
#[derive(Clone, Debug)]
pub struct Arrivals<'a> {
    chunks: &'a [u8],
    deltas: &'a [u8],
    chunk: Chunk,
    /// Statuses of `chunk` that are done.
    at: usize,
    sequence: u16,
    remaining: usize,
    ticks: i64,
}

impl Iterator for Arrivals<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        while self.remaining > 0 {
            if self.at >= self.chunk.len() {
                self.next_chunk()?;
                continue;
            }
            let Some(symbol) = self.chunk.symbol(self.at).filter(|symbol| *symbol != Symbol::NotReceived) else {
                self.pass(self.chunk.lost_from(self.at));
                continue;
            };
            let sequence = self.sequence;
            self.ticks += i64::from(self.next_delta(symbol)?);
            self.pass(1);
            return Some(Arrival { sequence, ticks: self.ticks });
        }
        None
    }
}

impl Arrivals<'_> {
    fn next_chunk(&mut self) -> Option<()> {
        self.chunk = Chunk::read(u16_at(self.chunks, 0)?)?;
        self.chunks = &self.chunks[2..];
        self.at = 0;
        Some(())
    }

    fn pass(&mut self, statuses: usize) {
        let statuses = statuses.min(self.remaining);
        self.at += statuses;
        self.remaining -= statuses;
        self.sequence = self.sequence.wrapping_add(statuses as u16);
    }

    fn next_delta(&mut self, symbol: Symbol) -> Option<i16> {
        let (delta, rest) = self.deltas.split_at_checked(symbol.delta_bytes())?;
        self.deltas = rest;
        match *delta {
            [small] => Some(i16::from(small)),
            [high, low] => Some(i16::from_be_bytes([high, low])),
            _ => None,
        }
    }
}

/// What a feedback packet says of one packet (§3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Symbol {
    NotReceived = 0,
    SmallDelta = 1,
    LargeDelta = 2,
}

impl Symbol {
    /// The symbol of the low two bits; `None` for the reserved one.
    fn from_bits(bits: u16) -> Option<Self> {
        match bits & 3 {
            0 => Some(Self::NotReceived),
            1 => Some(Self::SmallDelta),
            2 => Some(Self::LargeDelta),
            _ => None,
        }
    }

    fn of(status: Option<i16>) -> Self {
        match status {
            None => Self::NotReceived,
            Some(0..=255) => Self::SmallDelta,
            Some(_) => Self::LargeDelta,
        }
    }

    fn delta_bytes(self) -> usize {
        self as usize
    }
}

/// Statuses of a run of packets in 16 bits (§3.1.2 to §3.1.4).
#[derive(Clone, Copy, Debug)]
enum Chunk {
    Run {
        symbol: Symbol,
        len: u16,
    },
    /// 14 symbols of one bit each.
    OneBit(u16),
    /// 7 symbols of two bits each.
    TwoBit(u16),
}

impl Chunk {
    fn read(word: u16) -> Option<Self> {
        match word >> 14 {
            0 | 1 => Some(Self::Run { symbol: Symbol::from_bits(word >> 13)?, len: word & RUN_LEN_MAX }),
            2 => Some(Self::OneBit(word)),
            _ => Some(Self::TwoBit(word)),
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Run { len, .. } => usize::from(len),
            Self::OneBit(_) => ONE_BIT_SYMBOLS,
            Self::TwoBit(_) => TWO_BIT_SYMBOLS,
        }
    }

    /// The symbol at `index`, which is less than [`len`](Self::len); `None` for the reserved one.
    fn symbol(self, index: usize) -> Option<Symbol> {
        match self {
            Self::Run { symbol, .. } => Some(symbol),
            Self::OneBit(word) => Symbol::from_bits(word >> (ONE_BIT_SYMBOLS - 1 - index) & 1),
            Self::TwoBit(word) => Symbol::from_bits(word >> (2 * (TWO_BIT_SYMBOLS - 1 - index))),
        }
    }

    /// How many statuses from `index` on are surely "not received", at least one: a whole run is passed in one step.
    fn lost_from(self, index: usize) -> usize {
        match self {
            Self::Run { .. } => self.len() - index,
            Self::OneBit(_) | Self::TwoBit(_) => 1,
        }
    }

    /// Bytes of the deltas that belong to the first `told` statuses; `None` when one of them is reserved.
    fn delta_bytes(self, told: usize) -> Option<usize> {
        match self {
            Self::Run { symbol, .. } => Some(told * symbol.delta_bytes()),
            Self::OneBit(_) | Self::TwoBit(_) => {
                (0..told).try_fold(0, |bytes, index| Some(bytes + self.symbol(index)?.delta_bytes()))
            }
        }
    }
}

/// Longest run that one chunk says.
const RUN_LEN_MAX: u16 = 0x1fff;
/// Symbols in a vector chunk of one bit each.
const ONE_BIT_SYMBOLS: usize = 14;
/// Symbols in a vector chunk of two bits each.
const TWO_BIT_SYMBOLS: usize = 7;

/// Writes what follows the two SSRCs; see [`CompoundWriter::transport_feedback`](super::CompoundWriter).
pub(super) fn put(
    cursor: &mut Cursor,
    header: &FeedbackHeader,
    statuses: impl Iterator<Item = Option<i16>> + Clone,
) -> Option<()> {
    cursor.put(&header.base_sequence.to_be_bytes())?;
    let count_at = cursor.len();
    cursor.put(&[0; 2])?;
    cursor.put(&header.reference_time.to_be_bytes()[1..])?;
    cursor.put(&[header.feedback_count])?;
    let count = put_chunks(cursor, statuses.clone())?;
    for delta in statuses.flatten() {
        match u8::try_from(delta) {
            Ok(small) => cursor.put(&[small])?,
            Err(_) => cursor.put(&delta.to_be_bytes())?,
        }
    }
    cursor.pad_to_word()?;
    cursor.patch(count_at, &count.to_be_bytes())
}

/// Writes the chunks of all statuses and returns how many statuses there were, which is not 0.
fn put_chunks(cursor: &mut Cursor, statuses: impl Iterator<Item = Option<i16>>) -> Option<u16> {
    let mut pending = PendingSymbols::default();
    let mut count = 0u16;
    for status in statuses {
        count = count.checked_add(1)?;
        let symbol = Symbol::of(status);
        if !pending.takes(symbol) {
            pending.put_full_chunk(cursor)?;
        }
        pending.add(symbol);
    }
    pending.put_last_chunk(cursor)?;
    Some(count)
}

/// Symbols that wait until it is clear which chunk says most of them.
struct PendingSymbols {
    /// The first `len` are in use; a run may be longer than the array.
    symbols: [Symbol; ONE_BIT_SYMBOLS],
    len: usize,
}

impl Default for PendingSymbols {
    fn default() -> Self {
        Self { symbols: [Symbol::NotReceived; ONE_BIT_SYMBOLS], len: 0 }
    }
}

impl PendingSymbols {
    fn stored(&self) -> &[Symbol] {
        &self.symbols[..self.len.min(ONE_BIT_SYMBOLS)]
    }

    fn is_run(&self) -> bool {
        self.stored().iter().all(|symbol| *symbol == self.symbols[0])
    }

    /// Tells whether some chunk can say all pending symbols and `next`.
    fn takes(&self, next: Symbol) -> bool {
        let fits_one_bit = |symbol: &Symbol| *symbol != Symbol::LargeDelta;
        self.len < TWO_BIT_SYMBOLS
            || (self.len < ONE_BIT_SYMBOLS && fits_one_bit(&next) && self.stored().iter().all(fits_one_bit))
            || (self.len < usize::from(RUN_LEN_MAX) && next == self.symbols[0] && self.is_run())
    }

    fn add(&mut self, symbol: Symbol) {
        if let Some(place) = self.symbols.get_mut(self.len) {
            *place = symbol;
        }
        self.len += 1;
    }

    /// Writes one chunk that is full or the longest possible; at most six symbols stay pending.
    fn put_full_chunk(&mut self, cursor: &mut Cursor) -> Option<()> {
        if self.is_run() {
            self.put_run(cursor)
        } else if self.len == ONE_BIT_SYMBOLS {
            self.put_one_bit(cursor)
        } else {
            self.put_two_bit(cursor)
        }
    }

    fn put_last_chunk(&mut self, cursor: &mut Cursor) -> Option<()> {
        match self.len {
            0 => None,
            _ if self.is_run() => self.put_run(cursor),
            1..=TWO_BIT_SYMBOLS => self.put_two_bit(cursor),
            _ => self.put_one_bit(cursor),
        }
    }

    fn put_run(&mut self, cursor: &mut Cursor) -> Option<()> {
        let word = (self.symbols[0] as u16) << 13 | self.len as u16;
        self.len = 0;
        cursor.put(&word.to_be_bytes())
    }

    fn put_one_bit(&mut self, cursor: &mut Cursor) -> Option<()> {
        let bits = |word, (index, symbol): (usize, &Symbol)| word | (*symbol as u16) << (ONE_BIT_SYMBOLS - 1 - index);
        let word = self.stored().iter().enumerate().fold(0x8000, bits);
        self.len = 0;
        cursor.put(&word.to_be_bytes())
    }

    fn put_two_bit(&mut self, cursor: &mut Cursor) -> Option<()> {
        let bits =
            |word, (index, symbol): (usize, &Symbol)| word | (*symbol as u16) << (2 * (TWO_BIT_SYMBOLS - 1 - index));
        let told = self.len.min(TWO_BIT_SYMBOLS);
        let word = self.symbols[..told].iter().enumerate().fold(0xc000, bits);
        self.symbols.copy_within(told.., 0);
        self.len -= told;
        cursor.put(&word.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::compound::{Compound, RtcpPacket};
    use crate::rtcp::writer::{CompoundFull, CompoundWriter};

    const HEADER: FeedbackHeader = FeedbackHeader {
        ssrcs: FeedbackSsrcs { sender: 1, media: 2 },
        base_sequence: 65_530,
        reference_time: -2,
        feedback_count: 7,
    };

    #[test]
    fn statuses_of_every_pattern_read_back_as_written() {
        let none: Option<i16> = None;
        let patterns = [
            vec![Some(4)],
            vec![Some(0); 100],
            vec![Some(-1); 9],
            [vec![Some(1)], vec![none; 9_000], vec![Some(300)]].concat(),
            [[Some(1), none].repeat(7), vec![Some(2)]].concat(),
            [[Some(1), none].repeat(6), vec![Some(256)]].concat(),
            [vec![Some(1); 10], vec![Some(i16::MIN)], vec![none; 3], vec![Some(i16::MAX)]].concat(),
            [vec![none; 14], vec![Some(255)], vec![Some(256); 6], vec![none, Some(1)]].concat(),
        ];
        for statuses in patterns {
            let bytes = written(&statuses);
            let feedback = parsed(&bytes);
            assert_eq!((feedback.header, usize::from(feedback.status_count)), (HEADER, statuses.len()));
            assert_eq!(feedback.arrivals().collect::<Vec<_>>(), expected(&statuses), "{statuses:?}");
        }
    }

    #[test]
    fn chunks_are_the_shortest_for_runs_and_mixtures() {
        assert_eq!(chunk_words(&[Some(1); 100]), [0x2000 | 100]);
        assert_eq!(chunk_words(&[Some(1), None].repeat(7)), [0xaaaa]);
        assert_eq!(chunk_words(&[Some(1), None, Some(-1)]), [0xc000 | 0b01_00_10 << 8]);
        assert_eq!(chunk_words(&[Some(300); 20]), [0x4000 | 20]);
    }

    #[test]
    fn the_chunks_of_the_drafts_examples_are_understood() {
        // §3.1.3: 221 lost. §3.1.4: one lost, five received, three lost, three received, two lost; and the two-bit
        // example with its reserved symbol replaced by a large delta.
        let mut bytes = vec![0x8f, 205, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 242, 0, 0, 0, 0];
        bytes.extend([0x00, 0xdd, 0x9f, 0x1c, 0xc9, 0x50]);
        bytes.extend([1, 1, 1, 1, 1, 1, 1, 1, 0xff, 0xff, 1, 1, 1, 0]);
        let arrivals: Vec<_> = parsed(&bytes).arrivals().map(|arrival| (arrival.sequence, arrival.ticks)).collect();
        assert_eq!(arrivals[..5], [(222, 1), (223, 2), (224, 3), (225, 4), (226, 5)]);
        assert_eq!(arrivals[5..8], [(230, 6), (231, 7), (232, 8)]);
        assert_eq!(arrivals[8..], [(236, 7), (237, 8), (238, 9), (239, 10)]);
    }

    #[test]
    fn feedback_that_does_not_fit_or_says_nothing_is_not_written() {
        let mut out = [0; 24];
        let mut writer = CompoundWriter::new(&mut out);
        assert_eq!(writer.transport_feedback(&HEADER, std::iter::empty()), Err(CompoundFull));
        assert_eq!(writer.transport_feedback(&HEADER, [Some(1); 3].into_iter()), Err(CompoundFull));
        assert_eq!(writer.transport_feedback(&HEADER, [Some(1); 2].into_iter()), Ok(()));
        let mut out = [0; 100];
        let mut writer = CompoundWriter::new(&mut out);
        assert_eq!(writer.transport_feedback(&HEADER, std::iter::repeat_n(None, 65_536)), Err(CompoundFull));
        assert_eq!(writer.transport_feedback(&HEADER, std::iter::repeat_n(None, 65_535)), Ok(()));
    }

    #[test]
    fn c02_a_status_count_of_65535_in_24_bytes_drops_the_compound() {
        let bytes = [0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0x1f, 0xff, 0, 0];
        assert!(Compound::parse(&bytes).is_err());
    }

    #[test]
    fn c02_a_status_count_of_0_drops_the_compound() {
        let bytes = [0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 1, 9, 0];
        assert!(Compound::parse(&bytes).is_err());
    }

    #[test]
    fn c02_65535_lost_packets_take_one_step_a_chunk() {
        let mut bytes = vec![0x8f, 205, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 9];
        bytes.extend([0x1f, 0xff].repeat(8));
        bytes.extend([0x20, 0x07, 1, 1]);
        assert!(Compound::parse(&bytes).is_err(), "seven received packets need seven deltas");
        bytes[36..].copy_from_slice(&[0, 7, 0, 0]);
        assert_eq!(parsed(&bytes).arrivals().count(), 0);
    }

    #[test]
    fn c02_runs_of_length_0_end_with_the_packet() {
        let mut bytes = vec![0x8f, 205, 0, 14, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0];
        bytes.extend([0x20, 0x00].repeat(20));
        assert!(Compound::parse(&bytes).is_err());
    }

    #[test]
    fn c02_the_reserved_symbol_drops_the_compound_where_it_counts() {
        let head = [0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0];
        for chunk in [[0x60, 2], [0xf0, 0], [0xcc, 0]] {
            assert!(Compound::parse(&[&head[..], &chunk, &[0; 2]].concat()).is_err(), "{chunk:?}");
        }
        let behind_the_last_status = [&head[..], &[0xc3, 0], &[0; 2]].concat();
        assert!(Compound::parse(&behind_the_last_status).is_ok());
    }

    #[test]
    fn c02_reference_time_and_sequence_are_read_at_their_ends() {
        let mut bytes = vec![0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0, 2, 0x80, 0, 0, 0, 0x20, 2, 5, 6];
        let arrivals: Vec<_> = parsed(&bytes).arrivals().collect();
        let ticks = -0x80_0000 * TICKS_PER_REFERENCE + 5;
        assert_eq!(arrivals, [Arrival { sequence: 65_535, ticks }, Arrival { sequence: 0, ticks: ticks + 6 }]);
        bytes[16..19].copy_from_slice(&[0x7f, 0xff, 0xff]);
        assert_eq!(parsed(&bytes).arrivals().next().unwrap().ticks, 0x7f_ffff * TICKS_PER_REFERENCE + 5);
    }

    fn written(statuses: &[Option<i16>]) -> Vec<u8> {
        let mut out = vec![0; 1400];
        let mut writer = CompoundWriter::new(&mut out);
        writer.transport_feedback(&HEADER, statuses.iter().copied()).unwrap();
        let len = writer.len();
        out.truncate(len);
        out
    }

    fn parsed(bytes: &[u8]) -> TransportFeedback<'_> {
        match Compound::parse(bytes).unwrap().packets().next() {
            Some(RtcpPacket::TransportFeedback(feedback)) => feedback,
            other => panic!("{other:?} is no transport feedback"),
        }
    }

    fn chunk_words(statuses: &[Option<i16>]) -> Vec<u16> {
        let bytes = written(statuses);
        parsed(&bytes).chunks.as_chunks().0.iter().map(|word| u16::from_be_bytes(*word)).collect()
    }

    fn expected(statuses: &[Option<i16>]) -> Vec<Arrival> {
        let mut ticks = i64::from(HEADER.reference_time) * TICKS_PER_REFERENCE;
        let arrivals = statuses.iter().enumerate().filter_map(|(index, status)| {
            ticks += i64::from((*status)?);
            Some(Arrival { sequence: HEADER.base_sequence.wrapping_add(index as u16), ticks })
        });
        arrivals.collect()
    }
}
