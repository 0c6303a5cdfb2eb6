//! A consumer inside the test's process, and a handler that does what the test says.

use std::fmt::Display;
use std::future::{Future, pending};
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use events::{CloudEvent, DecodeError, Event};
use jiff::Timestamp;
use journey::{Broker, eventually, in_time};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use messaging::{
    Client, ConsumerBuilder, ConsumerOptions, Endpoint, Error, Failure, Handler, Received, State, Subscription,
};
use prometheus::Registry;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

pub(crate) const QUEUE: &str = "email-queue";
pub(crate) const DEAD: &str = "email-queue.dead";
pub(crate) const EXCHANGE: &str = "order-exchange";
pub(crate) const KEY: &str = "order.placed";

fn subscription() -> Subscription {
    Subscription::queue(QUEUE).bound_to(EXCHANGE, [KEY])
}

/// The decoder panics over a note that says this.
pub(crate) const UNREADABLE: &str = "unreadable";

/// The probe throws a [`Bomb`] while this is why it fails.
pub(crate) const THROWS: &str = "throws";

/// What a panic may throw: it panics once more when it is dropped.
pub(crate) struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bug of what was thrown");
    }
}

/// The simplest event: a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Note(pub String);

impl Event for Note {
    const TYPES: &'static [&'static str] = &[KEY];

    fn event_type(&self) -> &'static str {
        KEY
    }

    fn subject(&self) -> Option<impl Display + '_> {
        None::<&str>
    }

    fn data(&self) -> impl Serialize + '_ {
        &self.0
    }

    fn from_data(_: &str, data: &RawValue) -> Result<Self, DecodeError> {
        assert_ne!(data.get(), format!("{UNREADABLE:?}"), "a bug of the decoder");
        serde_json::from_str(data.get()).map(Self).map_err(|error| DecodeError::NotJson(error.to_string()))
    }

    fn from_text(_: &str, text: &str) -> Result<Self, DecodeError> {
        Ok(Self(text.to_owned()))
    }
}

/// What the handler saw of an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) text: String,
    pub(crate) attempt: u32,
    pub(crate) redriven: u32,
}

type Outcome = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;
type Act = dyn Fn(Seen) -> Outcome + Send + Sync;

/// Does with each event what the test says, and remembers it.
#[derive(Clone)]
pub(crate) struct Actor {
    act: Arc<Act>,
    seen: Arc<Mutex<Vec<Seen>>>,
    health: Arc<Mutex<Result<(), String>>>,
}

impl Actor {
    pub(crate) fn new<F: Future<Output = Result<(), Failure>> + Send + 'static>(
        act: impl Fn(Seen) -> F + Send + Sync + 'static,
    ) -> Self {
        let act = Arc::new(move |seen| Box::pin(act(seen)) as Outcome);
        Self { act, seen: Arc::default(), health: Arc::new(Mutex::new(Ok(()))) }
    }

    /// Handles everything.
    pub(crate) fn willing() -> Self {
        Self::new(|_| async { Ok(()) })
    }

    /// Begins everything and ends nothing.
    pub(crate) fn stuck() -> Self {
        Self::new(|_| pending())
    }

    /// From here on probes fail.
    pub(crate) fn ail(&self, reason: &str) {
        *self.health.lock().unwrap() = Err(reason.to_owned());
    }

    /// From here on probes succeed.
    pub(crate) fn recover(&self) {
        *self.health.lock().unwrap() = Ok(());
    }

    /// All it has begun, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The texts it has begun, in order.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.text).collect()
    }

    pub(crate) async fn eventually(&self, what: &str, holds: impl Fn(&Vec<Seen>) -> bool) -> Vec<Seen> {
        eventually(what, async || self.seen(), holds).await
    }
}

impl Handler for Actor {
    type Event = Note;

    async fn handle(&self, event: &Received<Note>) -> Result<(), Failure> {
        let seen = Seen { text: event.data.0.clone(), attempt: event.attempt, redriven: event.redriven };
        self.seen.lock().unwrap().push(seen.clone());
        (self.act)(seen).await
    }

