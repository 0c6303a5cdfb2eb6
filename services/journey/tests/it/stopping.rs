//! What becomes of events when their consumer is told to stop.

use std::collections::BTreeSet;
use std::time::Duration;

use journey::{At, Broker, Plan, Process, Proxy, SmtpOptions, SmtpServer, Trouble, eventually, free_port};

use crate::customers::{Customers, mailed};
use crate::email::place;

/// Times that no machine is too slow for.
fn patient(plan: Plan) -> Plan {
    plan.email("HANDLE_TIMEOUT", "240s").email("SHUTDOWN_TIMEOUT", "300s").email("RETRY_DELAYS", "100ms")
}

/// A mail server that takes connections and says nothing until it is thawed.
fn silent_smtp() -> SmtpServer {
    let smtp = SmtpServer::start(SmtpOptions::new());
    smtp.freeze();
    smtp
}

async fn in_hand(process: &Process, least: f64) {
    let in_hand = || process.metric("messaging_in_flight", &[]);
    eventually(&format!("{least} are in hand"), in_hand, |&seen| seen >= least).await;
}

async fn drains(process: &mut Process) {
    process.terminate();
    eventually("it drains", || process.state(), |state| state == "draining").await;
}

/// Waits until so many messages wait in a queue: those that were given back come by way of a delay queue.
async fn holds(broker: &Broker, queue: &str, count: u32) {
    eventually(&format!("{queue} holds {count}"), || broker.depth(queue), |&depth| depth == Some(count)).await;
}

