//! How requests reach a worker and how its messages come back.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use millrace_engine::packets::PacketBatch;
use millrace_engine::{Outbox, Worker, WorkerHandle};
use serde_json::Value;

/// The owner's end of a worker.
pub(crate) trait Link {
    /// Hands a request over.
    fn request(&mut self, text: String);

    /// Hands packets over.
    fn send_packets(&mut self, batch: PacketBatch);

    /// Takes the messages that have come, and adds the packets, without waiting.
    fn take(&mut self, packets: &mut Vec<(u32, Vec<u8>)>) -> Vec<Value>;

    /// Can be read when messages wait.
    fn bell(&self) -> BorrowedFd<'_>;

    /// The way for other threads, where the worker is in this process.
    fn handle(&self) -> Option<WorkerHandle> {
        None
    }
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

    fn send_packets(&mut self, batch: PacketBatch) {
        self.worker.send_packets(batch);
    }

    fn take(&mut self, packets: &mut Vec<(u32, Vec<u8>)>) -> Vec<Value> {
        // Silenced before reading: what comes later rings again.
        while matches!(self.bell.read(&mut [0; 64]), Ok(1..)) {}
        let mut messages = Vec::new();
        loop {
            let batch: Vec<Value> = serde_json::from_str(&self.outbox.take_batch_json()).unwrap();
            if batch.is_empty() {
                while let Some(batch) = self.outbox.take_packets() {
                    packets.extend(packets_of(&batch));
                }
                return messages;
            }
            messages.extend(batch);
        }
    }

    fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    fn handle(&self) -> Option<WorkerHandle> {
        Some(self.worker.handle())
    }
}

/// The packets of a batch, each with its number.
fn packets_of(batch: &PacketBatch) -> impl Iterator<Item = (u32, Vec<u8>)> {
    batch.packets().map(|(number, packet)| (number, packet.to_vec()))
}
