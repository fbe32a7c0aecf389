//! A child process that does a mixer's work, as the mixer's thread sees it: texts, packets and what is large both ways, none of
//! which that thread ever waits for.
//!
//! Frames are those of [`process`](crate::process). A fault in the child, or one that the child does not come back from,
//! ends the child and nothing else.

use std::collections::VecDeque;
use std::io::{self, BufReader, BufWriter, Write};
use std::process::{Child as System, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::lock;
use super::wire::LARGE;
use crate::packets::{PacketBatch, PacketQueue};
use crate::process::{Bell, Frame, read_any_frame, write_frame, write_packets};
use crate::worker::THREAD_NAME_PREFIX;

/// Texts that wait for a child at most. One that leaves more unread is taken for one that hangs.
pub(super) const UNREAD_TEXTS_MAX: usize = 65_536;

/// Texts of a child that wait for the mixer's thread at most. Beyond it the oldest, which are out of date, are dropped.
const HEARD_TEXTS_MAX: usize = 64;

/// Children that were started so far, for the names of their threads.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// A running child. Dropping it ends the process.
pub(super) struct Child {
    shared: Arc<Shared>,
    /// Id of the process.
    pub(super) pid: u32,
}

/// What the mixer's thread and the two that talk to the child share.
struct Shared {
    system: Mutex<System>,
    to_child: Mutex<VecDeque<String>>,
    packets_to_child: PacketQueue,
    large_to_child: PacketQueue,
    bell: Bell,
    from_child: Mutex<VecDeque<String>>,
    packets_from_child: PacketQueue,
    large_from_child: PacketQueue,
    /// Why nothing will come any more.
    ended: Mutex<Option<String>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Child {
    /// Starts `program` (its path and arguments). `wake` is called, on other threads, when something came from it.
    ///
    /// # Errors
    /// When the system gives no process or no thread.
    pub(super) fn start(program: &[String], wake: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let (path, arguments) = program.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(path);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        // The program is that of the application. Its options are not for the child, and Electron is to be plain Node.js.
        command.env_remove("NODE_OPTIONS").env("ELECTRON_RUN_AS_NODE", "1");
        #[cfg(unix)]
        // Who ends the application by the terminal leaves it time to end its calls.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut system = command.spawn()?;
        let pid = system.id();
        let ends = system.stdin.take().zip(system.stdout.take());
        let shared = Arc::new(Shared {
            system: Mutex::new(system),
            to_child: Mutex::default(),
            packets_to_child: PacketQueue::default(),
            large_to_child: PacketQueue::default(),
            bell: Bell::default(),
            from_child: Mutex::default(),
            packets_from_child: PacketQueue::default(),
            large_from_child: PacketQueue::default(),
            ended: Mutex::default(),
            wake: Box::new(wake),
        });
        let child = Self { shared, pid };
        let (input, output) = ends.ok_or(io::ErrorKind::BrokenPipe)?;
        let number = STARTED.fetch_add(1, Ordering::Relaxed) + 1;
        let name = |what: &str| thread::Builder::new().name(format!("{THREAD_NAME_PREFIX}{what}-{number}"));
        let (speaking, hearing) = (Arc::clone(&child.shared), Arc::clone(&child.shared));
        name("tell").spawn(move || speaking.speak(input))?;
        name("hear").spawn(move || hearing.hear(output))?;
        Ok(child)
    }

    /// Sends texts, packets behind them, and behind those what is large. Tells whether the child keeps up with the texts; of the
    /// others it loses the oldest when it does not.
    pub(super) fn send(
        &self,
        texts: impl IntoIterator<Item = String>,
        packets: Vec<PacketBatch>,
        large: PacketBatch,
    ) -> bool {
        let waiting = {
            let mut waiting = lock(&self.shared.to_child);
            waiting.extend(texts);
            waiting.len()
        };
        for batch in packets {
            self.shared.packets_to_child.push(batch);
        }
        if !large.is_empty() {
            self.shared.large_to_child.push(large);
        }
        self.shared.bell.ring();
        waiting <= UNREAD_TEXTS_MAX
    }

    /// The next text of the child.
    pub(super) fn text(&self) -> Option<String> {
        lock(&self.shared.from_child).pop_front()
    }

    /// The next packets of the child, and behind all of them what is large.
    pub(super) fn packets(&self) -> Option<PacketBatch> {
        self.shared.packets_from_child.pop().or_else(|| self.shared.large_from_child.pop())
    }

    /// How many of the child's packets were dropped because nobody took them in time.
    pub(super) fn dropped(&self) -> u64 {
        self.shared.packets_from_child.dropped()
    }

    /// Why nothing will come any more; `None` while the child lives.
    pub(super) fn ended(&self) -> Option<String> {
        lock(&self.shared.ended).clone()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Shared {
    /// Ends the process; with it end both threads.
    fn end(&self) {
        self.bell.stop();
        // An error means that it has ended already.
        let _ = lock(&self.system).kill();
    }

    fn speak(&self, input: ChildStdin) {
        let mut input = BufWriter::new(input);
        // What fails is the child, of which the other thread hears.
        while self.bell.wait() && self.write_waiting(&mut input).is_ok() {}
    }

    fn write_waiting(&self, input: &mut impl Write) -> io::Result<()> {
        loop {
            let text = lock(&self.to_child).pop_front();
            if let Some(text) = text {
                write_frame(input, &text)?;
            } else if let Some(packets) = self.packets_to_child.pop().or_else(|| self.large_to_child.pop()) {
                write_packets(input, packets)?;
            } else {
                return Ok(());
            }
        }
    }

    fn hear(&self, output: ChildStdout) {
        let mut output = BufReader::new(output);
        loop {
            match read_any_frame(&mut output) {
                Ok(Some(Frame::Text(text))) => self.note_text(text),
                Ok(Some(Frame::Packets(batch))) => drop(self.queue_of(&batch).push(batch)),
                Ok(None) | Err(_) => break,
            }
            (self.wake)();
        }
        self.end();
        let why = lock(&self.system).wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        *lock(&self.ended) = Some(why);
        (self.wake)();
    }

    /// Where what the child made waits.
    fn queue_of(&self, batch: &PacketBatch) -> &PacketQueue {
        let is_large = batch.packets().next().is_some_and(|(number, _)| number == LARGE);
        if is_large { &self.large_from_child } else { &self.packets_from_child }
    }

    fn note_text(&self, text: String) {
        let mut waiting = lock(&self.from_child);
        waiting.push_back(text);
        if waiting.len() > HEARD_TEXTS_MAX {
            waiting.pop_front();
        }
    }
}
