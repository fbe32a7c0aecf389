//! Sending over loopback, on both backends, with faults injected at the door to the kernel.

use millrace_packet::PacketPool;

use super::faults::Faults;
#[cfg(target_os = "linux")]
use super::plan::MESSAGES_MAX;
use super::*;
use crate::Backend;
use crate::udp::tests::{BACKENDS, bound, receive};

const SOCKET: SocketIndex = SocketIndex(0);

/// A sender and peers on loopback.
struct Bench {
    sender: UdpSocket,
    peers: Vec<UdpSocket>,
    pool: PacketPool,
    batch: SendBatch,
}

impl Bench {
    fn new(backend: Backend, peers: usize) -> Self {
        Self {
            sender: bound("127.0.0.1", backend),
            peers: (0..peers).map(|_| bound("127.0.0.1", Backend::Native)).collect(),
            pool: PacketPool::new(4096),
            batch: SendBatch::new(2048),
        }
    }

    fn address(&self, peer: usize) -> SocketAddr {
        self.peers[peer].local_addr()
    }

    /// Puts a datagram of `len` bytes, all `fill`, into the batch. False when the batch gives no slot.
    fn put(&mut self, peer: usize, fill: u8, len: usize) -> bool {
        let remote = self.address(peer);
        let Some(slot) = self.batch.slot(SOCKET) else { return false };
        slot[..len].fill(fill);
        let destination = Destination { socket: SOCKET, key: DestinationKey(peer as u32), remote, source: None };
        self.batch.commit(len, &destination);
        true
    }

    fn flush(&mut self) -> SendReport {
        self.batch.flush(|_| Some(&self.sender))
    }

    fn set_faults(&self, faults: Faults) {
        self.sender.faults.set(faults);
    }

    /// Fill byte and length of the next datagrams that a peer gets.
    async fn arrivals(&self, peer: usize, count: usize) -> Vec<(u8, usize)> {
        let (datagrams, _) = receive(&self.peers[peer], &self.pool, count).await;
        datagrams.iter().map(|datagram| (datagram.packet.bytes()[0], datagram.packet.bytes().len())).collect()
    }

    async fn nothing_more_arrives(&mut self, peer: usize) {
        self.set_faults(Faults::default());
        assert!(self.put(peer, 255, 1));
        self.flush();
        assert_eq!(self.arrivals(peer, 1).await, [(255, 1)]);
    }
}

/// Lengths like those of video frames: equal, last one shorter, a byte off, audio between.
fn lengths() -> impl Iterator<Item = usize> {
    let frame = [1200, 1200, 1200, 1200, 431, 1199, 1200, 1199, 1199, 90, 90, 90, 1500, 1500, 1];
    frame.into_iter().cycle()
}

