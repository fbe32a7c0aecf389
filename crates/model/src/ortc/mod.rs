//! Negotiation without offers and answers: what a router offers, what a producer sends, what a consumer gets.
//!
//! The rules are those of mediasoup 3.27.1 (`node/lib/ortc.js`), so that its clients work unchanged. Where mediasoup
//! leaves a contradiction to its worker, it is refused here instead, before anything is created.

mod consumer;
mod h264;
mod matching;
mod producer;
mod router;
mod supported;
mod validate;

pub use consumer::{
    ConsumerNegotiation, can_consume, get_consumer_rtp_parameters, get_pipe_consumer_rtp_parameters,
    in_numbers_of_endpoint,
};
pub use producer::{
    CodecMapping, EncodingMapping, RtpCodecsEncodingsMapping, get_consumable_rtp_parameters,
    get_producer_rtp_parameters_mapping,
};
pub use router::{generate_router_rtp_capabilities, update_media_codecs};
pub use supported::supported_rtp_capabilities;
pub use validate::{
    normalize_for_producer, validate_and_normalize_rtp_capabilities, validate_and_normalize_rtp_parameters,
};

/// Lowest SSRC that [`ssrc_from_random`] makes.
const SSRC_MIN: u32 = 100_000_000;

/// How many SSRCs [`ssrc_from_random`] can make; the last leaves room for an RTX SSRC beside it.
const SSRC_COUNT: u32 = 899_999_998;

/// Maps 32 random bits to an SSRC for a consumer or a mapped encoding: nine decimal digits, which are easy to tell from
/// other numbers in logs and dumps, and never 1234, the SSRC of mediasoup's bandwidth probation.
pub const fn ssrc_from_random(bits: u32) -> u32 {
    SSRC_MIN + bits % SSRC_COUNT
}
