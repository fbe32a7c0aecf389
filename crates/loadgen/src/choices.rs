//! Viewers of simulcast that go from layer to layer.

use std::io;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::room::Room;

/// Which layer each viewer prefers, and who changes next.
pub(crate) struct Choices {
    layers: u32,
    viewers: Vec<Viewer>,
    random: fastrand::Rng,
    /// The viewer that changes next.
    next: usize,
    next_at: Option<Instant>,
    /// Requests whose replies have not come.
    asked: Vec<u32>,
}

struct Viewer {
    consumer: String,
    layer: u32,
}

impl Choices {
    /// Nobody, and so many layers to choose from.
    pub(crate) fn new(layers: NonZeroU32) -> Self {
        let random = fastrand::Rng::with_seed(1);
        Self { layers: layers.get(), viewers: Vec::new(), random, next: 0, next_at: None, asked: Vec::new() }
    }

    /// A viewer by its consumer, which begins with the highest layer.
    pub(crate) fn add(&mut self, consumer: String) {
        self.viewers.push(Viewer { consumer, layer: self.layers - 1 });
    }

    /// Spreads the viewers evenly over the layers.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) fn spread(&mut self, room: &mut Room) -> io::Result<()> {
        for number in 0..self.viewers.len() {
            self.prefer(number, number as u32 % self.layers, room)?;
        }
        Ok(())
    }

    /// Lets the next viewer go to another layer if it is time, so that each `interval` one does.
    ///
    /// # Errors
    /// When the server refused.
    pub(crate) fn change(&mut self, interval: Duration, now: Instant, room: &mut Room) -> io::Result<()> {
        let due = *self.next_at.get_or_insert(now);
        if now < due || self.layers < 2 || self.viewers.is_empty() {
            return Ok(());
        }
        self.next_at = Some(due + interval);
        let number = self.next;
        self.next = (number + 1) % self.viewers.len();
        let step = self.random.u32(1..self.layers);
        self.prefer(number, (self.viewers[number].layer + step) % self.layers, room)
    }

    fn prefer(&mut self, number: usize, layer: u32, room: &mut Room) -> io::Result<()> {
        let mut waiting = Vec::new();
        for request in self.asked.drain(..) {
            match room.server.take_reply(request)? {
                Some(reply) => drop(reply?),
                None => waiting.push(request),
            }
        }
        self.asked = waiting;
        let viewer = &mut self.viewers[number];
        viewer.layer = layer;
        let params = json!({ "consumerId": viewer.consumer, "spatialLayer": layer });
        self.asked.push(room.server.send("consumer.setPreferredLayers", params)?);
        Ok(())
    }
}
