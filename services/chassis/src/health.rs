//! Whether the process can do its work now.

use messaging::State;
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

    /// The answer of a publisher or consumer in this state.
    pub fn of(state: &State, ready: bool) -> Self {
        Self { ready, state: state.name(), reason: state.reason().map(str::to_owned) }
    }
}
