//! Why an HTTP body was refused.

use events::Fault;
use events::json::Value;
use events::unicode::{self, NotText};

use crate::faults::{Faults, Pointer, Unknown};
use crate::fields::Fields;

/// Why an HTTP body was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The body is not text.
    #[error("the body is not UTF-8 from byte {0} on")]
    NotUtf8(usize),
    /// The body is text of this other encoding.
    #[error("the body is {0}: expected UTF-8")]
    Encoded(&'static str),
    /// The body is not JSON, is cut off, or is nested too deep. The text says where.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// The body is JSON, but does not have the expected fields. The list is never empty.
    #[error("the body is wrong: {}", Fault::summary(.0))]
    Invalid(Vec<Fault>),
}

impl From<NotText> for ParseError {
    fn from(fault: NotText) -> Self {
        match fault {
            NotText::Encoded(encoding) => Self::Encoded(encoding),
            NotText::From(byte) => Self::NotUtf8(byte),
        }
    }
}

/// Reads one JSON object. An unknown field is a fault.
pub(crate) fn parse_body<'b, T>(
    body: &'b [u8],
    read: impl FnOnce(&mut Fields<'b, '_>) -> Option<T>,
) -> Result<T, ParseError> {
    let text = unicode::text(body)?;
    let mut faults = Faults::new(Unknown::Refused);
    let value: Value<'b> = match serde_json::from_str(text) {
        Ok(value) => value,
        // `1e999` is JSON, and only too large.
        Err(error) if error.to_string().starts_with("number out of range") => {
            faults.add(Pointer::Root, format!("expected numbers below 1e308, found one beyond: {error}"));
            return faults.or(None).map_err(ParseError::Invalid);
        }
        Err(error) => return Err(ParseError::NotJson(error.to_string())),
    };
    let read = Fields::of(value, Pointer::Root, &mut faults, read);
    faults.or(read).map_err(ParseError::Invalid)
}
