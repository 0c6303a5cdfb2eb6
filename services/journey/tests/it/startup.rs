//! Whatever starts first: what is accepted is mailed and counted, and nothing is accepted that nobody would hear.

use std::collections::BTreeMap;
use std::time::Duration;

use journey::{Answer, Broker, Options, Plan, Process, Request, World, an_order, eventually};
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};
use serde_json::Value;

/// Every order in which three services can start.
const ORDERS: [[&str; 3]; 6] = [
    ["order", "email", "analytics"],
    ["order", "analytics", "email"],
    ["email", "order", "analytics"],
    ["email", "analytics", "order"],
    ["analytics", "order", "email"],
    ["analytics", "email", "order"],
];

#[tokio::test]
async fn services_start_in_any_order() {
    for names in ORDERS {
        let broker = Broker::shared().await;
        let plan = Plan::on(&broker);
        let mut started = BTreeMap::new();
        for name in names {
            let mut process = plan.launch(name);
            process.ready().await;
            started.insert(name, process);
        }
        let [order, email, analytics] = ["order", "email", "analytics"].map(|name| started.remove(name).unwrap());
        hears_everything(&World { broker, order, email, analytics }).await;
    }
}

#[tokio::test]
async fn the_broker_may_come_last_and_a_minute_late() {
    let broker = Broker::late();
    let minute = tokio::time::sleep(Duration::from_secs(60));
    let plan = Plan::on(&broker).order("PUBLISH_TIMEOUT", "300ms");
    let mut world = plan.launch_all();
    for process in [&world.order, &world.email, &world.analytics] {
        let reason = || async { process.ops("/readyz").await };
        let told = |answer: &Answer| answer.status == 503 && answer.text().contains("refused");
        let answer = eventually("it says what is missing", reason, told).await;
        assert_eq!(answer.json()["state"], "connecting", "{answer:?}");
    }
    let refused = world.post(&an_order()).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.json()["type"].as_str().unwrap().ends_with("broker-unavailable"), "{refused:?}");

    // What is promised is a minute, so no condition can stand for it.
    minute.await;
    broker.restart().await;
    world.ready().await;
    hears_everything(&world).await;
}

#[tokio::test]
async fn an_order_that_came_before_the_broker_waits_for_it_and_for_its_readers() {
    let broker = Broker::late();
    let plan = Plan::on(&broker).order("PUBLISH_TIMEOUT", "50s").order("SHUTDOWN_TIMEOUT", "2m");
    let mut order = plan.launch("order");
    let port = order.http_port().await;
    let waiting = tokio::spawn(Request::post(port, "/orders", &an_order()).send());
    eventually("the order is in", || order.metric("messaging_in_flight", &[]), |&count| count > 0.0).await;

    broker.restart().await;
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}\n{}", order.log());
    order.ready().await;
    for queue in ["email-queue", "analytics-queue"] {
        assert_eq!(broker.depth(queue).await, Some(1), "{queue} kept it for its reader");
    }
    let (mut email, mut analytics) = (plan.launch("email"), plan.launch("analytics"));
    email.ready().await;
    analytics.ready().await;
    let world = World { broker, order, email, analytics };
    world.eventually("one mail", async |world| world.mails(), |mails| mails.len() == 1).await;
    world.eventually("one count", async |world| world.counted("order.placed").await, |&count| count == 1.0).await;
}

#[tokio::test]
async fn order_is_ready_once_every_required_queue_is_bound() {
    let broker = Broker::shared().await;
    let mut order = Plan::on(&broker).launch("order");
    order.ready().await;
    let bindings = broker.management(&format!("bindings/{}", broker.vhost())).await;
    let bound = |queue: &str, key: &str| {
        let parts = [("source", "order-exchange"), ("destination", queue), ("routing_key", key)];
        let is_it = |binding: &Value| parts.iter().all(|&(part, value)| binding[part] == value);
        bindings.as_array().unwrap().iter().any(is_it)
    };
    assert!(bound("email-queue", "order.placed"), "{bindings}");
    assert!(bound("analytics-queue", "order.placed"), "{bindings}");
    assert!(bound("analytics-queue", "order.cancelled"), "{bindings}");
    assert!(!bound("email-queue", "order.cancelled"), "{bindings}");
}

#[tokio::test]
async fn an_order_is_taken_though_a_required_queue_is_of_another_type_by_now() {
    let broker = Broker::shared().await;
    let mut classic = FieldTable::default();
    classic.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
    let client = broker.client().await;
    client.declare_queue("email-queue", QueueDeclareOptions::durable(), classic).await.unwrap();
    let mut order = Plan::on(&broker).launch("order");
    order.ready().await;
    let port = order.http_port().await;
    let answer = Request::post(port, "/orders", &an_order()).send().await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(broker.depth("email-queue").await, Some(1), "it was bound");
    let readyz = order.ops("/readyz").await;
    assert!(readyz.status == 200 && readyz.json()["state"] == "topology-conflict", "{readyz:?}");
    assert!(readyz.json()["reason"].as_str().unwrap().contains("queue \"email-queue\""), "{readyz:?}");
    // The consumer's own.
    let email = Plan::on(&broker).launch("email");
    eventually("one mail", || async { email.logged("Sending email for: ") }, |mails| mails.len() == 1).await;
}