    /// A text that begins so is handled without the dependency.
    fn needs_dependency(&self, event: &Received<Note>) -> bool {
        !event.data.0.starts_with("aside")
    }

    async fn probe(&self) -> Result<(), String> {
        let health = self.health.lock().unwrap().clone();
        if health.as_ref().is_err_and(|reason| reason == THROWS) {
            panic_any(Bomb);
        }
        health
    }
}

/// A consumer that runs until it is stopped or dropped.
pub(crate) struct Running {
    pub(crate) state: watch::Receiver<State>,
    pub(crate) registry: Registry,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    /// Starts one as the user `email` and does not wait for it.
    pub(crate) fn start(broker: &Broker, handler: &Actor, options: ConsumerOptions) -> Self {
        Self::start_for(broker, handler, options, Duration::from_secs(20))
    }

    /// Starts one of another subscription, with every right.
    pub(crate) fn of(broker: &Broker, handler: &Actor, subscription: Subscription) -> Self {
        let endpoint = Endpoint::new(broker.url().parse().unwrap(), "test");
        Self::with(endpoint, subscription, handler, quick(), Duration::from_secs(20))
    }

    fn start_for(broker: &Broker, handler: &Actor, options: ConsumerOptions, within: Duration) -> Self {
        let url = broker.url_as("email").parse().unwrap();
        let endpoint = Endpoint::new(url, "email");
        Self::with(endpoint, subscription(), handler, options, within)
    }

    fn with(
        endpoint: Endpoint,
        subscription: Subscription,
        handler: &Actor,
        options: ConsumerOptions,
        within: Duration,
    ) -> Self {
        let consumer = |client: &Client| client.consumer(subscription, handler.clone()).options(options);
        Self::built(endpoint, consumer, within)
    }

    /// Starts one of `email`'s queue that the test describes, as the user `email`.
    pub(crate) fn described<H: Handler>(broker: &Broker, describe: impl FnOnce(&Client) -> ConsumerBuilder<H>) -> Self {
        let url = broker.url_as("email").parse().unwrap();
        let endpoint = Endpoint::new(url, "email");
        Self::built(endpoint, describe, Duration::from_secs(20))
    }

    fn built<H: Handler>(
        endpoint: Endpoint,
        describe: impl FnOnce(&Client) -> ConsumerBuilder<H>,
        within: Duration,
    ) -> Self {
        let registry = Registry::new();
        let client = Client::new(endpoint, &registry).unwrap();
        let consumer = describe(&client).build().unwrap();
        let state = consumer.state();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(consumer.run(async { drop(stopped.await) }, within));
        Self { state, registry, stop: Some(stop), task }
    }

    /// Starts one and waits until it consumes.
    pub(crate) async fn consuming(broker: &Broker, handler: &Actor) -> Self {
        Self::consuming_with(broker, handler, quick()).await
    }

    pub(crate) async fn consuming_with(broker: &Broker, handler: &Actor, options: ConsumerOptions) -> Self {
        let running = Self::start(broker, handler, options);
        running.becomes("consuming").await;
        running
    }

    /// Starts one that has so long to drain.
    pub(crate) async fn consuming_for(
        broker: &Broker,
        handler: &Actor,
        options: ConsumerOptions,
        within: Duration,
    ) -> Self {
        let running = Self::start_for(broker, handler, options, within);
        running.becomes("consuming").await;
        running
    }

