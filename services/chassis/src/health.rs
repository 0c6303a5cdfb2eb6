//! Whether the process can do its work now.

use serde::Serialize;

/// What `/readyz` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether work should be sent to the process: 200 or 503.
    pub ready: bool,
    /// What the process does: `connecting`, `consuming`, `paused`, `draining`, ….
    pub state: &'static str,
    /// The reason for the state, if there is one.
    pub reason: Option<String>,
}

impl Health {
    /// The answer of a process that has been asked to stop, whatever the service says.
    pub const DRAINING: Self = Self { ready: false, state: "draining", reason: None };
}
