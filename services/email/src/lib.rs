//! Queue to email: one mail for each order that was placed, by SMTP or to the log.

mod app;
pub use app::App;

mod config;
pub use config::{Config, PostConfig};

mod handler;
pub use handler::{Confirmations, SUBSCRIPTION};

mod mail;
pub use mail::Mail;

mod letter;
pub use letter::Letter;

mod mailer;
pub use mailer::{Mailer, Post};

mod smtp;
#[cfg(feature = "inside")]
pub use smtp::inside;
pub use smtp::{Command, Disposition, Security, Smtp, SmtpError, SmtpSetupError, SmtpUrl, SmtpUrlError};

mod metrics;
pub use metrics::{EmailMetrics, Outcome, Transport};

#[cfg(test)]
mod sample;
