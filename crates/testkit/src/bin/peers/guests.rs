//! The peers, driven by one thread.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use millrace_model::{DtlsFingerprint, DtlsParameters, IceCandidate, IceParameters, TransportProtocol};
use millrace_testkit::socket_peer::{is_readable, wait};
use millrace_testkit::{Candidate, OpusSource, ServerParameters, SocketPeer};
use millrace_transport::dtls::PeerFingerprints;
use millrace_transport::ice::IceCredentials;
use serde_json::{Value, json};

/// The payload type that the tests declare for Opus.
const OPUS: u8 = 111;
/// Time between two Opus packets.
const PACKET_INTERVAL: Duration = Duration::from_millis(20);

struct Guest {
    socket: SocketPeer,
    source: Option<OpusSource>,
    is_connected: bool,
    received: u64,
    told: u64,
}

/// Does what is asked for until nothing more will be.
pub(crate) fn serve() -> io::Result<()> {
    let mut guests = BTreeMap::new();
    let mut input = Vec::new();
    let mut next_packet = Instant::now();
    let stdin = io::stdin();
    loop {
        let waiting = guests.values().filter_map(|guest: &Guest| guest.socket.deadline());
        let deadline = waiting.chain([next_packet]).min().unwrap_or(next_packet);
        wait(guests.values().flat_map(|guest| guest.socket.sockets()).chain([stdin.as_fd()]), deadline);
        if is_readable(stdin.as_fd()) && !hear(&mut input, &mut guests)? {
            return Ok(());
        }
        let sends = Instant::now() >= next_packet;
        if sends {
            next_packet = Instant::now() + PACKET_INTERVAL;
        }
        for (id, guest) in &mut guests {
            // A server that is gone refuses datagrams; the test sees it elsewhere.
            let _ = guest.turn(*id, sends);
        }
    }
}

/// Reads what was asked for; false when nothing more will be.
fn hear(input: &mut Vec<u8>, guests: &mut BTreeMap<u64, Guest>) -> io::Result<bool> {
    let mut buffer = [0; 65_536];
    let len = io::stdin().lock().read(&mut buffer)?;
    input.extend(&buffer[..len]);
    while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
        let command: Value = serde_json::from_slice(&input.drain(..=end).collect::<Vec<_>>())?;
        let id = command["id"].as_u64().ok_or(io::ErrorKind::InvalidData)?;
        match command["leave"].as_bool() {
            Some(true) => drop(guests.remove(&id)),
            _ => drop(guests.insert(id, Guest::join(id, &command)?)),
        }
    }
    Ok(len > 0)
}

impl Guest {
    fn join(id: u64, command: &Value) -> io::Result<Self> {
        let mut socket = SocketPeer::bind(id, false)?;
        socket.connect(server_parameters(&command["offer"])?)?;
        say(&json!({ "id": id, "fingerprint": DtlsFingerprint::from(&socket.peer.fingerprint()) }))?;
        let source = command["ssrc"].as_u64().map(|ssrc| OpusSource::new(ssrc as u32, OPUS));
        Ok(Self { socket, source, is_connected: false, received: 0, told: 0 })
    }

    fn turn(&mut self, id: u64, sends: bool) -> io::Result<()> {
        self.socket.turn()?;
        self.received += self.socket.peer.take_rtp().len() as u64;
        drop(self.socket.peer.take_rtcp());
        if !self.is_connected && self.socket.peer.is_connected() {
            self.is_connected = true;
            say(&json!({ "id": id, "connected": true }))?;
        }
        if !sends {
            return Ok(());
        }
        if let Some(source) = self.source.as_mut().filter(|_| self.is_connected) {
            self.socket.peer.send_rtp(&source.packet());
            self.socket.send()?;
        }
        if self.received > self.told {
            self.told = self.received;
            say(&json!({ "id": id, "received": self.received }))?;
        }
        Ok(())
    }
}

fn say(line: &Value) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

fn server_parameters(offer: &Value) -> io::Result<ServerParameters> {
    let ice: IceParameters = serde_json::from_value(offer["iceParameters"].clone())?;
    let candidates: Vec<IceCandidate> = serde_json::from_value(offer["iceCandidates"].clone())?;
    let dtls: DtlsParameters = serde_json::from_value(offer["dtlsParameters"].clone())?;
    let udp = candidates.iter().filter(|candidate| candidate.protocol == TransportProtocol::Udp);
    let addresses: Result<Vec<_>, _> = udp.map(|candidate| Ok((candidate.ip.parse()?, candidate.port))).collect();
    let addresses: Vec<(std::net::IpAddr, u16)> =
        addresses.map_err(|error: std::net::AddrParseError| io::Error::other(error))?;
    Ok(ServerParameters {
        ice: IceCredentials { ufrag: ice.username_fragment, password: ice.password },
        candidates: addresses.into_iter().map(|address| Candidate::udp(address.into())).collect(),
        fingerprints: PeerFingerprints::new(dtls.to_checked().map_err(io::Error::other)?).map_err(io::Error::other)?,
    })
}
