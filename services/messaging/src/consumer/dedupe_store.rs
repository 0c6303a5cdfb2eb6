//! A store of handled events that several processes share: its trait, and how the consumer calls it.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;
use tracing::warn;

use super::{Failure, Outcome};
use crate::panics::caught;

/// The longest that a store may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Remembers which events were handled, outside the process: in Redis, or in a table of the service's database.
/// [`ConsumerBuilder::dedupe_store`](crate::ConsumerBuilder::dedupe_store) gives it to a consumer.
///
/// A consumer always has a memory of its own (`DEDUPE_CAPACITY`). The memory ends with the process, and no other process
/// sees it. A consumer with a store asks its memory first, then the store. It enters an event in both after its handler
/// has succeeded, and before it acknowledges the event. It never enters an event whose attempt failed. An event without
/// an id is never looked up and never entered.
///
/// `examples/dedupe_store.rs` keeps its store in a folder.
///
/// # What a shared store changes
///
/// | what happens | what becomes of the event |
/// |---|---|
/// | Another process handled it, or this one did before a restart. | It is a duplicate: the consumer acknowledges it and does not handle it. |
/// | A second copy arrives while the first is being handled, in this process. | The copy waits for the outcome of the first, with or without a store: for a second at most, and then in the shortest delay queue. |
/// | A second copy arrives while the first is being handled, **in another process**. | **Both are handled**, because the event is not entered yet. This happens when a connection is lost while its handler goes on, or when a publisher repeats an event. |
/// | The process dies after the handler's success, before the event is entered. | It is handled again. |
/// | The store forgets the event, such as by an expiry. | A later copy is handled again. |
///
/// So a store makes repetitions rare and does not exclude them. Only a handler that writes to one database can exclude
/// them: it inserts source and id into a table with a unique key, in the transaction of its other changes. If the store
/// reads that table, [`remember`](Self::remember) has nothing left to do.
///
/// # When the store fails
///
/// | what happens | what the consumer does |
/// |---|---|
/// | [`was_handled`](Self::was_handled) fails. | It does not handle the event. It settles the event as if its handler had failed in this way. |
/// | [`was_handled`](Self::was_handled) does not answer within 5 s. | The same, with a [`Failure::outage`]. |
/// | [`was_handled`](Self::was_handled) panics. | The same, with a [`Failure::later`]. |
/// | [`remember`](Self::remember) fails, panics, or does not answer within 5 s. | It logs a warning that names the event, counts it in `messaging_not_remembered_total`, and acknowledges the event. Its own memory recognises the next copy; another process handles it again. |
pub trait DedupeStore: Send + Sync + 'static {
    /// Whether the event was handled before. It is asked once an attempt, while the attempt counts as one of
    /// `CONCURRENCY`.
    ///
    /// # Errors
    /// The store cannot say. With [`Failure::outage`] the consumer pauses and loses no attempt, until the store answers
    /// again. A store that would rather have an event handled twice than late returns `Ok(false)`.
    fn was_handled(&self, event: EventKey<'_>) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Enters an event that was handled. Another process may have entered it already.
    ///
    /// # Errors
    /// Why the event could not be entered. The log shows this reason.
    fn remember(&self, event: EventKey<'_>) -> impl Future<Output = Result<(), String>> + Send;
}

/// What tells an event from every other event of a consumer. No part is longer than 255 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventKey<'a> {
    /// The consumer's queue. Consumers of several queues may share a store, and each queue has a copy of the event.
    pub queue: &'a str,
    /// Who published the event; empty if the message does not say.
    pub source: &'a str,
    /// The event's id.
    pub id: &'a str,
}

/// A store of any type, whose calls always end.
pub(super) trait AnyStore: Send + Sync {
    /// Whether the event was handled before. If that is not known, this is the outcome of the attempt.
    fn knows<'a>(&'a self, event: EventKey<'a>) -> BoxFuture<'a, Result<bool, Outcome>>;

    /// Enters an event. Says whether that worked, and logs if not.
    fn enter<'a>(&'a self, event: EventKey<'a>) -> BoxFuture<'a, bool>;
}

impl<S: DedupeStore> AnyStore for S {
    fn knows<'a>(&'a self, event: EventKey<'a>) -> BoxFuture<'a, Result<bool, Outcome>> {
        async move {
            match timeout(ANSWER, caught(async { self.was_handled(event).await })).await {
                Ok(Ok(answer)) => Ok(answer?),
                Ok(Err(panic)) => Err(Outcome::Later(format!("the dedupe store panicked: {panic}"), None)),
                Err(_) => Err(Outcome::Outage(format!("the dedupe store did not answer within {ANSWER:?}"))),
            }
        }
        .boxed()
    }

    fn enter<'a>(&'a self, event: EventKey<'a>) -> BoxFuture<'a, bool> {
        async move {
            let reason = match timeout(ANSWER, caught(async { self.remember(event).await })).await {
                Ok(Ok(Ok(()))) => return true,
                Ok(Ok(Err(reason))) => reason,
                Ok(Err(panic)) => format!("the dedupe store panicked: {panic}"),
                Err(_) => format!("the dedupe store did not answer within {ANSWER:?}"),
            };
            let (event_id, queue) = (event.id, event.queue);
            warn!(event_id, queue, reason, "handled event not entered in the dedupe store");
            false
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    const EVENT: EventKey<'_> = EventKey { queue: "email-queue", source: "urn:order", id: "1" };

    /// Answers as its one word says.
    struct Store(&'static str);

    impl Store {
        async fn answer(&self) -> Result<bool, &'static str> {
            match self.0 {
                "hangs" => pending().await,
                "panics" => panic!("a bug"),
                "fails" => Err("it is down"),
                _ => Ok(self.0 == "knows"),
            }
        }
    }

    impl DedupeStore for Store {
        async fn was_handled(&self, event: EventKey<'_>) -> Result<bool, Failure> {
            assert_eq!(event, EVENT);
            self.answer().await.map_err(Failure::outage)
        }

        async fn remember(&self, event: EventKey<'_>) -> Result<(), String> {
            assert_eq!(event, EVENT);
            self.answer().await.map(drop).map_err(str::to_owned)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_store_cannot_say_is_the_outcome_of_the_attempt() {
        let outage = |reason: &str| Err(Outcome::Outage(reason.to_owned()));
        for (store, answer) in [
            ("knows", Ok(true)),
            ("knows not", Ok(false)),
            ("fails", outage("it is down")),
            ("hangs", outage("the dedupe store did not answer within 5s")),
            ("panics", Err(Outcome::Later("the dedupe store panicked: a bug".to_owned(), None))),
        ] {
            assert_eq!(Store(store).knows(EVENT).await, answer, "{store}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_remember_holds_nobody_up() {
        for store in ["knows", "fails", "hangs", "panics"] {
            let began = Instant::now();
            assert_eq!(Store(store).enter(EVENT).await, store == "knows");
            assert_eq!(began.elapsed(), if store == "hangs" { ANSWER } else { Duration::ZERO }, "{store}");
        }
    }
}
