//! Reads data by serde, and names the field that does not fit.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_path_to_error::{Path, Segment};

use crate::json::Value;
use crate::{DecodeError, Fault};

/// The most characters of what serde expected.
const SHOWN: usize = 200;

/// Reads a CloudEvent's `data` as a serde type.
///
/// ```
/// let data = serde_json::value::RawValue::from_string(r#"{"items": [{"grams": "heavy"}]}"#.to_owned()).unwrap();
/// #[derive(Debug, serde::Deserialize)]
/// struct Item { grams: u32 }
/// #[derive(Debug, serde::Deserialize)]
/// struct Parcel { items: Vec<Item> }
/// let error = events::from_json::<Parcel>(&data).unwrap_err();
/// assert_eq!(error.to_string(), "the data is wrong: /items/0/grams: expected u32, found a string of 5 characters");
/// ```
///
/// # Errors
/// [`DecodeError::Data`] with the first field that does not fit. It says what the type expects and which kind of value
/// was found. It repeats no text of the data, and so no message of the type's own, which may repeat it.
pub fn from_json<T: DeserializeOwned>(data: &RawValue) -> Result<T, DecodeError> {
    serde_json::from_str(data.get()).or_else(|error| {
        if !error.is_data() {
            return Err(DecodeError::NotJson(error.to_string()));
        }
        // Only now, because to follow the path costs time.
        let error = match serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(data.get())) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let whole = serde_json::from_str(data.get()).unwrap_or_default();
        Err(DecodeError::Data(vec![fault(&whole, error.path(), &error.inner().to_string())]))
    })
}

fn fault(whole: &Value<'_>, path: &Path, message: &str) -> Fault {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    // The path of an unknown field ends with its name, which is not the type's.
    let is_unknown = message.starts_with("unknown field `");
    let (mut pointer, found) = find(whole, path.iter().take(path.iter().len().saturating_sub(is_unknown.into())));
    if let Some(field) = field(message, "missing field `") {
        pointer.push_str(&format!("/{field}"));
        return Fault { pointer, detail: "expected a value, found nothing".to_owned() };
    }
    if let Some(field) = field(message, "duplicate field `") {
        pointer.push_str(&format!("/{field}"));
        return Fault { pointer, detail: "expected once, found again".to_owned() };
    }
    let expected = expected(message);
    let detail = match is_unknown {
        true => format!("expected {expected}, found an unknown field"),
        false => format!("expected {expected}, found {found}"),
    };
    Fault { pointer, detail }
}

/// The name of the type's own field in such a message of serde's.
fn field<'m>(message: &'m str, beginning: &str) -> Option<&'m str> {
    message.strip_prefix(beginning)?.strip_suffix('`')
}

/// What the type expected. serde puts it last, behind a text that was found. A message that is not serde's own may
/// repeat such a text anywhere.
fn expected(message: &str) -> String {
    const SERDE: [&str; 5] =
        ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant `", "unknown field `"];
    let own = SERDE.iter().any(|beginning| message.starts_with(beginning));
    let expected = message.rsplit_once(", expected ").filter(|_| own).map(|(_, expected)| expected);
    expected.unwrap_or("another value").chars().take(SHOWN).collect()
}

/// Follows a path as far as the data goes: the JSON pointer, and the value there.
fn find<'v, 'a, 'p>(whole: &'v Value<'a>, path: impl Iterator<Item = &'p Segment>) -> (String, &'v Value<'a>) {
    let (mut pointer, mut found) = (String::new(), whole);
    for segment in path {
        let step = match (segment, found) {
            (Segment::Seq { index }, Value::List(values)) => values.get(*index).map(|value| (index.to_string(), value)),
            (Segment::Map { key: name } | Segment::Enum { variant: name }, Value::Object(members)) => {
                members.iter().find(|(member, _)| member == name).map(|(_, value)| (shown(name), value))
            }
            _ => None,
        };
        let Some((name, value)) = step else { continue };
        pointer.push_str(&format!("/{name}"));
        found = value;
    }
    (pointer, found)
}

/// A member's name, if it can be a field's. The keys of a map may be anything, such as addresses.
fn shown(name: &str) -> String {
    let is_field = name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte));
    if is_field { name.to_owned() } else { "*".to_owned() }
}
