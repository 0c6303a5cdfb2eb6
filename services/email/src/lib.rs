//! Sends one mail for each order that was placed, by SMTP or to the log.

mod config;
pub use config::{Config, TransportConfig};

mod handler;
pub use handler::{Confirmations, subscription};

mod mail;
pub use mail::Mail;

mod message;
pub use message::{About, Message, Sender};

mod mailer;
pub use mailer::Mailer;

mod smtp;
#[cfg(feature = "inside")]
pub use smtp::inside;
pub use smtp::{
    Blame, Command, Disposition, Login, MailObject, Security, Smtp, SmtpError, SmtpLimits, SmtpOptions, SmtpUrl,
    SmtpUrlError, Unsent,
};

mod metrics;
pub use metrics::{EmailMetrics, Outcome, Transport};

#[cfg(test)]
mod sample;
