//! Why a handler could not handle an event, and what the consumer does with the event.

use std::fmt;

/// A handler's failure to handle an event. Its class decides what the consumer does with the event. Its reason is for
/// people: it must contain no address and no body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    class: FailureClass,
    reason: String,
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
        Self { class, reason: reason.to_string() }
    }

    /// The reason, as it was given.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether this pauses the consumer.
    pub fn is_outage(&self) -> bool {
        self.class == FailureClass::Outage
    }

    pub(crate) fn into_parts(self) -> (FailureClass, String) {
        (self.class, self.reason)
    }

    /// Whether this makes the event a dead letter at once.
    pub fn is_for_good(&self) -> bool {
        self.class == FailureClass::ForGood
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