#[tokio::test]
async fn every_backend_delivers_the_same_datagrams_in_order_to_each_peer() {
    for (backend, segmenting) in [(Backend::Native, true), (Backend::Native, false), (Backend::Portable, false)] {
        let mut bench = Bench::new(backend, 3);
        if !segmenting {
            bench.sender.stop_segmenting();
        }
        let sent: Vec<(u8, usize)> = (0..200).zip(lengths()).collect();
        for &(fill, len) in &sent {
            (0..3).for_each(|peer| assert!(bench.put(peer, fill, len)));
        }
        let report = bench.flush();
        assert_eq!(report.datagrams, 600);
        assert_eq!(report.bytes, 3 * sent.iter().map(|&(_, len)| len as u64).sum::<u64>());
        for peer in 0..3 {
            assert_eq!(bench.arrivals(peer, 200).await, sent, "{backend:?}, segmenting {segmenting}");
        }
        assert!(bench.batch.is_empty());
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_frame_for_a_hundred_viewers_is_a_hundred_messages_in_one_call() {
    let mut bench = Bench::new(Backend::Native, 100);
    for fill in 0..6 {
        (0..100).for_each(|peer| assert!(bench.put(peer, fill, if fill == 5 { 700 } else { 1200 })));
    }
    let report = bench.flush();
    assert_eq!((report.datagrams, report.messages, report.calls), (600, 100, 1));
    let expected: Vec<(u8, usize)> = (0..6).map(|fill| (fill, if fill == 5 { 700 } else { 1200 })).collect();
    assert_eq!(bench.arrivals(99, 6).await, expected);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn runs_end_at_64_datagrams_and_below_64_kilobytes() {
    for (len, messages) in [(100, 4), (1200, 4), (1500, 5)] {
        let mut bench = Bench::new(Backend::Native, 1);
        (0..200).for_each(|fill| assert!(bench.put(0, fill, len)));
        assert_eq!(bench.flush().messages, messages, "runs of {len} bytes");
        assert_eq!(bench.arrivals(0, 200).await.len(), 200);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn more_messages_than_one_call_takes_leave_with_the_next() {
    let mut bench = Bench::new(Backend::Native, 1);
    // Each is longer than the one before, so none continues a run.
    let sent: Vec<(u8, usize)> = (1..=MESSAGES_MAX + 100).map(|len| (len as u8, len)).collect();
    sent.iter().for_each(|&(fill, len)| assert!(bench.put(0, fill, len)));
    let report = bench.flush();
    assert_eq!((report.messages, report.calls), (MESSAGES_MAX as u64 + 100, 2));
    assert_eq!(bench.arrivals(0, sent.len()).await, sent);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_dual_stack_socket_sends_runs_to_both_families() {
    let sender = bound("::", Backend::Native);
    let (peers, pool) = ([bound("127.0.0.1", Backend::Native), bound("::1", Backend::Native)], PacketPool::new(64));
    let mut batch = SendBatch::new(16);
    for (key, peer) in peers.iter().enumerate() {
        let key = DestinationKey(key as u32);
        for _ in 0..3 {
            batch.slot(SOCKET).unwrap()[..4].copy_from_slice(b"four");
            batch.commit(4, &Destination { socket: SOCKET, key, remote: peer.local_addr(), source: None });
        }
    }
    let report = batch.flush(|_| Some(&sender));
    assert_eq!((report.datagrams, report.messages, report.refused), (6, 2, 0));
    for peer in &peers {
        assert_eq!(receive(peer, &pool, 3).await.1.bytes, 12);
    }
}

#[tokio::test]
async fn a_full_socket_keeps_the_rest_in_order_and_takes_no_more_until_it_is_writable() {
    for backend in BACKENDS {
        let mut bench = Bench::new(backend, 2);
        for fill in 0..10 {
            assert!(bench.put(0, fill, 100) && bench.put(1, fill, 100));
        }
        bench.set_faults(Faults { full_at: Some(bench.address(1)), ..Faults::default() });
        let first = bench.flush().datagrams;
        assert_eq!(bench.batch.blocked().collect::<Vec<_>>(), [SOCKET], "{backend:?}");
        assert!(!bench.put(0, 99, 100), "a blocked socket gives no slot");
        assert_eq!(bench.flush().calls, 0, "a blocked socket is left alone");

        bench.set_faults(Faults::default());
        bench.sender.writable().await.unwrap();
        bench.batch.unblock(SOCKET);
        assert!(bench.put(1, 10, 100));
        assert_eq!(first + bench.flush().datagrams, 21);
        let expected: Vec<(u8, usize)> = (0..11).map(|fill| (fill, 100)).collect();
        assert_eq!(bench.arrivals(0, 10).await, expected[..10]);
        assert_eq!(bench.arrivals(1, 11).await, expected);
        assert_eq!(bench.batch.blocked().count(), 0);
    }
}

#[tokio::test]
async fn blocked_sockets_keep_at_most_half_of_the_slots_and_drop_the_oldest() {
    let mut bench = Bench::new(Backend::Portable, 1);
    bench.batch = SendBatch::new(16);
    bench.set_faults(Faults { full_at: Some(bench.address(0)), ..Faults::default() });
    (0..16).for_each(|fill| assert!(bench.put(0, fill, 10)));
    assert!(bench.batch.is_full());
    assert_eq!(bench.flush().overflown, 8);
    assert!(!bench.batch.is_full());
    assert!(bench.batch.slot(SocketIndex(1)).is_some(), "another socket goes on");

    bench.set_faults(Faults::default());
    bench.batch.unblock(SOCKET);
    assert_eq!(bench.flush().datagrams, 8);
    assert_eq!(bench.arrivals(0, 8).await, (8..16).map(|fill| (fill, 10)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_socket_that_lost_all_it_held_is_not_blocked_for_ever() {
    let mut bench = Bench::new(Backend::Portable, 1);
    bench.batch = SendBatch::new(16);
    bench.set_faults(Faults { full_at: Some(bench.address(0)), ..Faults::default() });
    let lonely = SocketIndex(1);
    (0..15).for_each(|fill| assert!(bench.put(0, fill, 10)));
    let destination = Destination { socket: lonely, key: DestinationKey(1), remote: bench.address(0), source: None };
    assert!(bench.batch.slot(lonely).is_some());
    bench.batch.commit(10, &destination);
    bench.flush();
    assert!(!bench.batch.blocked().any(|socket| socket == lonely), "nothing is left to tell it by");
    assert!(bench.batch.slot(lonely).is_some());
}

#[tokio::test]
async fn a_refused_destination_loses_its_own_datagrams_only() {
    for backend in BACKENDS {
        for errno in [libc::ECONNREFUSED, libc::ENETUNREACH, libc::EHOSTUNREACH, libc::EPERM] {
            let mut bench = Bench::new(backend, 3);
            for fill in 0..4 {
                (0..3).for_each(|peer| assert!(bench.put(peer, fill, 50)));
            }
            bench.set_faults(Faults { refused: Some((bench.address(1), errno)), ..Faults::default() });
            let report = bench.flush();
            assert_eq!((report.datagrams, report.refused), (8, 4), "{backend:?}, error {errno}");
            for peer in [0, 2] {
                assert_eq!(bench.arrivals(peer, 4).await, (0..4).map(|fill| (fill, 50)).collect::<Vec<_>>());
            }
            bench.nothing_more_arrives(1).await;
        }
    }
}

#[tokio::test]
async fn an_address_of_the_wrong_family_or_without_port_is_refused_by_the_kernel() {
    for backend in BACKENDS {
        let mut bench = Bench::new(backend, 1);
        for remote in ["[::1]:9", "127.0.0.1:0"] {
            assert!(bench.batch.slot(SOCKET).is_some());
            let remote = remote.parse().unwrap();
            let destination = Destination { socket: SOCKET, key: DestinationKey(7), remote, source: None };
            bench.batch.commit(10, &destination);
        }
        assert!(bench.put(0, 1, 10));
        let report = bench.flush();
        assert_eq!((report.refused, report.datagrams), (2, 1), "{backend:?}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_device_that_cannot_segment_ends_segmentation_and_loses_nothing() {
    for errno in [libc::EIO, libc::EOPNOTSUPP] {
        let mut bench = Bench::new(Backend::Native, 2);
        for fill in 0..5 {
            assert!(bench.put(0, fill, 100) && bench.put(1, fill, 100));
        }
        bench.set_faults(Faults { runs_refused: Some(errno), ..Faults::default() });
        let report = bench.flush();
        assert_eq!((report.datagrams, report.runs_refused, report.refused), (10, 1, 0), "error {errno}");
        assert!(!bench.sender.segments_runs());
        for peer in 0..2 {
            assert_eq!(bench.arrivals(peer, 5).await, (0..5).map(|fill| (fill, 100)).collect::<Vec<_>>());
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn runs_refused_for_their_path_are_sent_singly_and_segmentation_ends_when_all_are() {
    for errno in [libc::EINVAL, libc::EMSGSIZE] {
        let mut bench = Bench::new(Backend::Native, 20);
        for fill in 0..3 {
            (0..20).for_each(|peer| assert!(bench.put(peer, fill, 100)));
        }
        bench.set_faults(Faults { runs_refused: Some(errno), ..Faults::default() });
        let report = bench.flush();
        assert_eq!((report.datagrams, report.runs_refused, report.refused), (60, 8, 0), "error {errno}");
        assert!(!bench.sender.segments_runs());
        for peer in 0..20 {
            assert_eq!(bench.arrivals(peer, 3).await, [(0, 100), (1, 100), (2, 100)]);
        }
    }
}

#[tokio::test]
async fn one_key_with_two_addresses_keeps_them_apart() {
    let mut bench = Bench::new(Backend::Native, 2);
    for (peer, fill) in [(0, 1), (0, 2), (1, 3), (0, 4)] {
        let remote = bench.address(peer);
        bench.batch.slot(SOCKET).unwrap()[0] = fill;
        bench.batch.commit(1, &Destination { socket: SOCKET, key: DestinationKey(0), remote, source: None });
    }
    assert_eq!(bench.flush().datagrams, 4);
    assert_eq!(bench.arrivals(0, 3).await, [(1, 1), (2, 1), (4, 1)]);
    assert_eq!(bench.arrivals(1, 1).await, [(3, 1)]);
}

#[tokio::test]
async fn a_key_beyond_the_table_still_sends() {
    let mut bench = Bench::new(Backend::Native, 1);
    let remote = bench.address(0);
    let destination = Destination { socket: SOCKET, key: DestinationKey(u32::MAX), remote, source: None };
    for fill in 0..3 {
        bench.batch.slot(SOCKET).unwrap()[0] = fill;
        bench.batch.commit(1, &destination);
    }
    assert_eq!(bench.flush().messages, 3);
    assert_eq!(bench.arrivals(0, 3).await, [(0, 1), (1, 1), (2, 1)]);
    let beyond = SocketIndex(u32::MAX);
    assert!(bench.batch.slot(beyond).is_none(), "a socket index beyond the table gives no slot");
}

#[tokio::test]
async fn datagrams_of_a_closed_socket_are_counted_and_their_slots_are_free() {
    let mut bench = Bench::new(Backend::Native, 1);
    bench.batch = SendBatch::new(4);
    (0..4).for_each(|fill| assert!(bench.put(0, fill, 10)));
    assert_eq!(bench.batch.flush(|_| None).closed, 4);
    (0..3).for_each(|fill| assert!(bench.put(0, fill, 10)));
    assert_eq!(bench.batch.forget(SOCKET), 3);
    bench.nothing_more_arrives(0).await;
}

#[tokio::test]
async fn a_slot_that_was_not_committed_is_given_out_again() {
    let mut bench = Bench::new(Backend::Native, 1);
    bench.batch = SendBatch::new(2);
    let destination = Destination { socket: SOCKET, key: DestinationKey(0), remote: bench.address(0), source: None };
    for _ in 0..10 {
        assert!(bench.batch.slot(SOCKET).is_some());
        bench.batch.commit(0, &destination);
        bench.batch.commit(SEND_SLOT_BYTES + 1, &destination);
    }
    assert!(bench.batch.is_empty());
    assert!(bench.put(0, 7, 3));
    assert_eq!(bench.flush().datagrams, 1);
    assert_eq!(bench.arrivals(0, 1).await, [(7, 3)]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_source_address_that_is_not_ours_loses_that_datagram_only() {
    let sender = bound("0.0.0.0", Backend::Native);
    let (peer, pool) = (bound("127.0.0.1", Backend::Native), PacketPool::new(64));
    let mut batch = SendBatch::new(8);
    for (key, source) in [(0, "203.0.113.7"), (1, "127.0.0.4")] {
        batch.slot(SOCKET).unwrap()[0] = 1;
        let (key, source) = (DestinationKey(key), Some(source.parse().unwrap()));
        batch.commit(1, &Destination { socket: SOCKET, key, remote: peer.local_addr(), source });
    }
    let report = batch.flush(|_| Some(&sender));
    assert_eq!((report.datagrams, report.refused), (1, 1));
    let (datagrams, _) = receive(&peer, &pool, 1).await;
    assert_eq!(datagrams[0].remote.ip().to_string(), "127.0.0.4");
}
