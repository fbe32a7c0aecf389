//! A worker behind a byte stream: the same requests, messages and packets, one frame each way, between two processes.
//!
//! A frame is its length (32 bits, big endian) and JSON text; or, where the highest bit of the length is set, a
//! [`PacketBatch`]. The owner's first frame holds the worker's settings, the following ones a request or packets each; the
//! worker's frames hold batches of messages and of packets. Hanging up closes the worker.
//!
//! Packets never wait for a slow reader: those for the worker pass its [`PacketQueue`](crate::packets::PacketQueue), those
//! for the owner its [`Outbox`]'s, and from both the oldest are dropped and counted.

use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use crate::error::RequestError;
use crate::message::Message;
use crate::outbox::{self, Outbox};
use crate::packets::PacketBatch;
use crate::request::refusal;
use crate::worker::{REQUESTS_MAX, Worker};

/// Longest frame in bytes. Nearly all messages have less than a few kilobytes. A longer batch is written in several
/// frames and a longer reply refused; a longer frame is no frame of ours and ends the connection.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

/// The bit of a frame's length that says that it holds packets.
const PACKETS: u32 = 1 << 31;

/// What a frame holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// JSON text: the settings, a request, or a batch of messages.
    Text(String),
    /// Packets, each with its number.
    Packets(PacketBatch),
}

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
    while let Some(frame) = read_any_frame(requests)? {
        let request = match frame {
            Frame::Text(request) => request,
            Frame::Packets(batch) => {
                worker.send_packets(batch);
                continue;
            }
        };
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
            if !batch.is_empty() {
                write_batch(messages, batch, FRAME_BYTES_MAX)?;
            } else if let Some(packets) = outbox.take_packets() {
                // Behind all messages that were said before them.
                write_packets(messages, packets)?;
            } else {
                break;
            }
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
    write_bytes(stream, 0, text.as_bytes())
}

/// Writes a batch of packets as one frame.
///
/// # Errors
/// The stream failed, or the batch is longer than [`FRAME_BYTES_MAX`].
pub fn write_packets(stream: &mut impl Write, packets: PacketBatch) -> io::Result<()> {
    write_bytes(stream, PACKETS, &packets.into_bytes())
}

fn write_bytes(stream: &mut impl Write, kind: u32, bytes: &[u8]) -> io::Result<()> {
    let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "the frame is too long");
    let len = u32::try_from(bytes.len()).ok().filter(|len| *len as usize <= FRAME_BYTES_MAX).ok_or_else(too_long)?;
    stream.write_all(&(kind | len).to_be_bytes())?;
    stream.write_all(bytes)?;
    stream.flush()
}

/// Reads one frame of text; `None` when the other end hung up between frames.
///
/// # Errors
/// Those of [`read_any_frame`], and the frame holds packets.
pub fn read_frame(stream: &mut impl Read) -> io::Result<Option<String>> {
    match read_any_frame(stream)? {
        Some(Frame::Text(text)) => Ok(Some(text)),
        Some(Frame::Packets(_)) => Err(io::Error::new(io::ErrorKind::InvalidData, "packets where text was expected")),
        None => Ok(None),
    }
}

/// Reads one frame; `None` when the other end hung up between frames.
///
/// # Errors
/// The stream failed or ended within a frame, the frame is longer than [`FRAME_BYTES_MAX`], or text that is not UTF-8.
pub fn read_any_frame(stream: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut len = [0; 4];
    match stream.read_exact(&mut len) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let head = u32::from_be_bytes(len);
    let len = (head & !PACKETS) as usize;
    if len > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {len} bytes is too long")));
    }
    let mut bytes = Vec::new();
    // Grows as bytes arrive, not by what the length claims.
    stream.take(len as u64).read_to_end(&mut bytes)?;
    if bytes.len() < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if head & PACKETS != 0 {
        return Ok(Some(Frame::Packets(PacketBatch::from_bytes(bytes))));
    }
    let text = String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Some(Frame::Text(text)))
}

/// Reads `data` as the stream of another process, for fuzzing: frames are written as they were read, and an error ends it.
///
/// # Panics
/// When that does not hold.
pub fn fuzz_frames(data: &[u8]) {
    let mut stream = data;
    loop {
        let before = stream;
        let Ok(Some(frame)) = read_any_frame(&mut stream) else { return };
        let mut written = Vec::new();
        let result = match frame {
            Frame::Text(text) => write_frame(&mut written, &text),
            Frame::Packets(packets) => {
                assert!(packets.packets().map(|(_, packet)| packet.len()).sum::<usize>() <= before.len());
                write_packets(&mut written, packets)
            }
        };
        result.expect("what was read is short enough");
        assert_eq!(written, before[..before.len() - stream.len()]);
    }
}

/// Tells the writing thread that messages wait, or that none will follow.
#[derive(Default)]
pub(crate) struct Bell {
    state: Mutex<BellState>,
    rung: Condvar,
}

#[derive(Default)]
struct BellState {
    rung: bool,
    stopped: bool,
}

impl Bell {
    pub(crate) fn ring(&self) {
        self.change(|state| state.rung = true);
    }

    pub(crate) fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    fn change(&self, change: impl FnOnce(&mut BellState)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.rung.notify_one();
    }

    /// Waits for the next ring; false when the bell has stopped.
    pub(crate) fn wait(&self) -> bool {
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
    use crate::packets::WAITING_PACKET_BYTES_MAX;

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
    fn frames_of_packets_read_as_they_were_written_and_are_no_text() {
        let mut packets = PacketBatch::default();
        packets.push(7, b"one");
        packets.push(u32::MAX, &[9; 2_000]);
        let mut bytes = Vec::new();
        write_packets(&mut bytes, packets.clone()).unwrap();
        write_frame(&mut bytes, "{}").unwrap();
        let mut stream = bytes.as_slice();
        let Some(Frame::Packets(read)) = read_any_frame(&mut stream).unwrap() else { panic!("it holds packets") };
        assert_eq!(read.packets().collect::<Vec<_>>(), packets.packets().collect::<Vec<_>>());
        assert_eq!(read_any_frame(&mut stream).unwrap(), Some(Frame::Text("{}".to_owned())));
        assert!(read_frame(&mut bytes.as_slice()).is_err());
    }

    #[test]
    fn an_owner_that_does_not_read_loses_the_oldest_packets_and_gets_every_message() {
        let outbox = Outbox::new(|| {});
        let packet = [5; 1_000];
        let sent = 2 * WAITING_PACKET_BYTES_MAX / packet.len();
        outbox.push(Message::Reply { id: 1, outcome: Outcome::Ok(true.into()) });
        for number in 0..sent as u32 {
            let mut batch = PacketBatch::default();
            batch.push(number, &packet);
            outbox.push_packets(batch);
        }
        let bell = Bell::default();
        bell.ring();
        bell.stop();
        let mut written = Vec::new();
        speak(&outbox, &bell, &mut written).unwrap();
        let mut stream = written.as_slice();
        assert!(matches!(read_any_frame(&mut stream).unwrap(), Some(Frame::Text(text)) if text.contains(r#""id":1"#)));
        let mut numbers = Vec::new();
        while let Some(Frame::Packets(batch)) = read_any_frame(&mut stream).unwrap() {
            numbers.extend(batch.packets().map(|(number, _)| number));
        }
        assert_eq!(numbers.last(), Some(&(sent as u32 - 1)));
        assert_eq!(numbers.len() as u64 + outbox.dropped().packets, sent as u64);
        assert!(outbox.dropped().packets > 0);
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
