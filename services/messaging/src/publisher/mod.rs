//! Publishes events, and says of each what became of it.

use std::sync::Arc;

use contract::{CONTENT_TYPE, Encoded, Event};
use lapin::BasicProperties;
use lapin::types::{FieldTable, ShortString};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;
use prometheus::Registry;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use crate::metrics::{LinkMetrics, Outcome, PublishMetrics, Role, StandingMetrics};
use crate::topology::Topology;
use crate::{Endpoint, Error, State, trace};

mod options;
pub use options::PublisherOptions;
mod required_queue;
pub use required_queue::RequiredQueue;
mod publish_error;
pub use publish_error::PublishError;
mod outgoing;
pub(crate) use outgoing::Outgoing;
mod flight;
#[cfg(feature = "inside")]
pub(crate) mod inside;
mod lane;
mod lanes;
mod line;
pub(crate) use line::Limits;
mod outbox;
mod stage;
mod verdict;
pub(crate) use lanes::{Lanes, Plan};
mod watched;
use watched::Watched;

/// What is known of a message that somebody wanted published.
pub(crate) type Answer = Result<(), PublishError>;

/// How many bytes of bodies may wait, so that memory stays bounded whatever is published.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// AMQP's delivery mode of a message that survives the broker's restart.
const PERSISTENT: u8 = 2;

/// Publishes events to one exchange, and says of each what became of it. Clones share one connection.
///
/// An event is accepted when the broker has confirmed that at least one queue holds it, on disk where the queue is durable. Until then it
/// waits, and its deadline decides:
///
/// | what happens | what becomes of the event |
/// |---|---|
/// | no broker | it waits, then [`Unavailable`](PublishError::Unavailable) |
/// | refused credentials, or an exchange that does not exist and may not be made | it waits, then [`AccessRefused`](PublishError::AccessRefused) |
/// | an exchange with other properties | it waits, then [`TopologyConflict`](PublishError::TopologyConflict) |
/// | an exchange to which this user may not write | [`AccessRefused`](PublishError::AccessRefused), at once |
/// | a required queue or binding is refused or differs | it is published; [`State`] says so meanwhile |
/// | a memory or disk alarm | it waits, then [`Blocked`](PublishError::Blocked); nothing is handed over meanwhile |
/// | the connection is lost before its confirm | it is sent again on the next one, with the same id; then [`Unconfirmed`](PublishError::Unconfirmed) |
/// | the exchange was deleted | exchange and required queues are declared again, and it is sent again |
/// | no queue is bound to its type | [`Unroutable`](PublishError::Unroutable), at once |
/// | a queue refuses it, or it is larger than the broker allows | [`Rejected`](PublishError::Rejected), at once |
/// | the confirm stays away | [`Unconfirmed`](PublishError::Unconfirmed) |
/// | too much waits already | [`Overloaded`](PublishError::Overloaded), at once |
///
/// The broker tells of an alarm only after something was published on a connection, so the first events after an alarm began may be sent and
/// stay unconfirmed until it is over. Nobody is told of a deleted binding: until it is bound again, for up to five seconds, its events are unroutable
/// where no other queue is bound to them. Where one is, they are confirmed, and the queue whose binding was deleted never hears of them.
#[derive(Clone)]
pub struct Publisher {
    lanes: Arc<Lanes>,
    metrics: PublishMetrics,
    exchange: &'static str,
    app_id: Arc<ShortString>,
    host: Arc<str>,
    port: u16,
}

impl Publisher {
    /// Starts to connect, within the current tokio runtime, to publish events of this kind. The exchange, and what the options require,
    /// are declared before anything is published.
    ///
    /// # Errors
    /// The registry has a publisher's metrics already.
    pub fn start<E: Event>(
        endpoint: Endpoint,
        exchange: &'static str,
        options: PublisherOptions,
        registry: &Registry,
    ) -> Result<Self, Error> {
        let [link_metrics] = LinkMetrics::register(registry, [Role::Publish])?;
        let standing_metrics = Some(StandingMetrics::register(registry)?);
        let metrics = PublishMetrics::register(registry, exchange, E::TYPES)?;
        let (host, port) = (endpoint.url.host.as_str().into(), endpoint.url.port);
        let app_id = Arc::new(short(endpoint.name.as_str()).unwrap_or_default());
        let lanes = Lanes::start(Plan {
            endpoint,
            what: format!("publisher to {exchange}"),
            topology: topology(exchange, &options),
            lanes: options.lanes,
            limits: Limits { messages: options.max_pending, bytes: MOST_BYTES },
            link_metrics,
            standing_metrics,
        });
        Ok(Self { lanes: Arc::new(lanes), metrics, exchange, app_id, host, port })
    }

    /// Publishes an event under its type, and waits until the broker has confirmed that at least one queue holds it. Connection losses are
    /// ridden out until the deadline; then the event may arrive more than once, each time with the same id.
    ///
    /// # Errors
    /// What is known of the event. One whose id is longer than AMQP can carry, 255 bytes, is [`PublishError::Rejected`] without being sent.
    ///
    /// # If dropped
    /// An event that still waits for its turn is never sent. One that was handed to the broker is: whether it arrived is then unknown.
    pub async fn publish(&self, event: Encoded, deadline: Instant) -> Result<(), PublishError> {
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

    /// How it stands, for readiness.
    pub fn state(&self) -> watch::Receiver<State> {
        self.lanes.state()
    }

    /// Takes in nothing more ([`PublishError::Unavailable`]), finishes what is under way until the deadline, and disconnects.
    pub async fn close(&self, deadline: Instant) {
        self.lanes.close(deadline).await;
    }

    /// None if AMQP cannot carry the id or the type.
    fn outgoing(&self, event: Encoded, trace: SpanContext) -> Option<Outgoing> {
        let (id, event_type) = (short(event.id)?, event.event_type);
        if event_type.len() > SHORT {
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
        Some(Outgoing { exchange: self.exchange, routing_key: event_type.into(), properties, body: event.body })
    }

    /// The span of a publish, and what others have to know of it.
    fn span(&self, event: &Encoded) -> (Span, SpanContext) {
        let span = info_span!("send", otel.kind = "producer", "error.type" = Empty);
        let trace = trace::describe(&span, format_args!("send {}", self.exchange), || {
            [
                KeyValue::new("messaging.system", "rabbitmq"),
                KeyValue::new("messaging.operation.type", "send"),
                KeyValue::new("messaging.operation.name", "send"),
                KeyValue::new("messaging.destination.name", self.exchange),
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

/// The most that AMQP carries as a short string, in bytes.
const SHORT: usize = 255;

/// What AMQP carries as a short string.
fn short(text: impl Into<String>) -> Option<ShortString> {
    ShortString::try_new(text).ok()
}

fn topology(exchange: &str, options: &PublisherOptions) -> Topology {
    let mut topology = Topology::default().exchange(exchange);
    for required in &options.required_queues {
        topology = topology.queue(&required.queue, FieldTable::default());
        for key in &required.routing_keys {
            topology = topology.binding(&required.queue, exchange, key);
        }
    }
    topology
}
