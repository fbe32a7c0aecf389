//! A mixer's work in a process of its own: what that process runs.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::process;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::audio;
use crate::process::{Frame, read_any_frame, read_frame};
use crate::worker::THREAD_NAME_PREFIX;

/// Frames that wait to be dealt with at most. One more waits outside, where the owner drops the oldest sound.
const WAITING_FRAMES_MAX: usize = 256;

/// How long a process whose owner is gone may take for its last turn. One that takes longer is stuck, and ends all the same.
const LAST_TURN_TIME_MAX: Duration = Duration::from_secs(3);

/// The first text: which mixer it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Setup {
    Audio(audio::Setup),
}

/// Does the work of one mixer for the owner at the other end, until the owner hangs up or there is a fault.
///
/// # Errors
/// A stream failed, or brought what is no frame of ours.
pub fn serve_mixer(input: impl Read + Send + 'static, output: impl Write + Send + 'static) -> io::Result<()> {
    let mut input = BufReader::new(input);
    let setup = read_frame(&mut input)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let setup = serde_json::from_str(&setup)?;
    let (frames, inbox) = sync_channel(WAITING_FRAMES_MAX);
    let (over, is_over) = channel::<()>();
    let name = |what: &str| thread::Builder::new().name(format!("{THREAD_NAME_PREFIX}{what}"));
    name("hear").spawn(move || {
        hear(&mut input, &frames);
        drop(frames);
        if is_over.recv_timeout(LAST_TURN_TIME_MAX) == Err(RecvTimeoutError::Timeout) {
            process::exit(1);
        }
    })?;
    let mixing = name("mix-1").spawn(move || {
        let Setup::Audio(setup) = setup;
        audio::serve(setup, &inbox, BufWriter::new(output))
    })?;
    let ended = mixing.join().unwrap_or_else(|_| Err(io::Error::other("the mixing thread panicked")));
    drop(over);
    ended
}

/// Hands frames on until the owner hangs up, or nobody takes them.
fn hear(input: &mut impl Read, frames: &SyncSender<Frame>) {
    while let Ok(Some(frame)) = read_any_frame(input) {
        if frames.send(frame).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, PipeWriter, pipe};
    use std::thread::JoinHandle;

    use super::*;
    use crate::packets::PacketBatch;
    use crate::process::{write_frame, write_packets};

    /// A mixer that is served as if by another process.
    struct Served {
        input: PipeWriter,
        output: BufReader<PipeReader>,
        serving: JoinHandle<io::Result<()>>,
    }

    impl Served {
        fn start() -> Self {
            let (orders, input) = pipe().unwrap();
            let (output, told) = pipe().unwrap();
            let serving = thread::spawn(move || serve_mixer(orders, told));
            let mut served = Self { input, output: BufReader::new(output), serving };
            served.order(r#"{"audio":{"is_quick":true,"top_k":null}}"#);
            served
        }

        fn order(&mut self, text: &str) {
            write_frame(&mut self.input, text).unwrap();
        }

        fn until(&mut self, mut is_it: impl FnMut(&Frame) -> bool) {
            while !is_it(&read_any_frame(&mut self.output).unwrap().expect("it goes on")) {}
        }
    }

    #[test]
    fn a_process_mixes_what_comes_tells_how_it_is_and_ends_with_its_owner() {
        let mut served = Served::start();
        served.until(|frame| matches!(frame, Frame::Text(text) if text.starts_with(r#"{"Report""#)));
        let pcm = r#"{"Pcm":{"sample_rate":48000,"channels":1}}"#;
        served.order(&format!(r#"{{"AddInput":{{"id":1,"format":{pcm},"gain":0.5,"muted":false}}}}"#));
        served.order(&format!(r#"{{"AddOutput":{{"id":2,"format":{pcm},"exclude":[]}}}}"#));
        let mut sound = PacketBatch::default();
        // Samples of 1.0.
        sound.push(1, &[&[2][..], &[0, 0, 0x80, 0x3f].repeat(4_800)].concat());
        write_packets(&mut served.input, sound).unwrap();
        // Half of it.
        let half = 0.5_f32.to_le_bytes();
        served.until(|frame| matches!(frame, Frame::Packets(batch) if batch.packets().any(|(_, record)| record.ends_with(&half))));
        served.until(|frame| matches!(frame, Frame::Text(text) if text.contains(r#""frames""#)));
        drop(served.input);
        served.serving.join().unwrap().unwrap();
    }

    #[test]
    fn orders_that_the_core_does_not_take_are_a_fault() {
        let pcm = r#"{"Pcm":{"sample_rate":48000,"channels":1}}"#;
        for order in [&format!(r#"{{"AddInput":{{"id":7,"format":{pcm},"gain":1.0,"muted":false}}}}"#), "nonsense"] {
            let mut served = Served::start();
            served.order(order);
            assert!(served.serving.join().unwrap().is_err(), "{order}");
        }
    }
}
