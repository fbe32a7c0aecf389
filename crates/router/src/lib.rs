//! The SFU: producers, consumers, the forward table, rewriting, retransmission and feedback.
//!
//! A core: it is told the time, takes packets, and pushes packets, feedback and events into an [`Output`].

mod cache;
mod consumer;
mod context;
pub mod data;
pub mod data_address;
mod distribution;
mod dominance;
pub mod events;
mod history;
mod key_frame;
mod layer_rates;
mod layers;
mod levels;
mod nack;
mod numbering;
mod observer;
mod output;
mod padding;
mod pictures;
mod position;
mod producer;
mod ranker;
mod rate;
mod reception;
mod relay;
mod replace;
mod reports;
mod rewriter;
mod router;
mod rtcp_in;
mod score;
mod sender_clock;
mod session;
pub mod setup;
mod source;
mod spatial;
mod stats;
mod stream_in;
mod timers;
mod timestamp;
mod transport_cc;
mod upkeep;
mod wanted;

pub use distribution::Thrift;
pub use events::{ConsumerScore, Direction, RouterEvent, StreamScore, Trace, TraceKinds, TracedPacket};
pub use layers::{Layers, Wish};
pub use millrace_bandwidth::allocation::Line;
pub use observer::{OBSERVERS_PER_ROUTER_MAX, ObserveError, ObserverKind, ObserverSetup};
pub use output::{ConsumerIndex, ObserverIndex, Output, PathReport, ProducerIndex, SessionId};
pub use padding::Probator;
pub use replace::{ReplaceError, Replacement};
pub use router::{ClosedSession, Router};
pub use session::{AVAILABLE_BITRATE_MAX, AVAILABLE_BITRATE_MIN};
pub use source::SourceId;
