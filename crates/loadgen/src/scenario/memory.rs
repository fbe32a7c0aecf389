//! What transports and consumers weigh: resident memory of the worker's process, over many of each.

use std::io;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Cores;
use crate::call::{join, wait_connected};
use crate::peer::{Offer, Peer};
use crate::room::Room;
use crate::stage::Stage;
use crate::weather::Quality;

/// Objects made and kept first, so that pools and tables have their size.
const WARM_UP_OBJECTS: usize = 64;
/// After the last handshake, time in which its state is freed.
const SETTLE_TIME: Duration = Duration::from_secs(3);

/// A run.
#[derive(Debug, Deserialize)]
pub(crate) struct Memory {
    /// Transports and consumers to be made, each.
    count: usize,
}

impl Memory {
    pub(super) fn run(&self, cores: Cores) -> io::Result<Value> {
        let mut room = Room::start(cores.server)?;
        let mut stage = Stage::new(Quality::default(), 0)?;
        (0..WARM_UP_OBJECTS).try_for_each(|_| join(&mut room, &mut stage).map(drop))?;
        wait_connected(&mut stage)?;
        stage.run_for(SETTLE_TIME);

        let empty = resident(&room)?;
        let mut offers = Vec::new();
        for _ in 0..self.count {
            offers.push(room.create_transport()?);
        }
        let unconnected = resident(&room)?;
        let transports = connect_all(&mut room, &mut stage, offers)?;
        let connected = resident(&room)?;
        let producer = room.produce(&transports[0], 1, true)?;
        room.consume(&transports[1], &producer, false)?;
        let before_consumers = resident(&room)?;
        for transport in &transports[2..] {
            room.consume(transport, &producer, false)?;
        }
        let consuming = resident(&room)?;
        let each = |bytes: u64, before: u64, count: usize| bytes.saturating_sub(before) as f64 / count as f64;
        Ok(json!({
            "count": self.count,
            "unconnectedTransportBytes": each(unconnected, empty, self.count),
            "connectedTransportBytes": each(connected, empty, self.count),
            "consumerBytes": each(consuming, before_consumers, self.count - 2),
        }))
    }
}

fn connect_all(room: &mut Room, stage: &mut Stage, offers: Vec<(String, Offer)>) -> io::Result<Vec<String>> {
    let mut transports = Vec::new();
    for (transport, offer) in offers {
        room.connect(&transport)?;
        let mut peer = Peer::new()?;
        let index = stage.len();
        peer.connect(offer, &room.identity, index as u64, stage.moment().now)?;
        stage.add(peer)?;
        stage.turn();
        transports.push(transport);
    }
    wait_connected(stage)?;
    stage.run_for(SETTLE_TIME);
    Ok(transports)
}

fn resident(room: &Room) -> io::Result<u64> {
    Ok(room.server.usage()?.resident)
}
