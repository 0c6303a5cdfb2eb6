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

    /// The least ready of several states. If there are several, its reason begins with whose it is.
    pub(crate) fn least_ready(states: Vec<(String, Self)>) -> Self {
        let alone = states.len() < 2;
        let least = states.into_iter().max_by_key(|(_, state)| state.distance());
        let Some((what, mut state)) = least else {
            return Self::Connecting { reason: Some("nothing publishes or consumes yet".to_owned()) };
        };
        match &mut state {
            _ if alone => {}
            Self::Connecting { reason } => {
                *reason = Some(match reason {
                    Some(reason) => format!("{what}: {reason}"),
                    None => format!("{what} was not connected yet"),
                });
            }
            Self::Paused { reason } | Self::AccessRefused { reason, .. } | Self::TopologyConflict { reason, .. } => {
                reason.insert_str(0, &format!("{what}: "));
            }
            Self::Connected | Self::Blocked | Self::Consuming | Self::Draining | Self::Stopped => {}
        }
        state
    }

    /// How far it is from serving; 0 if nothing is wrong.
    fn distance(&self) -> u8 {
        match self {
            Self::Connected | Self::Consuming => 0,
            Self::AccessRefused { serving: true, .. } | Self::TopologyConflict { serving: true, .. } => 1,
            Self::Paused { .. } => 2,
            Self::Blocked => 3,
            Self::Connecting { .. } => 4,
            Self::AccessRefused { .. } | Self::TopologyConflict { .. } => 5,
            Self::Stopped => 6,
            // Whatever has stopped already, the whole still drains.
            Self::Draining => 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_ready_shows_and_says_whose_reason_it_is() {
        let conflict = |serving| State::TopologyConflict { reason: "it differs".to_owned(), serving };
        let paused = || State::Paused { reason: "down".to_owned() };
        let by_distance = [
            State::Consuming,
            conflict(true),
            paused(),
            State::Blocked,
            State::Connecting { reason: None },
            conflict(false),
            State::Stopped,
            State::Draining,
        ];
        for pair in by_distance.windows(2) {
            let least = |one: &State, two: &State| {
                State::least_ready(vec![("one".to_owned(), one.clone()), ("two".to_owned(), two.clone())])
            };
            let [better, worse] = pair else { unreachable!("windows of two") };
            assert_eq!(least(better, worse).name(), worse.name());
            assert_eq!(least(worse, better).name(), worse.name());
        }
        let two = vec![("publisher to e".to_owned(), State::Connected), ("consumer of q".to_owned(), paused())];
        assert_eq!(State::least_ready(two).reason(), Some("consumer of q: down"));
        assert_eq!(State::least_ready(vec![("consumer of q".to_owned(), paused())]), paused());
        assert!(!State::least_ready(Vec::new()).is_serving());
    }
}
