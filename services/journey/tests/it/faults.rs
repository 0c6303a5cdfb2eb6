//! What breaks under load, and that no accepted order is missing and none is handled that nobody sent.

use std::collections::BTreeSet;

use journey::{Broker, Plan, Request, World, an_order, free_port};
use serde_json::Value;
use uuid::Uuid;

use crate::consumer::stage::drained;
use crate::customers::{Customers, insist, mailed, reconcile};

/// Orders that have to be accepted before and after a fault.
const SOME: usize = 100;

/// Three services on a broker that may be broken; order keeps its port over restarts.
struct Shop {
    plan: Plan,
    world: World,
    port: u16,
}

async fn open_shop() -> Shop {
    let port = free_port();
    let plan = Plan::on(&Broker::start().await).order("HTTP_ADDR", format!("127.0.0.1:{port}"));
    let world = plan.clone().start().await;
    Shop { plan, world, port }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_is_lost_when_the_broker_is_killed_under_load() {
    let Shop { world, port, .. } = open_shop().await;
    let customers = Customers::at(port);
    for _ in 0..2 {
        customers.get_accepted(SOME).await;
        world.broker.kill().await;
        world.broker.restart().await;
    }
    customers.get_accepted(SOME).await;
    let accepted = customers.finish().await;
    reconcile(&world, &accepted, &accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_is_lost_when_an_operator_closes_every_connection() {
    let Shop { world, port, .. } = open_shop().await;
    let customers = Customers::at(port);
    for _ in 0..3 {
        customers.get_accepted(SOME).await;
        world.broker.close_connections().await;
    }
    customers.get_accepted(SOME).await;
    let accepted = customers.finish().await;
    reconcile(&world, &accepted, &accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_is_lost_when_the_email_process_is_killed() {
    let Shop { plan, mut world, port } = open_shop().await;
    let customers = Customers::at(port);
    let mut earlier: Vec<String> = Vec::new();
    for _ in 0..3 {
        customers.get_accepted(SOME).await;
        world.email.kill();
        earlier.extend(mailed(&world.mails()));
        world.email = plan.launch("email");
    }
    customers.get_accepted(SOME).await;
    let accepted = customers.finish().await;
    let earlier: BTreeSet<_> = earlier.into_iter().collect();
    assert!(earlier.is_subset(&accepted), "mailed before a kill, and sent by nobody");
    reconcile(&world, &accepted.difference(&earlier).cloned().collect(), &accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_is_lost_when_the_order_process_is_stopped_and_started_under_load() {
    let Shop { plan, mut world, port } = open_shop().await;
    let customers = Customers::at(port);
    for _ in 0..3 {
        customers.get_accepted(SOME).await;
        world.order.terminate();
        assert_eq!(world.order.exit_code().await, 0, "{}", world.order.log());
        world.order = plan.launch("order");
    }
    customers.get_accepted(SOME).await;
    let accepted = customers.finish().await;
    reconcile(&world, &accepted, &accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_is_lost_when_the_order_process_is_killed_under_load() {
    let Shop { plan, mut world, port } = open_shop().await;
    let customers = Customers::at(port);
    for _ in 0..3 {
        customers.get_accepted(SOME).await;
        world.order.kill();
        world.order = plan.launch("order");
    }
    customers.get_accepted(SOME).await;
    let accepted = customers.finish().await;
    reconcile(&world, &accepted, &accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unconfirmed_order_that_is_repeated_with_its_key_is_one_mail() {
    let port = free_port();
    let plan = Plan::on(&Broker::start().await)
        .order("HTTP_ADDR", format!("127.0.0.1:{port}"))
        .order("PUBLISH_TIMEOUT", "500ms");
    let world = plan.start().await;
    let key = Uuid::now_v7().to_string();
    world.broker.freeze();
    let answer = Request::post(port, "/orders", &an_order()).header("idempotency-key", &key).send().await;
    assert_eq!((answer.status.as_u16(), problem(&answer)), (503, "unconfirmed".to_owned()), "{answer:?}");
    world.broker.thaw();
    let id = insist(port, &key).await;
    // A later order that did come through shows that the first one's copies are all in the queue.
    let last = insist(port, &Uuid::now_v7().to_string()).await;
    let both = |mails: &Vec<String>| [&id, &last].iter().all(|&id| mailed(mails).contains(id));
    world.eventually("both orders are mailed", async |w| w.mails(), both).await;
    drained(&world.broker).await;
    assert_eq!(mailed(&world.mails()).into_iter().filter(|mailed| *mailed == id).count(), 1, "{:?}", world.mails());
}

/// The last part of a problem's type.
fn problem(answer: &journey::Answer) -> String {
    let kind = answer.json()["type"].as_str().expect("a problem has a type").to_owned();
    kind.rsplit(['/', ':', '#']).next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_a_binding_and_the_exchange_that_are_deleted_come_back_and_no_later_order_is_missing() {
    let world = World::start().await;
    let port = world.order.http_port().await;
    let customers = Customers::at(port);
    customers.get_accepted(SOME).await;
    let early = customers.finish().await;
    reconcile(&world, &early, &early).await;

    world.broker.delete_queue("email-queue").await;
    placed_after_the_next_assertion_is_mailed(&world, port).await;
    world.broker.delete_binding("email-queue", "order-exchange", "order.placed").await;
    placed_after_the_next_assertion_is_mailed(&world, port).await;
    world.broker.delete_exchange("order-exchange").await;
    placed_after_the_next_assertion_is_mailed(&world, port).await;
}

/// Until the next assertion of the topology an order may reach analytics alone; from then on every one is mailed.
async fn placed_after_the_next_assertion_is_mailed(world: &World, port: u16) {
    let consumers = async |world: &World| world.broker.consumers("email-queue").await;
    world.eventually("email consumes again", consumers, |consumers| *consumers == Some(1)).await;
    let bound = async |world: &World| {
        let bindings = world.broker.management(&format!("bindings/{}", world.broker.vhost())).await;
        let ours = |binding: &Value| binding["source"] == "order-exchange" && binding["destination"] == "email-queue";
        bindings.as_array().is_some_and(|bindings| bindings.iter().any(ours))
    };
    world.eventually("the binding is back", bound, |bound| *bound).await;
    let mut later = BTreeSet::new();
    for _ in 0..20 {
        later.insert(insist(port, &Uuid::now_v7().to_string()).await);
    }
    let missing = async |world: &World| {
        let mailed: BTreeSet<_> = mailed(&world.mails()).into_iter().collect();
        later.difference(&mailed).cloned().collect::<Vec<_>>()
    };
    world.eventually("every later order is mailed", missing, Vec::is_empty).await;
}
