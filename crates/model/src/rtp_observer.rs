//! RTP observers: options of those that watch audio.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::ModelError;
use crate::id::ProducerId;

/// Shortest interval of an AudioLevelObserver in ms. A shorter one is lengthened to it, as in mediasoup.
pub const LEVEL_INTERVAL_MS_MIN: u32 = 250;

/// Shortest interval of an ActiveSpeakerObserver in ms. A shorter one is lengthened to it.
pub const SPEAKER_INTERVAL_MS_MIN: u32 = 100;

/// Longest interval of an observer in ms. A longer one is shortened to it, as in mediasoup.
pub const OBSERVER_INTERVAL_MS_MAX: u32 = 5000;

/// Interval of an AudioLevelObserver in ms unless it is given.
const LEVEL_INTERVAL_MS_DEFAULT: u32 = 1000;

/// Interval of an ActiveSpeakerObserver in ms unless it is given.
const SPEAKER_INTERVAL_MS_DEFAULT: u32 = 300;

/// Threshold of an AudioLevelObserver in dBov unless it is given.
const THRESHOLD_DBOV_DEFAULT: i32 = -80;

/// Options of `router.createAudioLevelObserver()`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct AudioLevelObserverOptions {
    /// Most entries of a `volumes` event, 1 or more. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_entries: Option<u16>,
    /// Average volume of an entry at least, in dBov, −127 to 0. Default: −80.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<i32>,
    /// Time between two looks in ms, 250 to 5000. Default: 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u32>,
}

/// Options of an AudioLevelObserver, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevelObserverSettings {
    /// Most entries of an event.
    pub entries_max: usize,
    /// Average volume of an entry at least, in dBov.
    pub threshold_dbov: i8,
    /// Time between two looks.
    pub interval: Duration,
}

impl AudioLevelObserverOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] when there are to be no entries, or the threshold is no level.
    pub fn into_checked(self) -> Result<AudioLevelObserverSettings, ModelError> {
        let entries = self.max_entries.unwrap_or(1);
        if entries == 0 {
            return Err(ModelError::invalid("maxEntries", "is 0; give 1 or more"));
        }
        let threshold = self.threshold.unwrap_or(THRESHOLD_DBOV_DEFAULT);
        let threshold_dbov = i8::try_from(threshold).ok().filter(|level| (-127..=0).contains(level));
        let threshold_dbov = threshold_dbov
            .ok_or_else(|| ModelError::invalid("threshold", format!("{threshold} is not between -127 and 0 dBov")))?;
        let interval = interval(self.interval.unwrap_or(LEVEL_INTERVAL_MS_DEFAULT), LEVEL_INTERVAL_MS_MIN);
        Ok(AudioLevelObserverSettings { entries_max: entries.into(), threshold_dbov, interval })
    }
}

/// Options of `router.createActiveSpeakerObserver()`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct ActiveSpeakerObserverOptions {
    /// Time between two looks in ms, 100 to 5000. Default: 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u32>,
}

impl ActiveSpeakerObserverOptions {
    /// The time between two looks.
    pub fn checked_interval(&self) -> Duration {
        interval(self.interval.unwrap_or(SPEAKER_INTERVAL_MS_DEFAULT), SPEAKER_INTERVAL_MS_MIN)
    }
}

/// Producers of one selector at most. More are refused: nobody follows more than a few voices.
pub const SELECTED_MAX: usize = 16;

/// The ids of a selector's producers, if there are 1 to [`SELECTED_MAX`].
///
/// # Errors
/// [`ModelError::Invalid`] when there are none or more.
pub fn checked_places(ids: Vec<ProducerId>) -> Result<Vec<ProducerId>, ModelError> {
    if (1..=SELECTED_MAX).contains(&ids.len()) {
        return Ok(ids);
    }
    Err(ModelError::invalid("k", format!("is {}; give 1 to {SELECTED_MAX}", ids.len())))
}

fn interval(wanted_ms: u32, shortest_ms: u32) -> Duration {
    Duration::from_millis(wanted_ms.clamp(shortest_ms, OBSERVER_INTERVAL_MS_MAX).into())
}

/// Kind of an RTP observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum RtpObserverType {
    /// Tells who is loud.
    AudioLevel,
    /// Tells who is the dominant speaker.
    ActiveSpeaker,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn levels(json: &str) -> Result<AudioLevelObserverSettings, ModelError> {
        parse::<AudioLevelObserverOptions>(json)?.into_checked()
    }

    #[test]
    fn defaults_are_those_of_mediasoup() {
        let settings = levels("{}").unwrap();
        assert_eq!((settings.entries_max, settings.threshold_dbov), (1, -80));
        assert_eq!(settings.interval, Duration::from_secs(1));
        let speaker = parse::<ActiveSpeakerObserverOptions>("{}").unwrap();
        assert_eq!(speaker.checked_interval(), Duration::from_millis(300));
    }

    #[test]
    fn intervals_are_brought_into_their_range() {
        assert_eq!(levels(r#"{"interval":1}"#).unwrap().interval, Duration::from_millis(250));
        assert_eq!(levels(r#"{"interval":4000000}"#).unwrap().interval, Duration::from_secs(5));
        let speaker = parse::<ActiveSpeakerObserverOptions>(r#"{"interval":0}"#).unwrap();
        assert_eq!(speaker.checked_interval(), Duration::from_millis(100));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_name() {
        for (json, path) in [
            (r#"{"maxEntries":0}"#, "maxEntries"),
            (r#"{"maxEntries":-1}"#, "maxEntries"),
            (r#"{"threshold":1}"#, "threshold"),
            (r#"{"threshold":-128}"#, "threshold"),
            (r#"{"interval":"x"}"#, "interval"),
        ] {
            assert!(levels(json).unwrap_err().to_string().starts_with(path), "{json}");
        }
    }
}
