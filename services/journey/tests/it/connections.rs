//! One connection to publish and one to consume for a whole process, whatever becomes of a part of it.

use std::collections::BTreeSet;
use std::time::Duration;

use events::Encoded;
use futures_util::future::join_all;
use jiff::Timestamp;
use journey::{Alarm, Broker, Metrics, Options, eventually};
use messaging::inside::publish_encoded;
use messaging::{Client, Endpoint, Error, Exchange, Publisher, State, Subscription};
use prometheus::{Registry, TextEncoder};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::consumer::stage::{Actor, Note, message};

const WITHIN: Duration = Duration::from_secs(20);
/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(120);

/// Two publishers and two consumers of one client. Each consumer hears what one of the publishers says.
struct Parts {
    registry: Registry,
    client: Client,
    to: [Publisher<Note>; 2],
    actors: [Actor; 2],
    consumers: [Part; 2],
}

/// A consumer that runs until it is stopped or dropped.
struct Part {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), Error>>,
}

impl Part {
    fn of(client: &Client, queue: &'static str, actor: &Actor) -> Self {
        let subscription = Subscription::queue(queue).bound_to(Exchange::topic(queue), ["order.*"]);
        let consumer = client.consumer(subscription, actor.clone()).build().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        Self { stop: Some(stop), task: tokio::spawn(consumer.run(async { drop(stopped.await) }, WITHIN)) }
    }

    async fn stop(&mut self) {
        drop(self.stop.take());
        (&mut self.task).await.unwrap().unwrap();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Parts {
    const QUEUES: [&str; 2] = ["orders", "stock"];

    async fn start(broker: &Broker) -> Self {
        let registry = Registry::new();
        let endpoint = Endpoint::new(broker.url().parse().unwrap(), "test");
        let client = Client::new(endpoint, &registry).unwrap();
        let actors = [Actor::willing(), Actor::willing()];
        let consumers = [0, 1].map(|n| Part::of(&client, Self::QUEUES[n], &actors[n]));
        let to = Self::QUEUES.map(|exchange| publisher(&client, exchange));
        let parts = Self { registry, client, to, actors, consumers };
        parts.serves().await;
        parts
    }

    async fn serves(&self) {
        eventually("all of it works", async || self.client.state(), State::is_serving).await;
    }

    async fn says(&self, n: usize, text: &str) {
        publish_encoded(&self.to[n], note(text), Instant::now() + PATIENCE).await.unwrap();
    }

    /// Both say something, and each consumer hears its own.
    async fn works(&self, text: &str) {
        for n in [0, 1] {
            self.says(n, text).await;
            self.hears(n, &BTreeSet::from([text.to_owned()])).await;
        }
    }

    async fn hears(&self, n: usize, expected: &BTreeSet<String>) {
        let heard = async || self.actors[n].texts().into_iter().collect::<BTreeSet<_>>();
        eventually("everything is heard", heard, |heard| heard.is_superset(expected)).await;
    }

    fn sum(&self, name: &str, label: (&str, &str)) -> f64 {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        Metrics::parse(&text).sum(name, &[label])
    }

    /// How often a publisher or consumer got another connection.
    fn reconnects(&self) -> f64 {
        ["publish", "consume"].map(|role| self.sum("messaging_reconnects_total", ("connection", role))).iter().sum()
    }
}

fn publisher(client: &Client, exchange: &'static str) -> Publisher<Note> {
    client.publisher(Exchange::topic(exchange)).start().unwrap()
}

fn note(id: &str) -> Encoded {
    let body = message(id, id).1.into();
    Encoded { id: id.to_owned(), event_type: "order.placed", time: Timestamp::now(), body }
}

/// The connections to this vhost by process, each with the name that the service gave it.
async fn connections(broker: &Broker) -> BTreeSet<(String, String)> {
    let listed = broker.rabbitmqctl(&["list_connections", "vhost", "pid", "client_properties"]).await;
    let fields = listed.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        (fields.next()? == broker.vhost()).then_some(())?;
        let (pid, properties) = (fields.next()?, fields.next()?);
        let (_, name) = properties.split_once("{\"connection_name\",\"")?;
        Some((pid.to_owned(), name.split('"').next()?.to_owned()))
    });
    // Those for questions about the topology come and go.
    fields.filter(|(_, name)| name.starts_with("test:") && name != "test:topology").collect()
}

