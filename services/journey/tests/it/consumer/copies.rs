//! Copies to delay queues and dead letters lose nothing, and hold up nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use journey::{Alarm, Broker, Options, Process, Proxy, eventually};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use messaging::{ConsumerOptions, Failure};
use tokio::sync::Semaphore;

use super::stage::*;
use crate::redrive::{options, redrive};

#[tokio::test]
async fn a_broker_killed_between_copy_and_acknowledgement_loses_no_event() {
    let broker = Broker::start().await;
    let actor = Actor::new(|seen| async move {
        match (seen.text.starts_with("later"), seen.attempt) {
            (true, 1) => Err(Failure::later("not yet")),
            (true, _) => Ok(()),
            (false, _) => Err(Failure::for_good("never")),
        }
    });
    let retry_delays = [300, 300, 300].map(Duration::from_millis).to_vec();
    let consumer = Running::consuming_with(&broker, &actor, ConsumerOptions { retry_delays, ..quick() }).await;
    let texts: Vec<String> = (0..400).flat_map(|n| [format!("later-{n}"), format!("dead-{n}")]).collect();
    for (round, part) in texts.chunks(texts.len() / 4).enumerate() {
        publish(&broker, &part.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let begun = |seen: &Vec<Seen>| seen.iter().any(|seen| part.contains(&seen.text));
        actor.eventually("copies are under way", begun).await;
        if round < 3 {
            broker.kill().await;
            broker.restart().await;
            consumer.becomes("consuming").await;
        }
    }
    let expected: BTreeSet<_> = texts.iter().filter(|text| text.starts_with("later")).cloned().collect();
    let handled = |seen: &Vec<Seen>| {
        let handled: BTreeSet<_> = seen.iter().filter(|seen| seen.attempt > 1).map(|seen| seen.text.clone()).collect();
        handled == expected
    };
    actor.eventually("each that may work later is tried again", handled).await;
    drained(&broker).await;
    let expected: BTreeSet<_> = texts.iter().filter(|text| text.starts_with("dead")).cloned().collect();
    let dead: BTreeSet<_> =
        broker.take(DEAD).await.iter().map(|letter| letter.json()["data"].as_str().unwrap().to_owned()).collect();
    assert_eq!(dead, expected);
}

#[tokio::test]
async fn an_alarm_holds_back_copies_and_no_acknowledgement() {
    let broker = Broker::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let actor = Actor::new(move |seen| {
        let gate = waiting.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            if seen.text == "fails" { Err(Failure::for_good("never")) } else { Ok(()) }
        }
    });
    let _consumer = Running::consuming(&broker, &actor).await;
    let texts: Vec<String> = (0..50).map(|n| n.to_string()).chain(["fails".to_owned()]).collect();
    publish(&broker, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    actor.eventually("all are begun", |seen| seen.len() == 51).await;
    broker.set_alarm(Alarm::Memory).await;
    gate.add_permits(51);
    eventually("all but the failed one are acknowledged", || unsettled(&broker), |&left| left == 1).await;
    assert_eq!(broker.depth(DEAD).await, Some(0));
    broker.clear_alarm(Alarm::Memory).await;
    eventually("the failed one is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    drained(&broker).await;
}

#[tokio::test]
async fn a_copy_that_no_queue_takes_leaves_its_original_and_holds_up_no_other() {
    let broker = Broker::shared().await;
    let actor =
        Actor::new(|seen| async move { if seen.text == "fails" { Err(Failure::for_good("never")) } else { Ok(()) } });
    let consumer = Running::consuming(&broker, &actor).await;
    forbid_dead_letters(&broker).await;
    publish(&broker, &["fails", "a", "b"]).await;
    eventually("only the failed one is left", || unsettled(&broker), |&left| left == 1).await;
    let state = consumer.becomes("access-refused").await;
    assert!(state.reason().unwrap().contains(DEAD), "{state:?}");
    publish(&broker, &["c"]).await;
    actor.eventually("it still consumes", |seen| seen.iter().any(|seen| seen.text == "c")).await;
    allow_everything(&broker).await;
    consumer.becomes("consuming").await;
    eventually("it is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    drained(&broker).await;
    assert_eq!(actor.texts().iter().filter(|text| *text == "fails").count(), 1);
}

#[tokio::test]
async fn a_copy_that_no_queue_takes_is_told_once_however_often_it_is_tried() {
    let broker = Broker::shared().await;
    let mut email = Process::start("email", [("AMQP_URL", broker.url_as("email"))]);
    email.ready().await;
    forbid_dead_letters(&broker).await;
    assert!(broker.publish(EXCHANGE, KEY, properties("fails"), b"no order").await);
    let returned = async || {
        let channels = broker.management(&format!("vhosts/{}/channels", broker.vhost())).await;
        let channels = channels.as_array().unwrap().iter();
        channels.filter_map(|channel| channel["message_stats"]["return_unroutable"].as_u64()).sum::<u64>()
    };
    eventually("it came back often", returned, |&times| times >= 4).await;
    assert_eq!(email.logged("copy not confirmed").len(), 1, "{}", email.log());
}

#[tokio::test]
async fn suspects_whose_copies_no_queue_takes_hold_up_no_other() {
    let broker = Broker::shared().await;
    let fails = |text: &str| text.starts_with("fails");
    let actor =
        Actor::new(move |seen| async move { if fails(&seen.text) { Err(Failure::for_good("never")) } else { Ok(()) } });
    let _consumer = Running::consuming(&broker, &actor).await;
    forbid_dead_letters(&broker).await;
    publish_suspects(&broker, &["fails-a", "fails-b"]).await;
    publish(&broker, &["good"]).await;
    actor.eventually("the good one is handled", |seen| seen.iter().any(|seen| seen.text == "good")).await;
    eventually("only the failed ones are left", || unsettled(&broker), |&left| left == 2).await;
    allow_everything(&broker).await;
    eventually("they are dead", || broker.depth(DEAD), |&depth| depth == Some(2)).await;
    drained(&broker).await;
}

#[tokio::test]
async fn neither_a_pause_nor_a_stop_waits_for_a_copy_that_an_alarm_holds_back() {
    let broker = Broker::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let actor = Actor::new(move |seen| {
        let gate = waiting.clone();
        async move {
            let _open = gate.acquire().await.unwrap();
            if seen.text == "outage" { Err(Failure::outage("down")) } else { Err(Failure::for_good("never")) }
        }
    });
    actor.ail("still down");
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["fails", "outage"]).await;
    actor.eventually("both are begun", |seen| seen.len() == 2).await;
    broker.set_alarm(Alarm::Memory).await;
    gate.add_permits(1);
    consumer.becomes("paused").await;
    eventually("nobody holds them", || broker.depth(QUEUE), |&depth| depth == Some(2)).await;
    consumer.stop().await.unwrap();
    let willing = Actor::new(|_| async { Err(Failure::for_good("never")) });
    let consumer = Running::consuming(&broker, &willing).await;
    willing.eventually("both are begun again", |seen| seen.len() == 2).await;
    consumer.stop().await.expect("it ends within its time");
    eventually("nobody holds them", || broker.depth(QUEUE), |&depth| depth == Some(2)).await;
    assert_eq!(broker.depth(DEAD).await, Some(0));
    broker.clear_alarm(Alarm::Memory).await;
    let _consumer = Running::consuming(&broker, &willing).await;
    drained(&broker).await;
    // What the broker had before it was given back, it may have twice.
    let dead: BTreeSet<_> = broker.take(DEAD).await.iter().map(|letter| letter.json()["data"].to_string()).collect();
    assert_eq!(dead.len(), 2, "{dead:?}");
}

#[tokio::test]
async fn a_copy_that_waits_out_an_alarm_is_made_once() {
    let broker = Broker::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let actor = Actor::new(move |_| {
        let gate = waiting.clone();
        async move {
            let _open = gate.acquire().await.unwrap();
            Err(Failure::for_good("never"))
        }
    });
    let _consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["fails"]).await;
    actor.eventually("it is begun", |seen| seen.len() == 1).await;
    broker.set_alarm(Alarm::Memory).await;
    gate.add_permits(1);
    // Longer than a try would wait without an alarm: only time itself can show that there is no second one.
    let begun = std::time::Instant::now();
    eventually("two tries could be over", async || begun.elapsed(), |past| *past > Duration::from_secs(12)).await;
    broker.clear_alarm(Alarm::Memory).await;
    drained(&broker).await;
    assert_eq!(broker.depth(DEAD).await, Some(1));
}

#[tokio::test]
async fn copies_are_signed_and_recognised_under_the_name_that_the_broker_gives_the_user() {
    let broker = Broker::shared().await;
    broker.declare(QUEUE, EXCHANGE, &[KEY]).await;
    // As with OAuth 2, the name in the URL is not the name that the broker knows.
    let proxy = Proxy::rewording_clients(broker.port(), |said| {
        let (mine, theirs) = (b"\0email\0email", b"\0guest\0guest");
        if let Some(at) = said.windows(mine.len()).position(|window| window == mine) {
            said[at..at + mine.len()].copy_from_slice(theirs);
        }
    })
    .await;
    // A copy of a process that has ended.
    let mut headers = FieldTable::default();
    headers.insert("warren-attempts".into(), AMQPValue::LongLongInt(2));
    let (copy, body) = message("old", "old");
    let copy = copy.with_headers(headers).with_user_id("guest".into());
    assert!(broker.publish("", QUEUE, copy, &body).await);
    let actor = Actor::new(|seen| async move {
        if seen.text == "new" && seen.attempt < 3 { Err(Failure::later("not yet")) } else { Ok(()) }
    });
    let consumer = Running::consuming(&broker.through(&proxy), &actor).await;
    publish(&broker, &["new"]).await;
    actor.eventually("all attempts are made", |seen| seen.len() == 4).await;
    drained(&broker).await;
    let attempts = |text: &str| {
        actor.seen().into_iter().filter(|seen| seen.text == text).map(|seen| seen.attempt).collect::<Vec<_>>()
    };
    assert_eq!((attempts("old"), attempts("new")), (vec![3], vec![1, 2, 3]));
    assert_eq!((consumer.count("handled"), consumer.count("delayed")), (2, 2));
}

#[tokio::test]
async fn copies_that_the_broker_does_not_let_in_show_until_they_pass() {
    let broker = Broker::start().await;
    let actor =
        Actor::new(|seen| async move { if seen.text == "fails" { Err(Failure::for_good("never")) } else { Ok(()) } });
    let consumer = Running::consuming(&broker, &actor).await;
    broker.rabbitmqctl(&["set_user_limits", "email", r#"{"max-connections": 1}"#]).await;
    let connections = broker.rabbitmqctl(&["list_connections", "pid", "client_properties"]).await;
    let of_copies = connections.lines().find(|line| line.contains("email:publish")).unwrap();
    let pid = of_copies.split_once('\t').unwrap().0;
    broker.rabbitmqctl(&["close_connection", pid, "closed by a test"]).await;
    publish(&broker, &["fails", "a"]).await;
    let state = consumer.becomes("access-refused").await;
    let reason = state.reason().unwrap();
    assert!(reason.contains(DEAD) && reason.contains("limit") && state.is_serving(), "{state:?}");
    assert_eq!(consumer.gauge("messaging_consumer_active"), 1.0);
    publish(&broker, &["b"]).await;
    actor.eventually("it still consumes", |seen| seen.iter().any(|seen| seen.text == "b")).await;
    broker.rabbitmqctl(&["clear_user_limits", "email", "all"]).await;
    consumer.becomes("consuming").await;
    eventually("it is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    drained(&broker).await;
}

#[tokio::test]
async fn copies_fit_the_frames_of_a_broker_that_takes_only_small_ones() {
    let broker = Broker::with(Options::new().line("frame_max = 8192")).await;
    let actor = Actor::new(|seen| async move {
        if seen.text == "later" && seen.attempt == 1 { Err(Failure::later("e".repeat(5_000))) } else { Ok(()) }
    });
    let consumer = Running::consuming(&broker, &actor).await;
    let publisher = broker.client().await;
    let huge = |properties: BasicProperties| {
        let mut headers = FieldTable::default();
        headers.insert("huge".into(), AMQPValue::LongString("x".repeat(8_000).into()));
        headers.insert("tenant".into(), AMQPValue::LongString("acme".into()));
        properties.with_headers(headers)
    };
    assert!(publisher.publish(EXCHANGE, KEY, huge(properties("no event")), b"no event").await);
    let (later, body) = message("later", "later");
    assert!(publisher.publish(EXCHANGE, KEY, huge(later), &body).await);
    publish(&broker, &["a", "b", "c"]).await;
    let handled = |seen: &Vec<Seen>| seen.iter().any(|seen| seen.attempt == 2) && seen.len() == 5;
    actor.eventually("all others are handled", handled).await;
    drained(&broker).await;
    assert_eq!((consumer.count("handled"), consumer.count("undecodable"), consumer.count("delayed")), (4, 1, 1));
    let dead = broker.take(DEAD).await;
    let [letter] = &dead[..] else { panic!("{dead:?}") };
    let header = |name| letter.header(name).unwrap_or_default();
    let kept = [header("warren-reason"), header("warren-left-out"), header("tenant")];
    assert_eq!(kept, ["undecodable", "huge", "acme"]);
    assert!(publisher.publish("", DEAD, huge(properties("another")), b"no event").await);
    assert_eq!(redrive(&broker, options()).await.unwrap().moved, 1);
    eventually("it is dead again", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
}

/// Deletes the dead letters' queue; the consumer may not make it again, so every copy for it is returned.
async fn forbid_dead_letters(broker: &Broker) {
    let service = r"^(order-exchange|email-queue(\..+)?)$";
    let configure = r"^(order-exchange|email-queue(\.retry\..+)?)$";
    let fewer = serde_json::json!({"configure": configure, "write": ".*", "read": service});
    broker.put(&format!("permissions/{}/email", broker.vhost()), &fewer).await;
    broker.delete_queue(DEAD).await;
}

async fn allow_everything(broker: &Broker) {
    let all = serde_json::json!({"configure": ".*", "write": ".*", "read": ".*"});
    broker.put(&format!("permissions/{}/email", broker.vhost()), &all).await;
}
