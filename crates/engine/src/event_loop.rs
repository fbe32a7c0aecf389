//! What a worker's thread does: wait for requests, sockets and deadlines, and hand each to the [`Plane`].
//!
//! Everything runs on one thread, so the plane sits in a `RefCell`; a borrow never lives across an `await`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_model::CheckedWorkerSettings;
use millrace_net::{UdpSocket, prefer_short_time_slices};
use millrace_transport::SocketId;
use millrace_transport::dtls::LocalCertificate;
use tokio::runtime::Builder;
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};

use crate::outbox::Outbox;
use crate::plane::{Attended, Plane, SocketHandle};
use crate::worker::{Inbound, Inlet, WorkerHandle, panic_text};

/// How long a watcher waits after its socket failed.
const SOCKET_ERROR_PAUSE: Duration = Duration::from_millis(100);

/// How long the thread looks for another request before it sleeps: who awaits a reply and asks again is back by then,
/// and to wake a thread costs about as much as a request.
const LINGER: Duration = Duration::from_micros(100);

/// How long requests are carried out one after the other before timers, which may be that late, have their turn.
const REQUESTS_TURN: Duration = Duration::from_millis(1);

/// Runs until the owner closes the worker; an error is the worker's last words.
pub(crate) fn run(
    settings: CheckedWorkerSettings,
    certificate: LocalCertificate,
    inlet: Inlet,
    closed: oneshot::Receiver<()>,
    (handle, outbox): (WorkerHandle, Arc<Outbox>),
) -> Result<(), String> {
    prefer_short_time_slices();
    let runtime = Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(|error| format!("the worker's runtime could not be made: {error}"))?;
    let plane = Plane::new(settings, certificate, (handle, outbox), Instant::now());
    LocalSet::new().block_on(&runtime, Loop::new(plane).serve(inlet, closed))
}

/// The plane with the tasks that watch its sockets.
struct Loop {
    shared: Rc<Shared>,
    watchers: HashMap<SocketId, Watcher>,
    /// A batch of the application's packets is not read to its end. What was sent after it waits.
    reads_packets: bool,
}

/// The tasks that wait for one socket. Each holds the socket open until it has ended.
struct Watcher {
    reader: JoinHandle<()>,
    /// Waits while the socket is full.
    writer: Option<JoinHandle<()>>,
}

/// What watchers share with the loop.
struct Shared {
    plane: RefCell<Plane>,
    /// Rings when a watcher changed what the loop waits for: a nearer deadline, a new socket, a panic.
    changed: Notify,
    panic: RefCell<Option<String>>,
}

impl Loop {
    fn new(plane: Plane) -> Self {
        let shared = Shared { plane: RefCell::new(plane), changed: Notify::new(), panic: RefCell::default() };
        Self { shared: Rc::new(shared), watchers: HashMap::new(), reads_packets: false }
    }

    async fn serve(mut self, mut inlet: Inlet, mut closed: oneshot::Receiver<()>) -> Result<(), String> {
        let rings = spawn_local(watch_rings(Rc::clone(&self.shared)));
        loop {
            let deadline = self.shared.plane.borrow_mut().deadline();
            tokio::select! {
                biased;
                _ = &mut closed => break,
                // Before anything is done: it may be a panic, after which the plane is not to be used.
                () = self.shared.changed.notified() => {}
                () = wait_until(deadline) => self.shared.plane.borrow_mut().handle_timeout(Instant::now()),
                () = yield_now(), if self.reads_packets => self.take_in_packets(&inlet),
                inbound = inlet.inbox.recv(), if !self.reads_packets => {
                    let Some(inbound) = inbound else { break };
                    self.serve_inbound(inbound, &mut inlet, &closed).await;
                }
            }
            self.update_watchers().await;
            if let Some(panic) = self.shared.panic.borrow_mut().take() {
                return Err(panic);
            }
        }
        rings.abort();
        self.shared.plane.borrow_mut().close(Instant::now());
        self.update_watchers().await;
        Ok(())
    }

    /// Carries out a request and those that soon follow it. Closing and timers have their turn after [`REQUESTS_TURN`],
    /// and after each part of a batch of packets.
    async fn serve_inbound(&mut self, first: Inbound, inlet: &mut Inlet, closed: &oneshot::Receiver<()>) {
        let turn_end = Instant::now() + REQUESTS_TURN;
        let mut inbound = Some(first);
        while let Some(next) = inbound {
            match next {
                Inbound::Packets => {
                    self.take_in_packets(inlet);
                    // Sockets get their turn as well.
                    return yield_now().await;
                }
                Inbound::Order(order) => self.shared.plane.borrow_mut().serve_order(order, Instant::now()),
                Inbound::Request(text) => {
                    let reply = self.shared.plane.borrow_mut().serve(&text, Instant::now());
                    // Ports must be free when the reply that closed their owner is read.
                    self.update_watchers().await;
                    self.shared.plane.borrow_mut().say(reply);
                }
            }
            inbound = self.next_inbound(inlet, closed, turn_end.min(Instant::now() + LINGER)).await;
        }
    }

    fn take_in_packets(&mut self, inlet: &Inlet) {
        self.reads_packets = self.shared.plane.borrow_mut().take_in_packets(&inlet.packets, Instant::now());
    }

