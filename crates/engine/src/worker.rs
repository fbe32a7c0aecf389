//! A worker: one named OS thread with a tokio current-thread runtime, its sockets and its state.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

use millrace_model::{ModelError, WorkerSettings};
use tokio::sync::{mpsc, oneshot};

use crate::error::{RequestError, StartError};
use crate::message::Message;
use crate::outbox::Outbox;
use crate::packets::{PacketBatch, PacketQueue};
use crate::tap::Order;
use crate::{certificate, event_loop, request};

/// How the thread of every worker is called; a number follows.
pub const THREAD_NAME_PREFIX: &str = "millrace-";

/// Requests that wait for a worker at most; one more is refused with `ERR_TOO_MANY_REQUESTS`.
///
/// A worker carries out some hundred thousand a second, so that this many waiting means that it is stuck.
pub const REQUESTS_MAX: usize = 16_384;

static NEXT_NUMBER: AtomicU32 = AtomicU32::new(1);

/// What a worker's owner sends, in the order in which it is dealt with.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// A request as JSON text.
    Request(String),
    /// A batch of packets waits in the queue beside.
    Packets,
    /// Something that a tap or source wants.
    Order(Order),
}

/// The way to a worker, for any thread of the process. It does not keep the worker open.
#[derive(Clone)]
pub struct WorkerHandle {
    inbox: mpsc::Sender<Inbound>,
    packets: Arc<PacketQueue>,
}

impl WorkerHandle {
    /// The way to a worker that has no thread.
    #[cfg(test)]
    pub(crate) fn to_nobody() -> Self {
        Self { inbox: mpsc::channel(1).0, packets: Arc::default() }
    }

    pub(crate) fn send(&self, inbound: Inbound) -> Result<(), RequestError> {
        self.inbox.try_send(inbound).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RequestError::TooMany,
            mpsc::error::TrySendError::Closed(_) => RequestError::WorkerClosed,
        })
    }

    pub(crate) fn send_packets(&self, batch: PacketBatch) {
        self.packets.push(batch);
        if self.inbox.try_send(Inbound::Packets).is_err() {
            // So many requests wait that there is no room to say so; nobody would ever ask for this batch.
            self.packets.drop_newest();
        }
    }
}

/// The owner's end of a worker. Dropping it closes the worker and waits until its ports are free.
pub struct Worker {
    handle: WorkerHandle,
    close: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    outbox: Arc<Outbox>,
}

impl Worker {
    /// Starts a worker with `settings` (JSON text of [`WorkerSettings`]); it speaks through `outbox`.
    ///
    /// # Errors
    /// [`StartError`] when the settings are wrong, the certificate cannot be used or the system gives no thread.
    pub fn start(settings: &str, outbox: Arc<Outbox>) -> Result<Self, StartError> {
        let settings = millrace_model::parse::<WorkerSettings>(settings)?.into_checked()?;
        let certificate = certificate::load(&settings)?;
        let (sender, inbox) = mpsc::channel(REQUESTS_MAX);
        let packets = Arc::new(PacketQueue::default());
        let (close, closed) = oneshot::channel();
        let name = format!("{THREAD_NAME_PREFIX}{}", NEXT_NUMBER.fetch_add(1, Ordering::Relaxed));
        let last_words = Arc::clone(&outbox);
        let inlet = Inlet { inbox, packets: Arc::clone(&packets) };
        let handle = WorkerHandle { inbox: sender, packets };
        let thread_handle = handle.clone();
        let thread_outbox = Arc::clone(&outbox);
        let body = move || {
            let run = AssertUnwindSafe(|| {
                event_loop::run(settings, certificate, inlet, closed, (thread_handle, thread_outbox))
            });
            let ended = catch_unwind(run).unwrap_or_else(|panic| Err(panic_text(panic.as_ref())));
            if let Err(message) = ended {
                last_words.push(Message::Died { message });
            }
        };
        let thread = thread::Builder::new().name(name).spawn(body).map_err(StartError::Thread)?;
        Ok(Self { handle, close: Some(close), thread: Some(thread), outbox })
    }

    /// The way to the worker for another thread, to attach taps and sources by.
    pub fn handle(&self) -> WorkerHandle {
        self.handle.clone()
    }

    /// Sends one request (JSON text). Its reply, or its refusal, comes through the outbox.
    pub fn request(&self, text: String) {
        let Err(error) = self.handle.inbox.try_send(Inbound::Request(text)) else { return };
        let (refused, error) = match error {
            mpsc::error::TrySendError::Full(inbound) => (inbound, RequestError::TooMany),
            mpsc::error::TrySendError::Closed(inbound) => (inbound, RequestError::WorkerClosed),
        };
        if let Inbound::Request(text) = refused
            && let Some(id) = request::id_of(&text)
        {
            self.outbox.push(request::refusal(id, error));
        }
    }

    /// Sends packets of the application, each with the number of its producer or transport. They are dealt with after
    /// the requests that were sent before. Where too many wait, the oldest are dropped and counted.
    pub fn send_packets(&self, batch: PacketBatch) {
        self.handle.send_packets(batch);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(close) = self.close.take() {
            // An error means that the thread has ended already.
            let _ = close.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic was caught inside and has been told.
            let _ = thread.join();
        }
    }
}

/// The worker's end of what its owner sends.
pub(crate) struct Inlet {
    pub(crate) inbox: mpsc::Receiver<Inbound>,
    pub(crate) packets: Arc<PacketQueue>,
}

/// The text of a panic, for `died`.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the worker's thread panicked: {}", text.unwrap_or("no text"))
}

impl From<ModelError> for StartError {
    fn from(error: ModelError) -> Self {
        Self::Settings(error)
    }
}
