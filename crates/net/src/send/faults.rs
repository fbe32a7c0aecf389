//! Faults at the door to the kernel, for tests.

use std::io;
use std::net::SocketAddr;

use super::plan::Plan;

/// What a socket is made to do wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// The kernel takes messages to nobody from this one's address on.
    pub(crate) full_at: Option<SocketAddr>,
    /// Error for messages to this address.
    pub(crate) refused: Option<(SocketAddr, i32)>,
    /// Error for messages of more than one segment.
    pub(crate) runs_refused: Option<i32>,
}

impl Faults {
    /// Cuts `plan` before the first message that fails, or fails if that is the first.
    pub(crate) fn apply<'a>(&self, plan: Plan<'a>) -> io::Result<Plan<'a>> {
        for (index, message) in plan.messages.iter().enumerate() {
            let fault = match (self.refused, self.runs_refused) {
                _ if self.full_at == Some(message.remote) => Some(libc::EAGAIN),
                (Some((remote, errno)), _) if remote == message.remote => Some(errno),
                (_, Some(errno)) if message.segments > 1 => Some(errno),
                _ => None,
            };
            match fault {
                Some(errno) if index == 0 => return Err(io::Error::from_raw_os_error(errno)),
                Some(_) => return Ok(Plan { messages: &plan.messages[..index], ..plan }),
                None => {}
            }
        }
        Ok(plan)
    }
}
