//! A consumer whose handler's dependency is down waits with empty hands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journey::{Broker, Options, eventually};
use lapin::types::{AMQPValue, FieldTable};
use messaging::{ConsumerOptions, Failure};
use tokio::sync::Semaphore;

use super::stage::*;

/// Handles nothing while it is down, and says so to probes.
pub(super) fn dependent(down: &Arc<AtomicBool>) -> Actor {
    let down = down.clone();
    Actor::new(move |_| {
        let down = down.load(Ordering::Relaxed);
        async move { if down { Err(Failure::outage("mail server is down")) } else { Ok(()) } }
    })
}

#[tokio::test]
async fn an_outage_pauses_and_counts_no_attempt_and_loses_nothing() {
    let broker = Broker::shared().await;
    let down = Arc::new(AtomicBool::new(true));
    let actor = dependent(&down);
    actor.ail("still down");
    let consumer = Running::consuming(&broker, &actor).await;
    let texts: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    publish(&broker, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let paused = consumer.becomes("paused").await;
    assert!(paused.reason().is_some_and(|reason| reason.contains("down")), "{paused:?}");
    assert_eq!(consumer.gauge("messaging_consumer_active"), 0.0);
    eventually("none is in hand", async || consumer.gauge("messaging_in_flight"), |&in_flight| in_flight == 0.0).await;
    // Held by nobody: what waits for its turn, and what waits out its second in a delay queue.
    eventually("all are back in the queue", || broker.depth(QUEUE), |&depth| depth == Some(300)).await;
    down.store(false, Ordering::Relaxed);
    actor.recover();
    eventually("all are handled", async || consumer.count("handled"), |&handled| handled == 300).await;
    drained(&broker).await;
    let mut handled: Vec<_> = actor.seen().into_iter().map(|seen| (seen.text, seen.attempt)).collect();
    handled.sort();
    handled.dedup();
    assert_eq!(handled.len(), 300);
    assert!(handled.iter().all(|(_, attempt)| *attempt == 1), "{handled:?}");
    assert_eq!((consumer.count("handled"), consumer.count("delayed"), consumer.count("dead")), (300, 0, 0));
    assert_eq!(broker.depth(DEAD).await, Some(0));
}

#[tokio::test]
async fn the_age_of_the_oldest_event_goes_on_through_a_pause_and_ends_with_the_backlog() {
    let broker = Broker::shared().await;
    let down = Arc::new(AtomicBool::new(true));
    let consumer = Running::consuming(&broker, &dependent(&down)).await;
    let oldest = || consumer.gauge("messaging_oldest_event_timestamp_seconds");
    assert_eq!(oldest(), 0.0);
    let publisher = broker.client().await;
    let tell = async |id: &str, accepted: u64| {
        let (properties, body) = message(id, id);
        assert!(publisher.publish(EXCHANGE, KEY, properties.with_timestamp(accepted), &body).await);
    };
    let old = u64::try_from(jiff::Timestamp::now().as_second()).unwrap() - 600;
    tell("old", old).await;
    consumer.becomes("paused").await;
    tell("young", old + 300).await;
    eventually("both wait in the queue", || broker.depth(QUEUE), |&depth| depth == Some(2)).await;
    // Its probe answers, so that they are tried in turn, again and again.
    eventually("the old one is shown", async || oldest(), |&shown| shown == old as f64).await;
    down.store(false, Ordering::Relaxed);
    eventually("both are handled", async || consumer.count("handled"), |&handled| handled == 2).await;
    eventually("none waits", async || oldest(), |&shown| shown == 0.0).await;
}

#[tokio::test]
async fn the_oldest_event_is_shown_whatever_came_before_it_and_whatever_an_outsider_wrote_as_its_time() {
    let broker = Broker::shared().await;
    let actor = Actor::stuck();
    let consumer = Running::consuming(&broker, &actor).await;
    let publisher = broker.client().await;
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap();
    let times = [now * 1_000, now - 100, 0, now - 600, now + 3_600, now - 300];
    for (id, time) in times.into_iter().enumerate() {
        let (properties, body) = message(&id.to_string(), "stays");
        assert!(publisher.publish(EXCHANGE, KEY, properties.with_timestamp(time), &body).await);
    }
    actor.eventually("all are begun", |seen| seen.len() == times.len()).await;
    let oldest = async || consumer.gauge("messaging_oldest_event_timestamp_seconds");
    eventually("the oldest is shown", oldest, |&shown| shown == (now - 600) as f64).await;
}

#[tokio::test]
async fn handlers_that_run_when_the_pause_begins_end_as_they_will() {
    let broker = Broker::shared().await;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let actor = Actor::new(move |seen| {
        let gate = waiting.clone();
        async move {
            if seen.text == "outage" {
                return if seen.attempt == 1 && gate.available_permits() == 0 {
                    Err(Failure::outage("down"))
                } else {
                    Ok(())
                };
            }
            gate.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    actor.ail("down");
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["running"]).await;
    actor.eventually("it runs", |seen| seen.len() == 1).await;
    publish(&broker, &["outage", "later"]).await;
    eventually("what runs is all that is in hand", || broker.depth(QUEUE), |&depth| depth == Some(2)).await;
    // Readiness shows it at once, however long that one takes.
    consumer.becomes("paused").await;
    assert_eq!(consumer.count("handled"), 0);
    gate.add_permits(3);
    eventually("what ran is handled", async || consumer.count("handled"), |&handled| handled >= 1).await;
    actor.recover();
    drained(&broker).await;
}

#[tokio::test]
async fn a_dependency_that_answers_probes_and_refuses_work_is_not_asked_in_a_tight_loop() {
    let broker = Broker::shared().await;
    let down = Arc::new(AtomicBool::new(true));
    let actor = dependent(&down);
    let _consumer = Running::consuming(&broker, &actor).await;
    let begun = std::time::Instant::now();
    publish(&broker, &["a"]).await;
    actor.eventually("it is tried again and again", |seen| seen.len() >= 6).await;
    // Five waits of at least 50, 100, 200, 400 and 800 ms, however fast everything else is.
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(1_500), "six tries within {took:?}");
    down.store(false, Ordering::Relaxed);
    drained(&broker).await;
    assert!(actor.seen().iter().all(|seen| seen.attempt == 1));
}

#[tokio::test]
async fn a_pause_longer_than_the_consumer_timeout_harms_nothing() {
    let options =
        Options::new().line("consumer_timeout = 10000").advanced("[{rabbit, [{channel_tick_interval, 1000}]}].");
    let broker = Broker::with(options).await;
    let down = Arc::new(AtomicBool::new(true));
    let actor = dependent(&down);
    actor.ail("still down");
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a", "b", "c"]).await;
    consumer.becomes("paused").await;
    // Twice the timeout: only time itself can show that nothing happens in it.
    let begun = std::time::Instant::now();
    eventually("twice the timeout is over", async || begun.elapsed(), |past| *past > Duration::from_secs(20)).await;
    assert_eq!(consumer.state.borrow().name(), "paused");
    assert!(!broker.log().contains("timed out"), "the broker saw a delivery without an answer");
    down.store(false, Ordering::Relaxed);
    actor.recover();
    consumer.becomes("consuming").await;
    drained(&broker).await;
    assert!(actor.seen().iter().all(|seen| seen.attempt == 1));
    assert_eq!(broker.depth(DEAD).await, Some(0));
}

#[tokio::test]
async fn an_event_that_a_pause_gives_back_is_redriven_once() {
    let broker = Broker::shared().await;
    let down = Arc::new(AtomicBool::new(true));
    let actor = dependent(&down);
    actor.ail("still down");
    let consumer = Running::consuming(&broker, &actor).await;
    let (properties, body) = message("a", "a");
    let mut headers = FieldTable::default();
    headers.insert("warren-redriven".into(), AMQPValue::LongLongInt(1));
    assert!(broker.publish("", QUEUE, properties.with_headers(headers), &body).await);
    consumer.becomes("paused").await;
    down.store(false, Ordering::Relaxed);
    actor.recover();
    drained(&broker).await;
    actor
        .eventually("it is handled after the pause", |seen| {
            seen.len() >= 2 && seen.iter().all(|seen| seen.redriven == 1)
        })
        .await;
    assert_eq!(consumer.gauge("messaging_redriven_total"), 1.0);
}

#[tokio::test]
async fn a_consumer_that_is_paused_stops_at_once() {
    let broker = Broker::shared().await;
    let actor = dependent(&Arc::new(AtomicBool::new(true)));
    actor.ail("still down");
    let options = ConsumerOptions { concurrency: 1, ..quick() };
    let consumer = Running::consuming_with(&broker, &actor, options).await;
    publish(&broker, &["a"]).await;
    consumer.becomes("paused").await;
    consumer.stop().await.unwrap();
    eventually("it is in the queue", || broker.depth(QUEUE), |&depth| depth == Some(1)).await;
}
