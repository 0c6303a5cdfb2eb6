//! What a service writes: the one thing it does with an event.

use super::{Failure, Received};

/// Handles the events of one queue.
///
/// Delivery is at least once: an event whose acknowledgement was lost with the connection, or whose process died, comes again. Within one process
/// events with an id are remembered and not handled twice.
///
/// Up to `CONCURRENCY` events are handled at once, each in a task of its own. A panic, and an event not handled within `HANDLE_TIMEOUT`, is a
/// failed attempt; the future is then dropped at its current `await`. A handler that blocks its thread delays the threads' other tasks and
/// cannot be timed out.
pub trait Handler: Send + Sync + 'static {
    /// What it handles. What cannot be decoded as this never gets here.
    type Event: contract::Event;

    /// Handles one event; `Ok` acknowledges it.
    ///
    /// # Errors
    /// A [`Failure`] that says whether to try again later or soon, never, or not before what the handler depends on is back.
    fn handle(&self, event: &Received<Self::Event>) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Asks whether what the handler depends on is there again. Called only while the consumer is paused, with back-off. Success ends no pause: one
    /// event is tried then, alone, and the next, until one is handled.
    ///
    /// # Errors
    /// The reason why not; readiness shows it.
    fn probe(&self) -> impl Future<Output = Result<(), String>> + Send {
        async { Ok(()) }
    }
}
