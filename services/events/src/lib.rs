//! What an event is: CloudEvents 1.0, written in structured JSON mode, and read in binary mode too. No I/O, and no broker.
//!
//! A serde type becomes an event with [`EventData`], which names its type; its page has the whole of an example. A
//! kind of event that has several types, or checks its data itself, implements [`Event`]. A publisher encodes an event
//! ([`CloudEvent::encode`]), and its consumers decode it ([`decode()`]) or learn why the message is no such event
//! ([`DecodeError`]).
//!
//! # Which messages are events
//!
//! | content type | body | the event's type | its id |
//! |---|---|---|---|
//! | `application/cloudevents+json` | a CloudEvent 1.0 | its `type` | its `id`, together with its `source` |
//! | `application/json` | the data alone | the routing key with which the message was first published | the property `message_id`, if it is set |
//! | `application/json` | a CloudEvent 1.0: an object with `specversion`, `id`, `source` and `type` | as in the first row | as in the first row |
//! | `application/json` or `text/plain` | the data alone, and the attributes in headers (the binary mode of CloudEvents) | the header `cloudEvents:type` | the header `cloudEvents:id`, together with `cloudEvents:source` |
//! | `text/plain` | a text, if [`Event::from_text`] reads texts | the routing key | `message_id`, if it is set |
//! | any other, or none | | refused | |
//!
//! Capitals, and parameters such as `charset=utf-8`, make no difference to a content type. The body is UTF-8; a byte
//! order mark is ignored. In binary mode the headers have the prefix `cloudEvents:` or `cloudEvents_`; a message with one
//! of `specversion`, `id`, `source` and `type` needs them all. An event without an id is never taken for a duplicate.

pub mod json;
pub mod limits;
pub mod unicode;

mod fault;
pub use fault::Fault;
mod event;
pub use event::Event;
mod event_data;
pub use event_data::EventData;
mod from_json;
pub use from_json::from_json;
mod attributes;
pub use attributes::{Attributes, HeaderValue};
mod cloud_event;
pub use cloud_event::{CONTENT_TYPE, CloudEvent, Encoded};
mod decode_error;
pub use decode_error::DecodeError;
mod decode;
mod envelope;
pub use decode::{Decoded, Raw, decode};
