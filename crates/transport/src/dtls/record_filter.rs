//! What of a peer's datagrams reaches the DTLS library.
//!
//! Before the handshake is complete nothing is authenticated: everything is bounded, and whatever could end the
//! association (alerts, early application data, unknown records) is dropped. The library gets whole handshake messages,
//! renumbered, and sealed records only once it has the keys to check them. Afterwards only sealed records pass.

use std::collections::VecDeque;
use std::ops::AddAssign;

use millrace_model::Counters;

use super::reassembly::{Dropped, Message, Reassembly};

/// Length of a record header (RFC 6347 §4.1), in bytes.
pub(super) const RECORD_HEADER_LEN: usize = 13;

/// Datagrams read during one handshake; further ones are dropped and the handshake times out.
///
/// A client that repeats its longest flight twenty times needs 60.
pub(super) const DATAGRAMS_MAX: u32 = 256;
/// Bytes read during one handshake; further datagrams are dropped and the handshake times out.
pub(super) const BYTES_MAX: usize = 256 * 1024;
/// Records read during one handshake; further ones are dropped and the handshake times out.
const RECORDS_MAX: u32 = 1024;
/// Records read of one datagram, before and after the handshake; those behind are dropped. Browsers send up to five.
pub(super) const RECORDS_PER_DATAGRAM_MAX: usize = 16;
/// Sealed records kept until the keys to open them are there; when full, the oldest is dropped.
///
/// Without keys the client's Finished cannot be told from forgeries.
const EARLY_SEALED_RECORDS_MAX: usize = 4;
/// Length of a sealed handshake record, header included, in bytes; longer ones are dropped. A Finished has 61.
pub(super) const SEALED_HANDSHAKE_BYTES_MAX: usize = 128;
/// Sealed handshake records passed on once connected; further ones are dropped.
///
/// A client repeats its Finished when ours got lost; the library answers seven of them.
const LATE_HANDSHAKE_RECORDS_MAX: u8 = 16;

const VERSION_DTLS_1_2: [u8; 2] = [0xfe, 0xfd];

/// Counts of records (or whole datagrams) that did not pass, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drops {
    /// Not a DTLS record, or contradictory.
    pub(super) malformed: u64,
    /// A named bound was reached.
    pub(super) limit: u64,
    /// Well-formed, but not acceptable in this phase: alerts in the clear, early data, other epochs.
    pub(super) unexpected: u64,
}

impl Drops {
    /// Adds these to `counters`.
    pub(super) fn count(self, counters: &mut Counters) {
        counters.dtls_records_dropped_malformed += self.malformed;
        counters.dtls_records_dropped_limit += self.limit;
        counters.dtls_records_dropped_unexpected += self.unexpected;
    }
}

impl AddAssign<Dropped> for Drops {
    fn add_assign(&mut self, dropped: Dropped) {
        match dropped {
            Dropped::Malformed => self.malformed += 1,
            Dropped::Limit => self.limit += 1,
        }
    }
}

/// The filter until the handshake is complete.
#[derive(Debug, Default)]
pub(super) struct HandshakeFilter {
    datagrams: u32,
    bytes: usize,
    records: u32,
    messages: Reassembly,
    change_cipher_spec: ChangeCipherSpec,
    sealed: VecDeque<Vec<u8>>,
    next_record: u32,
}

/// The one record that says "sealed from here on"; repeats of it are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChangeCipherSpec {
    #[default]
    Missing,
    Received,
    Passed,
}

impl HandshakeFilter {
    /// Reads one datagram; ask [`next_message`](Self::next_message) and [`next_sealed`](Self::next_sealed) afterwards.
    pub(super) fn insert(&mut self, datagram: &[u8], drops: &mut Drops) {
        self.datagrams = self.datagrams.saturating_add(1);
        self.bytes = self.bytes.saturating_add(datagram.len());
        if self.datagrams > DATAGRAMS_MAX || self.bytes > BYTES_MAX {
            drops.limit += 1;
            return;
        }
        for record in Records::of(datagram) {
            match record {
                Ok(record) => self.insert_record(&record, drops),
                Err(dropped) => *drops += dropped,
            }
        }
    }

