//! Why a handler could not handle an event, and what that means for the event.

use std::fmt;

/// A handler's refusal. Its class decides what becomes of the event; its reason is for people, so it must hold no
/// address and no body.
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
    /// It failed and may work later: the event waits in a delay queue, and once its attempts are used up it is a dead
    /// letter.
    pub fn later(reason: impl fmt::Display) -> Self {
        Self::new(FailureClass::Later, reason)
    }

    /// It failed, and it is not known yet whose trouble it is, or it was not begun: the event waits in the shortest delay
    /// queue, and keeps all its attempts. Nothing pauses.
    pub fn postponed(reason: impl fmt::Display) -> Self {
        Self::new(FailureClass::Postponed, reason)
    }

    /// It will never work: the event becomes a dead letter at once.
    pub fn for_good(reason: impl fmt::Display) -> Self {
        Self::new(FailureClass::ForGood, reason)
    }

    /// What the handler depends on is down: the consumer pauses until [`Handler::probe`](crate::Handler::probe)
    /// succeeds and then one event, tried alone, is handled. The event keeps all its attempts.
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
