//! What can be measured. A scenario is described in JSON, runs in this process against a server of its own, and tells
//! its figures in JSON.

mod allocations;
mod data;
mod fanout;
mod flood;
mod inside;
mod joins;
mod memory;
mod paused;
mod pictures;
mod ring;
mod sound;

use std::io;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
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
    /// A mix of pictures beside the bare calls of its codecs.
    Pictures(pictures::Mixing),
    /// What a mix of pictures weighs beside its codecs.
    PicturesMemory(pictures::Memory),
    /// The same mix by other programs.
    PicturesBeside(pictures::Beside),
    /// How much later a mix of pictures is seen.
    PicturesDelay(pictures::Delay),
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
            Self::Pictures(mixing) => mixing.run(),
            Self::PicturesMemory(memory) => memory.run(),
            Self::PicturesBeside(beside) => beside.run(),
            Self::PicturesDelay(delay) => delay.run(),
        }
    }
}

fn told(figures: impl Serialize) -> io::Result<Value> {
    Ok(json!(figures))
}

fn failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// CPU time of the calling thread, in ns.
fn thread_ns() -> io::Result<u64> {
    let time = Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?);
    Ok(time.as_nanos() as u64)
}
