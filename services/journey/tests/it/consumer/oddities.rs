//! Messages that no client of ours would send: the consumer lives, and keeps what came.

use journey::{Broker, Options, eventually};
use messaging::ConsumerOptions;

use super::raw;
use super::stage::*;

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
