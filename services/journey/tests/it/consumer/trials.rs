//! After a pause one event goes first, alone, and only one that is handled ends it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use journey::{Broker, eventually};
use messaging::Failure;
use serde_json::json;
use tokio::sync::Semaphore;

use super::pauses::dependent;
use super::stage::*;

/// The names of a consumer's states, from a pause on.
struct States(Arc<Mutex<BTreeSet<&'static str>>>);

impl States {
    async fn since_pause(consumer: &Running) -> Self {
        consumer.becomes("paused").await;
        let (names, mut state) = (Arc::new(Mutex::new(BTreeSet::new())), consumer.state.clone());
        let seen = names.clone();
        tokio::spawn(async move {
            loop {
                seen.lock().unwrap().insert(state.borrow_and_update().name());
                if state.changed().await.is_err() {
                    return;
                }
            }
        });
        Self(names)
    }

    fn seen(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().copied().collect()
    }
}

/// What a handler depends on: down until it is not; then each event needs a permit.
struct Dependency {
    down: Arc<AtomicBool>,
    gate: Arc<Semaphore>,
    /// How many events have asked for one.
    asked: Arc<AtomicU32>,
}

impl Dependency {
    fn down() -> Self {
        let (gate, asked) = (Arc::new(Semaphore::new(0)), Arc::default());
        Self { down: Arc::new(AtomicBool::new(true)), gate, asked }
    }

    fn actor(&self) -> Actor {
        let (down, gate, asked) = (self.down.clone(), self.gate.clone(), self.asked.clone());
        Actor::new(move |_| {
            let (down, gate, asked) = (down.load(Ordering::Relaxed), gate.clone(), asked.clone());
            async move {
                if down {
                    return Err(Failure::outage("mail server is down"));
                }
                asked.fetch_add(1, Ordering::Relaxed);
                gate.acquire().await.unwrap().forget();
                Ok(())
            }
        })
    }

    fn is_back(&self) {
        self.down.store(false, Ordering::Relaxed);
    }

    /// Waits until so many events have asked for a permit.
    async fn asked(&self, times: u32) {
        let asked = async || self.asked.load(Ordering::Relaxed);
        eventually(&format!("{times} are tried"), asked, |&asked| asked >= times).await;
    }
}

#[tokio::test]
async fn after_a_pause_one_event_goes_first_alone_and_ends_it_only_when_it_is_handled() {
    for queue_type in ["quorum", "classic"] {
        let broker = Broker::shared().await;
        broker.put(&format!("vhosts/{}", broker.vhost()), &json!({"default_queue_type": queue_type})).await;
        let dependency = Dependency::down();
        let actor = dependency.actor();
        let consumer = Running::consuming(&broker, &actor).await;
        let texts: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        publish(&broker, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let states = States::since_pause(&consumer).await;
        let begun = actor.seen().len();
        actor.eventually("it is tried again and again", |seen| seen.len() >= begun + 4).await;
        assert_eq!(consumer.gauge("messaging_consumer_active"), 0.0);
        dependency.is_back();
        dependency.asked(1).await;
        let reason = consumer.state.borrow().reason().unwrap().to_owned();
        assert!(reason.starts_with("mail server is down") && reason.ends_with("tried alone"), "{reason}");
        eventually("one is held by the consumer", || broker.depth(QUEUE), |&depth| depth == Some(99)).await;
        assert_eq!(states.seen(), ["paused"], "a probe that succeeds ends nothing");
        dependency.gate.add_permits(texts.len());
        consumer.becomes("consuming").await;
        drained(&broker).await;
        assert_eq!(consumer.gauge("messaging_consumer_active"), 1.0);
        assert_eq!(consumer.count("handled"), 100);
        assert!(actor.seen().iter().all(|seen| seen.attempt == 1));
        assert_eq!(broker.depth(DEAD).await, Some(0));
    }
}

#[tokio::test]
async fn what_is_handled_without_the_dependency_does_not_end_a_pause() {
    let broker = Broker::shared().await;
    let down = Arc::new(AtomicBool::new(true));
    let is_down = down.clone();
    let actor = Actor::new(move |seen| {
        let fails = is_down.load(Ordering::Relaxed) && !seen.text.starts_with("aside");
        async move { if fails { Err(Failure::outage("down")) } else { Ok(()) } }
    });
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["first"]).await;
    let states = States::since_pause(&consumer).await;
    publish(&broker, &["aside 1", "aside 2", "aside 3"]).await;
    eventually("those that need nothing are handled", async || consumer.count("handled"), |&handled| handled == 3)
        .await;
    assert_eq!(states.seen(), ["paused"]);
    down.store(false, Ordering::Relaxed);
    consumer.becomes("consuming").await;
    drained(&broker).await;
    assert_eq!(consumer.count("handled"), 4);
}

#[tokio::test]
async fn what_fails_for_its_own_reasons_or_was_handled_before_does_not_end_a_pause() {
    let broker = Broker::shared().await;
    let (down, known) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let (is_down, is_known) = (down.clone(), known.clone());
    let actor = Actor::new(move |seen| {
        let (down, known) = (is_down.load(Ordering::Relaxed), is_known.load(Ordering::Relaxed));
        async move {
            match seen.text.as_str() {
                "before" => Ok(()),
                _ if down => Err(Failure::outage("down")),
                "panics" => panic!("a bug"),
                "later" => Err(Failure::later("busy")),
                "postponed" if known => Ok(()),
                "postponed" => Err(Failure::postponed("nobody knows")),
                _ => Err(Failure::for_good("no such mailbox")),
            }
        }
    });
    actor.ail("down");
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["before"]).await;
    drained(&broker).await;
    publish(&broker, &["postponed"]).await;
    let states = States::since_pause(&consumer).await;
    publish(&broker, &["never", "panics", "before", "later"]).await;
    publish_suspects(&broker, &["never-either", UNREADABLE]).await;
    down.store(false, Ordering::Relaxed);
    actor.recover();
    eventually("all but one are through", || broker.depth(DEAD), |&depth| depth == Some(5)).await;
    eventually("the duplicate too", async || consumer.count("duplicate"), |&count| count == 1).await;
    let tried = actor.seen().len();
    actor.eventually("the postponed one is tried on", |seen| seen.len() > tried + 1).await;
    assert_eq!(states.seen(), ["paused"]);
    known.store(true, Ordering::Relaxed);
    consumer.becomes("consuming").await;
    drained(&broker).await;
    assert_eq!(consumer.count("handled"), 2);
    assert!(actor.seen().iter().all(|seen| seen.text != "postponed" || seen.attempt == 1));
}

