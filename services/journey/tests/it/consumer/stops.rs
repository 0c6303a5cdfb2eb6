//! A consumer that is told to stop takes nothing new and loses nothing.

use std::sync::Arc;
use std::time::Duration;

use journey::{Broker, eventually};
use messaging::{ConsumerOptions, Error};
use tokio::sync::Semaphore;

use super::stage::*;

pub(super) fn gated(gate: &Arc<Semaphore>) -> Actor {
    let gate = gate.clone();
    Actor::new(move |_| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(())
        }
    })
}

#[tokio::test]
async fn a_stop_finishes_what_runs_and_gives_back_the_rest() {
    let broker = Broker::shared().await;
    let gate = Arc::new(Semaphore::new(0));
    let actor = gated(&gate);
    let options = ConsumerOptions { concurrency: 2, prefetch: 10, ..quick() };
    let mut consumer = Running::consuming_with(&broker, &actor, options).await;
    let texts: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    publish(&broker, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    actor.eventually("two are begun", |seen| seen.len() == 2).await;
    consumer.ask_to_stop();
    consumer.becomes("draining").await;
    eventually("the rest is in the queue", || broker.depth(QUEUE), |&depth| depth == Some(18)).await;
    assert!(!consumer.has_ended());
    gate.add_permits(20);
    let state = consumer.state.clone();
    consumer.stop().await.unwrap();
    assert_eq!(state.borrow().name(), "stopped");
    assert_eq!(actor.seen().len(), 2, "nothing new is taken");
    assert_eq!(broker.depth(QUEUE).await, Some(18));
    assert_eq!(broker.depth(DEAD).await, Some(0));
}

#[tokio::test]
async fn a_stop_under_load_loses_nothing() {
    let broker = Broker::shared().await;
    let texts: Vec<String> = (0..2000).map(|n| n.to_string()).collect();
    let actor = Actor::willing();
    let first = Running::consuming(&broker, &actor).await;
    let load = {
        let (broker, texts) = (broker.clone(), texts.clone());
        tokio::spawn(async move { publish(&broker, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await })
    };
    actor.eventually("it is under load", |seen| seen.len() > 100).await;
    first.stop().await.unwrap();
    load.await.unwrap();
    let _second = Running::consuming(&broker, &actor).await;
    drained(&broker).await;
    let mut handled = actor.texts();
    handled.sort();
    handled.dedup();
    assert_eq!(handled.len(), texts.len());
}

#[tokio::test]
async fn what_does_not_end_in_time_is_given_out_again() {
    let broker = Broker::shared().await;
    let actor = Actor::stuck();
    let options = ConsumerOptions { handle_timeout: Duration::from_secs(600), ..quick() };
    let consumer = Running::consuming_for(&broker, &actor, options, Duration::from_millis(200)).await;
    publish(&broker, &["a"]).await;
    actor.eventually("it is begun", |seen| seen.len() == 1).await;
    assert!(matches!(consumer.stop().await, Err(Error::Undrained { left: 1, .. })));
    eventually("it is in the queue", || broker.depth(QUEUE), |&depth| depth == Some(1)).await;
}

#[tokio::test]
async fn what_a_stop_gives_back_is_another_consumers_alone_though_a_handler_outlasts_the_stop() {
    let broker = Broker::shared().await;
    let options = ConsumerOptions { concurrency: 1, prefetch: 40, ..quick() };
    let mut first = Running::consuming_for(&broker, &Actor::stuck(), options, Duration::from_secs(600)).await;
    let texts: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    publish(&broker, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    eventually("all are in hand", async || first.gauge("messaging_in_flight"), |&held| held == 40.0).await;
    first.ask_to_stop();
    let actor = Actor::willing();
    let second = Running::consuming(&broker, &actor).await;
    actor.eventually("another handles what was not begun", |seen| seen.len() == 39).await;
    eventually("only what runs is unanswered", || unsettled(&broker), |&left| left == 1).await;
    assert!(!first.has_ended());
    drop(first);
    actor.eventually("what did not end is given out again", |seen| seen.len() == 40).await;
    drained(&broker).await;
    assert_eq!((second.count("handled"), second.count("duplicate")), (40, 0));
}

#[tokio::test]
async fn a_stop_without_a_broker_ends_at_once() {
    let broker = Broker::late();
    let consumer = Running::start(&broker, &Actor::willing(), quick());
    consumer.becomes("connecting").await;
    consumer.stop().await.unwrap();
}
