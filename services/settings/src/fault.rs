//! What is wrong with one variable. It never shows a secret.

use std::ffi::OsString;
use std::fmt;

use crate::Variable;

/// The most characters of a wrong value that are shown.
const SHOWN: usize = 200;

/// The value of a variable in an environment.
#[derive(PartialEq)]
pub(crate) enum Found {
    Nothing,
    Text(String),
    NotUtf8(OsString),
}

/// One wrong variable: `PREFETCH="many": expected a whole number from 1 to 65535 (default: twice CONCURRENCY)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    name: &'static str,
    /// The value as it may be shown; the value of a secret is removed already.
    shown: Option<String>,
    expected: String,
    /// What is wrong with the value, if more can be said than what is expected.
    reason: Option<String>,
    default: Option<&'static str>,
}

impl Fault {
    /// The fault of a variable with this value. `reason` may be empty.
    pub(crate) fn of(variable: &Variable, found: Found, reason: &str) -> Self {
        let encoding = if matches!(found, Found::NotUtf8(_)) { "UTF-8: " } else { "" };
        let shown = match found {
            Found::Nothing => None,
            Found::Text(text) if text.is_empty() => Some("\"\"".to_owned()),
            _ if variable.secret => Some("[redacted]".to_owned()),
            Found::Text(text) => Some(cut(format!("{text:?}"))),
            Found::NotUtf8(value) => Some(cut(format!("{value:?}"))),
        };
        let expected = format!("{encoding}{}", variable.expected);
        let reason = Some(reason).filter(|reason| !reason.is_empty()).map(|reason| cut(reason.to_owned()));
        Self { name: variable.name, shown, expected, reason, default: variable.shown_default() }
    }

    /// The variable's name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

fn cut(mut shown: String) -> String {
    if let Some((end, _)) = shown.char_indices().nth(SHOWN) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shown {
            Some(shown) => write!(f, "{}={shown}: ", self.name)?,
            None => write!(f, "{} is not set: ", self.name)?,
        }
        if let Some(reason) = &self.reason {
            write!(f, "{reason}; ")?;
        }
        write!(f, "expected {}", self.expected)?;
        match self.default {
            Some(default) => write!(f, " (default: {default})"),
            None => Ok(()),
        }
    }
}
