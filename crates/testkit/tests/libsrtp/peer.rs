//! The process in which libsrtp runs.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use millrace_transport::SrtpProfile;

use crate::Key;

/// libsrtp with a sender and a receiver. The process ends with it.
pub(crate) struct LibSrtp {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl LibSrtp {
    /// Starts both ends with the key of this profile.
    pub(crate) fn started(profile: SrtpProfile) -> Self {
        let mut process = Command::new(program()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (commands, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut libsrtp = Self { process, commands, answers: BufReader::new(answers) };
        // The numbers of RFC 5764 §4.1.2 and RFC 7714 §14.2 are those of `srtp_profile_t`.
        let started = libsrtp.call(&format!("key {}", profile.id()), &Key::of(profile).bytes);
        assert_eq!(started, Ok(Vec::new()), "libsrtp has {profile:?}");
        libsrtp
    }

    /// Runs a command; the error is libsrtp's own.
    pub(crate) fn call(&mut self, command: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut line = format!("{command} ");
        bytes.iter().for_each(|byte| write!(line, "{byte:02x}").unwrap());
        writeln!(self.commands, "{line}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(answer.ends_with('\n'), "libsrtp's process answers");
        let answer = answer.trim_end();
        if answer.starts_with("error") { Err(answer.to_owned()) } else { Ok(from_hex(answer)) }
    }
}

impl Drop for LibSrtp {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Compiles the program, once for all tests of this run.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/libsrtp/peer.c");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libsrtp-peer");
        let cc = ["-O1", "-Wall", "-Werror", "-o", program.to_str().unwrap(), source, "-lsrtp2"];
        let output = Command::new("cc").args(cc).output().expect("a C compiler is installed");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "libsrtp2-dev is needed (npm test installs it):\n{errors}");
        program
    })
}

fn from_hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
