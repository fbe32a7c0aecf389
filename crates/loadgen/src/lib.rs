//! A load generator that speaks WebRTC, and null servers to compare with.
//!
//! `loadgen '{"scenario":"fanout",…}'` runs one scenario against a server in a child process and prints its figures as
//! JSON; `benches/run.mjs` runs many and compares. The server's process stays on one core and the generator on another,
//! where it never sleeps, so that the CPU time of the server's process is what its work costs.

// Sockets by recvmmsg and epoll, CPU time by /proc: only Linux has them.
#![cfg(target_os = "linux")]

mod accounting;
mod call;
mod child;
mod choices;
mod data_peer;
mod data_relay;
mod handshake;
mod media;
mod null_server;
mod payload;
mod peer;
mod publisher;
mod room;
mod scenario;
mod socket;
mod srtp;
mod stage;
mod tally;
mod viewer;
mod weather;

use std::io::{self, Write};
use std::process::ExitCode;
use std::{env, thread};

use millrace_testkit::allocations::CountingAllocator;

use crate::child::Kind;
use crate::scenario::{Cores, Scenario};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// What the binary does.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadgen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> io::Result<()> {
    match arguments {
        [kind, core] if kind == Kind::Worker.word() => {
            accounting::stay_on(core.parse().map_err(io::Error::other)?);
            millrace_engine::process::serve(io::stdin(), io::stdout())
        }
        [kind, core] if kind == Kind::DataRelay.word() => data_relay::run(core.parse().map_err(io::Error::other)?),
        [kind, core] if kind == Kind::Null.word() => null_server::run(core.parse().map_err(io::Error::other)?),
        [scenario] => {
            let scenario: Scenario = serde_json::from_str(scenario)?;
            let cores = cores();
            accounting::open_many_files();
            accounting::stay_on(cores.generator);
            writeln!(io::stdout(), "{}", scenario.run(cores)?)
        }
        _ => Err(io::Error::other("one argument is needed: a scenario in JSON, see crates/loadgen/src/scenario")),
    }
}

/// The first core for the server, the last for the generator: not two threads of one core on most machines.
fn cores() -> Cores {
    let count = thread::available_parallelism().map_or(1, usize::from);
    Cores { server: 0, generator: count - 1 }
}
