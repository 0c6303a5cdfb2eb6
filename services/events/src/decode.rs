//! Decodes a message to an event.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::value::RawValue;

use crate::envelope::Envelope;
use crate::json::Value;
use crate::limits::{MAX_ATTRIBUTE, MAX_EVENT_BYTES};
use crate::unicode;
use crate::{Attributes, CONTENT_TYPE, DecodeError, Event};

/// The content type of data without an envelope.
const JSON: &str = "application/json";

/// The most bytes of a foreign header that an error repeats.
const SHOWN: usize = 100;

/// A message as it came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw<'a> {
    /// The property `content_type`.
    pub content_type: Option<&'a str>,
    /// The property `content_encoding`.
    pub content_encoding: Option<&'a str>,
    /// The attributes that are headers.
    pub attributes: Attributes<'a>,
    /// The routing key with which the message was first published: the type of an event that does not name its own.
    pub routing_key: &'a str,
    /// The property `message_id`.
    pub message_id: Option<&'a str>,
    /// The property `timestamp`, in seconds since 1970.
    pub timestamp: Option<u64>,
    /// The body.
    pub body: &'a [u8],
}

/// An event that was decoded, with its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<E> {
    /// The id, unique together with `source`. Only a CloudEvent always has one.
    pub id: Option<String>,
    /// The source. Only a CloudEvent has one.
    pub source: Option<String>,
    /// One of [`Event::TYPES`].
    pub event_type: &'static str,
    /// The subject. Only a CloudEvent may have one.
    pub subject: Option<String>,
    /// When it happened, as the event says or else as the message says.
    pub time: Option<Timestamp>,
    /// What it belongs to, by the extension attribute `correlationid`.
    pub correlation_id: Option<String>,
    /// The id of the event that caused it, by the extension attribute `causationid`.
    pub causation_id: Option<String>,
    /// What happened.
    pub data: E,
}

/// Decodes a CloudEvent in structured JSON mode or in binary mode, data alone by its routing key, or a text if the kind
/// of event allows it. The crate's front page says which messages are which.
///
/// # Errors
/// The message is not an event, and never will be; see [`DecodeError`].
pub fn decode<E: Event>(raw: &Raw<'_>) -> Result<Decoded<E>, DecodeError> {
    if raw.body.is_empty() {
        return Err(DecodeError::Empty);
    }
    if raw.body.len() > MAX_EVENT_BYTES {
        return Err(DecodeError::TooLarge(raw.body.len()));
    }
    decode_body(raw).map_err(|error| match (&error, encoding(raw)) {
        (DecodeError::NotUtf8(_) | DecodeError::Encoded(_) | DecodeError::NotJson(_), Some(encoding)) => {
            DecodeError::ContentEncoding(shortened(encoding))
        }
        _ => error,
    })
}

/// The content encoding, if it changes the bytes of a text in UTF-8. Some programs name a charset there.
fn encoding<'a>(raw: &Raw<'a>) -> Option<&'a str> {
    const PLAIN: [&str; 8] = ["", "identity", "utf-8", "utf8", "us-ascii", "binary", "8bit", "7bit"];
    raw.content_encoding.filter(|found| !PLAIN.iter().any(|plain| plain.eq_ignore_ascii_case(found.trim())))
}

fn decode_body<E: Event>(raw: &Raw<'_>) -> Result<Decoded<E>, DecodeError> {
    let content_type = raw.content_type.unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(CONTENT_TYPE) {
        decode_structured(raw, serde_json::from_str(text(raw)?).map_err(no_object)?)
    } else if media_type.eq_ignore_ascii_case(JSON) {
        decode_json(raw)
    } else if media_type.eq_ignore_ascii_case("text/plain") {
        decode_text(raw)
    } else {
        Err(DecodeError::ContentType(raw.content_type.map(shortened)))
    }
}

fn decode_structured<E: Event>(raw: &Raw<'_>, envelope: Envelope<'_>) -> Result<Decoded<E>, DecodeError> {
    let data = envelope.data;
    decode_cloud_event(raw, &envelope, |event_type| {
        E::from_data(event_type, data.ok_or(DecodeError::MissingAttribute("data"))?)
    })
}

fn decode_cloud_event<E: Event>(
    raw: &Raw<'_>,
    envelope: &Envelope<'_>,
    read: impl FnOnce(&'static str) -> Result<E, DecodeError>,
) -> Result<Decoded<E>, DecodeError> {
    match &envelope.specversion {
        Value::Text(version) if version == "1.0" => {}
        Value::Null => return Err(DecodeError::MissingAttribute("specversion")),
        Value::Text(other) => return Err(DecodeError::SpecVersion(format!("{:?}", shortened(other)))),
        other => return Err(DecodeError::SpecVersion(other.to_string())),
    }
    let id = required("id", &envelope.id)?;
    let source = required("source", &envelope.source)?;
    let event_type = known_type::<E>(required("type", &envelope.event_type)?)?;
    let subject = optional("subject", &envelope.subject)?;
    let time = time(&envelope.time)?.or_else(|| sent_at(raw));
    if optional("datacontenttype", &envelope.datacontenttype)?.is_some_and(|found| !is_json(found)) {
        let expected = JSON;
        return Err(DecodeError::InvalidAttribute { attribute: "datacontenttype", expected });
    }
    let data = read(event_type)?;
    Ok(Decoded {
        id: Some(id.to_owned()),
        source: Some(source.to_owned()),
        event_type,
        subject: subject.map(str::to_owned),
        time,
        correlation_id: extension(&envelope.correlationid),
        causation_id: extension(&envelope.causationid),
        data,
    })
}

fn no_object(error: serde_json::Error) -> DecodeError {
    // serde would repeat whatever it found in place of an object, however long and personal.
    DecodeError::NotJson(if error.is_data() { "it is another value".to_owned() } else { error.to_string() })
}

/// Decodes data without an envelope in the body. Some programs send a whole CloudEvent as `application/json`, so what has
/// all the attributes that a CloudEvent must have is one.
fn decode_json<E: Event>(raw: &Raw<'_>) -> Result<Decoded<E>, DecodeError> {
    let text = text(raw)?;
    match serde_json::from_str::<Envelope<'_>>(text) {
        Ok(envelope) if envelope.is_complete() => decode_structured(raw, envelope),
        _ => {
            let data: &RawValue =
                serde_json::from_str(text).map_err(|error| DecodeError::NotJson(error.to_string()))?;
            decode_data(raw, |event_type| E::from_data(event_type, data))
        }
    }
}

