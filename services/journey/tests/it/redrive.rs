//! Dead letters go back to their queue, once, and none is lost on the way.

use std::collections::BTreeMap;
use std::future::{pending, ready};

use events::CONTENT_TYPE;
use journey::{Broker, Message, Options, Process, eventually, in_time};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use messaging::redrive::{self, RedriveOptions, Summary};
use messaging::{Client, DeadReason, Endpoint, Error, Failure};
use prometheus::Registry;

use crate::consumer::stage::{Actor, DEAD, EXCHANGE, KEY, QUEUE, Running, drained, message, publish};

pub(crate) fn options() -> RedriveOptions {
    RedriveOptions {
        queue: QUEUE.to_owned(),
        reason: None,
        dead_queue: None,
        event_id: None,
        limit: None,
        dry_run: false,
        max_redrives: 3,
    }
}

pub(crate) async fn redrive(broker: &Broker, options: RedriveOptions) -> Result<Summary, Error> {
    let url = broker.url_as("redrive").parse().unwrap();
    let endpoint = Endpoint::new(url, "redrive");
    let client = Client::new(endpoint, &Registry::new()).unwrap();
    in_time("redrive ends", redrive::run(&client, options, pending())).await
}

/// A queue and its dead letters, each with a reason. A consumer has declared both, and is gone.
async fn dead_letters(broker: &Broker, letters: &[(&str, DeadReason)]) {
    Running::consuming(broker, &Actor::willing()).await.stop().await.unwrap();
    let client = broker.client().await;
    for (id, reason) in letters {
        let mut headers = FieldTable::default();
        headers.insert("warren-reason".into(), AMQPValue::LongString(reason.name().into()));
        headers.insert("warren-attempts".into(), AMQPValue::LongLongInt(5));
        headers.insert("warren-routing-key".into(), AMQPValue::LongString("order.placed".into()));
        let properties = BasicProperties::default().with_message_id((*id).into()).with_headers(headers);
        let properties = properties.with_content_type(CONTENT_TYPE.into()).with_delivery_mode(2);
        assert!(client.publish("", DEAD, properties, id.as_bytes()).await);
    }
}

/// What a queue holds, and holds again: the broker takes it back some time after the connection is closed.
pub(crate) async fn look(broker: &Broker, queue: &str) -> Vec<Message> {
    let messages = broker.peek(queue).await;
    let back = |depth: &Option<u32>| depth.is_some_and(|depth| depth as usize == messages.len());
    eventually("what was looked at is back", || broker.depth(queue), back).await;
    messages
}

