//! A connection that is lost again and again costs neither broker nor log nor memory more than once in a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use journey::{Broker, Plan, Proxy, eventually};
use messaging::ConsumerOptions;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::stage::*;
use super::stops::gated;

#[tokio::test]
async fn a_connection_lost_after_each_subscription_is_dialled_ever_more_seldom_and_told_once() {
    const LOSSES: u32 = 8;
    let broker = Broker::shared().await;
    let proxy = Proxy::to(broker.port()).await;
    let url = broker.url_through(proxy.port());
    let plan = Plan::on(&broker).email("AMQP_URL", &url).order("AMQP_URL", &url);
    for (service, connection) in [("email", "consume"), ("order", "publish")] {
        let process = plan.launch(service);
        let begun = Instant::now();
        for loss in 0..LOSSES {
            let labels = [("connection", connection)];
            let up = async || (process.metric("messaging_reconnects_total", &labels).await, process.state().await);
            eventually("it is up", up, |(reconnects, state)| *reconnects >= loss.into() && state != "connecting").await;
            proxy.cut();
        }
        // Seven waits of at least 50, 100, 200, 400, 800, 1,000 and 1,000 ms, however fast everything else is.
        let took = begun.elapsed();
        assert!(took > Duration::from_millis(3_500), "{service} was up {LOSSES} times within {took:?}");
        // The consumer's own connection, and the one for its copies.
        let parts = if service == "email" { 2 } else { 1 };
        let lines = |what: &str| process.log().lines().filter(|line| line.contains(what)).count();
        eventually("the end is told", async || lines("works again"), |&ends| ends == parts).await;
        assert_eq!(lines("is out of order, and tries again"), parts, "{}", process.log());
        assert!(lines("\"message\":\"connected\"") <= 1, "{}", process.log());
    }
}

#[tokio::test]
async fn what_waits_for_a_slow_event_ends_with_its_session() {
    let broker = Broker::shared().await;
    let proxy = Proxy::to(broker.port()).await;
    let gate = Arc::new(Semaphore::new(0));
    let actor = gated(&gate);
    let options = ConsumerOptions { handle_timeout: Duration::from_secs(600), ..quick() };
    let consumer = Running::consuming_with(&broker.through(&proxy), &actor, options).await;
    let texts: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    publish(&broker, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    actor.eventually("all are begun", |seen| seen.len() == texts.len()).await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let running = tasks();
    for _ in 0..6 {
        proxy.cut();
        consumer.becomes("connecting").await;
        consumer.becomes("consuming").await;
        eventually("all are in hand again", || broker.depth(QUEUE), |&depth| depth == Some(0)).await;
        eventually("one waits at least", async || consumer.gauge("messaging_in_flight"), |&held| held >= 1.0).await;
    }
    // Those that run, and those of one session that wait for them; not those of every session.
    let alive = async || tasks();
    eventually("what waited has ended", alive, |&alive| alive <= running + texts.len() + 10).await;
    gate.add_permits(texts.len());
    drained(&broker).await;
    assert_eq!(actor.seen().len(), texts.len(), "none was handled twice");
}

#[tokio::test]
async fn a_stop_is_heard_while_the_topology_is_asserted() {
    let broker = Broker::shared().await;
    let proxy = Proxy::to(broker.port()).await;
    proxy.delay(Duration::from_millis(200));
    let consumer = Running::start(&broker.through(&proxy), &Actor::willing(), quick());
    let connected = async || consumer.gauge("messaging_connected");
    eventually("it is connected", connected, |&connected| connected == 1.0).await;
    consumer.stop().await.unwrap();
    assert_eq!(broker.depth(DEAD).await, None, "the last object was not waited for");
}