fn decode_text<E: Event>(raw: &Raw<'_>) -> Result<Decoded<E>, DecodeError> {
    let text = text(raw)?;
    decode_data(raw, |event_type| E::from_text(event_type, text))
}

/// Decodes a message whose body is the data alone. Its attributes are in its headers, or it has none.
fn decode_data<E: Event>(
    raw: &Raw<'_>,
    read: impl FnOnce(&'static str) -> Result<E, DecodeError>,
) -> Result<Decoded<E>, DecodeError> {
    match raw.attributes.envelope() {
        Some(envelope) => decode_cloud_event(raw, &envelope, read),
        None => decode_bare(raw, read),
    }
}

/// Decodes a message whose properties are all that is known of the event beside its data.
fn decode_bare<E: Event>(
    raw: &Raw<'_>,
    read: impl FnOnce(&'static str) -> Result<E, DecodeError>,
) -> Result<Decoded<E>, DecodeError> {
    let event_type = known_type::<E>(raw.routing_key)?;
    let data = read(event_type)?;
    let id = raw.message_id.filter(|id| !id.is_empty()).map(str::to_owned);
    Ok(Decoded {
        id,
        source: None,
        event_type,
        subject: None,
        time: sent_at(raw),
        correlation_id: None,
        causation_id: None,
        data,
    })
}

fn text<'a>(raw: &Raw<'a>) -> Result<&'a str, DecodeError> {
    match unicode::text(raw.body)? {
        "" => Err(DecodeError::Empty),
        text => Ok(text),
    }
}

fn known_type<E: Event>(found: &str) -> Result<&'static str, DecodeError> {
    let known = E::TYPES.iter().find(|known| **known == found);
    known.copied().ok_or_else(|| DecodeError::UnknownType(shortened(found)))
}

fn required<'e>(attribute: &'static str, value: &'e Value<'_>) -> Result<&'e str, DecodeError> {
    optional(attribute, value)?.ok_or(DecodeError::MissingAttribute(attribute))
}

// Ids become headers of messages and mails, so they must contain no control character.
fn optional<'e>(attribute: &'static str, value: &'e Value<'_>) -> Result<Option<&'e str>, DecodeError> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) if (1..=MAX_ATTRIBUTE).contains(&text.len()) && !text.contains(char::is_control) => {
            Ok(Some(text))
        }
        _ => {
            let expected = "1 to 255 bytes without control characters";
            Err(DecodeError::InvalidAttribute { attribute, expected })
        }
    }
}

/// The value of an extension attribute. A CloudEvent is valid without it, so a wrong value is as good as none.
fn extension(value: &Value<'_>) -> Option<String> {
    optional("", value).ok().flatten().map(str::to_owned)
}

/// A time of RFC 3339 to the nanosecond, or nothing if it is later than any time that can be held.
fn time(value: &Value<'_>) -> Result<Option<Timestamp>, DecodeError> {
    let Some(text) = optional("time", value)? else { return Ok(None) };
    let text = to_nanoseconds(text);
    match text.parse() {
        Ok(time) => Ok(Some(time)),
        Err(_) if is_beyond(&text) => Ok(None),
        Err(_) => Err(DecodeError::InvalidAttribute { attribute: "time", expected: "a time of RFC 3339" }),
    }
}

/// A time with at most nine digits of a second's fraction. RFC 3339 allows any number of them.
fn to_nanoseconds(text: &str) -> Cow<'_, str> {
    let Some((before, after)) = text.split_once('.') else { return text.into() };
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    if digits <= 9 { text.into() } else { format!("{before}.{}{}", &after[..9], &after[digits..]).into() }
}

/// Whether it is a time, but one of the last days of the year 9999, which [`Timestamp`] cannot hold.
fn is_beyond(text: &str) -> bool {
    let Some((local, rest)) = text.split_at_checked("9999-12-31T23:59:59".len()) else { return false };
    let rest_is_right = || format!("2000-01-01T00:00:00{rest}").parse::<Timestamp>().is_ok();
    local.starts_with("9999-12-3") && local.parse::<DateTime>().is_ok() && rest_is_right()
}

fn sent_at(raw: &Raw<'_>) -> Option<Timestamp> {
    let seconds = raw.attributes.timestamp.or(raw.timestamp)?;
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case(JSON)
}

fn shortened(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
