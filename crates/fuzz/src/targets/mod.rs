//! The targets. Each panics when something is broken that must hold whatever the bytes are.

mod frames;
mod observers;
mod plain;
mod router;
mod sctp;
mod transport;
mod video_mixer;

pub use millrace_engine::process::fuzz_frames as process_frames;
pub use millrace_net::fuzz::fuzz_tcp_framing as tcp_framing;
pub use millrace_packet::fuzz::{
    fuzz_av1 as av1, fuzz_dependency as dependency, fuzz_h264 as h264, fuzz_h265 as h265, fuzz_header as rtp_header,
    fuzz_rtcp as rtcp, fuzz_rtp as rtp, fuzz_rtx as rtx, fuzz_transport_feedback_writer as transport_feedback,
    fuzz_vp8 as vp8, fuzz_vp9 as vp9,
};
pub use millrace_transport::fuzz::{
    fuzz_dtls_client_hello as dtls_client_hello, fuzz_dtls_records as dtls_records, fuzz_sctp_filter as sctp_filter,
    fuzz_srtp as srtp, fuzz_stun as stun,
};

pub use frames::{frames_aac, frames_av1, frames_h264, frames_h265, frames_vp8, frames_vp9, mixer};
pub use millrace_router::data_address::fuzz as data_address;
pub use observers::observers;
pub use plain::plain;
pub use router::router;
pub(crate) use sctp::init;
pub use sctp::sctp;
pub use transport::transport;
pub use video_mixer::video_mixer;

use crate::seeds;

/// Longest input of targets that read one datagram: some are longer than any that is accepted.
const DATAGRAM_LEN_MAX: usize = 1_600;
/// Longest input of targets that read several datagrams or steps.
const SCRIPT_LEN_MAX: usize = 8_192;
/// Bytes that a parser of one datagram may hold: the target's own copies, nothing by a length that the bytes declare.
const PARSER_MEMORY_MAX: usize = 64 << 10;

/// Bytes that a state machine and what drives it may hold: keys, caches, the target's own book-keeping.
const MACHINE_MEMORY_MAX: usize = 1 << 20;

/// Bytes that a room of ten streams may hold: what each keeps to send again, and what the target remembers of it.
const ROOM_MEMORY_MAX: usize = 4 << 20;

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of its function, of its folder in the corpus, and of its binary for libFuzzer.
    pub name: &'static str,
    /// What is run.
    pub run: fn(&[u8]),
    /// Named inputs made by our own writers.
    pub(crate) seeds: fn() -> seeds::Seeds,
    /// Longest input that the driver makes, in bytes.
    pub len_max: usize,
    /// Bytes that one input may make the target hold.
    pub memory_max: usize,
    /// Inputs that the tests try beside the corpus.
    pub executions: u64,
}

impl Target {
    /// A target without a corpus, which may hold 4 kB: for tests of the driver.
    pub const fn planted(name: &'static str, run: fn(&[u8])) -> Self {
        Self { memory_max: 4096, ..parser(name, run, Vec::new) }
    }
}

/// A parser of one datagram: its name is that of its function and that of its seeds.
macro_rules! parser {
    ($name:ident) => {
        parser(stringify!($name), $name, seeds::$name)
    };
}

/// A state machine that is driven by a script, named as a parser is.
macro_rules! machine {
    ($name:ident) => {
        Target { len_max: SCRIPT_LEN_MAX, memory_max: MACHINE_MEMORY_MAX, ..parser!($name) }
    };
}

/// Every target.
pub const TARGETS: &[Target] = &[
    parser!(rtp),
    parser!(rtp_header),
    parser!(rtcp),
    Target { executions: 40_000, ..parser!(transport_feedback) },
    Target { executions: 10_000, ..machine!(estimator) },
    parser!(rtx),
    parser!(vp8),
    parser!(vp9),
    parser!(h264),
    parser!(h265),
    parser!(av1),
    parser!(dependency),
    parser!(stun),
    Target { executions: 10_000, ..parser!(srtp) },
    parser!(dtls_client_hello),
    Target { executions: 100_000, ..machine!(dtls_records) },
    Target { executions: 40_000, ..parser!(sctp_filter) },
    Target { len_max: SCRIPT_LEN_MAX, executions: 40_000, ..parser!(tcp_framing) },
    parser!(process_frames),
    Target { executions: 3_000, ..machine!(sctp) },
    Target { executions: 1_000, ..machine!(transport) },
    Target { executions: 10_000, ..machine!(plain) },
    Target { executions: 3_000, ..machine!(router) },
    Target { executions: 3_000, len_max: DATAGRAM_LEN_MAX, memory_max: ROOM_MEMORY_MAX, ..machine!(observers) },
    parser!(data_address),
    parser!(frames_vp8),
    parser!(frames_vp9),
    parser!(frames_h264),
    parser!(frames_h265),
    parser!(frames_av1),
    parser!(frames_aac),
    Target { executions: 2_000, ..machine!(mixer) },
    Target { executions: 2_000, memory_max: 4 << 20, ..machine!(video_mixer) },
];

/// The bandwidth estimator, told what a peer likes.
pub fn estimator(data: &[u8]) {
    millrace_bandwidth::fuzz::fuzz_estimator(data, std::time::Instant::now());
}

/// The target called `name`.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

const fn parser(name: &'static str, run: fn(&[u8]), seeds: fn() -> seeds::Seeds) -> Target {
    Target { name, run, seeds, len_max: DATAGRAM_LEN_MAX, memory_max: PARSER_MEMORY_MAX, executions: 100_000 }
}
