//! The one ordered queue from a worker to its owner. No event overtakes the reply that it follows. Packets for the
//! application travel beside it: they come in a batch of their own, behind the messages that were said before them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::message::{Keeping, LogLevel, Message};
use crate::packets::{PacketBatch, PacketQueue};

/// Messages that wait before state events of one object and kind are merged into the latest.
///
/// Below it every state change is told; above it the reader is stalled and needs only where things stand.
pub const MERGE_ABOVE_MESSAGES: usize = 1024;

/// Sampled events (traces) that wait at most; beyond it the oldest is dropped and counted.
pub const SAMPLED_MAX: usize = 1024;

/// Log lines that wait at most; beyond it the newest is dropped and counted.
pub const LOGS_MAX: usize = 256;

/// Most messages handed over in one batch, so that the reader's thread is never held for long.
pub const BATCH_MESSAGES_MAX: usize = 128;

/// A queue that any thread may read and one worker writes.
pub struct Outbox {
    queue: Mutex<Queue>,
    packets: PacketQueue,
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Queue {
    /// Waiting messages; `None` where one was merged or dropped.
    slots: VecDeque<Option<Message>>,
    /// Number of the first slot since the queue began.
    first: u64,
    waiting: usize,
    latest: HashMap<(Uuid, &'static str), u64>,
    sampled: VecDeque<u64>,
    logs: usize,
    /// Replies that wait.
    replies: usize,
    dropped: Dropped,
}

/// What a slow reader lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Sampled events.
    pub sampled: u64,
    /// Log lines.
    pub logs: u64,
    /// State events replaced by a later one of the same object and kind.
    pub merged: u64,
    /// Packets.
    pub packets: u64,
}

impl Outbox {
    /// Makes an empty queue; `wake` is called (from the worker's thread) when a message arrives in an empty queue.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { queue: Mutex::default(), packets: PacketQueue::default(), wake: Box::new(wake) }
    }

    /// Adds a message by the rules of its kind.
    pub fn push(&self, message: Message) {
        let was_empty = {
            let mut queue = self.lock();
            let was_empty = queue.waiting == 0;
            queue.push(message);
            was_empty
        };
        if was_empty {
            (self.wake)();
        }
    }

    /// Adds packets for the application. Where too many wait, the oldest are dropped.
    pub fn push_packets(&self, batch: PacketBatch) {
        if self.packets.push(batch) {
            (self.wake)();
        }
    }

    /// Takes packets for the application; wakes the reader again when more wait.
    pub fn take_packets(&self) -> Option<PacketBatch> {
        let batch = self.packets.pop()?;
        if !self.packets.is_empty() {
            (self.wake)();
        }
        Some(batch)
    }

    /// Takes up to [`BATCH_MESSAGES_MAX`] messages; wakes the reader again when more wait.
    pub fn take_batch(&self) -> Vec<Message> {
        let (batch, more) = {
            let mut queue = self.lock();
            (queue.take(BATCH_MESSAGES_MAX), queue.waiting > 0)
        };
        if more {
            (self.wake)();
        }
        batch
    }

    /// Takes a batch as JSON text: an array of messages.
    pub fn take_batch_json(&self) -> String {
        json_of(&self.take_batch())
    }

    /// Replies that nobody has read yet.
    pub fn unread_replies(&self) -> usize {
        self.lock().replies
    }

