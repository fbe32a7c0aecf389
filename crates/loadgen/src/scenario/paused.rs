//! Many paused consumers on one transport: what they cost while nothing happens.

use std::io;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Cores;
use crate::call::{join, wait_connected};
use crate::room::Room;
use crate::stage::Stage;
use crate::weather::Quality;

/// Time in which what making them left behind is done.
const SETTLE_TIME: Duration = Duration::from_secs(2);

/// A run.
#[derive(Debug, Deserialize)]
pub(crate) struct Paused {
    consumers: usize,
    seconds: f64,
}

impl Paused {
    pub(super) fn run(&self, cores: Cores) -> io::Result<Value> {
        let mut room = Room::start(cores.server)?;
        let mut stage = Stage::new(Quality::default(), 0)?;
        let (publisher, _) = join(&mut room, &mut stage)?;
        let (viewer, _) = join(&mut room, &mut stage)?;
        let producer = room.produce(&publisher, 1, true)?;
        for _ in 0..self.consumers {
            room.consume(&viewer, &producer, true)?;
        }
        wait_connected(&mut stage)?;
        stage.run_for(SETTLE_TIME);
        let before = room.server.usage()?;
        stage.run_for(Duration::from_secs_f64(self.seconds));
        let used = room.server.usage()?.since(&before);
        Ok(json!({
            "consumers": self.consumers,
            "seconds": self.seconds,
            "coreShare": used.cpu_ns as f64 / 1e9 / self.seconds,
        }))
    }
}
