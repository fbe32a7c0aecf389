//! What of a datagram the engine over dimpl gets to see.
//!
//! That library joins fragments, holds early records and drops replays by itself. Kept from it is what an attacker on a
//! validated path could end a handshake with for the price of one datagram, or make it hold: alerts in the clear, messages
//! that the other role sends, fragments and numbers beyond reason, and more datagrams than a handshake can need.

use super::Role;
use super::reassembly::{self, Dropped};
use super::record_filter::{
    BYTES_MAX, ContentType, DATAGRAMS_MAX, Drops, RECORDS_PER_DATAGRAM_MAX, Record, SEALED_HANDSHAKE_BYTES_MAX,
};

/// Handshake records passed on once connected; further ones are dropped.
///
/// A peer whose last flight got no answer repeats up to five of them at a time; the library answers such repeats.
const LATE_RECORDS_MAX: u8 = 64;

/// Content type of an acknowledgement in the clear (RFC 9147 §7).
const ACK: u8 = 26;

/// First bytes of sealed DTLS 1.3 records (RFC 9147 §4).
const UNIFIED_HEADERS: std::ops::RangeInclusive<u8> = 0x20..=0x3f;
/// Says in a unified header that a connection id follows.
const CONNECTION_ID_BIT: u8 = 0x10;
/// Says in a unified header that the sequence number has two bytes.
const LONG_SEQUENCE_BIT: u8 = 0x08;
/// Says in a unified header that a length follows; else the record ends with the datagram.
const LENGTH_BIT: u8 = 0x04;

/// The gate of one association.
#[derive(Debug)]
pub(super) struct Gate {
    peer: Role,
    datagrams: u32,
    bytes: usize,
    late_records: u8,
    is_connected: bool,
}

impl Gate {
    /// A gate for datagrams of a peer in the role `peer`.
    pub(super) fn new(peer: Role) -> Self {
        Self { peer, datagrams: 0, bytes: 0, late_records: 0, is_connected: false }
    }

    /// The handshake is complete: from here on only sealed records count.
    pub(super) fn connected(&mut self) {
        self.is_connected = true;
    }

    /// The records of `datagram` that may pass, put together; empty if none may.
    pub(super) fn pass(&mut self, datagram: &[u8], drops: &mut Drops) -> Vec<u8> {
        if !self.is_connected && !self.has_room(datagram.len()) {
            drops.limit += 1;
            return Vec::new();
        }
        let mut passed = Vec::with_capacity(datagram.len());
        let mut rest = datagram;
        for _ in 0..RECORDS_PER_DATAGRAM_MAX {
            if rest.is_empty() {
                return passed;
            }
            let (verdict, after) = match split_sealed(rest) {
                Some(Ok((record, after))) => (Ok(Some(record)), after),
                Some(Err(dropped)) => (Err(dropped), &[][..]),
                None => match Record::split(rest) {
                    Some((record, after)) => (self.check(&record), after),
                    None => (Err(Dropped::Malformed), &[][..]),
                },
            };
            match verdict {
                Ok(Some(bytes)) => passed.extend_from_slice(bytes),
                Ok(None) => drops.unexpected += 1,
                Err(dropped) => *drops += dropped,
            }
            rest = after;
        }
        drops.limit += u64::from(!rest.is_empty());
        passed
    }

    fn has_room(&mut self, len: usize) -> bool {
        self.datagrams = self.datagrams.saturating_add(1);
        self.bytes = self.bytes.saturating_add(len);
        self.datagrams <= DATAGRAMS_MAX && self.bytes <= BYTES_MAX
    }

    /// Decides about a record with the header of DTLS 1.2 (RFC 6347 §4.1).
    fn check<'a>(&mut self, record: &Record<'a>) -> Result<Option<&'a [u8]>, Dropped> {
        use ContentType::{Alert, ApplicationData, ChangeCipherSpec, Handshake};
        let is_ack = record.bytes.first() == Some(&ACK);
        let is_wanted = match (record.epoch, record.content_type) {
            (0, Some(Handshake)) => {
                reassembly::check_record(record.body, |kind| sends(self.peer, kind))?;
                self.has_late_room()?
            }
            (1, Some(Handshake)) if record.bytes.len() > SEALED_HANDSHAKE_BYTES_MAX => return Err(Dropped::Limit),
            (1, Some(Handshake)) => self.has_late_room()?,
            (0, Some(ChangeCipherSpec)) => !self.is_connected,
            (0, None) => is_ack && !self.is_connected,
            (1, Some(Alert | ApplicationData)) => self.is_connected,
            _ => false,
        };
        Ok(is_wanted.then_some(record.bytes))
    }

    fn has_late_room(&mut self) -> Result<bool, Dropped> {
        if self.is_connected {
            if self.late_records >= LATE_RECORDS_MAX {
                return Err(Dropped::Limit);
            }
            self.late_records += 1;
        }
        Ok(true)
    }
}

