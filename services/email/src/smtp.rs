//! A client of SMTP: the URL, sessions, idle sessions, and what each failure means.
//!
//! lettre writes the messages, and does not send them. Its connection reads bytes from before a TLS handshake as
//! answers of the encrypted session, has one time limit for every step of opening a session, panics over a blank
//! line, and knows neither address literals of the socket nor SMTPUTF8 for one recipient. The rest of a client is
//! small.

mod authentication;
mod client;
mod encryption;
mod error;
mod extensions;
mod idle;
#[cfg(feature = "inside")]
pub mod inside;
mod limiter;
mod limits;
mod mask;
mod reply;
mod server;
mod session;
mod suspects;
mod url;
mod wire;

pub use client::{Disposition, MailObject, Smtp, SmtpOptions, Unsent};
pub(crate) use encryption::reads_authorities;
pub use error::{Blame, Command, SmtpError};
pub use limits::SmtpLimits;
pub use url::{Login, Security, SmtpUrl, SmtpUrlError};
