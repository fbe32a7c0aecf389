//! WebRTC peers for tests that are written in JavaScript: they join real transports over loopback and send Opus.
//!
//! Commands come as lines of JSON: `{ "id": 1, "offer": { iceParameters, iceCandidates, dtlsParameters }, "ssrc": 7 }`
//! lets a peer join (and send with this SSRC, if there is one), `{ "id": 1, "leave": true }` ends it. Answers are lines
//! too: its `fingerprint` at once, `connected` when media may flow, and `received`, the number of RTP packets so far.
//! The program ends when its input does.

#[cfg(unix)]
mod guests;

#[cfg(unix)]
fn main() -> std::io::Result<()> {
    guests::serve()
}

#[cfg(not(unix))]
fn main() {
    eprintln!("peers wait for their sockets by poll(2), which this system does not have");
}
