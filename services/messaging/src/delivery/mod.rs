//! A delivered message, and what its headers say of its way here.

mod headers;
mod reason;
pub use reason::DeadReason;
mod reader;
pub(crate) use reader::Reader;
mod copy;
mod fit;
#[cfg(feature = "inside")]
pub(crate) mod inside;
#[cfg(test)]
mod tests;
pub(crate) use copy::Copy;
pub(crate) use headers::is_foreign;
mod made;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use events::{Attributes, Raw};
use jiff::Timestamp;
use lapin::message::Delivery as RawDelivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use opentelemetry::trace::SpanContext;

use crate::trace;
use headers as h;

/// The greatest age of an event that its properties may claim, in seconds: 30 days.
const OLDEST: i64 = 30 * 24 * 3600;

/// A delivered message. Its holder owes the queue an answer.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// The message without its body.
    delivery: RawDelivery,
    /// The body. Copies share it, because a second one for each would double the memory.
    body: Bytes,
    reader: Arc<Reader>,
    /// The event's type, once the message is decoded.
    event_type: OnceLock<&'static str>,
}

/// The broker's account of earlier deliveries of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returned {
    /// It was never delivered before, by the broker's count.
    Never,
    /// It came back this often, on a quorum queue.
    Times(u32),
    /// It came back at least once: a classic queue does not count.
    Sometime,
}

impl Returned {
    /// The number of returns, as far as it is counted.
    pub(crate) fn times(self) -> u32 {
        match self {
            Self::Times(times) => times,
            Self::Never | Self::Sometime => 0,
        }
    }
}

impl Delivery {
    pub(crate) fn new(mut delivery: RawDelivery, reader: Arc<Reader>) -> Self {
        let body = Bytes::from(std::mem::take(&mut delivery.data));
        Self { delivery, body, reader, event_type: OnceLock::new() }
    }

