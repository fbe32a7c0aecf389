//! Packet capture: RTP and RTCP in the clear, as a pcapng file (draft-ietf-opsawg-pcapng). Packets become blocks of the file on the
//! worker's thread, in memory; a thread of the capture's own writes them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use millrace_model::NtpTime;
use millrace_net::prefer_default_time_slices;
use serde_json::json;

use crate::error::RequestError;
use crate::message::{Message, Outcome};
use crate::outbox::Outbox;
use crate::request::refusal;

/// Batches that wait for the disk at most. When all are waiting, what a further one holds is left out and counted.
const WAITING_BATCHES_MAX: usize = 64;

/// Bytes after which a batch is handed over although the worker's turn goes on.
const BATCH_BYTES_MAX: usize = 64 << 10;

/// Packets carry their time in nanoseconds.
const NANOSECONDS: u8 = 9;

/// Packets are IP packets, version 4 or 6, without a link header.
const LINKTYPE_RAW: u16 = 101;

/// Which way a packet goes, seen from the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    In,
    Out,
}

/// The addresses that a packet is shown with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

/// A capture that is going on.
#[derive(Debug)]
pub(crate) struct Capture {
    batch: Vec<u8>,
    batch_packets: u64,
    writer: SyncSender<Order>,
    /// The file could not be opened. The writing thread waits for the end all the same, which somebody may have asked for.
    has_failed: Arc<AtomicBool>,
    bytes_left: u64,
    packets: u64,
    dropped: u64,
}

/// What the writing thread is to do.
enum Order {
    Write(Vec<u8>),
    /// Finish the file and answer this request with these figures.
    End {
        request: Option<u32>,
        packets: u64,
        dropped: u64,
    },
}

impl Capture {
    /// Begins a capture into `file`, of at most `bytes_max` bytes. The answer to `request` comes once the file is open, or cannot
    /// be opened.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        file: PathBuf,
        bytes_max: u64,
        request: Option<u32>,
        outbox: Arc<Outbox>,
    ) -> Result<Self, RequestError> {
        let (writer, orders) = sync_channel(WAITING_BATCHES_MAX);
        let has_failed = Arc::new(AtomicBool::new(false));
        let failure = Arc::clone(&has_failed);
        let body = move || {
            prefer_default_time_slices();
            write_file(&file, &orders, request, &failure, &outbox);
        };
        let thread = thread::Builder::new().name("millrace-capture".to_owned()).spawn(body);
        thread.map_err(|error| RequestError::System { doing: "starting a thread for the capture", error })?;
        let mut capture = Self {
            batch: Vec::new(),
            batch_packets: 0,
            writer,
            has_failed,
            bytes_left: bytes_max,
            packets: 0,
            dropped: 0,
        };
        capture.batch.extend_from_slice(&file_header());
        capture.bytes_left = capture.bytes_left.saturating_sub(capture.batch.len() as u64);
        Ok(capture)
    }

    /// Adds a packet that came or went at `at`. When the file is as long as it may be, packets are only counted.
    pub(crate) fn add(&mut self, direction: Direction, ends: Ends, at: NtpTime, packet: &[u8]) {
        let block_len = block_len(ends, packet.len());
        if block_len as u64 > self.bytes_left {
            self.dropped += 1;
            return;
        }
        self.bytes_left -= block_len as u64;
        write_packet_block(&mut self.batch, direction, ends, unix_ns(at), packet);
        self.batch_packets += 1;
        if self.batch.len() >= BATCH_BYTES_MAX {
            self.flush();
        }
    }

    /// Tells whether the file can take no more, because it could not be opened.
    pub(crate) fn is_over(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Hands over what was collected.
    pub(crate) fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let packets = std::mem::take(&mut self.batch_packets);
        match self.writer.try_send(Order::Write(std::mem::take(&mut self.batch))) {
            Ok(()) => self.packets += packets,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped += packets,
        }
    }

    /// Ends the capture. The answer to `request` comes once the file is complete.
    pub(crate) fn end(mut self, request: Option<u32>, outbox: &Outbox) {
        self.flush();
        let order = Order::End { request, packets: self.packets, dropped: self.dropped };
        let writer = self.writer;
        match writer.try_send(order) {
            Ok(()) => {}
            // The disk is behind by all that may wait: whoever waits for it must not be this thread.
            Err(TrySendError::Full(order)) => {
                let _ = thread::Builder::new().spawn(move || writer.send(order));
            }
            Err(TrySendError::Disconnected(_)) => {
                let error = io::Error::other("the file could not be written");
                answer(request, Err(RequestError::System { doing: "capturing packets", error }), outbox);
            }
        }
    }
}

fn answer(request: Option<u32>, result: Result<serde_json::Value, RequestError>, outbox: &Outbox) {
    let Some(id) = request else { return };
    outbox.push(match result {
        Ok(value) => Message::Reply { id, outcome: Outcome::Ok(value) },
        Err(error) => refusal(id, error),
    });
}

