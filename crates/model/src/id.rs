//! Ids of the objects that an application creates. TypeScript makes them; Rust only carries and compares them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ts_rs::TS;
use uuid::Uuid;

/// Says that a text is no id: an id is a UUID (RFC 9562) in its hyphenated form of 36 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a UUID in hyphenated form, such as 67e55044-10b1-426f-9247-bb680e5fe0c8")]
pub struct MalformedId;

/// Parses the hyphenated form only: the other forms would give one object several names.
fn parse_hyphenated(text: &str) -> Result<Uuid, MalformedId> {
    if text.len() != uuid::fmt::Hyphenated::LENGTH {
        return Err(MalformedId);
    }
    Uuid::try_parse(text).map_err(|_| MalformedId)
}

macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TS)]
        #[ts(type = "string")]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that the application made.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID itself.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.as_hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                parse_hyphenated(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(IdVisitor).map(Self)
            }
        }
    )+};
}

ids! {
    /// Id of a WebRtcServer, unique within a process.
    WebRtcServerId,
    /// Id of a Router, unique within a process.
    RouterId,
    /// Id of a Transport, unique within a process.
    TransportId,
    /// Id of a Producer, unique within a Router.
    ProducerId,
    /// Id of a Consumer, unique within a Router.
    ConsumerId,
    /// Id of an RtpObserver, unique within a process.
    RtpObserverId,
    /// Id of a DataProducer, unique within a Router.
    DataProducerId,
    /// Id of a DataConsumer, unique within a Router.
    DataConsumerId,
    /// Id of an AudioMixer, unique within a process.
    AudioMixerId,
    /// Id of an input of an AudioMixer, unique within a process.
    AudioMixerInputId,
    /// Id of an output of an AudioMixer, unique within a process.
    AudioMixerOutputId,
    /// Id of a VideoMixer, unique within a process.
    VideoMixerId,
    /// Id of an input of a VideoMixer, unique within a process.
    VideoMixerInputId,
    /// Id of an output of a VideoMixer, unique within a process.
    VideoMixerOutputId,
}

/// Reads an id from a string without keeping the string.
struct IdVisitor;

impl de::Visitor<'_> for IdVisitor {
    type Value = Uuid;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a UUID string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Uuid, E> {
        parse_hyphenated(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    #[test]
    fn an_id_reads_and_writes_as_the_same_string() {
        let id: ProducerId = serde_json::from_str(&format!("\"{TEXT}\"")).unwrap();
        assert_eq!(id.to_string(), TEXT);
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{TEXT}\""));
        assert_eq!(format!("{id:?}"), format!("ProducerId({TEXT})"));
    }

    #[test]
    fn other_forms_of_a_uuid_are_no_ids() {
        for text in ["", "x", "67e5504410b1426f9247bb680e5fe0c8", "{67e55044-10b1-426f-9247-bb680e5fe0c8}"] {
            assert_eq!(text.parse::<RouterId>(), Err(MalformedId), "{text}");
        }
        assert!(serde_json::from_str::<TransportId>("7").is_err());
        assert!(serde_json::from_str::<TransportId>("\"67e55044-10b1-426f-9247-bb680e5fe0cé\"").is_err());
    }
}
