//! Messages that no client of ours would send: the consumer lives, and keeps what came.

use journey::{Broker, Options, eventually};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use messaging::{ConsumerOptions, Failure};

use super::raw;
use super::stage::*;
use crate::redrive::{self, redrive};

#[tokio::test]
async fn headers_that_are_no_text_or_huge_or_nested_without_end_end_as_dead_letters() {
    let broker = Broker::shared().await;
    let actor = Actor::willing();
    let consumer = Running::consuming(&broker, &actor).await;
    let odd = [
        raw::text_header(b"bytes", b"\xff\xfe\x00"),
        raw::text_header(b"huge", &[b'x'; 100_000]),
        raw::nested_header(15_000),
        raw::text_header(b"warren-attempts", b"many"),
        raw::text_header(b"warren-first-failure", &[b'x'; 130_900]),
        raw::text_header(b"\xff\xfe", b"a name that is no text"),
    ];
    for headers in &odd {
        raw::publish(&broker, QUEUE, headers, b"not an event").await;
    }
    publish(&broker, &["good"]).await;
    eventually("all are dead", || broker.depth(DEAD), |&depth| depth == Some(6)).await;
    actor.eventually("the good one is handled", |seen| seen.len() == 1).await;
    drained(&broker).await;
    let dead = broker.take(DEAD).await;
    assert!(dead.iter().all(|letter| letter.body == b"not an event"));
    assert!(dead.iter().all(|letter| letter.header("warren-reason").as_deref() == Some("undecodable")));
    assert_eq!(consumer.count("undecodable"), 6);
}

#[tokio::test]
async fn ten_megabytes_end_as_a_dead_letter_where_the_broker_allows_them() {
    let broker = Broker::with(Options::new().line("max_message_size = 16777216")).await;
    let actor = Actor::willing();
    let options = ConsumerOptions { concurrency: 2, prefetch: 4, ..quick() };
    let _consumer = Running::consuming_with(&broker, &actor, options).await;
    let long = vec![b'['; 10_000_000];
    for _ in 0..3 {
        assert!(broker.publish(EXCHANGE, KEY, properties("long"), &long).await);
    }
    publish(&broker, &["good"]).await;
    eventually("all are dead", || broker.depth(DEAD), |&depth| depth == Some(3)).await;
    actor.eventually("the good one is handled", |seen| seen.len() == 1).await;
    drained(&broker).await;
    assert!(broker.take(DEAD).await.iter().all(|letter| letter.body == long));
}

/// A message with the attributes of binary mode in its headers, and none of its own.
fn in_binary_mode(id: &str, event_type: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in [("specversion", "1.0"), ("id", id), ("source", "urn:test"), ("type", event_type)] {
        headers.insert(format!("cloudEvents:{name}").into(), AMQPValue::LongString(value.into()));
    }
    BasicProperties::default().with_content_type("application/json".into()).with_headers(headers)
}

#[tokio::test]
async fn an_event_in_binary_mode_is_what_its_headers_say_through_delays_death_and_redrive() {
    let broker = Broker::shared().await;
    let actor = Actor::new(|seen| async move {
        match (seen.text.as_str(), seen.redriven) {
            ("never", 0) => Err(Failure::for_good("no")),
            ("later", _) if seen.attempt == 1 => Err(Failure::later("busy")),
            _ => Ok(()),
        }
    });
    let consumer = Running::consuming(&broker, &actor).await;
    for (id, event_type) in [("never", KEY), ("later", KEY), ("another", "order.shipped")] {
        let body = format!("{id:?}");
        assert!(broker.publish(EXCHANGE, KEY, in_binary_mode(id, event_type), body.as_bytes()).await);
    }
    actor.eventually("one is tried again", |seen| seen.len() == 3).await;
    eventually("two are dead", || broker.depth(DEAD), |&depth| depth == Some(2)).await;
    assert!(broker.publish(EXCHANGE, KEY, in_binary_mode("later", KEY), b"\"later\"").await);
    eventually("the repetition is found", || async { consumer.count("duplicate") }, |&count| count == 1).await;
    let errors: Vec<_> =
        redrive::look(&broker, DEAD).await.iter().map(|letter| letter.header("warren-error")).collect();
    assert!(errors.contains(&Some("the event type \"order.shipped\" is not known".to_owned())), "{errors:?}");
    assert_eq!(redrive(&broker, redrive::options()).await.unwrap().moved, 2);
    actor.eventually("what was redriven is handled", |seen| seen.len() == 4).await;
    eventually("the other is dead again", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    assert!(!actor.texts().contains(&"another".to_owned()));
}

#[tokio::test]
async fn a_compressed_body_is_a_dead_letter_that_names_its_encoding() {
    let broker = Broker::shared().await;
    let _consumer = Running::consuming(&broker, &Actor::willing()).await;
    let compressed = properties("gzip").with_content_encoding("gzip".into());
    assert!(broker.publish(EXCHANGE, KEY, compressed, b"\x1f\x8b\x08\x00").await);
    eventually("it is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    let letters = broker.take(DEAD).await;
    let told = letters[0].header("warren-error");
    assert_eq!(told.as_deref(), Some("the content encoding is \"gzip\": expected none"));
}
