//! The same event again, while its first copy is being handled for a long time: it holds up nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journey::{Broker, eventually};
use messaging::{ConsumerOptions, Failure};
use tokio::sync::Semaphore;

use super::stage::*;

/// Handles an event that is called `slow` only with a permit, and every other at once.
fn slow(gate: &Arc<Semaphore>) -> Actor {
    let gate = gate.clone();
    Actor::new(move |seen| {
        let gate = gate.clone();
        async move {
            if seen.text == "slow" {
                gate.acquire().await.unwrap().forget();
            }
            Ok(())
        }
    })
}

fn few() -> ConsumerOptions {
    ConsumerOptions { concurrency: 4, prefetch: 8, handle_timeout: Duration::from_secs(600), ..quick() }
}

#[tokio::test]
async fn an_event_that_is_repeated_while_its_handling_is_slow_holds_up_no_other() {
    let broker = Broker::shared().await;
    let gate = Arc::new(Semaphore::new(0));
    let actor = slow(&gate);
    let consumer = Running::consuming_with(&broker, &actor, few()).await;
    publish(&broker, &["slow"]).await;
    actor.eventually("it is begun", |seen| seen.len() == 1).await;
    publish(&broker, &["slow"; 40]).await;
    for other in ["a", "b", "c"] {
        publish(&broker, &[other]).await;
        actor.eventually("another is handled", |seen| seen.iter().any(|seen| seen.text == other)).await;
    }
    // None of the copies that came back was taken for another event or for a duplicate.
    eventually("all have come back", async || consumer.count("given-back"), |&back| back >= 80).await;
    assert_eq!((actor.texts(), consumer.count("duplicate")), (["slow", "a", "b", "c"].map(str::to_owned).to_vec(), 0));
    gate.add_permits(1);
    eventually("each is a duplicate", async || consumer.count("duplicate"), |&count| count == 40).await;
    drained(&broker).await;
    assert_eq!((consumer.count("handled"), actor.seen().len()), (4, 4));
    assert_eq!(broker.depth(DEAD).await, Some(0));
}

#[tokio::test]
async fn of_the_copies_of_an_event_that_fails_slowly_one_succeeds_and_the_rest_are_duplicates() {
    let broker = Broker::shared().await;
    let gate = Arc::new(Semaphore::new(0));
    let (waiting, failed) = (gate.clone(), Arc::new(AtomicBool::new(false)));
    let actor = Actor::new(move |_| {
        let (gate, failed) = (waiting.clone(), failed.clone());
        async move {
            gate.acquire().await.unwrap().forget();
            if failed.swap(true, Ordering::Relaxed) { Ok(()) } else { Err(Failure::later("busy")) }
        }
    });
    let consumer = Running::consuming_with(&broker, &actor, few()).await;
    publish(&broker, &["a"; 12]).await;
    actor.eventually("one is begun", |seen| seen.len() == 1).await;
    eventually("the others have come back", async || consumer.count("given-back"), |&back| back >= 22).await;
    assert_eq!(consumer.count("duplicate"), 0, "nobody knows yet");
    gate.add_permits(2);
    eventually("eleven are duplicates", async || consumer.count("duplicate"), |&count| count == 11).await;
    drained(&broker).await;
    assert_eq!((consumer.count("delayed"), consumer.count("handled"), actor.seen().len()), (1, 1, 2));
}

#[tokio::test]
async fn a_copy_that_does_not_wait_keeps_the_returns_held_against_it_and_counts_no_attempt() {
    let broker = Broker::shared().await;
    let gate = Arc::new(Semaphore::new(0));
    let actor = slow(&gate);
    let options = ConsumerOptions { retry_delays: vec![Duration::from_secs(600)], ..few() };
    let consumer = Running::consuming_with(&broker, &actor, options).await;
    publish(&broker, &["slow"]).await;
    actor.eventually("it is begun", |seen| seen.len() == 1).await;
    publish_suspects(&broker, &["slow"]).await;
    tokio::join!(broker.close_connections(), consumer.becomes("connecting"));
    // The suspect is alone while it waits, and not for as long as the handler of the lost connection runs.
    publish(&broker, &["other"]).await;
    actor.eventually("another is handled", |seen| seen.len() == 2).await;
    let delayed = || broker.depth("email-queue.retry.10m");
    eventually("both are delayed", delayed, |&depth| depth == Some(2)).await;
    let copies = broker.peek("email-queue.retry.10m").await;
    let mut returns: Vec<_> = copies.iter().map(|copy| copy.header("warren-returns").unwrap_or_default()).collect();
    returns.sort();
    assert_eq!(returns, ["", "2"]);
    assert!(copies.iter().all(|copy| copy.header("warren-attempts").is_none()));
}
