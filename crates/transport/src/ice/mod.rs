//! ICE (RFC 8445): the lite agent of a server's transport, and a controlling agent for whoever calls a server.

mod check;
mod controlling;
mod credentials;
mod lite;

pub use controlling::{CandidatePair, ControllingConfig, IceControlling, PAIRS_MAX, PairsFull, RandomBytes};
pub use credentials::IceCredentials;
pub use lite::{IceLite, TUPLES_MAX};

pub use millrace_model::IceState;

use crate::tuple::Tuple;

/// What happened in an agent, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IceEvent {
    /// The state changed.
    State(IceState),
    /// Media and DTLS go to this tuple from here on.
    SelectedTuple(Tuple),
    /// Datagrams of this tuple's socket and remote address belong to the agent from here on.
    TupleAdded(Tuple),
    /// Datagrams of this tuple's socket and remote address belong to the agent no longer.
    TupleRemoved(Tuple),
    /// Checks to this local ufrag are no longer accepted: a restart replaced it.
    UfragRetired(String),
}

/// Tells whether two tuples have one socket and one remote address. Our own address may differ between them where a
/// wildcard socket has several; the peer is the same.
fn same_path(one: &Tuple, other: &Tuple) -> bool {
    one.socket == other.socket && one.remote == other.remote
}
