//! One worker for JavaScript: requests in, batches of messages out.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock, Weak};

use millrace_engine::{Outbox, Worker};
use napi::bindgen_prelude::{Env, Error, Function, Result, Status};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{CleanupEnvHook, Unknown};
use napi_derive::napi;

use crate::panics;

/// Wakes the JavaScript thread; carries nothing, because the outbox holds the messages. Weak: it keeps no process
/// alive. Two may wait: one that runs and one that follows it.
type Wake = ThreadsafeFunction<(), Unknown<'static>, String, Status, false, true, 2>;

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
    /// Starts a worker. `settings` is JSON text; `onMessages` gets batches of messages as JSON text.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, settings: String, on_messages: Function<'_, String, Unknown<'static>>) -> Result<Self> {
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
                Ok(outbox.map_or_else(|| String::from("[]"), |outbox| outbox.take_batch_json()))
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