/// The ids of what a queue holds, sorted: what was given back need not come in the order in which it was published.
async fn ids(broker: &Broker, queue: &str) -> Vec<String> {
    let messages = look(broker, queue).await;
    let mut ids: Vec<_> =
        messages.iter().map(|message| message.properties.message_id().as_ref().unwrap().to_string()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn a_dead_letter_is_handled_after_its_redrive_and_its_attempts_begin_anew() {
    let broker = Broker::shared().await;
    let actor =
        Actor::new(|seen| async move { if seen.redriven == 0 { Err(Failure::for_good("not today")) } else { Ok(()) } });
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a"]).await;
    eventually("it is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
    let summary = redrive(&broker, options()).await.unwrap();
    assert_eq!(summary, Summary { found: 1, moved: 1, refused: 0, not_taken: 0, dry_run: false });
    let seen = actor.eventually("it is handled", |seen| seen.len() == 2).await;
    assert_eq!((seen[1].attempt, seen[1].redriven), (1, 1));
    drained(&broker).await;
    assert_eq!(broker.depth(DEAD).await, Some(0));
    assert_eq!(consumer.gauge("messaging_redriven_total"), 1.0);
}

#[tokio::test]
async fn a_letter_that_dies_again_keeps_its_trace_and_its_first_failure() {
    let broker = Broker::shared().await;
    let actor = Actor::new(|_| async { Err(Failure::for_good("never")) });
    let _consumer = Running::consuming(&broker, &actor).await;
    let trace = [
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "vendor=of-the-customer"),
    ];
    let headers = trace.map(|(name, value)| (name.into(), AMQPValue::LongString(value.into())));
    let (properties, body) = message("a", "a");
    let properties = properties.with_headers(FieldTable::from(BTreeMap::from(headers)));
    assert!(broker.publish(EXCHANGE, KEY, properties, &body).await);
    let lasting = ["traceparent", "tracestate", "warren-first-failure"];
    let mut deaths = Vec::new();
    for death in 1..=2 {
        eventually("it is dead", || broker.depth(DEAD), |&depth| depth == Some(1)).await;
        let letter = look(&broker, DEAD).await.remove(0);
        deaths.push(lasting.map(|name| letter.header(name).unwrap_or_else(|| panic!("no {name} at death {death}"))));
        assert_eq!(redrive(&broker, options()).await.unwrap().moved, 1);
    }
    assert_eq!(deaths[0], deaths[1]);
    assert_eq!(deaths[0][..2], trace.map(|(_, value)| value));
}

#[tokio::test]
async fn what_was_handled_before_is_a_duplicate_after_its_redrive() {
    let broker = Broker::shared().await;
    let actor = Actor::willing();
    let consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["a"]).await;
    drained(&broker).await;
    let (properties, body) = message("a", "a");
    assert!(broker.publish("", DEAD, properties, &body).await);
    let by_key = RedriveOptions { reason: Some(DeadReason::Unknown), ..options() };
    assert_eq!(redrive(&broker, by_key).await.unwrap().moved, 1);
    drained(&broker).await;
    assert_eq!((actor.seen().len(), consumer.count("duplicate")), (1, 1));
}

#[tokio::test]
async fn dry_runs_beyond_a_queues_usual_delivery_limit_leave_every_dead_letter() {
    let broker = Broker::shared().await;
    let letters: Vec<_> = ["1", "2", "3", "4", "5"].map(|id| (id, DeadReason::Attempts)).to_vec();
    dead_letters(&broker, &letters).await;
    // A quorum queue that nobody told otherwise drops what has come back more than twenty times.
    for _ in 0..25 {
        let summary = redrive(&broker, RedriveOptions { dry_run: true, ..options() }).await.unwrap();
        assert_eq!(summary, Summary { found: 5, moved: 5, refused: 0, not_taken: 0, dry_run: true });
        eventually("all are back", || broker.depth(DEAD), |&depth| depth == Some(5)).await;
    }
    assert_eq!(ids(&broker, DEAD).await, ["1", "2", "3", "4", "5"]);
    assert_eq!(broker.depth(QUEUE).await, Some(0));
}

#[tokio::test]
async fn only_letters_that_are_meant_are_moved() {
    let broker = Broker::shared().await;
    let letters = [
        ("1", DeadReason::Attempts),
        ("2", DeadReason::Undecodable),
        ("3", DeadReason::Attempts),
        ("4", DeadReason::ForGood),
        ("5", DeadReason::Attempts),
    ];
    dead_letters(&broker, &letters).await;
    let by_id = RedriveOptions { event_id: Some("4".to_owned()), ..options() };
    assert_eq!(redrive(&broker, by_id).await.unwrap().moved, 1);
    assert_eq!(ids(&broker, DEAD).await, ["1", "2", "3", "5"]);
    let by_reason = RedriveOptions { reason: Some(DeadReason::Attempts), limit: Some(2), ..options() };
    let summary = redrive(&broker, by_reason).await.unwrap();
    assert_eq!((summary.found, summary.moved, summary.left()), (4, 2, 2));
    assert_eq!(ids(&broker, DEAD).await, ["2", "5"]);
    assert_eq!(ids(&broker, QUEUE).await, ["1", "3", "4"]);
}

#[tokio::test]
async fn what_was_moved_too_often_is_refused_and_stays() {
    let broker = Broker::shared().await;
    dead_letters(&broker, &[("1", DeadReason::Attempts)]).await;
    for redriven in 1..=3 {
        assert_eq!(redrive(&broker, options()).await.unwrap().moved, 1);
        let letter = broker.take(QUEUE).await.remove(0);
        assert_eq!(letter.header("warren-redriven"), Some(redriven.to_string()));
        assert_eq!((letter.header("warren-attempts"), letter.header("warren-reason")), (None, None));
        assert!(broker.publish("", DEAD, letter.properties, &letter.body).await);
    }
    let summary = redrive(&broker, options()).await.unwrap();
    assert_eq!(summary, Summary { found: 1, moved: 0, refused: 1, not_taken: 0, dry_run: false });
    assert_eq!((ids(&broker, DEAD).await.len(), broker.depth(QUEUE).await), (1, Some(0)));
}

#[tokio::test]
async fn it_ends_although_its_letters_die_again_at_once() {
    let broker = Broker::shared().await;
    let actor = Actor::new(|_| async { Err(Failure::for_good("never")) });
    let _consumer = Running::consuming(&broker, &actor).await;
    publish(&broker, &["1", "2", "3"]).await;
    eventually("all are dead", || broker.depth(DEAD), |&depth| depth == Some(3)).await;
    let summary = redrive(&broker, RedriveOptions { max_redrives: 1000, ..options() }).await.unwrap();
    assert_eq!((summary.found, summary.moved), (3, 3));
    eventually("all are dead again", || broker.depth(DEAD), |&depth| depth == Some(3)).await;
}

#[tokio::test]
async fn a_letter_that_its_queue_does_not_take_stays_dead() {
    let broker = Broker::shared().await;
    dead_letters(&broker, &[("1", DeadReason::Attempts), ("2", DeadReason::Attempts)]).await;
    broker.delete_queue(QUEUE).await;
    let error = redrive(&broker, options()).await.unwrap_err();
    assert!(matches!(error, Error::NotMoved { moved: 0, .. }) && !error.is_configuration(), "{error}");
    eventually("both are back", || broker.depth(DEAD), |&depth| depth == Some(2)).await;
}

#[tokio::test]
async fn without_a_dead_letter_queue_or_a_broker_it_says_so() {
    let broker = Broker::shared().await;
    let error = redrive(&broker, RedriveOptions { queue: "email-queue".to_owned(), ..options() }).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }) && error.is_configuration(), "{error}");
    let error = redrive(&Broker::late(), options()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && !error.is_configuration(), "{error}");
}

