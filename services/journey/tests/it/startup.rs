//! Whatever starts first: what is accepted is mailed and counted, and nothing is accepted that nobody would hear.

use std::collections::BTreeMap;
use std::time::Duration;

use journey::{Answer, Broker, Plan, Process, Request, World, an_order, eventually};
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
