//! A queue with several bindings, to exchanges of every kind.

use journey::{Broker, eventually};
use messaging::{Exchange, Subscription};

use super::stage::*;

/// Publishes a note to an exchange, and says whether a queue got it.
async fn publish_to(broker: &Broker, exchange: &str, key: &str, text: &str) -> bool {
    let (properties, body) = message(text, text);
    broker.publish(exchange, key, properties, &body).await
}

#[tokio::test]
async fn a_queue_hears_every_exchange_that_it_is_bound_to() {
    let broker = Broker::shared().await;
    let actor = Actor::willing();
    let subscription = Subscription::queue(QUEUE)
        .bound_to(EXCHANGE, [KEY])
        .bound_to(Exchange::topic("stock"), ["stock.#", "order.*"])
        .bound_to_all(Exchange::fanout("audit"))
        .bound_to_all(Exchange::topic(String::from("everything")));
    let consumer = Running::of(&broker, &actor, subscription);
    consumer.becomes("consuming").await;
    for (exchange, key, text) in [
        (EXCHANGE, KEY, "direct"),
        ("stock", "stock.shelf.low", "many words"),
        ("stock", "order.placed", "one word"),
        ("audit", "whatever", "fanout"),
        ("everything", "what.ever", "all of a topic"),
    ] {
        assert!(publish_to(&broker, exchange, key, text).await, "{text}");
    }
    assert!(!publish_to(&broker, "stock", "order.placed.again", "two words").await, "no pattern fits");
    actor.eventually("all are handled", |seen| seen.len() == 5).await;
    let handled = async || consumer.count_of(KEY, "handled");
    eventually("they count under their type, not under a pattern", handled, |&count| count == 5).await;
}

#[tokio::test]
async fn an_exchange_of_another_kind_is_a_conflict_that_names_both() {
    let broker = Broker::shared().await;
    broker.client().await.declare_exchange("stock").await;
    let subscription = Subscription::queue(QUEUE).bound_to(Exchange::topic("stock"), ["stock.#"]);
    let consumer = Running::of(&broker, &Actor::willing(), subscription);
    let conflict = consumer.becomes("topology-conflict").await;
    let reason = conflict.reason().unwrap();
    assert!(["exchange \"stock\"", "topic", "direct"].iter().all(|name| reason.contains(name)), "{reason}");
    assert!(conflict.is_serving(), "what the queue holds is consumed");
}
