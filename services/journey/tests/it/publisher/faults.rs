//! Brokers that die, freeze and hang up while events are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

/// What publishers have been told under a fault.
struct Load {
    accepted: HashSet<String>,
    /// The broker may have them or not.
    unknown: HashSet<String>,
    /// It must not have them.
    refused: HashSet<String>,
}

/// Publishes without pause from many tasks while `fault` lasts.
async fn load(publisher: &Publisher<OrderEvent>, within: Duration, fault: impl Future<Output = ()>) -> Load {
    let over = Arc::new(AtomicBool::new(false));
    let accepted = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (publisher, over, accepted) = (publisher.clone(), over.clone(), accepted.clone());
            tokio::spawn(async move {
                let mut answers = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let event = event(PLACED);
                    let (id, asked) = (event.id.clone(), Instant::now());
                    let answer = publish_within(&publisher, event, within).await;
                    assert!(asked.elapsed() < within + Duration::from_secs(5), "an answer long after its deadline");
                    if answer.is_ok() {
                        accepted.fetch_add(1, Ordering::Relaxed);
                    }
                    answers.push((id, answer));
                }
                answers
            })
        })
        .collect();
    let count = || async { accepted.load(Ordering::Relaxed) };
    eventually("events are accepted before the fault", count, |&count| count > 1_000).await;
    fault.await;
    let before = count().await;
    eventually("events are accepted after the fault", count, |&count| count > before + 1_000).await;
    over.store(true, Ordering::Relaxed);
    let mut load = Load { accepted: HashSet::new(), unknown: HashSet::new(), refused: HashSet::new() };
    for (id, answer) in join_all(tasks).await.into_iter().flat_map(Result::unwrap) {
        let set = match answer {
            Ok(()) => &mut load.accepted,
            Err(PublishError::Unconfirmed | PublishError::Rejected) => &mut load.unknown,
            Err(PublishError::Unavailable | PublishError::Blocked | PublishError::Overloaded) => &mut load.refused,
            Err(PublishError::Unroutable) => panic!("the queue is there"),
            Err(PublishError::AccessRefused | PublishError::TopologyConflict) => {
                panic!("nothing is refused or differs")
            }
        };
        set.insert(id);
    }
    load
}

/// Nothing accepted is missing, nothing refused is there.
async fn reconcile(broker: &Broker, load: &Load) {
    let held = drain(broker, "email-queue").await;
    let missing = load.accepted.difference(&held).count();
    assert_eq!(missing, 0, "of {} accepted events, {missing} are lost", load.accepted.len());
    let invented = held.difference(&load.accepted).filter(|id| !load.unknown.contains(*id)).count();
    assert_eq!(invented, 0, "{invented} events are held whose publishers were told that they are not");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_loses_no_accepted_event() {
    let broker = Broker::start().await;
    let publisher = connected(&broker).await;
    let fault = async {
        broker.kill().await;
        broker.restart().await;
    };
    let load = load(&publisher, PATIENCE, fault).await;
    assert!(load.refused.is_empty() && load.unknown.is_empty(), "the gap was shorter than every deadline");
    reconcile(&broker, &load).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_whose_deadline_ends_while_the_broker_is_dead_are_told_the_truth() {
    let broker = Broker::start().await;
    let publisher = connected(&broker).await;
    let fault = async {
        broker.kill().await;
        until(&publisher, "away", |state| matches!(state, State::Connecting { .. })).await;
        broker.restart().await;
    };
    let load = load(&publisher, Duration::from_millis(500), fault).await;
    assert!(!load.refused.is_empty(), "some event was asked for while the broker was dead");
    reconcile(&broker, &load).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_lost_broker_may_hold_is_never_called_unsent() {
    let broker = Broker::shared().await;
    let proxy = Proxy::to(broker.port()).await;
    let publisher = start(endpoint(&broker.url_through(proxy.port())), required("email-queue"));
    until(&publisher, "connected", |state| *state == State::Connected).await;
    proxy.freeze_way(Way::ToClient);
    let losing = async {
        eventually("the broker holds it", || broker.depth("email-queue"), |depth| *depth == Some(1)).await;
        proxy.refuse();
        until(&publisher, "away", |state| matches!(state, State::Connecting { .. })).await;
    };
    let (answer, ()) = tokio::join!(publish_within(&publisher, event(PLACED), Duration::from_secs(5)), losing);
    assert_eq!(answer, Err(PublishError::Unconfirmed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_an_operator_closes_costs_no_event_its_answer() {
    let broker = Broker::shared().await;
    let publisher = connected(&broker).await;
    let load = load(&publisher, PATIENCE, broker.close_connections()).await;
    assert!(load.refused.is_empty() && load.unknown.is_empty(), "the gap was shorter than every deadline");
    reconcile(&broker, &load).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_leaves_no_event_without_an_answer() {
    let broker = Broker::start().await;
    let publisher = connected(&broker).await;
    broker.freeze();
    let second = Duration::from_secs(1);
    let answers = join_all((0..500).map(|_| publish_within(&publisher, event(PLACED), second))).await;
    assert!(!answers.contains(&Ok(())), "nobody can have confirmed");
    assert!(answers.contains(&Err(PublishError::Unconfirmed)), "{answers:?}");
    broker.thaw();
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_leaves_a_broker_that_stays_frozen() {
    let broker = Broker::start().await;
    let publisher = connected(&broker).await;
    broker.freeze();
    let lost = until(&publisher, "away", |state| matches!(state, State::Connecting { reason: Some(_) })).await;
    assert!(lost.reason().unwrap().contains("heartbeat"), "{lost:?}");
    broker.thaw();
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
}
