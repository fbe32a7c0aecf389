//! What every agent does with an ICE check that it receives (RFC 8445 §7.3): authenticate it, refuse it or grant it.

use std::net::SocketAddr;

use super::IceCredentials;
use crate::stun::{Class, ErrorCode, IntegrityKey, Message, Writer};
use crate::tuple::Tuple;

/// Our own credentials, with which the peer addresses and signs its checks.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    pub(super) ufrag: String,
    pub(super) key: IntegrityKey,
}

impl Receiver {
    pub(super) fn new(credentials: &IceCredentials) -> Self {
        Self { ufrag: credentials.ufrag.clone(), key: IntegrityKey::new(&credentials.password) }
    }

    /// Tells whether `request` is addressed to these credentials and signed with them.
    pub(super) fn authenticate(&self, request: &Message<'_>) -> Result<(), Denial> {
        if request.receiver_ufrag() != Some(self.ufrag.as_bytes()) {
            return Err(Denial::UnknownUfrag);
        }
        if request.verify(&self.key) { Ok(()) } else { Err(Denial::WrongIntegrity) }
    }
}

/// Why a request is not the peer's. It gets no answer, which would only help whoever scans (RFC 8445 §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    UnknownUfrag,
    WrongIntegrity,
}

/// The two roles of RFC 8445 §2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Controlling,
    Controlled,
}

/// Why an authenticated request must be refused by an agent that keeps `role` whatever the tie-breakers say.
pub(super) fn refusal(request: &Message<'_>, role: Role) -> Option<ErrorCode> {
    if !request.unknown_attributes.is_empty() {
        return Some(ErrorCode::UnknownAttribute);
    }
    if request.priority.is_none() {
        return Some(ErrorCode::BadRequest);
    }
    let claimed_too = match role {
        Role::Controlling => request.ice_controlling,
        Role::Controlled => request.ice_controlled,
    };
    claimed_too.map(|_| ErrorCode::RoleConflict)
}

/// The answer that grants `request`, which came over `tuple` (RFC 8445 §7.3.1.2).
pub(super) fn success(request: &Message<'_>, tuple: &Tuple, key: &IntegrityKey) -> Vec<u8> {
    // A dual-stack socket shows IPv4 peers as ::ffff:a.b.c.d; the peer must see the address that it sent from.
    let address = SocketAddr::new(tuple.remote.ip().to_canonical(), tuple.remote.port());
    Writer::new(Class::Success, request.transaction_id).xor_mapped_address(address).finish(key)
}

/// The answer that refuses `request` (RFC 8489 §6.3.1.1).
pub(super) fn error(request: &Message<'_>, code: ErrorCode, key: &IntegrityKey) -> Vec<u8> {
    let writer = Writer::new(Class::Error, request.transaction_id).error_code(code);
    match code {
        ErrorCode::UnknownAttribute => writer.unknown_attributes(&request.unknown_attributes).finish(key),
        ErrorCode::BadRequest | ErrorCode::RoleConflict => writer.finish(key),
    }
}
