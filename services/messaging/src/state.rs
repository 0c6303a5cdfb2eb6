//! The state of a publisher or a consumer, for readiness.

/// What a publisher or a consumer is doing, and why it cannot do its work if it cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There is no connection.
    Connecting {
        /// Why the last attempt to connect failed, if there was one.
        reason: Option<String>,
    },
    /// The publisher is ready to publish.
    Connected,
    /// The broker takes no events because of a memory or disk alarm.
    Blocked,
    /// The consumer has an active subscription.
    Consuming,
    /// The consumer has cancelled its subscription because its handler's dependency is down. It stays in this state
    /// until an event, tried alone, is handled.
    Paused {
        /// The handler's reason.
        reason: String,
    },
    /// The broker refuses the user, its vhost, an object, or copies for delay and dead queues. The service goes on asking.
    AccessRefused {
        /// The object that was refused, and the broker's words.
        reason: String,
        /// Whether events are published or consumed all the same.
        serving: bool,
    },
    /// An object exists with other properties than expected, or cannot be declared. The service goes on declaring it.
    TopologyConflict {
        /// The object and the argument.
        reason: String,
        /// Whether events are published or consumed all the same.
        serving: bool,
    },
    /// The publisher or consumer finishes what is under way, and takes nothing new.
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

    /// The reason for the state, if there is one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Connecting { reason } => reason.as_deref(),
            Self::Paused { reason } | Self::AccessRefused { reason, .. } | Self::TopologyConflict { reason, .. } => {
                Some(reason)
            }
            Self::Connected | Self::Blocked | Self::Consuming | Self::Draining | Self::Stopped => None,
        }
    }

    /// Whether events are published or consumed, even if an object is wrong without which this can go on.
    pub fn is_serving(&self) -> bool {
        match self {
            Self::Connected | Self::Consuming => true,
            Self::AccessRefused { serving, .. } | Self::TopologyConflict { serving, .. } => *serving,
            Self::Connecting { .. } | Self::Blocked | Self::Paused { .. } | Self::Draining | Self::Stopped => false,
        }
    }
}
