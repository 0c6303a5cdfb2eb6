//! Messages that are as odd as the broker takes them, from whoever may publish: they harm no event but their own.

use std::collections::BTreeMap;
use std::time::Duration;

use journey::{Broker, Message, eventually};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use messaging::{ConsumerOptions, Failure};
use tokio::sync::watch;

use super::raw;
use super::stage::*;
use crate::redrive::{self, redrive};

/// How many events of others there are.
const INNOCENT: usize = 60;

/// A message that a client can publish, and what its body is.
struct Odd {
    exchange: &'static str,
    key: Vec<u8>,
    properties: Vec<u8>,
    body: Vec<u8>,
}

impl Odd {
    fn with_headers(table: &[u8]) -> Self {
        let properties = [&[0x20, 0][..], &raw::long_string(table)].concat();
        Self { exchange: "", key: QUEUE.into(), properties, body: b"odd".to_vec() }
    }
}

/// A header table that makes a header frame's payload so long.
fn filled(length: usize) -> Vec<u8> {
    let table = |value: usize| raw::text_header(b"filler", &vec![b'x'; value]);
    // Class, weight, body size and flags, and the table's length.
    let rest = 12 + 2 + 4 + table(0).len();
    table(length - rest)
}

fn odd_ones() -> Vec<Odd> {
    let routed = || Odd { exchange: EXCHANGE, ..Odd::with_headers(&raw::copies_header(&[KEY])) };
    let texts = [0x8000u16, 0x4000, 0x0400, 0x0200, 0x0080, 0x0020, 0x0008, 0x0004];
    let flags = texts.iter().fold(0, |flags, flag| flags | flag).to_be_bytes();
    let odd_texts: Vec<_> = texts.iter().flat_map(|_| raw::short(b"\xc3\x28\xff")).collect();
    let kinds = b"\x01tt\x01\x01bb\x80\x01BB\xff\x01ss\x80\x00\x01uu\xff\xff\x01II\x80\0\0\0\x01ii\xff\xff\xff\xff\x01ll\xff\xff\xff\xff\xff\xff\xff\xff\x01DD\xff\xff\xff\xff\xff\x01TT\xff\xff\xff\xff\xff\xff\xff\xff\x01VV\x01xx\0\0\0\x01\xff\x01AA\0\0\0\x02VV\x01FF\0\0\0\x03\x01\xffV\x00V";
    let close = b"\x01\0\0\0\0\0\x11\0\x0a\0\x32\x01\x40\x06it lies\0\0\0\0\xce";
    vec![
        Odd { key: b"\xff\xfe".to_vec(), ..routed() },
        Odd { key: vec![0xFF; 255], ..routed() },
        Odd { key: b"".to_vec(), ..routed() },
        Odd { properties: [&flags[..], &odd_texts].concat(), ..Odd::with_headers(b"") },
        Odd { properties: vec![0, 0], ..Odd::with_headers(b"") },
        Odd { properties: [&[0x20, 3][..], &raw::long_string(b"")].concat(), ..Odd::with_headers(b"") },
        Odd { body: Vec::new(), ..Odd::with_headers(b"") },
        Odd { body: close.to_vec(), ..Odd::with_headers(b"") },
        Odd { body: [&[0xCE; 500][..], close].concat(), ..Odd::with_headers(b"") },
        Odd::with_headers(kinds),
        Odd::with_headers(&raw::text_header(b"\xff\xfe", b"\xff\xfe")),
        Odd::with_headers(&raw::nested_header(15_000)),
        Odd::with_headers(&filled(131_064)),
        Odd::with_headers(&filled(131_072)),
    ]
}

/// Connections opened after the first, of all kinds.
fn reconnects(consumer: &Running) -> f64 {
    let families = consumer.registry.gather();
    let family = families.iter().find(|family| family.name() == "messaging_reconnects_total").unwrap();
    family.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum()
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort();
    all
}