#[tokio::test]
async fn a_stopping_consumer_ends_what_runs_and_gives_back_the_rest() {
    let broker = Broker::shared().await;
    let mut smtp = SmtpServer::start(SmtpOptions::new());
    smtp.trouble(At::Body, &Trouble::Delay(Duration::from_secs(5)), Some(2));
    let plan = patient(Plan::on(&broker)).email("SMTP_URL", smtp.url());
    let mut email = plan.email("CONCURRENCY", "2").email("PREFETCH", "10").launch("email");
    email.ready().await;
    let mut placed = BTreeSet::new();
    for number in 0..30 {
        placed.insert(place(&broker, &format!("Customer {number}")).await);
    }
    in_hand(&email, 10.0).await;
    eventually("two messages are under way", || async { smtp.troubled(At::Body) }, |&times| times == 2).await;
    drains(&mut email).await;
    assert_eq!(email.ops("/livez").await.status, 200);
    assert_eq!(email.ops("/readyz").await.status, 503);
    assert_eq!(email.exit_code().await, 0, "{}", email.log());

    assert_eq!(smtp.mails().len(), 2, "only what ran is mailed");
    holds(&broker, "email-queue", 28).await;
    let mut again = Plan::on(&broker).email("SMTP_URL", smtp.url()).launch("email");
    again.ready().await;
    eventually("all are mailed", || async { smtp.mails().len() }, |&mails| mails >= 30).await;
    let ids = smtp.mails().iter().map(|mail| mail.header("Message-ID").to_owned()).collect::<BTreeSet<_>>();
    assert_eq!((smtp.mails().len(), ids.len()), (30, placed.len()), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_stopped_under_load_handle_each_order_once_all_in_all() {
    let plan = Plan::on(&Broker::shared().await).email("RETRY_DELAYS", "100ms").analytics("RETRY_DELAYS", "100ms");
    let mut world = plan.clone().start().await;
    let customers = Customers::at(world.order.http_port().await);
    let (mut mails, mut counted) = (Vec::new(), 0);
    for _ in 0..3 {
        customers.get_accepted(100).await;
        for (name, process) in [("email", &mut world.email), ("analytics", &mut world.analytics)] {
            process.terminate();
            assert_eq!(process.exit_code().await, 0, "{}", process.log());
            let mut stopped = std::mem::replace(process, plan.launch(name));
            process.ready().await;
            assert!(!stopped.is_running());
            mails.extend(mailed(&stopped.logged("Sending email for: ")));
            counted += last_total(&stopped);
        }
    }
    let accepted = customers.finish().await;
    let due = accepted.len();
    let sum =
        async |w: &journey::World| (mails.len() + w.mails().len(), counted + w.counted("order.placed").await as u64);
    world.eventually("all are mailed and counted", sum, |&(mails, counts)| mails >= due && counts >= due as u64).await;
    mails.extend(mailed(&world.mails()));
    assert_eq!(mails.len(), due, "each was mailed once");
    assert_eq!(mails.into_iter().collect::<BTreeSet<_>>(), accepted);
    assert_eq!(counted + world.counted("order.placed").await as u64, due as u64, "each was counted once");
}

/// How many orders a stopped analytics process said it counted.
fn last_total(analytics: &Process) -> u64 {
    let lines = analytics.log_lines();
    let total = lines.iter().rev().find(|line| line["message"] == "totals");
    total.map_or(0, |line| line["placed"].as_u64().unwrap())
}

#[tokio::test]
async fn a_consumer_that_cannot_drain_ends_at_its_deadline_and_loses_nothing() {
    let broker = Broker::shared().await;
    let proxy = Proxy::to(broker.port()).await;
    for service in ["email", "analytics"] {
        let url = broker.url_through(proxy.port());
        let plan = Plan::on(&broker).email("AMQP_URL", &url).analytics("AMQP_URL", &url);
        let plan = plan.email("SHUTDOWN_TIMEOUT", "1s").email("HANDLE_TIMEOUT", "500ms");
        let plan = plan.analytics("SHUTDOWN_TIMEOUT", "1s").analytics("HANDLE_TIMEOUT", "500ms");
        let mut process = plan.launch(service);
        process.ready().await;
        proxy.freeze();
        process.terminate();
        // No answer from the broker: there is no other end than the deadline.
        assert_eq!(process.exit_code().await, 1, "{}", process.log());
        assert!(process.log().contains("was not done within 1s"), "{}", process.log());
        proxy.pass();
        place(&broker, "Ada").await;
        let queue = format!("{service}-queue");
        eventually("its subscription is gone", || broker.consumers(&queue), |&count| count == Some(0)).await;
        assert!(broker.depth(&queue).await > Some(0));
    }
}

#[tokio::test]
async fn a_second_signal_ends_a_consumer_at_once_and_loses_nothing() {
    let broker = Broker::shared().await;
    let smtp = silent_smtp();
    let mut email = patient(Plan::on(&broker)).email("SMTP_URL", smtp.url()).launch("email");
    email.ready().await;
    place(&broker, "Ada").await;
    in_hand(&email, 1.0).await;
    drains(&mut email).await;
    email.terminate();
    assert_eq!(email.exit_code().await, 130, "{}", email.log());
    holds(&broker, "email-queue", 1).await;
    assert_eq!(smtp.mails().len(), 0);
}

#[tokio::test]
async fn a_paused_consumer_stops_and_its_queue_keeps_everything() {
    let broker = Broker::shared().await;
    let nobody = format!("smtp://127.0.0.1:{}", free_port());
    let mut email = patient(Plan::on(&broker)).email("SMTP_URL", nobody).launch("email");
    email.ready().await;
    place(&broker, "Ada").await;
    eventually("it pauses", || email.state(), |state| state == "paused").await;
    email.terminate();
    assert_eq!(email.exit_code().await, 0, "{}", email.log());
    holds(&broker, "email-queue", 1).await;
}

#[tokio::test]
async fn a_service_without_its_broker_stops_as_well() {
    for service in ["order", "email", "analytics"] {
        let url = format!("amqp://127.0.0.1:{}", free_port());
        let mut process = Process::start(service, [("AMQP_URL", url), ("DRAIN_DELAY", "0s".to_owned())]);
        assert_eq!(process.state().await, "connecting");
        process.terminate();
        assert_eq!(process.exit_code().await, 0, "{}", process.log());
    }
}
