//! The headers of a message, as a handler sees them.

use std::fmt;

use lapin::types::{AMQPValue, FieldTable};

use crate::delivery::is_foreign;

/// The headers that the publisher of a message wrote. Those of the broker, of Warren and of the trace are not among
/// them.
#[derive(Clone, Copy)]
pub struct Headers<'a>(Option<&'a FieldTable>);

/// The value of a header. A table, a list, bytes, a decimal, and a text that is not UTF-8 have no such value.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum HeaderValue<'a> {
    /// A text.
    Text(&'a str),
    /// A whole number of any width, or a time in seconds since 1970.
    Integer(i64),
    /// True or false.
    Bool(bool),
    /// A number with a fraction.
    Number(f64),
}

impl<'a> Headers<'a> {
    pub(super) fn of(table: Option<&'a FieldTable>) -> Self {
        Self(table)
    }

    /// The header of this name, if there is one and [`HeaderValue`] can hold it. Capitals make a difference.
    pub fn get(&self, name: &str) -> Option<HeaderValue<'a>> {
        let value = self.0?.inner().get(name)?;
        if is_foreign(name) { HeaderValue::read(value) } else { None }
    }

    /// Each header that [`HeaderValue`] can hold, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, HeaderValue<'a>)> + use<'a> {
        let headers = self.0.into_iter().flat_map(|table| table.inner());
        let foreign = headers.filter(|(name, _)| is_foreign(name.as_str()));
        foreign.filter_map(|(name, value)| Some((name.as_str(), HeaderValue::read(value)?)))
    }
}

/// Shows names alone, because a value may be personal.
impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

impl<'a> HeaderValue<'a> {
    fn read(value: &'a AMQPValue) -> Option<Self> {
        Some(match value {
            AMQPValue::LongString(text) => Self::Text(str::from_utf8(text.as_bytes()).ok()?),
            AMQPValue::ShortString(text) => Self::Text(text.as_str()),
            AMQPValue::Boolean(value) => Self::Bool(*value),
            AMQPValue::ShortShortInt(number) => Self::Integer((*number).into()),
            AMQPValue::ShortShortUInt(number) => Self::Integer((*number).into()),
            AMQPValue::ShortInt(number) => Self::Integer((*number).into()),
            AMQPValue::ShortUInt(number) => Self::Integer((*number).into()),
            AMQPValue::LongInt(number) => Self::Integer((*number).into()),
            AMQPValue::LongUInt(number) => Self::Integer((*number).into()),
            AMQPValue::LongLongInt(number) => Self::Integer(*number),
            AMQPValue::Timestamp(seconds) => Self::Integer(i64::try_from(*seconds).ok()?),
            AMQPValue::Float(number) => Self::Number((*number).into()),
            AMQPValue::Double(number) => Self::Number(*number),
            AMQPValue::DecimalValue(_)
            | AMQPValue::FieldArray(_)
            | AMQPValue::FieldTable(_)
            | AMQPValue::ByteArray(_)
            | AMQPValue::Void => return None,
        })
    }

    pub(super) fn to_amqp(self) -> AMQPValue {
        match self {
            Self::Text(text) => AMQPValue::LongString(text.into()),
            Self::Integer(number) => AMQPValue::LongLongInt(number),
            Self::Bool(value) => AMQPValue::Boolean(value),
            Self::Number(number) => AMQPValue::Double(number),
        }
    }
}

impl<'a> From<&'a str> for HeaderValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for HeaderValue<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for HeaderValue<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for HeaderValue<'_> {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}
