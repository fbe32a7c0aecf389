//! What a worker allocates for each packet that it forwards.

use std::io;
use std::time::Duration;

use millrace_testkit::allocations::{allocations, leave_out_this_thread};
use serde_json::{Value, json};

use super::fanout::{Conductor, Fanout};
use crate::call::Call;
use crate::child::ServerProcess;
use crate::room::Room;

/// Runs a call on a worker of this process and counts the allocations of all threads but this one.
pub(super) fn run(fanout: &Fanout) -> io::Result<Value> {
    leave_out_this_thread();
    let mut call = Call::on(Room::on(ServerProcess::start_inside()?)?, &fanout.call)?;
    let mut conductor = Conductor::new(fanout);
    // Everything grows to its size first.
    conductor.conduct(&mut call, Duration::from_secs_f64(fanout.warmup_seconds))?;
    let before = (allocations(), call.stage.tally.delivered);
    conductor.conduct(&mut call, Duration::from_secs_f64(fanout.seconds))?;
    let (allocations, delivered) = (allocations() - before.0, call.stage.tally.delivered - before.1);
    Ok(json!({
        "delivered": delivered,
        "allocations": allocations,
        "perPacket": allocations as f64 / delivered.max(1) as f64,
    }))
}