    /// What comes before `end`, without sleep until then; sockets have their turns meanwhile.
    async fn next_inbound(&self, inlet: &mut Inlet, closed: &oneshot::Receiver<()>, end: Instant) -> Option<Inbound> {
        while Instant::now() < end && closed.is_empty() && self.shared.panic.borrow().is_none() {
            if let Ok(inbound) = inlet.inbox.try_recv() {
                return Some(inbound);
            }
            yield_now().await;
        }
        None
    }

    /// Ends the watchers of closed sockets and starts those of new ones.
    async fn update_watchers(&mut self) {
        let changes = self.shared.plane.borrow_mut().take_socket_changes();
        for watcher in changes.closed.into_iter().filter_map(|id| self.watchers.remove(&id)) {
            watcher.end().await;
        }
        for (id, socket) in changes.opened {
            let reader = spawn_local(watch(Rc::clone(&self.shared), id, socket));
            self.watchers.insert(id, Watcher { reader, writer: None });
        }
        for (id, socket) in changes.blocked {
            if let Some(watcher) = self.watchers.get_mut(&id) {
                watcher.writer = Some(spawn_local(wait_writable(Rc::clone(&self.shared), id, socket)));
            }
        }
    }
}

impl Watcher {
    async fn end(self) {
        for task in [Some(self.reader), self.writer].into_iter().flatten() {
            task.abort();
            // The only error is the cancellation just asked for; panics are caught inside.
            let _ = task.await;
        }
    }
}

/// Waits until another worker wrote into a ring, and takes in what it wrote.
async fn watch_rings(shared: Rc<Shared>) {
    let bell = shared.plane.borrow().bell();
    loop {
        bell.notified().await;
        if shared.attend(|plane| plane.attend_rings(Instant::now())) == Some(true) {
            bell.notify_one();
        }
        // A ring that never runs dry must not keep others waiting.
        yield_now().await;
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for a socket and lets the plane attend to it, until it is closed or fails.
async fn watch(shared: Rc<Shared>, id: SocketId, socket: SocketHandle) {
    until_gone(async || {
        let ready = socket.ready().await;
        let attended = shared.attend(|plane| match ready {
            Ok(ready) => plane.attend_socket(id, &socket, ready, Instant::now()),
            Err(_) => plane.socket_failed(id, &socket, Instant::now()),
        });
        attended.unwrap_or(Attended::Gone)
    })
    .await;
}

async fn until_gone(mut attend: impl AsyncFnMut() -> Attended) {
    loop {
        match attend().await {
            // Other sockets, requests and timers get their turn after each bounded read.
            Attended::GoesOn => yield_now().await,
            // Such as no descriptor left for a new connection, or an interface that is down.
            Attended::Failed => tokio::time::sleep(SOCKET_ERROR_PAUSE).await,
            Attended::Gone => return,
        }
    }
}

/// Waits once until a full socket takes datagrams again.
async fn wait_writable(shared: Rc<Shared>, id: SocketId, socket: Rc<UdpSocket>) {
    let _ = socket.writable().await;
    let handle = SocketHandle::Udp(socket);
    shared.attend(|plane| plane.socket_writable(id, &handle, Instant::now()));
}

impl Shared {
    /// Lets the plane do something for a watcher; `None` after a panic, which ends the worker: watchers that were woken
    /// in the same turn find nothing to do.
    fn attend<T>(&self, work: impl FnOnce(&mut Plane) -> T) -> Option<T> {
        if self.panic.borrow().is_some() {
            return None;
        }
        let mut plane = self.plane.borrow_mut();
        match catch_unwind(AssertUnwindSafe(|| work(&mut plane))) {
            Ok(value) => {
                if plane.take_loop_is_stale() {
                    self.changed.notify_one();
                }
                Some(value)
            }
            Err(panic) => {
                *self.panic.borrow_mut() = Some(panic_text(panic.as_ref()));
                self.changed.notify_one();
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use millrace_model::WorkerSettings;
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn n09_after_a_panic_of_one_socket_no_other_touches_the_plane_and_the_worker_ends() {
        let stage = Loop::new(plane());
        let shared = Rc::clone(&stage.shared);
        assert_eq!(shared.attend(|_| 1), Some(1));
        assert!(shared.attend(|_| panic!("asked for by a test")).is_none());
        assert_eq!(shared.attend(|_| 2), None, "a watcher that was woken in the same turn");
        let (_requests, inbox) = mpsc::channel(1);
        let inlet = Inlet { inbox, packets: Arc::default() };
        let (_close, closed) = oneshot::channel();
        let died = LocalSet::new().run_until(stage.serve(inlet, closed)).await;
        assert!(died.unwrap_err().contains("asked for by a test"));
    }

    fn plane() -> Plane {
        let settings = millrace_model::parse::<WorkerSettings>("{}").unwrap().into_checked().unwrap();
        let certificate = LocalCertificate::generate().unwrap();
        Plane::new(settings, certificate, (WorkerHandle::to_nobody(), Arc::new(Outbox::new(|| {}))), Instant::now())
    }

    #[tokio::test]
    async fn a_socket_that_fails_again_and_again_is_tried_ten_times_a_second() {
        let started = Instant::now();
        let mut tries = 0;
        until_gone(async || {
            tries += 1;
            if tries == 4 { Attended::Gone } else { Attended::Failed }
        })
        .await;
        assert!(started.elapsed() >= 3 * SOCKET_ERROR_PAUSE);
    }
}
