//! The door: JSON text from an application becomes a type, or an error that names the place.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use crate::error::ModelError;

/// Longest reason that is taken over from the JSON parser; the rest is cut, because it may quote the input.
const REASON_CHARS_MAX: usize = 300;

/// Parses `json` into `T`. Fields that `T` does not know are ignored, so one text can be parsed into its ids first
/// and into its options next.
///
/// Depth is bounded by the parser (128 levels); the caller bounds the length of the text.
///
/// # Errors
/// [`ModelError::Invalid`] that names the path of the first field that is missing, of the wrong type, out of range or
/// given twice.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T, ModelError> {
    // Remembering the path makes parsing twice as slow, so that is done only where there is something to tell.
    serde_json::from_str(json).or_else(|_| parse_with_path(json))
}

fn parse_with_path<T: DeserializeOwned>(json: &str) -> Result<T, ModelError> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        ModelError::invalid(place(&path), reason(error.inner()))
    })?;
    deserializer.end().map_err(|error| ModelError::invalid("arguments", reason(&error)))?;
    Ok(value)
}

/// Reads `null` like an absent field, as JavaScript callers expect of an optional one.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The path as JavaScript would write it; the parser writes the top as a single dot.
fn place(path: &str) -> String {
    if path == "." { "arguments".to_owned() } else { cut(path, REASON_CHARS_MAX) }
}

/// The parser's reason without its line and column, which mean nothing to who passed an object.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rfind(" at line ").and_then(|end| text.get(..end)).unwrap_or(&text);
    // Types are named alike in TypeScript, where they are no structs.
    cut(&text.replace("expected struct ", "expected "), REASON_CHARS_MAX)
}

/// The first `chars` characters of `text`.
fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Outer {
        #[allow(dead_code)]
        list: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Inner {
        #[allow(dead_code)]
        payload_type: u8,
    }

    fn message(json: &str) -> String {
        parse::<Outer>(json).unwrap_err().to_string()
    }

    #[test]
    fn an_error_names_the_path_and_no_line() {
        assert_eq!(
            message(r#"{"list":[{"payloadType":1},{"payloadType":"x"}]}"#),
            "list[1].payloadType: invalid type: string \"x\", expected u8"
        );
        assert_eq!(message(r#"{"list":[{}]}"#), "list[0]: missing field `payloadType`");
        assert_eq!(message("[]"), "arguments: invalid length 0, expected Outer with 1 element");
    }

    #[test]
    fn p02_depth_duplicate_keys_huge_numbers_and_lone_surrogates_are_type_errors() {
        let deep = format!("{{\"x\":{}", "[".repeat(100_000));
        for json in [&deep, r#"{"list":[],"list":[]}"#, r#"{"list":[{"payloadType":1e400}]}"#, r#"{"\ud800":1}"#] {
            assert!(parse::<Outer>(json).is_err());
        }
        assert!(parse::<Outer>(r#"{"list":[]} {}"#).is_err());
    }

    #[test]
    fn a_reason_that_quotes_the_input_is_cut() {
        let json = format!("{{\"list\":\"{}\"}}", "é".repeat(10_000));
        assert!(message(&json).chars().count() < 400);
    }
}
