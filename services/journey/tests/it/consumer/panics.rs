//! A panic, wherever it is, ends nothing but what panicked, and leaves nothing in hand for ever.

use std::fmt::Debug;
use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use journey::{Broker, eventually};
use messaging::{ConsumerOptions, Failure};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};

use super::stage::*;

/// A log that panics once, at the first line that says this.
struct Saboteur {
    line: &'static str,
    armed: AtomicBool,
}

impl Saboteur {
    /// Panics in the tasks of this thread, as long as the guard lives.
    fn at(line: &'static str) -> DefaultGuard {
        tracing::subscriber::set_default(Self { line, armed: AtomicBool::new(true) })
    }
}

struct Finds(&'static str, bool);

impl Visit for Finds {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.1 |= field.name() == "message" && format!("{value:?}").contains(self.0);
    }
}

impl Subscriber for Saboteur {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("messaging")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut finds = Finds(self.line, false);
        event.record(&mut finds);
        assert!(!finds.1 || !self.armed.swap(false, Ordering::Relaxed), "a bug of the log");
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn an_event_whose_settling_panics_goes_back_and_is_settled_the_next_time() {
    let broker = Broker::shared().await;
    let actor = Actor::new(|seen| async move {
        match (seen.text.as_str(), seen.attempt) {
            ("later", 1) => Err(Failure::later("busy")),
            ("later", _) => Ok(()),
            _ => Err(Failure::for_good("never")),
        }
    });
    // A wide subscription would go on with one place less; one of one would go on with none.
    let consumer = Running::consuming_with(&broker, &actor, ConsumerOptions { prefetch: 1, ..quick() }).await;
    for (line, text) in [("will be tried again", "later"), ("is a dead letter", "dead")] {
        let _saboteur = Saboteur::at(line);
        publish(&broker, &[text]).await;
        actor.eventually("it is begun again", |seen| seen.iter().filter(|seen| seen.text == text).count() >= 2).await;
        drained(&broker).await;
    }
    // The first copy had been made.
    assert_eq!(broker.depth(DEAD).await, Some(2));
    assert_eq!(consumer.gauge("messaging_in_flight"), 0.0);
    consumer.stop().await.unwrap();
}

#[tokio::test]
async fn whatever_a_panic_throws_is_one_failed_attempt() {
    let broker = Broker::shared().await;
    let actor = Actor::new(|seen| async move { if seen.text == "throws" { panic_any(Bomb) } else { Ok(()) } });
    let _consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["throws", "good"]).await;
    eventually("it is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    drained(&broker).await;
    let attempts: Vec<_> = actor.seen().iter().filter(|seen| seen.text == "throws").map(|seen| seen.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
}

#[tokio::test]
async fn a_probe_that_panics_has_failed_whatever_it_throws() {
    let broker = Broker::shared().await;
    let down = Arc::new(AtomicBool::new(true));
    let actor = super::pauses::dependent(&down);
    actor.ail(THROWS);
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a"]).await;
    consumer.becomes("paused").await;
    let said = async || consumer.state.borrow().reason().map(str::to_owned);
    eventually("it says so", said, |reason| reason.as_deref() == Some("the probe panicked")).await;
    down.store(false, Ordering::Relaxed);
    actor.recover();
    consumer.becomes("consuming").await;
    drained(&broker).await;
}

#[tokio::test]
async fn a_supervisor_that_panics_says_so_and_begins_again() {
    let broker = Broker::shared().await;
    let actor = Actor::new(|_| async { Err(Failure::for_good("never")) });
    let saboteur = Saboteur::at("connected");
    let consumer = Running::start(&broker, &actor, quick());
    let state = consumer.state.clone();
    let said = async || state.borrow().reason().map(str::to_owned);
    eventually("it says so", said, |reason| reason.as_deref().is_some_and(|reason| reason.contains("a panic"))).await;
    consumer.becomes("consuming").await;
    drop(saboteur);
    // And the one that keeps up the connection for copies.
    let saboteur = Saboteur::at("publisher of copies for email-queue is out of order");
    tokio::join!(broker.close_connections(), consumer.becomes("connecting"));
    consumer.becomes("consuming").await;
    publish(&broker, &["a"]).await;
    eventually("its copy is made", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    drop(saboteur);
    drained(&broker).await;
    consumer.stop().await.unwrap();
}

#[tokio::test]
async fn a_consumer_that_is_dropped_says_that_it_has_ended() {
    let broker = Broker::shared().await;
    let consumer = Running::consuming(&broker, &Actor::willing()).await;
    let (state, registry) = (consumer.state.clone(), consumer.registry.clone());
    drop(consumer);
    eventually("it has ended", async || state.borrow().name(), |&name| name == "stopped").await;
    let active = registry.gather().into_iter().find(|family| family.name() == "messaging_consumer_active").unwrap();
    assert_eq!(active.get_metric()[0].get_gauge().get_value(), 0.0);
}
