//! Framed packets over loopback, and peers that do not keep to it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::Duration;

use millrace_packet::DATAGRAM_BYTES_MAX;

use super::*;
use crate::udp::tests::soon;

/// A connection of ours and the peer's end of it.
async fn connected(ip: &str, from: &str) -> (TcpConnection, TcpStream) {
    let listener = TcpListener::bind(&BindOptions::any_port(ip.parse().unwrap()), 0).unwrap();
    let peer = TcpStream::connect((from, listener.local_addr().port())).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (soon(listener.accept()).await.unwrap(), peer)
}

/// Receives until `count` packets have come.
async fn packets(connection: &mut TcpConnection, count: usize) -> Vec<Vec<u8>> {
    let (mut buffer, pool, mut packets) = (TcpReadBuffer::default(), PacketPool::new(64), Vec::new());
    while packets.len() < count {
        soon(connection.readable()).await.unwrap();
        connection.recv(&mut buffer, &pool, |packet| packets.push(packet.bytes().to_vec())).unwrap();
    }
    packets
}

/// Receives until the connection is over.
async fn end(connection: &mut TcpConnection) -> TcpClosed {
    let (mut buffer, pool) = (TcpReadBuffer::default(), PacketPool::new(64));
    loop {
        soon(connection.readable()).await.unwrap();
        if let Err(closed) = connection.recv(&mut buffer, &pool, |_| {}) {
            return closed;
        }
    }
}

/// Remembers that it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn framed(packet: &[u8]) -> Vec<u8> {
    [&frame_header(packet.len()).unwrap()[..], packet].concat()
}

#[tokio::test]
async fn packets_travel_both_ways_and_each_end_knows_the_other() {
    for (ip, from) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1"), ("0.0.0.0", "127.0.0.2")] {
        let (mut connection, mut peer) = connected(ip, from).await;
        assert_eq!(connection.remote_addr(), peer.local_addr().unwrap());
        assert_eq!(connection.local_addr(), peer.peer_addr().unwrap());

        peer.write_all(&framed(b"hello")).unwrap();
        assert_eq!(packets(&mut connection, 1).await, [b"hello"]);
        assert_eq!(connection.send(b"welcome").unwrap(), TcpSent::Whole);
        let mut answer = [0; 9];
        peer.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"\0\x07welcome");
        assert_eq!((connection.bytes_received(), connection.bytes_sent()), (7, 9));
    }
}

#[tokio::test]
async fn i13_a_peer_that_sends_one_byte_at_a_time_is_understood() {
    let (mut connection, mut peer) = connected("127.0.0.1", "127.0.0.1").await;
    peer.set_nodelay(true).unwrap();
    let (mut buffer, pool, mut got) = (TcpReadBuffer::default(), PacketPool::new(64), Vec::new());
    for byte in [framed(b"slow"), framed(b""), framed(b"but sure")].concat() {
        peer.write_all(&[byte]).unwrap();
        soon(connection.readable()).await.unwrap();
        let received = connection.recv(&mut buffer, &pool, |packet| got.push(packet.bytes().to_vec())).unwrap();
        assert!(received.bytes <= 1);
    }
    got.extend(packets(&mut connection, 2 - got.len()).await);
    assert_eq!(got, [b"slow".to_vec(), b"but sure".to_vec()]);
}

#[tokio::test]
async fn i13_a_frame_of_65535_bytes_ends_the_connection() {
    let (mut connection, mut peer) = connected("127.0.0.1", "127.0.0.1").await;
    peer.write_all(&[0xff, 0xff, 1, 2, 3]).unwrap();
    let closed = end(&mut connection).await;
    assert!(matches!(closed, TcpClosed::Framing(FrameTooLong { length: 65_535 })), "{closed}");
}

#[tokio::test]
async fn i13_a_peer_that_leaves_in_the_middle_of_a_frame_is_gone() {
    let (mut connection, mut peer) = connected("127.0.0.1", "127.0.0.1").await;
    peer.write_all(&framed(&[1; 100])[..50]).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert!(matches!(end(&mut connection).await, TcpClosed::ByPeer));
}

