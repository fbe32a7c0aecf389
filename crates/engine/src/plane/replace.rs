//! A consumer goes to another producer.

use std::time::Instant;

use millrace_model::{ModelError, ProducerId};
use millrace_router::{ProducerIndex, ReplaceError, Replacement};
use serde_json::Value;

use super::Plane;
use super::streams::ConsumerAt;
use crate::error::RequestError;
use crate::setup;

impl Plane {
    pub(super) fn replace_producer(
        &mut self,
        at: ConsumerAt,
        id: ProducerId,
        now: Instant,
    ) -> Result<Value, RequestError> {
        let (router, index) = at;
        let producer = self.producer_of_router(router, id)?;
        let replacement = self.replacement(at, producer)?;
        let done =
            self.with_router(router, now, |core, fanout| core.replace_producer(index, &replacement, now, fanout));
        done.unwrap_or(Err(ReplaceError::Unknown)).map_err(replace_error)?;
        self.change_consumer(at, |consumer| consumer.producer = id);
        Ok(self.consumer_reply(at, producer))
    }

    /// How the consumer gets what `producer` sends, by what was negotiated for it.
    fn replacement(&self, (router, index): ConsumerAt, producer: ProducerIndex) -> Result<Replacement, RequestError> {
        let entry = &self.routers[router];
        let (Some(source), Some(consumer)) = (entry.producer(producer), entry.consumer(index)) else {
            return Err(replace_error(ReplaceError::Unknown));
        };
        if consumer.all_streams {
            let reason = "a consumer of all streams keeps its producer; consume the other one anew";
            return Err(ModelError::unsupported("producerId", reason).into());
        }
        if source.kind != consumer.kind {
            return Err(ModelError::unsupported("producerId", ReplaceError::OtherKind.to_string()).into());
        }
        let payload_types = setup::payload_types(&source.parameters, &consumer.parameters, |payload_type| {
            consumer.payload_type(source.mapping.mapped_payload_type(payload_type)?)
        });
        let sent = source.parameters.media_codec();
        let is_taken = sent.is_some_and(|sent| payload_types.iter().any(|types| types.producer == sent.payload_type));
        if !is_taken {
            let codec = sent.map_or("nothing", |sent| &sent.mime_type);
            let reason = format!("the producer sends {codec}, which this consumer has not negotiated; consume it anew");
            return Err(ModelError::unsupported("producerId", reason).into());
        }
        Ok(Replacement { producer, payload_types, everything: setup::wish(&source.parameters, source.encrypted, None) })
    }
}

fn replace_error(error: ReplaceError) -> RequestError {
    RequestError::InvalidState(error.to_string())
}
