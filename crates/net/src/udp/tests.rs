//! Receiving over loopback, on both backends.

use std::future::Future;
use std::net::Ipv6Addr;
use std::time::Duration;

use super::*;
#[cfg(target_os = "linux")]
use crate::send::{Destination, DestinationKey, SendBatch, SocketIndex};

pub(crate) const BACKENDS: [Backend; 2] = [Backend::Native, Backend::Portable];

/// Waits for something that must happen, failing instead of hanging.
pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), event).await.expect("it should have happened long ago")
}

pub(crate) fn bound(ip: &str, backend: Backend) -> UdpSocket {
    UdpSocket::bind(&BindOptions::any_port(ip.parse().unwrap()), 0, backend).unwrap()
}

/// A peer that is not ours.
fn peer(ip: &str) -> std::net::UdpSocket {
    let peer = std::net::UdpSocket::bind((ip, 0)).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    peer
}

/// Receives until `count` datagrams have left the kernel, dropped ones included.
pub(crate) async fn receive(socket: &UdpSocket, pool: &PacketPool, count: usize) -> (Vec<Datagram>, RecvReport) {
    let (mut batch, mut datagrams, mut total) = (RecvBatch::new(), Vec::new(), RecvReport::default());
    let mut taken = 0;
    while taken < count {
        soon(socket.readable()).await.unwrap();
        taken += socket.recv_batch(pool, &mut batch).unwrap();
        let report = batch.report();
        total.datagrams += report.datagrams;
        total.bytes += report.bytes;
        total.too_long += report.too_long;
        total.no_slot += report.no_slot;
        datagrams.extend(batch.drain());
    }
    (datagrams, total)
}

#[tokio::test]
async fn datagrams_arrive_in_order_with_both_addresses() {
    for backend in BACKENDS {
        for ip in ["127.0.0.1", "::1"] {
            let (socket, peer, pool) = (bound(ip, backend), peer(ip), PacketPool::new(200));
            for number in 0..100_u8 {
                peer.send_to(&[number; 20], socket.local_addr()).unwrap();
            }
            let (datagrams, report) = receive(&socket, &pool, 100).await;
            let numbers: Vec<u8> = datagrams.iter().map(|datagram| datagram.packet.bytes()[0]).collect();
            assert_eq!(numbers, (0..100).collect::<Vec<_>>(), "{backend:?} {ip}");
            assert_eq!(report, RecvReport { datagrams: 100, bytes: 2000, ..RecvReport::default() });
            assert!(datagrams.iter().all(|datagram| datagram.remote == peer.local_addr().unwrap()));
            assert!(datagrams.iter().all(|datagram| datagram.local_ip == Some(socket.local_addr().ip())));
        }
    }
}

#[tokio::test]
async fn each_datagram_wakes_a_socket_that_was_emptied() {
    for backend in BACKENDS {
        let (socket, peer, pool) = (bound("127.0.0.1", backend), peer("127.0.0.1"), PacketPool::new(64));
        for number in 0..20_u8 {
            peer.send_to(&[number], socket.local_addr()).unwrap();
            let (datagrams, _) = receive(&socket, &pool, 1).await;
            assert_eq!(datagrams[0].packet.bytes(), [number], "{backend:?}");
        }
        assert_eq!(socket.recv_batch(&pool, &mut RecvBatch::new()).unwrap(), 0, "nothing waits");
    }
}

#[tokio::test]
async fn a_datagram_longer_than_any_packet_is_dropped_and_counted() {
    for backend in BACKENDS {
        let (socket, peer, pool) = (bound("127.0.0.1", backend), peer("127.0.0.1"), PacketPool::new(64));
        for len in [DATAGRAM_BYTES_MAX + 1, SLOT_BYTES, SLOT_BYTES + 1, 60_000, DATAGRAM_BYTES_MAX] {
            peer.send_to(&vec![1; len], socket.local_addr()).unwrap();
        }
        let (datagrams, report) = receive(&socket, &pool, 5).await;
        assert_eq!((report.too_long, report.datagrams), (4, 1), "{backend:?}");
        assert_eq!(datagrams[0].packet.bytes().len(), DATAGRAM_BYTES_MAX);
    }
}

#[tokio::test]
async fn an_empty_datagram_is_a_packet_of_no_bytes() {
    for backend in BACKENDS {
        let (socket, peer, pool) = (bound("127.0.0.1", backend), peer("127.0.0.1"), PacketPool::new(64));
        peer.send_to(&[], socket.local_addr()).unwrap();
        let (datagrams, _) = receive(&socket, &pool, 1).await;
        assert_eq!(datagrams[0].packet.bytes(), [], "{backend:?}");
    }
}

