//! What can go wrong between a service and its broker.

use std::path::PathBuf;
use std::time::Duration;

use crate::{PublishError, State};

/// A failure of messaging. None of them is final but [`Error::Url`], [`Error::Metrics`] and [`Error::Undrained`]: the others pass when the broker or its
/// administrator mends them, so publisher and consumer try again for ever.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An AMQP URL is malformed; the text is never repeated, for it holds a password.
    #[error("AMQP URL: {0}")]
    Url(String),
    /// Nobody could be reached there.
    #[error("broker {broker} cannot be reached: {reason}")]
    Unreachable {
        /// Host and port.
        broker: String,
        /// The operating system's words.
        reason: String,
    },
    /// Somebody is there, but did not answer.
    #[error("broker {broker} did not answer within {within:?}")]
    Silent {
        /// Host and port.
        broker: String,
        /// How long it was waited for.
        within: Duration,
    },
    /// The file of authorities is no use.
    #[error("CA file {path:?} cannot be used: {reason}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The encrypted connection failed, or the broker's certificate was refused.
    #[error("TLS with broker {broker} failed: {reason}")]
    Tls {
        /// Host and port.
        broker: String,
        /// Why, such as that the certificate has expired.
        reason: String,
    },
    /// The broker refused user and password.
    #[error("broker {broker} refused user {user:?}: {reason}")]
    CredentialsRefused {
        /// Host and port.
        broker: String,
        /// Who we said to be.
        user: String,
        /// The broker's words.
        reason: String,
    },
    /// The broker refused the vhost, to everybody or to us.
    #[error("broker {broker} refused vhost {vhost:?}: {reason}")]
    VhostRefused {
        /// Host and port.
        broker: String,
        /// The vhost's name.
        vhost: String,
        /// The broker's words.
        reason: String,
    },
    /// The user may not do this to that object.
    #[error("access to {object} is refused: {reason}")]
    AccessRefused {
        /// What was to be declared, read or written to, such as `queue "email-queue"`.
        object: String,
        /// The broker's words.
        reason: String,
    },
    /// The object exists with other properties, or the broker cannot make it.
    #[error("{object} could not be declared: {reason}")]
    Conflict {
        /// What was to be declared, such as `queue "email-queue"`.
        object: String,
        /// The broker's words, which name the argument.
        reason: String,
    },
    /// The connection, or a channel that cannot be done without, is gone.
    #[error("connection lost: {reason}")]
    Lost {
        /// Why, as far as anybody said.
        reason: String,
    },
    /// The registry has such a metric already: one publisher or consumer a registry.
    #[error("metric could not be registered: {0}")]
    Metrics(#[from] prometheus::Error),
    /// A consumer had not finished what it had in hand when its time to stop was over. The broker gives it out again.
    #[error(
        "consumer of {queue:?} was not done within {within:?}; the broker gives out again the {left} that are left"
    )]
    Undrained {
        /// The queue.
        queue: &'static str,
        /// How many were unfinished.
        left: usize,
        /// The time it had.
        within: Duration,
    },
    /// There is no such object, and it is not for us to make it.
    #[error("{object} does not exist")]
    NotFound {
        /// What was looked for, such as `queue "email-queue.dead"`.
        object: String,
    },
    /// Dead letters have no queue to go to, or no broker, so that this one and those behind it stay dead.
    #[error("{moved} dead letters were moved to {queue:?}, and then one was not: {reason}")]
    NotMoved {
        /// The queue.
        queue: String,
        /// How many were moved before.
        moved: u64,
        /// What is known of the one that was not.
        reason: PublishError,
    },
}

impl Error {
    /// What lapin's error means where it says nothing better. A `From` would make lapin part of this crate's interface.
    pub(crate) fn lost(error: lapin::Error) -> Self {
        let reason = reply(&error).map_or_else(|| error.to_string(), |(_, words)| words.to_owned());
        Self::Lost { reason }
    }

    /// Whether only other settings will help, and not a broker that is mended.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Url(_) | Self::CaFile { .. } | Self::NotFound { .. } | Self::Metrics(_) => true,
            Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::Tls { .. }
            | Self::CredentialsRefused { .. }
            | Self::VhostRefused { .. }
            | Self::AccessRefused { .. }
            | Self::Conflict { .. }
            | Self::Lost { .. }
            | Self::Undrained { .. }
            | Self::NotMoved { .. } => false,
        }
    }

    /// The kind of trouble this is, so that the log tells the same one once.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            // Silence and refusal alternate while a broker starts: one trouble.
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Lost { .. } => "connection",
            Self::CaFile { .. } => "ca-file",
            Self::Tls { .. } => "tls",
            Self::CredentialsRefused { .. } => "credentials",
            Self::VhostRefused { .. } => "vhost",
            Self::AccessRefused { .. } => "access",
            Self::Conflict { .. } => "conflict",
            Self::Metrics(_) => "metrics",
            Self::Undrained { .. } => "undrained",
            Self::NotFound { .. } => "not-found",
            Self::NotMoved { .. } => "not-moved",
        }
    }

    /// What readiness says while this lasts, if it ends the work, and if that goes on without what is amiss.
    pub(crate) fn state(&self, serving: bool) -> State {
        let reason = self.to_string();
        match self {
            Self::CredentialsRefused { .. } | Self::VhostRefused { .. } | Self::AccessRefused { .. } => {
                State::AccessRefused { reason, serving }
            }
            Self::Conflict { .. } => State::TopologyConflict { reason, serving },
            Self::Undrained { .. } => State::Stopped,
            Self::Url(_)
            | Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::CaFile { .. }
            | Self::Tls { .. }
            | Self::Lost { .. }
            | Self::NotFound { .. }
            | Self::NotMoved { .. }
            | Self::Metrics(_) => State::Connecting { reason: Some(reason) },
        }
    }
}

/// The broker's code and words, where lapin has them.
pub(crate) fn reply(error: &lapin::Error) -> Option<(u16, &str)> {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(error) => Some((error.get_id(), error.get_message().as_str())),
        _ => None,
    }
}
