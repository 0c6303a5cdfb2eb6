//! A broker that falls silent, and one that takes the consumer's silence for its end.

use std::sync::Arc;
use std::time::Duration;

use journey::{Broker, Options, eventually};
use messaging::ConsumerOptions;
use tokio::sync::Semaphore;

use super::stage::*;
use super::stops::gated;

/// RabbitMQ 4.3 cancels the subscription then, and an older one closes the channel.
#[tokio::test]
async fn a_handler_that_outlasts_the_consumer_timeout_costs_no_event_and_no_attempt_and_holds_up_no_other() {
    let options =
        Options::new().line("consumer_timeout = 10000").advanced("[{rabbit, [{channel_tick_interval, 1000}]}].");
    let broker = Broker::with(options).await;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let actor = Actor::new(move |seen| {
        let gate = waiting.clone();
        async move {
            if seen.text == "slow" {
                gate.acquire().await.unwrap().forget();
            }
            Ok(())
        }
    });
    let options = ConsumerOptions { handle_timeout: Duration::from_secs(600), ..quick() };
    let consumer = Running::consuming_with(&broker, &actor, options).await;
    publish(&broker, &["before"]).await;
    // The first subscription is a narrow one, and is replaced: 4.3 closes the channel over what was delivered to it.
    let prefetch = || broker.rabbitmqctl(&["list_consumers", "prefetch_count"]);
    eventually("it takes many at once", prefetch, |told| told.contains("128")).await;
    publish(&broker, &["slow"]).await;
    actor.eventually("both are begun", |seen| seen.len() == 2).await;
    // The broker takes back what is not answered, and the subscription with it.
    let lost = consumer.becomes("connecting").await;
    let told = if broker.is_at_least((4, 3)).await { "cancelled" } else { "timeout" };
    assert!(lost.reason().is_some_and(|reason| reason.contains(told)), "{lost:?}");
    consumer.becomes("consuming").await;
    publish(&broker, &["after"]).await;
    actor.eventually("what comes later is handled", |seen| seen.iter().any(|seen| seen.text == "after")).await;
    gate.add_permits(1);
    eventually("it is a duplicate", async || consumer.count("duplicate"), |&count| count >= 1).await;
    eventually("nothing is left", || unsettled(&broker), |&left| left == 0).await;
    let seen = actor.seen();
    assert!(seen.iter().all(|seen| seen.attempt == 1), "{seen:?}");
    assert_eq!(actor.texts(), ["before", "slow", "after"], "a further delivery is not handled");
    assert_eq!(broker.depth(DEAD).await, Some(0));
}

#[tokio::test]
async fn a_consumer_leaves_a_broker_that_stays_frozen_and_loses_nothing() {
    let broker = Broker::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let actor = gated(&gate);
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a", "b"]).await;
    actor.eventually("both are begun", |seen| seen.len() == 2).await;
    broker.freeze();
    let lost = consumer.becomes("connecting").await;
    assert!(lost.reason().is_some_and(|reason| reason.contains("heartbeat")), "{lost:?}");
    gate.add_permits(3);
    broker.thaw();
    consumer.becomes("consuming").await;
    publish(&broker, &["c"]).await;
    drained(&broker).await;
    let mut texts = actor.texts();
    texts.sort();
    assert_eq!(texts, ["a", "b", "c"], "what was handled without an answer is a duplicate");
    assert_eq!(broker.depth(DEAD).await, Some(0));
}
