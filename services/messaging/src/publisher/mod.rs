//! Publishes events, and says of each what became of it.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use events::{CONTENT_TYPE, CloudEvent, Encoded, Event};
use lapin::BasicProperties;
use lapin::types::{FieldTable, ShortString};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use crate::metrics::{Outcome, Owner, PublishMetrics, Role};
use crate::topology::Topology;
use crate::{Client, Error, Exchange, ExchangeKind, State, name, trace};

mod builder;
pub use builder::PublisherBuilder;
mod options;
pub use options::PublisherOptions;
mod required_queue;
pub use required_queue::RequiredQueue;
mod publish_error;
pub use publish_error::{NotPublished, PublishError};
mod outgoing;
pub(crate) use outgoing::Outgoing;
mod backlog;
#[cfg(feature = "inside")]
pub(crate) mod inside;
mod lane;
mod lanes;
mod unconfirmed;
pub(crate) use backlog::Limits;
mod batch_result;
mod progress;
mod publish_queue;
pub(crate) use lanes::{Lanes, Plan};
mod watched;
use watched::Watched;

/// What became of a message.
pub(crate) type Answer = Result<(), PublishError>;

/// The most bytes of bodies that may wait, so that memory stays bounded.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// AMQP's delivery mode for a message that survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// Publishes events of one kind to one exchange, and says of each what became of it. Clones share its channels.
///
/// An event is accepted when the broker has confirmed that at least one queue holds it, on disk if the queue is
/// durable. Until then it waits, and its deadline decides:
///
/// | what happens | what becomes of the event |
/// |---|---|
/// | There is no broker. | It waits, then [`Unavailable`](PublishError::Unavailable). |
/// | The broker refuses the credentials, or the exchange does not exist and may not be declared. | It waits, then [`AccessRefused`](PublishError::AccessRefused). |
/// | The exchange has other properties. | It waits, then [`TopologyConflict`](PublishError::TopologyConflict). |
/// | The user may not write to the exchange. | [`AccessRefused`](PublishError::AccessRefused), at once. |
/// | A required queue or binding is refused or differs. | It is published. [`State`] says what is wrong. |
/// | The broker has a memory or disk alarm. | It waits, then [`Blocked`](PublishError::Blocked). Nothing is sent meanwhile. |
/// | The connection is lost before the confirm. | It is sent again on the next connection, with the same id; then [`Unconfirmed`](PublishError::Unconfirmed). |
/// | The exchange was deleted. | The exchange and the required queues are declared again, and it is sent again. |
/// | No queue is bound to its type. | [`Unroutable`](PublishError::Unroutable), at once. |
/// | A queue refuses it, or it is larger than the broker allows. | [`Rejected`](PublishError::Rejected), at once. |
/// | No confirm comes. | [`Unconfirmed`](PublishError::Unconfirmed). |
/// | Too many events wait already. | [`Overloaded`](PublishError::Overloaded), at once. |
///
/// The broker announces an alarm only after something was published on a connection. So the first events after the
/// beginning of an alarm may be sent, and stay unconfirmed until it is over. The broker tells nobody of a deleted
/// binding. Until it is bound again, for up to five seconds, its events are unroutable if no other queue is bound to
/// them. If another is, they are confirmed, and the queue whose binding was deleted never receives them.
pub struct Publisher<E> {
    lanes: Arc<Lanes>,
    metrics: PublishMetrics,
    exchange: Arc<str>,
    app_id: Arc<ShortString>,
    host: Arc<str>,
    port: u16,
    timeout: Duration,
    events: PhantomData<fn(E)>,
}

impl<E: Event> Publisher<E> {
    fn start(builder: PublisherBuilder<E>) -> Result<Self, Error> {
        let PublisherBuilder { client, exchange, options, .. } = builder;
        exchange.check()?;
        options.check()?;
        let topology = topology(&exchange, &options)?;
        let owner = Owner::Exchange(exchange.name());
        let lanes = client.lanes_to(&exchange, &options, || {
            Lanes::start(Plan {
                link: client.link(Role::Publish),
                what: format!("publisher to {}", exchange.name()),
                topology,
                lanes: options.lanes,
                lanes_setting: Some("PUBLISH_LANES"),
                user: None,
                limits: Limits { messages: options.max_pending, bytes: MOST_BYTES },
                link_metrics: client.metrics().link(Role::Publish, owner),
                health_metrics: Some(client.metrics().health(owner)),
            })
        })?;
        Ok(Self::over(lanes, &client, &exchange, options.timeout))
    }

    /// A publisher that sends its messages over these lanes.
    pub(crate) fn over(lanes: Arc<Lanes>, client: &Client, exchange: &Exchange, timeout: Duration) -> Self {
        let endpoint = client.endpoint();
        let metrics = client.metrics().publish(exchange.name(), E::TYPES);
        let app_id = Arc::new(short(endpoint.name.as_str()).unwrap_or_default());
        let (host, port) = (endpoint.url.host.as_str().into(), endpoint.url.port);
        let exchange = exchange.name().into();
        Self { lanes, metrics, exchange, app_id, host, port, timeout, events: PhantomData }
    }

