//! Values of `a=fmtp` parameters and of header-extension parameters.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ts_rs::TS;

/// Integers up to here are exact in JavaScript.
const INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// One value of a codec or header-extension parameter: a string or a number, as in SDP; nothing else can be signalled.
#[derive(Clone, Debug, PartialEq, TS)]
#[ts(type = "string | number")]
pub enum ParameterValue {
    /// A token or text.
    Text(String),
    /// A finite number.
    Number(f64),
}

impl ParameterValue {
    /// The value as a non-negative whole number, also where it is written as text: SDP knows only text.
    pub fn as_u32(&self) -> Option<u32> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Number(number) => whole(*number).and_then(|whole| u32::try_from(whole).ok()),
        }
    }

    /// The value as text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) => None,
        }
    }
}

impl From<u32> for ParameterValue {
    fn from(number: u32) -> Self {
        Self::Number(f64::from(number))
    }
}

impl From<&str> for ParameterValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Serialize for ParameterValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => match whole(*number) {
                Some(whole) => serializer.serialize_i64(whole),
                None => serializer.serialize_f64(*number),
            },
        }
    }
}

impl<'de> Deserialize<'de> for ParameterValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// `number` as an integer, when nothing is lost by that.
fn whole(number: f64) -> Option<i64> {
    // The guard makes the cast exact.
    (number.fract() == 0.0 && number.abs() <= INTEGER_MAX).then_some(number as i64)
}

/// Accepts strings and numbers, refuses everything else with a message that says so.
struct ValueVisitor;

impl Visitor<'_> for ValueVisitor {
    type Value = ParameterValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ParameterValue, E> {
        Ok(ParameterValue::from(text))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<ParameterValue, E> {
        Ok(ParameterValue::Number(number as f64))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<ParameterValue, E> {
        Ok(ParameterValue::Number(number as f64))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<ParameterValue, E> {
        Ok(ParameterValue::Number(number))
    }
}

/// Parameters by name (RFC 8866 §6.15 for codecs). A name given twice is refused, so that no two readers can see
/// different values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, TS)]
#[serde(transparent)]
#[ts(type = "Record<string, unknown>", rename = "ParameterRecord")]
pub struct Parameters(pub BTreeMap<String, ParameterValue>);

impl Parameters {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&ParameterValue> {
        self.0.get(name)
    }

    /// The value of `name` as a whole number; `default` where it is absent, `None` where it is something else.
    pub fn u32_or(&self, name: &str, default: u32) -> Option<u32> {
        self.get(name).map_or(Some(default), ParameterValue::as_u32)
    }

    /// Sets `name` to `value`.
    pub fn set(&mut self, name: &str, value: impl Into<ParameterValue>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Removes `name`.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ParametersVisitor)
    }
}

/// Collects entries and refuses a second one of the same name.
struct ParametersVisitor;

impl<'de> Visitor<'de> for ParametersVisitor {
    type Value = Parameters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings and numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
        let mut parameters = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, ParameterValue>()? {
            if parameters.insert(name, value).is_some() {
                return Err(de::Error::custom("a parameter is given twice"));
            }
        }
        Ok(Parameters(parameters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_survive_a_round_trip_as_javascript_writes_them() {
        let json = r#"{"a":1,"b":-2,"c":0.5,"d":"1","e":""}"#;
        let parameters: Parameters = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&parameters).unwrap(), json);
        assert_eq!(serde_json::to_string(&ParameterValue::Number(96.0)).unwrap(), "96");
    }

    #[test]
    fn other_types_and_doubled_names_are_refused() {
        for json in [r#"{"a":true}"#, r#"{"a":null}"#, r#"{"a":[]}"#, r#"{"a":{}}"#, r#"{"a":1,"a":2}"#, "[]", "7"] {
            assert!(serde_json::from_str::<Parameters>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_number_may_be_written_as_text() {
        assert_eq!(ParameterValue::from("1").as_u32(), Some(1));
        assert_eq!(ParameterValue::Number(1.5).as_u32(), None);
        assert_eq!(ParameterValue::Number(-1.0).as_u32(), None);
        assert_eq!(ParameterValue::Number(f64::MAX).as_u32(), None);
        assert_eq!(Parameters::default().u32_or("profile", 3), Some(3));
    }
}
