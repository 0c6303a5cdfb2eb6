//! An event as a handler sees it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use events::{CloudEvent, Event};
use jiff::Timestamp;
use uuid::{Uuid, uuid};

use super::headers::{HeaderValue, Headers};
use crate::delivery::Delivery;

/// The namespace of the ids of follow-up events (RFC 9562, section 5.5). It can never change.
const FOLLOW_UPS: Uuid = uuid!("0e7c5b0a-59d3-4e0b-9a55-6f8d1c2b7a94");

/// A decoded event, and what the consumer knows of its way here. Clones share the message.
#[derive(Clone)]
pub struct Received<E> {
    /// The event's id. An event without an id is never taken for a duplicate.
    pub id: Option<String>,
    /// Who published it. Source and id together identify the event.
    pub source: Option<String>,
    /// Which of its `TYPES` happened: the CloudEvent's type, or the routing key with which it was first published.
    pub event_type: &'static str,
    /// What the event is about, such as an order's id.
    pub subject: Option<String>,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// What it belongs to: every event of one business transaction has the same (CloudEvents' `correlationid`).
    pub correlation_id: Option<String>,
    /// The id of the event that caused it (CloudEvents' `causationid`).
    pub causation_id: Option<String>,
    /// The number of this attempt, from 1. Pauses and lost connections count no attempt.
    pub attempt: u32,
    /// How often it was moved back from the dead letters.
    pub redriven: u32,
    /// The broker has delivered this message before, so it may have been handled in part. A copy that comes from a
    /// delay queue is another message: see `attempt`.
    pub redelivered: bool,
    /// The event itself.
    pub data: E,
    delivery: Arc<Delivery>,
}

impl<E> Received<E> {
    /// The exchange to which it was first published. It is empty if it was sent straight to the queue.
    pub fn exchange(&self) -> &str {
        self.delivery.exchange()
    }

    /// The routing key with which it was first published.
    pub fn routing_key(&self) -> &str {
        self.delivery.routing_key()
    }

    /// The headers that its publisher wrote. They are looked at only when they are asked for.
    pub fn headers(&self) -> Headers<'_> {
        Headers::of(self.delivery.headers())
    }

    /// The W3C `traceparent` under which it was published. What the handler does and publishes continues this trace
    /// by itself; this is for other programs, such as an HTTP service that the handler asks.
    pub fn traceparent(&self) -> Option<&str> {
        self.delivery.traceparent()
    }

    /// Makes the event that follows from this one: `source` says who publishes it.
    ///
    /// Its id follows from the source and id of this event and from its own type. So a second attempt, or another
    /// process, makes the same event again, and whoever hears both takes the second for a duplicate. It carries this
    /// event's id as `causationid`, and its `correlationid` if there is one (CloudEvents' correlation extension).
    ///
    /// An event without an id may be a repetition or a new event, and nothing says which. Its follow-up has a new id
    /// each time and no `causationid`: a repetition is then heard twice, and no event is lost.
    ///
    /// ```
    /// use events::EventData;
    /// use messaging::Received;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)]
    /// # struct OrderPlaced {}
    /// # impl EventData for OrderPlaced { const TYPE: &'static str = "order.placed"; }
    /// # #[derive(Serialize, Deserialize)]
    /// # struct ParcelRequested {}
    /// # impl EventData for ParcelRequested { const TYPE: &'static str = "parcel.requested"; }
    /// let heard = Received::of(OrderPlaced {});
    /// let first = heard.follow_up("urn:packing", ParcelRequested {});
    /// let again = heard.follow_up("urn:packing", ParcelRequested {});
    /// assert_eq!(first.id, again.id);
    /// assert_eq!(first.causation_id, heard.id);
    /// ```
    pub fn follow_up<F: Event>(&self, source: impl Into<Cow<'static, str>>, data: F) -> CloudEvent<F> {
        self.follow_up_for("", source, data)
    }

    /// Makes one of several events of the same type that follow from this one. `part` tells them apart, such as the
    /// number of an item. It has to be the same in every attempt.
    pub fn follow_up_for<F: Event>(&self, part: &str, source: impl Into<Cow<'static, str>>, data: F) -> CloudEvent<F> {
        let mut event = CloudEvent::new(source, data);
        if let Some(id) = &self.id {
            // Without a CloudEvent around it, its publisher's name tells its id from another publisher's.
            let publisher = self.source.as_deref().or(self.delivery.app_id()).unwrap_or_default();
            event.id = derived([publisher, id, event.data.event_type(), part]).to_string();
            event.causation_id = Some(id.clone());
        }
        event.correlation_id.clone_from(&self.correlation_id);
        event
    }
}

