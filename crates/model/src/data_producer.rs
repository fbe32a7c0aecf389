//! Data producer: options, dump, statistics.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::{ModelError, Within};
use crate::id::DataProducerId;
use crate::sctp::SctpStreamParameters;

/// Bytes of a label or protocol; as much as opening a channel in-band can carry (RFC 8832 §5.1). Longer ones are refused.
pub const LABEL_BYTES_MAX: usize = 65_535;

/// How messages reach or leave the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum DataProducerType {
    /// Over SCTP.
    #[default]
    Sctp,
    /// From and to the application.
    Direct,
}

/// Options of `transport.produceData()`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct DataProducerOptions {
    /// The stream on which the peer sends. Required but on direct transports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sctp_stream_parameters: Option<SctpStreamParameters>,
    /// Name of the channel, at most 65535 bytes. Default: empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Subprotocol of the channel, at most 65535 bytes. Default: empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Whether it starts paused. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

/// Options of a data producer, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataProducerSettings {
    /// The stream, with `ordered` written out; `None` for messages of the application.
    pub sctp_stream_parameters: Option<SctpStreamParameters>,
    /// Name of the channel.
    pub label: String,
    /// Subprotocol of the channel.
    pub protocol: String,
    /// Whether it starts paused.
    pub paused: bool,
}

impl DataProducerOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] that names the option.
    pub fn into_checked(self) -> Result<DataProducerSettings, ModelError> {
        let stream = self.sctp_stream_parameters.as_ref().map(SctpStreamParameters::to_checked);
        Ok(DataProducerSettings {
            sctp_stream_parameters: stream.transpose().within("sctpStreamParameters")?,
            label: checked_label("label", self.label)?,
            protocol: checked_label("protocol", self.protocol)?,
            paused: self.paused.unwrap_or_default(),
        })
    }
}

fn checked_label(name: &str, label: Option<String>) -> Result<String, ModelError> {
    let label = label.unwrap_or_default();
    if label.len() > LABEL_BYTES_MAX {
        return Err(ModelError::invalid(name, format!("has {} bytes, at most {LABEL_BYTES_MAX}", label.len())));
    }
    Ok(label)
}

/// The insides of a data producer, for debugging.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct DataProducerDump {
    /// Id.
    pub id: DataProducerId,
    /// Whether it is paused.
    pub paused: bool,
    /// How messages reach it.
    #[serde(rename = "type")]
    pub data_producer_type: DataProducerType,
    /// The stream on which the peer sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sctp_stream_parameters: Option<SctpStreamParameters>,
    /// Name of the channel.
    pub label: String,
    /// Subprotocol of the channel.
    pub protocol: String,
}

/// Statistics of a data producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DataProducerStat {
    /// `data-producer`.
    #[serde(rename = "type")]
    pub stats_type: String,
    /// When the numbers were read, in ms of the worker's clock.
    pub timestamp: u64,
    /// Name of the channel.
    pub label: String,
    /// Subprotocol of the channel.
    pub protocol: String,
    /// Messages that came.
    pub messages_received: u64,
    /// Bytes of these messages.
    pub bytes_received: u64,
}
