//! Settles a delivery: acknowledges it, copies and then acknowledges it, or requeues it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tracing::{Span, debug, error, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::outcome::{delay_for, next_delay};
use super::settlements::{Settlement, Settlements};
use super::work::Work;
use super::{Handler, Outcome};
use crate::delivery::{Copy, DeadReason, Delivery};
use crate::metrics::Consumed;

impl<H: Handler> Work<H> {
    /// Settles a delivery and consumes it. It reports exactly one settlement, unless its session ends first.
    pub(super) async fn settle(&self, delivery: Arc<Delivery>, outcome: Outcome, settlements: &Settlements) {
        let (settled, report) = match outcome {
            Outcome::Handled { ends_pause: true } => (Consumed::Handled, Settlement::Handled(delivery.tag())),
            Outcome::Handled { ends_pause: false } => (Consumed::Handled, Settlement::Done(delivery.tag())),
            Outcome::Duplicate => (Consumed::Duplicate, Settlement::Done(delivery.tag())),
            Outcome::Later(error, after) => return self.settle_failed(delivery, error, after, settlements).await,
            Outcome::Postponed(reason, after) => return self.postpone(delivery, &reason, after, settlements).await,
            Outcome::Dead(reason, error) => return self.settle_dead(delivery, reason, error, settlements).await,
            Outcome::Outage(reason) => {
                settlements.report(Settlement::Outage(reason));
                return self.requeue(delivery, settlements.returns_by_copy(), settlements).await;
            }
            Outcome::Unbegun => return self.requeue(delivery, settlements.returns_by_copy(), settlements).await,
            Outcome::Undecided => {
                debug!(event_id = delivery.message_id(), queue = self.queue(), "the same event is still being handled");
                // Always as a copy, because the broker delivers first what was requeued without one.
                return self.requeue(delivery, true, settlements).await;
            }
            Outcome::Abandoned => return,
        };
        self.metrics.consumed(delivery.event_type(), settled);
        settlements.report(report);
    }

    async fn settle_failed(
        &self,
        delivery: Arc<Delivery>,
        error: String,
        after: Option<Duration>,
        settlements: &Settlements,
    ) {
        let failed = delivery.attempts().saturating_add(1);
        let Some(planned) = next_delay(failed, &self.options.retry_delays) else {
            let reason = DeadReason::Attempts;
            let copy =
                delivery.to_dead_after_attempt(self.subscription.dead_queue_name(), reason, &error, Timestamp::now());
            return self.dead_letter(delivery, copy, reason, &error, settlements).await;
        };
        let delay = after.and_then(|wait| delay_for(wait, &self.options.retry_delays)).unwrap_or(planned);
        let queue = self.subscription.delay_queue_name(delay);
        let copy = delivery.to_retry(queue, &error, Timestamp::now(), &span());
        if self.copied(&copy, settlements).await {
            let event_id = delivery.message_id();
            warn!(event_id, queue = self.queue(), attempt = failed, ?delay, error, "event failed, will be tried again");
            self.metrics.consumed(delivery.event_type(), Consumed::Delayed);
            settlements.report(Settlement::Done(delivery.tag()));
        }
    }

    async fn postpone(
        &self,
        delivery: Arc<Delivery>,
        reason: &str,
        after: Option<Duration>,
        settlements: &Settlements,
    ) {
        let asked = after.and_then(|wait| delay_for(wait, &self.options.retry_delays));
        let queue = asked.map_or_else(|| self.shortest_delay(), |delay| self.subscription.delay_queue_name(delay));
        // Always as a copy, because the broker delivers first what was requeued without one.
        let copy = delivery.to_postpone(queue, Timestamp::now(), &span());
        if self.copied(&copy, settlements).await {
            // Only debug: the handler logs what matters, and an event that waits for another comes again and again.
            debug!(event_id = delivery.message_id(), queue = self.queue(), reason, "event postponed");
            self.metrics.consumed(delivery.event_type(), Consumed::Postponed);
            settlements.report(Settlement::Done(delivery.tag()));
        }
    }

    async fn settle_dead(&self, delivery: Arc<Delivery>, reason: DeadReason, error: String, settlements: &Settlements) {
        let (queue, now) = (self.subscription.dead_queue_name(), Timestamp::now());
        let copy = match reason {
            DeadReason::ForGood | DeadReason::Attempts => delivery.to_dead_after_attempt(queue, reason, &error, now),
            _ => delivery.to_dead(queue, reason, &error, now),
        };
        self.dead_letter(delivery, copy, reason, &error, settlements).await;
    }

    async fn dead_letter(
        &self,
        delivery: Arc<Delivery>,
        copy: Copy,
        reason: DeadReason,
        error: &str,
        settlements: &Settlements,
    ) {
        if self.copied(&copy, settlements).await {
            let event_id = delivery.message_id();
            error!(event_id, queue = self.queue(), %reason, error, "event is a dead letter");
            self.metrics.consumed(delivery.event_type(), dead_outcome(reason));
            // Acknowledges last. A crash here leaves a second dead letter; the other order would lose the event.
            settlements.report(Settlement::Done(delivery.tag()));
        }
    }

    async fn requeue(&self, delivery: Arc<Delivery>, by_copy: bool, settlements: &Settlements) {
        let (held, unrecorded) = self.held(&delivery);
        let back = if unrecorded || by_copy {
            let copy = delivery.to_requeue(self.shortest_delay(), held, Timestamp::now());
            if !self.copied(&copy, settlements).await {
                return;
            }
            Settlement::Copied(delivery.tag())
        } else {
            Settlement::Back(delivery.tag())
        };
        debug!(event_id = delivery.message_id(), queue = self.queue(), "event requeued");
        self.metrics.consumed(delivery.event_type(), Consumed::GivenBack);
        settlements.report(back);
    }

    /// The delay queue with the shortest delay.
    fn shortest_delay(&self) -> String {
        let shortest = self.options.retry_delays.iter().min().copied().unwrap_or(Duration::from_secs(1));
        self.subscription.delay_queue_name(shortest)
    }
}

/// The span of the attempt. The next attempt is linked to it.
fn span() -> SpanContext {
    Span::current().context().span().span_context().clone()
}

fn dead_outcome(reason: DeadReason) -> Consumed {
    match reason {
        DeadReason::Undecodable => Consumed::Undecodable,
        DeadReason::MaxDeliveries => Consumed::Suspect,
        DeadReason::ForGood
        | DeadReason::Attempts
        | DeadReason::DeliveryLimit
        | DeadReason::Rejected
        | DeadReason::Unknown => Consumed::Dead,
    }
}
