//! One worker for JavaScript: requests and packets in, batches of messages and packets out.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock, Weak};

use millrace_engine::packets::PacketBatch;
use millrace_engine::{Outbox, Worker};
use napi::bindgen_prelude::{Buffer, Env, Error, FnArgs, Function, Result, Status, Uint8Array};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{CleanupEnvHook, Unknown};
use napi_derive::napi;

use crate::panics;

/// Wakes the JavaScript thread; carries nothing, because the outbox holds the messages. Weak: it keeps no process
/// alive. Two may wait: one that runs and one that follows it.
type Wake = ThreadsafeFunction<(), Unknown<'static>, Batch, Status, false, true, 2>;

/// Messages as JSON text, and the packets that came since, as bytes (see [`PacketBatch`]).
type Batch = FnArgs<(String, Option<Buffer>)>;

/// The worker, shared with the environment's clean-up hook; whoever comes first closes it.
type Shared = Rc<RefCell<Option<Worker>>>;

/// A media worker on a thread of its own.
#[napi]
pub struct NativeWorker {
    worker: Shared,
    hook: Option<CleanupEnvHook<Shared>>,
}

#[napi]
impl NativeWorker {
    /// Starts a worker. `settings` is JSON text; `onMessages` gets batches of messages as JSON text, and of packets as
    /// bytes: each behind its number and its length, 32 bits each, little endian.
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "settings: string, onMessages: (batch: string, packets?: Buffer | null) => unknown"
    )]
    pub fn new(env: Env, settings: String, on_messages: Function<'_, Batch, Unknown<'static>>) -> Result<Self> {
        panics::quiet_worker_threads();
        // The outbox holds the wake function and so the callback: the callback must not hold the outbox in turn.
        let outbox: Arc<OnceLock<Weak<Outbox>>> = Arc::default();
        let messages = Arc::clone(&outbox);
        let wake: Wake = on_messages
            .build_threadsafe_function::<()>()
            .weak::<true>()
            .max_queue_size::<2>()
            .callee_handled::<false>()
            .build_callback(move |_| {
                let outbox = messages.get().and_then(Weak::upgrade);
                let Some(outbox) = outbox else { return Ok((String::from("[]"), None).into()) };
                let messages = outbox.take_batch_json();
                let packets = outbox.take_packets().map(|batch| batch.into_bytes().into());
                Ok((messages, packets).into())
            })?;
        // A full queue means that a wake is on its way, and a closing one that nobody listens any more.
        let ours = Arc::new(Outbox::new(move || {
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }));
        outbox.get_or_init(|| Arc::downgrade(&ours));
        let worker = Worker::start(&settings, ours).map_err(refused)?;
        let worker: Shared = Rc::new(RefCell::new(Some(worker)));
        let hook = env.add_env_cleanup_hook(Rc::clone(&worker), |worker| close(&worker))?;
        Ok(Self { worker, hook: Some(hook) })
    }

    /// Sends one request as JSON text. After `close` it does nothing.
    #[napi(catch_unwind)]
    pub fn request(&self, command: String) {
        if let Some(worker) = self.worker.borrow().as_ref() {
            worker.request(command);
        }
    }

    /// Sends packets, each behind its number and its length, 32 bits each, little endian. They are copied before this
    /// returns. After `close` it does nothing.
    #[napi(catch_unwind)]
    pub fn send_packets(&self, packets: Uint8Array) {
        if let Some(worker) = self.worker.borrow().as_ref() {
            worker.send_packets(PacketBatch::from_bytes(packets.to_vec()));
        }
    }

    /// Closes everything and waits until the thread has ended and the ports are free. Idempotent.
    #[napi(catch_unwind)]
    pub fn close(&mut self, env: Env) -> Result<()> {
        close(&self.worker);
        self.hook.take().map_or(Ok(()), |hook| env.remove_env_cleanup_hook(hook))
    }
}

fn close(worker: &Shared) {
    // Taken out first: the borrow must end before the thread is joined.
    let worker = worker.borrow_mut().take();
    drop(worker);
}

fn refused(error: millrace_engine::StartError) -> Error {
    // The text is an error body as JSON: `ts/channel.ts` makes the error object from it.
    Error::new(Status::GenericFailure, error.body_json())
}
