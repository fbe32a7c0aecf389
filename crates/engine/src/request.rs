//! Requests as text: who asks, for which method. The parameters are parsed where the method is carried out.

use serde::Deserialize;

use crate::error::RequestError;
use crate::message::{Message, Outcome};

/// Longest request text in bytes; RTP parameters are a few kilobytes, so that this is no legitimate request.
pub(crate) const REQUEST_BYTES_MAX: usize = 1 << 20;

/// The part of a request that says what to do.
#[derive(Debug, Deserialize)]
pub(crate) struct Head<'a> {
    /// The number that the reply carries.
    pub(crate) id: u32,
    /// `noun.verb`.
    #[serde(borrow)]
    pub(crate) method: std::borrow::Cow<'a, str>,
}

/// The number of a request whose [`Head`] cannot be read, if the text has one.
pub(crate) fn id_of(text: &str) -> Option<u32> {
    #[derive(Deserialize)]
    struct Id {
        id: u32,
    }
    serde_json::from_str::<Id>(text).ok().map(|id| id.id)
}

/// The reply that refuses request `id`.
pub(crate) fn refusal(id: u32, error: RequestError) -> Message {
    Message::Reply { id, outcome: Outcome::Error(error.body()) }
}
