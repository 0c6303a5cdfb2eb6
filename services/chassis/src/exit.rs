//! The end of a service, as a reason and an exit code.

use std::error::Error;
use std::process::ExitCode;

use crate::Env;

/// Why a service ended, if not by a requested stop. Any error becomes [`Exit::Failed`] by `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A task failed: exit code 1.
    Failed(String),
    /// The configuration is wrong: exit code 64.
    Misconfigured(String),
    /// Some of the work could not be done: exit code 65.
    Incomplete(String),
    /// Something that it needs is missing: exit code 69.
    Unavailable(String),
}

impl Exit {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Misconfigured(_) => 64,
            Self::Incomplete(_) => 65,
            Self::Unavailable(_) => 69,
        }
    }

    /// The reason, for one log line.
    pub fn reason(&self) -> &str {
        match self {
            Self::Failed(reason)
            | Self::Misconfigured(reason)
            | Self::Incomplete(reason)
            | Self::Unavailable(reason) => reason,
        }
    }
}

impl<E: Error> From<E> for Exit {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Prints all faults of the environment to stderr, and returns the exit code for them. `None` if there are none.
pub fn refuse_faults(env: &Env) -> Option<ExitCode> {
    let faults: String = env.faults().iter().map(|fault| format!("{fault}\n")).collect();
    eprint!("{faults}");
    (!faults.is_empty()).then(|| Exit::Misconfigured(faults).code().into())
}
