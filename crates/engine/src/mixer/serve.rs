//! A mixer's work in a process of its own: what that process runs.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wire::{Asked, Records, Setup, Told, text_of};
use super::{audio, panic_text, video};
use crate::packets::PacketBatch;
use crate::process::{Frame, read_any_frame, read_frame, write_frame, write_packets};
use crate::worker::THREAD_NAME_PREFIX;

/// Frames that wait to be dealt with at most, one of them with pictures. One more waits outside, where the owner drops the oldest
/// sound and packets.
const WAITING_FRAMES_MAX: usize = 256;

/// How often the owner hears how the mixer is; it takes one that says nothing for a few seconds for one that hangs.
const REPORT_INTERVAL: Duration = Duration::from_millis(250);

/// How long a process whose owner is gone may take for its last turn. One that takes longer is stuck, and ends all the same.
const LAST_TURN_TIME_MAX: Duration = Duration::from_secs(3);

/// A core, and what its owner asks of it.
pub(super) trait Work {
    /// What it is asked for.
    type Order: DeserializeOwned;
    /// What it tells.
    type News: Serialize;

    /// When it has something to do if nothing comes before.
    fn next_tick(&self) -> Instant;

    /// Does what it is asked for.
    ///
    /// # Errors
    /// The core does not do it.
    fn obey(&mut self, order: Self::Order) -> io::Result<()>;

    /// Takes what came for inputs.
    fn receive(&mut self, batch: &PacketBatch, now: Instant);

    /// Mixes what is due at `now`.
    fn tick(&mut self, now: Instant, made: &mut Records);

    /// What the owner is to hear at once, if anything.
    fn news(&mut self) -> Option<Self::News>;