#[tokio::test]
async fn i13_a_peer_that_does_not_read_costs_a_bounded_queue_and_stays_in_step() {
    let (mut connection, mut peer) = connected("127.0.0.1", "127.0.0.1").await;
    let (mut kept, mut dropped, mut number) = (Vec::new(), 0, 0_u16);
    while dropped < 50 {
        number += 1;
        let packet = [&number.to_be_bytes()[..], &[7; 1198]].concat();
        match connection.send(&packet).unwrap() {
            TcpSent::Dropped => dropped += 1,
            TcpSent::Whole | TcpSent::Waits => kept.push(number),
        }
        assert!(connection.pending_bytes() <= TCP_PENDING_BYTES_MAX + FRAME_HEADER_BYTES + packet.len());
    }
    // The peer reads at last: every frame that was kept comes whole and in order.
    let expected = kept.len();
    let reader = std::thread::spawn(move || {
        let mut frame = [0; 1202];
        (0..expected).map(|_| peer.read_exact(&mut frame).map(|()| frame)).collect::<io::Result<Vec<_>>>().unwrap()
    });
    while !connection.flush().unwrap() {
        soon(connection.writable()).await.unwrap();
    }
    let frames = reader.join().unwrap();
    assert!(frames.iter().all(|frame| frame[..2] == 1200_u16.to_be_bytes()));
    let numbers: Vec<u16> = frames.iter().map(|frame| u16::from_be_bytes([frame[2], frame[3]])).collect();
    assert_eq!(numbers, kept);
    assert_eq!(connection.bytes_sent(), 1202 * expected as u64);
}

#[tokio::test]
async fn a_task_that_found_nothing_to_flush_is_woken_when_bytes_wait() {
    let (mut connection, mut peer) = connected("127.0.0.1", "127.0.0.1").await;
    // Both sides look idle: no byte waits, and the kernel would take some.
    soon(connection.writable()).await.unwrap();
    let woken = Arc::new(Woken::default());
    assert!(connection.poll_flushable(&mut Context::from_waker(&Arc::clone(&woken).into())).is_pending());
    while connection.send(&[7; 1200]).unwrap() == TcpSent::Whole {}
    assert!(woken.0.load(Ordering::Relaxed));
    // The kernel is full; once the peer has read, it may take more.
    let reader = std::thread::spawn(move || io::copy(&mut peer, &mut io::sink()));
    soon(std::future::poll_fn(|context| connection.poll_flushable(context))).await.unwrap();
    drop(connection);
    reader.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_packet_longer_than_any_peer_accepts_is_dropped() {
    let (mut connection, _peer) = connected("127.0.0.1", "127.0.0.1").await;
    assert_eq!(connection.send(&[0; DATAGRAM_BYTES_MAX + 1]).unwrap(), TcpSent::Dropped);
    assert_eq!(connection.send(&[0; DATAGRAM_BYTES_MAX]).unwrap(), TcpSent::Whole);
}

#[tokio::test]
async fn with_an_empty_pool_frames_are_counted_and_the_stream_stays_in_step() {
    let (mut connection, mut peer) = connected("127.0.0.1", "127.0.0.1").await;
    peer.write_all(&[framed(b"one"), framed(b"two"), framed(b"three")].concat()).unwrap();
    let (mut buffer, pool, mut held, mut lost) = (TcpReadBuffer::default(), PacketPool::new(1), Vec::new(), 0);
    while held.len() + lost < 3 {
        soon(connection.readable()).await.unwrap();
        lost += connection.recv(&mut buffer, &pool, |packet| held.push(packet)).unwrap().no_slot;
    }
    assert_eq!((held[0].bytes(), lost), (&b"one"[..], 2));
    peer.write_all(&framed(b"four")).unwrap();
    assert_eq!(packets(&mut connection, 1).await, [b"four"]);
}

#[tokio::test]
async fn nothing_waiting_is_not_an_end() {
    let (mut connection, _peer) = connected("127.0.0.1", "127.0.0.1").await;
    let received = connection.recv(&mut TcpReadBuffer::default(), &PacketPool::new(1), |_| {}).unwrap();
    assert_eq!(received, TcpReceived::default());
}
