//! One thing wrong with a document, and where.

use std::fmt;

use serde::Serialize;

use crate::json::Value;
use crate::limits::MAX_FAULTS;

/// What is wrong with one field of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}{detail}", if .pointer.is_empty() { String::new() } else { format!("{pointer}: ") })]
pub struct Fault {
    /// Where it is: a JSON pointer (RFC 6901), empty for the document as a whole.
    pub pointer: String,
    /// What was expected, and what was found instead. It never repeats the text, which may be personal.
    pub detail: String,
}

/// The first fault, and the number of the others.
pub(crate) fn summary(faults: &[Fault]) -> String {
    match faults {
        [] => String::new(),
        [only] => only.to_string(),
        [first, more @ ..] => format!("{first} (and {} more)", more.len()),
    }
}

/// A place in a document. Its pointer is written only if something is wrong there.
#[derive(Clone, Copy)]
pub(crate) enum Pointer<'p> {
    Root,
    Member(&'p Pointer<'p>, &'p str),
    Element(&'p Pointer<'p>, usize),
}

impl fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, name) => write!(f, "{parent}/{}", name.replace('~', "~0").replace('/', "~1")),
            Self::Element(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

/// Whether an unknown field is a fault.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    Refused,
    Ignored,
}

/// All the faults of one document.
pub(crate) struct Faults {
    list: Vec<Fault>,
    pub(crate) unknown: Unknown,
}

impl Faults {
    pub(crate) fn new(unknown: Unknown) -> Self {
        Self { list: Vec::new(), unknown }
    }

    pub(crate) fn add(&mut self, at: Pointer<'_>, detail: impl Into<String>) {
        if self.list.len() < MAX_FAULTS {
            self.list.push(Fault { pointer: at.to_string(), detail: detail.into() });
        }
    }

    pub(crate) fn expected(&mut self, at: Pointer<'_>, expected: &str, found: &Value<'_>) {
        self.add(at, format!("expected {expected}, found {found}"));
    }

    /// The value that was read, if there is no fault.
    pub(crate) fn or<T>(self, read: Option<T>) -> Result<T, Vec<Fault>> {
        match read {
            Some(read) if self.list.is_empty() => Ok(read),
            _ => Err(self.list),
        }
    }
}
