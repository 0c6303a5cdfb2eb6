//! What becomes of an event, for each outcome of its handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use journey::{Broker, eventually};
use lapin::types::{AMQPValue, FieldTable};
use messaging::{ConsumerOptions, Failure};
use tokio::sync::Semaphore;

use super::stage::*;

#[tokio::test]
async fn a_handled_event_is_acknowledged() {
    let broker = Broker::shared().await;
    let actor = Actor::willing();
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a", "b", "c"]).await;
    actor.eventually("all are handled", |seen| seen.len() == 3).await;
    drained(&broker).await;
    assert_eq!(consumer.count("handled"), 3);
    assert_eq!(broker.depth(DEAD).await, Some(0));
}

#[tokio::test]
async fn the_same_event_again_is_acknowledged_and_not_handled() {
    let broker = Broker::shared().await;
    let actor = Actor::willing();
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a", "a", "b", "a"]).await;
    drained(&broker).await;
    assert_eq!(consumer.count("duplicate"), 2);
    let mut texts = actor.texts();
    texts.sort();
    assert_eq!(texts, ["a", "b"]);
}

#[tokio::test]
async fn a_second_copy_waits_while_the_first_is_handled() {
    let broker = Broker::shared().await;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let actor = Actor::new(move |seen| {
        let gate = waiting.clone();
        async move {
            if seen.text == "a" {
                gate.acquire().await.unwrap().forget();
            }
            Ok(())
        }
    });
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a", "a", "b"]).await;
    actor.eventually("a later event is handled", |seen| seen.iter().any(|seen| seen.text == "b")).await;
    assert_eq!(actor.texts().iter().filter(|text| *text == "a").count(), 1);
    gate.add_permits(2);
    eventually("the second is a duplicate", async || consumer.count("duplicate"), |&count| count == 1).await;
    drained(&broker).await;
    assert_eq!(consumer.count("handled"), 2);
}

#[tokio::test]
async fn messages_without_an_id_are_never_duplicates() {
    let broker = Broker::shared().await;
    let actor = Actor::willing();
    let _consumer = Running::consuming(&broker, &actor).await;
    let client = broker.client().await;
    for _ in 0..2 {
        let text = lapin::BasicProperties::default().with_content_type("text/plain".into());
        assert!(client.publish(EXCHANGE, KEY, text, b"NEW ORDER CREATED").await);
    }
    actor.eventually("both are handled", |seen| seen.len() == 2).await;
    drained(&broker).await;
}

#[tokio::test]
async fn messages_without_an_envelope_are_duplicates_only_of_their_own_publishers() {
    let broker = Broker::shared().await;
    let actor = Actor::willing();
    let consumer = Running::consuming(&broker, &actor).await;
    for app in ["one", "two", "one"] {
        let plain = lapin::BasicProperties::default().with_content_type("application/json".into());
        let plain = plain.with_message_id("1".into()).with_app_id(app.into());
        assert!(broker.publish(EXCHANGE, KEY, plain, format!("{app:?}").as_bytes()).await);
    }
    drained(&broker).await;
    let mut texts = actor.texts();
    texts.sort();
    assert_eq!(texts, ["one", "two"]);
    assert_eq!(consumer.count("duplicate"), 1);
}