/// What the writing thread does.
fn write_file(file: &Path, orders: &Receiver<Order>, request: Option<u32>, has_failed: &AtomicBool, outbox: &Outbox) {
    let failed = |error| RequestError::System { doing: "capturing packets", error };
    let mut out = match File::create(file) {
        Ok(file) => BufWriter::new(file),
        Err(error) => {
            // First, so that whoever reads the answer may begin another one.
            has_failed.store(true, Ordering::Release);
            answer(request, Err(failed(error)), outbox);
            return refuse_end(orders, outbox);
        }
    };
    answer(request, Ok(serde_json::Value::Null), outbox);
    let mut written = Ok(0);
    let mut ended = None;
    for order in orders {
        match order {
            Order::Write(blocks) => {
                written = written.and_then(|bytes| out.write_all(&blocks).map(|()| bytes + blocks.len() as u64));
            }
            Order::End { request, packets, dropped } => {
                ended = Some((request, packets, dropped));
                break;
            }
        }
    }
    let written = written.and_then(|bytes: u64| out.flush().map(|()| bytes));
    if let Some((request, packets, dropped)) = ended {
        let figures = |bytes| json!({ "packets": packets, "dropped": dropped, "bytes": bytes });
        answer(request, written.map(figures).map_err(failed), outbox);
    }
}

/// Answers whoever ends a capture that never began; without this, nobody would.
fn refuse_end(orders: &Receiver<Order>, outbox: &Outbox) {
    for order in orders {
        if let Order::End { request, .. } = order {
            let error = io::Error::other("the file could not be opened");
            return answer(request, Err(RequestError::System { doing: "capturing packets", error }), outbox);
        }
    }
}

/// The section header and the description of the one interface.
fn file_header() -> Vec<u8> {
    let mut out = Vec::new();
    write_block(&mut out, 0x0a0d_0d0a, |out| {
        out.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
        out.extend_from_slice(&[1, 0, 0, 0]);
        out.extend_from_slice(&u64::MAX.to_le_bytes());
    });
    write_block(&mut out, 1, |out| {
        out.extend_from_slice(&LINKTYPE_RAW.to_le_bytes());
        out.extend_from_slice(&[0; 6]);
        // Option 9, the resolution of time, one byte; the end of options.
        out.extend_from_slice(&[9, 0, 1, 0, NANOSECONDS, 0, 0, 0, 0, 0, 0, 0]);
    });
    out
}

/// Writes a block: type, length, content, length.
fn write_block(out: &mut Vec<u8>, kind: u32, content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    content(out);
    let len = (out.len() - start + 4) as u32;
    out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
}

const fn ip_header_len(ends: Ends) -> usize {
    if ends.local.is_ipv4() && ends.remote.is_ipv4() { 20 } else { 40 }
}

/// Bytes of the block of a packet of `len` bytes: head and tail of the block, options, IP and UDP headers.
const fn block_len(ends: Ends, len: usize) -> usize {
    32 + 12 + (ip_header_len(ends) + UDP_HEADER_BYTES + len).next_multiple_of(4)
}

const UDP_HEADER_BYTES: usize = 8;

/// A time in nanoseconds since 1970.
fn unix_ns(at: NtpTime) -> u64 {
    let seconds = (at.0 >> 32).wrapping_sub(SECONDS_FROM_1900_TO_1970) & 0xffff_ffff;
    seconds * 1_000_000_000 + (((at.0 & 0xffff_ffff) * 1_000_000_000) >> 32)
}

/// NTP counts from 1900 (RFC 5905 §6).
const SECONDS_FROM_1900_TO_1970: u64 = 2_208_988_800;

fn write_packet_block(out: &mut Vec<u8>, direction: Direction, ends: Ends, at_ns: u64, packet: &[u8]) {
    let captured = ip_header_len(ends) + UDP_HEADER_BYTES + packet.len();
    write_block(out, 6, |out| {
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&((at_ns >> 32) as u32).to_le_bytes());
        out.extend_from_slice(&(at_ns as u32).to_le_bytes());
        out.extend_from_slice(&(captured as u32).to_le_bytes());
        out.extend_from_slice(&(captured as u32).to_le_bytes());
        let start = out.len();
        let (source, destination) = match direction {
            Direction::In => (ends.remote, ends.local),
            Direction::Out => (ends.local, ends.remote),
        };
        write_datagram(out, source, destination, packet);
        out.resize(start + captured.next_multiple_of(4), 0);
        // Option 2, flags: which way it went. Then the end of options.
        let way = if direction == Direction::In { 1 } else { 2 };
        out.extend_from_slice(&[2, 0, 4, 0, way, 0, 0, 0, 0, 0, 0, 0]);
    });
}

