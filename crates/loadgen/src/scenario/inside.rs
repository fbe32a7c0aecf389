//! A worker of this process, to which packets go and from which they come without a network.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use millrace_engine::{Outbox, Worker};
use serde_json::{Value, json};

use super::failed;

const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// The worker, and what rings when it has something.
pub(super) struct Inside {
    pub(super) worker: Worker,
    pub(super) outbox: Arc<Outbox>,
    pub(super) bell: Receiver<()>,
    requests: u32,
}

impl Inside {
    /// # Errors
    /// When the system gives no threads.
    pub(super) fn start() -> io::Result<Self> {
        let (ringer, bell) = channel();
        let outbox = Arc::new(Outbox::new(move || {
            // Whoever waits for it is gone at the end.
            let _ = ringer.send(());
        }));
        let worker = Worker::start("{}", Arc::clone(&outbox)).map_err(failed)?;
        Ok(Self { worker, outbox, bell, requests: 0 })
    }

    /// Makes a request and waits for the reply.
    ///
    /// # Errors
    /// When the worker refuses, or says nothing.
    pub(super) fn ask(&mut self, method: &str, mut params: Value) -> io::Result<Value> {
        self.requests += 1;
        params["id"] = json!(self.requests);
        params["method"] = json!(method);
        self.worker.request(params.to_string());
        loop {
            let messages: Vec<Value> = serde_json::from_str(&self.outbox.take_batch_json())?;
            if let Some(reply) = messages.into_iter().find(|message| message["id"] == self.requests) {
                return reply.get("ok").cloned().ok_or_else(|| failed(format!("{method}: {reply}")));
            }
            self.bell.recv_timeout(ANSWER_TIME_MAX).map_err(|_| failed(format!("{method}: no answer")))?;
        }
    }
}

/// The number of an object's packets, from the reply that made it.
pub(super) fn packet_number(reply: &Value) -> u32 {
    reply["packetNumber"].as_u64().unwrap_or_default() as u32
}

/// An id by its number.
pub(super) fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}
