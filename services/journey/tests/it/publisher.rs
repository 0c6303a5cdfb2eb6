//! What became of each event: every outcome of publishing, on real brokers.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use contract::OrderEvent;
use events::Encoded;
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use journey::{Alarm, Broker, Message, Metrics, Proxy, Way, eventually, in_time};
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use messaging::inside::publish_encoded;
use messaging::{Client, Endpoint, Error, Exchange, PublishError, Publisher, PublisherOptions, RequiredQueue, State};
use prometheus::Registry;
use tokio::time::Instant;
use uuid::Uuid;

mod answers;
mod client_certificates;
mod faults;
mod tls;
mod topology;

const EXCHANGE: &str = "order-exchange";
const PLACED: &str = OrderEvent::PLACED;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

fn required(queue: &str) -> PublisherOptions {
    let queue = RequiredQueue { queue: queue.to_owned(), routing_keys: vec![PLACED.to_owned()] };
    PublisherOptions { required_queues: vec![queue], ..PublisherOptions::default() }
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint::new(url.parse().unwrap(), "test")
}

fn start(endpoint: Endpoint, options: PublisherOptions) -> Publisher<OrderEvent> {
    start_to(endpoint, EXCHANGE, options, &Registry::new()).unwrap()
}

fn start_to(
    endpoint: Endpoint,
    exchange: impl Into<Exchange>,
    options: PublisherOptions,
    registry: &Registry,
) -> Result<Publisher<OrderEvent>, Error> {
    Client::new(endpoint, registry)?.publisher::<OrderEvent>(exchange).options(options).start()
}

/// A publisher whose exchange has a queue for orders, once it is connected.
async fn connected(broker: &Broker) -> Publisher<OrderEvent> {
    let publisher = start(endpoint(&broker.url()), required("email-queue"));
    until(&publisher, "connected", |state| *state == State::Connected).await;
    publisher
}

async fn until(publisher: &Publisher<OrderEvent>, what: &str, holds: impl FnMut(&State) -> bool) -> State {
    let mut state = publisher.state();
    let held = tokio::time::timeout(PATIENCE, state.wait_for(holds)).await.map(|state| state.unwrap().clone());
    held.unwrap_or_else(|_| panic!("not {what} in time, but {:?}", *publisher.state().borrow()))
}

/// How often an event ended so.
fn counted(registry: &Registry, outcome: &str) -> f64 {
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    Metrics::parse(&text).sum("messaging_published_total", &[("outcome", outcome)])
}

fn event_of(id: &str, event_type: &'static str, size: usize) -> Encoded {
    let mut body = format!("{{\"id\":\"{id}\"}}").into_bytes();
    body.resize(size, b' ');
    Encoded { id: id.to_owned(), event_type, time: Timestamp::now(), body: Bytes::from(body) }
}

fn event(event_type: &'static str) -> Encoded {
    event_of(&Uuid::now_v7().to_string(), event_type, 100)
}

async fn publish(publisher: &Publisher<OrderEvent>, event: Encoded) -> Result<(), PublishError> {
    publish_encoded(publisher, event, Instant::now() + PATIENCE).await
}

async fn publish_within(
    publisher: &Publisher<OrderEvent>,
    event: Encoded,
    within: Duration,
) -> Result<(), PublishError> {
    publish_encoded(publisher, event, Instant::now() + within).await
}

fn ids(messages: &[Message]) -> HashSet<String> {
    messages.iter().map(|message| message.properties.message_id().as_ref().unwrap().to_string()).collect()
}

