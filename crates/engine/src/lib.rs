//! The media plane as one Rust API: workers, requests, replies and events as plain data.
//!
//! A [`Worker`] is one thread. It is asked by requests (JSON text with a number) and answers through its [`Outbox`],
//! in order. A [`Tap`] takes a producer's media to another thread, a [`Source`] brings media from there. [`process`] carries the same text over a byte stream, so that a worker can live in a child process.

mod capture;
mod certificate;
mod error;
mod event_loop;
mod image;
mod journal;
pub mod message;
mod mixer;
pub mod outbox;
pub mod packets;
mod plane;
pub mod process;
mod random;
mod request;
mod resource_usage;
mod ring;
mod setup;
mod tap;
mod worker;

pub use error::{RequestError, StartError};
pub use image::{ImageFormat, encode_image};
pub use message::{ErrorBody, LogLevel, Message, Outcome};
pub use mixer::{MIXER_THREADS_MAX, STUCK_THREADS_MAX, serve_mixer};
pub use outbox::Outbox;
pub use tap::{Source, Tap, TapOptions, TapState};
pub use worker::{REQUESTS_MAX, THREAD_NAME_PREFIX, Worker, WorkerHandle};
