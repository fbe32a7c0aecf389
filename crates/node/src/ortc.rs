//! The functions of negotiation, for applications that negotiate without a worker. Arguments and results are JSON text.

use millrace_model::ortc::{self, ConsumerNegotiation, RtpCodecsEncodingsMapping};
use millrace_model::{MediaKind, RtpCapabilities, RtpParameters, SctpStreamParameters, parse};
use napi::bindgen_prelude::Result;
use napi_derive::napi;
use serde::{Deserialize, Serialize};

use crate::capabilities::{json, refused};

/// Checks `RtpCapabilities` and fills in what was left out.
#[napi(catch_unwind)]
pub fn normalize_rtp_capabilities(rtp_capabilities: String) -> Result<String> {
    let mut capabilities: RtpCapabilities = parse(&rtp_capabilities).map_err(refused)?;
    ortc::validate_and_normalize_rtp_capabilities(&mut capabilities).map_err(refused)?;
    json(&capabilities)
}

/// Checks `RtpParameters` and fills in what was left out.
#[napi(catch_unwind)]
pub fn normalize_rtp_parameters(rtp_parameters: String) -> Result<String> {
    let mut parameters: RtpParameters = parse(&rtp_parameters).map_err(refused)?;
    ortc::validate_and_normalize_rtp_parameters(&mut parameters).map_err(refused)?;
    json(&parameters)
}

/// Checks `SctpStreamParameters` and writes `ordered` out.
#[napi(catch_unwind)]
pub fn normalize_sctp_stream_parameters(sctp_stream_parameters: String) -> Result<String> {
    let parameters: SctpStreamParameters = parse(&sctp_stream_parameters).map_err(refused)?;
    json(&parameters.to_checked().map_err(refused)?)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MappingRequest {
    rtp_parameters: RtpParameters,
    rtp_capabilities: RtpCapabilities,
    /// 32 random bits, from which the mapped SSRCs are made.
    random: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MappingReply {
    /// The parameters with the H.264 profile that was settled.
    rtp_parameters: RtpParameters,
    rtp_mapping: RtpCodecsEncodingsMapping,
}

/// How a producer's payload types and streams appear within a router.
#[napi(catch_unwind)]
pub fn producer_rtp_parameters_mapping(request: String) -> Result<String> {
    let MappingRequest { mut rtp_parameters, rtp_capabilities, random } = parse(&request).map_err(refused)?;
    let first_ssrc = ortc::ssrc_from_random(random);
    let rtp_mapping = ortc::get_producer_rtp_parameters_mapping(&mut rtp_parameters, &rtp_capabilities, first_ssrc);
    json(&MappingReply { rtp_mapping: rtp_mapping.map_err(refused)?, rtp_parameters })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConsumableRequest {
    kind: MediaKind,
    rtp_parameters: RtpParameters,
    rtp_capabilities: RtpCapabilities,
    rtp_mapping: RtpCodecsEncodingsMapping,
}

/// The parameters from which those of every consumer of a producer are derived.
#[napi(catch_unwind)]
pub fn consumable_rtp_parameters(request: String) -> Result<String> {
    let ConsumableRequest { kind, rtp_parameters, rtp_capabilities, rtp_mapping } = parse(&request).map_err(refused)?;
    json(&ortc::get_consumable_rtp_parameters(kind, &rtp_parameters, &rtp_capabilities, &rtp_mapping))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConsumerRequest {
    consumable_rtp_parameters: RtpParameters,
    remote_rtp_capabilities: RtpCapabilities,
    pipe: bool,
    enable_rtx: bool,
    /// 32 random bits, from which the SSRCs are made.
    random: u32,
}

/// The parameters of one consumer.
#[napi(catch_unwind)]
pub fn consumer_rtp_parameters(request: String) -> Result<String> {
    let request: ConsumerRequest = parse(&request).map_err(refused)?;
    let mut capabilities = request.remote_rtp_capabilities;
    ortc::validate_and_normalize_rtp_capabilities(&mut capabilities).map_err(refused)?;
    let ssrc = ortc::ssrc_from_random(request.random);
    let negotiation = ConsumerNegotiation { enable_rtx: request.enable_rtx, ssrc, all_streams: request.pipe };
    let consumable = &request.consumable_rtp_parameters;
    json(&ortc::get_consumer_rtp_parameters(consumable, &capabilities, negotiation).map_err(refused)?)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PipeConsumerRequest {
    consumable_rtp_parameters: RtpParameters,
    enable_rtx: bool,
    /// 32 random bits, from which the SSRCs are made.
    random: u32,
}

/// The parameters of a consumer that carries a producer to another router.
#[napi(catch_unwind)]
pub fn pipe_consumer_rtp_parameters(request: String) -> Result<String> {
    let request: PipeConsumerRequest = parse(&request).map_err(refused)?;
    let ssrc = ortc::ssrc_from_random(request.random);
    let negotiation = ConsumerNegotiation { enable_rtx: request.enable_rtx, ssrc, all_streams: true };
    json(&ortc::get_pipe_consumer_rtp_parameters(&request.consumable_rtp_parameters, negotiation))
}
