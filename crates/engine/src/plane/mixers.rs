//! What mixers of sound and of pictures have of the plane: a thread, taps on producers, producers of their own.

use std::sync::Arc;
use std::time::Instant;

use millrace_model::{
    ErrorClass, MediaKind, MixerIsolation, ModelError, ProducerId, ProducerOptions, RouterId, RtcpFeedback,
    RtpCodecParameters, RtpEncodingParameters, RtpParameters, ortc, parse,
};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::Plane;
use super::taps::Attaching;
use crate::error::RequestError;
use crate::message::ErrorBody;
use crate::mixer::audio::PcmQueue;
use crate::mixer::video::PictureQueue;
use crate::mixer::{Ends, Mixer, MixerSetup, Refused, RtpEntrance, RtpExit, RtpStream};
use crate::random::Random;
use crate::tap::{End, Feed, FeedEnd, Source, Tap, TapOptions, Wanted};

/// Mixers of one worker with a process of their own at most, each of some 50 MB and more. One more is refused.
pub(super) const MIXER_PROCESSES_MAX: usize = 64;

/// What a mixer with a process of its own runs there: a path and arguments.
#[derive(Deserialize)]
struct Isolated {
    program: Vec<String>,
}

/// Where an output publishes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Published {
    pub(super) router_id: RouterId,
    producer_id: ProducerId,
}

/// Who takes what the application writes under a number.
pub(super) enum Written {
    Sound(Arc<PcmQueue>),
    Pictures(Arc<PictureQueue>),
}

/// What a mixer takes of a producer.
pub(super) struct Taken<T> {
    pub(super) kind: MediaKind,
    /// The format and payload type of a stream, if it can be decoded.
    pub(super) read: fn(&RtpParameters) -> Option<(T, u8)>,
    /// What is said when it cannot.
    pub(super) reason: &'static str,
}

/// What a mixer gives a producer.
pub(super) struct Made {
    pub(super) kind: MediaKind,
    pub(super) codec: RtpCodecParameters,
    /// How many encodings there are.
    pub(super) encodings: usize,
}

impl Plane {
    /// What a mixer that is to be made runs in a process of its own, if it is to have one.
    pub(super) fn mixer_program(
        &self,
        isolation: Option<MixerIsolation>,
        text: &str,
    ) -> Result<Option<Vec<String>>, RequestError> {
        let program = match isolation.unwrap_or_default() {
            MixerIsolation::Thread => return Ok(None),
            MixerIsolation::Process => parse::<Isolated>(text)?.program,
        };
        let of_sound = self.audio_mixers.values().filter(|entry| entry.is_isolated()).count();
        let of_pictures = self.video_mixers.values().filter(|entry| entry.is_isolated()).count();
        if of_sound + of_pictures >= MIXER_PROCESSES_MAX {
            return Err(RequestError::Limit(format!(
                "a worker has at most {MIXER_PROCESSES_MAX} mixers with processes"
            )));
        }
        Ok(Some(program))
    }

    pub(super) fn open_mixer<E: Ends>(&self, id: Uuid, options: E::Options) -> Result<Arc<Mixer<E>>, RequestError> {
        let setup = MixerSetup { id, options, outbox: Arc::clone(&self.outbox), worker: self.handle.clone() };
        Mixer::open(setup).map_err(|refused| match refused {
            Refused::Stuck => RequestError::Limit(refused.to_string()),
            Refused::System(error) => RequestError::System { doing: "starting a thread for a mixer", error },
        })
    }

    /// Takes what the application writes for a mixer. Its input may have been closed since.
    pub(super) fn take_in_written(&mut self, number: u32, record: &[u8]) {
        match self.written.get(&number) {
            Some(Written::Sound(queue)) => queue.write(record),
            Some(Written::Pictures(queue)) => queue.write(record),
            None => self.counters.application_packets_refused += 1,
        }
    }

    /// A tap on a producer of any router of this worker, and its format.
    pub(super) fn mixer_entrance<E: Ends, T>(
        &mut self,
        mixer: &Arc<Mixer<E>>,
        producer: ProducerId,
        taken: Taken<T>,
        now: Instant,
    ) -> Result<(RtpEntrance, T), RequestError> {
        let Taken { kind, read, reason } = taken;
        let (router, index) = self.producer_at(producer)?;
        let refuse = |reason: &str| RequestError::from(ModelError::unsupported("producerId", reason));
        let entry = &self.routers[router];
        let Some(source) = entry.producer(index) else { return Err(RequestError::not_found("Producer", producer)) };
        if source.kind != kind {
            return Err(refuse(match kind {
                MediaKind::Audio => "only audio can be mixed here; give an audio producer",
                MediaKind::Video => "only video can be mixed here; give a video producer",
            }));
        }
        if source.encrypted {
            return Err(encrypted(producer));
        }
        if read(&source.consumable).is_none() {
            return Err(refuse(reason));
        }
        // Pictures that nobody sees are not sent; the mixer says when somebody does.
        let paused = kind == MediaKind::Video;
        let options = TapOptions { router: entry.id, producer, preferred_layers: None, paused };
        let (feed, object) = (feed(mixer), self.random.uuid());
        let (router, wanted) = (options.router, Wanted::Tap(options));
        let attaching = Attaching { router, wanted, object, is_shown: false, feed: FeedEnd::new(&feed) };
        let opened = self.attach_end(attaching, now).0?;
        let tap = Tap::of(End { worker: self.handle.clone(), feed, opened });
        let (format, payload_type) = read(tap.rtp_parameters()).ok_or_else(|| refuse(reason))?;
        Ok((RtpEntrance::new(tap, payload_type), format))
    }