/// Whether a peer in `role` sends this handshake message in the clear (RFC 6347 §4.2.4, RFC 9147 §5.7).
fn sends(role: Role, kind: u8) -> bool {
    match role {
        // ClientHello, Certificate, CertificateVerify, ClientKeyExchange.
        Role::Client => matches!(kind, 1 | 11 | 15 | 16),
        // ServerHello, HelloVerifyRequest, NewSessionTicket, Certificate, ServerKeyExchange, CertificateRequest,
        // ServerHelloDone.
        Role::Server => matches!(kind, 2 | 3 | 4 | 11..=14),
    }
}

/// A record and what comes behind it.
type Split<'a> = (&'a [u8], &'a [u8]);

/// A record of DTLS 1.3 with the unified header and what comes behind it; `None` for other records.
fn split_sealed(bytes: &[u8]) -> Option<Result<Split<'_>, Dropped>> {
    let first = *bytes.first()?;
    if !UNIFIED_HEADERS.contains(&first) {
        return None;
    }
    if first & CONNECTION_ID_BIT != 0 {
        // We offer no connection ids (RFC 9146).
        return Some(Err(Dropped::Malformed));
    }
    let length_at = if first & LONG_SEQUENCE_BIT != 0 { 3 } else { 2 };
    let end = if first & LENGTH_BIT == 0 {
        Some(bytes.len())
    } else {
        let length = bytes.get(length_at..length_at + 2);
        length.map(|length| length_at + 2 + usize::from(u16::from_be_bytes([length[0], length[1]])))
    };
    Some(end.and_then(|end| bytes.split_at_checked(end)).ok_or(Dropped::Malformed))
}

