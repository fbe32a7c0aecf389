//! Ids, units, RTP capabilities and parameters, ORTC negotiation, options, stats and counters.
//!
//! The bottom of the house: it depends on no other crate here and touches nothing.
//!
//! Options come in two forms. `…Options` is the JSON that applications write, with everything optional that mediasoup
//! leaves optional; its `into_checked()` (or `to_checked()`) returns a type that holds only what makes sense. Inside
//! the house only checked types travel.

pub mod audio_mixer;
pub mod capture;
pub mod consumer;
pub mod counters;
pub mod data_consumer;
pub mod data_producer;
pub mod direct_transport;
pub mod dtls;
pub mod error;
pub mod ice;
pub mod id;
pub mod listen;
pub mod metrics;
pub mod ortc;
pub mod parse;
pub mod pipe_transport;
pub mod plain_transport;
pub mod producer;
pub mod router;
pub mod rtp;
pub mod rtp_observer;
pub mod sctp;
pub mod srtp;
pub mod time;
pub mod transport;
pub mod typescript;
pub mod video_mixer;
pub mod webrtc_server;
pub mod webrtc_transport;
pub mod worker;

pub use audio_mixer::*;
pub use capture::*;
pub use consumer::*;
pub use counters::Counters;
pub use data_consumer::*;
pub use data_producer::*;
pub use direct_transport::*;
pub use dtls::*;
pub use error::{ErrorClass, ModelError, Within};
pub use ice::*;
pub use id::{
    AudioMixerId, AudioMixerInputId, AudioMixerOutputId, ConsumerId, DataConsumerId, DataProducerId, MalformedId,
    ProducerId, RouterId, RtpObserverId, TransportId, VideoMixerId, VideoMixerInputId, VideoMixerOutputId,
    WebRtcServerId,
};
pub use listen::*;
pub use metrics::{Metrics, TransportMetrics};
pub use parse::parse;
pub use pipe_transport::*;
pub use plain_transport::*;
pub use producer::*;
pub use router::*;
pub use rtp::*;
pub use rtp_observer::*;
pub use sctp::*;
pub use srtp::*;
pub use time::{NtpTime, WallClock};
pub use transport::*;
pub use typescript::typescript;
pub use video_mixer::*;
pub use webrtc_server::*;
pub use webrtc_transport::*;
pub use worker::*;
