//! A worker behind a byte stream: the same requests and messages, one frame each way, between two processes.
//!
//! A frame is its length (32 bits, big endian) and JSON text. The owner's first frame holds the worker's settings, the
//! following ones a request each; the worker's frames hold batches of messages. Hanging up closes the worker.

use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use crate::error::RequestError;
use crate::message::Message;
use crate::outbox::{self, Outbox};
use crate::request::refusal;
use crate::worker::{REQUESTS_MAX, Worker};

/// Longest frame in bytes. Nearly all messages have less than a few kilobytes. A longer batch is written in several
/// frames and a longer reply refused; a longer frame is no frame of ours and ends the connection.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

/// Replies that wait for an owner at most. An owner that asks for more without reading is taken for broken: the worker
/// is closed, as if the owner had hung up. To let its requests wait instead could make both ends wait for each other.
pub const UNREAD_REPLIES_MAX: usize = 2 * REQUESTS_MAX;

/// Runs a worker for the owner at the other end, until the owner hangs up.
///
/// # Errors
/// The stream failed, a frame was too long, the settings were refused (the refusal was sent before), or the owner did
/// not read [`UNREAD_REPLIES_MAX`] replies.
pub fn serve(mut requests: impl Read, mut messages: impl Write + Send) -> io::Result<()> {
    let settings = read_frame(&mut requests)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let bell = Arc::new(Bell::default());
    let ringer = Arc::clone(&bell);
    let outbox = Arc::new(Outbox::new(move || ringer.ring()));
    let worker = match Worker::start(&settings, Arc::clone(&outbox)) {
        Ok(worker) => worker,
        Err(error) => {
            write_frame(&mut messages, &error.body_json())?;
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error.to_string()));
        }
    };
    thread::scope(|scope| {
        let speaker = scope.spawn(|| speak(&outbox, &bell, &mut messages));
        let heard = hear(&mut requests, &worker, &outbox);
        drop(worker);
        bell.stop();
        let spoke = speaker.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread panicked")));
        heard.and(spoke)
    })
}

fn hear(requests: &mut impl Read, worker: &Worker, outbox: &Outbox) -> io::Result<()> {
    while let Some(request) = read_frame(requests)? {
        if outbox.unread_replies() >= UNREAD_REPLIES_MAX {
            return Err(io::Error::other(format!("the owner left {UNREAD_REPLIES_MAX} replies unread")));
        }
        worker.request(request);
    }
    Ok(())
}

fn speak(outbox: &Outbox, bell: &Bell, messages: &mut impl Write) -> io::Result<()> {
    loop {
        let goes_on = bell.wait();
        loop {
            let batch = outbox.take_batch();
            if batch.is_empty() {
                break;
            }
            write_batch(messages, batch, FRAME_BYTES_MAX)?;
        }
        if !goes_on {
            return Ok(());
        }
    }
}

/// Writes a batch as one frame, or, where it has more than `bytes_max`, each message as its own. A reply that is longer
/// still is refused: what lists every transport of a large worker should not end it.
fn write_batch(stream: &mut impl Write, batch: Vec<Message>, bytes_max: usize) -> io::Result<()> {
    let text = outbox::json_of(&batch);
    if text.len() <= bytes_max {
        return write_frame(stream, &text);
    }
    for message in batch {
        let reply = if let Message::Reply { id, .. } = message { Some(id) } else { None };
        let text = outbox::json_of(&[message]);
        match reply.filter(|_| text.len() > bytes_max) {
            None => write_frame(stream, &text)?,
            Some(id) => {
                let reason = format!("the reply has {} bytes, more than fit between processes", text.len());
                write_frame(stream, &outbox::json_of(&[refusal(id, RequestError::Limit(reason))]))?;
            }
        }
    }
    Ok(())
}

/// Writes one frame.
///
/// # Errors
/// The stream failed, or `text` is longer than [`FRAME_BYTES_MAX`].
pub fn write_frame(stream: &mut impl Write, text: &str) -> io::Result<()> {
    let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "the frame is too long");
    let len = u32::try_from(text.len()).ok().filter(|len| *len as usize <= FRAME_BYTES_MAX).ok_or_else(too_long)?;
    stream.write_all(&len.to_be_bytes())?;
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