    /// How it is.
    fn report(&mut self) -> Self::News;
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
        let output = BufWriter::new(output);
        match setup {
            Setup::Audio(setup) => serve(audio::Mixing::new(setup)?, &inbox, output),
            Setup::Video(setup) => serve(video::Mixing::new(*setup)?, &inbox, output),
        }
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

/// Works on what comes through `inbox` until it is hung up.
fn serve(work: impl Work, inbox: &Receiver<Frame>, output: impl Write) -> io::Result<()> {
    let mut serving = Serving {
        work,
        report_at: Instant::now(),
        output,
        #[cfg(debug_assertions)]
        fault: None,
    };
    match catch_unwind(AssertUnwindSafe(|| serving.run(inbox))) {
        Ok(ended) => ended,
        Err(panic) => serving.tell(Told::Panicked(panic_text(&*panic))),
    }
}

struct Serving<K, W> {
    work: K,
    report_at: Instant,
    output: W,
    #[cfg(debug_assertions)]
    fault: Option<super::Fault>,
}

impl<K: Work, W: Write> Serving<K, W> {
    fn run(&mut self, inbox: &Receiver<Frame>) -> io::Result<()> {
        // Says that sound or pictures may come.
        let first = self.work.report();
        self.tell(Told::News(first))?;
        loop {
            let wait = self.work.next_tick().saturating_duration_since(Instant::now());
            match inbox.recv_timeout(wait) {
                Ok(Frame::Text(text)) => match serde_json::from_str(&text)? {
                    Asked::Order(order) => self.work.obey(order)?,
                    #[cfg(debug_assertions)]
                    Asked::Fail { hang_ms } => self.fault = Some(super::Fault::new(hang_ms)),
                },
                Ok(Frame::Packets(batch)) => self.work.receive(&batch, Instant::now()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            let now = Instant::now();
            if now >= self.work.next_tick() {
                self.tick(now)?;
            }
            while let Some(news) = self.work.news() {
                self.tell(Told::News(news))?;
            }
            if now.saturating_duration_since(self.report_at) >= REPORT_INTERVAL {
                self.report_at = now;
                let report = self.work.report();
                self.tell(Told::News(report))?;
            }
        }
    }

    fn tick(&mut self, now: Instant) -> io::Result<()> {
        #[cfg(debug_assertions)]
        if let Some(fault) = self.fault.take() {
            fault.befall();
        }
        let mut made = Records::default();
        self.work.tick(now, &mut made);
        made.take().into_iter().try_for_each(|batch| write_packets(&mut self.output, batch))
    }

    fn tell(&mut self, told: Told<K::News>) -> io::Result<()> {
        write_frame(&mut self.output, &text_of(&told))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, PipeWriter, pipe};
    use std::thread::JoinHandle;

    use super::super::wire::LARGE;
    use super::*;
    use crate::packets::PacketBatch;
    use crate::process::{write_frame, write_packets};

    const SOUND: &str = r#"{"audio":{"is_quick":true,"top_k":null}}"#;
    const PICTURES: &str = r#"{"video":{"options":{"width":64,"height":32}}}"#;

    /// A mixer that is served as if by another process.
    struct Served {
        input: PipeWriter,
        output: BufReader<PipeReader>,
        serving: JoinHandle<io::Result<()>>,
    }

    impl Served {
        fn start(setup: &str) -> Self {
            let (orders, input) = pipe().unwrap();
            let (output, told) = pipe().unwrap();
            let serving = thread::spawn(move || serve_mixer(orders, told));
            let mut served = Self { input, output: BufReader::new(output), serving };
            served.order(setup);
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
        let mut served = Served::start(SOUND);
        served.until(|frame| matches!(frame, Frame::Text(text) if text.starts_with(r#"{"News":{"Report""#)));
        let pcm = r#"{"Pcm":{"sample_rate":48000,"channels":1}}"#;
        served.order(&format!(r#"{{"Order":{{"AddInput":{{"id":1,"format":{pcm},"gain":0.5,"muted":false}}}}}}"#));
        served.order(&format!(r#"{{"Order":{{"AddOutput":{{"id":2,"format":{pcm},"exclude":[]}}}}}}"#));
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
    fn a_process_composes_what_is_written_and_says_what_it_took() {
        let mut served = Served::start(PICTURES);
        served.order(r#"{"Order":{"AddInput":{"id":5,"codec":null,"label":"","muted":false}}}"#);
        served.order(r#"{"Order":{"SetLayout":{"wanted":null,"order":[5]}}}"#);
        let encoding = r#"{"codec":null,"encoding":{},"key_frame_interval":{"secs":100,"nanos":0}}"#;
        served.order(&format!(r#"{{"Order":{{"AddOutput":{{"id":6,"options":{encoding}}}}}}}"#));
        served.order(r#"{"Order":{"SetTaken":{"id":6,"taken":true}}}"#);
        let seen = r#""id":5,"seen":[64,32]"#;
        served.until(|frame| matches!(frame, Frame::Text(text) if text.contains(seen)));
        let mut pictures = PacketBatch::default();
        // 64 x 32 samples that are all 90, and the same for an input that is none.
        let samples = [90; 64 * 32 * 3 / 2];
        let record = [&[2, 64, 0, 0, 0, 32, 0, 0, 0][..], &samples].concat();
        [5, 7].into_iter().for_each(|input| pictures.push(input, &record));
        write_packets(&mut served.input, pictures).unwrap();
        served.until(|frame| matches!(frame, Frame::Text(text) if text == r#"{"News":{"Took":1}}"#));
        let is_it = |(number, record): (u32, &[u8])| number == LARGE && record.ends_with(&samples);
        served.until(|frame| matches!(frame, Frame::Packets(batch) if batch.packets().any(is_it)));
        served.order(r#"{"Order":{"Resize":{"width":32,"height":32}}}"#);
        served.until(|frame| matches!(frame, Frame::Text(text) if text.contains(r#""canvas":[32,32]"#)));
        drop(served.input);
        served.serving.join().unwrap().unwrap();
    }

    #[test]
    fn orders_that_the_core_does_not_take_are_a_fault() {
        let pcm = r#"{"Pcm":{"sample_rate":48000,"channels":1}}"#;
        let untaken = format!(r#"{{"Order":{{"AddInput":{{"id":7,"format":{pcm},"gain":1.0,"muted":false}}}}}}"#);
        let unshown = r#"{"Order":{"SetLayout":{"wanted":{"regions":[]},"order":[]}}}"#;
        for (setup, order) in [(SOUND, &*untaken), (SOUND, "nonsense"), (PICTURES, unshown), (PICTURES, "nonsense")] {
            let mut served = Served::start(setup);
            served.order(order);
            assert!(served.serving.join().unwrap().is_err(), "{order}");
        }
    }
}
