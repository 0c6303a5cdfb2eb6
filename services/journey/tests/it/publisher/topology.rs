//! What has to exist before anything is published, and what if it cannot.

use journey::Options;
use lapin::options::ExchangeDeclareOptions;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_required_queue_hears_of_events_before_its_consumer_ever_ran() {
    let broker = Broker::shared().await;
    let publisher = start(endpoint(&broker.url_as("order")), required("email-queue"));
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
    assert_eq!(broker.depth("email-queue").await, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_exchange_is_rebuilt_with_its_bindings_and_no_event_is_lost() {
    let broker = Broker::shared().await;
    let publisher = connected(&broker).await;
    let mut accepted = 0;
    for _ in 0..3 {
        broker.delete_exchange(EXCHANGE).await;
        let answers = join_all((0..100).map(|_| publish(&publisher, event(PLACED)))).await;
        // Another lane may have declared the exchange a moment before its bindings: nobody would hear, and that is what is said.
        assert!(answers.iter().all(|answer| matches!(answer, Ok(()) | Err(PublishError::Unroutable))), "{answers:?}");
        accepted += answers.iter().filter(|answer| answer.is_ok()).count();
        let back = eventually("an event is accepted again", || publish(&publisher, event(PLACED)), Result::is_ok).await;
        accepted += usize::from(back.is_ok());
    }
    assert_eq!(drain(&broker, "email-queue").await.len(), accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_binding_is_back_within_seconds() {
    let broker = Broker::shared().await;
    let publisher = connected(&broker).await;
    // It may be asserted again between the deletion and the event; the next deletion will be quicker.
    let unbind_and_publish = || async {
        broker.delete_binding("email-queue", EXCHANGE, PLACED).await;
        publish(&publisher, event(PLACED)).await
    };
    let unheard = eventually("nobody hears", unbind_and_publish, Result::is_err).await;
    assert_eq!(unheard, Err(PublishError::Unroutable));
    let back = eventually("the binding is back", || publish(&publisher, event(PLACED)), Result::is_ok).await;
    assert_eq!(back, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_queue_with_other_arguments_is_named_and_keeps_no_event_back() {
    let broker = Broker::shared().await;
    let client = broker.client().await;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(5));
    client.declare_queue("email-queue", durable, arguments).await.unwrap();
    let publisher = start(endpoint(&broker.url()), required("email-queue"));
    let conflict = until(&publisher, "in conflict", |state| state.name() == "topology-conflict").await;
    let reason = conflict.reason().unwrap();
    assert!(reason.contains("queue \"email-queue\"") && reason.contains("x-max-length"), "{reason}");
    assert!(conflict.is_serving(), "{conflict:?}");
    // It is bound all the same.
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
    assert_eq!(broker.depth("email-queue").await, Some(1));
    broker.delete_queue("email-queue").await;
    until(&publisher, "connected", |state| *state == State::Connected).await;
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_of_another_type_is_a_conflict_and_nothing_is_sent_to_it() {
    let broker = Broker::shared().await;
    let client = broker.client().await;
    let declare = async |channel: &lapin::Channel| {
        let (durable, none) = (ExchangeDeclareOptions { durable: true, ..Default::default() }, FieldTable::default());
        channel.exchange_declare(EXCHANGE.into(), lapin::ExchangeKind::Fanout, durable, none).await
    };
    client.ask(declare).await.unwrap();
    client.declare_queue("email-queue", QueueDeclareOptions::durable(), FieldTable::default()).await.unwrap();
    client.bind("email-queue", EXCHANGE, PLACED).await;
    let publisher = start(endpoint(&broker.url()), required("email-queue"));
    let conflict = until(&publisher, "in conflict", |state| state.name() == "topology-conflict").await;
    assert!(conflict.reason().unwrap().contains("exchange \"order-exchange\""), "{conflict:?}");
    assert!(!conflict.is_serving(), "{conflict:?}");
    let answer = publish_within(&publisher, event(PLACED), Duration::from_secs(1)).await;
    assert_eq!(answer, Err(PublishError::TopologyConflict));
    assert_eq!(broker.depth("email-queue").await, Some(0));
    broker.delete_exchange(EXCHANGE).await;
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_may_have_fewer_channels_than_lanes_publishes_over_those() {
    let broker = Broker::with(Options::new().line("channel_max = 5")).await;
    let publish_all = async || {
        let publisher = start(endpoint(&broker.url_as("order")), required("email-queue"));
        let answers = join_all((0..100).map(|_| publish(&publisher, event(PLACED)))).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(*publisher.state().borrow(), State::Connected);
        publisher.close(Instant::now() + PATIENCE).await;
    };
    publish_all().await;
    // Over one channel more than this, the broker closes the connection.
    broker.rabbitmqctl(&["set_user_limits", "order", r#"{"max-channels": 3}"#]).await;
    publish_all().await;
    assert_eq!(broker.depth("email-queue").await, Some(200));
}

/// What the user `order` may configure, write and read.
async fn grant(broker: &Broker, [configure, write, read]: [&str; 3]) {
    let rights = serde_json::json!({"configure": configure, "write": write, "read": read});
    broker.put(&format!("permissions/{}/order", broker.vhost()), &rights).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_declare_nothing_publishes_to_what_is_there() {
    // The last may bind, and see everything; the first may see no more than it needs.
    for [write, read] in [["^order-exchange$", "^$"], ["^order-exchange$", "^email-queue$"], [".*", ".*"]] {
        let broker = Broker::shared().await;
        broker.declare("email-queue", EXCHANGE, &[PLACED]).await;
        grant(&broker, ["^$", write, read]).await;
        let publisher = start(endpoint(&broker.url_as("order")), required("email-queue"));
        until(&publisher, "connected", |state| *state == State::Connected).await;
        assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()), "write {write}, read {read}");
        assert_eq!(broker.depth("email-queue").await, Some(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_only_bind_binds_again() {
    let broker = Broker::shared().await;
    broker.declare("email-queue", EXCHANGE, &[]).await;
    grant(&broker, ["^$", "^(order-exchange|email-queue)$", "^order-exchange$"]).await;
    let publisher = start(endpoint(&broker.url_as("order")), required("email-queue"));
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
    broker.delete_binding("email-queue", EXCHANGE, PLACED).await;
    let back = eventually("the binding is back", || publish(&publisher, event(PLACED)), Result::is_ok).await;
    assert_eq!(back, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_queue_that_may_not_be_made_is_named_and_keeps_no_event_back() {
    let broker = Broker::shared().await;
    broker.declare("analytics-queue", EXCHANGE, &[PLACED]).await;
    grant(&broker, ["^$", ".*", ".*"]).await;
    let publisher = start(endpoint(&broker.url_as("order")), required("email-queue"));
    let refused = until(&publisher, "refused", |state| state.name() == "access-refused").await;
    let reason = refused.reason().unwrap();
    assert!(reason.contains("queue \"email-queue\"") && reason.contains("does not exist"), "{reason}");
    assert!(refused.is_serving(), "{refused:?}");
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
    broker.declare("email-queue", EXCHANGE, &[]).await;
    until(&publisher, "connected", |state| *state == State::Connected).await;
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
    assert_eq!(broker.depth("email-queue").await, Some(1), "it was bound");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_may_not_be_made_is_named_and_used_once_it_is_there() {
    let broker = Broker::shared().await;
    grant(&broker, ["^$", ".*", ".*"]).await;
    let publisher = start(endpoint(&broker.url_as("order")), required("email-queue"));
    let refused = until(&publisher, "refused", |state| state.name() == "access-refused").await;
    let reason = refused.reason().unwrap();
    assert!(reason.contains("exchange \"order-exchange\"") && reason.contains("does not exist"), "{reason}");
    let answer = publish_within(&publisher, event(PLACED), Duration::from_secs(1)).await;
    assert_eq!(answer, Err(PublishError::AccessRefused));
    broker.declare("email-queue", EXCHANGE, &[PLACED]).await;
    assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_publish_is_told_so_and_the_state_shows_it() {
    let broker = Broker::shared().await;
    broker.declare("email-queue", EXCHANGE, &[PLACED]).await;
    // It may see the exchange, on any version.
    grant(&broker, ["^$", "^$", "^order-exchange$"]).await;
    let publisher = start(endpoint(&broker.url_as("order")), required("email-queue"));
    let refused = || async {
        let answers = join_all((0..20).map(|_| publish(&publisher, event(PLACED)))).await;
        assert!(answers.iter().all(|answer| *answer == Err(PublishError::AccessRefused)), "{answers:?}");
        publisher.state().borrow().clone()
    };
    let state = eventually("the state shows it", refused, |state| state.name() == "access-refused").await;
    assert!(state.reason().unwrap().contains("exchange \"order-exchange\"") && !state.is_serving(), "{state:?}");
    grant(&broker, ["^$", "^order-exchange$", "^$"]).await;
    let accepted = eventually("it is accepted", || publish(&publisher, event(PLACED)), Result::is_ok).await;
    assert_eq!(accepted, Ok(()));
    until(&publisher, "connected", |state| *state == State::Connected).await;
    let depth = broker.depth("email-queue").await;
    assert_eq!(depth, Some(1), "nothing that was refused is held by a queue");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_the_right_is_refused_by_object() {
    let broker = Broker::shared().await;
    let registry = Registry::new();
    let endpoint = endpoint(&broker.url_as("order"));
    let publisher = start_to(endpoint, "foreign-exchange", PublisherOptions::default(), &registry).unwrap();
    let refused = until(&publisher, "refused", |state| state.name() == "access-refused").await;
    assert!(refused.reason().unwrap().contains("exchange \"foreign-exchange\""), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_told_without_the_password() {
    let broker = Broker::shared().await;
    let publisher = start(endpoint(&broker.url().replace("guest:guest", "guest:wr0ng")), PublisherOptions::default());
    let refused = until(&publisher, "refused", |state| state.name() == "access-refused").await;
    let reason = refused.reason().unwrap();
    assert!(reason.contains("refused user \"guest\"") && !reason.contains("wr0ng"), "{reason}");
    let answer = publish_within(&publisher, event(PLACED), Duration::from_secs(1)).await;
    assert_eq!(answer, Err(PublishError::AccessRefused), "the broker is not away");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_vhost_is_named() {
    let broker = Broker::shared().await;
    let publisher = start(endpoint(&broker.url().replace(broker.vhost(), "nowhere")), PublisherOptions::default());
    let refused = until(&publisher, "refused", |state| state.name() == "access-refused").await;
    assert!(refused.reason().unwrap().contains("vhost \"nowhere\""), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_goes_to_the_queues_that_its_kind_of_exchange_copies_it_to() {
    let broker = Broker::shared().await;
    for (exchange, key) in
        [(Exchange::topic("stock"), "*.placed"), (Exchange::fanout(String::from("audit")), "whatever")]
    {
        let queue = format!("queue-of-{}", exchange.name());
        let required = RequiredQueue { queue: queue.clone(), routing_keys: vec![key.to_owned()] };
        let options = PublisherOptions { required_queues: vec![required], ..PublisherOptions::default() };
        let publisher = start_to(endpoint(&broker.url()), exchange, options, &Registry::new()).unwrap();
        assert_eq!(publish(&publisher, event(PLACED)).await, Ok(()), "{queue}");
        assert_eq!(broker.take(&queue).await.len(), 1, "{queue}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_of_another_kind_is_never_published_to() {
    let broker = Broker::shared().await;
    broker.declare("email-queue", EXCHANGE, &[PLACED]).await;
    let options = PublisherOptions::default();
    let endpoint = endpoint(&broker.url());
    let publisher = start_to(endpoint, Exchange::topic(EXCHANGE), options, &Registry::new()).unwrap();
    let conflict = until(&publisher, "a conflict", |state| state.name() == "topology-conflict").await;
    let reason = conflict.reason().unwrap();
    assert!(["exchange \"order-exchange\"", "topic", "direct"].iter().all(|name| reason.contains(name)), "{reason}");
    let answer = publish_within(&publisher, event(PLACED), Duration::from_secs(1)).await;
    assert_eq!(answer, Err(PublishError::TopologyConflict));
}

#[tokio::test]
async fn a_name_that_amqp_cannot_carry_is_refused_before_anything_starts() {
    let start = |exchange: Exchange, options: PublisherOptions| {
        let endpoint = endpoint("amqp://127.0.0.1:1");
        let started = start_to(endpoint, exchange, options, &Registry::new());
        started.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let none = PublisherOptions::default;
    assert!(start(Exchange::direct(""), none()).starts_with("exchange \"\": expected"));
    assert!(start(Exchange::direct("e".repeat(256)), none()).contains("it has 256 bytes"));
    assert!(start(Exchange::direct("e"), required(&"q".repeat(256))).starts_with("queue \"qqq"));
}
