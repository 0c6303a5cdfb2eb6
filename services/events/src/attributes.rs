//! The attributes of a CloudEvent in binary mode, which travel in the message's headers.

use crate::envelope::Envelope;
use crate::json::Value;
use crate::limits::MAX_ATTRIBUTE;

/// What the AMQP binding of CloudEvents 1.0 puts in front of an attribute's name. JMS allows no colon in a name.
const PREFIXES: [&str; 2] = ["cloudEvents:", "cloudEvents_"];

/// The value of a header, as far as an attribute can be made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderValue<'a> {
    /// A text.
    Text(&'a str),
    /// A time, in seconds since 1970.
    Time(u64),
    /// Anything else.
    Other,
}

/// The attributes of a CloudEvent that are headers of its message. An attribute with an empty value is there, but is no
/// text of 1 to 255 bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attributes<'a> {
    specversion: Option<&'a str>,
    id: Option<&'a str>,
    source: Option<&'a str>,
    event_type: Option<&'a str>,
    subject: Option<&'a str>,
    time: Option<&'a str>,
    correlationid: Option<&'a str>,
    causationid: Option<&'a str>,
    /// The attribute `time` as a time of AMQP, in seconds since 1970.
    pub(crate) timestamp: Option<u64>,
}

impl<'a> Attributes<'a> {
    /// The attributes among these headers.
    pub fn of(headers: impl IntoIterator<Item = (&'a str, HeaderValue<'a>)>) -> Self {
        let mut attributes = Self::default();
        for (header, value) in headers {
            let Some(name) = name(header) else { continue };
            let text = match value {
                HeaderValue::Time(seconds) if name == "time" => {
                    attributes.timestamp = Some(seconds);
                    continue;
                }
                HeaderValue::Text(text) if text.len() <= MAX_ATTRIBUTE => text,
                _ => "",
            };
            if let Some(attribute) = attributes.attribute(name) {
                attribute.get_or_insert(text);
            }
        }
        attributes
    }

    /// Whether a header of this name is an attribute that is read.
    pub fn has(header: &str) -> bool {
        name(header).is_some_and(|name| Self::default().attribute(name).is_some())
    }

    fn attribute(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        match name {
            "specversion" => Some(&mut self.specversion),
            "id" => Some(&mut self.id),
            "source" => Some(&mut self.source),
            "type" => Some(&mut self.event_type),
            "subject" => Some(&mut self.subject),
            "time" => Some(&mut self.time),
            "correlationid" => Some(&mut self.correlationid),
            "causationid" => Some(&mut self.causationid),
            _ => None,
        }
    }

    /// The CloudEvent, without its data, if its publisher meant one: it has one of the attributes that each must have.
    pub(crate) fn envelope(&self) -> Option<Envelope<'a>> {
        let required = [self.specversion, self.id, self.source, self.event_type];
        required.iter().any(Option::is_some).then(|| Envelope {
            specversion: value(self.specversion),
            id: value(self.id),
            source: value(self.source),
            event_type: value(self.event_type),
            subject: value(self.subject),
            time: value(self.time),
            correlationid: value(self.correlationid),
            causationid: value(self.causationid),
            ..Envelope::default()
        })
    }
}

fn name(header: &str) -> Option<&str> {
    PREFIXES.iter().find_map(|prefix| header.strip_prefix(prefix))
}

fn value(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Null, |text| Value::Text(text.into()))
}
