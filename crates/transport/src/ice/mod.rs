//! ICE (RFC 8445): the lite agent of a server's transport, and a controlling agent for whoever calls a server.

mod check;
mod controlling;
mod credentials;
mod lite;

pub use controlling::{CandidatePair, ControllingConfig, IceControlling, PAIRS_MAX, PairsFull, RandomBytes};
pub use credentials::IceCredentials;
pub use lite::{IceLite, TUPLES_MAX};

use crate::tuple::Tuple;

/// How far ICE is. The names are mediasoup's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IceState {
    /// No valid check yet.
    #[default]
    New,
    /// A check was valid and its tuple is in use, but the peer nominated none.
    Connected,
    /// The peer nominated the tuple in use.
    Completed,
    /// No tuple is left: consent expired (RFC 7675) or the last connection closed. A valid check revives it.
    Disconnected,
    /// Closed for good.
    Closed,
}

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
