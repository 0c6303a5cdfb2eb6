//! Why an event was not accepted, and what is known of it.

/// What became of an event that was not accepted. Each variant says whether a queue may hold it all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There was no connection until the deadline, or the publisher is closed. The event was never sent.
    #[error("the broker was not available in time")]
    Unavailable,
    /// A memory or disk alarm of the broker lasted until the deadline. The event was never sent.
    #[error("the broker took nothing in time, because of an alarm")]
    Blocked,
    /// The broker refuses the user, its vhost, or the exchange to it, or the exchange does not exist and this user may not make it. Where only
    /// publishing is refused, the event was sent and not taken.
    #[error("the broker refuses this user, or the exchange to it")]
    AccessRefused,
    /// The exchange exists with other properties than the publisher's. The event was never sent.
    #[error("the exchange exists with other properties")]
    TopologyConflict,
    /// The broker took it, but no queue is bound to its routing key. No queue holds it.
    #[error("no queue is bound to the routing key")]
    Unroutable,
    /// The broker refused it: a full queue, a queue without a leader, or an event larger than the broker allows. A queue may hold it if
    /// more than one is bound.
    #[error("the broker rejected the event")]
    Rejected,
    /// It was sent, and no confirm came in time. A queue may hold it.
    #[error("the broker did not confirm the event in time")]
    Unconfirmed,
    /// Too many events wait already, by number or by size. The event was never sent.
    #[error("too many events wait to be published")]
    Overloaded,
}
