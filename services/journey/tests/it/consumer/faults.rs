//! What a consumer survives: lost connections, killed brokers, deleted and conflicting topology.

use std::sync::Arc;
use std::time::Duration;

use journey::{Broker, eventually};
use lapin::Channel;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use messaging::ConsumerOptions;
use serde_json::json;
use tokio::sync::{Semaphore, watch};

use super::stage::*;

#[tokio::test]
async fn a_consumer_returns_after_its_queue_was_deleted() {
    let broker = Broker::shared().await;
    let actor = Actor::willing();
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["before"]).await;
    actor.eventually("it is handled", |seen| seen.len() == 1).await;
    broker.delete_queue(QUEUE).await;
    eventually("there is a consumer again", || broker.consumers(QUEUE), |&count| count == Some(1)).await;
    publish(&broker, &["after"]).await;
    actor.eventually("it is handled", |seen| seen.len() == 2).await;
    consumer.becomes("consuming").await;
}

#[tokio::test]
async fn a_deleted_binding_exchange_or_dead_queue_is_there_again_soon() {
    let broker = Broker::shared().await;
    let actor = Actor::willing();
    let consumer = Running::consuming(&broker, &actor).await;
    let client = broker.client().await;
    let routed = async |text: &str| {
        let (properties, body) = message(text, text);
        client.publish(EXCHANGE, KEY, properties, &body).await
    };
    broker.delete_binding(QUEUE, EXCHANGE, KEY).await;
    eventually("the binding is back", || routed("a"), |&routed| routed).await;
    broker.delete_queue(DEAD).await;
    broker.delete_exchange(EXCHANGE).await;
    let exchanges = format!("exchanges/{}", broker.vhost());
    let there = |exchanges: &serde_json::Value| {
        exchanges.as_array().is_some_and(|all| all.iter().any(|exchange| exchange["name"] == EXCHANGE))
    };
    eventually("the exchange is back", || broker.management(&exchanges), there).await;
    eventually("the dead-letter queue is back", || broker.depth(DEAD), Option::is_some).await;
    eventually("the binding is back", || routed("b"), |&routed| routed).await;
    actor.eventually("both are handled", |seen| seen.iter().any(|seen| seen.text == "b")).await;
    assert_eq!(consumer.state.borrow().name(), "consuming");
}

