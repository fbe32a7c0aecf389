//! Selectors: producers that always carry the loudest of a router's audio.

use std::time::Duration;

use millrace_model::{
    MediaKind, ModelError, ProducerId, RtcpParameters, RtpCapabilities, RtpCodecCapability, RtpCodecParameters,
    RtpEncodingParameters, RtpHeaderExtensionParameters, RtpObserverId, RtpParameters, ortc, uri,
};
use millrace_router::setup::{PayloadTypes, SessionSetup};
use millrace_router::{ObserverSetup, ProducerIndex, SessionId};
use serde_json::{Value, json};

use super::Plane;
use super::observers::observe_error;
use super::routers::{NO_TRANSPORT, SelectorEntry, place};
use super::streams::Publishing;
use crate::error::RequestError;
use crate::setup;

impl Plane {
    /// Makes a selector with a producer of its own for each of `places`.
    pub(super) fn create_selector(
        &mut self,
        router: usize,
        id: RtpObserverId,
        places: &[ProducerId],
    ) -> Result<Value, RequestError> {
        if self.observer_ids.contains_key(&id) {
            return Err(RequestError::duplicate("RtpObserver", id));
        }
        let session = self.open_inner_session(router);
        self.fill_selector(router, id, session, places).inspect_err(|_| self.close_session(router, session))
    }

    fn fill_selector(
        &mut self,
        router: usize,
        id: RtpObserverId,
        session: SessionId,
        places: &[ProducerId],
    ) -> Result<Value, RequestError> {
        let carried = place_parameters(&self.routers[router].capabilities, self.random.cname())?;
        let mut replies = Vec::new();
        for id in places {
            let ssrc = Some(ortc::ssrc_from_random(self.random.u32()));
            let encodings = vec![RtpEncodingParameters { ssrc, ..RtpEncodingParameters::default() }];
            let parameters = RtpParameters { encodings, ..carried.clone() };
            replies.push(self.publish(
                router,
                Publishing {
                    id: *id,
                    transport: NO_TRANSPORT,
                    session,
                    kind: MediaKind::Audio,
                    parameters,
                    paused: false,
                    key_frame_request_delay: Duration::ZERO,
                    encrypted: false,
                },
            )?);
        }
        let producers = places.iter().filter_map(|id| Some(self.producer_ids.get(id)?.1)).collect();
        let entry = &mut self.routers[router];
        let index = entry.core.add_observer(ObserverSetup::selector(producers)).map_err(observe_error)?;
        place(&mut entry.observers, index.0, id);
        entry.selectors.insert(index, SelectorEntry { session, parameters: carried });
        self.observer_ids.insert(id, (router, index));
        Ok(json!({ "producers": replies }))
    }

    /// A session that no peer is behind: what is sent to it goes nowhere.
    fn open_inner_session(&mut self, router: usize) -> SessionId {
        let setup = SessionSetup { ssrc: self.random.u32(), cname: self.random.cname() };
        let entry = &mut self.routers[router];
        let session = entry.core.add_session(setup);
        // The number may have been another's.
        if let Some(transport) = entry.sessions.get_mut(session.0 as usize) {
            *transport = NO_TRANSPORT;
        }
        session
    }

    /// What the payload types of `producer` are called in the places of `selector`.
    pub(super) fn carried_payload_types(
        &self,
        router: usize,
        selector: &SelectorEntry,
        producer: ProducerIndex,
    ) -> Result<Vec<PayloadTypes>, RequestError> {
        let entry = &self.routers[router];
        let refuse = |reason: &str| RequestError::from(ModelError::unsupported("producerId", reason));
        let Some(source) = entry.producer(producer) else { return Err(refuse("the producer is closed")) };
        if source.kind != MediaKind::Audio {
            return Err(refuse("only audio has loudness; give an audio producer"));
        }
        if source.transport == NO_TRANSPORT {
            return Err(refuse("a selector's own producer cannot be selected again"));
        }
        let types = setup::payload_types(&source.parameters, &selector.parameters, |payload_type| {
            source.mapping.mapped_payload_type(payload_type)
        });
        let sent = source.parameters.media_codec().map(|codec| codec.payload_type);
        if !types.iter().any(|types| Some(types.producer) == sent) {
            return Err(refuse("the producer's codec is not one that the selector's producers carry"));
        }
        Ok(types)
    }
}

/// What a place sends, but for its SSRC: any audio codec of the router, in the router's numbers.
fn place_parameters(capabilities: &RtpCapabilities, cname: String) -> Result<RtpParameters, ModelError> {
    let codecs: Vec<_> = capabilities.codecs.iter().filter_map(carried).collect();
    if codecs.is_empty() {
        return Err(ModelError::unsupported("mediaCodecs", "the router has no audio codec; create it with one"));
    }
    let extensions = capabilities.header_extensions.iter().filter(|extension| {
        let is_carried = [uri::AUDIO_LEVEL, uri::ABS_CAPTURE_TIME].contains(&extension.uri.as_str());
        is_carried && extension.kind == MediaKind::Audio
    });
    Ok(RtpParameters {
        codecs,
        header_extensions: extensions
            .map(|extension| RtpHeaderExtensionParameters {
                uri: extension.uri.clone(),
                id: extension.preferred_id,
                encrypt: false,
                parameters: Default::default(),
            })
            .collect(),
        rtcp: RtcpParameters { cname: Some(cname), ..RtcpParameters::default() },
        ..RtpParameters::default()
    })
}

/// A codec as a place has it. Tones and comfort noise go along with others and are no speech.
fn carried(codec: &RtpCodecCapability) -> Option<RtpCodecParameters> {
    let is_speech = !["audio/cn", "audio/telephone-event"].contains(&codec.mime_type.to_ascii_lowercase().as_str());
    let payload_type = codec.preferred_payload_type.filter(|_| codec.kind == MediaKind::Audio && is_speech)?;
    Some(RtpCodecParameters {
        mime_type: codec.mime_type.clone(),
        payload_type,
        clock_rate: codec.clock_rate,
        channels: codec.channels,
        parameters: codec.parameters.clone(),
        rtcp_feedback: Vec::new(),
    })
}