/// Writes a packet as the datagram that it would have been on the network without encryption.
fn write_datagram(out: &mut Vec<u8>, source: SocketAddr, destination: SocketAddr, packet: &[u8]) {
    let udp_len = (UDP_HEADER_BYTES + packet.len()) as u16;
    let start = out.len();
    let pseudo_header_sum = match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            out.extend_from_slice(&[0x45, 0]);
            out.extend_from_slice(&(20 + udp_len).to_be_bytes());
            // No identification, "do not fragment", 64 hops, UDP; the checksum follows.
            out.extend_from_slice(&[0, 0, 0x40, 0, 64, 17, 0, 0]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
            let checksum = !fold(sum(&out[start..]));
            out[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
            sum(&out[start + 12..])
        }
        (from, to) => {
            let v6 = |address: IpAddr| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            out.extend_from_slice(&[0x60, 0, 0, 0]);
            out.extend_from_slice(&udp_len.to_be_bytes());
            out.extend_from_slice(&[17, 64]);
            out.extend_from_slice(&v6(from));
            out.extend_from_slice(&v6(to));
            sum(&out[start + 8..])
        }
    };
    let udp = out.len();
    out.extend_from_slice(&source.port().to_be_bytes());
    out.extend_from_slice(&destination.port().to_be_bytes());
    out.extend_from_slice(&udp_len.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(packet);
    // RFC 768: the checksum spans addresses, protocol, length and data; a sum of zero is written as all ones.
    let checksum = !fold(pseudo_header_sum + 17 + u64::from(udp_len) + sum(&out[udp..]));
    let checksum = if checksum == 0 { 0xffff } else { checksum };
    out[udp + 6..udp + 8].copy_from_slice(&checksum.to_be_bytes());
}

/// The sum of 16-bit words, the last one filled up with zero (RFC 1071).
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(2).map(|word| match word {
        [high, low] => u16::from_be_bytes([*high, *low]),
        [high] => u16::from_be_bytes([*high, 0]),
        _ => 0,
    });
    words.map(u64::from).sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: Ends = Ends {
        local: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 40_000),
        remote: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 2)), 5_004),
    };

    #[test]
    fn a_datagram_has_the_checksums_that_its_receiver_would_compute() {
        let v6: Ends =
            Ends { local: "[2001:db8::1]:40000".parse().unwrap(), remote: "[2001:db8::2]:5004".parse().unwrap() };
        for (ends, header, addresses) in [(V4, 20, 12), (v6, 40, 8)] {
            for packet in [&b"an odd number"[..], b"an even number"] {
                let mut out = Vec::new();
                write_datagram(&mut out, ends.local, ends.remote, packet);
                assert_eq!(out.len(), header + 8 + packet.len());
                if header == 20 {
                    assert_eq!(fold(sum(&out[..20])), 0xffff);
                }
                let udp = &out[header..];
                assert_eq!((&udp[..6], &udp[8..]), (&[0x9c, 0x40, 0x13, 0x8c, 0, 8 + packet.len() as u8][..], packet));
                assert_eq!(fold(sum(&out[addresses..header]) + 17 + udp.len() as u64 + sum(udp)), 0xffff);
            }
        }
    }

    #[test]
    fn who_ends_a_capture_that_could_not_begin_is_answered_too() {
        for _ in 0..100 {
            let outbox = Arc::new(Outbox::new(|| {}));
            let nowhere = std::env::temp_dir().join("millrace-no-such-folder/capture.pcapng");
            let capture = Capture::start(nowhere, 10_000, Some(1), Arc::clone(&outbox)).unwrap();
            capture.end(Some(2), &outbox);
            while outbox.unread_replies() < 2 {
                thread::yield_now();
            }
            let codes = outbox.take_batch().into_iter().map(|message| match message {
                Message::Reply { id, outcome: Outcome::Error(body) } => (id, body.code),
                other => panic!("{other:?}"),
            });
            assert_eq!(codes.collect::<Vec<_>>(), [(1, "ERR_SYSTEM"), (2, "ERR_SYSTEM")]);
        }
    }

    #[test]
    fn times_are_those_of_unix() {
        assert_eq!(unix_ns(NtpTime(SECONDS_FROM_1900_TO_1970 << 32)), 0);
        assert_eq!(
            unix_ns(NtpTime((SECONDS_FROM_1900_TO_1970 + 1_700_000_000) << 32 | 1 << 31)),
            1_700_000_000_500_000_000
        );
    }

    #[test]
    fn blocks_are_as_long_as_they_say_on_both_sides() {
        let mut out = file_header();
        for len in 0..9 {
            let before = out.len();
            write_packet_block(&mut out, Direction::Out, V4, 1 << 40, &vec![7; len]);
            assert_eq!(out.len() - before, block_len(V4, len));
        }
        let mut rest = &out[..];
        let mut kinds = Vec::new();
        while let Some((head, _)) = rest.split_first_chunk::<8>() {
            let len = u32::from_le_bytes(head[4..].try_into().unwrap()) as usize;
            let (block, after) = rest.split_at(len);
            assert_eq!(block[len - 4..], head[4..]);
            assert_eq!(len % 4, 0);
            kinds.push(u32::from_le_bytes(head[..4].try_into().unwrap()));
            rest = after;
        }
        assert_eq!(kinds, [&[0x0a0d_0d0a, 1][..], &[6; 9]].concat());
    }
}
