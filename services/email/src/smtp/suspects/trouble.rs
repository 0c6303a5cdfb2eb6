//! What makes the refusals of different mails the same.

use std::time::Duration;

use crate::smtp::{Command, SmtpError};

/// The longest that a suspect waits until the server is asked again, while no other mail passes.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// The same, if the server may have the message, so that each attempt may make a copy.
const LONGEST_BETWEEN_COPIES: Duration = Duration::from_secs(15 * 60);

/// What makes refusals the same: the step, and the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Trouble {
    pub(super) command: Command,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Refused,
    Deferred,
    Lost,
    Silent,
    TooBig,
}

impl Trouble {
    /// How long a suspect waits that was asked about this often.
    pub(super) fn wait(self, asked: u32) -> Duration {
        let may_be_copied = self.command == Command::Body && matches!(self.kind, Kind::Lost | Kind::Silent);
        let longest = if may_be_copied { LONGEST_BETWEEN_COPIES } else { LONGEST };
        match asked {
            0 | 1 => Duration::ZERO,
            asked => Duration::from_secs(1 << asked.min(12)).min(longest),
        }
    }

    /// The trouble that an error shows; none if it is not about one mail and the server.
    pub(super) fn of(error: &SmtpError) -> Option<Self> {
        let (command, kind) = match error {
            SmtpError::Answered { command, code, .. } if *code < 500 => (*command, Kind::Deferred),
            SmtpError::Answered { command, .. } => (*command, Kind::Refused),
            SmtpError::Lost { command, .. } => (*command, Kind::Lost),
            SmtpError::Silent { command, .. } => (*command, Kind::Silent),
            SmtpError::TooBig { .. } => (Command::Mail, Kind::TooBig),
            SmtpError::NoSession { .. }
            | SmtpError::NoFurtherSession { .. }
            | SmtpError::NeedsUtf8
            | SmtpError::Queued
            | SmtpError::HeldUp
            | SmtpError::Stopping => return None,
        };
        Some(Self { command, kind })
    }
}
