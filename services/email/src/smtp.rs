//! SMTP by lettre: a URL, sessions, the ones kept open, and what each failure means.
//!
//! lettre's own pool tells an answer to a login from an answer to a mail by nothing, and waits for
//! both for ever. So its connections are driven here, step by step.

mod client;
mod encryption;
mod error;
mod idle;
#[cfg(feature = "inside")]
pub mod inside;
mod session;
mod streak;
mod url;

pub use client::Smtp;
pub use encryption::SmtpSetupError;
pub use error::{Command, Disposition, SmtpError};
pub use url::{Security, SmtpUrl, SmtpUrlError};