    /// Waits for a state of this name, however short it lasts, and returns it.
    pub(crate) async fn becomes(&self, name: &str) -> State {
        let mut state = self.state.clone();
        let what = format!("the consumer is {name} and no longer {}", state.borrow().name());
        in_time(&what, state.wait_for(|state| state.name() == name)).await.expect("the consumer lives").clone()
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<(), Error> {
        self.ask_to_stop();
        in_time("the consumer stops", &mut self.task).await.unwrap()
    }

    pub(crate) fn ask_to_stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// The value of a series that has no other label than the queue.
    pub(crate) fn gauge(&self, name: &str) -> f64 {
        let family = self.registry.gather().into_iter().find(|family| family.name() == name);
        let family = family.expect("every series is there from the start");
        let metric = &family.get_metric()[0];
        metric.get_counter().get_value() + metric.get_gauge().get_value()
    }

    /// The deliveries that were settled so, of all routing keys.
    pub(crate) fn count(&self, outcome: &str) -> u64 {
        self.count_where(&[("outcome", outcome)])
    }

    /// The deliveries that were settled so, of one routing key.
    pub(crate) fn count_of(&self, routing_key: &str, outcome: &str) -> u64 {
        self.count_where(&[("routing_key", routing_key), ("outcome", outcome)])
    }

    fn count_where(&self, labels: &[(&str, &str)]) -> u64 {
        let family = self.registry.gather().into_iter().find(|family| family.name() == "messaging_consumed_total");
        let family = family.expect("every series is there from the start");
        let carries = |metric: &prometheus::proto::Metric, (name, value): &(&str, &str)| {
            metric.get_label().iter().any(|label| label.name() == *name && label.value() == *value)
        };
        let settled = family.get_metric().iter().filter(|metric| labels.iter().all(|label| carries(metric, label)));
        settled.map(|metric| metric.get_counter().get_value() as u64).sum()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Delays that a test can wait for.
pub(crate) fn quick() -> ConsumerOptions {
    let retry_delays = [50, 100].map(Duration::from_millis).to_vec();
    ConsumerOptions { retry_delays, handle_timeout: Duration::from_secs(60), ..ConsumerOptions::default() }
}

/// A note's message: its properties and its body.
pub(crate) fn message(id: &str, text: &str) -> (BasicProperties, Vec<u8>) {
    let event = CloudEvent { id: id.to_owned(), ..CloudEvent::new("urn:test", Note(text.to_owned())) };
    (properties(id), event.encode().body.to_vec())
}

/// Properties of a CloudEvent with this id.
pub(crate) fn properties(id: &str) -> BasicProperties {
    BasicProperties::default()
        .with_message_id(id.into())
        .with_content_type(events::CONTENT_TYPE.into())
        .with_delivery_mode(2)
        .with_headers(FieldTable::default())
}

/// Publishes notes whose ids are their texts.
pub(crate) async fn publish(broker: &Broker, texts: &[&str]) {
    let client = broker.client().await;
    for text in texts {
        let (properties, body) = message(text, text);
        assert!(client.publish(EXCHANGE, KEY, properties, &body).await, "{text} was routed");
    }
}

/// The same, as copies of the consumer's that carry two returns: they are handled alone.
pub(crate) async fn publish_suspects(broker: &Broker, texts: &[&str]) {
    let email = broker.client_as("email").await;
    for text in texts {
        let (properties, body) = message(text, text);
        let mut headers = FieldTable::default();
        headers.insert("warren-returns".into(), AMQPValue::LongLongInt(2));
        headers.insert("warren-given-back".into(), AMQPValue::LongString(Timestamp::now().to_string().into()));
        let properties = properties.with_headers(headers).with_user_id("email".into());
        assert!(email.publish("", QUEUE, properties, &body).await, "{text} was routed");
    }
}

/// Waits until the queue is empty and nothing of it is unacknowledged.
pub(crate) async fn drained(broker: &Broker) {
    // What waits is counted now; what is delivered and not acknowledged, some seconds ago.
    eventually("nothing waits in the queue", || broker.depth(QUEUE), |&depth| depth == Some(0)).await;
    eventually("the queue is empty", || unsettled(broker), |&left| left == 0).await;
}

/// What the queue holds, delivered or not, as `rabbitmqctl` counts it.
pub(crate) async fn unsettled(broker: &Broker) -> u64 {
    let listed = broker.rabbitmqctl(&["list_queues", "--vhost", broker.vhost(), "name", "messages"]).await;
    let lines = listed.lines().filter_map(|line| line.split_once('\t'));
    lines.filter(|(name, _)| *name == QUEUE).map(|(_, count)| count.trim().parse::<u64>().unwrap_or(1)).sum()
}
