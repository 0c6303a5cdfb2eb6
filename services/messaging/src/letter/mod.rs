//! A delivered message, with what its headers tell of its way here.

mod headers;
mod reason;
pub use reason::DeadReason;
mod reader;
pub(crate) use reader::Reader;
mod copy;
#[cfg(feature = "inside")]
pub(crate) mod inside;
#[cfg(test)]
mod tests;
pub(crate) use copy::Copy;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use contract::Raw;
use jiff::Timestamp;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use opentelemetry::trace::SpanContext;

use crate::trace;
use headers as h;

/// A message in hand. Whoever holds it owes its queue an answer.
#[derive(Debug)]
pub(crate) struct Letter {
    /// Without its body.
    delivery: Delivery,
    /// What copies share: a second one for each would double what is in hand.
    body: Bytes,
    reader: Arc<Reader>,
    /// Known once it was decoded.
    event_type: OnceLock<&'static str>,
}

/// What the broker says about earlier deliveries of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returned {
    /// Never, as far as the broker counts.
    Never,
    /// So often, on a quorum queue.
    Times(u32),
    /// At least once: a classic queue does not count.
    Sometime,
}

impl Returned {
    /// How often, as far as it is counted.
    pub(crate) fn times(self) -> u32 {
        match self {
            Self::Times(times) => times,
            Self::Never | Self::Sometime => 0,
        }
    }
}

impl Letter {
    pub(crate) fn new(mut delivery: Delivery, reader: Arc<Reader>) -> Self {
        let body = Bytes::from(std::mem::take(&mut delivery.data));
        Self { delivery, body, reader, event_type: OnceLock::new() }
    }