    /// The next whole handshake message.
    pub(super) fn next_message(&mut self) -> Option<Message> {
        self.messages.next_message()
    }

    /// Refuses a message that [`next_message`](Self::next_message) gave: another one may come in its place.
    pub(super) fn refuse(&mut self, message: &Message, drops: &mut Drops) {
        drops.unexpected += 1;
        self.messages.expect_again(message.sequence());
    }

    /// Makes a record for the library of a message that was accepted.
    pub(super) fn record_of(&mut self, message: &Message) -> Vec<u8> {
        let mut body = Vec::new();
        message.write(&mut body);
        self.plain_record(ContentType::Handshake, &body)
    }

    /// The next record for a library that has its keys: the ChangeCipherSpec, then what came sealed.
    pub(super) fn next_sealed(&mut self) -> Option<Vec<u8>> {
        match self.change_cipher_spec {
            // The library would discard a sealed record that comes before it.
            ChangeCipherSpec::Missing => None,
            ChangeCipherSpec::Received => {
                self.change_cipher_spec = ChangeCipherSpec::Passed;
                Some(self.plain_record(ContentType::ChangeCipherSpec, &[1]))
            }
            ChangeCipherSpec::Passed => self.sealed.pop_front(),
        }
    }

    fn insert_record(&mut self, record: &Record<'_>, drops: &mut Drops) {
        self.records = self.records.saturating_add(1);
        if self.records > RECORDS_MAX {
            drops.limit += 1;
            return;
        }
        match (record.epoch, record.content_type) {
            (0, Some(ContentType::Handshake)) => {
                if let Err(dropped) = self.messages.insert_record(record.body) {
                    *drops += dropped;
                }
            }
            (0, Some(ContentType::ChangeCipherSpec)) => {
                if self.change_cipher_spec == ChangeCipherSpec::Missing {
                    self.change_cipher_spec = ChangeCipherSpec::Received;
                }
            }
            (1, Some(ContentType::Handshake)) => self.insert_sealed(record, drops),
            _ => drops.unexpected += 1,
        }
    }

    fn insert_sealed(&mut self, record: &Record<'_>, drops: &mut Drops) {
        if record.bytes.len() > SEALED_HANDSHAKE_BYTES_MAX {
            drops.limit += 1;
            return;
        }
        if self.sealed.len() >= EARLY_SEALED_RECORDS_MAX {
            drops.limit += 1;
            self.sealed.pop_front();
        }
        self.sealed.push_back(record.bytes.to_vec());
    }

    /// Messages were joined and sorted, so their records get numbers of our own; nothing protects the old ones.
    fn plain_record(&mut self, content_type: ContentType, body: &[u8]) -> Vec<u8> {
        let mut record = Vec::with_capacity(RECORD_HEADER_LEN + body.len());
        record.push(content_type as u8);
        record.extend_from_slice(&VERSION_DTLS_1_2);
        record.extend_from_slice(&[0, 0, 0, 0]);
        record.extend_from_slice(&self.next_record.to_be_bytes());
        record.extend_from_slice(&(body.len() as u16).to_be_bytes());
        record.extend_from_slice(body);
        self.next_record += 1;
        record
    }
}

/// The filter once the handshake is complete: sealed alerts, application data, and a few repeats of the Finished.
#[derive(Debug, Default)]
pub(super) struct ConnectedFilter {
    late_handshake_records: u8,
}

impl ConnectedFilter {
    /// The records of `datagram` that may pass, put together; empty if none may.
    pub(super) fn pass(&mut self, datagram: &[u8], drops: &mut Drops) -> Vec<u8> {
        let mut passed = Vec::new();
        for record in Records::of(datagram) {
            match record.and_then(|record| self.check(&record)) {
                Ok(Some(bytes)) => passed.extend_from_slice(bytes),
                Ok(None) => drops.unexpected += 1,
                Err(dropped) => *drops += dropped,
            }
        }
        passed
    }

