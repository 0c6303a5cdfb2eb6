//! Where a failed event waits: the names of the queues around a queue, and a wait that the handler asks for.

use std::time::Duration;

use journey::{Broker, eventually, in_time};
use messaging::redrive::{self, RedriveOptions};
use messaging::{Client, ConsumerOptions, Endpoint, Failure, Subscription};
use prometheus::Registry;

use super::stage::*;
use crate::redrive::options;

#[tokio::test]
async fn a_subscription_names_the_queues_around_its_queue_and_a_redrive_finds_them() {
    let broker = Broker::shared().await;
    let actor =
        Actor::new(|seen| async move { if seen.redriven == 0 { Err(Failure::later("not yet")) } else { Ok(()) } });
    let subscription =
        Subscription::queue(QUEUE).bound_to(EXCHANGE, [KEY]).delay_queues("wait").dead_queue("graveyard");
    let consumer = Running::of(&broker, &actor, subscription);
    consumer.becomes("consuming").await;
    for queue in ["wait.50ms", "wait.100ms", "graveyard"] {
        assert_eq!(broker.depth(queue).await, Some(0), "{queue}");
    }
    assert_eq!((broker.depth(DEAD).await, broker.depth("email-queue.retry.50ms").await), (None, None));

    publish(&broker, &["a"]).await;
    eventually("it is dead", || broker.depth("graveyard"), |&depth| depth == Some(1)).await;
    let endpoint = Endpoint::new(broker.url().parse().unwrap(), "redrive");
    let client = Client::new(endpoint, &Registry::new()).unwrap();
    let options = RedriveOptions { dead_queue: Some("graveyard".to_owned()), ..options() };
    let summary = in_time("redrive ends", redrive::run(&client, options, std::future::pending())).await.unwrap();
    assert_eq!((summary.found, summary.moved), (1, 1));
    eventually("it is handled", async || consumer.count("handled"), |&handled| handled == 1).await;
    assert_eq!(actor.seen().len(), 4, "three attempts, and one after the redrive");
}

#[tokio::test]
async fn a_handler_asks_for_a_wait_and_gets_the_next_longer_delay() {
    let broker = Broker::shared().await;
    // As planned, the first wait would be the long one.
    let retry_delays = vec![Duration::from_secs(600), Duration::from_millis(50)];
    let actor = Actor::new(|seen| async move {
        let wait = if seen.attempt == 1 { Duration::from_millis(20) } else { Duration::from_secs(3600) };
        Err(Failure::later("busy").after(wait))
    });
    let options = ConsumerOptions { retry_delays, ..quick() };
    let consumer = Running::consuming_with(&broker, &actor, options).await;
    publish(&broker, &["a"]).await;
    let waits = || broker.depth("email-queue.retry.10m");
    eventually("the second wait is the longest there is", waits, |&depth| depth == Some(1)).await;
    assert_eq!(actor.seen().iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [1, 2]);
    eventually("both counted", async || consumer.count("delayed"), |&delayed| delayed == 2).await;
}

#[tokio::test]
async fn a_postponed_event_may_ask_for_a_wait_too_and_counts_no_attempt() {
    let broker = Broker::shared().await;
    let retry_delays = vec![Duration::from_millis(50), Duration::from_secs(600)];
    let actor = Actor::new(|_| async { Err(Failure::postponed("not known yet").after(Duration::from_secs(1))) });
    let options = ConsumerOptions { retry_delays, ..quick() };
    let _consumer = Running::consuming_with(&broker, &actor, options).await;
    publish(&broker, &["a"]).await;
    eventually("it waits", || broker.depth("email-queue.retry.10m"), |&depth| depth == Some(1)).await;
    let waiting = broker.peek("email-queue.retry.10m").await;
    let headers = waiting[0].properties.headers().as_ref().unwrap();
    assert!(!headers.contains_key("warren-attempts"), "{headers:?}");
}