    pub(crate) fn tag(&self) -> u64 {
        self.delivery.delivery_tag
    }

    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    /// The message as `contract` decodes it, under the key it was first published with.
    pub(crate) fn raw(&self) -> Raw<'_> {
        Raw {
            content_type: self.delivery.properties.content_type().as_ref().map(ShortString::as_str),
            routing_key: self.routing_key(),
            message_id: self.message_id(),
            timestamp: *self.delivery.properties.timestamp(),
            body: &self.body,
        }
    }

    /// When its event was accepted, in seconds since 1970, as far as it says so in its properties.
    pub(crate) fn timestamp(&self) -> Option<i64> {
        i64::try_from((*self.delivery.properties.timestamp())?).ok()
    }

    pub(crate) fn message_id(&self) -> Option<&str> {
        self.delivery.properties.message_id().as_ref().map(ShortString::as_str)
    }

    pub(crate) fn app_id(&self) -> Option<&str> {
        self.delivery.properties.app_id().as_ref().map(ShortString::as_str)
    }

    /// The exchange it was first published to.
    pub(crate) fn exchange(&self) -> &str {
        self.copied(h::EXCHANGE).unwrap_or(self.delivery.exchange.as_str())
    }

    /// The routing key it was first published with.
    pub(crate) fn routing_key(&self) -> &str {
        self.copied(h::ROUTING_KEY).unwrap_or(self.delivery.routing_key.as_str())
    }

    /// Notes what was decoded.
    pub(crate) fn decoded_as(&self, event_type: &'static str) {
        self.event_type.get_or_init(|| event_type);
    }

    /// The decoded event's type; of what was not decoded, the routing key it was first published with.
    pub(crate) fn event_type(&self) -> &str {
        self.event_type.get().copied().unwrap_or_else(|| self.routing_key())
    }

    /// How many attempts at it failed.
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

    /// The span it was published in.
    pub(crate) fn published_span(&self) -> Option<SpanContext> {
        trace::parse(self.text(h::TRACE[0])?, self.text(h::TRACE[1]))
    }

    /// The span of the attempt that failed last.
    pub(crate) fn failed_span(&self) -> Option<SpanContext> {
        trace::parse(self.copied(h::FAILED_SPAN)?, None)
    }

    pub(crate) fn headers(&self) -> Option<&FieldTable> {
        self.delivery.properties.headers().as_ref()
    }

    /// How often it came back to its queue. What a first delivery says of itself is not believed: only the broker counts.
    pub(crate) fn returned(&self) -> Returned {
        let counted = |name| self.headers().and_then(|headers| h::count(headers, name));
        if !self.delivery.redelivered {
            return Returned::Never;
        }
        let returns = self.reader.returns(counted(h::DELIVERY_COUNT), counted(h::ACQUIRED_COUNT));
        returns.map_or(Returned::Sometime, Returned::Times)
    }

    /// How many returns were held against the copies before this one.
    pub(crate) fn carried_returns(&self) -> u32 {
        self.our_count(h::RETURNS)
    }

    /// When this copy was made, if it was made to give the event back.
    pub(crate) fn given_back(&self) -> Option<Timestamp> {
        if self.is_ours() { self.text(h::GIVEN_BACK)?.parse().ok() } else { None }
    }

    /// Why it is dead, if it is: as our consumer says, else as the broker does.
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

    /// A copy for a delay queue, after a failed attempt.
    pub(crate) fn to_retry(&self, queue: String, error: &str, now: Timestamp, span: &SpanContext) -> Copy {
        self.copy(queue).failed(self, error, now).failed_span(span).signed(&self.reader)
    }

    /// A copy for a delay queue, as if it had not been delivered. `returns` are held against it so far: the copy begins a new count.
    pub(crate) fn to_give_back(&self, queue: String, returns: u32, now: Timestamp) -> Copy {
        let copy = self.copy(queue).count(h::ATTEMPTS, self.attempts()).count(h::RETURNS, returns);
        copy.text(h::GIVEN_BACK, &now.to_string()).signed(&self.reader)
    }

    /// A copy for a delay queue of what was handled and came out undecided: no attempt is counted, and nothing is held against it.
    pub(crate) fn to_postpone(&self, queue: String, now: Timestamp, span: &SpanContext) -> Copy {
        self.to_give_back(queue, 0, now).failed_span(span)
    }

    /// A copy for the dead letters, after an attempt that failed for good.
    pub(crate) fn to_dead_after_attempt(&self, queue: String, reason: DeadReason, error: &str, now: Timestamp) -> Copy {
        self.copy(queue).failed(self, error, now).text(h::REASON, reason.name())
    }

    /// A copy for the dead letters of what was never handled.
    pub(crate) fn to_dead(&self, queue: String, reason: DeadReason, error: &str, now: Timestamp) -> Copy {
        let copy = self.copy(queue).count(h::ATTEMPTS, self.attempts());
        copy.first_failure(now).text(h::ERROR, error).text(h::REASON, reason.name())
    }

    /// A copy of a dead letter for its queue. Attempts begin anew.
    pub(crate) fn to_redrive(&self, queue: String) -> Copy {
        let copy = self.copy(queue).count(h::REDRIVEN, self.redriven().saturating_add(1));
        // What the broker dead-lettered has its first exchange and key in the broker's account of it alone.
        match (self.text(h::ROUTING_KEY), self.origin_by_broker()) {
            (None, Some((exchange, key))) => copy.text(h::EXCHANGE, exchange).text(h::ROUTING_KEY, key),
            _ => copy,
        }
    }

    fn copy(&self, queue: String) -> Copy {
        Copy::of(self, &self.delivery.properties, queue)
    }

    /// Whether a copy of ours may be what it is, and what its headers say of its way here is taken for true. It harms nobody else if it is not.
    fn may_be_copy(&self) -> bool {
        self.reader.may_be_copy(&self.delivery)
    }

    /// Whether it is a copy of ours, so that what it says of itself decides how it is treated among others.
    fn is_ours(&self) -> bool {
        self.reader.is_ours(&self.delivery)
    }

    /// What a header tells of its way here.
    fn copied(&self, name: &str) -> Option<&str> {
        if self.may_be_copy() { self.text(name) } else { None }
    }

    /// What we counted.
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