#[tokio::test]
async fn an_event_whose_connection_was_lost_under_way_is_handled_once() {
    let broker = Broker::shared().await;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let actor = Actor::new(move |_| {
        let gate = waiting.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a", "b"]).await;
    actor.eventually("both are begun", |seen| seen.len() == 2).await;
    // It may be back before `rabbitmqctl` has ended, so its state is watched from before.
    tokio::join!(broker.close_connections(), consumer.becomes("connecting"));
    consumer.becomes("consuming").await;
    gate.add_permits(2);
    eventually("both are duplicates", async || consumer.count("duplicate"), |&count| count == 2).await;
    drained(&broker).await;
    assert_eq!(actor.seen().len(), 2, "neither is handled again");
}

#[tokio::test]
async fn five_broker_restarts_over_a_slow_message_make_no_dead_letter() {
    let broker = Broker::start().await;
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
    publish(&broker, &["slow"]).await;
    actor.eventually("it is begun", |seen| seen.len() == 1).await;
    for restart in 0..6 {
        broker.kill().await;
        consumer.becomes("connecting").await;
        broker.restart().await;
        consumer.becomes("consuming").await;
        // What comes behind the slow one shows that its redelivery has come: the queue is in order.
        let behind = format!("behind-{restart}");
        publish(&broker, &[&behind]).await;
        actor.eventually("what is behind it is handled", |seen| seen.iter().any(|seen| seen.text == behind)).await;
    }
    gate.add_permits(1);
    eventually("nothing is left", || unsettled(&broker), |&left| left == 0).await;
    assert_eq!(broker.depth(DEAD).await, Some(0));
    assert_eq!(actor.texts().iter().filter(|text| *text == "slow").count(), 1);
}

#[tokio::test]
async fn a_failure_during_an_outage_of_the_broker_counts_no_attempt() {
    let broker = Broker::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let actor = Actor::new(move |seen| {
        let gate = waiting.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            if seen.text == "a" { Err(messaging::Failure::later("busy")) } else { Ok(()) }
        }
    });
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a"]).await;
    actor.eventually("it is begun", |seen| seen.len() == 1).await;
    broker.kill().await;
    consumer.becomes("connecting").await;
    gate.add_permits(1);
    broker.restart().await;
    let seen = actor.eventually("it is begun again", |seen| seen.len() == 2).await;
    assert_eq!(seen[1].attempt, 1);
}

#[tokio::test]
async fn an_object_with_other_arguments_is_named_and_never_fatal() {
    let broker = Broker::shared().await;
    let client = broker.client().await;
    let transient = ExchangeDeclareOptions { durable: false, auto_delete: true, ..Default::default() };
    let fanout = lapin::ExchangeKind::Fanout;
    let declare = async |channel: &Channel| {
        channel.exchange_declare(EXCHANGE.into(), fanout, transient, FieldTable::default()).await
    };
    client.ask(declare).await.unwrap();
    let actor = Actor::willing();
    let consumer = Running::start(&broker, &actor, quick());
    let state = consumer.becomes("topology-conflict").await;
    let reason = state.reason().unwrap();
    assert!(reason.contains(EXCHANGE) && reason.contains("type"), "{reason}");
    broker.delete_exchange(EXCHANGE).await;
    consumer.becomes("consuming").await;
    publish(&broker, &["a"]).await;
    actor.eventually("it is handled", |seen| seen.len() == 1).await;
}

#[tokio::test]
async fn a_conflict_that_comes_later_shows_and_what_the_queue_holds_is_still_consumed() {
    let broker = Broker::shared().await;
    let actor = Actor::willing();
    let consumer = Running::consuming(&broker, &actor).await;
    let plain = QueueDeclareOptions { durable: true, ..Default::default() };
    // The consumer may be quicker; then the next deletion is ours again, on a new channel, for a refusal closes ours.
    let declared = || async {
        broker.delete_queue(DEAD).await;
        broker.client().await.declare_queue(DEAD, plain, FieldTable::default()).await.is_ok()
    };
    eventually("the queue is declared in another way", declared, |&declared| declared).await;
    consumer.becomes("topology-conflict").await;
    let flaps = flaps(&consumer);
    publish(&broker, &["a"]).await;
    actor.eventually("it is handled", |seen| seen.len() == 1).await;
    // A suspect is handled alone: the consumer subscribes anew for it, and after it.
    publish_suspects(&broker, &["suspect"]).await;
    actor.eventually("it is handled", |seen| seen.len() == 2).await;
    publish(&broker, &["b"]).await;
    actor.eventually("it is handled", |seen| seen.len() == 3).await;
    assert_eq!(*flaps.borrow(), 0, "one trouble, one state, one line in the log");
    broker.delete_queue(DEAD).await;
    consumer.becomes("consuming").await;
}

/// How often the consumer's state has changed from here on.
fn flaps(consumer: &Running) -> watch::Receiver<u32> {
    let mut state = consumer.state.clone();
    state.mark_unchanged();
    let (count, flaps) = watch::channel(0);
    tokio::spawn(async move {
        while state.changed().await.is_ok() {
            count.send_modify(|count| *count += 1);
        }
    });
    flaps
}

#[tokio::test]
async fn refused_access_is_named_and_never_fatal() {
    let broker = Broker::shared().await;
    let rights = format!("permissions/{}/email", broker.vhost());
    let nothing = json!({"configure": "^$", "write": "^$", "read": "^$"});
    broker.put(&rights, &nothing).await;
    let actor = Actor::willing();
    let consumer = Running::start(&broker, &actor, quick());
    let state = consumer.becomes("access-refused").await;
    assert!(state.reason().unwrap().contains(QUEUE), "{state:?}");
    let everything = json!({"configure": ".*", "write": ".*", "read": ".*"});
    broker.put(&rights, &everything).await;
    consumer.becomes("consuming").await;
}

#[tokio::test]
async fn a_queue_that_may_be_declared_and_not_read_is_named() {
    let broker = Broker::shared().await;
    broker.declare(QUEUE, EXCHANGE, &[KEY]).await;
    let rights = format!("permissions/{}/email", broker.vhost());
    // A binding reads its exchange, and a queue with a dead-letter exchange itself.
    let unread = json!({"configure": ".*", "write": ".*", "read": r"^(order-exchange|email-queue\..+)$"});
    broker.put(&rights, &unread).await;
    let actor = Actor::willing();
    let consumer = Running::start(&broker, &actor, quick());
    let state = consumer.becomes("access-refused").await;
    assert!(state.reason().unwrap().contains(QUEUE), "{state:?}");
    let everything = json!({"configure": ".*", "write": ".*", "read": ".*"});
    broker.put(&rights, &everything).await;
    consumer.becomes("consuming").await;
    assert_eq!(consumer.gauge("messaging_reconnects_total"), 0.0, "a refusal says nothing against the connection");
}

#[tokio::test]
async fn a_broker_that_appears_late_is_found() {
    let broker = Broker::late();
    let actor = Actor::willing();
    let consumer = Running::start(&broker, &actor, quick());
    let state = consumer.becomes("connecting").await;
    assert_eq!(state.name(), "connecting");
    broker.restart().await;
    consumer.becomes("consuming").await;
    publish(&broker, &["a"]).await;
    actor.eventually("it is handled", |seen| seen.len() == 1).await;
}
