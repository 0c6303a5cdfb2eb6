//! What became of each event: every outcome of publishing, on real brokers.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use contract::{Encoded, OrderEvent};
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use journey::{Alarm, Broker, Message, Metrics, eventually, in_time};
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use messaging::{Endpoint, PublishError, Publisher, PublisherOptions, RequiredQueue, State};
use prometheus::Registry;
use tokio::time::Instant;
use uuid::Uuid;

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
    Endpoint { url: url.parse().unwrap(), ca_file: None, name: "test".to_owned() }
}

fn start(endpoint: Endpoint, options: PublisherOptions) -> Publisher {
    Publisher::start::<OrderEvent>(endpoint, EXCHANGE, options, &Registry::new()).unwrap()
}

/// A publisher whose exchange has a queue for orders, once it is connected.
async fn connected(broker: &Broker) -> Publisher {
    let publisher = start(endpoint(&broker.url()), required("email-queue"));
    until(&publisher, "connected", |state| *state == State::Connected).await;
    publisher
}

async fn until(publisher: &Publisher, what: &str, holds: impl FnMut(&State) -> bool) -> State {
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
    Encoded {
        id: id.to_owned(),
        event_type,
        source: "urn:test".to_owned(),
        time: Timestamp::now(),
        body: Bytes::from(body),
    }
}

fn event(event_type: &'static str) -> Encoded {
    event_of(&Uuid::now_v7().to_string(), event_type, 100)
}

async fn publish(publisher: &Publisher, event: Encoded) -> Result<(), PublishError> {
    publisher.publish(event, Instant::now() + PATIENCE).await
}

async fn publish_within(publisher: &Publisher, event: Encoded, within: Duration) -> Result<(), PublishError> {
    publisher.publish(event, Instant::now() + within).await
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
async fn no_event_gets_the_answer_of_another_where_many_come_back() {
    one_in_comes_back(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_gets_the_answer_of_another_where_few_come_back() {
    one_in_comes_back(97).await;
}

async fn one_in_comes_back(one_in: usize) {
    const EVENTS: usize = 20_000;
    let broker = Broker::shared().await;
    let publisher = connected(&broker).await;
    let tasks = (0..256).map(|task| {
        let publisher = publisher.clone();
        tokio::spawn(async move {
            let mut accepted = Vec::new();
            for number in 0..EVENTS / 256 {
                let routed = !(task + number).is_multiple_of(one_in);
                let event = event(if routed { PLACED } else { "order.unheard" });
                let id = event.id.clone();
                match (publish(&publisher, event).await, routed) {
                    (Ok(()), true) => accepted.push(id),
                    (Err(PublishError::Unroutable), false) => {}
                    (answer, routed) => panic!("{answer:?} for an event with routed = {routed}"),
                }
            }
            accepted
        })
    });
    let accepted: HashSet<String> = join_all(tasks).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(drain(&broker, "email-queue").await, accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_ids_in_flight_each_get_their_own_answer() {
    let broker = Broker::shared().await;
    let publisher = connected(&broker).await;
    for _ in 0..200 {
        let id = Uuid::now_v7().to_string();
        let sent = (0..8).map(|number| (if number % 2 == 0 { PLACED } else { "order.unheard" }, &publisher));
        let answers = sent.map(|(key, publisher)| publish(publisher, event_of(&id, key, 100)));
        for (number, answer) in join_all(answers).await.into_iter().enumerate() {
            let expected = if number % 2 == 0 { Ok(()) } else { Err(PublishError::Unroutable) };
            assert_eq!(answer, expected, "event {number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_full_queue_refuses_is_rejected() {
    let broker = Broker::shared().await;
    let client = broker.client().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let publisher = start(endpoint(&broker.url()), PublisherOptions::default());
    until(&publisher, "connected", |state| *state == State::Connected).await;
    client.declare_queue("full", durable, arguments).await.unwrap();
    client.bind("full", EXCHANGE, PLACED).await;
    // A quorum queue takes some more before it refuses.
    let answers = eventually("an event is refused", || publish(&publisher, event(PLACED)), Result::is_err).await;
    assert_eq!(answers, Err(PublishError::Rejected));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_larger_than_the_broker_allows_is_rejected_and_no_other() {
    let broker = Broker::shared().await;
    let publisher = connected(&broker).await;
    let sent = (0..300).map(|number| {
        let size = if number % 100 == 50 { 262_145 } else { 100 };
        publish(&publisher, event_of(&Uuid::now_v7().to_string(), PLACED, size))
    });
    for (number, answer) in join_all(sent).await.into_iter().enumerate() {
        let expected = if number % 100 == 50 { Err(PublishError::Rejected) } else { Ok(()) };
        assert_eq!(answer, expected, "event {number}");
    }
    assert_eq!(drain(&broker, "email-queue").await.len(), 297);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_queue_hangs_keeps_no_other_from_its_answer() {
    const STUCK: &str = "order.stuck";
    let broker = Broker::shared().await;
    let publisher = start(endpoint(&broker.url()), PublisherOptions { lanes: 1, ..required("email-queue") });
    until(&publisher, "connected", |state| *state == State::Connected).await;
    let mut classic = FieldTable::default();
    classic.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
    let client = broker.client().await;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    client.declare_queue("stuck-queue", durable, classic).await.unwrap();
    client.bind("stuck-queue", EXCHANGE, STUCK).await;
    let tell = async |verb: &str| {
        let name = format!("rabbit_misc:r(<<\"{}\">>, queue, <<\"stuck-queue\">>)", broker.vhost());
        let call = format!("{{ok, Q}} = rabbit_amqqueue:lookup({name}), sys:{verb}(amqqueue:get_pid(Q)).");
        broker.rabbitmqctl(&["eval", &call]).await;
    };
    tell("suspend").await;
    let stuck = publish(&publisher, event(STUCK));
    let others = async {
        for _ in 0..20 {
            let sent = (0..50).map(|_| publish(&publisher, event(PLACED)));
            assert_eq!(join_all(sent).await, vec![Ok(()); 50]);
        }
        tell("resume").await;
    };
    assert_eq!(tokio::join!(stuck, others).0, Ok(()));
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
    let publisher = Publisher::start::<OrderEvent>(endpoint, EXCHANGE, PublisherOptions::default(), &registry).unwrap();
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