/// Reads `data` as datagrams, before and after the handshake's end, and checks what the gate promises. The first byte
/// says how long the datagrams are: 64 to 2,104 bytes.
pub(crate) fn fuzz(data: &[u8]) {
    let Some((size, data)) = data.split_first() else { return };
    for peer in [Role::Client, Role::Server] {
        let (mut shaking, mut connected, mut drops) = (Gate::new(peer), Gate::new(peer), Drops::default());
        connected.connected();
        for datagram in data.chunks(64 + 8 * usize::from(*size)) {
            for gate in [&mut shaking, &mut connected] {
                let passed = gate.pass(datagram, &mut drops);
                assert!(passed.len() <= datagram.len());
                let again = Gate::new(peer).pass(&passed, &mut Drops::default());
                assert!(gate.is_connected || again == passed, "what passed would pass again");
            }
        }
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
    fn a_servers_flight_passes_as_it_came() {
        let (mut gate, mut drops) = (Gate::new(Role::Server), Drops::default());
        let flight = [record(HANDSHAKE, 0, &hello(2, 1)), record(CHANGE_CIPHER_SPEC, 0, &[1])].concat();
        let finished = record(HANDSHAKE, 1, &[7; 40]);
        let sealed = [0x2e, 0, 1, 0, 4, 1, 2, 3, 4];
        for datagram in [&flight[..], &finished, &sealed] {
            assert_eq!(gate.pass(datagram, &mut drops), datagram);
        }
        assert_eq!(drops, Drops::default());
    }

    #[test]
    fn d06_what_could_end_a_handshake_is_dropped() {
        for peer in [Role::Client, Role::Server] {
            let (mut gate, mut drops) = (Gate::new(peer), Drops::default());
            for (content_type, epoch) in
                [(ALERT, 0), (ALERT, 1), (APPLICATION_DATA, 0), (APPLICATION_DATA, 1), (24, 0), (HANDSHAKE, 2)]
            {
                assert!(gate.pass(&record(content_type, epoch, &[2, 40]), &mut drops).is_empty());
            }
            assert_eq!(drops.unexpected, 6);
        }
    }

    #[test]
    fn messages_of_the_other_role_are_malformed() {
        for (peer, other) in [(Role::Client, 2), (Role::Client, 14), (Role::Server, 1), (Role::Server, 16)] {
            let (mut gate, mut drops) = (Gate::new(peer), Drops::default());
            assert!(gate.pass(&record(HANDSHAKE, 0, &hello(other, 0)), &mut drops).is_empty());
            assert_eq!(drops.malformed, 1, "{peer:?} {other}");
        }
    }

    #[test]
    fn d04_tiny_fragments_and_endless_messages_are_dropped() {
        let (mut gate, mut drops) = (Gate::new(Role::Client), Drops::default());
        let tiny = [1, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7];
        let huge = [&[1, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 64][..], &[0; 64]].concat();
        let far = [&[1, 0, 0, 64, 0xff, 0xff, 0, 0, 0, 0, 0, 64][..], &[0; 64]].concat();
        for body in [&tiny[..], &huge, &far] {
            assert!(gate.pass(&record(HANDSHAKE, 0, body), &mut drops).is_empty());
        }
        assert_eq!(drops.limit, 3);
    }

    #[test]
    fn datagrams_and_bytes_of_a_handshake_are_bounded() {
        let (mut gate, mut drops) = (Gate::new(Role::Client), Drops::default());
        let hello = record(HANDSHAKE, 0, &hello(1, 0));
        let passed = (0..1_000).filter(|_| !gate.pass(&hello, &mut drops).is_empty()).count();
        assert_eq!((passed, drops.limit), (DATAGRAMS_MAX as usize, 1_000 - u64::from(DATAGRAMS_MAX)));
        let (mut gate, mut drops) = (Gate::new(Role::Client), Drops::default());
        let large = [0x2e; 60_000];
        (0..8).for_each(|_| drop(gate.pass(&large, &mut drops)));
        assert_eq!(drops.limit, 8 - (BYTES_MAX / large.len()) as u64);
    }

    #[test]
    fn d03_after_the_handshake_only_sealed_data_and_alerts_pass() {
        let (mut gate, mut drops) = (Gate::new(Role::Client), Drops::default());
        gate.connected();
        let sealed = [0x2d, 0, 0, 0, 4, 1, 2, 3, 4];
        let wanted = [record(APPLICATION_DATA, 1, b"data"), record(ALERT, 1, &[0; 18]), sealed.to_vec()].concat();
        let mut datagram = wanted.clone();
        datagram.truncate(wanted.len() - sealed.len());
        for (content_type, epoch) in [(ALERT, 0), (CHANGE_CIPHER_SPEC, 0), (CHANGE_CIPHER_SPEC, 1), (26, 0)] {
            datagram.extend(record(content_type, epoch, &[2, 40]));
        }
        datagram.extend(sealed);
        assert_eq!((gate.pass(&datagram, &mut drops), drops.unexpected), (wanted, 4));
    }

    #[test]
    fn repeats_of_the_last_flight_pass_a_bounded_number_of_times() {
        let (mut gate, mut drops) = (Gate::new(Role::Client), Drops::default());
        gate.connected();
        let repeat = record(HANDSHAKE, 1, &[0; 48]);
        let passed = (0..100).filter(|_| !gate.pass(&repeat, &mut drops).is_empty()).count();
        assert_eq!((passed, drops.limit), (usize::from(LATE_RECORDS_MAX), 36));
    }

    #[test]
    fn every_cut_of_a_record_is_malformed() {
        let sealed = [0x2e, 0, 1, 0, 4, 1, 2, 3, 4];
        for whole in [&record(HANDSHAKE, 1, &[7; 40])[..], &sealed] {
            for len in 1..whole.len() {
                let mut drops = Drops::default();
                assert!(Gate::new(Role::Client).pass(&whole[..len], &mut drops).is_empty());
                assert_eq!(drops.malformed, 1, "{len}");
            }
        }
    }

    #[test]
    fn a_connection_id_that_nobody_offered_is_malformed() {
        let mut drops = Drops::default();
        assert!(Gate::new(Role::Server).pass(&[0x3e, 0, 1, 0, 4, 1, 2, 3, 4], &mut drops).is_empty());
        assert_eq!(drops.malformed, 1);
    }

    /// A whole message of 64 zeros.
    fn hello(kind: u8, sequence: u8) -> Vec<u8> {
        [&[kind, 0, 0, 64, 0, sequence, 0, 0, 0, 0, 0, 64][..], &[0; 64]].concat()
    }

    fn record(content_type: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![content_type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 9];
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(body);
        bytes
    }
}
