//! What every event promises, whatever its kind: how it is written, and which messages are read as one.

mod headers;
mod messages;
mod note;
mod serde_types;
