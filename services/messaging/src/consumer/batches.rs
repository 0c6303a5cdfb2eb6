//! Gathers events, so that one call of a handler has many of them.

use std::slice;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{ConsumerOptions, Failure, Handler, Received};
use crate::panics::caught;
use crate::{Error, trace};

#[cfg(test)]
mod tests;

/// Handles several events of one queue in one call, such as in one transaction. [`Batches`] makes it a [`Handler`].
pub trait BatchHandler: Send + Sync + 'static {
    /// The kind of event that it handles. A batch holds clones of the events.
    type Event: events::Event + Clone;

    /// Handles one or more events, in no particular order. It returns a result for each, in the order of `events`. The
    /// consumer settles each event by its own result.
    ///
    /// A failure of all is `vec![Err(failure); events.len()]`.
    fn handle_batch(&self, events: &[Received<Self::Event>]) -> impl Future<Output = Vec<Result<(), Failure>>> + Send;

    /// Asks whether the handler's dependency works again: see [`Handler::probe`].
    ///
    /// # Errors
    /// Why the dependency does not work. `/readyz` shows this reason.
    fn probe(&self) -> impl Future<Output = Result<(), String>> + Send {
        async { Ok(()) }
    }

    /// Whether this event can be handled only with that dependency: see [`Handler::needs_dependency`].
    fn needs_dependency(&self, event: &Received<Self::Event>) -> bool {
        let _ = event;
        true
    }
}

/// A [`Handler`] that gathers events for a [`BatchHandler`].
///
/// ```
/// # use std::time::Duration;
/// # use messaging::{BatchHandler, Batches, Client, Consumer, Error, Subscription};
/// # fn consumer<L: BatchHandler>(client: &Client, ledger: L) -> Result<Consumer<Batches<L>>, Error> {
/// let ledger = Batches::new(ledger).size(100).wait(Duration::from_millis(20));
/// // While 100 events are written, the next 100 are gathered.
/// client.consumer(Subscription::queue("ledger-queue"), ledger).concurrency(200).build()
/// # }
/// ```
///
/// A call begins when the batch has [`size`](Self::size) events, or when its first event has waited for
/// [`wait`](Self::wait). Several calls may run at once. `CONCURRENCY` limits how many events wait or are in a call.
///
/// Everything else is as for a handler of single events, because the consumer sees each event as one:
///
/// | what happens | what becomes of the events of the batch |
/// |---|---|
/// | The call returns. | Each is settled by its own result. |
/// | The call panics, or returns another number of results than it had events. | It is a failed attempt of each. |
/// | The call takes too long. | `HANDLE_TIMEOUT` is measured for each, from the moment that it begins to wait. It is a failed attempt of each that is not done by then. When none is left, the call's future is dropped at its current `await`. |
/// | An event comes for a further attempt. | It is a batch of its own, at once. So one event that makes each call fail does not take its neighbours to the dead queue. |
/// | An event may have killed the process, or is tried after a pause. | It is a batch of its own, because the consumer handles it alone. |
/// | The call fails with [`Failure::outage`] for any of them. | The consumer pauses. Each other event is settled by its own result. |
/// | The consumer stops. | The events that are gathered by then have one last call, after [`wait`](Self::wait) at most. Events that were not begun are requeued. |
///
/// The metric `messaging_process_duration_seconds` includes the wait. A call has a span of its own, which is linked to
/// the spans of its events.
pub struct Batches<B: BatchHandler> {
    handler: Arc<B>,
    size: usize,
    wait: Duration,
    /// Leads to the task that gathers. The first event starts that task.
    gathering: OnceLock<mpsc::UnboundedSender<Waiting<B::Event>>>,
}

/// An event, and whoever waits for its result.
struct Waiting<E> {
    event: Received<E>,
    span: SpanContext,
    result: oneshot::Sender<Result<(), Failure>>,
}

impl<B: BatchHandler> Batches<B> {
    /// Batches of up to 32 events, which wait for 20 ms.
    pub fn new(handler: B) -> Self {
        let wait = Duration::from_millis(20);
        Self { handler: Arc::new(handler), size: 32, wait, gathering: OnceLock::new() }
    }

    /// Sets the most events of a call: at most the consumer's concurrency and its prefetch. Half the concurrency lets
    /// the next batch gather while one is handled.
    #[must_use]
    pub fn size(self, events: usize) -> Self {
        Self { size: events, ..self }
    }

