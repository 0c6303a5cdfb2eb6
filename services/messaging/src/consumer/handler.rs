//! The trait that a service implements: what it does with an event.

use super::{ConsumerOptions, Failure, Received};
use crate::Error;

/// Handles the events of one queue.
///
/// Delivery is at least once. An event comes again if the connection was lost together with its acknowledgement, or
/// if the process died. Within one process, the consumer remembers events with an id and does not handle them twice.
/// A [`DedupeStore`](super::DedupeStore) remembers them for several processes.
///
/// The consumer handles up to `CONCURRENCY` events at once, each in a task of its own. A panic is a failed attempt,
/// and so is an event that takes longer than `HANDLE_TIMEOUT`: the consumer then drops the future at its current
/// `await`. A handler that blocks its thread delays the other tasks of the thread, and cannot be timed out.
pub trait Handler: Send + Sync + 'static {
    /// The kind of event that it handles. A message that cannot be decoded as this kind never reaches the handler.
    type Event: events::Event;

    /// Handles one event; `Ok` acknowledges it.
    ///
    /// # Errors
    /// A [`Failure`] that says whether to try again later, soon, never, or when the handler's dependency is back.
    fn handle(&self, event: &Received<Self::Event>) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Asks whether the handler's dependency works again. The consumer calls it with back-off, and only while it is
    /// paused. After a success the consumer tries one event alone, then the next; the pause ends when one is handled
    /// that needs the dependency.
    ///
    /// By default it says yes, so the events that are tried alone ask the dependency, with the same back-off.
    ///
    /// # Errors
    /// Why the dependency does not work. `/readyz` shows this reason.
    fn probe(&self) -> impl Future<Output = Result<(), String>> + Send {
        async { Ok(()) }
    }

    /// Whether this event can be handled only with the dependency whose outage pauses the consumer. Only such an
    /// event ends a pause; one that is handled without the dependency says nothing about it. By default every event
    /// needs it.
    fn needs_dependency(&self, event: &Received<Self::Event>) -> bool {
        let _ = event;
        true
    }

    /// Whether it can work with these options of its consumer. The consumer asks before it is made.
    ///
    /// # Errors
    /// [`Error::Invalid`], which names what does not fit.
    fn check(&self, options: &ConsumerOptions) -> Result<(), Error> {
        let _ = options;
        Ok(())
    }
}
