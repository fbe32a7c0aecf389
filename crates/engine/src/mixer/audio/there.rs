//! A mixer of sound whose work another process does: what its thread does in a turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::core::{Core, RemoteCore};
use super::desk::Collected;
use super::ends::AudioEnds;
use super::wire::{FrameReader, Told};
use crate::mixer::child::Child;
use crate::mixer::pool::TURN_TIME_MAX;
use crate::mixer::serve::Setup;
use crate::mixer::{Failure, Mixer, Turn};
use crate::packets::PacketBatch;

/// How often the child is looked after.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// A child that has not begun to mix after this time does not.
const START_TIME_MAX: Duration = Duration::from_secs(10);

/// A child, and what is known of its core.
pub(crate) struct There {
    /// Or why there is none.
    child: Result<Child, String>,
    core: RemoteCore,
    collected: Collected,
    reader: FrameReader,
    scratch: Vec<f32>,
    /// When it said something last, or began.
    heard_at: Instant,
    watch_at: Instant,
    /// Its last words.
    panicked: Option<String>,
}

impl There {
    pub(super) fn new(mixer: &Arc<Mixer<AudioEnds>>, program: &[String], now: Instant) -> Self {
        let ringing = Arc::downgrade(mixer);
        let child = Child::start(program, move || {
            if let Some(mixer) = ringing.upgrade() {
                mixer.ring();
            }
        });
        let setup = Setup::Audio(mixer.setup.options.core.into());
        if let Ok(child) = &child {
            child.send([text_of(&setup)], PacketBatch::default());
        }
        Self {
            child: child.map_err(|error| format!("the system gives no process: {error}")),
            core: RemoteCore::default(),
            collected: Collected::default(),
            reader: FrameReader::default(),
            scratch: Vec::new(),
            heard_at: now,
            watch_at: now,
            panicked: None,
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.watch_at
    }

    pub(super) fn work(&mut self, turn: &Turn<'_, AudioEnds>, now: Instant) -> Result<(), Failure> {
        self.watch_at = now + WATCH_INTERVAL;
        let Self { child, core, collected, reader, scratch, .. } = self;
        let child = match child {
            Ok(child) => child,
            Err(why) => return Err(Failure { reason: "exit", message: why.clone() }),
        };
        let mixer = turn.mixer;
        let outbox = &mixer.setup.outbox;
        let Some(mut ends) = turn.ends() else { return Ok(()) };
        let mut to_worker = PacketBatch::default();
        if ends.pass_on(outbox, &mut to_worker) {
            drop(ends);
            mixer.send(to_worker);
            return self.look_after(now);
        }
        ends.pid = child.pid;
        ends.apply(core);
        ends.receive(core, scratch, outbox, now);
        #[cfg(debug_assertions)]
        core.orders.extend(ends.fault.take().map(|fault| super::wire::Order::Fail { hang_ms: fault.hang_ms() }));
        let keeps_up = child.send(core.orders.drain(..).map(|order| text_of(&order)), std::mem::take(&mut core.sound));
        collected.clear();
        while let Some(batch) = child.packets() {
            for (number, record) in batch.packets() {
                if let Some((frame, encode_time)) = reader.read(number, record) {
                    collected.add(frame, encode_time);
                }
            }
        }
        let mut to_application = PacketBatch::default();
        ends.send(collected, now, &mut to_worker, &mut to_application);
        if self.listen(now) {
            ends.load = self.core.load();
            ends.note(&mut self.core, mixer.setup.id, outbox, now);
        }
        drop(ends);
        mixer.send(to_worker);
        if !to_application.is_empty() {
            outbox.push_packets(to_application);
        }
        match keeps_up {
            true => self.look_after(now),
            false => Err(hang("the mixer's process does not read")),
        }
    }

    /// Takes in what the child told. Tells whether that was anything.
    fn listen(&mut self, now: Instant) -> bool {
        let Ok(child) = &self.child else { return false };
        let heard_before = self.heard_at;
        while let Some(text) = child.text() {
            // What is no text of ours counts as nothing: a child that says nothing is taken for one that hangs.
            let Ok(told) = serde_json::from_str(&text) else { continue };
            self.heard_at = now;
            match told {
                Told::Report(report) => self.core.note(*report),
                Told::ActiveInput(id) => self.core.active = Some(id),
                Told::Panicked(text) => self.panicked = Some(text),
            }
        }
        self.heard_at != heard_before
    }

    fn look_after(&mut self, now: Instant) -> Result<(), Failure> {
        let ended = self.child.as_ref().ok().and_then(Child::ended);
        // What it said before it ended is all there now.
        self.listen(now);
        if let Some(status) = ended {
            return Err(match self.panicked.take() {
                Some(message) => Failure { reason: "panic", message },
                None => Failure { reason: "exit", message: format!("the mixer's process ended: {status}") },
            });
        }
        let silent = now.saturating_duration_since(self.heard_at);
        match silent > if self.core.is_ready() { TURN_TIME_MAX } else { START_TIME_MAX } {
            true => Err(hang("the mixer's process was stuck")),
            false => Ok(()),
        }
    }
}

fn hang(message: &str) -> Failure {
    Failure { reason: "hang", message: message.to_owned() }
}

/// Plain data: it has a text.
fn text_of(data: &impl serde::Serialize) -> String {
    serde_json::to_string(data).unwrap_or_default()
}
