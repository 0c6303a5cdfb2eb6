//! A handler of batches: the example of `messaging`, and what becomes of each event when a call fails.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use events::CloudEvent;
use journey::{Broker, eventually, in_time};
use messaging::{BatchHandler, Batches, Client, ConsumerOptions, Endpoint, Failure, Received, Subscription};
use prometheus::Registry;
use tempfile::tempdir;
use tokio::sync::oneshot;

use super::stage::{DEAD, EXCHANGE, KEY, Note, QUEUE, Running, properties, publish, publish_suspects, quick};

#[allow(dead_code, unreachable_pub, reason = "it is a program of its own, and the test takes the place of its main")]
#[path = "../../../../messaging/examples/batches.rs"]
mod example;
use example::{Ledger, OrderPlaced};

/// Longer than any test may take.
const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn the_example_writes_what_it_can_and_refuses_what_it_cannot() {
    let (broker, folder) = (Broker::shared().await, tempdir().unwrap());
    let file = folder.path().join("ledger");
    let endpoint = Endpoint::new(broker.url().parse().unwrap(), "ledger");
    let client = Client::new(endpoint, &Registry::new()).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = {
        let (client, ledger) = (client.clone(), Ledger { file: file.clone() });
        tokio::spawn(async move { example::serve(&client, ledger, async { drop(stopped.await) }).await })
    };
    eventually("it is ready", async || client.state(), |state| state.name() == "consuming").await;
    for (id, currency) in [("1", "EUR"), ("2", "USD"), ("3", "EUR"), ("4", "EUR")] {
        let order = OrderPlaced { id: id.to_owned(), currency: currency.to_owned() };
        let event = CloudEvent { id: id.to_owned(), ..CloudEvent::new("urn:warren:order", order) };
        assert!(broker.publish(EXCHANGE, KEY, properties(id), &event.encode().body).await);
    }
    let lines = async || std::fs::read_to_string(&file).unwrap_or_default();
    let lines = eventually("three are written", lines, |lines| lines.lines().count() == 3).await;
    let mut ids: Vec<_> = lines.lines().collect();
    ids.sort_unstable();
    assert_eq!(ids, ["1", "3", "4"]);
    eventually("one is dead", || broker.depth("ledger-queue.dead"), |&depth| depth == Some(1)).await;
    let dead = broker.take("ledger-queue.dead").await.remove(0);
    assert_eq!(dead.header("warren-error").as_deref(), Some("the ledger is in EUR, and the order in USD"));
    drop(stop);
    in_time("it stops", running).await.unwrap().unwrap();
}

/// Handles batches of notes as each note says, and remembers the calls.
#[derive(Clone, Default)]
struct Writer {
    calls: Arc<Mutex<Vec<Vec<String>>>>,
    down: Arc<AtomicBool>,
}

impl Writer {
    /// The texts of each call, sorted within the call.
    fn calls(&self) -> Vec<Vec<String>> {
        self.calls.lock().unwrap().clone()
    }

    /// The calls that had more than one event.
    fn together(&self) -> Vec<Vec<String>> {
        self.calls().into_iter().filter(|call| call.len() > 1).collect()
    }

    async fn eventually_called(&self, times: usize) -> Vec<Vec<String>> {
        eventually("the calls have come", async || self.calls(), |calls| calls.len() >= times).await
    }
}

impl BatchHandler for Writer {
    type Event = Note;

    async fn handle_batch(&self, events: &[Received<Note>]) -> Vec<Result<(), Failure>> {
        let mut texts: Vec<_> = events.iter().map(|event| event.data.0.clone()).collect();
        texts.sort();
        self.calls.lock().unwrap().push(texts.clone());
        for text in &texts {
            match text.as_str() {
                "panics" => panic!("a bug"),
                "hangs" => pending().await,
                _ => {}
            }
        }
        let result = |event: &Received<Note>| match event.data.0.as_str() {
            "bad" => Err(Failure::for_good("it is bad")),
            "early" if event.attempt == 1 => Err(Failure::later("too early")),
            "needy" if self.down.load(Ordering::Relaxed) => Err(Failure::outage("the table is away")),
            _ => Ok(()),
        };
        events.iter().map(result).collect()
    }

    async fn probe(&self) -> Result<(), String> {
        if self.down.load(Ordering::Relaxed) { Err("the table is still away".to_owned()) } else { Ok(()) }
    }
}

async fn consuming(broker: &Broker, batches: Batches<Writer>, options: ConsumerOptions) -> Running {
    let running = Running::described(broker, |client| {
        client.consumer(Subscription::queue(QUEUE).bound_to(EXCHANGE, [KEY]), batches).options(options)
    });
    running.becomes("consuming").await;
    running
}

