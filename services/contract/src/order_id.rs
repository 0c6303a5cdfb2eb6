//! Ids of orders, and the ids of events that follow from them.

use std::fmt;
use std::str::FromStr;

use events::Fault;
use events::json::Value;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use uuid::{NoContext, Uuid};

use crate::fields::Scalar;

/// An order's id: a UUID in its usual form, 36 characters, shown in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrderId(Uuid);

impl OrderId {
    /// A new id, of version 7, that sorts by the time.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(uuid_v7(now))
    }

    /// The id of the only event of this type that the order can have.
    pub(crate) fn event_id(self, event_type: &str) -> Uuid {
        Uuid::new_v5(&self.0, event_type.as_bytes())
    }
}

/// A new UUID of version 7 for this time. A time before 1970 counts as 1970.
pub(crate) fn uuid_v7(now: Timestamp) -> Uuid {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanoseconds))
}

impl From<Uuid> for OrderId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for OrderId {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        // Other forms of a UUID (braces, `urn:`, no hyphens) would be other names for the same order.
        let uuid = if text.len() == 36 { Uuid::try_parse(text).ok() } else { None };
        uuid.map(Self).ok_or_else(|| Fault { pointer: String::new(), detail: format!("expected {}", Self::expected()) })
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for OrderId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Scalar for OrderId {
    fn expected() -> String {
        "a UUID of 36 characters".to_owned()
    }

    fn read(value: &Value<'_>) -> Option<Self> {
        value.as_text()?.parse().ok()
    }
}
