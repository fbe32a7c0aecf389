//! One end of a data channel by str0m: peers of every server in the data runs, and the ends of the relay that ours is
//! compared with.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serde::{Deserialize, Serialize};
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::config::Fingerprint;
use str0m::ice::IceCreds;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// Room for any datagram.
const DATAGRAM_BYTES: usize = 2_048;
/// Sockets that are attended to between two looks at the clock.
const EVENTS_MAX: usize = 64;

/// What the other end needs to know of one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Card {
    pub(crate) ufrag: String,
    pub(crate) password: String,
    /// SHA-256 of the certificate, in hex with colons.
    pub(crate) fingerprint: String,
    /// Of its socket on loopback.
    pub(crate) port: u16,
}

/// Who begins everything: ICE, DTLS and SCTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// One end of one reliable, ordered channel.
pub(crate) struct DataPeer {
    rtc: Rtc,
    side: Side,
    socket: UdpSocket,
    local: SocketAddr,
    channel: Option<ChannelId>,
    is_open: bool,
    due: Instant,
}

impl DataPeer {
    fn new(side: Side, now: Instant) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let mut rtc = RtcConfig::new().set_ice_lite(side == Side::Server).build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp").map_err(io::Error::other)?);
        Ok(Self { rtc, side, socket, local, channel: None, is_open: false, due: now })
    }

    /// What the other end needs to know.
    pub(crate) fn card(&mut self) -> Card {
        let direct = self.rtc.direct_api();
        let IceCreds { ufrag, pass: password } = direct.local_ice_credentials();
        let digest: Vec<_> = direct.local_dtls_fingerprint().bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        Card { ufrag, password, fingerprint: digest.join(":"), port: self.local.port() }
    }

    /// Connects with the other end, with a channel on `stream` that both know of.
    fn connect(&mut self, other: &Card, stream: u16, now: Instant) -> io::Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, other.port));
        self.rtc.add_remote_candidate(Candidate::host(address, "udp").map_err(io::Error::other)?);
        let digits = other.fingerprint.split(':').map(|byte| u8::from_str_radix(byte, 16));
        let bytes = digits.collect::<Result<_, _>>().map_err(io::Error::other)?;
        let begins = self.side == Side::Client;
        let mut direct = self.rtc.direct_api();
        direct.set_ice_controlling(begins);
        direct.set_remote_ice_credentials(IceCreds { ufrag: other.ufrag.clone(), pass: other.password.clone() });
        direct.set_remote_fingerprint(Fingerprint { hash_func: "sha-256".to_owned(), bytes });
        direct.start_dtls(begins).map_err(io::Error::other)?;
        direct.start_sctp(begins);
        let config = ChannelConfig { negotiated: Some(stream), ..ChannelConfig::default() };
        self.channel = Some(direct.create_data_channel(config));
        self.rtc.handle_input(Input::Timeout(now)).map_err(io::Error::other)?;
        self.drain(&mut |_| {})
    }

    /// Takes what waits at its socket; hands on the messages in it.
    fn receive(&mut self, each: &mut impl FnMut(&[u8])) -> io::Result<()> {
        let mut buffer = [0; DATAGRAM_BYTES];
        loop {
            let (len, source) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let contents = buffer[..len].try_into().map_err(io::Error::other)?;
            let receive = Receive { proto: Protocol::Udp, source, destination: self.local, contents };
            self.rtc.handle_input(Input::Receive(Instant::now(), receive)).map_err(io::Error::other)?;
            self.drain(each)?;
        }
    }

    /// Sends a message; false when there is no room for it yet.
    fn send(&mut self, message: &[u8]) -> io::Result<bool> {
        let Some(mut channel) = self.channel.and_then(|channel| self.rtc.channel(channel)) else { return Ok(false) };
        let is_sent = channel.write(true, message).map_err(io::Error::other)?;
        self.drain(&mut |_| {})?;
        Ok(is_sent)
    }

    fn upkeep(&mut self, now: Instant, each: &mut impl FnMut(&[u8])) -> io::Result<()> {
        if self.due > now {
            return Ok(());
        }
        self.rtc.handle_input(Input::Timeout(now)).map_err(io::Error::other)?;
        self.drain(each)
    }

    fn drain(&mut self, each: &mut impl FnMut(&[u8])) -> io::Result<()> {
        loop {
            match self.rtc.poll_output().map_err(io::Error::other)? {
                Output::Timeout(due) => {
                    self.due = due;
                    return Ok(());
                }
                // A full socket loses it, as a network may.
                Output::Transmit(transmit) => drop(self.socket.send_to(&transmit.contents, transmit.destination)),
                Output::Event(Event::ChannelOpen(..)) => self.is_open = true,
                Output::Event(Event::ChannelData(data)) => each(&data.data),
                Output::Event(_) => {}
            }
        }
    }
}

/// Many ends in one thread.
pub(crate) struct DataPeers {
    side: Side,
    epoll: Epoll,
    events: Vec<EpollEvent>,
    peers: Vec<DataPeer>,
}

impl DataPeers {
    /// # Errors
    /// When the system gives no epoll.
    pub(crate) fn new(side: Side) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { side, epoll, events: vec![EpollEvent::empty(); EVENTS_MAX], peers: Vec::new() })
    }

    /// Adds an end that is not connected yet.
    pub(crate) fn add(&mut self) -> io::Result<&mut DataPeer> {
        let peer = DataPeer::new(self.side, Instant::now())?;
        self.epoll.add(&peer.socket, EpollEvent::new(EpollFlags::EPOLLIN, self.peers.len() as u64))?;
        self.peers.push(peer);
        self.peers.last_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Connects the end that was added last.
    pub(crate) fn connect(&mut self, other: &Card, stream: u16) -> io::Result<()> {
        self.peers.last_mut().map_or(Ok(()), |peer| peer.connect(other, stream, Instant::now()))
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn are_open(&self) -> bool {
        self.peers.iter().all(|peer| peer.is_open)
    }

    pub(crate) fn send(&mut self, peer: usize, message: &[u8]) -> io::Result<bool> {
        self.peers[peer].send(message)
    }

    /// Waits for `patience` at most, and no longer than until a timer is due; hands on messages with whose they are.
    pub(crate) fn turn(&mut self, patience: Duration, mut each: impl FnMut(usize, &[u8])) -> io::Result<()> {
        let due = self.peers.iter().map(|peer| peer.due).min();
        let now = Instant::now();
        let wait = due.map_or(patience, |due| due.saturating_duration_since(now).min(patience));
        // Rounded up: to wake before a timer is due would be to turn for nothing.
        let timeout = EpollTimeout::try_from(wait.as_micros().div_ceil(1_000) as u32).map_err(io::Error::other)?;
        let ready = self.epoll.wait(&mut self.events, timeout).unwrap_or_default();
        for position in 0..ready {
            let index = self.events[position].data() as usize;
            self.peers[index].receive(&mut |message| each(index, message))?;
        }
        let now = Instant::now();
        for (index, peer) in self.peers.iter_mut().enumerate() {
            peer.upkeep(now, &mut |message| each(index, message))?;
        }
        Ok(())
    }
}