#[tokio::test]
async fn a_failed_event_is_tried_again_after_each_delay_and_then_dead() {
    let broker = Broker::shared().await;
    let actor = Actor::new(|_| async { Err(Failure::later("mailbox busy")) });
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a"]).await;
    eventually("it is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    let attempts: Vec<_> = actor.seen().into_iter().map(|seen| seen.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    drained(&broker).await;
    let dead = broker.take(DEAD).await.remove(0);
    assert_eq!(dead.header("warren-reason").as_deref(), Some("attempts"));
    assert_eq!(dead.header("warren-error").as_deref(), Some("mailbox busy"));
    assert_eq!(dead.header("warren-attempts").as_deref(), Some("3"));
    assert_eq!(dead.header("warren-exchange").as_deref(), Some(EXCHANGE));
    assert_eq!(dead.header("warren-routing-key").as_deref(), Some(KEY));
    assert!(dead.header("warren-first-failure").is_some());
    assert_eq!(dead.properties.headers().as_ref().unwrap().inner().get("x-death"), None);
    assert_eq!((consumer.count("delayed"), consumer.count("dead")), (2, 1));
}

#[tokio::test]
async fn an_event_that_works_later_is_handled_once_more_and_keeps_its_key() {
    let broker = Broker::shared().await;
    let actor =
        Actor::new(|seen| async move { if seen.attempt == 1 { Err(Failure::later("not yet")) } else { Ok(()) } });
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a"]).await;
    actor.eventually("the second attempt", |seen| seen.len() == 2).await;
    drained(&broker).await;
    let counted = (consumer.count_of(KEY, "delayed"), consumer.count_of(KEY, "handled"));
    assert_eq!(counted, (1, 1), "the delivery's key is the queue's after a delay");
}

#[tokio::test]
async fn a_postponed_event_comes_again_counts_no_attempt_and_pauses_nothing() {
    let broker = Broker::shared().await;
    let seen_before = Arc::new(AtomicU32::new(0));
    let counter = seen_before.clone();
    let actor = Actor::new(move |seen| {
        let counter = counter.clone();
        async move {
            match seen.text.as_str() {
                // More often than there are attempts.
                "a" if counter.fetch_add(1, Ordering::Relaxed) < 5 => Err(Failure::postponed("nobody knows")),
                "a" => Err(Failure::later("now it is known")),
                _ => Ok(()),
            }
        }
    });
    actor.ail("a probe that is asked would pause");
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a", "b"]).await;
    eventually("it is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    drained(&broker).await;
    let attempts: Vec<_> = actor.seen().into_iter().filter(|seen| seen.text == "a").map(|seen| seen.attempt).collect();
    assert_eq!(attempts, [1, 1, 1, 1, 1, 1, 2, 3]);
    assert_eq!(broker.take(DEAD).await[0].header("warren-attempts").as_deref(), Some("3"));
    assert_eq!((consumer.count_of(KEY, "postponed"), consumer.count("delayed")), (5, 2));
    assert_eq!(consumer.state.borrow().name(), "consuming");
}

#[tokio::test]
async fn an_event_published_straight_to_its_queue_is_counted_under_its_type() {
    let broker = Broker::shared().await;
    let actor = Actor::willing();
    let consumer = Running::consuming(&broker, &actor).await;
    let (properties, body) = message("a", "a");
    assert!(broker.publish("", QUEUE, properties, &body).await);
    actor.eventually("it is handled", |seen| seen.len() == 1).await;
    drained(&broker).await;
    assert_eq!(consumer.count_of(KEY, "handled"), 1);
}

#[tokio::test]
async fn an_event_that_fails_for_good_is_dead_at_once() {
    let broker = Broker::shared().await;
    let actor = Actor::new(|_| async { Err(Failure::for_good("no such mailbox")) });
    let _consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a"]).await;
    eventually("it is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    assert_eq!(actor.seen().len(), 1);
    let dead = broker.take(DEAD).await.remove(0);
    assert_eq!(dead.header("warren-reason").as_deref(), Some("for-good"));
    assert_eq!(dead.header("warren-error").as_deref(), Some("no such mailbox"));
    assert_eq!(dead.json()["data"], "a");
}

#[tokio::test]
async fn a_panic_and_a_handler_without_end_are_failed_attempts() {
    let broker = Broker::shared().await;
    let actor = Actor::new(|seen| async move {
        match seen.text.as_str() {
            "panics" => panic!("a bug"),
            "hangs" => std::future::pending().await,
            _ => Ok(()),
        }
    });
    let options = ConsumerOptions { handle_timeout: Duration::from_millis(100), ..quick() };
    let _consumer = Running::consuming_with(&broker, &actor, options).await;
    publish(&broker, &["panics", "hangs", "fine"]).await;
    eventually("both are dead", || broker.depth(DEAD), |&depth| depth == Some(2)).await;
    let mut errors: Vec<_> =
        broker.take(DEAD).await.iter().filter_map(|message| message.header("warren-error")).collect();
    errors.sort();
    assert_eq!(errors, ["not handled within 100ms", "the handler panicked: a bug"]);
    assert_eq!(actor.texts().iter().filter(|text| *text == "fine").count(), 1);
    drained(&broker).await;
}

#[tokio::test]
async fn what_cannot_be_decoded_is_dead_at_once_with_its_bytes_and_headers() {
    let broker = Broker::shared().await;
    let actor = Actor::willing();
    let consumer = Running::consuming(&broker, &actor).await;
    let mut headers = FieldTable::default();
    headers.insert("tenant".into(), AMQPValue::LongString("acme".into()));
    let client = broker.client().await;
    let bodies: [&[u8]; 4] = [b"", b"{\"specversion\":\"1.0\"", b"\xff\xfe", b"[[[["];
    for body in bodies {
        let odd = properties("odd").with_headers(headers.clone()).with_expiration("60000".into());
        assert!(client.publish(EXCHANGE, KEY, odd, body).await);
    }
    publish(&broker, &["good"]).await;
    eventually("all are dead", || broker.depth(DEAD), |&depth| depth == Some(4)).await;
    actor.eventually("the good one is handled", |seen| seen.len() == 1).await;
    drained(&broker).await;
    let dead = broker.take(DEAD).await;
    for body in bodies {
        let letter = dead.iter().find(|letter| letter.body == body).expect("the raw bytes are kept");
        assert_eq!(letter.header("warren-reason").as_deref(), Some("undecodable"));
        assert_eq!(letter.header("tenant").as_deref(), Some("acme"));
        assert!(letter.properties.expiration().is_none(), "or the letter would vanish");
    }
    assert_eq!(consumer.count("undecodable"), 4);
}

#[tokio::test]
async fn a_slow_event_holds_up_no_other() {
    let broker = Broker::shared().await;
    let done = Arc::new(AtomicU32::new(0));
    let counter = done.clone();
    let actor = Actor::new(move |seen| {
        let done = counter.clone();
        async move {
            if seen.text == "slow" {
                std::future::pending::<()>().await;
            }
            done.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    });
    let options = ConsumerOptions { concurrency: 4, prefetch: 8, handle_timeout: Duration::from_secs(60), ..quick() };
    let _consumer = Running::consuming_with(&broker, &actor, options).await;
    let quick: Vec<String> = (0..200).map(|n| format!("quick-{n}")).collect();
    publish(&broker, &["slow"]).await;
    publish(&broker, &quick.iter().map(String::as_str).collect::<Vec<_>>()).await;
    eventually("the others are handled", async || done.load(Ordering::Relaxed), |&done| done == 200).await;
    eventually("and acknowledged", || unsettled(&broker), |&left| left == 1).await;
}
