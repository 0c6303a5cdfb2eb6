//! The arguments of a consumer's queues, as the broker has them: once in use they can never change.

use std::time::Duration;

use journey::{Broker, eventually};
use messaging::ConsumerOptions;
use serde_json::{Value, json};

use super::stage::*;

/// What the broker says of a queue.
async fn described(broker: &Broker, queue: &str) -> Value {
    broker.management(&format!("queues/{}/{queue}", broker.vhost())).await
}

#[tokio::test]
async fn each_queue_has_the_arguments_that_it_has_to_keep() {
    let broker = Broker::shared().await;
    let retry_delays = [1, 10, 60, 600].map(Duration::from_secs).to_vec();
    let options = ConsumerOptions { retry_delays, ..ConsumerOptions::default() };
    let _consumer = Running::consuming_with(&broker, &Actor::willing(), options).await;
    // The vhost's default, which the broker writes down; the consumer gives none.
    assert_eq!(described(&broker, QUEUE).await["arguments"], json!({"x-queue-type": "quorum"}));
    for (name, millis) in [("1s", 1_000), ("10s", 10_000), ("1m", 60_000), ("10m", 600_000)] {
        let expected = json!({
            "x-queue-type": "quorum",
            "x-message-ttl": millis,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": QUEUE,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        });
        let queue = described(&broker, &format!("{QUEUE}.retry.{name}")).await;
        assert_eq!((&queue["arguments"], &queue["durable"]), (&expected, &json!(true)), "{name}");
    }
    let dead = described(&broker, DEAD).await;
    let expected = json!({"x-queue-type": "quorum", "x-delivery-limit": -1});
    assert_eq!((&dead["arguments"], &dead["durable"]), (&expected, &json!(true)));
}

#[tokio::test]
async fn the_policy_holds_for_a_consumers_queue_and_for_none_around_it() {
    let broker = Broker::shared().await;
    let _consumer = Running::consuming(&broker, &Actor::willing()).await;
    let expected = json!({
        "delivery-limit": 100,
        "dead-letter-exchange": "",
        "dead-letter-routing-key": DEAD,
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
    });
    let effective = async || described(&broker, QUEUE).await["effective_policy_definition"].clone();
    eventually("the policy is effective", effective, |policy| *policy == expected).await;
    for queue in [DEAD, "email-queue.retry.50ms", "email-queue.retry.100ms"] {
        let described = described(&broker, queue).await;
        assert!(described["policy"].is_null(), "{described}");
    }
}

#[tokio::test]
async fn what_is_there_is_asked_for_sparingly() {
    // The counts are those of a whole node.
    let broker = Broker::start().await;
    let _consumer = Running::consuming(&broker, &Actor::willing()).await;
    let counted = async || {
        let overview = broker.management("overview").await;
        let total = |event: &str| overview["churn_rates"][event].as_u64().unwrap_or_default();
        (total("channel_created"), total("queue_declared"))
    };
    // Counts come some seconds late: those of the start are in once the next question is.
    let started = eventually("it has started", counted, |&(channels, declared)| channels > 4 && declared > 4).await;
    let asked = |&(_, declared): &(u64, u64)| declared >= started.1 + 4;
    let (channels, declared) = eventually("it asked for four of its queues", counted, asked).await;
    let (channels, declared) = (channels - started.0, declared - started.1);
    assert!(declared <= channels + 1, "each time one queue at most: {declared} queues on {channels} channels");
    assert!(channels < 2 * declared, "each time one channel: {declared} queues on {channels} channels");
}
