//! A broker that belongs to others: its user may declare little or nothing, and consumes what is there.

use std::collections::BTreeSet;

use journey::{Broker, Options, Process, eventually};
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use messaging::Failure;

use super::stage::*;

const DELAYS: [&str; 2] = ["email-queue.retry.50ms", "email-queue.retry.100ms"];

/// What the user `email` may configure, write and read.
async fn grant(broker: &Broker, [configure, write, read]: [&str; 3]) {
    let rights = serde_json::json!({"configure": configure, "write": write, "read": read});
    let vhost = broker.vhost().replace('/', "%2f");
    broker.put(&format!("permissions/{vhost}/email"), &rights).await;
}

/// A vhost in which everything that a consumer needs was made by somebody else.
async fn made_by_others() -> Broker {
    let broker = Broker::shared().await;
    Running::consuming(&broker, &Actor::willing()).await.stop().await.unwrap();
    broker
}

/// Handles what does not say otherwise.
fn judge() -> Actor {
    Actor::new(|seen| async move {
        match (seen.text.as_str(), seen.attempt) {
            ("later", 1) => Err(Failure::later("not yet")),
            ("fails", _) => Err(Failure::for_good("never")),
            _ => Ok(()),
        }
    })
}

#[tokio::test]
async fn a_user_who_may_declare_nothing_consumes_what_is_there() {
    let all = r"^(order-exchange|email-queue(\..+)?)$";
    // The last may bind, and see everything; the first may see no more than it needs.
    for [write, read] in
        [["^amq\\.default$", "^email-queue$"], ["^amq\\.default$", all], [r"^(amq\.default|email-queue)$", all]]
    {
        let broker = made_by_others().await;
        grant(&broker, ["^$", write, read]).await;
        let actor = judge();
        let _consumer = Running::consuming(&broker, &actor).await;
        publish(&broker, &["a", "later", "fails"]).await;
        let handled = |seen: &Vec<Seen>| seen.iter().any(|seen| seen.text == "later" && seen.attempt == 2);
        actor.eventually("what may work later is tried again", handled).await;
        eventually("what fails is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
        drained(&broker).await;
    }
}

#[tokio::test]
async fn what_is_taken_as_it_is_is_said_once() {
    let broker = Broker::shared().await;
    let mut owner = Process::start("email", [("AMQP_URL", broker.url_as("email"))]);
    owner.ready().await;
    grant(&broker, ["^$", "^amq\\.default$", "^email-queue$"]).await;
    let mut email = Process::start("email", [("AMQP_URL", broker.url_as("email"))]);
    for connection in 1..=2 {
        email.ready().await;
        assert_eq!(email.state().await, "consuming");
        broker.close_connections().await;
        let again = || email.metric("messaging_reconnects_total", &[("connection", "consume")]);
        eventually("it connects again", again, |&times| times >= f64::from(connection)).await;
    }
    email.ready().await;
    let said = email.logged("this user may not declare these objects");
    assert_eq!(said.len(), 1, "{}", email.log());
    let line = email.log_lines().into_iter().find(|line| line["objects"].is_string()).unwrap();
    let objects = line["objects"].as_str().unwrap();
    for object in ["exchange \"order-exchange\"", "queue \"email-queue.dead\"", "binding \"order.placed\""] {
        assert!(objects.contains(object), "{objects}");
    }
}

#[tokio::test]
async fn queues_that_are_missing_and_may_not_be_made_are_named_and_what_needs_none_is_consumed() {
    let broker = made_by_others().await;
    for queue in DELAYS.into_iter().chain([DEAD]) {
        broker.delete_queue(queue).await;
    }
    grant(&broker, ["^$", ".*", ".*"]).await;
    let actor = judge();
    let consumer = Running::start(&broker, &actor, quick());
    let state = consumer.becomes("access-refused").await;
    let reason = state.reason().unwrap();
    assert!(DELAYS.into_iter().chain([DEAD]).all(|queue| reason.contains(queue)), "{reason}");
    assert!(reason.contains("does not exist") && state.is_serving(), "{state:?}");
    publish(&broker, &["fails", "later", "a"]).await;
    actor.eventually("what needs none is handled", |seen| seen.iter().any(|seen| seen.text == "a")).await;
    eventually("the others stay where they are", || unsettled(&broker), |&left| left == 2).await;
    grant(&broker, [".*", ".*", ".*"]).await;
    consumer.becomes("consuming").await;
    eventually("what fails is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    drained(&broker).await;
    let texts: BTreeSet<_> = actor.texts().into_iter().collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
}

#[tokio::test]
async fn a_queue_of_its_own_that_is_missing_and_may_not_be_made_is_named_and_consumed_once_it_is_there() {
    let broker = Broker::shared().await;
    grant(&broker, ["^$", ".*", ".*"]).await;
    let actor = Actor::willing();
    let consumer = Running::start(&broker, &actor, quick());
    let state = consumer.becomes("access-refused").await;
    let reason = state.reason().unwrap();
    assert!(reason.contains("queue \"email-queue\"") && reason.contains("does not exist"), "{reason}");
    assert!(!state.is_serving(), "{state:?}");
    broker.declare(QUEUE, EXCHANGE, &[KEY]).await;
    publish(&broker, &["a"]).await;
    actor.eventually("it is handled", |seen| seen.len() == 1).await;
}

#[tokio::test]
async fn missing_queues_use_up_no_channel_that_the_work_needs() {
    let broker = Broker::with(Options::new().line("channel_max = 6")).await;
    Running::consuming(&broker, &Actor::willing()).await.stop().await.unwrap();
    for queue in DELAYS.into_iter().chain([DEAD]) {
        broker.delete_queue(queue).await;
    }
    grant(&broker, ["^$", ".*", ".*"]).await;
    let actor = judge();
    let consumer = Running::start(&broker, &actor, quick());
    let state = consumer.becomes("access-refused").await;
    assert!(state.reason().unwrap().contains(DEAD) && state.is_serving(), "{state:?}");
    publish(&broker, &["a"]).await;
    actor.eventually("it is handled", |seen| seen.len() == 1).await;
    grant(&broker, [".*", ".*", ".*"]).await;
    consumer.becomes("consuming").await;
    assert_eq!(consumer.gauge("messaging_reconnects_total"), 0.0, "one connection was enough");
}

/// The most queues that the vhost may have; -1 is no limit.
async fn limit_queues(broker: &Broker, most: i32) {
    broker.put(&format!("vhost-limits/{}/max-queues", broker.vhost()), &serde_json::json!({"value": most})).await;
}

#[tokio::test]
async fn a_queue_that_a_limit_of_the_vhost_forbids_is_missing_and_is_consumed_once_it_may_be_made() {
    let broker = Broker::shared().await;
    limit_queues(&broker, 0).await;
    let actor = Actor::willing();
    let consumer = Running::start(&broker, &actor, quick());
    let state = consumer.becomes("topology-conflict").await;
    let reason = state.reason().unwrap();
    assert!(reason.contains(QUEUE) && reason.contains("limit"), "{reason}");
    assert!(!state.is_serving(), "{state:?}");
    // The queue itself may be made, and those around it may not.
    limit_queues(&broker, 1).await;
    let serving = |state: &messaging::State| state.is_serving();
    let state = eventually("it consumes", async || consumer.state.borrow().clone(), serving).await;
    assert!(state.reason().unwrap().contains(DEAD) && state.reason().unwrap().contains("limit"), "{state:?}");
    publish(&broker, &["a"]).await;
    actor.eventually("it is handled", |seen| seen.len() == 1).await;
    limit_queues(&broker, -1).await;
    consumer.becomes("consuming").await;
    assert_eq!(consumer.gauge("messaging_reconnects_total"), 0.0, "one connection was enough");
}

#[tokio::test]
async fn a_queue_of_its_own_with_other_arguments_shows_and_is_consumed() {
    let broker = Broker::shared().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
    let client = broker.client().await;
    client.declare_exchange(EXCHANGE).await;
    client.declare_queue(QUEUE, QueueDeclareOptions::durable(), arguments).await.unwrap();
    let actor = Actor::willing();
    let consumer = Running::start(&broker, &actor, quick());
    let state = consumer.becomes("topology-conflict").await;
    assert!(state.reason().unwrap().contains(QUEUE) && state.is_serving(), "{state:?}");
    // It is bound all the same.
    publish(&broker, &["a"]).await;
    actor.eventually("it is handled", |seen| seen.len() == 1).await;
}
