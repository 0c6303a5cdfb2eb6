//! Why a handler could not handle an event, and what the consumer does with the event.

use std::fmt;
use std::time::Duration;

use crate::{NotPublished, PublishError};

/// A handler's failure to handle an event. Its class decides what the consumer does with the event. Its reason is for
/// people: it must contain no address and no body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    class: FailureClass,
    reason: String,
    after: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureClass {
    Later,
    Postponed,
    ForGood,
    Outage,
}

impl Failure {
    /// A later attempt may work. The consumer sends the event to a delay queue. When all attempts are used up, the
    /// event is a dead letter.
    pub fn later(reason: impl fmt::Display) -> Self {
        Self::new(FailureClass::Later, reason)
    }

    /// It is not known yet whether this event or something else is at fault, or the handler did not begin. The
    /// consumer sends the event to the shortest delay queue and counts no attempt. It does not pause.
    pub fn postponed(reason: impl fmt::Display) -> Self {
        Self::new(FailureClass::Postponed, reason)
    }

    /// No attempt will work. The event becomes a dead letter at once.
    pub fn for_good(reason: impl fmt::Display) -> Self {
        Self::new(FailureClass::ForGood, reason)
    }

    /// The handler's dependency is down. The consumer pauses until [`Handler::probe`](crate::Handler::probe)
    /// succeeds, and then tries one event alone; the pause ends when an event is handled. No attempt is counted.
    pub fn outage(reason: impl fmt::Display) -> Self {
        Self::new(FailureClass::Outage, reason)
    }

    fn new(class: FailureClass, reason: impl fmt::Display) -> Self {
        Self { class, reason: reason.to_string(), after: None }
    }

    /// The reason, as it was given.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether this pauses the consumer.
    pub fn is_outage(&self) -> bool {
        self.class == FailureClass::Outage
    }

    /// Asks for a wait of its own before the next attempt, such as a server's `Retry-After`. The event goes to the
    /// delay queue with the shortest delay that is as long, or, if none is, with the longest. So it waits for one of the
    /// consumer's delays (`RETRY_DELAYS`), and not for less than was asked, unless more was asked than the longest.
    /// [`later`](Self::later) counts the attempt as ever: the number of delays says how many attempts there are.
    ///
    /// A failure [`for_good`](Self::for_good) and an [`outage`](Self::outage) wait for nothing of this kind.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use messaging::Failure;
    /// let busy = Failure::later("the warehouse is busy").after(Duration::from_secs(30));
    /// ```
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self { after: Some(wait), ..self }
    }

    pub(crate) fn into_parts(self) -> (FailureClass, String, Option<Duration>) {
        (self.class, self.reason, self.after)
    }

    /// Whether this makes the event a dead letter at once.
    pub fn is_for_good(&self) -> bool {
        self.class == FailureClass::ForGood
    }
}

/// What becomes of the event that a handler heard, when it could not publish what follows from it. The follow-up has
/// the same id in the next attempt, so whoever heard it before takes the second for a duplicate.
///
/// | the follow-up | the event heard | why |
/// |---|---|---|
/// | [`Unavailable`](PublishError::Unavailable), [`Blocked`](PublishError::Blocked), [`AccessRefused`](PublishError::AccessRefused), [`TopologyConflict`](PublishError::TopologyConflict) | [`outage`](Failure::outage): the consumer pauses, and counts no attempt | No event can be published, so the next one would fail too. |
/// | [`Unconfirmed`](PublishError::Unconfirmed) | [`outage`](Failure::outage) | The broker or a queue does not answer. No event is at fault, and none becomes a dead letter however long that lasts. |
/// | [`Unroutable`](PublishError::Unroutable) | [`later`](Failure::later) | Nobody listens yet. Other types may be routed, so nothing pauses. If nobody listens after the last attempt, the dead letter tells an operator, who redrives it. |
/// | [`Rejected`](PublishError::Rejected) | [`later`](Failure::later) | A queue is full or has no leader, which passes, or the event is too large, which does not. The error does not tell them apart, so this becomes a dead letter only after the last attempt. |
/// | [`Overloaded`](PublishError::Overloaded) | [`postponed`](Failure::postponed) | This process publishes more than the broker confirms. The event is tried again soon, and no attempt is counted. |
impl From<NotPublished> for Failure {
    fn from(error: NotPublished) -> Self {
        let reason = format!("a follow-up event failed: {error}");
        match error.reason {
            PublishError::Unavailable
            | PublishError::Blocked
            | PublishError::AccessRefused
            | PublishError::TopologyConflict
            | PublishError::Unconfirmed => Self::outage(reason),
            PublishError::Unroutable | PublishError::Rejected => Self::later(reason),
            PublishError::Overloaded => Self::postponed(reason),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follow_up_that_was_not_published_pauses_retries_or_postpones() {
        use PublishError::*;
        for (class, errors) in [
            (FailureClass::Outage, &[Unavailable, Blocked, AccessRefused, TopologyConflict, Unconfirmed][..]),
            (FailureClass::Later, &[Unroutable, Rejected]),
            (FailureClass::Postponed, &[Overloaded]),
        ] {
            for error in errors {
                let follow_up = NotPublished { exchange: "stock".into(), routing_key: "stock.low", reason: *error };
                let failure = Failure::from(follow_up);
                let told =
                    format!("a follow-up event failed: stock.low was not published to exchange \"stock\": {error}");
                assert_eq!(failure.reason(), told);
                assert_eq!(failure.into_parts().0, class, "{error}");
            }
        }
    }
}
