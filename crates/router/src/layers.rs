//! Which of a producer's layers its viewers get.

use crate::Output;
use crate::context::Context;
use crate::producer::Producer;
use crate::spatial::UNSEEN_MAX;

/// Layers of a producer. Its streams are spatial layers, in the order of its encodings (simulcast), or its one stream
/// carries several (SVC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    /// Spatial layer: index of the stream, or a layer within the only one.
    pub spatial_layer: u8,
    /// Highest temporal layer.
    pub temporal_layer: u8,
}

/// The layers that a viewer wants at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Spatial layer: index of the stream, or a layer within the only one.
    pub spatial_layer: u8,
    /// Highest temporal layer.
    pub temporal_layer: u8,
    /// Highest spatial layer that the producer declared.
    pub spatial_layer_max: u8,
    /// Highest temporal layer that the producer declared.
    pub temporal_layer_max: u8,
    /// Tells whether the producer declared more than one layer of any kind.
    pub has_choice: bool,
    /// No other stream will do while this one is not sent.
    pub only_this_stream: bool,
    /// Tells whether the layers lie within one stream, whose packets are told apart one by one.
    pub within_stream: bool,
}

impl Wish {
    /// All that a producer with so many streams, each with so many temporal layers, sends.
    pub fn everything(spatial_layers: u8, temporal_layers: u8) -> Self {
        Self {
            spatial_layer: spatial_layers.saturating_sub(1),
            // Layers that were not declared are sent as well.
            temporal_layer: u8::MAX,
            spatial_layer_max: spatial_layers.saturating_sub(1),
            temporal_layer_max: temporal_layers.saturating_sub(1),
            has_choice: spatial_layers > 1 || temporal_layers > 1,
            only_this_stream: false,
            within_stream: false,
        }
    }

    /// All of one stream and nothing of the others. There is nothing to choose.
    pub fn stream(index: u8) -> Self {
        Self {
            spatial_layer: index,
            spatial_layer_max: index,
            has_choice: false,
            only_this_stream: true,
            ..Self::everything(1, 1)
        }
    }

    /// The same layers, but within one stream.
    #[must_use]
    pub fn within_stream(self) -> Self {
        Self { within_stream: true, ..self }
    }

    /// Everything of a stream of audio but packets without sound ([`CodecSetup::dtx`](crate::setup::CodecSetup::dtx)).
    pub fn all_but_silence() -> Self {
        Self { temporal_layer: 0, ..Self::everything(1, 1) }
    }

    /// The stream that the wished spatial layer lies in.
    pub(crate) fn source_stream(self) -> u8 {
        if self.within_stream { 0 } else { self.spatial_layer }
    }

    /// Highest place in [`SourcePacket::sieve`](crate::source::SourcePacket::sieve) that passes without a look.
    pub(crate) fn passes(self) -> u8 {
        if self.within_stream { UNSEEN_MAX } else { self.temporal_layer }
    }

    /// The same producer, but at most these layers. A temporal layer of `None` is the highest one.
    #[must_use]
    pub fn at_most(self, spatial_layer: u8, temporal_layer: Option<u8>) -> Self {
        let temporal_layer = temporal_layer.filter(|layer| *layer < self.temporal_layer_max).unwrap_or(u8::MAX);
        Self { spatial_layer: spatial_layer.min(self.spatial_layer_max), temporal_layer, ..self }
    }

    /// The same, but at most these layers, of which the temporal one may be [`u8::MAX`] for all there are.
    pub(crate) fn lowered(self, spatial_layer: u8, temporal_layer: u8) -> Self {
        Self {
            spatial_layer: self.spatial_layer.min(spatial_layer),
            temporal_layer: self.temporal_layer.min(temporal_layer),
            ..self
        }
    }

    /// The same preference of another producer, with the layers `everything`.
    pub(crate) fn carried_over(self, everything: Self) -> Self {
        // Whoever ignores silence does so with every source.
        if self.temporal_layer == 0 && self.temporal_layer_max == 0 {
            return Self { temporal_layer: 0, ..everything };
        }
        if self.spatial_layer >= self.spatial_layer_max && self.temporal_layer == u8::MAX {
            return everything;
        }
        everything.at_most(self.spatial_layer, Some(self.temporal_layer))
    }

    /// As the application sees it.
    pub fn layers(self) -> Layers {
        Layers { spatial_layer: self.spatial_layer, temporal_layer: self.temporal_layer.min(self.temporal_layer_max) }
    }
}

impl Producer {
    /// Lets all viewers choose again: a stream came, fell silent, or came back.
    pub(crate) fn choose_layers<O: Output>(&mut self, cx: &mut Context<'_, O>) {
        if self.streams.len() > 1 {
            (0..self.consumers.len()).for_each(|position| self.choose_layers_of(position, cx));
            self.wish_key_frames_of_arrivals(cx);
        }
    }

    /// Lets the viewer at `position` go to the stream that fits its wish best among those that are sent.
    pub(crate) fn choose_layers_of<O: Output>(&mut self, position: usize, cx: &mut Context<'_, O>) {
        if let Some((stream, true)) = self.aim(position) {
            self.wish_key_frame(stream, cx);
        }
    }

    /// The viewer at `position` waits: it gets the stream that fits best, from its next key frame on.
    pub(crate) fn start_consumer<O: Output>(&mut self, position: usize, cx: &mut Context<'_, O>) {
        if let Some((stream, _)) = self.aim(position) {
            self.wish_key_frame(stream, cx);
        }
    }

    /// Sends the viewer at `position` to the stream that fits best. Tells which, and whether that asks for a key frame.
    fn aim(&mut self, position: usize) -> Option<(u8, bool)> {
        let wish = self.consumers.get(position)?.wish;
        let wanted = wish.source_stream();
        let stream = if wish.only_this_stream { wanted } else { self.best_stream(wanted) };
        Some((stream, self.consumers.get_mut(position)?.go_to(stream)))
    }

    /// The stream to send to a viewer that wants `wanted` at most: the highest one up to it that is alive, else the
    /// lowest above it that is, else the wanted one, which may come.
    pub(crate) fn best_stream(&self, wanted: u8) -> u8 {
        let last = self.streams.len().saturating_sub(1) as u8;
        let wanted = wanted.min(last);
        let is_alive = |stream: &u8| {
            let reception = self.streams.get(usize::from(*stream)).and_then(|stream| stream.reception.as_ref());
            reception.is_some_and(|reception| reception.active)
        };
        (0..=wanted).rev().find(is_alive).or_else(|| (wanted..=last).find(is_alive)).unwrap_or(wanted)
    }
}
