//! What a kind of event has to say of itself to travel.

use std::fmt::Display;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::DecodeError;

/// A kind of event that services exchange.
pub trait Event: Sized + Send + Sync + 'static {
    /// Every event type that this can be; each is also the routing key it travels under.
    const TYPES: &'static [&'static str];

    /// Which of [`Event::TYPES`] this is.
    fn event_type(&self) -> &'static str;

    /// What the event is about, such as an order's id; `None::<&str>` if nobody knows.
    fn subject(&self) -> Option<impl Display + '_>;

    /// What is serialised, once, as the CloudEvent's `data`; it must be possible as JSON.
    fn data(&self) -> impl Serialize + '_;

    /// Reads a CloudEvent's `data`; `event_type` is one of [`Event::TYPES`]. Unknown fields are to be ignored.
    ///
    /// # Errors
    /// The data is not valid: [`DecodeError::Data`].
    fn from_data(event_type: &str, data: &RawValue) -> Result<Self, DecodeError>;

    /// Reads a `text/plain` body; `event_type` is the routing key, one of [`Event::TYPES`].
    ///
    /// # Errors
    /// Refuses, unless a kind of event knows what to do with text.
    fn from_text(event_type: &str, text: &str) -> Result<Self, DecodeError> {
        let _ = (event_type, text);
        Err(DecodeError::ContentType(Some("text/plain".to_owned())))
    }
}
