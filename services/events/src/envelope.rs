//! Reads the attributes of a CloudEvent 1.0, before they are interpreted.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::{Name, Value};

/// The known attributes of a CloudEvent. Each may have any type, or be missing (null). The data is not read yet.
#[derive(Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) specversion: Value<'a>,
    pub(crate) id: Value<'a>,
    pub(crate) source: Value<'a>,
    pub(crate) event_type: Value<'a>,
    pub(crate) subject: Value<'a>,
    pub(crate) time: Value<'a>,
    pub(crate) datacontenttype: Value<'a>,
    pub(crate) correlationid: Value<'a>,
    pub(crate) causationid: Value<'a>,
    pub(crate) data: Option<&'a RawValue>,
}

impl Envelope<'_> {
    /// Whether it has every attribute that a CloudEvent must have.
    pub(crate) fn is_complete(&self) -> bool {
        let required = [&self.specversion, &self.id, &self.source, &self.event_type];
        required.iter().all(|value| !matches!(value, Value::Null))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Attributes)
    }
}

struct Attributes;

impl<'de> Visitor<'de> for Attributes {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvent")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut attributes: A) -> Result<Envelope<'de>, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(Name(name)) = attributes.next_key()? {
            match &*name {
                "specversion" => envelope.specversion = attributes.next_value()?,
                "id" => envelope.id = attributes.next_value()?,
                "source" => envelope.source = attributes.next_value()?,
                "type" => envelope.event_type = attributes.next_value()?,
                "subject" => envelope.subject = attributes.next_value()?,
                "time" => envelope.time = attributes.next_value()?,
                "datacontenttype" => envelope.datacontenttype = attributes.next_value()?,
                "correlationid" => envelope.correlationid = attributes.next_value()?,
                "causationid" => envelope.causationid = attributes.next_value()?,
                "data" => envelope.data = attributes.next_value()?,
                _ => {
                    attributes.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(envelope)
    }
}