#[tokio::test]
async fn with_an_empty_pool_datagrams_are_read_and_counted_and_later_ones_arrive() {
    for backend in BACKENDS {
        let (socket, peer, pool) = (bound("127.0.0.1", backend), peer("127.0.0.1"), PacketPool::new(2));
        for number in 0..5_u8 {
            peer.send_to(&[number], socket.local_addr()).unwrap();
        }
        let (held, report) = receive(&socket, &pool, 5).await;
        assert_eq!((report.datagrams, report.no_slot), (2, 3), "{backend:?}");
        drop(held);
        peer.send_to(&[9], socket.local_addr()).unwrap();
        let (datagrams, _) = receive(&socket, &pool, 1).await;
        assert_eq!(datagrams[0].packet.bytes(), [9]);
    }
}

#[tokio::test]
async fn a_dual_stack_socket_sees_ipv4_peers_as_ipv4() {
    for backend in BACKENDS {
        let (socket, pool) = (bound("::", backend), PacketPool::new(64));
        for ip in ["127.0.0.1", "::1"] {
            let peer = peer(ip);
            peer.send_to(b"hello", (ip, socket.local_addr().port())).unwrap();
            let (datagrams, _) = receive(&socket, &pool, 1).await;
            assert_eq!(datagrams[0].remote, peer.local_addr().unwrap(), "{backend:?}");
        }
    }
}

#[tokio::test]
async fn an_ipv6_only_socket_hears_no_ipv4() {
    for backend in BACKENDS {
        let options = BindOptions { ipv6_only: true, ..BindOptions::any_port(Ipv6Addr::UNSPECIFIED.into()) };
        let (socket, pool) = (UdpSocket::bind(&options, 0, backend).unwrap(), PacketPool::new(64));
        let port = socket.local_addr().port();
        peer("127.0.0.1").send_to(b"four", ("127.0.0.1", port)).unwrap();
        peer("::1").send_to(b"six", ("::1", port)).unwrap();
        let (datagrams, _) = receive(&socket, &pool, 1).await;
        assert_eq!(datagrams[0].packet.bytes(), b"six", "{backend:?}");
    }
}

/// What a peer at `peer_ip` that asked `asked` gets back: the sender of the answer.
#[cfg(target_os = "linux")]
async fn answer_of_wildcard(wildcard: &str, peer_ip: &str, asked: &str) -> SocketAddr {
    let (socket, peer, pool) = (bound(wildcard, Backend::Native), peer(peer_ip), PacketPool::new(64));
    peer.send_to(b"who are you", (asked, socket.local_addr().port())).unwrap();
    let (datagrams, _) = receive(&socket, &pool, 1).await;
    let Datagram { remote, local_ip, .. } = datagrams[0];
    assert_eq!(local_ip, Some(asked.parse().unwrap()));

    let mut batch = SendBatch::new(4);
    let destination = Destination { socket: SocketIndex(0), key: DestinationKey(0), remote, source: local_ip };
    for answer in [b"I am 1", b"I am 2"] {
        batch.slot(SocketIndex(0)).unwrap()[..6].copy_from_slice(answer);
        batch.commit(6, &destination);
    }
    assert_eq!(batch.flush(|_| Some(&socket)).datagrams, 2);
    let mut buffer = [0; 100];
    let (len, sender) = peer.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"I am 1");
    assert_eq!(peer.recv_from(&mut buffer).unwrap().1, sender);
    assert_eq!(sender.port(), socket.local_addr().port());
    sender
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
    for (wildcard, peer_ip, asked) in [
        ("0.0.0.0", "127.0.0.1", "127.0.0.2"),
        ("0.0.0.0", "127.0.0.1", "127.0.0.1"),
        ("::", "127.0.0.1", "127.0.0.3"),
        ("::", "::1", "::1"),
    ] {
        let sender = answer_of_wildcard(wildcard, peer_ip, asked).await;
        assert_eq!(sender.ip().to_string(), asked, "{wildcard}");
    }
}

#[tokio::test]
async fn buffers_are_large_unless_the_caller_says_otherwise() {
    let usual = bound("127.0.0.1", Backend::Native);
    let small = BindOptions { recv_buffer_size: Some(16_384), ..BindOptions::any_port("127.0.0.1".parse().unwrap()) };
    let small = UdpSocket::bind(&small, 0, Backend::Native).unwrap();
    assert!(small.recv_buffer_bytes() < usual.recv_buffer_bytes());
    assert!(usual.send_buffer_bytes() > 0);
}