    /// Sets how long the first event of a batch waits for others: less than the consumer's `handle_timeout`.
    #[must_use]
    pub fn wait(self, longest: Duration) -> Self {
        Self { wait: longest, ..self }
    }

    fn gathering(&self) -> &mpsc::UnboundedSender<Waiting<B::Event>> {
        self.gathering.get_or_init(|| {
            // The consumer's concurrency limits how many wait.
            let (sender, waiting) = mpsc::unbounded_channel();
            tokio::spawn(gather(Arc::clone(&self.handler), self.size, self.wait, waiting));
            sender
        })
    }
}

impl<B: BatchHandler> Handler for Batches<B> {
    type Event = B::Event;

    async fn handle(&self, event: &Received<B::Event>) -> Result<(), Failure> {
        if event.attempt > 1 {
            return results(&*self.handler, slice::from_ref(event)).await.remove(0);
        }
        let (result, handled) = oneshot::channel();
        let span = Span::current().context().span().span_context().clone();
        let gone = || Failure::postponed("the batch ended before it was handled");
        self.gathering().send(Waiting { event: event.clone(), span, result }).map_err(|_| gone())?;
        handled.await.unwrap_or_else(|_| Err(gone()))
    }

    async fn probe(&self) -> Result<(), String> {
        self.handler.probe().await
    }

    fn needs_dependency(&self, event: &Received<B::Event>) -> bool {
        self.handler.needs_dependency(event)
    }

    fn check(&self, options: &ConsumerOptions) -> Result<(), Error> {
        let most = options.concurrency.min(options.prefetch.into());
        let expected = format!("from 1 to {most}, as the consumer's concurrency and prefetch allow");
        Error::unless((1..=most).contains(&self.size), "batch size", self.size, &expected)?;
        let expected = format!("less than the consumer's handle_timeout of {:?}", options.handle_timeout);
        Error::unless(self.wait < options.handle_timeout, "batch wait", self.wait, &expected)
    }
}

/// Gathers batches and has each handled, until the [`Batches`] are dropped.
async fn gather<B: BatchHandler>(
    handler: Arc<B>,
    size: usize,
    wait: Duration,
    mut waiting: mpsc::UnboundedReceiver<Waiting<B::Event>>,
) {
    while let Some(first) = waiting.recv().await {
        let (mut batch, until) = (vec![first], Instant::now() + wait);
        while batch.len() < size
            && let Ok(Some(next)) = timeout_at(until, waiting.recv()).await
        {
            batch.push(next);
        }
        tokio::spawn(handle(Arc::clone(&handler), batch));
    }
}

/// Calls the handler with those events for whose results somebody still waits.
async fn handle<B: BatchHandler>(handler: Arc<B>, mut batch: Vec<Waiting<B::Event>>) {
    batch.retain(|waiting| !waiting.result.is_closed());
    if batch.is_empty() {
        return;
    }
    let span = span(&batch);
    let (events, mut senders): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|waiting| (waiting.event, waiting.result)).unzip();
    let results = tokio::select! {
        biased;
        // Nobody waits any more: each event has outlasted `HANDLE_TIMEOUT`.
        () = all_closed(&mut senders) => return,
        results = results(&*handler, &events).instrument(span) => results,
    };
    for (sender, result) in senders.into_iter().zip(results) {
        // Whoever waits no more has settled the event already.
        let _ = sender.send(result);
    }
}

/// One result for each event, whatever the handler does.
async fn results<B: BatchHandler>(handler: &B, events: &[Received<B::Event>]) -> Vec<Result<(), Failure>> {
    let number = events.len();
    let reason = match caught(async { handler.handle_batch(events).await }).await {
        Ok(results) if results.len() == number => return results,
        Ok(results) => format!("the batch handler returned {} results for {number} events", results.len()),
        Err(panic) => format!("the handler panicked: {panic}"),
    };
    vec![Err(Failure::later(reason)); number]
}

async fn all_closed(senders: &mut [oneshot::Sender<Result<(), Failure>>]) {
    for sender in senders {
        sender.closed().await;
    }
}

/// The span of a call. It belongs to no trace of one of the events, because it belongs to all.
fn span<E>(batch: &[Waiting<E>]) -> Span {
    let span = info_span!(parent: None, "batch", otel.kind = "consumer");
    for waiting in batch {
        span.add_link(waiting.span.clone());
    }
    trace::describe(&span, format_args!("process batch"), || {
        [KeyValue::new("messaging.batch.message_count", i64::try_from(batch.len()).unwrap_or(i64::MAX))]
    });
    span
}
