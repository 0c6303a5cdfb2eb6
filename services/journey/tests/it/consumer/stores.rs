//! A store of handled events that processes share: the example of `messaging`, and stores that fail.

use std::sync::{Arc, Mutex};

use events::CloudEvent;
use journey::{Broker, eventually, in_time};
use messaging::{Client, ConsumerOptions, DedupeStore, Endpoint, EventKey, Failure, State, Subscription};
use prometheus::Registry;
use tempfile::tempdir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::stage::{Actor, DEAD, EXCHANGE, KEY, QUEUE, Running, properties, publish, quick};

#[allow(dead_code, unreachable_pub, reason = "it is a program of its own, and the test takes the place of its main")]
#[path = "../../../../messaging/examples/dedupe_store.rs"]
mod example;
use example::{Folder, OrderPlaced, Shipping};

/// A process of the example, while it runs.
struct Process {
    client: Client,
    registry: Registry,
    shipping: Shipping,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Process {
    async fn start(broker: &Broker, store: &Folder) -> Self {
        let endpoint = Endpoint::new(broker.url().parse().unwrap(), "shipping");
        let (registry, shipping) = (Registry::new(), Shipping::default());
        let client = Client::new(endpoint, &registry).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = {
            let (client, store, shipping) = (client.clone(), store.clone(), shipping.clone());
            let stopped = async { drop(stopped.await) };
            tokio::spawn(async move { example::serve(&client, store, shipping, stopped).await.expect("it can run") })
        };
        let process = Self { client, registry, shipping, stop: Some(stop), running };
        process.becomes("consuming").await;
        process
    }

    /// Waits until it has settled so many deliveries, in whatever way.
    async fn settles(&self, deliveries: f64) {
        let settled = async || {
            let families = self.registry.gather();
            let consumed = families.iter().filter(|family| family.name() == "messaging_consumed_total");
            consumed.flat_map(|family| family.get_metric()).map(|metric| metric.get_counter().get_value()).sum::<f64>()
        };
        eventually("they are settled", settled, |&settled| settled == deliveries).await;
    }

    async fn stop(mut self) {
        drop(self.stop.take());
        in_time("it stops", &mut self.running).await.unwrap();
    }

    async fn becomes(&self, state: &str) -> State {
        eventually(state, async || self.client.state(), |now| now.name() == state).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn place(broker: &Broker, id: &str) {
    let event = CloudEvent::new("urn:warren:order", OrderPlaced { id: format!("order {id}") });
    let body = CloudEvent { id: id.to_owned(), ..event }.encode().body;
    assert!(broker.publish(EXCHANGE, KEY, properties(id), &body).await, "{id} was routed");
}

#[tokio::test]
async fn what_one_process_has_handled_is_a_duplicate_to_every_other() {
    let (broker, folder) = (Broker::shared().await, tempdir().unwrap());
    let store = Folder(folder.path().to_owned());
    let first = Process::start(&broker, &store).await;
    place(&broker, "1").await;
    first.settles(1.0).await;
    assert_eq!(first.shipping.shipped(), ["order 1"]);

    // A process that came later, or was restarted, remembers nothing itself.
    first.stop().await;
    let second = Process::start(&broker, &store).await;
    for id in ["1", "1", "2"] {
        place(&broker, id).await;
    }
    second.settles(3.0).await;
    assert_eq!(second.shipping.shipped(), ["order 2"]);
}

#[tokio::test]
async fn while_the_store_is_away_the_consumer_pauses_and_then_handles_each_event_once() {
    let (broker, folder) = (Broker::shared().await, tempdir().unwrap());
    let store = Folder(folder.path().join("mounted"));
    let process = Process::start(&broker, &store).await;
    for id in ["1", "2", "3"] {
        place(&broker, id).await;
    }
    let paused = process.becomes("paused").await;
    assert!(paused.reason().is_some_and(|reason| reason.starts_with("the folder of handled events")), "{paused:?}");
    assert!(process.shipping.shipped().is_empty(), "nobody knows whether they were handled before");

    std::fs::create_dir(&store.0).unwrap();
    let mut shipped =
        eventually("all are shipped", async || process.shipping.shipped(), |shipped| shipped.len() >= 3).await;
    shipped.sort();
    assert_eq!(shipped, ["order 1", "order 2", "order 3"]);
    process.becomes("consuming").await;
    assert_eq!(broker.depth("shipping-queue.dead").await, Some(0));
}

/// Notes what it is told, and fails or panics when it should remember `forgetful` or `clumsy`.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn told(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl DedupeStore for Notes {
    async fn was_handled(&self, event: EventKey<'_>) -> Result<bool, Failure> {
        match event.id {
            "refused" => Err(Failure::for_good("no such id")),
            id => Ok(self.told().iter().any(|told| told == id)),
        }
    }

    async fn remember(&self, event: EventKey<'_>) -> Result<(), String> {
        assert_eq!((event.queue, event.source), (QUEUE, "urn:test"));
        match event.id {
            "forgetful" => Err("no room".to_owned()),
            "clumsy" => panic!("a bug of the store"),
            id => {
                self.0.lock().unwrap().push(id.to_owned());
                Ok(())
            }
        }
    }
}

/// A consumer that remembers nothing itself, so that only the store does.
async fn consuming(broker: &Broker, actor: &Actor, store: &Notes) -> Running {
    let options = ConsumerOptions { dedupe_capacity: 0, ..quick() };
    let running = Running::described(broker, |client| {
        let subscription = Subscription::queue(QUEUE).bound_to(EXCHANGE, [KEY]);
        client.consumer(subscription, actor.clone()).options(options).dedupe_store(store.clone())
    });
    running.becomes("consuming").await;
    running
}

#[tokio::test]
async fn an_event_is_entered_once_it_is_handled_and_not_when_its_attempt_fails() {
    let (broker, store) = (Broker::shared().await, Notes::default());
    let seen = store.clone();
    let actor = Actor::new(move |event| {
        let entered = seen.told();
        async move {
            assert!(entered.is_empty(), "{entered:?} before it was handled");
            if event.attempt == 1 { Err(Failure::later("busy")) } else { Ok(()) }
        }
    });
    let consumer = consuming(&broker, &actor, &store).await;
    publish(&broker, &["1"]).await;
    eventually("it is entered", async || store.told(), |told| told == &["1"]).await;
    publish(&broker, &["1"]).await;
    eventually("its copy is a duplicate", async || consumer.count("duplicate"), |&count| count == 1).await;
    assert_eq!(actor.seen().iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn an_event_that_the_store_does_not_remember_is_handled_and_acknowledged() {
    let (broker, store, actor) = (Broker::shared().await, Notes::default(), Actor::willing());
    let consumer = consuming(&broker, &actor, &store).await;
    publish(&broker, &["forgetful", "clumsy", "refused"]).await;
    eventually("two are handled", async || consumer.count("handled"), |&count| count == 2).await;
    eventually("one is dead", async || consumer.count("dead"), |&count| count == 1).await;
    assert_eq!((consumer.count("delayed"), consumer.count("given-back")), (0, 0));
    assert_eq!(consumer.gauge("messaging_not_remembered_total"), 2.0);
    let mut texts = actor.texts();
    texts.sort();
    assert_eq!(texts, ["clumsy", "forgetful"], "once each, and never what the store refuses");
    let refused = broker.take(DEAD).await.remove(0);
    assert_eq!(refused.header("warren-error").as_deref(), Some("no such id"));
}