    /// A producer in a router, and the reply that it has.
    pub(super) fn mixer_exit<E: Ends>(
        &mut self,
        mixer: &Arc<Mixer<E>>,
        published: &Published,
        made: Made,
        now: Instant,
    ) -> Result<(RtpExit, Value), RequestError> {
        let Published { router_id: router, producer_id } = *published;
        let Made { kind, codec, encodings } = made;
        let (payload_type, clock_rate) = (codec.payload_type, codec.clock_rate);
        let timestamp = self.random.u32();
        let stream = |random: &mut Random| {
            let (ssrc, sequence) = (ortc::ssrc_from_random(random.u32()), random.u16());
            RtpStream { ssrc, payload_type, clock_rate, sequence, timestamp }
        };
        let streams: Vec<_> = (0..encodings).map(|_| stream(&mut self.random)).collect();
        let encoding = |stream: &RtpStream| RtpEncodingParameters { ssrc: Some(stream.ssrc), ..Default::default() };
        let encodings = streams.iter().map(encoding).collect();
        let rtp_parameters = RtpParameters { codecs: vec![codec], encodings, ..RtpParameters::default() };
        let options = ProducerOptions {
            kind,
            rtp_parameters,
            paused: None,
            key_frame_request_delay: None,
            enable_mediasoup_packet_id_header_extension: None,
            encrypted: None,
        };
        let (feed, wanted) = (feed(mixer), Wanted::Source(Box::new(options)));
        let object = producer_id.uuid();
        let attaching = Attaching { router, wanted, object, is_shown: true, feed: FeedEnd::new(&feed) };
        let (opened, reply) = self.attach_end(attaching, now);
        let source = Source::of(End { worker: self.handle.clone(), feed, opened: opened? });
        Ok((RtpExit::new(source, streams, self.clock, now), reply))
    }

    /// A codec as a router numbers it.
    pub(super) fn mixer_codec(&self, router: RouterId, mime_type: &str) -> Result<RtpCodecParameters, RequestError> {
        let known = self.routers[self.router_index(router)?].capabilities.codecs.iter();
        let mut known = known.filter(|codec| codec.mime_type.eq_ignore_ascii_case(mime_type));
        let found = known.find_map(|codec| Some((codec, codec.preferred_payload_type?)));
        let Some((codec, payload_type)) = found else {
            let reason = format!("the router has no {mime_type}; give it in its mediaCodecs, or choose another codec");
            return Err(ModelError::unsupported("codec", reason).into());
        };
        Ok(RtpCodecParameters {
            mime_type: codec.mime_type.clone(),
            payload_type,
            clock_rate: codec.clock_rate,
            channels: codec.channels,
            parameters: codec.parameters.clone(),
            // What a mixer does when it is asked; it keeps nothing to send again.
            rtcp_feedback: codec.rtcp_feedback.iter().filter(|asked| asks_for_key_frame(asked)).cloned().collect(),
        })
    }
}

/// Tells whether it is picture loss (RFC 4585 §6.3.1) or a full intra request (RFC 5104 §4.3.1).
fn asks_for_key_frame(feedback: &RtcpFeedback) -> bool {
    feedback.is("nack", "pli") || feedback.is("ccm", "fir")
}

/// A feed that rings a mixer. It does not keep the mixer: that owns the feed.
fn feed<E: Ends>(mixer: &Arc<Mixer<E>>) -> Arc<Feed> {
    let mixer = Arc::downgrade(mixer);
    Feed::new(move || {
        if let Some(mixer) = mixer.upgrade() {
            mixer.ring();
        }
    })
}

fn encrypted(producer: ProducerId) -> RequestError {
    RequestError::Refused(ErrorBody {
        class: ErrorClass::UnsupportedError,
        code: "ERR_ENCRYPTED",
        message: format!("producerId: the payloads of {producer} are encrypted from end to end and cannot be mixed"),
    })
}

/// What a test makes the next tick of a mixer do.
#[cfg(debug_assertions)]
pub(super) fn fault(text: &str) -> Result<crate::mixer::Fault, RequestError> {
    Ok(crate::mixer::Fault::new(parse::<Value>(text)?["hang"].as_u64()))
}
