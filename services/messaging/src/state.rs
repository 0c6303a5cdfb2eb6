//! How a publisher or a consumer is, for readiness.

/// What a publisher or a consumer is doing, and why it does not what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No connection yet, or again; the reason is the last attempt's failure.
    Connecting {
        /// Why the last attempt failed, if there was one.
        reason: Option<String>,
    },
    /// A publisher is ready to publish.
    Connected,
    /// The broker takes nothing: a memory or disk alarm.
    Blocked,
    /// A consumer has an active subscription.
    Consuming,
    /// A consumer has given up its subscription until what its handler depends on is back, and an event that is tried then, alone, is handled.
    Paused {
        /// What the handler said.
        reason: String,
    },
    /// The broker refuses the user, its vhost, or an object; it is asked again.
    AccessRefused {
        /// What was refused, and the broker's words.
        reason: String,
        /// Whether events are published, or consumed, all the same.
        serving: bool,
    },
    /// An object exists with other properties than ours, or cannot be made; it is declared again and again.
    TopologyConflict {
        /// Which object and argument.
        reason: String,
        /// Whether events are published, or consumed, all the same.
        serving: bool,
    },
    /// It finishes what is under way and takes nothing new.
    Draining,
    /// It has ended.
    Stopped,
}

impl State {
    /// The names of all states, as [`name`](Self::name) gives them.
    pub const NAMES: &'static [&'static str] = &[
        "connecting",
        "connected",
        "blocked",
        "consuming",
        "paused",
        "access-refused",
        "topology-conflict",
        "draining",
        "stopped",
    ];

    /// The state's name, for `/readyz` and the label of `messaging_state`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connecting { .. } => "connecting",
            Self::Connected => "connected",
            Self::Blocked => "blocked",
            Self::Consuming => "consuming",
            Self::Paused { .. } => "paused",
            Self::AccessRefused { .. } => "access-refused",
            Self::TopologyConflict { .. } => "topology-conflict",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }

    /// Why it is so, where there is a reason.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Connecting { reason } => reason.as_deref(),
            Self::Paused { reason } | Self::AccessRefused { reason, .. } | Self::TopologyConflict { reason, .. } => {
                Some(reason)
            }
            Self::Connected | Self::Blocked | Self::Consuming | Self::Draining | Self::Stopped => None,
        }
    }

    /// Whether events are published, or consumed, though an object may be amiss that they can do without.
    pub fn is_serving(&self) -> bool {
        match self {
            Self::Connected | Self::Consuming => true,
            Self::AccessRefused { serving, .. } | Self::TopologyConflict { serving, .. } => *serving,
            Self::Connecting { .. } | Self::Blocked | Self::Paused { .. } | Self::Draining | Self::Stopped => false,
        }
    }
}
