//! A kind of event for these tests, and messages of it.

use std::fmt::Display;

use events::json::Value as Json;
use events::{CONTENT_TYPE, CloudEvent, DecodeError, Decoded, Encoded, Event, Fault, Raw, decode};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

pub(crate) const WRITTEN: &str = "note.written";

/// A note, which is also read from a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note(pub(crate) String);

impl Event for Note {
    const TYPES: &'static [&'static str] = &[WRITTEN];

    fn event_type(&self) -> &'static str {
        WRITTEN
    }

    fn subject(&self) -> Option<impl Display + '_> {
        Some("n-1")
    }

    fn data(&self) -> impl Serialize + '_ {
        json!({"text": self.0})
    }

    fn from_data(_: &str, data: &RawValue) -> Result<Self, DecodeError> {
        let value = serde_json::from_str(data.get()).map_err(|error| DecodeError::NotJson(error.to_string()))?;
        let Json::Object(members) = &value else { return Err(wrong("", "an object", &value)) };
        let text = members.iter().find_map(|(name, value)| (name == "text").then_some(value));
        let text = text.unwrap_or(&Json::Null);
        text.as_text().map(|text| Self(text.to_owned())).ok_or_else(|| wrong("/text", "a string", text))
    }

    fn from_text(_: &str, text: &str) -> Result<Self, DecodeError> {
        Ok(Self(text.to_owned()))
    }
}

fn wrong(pointer: &str, expected: &str, found: &Json<'_>) -> DecodeError {
    let detail = format!("expected {expected}, found {found}");
    DecodeError::Data(vec![Fault { pointer: pointer.to_owned(), detail }])
}

/// The event that a note was written.
pub(crate) fn event() -> CloudEvent<Note> {
    CloudEvent {
        id: "019-1".to_owned(),
        source: "urn:notes".into(),
        time: "2025-11-20T10:00:00.25Z".parse().unwrap(),
        correlation_id: None,
        causation_id: None,
        data: Note("ada@example.com called".to_owned()),
    }
}

pub(crate) fn written() -> Encoded {
    event().encode()
}

/// A message with this body, as its publisher sends it.
pub(crate) fn message(body: &[u8]) -> Raw<'_> {
    Raw { content_type: Some(CONTENT_TYPE), routing_key: WRITTEN, body, ..Raw::default() }
}

pub(crate) fn read(body: &Value) -> Result<Decoded<Note>, DecodeError> {
    decode(&message(body.to_string().as_bytes()))
}

/// The event as JSON, after a change.
pub(crate) fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut json = serde_json::from_slice(&written().body).unwrap();
    change(&mut json);
    json
}