#[tokio::test]
async fn an_exchange_that_refuses_or_differs_is_not_called_a_broker_that_is_away() {
    let other_type = async |broker: &Broker| {
        let topic = async |channel: &Channel| {
            let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
            let (kind, none) = (ExchangeKind::Topic, FieldTable::default());
            channel.exchange_declare("order-exchange".into(), kind, options, none).await
        };
        broker.client().await.ask(topic).await.unwrap();
    };
    let no_rights = async |broker: &Broker| {
        broker.declare("email-queue", "order-exchange", &["order.placed"]).await;
        let rights = serde_json::json!({"configure": "^$", "write": "^$", "read": "^order-exchange$"});
        broker.put(&format!("permissions/{}/order", broker.vhost()), &rights).await;
    };
    for kind in ["topology-conflict", "access-refused"] {
        let broker = Broker::shared().await;
        match kind {
            "topology-conflict" => other_type(&broker).await,
            _ => no_rights(&broker).await,
        }
        let order = Plan::on(&broker).order("PUBLISH_TIMEOUT", "2s").launch("order");
        let port = order.http_port().await;
        // Before the first connection it is away.
        let post = || Request::post(port, "/orders", &an_order()).send();
        let is_told = |answer: &Answer| answer.json()["type"] == format!("urn:warren:problem:{kind}");
        let answer = eventually("the kind is told", post, is_told).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(order.metric("messaging_published_total", &[("outcome", kind)]).await >= 1.0, "{kind}");
    }
}

#[tokio::test]
async fn an_order_that_nobody_would_hear_is_not_accepted() {
    let broker = Broker::shared().await;
    // Without required queues.
    let mut order = Process::start("order", [("AMQP_URL", broker.url()), ("DRAIN_DELAY", "0s".to_owned())]);
    order.ready().await;
    let port = order.http_port().await;
    let post = || Request::post(port, "/orders", &an_order()).send();
    let refused = post().await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.json()["type"].as_str().unwrap().ends_with("unroutable"), "{refused:?}");

    let mut email = Plan::on(&broker).launch("email");
    email.ready().await;
    assert_eq!(post().await.status, 202);
    eventually("one mail", || async { email.logged("Sending email for: ") }, |mails| mails.len() == 1).await;
}

#[tokio::test]
async fn a_url_may_end_in_a_line_break_and_say_how_the_connection_is_to_be() {
    // Its own node, because the broker has the last word on frames.
    let broker = Broker::with(Options::new().line("frame_max = 524288")).await;
    let url = format!("{}?heartbeat=30&connection_timeout=20000&frame_max=262144\n", broker.url());
    let mut order = Process::start("order", [("AMQP_URL", url)]);
    order.ready().await;
    let connections = || async { broker.management("connections").await };
    let is_agreed = |connections: &Value| {
        let connections = connections.as_array().unwrap().iter();
        connections.filter(|one| one["frame_max"] == 262_144 && one["timeout"] == 30).count() == 1
    };
    eventually("the broker knows what was agreed", connections, is_agreed).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_url_is_said_and_its_secret_is_not() {
    let one_host = "one host only: a Service or DNS name stands for several";
    for (url, why) in [
        ("amqp://guest:hunter2@a,b/", one_host),
        ("amqp://guest:hunter2@a/?x=1", "unknown parameter \"x\""),
        (
            "amqp://guest:hunter2@a/?heartbeat=0",
            "its parameter heartbeat must be a whole number of seconds from 1 to 600",
        ),
        ("guest:hunter2@a", "it must begin with amqp:// or amqps://"),
        ("amqp://guest:hun?ter2@a", "a ? in its user or password must be written %3f"),
    ] {
        for service in ["order", "email", "analytics", "redrive"] {
            let environment = [("AMQP_URL", url.to_owned()), ("QUEUE", "email-queue".to_owned())];
            let mut process = Process::start(service, environment);
            assert_eq!(process.exit_code().await, 64, "{}", process.log());
            let log = process.log();
            let told = format!("AMQP_URL=[redacted]: {why}");
            assert!(log.contains(&told) && log.contains("; expected amqp://"), "{url}: {log}");
            assert!(!log.contains("hun"), "{url}: {log}");
        }
    }
}

#[tokio::test]
async fn email_is_ready_when_it_consumes_and_not_before() {
    let broker = Broker::late();
    let mut email = Plan::on(&broker).launch("email");
    assert_eq!(email.ops("/readyz").await.status, 503);
    assert_eq!(email.ops("/livez").await.status, 200);
    broker.restart().await;
    email.ready().await;
    assert_eq!(email.state().await, "consuming");
    assert_eq!(broker.consumers("email-queue").await, Some(1));
}

async fn hears_everything(world: &World) {
    let id = world.place(&an_order()).await;
    let mails = world.eventually("a mail", async |world| world.mails(), |mails| !mails.is_empty()).await;
    assert!(mails[0].starts_with(&format!("order {id} ")), "{mails:?}");
    world.eventually("a count", async |world| world.counted("order.placed").await, |&count| count == 1.0).await;
    world.cancel(&id).await;
    world.eventually("a count", async |world| world.counted("order.cancelled").await, |&count| count == 1.0).await;
    assert_eq!(world.mails().len(), 1, "one order, one mail");
}
