//! A relay of data channels by str0m, as its examples are built: one thread, what the first peer says goes to all others.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{process, thread};

use millrace_engine::process::{read_frame, write_frame};

use crate::accounting;
use crate::data_peer::{Card, DataPeers, Side};

/// Between two looks at who joins. Nobody does while it is measured.
const PATIENCE: Duration = Duration::from_millis(50);

/// The stream that channels are on.
pub(crate) const STREAM: u16 = 0;

/// Serves until the owner hangs up.
///
/// # Errors
/// When a socket fails or a peer says what str0m does not understand.
pub(crate) fn run(core: usize) -> io::Result<()> {
    accounting::stay_on(core);
    let (joining, joins) = mpsc::channel();
    thread::spawn(move || {
        while let Ok(Some(card)) = read_frame(&mut io::stdin()) {
            let _ = joining.send(card);
        }
        process::exit(0);
    });
    let mut peers = DataPeers::new(Side::Server)?;
    let mut said = VecDeque::new();
    let mut waiting: Vec<Waiting> = Vec::new();
    loop {
        peers.turn(PATIENCE, |from, message| {
            if from == 0 {
                said.push_back(Arc::<[u8]>::from(message));
            }
        })?;
        waiting.resize_with(peers.len(), Waiting::default);
        for (viewer, waiting) in waiting.iter_mut().enumerate().skip(1) {
            waiting.messages.extend(said.iter().cloned());
            waiting.send(&mut peers, viewer)?;
        }
        said.clear();
        while let Ok(card) = joins.try_recv() {
            let other: Card = serde_json::from_str(&card)?;
            let card = peers.add()?.card();
            peers.connect(&other, STREAM)?;
            write_frame(&mut io::stdout(), &serde_json::to_string(&card)?)?;
        }
    }
}

/// What one viewer has no room for yet: str0m takes 128 kB at a time. Whoever measures bounds what is under way.
#[derive(Default)]
struct Waiting {
    messages: VecDeque<Arc<[u8]>>,
}

impl Waiting {
    fn send(&mut self, peers: &mut DataPeers, viewer: usize) -> io::Result<()> {
        while let Some(message) = self.messages.front() {
            if !peers.send(viewer, message)? {
                break;
            }
            self.messages.pop_front();
        }
        Ok(())
    }
}
