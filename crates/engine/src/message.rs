//! What a worker says: replies, events, logs and its last words. Plain data; the same over a bridge or a socket.

use millrace_model::ErrorClass;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// One message of a worker, in the order in which things happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Message {
    /// The answer to one request.
    Reply {
        /// The request's number.
        id: u32,
        /// What came of it.
        #[serde(flatten)]
        outcome: Outcome,
    },
    /// Something happened to an object.
    Event {
        /// The object.
        target: Uuid,
        /// The event's name, as the facade emits it.
        event: &'static str,
        /// The event's value, `null` when it has none.
        data: Value,
    },
    /// A line for the log.
    Log {
        /// How loud.
        level: LogLevel,
        /// The subject, when the line has one (`ice`, `dtls`, `rtp`, …).
        #[serde(skip_serializing_if = "Option::is_none")]
        tag: Option<&'static str>,
        /// One sentence, without addresses or secrets.
        message: String,
    },
    /// The worker ended by itself; nothing follows.
    Died {
        /// Why.
        message: String,
    },
}

/// A reply's content.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The request was carried out.
    Ok(Value),
    /// The request was refused and changed nothing.
    Error(ErrorBody),
}

/// An error as data: the facade turns it into an instance of `class`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    /// The JavaScript class.
    pub class: ErrorClass,
    /// The stable code, `ERR_…`.
    pub code: &'static str,
    /// What failed, which value, what to do.
    pub message: String,
}

/// Loudness of a log line; a worker's setting lets its own level and louder ones through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Something that should not happen.
    Error,
    /// Something that a peer or the system did wrong.
    Warn,
    /// Steps of a call's life.
    Debug,
}

impl Message {
    /// How the outbox treats this message when nobody reads.
    pub(crate) fn keeping(&self) -> Keeping {
        match self {
            Self::Reply { .. } | Self::Died { .. } => Keeping::Always,
            Self::Event { event: "trace" | "datachannel" | "datachannelclose", .. } => Keeping::Sampled,
            Self::Event { target, event, .. } => Keeping::Latest(*target, event),
            Self::Log { .. } => Keeping::Log,
        }
    }
}

/// What happens to a message when the reader is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Keeping {
    /// Never dropped; bounded by what the application asks for, and in a child process by `UNREAD_REPLIES_MAX`.
    Always,
    /// Only the latest of its kind is kept for each object; bounded by the number of objects.
    Latest(Uuid, &'static str),
    /// The oldest is dropped and counted.
    Sampled,
    /// The newest is dropped and counted.
    Log,
}
