//! Makes one attempt at one delivery: decodes it, recognises a duplicate, and calls the handler. It limits the time
//! and catches a panic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tracing::field::Empty;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::dedupe::{Arrival, Handling};
use super::dedupe_store::AnyStore;
use super::settlements::Settlements;
use super::work::Work;
use super::{EventKey, Handler, Outcome, Received};
use crate::delivery::Delivery;
use crate::metrics::ConsumeMetrics;
use crate::panics::caught;
use crate::trace;

/// The longest that a copy of an event holds its delivery while the same event is being handled. Handling may take
/// many minutes.
const OUTCOME: Duration = Duration::from_secs(1);

impl<H: Handler> Work<H> {
    /// Makes one attempt. The attempt holds `place` while the handler runs, and releases it while a duplicate waits
    /// for the outcome of the first copy. If the outcome does not come soon, the duplicate goes to a delay queue.
    pub(super) async fn attempt(
        &self,
        delivery: &Arc<Delivery>,
        place: OwnedSemaphorePermit,
        settlements: &Settlements,
    ) -> Outcome {
        // The panic of a handler or a decoder must not take anything but its own event with it.
        let outcome = match caught(self.recognised(delivery, place, settlements)).await {
            Ok(outcome) => outcome,
            Err(panic) => Outcome::Later(format!("the handler panicked: {panic}"), None),
        };
        if let Outcome::Later(..) | Outcome::Postponed(..) | Outcome::Dead(..) | Outcome::Outage(_) = outcome {
            Span::current().record("otel.status_code", "ERROR");
        }
        outcome
    }

    /// The span of the attempt is a child of the span in which the event was published. Each further attempt is
    /// linked to the attempt that failed before it.
    pub(super) fn process_span(&self, delivery: &Delivery) -> Span {
        let span = info_span!("process", otel.kind = "consumer", otel.status_code = Empty);
        if let Some(published) = delivery.published_span() {
            // Without tracing there is no layer that takes the parent.
            let _ = span.set_parent(Context::new().with_remote_span_context(published));
        }
        if let Some(failed) = delivery.failed_span() {
            span.add_link(failed);
        }
        trace::describe(&span, format_args!("process {}", self.subscription.queue_name()), || {
            delivery.message_id().map(|id| KeyValue::new("messaging.message.id", id.to_owned()))
        });
        span
    }

    async fn recognised(
        &self,
        delivery: &Arc<Delivery>,
        place: OwnedSemaphorePermit,
        settlements: &Settlements,
    ) -> Outcome {
        let event = match events::decode::<H::Event>(&delivery.raw()) {
            Ok(event) => event,
            Err(error) => return error.into(),
        };
        delivery.decoded_as(event.event_type);
        // Without a CloudEvent around it, its publisher's name tells its id from another publisher's.
        let source = event.source.as_deref().or(delivery.app_id());
        let (handling, _place) = match self.first(source, event.id.as_deref(), place, settlements).await {
            Ok(first) => first,
            Err(outcome) => return outcome,
        };
        if let Some((store, key)) = self.stored(source, event.id.as_deref()) {
            match store.knows(key).await {
                Ok(false) => {}
                Ok(true) => {
                    handling.succeeded();
                    return Outcome::Duplicate;
                }
                Err(outcome) => return outcome,
            }
        }
        self.handled(delivery, &Received::new(event, delivery), handling).await
    }

    /// Waits until no other copy of the event is being handled in this process, and its outcome is known. Without the
    /// right to handle the event, the attempt has this outcome.
    async fn first(
        &self,
        source: Option<&str>,
        id: Option<&str>,
        mut place: OwnedSemaphorePermit,
        settlements: &Settlements,
    ) -> Result<(Handling, OwnedSemaphorePermit), Outcome> {
        loop {
            match self.dedupe.arrive(source, id) {
                Arrival::First(handling) => return Ok((handling, place)),
                Arrival::Duplicate => return Err(Outcome::Duplicate),
                Arrival::Undecided => return Err(Outcome::Undecided),
                Arrival::Waits(outcome) => {
                    drop(place);
                    let free = async {
                        // What is received is an error: the task that handled the first copy has dropped the sender.
                        let known = timeout(OUTCOME, outcome).await.is_ok();
                        if known { Some(self.place().await) } else { None }
                    };
                    let freed = tokio::select! {
                        biased;
                        // Otherwise an attempt would outlast its session, with its body.
                        () = settlements.closed() => return Err(Outcome::Abandoned),
                        freed = free => freed,
                    };
                    if settlements.is_leaving() {
                        return Err(Outcome::Unbegun);
                    }
                    let Some(free) = freed else { return Err(Outcome::Undecided) };
                    place = free;
                }
            }
        }
    }

    /// The store that other processes share, and what it is asked about; none without a store or without an id.
    fn stored<'a>(&'a self, source: Option<&'a str>, id: Option<&'a str>) -> Option<(&'a dyn AnyStore, EventKey<'a>)> {
        let (store, id) = (self.dedupe_store.as_deref()?, id?);
        Some((store, EventKey { queue: self.queue(), source: source.unwrap_or_default(), id }))
    }

    async fn handled(&self, delivery: &Delivery, received: &Received<H::Event>, handling: Handling) -> Outcome {
        let limit = self.options.handle_timeout;
        if let Some(happened) = received.time {
            // A publisher's clock may be ahead of ours.
            let age = Timestamp::now().duration_since(happened);
            self.metrics.aged(Duration::try_from(age).unwrap_or_default());
        }
        let stopwatch = Stopwatch { metrics: &self.metrics, began: Instant::now() };
        let handled = timeout(limit, self.handler.handle(received)).await;
        drop(stopwatch);
        match handled {
            Ok(Ok(())) => {
                let source = received.source.as_deref().or(delivery.app_id());
                if let Some((store, key)) = self.stored(source, received.id.as_deref())
                    && !store.enter(key).await
                {
                    self.metrics.not_remembered();
                }
                handling.succeeded();
                Outcome::Handled { ends_pause: self.handler.needs_dependency(received) }
            }
            Ok(Err(failure)) => failure.into(),
            Err(_) => Outcome::Later(format!("not handled within {limit:?}"), None),
        }
    }
}

/// Measures a handler however it ends, even by a panic.
struct Stopwatch<'a> {
    metrics: &'a ConsumeMetrics,
    began: Instant,
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        self.metrics.processed(self.began.elapsed());
    }
}
