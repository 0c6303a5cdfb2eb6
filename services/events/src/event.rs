//! The trait of a kind of event.

use std::fmt::Display;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::DecodeError;

/// A kind of event that services exchange. A serde type with one event type implements
/// [`EventData`](crate::EventData) in place of this.
pub trait Event: Sized + Send + Sync + 'static {
    /// Every event type of this kind. Each is also a routing key.
    const TYPES: &'static [&'static str];

    /// The type of this event, one of [`Event::TYPES`].
    fn event_type(&self) -> &'static str;

    /// What the event is about, such as an order's id; `None::<&str>` if that is unknown.
    fn subject(&self) -> Option<impl Display + '_>;

    /// The value that is serialised as the CloudEvent's `data`, once. It must be possible as JSON.
    fn data(&self) -> impl Serialize + '_;

    /// Reads the data, which is a CloudEvent's `data` or the whole body of a message of `application/json`; `event_type` is one of [`Event::TYPES`]. Unknown fields are to be ignored.
    ///
    /// # Errors
    /// The data is not valid: [`DecodeError::Data`].
    fn from_data(event_type: &str, data: &RawValue) -> Result<Self, DecodeError>;

    /// Reads a `text/plain` body; `event_type` is the routing key, one of [`Event::TYPES`].
    ///
    /// # Errors
    /// A kind of event that does not read texts refuses every text.
    fn from_text(event_type: &str, text: &str) -> Result<Self, DecodeError> {
        let _ = (event_type, text);
        Err(DecodeError::ContentType(Some("text/plain".to_owned())))
    }
}
