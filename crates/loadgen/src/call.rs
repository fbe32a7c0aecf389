//! One publisher and its viewers, on our server or on a null server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use millrace_transport::SrtpProfile;
use serde::Deserialize;
use serde_json::json;

use crate::accounting::Usage;
use crate::child::{Kind, ServerProcess};
use crate::choices::Choices;
use crate::media::Media;
use crate::null_server::NullSetup;
use crate::peer::{Peer, Role};
use crate::publisher::Publisher;
use crate::room::Room;
use crate::stage::Stage;
use crate::viewer::{StreamSpec, Viewer};
use crate::weather::Quality;

/// SSRC of the publisher.
pub(crate) const SSRC: u32 = 0x1000;
/// A peer that needs longer than this to connect does not.
pub(crate) const CONNECT_TIME_MAX: Duration = Duration::from_secs(60);

/// Which server is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    Millrace,
    /// The null server, every packet a message of its own.
    Null,
    /// The null server with UDP GSO.
    NullGso,
}

/// What a call is made of.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallSetup {
    pub(crate) target: Target,
    pub(crate) viewers: usize,
    pub(crate) media: Media,
    /// Streams of the one camera, each with this media (simulcast; our server only). Viewers spread over them.
    #[serde(default = "one")]
    pub(crate) layers: NonZeroU32,
    /// Viewers hear the one microphone through a mixer, whose output they share (our server only).
    #[serde(default)]
    pub(crate) mixed: bool,
    /// The weather on all links.
    #[serde(default)]
    pub(crate) quality: Quality,
    /// Whether viewers look into every packet and ask for lost ones; always so in bad weather.
    #[serde(default)]
    pub(crate) repairs: bool,
    #[serde(default)]
    pub(crate) seed: u64,
}

/// Everybody connected, nothing sent yet.
pub(crate) struct Call {
    pub(crate) stage: Stage,
    pub(crate) publisher: usize,
    pub(crate) viewers: usize,
    choices: Choices,
    server: Server,
    /// The server's address.
    pub(crate) address: SocketAddr,
}

enum Server {
    Millrace(Box<Room>),
    Null(ServerProcess),
}

impl Call {
    /// Starts the server on `core` and connects everybody.
    ///
    /// # Errors
    /// When anybody does not connect.
    pub(crate) fn start(setup: &CallSetup, core: usize) -> io::Result<Self> {
        match setup.target {
            Target::Millrace => Self::on(Room::start(core)?, setup),
            Target::Null => Self::on_null(setup, core, false),
            Target::NullGso => Self::on_null(setup, core, true),
        }
    }

    /// Connects everybody to a room.
    pub(crate) fn on(mut room: Room, setup: &CallSetup) -> io::Result<Self> {
        let mut stage = Stage::new(setup.quality, setup.seed)?;
        let (transport, publisher) = join(&mut room, &mut stage)?;
        let address = stage.peer(publisher).server().ok_or(io::ErrorKind::NotConnected)?;
        let ssrcs = layer_ssrcs(setup.layers);
        let producer = match ssrcs[..] {
            [ssrc] => room.produce(&transport, ssrc, setup.media.is_audio())?,
            _ => room.produce_layers(&transport, &ssrcs)?,
        };
        let producer = if setup.mixed { room.mix(&producer)? } else { producer };
        let streams = ssrcs.iter().map(|ssrc| Publisher::new(*ssrc, setup.media)).collect();
        stage.peer(publisher).role = Role::Publisher(streams);
        let mut choices = Choices::new(setup.layers);
        for number in 0..setup.viewers {
            let (transport, index) = join(&mut room, &mut stage)?;
            let consumed = room.consume(&transport, &producer, false)?;
            choices.add(consumed.id);
            let viewer = Viewer::new(number, &[consumed.spec], &consumed.extensions, setup.looks_into_all());
            stage.peer(index).role = Role::Viewer(Box::new(viewer));
        }
        wait_connected(&mut stage)?;
        choices.spread(&mut room)?;
        Ok(Self {
            stage,
            publisher,
            viewers: setup.viewers,
            choices,
            server: Server::Millrace(Box::new(room)),
            address,
        })
    }