fn names(connections: &BTreeSet<(String, String)>) -> Vec<&str> {
    let mut names: Vec<_> = connections.iter().map(|(_, name)| name.as_str()).collect();
    names.sort_unstable();
    names
}

/// The channel and the tag of a queue's subscription.
async fn subscription(broker: &Broker, queue: &str) -> Option<(String, String)> {
    let listed = ["list_consumers", "--vhost", broker.vhost(), "queue_name", "channel_pid", "consumer_tag"];
    let listed = broker.rabbitmqctl(&listed).await;
    let mut fields = listed.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let [_, channel, tag] = fields.find(|fields| fields[0] == queue)?[..] else { panic!("{listed}") };
    Some((channel.to_owned(), tag.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_publishers_and_two_consumers_have_one_connection_to_publish_and_one_to_consume() {
    let broker = Broker::shared().await;
    let mut parts = Parts::start(&broker).await;
    parts.works("a").await;
    let connected = connections(&broker).await;
    assert_eq!(names(&connected), ["test:consume", "test:publish"]);
    // A consumer that has stopped, and a publisher that is closed, leave them to the others.
    parts.consumers[0].stop().await;
    parts.to[0].close(Instant::now() + WITHIN).await;
    parts.says(1, "b").await;
    parts.hears(1, &BTreeSet::from(["b".to_owned()])).await;
    assert_eq!(connections(&broker).await, connected);
    assert_eq!(parts.sum("messaging_connected", ("queue", "orders")), 0.0);
    assert_eq!(parts.sum("messaging_connected", ("queue", "stock")), 2.0);
    // The last of them closes them.
    parts.consumers[1].stop().await;
    parts.to[1].close(Instant::now() + WITHIN).await;
    eventually("none is left", || connections(&broker), BTreeSet::is_empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_channel_of_one_disturbs_no_other() {
    let broker = Broker::shared().await;
    let parts = Parts::start(&broker).await;
    parts.works("a").await;
    let (connected, other) = (connections(&broker).await, subscription(&broker, "stock").await.unwrap());
    for round in 0..3 {
        let broken = subscription(&broker, "orders").await.unwrap();
        // The broker closes a channel over an answer to a delivery that it never made.
        let answer =
            format!("rabbit_channel:do(rabbit_misc:string_to_pid(\"{}\"), {{'basic.ack', 4711, false}}).", broken.0);
        broker.rabbitmqctl(&["eval", &answer]).await;
        let another = |now: &Option<(String, String)>| now.as_ref().is_some_and(|now| *now != broken);
        eventually("it subscribes again", || subscription(&broker, "orders"), another).await;
        parts.works(&format!("after channel {round}")).await;
        // A publisher's channel, too: its exchange is gone.
        broker.delete_exchange("orders").await;
        parts.says(1, &format!("meanwhile {round}")).await;
        let after = || note(&format!("after exchange {round}"));
        let again = || publish_encoded(&parts.to[0], after(), Instant::now() + PATIENCE);
        let published = eventually("it publishes again", again, Result::is_ok).await;
        assert!(published.is_ok());
    }
    parts.serves().await;
    assert_eq!(subscription(&broker, "stock").await, Some(other), "the other never lost its subscription");
    assert_eq!(connections(&broker).await, connected, "they are the same connections");
    assert_eq!(parts.reconnects(), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_and_a_killed_broker_cost_no_part_an_event() {
    const EVENTS: usize = 300;
    let broker = Broker::start().await;
    let parts = Parts::start(&broker).await;
    let says = |n| {
        let parts = &parts;
        async move {
            for event in 0..EVENTS {
                parts.says(n, &event.to_string()).await;
            }
        }
    };
    let losses = async {
        for _ in 0..2 {
            broker.close_connections().await;
        }
        broker.kill().await;
        broker.restart().await;
    };
    tokio::join!(says(0), says(1), losses);
    let all = (0..EVENTS).map(|event| event.to_string()).collect();
    parts.hears(0, &all).await;
    parts.hears(1, &all).await;
    parts.serves().await;
    parts.works("after it").await;
    let two = |now: &BTreeSet<_>| names(now) == ["test:consume", "test:publish"];
    eventually("they have two again", || connections(&broker), two).await;
    assert!(parts.reconnects() >= 6.0, "two publishers, two consumers, and two with their copies");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_blocks_all_that_publish_and_nobody_who_consumes() {
    let broker = Broker::start().await;
    let parts = Parts::start(&broker).await;
    parts.works("a").await;
    broker.set_alarm(Alarm::Memory).await;
    // The broker says that it blocks a connection only when something is published on it.
    let held = publish_encoded(&parts.to[0], note("held"), Instant::now() + PATIENCE);
    let meanwhile = async {
        let blocked = |state: &State| *state == State::Blocked;
        for publisher in &parts.to {
            eventually("it is blocked", async || publisher.state().borrow().clone(), blocked).await;
        }
        // One that starts now is blocked as well, and takes nobody's connection for broken.
        let late = publisher(&parts.client, "late");
        eventually("it is blocked", async || late.state().borrow().clone(), blocked).await;
        assert_eq!(parts.sum("messaging_blocked", ("connection", "publish")), 5.0);
        assert_eq!(parts.sum("messaging_blocked", ("connection", "consume")), 0.0);
        let (before, tag) = (connections(&broker).await, subscription(&broker, "orders").await);
        let mut consumer = Part::of(&parts.client, "more", &Actor::willing());
        eventually("a consumer starts", || subscription(&broker, "more"), Option::is_some).await;
        consumer.stop().await;
        assert_eq!((connections(&broker).await, subscription(&broker, "orders").await), (before, tag));
        broker.clear_alarm(Alarm::Memory).await;
        eventually("it publishes", async || late.state().borrow().clone(), |state| *state == State::Connected).await;
    };
    let (held, ()) = tokio::join!(held, meanwhile);
    held.unwrap();
    parts.works("b").await;
    assert_eq!(parts.actors[0].texts().iter().filter(|text| *text == "held").count(), 1);
    assert_eq!(parts.reconnects(), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_channel_on_a_connection_gets_another_and_leaves_the_others_theirs() {
    let broker = Broker::with(Options::new().line("channel_max = 5")).await;
    let registry = Registry::new();
    let client = Client::new(Endpoint::new(broker.url().parse().unwrap(), "test"), &registry).unwrap();
    let start = async |exchange| {
        let publisher = publisher(&client, exchange);
        eventually("it is there", async || publisher.state().borrow().clone(), State::is_serving).await;
        publisher
    };
    let first = start("first").await;
    let before = connections(&broker).await;
    let second = start("second").await;
    let after = connections(&broker).await;
    assert!(after.is_superset(&before) && names(&after) == ["test:publish"; 2], "{after:?}");
    for publisher in [&first, &second] {
        let answers = (0..50).map(|_| publish_encoded(publisher, note("a"), Instant::now() + PATIENCE));
        let answers = join_all(answers).await;
        assert!(answers.iter().all(|answer| *answer == Err(messaging::PublishError::Unroutable)), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_the_connection_for_all_again_and_again_gets_one_of_its_own() {
    let broker = Broker::shared().await;
    let parts = Parts::start(&broker).await;
    parts.works("a").await;
    // The first settles events all the while. The channel of the second crashes whenever it has subscribed, and the
    // broker closes the whole connection over it.
    let says = async {
        for event in 0.. {
            parts.says(0, &event.to_string()).await;
        }
    };
    let crash = format!(
        "F = fun(_, 0, _) -> ok; (G, N, Last) -> \
           case [proplists:get_value(channel_pid, C) || C <- rabbit_amqqueue:consumers_all(<<\"{}\">>), \
                 element(4, proplists:get_value(queue_name, C)) =:= <<\"stock\">>] of \
             [Channel | _] when Channel =/= Last -> exit(Channel, kill), G(G, N - 1, Channel); \
             _ -> timer:sleep(50), G(G, N, Last) end end, F(F, 6, none).",
        broker.vhost()
    );
    let arguments = ["eval", crash.as_str()];
    tokio::select! {
        () = says => {}
        _ = broker.rabbitmqctl(&arguments) => {}
    }
    let apart = |now: &BTreeSet<_>| names(now).iter().filter(|name| **name == "test:consume").count() == 2;
    eventually("there are two connections that consume", || connections(&broker), apart).await;
    parts.serves().await;
    let before = parts.sum("messaging_reconnects_total", ("queue", "orders"));
    broker.rabbitmqctl(&arguments).await;
    parts.works("b").await;
    assert_eq!(parts.sum("messaging_reconnects_total", ("queue", "orders")), before, "the first lost nothing any more");
}
