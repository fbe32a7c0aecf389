//! The least that a server can do: receive, seal for each viewer, send. It knows no ICE, DTLS, routing or repair, so
//! what it costs is the floor on this machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::{process, thread};

use millrace_engine::process::{read_frame, write_frame};
use millrace_net::{
    Backend, BindOptions, Destination, DestinationKey, RecvBatch, SEND_SLOTS, SendBatch, SocketIndex, UdpSocket,
};
use millrace_packet::{PacketPool, RtpMeta};
use millrace_transport::SrtpProfile;
use millrace_transport::srtp::{MasterKey, OutgoingIndex, SrtpOutbound};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::accounting;
use crate::srtp::agreed_key;

/// Packets that are held at once: one batch.
const POOL_PACKETS: usize = 64;

/// The one socket.
const SOCKET: SocketIndex = SocketIndex(0);

/// What the owner tells it after its port is known.
#[derive(Serialize, Deserialize)]
pub(crate) struct NullSetup {
    /// Ports on loopback of the viewers, in the order of their keys.
    pub(crate) viewers: Vec<u16>,
    /// Whether runs of equal packets leave as one message (UDP GSO).
    pub(crate) segmented: bool,
}

/// Serves until the owner hangs up.
///
/// # Errors
/// When the socket cannot be bound or the owner says something else.
pub(crate) fn run(core: usize) -> io::Result<()> {
    accounting::stay_on(core);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let options = BindOptions::any_port(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let socket = UdpSocket::bind(&options, 0, Backend::Native).map_err(io::Error::other)?;
        let mut output = io::stdout();
        write_frame(&mut output, &json!({ "port": socket.local_addr().port() }).to_string())?;
        let setup = read_frame(&mut io::stdin())?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let setup: NullSetup = serde_json::from_str(&setup)?;
        if !setup.segmented {
            socket.stop_segmenting();
        }
        let server = NullServer::new(socket, &setup.viewers)?;
        write_frame(&mut output, &json!({ "ready": true }).to_string())?;
        thread::spawn(|| {
            // Nothing more comes; the end of the stream is the end of the process.
            let _ = read_frame(&mut io::stdin());
            process::exit(0);
        });
        server.serve().await
    })
}

struct NullServer {
    socket: UdpSocket,
    viewers: Vec<NullViewer>,
    batch: SendBatch,
}

struct NullViewer {
    destination: Destination,
    srtp: SrtpOutbound,
    index: OutgoingIndex,
}

impl NullServer {
    fn new(socket: UdpSocket, ports: &[u16]) -> io::Result<Self> {
        let viewers = ports.iter().enumerate().map(|(number, port)| NullViewer::new(number, *port));
        Ok(Self { socket, viewers: viewers.collect::<io::Result<_>>()?, batch: SendBatch::new(SEND_SLOTS) })
    }

    async fn serve(mut self) -> io::Result<()> {
        let (pool, mut received) = (PacketPool::new(POOL_PACKETS), RecvBatch::new());
        loop {
            self.socket.readable().await?;
            self.socket.recv_batch(&pool, &mut received)?;
            for datagram in received.drain() {
                self.fan_out(datagram.packet.bytes()).await?;
            }
            self.flush().await?;
        }
    }

    async fn fan_out(&mut self, packet: &[u8]) -> io::Result<()> {
        let Ok(meta) = RtpMeta::parse(packet, &millrace_packet::ExtensionIds::default()) else { return Ok(()) };
        let Some((header, payload)) = packet.split_at_checked(meta.payload_offset.into()) else { return Ok(()) };
        for number in 0..self.viewers.len() {
            if self.batch.is_full() {
                self.flush().await?;
            }
            let viewer = &mut self.viewers[number];
            let Some(slot) = self.batch.slot(SOCKET) else { continue };
            let len = viewer.seal(meta.sequence, header, payload, slot);
            self.batch.commit(len, &viewer.destination);
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.batch.flush(|_| Some(&self.socket));
        while self.batch.is_blocked(SOCKET) {
            self.socket.writable().await?;
            self.batch.unblock(SOCKET);
            self.batch.flush(|_| Some(&self.socket));
        }
        Ok(())
    }
}

impl NullViewer {
    fn new(number: usize, port: u16) -> io::Result<Self> {
        let (key, salt) = agreed_key(number);
        let master = MasterKey::new(SrtpProfile::AeadAes128Gcm, &key, &salt).map_err(io::Error::other)?;
        let destination = Destination {
            socket: SOCKET,
            key: DestinationKey(number as u32),
            remote: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            source: None,
        };
        Ok(Self { destination, srtp: SrtpOutbound::new(&master), index: OutgoingIndex::default() })
    }

    /// Copies the header, seals the payload; 0 when a number comes twice.
    fn seal(&mut self, sequence: u16, header: &[u8], payload: &[u8], slot: &mut [u8]) -> usize {
        let Ok(index) = self.index.claim(sequence) else { return 0 };
        let Some(place) = slot.get_mut(..header.len()) else { return 0 };
        place.copy_from_slice(header);
        self.srtp.seal_rtp(index, slot, header.len(), payload).unwrap_or_default()
    }
}
