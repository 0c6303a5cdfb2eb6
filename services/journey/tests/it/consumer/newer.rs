//! From RabbitMQ 4.3 on a `basic.nack` raises no count: what is given back goes straight to its queue, without a copy.
//!
//! On a RabbitMQ 4.3 this is what it does; an older one only says that it is newer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journey::{Broker, eventually};
use messaging::{ConsumerOptions, Failure};
use tokio::sync::Semaphore;

use super::pauses::dependent;
use super::stage::*;
use super::stops::gated;

const DELAYED: &str = "email-queue.retry.10m";

/// A copy would be out of the queue for longer than any test.
fn slow() -> ConsumerOptions {
    ConsumerOptions { retry_delays: vec![Duration::from_secs(600)], ..quick() }
}

#[tokio::test]
async fn a_pause_gives_back_without_a_copy_and_loses_nothing() {
    let broker = Broker::shared().await;
    let newer = broker.posing_as_4_3().await;
    let down = Arc::new(AtomicBool::new(true));
    let actor = dependent(&down);
    actor.ail("still down");
    let consumer = Running::consuming_with(&broker.through(&newer), &actor, slow()).await;
    let texts: BTreeSet<String> = (0..300).map(|n| n.to_string()).collect();
    publish(&broker, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    consumer.becomes("paused").await;
    eventually("all are back in the queue", || broker.depth(QUEUE), |&depth| depth == Some(300)).await;
    assert!(consumer.count("given-back") > 0);
    down.store(false, Ordering::Relaxed);
    actor.recover();
    eventually("all are handled", async || consumer.count("handled"), |&handled| handled == 300).await;
    drained(&broker).await;
    assert!(actor.seen().iter().all(|seen| seen.attempt == 1), "giving back is no attempt");
    assert_eq!(actor.texts().into_iter().collect::<BTreeSet<_>>(), texts);
    assert_eq!(consumer.count("handled"), 300);
    assert_eq!((broker.depth(DELAYED).await, broker.depth(DEAD).await), (Some(0), Some(0)));
}

#[tokio::test]
async fn what_is_postponed_or_fails_a_trial_goes_behind_the_others_as_a_copy() {
    let broker = Broker::shared().await;
    let newer = broker.posing_as_4_3().await;
    let actor = Actor::new(|seen| async move {
        match seen.text.as_str() {
            "postponed" => Err(Failure::postponed("nobody knows")),
            "outage" => Err(Failure::outage("down")),
            _ => Ok(()),
        }
    });
    actor.ail("down");
    let consumer = Running::consuming_with(&broker.through(&newer), &actor, slow()).await;
    publish(&broker, &["postponed"]).await;
    eventually("it is in the delay queue", || broker.depth(DELAYED), |&depth| depth == Some(1)).await;
    publish(&broker, &["outage"]).await;
    consumer.becomes("paused").await;
    publish(&broker, &["a", "b", "c"]).await;
    actor.recover();
    eventually("the others are handled", async || consumer.count("handled"), |&handled| handled == 3).await;
    eventually("it is in the delay queue", || broker.depth(DELAYED), |&depth| depth == Some(2)).await;
    drained(&broker).await;
    assert_eq!(actor.texts().iter().filter(|text| *text == "postponed").count(), 1);
    assert_eq!(actor.texts().iter().filter(|text| *text == "outage").count(), 2, "the second time it was on trial");
}

#[tokio::test]
async fn a_stop_gives_back_without_a_copy_and_loses_nothing() {
    let broker = Broker::shared().await;
    let newer = broker.posing_as_4_3().await;
    let gate = Arc::new(Semaphore::new(0));
    let actor = gated(&gate);
    let options = ConsumerOptions { concurrency: 2, prefetch: 10, ..slow() };
    let mut consumer = Running::consuming_with(&broker.through(&newer), &actor, options).await;
    let texts: BTreeSet<String> = (0..20).map(|n| n.to_string()).collect();
    publish(&broker, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    actor.eventually("two are begun", |seen| seen.len() == 2).await;
    consumer.ask_to_stop();
    eventually("the rest is in the queue", || broker.depth(QUEUE), |&depth| depth == Some(18)).await;
    gate.add_permits(20);
    consumer.stop().await.unwrap();
    assert_eq!(broker.depth(DELAYED).await, Some(0));
    let _next = Running::consuming_with(&broker.through(&newer), &actor, slow()).await;
    drained(&broker).await;
    assert_eq!(actor.texts().into_iter().collect::<BTreeSet<_>>(), texts);
    assert_eq!((broker.depth(DELAYED).await, broker.depth(DEAD).await), (Some(0), Some(0)));
}
