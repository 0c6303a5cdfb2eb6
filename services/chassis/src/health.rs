//! Whether the process can do its work now.

use serde::Serialize;

/// What `/readyz` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether work should be sent to it: 200 or 503.
    pub ready: bool,
    /// What it does: `connecting`, `consuming`, `paused`, `draining`, ….
    pub state: &'static str,
    /// Why it is in that state, where that is known.
    pub reason: Option<String>,
}

impl Health {
    /// Of a process that is asked to stop, whatever it would say of itself.
    pub const DRAINING: Self = Self { ready: false, state: "draining", reason: None };
}