#[tokio::test]
async fn odd_messages_end_as_dead_letters_with_their_bytes_and_every_other_event_is_handled_once() {
    let broker = Broker::shared().await;
    Running::consuming(&broker, &Actor::willing()).await.stop().await.unwrap();
    // What came back once is larger than the broker and any client agreed upon: it has one more header.
    raw::publish(&broker, QUEUE, &filled(131_072 - 1 - events::CONTENT_TYPE.len() - 1), b"odd").await;
    raw::take_and_hang_up(&broker, QUEUE).await;
    let texts: Vec<_> = (0..INNOCENT).map(|number| format!("innocent {number}")).collect();
    let odd = odd_ones();
    for (number, innocent) in texts.iter().enumerate() {
        if let Some(Odd { exchange, key, properties, body }) = odd.get(number) {
            raw::send(&broker, exchange, key, properties, body).await;
        }
        publish(&broker, &[innocent]).await;
    }

    let actor = Actor::willing();
    let consumer = Running::consuming(&broker, &actor).await;
    let all = u32::try_from(odd.len() + 1).unwrap();
    eventually("the odd ones are dead", || broker.depth(DEAD), |&depth| depth == Some(all)).await;
    drained(&broker).await;
    assert_eq!(sorted(actor.texts()), sorted(texts));
    assert_eq!(reconnects(&consumer), 0.0);
    let bodies = sorted(broker.take(DEAD).await.into_iter().map(|letter| letter.body).collect());
    let expected = odd.into_iter().map(|odd| odd.body).chain([b"odd".to_vec()]).collect();
    assert_eq!(bodies, sorted(expected));
}

#[tokio::test]
async fn odd_dead_letters_stop_no_redrive() {
    let broker = Broker::shared().await;
    Running::consuming(&broker, &Actor::willing()).await.stop().await.unwrap();
    raw::publish(&broker, DEAD, &filled(131_072 - 1 - events::CONTENT_TYPE.len() - 1), b"too large").await;
    raw::take_and_hang_up(&broker, DEAD).await;
    let copied = Odd::with_headers(&raw::copies_header(&[DEAD]));
    raw::send(&broker, "", b"\xff\xfe", &copied.properties, b"no text").await;
    for odd in odd_ones().into_iter().filter(|odd| odd.exchange.is_empty()) {
        raw::send(&broker, "", DEAD.as_bytes(), &odd.properties, &odd.body).await;
    }
    let (properties, body) = message("innocent", "innocent");
    assert!(broker.publish("", DEAD, properties, &body).await);
    let summary = redrive(&broker, redrive::options()).await.unwrap();
    assert_eq!((summary.moved, summary.left()), (summary.found, 0));
    let moved: Vec<_> = broker.take(QUEUE).await.into_iter().map(|letter| letter.body).collect();
    assert_eq!(moved.len() as u64, summary.found);
    assert!([&b"too large"[..], b"no text", &body].iter().all(|body| moved.iter().any(|moved| moved == body)));
}

/// Headers of ours, as somebody else would write them.
fn boasts() -> FieldTable {
    let number = |number| AMQPValue::LongLongInt(number);
    let text = |text: &str| AMQPValue::LongString(text.into());
    let death = FieldTable::from(BTreeMap::from([
        ("queue".into(), text("email-queue.retry.50ms")),
        ("reason".into(), text("expired")),
        ("exchange".into(), text("")),
    ]));
    FieldTable::from(BTreeMap::from([
        ("warren-returns".into(), number(2)),
        ("warren-attempts".into(), number(99)),
        ("warren-given-back".into(), text("2026-01-01T00:00:00Z")),
        ("x-delivery-count".into(), number(99)),
        ("x-death".into(), AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into())),
    ]))
}

