//! A mixer's work in a child process.

use std::io;

use napi::bindgen_prelude::{Error, Result};
use napi_derive::napi;

use crate::panics;

/// Does the work of one mixer for the process at the other end of standard input and output, until that hangs up. For the
/// child processes of mixers; blocks.
#[napi(catch_unwind)]
pub fn serve_mixer() -> Result<()> {
    panics::quiet_worker_threads();
    millrace_engine::serve_mixer(io::stdin(), io::stdout()).map_err(|error| Error::from_reason(error.to_string()))
}
