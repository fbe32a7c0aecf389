//! Data consumer: options, dump, statistics.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::data_producer::DataProducerType;
use crate::error::{ModelError, Within};
use crate::id::{DataConsumerId, DataProducerId};
use crate::sctp::{SCTP_STREAMS_MAX, SctpStreamParameters};

/// Subchannels that a data consumer may subscribe to, and that a message may be for. More are refused.
pub const SUBCHANNELS_MAX: usize = 256;

/// Options of `transport.consumeData()`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct DataConsumerOptions {
    /// The data producer to consume.
    pub data_producer_id: DataProducerId,
    /// Whether messages arrive in order. Default: as the data producer's, true for one of the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<bool>,
    /// Milliseconds after which a message is given up, 1–65535. Default: as the data producer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_packet_life_time: Option<u16>,
    /// Retransmissions after which a message is given up, 0–65535. Default: as the data producer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retransmits: Option<u16>,
    /// Whether it starts paused. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Subchannels to subscribe to, at most 256. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subchannels: Option<Vec<u16>>,
    /// The stream to send on, 0–1023, such as that of a channel which the peer opened. Default: a free one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<u16>,
}

/// Options of a data consumer, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataConsumerSettings {
    /// The data producer to consume.
    pub data_producer_id: DataProducerId,
    /// What the application says of order and limits, on stream 0; `None` follows the data producer.
    pub reliability: Option<SctpStreamParameters>,
    /// Whether it starts paused.
    pub paused: bool,
    /// Subchannels that it subscribes to.
    pub subchannels: BTreeSet<u16>,
    /// The stream to send on; `None` for a free one.
    pub stream_id: Option<u16>,
}

impl DataConsumerOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] or [`ModelError::Limit`] that names the option.
    pub fn into_checked(self) -> Result<DataConsumerSettings, ModelError> {
        // As in mediasoup, who asks for order gets it, whatever else is asked for.
        let limit = |limit: Option<u16>| limit.filter(|_| self.ordered != Some(true));
        let says = SctpStreamParameters {
            stream_id: 0,
            ordered: self.ordered,
            max_packet_life_time: limit(self.max_packet_life_time),
            max_retransmits: limit(self.max_retransmits),
        };
        let reliability = (says != SctpStreamParameters::default()).then(|| says.to_checked()).transpose()?;
        if self.stream_id.is_some_and(|stream| stream >= SCTP_STREAMS_MAX) {
            return Err(ModelError::invalid("streamId", format!("is not within 0–{}", SCTP_STREAMS_MAX - 1)));
        }
        Ok(DataConsumerSettings {
            data_producer_id: self.data_producer_id,
            reliability,
            paused: self.paused.unwrap_or_default(),
            subchannels: checked_subchannels(self.subchannels.unwrap_or_default()).within("subchannels")?,
            stream_id: self.stream_id,
        })
    }
}

/// Subchannels without repetitions.
///
/// # Errors
/// [`ModelError::Limit`] above [`SUBCHANNELS_MAX`].
pub fn checked_subchannels(subchannels: Vec<u16>) -> Result<BTreeSet<u16>, ModelError> {
    let set: BTreeSet<u16> = subchannels.into_iter().collect();
    if set.len() > SUBCHANNELS_MAX {
        return Err(ModelError::limit("", format!("{} subchannels, at most {SUBCHANNELS_MAX}", set.len())));
    }
    Ok(set)
}

/// The insides of a data consumer, for debugging.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct DataConsumerDump {
    /// Id.
    pub id: DataConsumerId,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether its data producer is paused.
    pub data_producer_paused: bool,
    /// Subchannels that it subscribes to, ascending.
    pub subchannels: Vec<u16>,
    /// Its data producer.
    pub data_producer_id: DataProducerId,
    /// How messages leave the worker.
    #[serde(rename = "type")]
    pub data_consumer_type: DataProducerType,
    /// The stream on which it sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sctp_stream_parameters: Option<SctpStreamParameters>,
    /// Name of the channel.
    pub label: String,
    /// Subprotocol of the channel.
    pub protocol: String,
    /// Bytes that the peer has not acknowledged yet.
    pub buffered_amount: u32,
    /// At which amount `bufferedamountlow` is emitted.
    pub buffered_amount_low_threshold: u32,
}

/// Statistics of a data consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DataConsumerStat {
    /// `data-consumer`.
    #[serde(rename = "type")]
    pub stats_type: String,
    /// When the numbers were read, in ms of the worker's clock.
    pub timestamp: u64,
    /// Name of the channel.
    pub label: String,
    /// Subprotocol of the channel.
    pub protocol: String,
    /// Messages that were sent.
    pub messages_sent: u64,
    /// Bytes of these messages.
    pub bytes_sent: u64,
    /// Bytes that the peer has not acknowledged yet.
    pub buffered_amount: u32,
}