    fn on_null(setup: &CallSetup, core: usize, segmented: bool) -> io::Result<Self> {
        let mut server = ServerProcess::start(Kind::Null, core)?;
        let port = server.wait()?["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.ok_or(io::ErrorKind::InvalidData)?));
        let mut stage = Stage::new(setup.quality, setup.seed)?;
        let mut ports = Vec::new();
        let spec = StreamSpec { ssrc: SSRC, rtx_ssrc: None, is_audio: setup.media.is_audio() };
        for number in 0..setup.viewers {
            let mut peer = Peer::agreed(number, address)?;
            ports.push(peer.socket.local_addr()?.port());
            peer.role = Role::Viewer(Box::new(Viewer::new(number, &[spec], &[], setup.looks_into_all())));
            stage.add(peer)?;
        }
        let mut publisher = Peer::agreed(setup.viewers, address)?;
        // Null servers open nothing: packets come to them in the clear.
        publisher.srtp = None;
        publisher.role = Role::Publisher(vec![Publisher::new(SSRC, setup.media)]);
        let publisher = stage.add(publisher)?;
        server.write(&json!(NullSetup { viewers: ports, segmented }))?;
        server.wait()?;
        let choices = Choices::new(NonZeroU32::MIN);
        Ok(Self { stage, publisher, viewers: setup.viewers, choices, server: Server::Null(server), address })
    }

    /// CPU time and memory of the server up to this moment.
    pub(crate) fn usage(&self) -> io::Result<Usage> {
        match &self.server {
            Server::Millrace(room) => room.server.usage(),
            Server::Null(server) => server.usage(),
        }
    }

    /// Lets another viewer change its layer each `interval`.
    ///
    /// # Errors
    /// When the server refused.
    pub(crate) fn change_layers(&mut self, interval: Duration, now: Instant) -> io::Result<()> {
        match &mut self.server {
            Server::Millrace(room) => self.choices.change(interval, now, room),
            Server::Null(_) => Ok(()),
        }
    }

    /// The room, if the server is ours.
    pub(crate) fn room(&mut self) -> Option<&mut Room> {
        match &mut self.server {
            Server::Millrace(room) => Some(room),
            Server::Null(_) => None,
        }
    }
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn layer_ssrcs(layers: NonZeroU32) -> Vec<u32> {
    (0..layers.get()).map(|layer| SSRC + 2 * layer).collect()
}

impl CallSetup {
    fn looks_into_all(&self) -> bool {
        let Quality { loss, delay_ms, bitrate } = self.quality;
        self.repairs || loss > 0.0 || delay_ms > 0 || bitrate > 0
    }
}

/// Makes a transport and a peer on its way to it; tells the transport's id and the peer's index.
pub(crate) fn join(room: &mut Room, stage: &mut Stage) -> io::Result<(String, usize)> {
    let (transport, offer) = room.create_transport()?;
    room.connect(&transport)?;
    let mut peer = Peer::new()?;
    let index = stage.len();
    peer.connect(offer, &room.identity, index as u64, stage.moment().now)?;
    stage.add(peer)?;
    // Those who joined before go on with their handshakes meanwhile.
    stage.turn();
    Ok((transport, index))
}

/// Waits until every peer of the stage can send media, sealed by AES-GCM with 128 bits.
pub(crate) fn wait_connected(stage: &mut Stage) -> io::Result<()> {
    let mut next = 0;
    let connected = stage.until(CONNECT_TIME_MAX, |stage| {
        while next < stage.len() && stage.peer(next).is_connected() {
            next += 1;
        }
        next == stage.len()
    });
    if !connected {
        return Err(io::Error::new(io::ErrorKind::TimedOut, format!("peer {next} did not connect")));
    }
    let profiles = (0..stage.len()).map(|index| stage.peer(index).profile());
    match profiles.into_iter().all(|profile| profile == Some(SrtpProfile::AeadAes128Gcm)) {
        true => Ok(()),
        false => Err(io::Error::other("a peer did not get AES-GCM with 128 bits")),
    }
}