/// The id that follows from these texts. Their lengths keep two lists of texts from running together.
fn derived(texts: [&str; 4]) -> Uuid {
    let mut name = Vec::new();
    for text in texts {
        name.extend_from_slice(&(text.len() as u64).to_be_bytes());
        name.extend_from_slice(text.as_bytes());
    }
    Uuid::new_v5(&FOLLOW_UPS, &name)
}

impl<E> Received<E> {
    pub(crate) fn new(event: events::Decoded<E>, delivery: &Arc<Delivery>) -> Self {
        Self {
            id: event.id,
            source: event.source,
            event_type: event.event_type,
            subject: event.subject,
            time: event.time,
            correlation_id: event.correlation_id,
            causation_id: event.causation_id,
            attempt: delivery.attempts().saturating_add(1),
            redriven: delivery.redriven(),
            redelivered: delivery.is_redelivered(),
            data: event.data,
            delivery: Arc::clone(delivery),
        }
    }
}

/// For tests of handlers, which need no broker.
impl<E: Event> Received<E> {
    /// Makes a received event for a test: the first attempt at an event that happens now, with an id and a source,
    /// published under its type. Change what the test is about.
    ///
    /// ```
    /// # use events::EventData;
    /// # use messaging::{Failure, Handler, Received};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)]
    /// # struct OrderPlaced { total: u64 }
    /// # impl EventData for OrderPlaced { const TYPE: &'static str = "order.placed"; }
    /// # struct Invoices;
    /// # impl Handler for Invoices {
    /// #     type Event = OrderPlaced;
    /// #     async fn handle(&self, _: &Received<OrderPlaced>) -> Result<(), Failure> { Err(Failure::for_good("no")) }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut event = Received::of(OrderPlaced { total: 900 }).with_header("tenant", "acme");
    /// event.attempt = 3;
    /// let failure = Invoices.handle(&event).await.unwrap_err();
    /// assert!(failure.is_for_good());
    /// # }
    /// ```
    pub fn of(data: E) -> Self {
        let event_type = data.event_type();
        let subject = data.subject().map(|subject| subject.to_string());
        Self {
            id: Some("test-1".to_owned()),
            source: Some("urn:test".to_owned()),
            event_type,
            subject,
            time: Some(Timestamp::now()),
            correlation_id: None,
            causation_id: None,
            attempt: 1,
            redriven: 0,
            redelivered: false,
            data,
            delivery: Arc::new(Delivery::made("", event_type)),
        }
    }

    /// The same event, first published to this exchange with this routing key.
    #[must_use]
    pub fn published_to(mut self, exchange: &str, routing_key: &str) -> Self {
        self.delivery = Arc::new(Delivery::made(exchange, routing_key).with_headers_of(&self.delivery));
        self
    }

    /// The same event with this header. `traceparent` is a header too.
    #[must_use]
    pub fn with_header<'v>(mut self, name: &str, value: impl Into<HeaderValue<'v>>) -> Self {
        let made = Delivery::made(self.exchange(), self.routing_key()).with_headers_of(&self.delivery);
        self.delivery = Arc::new(made.with_header(name, value.into().to_amqp()));
        self
    }
}

/// Without the message, whose body and headers may be personal.
impl<E: fmt::Debug> fmt::Debug for Received<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("event_type", &self.event_type)
            .field("attempt", &self.attempt)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