    /// Publishes an event under its type, and waits until the broker has confirmed that at least one queue holds it,
    /// or until [`PublisherOptions::timeout`] is over. If the connection is lost, it tries again. Then the event may
    /// arrive more than once, each time with the same id.
    ///
    /// # Errors
    /// What became of the event, as [`NotPublished::reason`] says. An event whose id is longer than AMQP can carry, 255 bytes, is
    /// [`PublishError::Rejected`] without being sent.
    ///
    /// # If dropped
    /// An event that still waits for its turn is never sent. An event that was handed to the broker is sent, and
    /// nobody knows whether it arrived.
    pub async fn publish(&self, event: CloudEvent<E>) -> Result<(), NotPublished> {
        self.publish_by(event, Instant::now() + self.timeout).await
    }

    /// The same, but it waits until `deadline`.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn publish_by(&self, event: CloudEvent<E>, deadline: Instant) -> Result<(), NotPublished> {
        let event = event.encode();
        let routing_key = event.event_type;
        let answer = self.send(event, deadline).await;
        answer.map_err(|reason| NotPublished { exchange: Arc::clone(&self.exchange), routing_key, reason })
    }
}

impl<E> Publisher<E> {
    /// Follows the publisher's state, for readiness.
    pub fn state(&self) -> watch::Receiver<State> {
        self.lanes.state()
    }

    /// Takes no more events ([`PublishError::Unavailable`]), finishes those under way until the deadline, and
    /// disconnects.
    pub async fn close(&self, deadline: Instant) {
        self.lanes.close(deadline).await;
    }

    async fn send(&self, event: Encoded, deadline: Instant) -> Answer {
        let (span, trace) = self.span(&event);
        let watched = Watched::new(&self.metrics, event.event_type);
        let answer = match self.outgoing(event, trace) {
            Some(outgoing) => self.lanes.send(outgoing, deadline).instrument(span.clone()).await,
            None => Err(PublishError::Rejected),
        };
        if answer.is_err() {
            span.record("error.type", Outcome::from(&answer).name());
        }
        watched.done(&answer);
        answer
    }

    /// `None` if AMQP cannot carry the id or the type.
    fn outgoing(&self, event: Encoded, trace: SpanContext) -> Option<Outgoing> {
        let (id, event_type) = (short(event.id)?, event.event_type);
        if event_type.len() > name::LONGEST {
            return None;
        }
        let timestamp = u64::try_from(event.time.as_second()).unwrap_or(0);
        let app_id = Arc::clone(&self.app_id);
        let properties = Box::new(move || {
            let properties = BasicProperties::default()
                .with_message_id(id.clone())
                .with_type(event_type.into())
                .with_timestamp(timestamp)
                .with_app_id((*app_id).clone())
                .with_content_type(CONTENT_TYPE.into())
                .with_delivery_mode(PERSISTENT);
            match trace::headers(&trace) {
                Some(headers) => properties.with_headers(headers),
                None => properties,
            }
        });
        Some(Outgoing {
            exchange: Arc::clone(&self.exchange),
            routing_key: event_type.into(),
            properties,
            body: event.body,
        })
    }

    /// The span of a publish, and the headers with which others continue its trace.
    fn span(&self, event: &Encoded) -> (Span, SpanContext) {
        let span = info_span!("send", otel.kind = "producer", "error.type" = Empty);
        let trace = trace::describe(&span, format_args!("send {}", self.exchange), || {
            [
                KeyValue::new("messaging.system", "rabbitmq"),
                KeyValue::new("messaging.operation.type", "send"),
                KeyValue::new("messaging.operation.name", "send"),
                KeyValue::new("messaging.destination.name", Arc::clone(&self.exchange)),
                KeyValue::new("messaging.rabbitmq.destination.routing_key", event.event_type),
                KeyValue::new("messaging.message.id", event.id.clone()),
                KeyValue::new("messaging.message.body.size", event.body.len() as i64),
                KeyValue::new("server.address", Arc::clone(&self.host)),
                KeyValue::new("server.port", i64::from(self.port)),
            ]
        });
        (span, trace)
    }
}

impl<E> Clone for Publisher<E> {
    fn clone(&self) -> Self {
        Self {
            lanes: Arc::clone(&self.lanes),
            metrics: self.metrics.clone(),
            exchange: Arc::clone(&self.exchange),
            app_id: Arc::clone(&self.app_id),
            host: Arc::clone(&self.host),
            events: PhantomData,
            ..*self
        }
    }
}

/// A short string, if AMQP can carry it.
fn short(text: impl Into<String>) -> Option<ShortString> {
    ShortString::try_new(text).ok()
}

/// # Errors
/// [`Error::Invalid`]: a required queue names something that AMQP cannot carry, or that does not fit the exchange.
fn topology(exchange: &Exchange, options: &PublisherOptions) -> Result<Topology, Error> {
    let mut topology = Topology::default().exchange(exchange);
    for required in &options.required_queues {
        name::check("queue", &required.queue)?;
        topology = topology.queue(&required.queue, FieldTable::default());
        for key in &required.routing_keys {
            // A fanout exchange ignores the key.
            if exchange.kind() != ExchangeKind::Fanout {
                exchange.check_key(key)?;
            }
            topology = topology.binding(&required.queue, exchange.name(), key);
        }
    }
    Ok(topology)
}