    pub(crate) fn tag(&self) -> u64 {
        self.delivery.delivery_tag
    }

    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    /// The message as `events` decodes it, under the routing key with which it was first published.
    pub(crate) fn raw(&self) -> Raw<'_> {
        Raw {
            content_type: self.delivery.properties.content_type().as_ref().map(ShortString::as_str),
            content_encoding: self.delivery.properties.content_encoding().as_ref().map(ShortString::as_str),
            attributes: self.headers().map(|headers| Attributes::of(h::values(headers))).unwrap_or_default(),
            routing_key: self.routing_key(),
            message_id: self.message_id(),
            timestamp: *self.delivery.properties.timestamp(),
            body: &self.body,
        }
    }

    /// When its event was accepted, in seconds since 1970: as its properties say if that can be, or else now. Anybody
    /// can write any number there, and some programs write milliseconds.
    pub(crate) fn accepted(&self, now: i64) -> i64 {
        let timestamp = self.delivery.properties.timestamp().and_then(|timestamp| i64::try_from(timestamp).ok());
        timestamp.filter(|accepted| (now - OLDEST..=now).contains(accepted)).unwrap_or(now)
    }

    pub(crate) fn message_id(&self) -> Option<&str> {
        self.delivery.properties.message_id().as_ref().map(ShortString::as_str)
    }

    pub(crate) fn app_id(&self) -> Option<&str> {
        self.delivery.properties.app_id().as_ref().map(ShortString::as_str)
    }

    /// The exchange to which it was first published.
    pub(crate) fn exchange(&self) -> &str {
        self.copied(h::EXCHANGE).unwrap_or(self.delivery.exchange.as_str())
    }

    /// The routing key with which it was first published.
    pub(crate) fn routing_key(&self) -> &str {
        self.copied(h::ROUTING_KEY).unwrap_or(self.delivery.routing_key.as_str())
    }

    /// Notes the type of the decoded event.
    pub(crate) fn decoded_as(&self, event_type: &'static str) {
        self.event_type.get_or_init(|| event_type);
    }

    /// The type of the decoded event. If it was not decoded, the routing key with which it was first published.
    pub(crate) fn event_type(&self) -> &str {
        self.event_type.get().copied().unwrap_or_else(|| self.routing_key())
    }

    /// The number of failed attempts.
    pub(crate) fn attempts(&self) -> u32 {
        self.our_count(h::ATTEMPTS)
    }

    /// Why its last attempt failed, for people.
    pub(crate) fn error(&self) -> Option<&str> {
        self.text(h::ERROR)
    }

    /// How often it was moved back from the dead letters.
    pub(crate) fn redriven(&self) -> u32 {
        if self.may_be_copy() { self.count(h::REDRIVEN) } else { 0 }
    }

    /// Whether the broker has delivered this message before.
    pub(crate) fn is_redelivered(&self) -> bool {
        self.delivery.redelivered
    }

    /// The `traceparent` it was published under.
    pub(crate) fn traceparent(&self) -> Option<&str> {
        self.text(h::TRACE[0])
    }

    /// The span it was published in.
    pub(crate) fn published_span(&self) -> Option<SpanContext> {
        trace::parse(self.traceparent()?, self.text(h::TRACE[1]))
    }

    /// The span of the attempt that failed last.
    pub(crate) fn failed_span(&self) -> Option<SpanContext> {
        trace::parse(self.copied(h::FAILED_SPAN)?, None)
    }

    pub(crate) fn headers(&self) -> Option<&FieldTable> {
        self.delivery.properties.headers().as_ref()
    }

    /// How often it came back to its queue. The headers of a first delivery are not believed: only the broker counts.
    pub(crate) fn returned(&self) -> Returned {
        let counted = |name| self.headers().and_then(|headers| h::count(headers, name));
        if !self.delivery.redelivered {
            return Returned::Never;
        }
        let returns = self.reader.returns(counted(h::DELIVERY_COUNT), counted(h::ACQUIRED_COUNT));
        returns.map_or(Returned::Sometime, Returned::Times)
    }

    /// The returns that were held against the copies before this one.
    pub(crate) fn carried_returns(&self) -> u32 {
        self.our_count(h::RETURNS)
    }

    /// When this copy was made, if the consumer made it to requeue the event.
    pub(crate) fn requeued(&self) -> Option<Timestamp> {
        if self.is_ours() { self.text(h::GIVEN_BACK)?.parse().ok() } else { None }
    }

    /// Why it is dead, if it is: the consumer's reason, or else the broker's.
    pub(crate) fn dead_reason(&self) -> DeadReason {
        if let Some(reason) = self.text(h::REASON).and_then(DeadReason::from_name) {
            return reason;
        }
        let last = || self.last_death().and_then(|death| h::text(death, "reason"));
        match self.text(h::LAST_DEATH).or_else(last) {
            Some("delivery_limit") => DeadReason::DeliveryLimit,
            Some("rejected") => DeadReason::Rejected,
            _ => DeadReason::Unknown,
        }
    }

    /// Makes a copy for a delay queue, after a failed attempt.
    pub(crate) fn to_retry(&self, queue: String, error: &str, now: Timestamp, span: &SpanContext) -> Copy {
        self.copy(queue).failed(self, error, now).failed_span(span).signed(&self.reader)
    }

    /// Makes a copy for a delay queue, as if it had not been delivered. `returns` are held against it so far, and the
    /// copy begins a new count.
    pub(crate) fn to_requeue(&self, queue: String, returns: u32, now: Timestamp) -> Copy {
        let copy = self.copy(queue).count(h::ATTEMPTS, self.attempts()).count(h::RETURNS, returns);
        copy.text(h::GIVEN_BACK, &now.to_string()).signed(&self.reader)
    }

    /// Makes a copy for a delay queue after a handler came to no result. No attempt is counted, and nothing is held
    /// against it.
    pub(crate) fn to_postpone(&self, queue: String, now: Timestamp, span: &SpanContext) -> Copy {
        self.to_requeue(queue, 0, now).failed_span(span)
    }

    /// Makes a copy for the dead queue, after an attempt that failed for good.
    pub(crate) fn to_dead_after_attempt(&self, queue: String, reason: DeadReason, error: &str, now: Timestamp) -> Copy {
        self.copy(queue).failed(self, error, now).text(h::REASON, reason.name())
    }

    /// Makes a copy for the dead queue of a message that was never handled.
    pub(crate) fn to_dead(&self, queue: String, reason: DeadReason, error: &str, now: Timestamp) -> Copy {
        let copy = self.copy(queue).count(h::ATTEMPTS, self.attempts());
        copy.first_failure(now).text(h::ERROR, error).text(h::REASON, reason.name())
    }

    /// Makes a copy of a dead letter for its queue. Its attempts begin anew.
    pub(crate) fn to_redrive(&self, queue: String) -> Copy {
        let copy = self.copy(queue).count(h::REDRIVEN, self.redriven().saturating_add(1));
        // If the broker dead-lettered it, only the broker's record names its first exchange and routing key.
        match (self.text(h::ROUTING_KEY), self.origin_by_broker()) {
            (None, Some((exchange, key))) => copy.text(h::EXCHANGE, exchange).text(h::ROUTING_KEY, key),
            _ => copy,
        }
    }

    fn copy(&self, queue: String) -> Copy {
        Copy::of(self, &self.delivery.properties, queue)
    }

    /// Whether this may be a copy of the consumer's own, whose headers are taken for true. A forged one harms nobody
    /// else.
    fn may_be_copy(&self) -> bool {
        self.reader.may_be_copy(&self.delivery)
    }

    /// Whether this is certainly a copy of the consumer's own. Then its headers decide how it is treated among
    /// others.
    fn is_ours(&self) -> bool {
        self.reader.is_ours(&self.delivery)
    }

    /// The value of a header that records its way here.
    fn copied(&self, name: &str) -> Option<&str> {
        if self.may_be_copy() { self.text(name) } else { None }
    }

    /// The value of a header in which the consumer counted.
    fn our_count(&self, name: &str) -> u32 {
        if self.is_ours() { self.count(name) } else { 0 }
    }

    fn text(&self, name: &str) -> Option<&str> {
        h::text(self.headers()?, name)
    }

    fn count(&self, name: &str) -> u32 {
        self.headers().and_then(|headers| h::count(headers, name)).unwrap_or(0)
    }

    fn origin_by_broker(&self) -> Option<(&str, &str)> {
        let death = self.last_death()?;
        let AMQPValue::FieldArray(keys) = death.inner().get("routing-keys")? else { return None };
        let AMQPValue::LongString(key) = keys.as_slice().first()? else { return None };
        Some((h::text(death, "exchange")?, str::from_utf8(key.as_bytes()).ok()?))
    }

    fn last_death(&self) -> Option<&FieldTable> {
        let AMQPValue::FieldArray(deaths) = self.headers()?.inner().get(h::DEATHS)? else { return None };
        let AMQPValue::FieldTable(death) = deaths.as_slice().first()? else { return None };
        Some(death)
    }
}