/// It waits until the batch is full, however long that takes.
fn full(writer: &Writer, size: usize) -> Batches<Writer> {
    Batches::new(writer.clone()).size(size).wait(LONG)
}

fn patient() -> ConsumerOptions {
    ConsumerOptions { handle_timeout: 2 * LONG, ..quick() }
}

#[tokio::test]
async fn events_that_come_together_are_one_call_and_each_is_settled_by_itself() {
    let (broker, writer) = (Broker::shared().await, Writer::default());
    let consumer = consuming(&broker, full(&writer, 4), patient()).await;
    publish(&broker, &["a", "bad", "early", "z"]).await;
    let calls = writer.eventually_called(2).await;
    assert_eq!(calls, [&["a", "bad", "early", "z"][..], &["early"]]);
    eventually("three are handled", async || consumer.count("handled"), |&count| count == 3).await;
    assert_eq!(consumer.count("delayed"), 1);
    eventually("one is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
}

#[tokio::test]
async fn an_event_that_makes_each_call_panic_is_the_only_dead_letter_of_its_batch() {
    let (broker, writer) = (Broker::shared().await, Writer::default());
    let consumer = consuming(&broker, full(&writer, 4), patient()).await;
    publish(&broker, &["a", "b", "c", "panics"]).await;
    eventually("the others are handled", async || consumer.count("handled"), |&count| count == 3).await;
    eventually("it is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    let dead = broker.take(DEAD).await.remove(0);
    assert_eq!(dead.json()["data"], "panics");
    assert_eq!(dead.header("warren-error").as_deref(), Some("the handler panicked: a bug"));
    assert_eq!(writer.together(), [["a", "b", "c", "panics"]], "each was alone after that");
}

#[tokio::test]
async fn an_event_that_hangs_ends_its_call_at_the_timeout_and_takes_no_neighbour_with_it() {
    let (broker, writer) = (Broker::shared().await, Writer::default());
    let options = ConsumerOptions { handle_timeout: Duration::from_secs(1), ..quick() };
    let batches = Batches::new(writer.clone()).size(2).wait(Duration::from_millis(900));
    let consumer = consuming(&broker, batches, options).await;
    publish(&broker, &["a", "hangs"]).await;
    eventually("its neighbour is handled", async || consumer.count("handled"), |&count| count == 1).await;
    eventually("it is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    let dead = broker.take(DEAD).await.remove(0);
    assert_eq!(dead.header("warren-error").as_deref(), Some("not handled within 1s"));
}

#[tokio::test]
async fn a_batch_whose_dependency_is_down_pauses_the_consumer_and_loses_no_attempt() {
    let (broker, writer) = (Broker::shared().await, Writer::default());
    writer.down.store(true, Ordering::Relaxed);
    let batches = Batches::new(writer.clone()).size(3);
    let consumer = consuming(&broker, batches, quick()).await;
    publish(&broker, &["needy", "needy too", "fine"]).await;
    consumer.becomes("paused").await;
    // The reason of the handler's own probe.
    let reason = async || consumer.state.borrow().reason().map(str::to_owned);
    eventually("it is probed", reason, |reason| reason.as_deref() == Some("the table is still away")).await;
    writer.down.store(false, Ordering::Relaxed);
    eventually("all are handled", async || consumer.count("handled"), |&count| count == 3).await;
    consumer.becomes("consuming").await;
    assert_eq!((consumer.count("delayed"), consumer.count("dead")), (0, 0));
}

#[tokio::test]
async fn a_suspect_is_a_batch_of_its_own() {
    let (broker, writer) = (Broker::shared().await, Writer::default());
    let batches = Batches::new(writer.clone()).size(3);
    let consumer = consuming(&broker, batches, quick()).await;
    publish_suspects(&broker, &["a", "b", "c"]).await;
    eventually("all are handled", async || consumer.count("handled"), |&count| count == 3).await;
    assert_eq!(writer.together(), [[""; 0]; 0]);
}

#[tokio::test]
async fn a_stop_gives_what_was_gathered_one_last_call() {
    let (broker, writer) = (Broker::shared().await, Writer::default());
    let batches = Batches::new(writer.clone()).size(10).wait(Duration::from_secs(2));
    let consumer = consuming(&broker, batches, quick()).await;
    publish(&broker, &["a", "b", "c"]).await;
    eventually("it holds them", async || consumer.gauge("messaging_in_flight"), |&held| held == 3.0).await;
    consumer.stop().await.unwrap();
    assert_eq!(writer.calls().concat().len(), 3);
    assert_eq!(broker.depth(QUEUE).await, Some(0));
}
