//! The media plane as one Rust API: workers, commands, replies and events as plain data.

pub mod message;
pub mod outbox;

pub use message::{ErrorBody, LogLevel, Message, Outcome};
pub use outbox::Outbox;
