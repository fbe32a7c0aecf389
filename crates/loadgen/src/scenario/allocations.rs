//! What a worker allocates for each packet that it forwards.

use std::io;

use millrace_testkit::allocations::{allocations, leave_out_this_thread};
use serde_json::{Value, json};

use super::fanout::Fanout;
use crate::call::Call;
use crate::child::ServerProcess;
use crate::room::Room;

/// Runs a call on a worker of this process and counts the allocations of all threads but this one.
pub(super) fn run(fanout: &Fanout) -> io::Result<Value> {
    leave_out_this_thread();
    let mut call = Call::on(Room::on(ServerProcess::start_inside()?)?, &fanout.call)?;
    // Everything grows to its size first.
    fanout.measure(&mut call)?;
    let before = allocations();
    let figures = fanout.measure(&mut call)?;
    let allocations = allocations() - before;
    Ok(json!({
        "delivered": figures.delivered,
        "allocations": allocations,
        "perPacket": allocations as f64 / figures.delivered.max(1) as f64,
    }))
}
