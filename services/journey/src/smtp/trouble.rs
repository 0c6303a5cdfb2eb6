//! The faults of an SMTP server, and the step at which each happens.

use std::time::Duration;

/// A step of SMTP at which something can go wrong.
#[derive(Clone, Copy, Debug)]
pub enum At {
    /// Before the server says who it is.
    Greeting,
    /// At `EHLO`.
    Ehlo,
    /// At `AUTH`.
    Auth,
    /// At `MAIL FROM`.
    Mail,
    /// At `RCPT TO`.
    Rcpt,
    /// At `DATA`.
    Data,
    /// After the message.
    Body,
}

impl At {
    /// Its name in `smtp.py`.
    pub(super) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// The fault.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// This answer in place of the usual one.
    Reply(&'static str),
    /// No answer, ever. After the message: it is taken all the same.
    Hang,
    /// The connection is cut.
    Drop,
    /// The usual answer, later.
    Delay(Duration),
}
