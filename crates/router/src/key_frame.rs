//! When a publisher is asked for a key frame: one request for many wishes, repeated until a key frame comes.

use std::time::{Duration, Instant};

/// Shortest time between two requests for one stream (case C04; mediasoup 3.27.1 waits as long for an answer).
pub(crate) const REQUEST_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Unanswered requests in a row while the stream is silent. Then the next packet of the stream starts over.
const SILENT_RETRIES_MAX: u8 = 5;

/// What became of a wish for a key frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A request must go out.
    Send,
    /// A request on its way, or the next one to be sent, serves this wish too.
    Merged,
}

/// The key-frame requests of one video stream.
#[derive(Debug)]
pub(crate) struct KeyFrameRequests {
    interval: Duration,
    sent_at: Option<Instant>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody waits for a key frame.
    Idle,
    /// Somebody waits. A request goes out whenever the interval is over.
    Wanted { retries: u8 },
    /// Somebody waits, but the stream is silent: its next packet makes the state `Wanted`.
    Silent,
}

impl KeyFrameRequests {
    /// `delay` lengthens the least time between requests (`keyFrameRequestDelay`); below a second it has no effect.
    pub(crate) fn new(delay: Duration) -> Self {
        Self { interval: delay.max(REQUEST_INTERVAL_MIN), sent_at: None, state: State::Idle }
    }

    /// Somebody wants a key frame.
    pub(crate) fn wish(&mut self, now: Instant) -> Wish {
        self.state = State::Wanted { retries: 0 };
        if self.deadline().is_some_and(|deadline| deadline > now) {
            return Wish::Merged;
        }
        self.sent_at = Some(now);
        Wish::Send
    }

    /// A key frame came: whoever waited is served.
    pub(crate) fn note_key_frame(&mut self) {
        self.state = State::Idle;
    }

    /// Tells whether requests stopped because the stream was silent: its next packet should renew the wish.
    pub(crate) fn has_given_up(&self) -> bool {
        self.state == State::Silent
    }

    /// Nobody is left who could wait.
    pub(crate) fn cancel(&mut self) {
        self.state = State::Idle;
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Wanted { .. } => self.sent_at.map(|at| at + self.interval),
            State::Idle | State::Silent => None,
        }
    }

    /// Tells whether a request must go out. `is_silent`: no packet of the stream came since the last one.
    pub(crate) fn handle_timeout(&mut self, is_silent: bool, now: Instant) -> bool {
        let State::Wanted { retries } = self.state else { return false };
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return false;
        }
        if is_silent && retries >= SILENT_RETRIES_MAX {
            self.state = State::Silent;
            return false;
        }
        self.state = State::Wanted { retries: if is_silent { retries + 1 } else { 0 } };
        self.sent_at = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_first_wish_is_sent_at_once_and_later_ones_are_merged() {
        let start = Instant::now();
        let mut requests = KeyFrameRequests::new(Duration::ZERO);
        assert_eq!(requests.wish(start), Wish::Send);
        assert_eq!(requests.wish(start + ms(999)), Wish::Merged);
        assert_eq!(requests.deadline(), Some(start + ms(1000)));
    }

    #[test]
    fn c04_a_key_frame_does_not_open_the_door_for_the_next_request() {
        let start = Instant::now();
        let mut requests = KeyFrameRequests::new(Duration::ZERO);
        requests.wish(start);
        requests.note_key_frame();
        assert_eq!(requests.wish(start + ms(300)), Wish::Merged);
        assert!(requests.handle_timeout(false, start + ms(1000)));
    }

    #[test]
    fn a_key_frame_serves_all_wishes() {
        let start = Instant::now();
        let mut requests = KeyFrameRequests::new(Duration::ZERO);
        requests.wish(start);
        requests.wish(start + ms(10));
        requests.note_key_frame();
        assert_eq!(requests.deadline(), None);
        assert!(!requests.handle_timeout(false, start + ms(2000)));
    }

    #[test]
    fn requests_are_repeated_while_the_stream_flows_without_a_key_frame() {
        let start = Instant::now();
        let mut requests = KeyFrameRequests::new(Duration::ZERO);
        requests.wish(start);
        let sent = (1..=60u32).filter(|&second| requests.handle_timeout(false, start + ms(1000) * second)).count();
        assert_eq!(sent, 60);
    }

    #[test]
    fn a_silent_stream_is_asked_a_few_times_and_again_when_it_comes_back() {
        let start = Instant::now();
        let mut requests = KeyFrameRequests::new(Duration::ZERO);
        requests.wish(start);
        let sent = (1..=60u32).filter(|&second| requests.handle_timeout(true, start + ms(1000) * second)).count();
        assert_eq!(sent, usize::from(SILENT_RETRIES_MAX));
        assert!(requests.has_given_up());
        assert_eq!(requests.wish(start + ms(70_000)), Wish::Send);
    }

    #[test]
    fn the_application_can_lengthen_the_interval() {
        let start = Instant::now();
        let mut requests = KeyFrameRequests::new(ms(3000));
        requests.wish(start);
        assert_eq!(requests.wish(start + ms(2999)), Wish::Merged);
        assert!(requests.handle_timeout(false, start + ms(3000)));
    }
}