/// Everything that waits in a queue. Faster than asking for each message.
async fn drain(broker: &Broker, queue: &str) -> HashSet<String> {
    let depth = broker.depth(queue).await.unwrap();
    let client = broker.client().await;
    let messages = client.consume(queue).await.take(depth as usize).collect::<Vec<_>>();
    ids(&in_time(&format!("{depth} messages come"), messages).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_event_is_in_its_queue_with_all_its_properties() {
    let broker = Broker::shared().await;
    let publisher = connected(&broker).await;
    let event = event(PLACED);
    assert_eq!(publish(&publisher, event.clone()).await, Ok(()));
    let messages = broker.take("email-queue").await;
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    let properties = &message.properties;
    let text = |text: &Option<lapin::types::ShortString>| text.as_ref().unwrap().to_string();
    assert_eq!(message.body, event.body);
    assert_eq!((message.exchange.as_str(), message.routing_key.as_str()), (EXCHANGE, PLACED));
    assert_eq!((text(properties.message_id()), text(properties.kind())), (event.id, PLACED.to_owned()));
    assert_eq!(text(properties.content_type()), "application/cloudevents+json");
    assert_eq!(text(properties.app_id()), "test");
    assert_eq!(*properties.delivery_mode(), Some(2));
    assert_eq!(*properties.timestamp(), Some(event.time.as_second().try_into().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unroutable_event_is_not_accepted() {
    let broker = Broker::shared().await;
    let publisher = start(endpoint(&broker.url()), PublisherOptions::default());
    assert_eq!(publish(&publisher, event(PLACED)).await, Err(PublishError::Unroutable));
    broker.declare("email-queue", EXCHANGE, &[PLACED]).await;
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
    assert_eq!(publish(&publisher, event("order.unheard")).await, Err(PublishError::Unroutable));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_events_than_may_wait_are_refused_at_once() {
    let broker = Broker::late();
    let options = PublisherOptions { max_pending: 2, ..PublisherOptions::default() };
    let publisher = start(endpoint(&broker.url()), options);
    let within = Duration::from_secs(2);
    let answers = join_all((0..3).map(|_| publish_within(&publisher, event(PLACED), within))).await;
    use PublishError::{Overloaded, Unavailable};
    assert_eq!(answers, [Err(Unavailable), Err(Unavailable), Err(Overloaded)]);
    // Exactly 8 MiB of bodies may wait.
    for (second, answer) in [(4 * 1024 * 1024, Unavailable), (4 * 1024 * 1024 + 1, Overloaded)] {
        let heavy = [4 * 1024 * 1024, second].map(|size| event_of("heavy", PLACED, size));
        let answers = join_all(heavy.map(|event| publish_within(&publisher, event, within))).await;
        assert_eq!(answers, [Err(Unavailable), Err(answer)], "{second}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_nobody_waits_for_any_more_is_counted_as_abandoned() {
    let registry = Registry::new();
    let endpoint = endpoint(&Broker::late().url());
    let publisher = start_to(endpoint, EXCHANGE, PublisherOptions::default(), &registry).unwrap();
    assert_eq!(publish(&publisher, event(PLACED)).now_or_never(), None, "it waits for the broker");
    assert_eq!(counted(&registry, "abandoned"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_finishes_what_is_under_way_and_refuses_the_rest() {
    let broker = Broker::shared().await;
    let publisher = connected(&broker).await;
    let under_way = join_all((0..500).map(|_| publish(&publisher, event(PLACED))));
    let close_then_publish = async {
        // The publishes above were polled before this, so all of them wait in line.
        publisher.close(Instant::now() + PATIENCE).await;
        publish(&publisher, event(PLACED)).await
    };
    let (answers, late) = tokio::join!(under_way, close_then_publish);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(late, Err(PublishError::Unavailable));
    assert_eq!(*publisher.state().borrow(), State::Stopped);
    assert_eq!(broker.take("email-queue").await.len(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_an_alarm_blocks_and_the_gap_is_ridden_out() {
    let broker = Broker::start().await;
    let publisher = connected(&broker).await;
    broker.set_alarm(Alarm::Memory).await;
    // A broker tells of its alarm only after something was published, so the first event was sent.
    let second = Duration::from_secs(1);
    assert_eq!(publish_within(&publisher, event(PLACED), second).await, Err(PublishError::Unconfirmed));
    until(&publisher, "blocked", |state| *state == State::Blocked).await;
    let answers = join_all((0..20).map(|_| publish_within(&publisher, event(PLACED), second))).await;
    assert!(answers.iter().all(|answer| *answer == Err(PublishError::Blocked)), "{answers:?}");
    let (answer, ()) = tokio::join!(publish(&publisher, event(PLACED)), broker.clear_alarm(Alarm::Memory));
    assert_eq!(answer, Ok(()));
    until(&publisher, "connected", |state| *state == State::Connected).await;
    // The unconfirmed one and the one that waited; none of the blocked ones.
    assert_eq!(broker.take("email-queue").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_appears_late_is_found() {
    let broker = Broker::late();
    let publisher = start(endpoint(&broker.url()), required("email-queue"));
    let away = until(&publisher, "away", |state| state.reason().is_some()).await;
    assert!(away.reason().unwrap().contains("cannot be reached"), "{away:?}");
    let second = Duration::from_secs(1);
    assert_eq!(publish_within(&publisher, event(PLACED), second).await, Err(PublishError::Unavailable));
    let (answer, ()) = tokio::join!(publish(&publisher, event(PLACED)), broker.restart());
    assert_eq!(answer, Ok(()));
}
