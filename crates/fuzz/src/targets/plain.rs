//! A plain transport as a target: datagrams of its endpoint and of strangers, in the clear and sealed.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use millrace_model::{SrtpCryptoSuite, SrtpKey, WallClock};
use millrace_packet::PacketPool;
use millrace_transport::plain::Remote;
use millrace_transport::srtp::{MasterKey, SrtpOutbound};
use millrace_transport::{
    IntakeLimits, PlainConfig, PlainEvent, PlainTransport, Protocol, Received, SocketId, SrtpProfile, Tuple,
};

use crate::script::Script;

/// Bits of the first byte: what the transport is made of.
const SRTP: u8 = 1;
const COMEDIA: u8 = 2;
const RTCP_APART: u8 = 4;
/// Bits of a step, beside the source's port in the lowest two.
const OTHER_SOCKET: u8 = 4;
const SEALED: u8 = 8;

const SUITE: SrtpCryptoSuite = SrtpCryptoSuite::AeadAes128Gcm;

/// Runs `data` as the life of a plain transport.
///
/// Only packets of the endpoint come out, as they went in; with SRTP only what is sealed with its key, once. Who the
/// endpoint is changes at most once, from nobody to the source of a packet that came out, and never where it was told.
///
/// # Panics
/// When one of these does not hold.
pub fn plain(data: &[u8]) {
    let mut script = Script(data);
    let Some(setup) = script.byte() else { return };
    let mut life = Life::new(setup);
    while life.step(&mut script).is_some() {}
}

struct Life {
    setup: u8,
    transport: PlainTransport,
    endpoint: SrtpOutbound,
    pool: PacketPool,
    now: Instant,
}

impl Life {
    fn new(setup: u8) -> Self {
        let now = Instant::now();
        let config = PlainConfig {
            socket: SocketId(0),
            rtcp_socket: (setup & RTCP_APART != 0).then_some(SocketId(1)),
            comedia: setup & COMEDIA != 0,
            key: (setup & SRTP != 0).then(|| key(1)),
            // So little that scripts reach it.
            intake: IntakeLimits { packets_per_second: 100, bits_per_second: 1_000_000 },
            sources_max: 16,
            wall_clock: WallClock::new(now, Duration::ZERO),
            sctp: None,
        };
        let mut transport = PlainTransport::new(config, now);
        let keys = (setup & SRTP != 0).then(|| (key(1), key(2)));
        let connected = transport.connect(Some(Remote { rtp: source(0), rtcp_port: Some(1) }), keys);
        assert_eq!(connected, Ok(()), "the keys fit");
        let theirs = key(2);
        let (bytes, salt) = theirs.parts();
        let master = MasterKey::new(SrtpProfile::from(SUITE), bytes, salt).expect("the lengths are the suite's");
        Self { setup, transport, endpoint: SrtpOutbound::new(&master), pool: PacketPool::new(2), now }
    }

    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        let step = script.byte()?;
        let chunk = script.chunk()?;
        self.now += Duration::from_millis(1);
        let socket = SocketId(u32::from(step & OTHER_SOCKET != 0 && self.setup & RTCP_APART != 0));
        let tuple = Tuple { socket, protocol: Protocol::Udp, remote: source(step & 3), local_ip: None };
        let datagram = if step & SEALED != 0 { self.seal(chunk)? } else { chunk.to_vec() };
        let before = self.paths();
        let mut packet = self.pool.take()?;
        if !packet.fill(&datagram) {
            return Some(());
        }
        let received = self.transport.handle_datagram(&tuple, packet, self.now);
        let after = self.paths();
        for (before, after) in before.into_iter().zip(after) {
            assert!(before.is_none() || before == after, "the endpoint moved");
            assert!(before == after || (received.is_some() && after == Some(tuple)), "the endpoint sent nothing");
        }
        if let Some(Received::Rtp(packet) | Received::Rtcp(packet)) = &received {
            assert!(after.contains(&Some(tuple)), "a stranger was heard");
            let is_endpoints = self.setup & SRTP == 0 || step & SEALED != 0;
            assert!(is_endpoints, "nobody else has the key");
            assert!(packet.bytes() == chunk || self.setup & SRTP == 0, "it came out otherwise than it went in");
        }
        let events: Vec<PlainEvent> = std::iter::from_fn(|| self.transport.poll_event()).collect();
        assert!(events.len() <= 3, "a packet makes few things happen");
        Some(())
    }

    fn paths(&self) -> [Option<Tuple>; 2] {
        [self.transport.tuple().copied(), self.transport.rtcp_tuple().copied()]
    }

    /// An RTCP packet of the endpoint, sealed; nothing where it is too short to be one.
    fn seal(&mut self, chunk: &[u8]) -> Option<Vec<u8>> {
        let mut slot = [chunk, &[0; 64]].concat();
        let Ok(len) = self.endpoint.seal_rtcp(&mut slot, chunk.len()) else { return Some(chunk.to_vec()) };
        slot.truncate(len);
        Some(slot)
    }
}

fn key(seed: u8) -> SrtpKey {
    SrtpKey::new(SUITE, vec![seed; SUITE.key_len() + SUITE.salt_len()]).expect("the length is the suite's")
}

fn source(port: u8) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 1 + u16::from(port)).into()
}