    fn check<'a>(&mut self, record: &Record<'a>) -> Result<Option<&'a [u8]>, Dropped> {
        match (record.epoch, record.content_type) {
            (1, Some(ContentType::ApplicationData | ContentType::Alert)) => Ok(Some(record.bytes)),
            (1, Some(ContentType::Handshake)) => {
                let is_short = record.bytes.len() <= SEALED_HANDSHAKE_BYTES_MAX;
                if !is_short || self.late_handshake_records >= LATE_HANDSHAKE_RECORDS_MAX {
                    return Err(Dropped::Limit);
                }
                self.late_handshake_records += 1;
                Ok(Some(record.bytes))
            }
            _ => Ok(None),
        }
    }
}

/// The content types of RFC 5246 §6.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum ContentType {
    ChangeCipherSpec = 20,
    Alert = 21,
    Handshake = 22,
    ApplicationData = 23,
}

impl ContentType {
    fn from_wire(value: u8) -> Option<Self> {
        let all = [Self::ChangeCipherSpec, Self::Alert, Self::Handshake, Self::ApplicationData];
        all.into_iter().find(|content_type| *content_type as u8 == value)
    }
}

/// A record with the header of RFC 6347 §4.1.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) content_type: Option<ContentType>,
    pub(super) epoch: u16,
    pub(super) bytes: &'a [u8],
    pub(super) body: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record at the front and what comes behind it; `None` when it is cut off.
    pub(super) fn split(datagram: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let header = datagram.first_chunk::<RECORD_HEADER_LEN>()?;
        let [kind, major, _minor, e0, e1, .., l0, l1] = *header;
        let len = RECORD_HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1]));
        let (bytes, rest) = datagram.split_at_checked(len)?;
        // RFC 6347 §4.2.1: the first hello may bear the version number of DTLS 1.0.
        let content_type = ContentType::from_wire(kind).filter(|_| major == VERSION_DTLS_1_2[0]);
        let body = bytes.get(RECORD_HEADER_LEN..)?;
        Some((Self { content_type, epoch: u16::from_be_bytes([e0, e1]), bytes, body }, rest))
    }
}

/// The records of one datagram; ends at the first malformed one.
struct Records<'a> {
    rest: &'a [u8],
    read: usize,
}

impl<'a> Records<'a> {
    fn of(datagram: &'a [u8]) -> Self {
        Self { rest: datagram, read: 0 }
    }

