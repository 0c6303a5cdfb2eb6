//! A stranger who may publish, and publishes what nobody can read as fast as the broker takes it.

use std::collections::BTreeSet;

use journey::{Broker, Client, Plan, Request, World, an_order, eventually, in_time};
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel};

use crate::customers::{Customers, mailed};

/// How many messages the stranger publishes.
const GARBAGE: usize = 20_000;
/// How many of them wait for their confirm at a time.
const IN_FLIGHT: usize = 1_000;
/// Orders that have to be accepted meanwhile.
const ORDERS: usize = 100;
/// How many handled events are remembered: fewer than there is garbage, more than there are orders.
const REMEMBERED: usize = 5_000;
/// What a service may hold meanwhile, in MiB: the least limit that the chart gives one.
const MOST_MEMORY: f64 = 64.0;

/// A message of each kind that cannot be read, under ids that all differ.
fn garbage(number: usize) -> (BasicProperties, Vec<u8>) {
    let event = BasicProperties::default().with_content_type("application/cloudevents+json".into());
    let attributes = format!(r#""specversion":"1.0","id":"garbage-{number}","source":"urn:stranger""#);
    let (properties, body) = match number % 6 {
        0 => (event, Vec::new()),
        1 => (event, vec![0xFF; 1024]),
        2 => (event, "[".repeat(10_000).into_bytes()),
        3 => (event, format!(r#"{{{attributes},"type":"order.surprise","data":{{}}}}"#).into_bytes()),
        4 => (event, format!(r#"{{{attributes},"type":"order.placed","data":{{"items":[]}}}}"#).into_bytes()),
        _ => (BasicProperties::default(), b"no content type".to_vec()),
    };
    (properties.with_message_id(format!("garbage-{number}").into()), body)
}

async fn publish_garbage(client: Client) {
    for first in (0..GARBAGE).step_by(IN_FLIGHT) {
        let mut confirms = Vec::with_capacity(IN_FLIGHT);
        for (properties, body) in (first..first + IN_FLIGHT).map(garbage) {
            let options = BasicPublishOptions::default();
            let publish = async |channel: &Channel| {
                channel.basic_publish("order-exchange".into(), "order.placed".into(), options, &body, properties).await
            };
            confirms.push(client.ask(publish).await.unwrap());
        }
        for confirm in confirms {
            assert!(in_time("the garbage is confirmed", confirm).await.unwrap().is_ack());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_at_full_rate_neither_holds_up_orders_nor_pushes_them_out_of_memory() {
    let broker = Broker::shared().await;
    let world = Plan::on(&broker).email("DEDUPE_CAPACITY", REMEMBERED.to_string()).start().await;
    let port = world.order.http_port().await;
    let first = || Request::post(port, "/orders", &an_order()).header("idempotency-key", "before-the-garbage").send();
    let id = first().await.json()["id"].as_str().unwrap().to_owned();
    world.eventually("it is mailed", async |w| w.mails().len(), |&mails| mails == 1).await;

    let stranger = tokio::spawn(publish_garbage(broker.client().await));
    let customers = Customers::at(port);
    customers.get_accepted(ORDERS).await;
    let mut accepted = customers.finish().await;
    stranger.await.unwrap();
    accepted.insert(id);
    let mails = async |w: &World| mailed(&w.mails()).into_iter().collect::<BTreeSet<_>>();
    world.eventually("each order is mailed", mails, |mails| *mails == accepted).await;

    for (consumer, dead) in [(&world.email, "email-queue.dead"), (&world.analytics, "analytics-queue.dead")] {
        let counted =
            async |_: &World| consumer.metric("messaging_consumed_total", &[("outcome", "undecodable")]).await;
        for part in 1..=4 {
            // Speed is no matter, as long as it goes on.
            let due = (GARBAGE * part / 4) as f64;
            world.eventually("garbage is counted", counted, |&count| count >= due).await;
        }
        assert_eq!(counted(&world).await, GARBAGE as f64);
        assert_eq!(broker.depth(dead).await, Some(GARBAGE as u32), "{dead}");
    }
    for service in [&world.order, &world.email, &world.analytics] {
        assert!(service.peak_mib() < MOST_MEMORY, "{service:?}: {} MiB", service.peak_mib());
    }
    assert_eq!(first().await.status, 202);
    let again = async |w: &World| w.email.metric("messaging_consumed_total", &[("outcome", "duplicate")]).await;
    world.eventually("the first order is still known", again, |&count| count == 1.0).await;
    assert_eq!(world.mails().len(), accepted.len(), "each is mailed once");
}

#[tokio::test]
async fn the_largest_messages_that_nobody_can_read_push_no_consumer_out_of_its_memory() {
    const MESSAGES: u32 = 200;
    let broker = Broker::shared().await;
    broker.declare("email-queue", "order-exchange", &["order.placed"]).await;
    // More than are in hand at once, and all of them there at once.
    let body = vec![0xFF; 262_144];
    for _ in 0..MESSAGES {
        assert!(broker.publish("order-exchange", "order.placed", BasicProperties::default(), &body).await);
    }
    let mut email = Plan::on(&broker).launch("email");
    email.ready().await;
    let dead = || broker.depth("email-queue.dead");
    eventually("all are dead", dead, |&depth| depth == Some(MESSAGES)).await;
    assert!(email.peak_mib() < MOST_MEMORY, "{} MiB", email.peak_mib());
}
