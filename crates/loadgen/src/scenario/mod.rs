//! What can be measured. A scenario is described in JSON, runs in this process against a server of its own, and tells
//! its figures in JSON.

mod allocations;
mod data;
mod fanout;
mod flood;
mod joins;
mod memory;
mod paused;
mod ring;
mod sound;

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One run.
#[derive(Debug, Deserialize)]
#[serde(tag = "scenario", rename_all = "lowercase")]
pub(crate) enum Scenario {
    /// One publisher, many viewers.
    Fanout(fanout::Fanout),
    /// As [`Fanout`](Self::Fanout), counting what the server allocates.
    Allocations(fanout::Fanout),
    /// Peers that join one after the other.
    Joins(joins::Joins),
    /// Memory of transports and consumers.
    Memory(memory::Memory),
    /// Consumers that are paused cost nothing.
    Paused(paused::Paused),
    /// A call beside a flood of forged datagrams.
    Flood(flood::Flood),
    /// Packets from one worker to others of its process.
    Ring(ring::Ring),
    /// Data channels.
    Data(data::Data),
    /// A mix of sound beside the bare calls of its codecs.
    Mixing(sound::Mixing),
    /// How much later a mix is heard.
    MixDelay(sound::Delay),
}

/// Which core is whose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) generator: usize,
}

impl Scenario {
    /// Runs it.
    ///
    /// # Errors
    /// When the server or a peer does not do as expected; then there is no figure.
    pub(crate) fn run(&self, cores: Cores) -> io::Result<Value> {
        match self {
            Self::Fanout(fanout) => told(fanout.run(cores)?),
            Self::Allocations(fanout) => allocations::run(fanout),
            Self::Joins(joins) => joins.run(cores),
            Self::Memory(memory) => memory.run(cores),
            Self::Paused(paused) => paused.run(cores),
            Self::Flood(flood) => flood.run(cores),
            Self::Ring(ring) => ring.run(cores),
            Self::Data(data) => data.run(cores),
            Self::Mixing(mixing) => mixing.run(),
            Self::MixDelay(delay) => delay.run(),
        }
    }
}

fn told(figures: impl Serialize) -> io::Result<Value> {
    Ok(json!(figures))
}