    fn split(&mut self) -> Option<Record<'a>> {
        let (record, rest) = Record::split(self.rest)?;
        self.rest = rest;
        Some(record)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Dropped>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        self.read += 1;
        if self.read > RECORDS_PER_DATAGRAM_MAX {
            self.rest = &[];
            return Some(Err(Dropped::Limit));
        }
        let record = self.split().ok_or(Dropped::Malformed);
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

/// Reads `data` as datagrams, before and after the handshake's end, and checks what the filters promise. The first byte
/// says how long the datagrams are: 64 to 2,104 bytes.
pub(crate) fn fuzz(data: &[u8]) {
    let (mut handshake, mut connected, mut drops) =
        (HandshakeFilter::default(), ConnectedFilter::default(), Drops::default());
    let Some((size, data)) = data.split_first() else { return };
    for datagram in data.chunks(64 + 8 * usize::from(*size)) {
        handshake.insert(datagram, &mut drops);
        while let Some(message) = handshake.next_message() {
            let record = handshake.record_of(&message);
            assert!(Records::of(&record).all(|record| record.is_ok_and(|record| record.epoch == 0)));
        }
        while let Some(record) = handshake.next_sealed() {
            assert!(record.len() <= SEALED_HANDSHAKE_BYTES_MAX);
        }
        let passed = connected.pass(datagram, &mut drops);
        assert!(passed.len() <= datagram.len());
        assert!(Records::of(&passed).all(|record| record.is_ok_and(|record| record.epoch == 1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGE_CIPHER_SPEC: u8 = 20;
    const ALERT: u8 = 21;
    const HANDSHAKE: u8 = 22;
    const APPLICATION_DATA: u8 = 23;

    #[test]
    fn sealed_records_wait_for_the_change_cipher_spec() {
        let (mut filter, mut drops) = (HandshakeFilter::default(), Drops::default());
        let finished = record(HANDSHAKE, 1, &[7; 40]);
        filter.insert(&finished, &mut drops);
        assert_eq!(filter.next_sealed(), None);
        filter.insert(&record(CHANGE_CIPHER_SPEC, 0, &[1]), &mut drops);
        filter.insert(&record(CHANGE_CIPHER_SPEC, 0, &[1]), &mut drops);
        assert_eq!(filter.next_sealed().unwrap()[0], CHANGE_CIPHER_SPEC);
        assert_eq!((filter.next_sealed(), filter.next_sealed()), (Some(finished), None));
        assert_eq!(drops, Drops::default());
    }

    #[test]
    fn d06_what_could_end_a_handshake_is_dropped() {
        let (mut filter, mut drops) = (HandshakeFilter::default(), Drops::default());
        for (content_type, epoch) in
            [(ALERT, 0), (ALERT, 1), (APPLICATION_DATA, 0), (APPLICATION_DATA, 1), (24, 0), (HANDSHAKE, 2)]
        {
            filter.insert(&record(content_type, epoch, &[2, 40]), &mut drops);
        }
        assert_eq!((filter.next_message(), filter.next_sealed(), drops.unexpected), (None, None, 6));
    }

    #[test]
    fn datagrams_bytes_and_records_of_a_handshake_are_bounded() {
        let (mut filter, mut drops) = (HandshakeFilter::default(), Drops::default());
        let full: Vec<u8> =
            (0..RECORDS_PER_DATAGRAM_MAX + 1).flat_map(|_| record(CHANGE_CIPHER_SPEC, 0, &[1])).collect();
        for _ in 0..DATAGRAMS_MAX {
            filter.insert(&full, &mut drops);
        }
        assert_eq!(u64::from(DATAGRAMS_MAX) * 17 - u64::from(RECORDS_MAX), drops.limit);
        filter.insert(&full, &mut drops);
        assert_eq!(u64::from(DATAGRAMS_MAX) * 17 - u64::from(RECORDS_MAX) + 1, drops.limit);
        let (mut filter, mut drops) = (HandshakeFilter::default(), Drops::default());
        for _ in 0..5 {
            filter.insert(&record(CHANGE_CIPHER_SPEC, 0, &[1; 60_000]), &mut drops);
        }
        assert_eq!(drops.limit, 1);
    }

    #[test]
    fn d03_after_the_handshake_only_sealed_data_and_alerts_pass() {
        let (mut filter, mut drops) = (ConnectedFilter::default(), Drops::default());
        let wanted = [record(APPLICATION_DATA, 1, b"data"), record(ALERT, 1, &[0; 18])].concat();
        let mut datagram = wanted.clone();
        for (content_type, epoch) in [(ALERT, 0), (HANDSHAKE, 0), (CHANGE_CIPHER_SPEC, 1), (APPLICATION_DATA, 2)] {
            datagram.extend(record(content_type, epoch, &[2, 40]));
        }
        assert_eq!((filter.pass(&datagram, &mut drops), drops.unexpected), (wanted, 4));
    }

    #[test]
    fn late_finished_messages_pass_a_bounded_number_of_times() {
        let (mut filter, mut drops) = (ConnectedFilter::default(), Drops::default());
        let passed = (0..40).filter(|_| !filter.pass(&record(HANDSHAKE, 1, &[0; 48]), &mut drops).is_empty()).count();
        assert_eq!((passed, drops.limit), (usize::from(LATE_HANDSHAKE_RECORDS_MAX), 24));
        assert!(ConnectedFilter::default().pass(&record(HANDSHAKE, 1, &[0; 400]), &mut drops).is_empty());
    }

    #[test]
    fn every_cut_of_a_record_is_malformed() {
        let whole = record(HANDSHAKE, 1, &[7; 40]);
        for len in 1..whole.len() {
            let mut drops = Drops::default();
            HandshakeFilter::default().insert(&whole[..len], &mut drops);
            assert_eq!(drops.malformed, 1, "{len}");
        }
    }

    fn record(content_type: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![content_type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 9];
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(body);
        bytes
    }
}
