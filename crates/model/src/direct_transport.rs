//! DirectTransport: options, dump and statistics.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::ModelError;
use crate::sctp::message_size;
use crate::transport::{BaseTransportDump, BaseTransportStats};

/// Options of `router.createDirectTransport()`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct DirectTransportOptions {
    /// Longest message that DataConsumers hand out, in bytes, 1–524288. Default: 262144.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_send_message_size: Option<u32>,
    /// Longest message that DataProducers take, in bytes, 1–524288. Default: 262144.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_receive_message_size: Option<u32>,
}

/// Options of a DirectTransport, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectTransportSettings {
    /// Longest message that DataConsumers hand out, in bytes.
    pub max_send_message_size: u32,
    /// Longest message that DataProducers take, in bytes.
    pub max_receive_message_size: u32,
}

impl DirectTransportOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] that names the option.
    pub fn into_checked(self) -> Result<DirectTransportSettings, ModelError> {
        Ok(DirectTransportSettings {
            max_send_message_size: message_size("maxSendMessageSize", self.max_send_message_size)?,
            max_receive_message_size: message_size("maxReceiveMessageSize", self.max_receive_message_size)?,
        })
    }
}

/// The insides of a DirectTransport, for debugging.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DirectTransportDump {
    /// What every transport has.
    #[serde(flatten)]
    pub base: BaseTransportDump,
}

/// Statistics of a DirectTransport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DirectTransportStat {
    /// `direct-transport`.
    #[serde(rename = "type")]
    pub stats_type: String,
    /// What every transport counts.
    #[serde(flatten)]
    pub base: BaseTransportStats,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_mediasoup() {
        let settings = crate::parse::<DirectTransportOptions>("{}").unwrap().into_checked().unwrap();
        assert_eq!((settings.max_send_message_size, settings.max_receive_message_size), (262_144, 262_144));
    }

    #[test]
    fn p03_a_size_that_is_no_number_is_a_type_error_that_names_the_option() {
        for wrong in [r#""1""#, "-1", "1.5", "4294967296"] {
            let json = format!(r#"{{"maxReceiveMessageSize":{wrong}}}"#);
            let error = crate::parse::<DirectTransportOptions>(&json).unwrap_err();
            assert!(matches!(error, ModelError::Invalid { path, .. } if path == "maxReceiveMessageSize"), "{wrong}");
        }
    }
}
