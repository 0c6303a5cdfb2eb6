//! Which event was not accepted, why, and whether a queue may hold it.

use std::sync::Arc;

/// An event that was not accepted: where it was published, and why it was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{routing_key} was not published to exchange {exchange:?}: {reason}")]
pub struct NotPublished {
    /// The exchange.
    pub exchange: Arc<str>,
    /// The event's type, which is its routing key.
    pub routing_key: &'static str,
    /// Why it was not accepted, and whether a queue may hold it all the same.
    pub reason: PublishError,
}

/// Why an event was not accepted. Each variant says whether a queue may hold it all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There was no connection until the deadline, or the publisher is closed. The event was never sent.
    #[error("the broker was not available in time")]
    Unavailable,
    /// The broker had a memory or disk alarm until the deadline. The event was never sent.
    #[error("the broker accepted nothing in time, because it has a memory or disk alarm")]
    Blocked,
    /// The broker refuses the user, its vhost, or this user's use of the exchange; or the exchange does not exist and
    /// this user may not declare it. If the broker refuses only publishing, the event was sent and not taken.
    #[error("the broker refuses this user, or does not let this user use the exchange")]
    AccessRefused,
    /// The exchange exists with other properties than the publisher's. The event was never sent.
    #[error("the exchange exists with other properties")]
    TopologyConflict,
    /// The broker took the event, but no queue is bound to its routing key. No queue holds it.
    #[error("no queue is bound to the routing key")]
    Unroutable,
    /// The broker refused the event: a queue is full or has no leader, or the event is larger than the broker allows.
    /// If more than one queue is bound, one may hold it.
    #[error("the broker rejected the event")]
    Rejected,
    /// The event was sent, and no confirm came in time. A queue may hold it.
    #[error("the broker did not confirm the event in time")]
    Unconfirmed,
    /// Too many events wait already, by number or by size. The event was never sent.
    #[error("too many events wait to be published")]
    Overloaded,
}
