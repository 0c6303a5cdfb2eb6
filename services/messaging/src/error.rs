//! The errors between a service and its broker.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::{PublishError, State};

/// An error of messaging. Only [`Error::Url`], [`Error::Invalid`], [`Error::Metrics`] and [`Error::Undrained`] are final. The others pass
/// when the broker or its administrator mends them, so the publisher and the consumer try again for ever.
///
/// Its `Debug` is its text, so a `main` that returns it ends with a line that can be read.
#[derive(thiserror::Error)]
pub enum Error {
    /// The AMQP URL is malformed. The error never repeats the URL, because it contains a password.
    #[error("AMQP URL: {0}")]
    Url(String),
    /// A name or a setting that the program gave cannot be used.
    #[error("{what}: expected {expected}")]
    Invalid {
        /// The name or setting, such as `queue ""`.
        what: String,
        /// What is expected in its place.
        expected: String,
    },
    /// Nobody answers at the broker's address.
    #[error("broker {broker} cannot be reached: {reason}")]
    Unreachable {
        /// Host and port.
        broker: String,
        /// The reason, in the operating system's words.
        reason: String,
    },
    /// The connection was accepted, and no answer came.
    #[error("broker {broker} did not answer within {within:?}")]
    Silent {
        /// Host and port.
        broker: String,
        /// How long the service waited.
        within: Duration,
    },
    /// The file of certificate authorities cannot be used.
    #[error("CA file {path:?} cannot be used: {reason}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the client's certificate cannot be used.
    #[error("file {path:?} of the client's certificate cannot be used: {reason}")]
    ClientCertificate {
        /// The file of the certificate or of its key.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The encrypted connection failed, or one side refused the certificate of the other.
    #[error("TLS with broker {broker} failed: {reason}")]
    Tls {
        /// Host and port.
        broker: String,
        /// The reason, such as an expired certificate.
        reason: String,
    },
    /// The broker refused the user and the password, or the user of the client's certificate.
    #[error("broker {broker} refused user {user:?}: {reason}")]
    CredentialsRefused {
        /// Host and port.
        broker: String,
        /// The user's name; of a certificate, its subject.
        user: String,
        /// The reason, in the broker's words.
        reason: String,
    },
    /// The broker refused the vhost: it does not exist, or the user may not use it.
    #[error("broker {broker} refused vhost {vhost:?}: {reason}")]
    VhostRefused {
        /// Host and port.
        broker: String,
        /// The vhost's name.
        vhost: String,
        /// The reason, in the broker's words.
        reason: String,
    },
    /// The user has no right to do this with the object.
    #[error("access to {object} is refused: {reason}")]
    AccessRefused {
        /// The object, such as `queue "email-queue"`.
        object: String,
        /// The reason, in the broker's words.
        reason: String,
    },
    /// Copies of events for a delay or dead queue do not pass. Their originals stay unacknowledged.
    #[error("copies for queue {queue:?} do not pass: {reason}")]
    Copies {
        /// The queue.
        queue: String,
        /// Why the last try failed.
        reason: String,
    },
    /// The object exists with other properties, or the broker cannot make it.
    #[error("{object} could not be declared: {reason}")]
    Conflict {
        /// The object, such as `queue "email-queue"`.
        object: String,
        /// The reason, in the broker's words, which name the argument.
        reason: String,
    },
    /// The connection is lost, or a channel without which the work cannot go on.
    #[error("connection lost: {reason}")]
    Lost {
        /// The reason, as far as it is known.
        reason: String,
    },
    /// The registry already has such a metric: a registry can hold one client.
    #[error("{}", not_registered(.0))]
    Metrics(#[from] prometheus::Error),
    /// A stopping consumer ran out of time with deliveries unfinished. The broker delivers them again.
    #[error(
        "consumer of {queue:?} was not done within {within:?}; the broker gives out again the {left} that are left"
    )]
    Undrained {
        /// The queue.
        queue: String,
        /// The number of unfinished deliveries.
        left: usize,
        /// The time that the consumer had to stop.
        within: Duration,
    },
    /// The object does not exist, and this program does not declare it.
    #[error("{object} does not exist")]
    NotFound {
        /// The object, such as `queue "email-queue.dead"`.
        object: String,
    },
    /// The dead letters cannot be moved, because their queue or the broker is gone. This one and those behind it stay
    /// dead.
    #[error("{moved} dead letters were moved to {queue:?}, and then one was not: {reason}")]
    NotMoved {
        /// The queue.
        queue: String,
        /// The number of letters that were moved before.
        moved: u64,
        /// Why this letter was not moved.
        reason: PublishError,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn not_registered(error: &prometheus::Error) -> String {
    match error {
        prometheus::Error::AlreadyReg => "the registry has the metrics of a messaging client already: \
                                          clone that client, or give this one a registry of its own"
            .to_owned(),
        other => format!("the metrics of a messaging client could not be registered: {other}"),
    }
}

impl Error {
    /// # Errors
    /// [`Error::Invalid`], with the option's name and value, unless the value is valid.
    pub(crate) fn unless(valid: bool, option: &str, value: impl fmt::Debug, expected: &str) -> Result<(), Self> {
        if valid {
            return Ok(());
        }
        Err(Self::Invalid { what: format!("{option} {value:?}"), expected: expected.to_owned() })
    }

    /// Translates an error of lapin's that says nothing more precise. A `From` would make lapin part of this crate's
    /// interface.
    pub(crate) fn lost(error: lapin::Error) -> Self {
        let reason = reply(&error).map_or_else(|| error.to_string(), |(_, words)| words.to_owned());
        Self::Lost { reason }
    }

    /// Whether only other settings will help; if not, the broker has to be mended.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Url(_)
            | Self::Invalid { .. }
            | Self::CaFile { .. }
            | Self::ClientCertificate { .. }
            | Self::NotFound { .. }
            | Self::Metrics(_) => true,
            Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::Tls { .. }
            | Self::CredentialsRefused { .. }
            | Self::VhostRefused { .. }
            | Self::AccessRefused { .. }
            | Self::Copies { .. }
            | Self::Conflict { .. }
            | Self::Lost { .. }
            | Self::Undrained { .. }
            | Self::NotMoved { .. } => false,
        }
    }

