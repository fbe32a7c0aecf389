//! See the library: everything is there, because it is for Linux only.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    millrace_loadgen::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("loadgen runs on Linux only");
    ExitCode::FAILURE
}
