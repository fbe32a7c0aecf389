//! The worker's log: levels and tags as the settings say, and no more lines than a person can read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_model::{WorkerLogLevel, WorkerLogTag};

use crate::message::{LogLevel, Message};
use crate::outbox::Outbox;

/// Lines a second at most; what exceeds it is counted, and the count is logged with the next line that passes.
const LINES_PER_SECOND_MAX: u32 = 50;

/// Writes log lines into the outbox. Lines carry no addresses and no secrets: they name objects by id.
pub(crate) struct Journal {
    outbox: Arc<Outbox>,
    level: WorkerLogLevel,
    tags: Vec<WorkerLogTag>,
    second: Instant,
    lines: u32,
    left_out: u64,
    lines_dropped: u64,
}

impl Journal {
    pub(crate) fn new(outbox: Arc<Outbox>, level: WorkerLogLevel, tags: Vec<WorkerLogTag>, now: Instant) -> Self {
        Self { outbox, level, tags, second: now, lines: 0, left_out: 0, lines_dropped: 0 }
    }

    /// Changes what is logged; `None` keeps what is set.
    pub(crate) fn update(&mut self, level: Option<WorkerLogLevel>, tags: Option<Vec<WorkerLogTag>>) {
        self.level = level.unwrap_or(self.level);
        self.tags = tags.unwrap_or(std::mem::take(&mut self.tags));
    }

    /// Something that a peer or the system did wrong.
    pub(crate) fn warn(&mut self, tag: WorkerLogTag, now: Instant, text: impl FnOnce() -> String) {
        self.write(LogLevel::Warn, tag, now, text);
    }

    /// A step of a call's life.
    pub(crate) fn debug(&mut self, tag: WorkerLogTag, now: Instant, text: impl FnOnce() -> String) {
        self.write(LogLevel::Debug, tag, now, text);
    }

    /// Lines left out since the start because there were too many in a second.
    pub(crate) fn lines_dropped(&self) -> u64 {
        self.lines_dropped
    }

    fn write(&mut self, level: LogLevel, tag: WorkerLogTag, now: Instant, text: impl FnOnce() -> String) {
        if !self.wants(level, tag) || !self.has_room(now) {
            return;
        }
        let left_out = std::mem::take(&mut self.left_out);
        let suffix = if left_out > 0 { format!(" ({left_out} lines left out before)") } else { String::new() };
        let message = format!("{}{suffix}", text());
        self.outbox.push(Message::Log { level, tag: Some(tag_name(tag)), message });
    }

    fn wants(&self, level: LogLevel, tag: WorkerLogTag) -> bool {
        let loud_enough = match self.level {
            WorkerLogLevel::None => false,
            WorkerLogLevel::Error => level == LogLevel::Error,
            WorkerLogLevel::Warn => level <= LogLevel::Warn,
            WorkerLogLevel::Debug => true,
        };
        loud_enough && self.tags.contains(&tag)
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.second) >= Duration::from_secs(1) {
            self.second = now;
            self.lines = 0;
        }
        self.lines += 1;
        if self.lines > LINES_PER_SECOND_MAX {
            self.left_out += 1;
            self.lines_dropped += 1;
        }
        self.lines <= LINES_PER_SECOND_MAX
    }
}

/// The tag as the settings write it.
fn tag_name(tag: WorkerLogTag) -> &'static str {
    match tag {
        WorkerLogTag::Info => "info",
        WorkerLogTag::Ice => "ice",
        WorkerLogTag::Dtls => "dtls",
        WorkerLogTag::Rtp => "rtp",
        WorkerLogTag::Srtp => "srtp",
        WorkerLogTag::Rtcp => "rtcp",
        WorkerLogTag::Rtx => "rtx",
        WorkerLogTag::Bwe => "bwe",
        WorkerLogTag::Score => "score",
        WorkerLogTag::Simulcast => "simulcast",
        WorkerLogTag::Svc => "svc",
        WorkerLogTag::Sctp => "sctp",
        WorkerLogTag::Message => "message",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(outbox: &Arc<Outbox>, level: WorkerLogLevel, now: Instant) -> Journal {
        Journal::new(Arc::clone(outbox), level, vec![WorkerLogTag::Ice], now)
    }

    #[test]
    fn lines_pass_by_level_and_tag() {
        let outbox = Arc::new(Outbox::new(|| {}));
        let now = Instant::now();
        let mut journal = journal(&outbox, WorkerLogLevel::Warn, now);
        journal.warn(WorkerLogTag::Ice, now, || "passes".into());
        journal.warn(WorkerLogTag::Dtls, now, || "another subject".into());
        journal.debug(WorkerLogTag::Ice, now, || "not loud enough".into());
        assert_eq!(outbox.take_batch().len(), 1);
        journal.update(Some(WorkerLogLevel::None), None);
        journal.warn(WorkerLogTag::Ice, now, || "silenced".into());
        assert!(outbox.take_batch().is_empty());
    }

    #[test]
    fn p05_a_flood_of_lines_is_cut_and_the_rest_counted() {
        let outbox = Arc::new(Outbox::new(|| {}));
        let now = Instant::now();
        let mut journal = journal(&outbox, WorkerLogLevel::Warn, now);
        (0..1000).for_each(|_| journal.warn(WorkerLogTag::Ice, now, || "flood".into()));
        assert_eq!(outbox.take_batch().len() as u32, LINES_PER_SECOND_MAX);
        journal.warn(WorkerLogTag::Ice, now + Duration::from_secs(1), || "later".into());
        let Message::Log { message, .. } = outbox.take_batch().remove(0) else { panic!("a log line") };
        assert_eq!(message, "later (950 lines left out before)");
    }
}
