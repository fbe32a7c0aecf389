//! What shares a link: both ends of one connection.

use crate::Micros;

/// A datagram on its way over the link.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Which flow's it is.
    pub flow: usize,
    /// Its size on the link.
    pub bytes: usize,
    /// Whether it is sound.
    pub is_audio: bool,
    /// What the flow needs to know when it arrives.
    pub contents: Vec<u8>,
}

/// What a flow puts on the wire in one step.
#[derive(Debug, Default)]
pub struct Wire {
    /// Through the bottleneck.
    pub forward: Vec<Packet>,
    /// Back, past it.
    pub back: Vec<Vec<u8>>,
}

impl Wire {
    /// Sends `contents` that count as `bytes`; the run says whose they are.
    pub fn send(&mut self, bytes: usize, contents: Vec<u8>) {
        self.forward.push(Packet { flow: 0, bytes, is_audio: false, contents });
    }

    /// The same for sound.
    pub fn send_audio(&mut self, bytes: usize, contents: Vec<u8>) {
        self.forward.push(Packet { flow: 0, bytes, is_audio: true, contents });
    }
}

/// Both ends of a connection over the link.
pub trait Flow {
    /// Does what is due at `now`.
    fn advance(&mut self, now: Micros, wire: &mut Wire);
    /// Takes a datagram that the link delivered.
    fn arrive(&mut self, contents: &[u8], now: Micros, wire: &mut Wire);
    /// Takes a datagram that came back.
    fn arrive_back(&mut self, contents: &[u8], now: Micros);
    /// What the sender believes that the path carries, bit/s; what a TCP has is its window per round trip.
    fn estimate(&self) -> f64;
    /// Bytes of media that arrived, with 30 bytes of headers for each packet; everything for a TCP.
    fn media_bytes(&self) -> u64;
    /// How often the layer changed.
    fn layer_switches(&self) -> u32;
}

/// Bytes of an RTP header with its extensions and of the authentication tag, as all flows count them.
pub const OVERHEAD_BYTES: usize = 30;
/// Bytes of media in a full packet.
pub const PAYLOAD_BYTES: usize = 1150;
