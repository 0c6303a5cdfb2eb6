//! What is made of bytes from outside, a function for each decoder, with what must be true of any bytes.
//!
//! libFuzzer feeds them what coverage finds (`run`); a test feeds them the seeds.

mod answers;
pub use answers::answers;
mod bodies;
pub use bodies::{cancel_body, idempotency_key, order_body};
mod mails;
mod messages;
pub use messages::{event, frames, letter};
mod variables;
pub use variables::settings;