#[tokio::test]
async fn a_suspect_that_is_handled_ends_a_pause_too() {
    let broker = Broker::shared().await;
    let down = Arc::new(AtomicBool::new(true));
    let actor = dependent(&down);
    actor.ail("still down");
    let consumer = Running::consuming(&broker, &actor).await;
    publish_suspects(&broker, &["a", "b"]).await;
    consumer.becomes("paused").await;
    down.store(false, Ordering::Relaxed);
    actor.recover();
    consumer.becomes("consuming").await;
    drained(&broker).await;
    assert_eq!((consumer.count("handled"), broker.depth(DEAD).await), (2, Some(0)));
}

#[tokio::test]
async fn with_nothing_to_try_a_consumer_is_ready_and_tries_the_next_event_alone_all_the_same() {
    let broker = Broker::shared().await;
    let dependency = Dependency::down();
    let actor = dependency.actor();
    actor.ail("still down");
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a"]).await;
    consumer.becomes("paused").await;
    eventually("it is back in the queue", || broker.depth(QUEUE), |&depth| depth == Some(1)).await;
    broker.take(QUEUE).await;
    actor.recover();
    consumer.becomes("consuming").await;
    assert_eq!(consumer.gauge("messaging_consumer_active"), 1.0);
    publish(&broker, &["b"]).await;
    consumer.becomes("paused").await;
    dependency.is_back();
    publish(&broker, &["c", "d"]).await;
    dependency.asked(1).await;
    eventually("one is held by the consumer", || broker.depth(QUEUE), |&depth| depth == Some(2)).await;
    dependency.gate.add_permits(3);
    consumer.becomes("consuming").await;
    drained(&broker).await;
    assert_eq!(consumer.count("handled"), 3);
}

#[tokio::test]
async fn neither_an_outage_nor_a_trial_is_forgotten_with_its_connection() {
    let broker = Broker::shared().await;
    let dependency = Dependency::down();
    let actor = dependency.actor();
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a", "b", "c"]).await;
    let states = States::since_pause(&consumer).await;
    dependency.is_back();
    dependency.asked(1).await;
    tokio::join!(broker.close_connections(), consumer.becomes("connecting"));
    eventually("it is held again", || broker.depth(QUEUE), |&depth| depth == Some(2)).await;
    consumer.becomes("paused").await;
    assert_eq!(states.seen(), ["connecting", "paused"]);
    // What was begun before the connection was lost shows nothing to the one after it; its copy is a duplicate.
    dependency.gate.add_permits(3);
    consumer.becomes("consuming").await;
    eventually("it is a duplicate", async || consumer.count("duplicate"), |&count| count == 1).await;
    drained(&broker).await;
    assert_eq!(consumer.count("handled"), 3);
}

#[tokio::test]
async fn a_stop_during_a_trial_waits_for_it_and_gives_back_the_rest() {
    let broker = Broker::shared().await;
    let dependency = Dependency::down();
    let actor = dependency.actor();
    let mut consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a", "b", "c"]).await;
    consumer.becomes("paused").await;
    dependency.is_back();
    dependency.asked(1).await;
    consumer.ask_to_stop();
    consumer.becomes("draining").await;
    dependency.gate.add_permits(3);
    consumer.stop().await.unwrap();
    eventually("the rest is in the queue", || broker.depth(QUEUE), |&depth| depth == Some(2)).await;
}