    /// The kind of trouble, so that the log tells each kind once.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::Invalid { .. } => "invalid",
            // A starting broker is silent and refuses by turns, so both are one kind of trouble.
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Lost { .. } => "connection",
            Self::CaFile { .. } => "ca-file",
            Self::ClientCertificate { .. } => "client-certificate",
            Self::Tls { .. } => "tls",
            Self::CredentialsRefused { .. } => "credentials",
            Self::VhostRefused { .. } => "vhost",
            Self::AccessRefused { .. } => "access",
            Self::Copies { .. } => "copies",
            Self::Conflict { .. } => "conflict",
            Self::Metrics(_) => "metrics",
            Self::Undrained { .. } => "undrained",
            Self::NotFound { .. } => "not-found",
            Self::NotMoved { .. } => "not-moved",
        }
    }

    /// The state that readiness shows while this lasts: if it ends the work, and if the work goes on without the
    /// object.
    pub(crate) fn state(&self, serving: bool) -> State {
        let reason = self.to_string();
        match self {
            Self::CredentialsRefused { .. }
            | Self::VhostRefused { .. }
            | Self::AccessRefused { .. }
            | Self::Copies { .. } => State::AccessRefused { reason, serving },
            Self::Conflict { .. } => State::TopologyConflict { reason, serving },
            Self::Undrained { .. } => State::Stopped,
            Self::Url(_)
            | Self::Invalid { .. }
            | Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::CaFile { .. }
            | Self::ClientCertificate { .. }
            | Self::Tls { .. }
            | Self::Lost { .. }
            | Self::NotFound { .. }
            | Self::NotMoved { .. }
            | Self::Metrics(_) => State::Connecting { reason: Some(reason) },
        }
    }
}

/// The broker's code and words, if lapin has them.
pub(crate) fn reply(error: &lapin::Error) -> Option<(u16, &str)> {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(error) => Some((error.get_id(), error.get_message().as_str())),
        _ => None,
    }
}