#[tokio::test]
async fn a_stop_leaves_the_rest_dead() {
    let broker = Broker::shared().await;
    dead_letters(&broker, &[("1", DeadReason::Attempts)]).await;
    let url = broker.url_as("redrive").parse().unwrap();
    let endpoint = Endpoint::new(url, "redrive");
    let client = Client::new(endpoint, &Registry::new()).unwrap();
    let summary = redrive::run(&client, options(), ready(())).await.unwrap();
    assert_eq!((summary.found, summary.moved), (1, 0));
    assert_eq!(ids(&broker, DEAD).await, ["1"]);
}

#[tokio::test]
async fn the_binary_moves_what_it_is_told_to_says_so_and_ends() {
    let broker = Broker::shared().await;
    dead_letters(&broker, &[("a", DeadReason::Attempts), ("b", DeadReason::ForGood)]).await;
    let run = async |queue: &str| {
        let variables =
            [("AMQP_URL", broker.url_as("redrive")), ("QUEUE", queue.to_owned()), ("REASON", "attempts".to_owned())];
        let mut redrive = Process::start("redrive", variables);
        (redrive.exit_code().await, redrive.log())
    };
    let (code, log) = run(QUEUE).await;
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("dead letters found: 2, moved: 1, left: 1, of these refused: 0, not taken: 0"), "{log}");
    assert_eq!((ids(&broker, QUEUE).await, ids(&broker, DEAD).await), (vec!["a".to_owned()], vec!["b".to_owned()]));
    let (code, log) = run("no-such-queue").await;
    assert_eq!(code, 64, "{log}");
    assert!(log.contains("no-such-queue.dead"), "{log}");
}

#[tokio::test]
async fn a_letter_that_the_broker_takes_no_more_is_named_and_stepped_over() {
    let broker = Broker::with(Options::new().line("max_message_size = 16777216")).await;
    dead_letters(&broker, &[("a", DeadReason::Attempts)]).await;
    let (properties, _) = message("huge", "huge");
    assert!(broker.publish("", DEAD, properties, &vec![b'x'; 1_000_000]).await);
    let (properties, body) = message("b", "b");
    assert!(broker.publish("", DEAD, properties, &body).await);
    // Somebody lowers the limit.
    broker.rabbitmqctl(&["eval", "persistent_term:put(max_message_size, 262144)."]).await;
    let mut redrive = Process::start("redrive", [("AMQP_URL", broker.url_as("redrive")), ("QUEUE", QUEUE.to_owned())]);
    let code = redrive.exit_code().await;
    let log = redrive.log();
    assert_eq!(code, 65, "{log}");
    assert!(log.contains("dead letters found: 3, moved: 2, left: 1, of these refused: 0, not taken: 1"), "{log}");
    assert!(log.lines().any(|line| line.contains("letter cannot be moved") && line.contains("huge")), "{log}");
    // One that was under way as the broker closed the channel may have arrived twice.
    let mut moved = ids(&broker, QUEUE).await;
    moved.dedup();
    assert_eq!((moved, ids(&broker, DEAD).await), (vec!["a".to_owned(), "b".to_owned()], vec!["huge".to_owned()]));
}
