//! What an event is: CloudEvents 1.0 in structured JSON mode, written and read. No I/O, and no broker.
//!
//! A kind of event implements [`Event`]. Its publisher encodes it ([`CloudEvent::encode`]), and its consumers decode
//! it ([`decode()`]) or learn why the message is no such event ([`DecodeError`]). A kind of event that checks its data
//! field by field reads it as a [`json::Value`] and reports a [`Fault`] for each field.

pub mod json;
pub mod limits;
pub mod unicode;

mod fault;
pub use fault::Fault;
mod event;
pub use event::Event;
mod cloud_event;
pub use cloud_event::{CONTENT_TYPE, CloudEvent, Encoded};
mod decode_error;
pub use decode_error::DecodeError;
mod decode;
mod envelope;
pub use decode::{Decoded, Raw, decode};
