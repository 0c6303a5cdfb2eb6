//! Text that is safe in a header, a log line and an email: one line, of a bounded length.

use events::json::Value;
use serde::Serialize;

use crate::fields::Scalar;

/// 1 to `MAX` characters, none of which is a control character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Line<const MAX: usize>(String);

impl<const MAX: usize> Line<MAX> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Scalar for Line<MAX> {
    fn expected() -> String {
        format!("1 to {MAX} characters without control characters")
    }

    fn read(value: &Value<'_>) -> Option<Self> {
        let text = value.as_text()?;
        // Counts only as far as needed: a text of a megabyte is refused as fast as a text of one line.
        let fits = !text.is_empty() && text.chars().take(MAX + 1).count() <= MAX;
        (fits && !text.contains(char::is_control)).then(|| Self(text.to_owned()))
    }
}
