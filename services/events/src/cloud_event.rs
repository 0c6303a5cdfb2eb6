//! Writes CloudEvents 1.0.

use std::borrow::Cow;
use std::fmt::Display;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::Event;

/// The content type of a CloudEvent in structured JSON mode.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// An event with its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent<E> {
    /// The id. It is unique together with `source`: the same pair is the same event. At most 255 bytes.
    pub id: String,
    /// The source, a URI reference of at most 255 bytes.
    pub source: Cow<'static, str>,
    /// When the event happened, as the crate `jiff` has it. The age of the event is measured from this time.
    pub time: Timestamp,
    /// What it belongs to: every event of one business transaction has the same (the extension attribute
    /// `correlationid`).
    pub correlation_id: Option<String>,
    /// The id of the event that caused it (the extension attribute `causationid`).
    pub causation_id: Option<String>,
    /// What happened.
    pub data: E,
}

/// An event as it is sent, with the values of its message's properties.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The event's id: the property `message_id`.
    pub id: String,
    /// The event's type: the property `type`, and the routing key.
    pub event_type: &'static str,
    /// When it happened: the property `timestamp`, which holds whole seconds.
    pub time: Timestamp,
    /// The CloudEvent in JSON; its content type is [`CONTENT_TYPE`].
    pub body: Bytes,
}

#[derive(Serialize)]
struct Envelope<'a, S, D> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<S>,
    time: Shown<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlationid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<&'a str>,
    datacontenttype: &'static str,
    data: D,
}

impl<E> CloudEvent<E> {
    /// An event that happens now, with an id of its own (a UUID of version 7).
    pub fn new(source: impl Into<Cow<'static, str>>, data: E) -> Self {
        let id = Uuid::now_v7().to_string();
        let (correlation_id, causation_id) = (None, None);
        Self { id, source: source.into(), time: Timestamp::now(), correlation_id, causation_id, data }
    }
}

impl<E: Event> CloudEvent<E> {
    /// Serialises the event, once.
    ///
    /// # Panics
    /// If the event's data cannot be JSON, such as a map whose keys are not strings.
    pub fn encode(self) -> Encoded {
        let event_type = self.data.event_type();
        let envelope = Envelope {
            specversion: "1.0",
            id: &self.id,
            source: &self.source,
            r#type: event_type,
            subject: self.data.subject().map(Shown),
            time: Shown(self.time),
            correlationid: self.correlation_id.as_deref(),
            causationid: self.causation_id.as_deref(),
            datacontenttype: "application/json",
            data: self.data.data(),
        };
        let mut body = Vec::with_capacity(1024);
        serde_json::to_writer(&mut body, &envelope).expect("an event's data can be JSON");
        Encoded { id: self.id, event_type, time: self.time, body: body.into() }
    }
}

/// Serialises a value as its `Display` shows it.
struct Shown<T>(T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
