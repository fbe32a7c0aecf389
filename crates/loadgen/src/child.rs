//! A server in a process of its own, so that its CPU time and memory are its alone.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use millrace_engine::process::{serve, write_frame};
use serde_json::{Value, json};

use crate::accounting::Usage;

/// A reply that takes longer than this does not come.
const REPLY_TIME_MAX: Duration = Duration::from_secs(30);
/// Time that a server has to end by itself; profilers write their files meanwhile.
const END_TIME_MAX: Duration = Duration::from_secs(5);
/// How long an idle wait for a reply sleeps.
const POLL_INTERVAL: Duration = Duration::from_micros(100);

/// What this binary is started as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A worker of ours behind [`millrace_engine::process`].
    Worker,
    /// A null server.
    Null,
    /// A relay of data channels.
    DataRelay,
}

impl Kind {
    /// The word on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Null => "null",
            Self::DataRelay => "data-relay",
        }
    }
}

/// A server's process with the stream of frames to it.
pub(crate) struct ServerProcess {
    /// `None` for a worker of this process.
    process: Option<Child>,
    stream: UnixStream,
    received: Vec<u8>,
    messages: VecDeque<Value>,
    /// How often which event was told.
    events: BTreeMap<String, u64>,
    requests: u32,
}

impl ServerProcess {
    /// Starts this binary again as a server that stays on `core`.
    ///
    /// # Errors
    /// When the system gives no process.
    pub(crate) fn start(kind: Kind, core: usize) -> io::Result<Self> {
        Self::spawn(Command::new(env::current_exe()?).arg(kind.word()), core)
    }

    /// Starts another program, the words of whose command these are, that stays on `core`, its last word.
    ///
    /// # Errors
    /// When there is no such program.
    pub(crate) fn start_program(words: &[String], core: usize) -> io::Result<Self> {
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        Self::spawn(Command::new(program).args(arguments), core)
    }

    fn spawn(command: &mut Command, core: usize) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let input = Stdio::from(OwnedFd::from(theirs.try_clone()?));
        let output = Stdio::from(OwnedFd::from(theirs));
        let process = command.arg(core.to_string()).stdin(input).stdout(output).spawn()?;
        Self::on(ours, Some(process))
    }

    /// Starts a worker in this process, behind the same frames, to look at its allocations.
    ///
    /// # Errors
    /// When the system gives no stream.
    pub(crate) fn start_inside() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let messages = theirs.try_clone()?;
        // It ends when we hang up.
        thread::spawn(move || serve(theirs, messages));
        Self::on(ours, None)
    }

    fn on(stream: UnixStream, process: Option<Child>) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            process,
            stream,
            received: Vec::new(),
            messages: VecDeque::new(),
            events: BTreeMap::new(),
            requests: 0,
        })
    }

    /// Sends one frame.
    pub(crate) fn write(&mut self, value: &Value) -> io::Result<()> {
        self.stream.set_nonblocking(false)?;
        write_frame(&mut self.stream, &value.to_string())?;
        self.stream.set_nonblocking(true)
    }

    /// Sends a request and tells its number.
    pub(crate) fn send(&mut self, method: &str, mut params: Value) -> io::Result<u32> {
        self.requests += 1;
        params["id"] = json!(self.requests);
        params["method"] = json!(method);
        self.write(&params)?;
        Ok(self.requests)
    }

    /// Carries out a request.
    ///
    /// # Errors
    /// When it is refused, or the server does not answer.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> io::Result<Value> {
        let id = self.send(method, params)?;
        let give_up_at = Instant::now() + REPLY_TIME_MAX;
        loop {
            if let Some(reply) = self.take_reply(id)? {
                return reply;
            }
            if Instant::now() > give_up_at {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{method} was not answered")));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// The reply to request `id` if it has come. Events are passed over: peers notice themselves what happens.
    pub(crate) fn take_reply(&mut self, id: u32) -> io::Result<Option<io::Result<Value>>> {
        self.read()?;
        self.messages.retain(|message| message["type"] == "reply");
        let Some(position) = self.messages.iter().position(|message| message["id"] == id) else { return Ok(None) };
        let mut reply = self.messages.remove(position).unwrap_or_default();
        Ok(Some(match reply.get("error") {
            Some(error) => Err(io::Error::other(error.to_string())),
            None => Ok(reply["ok"].take()),
        }))
    }

    /// How often this event has come so far.
    pub(crate) fn events(&mut self, name: &str) -> io::Result<u64> {
        self.read()?;
        Ok(self.events.get(name).copied().unwrap_or_default())
    }

    /// Waits for a frame that is one object, as null servers send it.
    pub(crate) fn wait(&mut self) -> io::Result<Value> {
        let give_up_at = Instant::now() + REPLY_TIME_MAX;
        while Instant::now() < give_up_at {
            self.read()?;
            if let Some(message) = self.messages.pop_front() {
                return Ok(message);
            }
            thread::sleep(POLL_INTERVAL);
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// CPU time and memory of the server up to this moment.
    pub(crate) fn usage(&self) -> io::Result<Usage> {
        Usage::of(self.process.as_ref().map_or_else(std::process::id, Child::id))
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16_384];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server has ended")),
                Ok(len) => self.received.extend(&buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        while let Some(frame) = self.take_frame()? {
            match frame {
                Value::Array(messages) => messages.into_iter().for_each(|message| self.note(message)),
                message => self.messages.push_back(message),
            }
        }
        Ok(())
    }

    /// Counts an event, and keeps what somebody may wait for.
    fn note(&mut self, message: Value) {
        match message["event"].as_str() {
            Some(event) => *self.events.entry(event.to_owned()).or_default() += 1,
            None => self.messages.push_back(message),
        }
    }

    fn take_frame(&mut self) -> io::Result<Option<Value>> {
        let Some((len, rest)) = self.received.split_first_chunk() else { return Ok(None) };
        let len_bytes = len.len();
        let end = u32::from_be_bytes(*len) as usize;
        let Some(frame) = rest.get(..end) else { return Ok(None) };
        let value = serde_json::from_slice(frame)?;
        self.received.drain(..len_bytes + end);
        Ok(Some(value))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Hanging up ends a server; one that does not hear it is ended.
        let _ = self.stream.shutdown(Shutdown::Both);
        let Some(process) = &mut self.process else { return };
        let give_up_at = Instant::now() + END_TIME_MAX;
        while matches!(process.try_wait(), Ok(None)) {
            if Instant::now() > give_up_at {
                let _ = process.kill();
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}
