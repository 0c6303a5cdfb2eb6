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
use super::settlements::Settlements;
use super::work::Work;
use super::{Handler, Outcome, Received};
use crate::delivery::Delivery;
use crate::metrics::ConsumeMetrics;
use crate::panics::caught;
use crate::trace;

impl<H: Handler> Work<H> {
    /// Makes one attempt. The attempt holds `place` while the handler runs, and releases it while a duplicate waits
    /// for the outcome of the first copy.
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
        mut place: OwnedSemaphorePermit,
        settlements: &Settlements,
    ) -> Outcome {
        let event = match events::decode::<H::Event>(&delivery.raw()) {
            Ok(event) => event,
            Err(error) => return error.into(),
        };
        delivery.decoded_as(event.event_type);
        // Without a CloudEvent around it, its publisher's name tells its id from another publisher's.
        let source = event.source.as_deref().or(delivery.app_id());
        let handling = loop {
            match self.dedupe.arrive(source, event.id.as_deref()) {
                Arrival::First(handling) => break handling,
                Arrival::Duplicate => return Outcome::Duplicate,
                Arrival::Waits(outcome) => {
                    drop(place);
                    let free = async {
                        // An error is the usual end: the task that handled the first copy has dropped the sender.
                        let _ = outcome.await;
                        self.place().await
                    };
                    place = tokio::select! {
                        biased;
                        // Otherwise every session would leave one waiting attempt behind, with its body, for as long
                        // as the first copy is being handled.
                        () = settlements.closed() => return Outcome::Abandoned,
                        place = free => place,
                    };
                    if settlements.is_leaving() {
                        return Outcome::Unbegun;
                    }
                }
            }
        };
        self.handled(&Received::new(event, delivery), handling).await
    }

    async fn handled(&self, received: &Received<H::Event>, handling: Handling) -> Outcome {
        let limit = self.options.handle_timeout;
        if let Some(happened) = received.time {
            // A publisher's clock may be ahead of ours.
            let age = Timestamp::now().duration_since(happened);
            self.metrics.aged(Duration::try_from(age).unwrap_or_default());
        }
        let _stopwatch = Stopwatch { metrics: &self.metrics, began: Instant::now() };
        match timeout(limit, self.handler.handle(received)).await {
            Ok(Ok(())) => {
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
