//! Functions that need no worker: capabilities, negotiation questions, the version.

use millrace_model::{
    ErrorClass, ModelError, RouterOptions, RtpCapabilities, RtpParameters, ortc, parse, parse_scalability_mode,
};
use napi::bindgen_prelude::{Error, Result, Status};
use napi_derive::napi;
use serde::Serialize;

/// What routers can negotiate, as JSON text of `RtpCapabilities`.
#[napi(catch_unwind)]
pub fn get_supported_rtp_capabilities() -> Result<String> {
    json(&ortc::supported_rtp_capabilities())
}

/// The layers that a scalability mode names, as JSON text of `ScalabilityMode`.
#[napi(js_name = "parseScalabilityMode", catch_unwind)]
pub fn scalability_mode(mode: String) -> Result<String> {
    json(&parse_scalability_mode(&mode))
}

/// Tells whether an endpoint with `rtpCapabilities` can receive what a producer sends; both are JSON text.
#[napi(catch_unwind)]
pub fn can_consume(consumable_rtp_parameters: String, rtp_capabilities: String) -> Result<bool> {
    let consumable: RtpParameters = parse(&consumable_rtp_parameters).map_err(refused)?;
    let capabilities: RtpCapabilities = parse(&rtp_capabilities).map_err(refused)?;
    ortc::can_consume(&consumable, capabilities).map_err(refused)
}

/// The capabilities of a router with these options (JSON text of `RouterOptions`), as JSON text of `RtpCapabilities`.
#[napi(catch_unwind)]
pub fn generate_router_rtp_capabilities(router_options: String) -> Result<String> {
    let options: RouterOptions = parse(&router_options).map_err(refused)?;
    json(&ortc::generate_router_rtp_capabilities(&options.media_codecs).map_err(refused)?)
}

/// The version of this package.
#[napi(catch_unwind)]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::from_reason(error.to_string()))
}

/// An error whose text is an error body as JSON: `ts/channel.ts` makes the error object from it.
pub(crate) fn refused(error: ModelError) -> Error {
    let class: ErrorClass = error.class();
    let body = serde_json::json!({ "class": class, "code": error.code(), "message": error.to_string() });
    Error::new(Status::GenericFailure, body.to_string())
}
