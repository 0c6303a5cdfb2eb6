//! Event types whose data is a serde type.

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{DecodeError, Event, from_json};

/// The data of one event type, as serde writes and reads it. The type is an [`Event`] then.
///
/// ```
/// use events::{CloudEvent, EventData};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct ParcelShipped {
///     order: String,
///     grams: u32,
/// }
///
/// impl EventData for ParcelShipped {
///     const TYPE: &'static str = "parcel.shipped";
///
///     fn subject(&self) -> Option<String> {
///         Some(self.order.clone())
///     }
/// }
///
/// let event = CloudEvent::new("urn:parcels", ParcelShipped { order: "o-1".to_owned(), grams: 900 });
/// assert_eq!(event.encode().event_type, "parcel.shipped");
/// ```
///
/// Data that does not fit is refused, and the error names the field. An unknown field is ignored, unless the type
/// says `deny_unknown_fields`. For a kind of event with several types, implement [`Event`] for an enum, and read each
/// type with [`from_json()`].
pub trait EventData: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The event type, such as `parcel.shipped`. It is also the routing key.
    const TYPE: &'static str;

    /// What the event is about, such as an order's id; none by default.
    fn subject(&self) -> Option<String> {
        None
    }
}

impl<T: EventData> Event for T {
    const TYPES: &'static [&'static str] = &[T::TYPE];

    fn event_type(&self) -> &'static str {
        T::TYPE
    }

    fn subject(&self) -> Option<impl Display + '_> {
        EventData::subject(self)
    }

    fn data(&self) -> impl Serialize + '_ {
        self
    }

    fn from_data(_: &str, data: &RawValue) -> Result<Self, DecodeError> {
        from_json(data)
    }
}
