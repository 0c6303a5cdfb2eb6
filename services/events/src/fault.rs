//! One thing wrong with a document, and where.

use serde::Serialize;

/// What is wrong with one field of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}{detail}", if .pointer.is_empty() { String::new() } else { format!("{pointer}: ") })]
pub struct Fault {
    /// Where it is: a JSON pointer (RFC 6901), empty for the document as a whole.
    pub pointer: String,
    /// What was expected, and what was found instead. It never repeats the text, which may be personal.
    pub detail: String,
}

impl Fault {
    /// The first of the faults, and the number of the others.
    pub fn summary(faults: &[Self]) -> String {
        match faults {
            [] => String::new(),
            [only] => only.to_string(),
            [first, more @ ..] => format!("{first} (and {} more)", more.len()),
        }
    }
}