    /// What was lost because nobody read.
    pub fn dropped(&self) -> Dropped {
        Dropped { packets: self.packets.dropped(), ..self.lock().dropped }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere must not silence the worker's last words.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch as JSON text: an array of messages.
pub(crate) fn json_of(batch: &[Message]) -> String {
    serde_json::to_string(batch).unwrap_or_else(|error| {
        // Messages hold strings, numbers and JSON values, all of which have a JSON form.
        let message = format!("a message could not be written: {error}");
        format!("[{}]", serde_json::json!({ "type": "log", "level": LogLevel::Error, "message": message }))
    })
}

impl Queue {
    fn push(&mut self, message: Message) {
        let number = self.first + self.slots.len() as u64;
        match message.keeping() {
            Keeping::Always => self.replies += 1,
            Keeping::Latest(target, event) => {
                if let Some(earlier) = self.latest.insert((target, event), number)
                    && self.waiting >= MERGE_ABOVE_MESSAGES
                {
                    self.remove(earlier);
                    self.dropped.merged += 1;
                }
            }
            Keeping::Sampled => {
                if self.sampled.len() >= SAMPLED_MAX
                    && let Some(oldest) = self.sampled.pop_front()
                {
                    self.remove(oldest);
                    self.dropped.sampled += 1;
                }
                self.sampled.push_back(number);
            }
            Keeping::Log if self.logs >= LOGS_MAX => {
                self.dropped.logs += 1;
                return;
            }
            Keeping::Log => self.logs += 1,
        }
        self.slots.push_back(Some(message));
        self.waiting += 1;
        self.shrink();
    }

    /// Removes the message with this number, if it still waits.
    fn remove(&mut self, number: u64) {
        let index = number.checked_sub(self.first).map(|index| index as usize);
        if let Some(slot) = index.and_then(|index| self.slots.get_mut(index))
            && slot.take().is_some()
        {
            self.waiting -= 1;
        }
    }

    fn take(&mut self, count_max: usize) -> Vec<Message> {
        let mut batch = Vec::with_capacity(self.waiting.min(count_max));
        while batch.len() < count_max {
            let number = self.first;
            let Some(slot) = self.slots.pop_front() else { break };
            self.first += 1;
            let Some(message) = slot else { continue };
            self.waiting -= 1;
            self.forget(&message, number);
            batch.push(message);
        }
        batch
    }

    fn forget(&mut self, message: &Message, number: u64) {
        match message.keeping() {
            Keeping::Always => self.replies -= 1,
            Keeping::Latest(target, event) => {
                if self.latest.get(&(target, event)) == Some(&number) {
                    self.latest.remove(&(target, event));
                }
            }
            Keeping::Sampled => {
                self.sampled.pop_front();
            }
            Keeping::Log => self.logs -= 1,
        }
    }

    /// Closes the holes once they outnumber the messages, so that merging keeps memory bounded.
    fn shrink(&mut self) {
        if self.slots.len() < 2 * MERGE_ABOVE_MESSAGES || self.slots.len() < 2 * self.waiting {
            return;
        }
        self.latest.clear();
        self.sampled.clear();
        self.slots.retain(Option::is_some);
        for (index, message) in self.slots.iter().flatten().enumerate() {
            let number = self.first + index as u64;
            match message.keeping() {
                Keeping::Latest(target, event) => drop(self.latest.insert((target, event), number)),
                Keeping::Sampled => self.sampled.push_back(number),
                Keeping::Always | Keeping::Log => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;
    use crate::message::Outcome;

    fn state(object: u128, value: u32) -> Message {
        Message::Event { target: Uuid::from_u128(object), event: "score", data: json!(value) }
    }

    fn reply(id: u32) -> Message {
        Message::Reply { id, outcome: Outcome::Ok(json!(null)) }
    }

    fn drain(outbox: &Outbox) -> Vec<Message> {
        std::iter::repeat_with(|| outbox.take_batch()).take_while(|batch| !batch.is_empty()).flatten().collect()
    }

    #[test]
    fn messages_come_in_order_and_wake_once_for_each_empty_queue() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let outbox = Outbox::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        outbox.push(reply(1));
        outbox.push(state(1, 5));
        outbox.push(reply(2));
        assert_eq!(drain(&outbox), [reply(1), state(1, 5), reply(2)]);
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_prompt_reader_sees_every_state_change() {
        let outbox = Outbox::new(|| {});
        (0..10).for_each(|value| outbox.push(state(1, value)));
        assert_eq!(drain(&outbox).len(), 10);
    }

    #[test]
    fn n05_a_stalled_reader_keeps_replies_and_the_latest_state_of_each_object() {
        let outbox = Outbox::new(|| {});
        (0..500).for_each(|id| outbox.push(reply(id)));
        (0..100_000).for_each(|value| outbox.push(state(u128::from(value % 7), value)));
        assert!(outbox.lock().slots.len() <= 4 * MERGE_ABOVE_MESSAGES, "holes are closed");
        let messages = drain(&outbox);
        assert_eq!(messages.iter().filter(|m| matches!(m, Message::Reply { .. })).count(), 500);
        assert!(messages.len() <= MERGE_ABOVE_MESSAGES + 7);
        for object in 0..7u32 {
            let last = messages
                .iter()
                .rev()
                .find(|m| matches!(m, Message::Event { target, .. } if target.as_u128() == u128::from(object)));
            let value = 99_999 - (99_999 - object) % 7;
            assert_eq!(last, Some(&state(u128::from(object), value)));
        }
        assert!(outbox.dropped().merged > 98_000);
    }

    #[test]
    fn a_stalled_reader_loses_the_oldest_traces_and_the_newest_logs_and_both_are_counted() {
        let outbox = Outbox::new(|| {});
        let trace = |n| Message::Event { target: Uuid::nil(), event: "trace", data: json!(n) };
        let log = |n: usize| Message::Log { level: LogLevel::Warn, tag: None, message: n.to_string() };
        (0..SAMPLED_MAX + 5).for_each(|n| outbox.push(trace(n)));
        (0..LOGS_MAX + 3).for_each(|n| outbox.push(log(n)));
        let messages = drain(&outbox);
        assert_eq!(messages.first(), Some(&trace(5)));
        assert_eq!(messages.last(), Some(&log(LOGS_MAX - 1)));
        assert_eq!(outbox.dropped(), Dropped { sampled: 5, logs: 3, ..Dropped::default() });
    }
}
