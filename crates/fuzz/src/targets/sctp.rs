//! One SCTP association and a peer that writes its packets by hand, with true tags, checksums and cookies.

use std::time::{Duration, Instant};

use millrace_model::{Counters, SctpState};
use millrace_transport::fuzz::sctp_packet;
use millrace_transport::sctp::{SctpAssociation, SctpEvent, SctpMessage, SctpSettings};

use crate::script::Script;

/// Longest message either way, and bytes that wait at most.
const BYTES_MAX: u32 = 100_000;

/// Longest packet that leaves: with DTLS, UDP and IPv6 it stays below 1,280 bytes.
const PACKET_BYTES_MAX: usize = 1_200;

/// The peer's first transmission sequence number: the numbers of its DATA wrap soon.
const FIRST_TSN: u32 = u32::MAX - 9;

/// Runs the steps of `data` against an association that is up.
///
/// # Panics
/// If it says what does not fit a datagram, hands out a message that is too long, or goes on after its end.
pub fn sctp(data: &[u8]) {
    let mut attack = Attack::connected();
    let mut script = Script(data);
    while attack.step(&mut script).is_some() {
        attack.check();
    }
}

struct Attack {
    victim: SctpAssociation,
    counters: Counters,
    now: Instant,
    tag: u32,
    /// The victim's first number, less one.
    victim_tsn: u32,
    ended: bool,
}

impl Attack {
    fn connected() -> Self {
        let settings = SctpSettings {
            max_send_message_bytes: BYTES_MAX,
            max_receive_message_bytes: BYTES_MAX,
            send_buffer_bytes: BYTES_MAX as usize,
            stream_send_bytes: BYTES_MAX as usize,
            receive_window_bytes: 2 * BYTES_MAX,
            buffered_amount_low_threshold: 1024,
            data_channels: true,
            initiative: Duration::from_secs(60),
        };
        let (now, counters) = (Instant::now(), Counters::default());
        let mut attack =
            Self { victim: SctpAssociation::new(settings), counters, now, tag: 0, victim_tsn: 0, ended: false };
        attack.victim.start(now, &mut attack.counters);
        attack.give(&init(FIRST_TSN));
        let answer = attack.victim.poll_transmit().expect("an INIT is answered");
        // The common header, then INIT ACK with its tag, window, streams and number, and the cookie first of all.
        let word = |at: usize| u32::from_be_bytes(answer[at..at + 4].try_into().expect("four bytes"));
        (attack.tag, attack.victim_tsn) = (word(16), word(28).wrapping_sub(1));
        let cookie_len = usize::from(word(32) as u16);
        assert_eq!(word(32) >> 16, 7, "the cookie is the first parameter");
        let cookie = &answer[36..32 + cookie_len];
        attack.give(&[&[10, 0, 0, cookie_len as u8], cookie].concat());
        attack.check();
        assert_eq!(attack.victim.state(), SctpState::Connected);
        attack
    }

    fn give(&mut self, chunks: &[u8]) {
        let packet = sctp_packet(self.tag, chunks);
        self.victim.handle_packet(packet.into(), self.now, &mut self.counters);
    }

    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        match script.byte()? % 8 {
            0..=2 => {
                let chunks = script.chunk()?;
                self.give(chunks);
            }
            3 => {
                self.now += Duration::from_millis(script.u16()?.into());
                let now = self.now;
                self.victim.handle_timeout(now, &mut self.counters);
            }
            4 => {
                let (stream, len) = (script.byte()?.into(), usize::from(script.u16()?));
                let message = SctpMessage { stream, ppid: 53, payload: vec![7; len].into() };
                // What is refused is as good as what is sent.
                let _ = self.victim.send(&message, self.now, &mut self.counters);
            }
            5 => {
                let stream = script.byte()?.into();
                self.victim.close_stream(stream, self.now, &mut self.counters);
            }
            6 => {
                let tag = std::mem::take(&mut self.tag);
                let chunks = script.chunk()?;
                self.give(chunks);
                self.tag = tag;
            }
            // A SACK of as many packets as the byte says.
            _ => {
                let acknowledged = self.victim_tsn.wrapping_add(script.byte()?.into());
                let rest = script.chunk()?;
                let len = (8 + rest.len()) as u16;
                let header = [&[3, 0][..], &len.to_be_bytes(), &acknowledged.to_be_bytes(), rest].concat();
                self.give(&header);
            }
        }
        Some(())
    }

    fn check(&mut self) {
        while let Some(packet) = self.victim.poll_transmit() {
            assert!(packet.len() <= PACKET_BYTES_MAX, "{} bytes leave", packet.len());
        }
        while let Some(event) = self.victim.poll_event() {
            assert!(!self.ended, "after the end: {event:?}");
            match event {
                SctpEvent::Message(message) => assert!(message.payload.len() <= BYTES_MAX as usize),
                SctpEvent::State(state) => self.ended = matches!(state, SctpState::Closed | SctpState::Failed),
                SctpEvent::BufferedAmountLow { bytes, .. } => assert!(bytes <= 1024),
                SctpEvent::Opened(_) | SctpEvent::StreamClosed(_) => {}
            }
        }
    }
}

/// An INIT with support of partial reliability and stream reset.
pub(crate) fn init(tsn: u32) -> Vec<u8> {
    let header = [1, 0, 0, 32, 0, 0, 0x5e, 0xed, 0, 1, 0, 0, 4, 0, 4, 0];
    [&header[..], &tsn.to_be_bytes(), &[0xc0, 0, 0, 4, 0x80, 8, 0, 6, 130, 192, 0, 0]].concat()
}
