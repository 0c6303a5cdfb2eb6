//! Why a message is not an event.

use crate::Fault;
use crate::limits::MAX_EVENT_BYTES;
use crate::unicode::NotText;

/// Why a message could not be decoded. It never can be, so the message is dead-lettered at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There is no body.
    #[error("the body is empty")]
    Empty,
    /// The body is longer than any event.
    #[error("the body has {0} bytes: expected at most {MAX_EVENT_BYTES}")]
    TooLarge(usize),
    /// The content type is missing, or is not read. `text/plain` is read only if the kind of event allows it.
    #[error("the content type is {}: expected application/cloudevents+json or application/json", .0.as_ref().map_or("missing".to_owned(), |found| format!("{found:?}")))]
    ContentType(Option<String>),
    /// The body is not UTF-8 from this byte on.
    #[error("the body is not UTF-8 from byte {0} on")]
    NotUtf8(usize),
    /// The body is text of this other encoding.
    #[error("the body is {0}: expected UTF-8")]
    Encoded(&'static str),
    /// The body is compressed or encoded in this way, by its content encoding, and is no JSON in UTF-8.
    #[error("the content encoding is {0:?}: expected none")]
    ContentEncoding(String),
    /// The body is not JSON, is cut off, is nested too deep, or is not an object. The text says where.
    #[error("the body is not a JSON object: {0}")]
    NotJson(String),
    /// A `specversion` other than 1.0.
    #[error("specversion is {0}: expected \"1.0\"")]
    SpecVersion(String),
    /// A CloudEvent without this attribute.
    #[error("the CloudEvent has no {0}")]
    MissingAttribute(&'static str),
    /// A CloudEvents attribute with a wrong value.
    #[error("the CloudEvent's {attribute} is wrong: expected {expected}")]
    InvalidAttribute {
        /// Its name.
        attribute: &'static str,
        /// What it should have been.
        expected: &'static str,
    },
    /// The event type is unknown to this consumer.
    #[error("the event type {0:?} is not known")]
    UnknownType(String),
    /// The data does not fit the event type. The list is never empty.
    #[error("the data is wrong: {}", Fault::summary(.0))]
    Data(Vec<Fault>),
}

impl From<NotText> for DecodeError {
    fn from(fault: NotText) -> Self {
        match fault {
            NotText::Encoded(encoding) => Self::Encoded(encoding),
            NotText::From(byte) => Self::NotUtf8(byte),
        }
    }
}

impl DecodeError {
    /// A label for metrics and headers, from a closed set.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "empty-body",
            Self::TooLarge(_) => "too-large",
            Self::ContentType(_) => "content-type",
            Self::ContentEncoding(_) => "content-encoding",
            Self::NotUtf8(_) | Self::Encoded(_) => "not-utf8",
            Self::NotJson(_) => "not-json",
            Self::SpecVersion(_) => "specversion",
            Self::MissingAttribute(_) => "missing-attribute",
            Self::InvalidAttribute { .. } => "invalid-attribute",
            Self::UnknownType(_) => "unknown-type",
            Self::Data(_) => "invalid-data",
        }
    }
}
