//! Collects the faults of a document.

use std::fmt;

use events::Fault;
use events::json::Value;

use crate::limits::MAX_FAULTS;

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
