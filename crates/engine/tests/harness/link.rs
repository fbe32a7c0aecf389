//! How requests reach a worker and how its messages come back.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use millrace_engine::{Outbox, Worker};
use serde_json::Value;

/// The owner's end of a worker.
pub(crate) trait Link {
    /// Hands a request over.
    fn request(&mut self, text: String);

    /// Takes the messages that have come, without waiting.
    fn take(&mut self) -> Vec<Value>;

    /// Can be read when messages wait.
    fn bell(&self) -> BorrowedFd<'_>;
}

/// A worker of this process.
pub(crate) struct InProcess {
    worker: Worker,
    outbox: Arc<Outbox>,
    bell: UnixStream,
}

impl InProcess {
    /// Starts a worker.
    pub(crate) fn start(settings: &Value) -> Self {
        let (ringer, bell) = UnixStream::pair().unwrap();
        // A full pipe has rung already.
        ringer.set_nonblocking(true).unwrap();
        bell.set_nonblocking(true).unwrap();
        let outbox = Arc::new(Outbox::new(move || drop((&ringer).write(&[1]))));
        let worker = Worker::start(&settings.to_string(), Arc::clone(&outbox)).unwrap();
        Self { worker, outbox, bell }
    }
}

impl Link for InProcess {
    fn request(&mut self, text: String) {
        self.worker.request(text);
    }

    fn take(&mut self) -> Vec<Value> {
        // Silenced before reading: what comes later rings again.
        while matches!(self.bell.read(&mut [0; 64]), Ok(1..)) {}
        let mut messages = Vec::new();
        loop {
            let batch: Vec<Value> = serde_json::from_str(&self.outbox.take_batch_json()).unwrap();
            if batch.is_empty() {
                return messages;
            }
            messages.extend(batch);
        }
    }

    fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