#[tokio::test]
async fn what_an_outsider_says_of_its_message_neither_makes_it_a_suspect_nor_counts_as_attempts() {
    let broker = Broker::shared().await;
    let (begun, seen) = watch::channel(0);
    let actor = Actor::new(move |event| {
        let (begun, mut seen) = (begun.clone(), seen.clone());
        async move {
            if event.attempt > 1 {
                return Ok(());
            }
            // All run side by side, or none goes on.
            begun.send_modify(|begun| *begun += 1);
            seen.wait_for(|begun| *begun == 3).await.unwrap();
            Err(Failure::later("not at once"))
        }
    });
    let consumer = Running::consuming(&broker, &actor).await;
    for (id, exchange, key) in [("a", EXCHANGE, KEY), ("b", "", QUEUE)] {
        let (properties, body) = message(id, id);
        assert!(broker.publish(exchange, key, properties.with_headers(boasts()), &body).await);
    }
    publish(&broker, &["c"]).await;
    let seen = actor.eventually("each is tried again", |seen| seen.len() == 6).await;
    let attempts = sorted(seen.into_iter().map(|seen| (seen.text, seen.attempt)).collect());
    let expected = ["a", "b", "c"].iter().flat_map(|id| [((*id).to_owned(), 1), ((*id).to_owned(), 2)]).collect();
    assert_eq!(attempts, sorted(expected));
    drained(&broker).await;
    assert_eq!((broker.depth(DEAD).await, consumer.count("delayed")), (Some(0), 3));
}

/// What its publisher put on a message, and where that is found later.
fn whole(letter: &Message) -> Vec<Option<String>> {
    let properties = &letter.properties;
    let texts = [
        properties.reply_to().as_ref(),
        properties.correlation_id().as_ref(),
        properties.content_encoding().as_ref(),
        properties.kind().as_ref(),
        properties.app_id().as_ref(),
    ];
    let headers = ["tenant", "x-tenant", "warren-expiration", "warren-user-id", "traceparent", "CC"];
    let texts = texts.into_iter().map(|text| text.map(ToString::to_string));
    texts.chain(headers.into_iter().map(|name| letter.header(name))).collect()
}

#[tokio::test]
async fn a_message_keeps_what_its_publisher_put_on_it_through_delays_death_and_redrive() {
    let broker = Broker::shared().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let text = |text: &str| AMQPValue::LongString(text.into());
    let put_on = |properties: BasicProperties| {
        let mut headers = FieldTable::default();
        for (name, value) in [("tenant", "acme"), ("x-tenant", "west"), ("traceparent", trace)] {
            headers.insert(name.into(), text(value));
        }
        headers.insert("CC".into(), AMQPValue::FieldArray(vec![text("nobody")].into()));
        let properties = properties.with_headers(headers).with_reply_to("answers".into()).with_app_id("till".into());
        let properties = properties.with_correlation_id("42".into()).with_content_encoding("identity".into());
        properties.with_type(KEY.into()).with_expiration("600000".into()).with_user_id("guest".into())
    };
    let kept = ["answers", "42", "identity", KEY, "till", "acme", "west", "600000", "guest", trace];
    let kept: Vec<_> = kept.iter().map(|text| Some((*text).to_owned())).chain([None]).collect();

    let actor = Actor::new(|seen| async move {
        if seen.text == "never" { Err(Failure::for_good("no")) } else { Err(Failure::later("busy")) }
    });
    let options = ConsumerOptions { retry_delays: vec![Duration::from_millis(50); 1], ..quick() };
    let consumer = Running::consuming_with(&broker, &actor, options).await;
    for id in ["never", "later"] {
        let (properties, body) = message(id, id);
        assert!(broker.publish(EXCHANGE, KEY, put_on(properties), &body).await);
    }
    assert!(broker.publish(EXCHANGE, KEY, put_on(properties("no event")), b"no event").await);
    eventually("all are dead", || broker.depth(DEAD), |&depth| depth == Some(3)).await;
    consumer.stop().await.unwrap();
    for letter in redrive::look(&broker, DEAD).await {
        assert_eq!(whole(&letter), kept, "{:?}", letter.header("warren-reason"));
    }
    assert_eq!(redrive(&broker, redrive::options()).await.unwrap().moved, 3);
    assert!(broker.take(QUEUE).await.iter().all(|event| whole(event) == kept));
}
