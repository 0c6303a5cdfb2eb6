//! The events of orders.

use std::fmt::Display;

use events::json::Value;
use events::{DecodeError, Event};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::faults::{Faults, Pointer, Unknown};
use crate::fields::Fields;
use crate::{Cancellation, Order};

/// Something that happened to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OrderEvent {
    /// The order was accepted.
    Placed(Order),
    /// The order is to be cancelled. Nothing has checked that it exists.
    Cancelled(Cancellation),
    /// An order of which only this text is known: a `text/plain` message, as programs written after RabbitMQ's guides
    /// publish it. It is only ever read, and never as a CloudEvent.
    Text(String),
}

impl OrderEvent {
    /// The type, and routing key, of [`OrderEvent::Placed`].
    pub const PLACED: &'static str = "order.placed";
    /// The type, and routing key, of [`OrderEvent::Cancelled`].
    pub const CANCELLED: &'static str = "order.cancelled";
    /// The source of Warren's own events.
    pub const SOURCE: &'static str = "urn:warren:order";
}

impl Event for OrderEvent {
    const TYPES: &'static [&'static str] = &[Self::PLACED, Self::CANCELLED];

    fn event_type(&self) -> &'static str {
        match self {
            Self::Placed(_) | Self::Text(_) => Self::PLACED,
            Self::Cancelled(_) => Self::CANCELLED,
        }
    }

    fn subject(&self) -> Option<impl Display + '_> {
        match self {
            Self::Placed(order) => Some(order.id()),
            Self::Cancelled(cancellation) => Some(cancellation.id()),
            Self::Text(_) => None,
        }
    }

    fn data(&self) -> impl Serialize + '_ {
        self
    }

    fn from_data(event_type: &str, data: &RawValue) -> Result<Self, DecodeError> {
        match event_type {
            Self::PLACED => read(data, Order::read).map(Self::Placed),
            Self::CANCELLED => read(data, Cancellation::read).map(Self::Cancelled),
            other => Err(DecodeError::UnknownType(other.to_owned())),
        }
    }

    fn from_text(event_type: &str, text: &str) -> Result<Self, DecodeError> {
        match event_type {
            Self::PLACED => Ok(Self::Text(text.to_owned())),
            // A text does not say which order is to be cancelled.
            _ => Err(DecodeError::ContentType(Some("text/plain".to_owned()))),
        }
    }
}

fn read<'d, T>(data: &'d RawValue, read: impl FnOnce(&mut Fields<'d, '_>) -> Option<T>) -> Result<T, DecodeError> {
    let value: Value<'d> = serde_json::from_str(data.get()).map_err(|error| DecodeError::NotJson(error.to_string()))?;
    let mut faults = Faults::new(Unknown::Ignored);
    let read = Fields::of(value, Pointer::Root, &mut faults, read);
    faults.or(read).map_err(DecodeError::Data)
}
