//! Router: options and dump.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::id::{RouterId, RtpObserverId, TransportId};
use crate::parse::null_as_default;
use crate::rtp::RtpCodecCapability;
use crate::transport::NameEntryDump;

/// Options of `worker.createRouter()` and argument of `router.updateMediaCodecs()`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct RouterOptions {
    /// Codecs that producers may use, in order of preference. Default: none.
    #[serde(default, deserialize_with = "null_as_default")]
    #[ts(type = "RouterRtpCodecCapability[]", optional)]
    pub media_codecs: Vec<RtpCodecCapability>,
}

/// The insides of a router, for debugging.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RouterDump {
    /// Id.
    pub id: RouterId,
    /// Its transports.
    pub transport_ids: Vec<TransportId>,
    /// Its RTP observers.
    pub rtp_observer_ids: Vec<RtpObserverId>,
    /// Consumers of each producer.
    pub map_producer_id_consumer_ids: Vec<NameEntriesDump>,
    /// Producer of each consumer.
    pub map_consumer_id_producer_id: Vec<NameEntryDump>,
    /// RTP observers of each producer.
    pub map_producer_id_observer_ids: Vec<NameEntriesDump>,
    /// Data consumers of each data producer.
    pub map_data_producer_id_data_consumer_ids: Vec<NameEntriesDump>,
    /// Data producer of each data consumer.
    pub map_data_consumer_id_data_producer_id: Vec<NameEntryDump>,
}

/// An entry of a dumped map from object id to several object ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct NameEntriesDump {
    /// Object id.
    pub key: String,
    /// Object ids.
    pub values: Vec<String>,
}