/// Reads one frame; `None` when the other end hung up between frames.
///
/// # Errors
/// The stream failed or ended within a frame, the frame is longer than [`FRAME_BYTES_MAX`] or not UTF-8.
pub fn read_frame(stream: &mut impl Read) -> io::Result<Option<String>> {
    let mut len = [0; 4];
    match stream.read_exact(&mut len) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let len = u32::from_be_bytes(len) as usize;
    if len > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {len} bytes is too long")));
    }
    let mut bytes = Vec::new();
    // Grows as bytes arrive, not by what the length claims.
    stream.take(len as u64).read_to_end(&mut bytes)?;
    if bytes.len() < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let text = String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Some(text))
}

/// Reads `data` as the stream of another process, for fuzzing: frames are written as they were read, and an error ends it.
///
/// # Panics
/// When that does not hold.
pub fn fuzz_frames(data: &[u8]) {
    let mut stream = data;
    loop {
        let before = stream;
        let Ok(Some(text)) = read_frame(&mut stream) else { return };
        let mut written = Vec::new();
        write_frame(&mut written, &text).expect("what was read is short enough");
        assert_eq!(written, before[..before.len() - stream.len()]);
    }
}

/// Tells the writing thread that messages wait, or that none will follow.
#[derive(Default)]
struct Bell {
    state: Mutex<BellState>,
    rung: Condvar,
}

#[derive(Default)]
struct BellState {
    rung: bool,
    stopped: bool,
}

impl Bell {
    fn ring(&self) {
        self.change(|state| state.rung = true);
    }

    fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    fn change(&self, change: impl FnOnce(&mut BellState)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.rung.notify_one();
    }

    /// Waits for the next ring; false when the bell has stopped.
    fn wait(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |state: &mut BellState| !state.rung && !state.stopped;
        let mut state = self.rung.wait_while(state, waiting).unwrap_or_else(PoisonError::into_inner);
        state.rung = false;
        !state.stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Outcome;

    #[test]
    fn a_frame_reads_as_it_was_written() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, "{\"ä\":1}").unwrap();
        write_frame(&mut bytes, "").unwrap();
        let mut stream = bytes.as_slice();
        assert_eq!(read_frame(&mut stream).unwrap().as_deref(), Some("{\"ä\":1}"));
        assert_eq!(read_frame(&mut stream).unwrap().as_deref(), Some(""));
        assert_eq!(read_frame(&mut stream).unwrap(), None);
    }

    #[test]
    fn a_batch_too_long_for_a_frame_is_split_and_a_reply_too_long_refused() {
        let reply = |id, len| Message::Reply { id, outcome: Outcome::Ok("x".repeat(len).into()) };
        let mut bytes = Vec::new();
        write_batch(&mut bytes, vec![reply(1, 100), reply(2, 500), reply(3, 100)], 300).unwrap();
        let mut stream = bytes.as_slice();
        let mut next =
            || serde_json::from_str::<serde_json::Value>(&read_frame(&mut stream).unwrap().unwrap()).unwrap();
        assert_eq!(next()[0]["id"], 1);
        assert_eq!(next()[0]["error"]["code"], "ERR_LIMIT_EXCEEDED");
        assert_eq!(next()[0]["id"], 3);
    }

    #[test]
    fn k07_an_owner_that_never_reads_is_hung_up_before_its_replies_fill_the_memory() {
        let mut requests = Vec::new();
        let sent = 3 * UNREAD_REPLIES_MAX;
        (0..sent).for_each(|id| write_frame(&mut requests, &format!(r#"{{"id":{id},"method":"no.such"}}"#)).unwrap());
        let outbox = Arc::new(Outbox::new(|| {}));
        let worker = Worker::start("{}", Arc::clone(&outbox)).unwrap();
        let mut left = requests.as_slice();
        let ended = hear(&mut left, &worker, &outbox);
        assert!(ended.unwrap_err().to_string().contains("unread"));
        assert!(!left.is_empty(), "what followed was not carried out");
        drop(worker);
        assert!(outbox.unread_replies() <= UNREAD_REPLIES_MAX + REQUESTS_MAX, "{}", outbox.unread_replies());
    }

    #[test]
    fn frames_that_are_cut_too_long_or_not_text_are_errors() {
        assert!(read_frame(&mut &[0, 0, 0, 5, b'a'][..]).is_err());
        assert!(read_frame(&mut &[0xff; 8][..]).is_err());
        assert!(read_frame(&mut &[0, 0, 0, 1, 0xff][..]).is_err());
    }
}
