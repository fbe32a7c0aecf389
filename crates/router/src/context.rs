//! What the parts of a router need from outside while they work.

use millrace_model::Counters;

use crate::SessionId;
use crate::timers::{Moment, Timers};

/// Lent for the length of one call.
pub(crate) struct Context<'a, O> {
    pub(crate) now: Moment,
    pub(crate) timers: &'a mut Timers,
    /// Counters of the session whose packet or task this is.
    pub(crate) counters: &'a mut Counters,
    /// Sessions that have something to report and may have no report scheduled.
    pub(crate) awake: &'a mut Vec<SessionId>,
    pub(crate) out: &'a mut O,
}
